//! Tests of atomically replaced files.

use super::*;

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    OutputFile::new(path)?.write(text)
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_created_or_replaced() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("run.json");

    write(&path, "first").expect("it can be written");
    write(&path, "second").expect("it can be written");

    assert_eq!(fs::read_to_string(&path).expect("it is there"), "second");
    assert_eq!(names(folder.path()), ["run.json"]);
}

#[test]
fn an_old_file_stays_until_the_new_one_is_complete() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("run.json");
    write(&path, "old").expect("it can be written");

    // A run that does not finish …
    let file = OutputFile::new(&path).expect("it can be written");
    assert_eq!(names(folder.path()), ["run.json"]);
    drop(file);
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
    // … and a file that cannot be renamed, since a folder has taken its name.
    let file = OutputFile::new(&path).expect("it can be written");
    fs::remove_file(&path).expect("it is ours");
    fs::create_dir_all(path.join("inner")).expect("it can be made");

    assert!(file.write("new").is_err_and(|error| format!("{error:#}").starts_with("cannot write ")));
    assert_eq!(names(folder.path()), ["run.json"], "the temporary file is removed");
}

#[test]
fn unwritable_paths_are_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("there is room");

    for path in [
        folder.path().join("missing/run.json"),
        folder.path().to_owned(),
        folder.path().join("x/.."),
        folder.path().join("x/"),
        PathBuf::new(),
    ] {
        assert!(OutputFile::new(&path).is_err(), "{}", path.display());
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn options_with_the_same_file_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("old"), "").expect("it can be written");
    let refused = |one: &Path, other: &Path| {
        OutputFile::refuse_same(&[("--record", Some(one)), ("--none", None), ("--report", Some(other))])
    };

    for (one, other) in [("new", "new"), ("new", "./new"), ("old", "./old"), ("old", "old")] {
        let error = refused(&path(one), &path(other)).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("--record and --report")), "{one} {other}");
    }
    assert!(refused(Path::new("-"), Path::new("-")).is_err());
    assert!(refused(&path("new"), &path("old")).is_ok());
    assert!(refused(Path::new("/dev/null"), Path::new("/dev/null")).is_ok());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn permissions_of_the_old_file_are_copied() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("run.json");
        fs::write(&path, "old").expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");

        write(&path, "new").expect("it can be written");

        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn links_are_followed_and_preserved() {
        let folder = tempfile::tempdir().expect("there is room");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("it can be made");
        symlink("inner/second", folder.path().join("first")).expect("it can be made");
        symlink("run.json", inner.join("second")).expect("it can be made");

        for text in ["made", "replaced"] {
            write(&folder.path().join("first"), text).expect("it can be written");

            assert_eq!(fs::read_to_string(inner.join("run.json")).expect("it is there"), text);
            assert_eq!(names(&inner), ["run.json", "second"]);
        }
        let same = OutputFile::refuse_same(&[
            ("--csv", Some(&folder.path().join("first"))),
            ("--svg", Some(&inner.join("run.json"))),
        ]);
        assert!(same.is_err());
    }

    #[test]
    fn links_in_a_circle_are_an_error() {
        let folder = tempfile::tempdir().expect("there is room");
        symlink("round", folder.path().join("round")).expect("it can be made");

        assert!(OutputFile::new(&folder.path().join("round")).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_device_is_written_in_place() {
        write(Path::new("/dev/null"), "x").expect("it takes everything");

        let error = write(Path::new("/dev/full"), "x").map_err(|error| format!("{error:#}"));

        assert!(error.is_err_and(|error| error.starts_with("cannot write /dev/full: ")));
        assert!(fs::metadata("/dev/full").is_ok_and(|metadata| !metadata.is_file()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_in_shared_memory_is_replaced() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("there is room");
        let path = folder.path().join("run.json");

        for text in ["the first is the longer one", "second"] {
            write(&path, text).expect("it can be written");

            assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
        }
        assert_eq!(names(folder.path()), ["run.json"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_open_file_is_appended_to() {
        use std::os::fd::AsRawFd;

        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("log");
        fs::write(&path, "old, ").expect("it can be written");
        let open = File::open(&path).expect("it is there");
        let name = PathBuf::from(format!("/dev/fd/{}", open.as_raw_fd()));
        symlink(&name, folder.path().join("link")).expect("it can be made");

        write(&name, "by name, ").expect("it can be written");
        write(&folder.path().join("link"), "by link").expect("it can be written");

        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old, by name, by link");
    }
}
