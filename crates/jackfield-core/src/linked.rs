//! Plugins that are linked into the host.

use jackfield_abi::{self as abi, Bound};

use crate::schema::Descriptor;
use crate::{
    BoxFuture, CallError, Candidate, Instance, Lane, Load, LoadError, LoadErrorKind, Plugin, Step, Unloaded,
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
fn begin(plugin: &Plugin, load: &Load) -> Result<Option<Bound>, LoadErrorKind> {
    load.interface.check(&describe(plugin)?)?;
    plugin.init(&load.context).map_err(LoadErrorKind::Init)?;
    if load.interface.is_any() {
        return Ok(None);
    }
    load.bind(plugin.entry.exports(), None, abi::Lane::Direct).map(Some)
}

fn describe(plugin: &Plugin) -> Result<Vec<Descriptor>, LoadErrorKind> {
    let described = plugin.interfaces.iter().map(|schema| {
        let descriptor = Descriptor::parse(&schema.to_file_descriptor());
        let descriptor = descriptor.map_err(|error| LoadErrorKind::backend("static", Step::Check, error))?;
        Ok(Descriptor { version: schema.version.to_owned(), ..descriptor })
    });
    described.collect()
}

#[derive(Debug)]
struct LinkedInstance {
    plugin: Plugin,
    /// `None` if it was loaded for no interface.
    bound: Option<Bound>,
}

impl Instance for LinkedInstance {
    fn lane(&self) -> Lane {
        self.bound.clone().map_or_else(Lane::of_none, Lane::Bound)
    }

    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        Box::pin(std::future::ready(describe(&self.plugin)))
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        let checked = describe(&self.plugin).and_then(|served| load.interface.check(&served));
        let bound = checked.and_then(|()| load.bind(self.plugin.entry.exports(), None, abi::Lane::Direct));
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
