//! Interfaces that are known only at run time.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use jackfield_abi::{CallOptions, Mode};

use crate::codec::has_field;
use crate::error::{CallError, Error};
use crate::schema::{Descriptor, Field, Kind, Method, MethodDescriptor, Schema, Shape, Untyped, typed};
use crate::slot::{Generation, Lane, Slot};
use crate::{BoxFuture, Description, Messages, Parcel, Part, Service};

/// What callers hold of a plugin whose interface is known only at run time, such as a command, a script or a gateway.
///
/// Requests and responses are protobuf messages, encoded as the [interface](Self::interface) describes them; a library
/// such as `prost-reflect` makes them of the descriptor's [files](Descriptor::files). Otherwise it is as a
/// [`Handle`](crate::Handle): it survives a swap, and a new plugin is refused that cannot serve the interface.
///
/// What is an object is not carried: it is the number that it is on a wire.
///
/// Cloning is cheap, and clones share the slot.
#[derive(Clone)]
pub struct DynamicHandle {
    slot: Arc<Slot>,
    interface: &'static Descriptor,
    options: Option<Arc<CallOptions>>,
}

impl DynamicHandle {
    /// A handle to a slot that was made for this interface, which is one that is known only at run time.
    #[doc(hidden)]
    pub fn new(slot: Arc<Slot>, interface: Description) -> Option<Self> {
        Some(Self { slot, interface: interface.descriptor()?, options: None })
    }

    /// The interface.
    pub fn interface(&self) -> &'static Descriptor {
        self.interface
    }

    /// The same plugin, called under these options. In this process a deadline is noticed when the call is polled.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { options: Some(Arc::new(options)), ..self.clone() }
    }

    /// Calls a method that takes one message and answers with one.
    ///
    /// A blocking method of a plugin in this process runs on the thread that polls.
    ///
    /// # Errors
    ///
    /// What the plugin said, or that no answer came: [`CallError::Unimplemented`] if it has no such method.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the call up, which the plugin hears.
    pub async fn call(&self, method: &str, request: Bytes) -> Result<Bytes, Error> {
        let mut responses = self.call_streaming(method, request.into()).await?;
        Ok(responses.next().await?.unwrap_or_default())
    }

    /// Calls any method: one without a stream of requests takes the first of them, and one without a stream of responses
    /// answers with one. Of a request with a stream among other fields, the others are in the first message.
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As for [`call`](Self::call).
    pub fn call_streaming(
        &self,
        method: &str,
        requests: Messages,
    ) -> BoxFuture<'static, Result<Messages, Error>> {
        let this = self.clone();
        let index = self.interface.methods.iter().position(|found| found.name == method);
        let unknown = || CallError::Unimplemented { method: format!("/{}/{method}", self.interface.service) };
        let index = index.ok_or_else(unknown);
        Box::pin(async move { this.call_at(index?, requests).await })
    }

    /// The current generation, once it is known, and when a call of it began if its time is taken.
    async fn enter(&self) -> (Arc<Generation>, Option<Instant>) {
        loop {
            let gate = {
                let entered = self.slot.enter();
                let Lane::Held(gate) = entered.lane() else {
                    let began = entered.lane().tally().and_then(|tally| entered.begin(tally));
                    return (entered.share(), began);
                };
                gate.clone()
            };
            gate.opened().await;
        }
    }

    async fn call_at(&self, index: usize, requests: Messages) -> Result<Messages, Error> {
        let schema = self.slot.schema();
        let (method, options) = (&schema.methods[index], self.options.as_deref());
        // It is held until the call has ended, so that draining waits for it.
        let (generation, began) = self.enter().await;
        let response = match generation.lane() {
            Lane::Bound(bound) => {
                let service = Service::of_bound(schema, bound);
                let request = in_parts(requests, &self.interface.methods[index], self.interface).await?;
                let answer = match service.mode(index) {
                    Some(Mode::Async) => service.call(index, request, options.cloned()).await,
                    Some(Mode::Blocking) => service.call_blocking(index, request, options),
                    None => Err(CallError::Unimplemented { method: method.path.to_owned() }.into()),
                };
                if let Some(tally) = bound.tally() {
                    tally.end(began);
                }
                answer?
            }
            Lane::Channel(channel) => {
                let request = match method.request_stream() {
                    Some(field) => whole(field.number, requests),
                    None => Parcel::from(first_of(requests).await?),
                };
                channel.call(method, request, options).await?
            }
            Lane::Closed(error) => return Err(error.clone().into()),
            Lane::Held(_) => unreachable!("it was waited for"),
        };
        let Parcel { bytes, parts } = response.holding(&generation);
        let stream = parts.into_iter().find_map(|(_, part)| match part {
            Part::Stream(messages) => Some(messages),
            Part::Object(_) => None,
        });
        Ok(stream.unwrap_or_else(|| bytes.into()))
    }
}

