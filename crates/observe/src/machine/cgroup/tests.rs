//! Texts of Linux 6.18, Docker 27 (version 1 without a cgroup namespace) and systemd 255 (version 2).

use super::*;

const BOTH: &str = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/a:b\n0::/user.slice/session.scope\n";

const MOUNTS: &str = "\
23 28 0:21 / /proc rw,relatime shared:5 - proc proc rw\n\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory\n\
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n\
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

#[test]
fn the_group_of_each_version_is_found() {
    assert_eq!(group_path(BOTH, Version::One), Some("/jobs/a:b"));
    assert_eq!(group_path(BOTH, Version::Two), Some("/user.slice/session.scope"));
    assert_eq!(group_path("5:cpuset,memory:/x\n", Version::One), Some("/x"));
    assert_eq!(group_path("5:cpuset,memory:/x\n", Version::Two), None);
    assert_eq!(group_path("nonsense\n\n1:\n", Version::One), None);
}

#[test]
fn mounts_that_limit_memory_are_found() {
    let mount =
        |version, root: &str, point: &str| Mount { version, root: root.to_owned(), point: point.into() };

    assert_eq!(
        memory_mounts(MOUNTS),
        [
            mount(Version::One, "/", "/sys/fs/cgroup/memory"),
            mount(Version::Two, "/", "/sys/fs/cgroup/unified")
        ]
    );
    assert_eq!(
        memory_mounts(r"1 2 0:3 /a\040b /mnt/c\134d\012 ro - cgroup none rw,cpu,memory"),
        [mount(Version::One, "/a b", "/mnt/c\\d\n")]
    );
    assert_eq!(memory_mounts("1 2 - cgroup2\n - cgroup2 x y\n - \n1 2 3 4 - cgroup2 x y\n"), []);
    assert_eq!(unescape(r"\9 \377 \04"), r"\9 \377 \04", "not an escape: unchanged");
}

#[test]
fn a_group_is_below_the_root_of_its_mount() {
    let mount = |root: &str| Mount { version: Version::One, root: root.to_owned(), point: "/memory".into() };
    let folder = |root, group| mount(root).folder(group).map(|folder| folder.display().to_string());

    assert_eq!(folder("/", "/"), Some("/memory/".to_owned()));
    assert_eq!(folder("/", "/jobs/a"), Some("/memory/jobs/a".to_owned()));
    assert_eq!(folder("/docker/1f", "/docker/1f"), Some("/memory/".to_owned()));
    assert_eq!(folder("/docker/1f", "/docker/1f/sub"), Some("/memory/sub".to_owned()));
    assert_eq!(folder("/docker/1f", "/docker/1fa"), None, "the host sees it, the container does not");
    assert_eq!(folder("/", "/../other"), None, "outside of the cgroup namespace");
    assert_eq!(folder("/..", "/"), None);
}

/// The files of a group, as a list of names and texts.
fn files<'a>(files: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| files.iter().find(|file| file.0 == name).map(|file| file.1.to_owned())
}

#[test]
fn version_1_leaves_the_limit_less_usage_without_cache() {
    let stat = "cache 90000\ninactive_file 1\nhierarchical_memory_limit 700000\ntotal_mapped_file 30000\n\
        total_inactive_file 50000\ntotal_active_file 80000\n";
    let group = [
        ("memory.limit_in_bytes", "1000000\n"),
        ("memory.usage_in_bytes", "400000\n"),
        ("memory.stat", stat),
        ("memory.kmem.tcp.usage_in_bytes", "0\n"),
    ];

    assert_eq!(available_at(Version::One, &files(&group)), Some(700_000 - 300_000));
    assert_eq!(available_at(Version::One, &files(&group[..1])), Some(1_000_000), "the usage is not visible");
    assert_eq!(available_at(Version::Two, &files(&group)), None);
    assert_eq!(sockets_at(Version::One, &files(&group)), None);
}

#[test]
fn inactive_page_cache_never_counts_as_usage() {
    let stat = "inactive_file 50000\nactive_file 10000\nfile_mapped 40000\n";
    let group = [("memory.max", "100000"), ("memory.current", "90000"), ("memory.stat", stat)];

    assert_eq!(available_at(Version::Two, &files(&group)), Some(60_000), "shared memory may be mapped too");
}

#[test]
fn version_1_reports_no_limit_as_a_very_large_one() {
    let stat = "hierarchical_memory_limit 9223372036854771712\n";
    let group = [("memory.limit_in_bytes", "9223372036854771712\n"), ("memory.stat", stat)];

    assert_eq!(available_at(Version::One, &files(&group)), None);
}

#[test]
fn version_2_leaves_the_smaller_of_max_and_high() {
    let stat = "anon 1\nfile 9\nsock 8192\nsocket 5\ninactive_file 100000\n";
    let with = |max: &'static str, high: &'static str| {
        let group =
            [("memory.max", max), ("memory.high", high), ("memory.current", "400000"), ("memory.stat", stat)];
        (available_at(Version::Two, &files(&group)), sockets_at(Version::Two, &files(&group)))
    };

    assert_eq!(with("1000000\n", "max\n"), (Some(700_000), Some(8192)));
    assert_eq!(with("1000000\n", "600000\n"), (Some(300_000), Some(8192)));
    assert_eq!(with("max\n", "200000\n"), (Some(0), Some(8192)), "the usage exceeds the limit");
    assert_eq!(with("max\n", "max\n"), (None, Some(8192)));
}

#[test]
fn truncated_text_never_panics() {
    for end in 0..MOUNTS.len() {
        let _ = memory_mounts(&MOUNTS[..end]);
    }
    for end in 0..BOTH.len() {
        let _ = (group_path(&BOTH[..end], Version::One), group_path(&BOTH[..end], Version::Two));
    }
}
