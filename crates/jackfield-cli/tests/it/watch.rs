//! `jackfield watch` on a terminal.

use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use jackfield::Manager;
use kv_interface::Kv;
use rustix::process::Signal;

use crate::host::Host;
use crate::terminal::Terminal;

#[test]
fn a_running_host_is_seen_on_a_terminal_until_it_ends() {
    let host = Host::start();
    let socket = host.path.display().to_string();
    let mut terminal = Terminal::start(300, 40, &["--host", &socket, "watch"], &[("NO_COLOR", "1")]);
    terminal.until("the plugins", |screens| {
        let text = screens.text();
        text.starts_with(&format!("{socket}: 5 plugins, 1 failed  (Ctrl-C ends this)\n\nPLUGIN  STATE "))
            && row(&text, "kv@2.0").starts_with(&["online", "1"])
            && row(&text, "junk").starts_with(&["failed", "-"])
    });

    host.ask(&["reload", "kv@2.0"]).expect("it loads");
    terminal.until("its generation", |screens| {
        row(&screens.text(), "kv@2.0").starts_with(&["online", "2"])
            && screens.text().contains("  kv@2.0  online    generation 2")
    });
    // No event tells of a call.
    let store = host.manager.get::<dyn Kv>("store").expect("it is online");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.put("a".to_owned(), "1".into())).expect("stored");
    terminal.until("the call", |screens| row(&screens.text(), "store").starts_with(&["online", "1", "1"]));
    fs::write(host.directory.path().join("plugins/broken.so"), "nothing").expect("written");
    let reason = "expected an ELF file, found a text";
    terminal.until("the plugin that cannot be loaded", |screens| {
        let text = screens.text();
        let mut failures = text.lines().filter(|line| line.contains(reason));
        failures.next().is_some_and(|line| line.starts_with("broken  failed "))
            && failures.next().is_some_and(|line| line.contains("  broken  failed    "))
    });
    assert_eq!((terminal.screens.scrolled, terminal.screens.styles, terminal.echoes()), (0, 0, false));

    terminal.resize(40, 8);
    terminal.until("as much as fits", |screens| {
        screens.text().lines().any(|line| line.starts_with("… and ") && line.contains(" more"))
            && screens.text().lines().next().is_some_and(|line| line.ends_with('…'))
    });
    terminal.resize(300, 40);
    terminal.until("all of it again", |screens| row(&screens.text(), "store").len() >= 8);

    drop(host.control);
    let (status, text) = terminal.ends();
    assert!(status.success(), "{text}");
    assert!(text.trim_end().ends_with("\nthe host has ended") && text.starts_with("PLUGIN "), "{text}");
    assert_eq!(row(&text, "kv@2.0")[..2], ["online", "2"]);
}

#[test]
fn the_terminal_is_as_before_however_the_watch_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("control.sock");
    let _control = Manager::new().serve_control(&socket).expect("a socket");
    let socket = socket.display().to_string();
    let start = || {
        let mut terminal = Terminal::start(80, 24, &["--host", &socket, "watch"], &[]);
        terminal.until("no plugins", |screens| screens.text().contains(": 0 plugins"));
        assert!(terminal.screens.is_second() && terminal.screens.styles > 0 && !terminal.echoes());
        terminal
    };

    let mut terminal = start();
    terminal.press("\x1a");
    terminal.until("what was there before", |screens| screens.is_as_before());
    terminal.stops();
    terminal.signal(Signal::CONT);
    terminal.until("no plugins", |screens| screens.is_second() && screens.text().contains(": 0 plugins"));
    terminal.press("typed by mistake\n\x03");
    let (status, text) = terminal.ends();
    assert_eq!((status.code(), text.trim()), (Some(130), ""));

    let terminal = start();
    terminal.signal(Signal::TERM);
    let (status, text) = terminal.ends();
    assert_eq!((status.code(), text.trim()), (Some(143), ""));
}

#[test]
fn a_terminal_on_which_nothing_can_be_drawn_gets_lines() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("control.sock");
    let manager = Manager::new();
    let control = manager.serve_control(&socket).expect("a socket");
    let arguments = ["--host", &socket.display().to_string(), "watch"];
    let mut terminal = Terminal::start(80, 24, &arguments, &[("TERM", "dumb")]);
    let (heard, hears) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        // It may not listen yet: it is told until it is heard.
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            while hears.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
                runtime.block_on(manager.load::<dyn Kv>("kv", &kv_file::PLUGIN)).expect("it loads");
                runtime.block_on(manager.unload("kv")).expect("it is loaded");
            }
        });
        terminal.until("a line", |screens| screens.text().contains("\nkv  online    generation 1\n"));
        drop(heard);
    });
    drop(control);
    let (status, text) = terminal.ends();
    assert!(status.success() && !text.contains("PLUGIN"), "{text}");
}

/// What stands in the table behind the name of a plugin.
pub(crate) fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let mut rows = text.lines().filter(|line| line.starts_with(&format!("{name} ")));
    rows.next()
        .unwrap_or_default()
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .skip(1)
        .collect()
}
