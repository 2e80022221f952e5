//! What the text of the macros calls: a method as a type, on the plugin's side and on the host's.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use jackfield_abi::{
    self as abi, Arguments, AsyncShim, BlockingShim, Bound, Call, CallAsync, Context, Cross, Export,
    MethodSpec, Offered, Refusal, RefusalKind, Reply, Running, Started,
};

use crate::codec::Fields;
use crate::error::{CallError, Error, Failure, Fault};
use crate::schema::{Field, Method};
use crate::slot::{Generation, Lane};
use crate::{BoxFuture, Handle, Interface, Value};

/// A method of an interface, as a type that has no values.
pub trait MethodOf: 'static {
    /// The interface.
    type Interface: Interface + ?Sized;
    /// The arguments after `&self`.
    type Arguments: Arguments + Fields + Send;
    /// The result.
    type Output: Answer;
    /// The plugin's own error.
    type Fault: Fault;
    /// The place of the method in the schema.
    const INDEX: usize;
}

/// A blocking method of the plugin type `T`.
pub trait Blocking<T>: MethodOf {
    /// Calls it.
    ///
    /// # Errors
    /// The plugin's own.
    fn call(this: &T, arguments: Self::Arguments) -> Result<Self::Output, Error<Self::Fault>>;
}

/// An asynchronous method of the plugin type `T`.
pub trait Asynchronous<T>: MethodOf {
    /// Starts it.
    fn call(this: &T, arguments: Self::Arguments) -> BoxFuture<'_, Result<Self::Output, Error<Self::Fault>>>;
}

/// An interface whose methods a plugin type `T` offers.
pub trait Exposes<T: 'static>: Interface {
    /// The methods, in the order of the trait.
    const METHODS: &'static [Offered<T>];
}

/// A result that can be a response.
pub trait Answer: Cross + Send {
    /// The fields of the response.
    const FIELDS: &'static [Field];

    /// Encodes the response.
    fn encode(&self, method: &Method) -> Bytes;

    /// Decodes the response.
    ///
    /// # Errors
    /// The bytes are no such response.
    fn decode(response: &Bytes, method: &Method) -> Result<Self, CallError>;
}

impl Answer for () {
    const FIELDS: &'static [Field] = &[];

    fn encode(&self, _: &Method) -> Bytes {
        Bytes::new()
    }

    fn decode(response: &Bytes, _: &Method) -> Result<Self, CallError> {
        Ok(Fields::decode(response, &[])?)
    }
}

impl<V: Value + Cross> Answer for V {
    const FIELDS: &'static [Field] = &[Field { name: "value", number: 1, kind: V::KIND }];

    fn encode(&self, method: &Method) -> Bytes {
        let mut buffer = Vec::new();
        Value::encode(self, method.result[0].number, &mut buffer);
        buffer.into()
    }

    fn decode(response: &Bytes, method: &Method) -> Result<Self, CallError> {
        let (value,) = Fields::decode(response, method.result)?;
        Ok(value)
    }
}

/// The fields of a method's response.
pub const fn result<M: MethodOf>() -> &'static [Field] {
    M::Output::FIELDS
}

/// What a host expects of a method.
pub const fn spec<M: MethodOf>() -> MethodSpec {
    let method = method::<M>();
    MethodSpec::new::<M::Arguments, M::Output>(method.name, method.mode, fields::<M>())
}

/// What stands for the numbers of a method's arguments.
const fn fields<M: MethodOf>() -> u64 {
    let arguments = method::<M>().arguments;
    let mut fingerprint = abi::NO_FIELDS;
    let mut index = 0;
    while index < arguments.len() {
        fingerprint = abi::fingerprint(fingerprint, arguments[index].number);
        index += 1;
    }
    fingerprint
}

const fn method<M: MethodOf>() -> &'static Method {
    &<M::Interface as Interface>::SCHEMA.methods[M::INDEX]
}

