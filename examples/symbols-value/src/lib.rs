//! Variables, functions, a struct and a channel that a host uses by name.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "the example prints")]

use jackfield_plugin::{Channel, Error, Init, Portable, Var, export, symbol};

/// Data of both sides. The host declares it as well; there is no crate between the two.
#[derive(Clone, Debug, Portable)]
pub struct PluginData {
    title: String,
    number: i64,
    phone: String,
}

/// A number.
#[symbol(name = "Value")]
pub static VALUE: Var<i64> = Var::new(0);

/// A struct.
#[symbol(name = "Pd")]
pub static PD: Var<PluginData> =
    Var::lazy(|| PluginData { title: String::new(), number: 0, phone: String::new() });

/// A channel without a buffer: whoever sends waits for the receiver.
#[symbol(name = "DataChan")]
pub static DATA_CHAN: Var<Channel<PluginData>> = Var::lazy(|| Channel::new(0));

/// Prints the number.
#[symbol(name = "Plugin_fun")]
pub fn plugin_fun() {
    println!("Value in plugin: {}", VALUE.get());
}

/// Prints four times the struct's number, and sends the struct.
#[symbol(name = "ComplexType")]
pub fn complex_type() {
    let data = PD.get();
    eprintln!("{}", data.number * 4);
    // Nobody may be there to receive it.
    let _ = DATA_CHAN.get().send(data);
}

fn init(_: &mut Init<'_>) -> Result<(), Error> {
    println!("plugin load...");
    Ok(())
}

export!(VALUE, PD, DATA_CHAN, plugin_fun, complex_type, init = init);
