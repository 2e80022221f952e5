//! Sets variables of a plugin, runs a function of it on a thread, and receives from its channel.
//!
//! `value <library>`

#![expect(clippy::print_stdout, reason = "the example prints")]

use std::time::Duration;

use anyhow::{Context as _, bail};
use jackfield::native::NativeBackend;
use jackfield::symbols::{Channel, Portable, Select, Var};

/// Data of both sides. The plugin declares it as well; there is no crate between the two.
#[derive(Clone, Debug, Portable)]
#[portable(crate = jackfield)]
struct PluginData {
    title: String,
    number: i64,
    phone: String,
}

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: value <library>")?;
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    let plugin = native.open(&path)?;

    plugin.lookup("Value")?.downcast::<Var<i64>>()?.set(7)?;
    plugin.lookup("Plugin_fun")?.downcast::<fn()>()?.call()?;

    let pd = plugin.lookup("Pd")?.downcast::<Var<PluginData>>()?;
    pd.set(PluginData { title: "PluginTest".into(), number: 11, phone: "15396656998".into() })?;
    let complex_type = plugin.lookup("ComplexType")?.downcast::<fn()>()?;
    let channel = plugin.lookup("DataChan")?.downcast::<Var<Channel<PluginData>>>()?.get()?;
    let running = std::thread::spawn(move || complex_type.call());
    let received = Select::new().recv(&channel, |data| data).wait_timeout(Duration::from_secs(10));
    let Some(data) = received else { bail!("the plugin sent nothing") };
    let PluginData { title, number, phone } = data?;
    println!("{title} {number} {phone}");
    match running.join() {
        Ok(outcome) => outcome.context("the function failed"),
        Err(_) => bail!("the thread panicked"),
    }
}
