//! Greets by a plugin whose file is replaced while this program runs: once for each line of its standard input.
//!
//! `hot <library>`

#![expect(clippy::print_stdout, reason = "the example prints")]

use anyhow::Context as _;
use jackfield::native::NativeBackend;

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: hot <library>")?;
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    let greet = native.open(&path)?.lookup("Greet")?.downcast::<fn() -> String>()?;
    println!("{}: {}", native.open(&path)?.id(), greet.call()?);
    for line in std::io::stdin().lines() {
        line?;
        // The same path: a file that has changed is loaded, underneath what was looked up before.
        println!("{}: {}", native.open(&path)?.id(), greet.call()?);
    }
    Ok(())
}
