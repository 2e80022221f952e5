//! Everything that net/rpc carries, with a host or a plugin in Go on the other side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackfield::netrpc::NetRpc;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{Bytes, CallError, Code, Error, Handle, Manager};
use jackfield_fixtures::{Build, GoModule, available, go_programs};
use jackfield_plugin::plugin;
use ledger::{Account, Entry, Find, Ledger, Listener, Mood};

/// Which side a program is.
#[derive(Clone, Copy, PartialEq)]
enum Language {
    Go,
    Rust,
}

fn our_plugin() -> PathBuf {
    jackfield_fixtures::build(&Build::fixtures()).expect("the fixtures build").program("ledger").to_owned()
}

fn entry() -> Entry {
    Entry {
        name: "n".into(),
        amount: -5,
        page: 7,
        rate: 1.5,
        paid: true,
        receipt: Bytes::from_static(&[0, 255]),
        tags: vec!["a".into(), String::new()],
        shares: vec![0, -1, 2],
        labels: BTreeMap::from([("k".into(), "v".into())]),
        counts: BTreeMap::from([(0, 1), (3, -4)]),
        mood: Mood::Sour,
        limit: Some(9),
        url: "u".into(),
        span: (1, -2),
        parent: None,
        parts: vec![nothing("part"), nothing("")],
    }
}

/// An entry of which everything but the name is a default.
fn nothing(name: &str) -> Entry {
    Entry {
        name: name.into(),
        amount: 0,
        page: 0,
        rate: 0.0,
        paid: false,
        receipt: Bytes::new(),
        tags: vec![],
        shares: vec![],
        labels: BTreeMap::new(),
        counts: BTreeMap::new(),
        mood: Mood::Plain,
        limit: None,
        url: String::new(),
        span: (0, 0),
        parent: None,
        parts: vec![],
    }
}

/// Hears five entries, each only as it should be.
struct FiveEntries {
    pages: Mutex<Vec<u16>>,
    held: Arc<AtomicU32>,
}

#[plugin]
impl Listener for FiveEntries {
    async fn hear(&self, heard: Entry) -> Result<bool, Error> {
        let mut pages = self.pages.lock().expect("nobody panics");
        assert_eq!(heard, Entry { page: heard.page, ..entry() });
        pages.push(heard.page);
        Ok(pages.len() < 5)
    }
}

impl Drop for FiveEntries {
    fn drop(&mut self) {
        assert_eq!(*self.pages.lock().expect("nobody panics"), [1, 2, 3, 4, 5]);
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn use_ledger(program: &Path, language: Language, configure: impl Fn(ProcessPlugin) -> ProcessPlugin) {
    let backend = ProcessBackend::start().expect("processes can be started");
    let plugin = ProcessPlugin::new(program).handshake(ledger::handshake()).net_rpc(NetRpc::new("ledger"));
    let manager = Manager::new();
    let plugin = configure(plugin.backend(&backend));
    let ledger: Handle<dyn Ledger> = manager.load("ledger", &plugin).await.expect("loaded");
    values(&ledger, language).await;
    callbacks(&ledger).await;
    accounts(&manager, &ledger).await;
}

async fn values(ledger: &Handle<dyn Ledger>, language: Language) {
    for given in [entry(), nothing("")] {
        let expected =
            Entry { amount: -given.amount, parent: Some(Box::new(given.clone())), ..given.clone() };
        assert_eq!(ledger.turn(given).await, Ok(expected));
    }
    let words = ["a", "b", "a"].map(str::to_owned).to_vec();
    let counts = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(ledger.count(words).await, Ok(counts));
    assert_eq!(ledger.count(vec![]).await, Ok(BTreeMap::new()));
    assert_eq!(ledger.twice(None).await, Ok(None));
    assert_eq!(ledger.twice(Some("ab".into())).await, Ok(Some("abab".into())));
    assert_eq!(ledger.moods(Mood::Plain, Mood::Sour), Ok(vec![Mood::Sour, Mood::Plain]));
    let Err(Error::Plugin(failure)) = ledger.refuse(Find { name: "x".into() }).await else {
        panic!("it refuses")
    };
    assert_eq!(failure.message(), "no entry: x");
    // What is nothing but a default in a pointer, Go's encoder leaves out.
    let (empty, code) = match language {
        Language::Go => (None, Code::UNKNOWN),
        Language::Rust => (Some(String::new()), Code::NOT_FOUND),
    };
    assert_eq!((ledger.twice(Some(String::new())).await, failure.code()), (Ok(empty), code));
}

async fn callbacks(ledger: &Handle<dyn Ledger>) {
    let held = Arc::new(AtomicU32::new(0));
    let calls = (0..20).map(|_| async {
        held.fetch_add(1, Ordering::Relaxed);
        let listener = FiveEntries { pages: Mutex::default(), held: held.clone() };
        assert_eq!(ledger.tell(Handle::<dyn Listener>::new(listener), entry(), 9).await, Ok(5));
    });
    futures_util::future::join_all(calls).await;
    eventually(|| held.load(Ordering::Relaxed) == 0).await;
}

async fn accounts(manager: &Manager, ledger: &Handle<dyn Ledger>) {
    let first = ledger.open("first".into()).await.expect("an account");
    let second = ledger.open("second".into()).await.expect("an account");
    assert_eq!((first.add(4).await, first.add(-1).await), (Ok(4), Ok(3)));
    assert_eq!((second.name(), second.add(1).await), (Ok("second".to_owned()), Ok(1)));
    assert_eq!(ledger.accounts(), Ok(2));
    drop(second);
    eventually(|| ledger.accounts() == Ok(1)).await;
    manager.unload("ledger").await.expect("unloaded");
    assert!(matches!(first.add(1).await, Err(Error::Call(CallError::Closed { .. }))));
}

async fn eventually(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never holds");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_use_ledgers_of_either_language() {
    use_ledger(&our_plugin(), Language::Rust, |plugin| plugin).await;
    let Some(go) = available(go_programs(GoModule::Newest)) else { return };
    use_ledger(&go.join("ledger-plugin"), Language::Go, |plugin| plugin).await;
    use_ledger(&go.join("ledger-plugin"), Language::Go, ProcessPlugin::auto_mtls).await;
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn hosts_in_go_use_our_ledger() {
    let Some(go) = available(go_programs(GoModule::Newest)) else { return };
    for auto_mtls in ["0", "1"] {
        let mut host = Command::new(go.join("ledger-host"));
        let output = host.arg(our_plugin()).env("AUTOMTLS", auto_mtls).output().expect("the host runs");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"ok\n");
    }
}
