//! `call` and `bench` of plugins that do not say what they serve: over net/rpc, and over standard input and output.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use jackfield_fixtures::{GoModule, available, go_programs, workspace};
use serde_json::{Value, json};

use crate::command::{directory, fails, library, plugins, run, succeeds, texts};

/// What the peers over standard input and output provide, and what they do not.
pub(crate) const SPEAKER: &str = r#"
syntax = "proto3";
package proto;
service Speaker {
  rpc SayHi(Name) returns (Text);
  rpc Fail(Name) returns (Text);
  rpc SayNothing(Name) returns (Text);
  rpc Listen(stream Name) returns (Text);
  rpc Turn(Angle) returns (Text);
}
message Name { string name = 1; }
message Text { string text = 1; }
message Angle { sint32 degrees = 1; }
"#;

/// What the peers over net/rpc provide.
pub(crate) const GREETER: &str = r#"
syntax = "proto3";
package proto;
service Greeter {
  rpc Greet(Nothing) returns (Text);
  rpc Put(Pair) returns (Nothing);
  rpc Get(Key) returns (Value);
  rpc Add(Sum) returns (Number);
}
service Other {
  rpc Greet(Nothing) returns (Text);
}
message Nothing {}
message Text { string text = 1; }
message Pair { string key = 1; bytes value = 2; }
message Key { string key = 1; }
message Value { bytes value = 1; }
message Sum { int64 a = 1; int64 b = 2; }
message Number { int64 number = 1; }
"#;

const GREETER_HANDSHAKE: &str = "1/BASIC_PLUGIN/hello";

/// A directory with a description in it, and the path of that.
fn described(text: &str) -> (tempfile::TempDir, String) {
    let (directory, path) = directory();
    let file = path.join("described.proto");
    fs::write(&file, text).expect("written");
    (directory, file.display().to_string())
}

/// The script that provides.
pub(crate) fn provider() -> PathBuf {
    workspace().join("fixtures/python/provider.py")
}

/// A script, how it is run, and what is behind it on the command line.
fn python(script: &str) -> [String; 2] {
    [program_in_path("python3"), script.to_owned()]
}

fn program_in_path(name: &str) -> String {
    let path = std::env::var_os("PATH").expect("a path");
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
    found.expect("it is installed").display().to_string()
}

fn text(path: PathBuf) -> String {
    path.display().to_string()
}

