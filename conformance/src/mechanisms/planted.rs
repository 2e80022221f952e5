//! A directory with a plugin in it, as a mechanism wants it.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use jackfield::Directory;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use tempfile::TempDir;

use super::mechanism::Mechanism;
use crate::backends;

/// A directory in which a plugin may lie.
#[derive(Debug)]
pub(super) struct Planted {
    mechanism: Mechanism,
    directory: TempDir,
    backend: ProcessBackend,
}

impl Planted {
    /// What its file calls the plugin.
    pub(super) const NAME: &str = "probe";

    pub(super) fn new(mechanism: Mechanism) -> anyhow::Result<Self> {
        if mechanism == Mechanism::Linked {
            bail!("what is linked in has no file");
        }
        Ok(Self { mechanism, directory: tempfile::tempdir()?, backend: ProcessBackend::start()? })
    }

    /// What makes a plugin of a file.
    pub(super) fn source(&self) -> Directory {
        let source = Directory::new(self.directory.path()).settle(SOON).poll(SOON);
        let (mechanism, backend) = (self.mechanism, self.backend.clone());
        match self.kind() {
            "library" => {
                let native = backends::vouched_for();
                source.libraries(move |path| native.library(path))
            }
            "manifest" => source.manifests(&backend),
            _ => source.programs(move |path| {
                mechanism.configure(ProcessPlugin::new(path), Self::NAME).backend(&backend)
            }),
        }
    }

    /// What the plugin is known by.
    pub(super) fn kind(&self) -> &'static str {
        match self.mechanism {
            Mechanism::Linked | Mechanism::Native => "library",
            Mechanism::Grpc | Mechanism::Mtls | Mechanism::Multiplexed => "program",
            Mechanism::NetRpc | Mechanism::Gob | Mechanism::Json => "manifest",
        }
    }

    /// Puts a file in the place of the plugin, of which nothing can be run.
    pub(super) fn announce(&self) -> io::Result<()> {
        let file = self.file("probe-one");
        fs::write(&file, "not yet")?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        self.describe("probe-one")
    }

    /// Puts the plugin into its place.
    pub(super) fn put(&self, fixture: &str) -> io::Result<()> {
        let built = backends::build();
        let original = if self.kind() == "library" { built.library(fixture) } else { built.program(fixture) };
        replace(&self.file(fixture), |hidden| symlink(original, hidden))?;
        self.describe(fixture)
    }

    /// Takes it away.
    pub(super) fn remove(&self) -> io::Result<()> {
        let is_described = self.kind() == "manifest";
        fs::remove_file(if is_described { self.manifest() } else { self.file("probe") })
    }

    /// Of programs that a manifest names, each version has its own.
    fn file(&self, fixture: &str) -> PathBuf {
        self.directory.path().join(match self.kind() {
            "library" => "libprobe.so",
            "manifest" => fixture,
            _ => "probe",
        })
    }

    fn manifest(&self) -> PathBuf {
        self.directory.path().join("probe.plugin.toml")
    }

    fn describe(&self, fixture: &str) -> io::Result<()> {
        let (wire, _) = self.mechanism.codec();
        let rest = match self.mechanism {
            Mechanism::NetRpc => {
                format!("args = [\"netrpc\"]\nprotocol = \"netrpc\"\ndispense = \"{fixture}\"")
            }
            Mechanism::Gob | Mechanism::Json => {
                format!("kind = \"stdio\"\nargs = [\"{wire}\"]\ncodec = \"{wire}\"")
            }
            _ => return Ok(()),
        };
        replace(&self.manifest(), |hidden| fs::write(hidden, format!("command = \"./{fixture}\"\n{rest}\n")))
    }
}

/// Puts what is made in the place of a file, at once.
fn replace(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = path.with_file_name(format!(".{name}.new"));
    make(&hidden)?;
    fs::rename(hidden, path)
}

/// How long a file has to hold still, and how often it is looked at.
const SOON: Duration = Duration::from_millis(20);
