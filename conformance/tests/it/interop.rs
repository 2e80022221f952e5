//! The matrix of hosts and plugins, in Rust and in other languages, and of what they do with each other.
//!
//! What it finds is kept in `docs/interop.md`; run it with `JACKFIELD_BLESS=1` to write that file anew.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jackfield_fixtures::{Artifacts, Build, GoModule, Python, available, go_programs, python, workspace};

/// A host or a plugin of the counter, by the language it is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Go,
    Python,
    /// With `tonic` and the broker in hand.
    Rust,
    /// By a trait.
    Trait,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "Go",
            Self::Python => "Python",
            Self::Rust => "Rust",
            Self::Trait => "Rust, a trait",
        })
    }
}

/// One host with one plugin.
#[derive(Debug, Clone, Copy)]
struct Pair {
    host: Peer,
    plugin: Peer,
    security: &'static str,
    multiplexing: &'static str,
}

/// One thing that the two do with each other.
struct Task {
    name: &'static str,
    commands: &'static [(&'static str, &'static str)],
}

const TASKS: [Task; 8] = [
    Task { name: "unary", commands: &[("blob 10", "ok 10\n")] },
    Task { name: "client stream", commands: &[("upload 3000", "3072000\n")] },
    Task { name: "server stream", commands: &[("download 3000", "3072000\n")] },
    Task { name: "both streams", commands: &[("echo 100", "ok 100\n")] },
    Task { name: "callback", commands: &[("put c 1", ""), ("put c 1", ""), ("get c", "2\n")] },
    Task { name: "100 callbacks at once", commands: &[("many 100", "ok 100\n")] },
    Task { name: "returned object", commands: &[("open ab cd", "4\n")] },
    Task { name: "16 MiB", commands: &[("blob 16777216", "ok 16777216\n")] },
];

const PAIRS: [(Peer, Peer); 11] = [
    (Peer::Rust, Peer::Go),
    (Peer::Rust, Peer::Python),
    (Peer::Rust, Peer::Rust),
    (Peer::Rust, Peer::Trait),
    (Peer::Trait, Peer::Go),
    (Peer::Trait, Peer::Python),
    (Peer::Trait, Peer::Trait),
    (Peer::Go, Peer::Rust),
    (Peer::Go, Peer::Trait),
    (Peer::Python, Peer::Rust),
    (Peer::Python, Peer::Trait),
];

/// What a pair cannot do, and whose doing that is.
struct Reason {
    applies: fn(&Pair, &Task) -> bool,
    text: &'static str,
}

const REASONS: &[Reason] = &[
    Reason {
        applies: |pair, _| pair.has_python() && pair.security == "AutoMTLS",
        text: "The Python peers are written with grpcio alone, which makes no certificates.",
    },
    Reason {
        applies: |pair, _| pair.has_python() && pair.multiplexing == "yes",
        text: "grpcio connects by itself: nothing can be put between it and its socket.",
    },
    Reason {
        applies: |pair, task| pair.has_python() && BROKERED.contains(&task.name),
        text: "The Python peers have no broker, as is usual for plugins that are not written in Go.",
    },
];

/// What goes through the broker.
const BROKERED: [&str; 3] = ["callback", "100 callbacks at once", "returned object"];

impl Pair {
    fn has_python(&self) -> bool {
        [self.host, self.plugin].contains(&Peer::Python)
    }
}

#[test]
fn every_pair_does_every_task() {
    let Some(programs) = Programs::find() else { return };
    let mut rows = String::new();
    let mut failures = Vec::new();
    for pair in pairs() {
        let home = tempfile::tempdir().expect("a directory");
        write!(rows, "| {} | {} | {} | {} |", pair.host, pair.plugin, pair.security, pair.multiplexing)
            .expect("text");
        for task in &TASKS {
            let cell = match REASONS.iter().position(|reason| (reason.applies)(&pair, task)) {
                Some(reason) => format!("— ({})", reason + 1),
                None => match programs.perform(&pair, task, home.path()) {
                    Ok(()) => "yes".to_owned(),
                    Err(failure) => {
                        failures.push(format!("{pair:?}: {}: {failure}", task.name));
                        "no".to_owned()
                    }
                },
            };
            write!(rows, " {cell} |").expect("text");
        }
        rows.push('\n');
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    keep(&page(&rows));
}

fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (host, plugin) in PAIRS {
        for security in ["plain", "AutoMTLS"] {
            for multiplexing in MULTIPLEXING {
                pairs.push(Pair { host, plugin, security, multiplexing });
            }
        }
    }
    pairs
}

