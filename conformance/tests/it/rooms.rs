//! The rooms of the house: who may import whom, and what is tested.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
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

/// What a host of libraries and a plugin in one need is Rust, so that nobody needs a C compiler for them.
#[test]
fn shared_libraries_need_no_c() {
    let with_c = |arguments: &[&str]| {
        let tree = tree(arguments);
        assert!(tree.contains("jackfield-abi"), "{tree:?}");
        let linked = linked();
        let mut with_c: Vec<_> = tree
            .into_iter()
            .filter(|name| C_BUILDERS.contains(&name.as_str()) || linked.contains(name))
            .collect();
        with_c.sort();
        with_c
    };
    let native = ["-p", "jackfield", "--no-default-features", "--features", "native"];
    assert_eq!(with_c(&native), [""; 0]);
    assert_eq!(with_c(&["-p", "jackfield-native", "--all-features"]), [""; 0]);
    let plugin = ["-p", "jackfield-plugin", "--no-default-features", "--features"];
    assert_eq!(with_c(&[&plugin[..], &["log,tokio,tracing"]].concat()), [""; 0]);
    // *ring* does, for the TLS of child processes.
    assert_eq!(with_c(&["-p", "jackfield"]), ["cc", "ring"]);
}

/// What builds C, or looks for what was built of it.
const C_BUILDERS: &[&str] =
    &["autotools", "bindgen", "cc", "cmake", "meson", "nasm-rs", "pkg-config", "system-deps", "vcpkg"];

/// The packages that are compiled on this machine for one, those of build scripts included.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--edges=normal,build", "--prefix=none", "--format={p}", "--offline"];
    let packages = cargo(&[&tree, arguments].concat());
    packages.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The packages that say what they link, of the system or of their own C.
fn linked() -> BTreeSet<String> {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a machine");
    let packages = metadata(&["--filter-platform", host]);
    let linked = packages.iter().filter(|package| !package["links"].is_null());
    linked.filter_map(|package| package["name"].as_str()).map(str::to_owned).collect()
}

/// Most of what tests load has no tests of its own, and is spared the time; nobody must write one that never runs.
#[test]
fn what_is_not_tested_has_no_tests() {
    let mut spared = 0;
    for package in packages() {
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let source = manifest.with_file_name("src");
        for target in package["targets"].as_array().expect("targets") {
            let kinds = target["kind"].to_string();
            let is = |wanted: &[&str]| wanted.iter().any(|kind| kinds.contains(&format!("\"{kind}\"")));
            let mut never_run = Vec::new();
            if is(&["bin", "cdylib", "lib", "proc-macro", "rlib"]) && target["test"] == false {
                spared += 1;
                never_run.extend(lines(&source, &["#[test]", "::test]", "::test("]));
            }
            if is(&["lib", "proc-macro", "rlib"]) && target["doctest"] == false {
                never_run.extend(lines(&source, &["//! ```", "/// ```"]));
            }
            assert!(never_run.is_empty(), "{} keeps these from being run: {never_run:?}", manifest.display());
        }
    }
    assert!(spared > 40, "found {spared} libraries and programs without tests, which are most of them");
}

/// The lines with one of these marks in all sources of a folder.
fn lines(folder: &Path, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(lines(&path, marks));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let marked = text.lines().filter(|line| marks.iter().any(|mark| line.contains(mark)));
            found.extend(marked.map(|line| format!("{}: {line}", path.display())));
        }
    }
    found
}

fn is_watched(name: &str) -> bool {
    GUARDED.contains(&name) || (name.starts_with("jackfield") && !UNPUBLISHED.contains(&name))
}

/// The packages of this workspace, as cargo sees them.
fn packages() -> Vec<serde_json::Value> {
    metadata(&["--no-deps"])
}

fn metadata(arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = cargo(&[&["metadata", "--format-version=1", "--offline"], arguments].concat());
    let mut metadata: serde_json::Value = serde_json::from_str(&output).expect("cargo's JSON");
    serde_json::from_value(metadata["packages"].take()).expect("packages")
}

#[expect(clippy::disallowed_methods, reason = "cargo is asked for the graph")]
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(workspace()).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

/// Ordinary dependencies by crate.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    packages()
        .iter()
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
