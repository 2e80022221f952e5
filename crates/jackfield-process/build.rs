//! Builds the guard, a program without any library, for the target of this crate.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=guard/guard.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let output = format!("{}/guard", variable("OUT_DIR"));
    let supported = ["x86_64", "aarch64"].contains(&variable("CARGO_CFG_TARGET_ARCH").as_str());
    if variable("CARGO_CFG_TARGET_OS") == "linux" && supported {
        compile(&output);
    } else {
        fs::write(&output, []).expect("cargo made the folder for output");
    }
}

fn compile(output: &str) {
    let target = variable("TARGET");
    let mut rustc = rustc();
    rustc.args(["--crate-name=jackfield_guard", "--crate-type=bin", "--edition=2024", "--target"]);
    rustc.arg(&target).args(OPTIONS);
    if target.contains("musl") {
        rustc.arg("-Clink-self-contained=no");
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg("-o").arg(output).arg(Path::new("guard").join("guard.rs"));
    let status = rustc.status().expect("cargo told where the compiler is");
    assert!(status.success(), "the guard does not compile: {status}");
}

#[expect(clippy::disallowed_methods, reason = "a build script runs the compiler")]
fn rustc() -> Command {
    Command::new(variable("RUSTC"))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets `{name}`"))
}

/// Freestanding: the start is ours and nothing is linked, so that the program starts in no time.
const OPTIONS: [&str; 11] = [
    "-Cpanic=abort",
    "-Copt-level=s",
    "-Ccodegen-units=1",
    "-Cstrip=symbols",
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,--build-id=none,-z,noexecstack,-z,norelro",
    "-Cdefault-linker-libraries=no",
];
