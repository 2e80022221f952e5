//! `jackfield inspect` of what is no library of this machine's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::command::{directory, fails, jackfield, plugins, succeeds, texts};
use crate::told::GREETER;

/// Writes a file with this mode.
fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, content).expect("written");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

/// What is said of a file, and the exit code.
fn inspect(path: &Path) -> (Value, Option<i32>) {
    let output = jackfield(&["inspect", "--json", &path.display().to_string()]);
    let (stdout, stderr) = texts(&output);
    let object = stdout.parse().unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    (object, output.status.code())
}

/// Whether these fields have these values, and the reason says this, without which it may be loaded.
fn is(path: &Path, fields: &Value, reason: Option<&str>) {
    let (object, code) = inspect(path);
    for (field, value) in fields.as_object().expect("fields") {
        assert_eq!(&object[field], value, "{field} of {object}");
    }
    let is_known = reason.map(|_| false);
    assert_eq!(
        (object["loads"].as_bool(), code),
        (is_known, Some(i32::from(is_known.is_some()))),
        "{object}"
    );
    let said = object["reason"].as_str();
    assert!(
        said.is_some() == reason.is_some()
            && said.is_none_or(|said| said.contains(reason.unwrap_or_default())),
        "{object}"
    );
}

const ARCH: &str = std::env::consts::ARCH;

#[test]
fn a_program_says_for_whom_it_is_and_a_script_what_runs_it() {
    let (_directory, home) = directory();
    let program = plugins().program("kv-file").display().to_string();
    assert_eq!(
        succeeds(&["inspect", &program]),
        format!(
            "{program}\n  file        program for linux, {ARCH}\n  loads here  only a run of it would say\n"
        )
    );
    is(Path::new(&program), &json!({ "kind": "program", "os": "linux", "architecture": ARCH }), None);
    let mut bytes = fs::read(&program).expect("it is there");
    bytes[18..20].copy_from_slice(&[243, 0]);
    let foreign = json!({ "kind": "program", "architecture": "riscv64" });
    write(&home.join("foreign"), &bytes, 0o755);
    is(&home.join("foreign"), &foreign, Some(&format!("it is for riscv64, but this machine is {ARCH}")));

    let script = json!({ "kind": "program", "interpreter": "/bin/sh", "os": null });
    write(&home.join("script"), "#!/bin/sh\ntouch has-run", 0o755);
    is(&home.join("script"), &script, None);
    let text = succeeds(&["inspect", &home.join("script").display().to_string()]);
    assert!(text.contains("\n  file        script\n  run by      /bin/sh\n"), "{text}");
    write(&home.join("script"), "#!/bin/sh\n", 0o644);
    is(&home.join("script"), &script, Some("`chmod +x` makes a file executable"));
    write(&home.join("script"), "#!/nowhere/python3 -u\n", 0o755);
    is(
        &home.join("script"),
        &json!({ "interpreter": "/nowhere/python3" }),
        Some("it needs `/nowhere/python3`"),
    );
    assert_eq!(fs::read_dir(&home).expect("a directory").count(), 2, "nothing has run");
}

#[test]
fn a_library_says_for_whom_it_is_wherever_it_is_from() {
    let (_directory, home) = directory();
    let built = plugins();
    let library = built.library("kv-file");
    let text = succeeds(&["inspect", &library.display().to_string()]);
    assert!(text.contains(&format!("\n  file        shared library for linux, {ARCH}\n")), "{text}");
    let (object, _) = inspect(library);
    assert_eq!((&object["os"], &object["architecture"]), (&json!("linux"), &json!(ARCH)));
    let mut bytes = fs::read(library).expect("it is there");
    bytes[18..20].copy_from_slice(&[243, 0]);
    write(&home.join("kv.so"), &bytes, 0o755);
    let foreign = json!({ "kind": "library", "os": "linux", "architecture": "riscv64" });
    is(&home.join("kv.so"), &foreign, Some("it is for Riscv64"));
    let mut windows = vec![0; 0x46];
    for (at, bytes) in [(0, &b"MZ"[..]), (0x3c, b"\x40"), (0x40, b"PE\0\0\x64\xaa")] {
        windows[at..at + bytes.len()].copy_from_slice(bytes);
    }
    write(&home.join("kv.dll"), windows, 0o644);
    let foreign = json!({ "kind": "library", "os": "windows", "architecture": "aarch64" });
    is(&home.join("kv.dll"), &foreign, Some("found a Windows executable"));
    write(&home.join("notes"), "nothing", 0o644);
    is(&home.join("notes"), &json!({ "kind": "neither", "os": null }), Some("found a text"));
}

