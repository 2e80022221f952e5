//! `jackfield --host`, against a host in this process.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jackfield::native::NativeBackend;
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::{ControlSocket, Directory, Error, Event, Events, Manager, State, Watch};
use jackfield_fixtures::{Build, Profile};
use kv_interface::Kv;
use tempfile::TempDir;

use crate::{jackfield, texts};

/// A host with two versions of a library, a program, and what is no plugin.
pub(crate) struct Host {
    pub(crate) directory: TempDir,
    pub(crate) manager: Manager,
    events: Events,
    _watch: Watch,
    pub(crate) control: ControlSocket,
    pub(crate) path: PathBuf,
}

impl Host {
    pub(crate) fn start() -> Self {
        let build = Build::fixtures().profile(Profile::own());
        let built = jackfield_fixtures::build(&build).expect("it builds");
        let directory = tempfile::tempdir().expect("a directory");
        let plugins = directory.path().join("plugins");
        fs::create_dir(&plugins).expect("created");
        for name in ["kv@1.2.so", "kv@2.0.so"] {
            fs::copy(built.library("kv-file"), plugins.join(name)).expect("a copy");
        }
        fs::copy(built.program("kv-file"), plugins.join("store")).expect("a copy");
        fs::write(plugins.join("junk.txt"), "junk").expect("written");
        #[expect(unsafe_code, reason = "a host writes it once")]
        // SAFETY: the library is of this repository.
        let native = unsafe { NativeBackend::new() };
        let processes = ProcessBackend::start().expect("it starts");
        let store = directory.path().to_owned();
        let source =
            Directory::new(plugins).libraries(move |path| native.library(path)).programs(move |path| {
                let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
                // It writes its files where it starts.
                ProcessPlugin::new(path).handshake(handshake).current_dir(&store).backend(&processes)
            });
        let manager = Manager::new();
        let events = manager.events();
        let watch = manager.watch::<dyn Kv>(source.settle(Duration::from_millis(20))).expect("a directory");
        let path = directory.path().join("control.sock");
        let control = manager.serve_control(&path).expect("a socket");
        let mut host = Self { directory, manager, events, _watch: watch, control, path };
        let is_online = |manager: &Manager, name: &str| {
            let mut states = manager.states().into_iter();
            states.any(|(plugin, state)| plugin.as_str() == name && matches!(state, State::Online { .. }))
        };
        let is_ready = |manager: &Manager| {
            ["kv@1.2", "kv@2.0", "store"].iter().all(|name| is_online(manager, name))
                && manager.serving("kv") == Some("kv@2.0".into())
                && manager
                    .states()
                    .iter()
                    .any(|(plugin, state)| plugin.as_str() == "junk" && matches!(state, State::Failed { .. }))
        };
        while !is_ready(&host.manager) {
            host.until(|_, _| true);
        }
        host
    }

    fn until(&mut self, is_it: impl Fn(&str, &State) -> bool) {
        loop {
            match self.events.recv_timeout(Duration::from_secs(120)) {
                Ok(Event::Changed { plugin, state }) if is_it(plugin.as_str(), &state) => return,
                Ok(_) => {}
                Err(error) => panic!("expected an event: {error}"),
            }
        }
    }

    /// What the command prints, if it succeeds.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String, String> {
        let socket = self.path.display().to_string();
        let output = jackfield(&[&["--host", &socket], words].concat());
        let (stdout, stderr) = texts(&output);
        if output.status.success() { Ok(stdout) } else { Err(stderr) }
    }
}

