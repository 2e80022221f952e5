//! A library's bytes: read once, digested, understood, and sealed.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use jackfield_core::note::{self, Note};
use sha2::{Digest as _, Sha256};

use crate::NativeError;
use crate::os::{self, Memory, View};
use crate::tables::{self, Tables};

/// What a file is, before any of its code runs.
#[derive(Debug)]
pub struct Image {
    pub(crate) path: PathBuf,
    pub(crate) tables: Tables,
    pub(crate) memory: Memory,
    digest: LazyDigest,
    note: Note,
}

impl Image {
    /// Reads a file, checks that it is a plugin that this host can load, and seals a private copy of it. None of its code
    /// runs.
    ///
    /// # Errors
    ///
    /// The file cannot be loaded by this host; the error says why.
    pub fn read(path: &Path) -> Result<Self, NativeError> {
        let file = open(path)?;
        let (memory, view) = os::copy(file, &name_of(path))
            .map_err(|source| NativeError::Memory { path: path.to_owned(), source })?;
        // From here on there is only the copy: what is read and digested is what runs.
        let tables = tables::read(view.bytes())
            .map_err(|reason| NativeError::NotALibrary { path: path.to_owned(), reason })?;
        let Some(section) = &tables.note else {
            return Err(NativeError::NotAPlugin { path: path.to_owned() });
        };
        let note = note::unframe(section).and_then(Note::parse);
        let note = note.map_err(|source| NativeError::Note { path: path.to_owned(), source })?;
        check(path, &note)?;
        Ok(Self { path: path.to_owned(), tables, memory, digest: LazyDigest::of(view), note })
    }

    /// The SHA-256 digest of exactly the bytes that would run.
    pub fn digest(&self) -> Digest {
        self.digest.get()
    }

    /// The digest, which need not have been taken yet.
    pub(crate) fn lazy_digest(&self) -> &LazyDigest {
        &self.digest
    }

    /// What the plugin says of itself.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The file from which the bytes were read.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path) -> Result<File, NativeError> {
    let error = |source| NativeError::File { path: path.to_owned(), source };
    let file = os::open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    if !metadata.is_file() {
        return Err(NativeError::Kind { path: path.to_owned(), found: os::describe(metadata.file_type()) });
    }
    if metadata.len() > MAX_LEN {
        let reason = format!("it has {} bytes, and the most that is read are {MAX_LEN}", metadata.len());
        return Err(NativeError::NotALibrary { path: path.to_owned(), reason });
    }
    Ok(file)
}

/// What the copy is called in the map of this process.
fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What must be right before the library may be mapped.
fn check(path: &Path, note: &Note) -> Result<(), NativeError> {
    let path = path.to_owned();
    if note.abi != jackfield_abi::ABI_VERSION {
        let expected_abi = jackfield_abi::ABI_VERSION;
        return Err(NativeError::Abi { path, expected_abi, found: note.sdk.clone(), found_abi: note.abi });
    }
    if note.panic != "unwind" {
        return Err(NativeError::Abort { path, found: note.panic.clone() });
    }
    Ok(())
}

/// A SHA-256 digest. It is shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digest of a copy, which is taken when it is first asked for: nobody can change the copy meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct LazyDigest(Arc<LazyLock<Digest, Box<dyn FnOnce() -> Digest + Send>>>);

impl LazyDigest {
    fn of(view: View) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(move || Digest(Sha256::digest(view.bytes()).into())))))
    }

    /// The digest. Whoever asks while it is being taken waits for it.
    pub(crate) fn get(&self) -> Digest {
        **self.0
    }
}

/// What is read at the most, so that a file with a hole does not exhaust the host's memory.
const MAX_LEN: u64 = 1 << 30;
