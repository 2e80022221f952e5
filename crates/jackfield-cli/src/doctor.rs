//! `jackfield doctor`: what this machine has of what Jackfield uses.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use rustix::thread::{MembarrierQuery, membarrier_query};
use serde_json::{Value, json};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object per line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  jackfield doctor         exit code 1 if something is missing without which plugins cannot be loaded
  jackfield doctor --json  one JSON object per line: `what`, `for`, `found`, `needed`, `detail`";

/// Looks.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let findings = [kernel(), limits(), programs()].concat();
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        if options.json {
            writeln!(out, "{}", finding.json())?;
        } else {
            writeln!(out, "{}", finding.text())?;
        }
    }
    let is_well = findings.iter().all(|finding| finding.found.is_ok() || finding.need == Need::Optional);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Something that was looked for.
#[derive(Clone, Debug)]
struct Finding {
    what: &'static str,
    /// What Jackfield does with it.
    purpose: &'static str,
    need: Need,
    /// What was found, or what is there in its place.
    found: Result<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Needed,
    Optional,
}

impl Finding {
    fn text(&self) -> String {
        let (mark, detail) = match (&self.found, self.need) {
            (Ok(detail), _) => ("ok", detail),
            (Err(detail), Need::Needed) => ("missing", detail),
            (Err(detail), Need::Optional) => ("-", detail),
        };
        format!("{mark:<8} {:<12} {:<46} {detail}", self.what, self.purpose).trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let detail = self.found.as_ref().unwrap_or_else(|missing| missing);
        json!({
            "what": self.what,
            "for": self.purpose,
            "found": self.found.is_ok(),
            "needed": self.need == Need::Needed,
            "detail": detail,
        })
    }
}

fn kernel() -> Vec<Finding> {
    let sealed = || {
        let file = memfd_create("jackfield-doctor", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        fcntl_add_seals(file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
    };
    let said = |result: Result<(), rustix::io::Errno>| {
        result.map(|()| String::new()).map_err(|error| error.to_string())
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let maps = std::fs::metadata("/proc/self/maps").map(|_| String::new()).map_err(|error| error.to_string());
    let may_run = match std::fs::read_to_string("/proc/sys/vm/memfd_noexec") {
        Ok(text) if text.trim() == "2" => Err("`vm.memfd_noexec` is 2".to_owned()),
        _ => Ok(String::new()),
    };
    let expedited = membarrier_query().contains(MembarrierQuery::PRIVATE_EXPEDITED);
    let membarrier =
        if expedited { Ok(String::new()) } else { Err("calls are slower without it".to_owned()) };
    let finding = |what, purpose, need, found| Finding { what, purpose, need, found };
    vec![
        finding("linux", "the kernel", Need::Needed, Ok(release.trim().to_owned())),
        finding("memfd", "libraries are loaded from sealed memory", Need::Needed, said(sealed())),
        finding("memfd_exec", "the guard against orphans runs from memory", Need::Optional, may_run),
        finding("/proc", "what is unloaded is looked for there", Need::Needed, maps),
        finding(
            "pidfd",
            "a program is watched, and no other is killed",
            Need::Needed,
            said(pidfd_open(getpid(), PidfdFlags::empty()).map(drop)),
        ),
        finding("membarrier", "calls of a library need no fence", Need::Optional, membarrier),
    ]
}

fn limits() -> Vec<Finding> {
    let files = getrlimit(Resource::Nofile).current;
    let text = files.map_or_else(|| "unlimited".to_owned(), |files| files.to_string());
    // A library holds one file, and a program about ten.
    let found =
        if files.is_some_and(|files| files < 256) { Err(format!("{text} is little")) } else { Ok(text) };
    let purpose = "files that may be open: about 10 per program";
    vec![Finding { what: "nofile", purpose, need: Need::Optional, found }]
}

fn programs() -> Vec<Finding> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let wanted: [(&'static str, OsString, &str, &'static str); 6] = [
        ("cargo", cargo, "--version", "`jackfield build`, and plugins in Rust"),
        ("cc", "cc".into(), "--version", "linking, and plugins in C"),
        ("go", "go".into(), "version", "plugins in Go"),
        ("python3", "python3".into(), "--version", "plugins in Python"),
        ("protoc", "protoc".into(), "--version", "stubs made of `jackfield proto`"),
        ("bwrap", "bwrap".into(), "--version", "programs in a sandbox: `Bubblewrap`"),
    ];
    let look = |(what, program, argument, purpose): (_, OsString, &str, _)| Finding {
        what,
        purpose,
        need: Need::Optional,
        found: version(&program, argument),
    };
    wanted.map(look).into()
}

/// The first line that a program says of its version.
#[expect(clippy::disallowed_methods, reason = "these are no plugins, and end at once")]
fn version(program: &OsString, argument: &str) -> Result<String, String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output();
    let output = output.map_err(|_| "not in PATH".to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text.lines().next().unwrap_or_default().to_owned())
    } else {
        Err("does not run".to_owned())
    }
}
