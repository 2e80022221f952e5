//! The life of a plugin's program whose host talks to it over go-plugin's older protocol.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::Plugin;
use tokio::sync::watch;

use super::connection::Accept;
use super::listener::Listener;
use super::program::{ServeError, announce, context, ended};
use super::stdout::Redirected;
use crate::handshake::{Announcement, Protocol};
use crate::netrpc::plugin::{Dispenser, Hosts, NAME};
use crate::netrpc::{Gobs, Server, binding};
use crate::tls::TlsConfig;

/// Serves `plugin` to whoever asks for `name`, until a host asks it to end or `parent_gone` ends.
pub(super) async fn live(
    (name, plugin): (String, &'static Plugin),
    (mut listener, mut announcement): (Listener, Announcement),
    tls: Option<TlsConfig>,
    Redirected { mut original, printed }: Redirected,
    parent_gone: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (ending, end) = watch::channel(false);
    let mut hosts =
        Hosts::new(dispenser(name, plugin), tls.as_ref().map(|tls| &*tls.accept), ending, printed);
    announcement.protocol = Protocol::NetRpc;
    announce(&mut original, &announcement).map_err(ServeError::Announce)?;
    tracing::debug!(address = %announcement.address, "the plugin listens");
    tokio::select! {
        () = accept(&mut listener, &mut hosts) => {}
        () = ended(end) => {}
        () = parent_gone => tracing::warn!("the host is gone"),
    }
    drop(listener);
    hosts.finish().await;
    Ok(())
}

/// Makes new objects for each host that asks, as Go does.
fn dispenser(name: String, plugin: &'static Plugin) -> Dispenser {
    Arc::new(move |wanted| {
        if wanted != name {
            return Err(format!("unknown plugin type: {wanted}"));
        }
        for schema in plugin.interfaces {
            binding::check(schema).map_err(|unfit| unfit.to_string())?;
        }
        let services = plugin.open(&context()).map_err(|error| error.to_string())?;
        Ok(binding::serve(Server::new(Gobs), NAME, &services))
    })
}

async fn accept(listener: &mut Listener, hosts: &mut Hosts) {
    loop {
        match listener.accept().await {
            Ok(socket) => hosts.serve(socket),
            Err(error) => {
                // Such as too many open files, which may pass.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

const RETRY: Duration = Duration::from_millis(50);
