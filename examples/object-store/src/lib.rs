//! What a backup tool shares with those who store its backups: an object store with several providers.
//!
//! A provider's constructor is what other such interfaces call `Init`: it is given the configuration at each start, so that
//! no store is there without one, and one that is started again has the same.

#![forbid(unsafe_code)]

mod keys;
mod name;
mod provider;

pub use keys::common_prefixes;
pub use name::{NameError, ProviderName};
pub use provider::{check_config, no_object};

use jackfield_core::{ByteStream, Error, Value, interface};

/// Stores objects under keys, in buckets. All times are in seconds.
#[interface(service = "example.ObjectStore", version = "1.0")]
pub trait ObjectStore {
    /// Stores an object, or replaces the one under its key, once all of it has come.
    async fn put_object(&self, bucket: &str, key: &str, body: ByteStream) -> Result<(), Error>;

    /// Whether there is an object under this key.
    async fn object_exists(&self, bucket: &str, key: &str) -> Result<bool, Error>;

    /// The object under this key.
    async fn get_object(&self, bucket: &str, key: &str) -> Result<ByteStream, Error>;

    /// The beginnings of all keys that begin with `prefix`, each up to the first `delimiter` after it, in order.
    async fn list_common_prefixes(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
    ) -> Result<Vec<String>, Error>;

    /// All keys that begin with `prefix`, in order.
    async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error>;

    /// Deletes the object under this key.
    async fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Error>;

    /// Where somebody else may read the object, for that many seconds.
    async fn create_signed_url(&self, bucket: &str, key: &str, ttl: u64) -> Result<String, Error>;
}

/// Says what a plugin provides: its file has no say in that.
#[interface(service = "example.PluginLister", version = "1.0")]
pub trait PluginLister {
    /// Everything that it provides.
    async fn list_plugins(&self) -> Result<Vec<Provided>, Error>;
}

/// One thing that a plugin provides.
#[derive(Clone, Debug, PartialEq, Eq, Value)]
#[expect(clippy::exhaustive_structs, reason = "each plugin says all of it")]
pub struct Provided {
    /// What it is, such as [`KIND`].
    pub kind: String,
    /// What it is called, as a [`ProviderName`].
    pub name: String,
}

/// What an [`ObjectStore`] is.
pub const KIND: &str = "ObjectStore";
