//! What a plugin is given when it is constructed.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use crate::buffer::{Keep, View};
use crate::cross::Output as _;
use crate::object::{Object, Passed, RawObject};
use crate::save::SAVED;

/// What a plugin is given when it is constructed: its name, its configuration, and what its host offers.
///
/// ```
/// use jackfield_abi::Context;
///
/// let context = Context::new("kv-file", [("directory".to_owned(), "/var/lib/kv".to_owned())]);
/// assert_eq!(context.config("directory"), Some("/var/lib/kv"));
/// assert_eq!(context.config("colour"), None);
/// ```
#[derive(Clone, Default)]
pub struct Context {
    plugin: String,
    config: Vec<(String, String)>,
    offers: Vec<(String, Offer)>,
    attachments: Vec<(String, Attachment)>,
}

/// What is attached to an object of the host's; it does not cross into a library.
type Attachment = Arc<dyn Any + Send + Sync>;

/// An object of the host's that a plugin may use.
#[derive(Clone)]
enum Offer {
    /// At the host: each plugin is given one of its own.
    Made(Arc<dyn Fn() -> Passed + Send + Sync>),
    /// In the plugin.
    Received(Arc<Object>),
}

impl Context {
    /// A context for the plugin of this name.
    pub fn new(plugin: impl Into<String>, config: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { plugin: plugin.into(), config: config.into_iter().collect(), ..Self::default() }
    }

    /// Offers an object under a name.
    #[doc(hidden)]
    #[must_use]
    pub fn with_object(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> Passed + Send + Sync + 'static,
    ) -> Self {
        let name = name.into();
        self.offers.retain(|(other, _)| *other != name);
        self.offers.push((name, Offer::Made(Arc::new(make))));
        self
    }

    /// The object that the host offers under a name.
    #[doc(hidden)]
    pub fn object(&self, name: &str) -> Option<Arc<Object>> {
        match self.offers.iter().find(|(other, _)| other == name)? {
            (_, Offer::Made(make)) => make().into_object(),
            (_, Offer::Received(object)) => Some(object.clone()),
        }
    }

    /// Attaches something to the object under a name.
    #[doc(hidden)]
    #[must_use]
    pub fn attach(mut self, name: impl Into<String>, attachment: Arc<dyn Any + Send + Sync>) -> Self {
        self.attachments.push((name.into(), attachment));
        self
    }

    /// Takes back what is offered and attached under this name.
    pub(crate) fn forget(&mut self, name: &str) {
        self.offers.retain(|(other, _)| other != name);
        self.attachments.retain(|(other, _)| other != name);
    }

    /// What was attached, in that order.
    #[doc(hidden)]
    pub fn attachments(&self) -> impl Iterator<Item = (&str, &Arc<dyn Any + Send + Sync>)> {
        self.attachments.iter().map(|(name, attachment)| (name.as_str(), attachment))
    }

    /// The names of the objects that the host offers, in its order.
    pub fn offered(&self) -> impl Iterator<Item = &str> {
        let is_here = |name: &str| self.offers.iter().any(|(other, _)| other == name);
        let elsewhere = self.attachments.iter().map(|(name, _)| name.as_str());
        let here = self.offers.iter().map(|(name, _)| name.as_str());
        here.chain(elsewhere.filter(move |name| !is_here(name))).filter(|name| *name != SAVED)
    }

    /// The name under which the host loads the plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The value that the host configured for `key`.
    pub fn config(&self, key: &str) -> Option<&str> {
        self.config.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All keys and values, in the host's order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.config.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Lends the context, for one call, to code that `peer` keeps mapped.
    pub(crate) fn lend<V>(&self, peer: &Keep, call: impl FnOnce(&RawContext) -> V) -> V {
        let pairs: Vec<[View; 2]> = self
            .config
            .iter()
            .map(|(key, value)| [View::new(key.as_bytes()), View::new(value.as_bytes())])
            .collect();
        let objects: Vec<RawOffer> = self
            .offers
            .iter()
            .filter_map(|(name, offer)| match offer {
                Offer::Made(make) => {
                    Some(RawOffer { name: View::new(name.as_bytes()), object: make().give(peer) })
                }
                Offer::Received(_) => None,
            })
            .collect();
        let raw = RawContext {
            size: size_of::<RawContext>(),
            plugin: View::new(self.plugin.as_bytes()),
            config: pairs.as_ptr(),
            count: pairs.len(),
            objects: objects.as_ptr(),
            object_count: objects.len(),
        };
        let _lent = Lent::begin(&self.attachments);
        call(&raw)
    }
}

thread_local! {
    /// What is attached to the context that is being lent. Code in a library has a place of its own, which stays empty.
    ///
    /// It has no destructor, which would keep a library mapped.
    static LENT: Cell<*const Vec<(String, Attachment)>> = const { Cell::new(ptr::null()) };
}

/// What is attached to a context, for as long as that is lent on this thread.
struct Lent(*const Vec<(String, Attachment)>);

impl Lent {
    fn begin(attachments: &Vec<(String, Attachment)>) -> Self {
        Self(LENT.replace(ptr::from_ref(attachments)))
    }

    fn copy() -> Vec<(String, Attachment)> {
        // SAFETY: `begin` put a reference there, which outlives the guard that takes it away again.
        unsafe { LENT.get().as_ref() }.cloned().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.set(self.0);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("plugin", &self.plugin)
            .field("config", &self.config)
            .field("offered", &self.offered().collect::<Vec<_>>())
            .finish()
    }
}

/// A [`Context`] in C layout, lent for one call. `size` lets a later version append fields.
#[repr(C)]
pub struct RawContext {
    pub(crate) size: usize,
    pub(crate) plugin: View,
    pub(crate) config: *const [View; 2],
    pub(crate) count: usize,
    /// Objects, each of which the callee owns.
    pub(crate) objects: *const RawOffer,
    pub(crate) object_count: usize,
}

/// An object of the host's under a name.
#[repr(C)]
pub(crate) struct RawOffer {
    pub(crate) name: View,
    pub(crate) object: RawObject,
}

impl RawContext {
    /// # Safety
    /// The context is lent for the call that is running, and is received once.
    pub(crate) unsafe fn receive(&self) -> Context {
        // SAFETY: `lend` made both fields from one vector that is alive during the call.
        let pairs = unsafe { std::slice::from_raw_parts(self.config, self.count) };
        // SAFETY: as above.
        let objects = unsafe { std::slice::from_raw_parts(self.objects, self.object_count) };
        // SAFETY: the views are of strings that are alive during the call.
        let text = |view: View| String::from_utf8_lossy(unsafe { view.as_slice() }).into_owned();
        let offers = objects.iter().filter_map(|offer| {
            // SAFETY: each is handed over, and the context is received once. Its host outlives this library.
            let object = unsafe { Passed::take(offer.object, &None) }.into_object()?;
            Some((text(offer.name), Offer::Received(object)))
        });
        Context {
            plugin: text(self.plugin),
            config: pairs.iter().map(|[key, value]| (text(*key), text(*value))).collect(),
            offers: offers.collect(),
            attachments: Lent::copy(),
        }
    }
}

impl fmt::Debug for RawContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawContext")
            .field("size", &self.size)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
