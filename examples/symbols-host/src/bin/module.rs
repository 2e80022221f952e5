//! Greets in the language that is asked for, by the plugin that can.
//!
//! `module <directory> <language>`; the directory holds `Eng.so` and `Chi.so`.

#![expect(clippy::print_stdout, reason = "the example prints")]

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jackfield::native::NativeBackend;

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().context("usage: module <directory> <language>");
    let (directory, language) = (PathBuf::from(argument()?), argument()?);
    let module = match language.as_str() {
        "chinese" => "Chi.so",
        "english" => "Eng.so",
        other => bail!("expected the language `chinese` or `english`, found `{other}`"),
    };
    // SAFETY: whoever starts this program names a directory to be trusted.
    let native = unsafe { NativeBackend::new() };
    let plugin = native.open(directory.join(module))?;
    println!("{}", plugin.lookup("Greet")?.downcast::<fn() -> String>()?.call()?);
    Ok(())
}
