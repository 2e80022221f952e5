//! Our yamux, Go's yamux, in both roles.

use std::future::Future;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jackfield_process::yamux::{Config, Role, Session, SessionError, session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::calls::run;
use crate::peers::Go;

/// Runs `ours` on a session whose other end is a Go program, and returns what the program printed.
///
/// The program must end by itself, or by the end of the session, and successfully.
fn with_go<F: Future<Output = ()>>(
    role: Role,
    scenario: &str,
    environment: &[(&str, &str)],
    config: Config,
    ours: impl FnOnce(Session) -> F,
) -> String {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let go = match role {
        Role::Client => "server",
        Role::Server => "client",
    };
    let peer = peer(&[go, socket.to_str().unwrap(), scenario], environment);
    run(async {
        let (connection, _) = UnixListener::from_std(listener).unwrap().accept().await.unwrap();
        let (session, driver) = session(connection, role, config);
        let work = async {
            ours(session.clone()).await;
            session.close();
        };
        let (end, ()) = tokio::join!(driver, work);
        assert!(matches!(end, SessionError::Closed | SessionError::Gone), "{end:?}");
    });
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn peer(arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    Command::new(Go::Newest.programs().join("yamux-peer"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends everything back on every stream, until the session ends.
async fn echo(session: Session) {
    let mut streams = JoinSet::new();
    while let Ok(stream) = session.accept().await {
        streams.spawn(async move {
            let (mut input, mut output) = split(stream);
            copy(&mut input, &mut output).await.unwrap();
            output.shutdown().await.unwrap();
        });
    }
    streams.join_all().await;
}

/// Has `sent` echoed on a stream, with both directions full at once.
async fn has_echoed(stream: impl AsyncRead + AsyncWrite, sent: &[u8]) {
    let (mut input, mut output) = split(stream);
    let send = async {
        output.write_all(sent).await.unwrap();
        output.shutdown().await.unwrap();
    };
    let mut came = Vec::new();
    let (read, ()) = tokio::join!(input.read_to_end(&mut came), send);
    read.unwrap();
    assert!(came == sent, "what came back is not what was sent");
}

#[test]
fn go_echoes_many_streams_at_once() {
    if !Go::is_here() {
        return;
    }
    with_go(Role::Client, "echo", &[], Config::default(), |session| async move {
        let streams = (0..20_usize).map(|number| {
            let session = session.clone();
            async move {
                let sent: Vec<u8> = (0..1_000_000).map(|index| (index * 7 + number) as u8).collect();
                let stream = session.open().await.unwrap();
                assert_eq!(stream.id() % 2, 1);
                has_echoed(stream, &sent).await;
            }
        });
        futures_util::future::join_all(streams).await;
    });
}

#[test]
fn we_echo_many_streams_of_go_at_once() {
    if !Go::is_here() {
        return;
    }
    let said = with_go(Role::Server, "ask", &[], Config::default(), echo);
    assert_eq!(said, "ok\n");
}

#[test]
fn a_larger_window_is_told_to_go() {
    if !Go::is_here() {
        return;
    }
    let mut config = Config::default();
    config.window = 4 << 20;
    let said = with_go(Role::Server, "ask", &[], config.clone(), echo);
    assert_eq!(said, "ok\n");
    with_go(Role::Client, "echo", &[], config, |session| async move {
        has_echoed(session.open().await.unwrap(), &vec![1; 6 << 20]).await;
    });
}

#[test]
fn a_stream_that_stays_silent_is_accepted_all_the_same() {
    if !Go::is_here() {
        return;
    }
    let impatient = [("OPEN_TIMEOUT", "40ms"), ("KEEP_ALIVE", "30ms")];
    let said = with_go(Role::Server, "silent", &impatient, Config::default(), echo);
    assert_eq!(said, "ok\n");
}

#[test]
fn go_accepts_a_stream_that_stays_silent() {
    if !Go::is_here() {
        return;
    }
    let mut config = Config::default();
    config.open_timeout = Duration::from_millis(500);
    config.keep_alive = Some(Duration::from_millis(20));
    with_go(Role::Client, "echo", &[], config, |session| async move {
        // Were the first three not seen by Go, the fourth would be the first: go-plugin counts them.
        let silent = [session.open().await, session.open().await, session.open().await];
        has_echoed(session.open().await.unwrap(), b"fourth").await;
        tokio::time::timeout(Duration::from_millis(700), session.ended()).await.unwrap_err();
        for stream in silent {
            has_echoed(stream.unwrap(), b"late").await;
        }
    });
}

#[test]
fn streams_beyond_the_backlog_are_refused() {
    if !Go::is_here() {
        return;
    }
    let mut config = Config::default();
    config.backlog = 4;
    let said = with_go(Role::Server, "refused", &[], config, |session| async move {
        session.ended().await;
    });
    assert_eq!(said, "connection reset\n");

    with_go(Role::Client, "deaf", &[("BACKLOG", "4")], Config::default(), |session| async move {
        let mut streams = Vec::new();
        for _ in 0..5 {
            streams.push(session.open().await.unwrap());
        }
        let error = streams[4].read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}
