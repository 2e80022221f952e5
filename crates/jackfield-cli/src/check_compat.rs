//! `jackfield check-compat`: whether a new plugin can serve the hosts of an old one.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use jackfield::schema::{Descriptor, Incompatibility};
use serde_json::{Value, json};

use crate::plugin::Start;
use crate::{described, even_if_unread};

/// What `check-compat` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object
    #[arg(long)]
    json: bool,

    /// Against what the hosts were built: a shared library, a program, a .proto file, or a descriptor set of protoc
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// What shall take its place, which may be of another kind
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Where a .proto file's imports are, if not beside it
    #[arg(short = 'I', long = "include", value_name = "DIRECTORY")]
    includes: Vec<PathBuf>,

    #[command(flatten)]
    start: Start,
}

const EXAMPLES: &str = "\
Examples:
  jackfield check-compat released/libkv.so target/release/libkv.so
                           names the method and the field that would break a host
  jackfield check-compat kv.proto target/release/libkv.so
                           the same for hosts in other languages
  jackfield check-compat --handshake 1/KV_PLUGIN/hello released/kv ./kv
                           of programs, which are started and asked by gRPC's server reflection
  jackfield check-compat --json released/libkv.so target/release/libkv.so
                           the same for a script

Exit codes:
  0  every host of OLD can load NEW
  1  one cannot; the output says why
  2  the arguments are wrong, or a file cannot be read";

/// Compares each interface of the old plugin with the new one's.
pub(crate) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut read = Vec::new();
    for file in [&options.old, &options.new] {
        match described::interfaces(file, &options.start, &options.includes).await {
            Ok(interfaces) => read.push(interfaces),
            Err(error) => {
                crate::report(&error);
                return Ok(ExitCode::from(2));
            }
        }
    }
    let (old, new) = (&read[0], &read[1]);
    let compared: Vec<_> = old.iter().map(|old| Compared::new(old, new)).collect();
    let is_compatible = compared.iter().all(|compared| compared.found.is_ok());
    let mut out = std::io::stdout().lock();
    even_if_unread(if options.json {
        let interfaces: Vec<_> = compared.iter().map(Compared::json).collect();
        writeln!(out, "{}", json!({ "compatible": is_compatible, "interfaces": interfaces }))
    } else {
        compared.iter().try_for_each(|compared| writeln!(out, "{}", compared.text()))
    })?;
    Ok(if is_compatible { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An interface of the old plugin, and what became of it.
struct Compared<'a> {
    old: &'a Descriptor,
    /// The version of the new one, where there is one.
    version: Option<&'a str>,
    found: Result<(), Option<Incompatibility>>,
}

impl<'a> Compared<'a> {
    fn new(old: &'a Descriptor, new: &'a [Descriptor]) -> Self {
        let new = new.iter().find(|new| new.service == old.service);
        let found = match new {
            Some(new) => old.check(new).map_err(Some),
            None => Err(None),
        };
        Self { old, version: new.map(|new| new.version.as_str()), found }
    }

    fn reason(&self) -> Option<String> {
        self.found.as_ref().err().map(|error| match error {
            Some(error) => error.to_string(),
            None => "the new plugin lacks the interface".to_owned(),
        })
    }

    fn text(&self) -> String {
        // Only a plugin of Jackfield's says which version it is.
        let versions = match (&*self.old.version, self.version.unwrap_or_default()) {
            ("", "") => String::new(),
            (version, "") | ("", version) => format!(" {version}"),
            (old, new) if old == new => format!(" {old}"),
            (old, new) => format!(" {old} → {new}"),
        };
        let verdict =
            self.reason().map_or_else(|| "compatible".to_owned(), |reason| format!("incompatible: {reason}"));
        format!("{}{versions}  {verdict}", self.old.service)
    }

    fn json(&self) -> Value {
        let cause = self.found.as_ref().err().and_then(Option::as_ref);
        json!({
            "service": self.old.service,
            "old": self.old.version,
            "new": self.version,
            "compatible": self.found.is_ok(),
            "reason": self.reason(),
            "method": cause.and_then(Incompatibility::method),
            "field": cause.and_then(Incompatibility::field),
        })
    }
}
