//! Opens two versions of a plugin side by side: the highest answers, an older one can still be called, and takes over
//! when the newer one is taken away.
//!
//! `versions <version 1> <version 2>`

#![expect(clippy::print_stdout, reason = "the example prints")]

use anyhow::Context as _;
use jackfield::native::NativeBackend;
use jackfield::symbols::Plugin;

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let mut paths = std::env::args_os().skip(1);
    let mut path = || paths.next().context("usage: versions <version 1> <version 2>");
    let (first, second) = (path()?, path()?);
    // SAFETY: whoever starts this program names libraries to be trusted.
    let native = unsafe { NativeBackend::new() };

    native.open(first)?;
    println!("one is open: {}", hello(&native.named("testplugin")?)?);
    native.open(second)?;
    println!("two are open: {}", hello(&native.named("testplugin")?)?);
    println!("by version: {}", hello(&native.version("testplugin", "1")?)?);
    native.choose("testplugin", Some("1"));
    println!("1 is chosen: {}", hello(&native.named("testplugin")?)?);
    native.choose("testplugin", None);
    native.version("testplugin", "2")?.unload()?;
    println!("2 is taken away: {}", hello(&native.named("testplugin")?)?);
    Ok(())
}

fn hello(plugin: &Plugin) -> anyhow::Result<String> {
    Ok(plugin.lookup("Hello")?.downcast::<fn() -> String>()?.call()?)
}
