//! The story that the demo tells. Every line is checked: what does not come out as told is an error.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use jackfield::native::{NativeBackend, NativePlugin};
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::{Bytes, CallError, Candidate, Context, Error, Handle, Manager};
use kv_interface::Kv;

use super::fixtures::Fixtures;
use super::tell::Tell;

/// Tells it.
pub(crate) async fn run(fixtures: &Fixtures, tell: &Tell) -> anyhow::Result<()> {
    let directory = tempfile::tempdir().context("a directory for the stores cannot be made")?;
    let manager = Manager::new();
    let processes = ProcessBackend::start().context("processes cannot be started")?;
    let store = Store { manager: &manager, directory: directory.path() };

    let linked = store.load("linked", &kv_file::PLUGIN).await?;
    tell.line("a plugin linked into this program", round_trip(&linked).await?)?;

    let native = native().library(copy(&fixtures.library, directory.path())?);
    let start = Instant::now();
    let shared = store.load("shared", &native).await?;
    let took = start.elapsed();
    tell.line("the same source as a shared library", round_trip(&shared).await?)?;
    tell.line("  loaded, digest included, in", format_args!("{took:.1?}"))?;
    tell.line("swapped 100 times while 4 threads call", swap_under_load(&store, &shared, &native).await?)?;
    tell.line("a broken file in its place", refuse_broken(&manager, &native, &shared).await?)?;

    let program = store.load("program", &child(&processes, &fixtures.program, directory.path())).await?;
    tell.line("the same source as a program of its own", round_trip(&program).await?)?;

    match &fixtures.go {
        Ok(go) => {
            let plugin = child(&processes, go, directory.path());
            let go = store.load("go", &plugin).await?;
            tell.line("a Go program, unchanged hashicorp/go-plugin", round_trip(&go).await?)?;
            tell.line("  killed with a call in flight", kill(&go).await?)?;
            manager.reload("go", &plugin.auto_mtls()).await.context("the plugin in Go did not come back")?;
            tell.line("  reloaded, the same handle, now over mTLS", round_trip(&go).await?)?;
        }
        Err(missing) => tell.line("a Go program: not shown", &missing.what)?,
    }
    tell.line("everything unloaded", unload(&manager).await?)?;
    Ok(())
}

/// Where the stores keep their files.
struct Store<'a> {
    manager: &'a Manager,
    directory: &'a Path,
}

impl Store<'_> {
    async fn load(&self, name: &str, candidate: &dyn Candidate) -> anyhow::Result<Handle<dyn Kv>> {
        let directory = self.directory.join(name).display().to_string();
        let context = Context::new(name, [("directory".to_owned(), directory)]);
        Ok(self.manager.load_with(context, candidate).await?)
    }
}

#[expect(unsafe_code, reason = "a host writes it once, where it vouches for the libraries that it loads")]
fn native() -> NativeBackend {
    // SAFETY: the demo loads the library that it has just built.
    unsafe { NativeBackend::new() }
}

fn child(backend: &ProcessBackend, program: &Path, directory: &Path) -> ProcessPlugin {
    let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
    ProcessPlugin::new(program).handshake(handshake).current_dir(directory).backend(backend)
}

fn copy(library: &Path, directory: &Path) -> anyhow::Result<std::path::PathBuf> {
    let copy = directory.join("libkv.so");
    std::fs::copy(library, &copy).with_context(|| format!("`{}` cannot be copied", library.display()))?;
    Ok(copy)
}

/// Stores a value and reads it back.
async fn round_trip(kv: &dyn Kv) -> anyhow::Result<String> {
    kv.put("hello".into(), Bytes::from_static(b"world")).await?;
    let value = kv.get("hello".into()).await?;
    let text = String::from_utf8_lossy(&value);
    ensure!(text == "world\n\nWritten from plugin-go-grpc", "expected what was stored, found {text:?}");
    Ok("put hello=world, get hello → world".to_owned())
}

/// Reloads a plugin while threads call it through one handle.
async fn swap_under_load(
    store: &Store<'_>,
    kv: &Handle<dyn Kv>,
    native: &NativePlugin,
) -> anyhow::Result<String> {
    let (stop, calls, failures) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let runtime = tokio::runtime::Handle::current();
    let reloads = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let result = runtime.block_on(kv.get("hello".into()));
                    calls.fetch_add(1, Ordering::Relaxed);
                    failures.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
                }
            });
        }
        let reloads = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                for _ in 0..100 {
                    store.manager.reload("shared", native).await?;
                }
                Ok::<_, jackfield::ReloadError>(())
            })
        });
        stop.store(true, Ordering::Relaxed);
        reloads
    });
    reloads.context("a reload failed")?;
    let (calls, failures) = (calls.into_inner(), failures.into_inner());
    ensure!(failures == 0 && calls > 0, "{failures} of {calls} calls failed");
    Ok(format!("{calls} calls, {failures} failed"))
}

/// Overwrites the library with a text and tries to load that.
async fn refuse_broken(
    manager: &Manager,
    native: &NativePlugin,
    kv: &Handle<dyn Kv>,
) -> anyhow::Result<String> {
    std::fs::write(native.path(), "this is no library").context("the library cannot be overwritten")?;
    let Err(error) = manager.reload("shared", native).await else { bail!("a text was loaded as a library") };
    round_trip(kv).await.context("the old one must go on serving")?;
    let cause = anyhow::Error::from(error).root_cause().to_string();
    let reason = cause.rsplit(": ").next().unwrap_or(&cause).to_owned();
    Ok(format!("refused ({reason}); the old one serves on"))
}

/// Kills a plugin's process while it works on a call.
async fn kill(kv: &Handle<dyn Kv>) -> anyhow::Result<String> {
    let start = Instant::now();
    match kv.get("__crash".into()).await {
        Err(Error::Call(error @ CallError::Exited { .. })) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Ok(format!("{line} ({:.0?})", start.elapsed()))
        }
        other => bail!("expected that the plugin dies, found {other:?}"),
    }
}

/// Unloads everything and says what became of it.
async fn unload(manager: &Manager) -> anyhow::Result<String> {
    let mut outcomes = Vec::new();
    for name in manager.names() {
        let outcome = manager.unload(name.as_str()).await?;
        outcomes.push(format!("{name} {outcome}"));
    }
    Ok(outcomes.join(", "))
}
