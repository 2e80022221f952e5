//! Two types of one name in one interface.

use jackfield_core::{Error, Interface, interface};

mod first {
    #[derive(jackfield_core::Value)]
    pub struct Item {
        pub a: u64,
    }
}

mod second {
    #[derive(jackfield_core::Value)]
    pub struct Item {
        pub b: u64,
    }
}

#[interface(service = "test.Names", version = "1.0")]
trait Names {
    fn both(&self, first: first::Item, second: second::Item) -> Result<(), Error>;
}

const LEN: usize = jackfield_core::__private::Source {
    name: "names",
    version: "1.0.0",
    symbol: "names",
    id: None,
    panic: "unwind",
    interfaces: &[<dyn Names as Interface>::SCHEMA],
}
.len();

fn main() {
    assert!(LEN > 0);
}
