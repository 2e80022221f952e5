//! Everything that an interface may say, under another path of the crate and without any `unsafe`.

#![forbid(unsafe_code)]

mod renamed {
    pub use ::jackfield_core as core;
}

use std::collections::{BTreeMap, HashMap};

use renamed::core::{ByteStream, Bytes, Error, Fault, Handle, Streaming, Value, interface};

#[derive(Clone, Debug, PartialEq, Value)]
#[value(crate = renamed::core, name = "Thing")]
pub struct Item {
    pub r#type: u8,
    #[value(name = "size", number = 7)]
    pub length: Option<u64>,
    pub inner: Vec<Self>,
    pub kind: Kind,
    pub unit: Unit,
    pub pair: Pair,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Value)]
#[value(crate = renamed::core)]
pub enum Kind {
    #[value(number = 5)]
    Small,
    Large,
}

#[derive(Clone, Debug, PartialEq, Value)]
#[value(crate = renamed::core)]
pub struct Unit;

#[derive(Clone, Debug, PartialEq, Value)]
#[value(crate = renamed::core)]
pub struct Pair(pub i64, pub Bytes);

#[derive(Clone, Debug, PartialEq, Value, Fault)]
#[value(crate = renamed::core)]
#[fault(crate = renamed::core, code = INTERNAL)]
pub struct Broken {
    pub reason: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Broken {}

#[interface(service = "Everything", version = "2.17", crate = renamed::core)]
pub trait Everything {
    fn nothing(&self) -> Result<(), Error>;
    fn values(&self, item: Item, map: HashMap<String, Item>) -> Result<BTreeMap<u32, (Kind, Item)>, Error<Broken>>;
    fn references(&self, text: &str, bytes: &[u8], items: &[Item], item: &Item) -> Result<String, Error>;
    async fn references_async(&self, text: &str, bytes: &[u8], items: &[Item], item: &Item) -> Result<String, Error>;
    async fn streams(&self, key: &str, numbers: Streaming<Item>) -> Result<ByteStream, Error>;
    async fn objects(&self, other: Handle<dyn Everything>) -> Result<Handle<dyn Everything>, Error>;
    #[method(name = "OTHER")]
    fn renamed(&self, #[field(name = "k", number = 3)] key: u64) -> Result<u64, Error> {
        self.nothing()?;
        Ok(key)
    }
    async fn default_async(&self, text: &str, key: u64) -> Result<String, Error<Broken>> {
        if key == 0 {
            return Err(Broken { reason: text.to_owned() }.into());
        }
        self.references_async(text, &[], &[], &Item::absent().ok_or_else(|| Broken { reason: String::new() })?)
            .await
            .map_err(|error| Broken { reason: error.to_string() }.into())
    }
}

fn main() {}
