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
        let bound = begin(self, load).map_err(|kind| load.error(kind));
        let instance =
            bound.map(|bound| Box::new(LinkedInstance { plugin: *self, bound }) as Box<dyn Instance>);
        Box::pin(std::future::ready(instance))
    }
}

/// Runs `init`, once for each load and after all checks, and constructs the object.
fn begin(plugin: &Plugin, load: &Load) -> Result<Bound, LoadErrorKind> {
    check(plugin, load)?;
    plugin.init(&load.context).map_err(LoadErrorKind::Refused)?;
    load.bind(plugin.entry.exports(), None, abi::Lane::Direct)
}

fn check(plugin: &Plugin, load: &Load) -> Result<(), LoadErrorKind> {
    let schema = load.interface.schema();
    if let Some(linked) = plugin.interfaces.iter().find(|linked| linked.service == schema.service) {
        let descriptor = Descriptor::parse(&linked.to_file_descriptor());
        schema.check(&descriptor.map_err(|error| LoadErrorKind::backend("static", error))?)?;
    }
    Ok(())
}

#[derive(Debug)]
struct LinkedInstance {
    plugin: Plugin,
    bound: Bound,
}

impl Instance for LinkedInstance {
    fn lane(&self) -> Lane {
        Lane::Bound(self.bound.clone())
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        let bound = check(&self.plugin, load)
            .and_then(|()| load.bind(self.plugin.entry.exports(), None, abi::Lane::Direct));
        Box::pin(std::future::ready(bound.map(Lane::Bound)))
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        Box::pin(std::future::pending())
    }

    fn unload(self: Box<Self>, _: std::time::Duration) -> BoxFuture<'static, Unloaded> {
        drop(self);
        Box::pin(std::future::ready(Unloaded::Dropped))
    }
}
