//! The plugin's end of a wire.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use jackfield_abi::symbols::{Host, Offered, Registered};
use jackfield_abi::{Bound, CallOptions, Context, Entry, Object, Running, Started};

use crate::error::{CallError, Error};
use crate::generated::{constructor_error, refusal_error};
use crate::schema::{Mode, Schema};
use crate::{BoxFuture, Parcel};

/// What `export!` says of a plugin: enough to link it into a host, and to serve it from a program.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Plugin {
    /// The plugin's name.
    pub name: &'static str,
    /// The plugin's version.
    pub version: &'static str,
    /// The interfaces that it implements.
    pub interfaces: &'static [&'static Schema],
    /// What a shared library would export.
    #[doc(hidden)]
    pub entry: &'static Entry,
}

impl Plugin {
    /// Runs the plugin's `init`, and constructs its objects, one for each interface.
    ///
    /// # Errors
    ///
    /// The `init` or a constructor refused or panicked.
    pub fn open(&self, context: &Context) -> Result<Vec<Service>, Error> {
        self.open_from(context, |_| Ok(None))
    }

    /// Like [`open`](Self::open), where the plugin goes on from what another one [saved](crate::Save), each object from
    /// what is found for its interface.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), or what was saved is not to be had.
    pub fn open_from(
        &self,
        context: &Context,
        find_saved: impl Fn(&str) -> Result<Option<Bytes>, Error>,
    ) -> Result<Vec<Service>, Error> {
        self.init(context)?;
        let exports = self.entry.exports().iter().zip(self.interfaces);
        let services = exports.map(|(export, schema)| match find_saved(schema.service)? {
            Some(saved) => Service::open(schema, export, &context.clone().with_saved(saved)),
            None => Service::open(schema, export, context),
        });
        services.collect()
    }

    /// Runs the plugin's `init`, and constructs the object of one of its interfaces.
    ///
    /// # Errors
    ///
    /// The `init` or the constructor refused or panicked, or the plugin has no such interface.
    pub fn open_interface(&self, schema: &Schema, context: &Context) -> Result<Service, Error> {
        self.init(context)?;
        let mut exports = self.entry.exports().iter().zip(self.interfaces);
        match exports.find(|(_, own)| own.service == schema.service) {
            Some((export, own)) => Service::open(own, export, context),
            None => Err(CallError::Unimplemented { method: schema.service.to_owned() }.into()),
        }
    }

    /// Runs the plugin's `init`, where no host is at hand whom it could ask.
    pub(crate) fn init(&self, context: &Context) -> Result<(), Error> {
        self.entry.init(context, &Alone, &None).map_err(|refusal| constructor_error(&refusal))
    }
}

/// Answers an `init` in a program: there are no functions by name.
struct Alone;

impl Host for Alone {
    fn find(&self, name: &str, _: &str) -> Result<Offered, String> {
        Err(format!(
            "there is no function `{name}` of a host here\n(hint: only a shared library can ask for one)"
        ))
    }

    fn register(&self, name: &str, _: Registered) -> Result<(), String> {
        Err(format!(
            "nobody can call `{name}` by name here\n(hint: only a shared library can register a function)"
        ))
    }
}

/// The plugin's end of a wire: answers encoded requests from an object of the plugin's.
#[derive(Clone, Debug)]
pub struct Service {
    schema: &'static Schema,
    bound: Arc<Bound>,
}

impl Service {
    fn open(
        schema: &'static Schema,
        export: &jackfield_abi::Export,
        context: &Context,
    ) -> Result<Self, Error> {
        let object = Object::create(export, context, None).map_err(|refusal| constructor_error(&refusal))?;
        Ok(Self::new(schema, object))
    }

    pub(crate) fn new(schema: &'static Schema, object: Arc<Object>) -> Self {
        Self { schema, bound: Arc::new(Bound::encoded(object)) }
    }

    /// Answers from what is bound in the order of the schema.
    pub(crate) fn of_bound(schema: &'static Schema, bound: &Bound) -> Self {
        Self { schema, bound: Arc::new(bound.clone()) }
    }

    /// Whether a method blocks; `None` if the plugin lacks it.
    pub(crate) fn mode(&self, index: usize) -> Option<Mode> {
        self.bound.mode(index)
    }

    pub(crate) fn bound(&self) -> &Bound {
        &self.bound
    }

    pub(crate) fn into_object(self) -> Arc<Object> {
        self.bound.object().clone()
    }

    /// The interface that it answers.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Answers a request for the method at this place of the schema, which must be an asynchronous one, under the
    /// options that came with it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the plugin's.
    pub fn call(
        &self,
        index: usize,
        request: Parcel,
        options: Option<CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let service = self.clone();
        let mut request = Some(self.adopt(index, request));
        let mut running: Option<Running<jackfield_abi::Parcel>> = None;
        Box::pin(poll_fn(move |context| {
            if let Some(request) = request.take() {
                let request = request.into_crossing();
                let start = || service.bound.start_encoded(index, request, context);
                match service.bound.scope(options.as_ref(), start) {
                    Ok(Started::Ready(reply)) => return Poll::Ready(service.answer(index, reply)),
                    Ok(Started::Pending(pending)) => running = Some(pending),
                    Err(refusal) => return Poll::Ready(service.answer(index, Err(refusal))),
                }
                return Poll::Pending;
            }
            match &mut running {
                Some(pending) => {
                    pending.poll_with(options.as_ref(), context).map(|reply| service.answer(index, reply))
                }
                None => Poll::Pending,
            }
        }))
    }

    /// Answers a request for the method at this place of the schema, which must be a blocking one, under the options
    /// that came with it.
    ///
    /// # Errors
    ///
    /// What the plugin said, or how it failed.
    pub fn call_blocking(
        &self,
        index: usize,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let request = self.adopt(index, request).into_crossing();
        self.answer(index, self.bound.scope(options, || self.bound.call_encoded(index, request)))
    }

    fn adopt(&self, index: usize, request: Parcel) -> Parcel {
        match self.schema.methods.get(index) {
            Some(method) if !request.parts.is_empty() => request.adopt(method.arguments),
            _ => request,
        }
    }

    fn answer(
        &self,
        index: usize,
        reply: jackfield_abi::Reply<jackfield_abi::Parcel>,
    ) -> Result<Parcel, Error> {
        reply.map(Parcel::from_crossing).map_err(|refusal| {
            if let Some(tally) = self.bound.tally() {
                tally.refuse(refusal.kind);
            }
            match self.schema.methods.get(index) {
                Some(method) => refusal_error(&refusal, method.path),
                None => {
                    let method = format!("{}, number {index}", self.schema.service);
                    CallError::Unimplemented { method }.into()
                }
            }
        })
    }
}
