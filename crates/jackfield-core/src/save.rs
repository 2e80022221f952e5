//! Plugins that hand over what they hold to the generation that replaces them.

use std::marker::PhantomData;

use bytes::Bytes;
use jackfield_abi::{self as abi, CallAsync, Conclude, Context, Export, Offered, Reply, SAVE};

use crate::error::{CallError, Error, Failure};
use crate::generated::Exposes;
use crate::schema::{Method, Schema};
use crate::slot::Lane;
use crate::{BoxFuture, Mode, Parcel, Service};

/// A plugin that hands over what it holds when it is replaced. It is exported as `Store::open as dyn Kv + Save`.
///
/// A reload then lets new calls wait, waits for those that run, saves, and constructs the new plugin, which finds what was
/// saved by [`Context::saved`]; at last the calls go on there. So nothing that a call has changed is lost. If any of it
/// fails, the calls go on at the old plugin, which is as it was.
///
/// That is so of plugins that are linked in and of shared libraries; a child process is reloaded as if it did not save. Calls
/// of objects that the plugin has returned, and threads of its own, are not waited for.
///
/// The format is the plugin's own affair, and should bear to be read by another version of it.
///
/// ```
/// use jackfield_core::{BoxFuture, Bytes, Error, Save};
///
/// struct Counter(std::sync::atomic::AtomicU64);
///
/// impl Save for Counter {
///     fn save(&self) -> BoxFuture<'_, Result<Bytes, Error>> {
///         let count = self.0.load(std::sync::atomic::Ordering::SeqCst);
///         Box::pin(async move { Ok(Bytes::from(count.to_string())) })
///     }
/// }
/// ```
pub trait Save: Send + Sync + 'static {
    /// What the next generation needs to go on from here. No call runs meanwhile, and the plugin may be called afterwards
    /// all the same: it serves on if the new one does not come to be.
    fn save(&self) -> BoxFuture<'_, Result<Bytes, Error>>;
}

/// The export of an interface by a constructor, whose objects save. `N` is the number of methods and one more.
#[doc(hidden)]
pub const fn export_saving<I, const N: usize, T, F, L>(create: F) -> Export
where
    I: Exposes<T> + ?Sized,
    T: Save,
    F: Fn(&Context) -> Result<T, Error> + Copy + Send + Sync + 'static,
    L: abi::runtime::Launch,
{
    Export::new::<T, Error, F, L>(I::SCHEMA.service, Saving::<I, T, N>::METHODS, create)
}

/// The methods of an interface and the one that saves.
struct Saving<I: ?Sized, T, const N: usize>(PhantomData<fn(&I, &T)>);

impl<I: Exposes<T> + ?Sized, T: Save, const N: usize> Saving<I, T, N> {
    const ALL: [Offered<T>; N] = {
        let mut all = [Offered::asynchronous::<Saver, Saver>(SAVE, 0, 0); N];
        let mut index = 0;
        while index < I::METHODS.len() {
            all[index] = I::METHODS[index];
            index += 1;
        }
        all
    };
    const METHODS: &'static [Offered<T>] = &Self::ALL;
}

struct Saver;

impl Conclude for Saver {
    type Pending = Result<Bytes, Error>;
    type Output = abi::Parcel;

    fn conclude(saved: Self::Pending) -> Reply<abi::Parcel> {
        Ok(saved?.into())
    }
}

impl<T: Save> CallAsync<T> for Saver {
    type Arguments = (abi::Parcel,);

    fn call<'a>(this: &'a T, (_,): (abi::Parcel,)) -> Reply<BoxFuture<'a, Self::Pending>> {
        Ok(this.save())
    }
}

impl Lane {
    /// Whether what is behind it saves.
    pub fn saves(&self) -> bool {
        match self {
            Self::Bound(bound) => !abi::saver(bound.object().clone()).lacks(0),
            Self::Channel(_) | Self::Closed(_) | Self::Held(_) => false,
        }
    }

    /// Lets what is behind it save. What it returns is no part of it: it may go.
    ///
    /// # Errors
    ///
    /// It could not, or it does not save.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the plugin's.
    pub async fn save(&self) -> Result<Bytes, Error> {
        let Self::Bound(bound) = self else {
            return Err(CallError::Unimplemented { method: METHOD.path.to_owned() }.into());
        };
        let service = Service::of_bound(&SCHEMA, &abi::saver(bound.object().clone()));
        let saved = match service.mode(0) {
            Some(Mode::Blocking) => service.call_blocking(0, Parcel::default(), None)?,
            Some(Mode::Async) => service.call(0, Parcel::default(), None).await?,
            None => return Err(Failure::new("it does not save").into()),
        };
        Ok(Bytes::copy_from_slice(&saved.bytes))
    }
}

const METHOD: Method = Method {
    name: SAVE,
    path: "/jackfield.Save",
    mode: Mode::Async,
    arguments: &[],
    result: &[],
    is_optional: true,
};
static SCHEMA: Schema = Schema { service: SAVE, version: "", methods: &[METHOD] };
