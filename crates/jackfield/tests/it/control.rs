//! Who may control a host over its socket.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use jackfield::Manager;
use rustix::process::{Uid, getuid};
use rustix::thread::set_thread_res_uid;

use crate::support::is_root;

/// The first answer to somebody who connects as this user. The system knows of a user per thread, and asks whoever connects.
fn answer_to(user: Uid, path: &Path) -> String {
    let ask = || {
        set_thread_res_uid(user, user, user).expect("root may be anybody");
        let stream = UnixStream::connect(path).expect("it is served");
        // An error says that the connection was refused before it was read.
        let _ = writeln!(&stream, "{{\"command\":\"list\"}}");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("an answer");
        answer
    };
    std::thread::scope(|scope| scope.spawn(ask).join().expect("no panic"))
}

#[test]
fn another_user_is_refused_even_where_the_file_would_let_him_in() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("control.sock");
    let control = Manager::new().serve_control(&path).expect("a socket");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    for (path, mode) in [(directory.path(), 0o755), (&path, 0o666)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }
    assert_eq!(answer_to(getuid(), &path), "{\"plugins\":[]}\n");
    let refused = "{\"error\":\"this host refuses the connection\"}\n";
    assert_eq!(answer_to(Uid::from_raw(65_534), &path), refused);
    // He takes no place of those who may.
    (0..32).for_each(|_| assert_eq!(answer_to(Uid::from_raw(1), &path), refused));
    assert_eq!(answer_to(getuid(), &path), "{\"plugins\":[]}\n");
    drop(control);
}