#[test]
fn a_program_that_talks_over_standard_input_and_output_is_called() {
    let (_directory, interface) = described(SPEAKER);
    let [python, script] = python(&text(provider()));
    let ours = text(plugins().program("stdio_plugin").to_owned());
    let mut peers = vec![
        ("json", python, vec![script]),
        ("json", ours.clone(), vec!["provider".to_owned(), "json".to_owned()]),
        ("gob", ours, vec!["provider".to_owned(), "gob".to_owned()]),
    ];
    if let Some(pie) = available(go_programs(GoModule::Pie)) {
        for codec in ["gob", "json"] {
            let arguments = vec!["provider".to_owned(), codec.to_owned()];
            peers.push((codec, text(pie.join("stdio-peer")), arguments));
        }
    }
    for (codec, program, arguments) in &peers {
        let command = |method: &'static str, request: &'static str| {
            let command =
                ["call", "--interface", &interface, "--stdio", codec, program, method, request, "--"];
            command.into_iter().chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>()
        };
        let bob = r#"{"name":"bob"}"#;
        assert_eq!(succeeds(&command("SayHi", bob)), "{\"text\":\"Hi bob\"}\n", "{program} {codec}");
        assert_eq!(succeeds(&command("say_hi", bob)), "{\"text\":\"Hi bob\"}\n", "{program} {codec}");
        let error = fails(1, &command("Fail", bob));
        assert!(error.contains("error: Unknown: no, bob"), "{program} {codec}: {error}");
        let error = fails(1, &command("SayNothing", bob));
        assert!(error.contains("has no method `/proto.Speaker/SayNothing`"), "{program} {codec}: {error}");
        let error = fails(1, &command("SayH", bob));
        assert!(error.contains("there is no method `SayH`\n(hint: it has `SayHi`, `Fail`"), "{error}");
        // What cannot be carried keeps nobody from calling the others.
        let error = fails(1, &command("Listen", bob));
        assert!(
            error.contains("cannot carry a stream, which the method `Listen` of `proto.Speaker` has"),
            "{error}"
        );
        let error = fails(1, &command("Turn", r#"{"degrees":1}"#));
        assert!(error.contains("cannot carry the `sint32` in the field `degrees`"), "{error}");
    }
}

#[test]
fn a_program_may_provide_under_a_name_of_its_own() {
    let Some(pie) = available(go_programs(GoModule::Pie)) else { return };
    let program = text(pie.join("plugin_provider"));
    let leaver = SPEAKER.replace("SayHi", "SayBye");
    let (_directory, interface) = described(&leaver);
    let call = ["call", "--interface", &interface, "--stdio", "json/Plugin2", &program];
    let command = [&call[..], &["SayBye", r#"{"name":"bob"}"#]].concat();
    assert_eq!(succeeds(&command), "{\"text\":\"Bye bob\"}\n");
}

/// A script that answers with what it was given.
const ECHO: &str = r#"
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"id": call["id"], "result": call["params"][0], "error": None}), flush=True)
"#;

const ECHOED: &str = r#"
syntax = "proto3";
package proto;
import "tree.proto";
service Echo { rpc Echo(Request) returns (Response); }
message Request { Tree tree = 1; }
message Response { Tree tree = 1; }
"#;

const TREE: &str = r#"
syntax = "proto3";
package proto;
enum Colour { NONE = 0; RED = 7; }
message Tree {
  string first_name = 1;
  repeated Tree children = 2;
  map<int32, Tree> by_number = 3;
  optional uint64 age = 4;
  oneof shape { double radius = 5; bytes picture = 6; }
  repeated Colour colours = 7;
  bool is_leaf = 8;
  repeated float weights = 9;
  Tree left = 10;
  Tree right = 11;
}
"#;

#[test]
fn every_kind_of_value_comes_back_as_it_went() {
    let (_directory, interface) = described(ECHOED);
    let (_imports, imports) = directory();
    let (tree, script) = (imports.join("tree.proto"), imports.join("echo.py"));
    fs::write(tree, TREE).expect("written");
    fs::write(&script, ECHO).expect("written");
    let [python, script] = python(&text(script));
    let leaf = json!({
        "first_name": "Ada", "children": [], "by_number": {}, "age": "0", "radius": 0.0, "colours": ["RED"],
        "is_leaf": true, "weights": [0.5],
    });
    // Of a `oneof` one is there at the most, and neither what is `optional` nor a message has to be there.
    let picture = json!({
        "first_name": "", "children": [leaf], "by_number": { "-3": leaf }, "picture": "aGk=",
        "colours": [], "is_leaf": false, "weights": [], "right": leaf,
    });
    for tree in [leaf, picture] {
        let request = json!({ "tree": tree }).to_string();
        let imports = text(imports.clone());
        let told = ["call", "--interface", &interface, "-I", &imports, "--stdio", "json"];
        let answer = succeeds(&[&told[..], &[&python, "Echo", &request, "--", &script]].concat());
        let answer: Value = answer.parse().expect("JSON");
        assert_eq!(answer["tree"], tree);
    }
}

#[test]
fn a_plugin_of_go_plugins_older_protocol_is_called() {
    let (_directory, interface) = described(GREETER);
    let mut peers = vec![(text(plugins().program("netrpc_plugin").to_owned()), &["--auto-mtls"][..])];
    for (module, tls) in [(GoModule::Newest, &[][..]), (GoModule::V1_4, &["--auto-mtls"])] {
        let programs = available(go_programs(module));
        peers.extend(programs.map(|programs| (text(programs.join("netrpc-plugin")), tls)));
    }
    for (program, tls) in &peers {
        let command = |method: &'static str, request: &'static str| {
            let told = ["call", "--interface", &interface, "--net-rpc", "greeter", "--map-arguments", "Put"];
            let start = ["--handshake", GREETER_HANDSHAKE, program, method, request];
            [&told[..], tls, &start].concat()
        };
        // Two services have the method.
        let greet = succeeds(&command("proto.Greeter/Greet", "{}"));
        assert_eq!(greet, "{\"text\":\"Hello!\"}\n", "{program}");
        let error = fails(1, &command("Greet", "{}"));
        assert!(error.contains("several interfaces have a method `Greet`"), "{error}");
        assert_eq!(succeeds(&command("add", r#"{"a":40,"b":2}"#)), "{\"number\":\"42\"}\n", "{program}");
        assert_eq!(succeeds(&command("Put", r#"{"key":"a","value":"aGk="}"#)), "{}\n", "{program}");
        let error = fails(1, &command("Get", r#"{"key":"missing"}"#));
        assert!(error.contains("error: Unknown: no such key: missing"), "{program}: {error}");
    }
}

/// Go passes over a field that it does not know, once it has read what that is made of.
#[test]
fn a_type_that_leads_back_to_itself_is_described_to_go() {
    let Some(programs) = available(go_programs(GoModule::Newest)) else { return };
    let program = text(programs.join("netrpc-plugin"));
    let greeter = GREETER.replace("int64 b = 2;", "int64 b = 2; Tree tree = 3;");
    let tree = "message Tree { Tree next = 1; repeated Tree children = 2; map<string, Tree> by_name = 3; }";
    let (_directory, interface) = described(&format!("{greeter}{tree}"));
    let told = ["call", "--interface", &interface, "--net-rpc", "greeter", "--handshake", GREETER_HANDSHAKE];
    let leaf = json!({ "next": {} });
    let value = json!({ "next": leaf, "children": [leaf, leaf], "by_name": { "a": leaf } });
    let request = json!({ "a": 40, "b": 2, "tree": value }).to_string();
    assert_eq!(succeeds(&[&told[..], &[&program, "Add", &request]].concat()), "{\"number\":\"42\"}\n");
    // A method that takes something else names what came.
    let (_directory, interface) = described(&format!("{greeter}{tree}").replace("Get(Key)", "Get(Sum)"));
    let told = ["call", "--interface", &interface, "--net-rpc", "greeter", "--handshake", GREETER_HANDSHAKE];
    let error = fails(1, &[&told[..], &[&program, "Get", &request]].concat());
    assert!(error.contains("gob: decoding into local type *string, received remote type Get"), "{error}");
}

/// A library that serves the same describes it.
#[test]
fn another_plugin_says_what_is_served() {
    let Some(programs) = available(go_programs(GoModule::Newest)) else { return };
    let (_directory, path) = directory();
    let (library, program) = (library("kv-file"), text(programs.join("kv-netrpc-plugin")));
    let call = |method: &str, request: &str| {
        let told = ["call", "--interface", &library, "--net-rpc", "kv", "--map-arguments", "Put"];
        let start = ["--handshake", "2/BASIC_PLUGIN/hello", &program, method, request];
        texts(&run(&path, &[&told[..], &start].concat(), ""))
    };
    assert_eq!(call("Put", r#"{"key":"a","value":"aGk="}"#), ("{}\n".to_owned(), String::new()));
    let value = "aGkKCldyaXR0ZW4gZnJvbSBwbHVnaW4tZ28tbmV0cnBj";
    assert_eq!(call("get", r#"{"key":"a"}"#), (format!("{{\"value\":\"{value}\"}}\n"), String::new()));
}

/// What a plugin says of itself is checked: here its method has another request.
#[test]
fn a_plugin_that_says_what_it_serves_is_called_by_nothing_else() {
    let kv = GREETER.replace("Greeter", "KV").replace("Get(Key)", "Get(Number)");
    let (_directory, interface) = described(&kv);
    let error = fails(1, &["call", "--interface", &interface, &library("kv-file"), "Get", "{}"]);
    assert!(error.contains("it cannot serve this host's interface"), "{error}");
}

/// A manifest says it all: how the plugin starts, how it talks, and what it serves.
#[test]
fn a_plugin_is_called_by_its_manifest() {
    let (_directory, path) = directory();
    fs::write(path.join("greeter.proto"), GREETER).expect("written");
    let manifest = format!(
        "command = {:?}\nprotocol = \"netrpc\"\ndispense = \"greeter\"\n\
         handshake = {{ version = 1, cookie_key = \"BASIC_PLUGIN\", cookie_value = \"hello\" }}\n",
        plugins().program("netrpc_plugin")
    );
    let file = text(path.join("hello.plugin.toml"));
    fs::write(&file, &manifest).expect("written");
    let add = r#"{"a":40,"b":2}"#;
    let error = fails(1, &["call", &file, "Add", add]);
    assert!(error.contains("does not say what it serves\n(hint: `--interface FILE` says it"), "{error}");
    let interface = text(path.join("greeter.proto"));
    assert_eq!(succeeds(&["call", "--interface", &interface, &file, "Add", add]), "{\"number\":\"42\"}\n");
    fs::write(&file, format!("interface = \"greeter.proto\"\nservice = \"proto.Greeter\"\n{manifest}"))
        .expect("written");
    assert_eq!(succeeds(&["call", &file, "Add", add]), "{\"number\":\"42\"}\n");
    assert!(succeeds(&["bench", "--calls", "20", &file, "Greet"]).starts_with("20 calls"));
    let error = fails(1, &["call", "--stdio", "json", "--interface", &interface, &file, "Add", add]);
    assert!(error.contains("a manifest says itself how its program starts and how it talks"), "{error}");
    let error = fails(1, &["call", &text(path.join("other.plugin.toml")), "Add", add]);
    assert!(error.contains("there is no manifest `"), "{error}");
}

/// It answers nothing, as a script that reads a line that never comes. Once it ends, the command does.
#[test]
#[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
fn a_program_that_may_wait_for_something_else_is_told_of() {
    let (directory, interface) = described(SPEAKER);
    let script = directory.path().join("silent");
    fs::write(&script, "#!/bin/sh\nexec sleep 30\n").expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.args([
        "call",
        "--interface",
        &interface,
        "--stdio",
        "gob",
        &text(script),
        "SayHi",
        r#"{"name":"bob"}"#,
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut waiting = command.spawn().expect("it starts");
    let said = std::io::BufReader::new(waiting.stderr.take().expect("a pipe"));
    let said: Vec<String> = said.lines().take(2).map(|line| line.expect("text")).collect();
    assert_eq!(said[0], "no answer within 5s, and none may come");
    assert!(
        said[1].starts_with("(hint: does the program talk in `gob`? a script that reads lines"),
        "{said:?}"
    );
    assert!(waiting.try_wait().expect("a child").is_none(), "it goes on waiting");
    waiting.kill().expect("a child");
    waiting.wait().expect("a child");
}

#[test]
fn what_is_missing_is_named() {
    let (_directory, interface) = described(SPEAKER);
    for (told, wire) in [
        (["--stdio", "json"], "over standard input and output no plugin says what it serves\n"),
        (["--net-rpc", "greeter"], "over net/rpc no plugin says what it serves\n"),
    ] {
        for command in ["call", "bench"] {
            let error = fails(2, &[command, told[0], told[1], "/bin/true", "SayHi"]);
            assert!(error.contains(wire), "{error}");
            assert!(
                error.contains("(hint: `--interface FILE` says it: a .proto file, a descriptor set"),
                "{error}"
            );
        }
    }
    let error = fails(2, &["call", "--interface", &interface, "--stdio", "yaml", "/bin/true", "SayHi"]);
    assert!(error.contains("expected `gob`, `json` or `json2`, or such as `json/Greeter`"), "{error}");
    let error = fails(1, &["call", "--interface", "/nowhere.proto", "--stdio", "gob", "/bin/true", "SayHi"]);
    assert!(error.contains("`/nowhere.proto` cannot be compiled"), "{error}");
    let error = fails(1, &["call", "--interface", &interface, "--stdio", "gob", "/bin/true", "SayHi"]);
    assert!(error.contains("the plugin ended: exit status: 0"), "{error}");
    let error = fails(1, &["call", "/bin/true", "SayHi"]);
    assert!(error.contains("before the handshake\n(hint: `--stdio CODEC` "), "{error}");

    let program = text(plugins().program("netrpc_plugin").to_owned());
    for told in [&[][..], &["--interface", &interface]] {
        let start = ["--handshake", GREETER_HANDSHAKE, &program, "SayHi"];
        let error = fails(1, &[&["call"][..], told, &start].concat());
        assert!(
            error.contains("expected protocol `grpc`, found `netrpc`\n(hint: `--net-rpc NAME` "),
            "{error}"
        );
    }
}

#[test]
fn the_calls_of_a_script_are_measured() {
    let (_directory, interface) = described(SPEAKER);
    let [python, script] = python(&text(provider()));
    let told = ["bench", "--calls", "20", "--json", "--interface", &interface, "--stdio", "json"];
    let request = [&python, "SayHi", r#"{"name":"bob"}"#, "--", &script];
    let measured: Value = succeeds(&[&told[..], &request].concat()).parse().expect("JSON");
    assert_eq!(measured["calls"], 20);
    let program = text(plugins().program("netrpc_plugin").to_owned());
    let (_directory, interface) = described(GREETER);
    let told = ["bench", "--calls", "20", "--interface", &interface, "--net-rpc", "greeter"];
    let request = ["--handshake", GREETER_HANDSHAKE, &program, "Add", r#"{"a":1,"b":2}"#];
    let measured = succeeds(&[&told[..], &request].concat());
    assert!(measured.starts_with("20 calls, one after the other\n"), "{measured}");
}