/// Where the programs are.
struct Programs {
    go: PathBuf,
    python: Python,
    rust: Artifacts,
}

impl Programs {
    fn find() -> Option<Self> {
        let go = available(go_programs(GoModule::Newest))?;
        let python = available(python())?;
        let rust = jackfield_fixtures::build(&Build::fixtures()).expect("the examples build");
        Some(Self { go, python, rust })
    }

    fn perform(&self, pair: &Pair, task: &Task, home: &Path) -> Result<(), String> {
        let flag = |on: bool| if on { "1" } else { "0" };
        for (command, expected) in task.commands {
            let mut host = self.host_of(pair);
            let output = host
                .args(command.split(' '))
                .current_dir(home)
                .env("COUNTER_PLUGIN", self.plugin_of(pair, home))
                .env("COUNTER_AUTOMTLS", flag(pair.security == "AutoMTLS"))
                .env("COUNTER_MULTIPLEX", flag(pair.multiplexing == "yes"))
                .output()
                .expect("the host starts");
            let answer = String::from_utf8_lossy(&output.stdout);
            if answer != *expected {
                let log = String::from_utf8_lossy(&output.stderr);
                return Err(format!("`{command}` answered {answer:?}, expected {expected:?}\n{log}"));
            }
        }
        // What go-plugin's own example leaves behind.
        let record = std::fs::read_to_string(home.join("kv_c")).unwrap_or_default();
        match task.name {
            "callback" if record != r#"{"Value":2}"# => Err(format!("`kv_c` holds {record:?}")),
            _ => Ok(()),
        }
    }

    fn host_of(&self, pair: &Pair) -> Command {
        match pair.host {
            Peer::Go => program(&self.go.join("counter-host")),
            Peer::Python => {
                let mut command = program(self.python.interpreter());
                command.arg(self.python.script("counter_host.py"));
                command
            }
            Peer::Rust => program(self.rust.program("counter-host")),
            Peer::Trait => program(self.rust.program("counter-trait-host")),
        }
    }

    fn plugin_of(&self, pair: &Pair, home: &Path) -> PathBuf {
        match pair.plugin {
            Peer::Go => self.go.join("counter-plugin"),
            Peer::Python => self.python.program("counter_plugin.py", home),
            Peer::Rust => self.rust.program("counter-plugin").to_owned(),
            Peer::Trait => self.rust.program("counter-trait-plugin").to_owned(),
        }
    }
}

fn page(rows: &str) -> String {
    let mut page = INTRODUCTION.to_owned();
    let names: Vec<_> = TASKS.iter().map(|task| task.name).collect();
    writeln!(page, "\n| host | plugin | security | multiplexing | {} |", names.join(" | ")).expect("text");
    writeln!(page, "|{}", " --- |".repeat(4 + TASKS.len())).expect("text");
    page.push_str(rows);
    for (index, reason) in REASONS.iter().enumerate() {
        write!(page, "\n{}. {}", index + 1, reason.text).expect("text");
    }
    page
}

/// Compares with what is checked in.
fn keep(page: &str) {
    let file = workspace().join("docs/interop.md");
    if std::env::var_os("JACKFIELD_BLESS").is_some() {
        std::fs::write(&file, page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, page, "`docs/interop.md` is not what was found; JACKFIELD_BLESS=1 writes it anew");
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

const MULTIPLEXING: [&str; 2] = ["no", "yes"];

const INTRODUCTION: &str = "# Who gets along with whom over gRPC

Made by the tests (`cargo test -p jackfield-conformance interop`); a cell says yes only because a test just did it.
The Go peers are built on the newest go-plugin. A returned object is one that the plugin serves through the broker,
a callback one that the host serves there. A line stands for a cell that a peer cannot do, and names the reason below.
";