// The plugin's side.

/// The entry of a blocking method.
pub const fn blocking<T: 'static, M: Blocking<T>>() -> Offered<T>
where
    M::Arguments: BlockingShim<T, Direct<M>>,
{
    Offered::blocking::<Direct<M>, Encoded<M>>(method::<M>().name, fields::<M>())
}

/// The entry of an asynchronous method.
pub const fn asynchronous<T: Sync + 'static, M: Asynchronous<T>>() -> Offered<T>
where
    M::Arguments: AsyncShim<T, Direct<M>>,
{
    Offered::asynchronous::<Direct<M>, Encoded<M>>(method::<M>().name, fields::<M>())
}

/// The export of an interface by a constructor, which must be a function or a closure without captures.
pub const fn export<I, T, F>(create: F) -> Export
where
    I: Exposes<T> + ?Sized,
    T: Send + Sync + 'static,
    F: Fn(&Context) -> Result<T, Error> + Copy + Send + Sync + 'static,
{
    export_at::<I, T, F, abi::runtime::Inline>(create)
}

/// The export of an interface by a constructor, whose objects live at a runtime of the kind `L`.
pub const fn export_at<I, T, F, L>(create: F) -> Export
where
    I: Exposes<T> + ?Sized,
    T: Send + Sync + 'static,
    F: Fn(&Context) -> Result<T, Error> + Copy + Send + Sync + 'static,
    L: abi::runtime::Launch,
{
    Export::new::<T, Error, F, L>(I::SCHEMA.service, I::METHODS, create)
}

/// A method with its own types.
#[derive(Debug)]
pub struct Direct<M>(PhantomData<M>);

impl<T, M: Blocking<T>> Call<T> for Direct<M> {
    type Arguments = M::Arguments;
    type Output = M::Output;
    type Error = Error<M::Fault>;

    fn call(this: &T, arguments: M::Arguments) -> Result<M::Output, Error<M::Fault>> {
        M::call(this, arguments)
    }
}

impl<T, M: Asynchronous<T>> CallAsync<T> for Direct<M> {
    type Arguments = M::Arguments;
    type Output = M::Output;
    type Error = Error<M::Fault>;

    fn call(this: &T, arguments: M::Arguments) -> BoxFuture<'_, Result<M::Output, Error<M::Fault>>> {
        M::call(this, arguments)
    }
}

/// A method with encoded messages.
#[derive(Debug)]
pub struct Encoded<M>(PhantomData<M>);

impl<T, M: Blocking<T>> Call<T> for Encoded<M> {
    type Arguments = (Bytes,);
    type Output = Bytes;
    type Error = Refusal;

    fn call(this: &T, (request,): (Bytes,)) -> Reply<Bytes> {
        let arguments = decode_request::<M>(&request)?;
        Ok(M::call(this, arguments)?.encode(method::<M>()))
    }
}

impl<T: Sync, M: Asynchronous<T>> CallAsync<T> for Encoded<M> {
    type Arguments = (Bytes,);
    type Output = Bytes;
    type Error = Refusal;

    fn call(this: &T, (request,): (Bytes,)) -> BoxFuture<'_, Reply<Bytes>> {
        Box::pin(async move {
            let arguments = decode_request::<M>(&request)?;
            Ok(M::call(this, arguments).await?.encode(method::<M>()))
        })
    }
}

fn decode_request<M: MethodOf>(request: &Bytes) -> Reply<M::Arguments> {
    M::Arguments::decode(request, method::<M>().arguments)
        .map_err(|error| Refusal::new(RefusalKind::Malformed, error.to_string()))
}

impl<E: Fault> From<Error<E>> for Refusal {
    fn from(error: Error<E>) -> Self {
        let failure = match error {
            Error::Plugin(fault) => fault.into_failure(),
            // The plugin called somebody else and passes on that no answer came.
            Error::Call(error) => Failure::with_code(crate::Code::UNAVAILABLE, error.to_string()),
        };
        Self::new(RefusalKind::Fault, failure.encode())
    }
}

