//! Records what Go's hosts and plugins say to each other, for the tests that read it.

mod recorder;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use jackfield_fixtures::{GoModule, available, go_programs};

pub(crate) use recorder::record;

/// An exchange: its name, the program in the middle of its peers' names, the host's arguments, and the host's variables.
type Exchange =
    (&'static str, &'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const EXCHANGES: [Exchange; 5] = [
    ("kv", "kv", &["tour"], &[("KV_DIRECT", "1")]),
    ("callback", "counter", &["put", "c", "1"], &[]),
    ("callback-multiplexed", "counter", &["put", "c", "1"], &[("COUNTER_MULTIPLEX", "1")]),
    ("object", "counter", &["open", "ab", "cd"], &[]),
    ("object-multiplexed", "counter", &["open", "ab", "cd"], &[("COUNTER_MULTIPLEX", "1")]),
];

/// Writes `fixtures/golden` below `root` anew.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let go = available(go_programs(GoModule::Newest)).context("Go is needed")?;
    let golden = root.join("fixtures/golden");
    fs::create_dir_all(&golden)?;
    for (name, peer, arguments, variables) in EXCHANGES {
        let home = tempfile::tempdir()?;
        let recorder = home.path().join("recorder");
        fs::write(&recorder, format!("#!/bin/sh\nexec {} record\n", std::env::current_exe()?.display()))?;
        fs::set_permissions(&recorder, fs::Permissions::from_mode(0o755))?;
        let file = golden.join(format!("{name}.txt"));
        fs::write(&file, format!("# {peer}-host {}\n", arguments.join(" ")))?;
        let mut host = command(&go.join(format!("{peer}-host")));
        host.args(arguments).envs(variables.iter().copied()).current_dir(home.path());
        host.env(format!("{}_PLUGIN", peer.to_uppercase()), recorder);
        host.env(recorder::PLUGIN, go.join(format!("{peer}-plugin"))).env(recorder::FILE, file);
        let output = host.stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "{name}: {output:?}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a task runs the peers")]
fn command(program: &Path) -> Command {
    Command::new(program)
}
