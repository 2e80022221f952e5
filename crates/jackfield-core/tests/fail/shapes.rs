//! What a trait may not look like, all of it reported at once.

use jackfield_core::{ByteStream, Error, Streaming, interface};

trait Other {}

#[interface(service = "test.Shapes", version = "1.0")]
trait Shapes {
    const SIZE: usize;
    type Item;
    fn generic<T>(&self, value: T) -> Result<(), Error>;
    fn owned(self) -> Result<(), Error>;
    fn mutable(&mut self) -> Result<(), Error>;
    fn no_result(&self) -> u64;
    fn nothing(&self);
    fn mutable_argument(&self, text: &mut String) -> Result<(), Error>;
    fn lifetime(&self, text: &'static str) -> Result<(), Error>;
    fn inner_reference(&self, texts: Vec<&str>) -> Result<(), Error>;
    fn opaque(&self, numbers: impl Iterator<Item = u64>) -> Result<(), Error>;
    fn object(&self, other: Box<dyn Other>) -> Result<(), Error>;
    fn borrowed_object(&self, other: &dyn Other) -> Result<(), Error>;
    fn function(&self, call: fn(u64) -> u64) -> Result<(), Error>;
    fn pointer(&self, data: *const u8) -> Result<(), Error>;
    fn two_streams(&self, numbers: Streaming<u64>, bytes: ByteStream) -> Result<(), Error>;
    unsafe fn danger(&self) -> Result<(), Error>;
    fn pattern(&self, (a, b): (u64, u64)) -> Result<(), Error>;
}

fn main() {}
