//! A host of the command's own, for the plugins of a directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use jackfield::{ControlSocket, Manager, Watch};
use tempfile::TempDir;

use super::watch::{listen, show};
use super::{Output, directory, print, screen, signals};
use crate::plugin::STOP;

/// Loads the plugins of a directory, whatever they serve, and shows what becomes of them. At the end all are unloaded.
pub(super) async fn watch(path: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let ended = signals::ended()?;
    let host = Host::start()?;
    let socket = host.socket();
    let events = listen(&socket).await?;
    let watch = host.manager.watch_dynamic(directory::source(path)?)?;
    let title = format!("{} (--host {})", path.display(), socket.display());
    let result = tokio::select! {
        shown = show(events, &socket, title, output) => shown.map(|()| ExitCode::SUCCESS),
        code = ended => Ok(code),
    };
    let unloaded = host.end(watch).await;
    if output == Output::Text && screen::is_one() {
        unloaded.iter().try_for_each(print)?;
    }
    result
}

/// It is asked as any other is, and so an operator may reach it too.
struct Host {
    manager: Manager,
    control: ControlSocket,
    directory: TempDir,
}

impl Host {
    fn start() -> anyhow::Result<Self> {
        let manager = Manager::builder().stop_deadline(STOP).drain_deadline(Duration::ZERO).build();
        let directory = tempfile::Builder::new().prefix("jackfield-").tempdir();
        let directory = directory.context("there is no room for a control socket")?;
        let control = manager.serve_control(socket(&directory))?;
        Ok(Self { manager, control, directory })
    }

    fn socket(&self) -> PathBuf {
        socket(&self.directory)
    }

    /// Unloads everything, and says what came of it.
    async fn end(self, watch: Watch) -> Vec<String> {
        drop(self.control);
        watch.stop().await;
        let unload = async |name: &str| self.manager.unload(name).await;
        let names = self.manager.names();
        let unloaded = join_all(names.iter().map(|name| unload(name.as_str()))).await;
        let told = names.iter().zip(unloaded);
        told.filter_map(|(name, unloaded)| Some(format!("{name}  {}", unloaded.ok()?))).collect()
    }
}

fn socket(directory: &TempDir) -> PathBuf {
    directory.path().join("control.sock")
}
