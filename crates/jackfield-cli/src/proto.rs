//! `jackfield proto`: what a plugin serves, as a `.proto` file.

use std::io::Write as _;

use anyhow::Context as _;

use crate::plugin::{Arguments, Plugin};

/// What `proto` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object per interface: its name, its version and the text
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    plugin: Plugin,

    #[command(flatten)]
    arguments: Arguments,
}

const EXAMPLES: &str = "\
Examples:
  jackfield proto plugins/libkv.so > kv.proto
                           for authors in other languages; none of the library's code runs
  jackfield proto --handshake 1/KV_PLUGIN/hello ./kv
                           of a program, which is started and asked by gRPC's server reflection
  jackfield proto plugins/speech.plugin.toml
                           what a manifest says that its plugin serves, or else what its program says";

/// Prints the interfaces of a plugin.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let interfaces = options
        .plugin
        .interfaces(&options.arguments)
        .await
        .context("the plugin's interfaces cannot be read")?;
    let mut out = std::io::stdout().lock();
    for (index, interface) in interfaces.iter().enumerate() {
        let proto = interface.to_proto();
        if options.json {
            let (service, version) = (&interface.service, &interface.version);
            writeln!(
                out,
                "{}",
                serde_json::json!({ "service": service, "version": version, "proto": proto })
            )?;
        } else {
            let gap = if index == 0 { "" } else { "\n" };
            write!(out, "{gap}{proto}")?;
        }
    }
    Ok(())
}