// The host's side.

/// Calls a blocking method.
///
/// # Errors
/// The plugin's own, or that no answer came.
#[inline(always)]
pub fn call<M: MethodOf>(
    handle: &Handle<M::Interface>,
    arguments: M::Arguments,
) -> Result<M::Output, Error<M::Fault>> {
    if let Some(generation) = handle.slot().try_enter() {
        if let Lane::Bound(bound) = generation.lane() {
            if let Some(direct) = bound.blocking::<M::Arguments, M::Output>(M::INDEX) {
                return direct.call(arguments, refused::<M>);
            }
        }
    }
    call_slowly::<M>(handle, arguments)
}

/// All other ways, kept out of line so that the first is short: a call inside a call, a thread's first call, an
/// encoded one.
#[inline(never)]
fn call_slowly<M: MethodOf>(handle: &Handle<M::Interface>, arguments: M::Arguments) -> Outcome<M> {
    let generation = handle.slot().enter();
    if let Lane::Bound(bound) = generation.lane() {
        if let Some(direct) = bound.blocking::<M::Arguments, M::Output>(M::INDEX) {
            return direct.call(arguments, refused::<M>);
        }
    }
    let request = || arguments.encode(method::<M>().arguments);
    match generation.lane() {
        Lane::Bound(bound) => decode_reply::<M>(bound.call_encoded(M::INDEX, request())),
        Lane::Channel(channel) => decode_response::<M>(channel.call_blocking(method::<M>(), request())),
        Lane::Closed(error) => Err(error.clone().into()),
    }
}

/// Calls an asynchronous method. Nothing happens before the first poll.
pub fn start<M: MethodOf>(
    handle: &Handle<M::Interface>,
    arguments: M::Arguments,
) -> BoxFuture<'_, Result<M::Output, Error<M::Fault>>> {
    let mut state = State::<M>::Ready(arguments);
    Box::pin(poll_fn(move |context| state.poll(handle, context)))
}

