//! An object that crosses by name is what its methods are, types included.

use std::collections::BTreeMap;

use jackfield_core::symbols::Object;
use jackfield_core::{Error, Handle, Interface, Value, interface};

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Value)]
struct Entry {
    text: String,
}

/// What is handed over. All but the last method cross as a message.
#[interface(service = "example.Log", version = "1.0")]
trait Log {
    fn add(&self, entries: Vec<Entry>) -> Result<Option<u64>, Error>;
    fn labels(&self, of: (String, u32)) -> Result<BTreeMap<String, String>, Error>;
    fn count(&self) -> Result<u64, Error>;
}

struct Empty;

impl Log for Empty {
    fn add(&self, entries: Vec<Entry>) -> Result<Option<u64>, Error> {
        Ok(Some(entries.len() as u64))
    }

    fn labels(&self, (text, number): (String, u32)) -> Result<BTreeMap<String, String>, Error> {
        Ok([(text, number.to_string())].into())
    }

    fn count(&self) -> Result<u64, Error> {
        Ok(0)
    }
}

fn assert<I: Interface + ?Sized>() -> Result<Handle<I>, String> {
    Object::new::<dyn Log, _>(Empty).assert::<I>().map_err(|error| error.to_string())
}

/// What somebody else declares of it, without a common crate. A struct is known by its name: it may have grown.
mod same {
    use super::{BTreeMap, Error, Value, interface};

    #[derive(Clone, Debug, PartialEq, Value)]
    pub(super) struct Entry {
        pub(super) text: String,
        pub(super) size: Option<u64>,
    }

    #[interface(service = "example.Writer", version = "1.0")]
    pub(super) trait Writer {
        fn add(&self, entries: Vec<Entry>) -> Result<Option<u64>, Error>;
        fn labels(&self, of: (String, u32)) -> Result<BTreeMap<String, String>, Error>;
    }
}

#[test]
fn methods_of_the_same_types_are_those_of_the_object() {
    use same::Writer as _;
    let writer = assert::<dyn same::Writer>().expect("it has both");
    let entry = same::Entry { text: "a".to_owned(), size: Some(1) };
    assert_eq!(writer.add(vec![entry.clone(), entry]), Ok(Some(2)));
    assert_eq!(writer.labels(("a".to_owned(), 7)), Ok([("a".to_owned(), "7".to_owned())].into()));
}

macro_rules! other {
    ($name:ident, $($method:tt)*) => {{
        #[interface(service = "example.Other", version = "1.0")]
        trait $name {
            $($method)*
        }
        assert::<dyn $name>().map(drop)
    }};
}

#[test]
fn a_method_of_other_types_is_refused_though_it_crosses_alike() {
    let refused = |method: &str| {
        Err(format!("the object is no `example.Other`: its method `{method}` has other types"))
    };
    assert_eq!(
        other!(List, fn add(&self, entries: Vec<String>) -> Result<Option<u64>, Error>;),
        refused("Add")
    );
    assert_eq!(
        other!(Result1, fn add(&self, entries: Vec<Entry>) -> Result<Vec<u64>, Error>;),
        refused("Add")
    );
    assert_eq!(
        other!(Inner, fn add(&self, entries: Vec<Entry>) -> Result<Option<u32>, Error>;),
        refused("Add")
    );
    assert_eq!(
        other!(Pair, fn labels(&self, of: (u32, String)) -> Result<BTreeMap<String, String>, Error>;),
        refused("Labels")
    );
    assert_eq!(
        other!(Map, fn labels(&self, of: (String, u32)) -> Result<BTreeMap<u32, String>, Error>;),
        refused("Labels")
    );
    assert_eq!(other!(Direct, fn count(&self) -> Result<u32, Error>;), refused("Count"));
    assert_eq!(other!(Count, fn count(&self) -> Result<u64, Error>;), Ok(()));
}
