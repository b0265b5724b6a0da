//! Promise: the completions and the manual cover every command.

use crate::peer::{echoctl, text};

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = text(&echoctl(&["--help"]).output().expect("the program starts").stdout);
    let list =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    list.filter(is_name).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_shell_completes_every_command() {
    let commands = commands();
    assert!(commands.len() > 4, "{commands:?}");

    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = echoctl(&["completions", shell]).output().unwrap();

        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know {command}");
        }
    }
}

#[test]
fn completions_have_values_and_nothing_hidden() {
    for shell in ["bash", "fish", "zsh"] {
        let script = text(&echoctl(&["completions", shell]).output().unwrap().stdout);

        // The generator for fish omits the values of positional arguments.
        let lesson = (shell != "fish").then_some("half-close");
        for name in lesson.into_iter().chain(["websocket-subscribe", "u32"]) {
            assert!(script.contains(name), "{shell} does not know {name}");
        }
        for hidden in ["sabotage", "candidate", "until-stdin-ends", "supervise"] {
            assert!(!script.contains(hidden), "{shell} offers {hidden}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let page = text(&echoctl(&["man"]).output().unwrap().stdout);
    assert!(page.contains(".TH echoctl 1"), "{page}");

    for command in commands() {
        assert!(page.contains(&command), "the page does not name {command}");
        let own = text(&echoctl(&["man", &command]).output().unwrap().stdout);
        assert!(own.contains(&format!(".TH echoctl-{command} 1")), "{command}:\n{own}");
    }
}

#[test]
fn all_manual_pages_are_written_to_a_folder() {
    let root = tempfile::tempdir().expect("there is room");
    let folder = root.path().join("share/man/man1");
    let path = folder.to_str().expect("it is text");

    // The first time it creates the folder, the second time it replaces the pages.
    for _ in 0..2 {
        echoctl(&["man", "--all", path]).assert().code(0);
    }

    let page = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.1"))).expect(name);
    assert!(page("echoctl").contains(".TH echoctl 1"));
    for command in commands() {
        assert!(
            page(&format!("echoctl-{command}")).contains(&format!(".TH echoctl-{command} 1")),
            "{command}"
        );
    }
}

#[test]
fn manual_pages_are_not_written_below_a_file() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").expect("there is room");
    let below = file.join("man1");

    for (path, why) in [(&file, "it is not a folder"), (&below, "Not a directory")] {
        let output = echoctl(&["man", "--all", path.to_str().expect("it is text")]).output().unwrap();

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        let expected = format!("cannot write the manual pages to {}: {why}", path.display());
        assert!(error.contains(&expected), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "kept");
}

#[test]
fn an_unknown_command_has_no_page() {
    echoctl(&["man", "banana"]).assert().code(2);
}
