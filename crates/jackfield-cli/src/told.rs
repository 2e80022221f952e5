//! What is said on the command line of a plugin that does not say it itself: how it talks, and what it serves.

use std::path::PathBuf;

use clap::error::ErrorKind;
use jackfield::process::{NetRpc, ProcessPlugin, StdioCodec, StdioPlugin};
use jackfield::schema::Descriptor;

use crate::described;
use crate::plugin::Start;

/// What a plugin does not say itself.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Told {
    /// What the plugin serves, if it does not say it: a .proto file, a descriptor set, or a plugin that says it
    #[arg(long, value_name = "FILE")]
    interface: Option<PathBuf>,

    /// Where a .proto file's imports are, if not beside it
    #[arg(short = 'I', long = "include", value_name = "DIRECTORY", requires = "interface")]
    includes: Vec<PathBuf>,

    /// Talks net/rpc, go-plugin's older protocol, with the plugin that has this name in its program
    #[arg(long, value_name = "NAME", group = "wire")]
    net_rpc: Option<String>,

    /// Talks with a program over its standard input and output, in `gob`, `json` or `json2`; its methods are those of the
    /// service `Plugin`, or of this one
    #[arg(
        long, value_name = "CODEC[/SERVICE]", value_parser = parse_stdio, group = "wire",
        conflicts_with_all = ["handshake", "auto_mtls", "inherit_env"],
    )]
    stdio: Option<Stdio>,

    /// Passes the arguments of this method by name, as a map, over net/rpc and standard input and output
    #[arg(long, value_name = "METHOD", requires = "wire")]
    map_arguments: Vec<String>,
}

/// How a program talks over its standard input and output.
#[derive(Clone, Debug)]
struct Stdio {
    codec: StdioCodec,
    /// The name under which its methods are registered there, if that is an unusual one.
    service: Option<String>,
}

impl Told {
    /// What the plugin serves, where that is said here.
    pub(crate) async fn interfaces(&self) -> anyhow::Result<Option<Vec<Descriptor>>> {
        match &self.interface {
            Some(file) => Ok(Some(described::interfaces(file, &Start::default(), &self.includes).await?)),
            None => match self.wire() {
                Some(wire) => {
                    let missing = format!("over {wire} no plugin says what it serves\n{HINT}\n");
                    Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, missing).into())
                }
                None => Ok(None),
            },
        }
    }

    /// How the plugin talks, if in a way in which it says nothing of itself.
    pub(crate) fn wire(&self) -> Option<&'static str> {
        match (&self.net_rpc, &self.stdio) {
            (Some(_), _) => Some("net/rpc"),
            (None, Some(_)) => Some("standard input and output"),
            (None, None) => None,
        }
    }

    /// The codec in which a program talks over its standard input and output, if it does.
    pub(crate) fn codec(&self) -> Option<&'static str> {
        self.stdio.as_ref().map(|stdio| match stdio.codec {
            StdioCodec::Json => "json",
            StdioCodec::Json2 => "json2",
            _ => "gob",
        })
    }

    /// Lets a program answer over net/rpc, if that is how it talks.
    pub(crate) fn over_net_rpc(&self, program: ProcessPlugin) -> ProcessPlugin {
        // A method that cannot be carried says so when it is called. The others are of use.
        let net_rpc = self.net_rpc.as_ref().map(|name| NetRpc::new(name).allow_lacking());
        let map = |net_rpc: NetRpc, method| net_rpc.map_arguments(method);
        match net_rpc {
            Some(net_rpc) => program.net_rpc(self.map_arguments.iter().fold(net_rpc, map)),
            None => program,
        }
    }

    /// The program, if it talks over its standard input and output.
    pub(crate) fn over_stdio(&self, program: PathBuf) -> Option<StdioPlugin> {
        let Stdio { codec, service } = self.stdio.as_ref()?;
        let mut program = StdioPlugin::new(program).codec(*codec).allow_lacking();
        if let Some(service) = service {
            program = program.service(service);
        }
        let map = |program: StdioPlugin, method| program.map_arguments(method);
        Some(self.map_arguments.iter().fold(program, map))
    }
}

fn parse_stdio(text: &str) -> Result<Stdio, String> {
    let (codec, service) = match text.split_once('/') {
        Some((codec, service)) => (codec, Some(service.to_owned())),
        None => (text, None),
    };
    let codec = match codec {
        "gob" => StdioCodec::Gob,
        "json" => StdioCodec::Json,
        "json2" => StdioCodec::Json2,
        _ => return Err("expected `gob`, `json` or `json2`, or such as `json/Greeter`".to_owned()),
    };
    Ok(Stdio { codec, service })
}

/// What to do about a plugin that does not say what it serves.
pub(crate) const HINT: &str =
    "(hint: `--interface FILE` says it: a .proto file, a descriptor set, or a plugin that says it)";
