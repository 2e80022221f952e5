//! Two ends of ours, and an end that speaks in bytes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;

/// A session with its driver running, and the bytes of the other end.
fn against_bytes(role: Role, config: Config) -> (Session, JoinHandle<SessionError>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    let (session, driver) = session(ours, role, config);
    (session, spawn(driver), theirs)
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

fn pair(config: Config) -> (Session, Session) {
    let (ours, theirs) = duplex(4096);
    let (client, driver) = session(ours, Role::Client, config.clone());
    spawn(driver);
    let (server, driver) = session(theirs, Role::Server, config);
    spawn(driver);
    (client, server)
}

fn frame(kind: Kind, flags: Flags, stream: u32, length: u32) -> [u8; 12] {
    Header::new(kind, flags, stream, length).encode()
}

async fn next_frame(bytes: &mut DuplexStream) -> Header {
    let mut header = [0; 12];
    bytes.read_exact(&mut header).await.unwrap();
    Header::decode(header).unwrap()
}

#[tokio::test]
async fn opening_is_seen_at_once_and_so_is_accepting() {
    let (session, _driver, mut bytes) = against_bytes(Role::Client, Config::default());
    let _stream = session.open().await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::WindowUpdate, Flags::SYN, 1, 0));

    let (session, _driver, mut bytes) = against_bytes(Role::Server, Config::default());
    bytes.write_all(&frame(Kind::Data, Flags::SYN, 1, 0)).await.unwrap();
    let mut stream = session.accept().await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::WindowUpdate, Flags::ACK, 1, 0));

    stream.write_all(b"hi").await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::Data, Flags::NONE, 1, 2));
    assert_eq!(bytes.read_u16().await.unwrap(), u16::from_be_bytes(*b"hi"));
    drop(stream);
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::WindowUpdate, Flags::FIN, 1, 0));
}

#[tokio::test]
async fn whether_a_stream_was_accepted_is_known() {
    let (session, _driver, mut bytes) = against_bytes(Role::Client, Config::default());
    let stream = session.open().await.unwrap();
    let mut accepted = Box::pin(stream.accepted());
    assert!(futures_util::FutureExt::now_or_never(&mut accepted).is_none());
    bytes.write_all(&frame(Kind::WindowUpdate, Flags::ACK, 1, 0)).await.unwrap();
    accepted.await;
    // It also ends with the stream.
    let refused = session.open().await.unwrap();
    bytes.write_all(&frame(Kind::WindowUpdate, Flags::RST, 3, 0)).await.unwrap();
    refused.accepted().await;
}

/// As in Go: a reader that takes little at a time does not tell of each piece.
#[tokio::test]
async fn a_window_grows_again_once_half_of_it_was_read() {
    const WINDOW: usize = 256 * 1024;
    let (session, _driver, mut bytes) = against_bytes(Role::Server, Config::default());
    let length = u32::try_from(WINDOW).unwrap();
    bytes.write_all(&frame(Kind::Data, Flags::SYN, 1, length)).await.unwrap();
    bytes.write_all(&vec![0; WINDOW]).await.unwrap();
    let mut stream = session.accept().await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::WindowUpdate, Flags::ACK, 1, 0));
    let mut half = vec![0; WINDOW / 2 - 1];
    stream.read_exact(&mut half).await.unwrap();
    // The next frame is this one, though something was read.
    bytes.write_all(&frame(Kind::Ping, Flags::SYN, 0, 77)).await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::Ping, Flags::ACK, 0, 77));
    stream.read_exact(&mut [0]).await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::WindowUpdate, Flags::NONE, 1, length / 2));
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (_session, _driver, mut bytes) = against_bytes(Role::Server, Config::default());
    bytes.write_all(&frame(Kind::Ping, Flags::SYN, 0, 77)).await.unwrap();
    assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::Ping, Flags::ACK, 0, 77));
}

#[tokio::test]
async fn the_end_that_data_announces_comes_after_the_data() {
    let (session, _driver, mut bytes) = against_bytes(Role::Server, Config::default());
    bytes.write_all(&frame(Kind::Data, Flags::SYN, 1, 0)).await.unwrap();
    bytes.write_all(&frame(Kind::Data, Flags::FIN, 1, 4)).await.unwrap();
    let mut stream = session.accept().await.unwrap();
    let mut first = [0; 2];
    bytes.write_all(b"ab").await.unwrap();
    stream.read_exact(&mut first).await.unwrap();
    bytes.write_all(b"cd").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "cd");
}

/// As a Go program sends it that closes a stream while it writes.
#[tokio::test]
async fn what_comes_after_the_end_is_lost_and_does_no_harm() {
    let (session, _driver, mut bytes) = against_bytes(Role::Server, Config::default());
    bytes.write_all(&frame(Kind::Data, Flags::SYN, 1, 2)).await.unwrap();
    bytes.write_all(b"ab").await.unwrap();
    bytes.write_all(&frame(Kind::WindowUpdate, Flags::FIN, 1, 0)).await.unwrap();
    bytes.write_all(&frame(Kind::Data, Flags::NONE, 1, 2)).await.unwrap();
    bytes.write_all(b"cd").await.unwrap();
    bytes.write_all(&frame(Kind::Data, Flags::SYN, 3, 0)).await.unwrap();
    let mut text = String::new();
    session.accept().await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "ab");
    assert_eq!(session.accept().await.unwrap().id(), 3, "the session goes on");
}

