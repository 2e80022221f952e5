//! The rooms of the house: who may import whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use jackfield_fixtures::workspace;

/// What each published crate may depend on, of this workspace and of what is kept out of some rooms.
const ALLOWED: &[(&str, &[&str])] = &[
    ("jackfield", &["jackfield-core", "jackfield-native", "jackfield-process", "tokio"]),
    ("jackfield-abi", &["libc"]),
    ("jackfield-cli", &["clap", "jackfield", "tokio"]),
    ("jackfield-codegen", &[]),
    ("jackfield-core", &["jackfield-abi", "jackfield-macros"]),
    ("jackfield-macros", &["jackfield-codegen"]),
    ("jackfield-native", &["jackfield-abi", "jackfield-core", "libc", "libloading"]),
    ("jackfield-plugin", &["jackfield-core", "jackfield-macros", "jackfield-process", "tokio"]),
    ("jackfield-process", &["jackfield-core", "tokio", "tonic", "hyper"]),
];

/// Dependencies that belong to some rooms only.
const GUARDED: &[&str] = &["clap", "hyper", "libc", "libloading", "notify", "tokio", "tonic"];

#[test]
fn no_room_has_a_door_that_the_plan_does_not_show() {
    let found = dependencies();
    for (room, allowed) in ALLOWED {
        let dependencies = found.get(*room).unwrap_or_else(|| panic!("there is no crate `{room}`"));
        let watched = dependencies.iter().filter(|name| is_watched(name)).map(String::as_str);
        let strangers: Vec<_> = watched.filter(|name| !allowed.contains(name)).collect();
        assert!(strangers.is_empty(), "`{room}` must not depend on {strangers:?}");
    }
    let planned: BTreeSet<_> = ALLOWED.iter().map(|(room, _)| *room).collect();
    let rooms: BTreeSet<_> =
        found.keys().map(String::as_str).filter(|name| name.starts_with("jackfield")).collect();
    let unknown: Vec<_> = rooms.difference(&planned).filter(|name| !UNPUBLISHED.contains(name)).collect();
    assert!(unknown.is_empty(), "the plan does not show {unknown:?}");
}

#[test]
fn nobody_outside_abi_native_and_the_os_calls_of_processes_may_write_unsafe() {
    for room in [
        "jackfield",
        "jackfield-cli",
        "jackfield-codegen",
        "jackfield-core",
        "jackfield-macros",
        "jackfield-plugin",
    ] {
        let manifest = workspace().join("crates").join(room).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "`{room}` must take the workspace's lints");
    }
    let lints = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
    assert!(lints.replace(' ', "").contains("unsafe_code=\"deny\""));
}

fn is_watched(name: &str) -> bool {
    GUARDED.contains(&name) || (name.starts_with("jackfield") && !UNPUBLISHED.contains(&name))
}

/// Ordinary dependencies by crate, as cargo sees them.
#[expect(clippy::disallowed_methods, reason = "cargo is asked for the graph")]
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version=1", "--offline"]).current_dir(workspace());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo's JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
            let ordinary = dependencies.filter(|dependency| dependency["kind"].is_null());
            let names = ordinary.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned);
            (package["name"].as_str().unwrap_or_default().to_owned(), names.collect())
        })
        .collect()
}

const UNPUBLISHED: &[&str] = &[
    "jackfield-benches",
    "jackfield-conformance",
    "jackfield-fixtures",
    "jackfield-races",
    "jackfield-soak",
];
