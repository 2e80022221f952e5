//! Calls a function of a plugin, or reads a variable.
//!
//! `hello <library> [variable | value]`; `value` asserts the variable as what it holds, which is an error.

#![expect(clippy::print_stdout, reason = "the example prints")]

use std::env;

use anyhow::{Context as _, bail};
use jackfield::native::NativeBackend;
use jackfield::symbols::Var;

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = env::args_os().nth(1).context("usage: hello <library> [variable | value]")?;
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    let plugin = native.open(&path)?;
    match env::args().nth(2).as_deref() {
        None => plugin.lookup("Hello")?.downcast::<fn()>()?.call()?,
        Some("variable") => println!("{}", plugin.lookup("Name")?.downcast::<Var<String>>()?.get()?),
        Some("value") => match plugin.lookup("Name")?.downcast::<String>()? {},
        Some(other) => bail!("expected `variable` or `value`, found `{other}`"),
    }
    Ok(())
}
