//! Sets a variable of a plugin and calls a function that reads it.
//!
//! `number <library>`

use anyhow::Context as _;
use jackfield::native::NativeBackend;
use jackfield::symbols::Var;

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: number <library>")?;
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    let plugin = native.open(&path)?;
    let v = plugin.lookup("V")?.downcast::<Var<i64>>()?;
    let f = plugin.lookup("F")?.downcast::<fn()>()?;
    v.set(7)?;
    f.call()?;
    Ok(())
}
