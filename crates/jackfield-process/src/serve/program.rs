//! The life of a plugin's program, from its start by a host to its end.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use jackfield_core::{Context, Error, Plugin};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tonic::service::Routes;

use super::connection::{Acceptor, Connections};
use super::dispatch::Dispatch;
use super::listener::Listener;
use super::parent;
use super::stdout::Redirected;
use super::wire_services;
use crate::handshake::{Announcement, Handshake, PluginOffer, negotiate};
use crate::host::{CONFIG, NAME};
use crate::tls::{self, Identity, TlsError};
use crate::{log, tls::read_pem};

/// What a plugin's program needs to know to be one.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ServeConfig {
    /// What to agree on with the host.
    pub handshake: Handshake,
    /// Further gRPC services to offer, made with `tonic`.
    pub routes: Routes,
    /// The descriptors of those services, each an encoded `FileDescriptorSet`, for reflection.
    pub descriptors: Vec<Vec<u8>>,
}

impl ServeConfig {
    /// Serves with this handshake and no further services.
    pub fn new(handshake: Handshake) -> Self {
        Self { handshake, ..Self::default() }
    }
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig").field("handshake", &self.handshake).finish_non_exhaustive()
    }
}

/// Serves `plugin` to the host that started this program, until the host asks it to end or is gone.
///
/// It is meant to be all of `main`: it owns the process. It takes over the standard output, whose first line
/// belongs to the handshake; what the program prints afterwards reaches the host too, but anything printed
/// *before* breaks the handshake. It ignores `SIGINT`, which a terminal sends to the host and its plugins
/// alike. If no subscriber of `tracing` is installed, it installs [`log::layer`].
///
/// Run by hand, the program says that it is a plugin, and ends with exit code 1.
pub fn serve(config: ServeConfig, plugin: &Plugin) -> ExitCode {
    let cookie = std::env::var_os(&config.handshake.cookie_key);
    if let Err(error) = config.handshake.check(cookie.as_deref()) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    log::install();
    match run(config, plugin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// A program could not become a plugin.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("the plugin's constructor refused: {0}")]
    Constructor(Error),
    #[error("failed to announce the plugin to its host")]
    Announce(#[source] io::Error),
    #[error("failed to listen on a socket")]
    Listen(#[source] io::Error),
    #[error("failed to describe the plugin's services")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to take over the standard output")]
    Stdout(#[source] io::Error),
    #[error("failed to prepare AutoMTLS")]
    Tls(#[from] TlsError),
}

fn run(config: ServeConfig, plugin: &Plugin) -> Result<(), ServeError> {
    let stdout = Redirected::take().map_err(ServeError::Stdout)?;
    let services = plugin.open(&context()).map_err(ServeError::Constructor)?;
    // One thread answers fastest: a request need not wake another core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let result = runtime.block_on(live(config, services, stdout));
    // A blocking method may never end; the process does.
    runtime.shutdown_background();
    result
}

async fn live(
    config: ServeConfig,
    services: Vec<jackfield_core::Service>,
    stdout: Redirected,
) -> Result<(), ServeError> {
    let (offer, invalid) = PluginOffer::read(|key| std::env::var_os(key));
    invalid.iter().for_each(|entry| tracing::warn!("{entry}"));
    let parent_gone = parent::gone();
    let _interrupts = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    let (security, certificate) = secure(&offer)?;
    let listener = Listener::bind(offer.socket_directory.as_deref()).map_err(ServeError::Listen)?;

    let (ending, end) = watch::channel(false);
    let Redirected { mut original, printed } = stdout;
    let descriptors = services.iter().map(|service| service.schema().to_file_descriptor());
    let routes = wire_services::add(config.routes, ending, end.clone(), printed);
    let routes = wire_services::reflect(routes, descriptors, &config.descriptors)?;
    let dispatch = Arc::new(Dispatch::new(services, routes));

    let announcement = Announcement {
        version: negotiate(&[config.handshake.protocol_version], &offer.versions)
            .unwrap_or(config.handshake.protocol_version),
        certificate,
        multiplexing: offer.multiplexing.answer(),
        ..Announcement::new(0, listener.address())
    };
    announce(&mut original, &announcement).map_err(ServeError::Announce)?;
    tracing::debug!(address = %announcement.address, "the plugin listens");

    let mut connections = Connections::new(security, dispatch, end.clone());
    tokio::select! {
        () = connections.accept_from(&listener) => {}
        () = ended(end) => {}
        () = parent_gone => tracing::warn!("the host is gone"),
    }
    drop(listener);
    connections.finish().await;
    Ok(())
}

/// Turns TLS on if the host asked for it.
fn secure(offer: &PluginOffer) -> Result<(Acceptor, Option<Vec<u8>>), ServeError> {
    let Some(pem) = &offer.certificate else { return Ok((Acceptor::Plain, None)) };
    let identity = Identity::generate()?;
    let config = tls::accepting(&identity, read_pem(pem)?)?;
    Ok((Acceptor::Tls(config.into()), Some(identity.certificate().to_vec())))
}

fn announce(stdout: &mut impl Write, announcement: &Announcement) -> io::Result<()> {
    stdout.write_all(format!("{announcement}\n").as_bytes())?;
    stdout.flush()
}

/// What the host configured; nothing, if it is none of ours.
fn context() -> Context {
    let text = |key: &str| std::env::var_os(key).map(OsString::into_string).and_then(Result::ok);
    let pairs: Vec<(String, String)> =
        text(CONFIG).and_then(|config| serde_json::from_str(&config).ok()).unwrap_or_default();
    Context::new(text(NAME).unwrap_or_default(), pairs)
}

/// Ends when somebody said that the plugin should.
pub(super) async fn ended(mut end: watch::Receiver<bool>) {
    // If nobody can say it any more, the plugin has ended too.
    let _gone_too = end.wait_for(|end| *end).await;
}

/// An error with its causes, for people.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}
