//! A variable with methods, which a host asserts to an interface of its own.

#![forbid(unsafe_code)]

mod clock;

use std::process::Command;

use jackfield_core::interface;
use jackfield_plugin::{Error, Init, Object, Var, export, symbol};

use crate::clock::{log, now};

/// What the doctor can do. The host declares what it needs on its own; there is no crate between the two.
#[interface(service = "example.Physician", version = "1.0")]
pub trait Physician {
    /// Runs a command to see whether it can.
    ///
    /// # Errors
    ///
    /// It cannot.
    fn health_check(&self) -> Result<(), Error>;

    /// What the host does not ask for.
    ///
    /// # Errors
    ///
    /// No answer came.
    fn name(&self) -> Result<String, Error>;
}

struct Shell;

impl Physician for Shell {
    #[expect(clippy::disallowed_methods, reason = "the example runs a command")]
    fn health_check(&self) -> Result<(), Error> {
        log(&format!("now is  {}", LOADED.get()));
        let output = Command::new("bash").args(["-c", "echo 'test'"]).output()?;
        log(&format!("shell has exected ->>>>> {}", String::from_utf8_lossy(&output.stdout)));
        Ok(())
    }

    fn name(&self) -> Result<String, Error> {
        Ok("shell".to_owned())
    }
}

/// The doctor.
#[symbol(name = "Doctor")]
pub static DOCTOR: Var<Object> = Var::lazy(|| Object::new::<dyn Physician, _>(Shell));

/// When the plugin was loaded.
static LOADED: Var<String> = Var::new(String::new());

fn init(_: &mut Init<'_>) -> Result<(), Error> {
    log("plugin init function called");
    let [year, month, day, hour, minute, second] = now();
    LOADED.set(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"));
    Ok(())
}

export!(DOCTOR, init = init);
