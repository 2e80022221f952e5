//! `jackfield --host`, against a host in this process.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jackfield::native::NativeBackend;
use jackfield::{ControlSocket, Directory, Event, Events, Manager, State, Watch};
use jackfield_fixtures::{Build, Profile};
use kv_interface::Kv;
use tempfile::TempDir;

use crate::{jackfield, texts};

/// A host with two versions of a plugin, and what is no plugin.
struct Host {
    directory: TempDir,
    manager: Manager,
    events: Events,
    _watch: Watch,
    control: ControlSocket,
    path: PathBuf,
}

impl Host {
    fn start() -> Self {
        let build = Build::new(["jackfield-cli", "kv-file"]).profile(Profile::own());
        let library = jackfield_fixtures::build(&build).expect("it builds").library("kv-file").to_owned();
        let directory = tempfile::tempdir().expect("a directory");
        let plugins = directory.path().join("plugins");
        fs::create_dir(&plugins).expect("created");
        for name in ["kv@1.2.so", "kv@2.0.so"] {
            fs::copy(&library, plugins.join(name)).expect("a copy");
        }
        fs::write(plugins.join("junk.txt"), "junk").expect("written");
        #[expect(unsafe_code, reason = "a host writes it once")]
        // SAFETY: the library is of this repository.
        let native = unsafe { NativeBackend::new() };
        let source = Directory::new(plugins).libraries(move |path| native.library(path));
        let manager = Manager::new();
        let events = manager.events();
        let watch = manager.watch::<dyn Kv>(source.settle(Duration::from_millis(20))).expect("a directory");
        let path = directory.path().join("control.sock");
        let control = manager.serve_control(&path).expect("a socket");
        let mut host = Self { directory, manager, events, _watch: watch, control, path };
        for plugin in ["kv@1.2", "kv@2.0"] {
            host.until(|changed, state| changed == plugin && matches!(state, State::Online { .. }));
        }
        while host.manager.serving("kv") != Some("kv@2.0".into()) || host.manager.states().len() < 4 {
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
    fn ask(&self, words: &[&str]) -> Result<String, String> {
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
    let list = host.ask(&["list"]).expect("an answer");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0].split_whitespace().take(2).collect::<Vec<_>>(), ["junk", "failed"]);
    assert_eq!(lines[2], format!("kv      online    generation {number}, kv@2.0 serves"));
    assert_eq!(lines[3], "kv@1.2  online    generation 1");

    let mut watch = Watched::start(&host);
    host.ask(&["pin", "kv", "1.2"]).expect("it is there");
    assert_eq!(generation(&host), ("kv@1.2".to_owned(), number + 1));
    assert_eq!(watch.line(), format!("kv  online    generation {}", number + 1));
    host.ask(&["pin", "kv"]).expect("it is there");
    host.ask(&["roll-back", "kv"]).expect("there is one below");
    assert_eq!(generation(&host), ("kv@1.2".to_owned(), number + 3));
    host.ask(&["reload", "kv@2.0"]).expect("it loads");
    host.until(|plugin, state| plugin == "kv@2.0" && *state == State::Online { generation: 2 });

    host.ask(&["disable", "kv@1.2"]).expect("it is watched");
    host.until(|plugin, state| plugin == "kv@1.2" && *state == State::Disabled);
    assert_eq!(generation(&host).0, "kv@2.0");
    let refused = host.ask(&["reload", "kv@1.2"]).expect_err("it is disabled");
    assert!(refused.contains("the plugin `kv@1.2` is disabled"), "{refused}");
    host.ask(&["enable", "kv@1.2"]).expect("it is watched");
    host.until(|plugin, state| plugin == "kv@1.2" && matches!(state, State::Online { .. }));

    let refused = host.ask(&["reload", "junk"]).expect_err("junk");
    assert!(refused.contains("found neither"), "{refused}");
    let refused = host.ask(&["pin", "kv", "7"]).expect_err("there is none");
    assert!(refused.contains("no plugin `kv@7` is loaded"), "{refused}");

    drop(host.control);
    assert!(!host.path.exists());
    watch.ends();
    let output = jackfield(&["--host", &host.path.display().to_string(), "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("no host answers at `"));
    drop(host.directory);
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
    for _ in 0..40 {
        let stream = UnixStream::connect(&path).expect("it is served");
        writeln!(&stream, "{{\"command\":\"watch\"}}").expect("written");
        let mut line = String::new();
        while BufReader::new(&stream).read_line(&mut line).is_err() {}
        if line.is_empty() {
            // All places were taken for the moment.
            std::thread::yield_now();
            continue;
        }
        assert_eq!(line, "{\"ok\":{}}\n");
    }
    drop(control);

    // What a host left behind that was killed is replaced, and nothing else is.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    drop(manager.serve_control(&path).expect("nobody serves it"));
    fs::write(&path, "a file").expect("written");
    assert!(manager.serve_control(&path).is_err());
    assert_eq!(fs::read(&path).expect("it is there"), b"a file");
}

/// `jackfield watch`, while it runs.
struct Watched {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watched {
    /// Starts it, and waits until it has heard of something.
    #[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
    fn start(host: &Host) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
        let command = command.arg("--host").arg(&host.path).arg("watch");
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
            .find(|line| line.starts_with("kv "))
            .expect("a line")
    }

    /// It ends by itself, once its host does.
    fn ends(mut self) {
        assert_eq!(self.lines.by_ref().last().map(|line| line.is_ok()), Some(true));
        assert!(self.child.wait().expect("it ends").success());
    }
}
