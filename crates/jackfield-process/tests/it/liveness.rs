//! A plugin that is wedged is killed, and one that is busy is not.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{CallError, Channel, Error, Instance};
use jackfield_fixtures::{available, python};
use jackfield_process::{ProcessBackend, ProcessPlugin};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::calls::{get, load, run};
use crate::conform;
use crate::peers::{Go, handshake, our_plugin, wait_for_end};

/// Long enough for a machine that is busy itself.
const PATIENCE: Duration = Duration::from_secs(2);

#[test]
fn a_wedged_plugin_is_killed_and_its_calls_say_why() {
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![ours(&backend), ours(&backend).auto_mtls().multiplex()];
    if Go::is_here() {
        plugins.extend([Go::Newest.plugin(&backend).auto_mtls(), Go::V1_4.plugin(&backend)]);
    }
    run(all(plugins, async |plugin| {
        let (instance, channel) = load(&plugin).await;
        let process = pidfd_open(pid(&*instance), PidfdFlags::empty()).unwrap();
        let waiting = get(&channel, "__sleep");
        let stopping = async {
            // Its answer shows that the other call arrived before.
            get(&channel, "__pid").await.unwrap();
            stop(&*instance);
        };
        let (waiting, ()) = tokio::join!(waiting, stopping);
        for result in [waiting, Err(instance.closed().await.into())] {
            let Err(Error::Call(CallError::Closed { reason })) = result else { panic!("{result:?}") };
            assert!(
                reason.starts_with("the plugin was killed: it answered nothing for 2s\n(hint: "),
                "{reason}"
            );
        }
        wait_for_end(&process);
    }));
}

/// Whoever asks whether a plugin lives does not keep it alive.
#[test]
fn a_plugin_that_is_refused_ends() {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().canonicalize().unwrap().join("plugin");
    std::fs::copy(our_plugin(), &program).unwrap();
    let backend = ProcessBackend::start().unwrap();
    let plugin = ProcessPlugin::new(&program).handshake(handshake()).backend(&backend).liveness(PATIENCE);
    conform::is_refused(&plugin);
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of_program = |process: &std::fs::DirEntry| {
        std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program)
    };
    for process in processes.filter(of_program) {
        let pid = process.file_name().to_str().unwrap().parse().unwrap();
        match pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
            Ok(process) => wait_for_end(&process),
            Err(gone) => assert_eq!(gone, rustix::io::Errno::SRCH),
        }
    }
}

/// All of its threads wait, Python's twenty too, so that it answers no call any more.
#[test]
fn a_busy_plugin_is_left_alone() {
    let backend = ProcessBackend::start().unwrap();
    let scripts = tempfile::tempdir().unwrap();
    let mut plugins = vec![ours(&backend), ours(&backend).multiplex()];
    if Go::is_here() {
        plugins.push(Go::Newest.plugin(&backend));
    }
    if let Some(python) = available(python()) {
        let program = python.program("kv_plugin.py", scripts.path());
        plugins.push(ProcessPlugin::new(program).handshake(handshake()).backend(&backend));
    }
    run(all(plugins, async |plugin| {
        let (instance, channel) = load(&plugin).await;
        let busy = calls(&channel, "__sleep", 30);
        let ended = tokio::time::timeout(4 * PATIENCE, async {
            tokio::select! {
                ended = busy => ended,
                ended = instance.closed() => ended.into(),
            }
        });
        assert!(ended.await.is_err(), "{plugin:?}");
        assert!(instance.process().is_some());
    }));
}

fn ours(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)
}

/// Does the same with each, at the same time.
async fn all(plugins: Vec<ProcessPlugin>, each: impl AsyncFn(ProcessPlugin)) {
    futures_util::future::join_all(plugins.into_iter().map(|plugin| each(plugin.liveness(PATIENCE)))).await;
}

/// What the first of so many calls ends with.
async fn calls(channel: &Arc<dyn Channel>, key: &str, count: usize) -> Error {
    let calls = (0..count).map(|_| Box::pin(get(channel, key)));
    futures_util::future::select_all(calls).await.0.unwrap_err()
}

pub(crate) fn stop(instance: &dyn Instance) {
    kill_process(pid(instance), Signal::STOP).unwrap();
}

fn pid(instance: &dyn Instance) -> Pid {
    Pid::from_raw(instance.process().unwrap().cast_signed()).unwrap()
}
