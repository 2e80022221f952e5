//! The plugin that a command is about: a file, and how it is run where it is a program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use jackfield::native::{Image, NativeBackend, NativeError};
use jackfield::process::{Handshake, HandshakeError, ProcessBackend, ProcessPlugin, StartError};
use jackfield::schema::{Descriptor, MethodDescriptor};
use jackfield::{Candidate, Context, DynamicHandle, LoadError, LoadErrorKind, Manager};

use crate::host::directory;
use crate::told::{HINT, Told};

/// A plugin on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Plugin {
    /// A shared library, a program that is a plugin, or where there is one its manifest
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    start: Start,
}

/// How a plugin is started.
#[derive(Clone, Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command")]
pub(crate) struct Start {
    /// What a program and its hosts agree on: the version of their protocol, and name and value of the cookie
    #[arg(long, value_name = "VERSION/KEY/VALUE", value_parser = parse_handshake)]
    handshake: Option<Handshake>,

    /// Talks to a program over mutual TLS
    #[arg(long)]
    auto_mtls: bool,

    /// Shows a program this whole environment
    #[arg(long)]
    inherit_env: bool,

    /// Configures the plugin
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    config: Vec<(String, String)>,
}

/// What a program is started with. It stands behind everything else on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Arguments of a program
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

impl Plugin {
    pub(crate) fn new(file: &Path, start: &Start) -> Self {
        Self { file: file.to_owned(), start: start.clone() }
    }

    /// What it serves. None of a library's code runs; a program is started and asked.
    pub(crate) async fn interfaces(&self, arguments: &Arguments) -> anyhow::Result<Vec<Descriptor>> {
        if self.is_manifest() {
            let Source { context, candidate, interface } = self.source(arguments, &Told::default())?;
            return match interface {
                Some(interface) => Ok(vec![interface]),
                None => ask(context, &*candidate).await,
            };
        }
        match self.kind(arguments)? {
            Kind::Library(interfaces) => Ok(interfaces),
            Kind::Program => ask(self.context(), &self.program(arguments)?).await,
        }
    }

    /// What a program serves, which is started and asked.
    pub(crate) async fn interfaces_of_program(&self) -> anyhow::Result<Vec<Descriptor>> {
        ask(self.context(), &self.program(&Arguments { arguments: Vec::new() })?).await
    }

    /// Makes it ready to be called: as what it is told to serve, or else as whatever it serves.
    pub(crate) async fn callee(&self, arguments: &Arguments, told: &Told) -> anyhow::Result<Callee> {
        let manager = manager();
        let Source { context, candidate, interface } = self.source(arguments, told)?;
        let name = context.plugin().to_owned();
        if let Some(interfaces) = told.interfaces().await?.or(interface.map(|interface| vec![interface])) {
            return Ok(Callee { manager, name, interfaces, candidate: Some((context, candidate)) });
        }
        match manager.load_dynamic(context, &*candidate).await {
            Ok(interfaces) => Ok(Callee { manager, name, interfaces, candidate: None }),
            Err(error) if matches!(error.kind(), LoadErrorKind::Silent) => {
                bail!("`{}` does not say what it serves\n{HINT}", self.file.display())
            }
            Err(error) => Err(unloaded(error)),
        }
    }

    /// What can be loaded, as it is said here or in a manifest.
    fn source(&self, arguments: &Arguments, told: &Told) -> anyhow::Result<Source> {
        if !self.is_manifest() {
            let candidate = self.candidate(arguments, told)?;
            return Ok(Source { context: self.context(), candidate, interface: None });
        }
        if told.wire().is_some() || self.is_program(arguments) {
            bail!(
                "a manifest says itself how its program starts and how it talks\n\
                 (hint: `--config` and `--interface` go with one, no other such option does)"
            );
        }
        let path = std::path::absolute(&self.file)?;
        let offered = directory::source(path.parent().unwrap_or(&path))?.scan()?;
        let Some(offered) = offered.into_iter().find(|offered| offered.path == path) else {
            bail!("there is no manifest `{}`, or it is disabled", self.file.display());
        };
        let interface = offered.interface().map_err(|reason| anyhow!(reason))?;
        let candidate = offered.candidate.map_err(|reason| anyhow!(reason))?;
        let config = offered.config.into_iter().chain(self.start.config.clone());
        Ok(Source { context: Context::new(offered.name, config), candidate, interface })
    }

