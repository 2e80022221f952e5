//! `new`, `build` and `install`: from nothing to a plugin where a host looks for it.

use std::path::Path;
use std::process::{Command, Stdio};

use jackfield_fixtures::{target_directory, workspace};
use serde_json::Value;

use crate::command::{directory, fails, library, plugins, run, succeeds, texts};

/// The way of somebody who begins, in this order: nothing of it needs the network, and what this repository has built
/// is taken from its target folder.
#[test]
fn a_new_workspace_builds_and_runs_as_it_is() {
    let (_directory, home) = directory();
    let made = jackfield(&home, &["new", "--json", "other"]);
    let made: Value = made.parse().expect("JSON");
    assert_eq!((&made["directory"], made["crates"][1].as_str()), (&"other".into(), Some("plugin")));
    assert!(home.join("other/plugin/Cargo.toml").is_file());
    let made = jackfield(&home, &["new", "--jackfield", &workspace().display().to_string(), "greetings-2"]);
    assert_eq!(made, "greetings-2: cargo test --workspace, cargo run\n");
    let root = home.join("greetings-2");
    std::fs::copy(workspace().join("Cargo.lock"), root.join("Cargo.lock"))
        .expect("the versions are the same");
    let (_, said) = texts(&run(&home, &["new", "greetings-2"], ""));
    assert!(said.contains("`greetings-2` cannot be made"), "nothing is written over: {said}");

    let tested = cargo(&root, &["test", "--workspace"]);
    assert!(tested.contains("test the_plugin_greets ... ok"), "{tested}");
    assert_eq!(cargo(&root, &["run", "--quiet"]), "Hello, world!\ndropped\n");

    // By directory, by file, and under a name of one's own.
    assert_eq!(jackfield(&root, &["build", "--debug", "plugin"]), "plugin.so\n");
    assert_eq!(jackfield(&root.join("plugin"), &["build", "--debug", "--versioned"]), "plugin_v0.1.0.so\n");
    let named = jackfield(&root, &["build", "--debug", "-o", "testplugin_v1.so", "plugin"]);
    assert_eq!(named, "testplugin_v1.so\n");
    // With an identity of its own, and without one again.
    for (arguments, id) in [(&["--id", "plugin-7"][..], "plugin-7"), (&[][..], "")] {
        let arguments = [&["build", "--debug", "--json", "plugin"], arguments].concat();
        let built: Value = serde_json::from_str(&jackfield(&root, &arguments)).expect("JSON");
        assert_eq!(built["id"], id);
    }
    std::fs::rename(root.join("plugin/src/lib.rs"), root.join("plugin/src/testPlugin.rs")).expect("renamed");
    let manifest = std::fs::read_to_string(root.join("plugin/Cargo.toml")).expect("a manifest");
    let manifest = manifest.replace("[lib]\n", "[lib]\npath = \"src/testPlugin.rs\"\n");
    std::fs::write(root.join("plugin/Cargo.toml"), manifest).expect("written");
    assert_eq!(jackfield(&root, &["build", "--debug", "plugin/src/testPlugin.rs"]), "testPlugin.so\n");
    let program = jackfield(&root, &["build", "--debug", "--json", "--program", "plugin", "-o", "greeter"]);
    assert_eq!(serde_json::from_str::<Value>(&program).expect("JSON")["file"], "greeter");

    // The host takes both, and so does the command.
    assert_eq!(cargo(&root, &["run", "--quiet", "--", "./testPlugin.so"]), "Hello, world!\nunmapped\n");
    let ran = cargo(&root, &["run", "--quiet", "--", "./greeter"]);
    assert_eq!(ran, "Hello, world!\nexited (exit status: 0)\n");
    for plugin in ["testPlugin.so", "greeter"] {
        let greeted =
            jackfield(&root, &["call", "--config", "greeting=Hi", plugin, "greet", r#"{"name":"you"}"#]);
        assert_eq!(greeted, "{\"value\":\"Hi, you!\"}\n", "{plugin}");
    }
    let (_, said) = texts(&run(&root, &["build", "interface"], ""));
    assert!(said.contains("builds neither a shared library"), "{said}");
}

#[test]
fn a_name_must_be_one_that_a_crate_can_have() {
    let error = fails(1, &["new", "/nowhere/Greetings"]);
    assert!(
        error.contains("expected a name of lower-case letters") && error.contains("`Greetings`"),
        "{error}"
    );
    let error = fails(1, &["new", "--jackfield", "/nowhere", "/nowhere/greetings"]);
    assert!(error.contains("a checkout of Jackfield's repository, found `/nowhere`"), "{error}");
}

#[test]
fn install_puts_whole_files_of_plugins_into_a_directory() {
    let (_directory, path) = directory();
    let kv = library("kv-file");
    let to = path.display().to_string();
    let installed = succeeds(&["install", &kv, &to]);
    assert_eq!(installed, format!("{to}/libkv_file.so\n"));
    let object: Value =
        serde_json::from_str(&succeeds(&["install", "--json", &kv, &to, "--as", "kv.so"])).expect("JSON");
    assert_eq!(object["file"], format!("{to}/kv.so"));
    assert_eq!(object["sha256"].as_str().map(str::len), Some(64));
    // What replaces it is another file: a host that has the old one mapped keeps it.
    use std::os::unix::fs::MetadataExt as _;
    let inode = |name: &str| std::fs::metadata(path.join(name)).expect("it is there").ino();
    let before = inode("kv.so");
    succeeds(&["install", &kv, &to, "--as", "kv.so"]);
    assert_ne!(inode("kv.so"), before);
    assert_eq!(std::fs::read(path.join("kv.so")).ok(), std::fs::read(&kv).ok());

    // A program keeps its mode, and says only when it runs what it is.
    let program = plugins().program("kv-file").display().to_string();
    let object = succeeds(&["install", "--json", &program, &to, "--as", "store"]);
    let object: Value = object.parse().expect("JSON");
    assert_eq!((&object["file"], &object["sha256"]), (&format!("{to}/store").into(), &Value::Null));
    let store = format!("{to}/store");
    let called = ["call", "--handshake", "1/WKY_PLUGIN/wukaiying", &store, "Get", r#"{"key":"b"}"#];
    assert!(fails(1, &called).contains("no such file"), "it runs where it was put");
    std::fs::remove_file(path.join("store")).expect("it is there");

    for (arguments, reason) in [
        (["install", "Cargo.toml", &to], "expected an ELF file, found a text"),
        (["install", &kv, "/nowhere"], "expected a directory, but `/nowhere` is none"),
    ] {
        let error = fails(1, &arguments);
        assert!(error.contains(reason), "{error}");
    }
    let error = fails(1, &["install", &kv, &to, "--as", "../kv.so"]);
    assert!(error.contains("expected a name without a slash"), "{error}");
    let names =
        std::fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["kv.so", "libkv_file.so"], "nothing is left behind");
}

#[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
fn jackfield(directory: &Path, arguments: &[&str]) -> String {
    succeeded(Command::new(env!("CARGO_BIN_EXE_jackfield")), directory, arguments)
}

#[expect(clippy::disallowed_methods, reason = "what was made is built as a person builds it")]
fn cargo(directory: &Path, arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    succeeded(Command::new(cargo), directory, arguments)
}

/// Runs a command on what this repository has built, and returns what it prints.
fn succeeded(mut command: Command, directory: &Path, arguments: &[&str]) -> String {
    command.current_dir(directory).args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG");
    command.env("CARGO_TARGET_DIR", target_directory()).env("CARGO_NET_OFFLINE", "true");
    // The profile of this workspace, so that its dependencies are built already.
    command.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    command.env("CARGO_PROFILE_DEV_SPLIT_DEBUGINFO", "unpacked");
    // What cargo says of the package that is tested is not meant for those.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_"))
    {
        command.env_remove(name);
    }
    let output = command.output().expect("it starts");
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{arguments:?}: {stderr}\n{stdout}");
    stdout
}
