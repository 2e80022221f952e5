//! Takes a program into memory if it is the one that it should be.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::child::{Launch, sealed_executable};

/// The digest that a program must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checksum([u8; 32]);

impl Checksum {
    /// Expects this SHA-256 digest.
    pub(crate) fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The program's file, in memory, where nobody can change it any more.
    pub(crate) async fn image(self, launch: &Launch) -> Result<OwnedFd, ChecksumError> {
        let unreadable = |path: &Path, source| ChecksumError::Unreadable { path: path.to_owned(), source };
        let path = launch.file().map_err(|error| unreadable(&launch.program, error))?;
        // A file takes its time to read; the thread of all connections must not wait for it.
        let taken = tokio::task::spawn_blocking(move || {
            let content = fs::read(&path).map_err(|error| unreadable(&path, error))?;
            self.check(&content)?;
            sealed_executable("jackfield-plugin", &content).map_err(ChecksumError::Memory)
        });
        taken.await.unwrap_or_else(|error| Err(ChecksumError::Memory(io::Error::other(error))))
    }

    fn check(self, content: &[u8]) -> Result<(), ChecksumError> {
        let found: [u8; 32] = Sha256::digest(content).into();
        if found != self.0 {
            return Err(ChecksumError::Mismatch { expected: hex(&self.0), found: hex(&found) });
        }
        if content.starts_with(b"#!") {
            return Err(ChecksumError::Script);
        }
        Ok(())
    }
}

/// A program is not the one that it should be, and was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChecksumError {
    /// The program could not be taken into memory.
    #[error("failed to take the program into memory")]
    Memory(#[source] io::Error),
    /// The program has another digest.
    #[error("expected a program with the SHA-256 digest `{expected}`, found `{found}`")]
    Mismatch {
        /// The digest that it should have, in hexadecimal digits.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// The program is a script, whose interpreter would look for a file.
    #[error(
        "expected a program that runs from memory, found a script\n\
         (hint: run the interpreter, and give it the script as an argument)"
    )]
    Script,
    /// The program could not be read.
    #[error("failed to read `{}`", .path.display())]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_bytes_pass() {
        let checksum = Checksum::new(Sha256::digest(b"\x7fELF").into());
        checksum.check(b"\x7fELF").unwrap();
        let text = checksum.check(b"\x7fELG").unwrap_err().to_string();
        assert!(text.contains(&hex(&checksum.0)), "{text}");
        let script = Checksum::new(Sha256::digest(b"#!/bin/sh").into());
        assert!(matches!(script.check(b"#!/bin/sh"), Err(ChecksumError::Script)));
    }
}