    fn candidate(&self, arguments: &Arguments, told: &Told) -> anyhow::Result<Box<dyn Candidate>> {
        // A name without a slash would be looked up in `PATH`.
        if let Some(program) = told.over_stdio(std::path::absolute(&self.file)?) {
            return Ok(Box::new(program.args(&arguments.arguments).backend(&backend()?)));
        }
        if told.wire().is_none() && matches!(self.kind(arguments)?, Kind::Library(_)) {
            return Ok(Box::new(native().library(&self.file)));
        }
        Ok(Box::new(told.over_net_rpc(self.program(arguments)?)))
    }

    fn context(&self) -> Context {
        Context::new(name(&self.file), self.start.config.clone())
    }

    fn kind(&self, arguments: &Arguments) -> anyhow::Result<Kind> {
        if self.is_program(arguments) {
            return Ok(Kind::Program);
        }
        match Image::read(&self.file) {
            Ok(image) => Ok(Kind::Library(image.note().interfaces.clone())),
            Err(NativeError::NotALibrary { .. }) if is_executable(&self.file) => Ok(Kind::Program),
            Err(error) => Err(error.into()),
        }
    }

    fn is_manifest(&self) -> bool {
        self.file.to_str().is_some_and(|name| name.ends_with(MANIFEST))
    }

    /// Whether something is said that means nothing for a library.
    fn is_program(&self, arguments: &Arguments) -> bool {
        let Start { handshake, auto_mtls, inherit_env, .. } = &self.start;
        handshake.is_some() || *auto_mtls || *inherit_env || !arguments.arguments.is_empty()
    }

    fn program(&self, arguments: &Arguments) -> anyhow::Result<ProcessPlugin> {
        let path = std::path::absolute(&self.file)?;
        let mut plugin = ProcessPlugin::new(path).args(&arguments.arguments).backend(&backend()?);
        let Start { handshake, auto_mtls, inherit_env, .. } = &self.start;
        if let Some(handshake) = handshake {
            plugin = plugin.handshake(handshake.clone());
        }
        if *auto_mtls {
            plugin = plugin.auto_mtls();
        }
        Ok(if *inherit_env { plugin.inherit_env() } else { plugin })
    }
}

/// What a program serves, which is started and asked.
async fn ask(context: Context, program: &dyn Candidate) -> anyhow::Result<Vec<Descriptor>> {
    let (manager, name) = (manager(), context.plugin().to_owned());
    let interfaces = manager.load_dynamic(context, program).await?;
    // It was loaded by this name, and nobody else unloads it.
    let _unloaded = manager.unload(&name).await;
    Ok(interfaces)
}

/// What can be loaded, and what it is said to serve.
struct Source {
    context: Context,
    candidate: Box<dyn Candidate>,
    interface: Option<Descriptor>,
}

enum Kind {
    Library(Vec<Descriptor>),
    Program,
}

fn manager() -> Manager {
    Manager::builder().stop_deadline(STOP).drain_deadline(Duration::ZERO).build()
}

fn backend() -> anyhow::Result<ProcessBackend> {
    ProcessBackend::start().context("processes cannot be started")
}

/// A plugin whose methods are known.
pub(crate) struct Callee {
    manager: Manager,
    name: String,
    interfaces: Vec<Descriptor>,
    /// What is loaded once it is known as which interface, if it was not loaded to be asked for them.
    candidate: Option<(Context, Box<dyn Candidate>)>,
}

