//! `jackfield inspect`: what a file is, before any of its code runs.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::bail;
use jackfield::native::{Image, NativeError};
use jackfield::process::Executable;
use jackfield::schema::Descriptor;
use jackfield::{Described, Target, target_of};
use serde_json::{Value, json};

use crate::even_if_unread;
use crate::host::directory;
use crate::plugin::is_executable;

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object per file
    #[arg(long)]
    json: bool,

    /// Shared libraries, programs, scripts and manifests
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  jackfield inspect plugins/libkv.so
                           its name, interfaces and digest, for which machine it is, and whether it loads here
  jackfield inspect plugins/kv plugins/speech.plugin.toml
                           what runs a program, what a manifest says, and what keeps them from being started
  jackfield inspect --json plugins/*.so
                           one JSON object per file; exit code 1 if one would not be loaded";

/// Says of each file what it is, and whether this host would load it. No code of theirs runs.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut refused = 0;
    for path in &options.files {
        let seen = Seen::of(path);
        refused += usize::from(seen.loads == Some(false));
        let mut out = std::io::stdout().lock();
        even_if_unread(match options.json {
            true => writeln!(out, "{}", seen.json),
            false => out.write_all(seen.text(path).as_bytes()),
        })?;
    }
    match refused {
        0 => Ok(()),
        refused => bail!("{refused} of {} files would not be loaded here", options.files.len()),
    }
}

/// What a file is.
struct Seen {
    /// What is said of it, each under a title.
    lines: Vec<(&'static str, String)>,
    json: Value,
    /// Nothing where only a run of it would say.
    loads: Option<bool>,
    refusal: Option<String>,
}

impl Seen {
    fn of(path: &Path) -> Self {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b".plugin.toml")) {
            return Self::of_manifest(path);
        }
        let beginning = beginning(path);
        let is_program =
            beginning.starts_with(b"#!") || target_of(&beginning).is_some() || is_executable(path);
        match Image::read(path) {
            // One for another machine is none either: which of the two it is, its name says.
            Err(NativeError::NotALibrary { .. }) if is_program && !is_called_library(path) => {
                Self::of_program(path, &beginning)
            }
            image => Self::of_library(path, &image),
        }
    }

    fn of_library(path: &Path, image: &Result<Image, NativeError>) -> Self {
        let mut json = json(path, image);
        let is_library = image.is_ok() || is_called_library(path);
        json["kind"] = if is_library { "library" } else { "neither" }.into();
        let kind = if is_library { "shared library" } else { "neither a library nor a program" };
        let mut lines = vec![("file", format!("{kind}{}", for_whom(target(path))))];
        lines.extend(image.iter().flat_map(image_lines));
        Self {
            lines,
            json,
            loads: Some(image.is_ok()),
            refusal: image.as_ref().err().map(|error| chain(error)),
        }
    }

    /// What keeps it from being started is known before it runs, and nothing else is.
    fn of_program(path: &Path, beginning: &[u8]) -> Self {
        let target = target_of(beginning);
        let refusal = Executable::find(path).err().map(|error| chain(&error));
        let mut json = json!({ "file": path, "kind": "program", "loads": refusal.as_ref().map(|_| false) });
        say_target(&mut json, target.as_ref());
        let mut lines = Vec::new();
        if let Executable::Script { interpreter } = Executable::read(beginning) {
            let interpreter = interpreter.to_string_lossy().into_owned();
            json["interpreter"] = interpreter.as_str().into();
            lines.extend([("file", "script".to_owned()), ("run by", interpreter)]);
        } else {
            lines.push(("file", format!("program{}", for_whom(target))));
        }
        Self { lines, loads: refusal.as_ref().map(|_| false), json, refusal }.with_reason()
    }

    fn of_manifest(path: &Path) -> Self {
        let mut lines = vec![("file", "manifest".to_owned())];
        let mut json = json!({ "file": path, "kind": "manifest", "loads": null });
        let refusal = match Described::read(path) {
            Err(reason) => Some(reason.replace('\n', " ")),
            Ok(described) => {
                let program = described.command.display().to_string();
                let words = std::iter::once(&program).chain(&described.arguments);
                lines.push(("command", words.map(String::as_str).collect::<Vec<_>>().join(" ")));
                lines.push(("talks", described.wire.to_owned()));
                lines.extend(described.version.iter().map(|version| ("version", version.clone())));
                json["command"] = program.into();
                json["arguments"] = described.arguments.as_slice().into();
                json["wire"] = described.wire.into();
                json["version"] = described.version.clone().into();
                json["enabled"] = described.is_enabled.into();
                let interface = described.interface(directory::interfaces);
                if let Ok(Some(interface)) = &interface {
                    lines.push(interface_line(interface));
                    json["interfaces"] = json!([self::interface(interface)]);
                }
                why_not(&described).or(interface.err().map(|reason| reason.replace('\n', " ")))
            }
        };
        json["loads"] = refusal.as_ref().map(|_| false).into();
        Self { lines, loads: refusal.as_ref().map(|_| false), json, refusal }.with_reason()
    }

    fn with_reason(mut self) -> Self {
        if let Some(refusal) = &self.refusal {
            self.json["reason"] = refusal.as_str().into();
        }
        self
    }

    fn text(&self, path: &Path) -> String {
        let loads = match (self.loads, &self.refusal) {
            (_, Some(refusal)) => format!("no: {refusal}"),
            (Some(_), None) => "yes".to_owned(),
            (None, None) => "only a run of it would say".to_owned(),
        };
        let mut text = format!("{}\n", path.display());
        for (title, line) in self.lines.iter().chain([&("loads here", loads)]) {
            text += format!("  {title:<10}  {line}").trim_end();
            text.push('\n');
        }
        text
    }
}

/// What the program of a manifest lacks to be started.
fn why_not(described: &Described) -> Option<String> {
    if !described.is_enabled {
        return Some("`enabled`: it is disabled".to_owned());
    }
    let command = &described.command;
    let found = if command.components().count() > 1 {
        Some(command.clone())
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|directory| directory.join(command)).find(|file| is_executable(file))
    };
    let Some(program) = found else {
        return Some(format!("`command`: there is no `{}` in `PATH`", command.display()));
    };
    let refusal = Executable::find(&program).err()?;
    Some(format!("`command`: `{}`: {}", program.display(), chain(&refusal)))
}

fn image_lines(image: &Image) -> Vec<(&'static str, String)> {
    let note = image.note();
    let mut lines = vec![
        ("plugin", format!("{} {}", note.name, note.version)),
        ("built with", format!("Jackfield {}, ABI {}, panic = {}", note.sdk, note.abi, note.panic)),
        ("sha256", image.digest().to_string()),
    ];
    lines.extend(note.interfaces.iter().map(interface_line));
    lines
}

fn interface_line(interface: &Descriptor) -> (&'static str, String) {
    let methods = interface.methods.iter().map(|method| {
        let optional = if method.is_optional { " (may be lacking)" } else { "" };
        format!("\n    {}{optional}", interface.signature(method))
    });
    let named = format!("{} {}", interface.service, interface.version);
    ("interface", format!("{}{}", named.trim_end(), methods.collect::<String>()))
}

/// An interface as a value.
pub(crate) fn interface(interface: &Descriptor) -> Value {
    let methods = interface.methods.iter().map(|method| {
        json!({
            "name": method.name,
            "signature": interface.signature(method),
            "optional": method.is_optional,
        })
    });
    json!({
        "service": interface.service,
        "version": interface.version,
        "methods": methods.collect::<Vec<_>>(),
    })
}

pub(crate) fn json(file: &Path, image: &Result<Image, NativeError>) -> Value {
    let target = target(file);
    let image = match image {
        Ok(image) => image,
        Err(error) => {
            let mut json = json!({ "file": file, "loads": false, "reason": chain(error) });
            say_target(&mut json, target.as_ref());
            return json;
        }
    };
    let note = image.note();
    let interfaces = note.interfaces.iter().map(interface);
    let mut json = json!({
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
    });
    say_target(&mut json, target.as_ref());
    json
}

fn say_target(json: &mut Value, target: Option<&Target>) {
    if let Some(Target { os, architecture, .. }) = target {
        json["os"] = (*os).into();
        json["architecture"] = architecture.as_str().into();
    }
}

fn for_whom(target: Option<Target>) -> String {
    target.map_or_else(String::new, |target| format!(" for {}, {}", target.os, target.architecture))
}

/// For what a file was built, if it was built for anything.
fn target(path: &Path) -> Option<Target> {
    target_of(&beginning(path))
}

/// As much of a file as says what it is; nothing, if it cannot be read: who reads all of it says why.
fn beginning(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What is no file, such as a pipe, might keep a reader waiting.
    if path.is_file()
        && let Ok(file) = File::open(path)
    {
        drop(file.take(BEGINNING).read_to_end(&mut bytes));
    }
    bytes
}

fn is_called_library(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["dll", "dylib", "so"].iter().any(|known| extension == *known))
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ").replace('\n', " ")
}

/// In bytes.
const BEGINNING: u64 = 64 * 1024;
