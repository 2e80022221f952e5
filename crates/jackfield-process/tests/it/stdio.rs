//! Programs that talk over their standard input and output, in both directions and on both sides.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::{
    CallError, Candidate, Context, Description, Error, Handle, Instance, Load, Slot, Streaming, Unloaded,
    interface,
};
use jackfield_fixtures::{Build, GoModule, Profile, available, go_programs, workspace};
use jackfield_process::ProcessBackend;
use jackfield_process::netrpc::{Codec, FromBody, Gobs, Json, Server, ToBody};
use jackfield_process::stdio::{StdioCodec, StdioPlugin};
use tokio::sync::mpsc;

use crate::calls::run;
use crate::events;
use crate::netrpc_plugin::without_a_runtime;
use crate::output::arrives;
use crate::peers::chain;

/// What a provider provides.
#[interface(service = "proto.Speaker", version = "1.0")]
trait Speaker {
    async fn say_hi(&self, name: String) -> Result<String, Error>;
    async fn fail(&self, name: String) -> Result<String, Error>;
    async fn late(&self, number: i64) -> Result<i64, Error>;
    async fn print(&self, name: String) -> Result<String, Error>;
}

pub(crate) fn our_program() -> PathBuf {
    let build = Build::fixtures().profile(Profile::own());
    jackfield_fixtures::build(&build).expect("the example builds").program("stdio_plugin").to_owned()
}

/// The programs by pie, if they can be built here.
pub(crate) fn pie() -> Option<PathBuf> {
    available(go_programs(GoModule::Pie))
}

async fn load(plugin: StdioPlugin) -> (Box<dyn Instance>, Handle<dyn Speaker>) {
    let load = Load::new(Context::new("speaker", []), Description::of::<dyn Speaker>());
    let instance = plugin.load(&load).await.unwrap();
    let slot = Arc::new(Slot::new::<dyn Speaker>(instance.lane()));
    let speaker = slot.handle::<dyn Speaker>().unwrap();
    (instance, speaker)
}

async fn provides(plugin: StdioPlugin) {
    let (instance, speaker) = load(plugin).await;
    assert_eq!(speaker.say_hi("master".into()).await.unwrap(), "Hi master");
    let Err(Error::Plugin(failure)) = speaker.fail("master".into()).await else { panic!() };
    assert_eq!(failure.message(), "no, master");
    let error = speaker.print("x".into()).await.unwrap_err();
    assert_eq!(error, CallError::Unimplemented { method: "/proto.Speaker/Print".into() }.into());
    assert!(matches!(instance.unload(Duration::from_secs(2)).await, Unloaded::Exited { .. }));
    assert!(matches!(speaker.say_hi("x".into()).await, Err(Error::Call(_))));
}

/// They end with it, as the talk does.
#[test]
fn pipes_may_live_on_the_loaders_runtime() {
    let backend = ProcessBackend::start().unwrap();
    for (name, codec) in [("gob", StdioCodec::Gob), ("json", StdioCodec::Json)] {
        let plugin = StdioPlugin::new(our_program())
            .args(["provider", name])
            .codec(codec)
            .backend(&backend)
            .connection_on_runtime();
        run(provides(plugin.clone()));
        let (instance, speaker) = run(load(plugin));
        assert_eq!(run(instance.closed()), without_a_runtime());
        assert_eq!(run(speaker.say_hi("x".into())).unwrap_err(), Error::Call(without_a_runtime()));
        assert!(matches!(run(instance.unload(Duration::from_secs(2))), Unloaded::Exited { .. }));
    }
}

#[test]
fn pie_provides() {
    let Some(programs) = pie() else { return };
    let backend = ProcessBackend::start().unwrap();
    for (name, codec) in [("gob", StdioCodec::Gob), ("json", StdioCodec::Json)] {
        let plugin = StdioPlugin::new(programs.join("stdio-peer"))
            .args(["provider", name])
            .codec(codec)
            .backend(&backend);
        run(provides(plugin.clone()));
        run(async {
            let (_instance, speaker) = load(plugin).await;
            let late = (0..2000_i64).map(|number| {
                let speaker = speaker.clone();
                async move { speaker.late(number).await.unwrap() }
            });
            assert_eq!(futures_util::future::join_all(late).await, (0..2000).collect::<Vec<_>>());
        });
    }
}

