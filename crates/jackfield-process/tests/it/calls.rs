//! Loads a plugin and calls it, by raw messages.

use std::future::Future;
use std::sync::Arc;

use jackfield_core::{Bytes, Candidate, Channel, Context, Error, Instance, Lane, Load};
use jackfield_process::ProcessPlugin;

use crate::peers::{GET, PUT, description, first_field, message};

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) async fn load(plugin: &ProcessPlugin) -> (Box<dyn Instance>, Arc<dyn Channel>) {
    load_with(plugin, Context::new("kv", [])).await
}

pub(crate) async fn load_with(
    plugin: &ProcessPlugin,
    context: Context,
) -> (Box<dyn Instance>, Arc<dyn Channel>) {
    // Plugins keep what is put where they run.
    let plugin = plugin.clone().current_dir(env!("CARGO_TARGET_TMPDIR"));
    let instance = plugin.load(&Load::new(context, description())).await.unwrap();
    let Lane::Channel(channel) = instance.lane() else { panic!() };
    (instance, channel)
}

pub(crate) async fn get(channel: &Arc<dyn Channel>, key: &str) -> Result<Bytes, Error> {
    channel
        .call(&GET, message([key.as_bytes()]).into(), None)
        .await
        .map(|response| first_field(&response.bytes))
}

pub(crate) async fn put(channel: &Arc<dyn Channel>, key: &str, value: &[u8]) -> Result<(), Error> {
    channel.call(&PUT, message([key.as_bytes(), value]).into(), None).await.map(drop)
}
