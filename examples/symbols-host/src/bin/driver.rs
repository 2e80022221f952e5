//! Makes an object by a function of a plugin, and calls a method of it.
//!
//! `driver <library>`

#![expect(clippy::print_stdout, reason = "the example prints")]

use anyhow::Context as _;
use jackfield::native::NativeBackend;
use jackfield::symbols::Object;
use jackfield_core::{Error, interface};

/// A driver. The plugin declares it as well; there is no crate between the two.
#[interface(service = "example.Driver", version = "1.0")]
trait Driver {
    fn name(&self) -> Result<String, Error>;
}

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: driver <library>")?;
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    let new_driver = native.open(&path)?.lookup("NewDriver")?.downcast::<fn() -> Object>()?;
    let driver = new_driver.call()?.assert::<dyn Driver>()?;
    println!("{}", driver.name()?);
    Ok(())
}
