//! A host: greets through a plugin, whatever that is.
//!
//! Without an argument it takes the plugin that is linked into it; otherwise the shared library or the program of
//! that name.

use std::env::{args, consts::DLL_SUFFIX};
use std::error::Error;

use __crate___interface::Greeter;
use jackfield::native::NativeBackend;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{Handle, Manager};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::new();
    let greeter: Handle<dyn Greeter> = match args().nth(1) {
        None => manager.load("greeter", &__crate___plugin::PLUGIN).await?,
        Some(file) if file.ends_with(DLL_SUFFIX) => {
            // SAFETY: whoever names the library vouches for its code, which runs in this process.
            let native = unsafe { NativeBackend::new() };
            manager.load("greeter", &native.library(file)).await?
        }
        Some(file) => {
            let program = ProcessPlugin::new(file).backend(&ProcessBackend::start()?);
            manager.load("greeter", &program).await?
        }
    };
    println!("{}", greeter.greet("world")?);
    println!("{}", manager.unload("greeter").await?);
    Ok(())
}
