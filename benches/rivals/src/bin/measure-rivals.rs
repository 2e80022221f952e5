//! Calls the library beside it in both ways, and prints how long a call takes.

use std::time::Duration;

use abi_stable::library::lib_header_from_path;
use rivals::sabi::{Adder_TO, AdderModule_Ref};
use rivals::stab::AdderDyn as _;
use stabby::libloading::StabbyLibrary as _;

#[path = "../../../src/clock.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod clock;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, seconds] = arguments.as_slice() else { return Err("usage: LIBRARY SECONDS".into()) };
    let duration = Duration::from_secs_f64(seconds.parse()?);

    let module = lib_header_from_path(library.as_ref())?.init_root_module::<AdderModule_Ref>()?;
    let abi_stable: Adder_TO<'_, _> = module.open()();

    // SAFETY: the library is of this package.
    let loaded = unsafe { libloading::Library::new(library) }?;
    type Open = extern "C" fn() -> stabby::dynptr!(stabby::boxed::Box<dyn rivals::stab::Adder>);
    // SAFETY: it exports a function of this type, which stabby checks.
    let open = unsafe { loaded.get_stabbied::<Open>(b"stabby_adder") }?;
    let stabby = open();

    let (abi_stable_ns, stabby_ns) = clock::alternate(
        duration,
        |calls| count(calls, |sum| abi_stable.add(sum, 1)),
        |calls| count(calls, |sum| stabby.add(sum, 1)),
    );
    println!("{}", serde_json::json!({"abi_stable_ns": abi_stable_ns, "stabby_ns": stabby_ns}));
    Ok(())
}

/// Each call needs the sum of the one before.
#[inline(always)]
fn count(calls: u64, add: impl Fn(i64) -> i64) {
    let sum = (0..calls).fold(0, |sum, _| add(sum));
    assert_eq!(sum as u64, calls, "it adds wrongly");
}
