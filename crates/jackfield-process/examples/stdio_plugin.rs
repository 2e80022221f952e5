//! A plugin program over standard input and output: `stdio_plugin provider|consumer|interruptible|stubborn gob|json`.
//!
//! A consumer may be told of which services it asks what: `stdio_plugin consumer gob Host Host2`.

use std::process::ExitCode;

use jackfield_process::netrpc::{Codec, FromBody, Gobs, Json, RpcError, Server, ToBody};
use jackfield_process::stdio::{consumer, provide};
use tokio::signal::unix::{SignalKind, signal};

#[path = "../tests/it/ending.rs"]
mod ending;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let result = runtime.block_on(async {
        match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["provider", "gob"] => provider(Gobs).await,
            ["provider", "json"] => provider(Json::V1).await,
            ["consumer", "gob"] => consume(Gobs, ["Plugin"; 2]).await,
            ["consumer", "gob", hi, bye] => consume(Gobs, [hi, bye]).await,
            ["consumer", "json"] => consume(Json::V1, ["Plugin"; 2]).await,
            ["interruptible", "gob"] => interruptible().await,
            ["stubborn", "gob"] => stubborn().await,
            other => panic!("there is no role {other:?}"),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends when it is interrupted, and not at the end of its input.
async fn interruptible() -> Result<(), RpcError> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    if std::env::var_os("STDIO_READY").is_some() {
        eprintln!("ready to be interrupted");
    }
    provider(Gobs).await?;
    interrupts.recv().await;
    std::process::exit(7)
}

/// Ends neither at the end of its input nor when it is interrupted.
async fn stubborn() -> Result<(), RpcError> {
    let _ignored = signal(SignalKind::interrupt())?;
    provider(Gobs).await?;
    std::future::pending().await
}

async fn provider<C: Codec>(codec: C) -> Result<(), RpcError>
where
    String: FromBody<C> + ToBody<C>,
{
    let server = Server::new(codec)
        .method("Plugin.SayHi", |name: String| say("SayHi", "Hi", name))
        .method("Plugin.SayBye", |name: String| say("SayBye", "Bye", name))
        .method("Plugin2.SayBye", |name: String| say("SayBye", "Bye", name))
        .method("Plugin.Do", |what: String| async move { ending::end_by(&what).map(|()| String::new()) })
        .method("Plugin.Fail", |name: String| async move { Err::<String, _>(format!("no, {name}")) });
    provide(&server).await
}

async fn say(method: &'static str, greeting: &'static str, name: String) -> Result<String, String> {
    eprintln!("got call for {method} with name \"{name}\"");
    Ok(format!("{greeting} {name}"))
}

async fn consume<C: Codec>(codec: C, [hi, bye]: [&str; 2]) -> Result<(), RpcError>
where
    String: FromBody<C>,
    str: ToBody<C>,
{
    let (host, connection) = consumer(codec)?;
    let talk = async {
        for (service, method) in [(hi, "SayHi"), (bye, "SayBye")] {
            let response: String = host.call(&format!("{service}.{method}"), "plugin").await?;
            eprintln!("Got response from host:  {response}");
        }
        Ok(())
    };
    tokio::select! {
        talked = talk => talked,
        ended = connection => Err(ended),
    }
}
