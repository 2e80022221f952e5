//! Plugins that hand over what they hold to the generation that replaces them.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use jackfield_abi::{self as abi, Bound, CallAsync, Conclude, Context, Export, Offered, Reply, SAVE, SAVED};

use crate::error::{Error, Failure};
use crate::generated::Exposes;
use crate::schema::{Method, Schema};
use crate::slot::Lane;
use crate::{BoxFuture, Description, Mode, Parcel, Service};

/// A plugin that hands over what it holds when it is replaced. It is exported as `Store::open as dyn Kv + Save`.
///
/// A reload then lets new calls wait, waits for those that run, saves, and constructs the new plugin, which finds what was
/// saved by [`Context::saved`]; at last the calls go on there. So nothing that a call has changed is lost. If any of it
/// fails, the calls go on at the old plugin, which is as it was.
///
/// That is so of plugins of every kind: linked in, shared libraries, and child processes on every wire. Calls of objects
/// that the plugin has returned, and threads of its own, are not waited for. A child process that is too busy to say whether
/// it saves is not replaced until it has time.
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
    /// Whether what is behind it, an object of this interface, saves. Where that is not known, it is asked.
    ///
    /// # Errors
    ///
    /// It does not say.
    pub async fn saves(&self, interface: Description) -> Result<bool, Error> {
        match self {
            Self::Bound(bound) => Ok(saves(bound)),
            Self::Channel(channel) if !interface.is_any() => channel.saves(interface.schema().service).await,
            Self::Channel(_) | Self::Closed(_) | Self::Held(_) => Ok(false),
        }
    }

    /// Lets what is behind it, an object of this interface, save. What it returns is no part of it: it may go.
    ///
    /// # Errors
    ///
    /// It could not, or it does not save.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the plugin's.
    pub async fn save(&self, interface: Description) -> Result<Bytes, Error> {
        match self {
            Self::Bound(bound) => save(bound).await,
            Self::Channel(channel) => channel.save(interface.schema().service).await,
            Self::Closed(_) | Self::Held(_) => Err(does_not_save(interface.schema().service)),
        }
    }
}

impl Service {
    /// Whether its object [saves](Save).
    pub fn saves(&self) -> bool {
        saves(self.bound())
    }

    /// Lets its object save. What it returns is no part of it: it may go.
    ///
    /// # Errors
    ///
    /// It could not, or it does not save.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the plugin's.
    pub async fn save(&self) -> Result<Bytes, Error> {
        save(self.bound()).await
    }
}

fn saves(bound: &Bound) -> bool {
    !abi::saver(bound.object().clone()).lacks(0)
}

async fn save(bound: &Bound) -> Result<Bytes, Error> {
    let service = Service::of_bound(&SCHEMA, &abi::saver(bound.object().clone()));
    let saved = match service.mode(0) {
        Some(Mode::Blocking) => service.call_blocking(0, Parcel::default(), None)?,
        Some(Mode::Async) => service.call(0, Parcel::default(), None).await?,
        None => return Err(does_not_save(SAVE)),
    };
    Ok(Bytes::copy_from_slice(&saved.bytes))
}

pub(crate) fn does_not_save(interface: &str) -> Error {
    Failure::new(format!("`{interface}` does not save")).into()
}

/// A context with what the objects of the plugin before this one saved, each under its interface: for backends that construct
/// a plugin behind a wire, all of it at once. [`Context::saved`] is for one that is constructed here.
#[must_use]
pub fn with_all_saved(context: Context, saved: Vec<(String, Bytes)>) -> Context {
    context.attach(SAVED, Arc::new(AllSaved(saved)))
}

/// What [`with_all_saved`] put into a context; nothing otherwise.
///
/// ```
/// use jackfield_core::{Bytes, Context, all_saved, with_all_saved};
///
/// let saved = vec![("example.Counter".to_owned(), Bytes::from_static(b"7"))];
/// let context = with_all_saved(Context::new("counter", []), saved.clone());
/// assert_eq!(all_saved(&context), saved);
/// ```
pub fn all_saved(context: &Context) -> &[(String, Bytes)] {
    let mut attachments = context.attachments().filter(|(name, _)| *name == SAVED);
    let saved = attachments.find_map(|(_, attachment)| attachment.downcast_ref());
    saved.map_or(&[], |AllSaved(saved)| saved)
}

struct AllSaved(Vec<(String, Bytes)>);

const METHOD: Method = Method {
    name: SAVE,
    path: "/jackfield.Save",
    mode: Mode::Async,
    arguments: &[],
    result: &[],
    is_optional: true,
};
static SCHEMA: Schema = Schema { service: SAVE, version: "", methods: &[METHOD] };