impl Callee {
    /// The method that somebody means: `Get`, `get` or `proto.KV/Get`.
    pub(crate) fn method(&self, wanted: &str) -> anyhow::Result<(&Descriptor, &MethodDescriptor)> {
        let (service, method) = match wanted.trim_start_matches('/').rsplit_once('/') {
            Some((service, method)) => (Some(service), method),
            None => (None, wanted),
        };
        let interfaces = self.interfaces.iter();
        let interfaces = interfaces.filter(|found| service.is_none_or(|service| found.service == service));
        let all: Vec<_> = interfaces
            .flat_map(|interface| interface.methods.iter().map(move |method| (interface, method)))
            .collect();
        let exact = all.iter().filter(|(_, found)| found.name == method);
        let loose = all.iter().filter(|(_, found)| loosely(&found.name) == loosely(method));
        let found: Vec<_> = if exact.clone().next().is_some() { exact.collect() } else { loose.collect() };
        match found[..] {
            [&found] => Ok(found),
            [] => bail!("there is no method `{wanted}`\n(hint: it has {})", self.methods()),
            [..] => bail!("several interfaces have a method `{wanted}`\n(hint: it has {})", self.methods()),
        }
    }

    /// All methods, each under the name of its interface where there are several.
    fn methods(&self) -> String {
        let named = self.interfaces.iter().flat_map(|interface| {
            let prefix =
                if self.interfaces.len() > 1 { format!("{}/", interface.service) } else { String::new() };
            interface.methods.iter().map(move |method| format!("`{prefix}{}`", method.name))
        });
        let named: Vec<_> = named.collect();
        if named.is_empty() { "none".to_owned() } else { named.join(", ") }
    }

    /// What calls an interface of it.
    pub(crate) async fn handle(&self, interface: &Descriptor) -> anyhow::Result<DynamicHandle> {
        match &self.candidate {
            Some((context, candidate)) => {
                let loading = self.manager.load_described(context.clone(), &**candidate, interface);
                loading.await.map_err(unloaded)
            }
            None => Ok(self.manager.dynamic(&self.name, interface).await?),
        }
    }

    /// Ends it.
    pub(crate) async fn unload(self) {
        // It was loaded by this name if it was at all, and nobody else unloads it.
        let _unloaded = self.manager.unload(&self.name).await;
    }
}

/// Why a plugin was not loaded, and what to do if it talks another way.
fn unloaded(error: LoadError) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    let is_older = |cause: &HandshakeError| matches!(cause, HandshakeError::UnsupportedProtocol { .. });
    // It read its input, which was empty, and was done.
    let is_quiet = |cause: &StartError| matches!(cause, StartError::ExitedEarly { .. });
    let hint = if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_older)) {
        "`--net-rpc NAME` lets it, with the name that the plugin has in its program"
    } else if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_quiet)) {
        "`--stdio CODEC` is for a program that talks over its standard input and output"
    } else {
        return error;
    };
    anyhow!("{error:#}\n(hint: {hint})")
}

#[expect(unsafe_code, reason = "a host writes it once, where it vouches for the libraries that it loads")]
pub(crate) fn native() -> NativeBackend {
    // SAFETY: whoever runs the command names the library, and vouches for it as for any program that he runs.
    unsafe { NativeBackend::new() }
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether a file can be started.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// A name in whatever case and with whatever between its words.
fn loosely(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn parse_handshake(text: &str) -> Result<Handshake, String> {
    let mut parts = text.splitn(3, '/');
    match (parts.next().map(str::parse), parts.next(), parts.next()) {
        (Some(Ok(version)), Some(key), Some(value)) => Ok(Handshake::new(version, key, value)),
        _ => Err("expected such as `1/KV_PLUGIN/hello`".to_owned()),
    }
}

/// A key and a value.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("expected such as `directory=/tmp`")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// How the name of a manifest ends.
const MANIFEST: &str = ".plugin.toml";
/// How long a program may take to end.
pub(crate) const STOP: Duration = Duration::from_secs(2);