#[test]
fn a_manifest_is_read_and_its_program_looked_at() {
    let (_directory, home) = directory();
    let path = home.join("kv.plugin.toml");
    let manifest = |text: &str| write(&path, text, 0o644);
    let program = home.join("kv").display().to_string();
    manifest("command = \"./kv\"\nargs = [\"-v\"]\nprotocol = \"netrpc\"\nversion = \"1.2.0\"");
    let said = json!({
        "kind": "manifest", "command": program, "arguments": ["-v"], "wire": "gRPC or net/rpc",
        "version": "1.2.0", "enabled": true,
    });
    is(&path, &said, Some("`command`: `"));
    write(&home.join("kv"), "#!/bin/sh\n", 0o755);
    is(&path, &said, None);
    let text = succeeds(&["inspect", &path.display().to_string()]);
    assert!(
        text.contains(&format!("\n  command     {program} -v\n  talks       gRPC or net/rpc\n")),
        "{text}"
    );
    manifest("command = \"sh\"\nkind = \"stdio\"");
    is(&path, &json!({ "command": "sh", "wire": "JSON-RPC over its standard input and output" }), None);
    manifest("command = \"nobody-has-this\"");
    is(&path, &json!({ "wire": "gRPC" }), Some("there is no `nobody-has-this` in `PATH`"));
    manifest("command = \"sh\"\nenabled = false");
    is(&path, &json!({ "enabled": false }), Some("it is disabled"));
    manifest("colour = 1");
    is(&path, &json!({ "kind": "manifest" }), Some("unknown field `colour`"));
}

#[test]
fn what_a_manifest_says_that_its_plugin_serves_is_shown() {
    let (_directory, home) = directory();
    let path = home.join("greeter.plugin.toml");
    write(&home.join("greeter.proto"), GREETER, 0o644);
    // It is not started for it.
    let manifest = "command = \"false\"\ninterface = \"greeter.proto\"";
    write(&path, format!("{manifest}\nservice = \"proto.Greeter\""), 0o644);
    is(&path, &json!({ "command": "false" }), None);
    let interfaces = &inspect(&path).0["interfaces"];
    assert_eq!((&interfaces[0]["service"], &interfaces[1]), (&json!("proto.Greeter"), &Value::Null));
    let file = path.display().to_string();
    let text = succeeds(&["inspect", &file]);
    assert!(text.contains("\n  interface   proto.Greeter\n    Greet("), "{text}");
    let proto = succeeds(&["proto", &file]);
    assert!(proto.starts_with("// The interface `proto.Greeter`.\n"), "{proto}");
    assert!(proto.contains("rpc Add(Sum) returns (Number);"), "{proto}");

    write(&path, manifest, 0o644);
    is(&path, &json!({ "command": "false" }), Some("`service`: expected one of the interfaces in `"));
    let error = fails(1, &["proto", &file]);
    assert!(error.contains("greeter.proto`, which has `proto.Greeter`, `proto.Other`"), "{error}");
}

/// A program whose manifest says nothing of its interface is started as the manifest says, and asked.
#[test]
fn the_program_of_a_manifest_is_asked_what_it_serves() {
    let (_directory, home) = directory();
    let path = home.join("kv.plugin.toml");
    let handshake = "{ version = 1, cookie_key = \"WKY_PLUGIN\", cookie_value = \"wukaiying\" }";
    write(&path, format!("command = {:?}\nhandshake = {handshake}", plugins().program("kv-file")), 0o644);
    let proto = succeeds(&["proto", &path.display().to_string()]);
    assert!(proto.contains("rpc Put(PutRequest) returns (Empty);"), "{proto}");
}