#[tokio::test]
async fn each_mistake_is_named_and_answered() {
    let syn = frame(Kind::WindowUpdate, Flags::SYN, 1, 0);
    let fin = frame(Kind::WindowUpdate, Flags::FIN, 1, 0);
    let mistakes = [
        (vec![*b"HTTP/1.1 400"], ProtocolError::Version { found: b'H' }),
        (vec![syn, syn], ProtocolError::Duplicate { stream: 1 }),
        (vec![frame(Kind::Data, Flags::SYN, 2, 0)], ProtocolError::Duplicate { stream: 2 }),
        (vec![syn, fin, fin], ProtocolError::TwiceClosed { stream: 1 }),
        (
            vec![syn, frame(Kind::Data, Flags::NONE, 1, 262_145)],
            ProtocolError::Window { stream: 1, length: 262_145, window: 262_144 },
        ),
        (vec![frame(Kind::GoAway, Flags::NONE, 0, 2)], ProtocolError::GoAway { code: 2 }),
    ];
    for (frames, expected) in mistakes {
        let (session, driver, mut bytes) = against_bytes(Role::Server, Config::default());
        bytes.write_all(&frames.concat()).await.unwrap();
        let SessionError::Protocol(found) = driver.await.unwrap() else { panic!("{expected}") };
        assert_eq!(found, expected);
        assert!(session.accept().await.is_err());
        assert_eq!(next_frame(&mut bytes).await, Header::new(Kind::GoAway, Flags::NONE, 0, 1));
    }
}

#[tokio::test]
async fn after_a_go_away_nothing_is_opened() {
    let (client, server) = pair(Config::default());
    let mut stream = client.open().await.unwrap();
    let mut accepted = server.accept().await.unwrap();
    server.go_away();
    stream.write_all(b"goes on").await.unwrap();
    accepted.read_exact(&mut [0; 7]).await.unwrap();
    accepted.write_all(b"so do I").await.unwrap();
    stream.read_exact(&mut [0; 7]).await.unwrap();
    assert!(matches!(client.open().await, Err(SessionError::GoneAway)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_lives_and_a_dead_one_is_noticed() {
    let (client, server) = pair(Config::default());
    let mut stream = client.open().await.unwrap();
    let mut accepted = server.accept().await.unwrap();
    timeout(Duration::from_secs(3600), accepted.read_u8()).await.unwrap_err();
    stream.write_u8(7).await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), 7);

    let begun = Instant::now();
    let (_session, driver, _bytes) = against_bytes(Role::Client, Config::default());
    assert!(matches!(driver.await.unwrap(), SessionError::Silent(_)));
    assert_eq!(begun.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_accepts_ends_the_session() {
    let begun = Instant::now();
    let (client, _server) = pair(Config::default());
    let mut stream = client.open().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 75);
    assert!(matches!(client.end(), Some(SessionError::NotAccepted { stream: 1, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_other_end_leaves_open_is_reset() {
    let (client, server) = pair(Config::default());
    drop(client.open().await.unwrap());
    let mut accepted = server.accept().await.unwrap();
    assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
    let begun = Instant::now();
    loop {
        // What is written is thrown away, until the window is full and then until the reset.
        if let Err(error) = accepted.write(&[0; 1000]).await {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            break;
        }
    }
    assert_eq!(begun.elapsed().as_secs(), 300);
}

#[tokio::test]
async fn what_was_written_before_the_close_arrives() {
    let (client, server) = pair(Config::default());
    let mut stream = client.open().await.unwrap();
    let mut accepted = server.accept().await.unwrap();
    stream.write_all(&[1; 200_000]).await.unwrap();
    client.close();
    let mut came = vec![0; 200_000];
    accepted.read_exact(&mut came).await.unwrap();
    assert!(stream.write_all(&[1]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn opening_waits_for_acceptance() {
    let (client, server) = pair(Config { backlog: 2, ..Config::default() });
    let _streams = (client.open().await.unwrap(), client.open().await.unwrap());
    let third = async { client.open().await.unwrap().id() };
    let accept = async { server.accept().await.unwrap() };
    let mut third = std::pin::pin!(third);
    timeout(Duration::from_secs(9), third.as_mut()).await.unwrap_err();
    let (third, _accepted) = tokio::join!(third, accept);
    assert_eq!(third, 5);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
        fuzz(&bytes);
    }

    /// Random bytes hardly make a frame.
    #[test]
    fn any_frames_are_taken_or_refused(
        frames in proptest::collection::vec((0..4_u8, 0..16_u16, 0..6_u32, 0..40_u32), 0..60)
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(kind, flags, stream, length)| {
            let mut bytes = vec![0, *kind];
            bytes.extend(flags.to_be_bytes());
            bytes.extend(stream.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            bytes.resize(12 + if *kind == 0 { *length as usize } else { 0 }, 0xff);
            bytes
        }).collect();
        fuzz(&bytes);
    }
}