impl fmt::Debug for DynamicHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicHandle").field("slot", &self.slot).finish()
    }
}

/// A request for code in this process: what is no stream stands in the first message, which may begin the stream too.
pub(crate) async fn in_parts(
    mut requests: Messages,
    method: &MethodDescriptor,
    interface: &Descriptor,
) -> Result<Parcel, Error> {
    let fields = interface.message(&method.request).map_or(&[][..], |message| &message.fields);
    let marked = fields.iter().find(|field| field.is_stream).or(fields.last());
    match marked.filter(|_| method.streams.requests) {
        None => Ok(Parcel::from(first_of(requests).await?)),
        Some(stream) if fields.len() == 1 => Ok(whole(stream.number, requests)),
        Some(stream) => {
            let first = requests.next().await?.unwrap_or_default();
            let begins = has_field(&first, stream.number);
            let messages = if begins { requests.behind(first.clone()) } else { requests };
            Ok(Parcel { bytes: first, parts: whole(stream.number, messages).parts })
        }
    }
}

async fn first_of(mut requests: Messages) -> Result<Bytes, Error> {
    Ok(requests.next().await?.unwrap_or_default())
}

/// A request that is a stream of messages.
fn whole(number: u32, messages: Messages) -> Parcel {
    Parcel { parts: vec![(number, Part::Stream(messages))], ..Parcel::default() }
}

/// An interface that is known only at run time, as long as the program runs.
#[derive(Debug)]
pub(crate) struct DynamicInterface {
    pub(crate) descriptor: Descriptor,
    pub(crate) schema: &'static Schema,
    /// The methods of the schema once more, with the types of their fields, once somebody wants them.
    typed: OnceLock<Vec<Result<Method, Untyped>>>,
}

impl DynamicInterface {
    /// What is kept of a description: the same for an equal one.
    pub(crate) fn keep(interface: &Descriptor) -> &'static Self {
        static KEPT: Mutex<Vec<&'static DynamicInterface>> = Mutex::new(Vec::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.iter().find(|kept| kept.descriptor == *interface) {
            return kept;
        }
        let (descriptor, schema) = (interface.clone(), leak(schema(interface)));
        let new = leak(Self { descriptor, schema, typed: OnceLock::new() });
        kept.push(new);
        new
    }

    /// A method of the schema with the types of its fields.
    pub(crate) fn typed(&'static self, method: &'static Method) -> Result<&'static Method, Untyped> {
        let Some(index) = self.schema.methods.iter().position(|found| found.path == method.path) else {
            return Ok(method);
        };
        let typed = self.typed.get_or_init(|| typed(&self.descriptor, self.schema));
        typed[index].as_ref().map_err(Untyped::clone)
    }
}

fn schema(interface: &Descriptor) -> Schema {
    let service = text(&interface.service);
    let methods: Vec<_> = interface.methods.iter().map(|described| method(service, described)).collect();
    Schema { service, version: text(&interface.version), methods: Vec::leak(methods) }
}

/// A method whose messages are carried whole, so that of their fields nothing has to be known.
fn method(service: &str, described: &MethodDescriptor) -> Method {
    const STREAM: &[Field] = &[Field::stream("messages", 1, Shape::Singular(Kind::Bytes))];
    let fields = |is_stream| if is_stream { STREAM } else { &[] };
    Method {
        name: text(&described.name),
        path: text(&format!("/{service}/{}", described.name)),
        mode: Mode::Async,
        arguments: fields(described.streams.requests),
        result: fields(described.streams.responses),
        is_optional: described.is_optional,
    }
}

fn text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
