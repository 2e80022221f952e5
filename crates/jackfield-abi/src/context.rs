//! What a plugin is given when it is constructed.

use std::fmt;

use crate::buffer::View;

/// What a plugin is given when it is constructed: its name and its configuration.
///
/// ```
/// use jackfield_abi::Context;
///
/// let context = Context::new("kv-file", [("directory".to_owned(), "/var/lib/kv".to_owned())]);
/// assert_eq!(context.config("directory"), Some("/var/lib/kv"));
/// assert_eq!(context.config("colour"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    plugin: String,
    config: Vec<(String, String)>,
}

impl Context {
    /// A context for the plugin of this name.
    pub fn new(plugin: impl Into<String>, config: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { plugin: plugin.into(), config: config.into_iter().collect() }
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

    /// Lends the context to a library for one call.
    pub(crate) fn lend<V>(&self, call: impl FnOnce(&RawContext) -> V) -> V {
        let pairs: Vec<[View; 2]> = self
            .config
            .iter()
            .map(|(key, value)| [View::new(key.as_bytes()), View::new(value.as_bytes())])
            .collect();
        call(&RawContext {
            size: size_of::<RawContext>(),
            plugin: View::new(self.plugin.as_bytes()),
            config: pairs.as_ptr(),
            count: pairs.len(),
        })
    }
}

/// A [`Context`] in C layout, lent for one call. `size` lets a later version append fields.
#[repr(C)]
pub struct RawContext {
    pub(crate) size: usize,
    pub(crate) plugin: View,
    pub(crate) config: *const [View; 2],
    pub(crate) count: usize,
}

impl RawContext {
    /// # Safety
    /// The context is lent for the call that is running.
    pub(crate) unsafe fn receive(&self) -> Context {
        // SAFETY: `lend` made both fields from one vector that is alive during the call.
        let pairs = unsafe { std::slice::from_raw_parts(self.config, self.count) };
        // SAFETY: the views are of strings that are alive during the call.
        let text = |view: View| String::from_utf8_lossy(unsafe { view.as_slice() }).into_owned();
        Context::new(text(self.plugin), pairs.iter().map(|[key, value]| (text(*key), text(*value))))
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