/// As a person tries it: `printf LINE | stdio_plugin provider json`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a program is started as a person starts it")]
fn a_provider_answers_a_line_that_is_piped_into_it() {
    use std::io::Write as _;
    let mut command = Command::new(our_program());
    command.args(["provider", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut provider = command.spawn().unwrap();
    let line = br#"{"method":"Plugin.SayHi","params":["bob"],"id":0}"#;
    let mut stdin = provider.stdin.take().unwrap();
    stdin.write_all(&[line, &b"\n"[..]].concat()).unwrap();
    drop(stdin);
    let output = provider.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"{\"id\":0,\"result\":\"Hi bob\",\"error\":null}\n");
    assert_eq!(output.stderr, b"got call for SayHi with name \"bob\"\n");
}

#[test]
fn we_provide_to_ourselves() {
    let backend = ProcessBackend::start().unwrap();
    for (name, codec) in [("gob", StdioCodec::Gob), ("json", StdioCodec::Json)] {
        run(provides(
            StdioPlugin::new(our_program()).args(["provider", name]).codec(codec).backend(&backend),
        ));
    }
}

/// Serves a program that consumes two services, until it ends, and says what it was asked.
pub(crate) async fn consumed<C: Codec>(plugin: StdioPlugin, codec: C, [hi, bye]: [&str; 2]) -> Vec<String>
where
    String: FromBody<C> + ToBody<C>,
{
    let (sender, mut asked) = mpsc::unbounded_channel();
    let says = |method: &'static str, greeting: &'static str| {
        let sender = sender.clone();
        move |name: String| {
            sender.send(format!("{method} {name}")).unwrap();
            async move { Ok::<_, String>(format!("{greeting} {name}")) }
        }
    };
    let server = Server::new(codec)
        .method(&format!("{hi}.SayHi"), says("SayHi", "Hi"))
        .method(&format!("{bye}.SayBye"), says("SayBye", "Bye"));
    drop(sender);
    let consumer = plugin.consume(server).await.unwrap();
    let end = consumer.closed().await;
    assert!(matches!(&end, CallError::Exited { status, .. } if status == "exit status: 0"), "{end:?}");
    drop(consumer);
    std::iter::from_fn(|| asked.try_recv().ok()).collect()
}

#[test]
fn programs_consume_what_the_host_serves() {
    let backend = ProcessBackend::start().unwrap();
    let programs = pie().map(|programs| programs.join("stdio-peer")).into_iter().chain([our_program()]);
    for program in programs {
        let plugin = |codec: &str| StdioPlugin::new(&program).args(["consumer", codec]).backend(&backend);
        let expected = ["SayHi plugin", "SayBye plugin"];
        assert_eq!(run(consumed(plugin("gob"), Gobs, ["Plugin"; 2])), expected);
        assert_eq!(run(consumed(plugin("json"), Json::V1, ["Plugin"; 2])), expected);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn pie_host(programs: &Path, role: &str, codec: &str, plugin: &str) -> Output {
    Command::new(programs.join("stdio-peer"))
        .args([role, codec])
        .arg(our_program())
        .args([plugin, codec])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn hosts_by_pie_get_on_with_our_programs() {
    let Some(programs) = pie() else { return };
    for codec in ["gob", "json"] {
        let output = pie_host(&programs, "provider-host", codec, "provider");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "got call for SayHi with name \"master\"\nResponse from plugin: \"Hi master\"\n\
             got call for SayBye with name \"master\"\nResponse from plugin: \"Bye master\"\n"
        );
        let output = pie_host(&programs, "consumer-host", codec, "consumer");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "got call for SayHi with name \"plugin\"\nGot response from host:  Hi plugin\n\
             got call for SayBye with name \"plugin\"\nGot response from host:  Bye plugin\n"
        );
    }
}

#[test]
fn twenty_lines_of_python_are_a_plugin() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let script = workspace().join("fixtures/python/provider.py");
        let plugin = StdioPlugin::new("python3").args([script]).codec(StdioCodec::Json).backend(&backend);
        let (_instance, speaker) = load(plugin).await;
        assert_eq!(speaker.say_hi("bob".into()).await.unwrap(), "Hi bob");
        let Err(Error::Plugin(failure)) = speaker.fail("bob".into()).await else { panic!() };
        assert_eq!(failure.message(), "no, bob");
        // What it prints in between is named, not taken for an answer.
        let Err(Error::Call(error)) = speaker.print("x".into()).await else { panic!() };
        assert!(error.to_string().contains("found `loading...`"), "{error}");
    });
}

