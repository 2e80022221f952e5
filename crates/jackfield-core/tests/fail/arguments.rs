//! Arguments that cannot cross, each with what to write instead.

use jackfield_core::{Error, Streaming, interface};

#[interface(service = "test.Arguments", version = "1.0")]
trait Arguments {
    fn usize(&self, size: usize) -> Result<(), Error>;
    fn nested_list(&self, lists: Vec<Vec<i64>>) -> Result<(), Error>;
    fn nested_option(&self, option: Option<Option<i64>>) -> Result<(), Error>;
    fn map_key(&self, map: std::collections::BTreeMap<Vec<u8>, i64>) -> Result<(), Error>;
    fn other_result(&self) -> Result<std::time::Duration, Error>;
    async fn stream_of_anything(&self, stream: Streaming<std::rc::Rc<i64>>) -> Result<(), Error>;
    fn fault(&self) -> Result<(), Error<std::num::ParseIntError>>;
}

fn main() {}
