//! The examples of natefinch/pie, each of their programs with the other in Go and with one of ours.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use jackfield_core::{Candidate, Context, Description, Error, Load, Slot, interface};
use jackfield_process::ProcessBackend;
use jackfield_process::netrpc::Gobs;
use jackfield_process::stdio::{StdioCodec, StdioPlugin};

use crate::calls::run;
use crate::events;
use crate::stdio::{consumed, our_program, pie};

/// What the example of a provider provides under one name,
#[interface(service = "proto.Plugin", version = "1.0")]
trait Greeter {
    async fn say_hi(&self, name: String) -> Result<String, Error>;
}

/// and under the other.
#[interface(service = "Plugin2", version = "1.0")]
trait Leaver {
    async fn say_bye(&self, name: String) -> Result<String, Error>;
}

const PROVIDED: [&str; 4] = [
    r#"got call for SayHi with name "master""#,
    r#"Response from plugin: "Hi master""#,
    r#"got call for SayBye with name "master""#,
    r#"Response from plugin2: "Bye master""#,
];

const CONSUMED: [&str; 4] = [
    r#"got call for SayHi with name "plugin""#,
    "Got response from host:  Hi plugin",
    r#"got call for SayBye with name "plugin""#,
    "Got response from host:  Bye plugin",
];

/// Runs an example's host in a folder where its plugin is this script, and returns what both wrote, in order.
#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn transcript(host: &Path, plugin: &str, script: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(plugin);
    // It is written by a process of its own: one that another test starts meanwhile would hold it open, and nobody executes
    // what somebody may write to.
    let mut write = Command::new("sh");
    write
        .args(["-c", "printf '#!/bin/sh\\nexec %s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .arg(script);
    assert!(write.status().unwrap().success());
    let output = Command::new(host).env("PATH", home.path()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap().lines().map(|line| without_prefix(line).to_owned()).collect()
}

/// A line of Go's log without its prefix and its time: `[host log] 2006/01/02 15:04:05 `.
fn without_prefix(line: &str) -> &str {
    let Some((_, line)) = line.split_once(" log] ") else { return line };
    line.splitn(3, ' ').nth(2).unwrap_or(line)
}

#[test]
fn hosts_of_its_examples_write_the_same_with_our_plugins_as_with_theirs() {
    let Some(programs) = pie() else { return };
    let own = our_program();
    let (theirs, ours) = (|name: &str| programs.join(name).display().to_string(), own.display());
    for script in [theirs("plugin_provider"), format!("{ours} provider json")] {
        let lines = transcript(&programs.join("master_provider"), "plugin_provider", &script);
        assert_eq!(lines, PROVIDED, "{script}");
    }
    for script in [theirs("plugin_consumer"), format!("{ours} consumer gob Host Host2")] {
        let lines = transcript(&programs.join("master_consumer"), "plugin_consumer", &script);
        assert_eq!(lines, CONSUMED, "{script}");
    }
}

#[test]
fn our_host_gets_on_with_its_provider_and_with_ours() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    let theirs = pie().map(|programs| StdioPlugin::new(programs.join("plugin_provider")));
    let ours = StdioPlugin::new(our_program()).args(["provider", "json"]);
    for (name, plugin) in [("pie's provider", theirs), ("our provider", Some(ours))] {
        let Some(plugin) = plugin else { continue };
        run(async {
            let load = Load::new(Context::new(name, []), Description::of::<dyn Greeter>());
            let instance = plugin.codec(StdioCodec::Json).backend(&backend).load(&load).await.unwrap();
            let slot = Arc::new(Slot::new::<dyn Greeter>(instance.lane()));
            let greeter = slot.handle::<dyn Greeter>().unwrap();
            assert_eq!(greeter.say_hi("master".into()).await.unwrap(), "Hi master");
            let other = Load::new(Context::new(name, []), Description::of::<dyn Leaver>());
            let lane = instance.interface(&other).await.unwrap();
            let slot = Arc::new(Slot::new::<dyn Leaver>(lane));
            let leaver = slot.handle::<dyn Leaver>().unwrap();
            assert_eq!(leaver.say_bye("master".into()).await.unwrap(), "Bye master");
        });
        let asked = [PROVIDED[0], PROVIDED[2]];
        let seen = asked.map(|text| events::wait_for(name, |line| without_prefix(&line.message) == text));
        assert_eq!(seen.map(|line| without_prefix(&line.message).to_owned()), asked);
    }
}

#[test]
fn our_host_serves_its_consumer_and_ours() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    let theirs = pie().map(|programs| (programs.join("plugin_consumer"), Vec::new()));
    let ours = (our_program(), vec!["consumer", "gob", "Host", "Host2"]);
    for (program, arguments) in theirs.into_iter().chain([ours]) {
        let name = program.display().to_string();
        let plugin = StdioPlugin::new(program).args(arguments).backend(&backend);
        let asked = run(consumed(plugin, Gobs, ["Host", "Host2"]));
        assert_eq!(asked, ["SayHi plugin", "SayBye plugin"]);
        for text in [CONSUMED[1], CONSUMED[3]] {
            events::wait_for(&name, |line| without_prefix(&line.message) == text);
        }
    }
}
