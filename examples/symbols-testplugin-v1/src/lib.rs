//! Version 1 of a plugin whose versions are open side by side.

#![forbid(unsafe_code)]

use jackfield_plugin::{Var, export, symbol};

/// What a caller gets from this version.
#[symbol(name = "Hello")]
pub fn hello() -> String {
    format!(
        "hello from version 1, called {} times",
        CALLS.update(|calls| {
            *calls += 1;
            *calls
        })
    )
}

/// How often this version was called: its own count, whatever the other one does.
#[symbol(name = "Calls")]
pub static CALLS: Var<u32> = Var::new(0);

export!(hello, CALLS, name = "testplugin", version = "1");
