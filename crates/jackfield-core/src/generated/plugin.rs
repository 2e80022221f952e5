//! The plugin's side: an implementation as a table of functions.

use std::marker::PhantomData;

use jackfield_abi::{
    self as abi, AsyncShim, BlockingShim, Call, CallAsync, Conclude, Context, Export, Offered, Refusal,
    RefusalKind, Reply,
};

use super::answer::Answer;
use super::arguments::Arguments;
use super::method::{Crossed, Given, Held, Lend, MethodOf, Own, fields, method, result, types};
use crate::codec::DecodeError;
use crate::error::{Error, Failure, Fault};
use crate::parcel::Parcel;
use crate::schema::Field;
use crate::{BoxFuture, Interface};

/// A blocking method of the plugin type `T`.
pub trait Blocking<T>: MethodOf {
    /// Calls it.
    ///
    /// # Errors
    /// The plugin's own.
    fn call(this: &T, arguments: Given<'_, Self>) -> Result<Self::Output, Error<Self::Fault>>;
}

/// An asynchronous method of the plugin type `T`.
pub trait Asynchronous<T>: MethodOf {
    /// Starts it.
    fn call<'a>(
        this: &'a T,
        held: Held<'static, Self>,
    ) -> BoxFuture<'a, Result<Self::Output, Error<Self::Fault>>>;
}

/// An interface whose methods a plugin type `T` offers.
pub trait Exposes<T: 'static>: Interface {
    /// The methods, in the order of the trait.
    const METHODS: &'static [Offered<T>];
}

/// The entry of a blocking method.
pub const fn blocking<T: 'static, M: Blocking<T>>() -> Offered<T>
where
    Lend<M>: BlockingShim<T, Direct<M>>,
{
    Offered::blocking::<Direct<M>, Encoded<M>>(method::<M>().name, fields::<M>(), types::<M>())
}

/// The entry of an asynchronous method.
pub const fn asynchronous<T: Sync + 'static, M: Asynchronous<T>>() -> Offered<T>
where
    Own<M>: AsyncShim<T, Direct<M>>,
{
    Offered::asynchronous::<Direct<M>, Encoded<M>>(method::<M>().name, fields::<M>(), types::<M>())
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
    type Arguments = Lend<M>;
    type Output = Crossed<M>;
    type Error = Refusal;

    #[inline(always)]
    fn call(this: &T, values: <Lend<M> as abi::Arguments>::Values<'_>) -> Reply<Crossed<M>> {
        let mut held = M::Arguments::hold(values).map_err(malformed)?;
        Ok(M::call(this, M::Arguments::give(&mut held))?.into_cross())
    }
}

impl<M: MethodOf> Conclude for Direct<M> {
    type Pending = Result<M::Output, Error<M::Fault>>;
    type Output = Crossed<M>;

    #[inline(always)]
    fn conclude(pending: Self::Pending) -> Reply<Crossed<M>> {
        Ok(pending?.into_cross())
    }
}

impl<T, M: Asynchronous<T>> CallAsync<T> for Direct<M> {
    type Arguments = Own<M>;

    #[inline(always)]
    fn call<'a>(
        this: &'a T,
        values: <Own<M> as abi::Arguments>::Values<'static>,
    ) -> Reply<BoxFuture<'a, Self::Pending>> {
        Ok(M::call(this, M::Arguments::own(values).map_err(malformed)?))
    }
}

/// A method with encoded messages.
#[derive(Debug)]
pub struct Encoded<M>(PhantomData<M>);

impl<T, M: Blocking<T>> Call<T> for Encoded<M> {
    type Arguments = (abi::Parcel,);
    type Output = abi::Parcel;
    type Error = Refusal;

    fn call(this: &T, (request,): (abi::Parcel,)) -> Reply<abi::Parcel> {
        let mut held = decode::<M>(request)?;
        encode::<M>(M::call(this, M::Arguments::give(&mut held)))
    }
}

impl<M: MethodOf> Conclude for Encoded<M> {
    type Pending = Result<M::Output, Error<M::Fault>>;
    type Output = abi::Parcel;

    fn conclude(pending: Self::Pending) -> Reply<abi::Parcel> {
        encode::<M>(pending)
    }
}

impl<T, M: Asynchronous<T>> CallAsync<T> for Encoded<M> {
    type Arguments = (abi::Parcel,);

    fn call<'a>(this: &'a T, (request,): (abi::Parcel,)) -> Reply<BoxFuture<'a, Self::Pending>> {
        Ok(M::call(this, decode::<M>(request)?))
    }
}

fn decode<M: MethodOf>(request: abi::Parcel) -> Reply<Held<'static, M>> {
    M::Arguments::decode(Parcel::from_crossing(request), method::<M>().arguments).map_err(malformed)
}

fn encode<M: MethodOf>(outcome: Result<M::Output, Error<M::Fault>>) -> Reply<abi::Parcel> {
    let response = outcome?.encode(method::<M>());
    // A library whose methods answer with values alone links nothing of how streams and objects cross.
    Ok(if const { has_part(result::<M>()) } { response.into_crossing() } else { response.bytes.into() })
}

const fn has_part(fields: &[Field]) -> bool {
    let mut rest = fields;
    while let [field, others @ ..] = rest {
        if field.is_part() {
            return true;
        }
        rest = others;
    }
    false
}

#[cold]
fn malformed(error: DecodeError) -> Refusal {
    Refusal::new(RefusalKind::Malformed, error.to_string())
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
