//! The host: a directory with a plugin of every kind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use abacus::Abacus;
use anyhow::{Context as _, ensure};
use jackfield::native::NativeBackend;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{Directory, Handle, Manager, Restart, Watch};
use jackfield_fixtures::Build;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::footprint::{children, has_ended};

/// A file of the directory, and what belongs in it.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    pub(crate) path: PathBuf,
    pub(crate) original: PathBuf,
}

pub(crate) struct Host {
    pub(crate) manager: Manager,
    /// What chaos swaps, corrupts and removes.
    pub(crate) files: Vec<Planted>,
    watch: Watch,
    backend: ProcessBackend,
    directory: TempDir,
}

/// The plugins, by their names.
pub(crate) const PLUGINS: [&str; 5] = ["gob", "grpc", "mtls", "native", "netrpc"];

impl Host {
    /// Fills a directory and watches it. What is started has its sockets in it too.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let built = jackfield_fixtures::build(&Build::fixtures())?;
        let directory = tempfile::tempdir()?;
        let plugins = directory.path().join("plugins");
        fs::create_dir(&plugins)?;
        let plant = |name: &str, original: &Path| -> anyhow::Result<Planted> {
            let planted = Planted { path: plugins.join(name), original: original.to_owned() };
            planted.restore()?;
            Ok(planted)
        };
        let mut files =
            vec![plant("libnative.so", built.library("abacus"))?, plant("grpc", built.program("abacus"))?];
        for (name, manifest) in MANIFESTS {
            files.push(plant(&format!("{name}-program"), built.program("abacus"))?);
            fs::write(plugins.join(format!("{name}.plugin.toml")), manifest)?;
        }
        let backend = ProcessBackend::start()?;
        let manager = Manager::builder().drain_deadline(DEADLINE).build();
        let watch = manager.watch::<dyn Abacus>(source(&plugins, &backend))?;
        Ok(Self { manager, files, watch, backend, directory })
    }

    /// Waits until every plugin answers.
    pub(crate) async fn wait_until_online(&self) -> anyhow::Result<()> {
        for name in PLUGINS {
            let answered = timeout(PATIENCE, self.answer(name)).await;
            answered.with_context(|| format!("{name} does not come back: {:?}", self.manager.states()))??;
        }
        Ok(())
    }

    async fn answer(&self, name: &str) -> anyhow::Result<()> {
        loop {
            let abacus: Handle<dyn Abacus> = self.manager.when_online(name).await?;
            if abacus.add(20, 22).await == Ok(42) {
                return Ok(());
            }
        }
    }

    /// Unloads everything, after which nothing may be left.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { manager, watch, backend, directory, .. } = self;
        watch.stop().await;
        for plugin in manager.names() {
            manager.unload(plugin.as_str()).await?;
        }
        drop((manager, backend));
        for child in children()? {
            ensure!(has_ended(child)?, "the process {child:?} is left");
        }
        directory.close().context("the directory cannot be removed")
    }
}

#[expect(unsafe_code, reason = "a host writes it once")]
fn source(plugins: &Path, backend: &ProcessBackend) -> Directory {
    // SAFETY: the library is of this repository, or a file that no loader takes for one.
    let native = unsafe { NativeBackend::new() };
    let programs = backend.clone();
    let mut restart = Restart::default();
    (restart.failures, restart.longest_delay) = (u32::MAX, Duration::from_secs(1));
    Directory::new(plugins)
        .libraries(move |path| native.library(path))
        .programs(move |path| ProcessPlugin::new(path).backend(&programs))
        .manifests(backend)
        .settle(Duration::from_millis(20))
        .restart(restart)
}

impl Planted {
    /// Puts a fresh copy of the original into its place, at once.
    pub(crate) fn restore(&self) -> anyhow::Result<()> {
        self.put(|hidden| fs::copy(&self.original, hidden).map(drop))
    }

    /// Puts what is written in its place, at once.
    pub(crate) fn put(&self, write: impl FnOnce(&Path) -> std::io::Result<()>) -> anyhow::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = self.path.with_file_name(format!(".{name}.new"));
        write(&hidden)?;
        fs::set_permissions(&hidden, fs::metadata(&self.original)?.permissions())?;
        Ok(fs::rename(hidden, &self.path)?)
    }
}

/// Those that need more than their path to become plugins.
const MANIFESTS: [(&str, &str); 3] = [
    ("gob", "kind = \"stdio\"\ncommand = \"./gob-program\"\nargs = [\"gob\"]\ncodec = \"gob\"\n"),
    ("mtls", "command = \"./mtls-program\"\nauto_mtls = true\n"),
    (
        "netrpc",
        "command = \"./netrpc-program\"\nargs = [\"netrpc\"]\nprotocol = \"netrpc\"\ndispense = \"abacus\"\n",
    ),
];

/// How long a call may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
/// How long the plugins may take to come back.
const PATIENCE: Duration = Duration::from_secs(60);