/// How far an asynchronous call has come. A generation is shared from the moment when the call did not answer at
/// once, so that draining it waits for the call.
enum State<M: MethodOf> {
    Done,
    Ready(M::Arguments),
    RunningChannel(
        BoxFuture<'static, Result<Bytes, Error>>,
        #[expect(dead_code, reason = "held")] Arc<Generation>,
    ),
    RunningDirect(Running<M::Output>, #[expect(dead_code, reason = "held")] Arc<Generation>),
    RunningEncoded(Running<Bytes>, #[expect(dead_code, reason = "held")] Arc<Generation>),
}

type Outcome<M> = Result<<M as MethodOf>::Output, Error<<M as MethodOf>::Fault>>;

impl<M: MethodOf> State<M> {
    fn poll(&mut self, handle: &Handle<M::Interface>, context: &mut TaskContext<'_>) -> Poll<Outcome<M>> {
        let outcome = match self {
            Self::Ready(_) => match std::mem::replace(self, Self::Done) {
                Self::Ready(arguments) => return self.begin(handle, arguments, context),
                _ => unreachable!("it was matched one line above"),
            },
            Self::RunningChannel(running, _) => running.as_mut().poll(context).map(decode_response::<M>),
            Self::RunningDirect(running, _) => {
                running.poll(context).map(|reply| reply.map_err(|refusal| refused::<M>(&refusal)))
            }
            Self::RunningEncoded(running, _) => running.poll(context).map(decode_reply::<M>),
            Self::Done => panic!("a call was polled after it had answered"),
        };
        if outcome.is_ready() {
            *self = Self::Done;
        }
        outcome
    }

    fn begin(
        &mut self,
        handle: &Handle<M::Interface>,
        arguments: M::Arguments,
        context: &mut TaskContext<'_>,
    ) -> Poll<Outcome<M>> {
        let generation = handle.slot().enter();
        match generation.lane() {
            Lane::Bound(bound) => {
                match bound.start::<M::Arguments, M::Output>(M::INDEX, arguments, context) {
                    Ok(Started::Ready(Ok(output))) => Poll::Ready(Ok(output)),
                    Ok(Started::Ready(Err(refusal))) => Poll::Ready(Err(refused::<M>(&refusal))),
                    Ok(Started::Pending(running)) => {
                        *self = Self::RunningDirect(running, generation.share());
                        Poll::Pending
                    }
                    Err(arguments) => self.begin_encoded(&generation.share(), bound, &arguments, context),
                }
            }
            Lane::Channel(channel) => {
                let mut running = channel.call(method::<M>(), arguments.encode(method::<M>().arguments));
                let share = generation.share();
                drop(generation);
                let polled = running.as_mut().poll(context);
                if polled.is_pending() {
                    *self = Self::RunningChannel(running, share);
                }
                polled.map(decode_response::<M>)
            }
            Lane::Closed(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    fn begin_encoded(
        &mut self,
        generation: &Arc<Generation>,
        bound: &Bound,
        arguments: &M::Arguments,
        context: &mut TaskContext<'_>,
    ) -> Poll<Outcome<M>> {
        let request = arguments.encode(method::<M>().arguments);
        match bound.start_encoded(M::INDEX, request, context) {
            Ok(Started::Ready(reply)) => Poll::Ready(decode_reply::<M>(reply)),
            Ok(Started::Pending(running)) => {
                *self = Self::RunningEncoded(running, generation.clone());
                Poll::Pending
            }
            Err(refusal) => Poll::Ready(Err(refused::<M>(&refusal))),
        }
    }
}

// Nothing in it is pinned: each future is boxed already.
impl<M: MethodOf> Unpin for State<M> {}

fn decode_reply<M: MethodOf>(reply: Reply<Bytes>) -> Outcome<M> {
    match reply {
        Ok(response) => Ok(M::Output::decode(&response, method::<M>())?),
        Err(refusal) => Err(refused::<M>(&refusal)),
    }
}

fn decode_response<M: MethodOf>(response: Result<Bytes, Error>) -> Outcome<M> {
    match response {
        Ok(response) => Ok(M::Output::decode(&response, method::<M>())?),
        Err(Error::Call(error)) => Err(Error::Call(error)),
        Err(Error::Plugin(failure)) => Err(fault(failure)),
    }
}

fn refused<M: MethodOf>(refusal: &Refusal) -> Error<M::Fault> {
    match refusal_error(refusal, method::<M>().path) {
        Error::Call(error) => Error::Call(error),
        Error::Plugin(failure) => fault(failure),
    }
}

/// What a refusal of a library means.
pub(crate) fn refusal_error(refusal: &Refusal, method: &str) -> Error {
    let text = refusal.text();
    match refusal.kind {
        RefusalKind::Fault => match Failure::decode(&refusal.bytes) {
            Ok(failure) => Error::Plugin(failure),
            Err(error) => Error::Call(error.into()),
        },
        RefusalKind::Malformed => {
            CallError::Malformed { reason: format!("the request of `{method}`: {text}") }.into()
        }
        RefusalKind::Panic => CallError::Panicked { message: text }.into(),
        RefusalKind::Unknown => CallError::Wire { reason: text }.into(),
    }
}

/// What the refusal of a constructor means.
pub fn constructor_error(refusal: &Refusal) -> Error {
    refusal_error(refusal, "the constructor")
}

fn fault<E: Fault>(failure: Failure) -> Error<E> {
    match E::from_failure(failure) {
        Ok(fault) => Error::Plugin(fault),
        Err(failure) => Error::Call(CallError::Malformed {
            reason: format!("the plugin's error is of another type: {failure}"),
        }),
    }
}
