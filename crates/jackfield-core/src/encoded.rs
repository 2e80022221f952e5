//! Calls code in this process as code elsewhere is called.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use jackfield_abi::{Bound, CallOptions, Mode};

use crate::dynamic::in_parts;
use crate::error::{CallError, Error};
use crate::schema::{Descriptor, Method};
use crate::slot::Lane;
use crate::{BoxFuture, Channel, Description, Parcel, Part, Service};

impl Lane {
    /// The same, where the code is in this process: a channel to it, so that somebody can stand between it and those who call
    /// it. Everything crosses encoded then. `interface` is the one for which it was bound.
    #[must_use]
    pub fn encoded(self, interface: Description) -> Self {
        match self {
            Self::Bound(bound) => Self::Channel(Arc::new(BoundChannel::new(&bound, interface))),
            lane => lane,
        }
    }
}

/// A channel to an object in this process.
#[derive(Debug)]
struct BoundChannel {
    service: Service,
    /// What it serves, where that is known only at run time: the fields of its requests are known from here alone.
    descriptor: Option<&'static Descriptor>,
}

impl BoundChannel {
    fn new(bound: &Bound, interface: Description) -> Self {
        let service = Service::of_bound(interface.schema(), bound);
        Self { service, descriptor: interface.descriptor() }
    }

    /// The method's place, and whether it blocks; nothing if the object lacks it.
    fn find(&self, method: &Method) -> Option<(usize, Mode)> {
        let mut methods = self.service.schema().methods.iter();
        let index = methods.position(|own| own.path == method.path)?;
        Some((index, self.service.mode(index)?))
    }
}

impl Channel for BoundChannel {
    /// A blocking method runs on the thread that polls.
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let Some((index, mode)) = self.find(method) else { return Box::pin(ready(Err(lacking(method)))) };
        let (service, descriptor, options) = (self.service.clone(), self.descriptor, options.cloned());
        Box::pin(async move {
            let request = match descriptor {
                Some(descriptor) => with_fields(request, index, descriptor).await?,
                None => request,
            };
            match mode {
                Mode::Async => service.call(index, request, options).await,
                Mode::Blocking => service.call_blocking(index, request, options.as_ref()),
            }
        })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let (index, _) = self.find(method).ok_or_else(|| lacking(method))?;
        self.service.call_blocking(index, request, options)
    }

    fn saves(&self, _: &'static str) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin(ready(Ok(self.service.saves())))
    }

    fn save(&self, _: &'static str) -> BoxFuture<'static, Result<Bytes, Error>> {
        let service = self.service.clone();
        Box::pin(async move { service.save().await })
    }

    fn lacks(&self, method: &'static Method) -> bool {
        self.find(method).is_none()
    }
}

/// A request whose stream was sent as it is to code elsewhere: as messages with all the fields of the request.
async fn with_fields(
    mut request: Parcel,
    index: usize,
    descriptor: &'static Descriptor,
) -> Result<Parcel, Error> {
    match request.parts.pop() {
        Some((_, Part::Stream(messages))) => in_parts(messages, &descriptor.methods[index], descriptor).await,
        last => {
            request.parts.extend(last);
            Ok(request)
        }
    }
}

fn lacking(method: &Method) -> Error {
    CallError::Unimplemented { method: method.path.to_owned() }.into()
}
