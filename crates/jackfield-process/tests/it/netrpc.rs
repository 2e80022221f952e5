//! Our net/rpc, the standard library's of Go.

use std::collections::BTreeMap;
use std::future::Future;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gobwire::Gob;
use jackfield_process::netrpc::{Client, Codec, FromBody, Gobs, Json, RpcError, Server, ToBody, connect};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::calls::run;
use crate::peers::Go;

#[derive(Debug, Default, Gob, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Args {
    a: i64,
    b: i64,
}

#[derive(Debug, Default, Clone, PartialEq, Gob, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Quotient {
    quo: i64,
    rem: i64,
}

#[derive(Debug, Default, Clone, PartialEq, Gob, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    name: String,
    number: i64,
    size: u32,
    ratio: f64,
    ready: bool,
    #[serde(with = "base64_bytes")]
    data: Vec<u8>,
    words: Vec<String>,
    weights: BTreeMap<String, i64>,
    inner: Quotient,
    next: Option<Quotient>,
}

/// Go writes bytes in JSON as base64.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Starts the Go peer and takes its connection.
async fn peer(role: &str, codec: &str) -> (UnixStream, Child) {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let peer = spawn(&[role, socket.to_str().unwrap(), codec]);
    (listener.accept().await.unwrap().0, peer)
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn spawn(arguments: &[&str]) -> Child {
    Command::new(Go::Newest.programs().join("netrpc-peer"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs `ask` against a Go server, which must end with the connection.
fn with_server<C: Codec, F: Future<Output = ()>>(
    codec: C,
    name: &str,
    ask: impl FnOnce(Client<C>) -> F,
) -> RpcError {
    run(async {
        let (connection, mut server) = peer("server", name).await;
        let (client, connection) = connect(connection, codec);
        let ((), end) = tokio::join!(ask(client), connection);
        server.wait().unwrap();
        end
    })
}

async fn asks<C: Codec>(client: Client<C>)
where
    Args: ToBody<C>,
    Quotient: FromBody<C>,
    Record: ToBody<C> + FromBody<C>,
    i64: ToBody<C> + FromBody<C>,
    str: ToBody<C>,
{
    let refused = |error: RpcError| {
        let RpcError::Refused(refusal) = error else { panic!("{error:?}") };
        refusal.words().to_owned()
    };
    let product: i64 = client.call("Arith.Multiply", &Args { a: 6, b: 7 }).await.unwrap();
    assert_eq!(product, 42);
    let quotient: Quotient = client.call("Arith.Divide", &Args { a: 17, b: 5 }).await.unwrap();
    assert_eq!(quotient, Quotient { quo: 3, rem: 2 });
    let error = client.call::<Quotient>("Arith.Divide", &Args { a: 1, b: 0 }).await.unwrap_err();
    assert_eq!(refused(error), "divide by zero");
    let error = client.call::<i64>("Arith.Nope", "x").await.unwrap_err();
    assert_eq!(refused(error), "rpc: can't find method Arith.Nope");
    let error = client.call::<i64>("nodot", "x").await.unwrap_err();
    assert_eq!(refused(error), "rpc: service/method request ill-formed: nodot");
    refused(client.call::<i64>("Arith.Multiply", "no numbers").await.unwrap_err());
    // A result that does not fit concerns this call only.
    let error = client.call::<Record>("Arith.Multiply", &Args { a: 6, b: 7 }).await.unwrap_err();
    assert!(matches!(error, RpcError::Result { .. }), "{error:?}");

    let record = Record {
        name: "n".into(),
        number: -5,
        size: 7,
        ratio: 1.5,
        ready: true,
        data: vec![0, 255],
        words: vec!["a".into(), String::new()],
        weights: BTreeMap::from([("k".into(), 9)]),
        inner: Quotient { quo: 0, rem: 1 },
        next: Some(Quotient { quo: 2, rem: 0 }),
    };
    assert_eq!(client.call::<Record>("Arith.Same", &record).await.unwrap(), record);

    // The later a number is asked for, the sooner its answer comes.
    let late = (0..2000_i64).map(|number| {
        let client = client.clone();
        async move { client.call::<i64>("Arith.Late", &number).await.unwrap() }
    });
    let doubled: Vec<i64> = (0..2000).map(|number| 2 * number).collect();
    assert_eq!(join_all(late).await, doubled);
}

#[test]
fn go_answers_in_gobs() {
    if !Go::is_here() {
        return;
    }
    assert!(matches!(with_server(Gobs, "gob", asks), RpcError::Closed));
}

#[test]
fn go_answers_in_json() {
    if !Go::is_here() {
        return;
    }
    assert!(matches!(with_server(Json::V1, "json", asks), RpcError::Closed));
}

#[test]
fn a_server_that_vanishes_fails_all_its_calls() {
    if !Go::is_here() {
        return;
    }
    let end = with_server(Gobs, "gob", |client| async move {
        let (late, exit) = tokio::join!(
            client.call::<i64>("Arith.Late", &-60_000_i64),
            client.call::<i64>("Arith.Exit", &3_i64)
        );
        assert!(matches!(late, Err(RpcError::Gone)), "{late:?}");
        assert!(matches!(exit, Err(RpcError::Gone)), "{exit:?}");
        assert!(matches!(client.call::<i64>("Arith.Late", &1_i64).await, Err(RpcError::Gone)));
    });
    assert!(matches!(end, RpcError::Gone));
}

/// The peer's service, of ours.
fn arith<C: Codec>(codec: C) -> Server<C>
where
    Args: FromBody<C>,
    Quotient: ToBody<C>,
    Record: ToBody<C> + FromBody<C>,
    i64: ToBody<C> + FromBody<C>,
{
    Server::new(codec)
        .method("Arith.Multiply", |Args { a, b }: Args| async move { Ok::<_, String>(a * b) })
        .method("Arith.Divide", |Args { a, b }: Args| async move {
            if b == 0 { Err("divide by zero") } else { Ok(Quotient { quo: a / b, rem: a % b }) }
        })
        .method("Arith.Same", |record: Record| async move { Ok::<_, String>(record) })
        .method("Arith.Panic", |number: i64| async move {
            assert!(number != 1, "one is too many");
            Ok::<_, String>(number)
        })
        .method("Arith.Late", |number: i64| async move {
            sleep(Duration::from_micros(50 * (2000 - number) as u64)).await;
            Ok::<_, String>(2 * number)
        })
}

fn answers<C: Codec>(server: Server<C>, name: &str) {
    run(async {
        let (connection, client) = peer("client", name).await;
        server.serve(connection).await.unwrap();
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"ok\n");
    });
}

#[test]
fn go_asks_in_gobs() {
    if Go::is_here() {
        answers(arith(Gobs), "gob");
    }
}

#[test]
fn go_asks_in_json() {
    if Go::is_here() {
        answers(arith(Json::V1), "json");
    }
}

#[test]
fn json_2_is_another_way_to_say_the_same() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(64);
        let (client, connection) = connect(theirs, Json::V2);
        let server = arith(Json::V2);
        let ask = async move {
            let product: i64 = client.call("Arith.Multiply", &Args { a: 6, b: 7 }).await.unwrap();
            assert_eq!(product, 42);
            let error = client.call::<i64>("Arith.Divide", &Args { a: 6, b: 0 }).await.unwrap_err();
            assert_eq!(error.to_string(), "divide by zero");
        };
        let (_, served, ()) = tokio::join!(connection, server.serve(ours), ask);
        served.unwrap();
    });
}

