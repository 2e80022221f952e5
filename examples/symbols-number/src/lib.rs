//! A variable and a function that reads it: the example of the documentation of Go's `plugin` package.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the example prints")]

use jackfield_plugin::{Var, export, symbol};

/// The number.
#[symbol]
pub static V: Var<i64> = Var::new(0);

/// Greets the number.
#[symbol(name = "F")]
pub fn greet() {
    println!("Hello, number {}", V.get());
}

export!(V, greet);
