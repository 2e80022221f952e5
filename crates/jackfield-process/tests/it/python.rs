//! A plugin in Python that dies says why in the errors of its calls.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{
    CallError, Candidate, Channel, Context, Description, Error, Load, Slot, Unloaded, interface,
};
use jackfield_fixtures::{available, python};
use jackfield_process::stdio::{StdioCodec, StdioPlugin};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{get, load, run};
use crate::peers::{chain, handshake};

/// How it is made to die, its exit status, and its words, between which the number of a line stands.
const DEATHS: [(&str, &str, &str); 2] = [
    ("__raise", "exit status: 1", "ValueError: the store is at kv_plugin.py:"),
    ("__fault", "signal: 11 (SIGSEGV)", "Fatal Python error: Segmentation fault at kv_plugin.py:"),
];

#[test]
fn calls_in_flight_end_with_pythons_own_words() {
    let Some(python) = available(python()) else { return };
    let scripts = tempfile::tempdir().unwrap();
    let program = python.program("kv_plugin.py", scripts.path());
    let backend = ProcessBackend::start().unwrap();
    for (key, status, words) in DEATHS {
        run(async {
            let plugin = ProcessPlugin::new(&program).handshake(handshake()).backend(&backend);
            let (_instance, channel) = load(&plugin).await;
            let waiting = started(&channel).await;
            for error in [get(&channel, key).await.unwrap_err(), waiting.await.unwrap()] {
                says(&error, status, words);
            }
        });
    }
}

#[test]
fn a_socket_may_be_a_name_that_is_no_file() {
    let Some(python) = available(python()) else { return };
    let scripts = tempfile::tempdir().unwrap();
    let program = python.program("kv_plugin.py", scripts.path());
    let backend = ProcessBackend::start().unwrap();
    let plugin = ProcessPlugin::new(program).handshake(handshake()).backend(&backend);
    run(async {
        let running = plugin.env("ABSTRACT_SOCKET", "1").start("kv").await.unwrap();
        let address = running.reattach().unwrap().address.to_string();
        assert_eq!(address, format!("unix|@plugin-{}", running.pid().unwrap()));
        running.ping(Duration::from_secs(10)).await.unwrap();
        let end = running.stop(Duration::from_secs(10)).await;
        assert_eq!(end, Unloaded::Exited { status: "exit status: 0".into() });
    });
}

/// A call that waits in the plugin: what is called after it is answered.
async fn started(channel: &Arc<dyn Channel>) -> tokio::task::JoinHandle<Error> {
    let waiting = channel.clone();
    let waiting = tokio::spawn(async move { get(&waiting, "__sleep").await.unwrap_err() });
    // It is sent now.
    tokio::task::yield_now().await;
    get(channel, "__count").await.unwrap();
    waiting
}

fn says(error: &Error, expected: &str, begins: &str) {
    let Error::Call(CallError::Exited { status, words }) = error else { panic!("{error:?}") };
    assert_eq!(status.trim_end_matches(" (core dumped)"), expected);
    let line = words.strip_prefix(begins).unwrap_or_else(|| panic!("expected {begins:?}, found {words:?}"));
    assert!(!line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()), "{words:?}");
}

/// What the program below is asked.
#[interface(service = "proto.Oracle", version = "1.0")]
trait Oracle {
    async fn ask(&self, question: String) -> Result<String, Error>;
}

/// Reads two calls, and fails while it deals with another failure.
const SCRIPT: &str = r#"
import json, sys
def answer(call):
    try:
        raise KeyError(call["method"])
    except KeyError:
        raise LookupError("nobody knows " + call["params"][0])
calls = [json.loads(sys.stdin.readline()) for _ in range(2)]
answer(calls[1])
"#;

#[test]
fn so_do_those_of_a_script_on_its_pipes() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = StdioPlugin::new("python3").args(["-c", SCRIPT]).codec(StdioCodec::Json).backend(&backend);
    let errors = run(async {
        let load = Load::new(Context::new("oracle", []), Description::of::<dyn Oracle>());
        let instance = plugin.load(&load).await.unwrap();
        let oracle = Arc::new(Slot::new::<dyn Oracle>(instance.lane())).handle::<dyn Oracle>().unwrap();
        tokio::join!(oracle.ask("this".into()), oracle.ask("that".into()))
    });
    for error in [errors.0, errors.1] {
        says(&error.unwrap_err(), "exit status: 1", "LookupError: nobody knows that at <string>:");
    }
}

#[test]
fn a_script_that_cannot_begin_says_why() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = ProcessPlugin::new("python3").args(["-c", "import json, nobody_has_this"]).backend(&backend);
    let error = chain(&run(plugin.start("refused")).unwrap_err());
    let words = "exit status: 1: ModuleNotFoundError: No module named 'nobody_has_this' at <string>:1 before";
    assert!(error.contains(words), "{error}");
}
