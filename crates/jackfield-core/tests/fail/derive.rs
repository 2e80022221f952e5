//! Types that cannot cross, each with the reason.

use jackfield_core::{Fault, Value};

#[derive(Value)]
struct Generic<T> {
    value: T,
}

#[derive(Value)]
enum Never {}

#[derive(Value)]
union Bits {
    number: u64,
    float: f64,
}

#[derive(Value)]
struct SameNumber {
    a: u64,
    #[value(number = 1)]
    b: u64,
}

#[derive(Value)]
struct NoNumber {
    #[value(number = 19000)]
    a: u64,
}

#[derive(Value)]
enum SameVariant {
    A = 1,
    B = 1,
}

#[derive(Value)]
struct Unknown {
    #[value(size = 3)]
    a: u64,
}

#[derive(Value, Fault)]
#[fault(code = LOST)]
enum Lost {
    A,
}

fn main() {}