/// Closing its input is not all: a program that waits for more is interrupted.
#[test]
fn a_program_is_interrupted() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    let plugin = StdioPlugin::new(our_program()).args(["interruptible", "gob"]).backend(&backend);
    let gone = Unloaded::Exited { status: "exit status: 7".into() };
    // It has a second for it, which a busy machine may let pass.
    let ends = |end: &dyn Fn() -> Unloaded| (0..5).any(|_| end() == gone);
    assert!(ends(&|| run(async {
        let (instance, speaker) = load(plugin.clone()).await;
        assert_eq!(speaker.say_hi("x".into()).await.unwrap(), "Hi x");
        instance.unload(Duration::from_secs(20)).await
    })));
    assert!(ends(&|| run(async {
        let consumer = plugin.clone().env("STDIO_READY", "1").consume(Server::new(Gobs)).await.unwrap();
        // It says when it is ready to be interrupted.
        let name = our_program().display().to_string();
        events::wait_for(&name, |line| line.message == "ready to be interrupted");
        consumer.stop(Duration::from_secs(20)).await
    })));
}

/// The log is made of it all the same.
#[test]
fn the_standard_error_is_given_to_the_host_as_it_is() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    let plugin = |role: &str| {
        let (sender, written) = mpsc::unbounded_channel::<Vec<u8>>();
        let plugin = StdioPlugin::new(our_program()).args([role, "gob"]).backend(&backend);
        (plugin.on_stderr(move |bytes| sender.send(bytes.to_vec()).unwrap()), written)
    };
    let (provider, mut written) = plugin("provider");
    run(async {
        let (_instance, speaker) = load(provider).await;
        speaker.say_hi("räw".into()).await.unwrap();
        let found = arrives(&mut written, "\n").await;
        assert_eq!(found, "got call for SayHi with name \"räw\"\n");
        events::wait_for("speaker", |line| line.message == found.trim_end());
    });
    let (interruptible, mut written) = plugin("interruptible");
    run(async {
        let interruptible = interruptible.env("STDIO_READY", "1");
        let _consumer = interruptible.consume(Server::new(Gobs)).await.unwrap();
        assert_eq!(arrives(&mut written, "\n").await, "ready to be interrupted\n");
    });
}

/// Neither does the host keep what never ends, nor is a smaller answer refused.
#[test]
fn an_answer_has_a_limit() {
    let backend = ProcessBackend::start().unwrap();
    let endless = "read call; printf '{\"id\":'; exec yes";
    let answer = r#"read call; printf '{"id":0,"result":"%s","error":null}\n' "$(head -c 900 /dev/zero | tr '\0' x)"; read call"#;
    let load = async |script: &str| {
        let plugin = StdioPlugin::new("sh").args(["-c", script]).codec(StdioCodec::Json);
        load(plugin.max_message(1000).backend(&backend)).await
    };
    run(async {
        let (_instance, speaker) = load(endless).await;
        let Err(Error::Call(error)) = speaker.say_hi("x".into()).await else { panic!() };
        let CallError::Wire { reason } = &error else { panic!("{error:?}") };
        let expected = "expected an object of at most 1000 bytes, found a longer one";
        assert!(reason.contains(expected) && reason.contains("max_message"), "{reason}");
        let (_instance, speaker) = load(answer).await;
        assert_eq!(speaker.say_hi("x".into()).await.unwrap(), "x".repeat(900));
    });
}

/// What a program over standard input and output cannot be told.
#[interface(service = "proto.Teller", version = "1.0")]
trait Teller {
    async fn tell(&self, listener: Handle<dyn Speaker>) -> Result<(), Error>;
}

#[interface(service = "proto.Pourer", version = "1.0")]
trait Pourer {
    async fn pour(&self) -> Result<Streaming<i64>, Error>;
}

#[test]
fn an_interface_that_cannot_be_carried_is_refused_by_name() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = StdioPlugin::new(our_program()).args(["provider", "gob"]).backend(&backend);
    for (interface, what) in [
        (
            Description::of::<dyn Teller>(),
            "the object `listener`, which the method `Tell` of `proto.Teller` has",
        ),
        (
            Description::of::<dyn Pourer>(),
            "the stream `value`, which the method `Pour` of `proto.Pourer` has",
        ),
    ] {
        let load = Load::new(Context::new("speaker", []), interface);
        let error = chain(&run(plugin.load(&load)).unwrap_err());
        assert!(error.contains(&format!("net/rpc cannot carry {what}")), "{error}");
        assert!(
            error
                .contains("(hint: make it a plugin with a handshake, or let it be lacking: `allow_lacking`)"),
            "{error}"
        );
    }
}

#[test]
fn a_program_that_does_not_go_is_killed_after_a_second() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let plugin = StdioPlugin::new(our_program()).args(["stubborn", "gob"]).backend(&backend);
        let (instance, speaker) = load(plugin).await;
        // Once it answers, it ignores interrupts.
        assert_eq!(speaker.say_hi("x".into()).await.unwrap(), "Hi x");
        let begun = Instant::now();
        assert_eq!(instance.unload(Duration::from_secs(20)).await, Unloaded::Killed);
        assert!((1..5).contains(&begun.elapsed().as_secs()));
    });
}
