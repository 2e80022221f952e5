//! The life of a plugin's program whose host talks to it over go-plugin's older protocol.

use std::fs::File;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::Plugin;
use tokio::sync::watch;

use super::connection::Accept;
use super::host_objects::HostObjects;
use super::kept::Pieces;
use super::listener::Listener;
use super::program::{ServeError, announce, context, ended, offers};
use crate::handshake::{Announcement, Protocol};
use crate::netrpc::binding::Exchange;
use crate::netrpc::plugin::{Dispensers, Hosts, NAME};
use crate::netrpc::{Gobs, Server, binding};
use crate::saving::Found;
use crate::tasks::Tasks;
use crate::tls::TlsConfig;

/// Serves `plugin` to whoever asks for `name`, until a host asks it to end or `over` ends.
pub(super) async fn live(
    (name, plugin): (String, &'static Plugin),
    (mut listener, mut announcement): (Listener, Announcement),
    tls: Option<TlsConfig>,
    (mut original, printed): (File, Pieces),
    over: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (ending, end) = watch::channel(false);
    let (tasks, kept) = Tasks::here();
    let mut kept = pin!(kept);
    let accept_tls = tls.as_ref().map(|tls| &*tls.accept);
    // They are gone once the plugin has announced itself.
    let found = Found::read(plugin.interfaces).map_err(ServeError::Constructor)?;
    let mut hosts = Hosts::new(dispensers(name, plugin, found), accept_tls, ending, (printed, tasks));
    announcement.protocol = Protocol::NetRpc;
    announce(&mut original, &announcement).map_err(ServeError::Announce)?;
    tracing::debug!(address = %announcement.address, "the plugin listens");
    tokio::select! {
        () = accept(&mut listener, &mut hosts) => {}
        () = ended(end) => {}
        () = kept.as_mut() => {}
        () = over => {}
    }
    drop(listener);
    hosts.finish().await;
    Ok(())
}

/// Makes a new object each time a host asks, as Go does. The plugin's first interface is under the plugin's name, each
/// also under its own.
fn dispensers(name: String, plugin: &'static Plugin, found: Found) -> Dispensers {
    let found = Arc::new(found);
    Arc::new(move |objects| {
        let (host_objects, context) = HostObjects::new(offers(), context());
        let exchange = Exchange::Brokered(objects.clone());
        objects.tasks.keep(host_objects.connect(exchange.clone()));
        let (name, found) = (name.clone(), Arc::clone(&found));
        Box::new(move |wanted| {
            let schema = match wanted == name {
                true => plugin.interfaces.first(),
                false => plugin.interfaces.iter().find(|schema| schema.service == wanted),
            };
            let schema = schema.ok_or_else(|| format!("unknown plugin type: {wanted}"))?;
            let open = |saved| match saved {
                Some(saved) => plugin.open_interface(schema, &context.clone().with_saved(saved)),
                None => plugin.open_interface(schema, &context),
            };
            let service = found.pass_to(schema.service, open).map_err(|error| error.to_string())?;
            let server = binding::saving::serve(Server::new(Gobs), NAME, &service);
            Ok(binding::serve(server, NAME, &[service], &exchange))
        })
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
