//! Calls a function that a plugin registered when it was loaded, without looking it up in the plugin.
//!
//! `register <library>`

use anyhow::Context as _;
use jackfield::native::NativeBackend;

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: register <library>")?;
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    native.open(&path)?;
    native.registered("func")?.downcast::<fn()>()?.call()?;
    Ok(())
}
