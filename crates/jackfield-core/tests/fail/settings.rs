//! What cannot be said of an interface, its methods, its arguments and its types.

use jackfield_core::{Value, interface};

#[interface(version = "1.0")]
trait Nameless {}

#[interface(service = "test.Ageless")]
trait Ageless {}

#[interface(service = "test.Coloured", version = "1.0", colour = "red")]
trait Coloured {}

#[interface(service = "test..Generic", version = "1")]
trait Generic<T> {}

#[interface(service = "test.Methods", version = "1.0")]
trait Methods {
    #[method(number = 1)]
    fn numbered(&self) -> Result<(), Error>;
    #[method(colour = "red")]
    fn coloured(&self, #[field(colour = "red")] a: u64) -> Result<(), Error>;
    fn many(
        &self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8,
    ) -> Result<(), Error>;
}

#[interface(service = "test.Wire", version = "1.0")]
trait Wire {
    fn get_a(&self) -> Result<(), Error>;
    #[method(name = "GetA")]
    fn other(&self, #[field(number = 2)] a: u64, b: u64, #[field(number = 0)] c: u64) -> Result<(), Error>;
}

#[derive(Value)]
enum Computed {
    A = 1 + 1,
}

fn main() {}
