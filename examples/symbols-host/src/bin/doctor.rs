//! Asserts a variable of a plugin to an interface that this program declares.
//!
//! `doctor <library>`

#![expect(clippy::print_stdout, reason = "the example prints")]

#[path = "../../../symbols-doctor/src/clock.rs"]
mod clock;

use anyhow::Context as _;
use jackfield::native::NativeBackend;
use jackfield::symbols::{Object, Var};
use jackfield_core::{Error, interface};

use crate::clock::log;

/// What this program needs of a doctor.
#[interface(service = "example.GoodDoctor", version = "1.0")]
trait GoodDoctor {
    fn health_check(&self) -> Result<(), Error>;
}

#[expect(unsafe_code, reason = "a host writes it once")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: doctor <library>")?;
    log("main int function called");
    // SAFETY: whoever starts this program names a library to be trusted.
    let native = unsafe { NativeBackend::new() };
    log("main function called");
    let plugin = native.open(&path)?;
    log("plugin opened");
    let doctor = plugin.lookup("Doctor")?.downcast::<Var<Object>>()?.get()?;
    log("read plugin variable Doctor");
    let Ok(doctor) = doctor.assert::<dyn GoodDoctor>() else {
        println!("unexpected type from module symbol");
        std::process::exit(1);
    };
    doctor.health_check()?;
    Ok(())
}
