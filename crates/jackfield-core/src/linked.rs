//! Plugins that are linked into the host.

use jackfield_abi::{self as abi, Bound};

use crate::schema::Descriptor;
use crate::{
    BoxFuture, CallError, Candidate, Instance, Lane, Load, LoadError, LoadErrorKind, Plugin, Unloaded,
};

/// A plugin that is linked into the host is loaded like any other: constructed, bound to the host's interface, and
/// called through the same handle. A panic in it is caught, though the host's own panic hook sees it first.
impl Candidate for Plugin {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(std::future::ready(bind(self, load).map_err(|kind| load.error(kind))))
    }
}

fn bind(plugin: &Plugin, load: &Load) -> Result<Box<dyn Instance>, LoadErrorKind> {
    let schema = load.interface.schema();
    if let Some(linked) = plugin.interfaces.iter().find(|linked| linked.service == schema.service) {
        let descriptor = Descriptor::parse(&linked.to_file_descriptor());
        schema.check(&descriptor.map_err(|error| LoadErrorKind::backend("static", error))?)?;
    }
    plugin.init(&load.context).map_err(LoadErrorKind::Refused)?;
    Ok(Box::new(LinkedInstance(load.bind(plugin.entry.exports(), None, abi::Lane::Direct)?)))
}

#[derive(Debug)]
struct LinkedInstance(Bound);

impl Instance for LinkedInstance {
    fn lane(&self) -> Lane {
        Lane::Bound(self.0.clone())
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        Box::pin(std::future::pending())
    }

    fn unload(self: Box<Self>, _: std::time::Duration) -> BoxFuture<'static, Unloaded> {
        drop(self);
        Box::pin(std::future::ready(Unloaded::Dropped))
    }
}
