//! Where the demo's plugins are loaded, and where their stores keep files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use jackfield::native::NativeBackend;
use jackfield::netrpc::NetRpc;
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::stdio::{StdioCodec, StdioPlugin};
use jackfield::{Bytes, Candidate, Context, Handle, Manager};
use kv_interface::Kv;
use tempfile::TempDir;

/// Where the plugins are loaded, and where their stores keep files.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) manager: Manager,
    processes: ProcessBackend,
    directory: TempDir,
}

impl Stage {
    pub(super) fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("a directory for the stores cannot be made")?;
        let processes = ProcessBackend::start().context("processes cannot be started")?;
        Ok(Self { manager: Manager::new(), processes, directory })
    }

    pub(super) async fn load(&self, name: &str, candidate: &dyn Candidate) -> anyhow::Result<Handle<dyn Kv>> {
        let directory = self.directory.path().join(name).display().to_string();
        let context = Context::new(name, [("directory".to_owned(), directory)]);
        Ok(self.manager.load_with(context, candidate).await?)
    }

    /// A program that talks over gRPC.
    pub(super) fn program(&self, program: &Path) -> ProcessPlugin {
        let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
        let plugin = ProcessPlugin::new(program).handshake(handshake);
        plugin.current_dir(self.directory.path()).backend(&self.processes)
    }

    /// A program that talks over go-plugin's older protocol.
    pub(super) fn net_rpc(&self, program: &Path) -> ProcessPlugin {
        let plugin = ProcessPlugin::new(program).args(["netrpc"]).net_rpc(NetRpc::new("kv-file"));
        plugin.backend(&self.processes)
    }

    /// A program that talks over its standard input and output.
    pub(super) fn stdio(&self, program: &Path) -> StdioPlugin {
        StdioPlugin::new(program).args(["json"]).codec(StdioCodec::Json).backend(&self.processes)
    }

    /// A copy of a file, which may be overwritten.
    pub(super) fn copy(&self, library: &Path) -> anyhow::Result<PathBuf> {
        let copy = self.directory.path().join("libkv.so");
        std::fs::copy(library, &copy).with_context(|| format!("`{}` cannot be copied", library.display()))?;
        Ok(copy)
    }
}

#[expect(unsafe_code, reason = "a host writes it once, where it vouches for the libraries that it loads")]
pub(super) fn native() -> NativeBackend {
    // SAFETY: the demo loads the library that it has just built.
    unsafe { NativeBackend::new() }
}

/// Stores a value and reads it back.
pub(super) async fn round_trip(kv: &dyn Kv) -> anyhow::Result<String> {
    kv.put("hello".into(), Bytes::from_static(b"world")).await?;
    let value = kv.get("hello".into()).await?;
    let text = String::from_utf8_lossy(&value);
    ensure!(text == "world\n\nWritten from plugin-go-grpc", "expected what was stored, found {text:?}");
    Ok("put hello=world, get hello → world".to_owned())
}
