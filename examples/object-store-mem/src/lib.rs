//! `example.io/mem`: objects that last as long as the plugin.
//!
//! The same source is a shared library and a program.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::stream;
use jackfield_plugin::{ByteStream, Bytes, Context, Error, export, plugin};
use object_store::{KIND, ObjectStore, PluginLister, Provided, check_config, common_prefixes, no_object};

/// Objects in memory.
#[derive(Debug)]
pub struct MemoryStore {
    /// What its addresses begin with.
    label: String,
    objects: Mutex<BTreeMap<(String, String), Bytes>>,
}

impl MemoryStore {
    /// An empty store with the `label` that is configured, or none.
    ///
    /// # Errors
    ///
    /// Something else is configured.
    pub fn init(context: &Context) -> Result<Self, Error> {
        check_config(context, &["label"])?;
        let label = context.config("label").unwrap_or_default().to_owned();
        Ok(Self { label, objects: Mutex::default() })
    }

    /// All keys of a bucket, in order.
    fn keys(&self, bucket: &str) -> Vec<String> {
        let objects = self.objects();
        objects.keys().filter(|(other, _)| other == bucket).map(|(_, key)| key.clone()).collect()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<(String, String), Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[plugin]
impl ObjectStore for MemoryStore {
    async fn put_object(&self, bucket: &str, key: &str, body: ByteStream) -> Result<(), Error> {
        let object = body.collect().await?.into();
        self.objects().insert(place(bucket, key), object);
        Ok(())
    }

    async fn object_exists(&self, bucket: &str, key: &str) -> Result<bool, Error> {
        Ok(self.objects().contains_key(&place(bucket, key)))
    }

    async fn get_object(&self, bucket: &str, key: &str) -> Result<ByteStream, Error> {
        let object = self.objects().get(&place(bucket, key)).cloned();
        let object = object.ok_or_else(|| no_object(bucket, key))?;
        Ok(ByteStream::new(stream::iter([Ok(object)])))
    }

    async fn list_common_prefixes(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
    ) -> Result<Vec<String>, Error> {
        let keys = self.keys(bucket);
        Ok(common_prefixes(keys.iter().map(String::as_str), prefix, delimiter))
    }

    async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
        Ok(self.keys(bucket).into_iter().filter(|key| key.starts_with(prefix)).collect())
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let removed = self.objects().remove(&place(bucket, key));
        Ok(removed.map(drop).ok_or_else(|| no_object(bucket, key))?)
    }

    /// Nobody else can read this memory: the address says only what was asked for.
    async fn create_signed_url(&self, bucket: &str, key: &str, ttl: u64) -> Result<String, Error> {
        Ok(format!("mem://{}/{bucket}/{key}?ttl={ttl}", self.label))
    }
}

fn place(bucket: &str, key: &str) -> (String, String) {
    (bucket.to_owned(), key.to_owned())
}

/// Says what this plugin provides.
struct Lister;

#[plugin]
impl PluginLister for Lister {
    async fn list_plugins(&self) -> Result<Vec<Provided>, Error> {
        Ok(vec![Provided { kind: KIND.to_owned(), name: "example.io/mem".to_owned() }])
    }
}

fn list(_: &Context) -> Result<Lister, Error> {
    Ok(Lister)
}

export!(MemoryStore::init as dyn ObjectStore, list as dyn PluginLister);
