//! A plugin that registers a function with its host when it is loaded.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the example prints")]

use jackfield_plugin::{Error, Failure, Func, Init, export};

fn hello() {
    println!("hello from a function that was registered");
}

fn init(init: &mut Init<'_>) -> Result<(), Error> {
    init.register("func", Func::<fn()>::new(hello)).map_err(|error| Failure::new(error.to_string()))?;
    Ok(())
}

export!(init = init);
