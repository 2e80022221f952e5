//! Programs and scripts that come online from a directory by what a manifest says of them.

use std::fs;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use jackfield::schema::Descriptor;
use jackfield::{Bytes, CallError, Error, Interface, State, Stream, Streaming};
use jackfield_core::interface;
use jackfield_fixtures::{GoModule, available, go_programs, workspace};
use kv_interface::Kv;
use rustix::process::Signal;

use crate::home::{Home, online, reason};
use crate::support::{block_on, libraries};

/// What a provider provides.
#[interface(service = "proto.Speaker", version = "1.0")]
trait Speaker {
    async fn say_hi(&self, name: String) -> Result<String, Error>;
}

/// What go-plugin's older example provides.
#[interface(service = "proto.Greeter", version = "1.0")]
trait Greeter {
    async fn greet(&self) -> Result<String, Error>;
}

fn go_program(name: &str) -> Option<PathBuf> {
    Some(available(go_programs(GoModule::Newest))?.join(name))
}

/// The manifest of the key-value program that lies beside it.
const KV: &str = "\
command = \"./kv-plugin\"
auto_mtls = true
handshake = { version = 1, cookie_key = \"WKY_PLUGIN\", cookie_value = \"wukaiying\" }
";

#[test]
fn a_program_in_go_comes_changes_rests_and_goes_with_its_manifest() {
    let Some(program) = go_program("kv-plugin") else { return };
    let mut home = Home::watch::<dyn Kv>(|directory| directory);
    // The manifest comes first, so that its program is nobody's plugin on its own.
    // It writes its files where it starts, which a plugin better does elsewhere.
    let store = tempfile::tempdir().expect("a directory");
    let manifest = format!("directory = {:?}\n{KV}", store.path());
    home.write("kv.plugin.toml", &manifest);
    let [failed] = home.told("kv");
    assert!(
        reason(&failed).contains("`command`: expected an executable file, found none at `"),
        "{failed:?}"
    );
    home.put(&program, "kv-plugin");
    assert_eq!(home.told("kv"), [State::Loading, online(1)]);
    let kv = home.get::<dyn Kv>("kv");
    block_on(async {
        kv.put("hello".into(), "world".into()).await.expect("stored");
        assert!(kv.get("hello".into()).await.expect("found").starts_with(b"world"));
    });

    // Another manifest is another generation, and so is another file of the program's.
    home.write("kv.plugin.toml", &manifest.replace("auto_mtls = true", "auto_mtls = false"));
    assert_eq!(home.told("kv"), [State::Loading, online(2)]);
    home.put(&program, "kv-plugin");
    assert_eq!(home.told("kv"), [State::Loading, online(3)]);
    block_on(async { kv.put("hello".into(), "again".into()).await.expect("stored") });

    // What is wrong is named, and the old one serves on.
    home.write("kv.plugin.toml", &manifest.replace("auto_mtls", "automtls"));
    let [failed, old] = home.told("kv");
    assert_eq!(old, online(3));
    assert!(
        reason(&failed).contains("line 3: unknown field `automtls`, expected one of `kind`, `command`"),
        "{failed:?}"
    );
    assert!(block_on(kv.get("hello".into())).expect("found").starts_with(b"again"));

    home.write("kv.plugin.toml", &format!("enabled = false\n{manifest}"));
    assert_eq!(home.told("kv"), [State::Draining, State::Offline, State::Disabled]);
    assert_eq!(home.manager.states(), [("kv".into(), State::Disabled)]);
    assert!(matches!(block_on(kv.get("hello".into())), Err(Error::Call(CallError::Closed { .. }))));
    home.write("kv.plugin.toml", &manifest);
    assert_eq!(home.told("kv"), [State::Loading, online(1)]);
    // The program may go at the same time: without its manifest it is no plugin that this host can start.
    home.remove("kv-plugin");
    home.remove("kv.plugin.toml");
    assert_eq!(home.told("kv"), [State::Draining, State::Offline]);
    assert!(home.manager.names().is_empty());
}

#[test]
fn a_manifest_configures_its_plugin_through_restarts_and_updates() {
    let mut home = Home::watch::<dyn Kv>(|directory| directory);
    let manifest = |end: &str| format!("{}{end}", KV.replace("auto_mtls = true", "auto_mtls = false"));
    home.write("kv.plugin.toml", &manifest("config = { greeting = \"hello\" }"));
    let [failed] = home.told("kv");
    assert!(reason(&failed).contains("found none at"), "its program comes later: {failed:?}");
    home.put(libraries().program("kv_plugin"), "kv-plugin");
    assert_eq!(home.told("kv"), [State::Loading, online(1)]);
    let kv = home.get::<dyn Kv>("kv");
    let greeting = || block_on(kv.get("__greeting".into())).expect("an answer");
    assert_eq!(greeting(), "hello");
    home.kill("kv-plugin");
    let [died, loading, back] = home.told("kv");
    assert!(matches!(died, State::Failed { .. }), "{died:?}");
    assert_eq!((loading, back), (State::Loading, online(2)));
    assert_eq!(greeting(), "hello", "it is the same plugin");

    home.write("kv.plugin.toml", &manifest("[config]\ngreeting = \"good day\""));
    assert_eq!(home.told("kv"), [State::Loading, online(3)]);
    assert_eq!(greeting(), "good day");
    home.write("kv.plugin.toml", &manifest("[config]\ngreeting = 7"));
    let [failed, old] = home.told("kv");
    assert!(reason(&failed).contains("invalid type: integer `7`, expected a string"), "{failed:?}");
    assert_eq!((old, greeting()), (online(3), "good day".into()));
    home.write("kv.plugin.toml", &manifest(""));
    assert_eq!(home.told("kv"), [State::Loading, online(4)]);
    assert_eq!(greeting(), "", "nothing is left of it");
}

#[test]
fn a_plugin_that_answers_nothing_is_killed_and_comes_back_behind_the_same_handle() {
    let mut home = Home::watch::<dyn Kv>(|directory| directory);
    // Its program is hidden: it is nobody's plugin on its own.
    home.put(libraries().program("kv_plugin"), ".kv-plugin");
    let manifest = KV.replace("auto_mtls = true", "liveness = 5").replace("./kv", "./.kv");
    home.write("kv.plugin.toml", &manifest);
    assert_eq!(home.told("kv"), [State::Loading, online(1)]);
    let kv = home.get::<dyn Kv>("kv");
    let pid = || block_on(kv.get("__pid".into())).expect("an answer");
    let first = pid();
    home.signal(".kv-plugin", Signal::STOP);
    let [wedged, loading, back] = home.told("kv");
    assert!(reason(&wedged).contains("it answered nothing for 5s"), "{wedged:?}");
    assert_eq!((loading, back), (State::Loading, online(2)));
    assert_ne!(pid(), first);
    assert_eq!(home.manager.stats("kv").expect("it is loaded").restarts, 1);
}

#[test]
fn a_program_runs_only_with_the_digest_of_its_manifest() {
    let Some(program) = go_program("kv-plugin") else { return };
    let mut home = Home::watch::<dyn Kv>(|directory| directory);
    let manifest = KV.replace("./kv-plugin", &program.display().to_string());
    home.write("kv.plugin.toml", &format!("sha256 = \"{}\"\n{manifest}", "5a".repeat(32)));
    let [_, failed] = home.told("kv");
    let Some((_, found)) = reason(&failed).split_once("found `") else { panic!("a mismatch: {failed:?}") };
    home.write("kv.plugin.toml", &format!("sha256 = \"{}\"\n{manifest}", &found[..64]));
    assert_eq!(home.told("kv"), [State::Loading, online(1)]);
}

#[test]
fn a_plugin_of_net_rpc_comes_by_its_manifest() {
    let Some(program) = go_program("netrpc-plugin") else { return };
    let mut home = Home::watch::<dyn Greeter>(|directory| directory);
    home.write(
        "old.plugin.toml",
        &format!(
            "command = {program:?}\nprotocol = \"netrpc\"\ndispense = \"greeter\"\n\
             handshake = {{ version = 1, cookie_key = \"BASIC_PLUGIN\", cookie_value = \"hello\" }}"
        ),
    );
    assert_eq!(home.told("old"), [State::Loading, online(1)]);
    assert_eq!(block_on(home.get::<dyn Greeter>("old").greet()).expect("a greeting"), "Hello!");
}

/// The same provider, as another interface.
#[interface(service = "proto.Failing", version = "1.0")]
trait Failing {
    async fn fail(&self, name: String) -> Result<String, Error>;
}

/// A host that has no trait takes the interface from the file that the manifest names.
#[test]
fn a_manifest_says_what_its_plugin_serves() {
    // These have one interface in each line, as hexadecimal digits.
    let read = |path: &std::path::Path| {
        let text = fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        Ok(text.lines().map(|line| Descriptor::parse(&unhex(line)).expect("an interface")).collect())
    };
    let mut home = Home::watch_dynamic_by(|directory| directory.interfaces(read));
    let line = |file: Vec<u8>| file.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let speaker = line(<dyn Speaker as Interface>::SCHEMA.to_file_descriptor());
    let failing = line(<dyn Failing as Interface>::SCHEMA.to_file_descriptor());
    let script = workspace().join("fixtures/python/provider.py");
    let manifest = format!("kind = \"stdio\"\ncommand = \"python3\"\nargs = [{script:?}]\n");
    home.write("speaker.plugin.toml", &manifest);
    let [State::Loading, failed] = home.told("speaker") else { panic!("it is loaded") };
    assert!(reason(&failed).contains("does not say what it serves\n(hint: "), "{failed:?}");
    assert!(reason(&failed).contains("its manifest by `interface`"), "{failed:?}");

    home.write("speaker.plugin.toml", &format!("interface = \"speaker.hex\"\n{manifest}"));
    let [failed] = home.told("speaker");
    assert!(reason(&failed).contains("`interface`: `"), "{failed:?}");
    assert!(reason(&failed).contains("/speaker.hex`: No such file"), "{failed:?}");

    home.write("speaker.hex", &speaker);
    assert_eq!(home.told("speaker"), [State::Loading, online(1)]);
    let call = |home: &Home, method: &str| {
        let interfaces = block_on(home.manager.interfaces("speaker")).expect("they are known");
        let handle = block_on(home.manager.dynamic("speaker", &interfaces[0])).expect("it is loaded as that");
        // `{ name: "bob" }`, and `{ value: … }`.
        block_on(handle.call(method, Bytes::from_static(b"\x0a\x03bob"))).map(|answer| answer.slice(2..))
    };
    assert_eq!(call(&home, "SayHi"), Ok(Bytes::from_static(b"Hi bob")));

    // With another file that says the same, it is replaced.
    home.write("speaker.plugin.toml", &format!("interface = \"./speaker.hex\"\n{manifest}"));
    assert_eq!(home.told("speaker"), [State::Loading, online(2)]);
    // As another interface it is another plugin.
    home.write("speaker.hex", &failing);
    let [draining, offline, loading, online_again] = home.told("speaker");
    assert!(matches!(draining, State::Draining), "{draining:?}");
    assert_eq!([offline, loading, online_again], [State::Offline, State::Loading, online(1)]);
    let Err(Error::Plugin(failure)) = call(&home, "Fail") else { panic!("it fails") };
    assert_eq!(failure.message(), "no, bob");

    // One of several has to be named. What is wrong leaves the old one serving.
    home.write("speaker.hex", &(speaker + &failing));
    let [failed, old] = home.told("speaker");
    assert!(reason(&failed).contains("which has `proto.Speaker`, `proto.Failing`"), "{failed:?}");
    assert_eq!(old, online(1));
    assert!(call(&home, "Fail").is_err_and(|error| matches!(error, Error::Plugin(_))));
    let named = "interface = \"speaker.hex\"\nservice = \"proto.Failing\"";
    home.write("speaker.plugin.toml", &format!("{named}\n{manifest}"));
    assert_eq!(home.told("speaker"), [State::Loading, online(2)]);
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).expect("digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// What a script can be called for, and a method that no script can be called for.
#[interface(service = "proto.Speaker", version = "1.0")]
trait Listener {
    async fn say_hi(&self, name: String) -> Result<String, Error>;
    async fn listen(&self, words: Streaming<String>) -> Result<String, Error>;
}

/// A stream without anything in it.
struct Silence;

impl Stream for Silence {
    type Item = Result<String, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

#[test]
fn a_manifest_allows_for_methods_that_cannot_be_carried() {
    let mut home = Home::watch::<dyn Listener>(|directory| directory);
    let script = workspace().join("fixtures/python/provider.py");
    let manifest = format!("kind = \"stdio\"\ncommand = \"python3\"\nargs = [{script:?}]\n");
    home.write("speaker.plugin.toml", &manifest);
    let [State::Loading, failed] = home.told("speaker") else { panic!("it is loaded") };
    assert!(reason(&failed).contains("which the method `Listen` of `proto.Speaker` has"), "{failed:?}");
    assert!(reason(&failed).contains("or let it be lacking: `allow_lacking`)"), "{failed:?}");

    home.write("speaker.plugin.toml", &format!("{manifest}allow_lacking = true\n"));
    assert_eq!(home.told("speaker"), [State::Loading, online(1)]);
    let speaker = home.get::<dyn Listener>("speaker");
    assert_eq!(block_on(speaker.say_hi("bob".into())), Ok("Hi bob".into()));
    let listened = block_on(speaker.listen(Streaming::new(Silence)));
    let Err(Error::Call(error)) = listened else { panic!("{listened:?}") };
    assert!(error.to_string().contains("cannot carry the stream `words`"), "{error}");
}

/// A host that reads no descriptions says so, and one that has the trait needs none.
#[test]
fn a_description_is_for_those_who_have_no_trait() {
    let script = workspace().join("fixtures/python/provider.py");
    let manifest = format!(
        "kind = \"stdio\"\ncommand = \"python3\"\nargs = [{script:?}]\ninterface = \"speaker.proto\"\n"
    );
    let mut home = Home::watch_dynamic();
    home.write("speaker.plugin.toml", &manifest);
    let [failed] = home.told("speaker");
    assert!(reason(&failed).contains("this host reads no descriptions of interfaces"), "{failed:?}");
    let mut home = Home::watch::<dyn Speaker>(|directory| directory);
    home.write("speaker.plugin.toml", &manifest);
    assert_eq!(home.told("speaker"), [State::Loading, online(1)]);
}

#[test]
fn a_script_in_python_comes_by_its_manifest_and_changes_with_its_file() {
    let mut home = Home::watch::<dyn Speaker>(|directory| directory);
    let script = fs::read_to_string(workspace().join("fixtures/python/provider.py")).expect("a script");
    home.write("speaker.plugin.toml", "kind = \"stdio\"\ncommand = \"python3\"\nargs = [\"provider.py\"]");
    home.write("provider.py", &script);
    // Whichever of the two is seen first, in the end it is online.
    let mut state = State::Offline;
    while !matches!(state, State::Online { .. }) {
        [state] = home.told("speaker");
    }
    let speaker = home.get::<dyn Speaker>("speaker");
    assert_eq!(block_on(speaker.say_hi("bob".into())).expect("an answer"), "Hi bob");
    let State::Online { generation } = state else { panic!("online") };
    home.write("provider.py", &script.replace("Hi {name}", "Hello {name}"));
    assert_eq!(home.told("speaker"), [State::Loading, online(generation + 1)]);
    assert_eq!(block_on(speaker.say_hi("bob".into())).expect("an answer"), "Hello bob");
}
