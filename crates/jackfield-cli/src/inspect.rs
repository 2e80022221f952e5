//! `jackfield inspect`: what a file is, before any of its code runs.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use jackfield::native::{Image, NativeError};

use crate::even_if_unread;

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object per file
    #[arg(long)]
    json: bool,

    /// Shared libraries
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  jackfield inspect plugins/libkv.so
                           its name, interfaces and digest, and whether it loads here
  jackfield inspect --json plugins/*.so
                           one JSON object per file; exit code 1 if one would not be loaded";

/// Says of each file what it is, and whether this host would load it. No code of theirs runs.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut refused = 0;
    for file in &options.files {
        let image = Image::read(file);
        refused += usize::from(image.is_err());
        let mut out = std::io::stdout().lock();
        even_if_unread(match (options.json, &image) {
            (true, image) => writeln!(out, "{}", json(file, image)),
            (false, Ok(image)) => out.write_all(text(image).as_bytes()),
            (false, Err(error)) => {
                writeln!(out, "{}\n  loads here  no: {}", file.display(), chain(error))
            }
        })?;
    }
    match refused {
        0 => Ok(()),
        refused => bail!("{refused} of {} files would not be loaded here", options.files.len()),
    }
}

fn text(image: &Image) -> String {
    let note = image.note();
    let mut lines = vec![
        image.path().display().to_string(),
        format!("  plugin      {} {}", note.name, note.version),
        format!("  built with  Jackfield {}, ABI {}, panic = {}", note.sdk, note.abi, note.panic),
        format!("  sha256      {}", image.digest()),
    ];
    for interface in &note.interfaces {
        lines.push(format!("  interface   {} {}", interface.service, interface.version));
        lines.extend(interface.methods.iter().map(|method| {
            let optional = if method.is_optional { " (may be lacking)" } else { "" };
            format!("    {}{optional}", interface.signature(method))
        }));
    }
    lines.push("  loads here  yes\n".to_owned());
    lines.join("\n")
}

pub(crate) fn json(file: &std::path::Path, image: &Result<Image, NativeError>) -> serde_json::Value {
    let image = match image {
        Ok(image) => image,
        Err(error) => {
            return serde_json::json!({ "file": file, "loads": false, "reason": chain(error) });
        }
    };
    let note = image.note();
    let interfaces = note.interfaces.iter().map(|interface| {
        let methods = interface.methods.iter().map(|method| {
            serde_json::json!({
                "name": method.name,
                "signature": interface.signature(method),
                "optional": method.is_optional,
            })
        });
        serde_json::json!({
            "service": interface.service,
            "version": interface.version,
            "methods": methods.collect::<Vec<_>>(),
        })
    });
    serde_json::json!({
        "file": file,
        "loads": true,
        "name": note.name,
        "version": note.version,
        "id": note.id,
        "jackfield": note.sdk,
        "abi": note.abi,
        "panic": note.panic,
        "sha256": image.digest().to_string(),
        "interfaces": interfaces.collect::<Vec<_>>(),
    })
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &NativeError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ").replace('\n', " ")
}
