//! What a manifest says, for people.

use std::path::{Path, PathBuf};

use jackfield_core::schema::Descriptor;

use super::file::read_manifest;
use super::manifest::{Codec, InterfaceFile, Manifest, Wire};

/// What a manifest (`NAME.plugin.toml`) says of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// The program: a file, or a name that is looked up in `PATH`.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it speaks, such as `gRPC`.
    pub wire: &'static str,
    /// The version, if it has one.
    pub version: Option<String>,
    /// Whether it is to be loaded.
    pub is_enabled: bool,
    interface: Option<InterfaceFile>,
}

impl Described {
    /// Reads the manifest in a file. Nothing runs.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), String> {
    /// let kv = jackfield::Described::read("plugins/kv.plugin.toml".as_ref())?;
    /// println!("{} speaks {}", kv.command.display(), kv.wire);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// It cannot be read, or says what it cannot mean. The text names the file, the line or the key, and what is allowed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let path = std::path::absolute(path).map_err(|error| error.to_string())?;
        let Manifest { command, args, wire, version, is_enabled, interface, .. } = read_manifest(&path)?;
        let wire = match wire {
            Wire::Process { net_rpc: None, .. } => "gRPC",
            Wire::Process { net_rpc: Some(_), .. } => "gRPC or net/rpc",
            Wire::Stdio { codec: Codec::Gob, .. } => "gobs over its standard input and output",
            Wire::Stdio { codec: Codec::Json, .. } => "JSON-RPC over its standard input and output",
            Wire::Stdio { codec: Codec::Json2, .. } => "JSON-RPC 2.0 over its standard input and output",
        };
        // As people write it, without `/./`.
        let command = command.components().collect();
        Ok(Self { command, arguments: args, wire, version, is_enabled, interface })
    }

    /// What it serves, if the manifest names a file that says it, which `read` reads as for
    /// [`Directory::interfaces`](crate::Directory::interfaces).
    ///
    /// # Errors
    ///
    /// What `read` says, or the interface that is meant is not in the file.
    pub fn interface(
        &self,
        read: impl FnOnce(&Path) -> Result<Vec<Descriptor>, String>,
    ) -> Result<Option<Descriptor>, String> {
        self.interface.as_ref().map(|interface| interface.find(read)).transpose()
    }
}
