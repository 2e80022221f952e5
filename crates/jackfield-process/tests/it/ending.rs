//! The ways in which a test makes a plugin end, or never answer.

use rustix::process::{Signal, getpid, kill_process};

/// Ends this process, or goes on for ever.
///
/// # Errors
/// If there is no such way.
pub(crate) fn end_by(what: &str) -> Result<(), String> {
    match what {
        "abort" => std::process::abort(),
        "fault" => {
            // The first one only takes away what std does about a fault, and two that are under way at once are one.
            loop {
                kill_process(getpid(), Signal::SEGV).map_err(|error| error.to_string())?;
                std::thread::yield_now();
            }
        }
        "hoard" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
            }
        }
        "panic" => panic!("this is too much"),
        "spin" => loop {
            std::hint::spin_loop();
        },
        other => Err(format!("there is no end by {other}")),
    }
}
