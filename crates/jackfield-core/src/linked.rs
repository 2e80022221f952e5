//! Plugins that are linked into the host.

use jackfield_abi::{self as abi, Bound, Object};

use crate::generated::constructor_error;
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
    let service = load.interface.schema().service;
    let exports = plugin.entry.exports();
    let export = exports.iter().find(|export| export.service() == service).ok_or_else(|| {
        let found = exports.iter().map(|export| export.service().to_owned()).collect();
        LoadErrorKind::Interface { expected: service, found }
    })?;
    let object = Object::create(export, &load.context, None)
        .map_err(|refusal| LoadErrorKind::Refused(constructor_error(&refusal)))?;
    let bound = Bound::bind(object, export, load.interface.specs(), abi::Lane::Direct)
        .map_err(|error| LoadErrorKind::backend("static", error))?;
    Ok(Box::new(LinkedInstance(bound)))
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
