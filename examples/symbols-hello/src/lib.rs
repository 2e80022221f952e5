//! A function and a text.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the example prints")]

use jackfield_plugin::{Var, export, symbol};

/// Says hello.
#[symbol(name = "Hello")]
pub fn hello() {
    println!("hello from plugin.go");
}

/// A text.
#[symbol(name = "Name")]
pub static NAME: Var<String> = Var::lazy(|| "name from plugin.go".to_owned());

export!(hello, NAME);