#[test]
fn a_running_host_is_listed_and_told_what_to_do() {
    let mut host = Host::start();
    assert_eq!(fs::metadata(&host.path).expect("a socket").permissions().mode() & 0o777, 0o600);
    let generation = |host: &Host| {
        let object = host.ask(&["list", "--json"]).expect("an answer");
        let first: serde_json::Value =
            object.lines().find(|line| line.contains("\"kv\"")).expect("kv").parse().expect("JSON");
        (
            first["serving"].as_str().expect("a version").to_owned(),
            first["generation"].as_u64().expect("a number"),
        )
    };
    let (serving, number) = generation(&host);
    assert_eq!(serving, "kv@2.0");
    figures_are_listed(&host, number);

    let mut watch = Watched::start(&host, &[]);
    let mut json = Watched::start(&host, &["--json"]);
    host.ask(&["pin", "kv", "1.2"]).expect("it is there");
    assert_eq!(generation(&host), ("kv@1.2".to_owned(), number + 1));
    assert_eq!(watch.line(), format!("kv  online    generation {}", number + 1));
    let event: serde_json::Value = json.line().parse().expect("JSON");
    assert_eq!((&event["name"], &event["state"]), (&"kv".into(), &"online".into()), "{event}");
    assert_eq!(event["generation"], number + 1);
    let ok = "{\"ok\":{}}\n";
    assert_eq!(host.ask(&["pin", "kv", "--json"]).as_deref(), Ok(ok));
    assert_eq!(host.ask(&["roll-back", "kv", "--json"]).as_deref(), Ok(ok));
    assert_eq!(generation(&host), ("kv@1.2".to_owned(), number + 3));
    assert_eq!(host.ask(&["reload", "kv@2.0", "--json"]).as_deref(), Ok(ok));
    host.until(|plugin, state| plugin == "kv@2.0" && *state == State::Online { generation: 2 });

    assert_eq!(host.ask(&["disable", "kv@1.2", "--json"]).as_deref(), Ok(ok));
    host.until(|plugin, state| plugin == "kv@1.2" && *state == State::Disabled);
    assert_eq!(generation(&host).0, "kv@2.0");
    let refused = host.ask(&["reload", "kv@1.2"]).expect_err("it is disabled");
    assert!(refused.contains("the plugin `kv@1.2` is disabled"), "{refused}");
    assert_eq!(host.ask(&["enable", "kv@1.2", "--json"]).as_deref(), Ok(ok));
    host.until(|plugin, state| plugin == "kv@1.2" && matches!(state, State::Online { .. }));

    let refused = host.ask(&["reload", "junk"]).expect_err("junk");
    assert!(refused.contains("found neither"), "{refused}");
    let refused = host.ask(&["pin", "kv", "7"]).expect_err("there is none");
    assert!(refused.contains("no plugin `kv@7` is loaded"), "{refused}");

    drop(host.control);
    assert!(!host.path.exists());
    watch.ends();
    json.ends();
    let output = jackfield(&["--host", &host.path.display().to_string(), "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("no host answers at `"));
    drop(host.directory);
}

fn figures_are_listed(host: &Host, generation: u64) {
    let store = host.manager.get::<dyn Kv>("store").expect("it is online");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..3 {
        runtime.block_on(store.put("a".to_owned(), "1".into())).expect("stored");
    }
    let failure = runtime.block_on(store.get("b".to_owned())).expect_err("there is none");
    assert!(matches!(failure, Error::Plugin(_)), "{failure}");

    let list = host.ask(&["list"]).expect("an answer");
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split("  ").collect()).collect();
    let row = |name: &str| {
        let mut rows = rows.iter().filter(|row| row[0].trim() == name);
        let row = rows.next().unwrap_or_else(|| panic!("`{name}` in {list}"));
        row.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let titles = ["PLUGIN", "STATE", "GENERATION", "CALLS", "ERRORS", "P50", "P99", "RESTARTS", "MEMORY"];
    assert_eq!(
        rows[0].iter().map(|title| title.trim()).filter(|title| !title.is_empty()).collect::<Vec<_>>(),
        titles
    );
    assert_eq!(row("junk")[..9], ["junk", "failed", "-", "-", "-", "-", "-", "-", "-"]);
    let number = generation.to_string();
    assert_eq!(row("kv"), ["kv", "online", &number, "-", "-", "-", "-", "-", "-", "kv@2.0 serves"]);
    let found = row("store");
    assert_eq!((&found[..5], found[7]), (&["store", "online", "1", "4", "0"][..], "0"), "{list}");
    assert!(found[5].ends_with('s') && found[6].ends_with('s') && found[8].ends_with(" MiB"), "{list}");

    let list = host.ask(&["list", "--json"]).expect("an answer");
    let json = list.lines().find(|line| line.contains("\"store\"")).expect("it is there");
    let json: serde_json::Value = json.parse().expect("JSON");
    let stats = &json["stats"];
    let figures = ["calls", "errors", "failures", "in_flight", "restarts"].map(|key| stats[key].as_u64());
    assert_eq!(figures, [4, 0, 1, 0, 0].map(Some), "{json}");
    assert!(stats["memory"].as_u64() > Some(100_000) && stats["p50_ns"].as_u64() <= stats["p99_ns"].as_u64());
}

#[test]
fn what_is_no_request_is_answered_and_a_long_line_ends_the_talk() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("control.sock");
    let manager = Manager::new();
    let control = manager.serve_control(&path).expect("a socket");
    // Nobody takes its place while it is served.
    assert!(Manager::new().serve_control(&path).is_err());
    let stream = UnixStream::connect(&path).expect("it is served");
    let mut answers = BufReader::new(stream.try_clone().expect("it is open")).lines();
    let mut answer = || answers.next().map(|line| line.expect("a line"));
    writeln!(&stream, "hello\n{{\"command\":\"list\"}}").expect("written");
    assert!(answer().expect("an answer").starts_with("{\"error\":\"expected a request"));
    assert_eq!(answer().expect("an answer"), "{\"plugins\":[]}");
    (&stream).write_all(&vec![b'x'; 64 * 1024]).expect("written");
    assert!(answer().expect("an answer").contains("expected a line of less than"));
    assert_eq!(answer(), None);

    // Those who watch and go leave their places to others.
    for _ in 0..3 {
        let watching = [(); PLACES].map(|()| watch(&path, |answer| answer == "{\"ok\":{}}\n"));
        let refused = watch(&path, |answer| !answer.starts_with("{\"ok\""));
        drop((watching, refused));
    }
    drop(control);

    // What a host left behind that was killed is replaced, and nothing else is.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    drop(manager.serve_control(&path).expect("nobody serves it"));
    fs::write(&path, "a file").expect("written");
    assert!(manager.serve_control(&path).is_err());
    assert_eq!(fs::read(&path).expect("it is there"), b"a file");
}

/// Connects and watches, again and again until the answer is as expected: whoever went leaves a place a little later.
fn watch(path: &Path, is_expected: impl Fn(&str) -> bool) -> UnixStream {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let stream = UnixStream::connect(path).expect("it is served");
        let mut answer = String::new();
        // An error says that the connection was refused before it was read.
        let _ = writeln!(&stream, "{{\"command\":\"watch\"}}");
        let _ = BufReader::new(&stream).read_line(&mut answer);
        if is_expected(&answer) {
            return stream;
        }
        assert!(Instant::now() < deadline, "the last answer was {answer:?}");
        std::thread::yield_now();
    }
}

/// How many connections a host admits.
const PLACES: usize = 16;

/// `jackfield watch`, while it runs.
struct Watched {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watched {
    /// Starts it, and waits until it has heard of something.
    #[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
    fn start(host: &Host, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
        let command = command.arg("--host").arg(&host.path).arg("watch").args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (heard, hears) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let manager = &host.manager;
                // It may not listen yet: it is told until it is heard.
                while hears.recv_timeout(Duration::from_millis(1)).is_err() {
                    let _ = manager.disable("junk");
                    let _ = manager.enable("junk");
                }
            });
            let first = lines.next();
            heard.send(()).expect("it waits");
            first
        });
        Self { child, lines }
    }

    /// The next line that is of `kv`.
    fn line(&mut self) -> String {
        self.lines
            .by_ref()
            .map(|line| line.expect("a line"))
            .find(|line| line.starts_with("kv ") || line.contains("\"name\":\"kv\""))
            .expect("a line")
    }

    /// It ends by itself, once its host does.
    fn ends(mut self) {
        assert_eq!(self.lines.by_ref().last().map(|line| line.is_ok()), Some(true));
        assert!(self.child.wait().expect("it ends").success());
    }
}