/// The methods that run end all the same, and then the work for that client does.
#[test]
fn a_client_that_vanishes_leaves_nothing_running() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, may_end) = (Arc::clone(&begun), Arc::clone(&ended));
        let server = Server::new(Gobs).method("Arith.Wait", move |number: i64| {
            let (begins, may_end) = (Arc::clone(&begins), Arc::clone(&may_end));
            async move {
                begins.notify_one();
                may_end.notified().await;
                Ok::<_, String>(number)
            }
        });
        let serving = tokio::spawn(async move { server.serve(ours).await });
        let (client, connection) = connect(theirs, Gobs);
        let connection = tokio::spawn(connection);
        let call = tokio::spawn(async move { client.call::<i64>("Arith.Wait", &7_i64).await });
        begun.notified().await;
        connection.abort();
        assert!(call.await.unwrap().is_err());
        ended.notify_one();
        let served = serving.await.unwrap();
        assert!(matches!(served, Ok(()) | Err(RpcError::Io(_))), "{served:?}");
    });
}

#[test]
fn a_notification_is_not_answered_and_named_arguments_are_one() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    run(async {
        let (ours, mut bytes) = tokio::io::duplex(4096);
        let server = arith(Json::V2);
        let ask = async move {
            let notification = r#"{"jsonrpc":"2.0","method":"Arith.Multiply","params":{"A":1,"B":1}}"#;
            let call = r#"{"jsonrpc":"2.0","method":"Arith.Multiply","params":{"A":2,"B":4},"id":"x"}"#;
            bytes.write_all(format!("{notification} {call}").as_bytes()).await.unwrap();
            bytes.shutdown().await.unwrap();
            let mut answer = String::new();
            bytes.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":8}\n");
        };
        let (served, ()) = tokio::join!(server.serve(ours), ask);
        served.unwrap();
    });
}
