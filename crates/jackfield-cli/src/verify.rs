//! `jackfield verify`: whether a file is the one that it should be.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::even_if_unread;

/// What `verify` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object with both digests
    #[arg(long)]
    json: bool,

    /// The SHA-256 digest that the file must have, in hexadecimal
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    sha256: String,

    /// A shared library or a program
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  jackfield verify --sha256 \"$(cut -c-64 kv.so.sha256)\" kv.so
                           exit code 1 if the file is another one
A host checks a program by itself: `ProcessPlugin::sha256`.";

/// Compares the digests.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let (file, expected) = (options.file.display(), &options.sha256);
    let mut source = File::open(&options.file).with_context(|| format!("`{file}` cannot be read"))?;
    let mut digest = Sha256::new();
    std::io::copy(&mut source, &mut digest).with_context(|| format!("`{file}` cannot be read"))?;
    let found = digest.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let is_it = found == *expected;
    let mut out = std::io::stdout().lock();
    if options.json {
        let object = json!({ "file": options.file, "ok": is_it, "expected": expected, "found": found });
        even_if_unread(writeln!(out, "{object}"))?;
    } else if is_it {
        even_if_unread(writeln!(out, "{file}: sha256 {found}"))?;
    }
    if !is_it {
        bail!("expected that `{file}` has the digest {expected}, found {found}");
    }
    Ok(())
}

fn parse_digest(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let is_digest = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_digest { Ok(text) } else { Err("expected 64 hexadecimal digits".to_owned()) }
}
