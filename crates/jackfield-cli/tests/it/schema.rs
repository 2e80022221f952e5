//! What a plugin serves: `proto`, and `check-compat`.

use jackfield_fixtures::Forgery;
use serde_json::{Value, json};

use crate::command::{directory, fails, jackfield, library, plugins, succeeds, texts};

#[test]
fn proto_prints_the_interfaces_of_a_library() {
    let proto = succeeds(&["proto", &library("kv-file")]);
    assert!(proto.starts_with("// The interface `proto.KV`, version 1.0.\nsyntax = \"proto3\";"), "{proto}");
    assert!(proto.contains("rpc Put(PutRequest) returns (Empty);"), "{proto}");
    assert!(proto.contains("message PutRequest {\n  string key = 1;\n  bytes value = 2;\n}"), "{proto}");

    let object: Value =
        serde_json::from_str(&succeeds(&["proto", "--json", &library("kv-file")])).expect("JSON");
    assert_eq!(object, json!({ "service": "proto.KV", "version": "1.0", "proto": proto }));
    // A program is asked for the same.
    let program = plugins().program("kv-file").display().to_string();
    let asked = succeeds(&["proto", "--handshake", "1/WKY_PLUGIN/wukaiying", &program]);
    assert_eq!(asked.replace("`proto.KV`", "`proto.KV`, version 1.0"), proto);
    let error = fails(1, &["proto", "Cargo.toml"]);
    assert!(error.contains("expected an ELF file, found a text"), "{error}");
}

#[test]
fn check_compat_tells_ci_what_would_break() {
    let old = library("kv-file");
    assert_eq!(succeeds(&["check-compat", &old, &old]), "proto.KV 1.0  compatible\n");

    let (_directory, path) = directory();
    let forge = |name: &str, from: &[u8], to: &[u8]| {
        let mut forgery = Forgery::of(old.as_ref());
        let note = forgery.section();
        let at = note.windows(from.len()).position(|window| window == from).expect("it is in the note");
        note[at..at + to.len()].copy_from_slice(to);
        forgery.write(&path.join(name));
        path.join(name).display().to_string()
    };
    // The field `value` of `PutRequest` is another one, by its number.
    let renumbered = forge("renumbered.so", b"\x0a\x05value\x18\x02", b"\x0a\x05value\x18\x09");
    let retired = forge("retired.so", b"\x0a\x03Get\x12", b"\x0a\x03Has\x12");
    for (new, reason) in [
        (&renumbered, "method `Put`: the plugin lacks the field `value` (number 2)"),
        (&retired, "the plugin lacks the method `Get`"),
        (&library("studio"), "the new plugin lacks the interface"),
    ] {
        let output = jackfield(&["check-compat", &old, new]);
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stdout.ends_with(&format!("  incompatible: {reason}\n")), "{stdout}");
    }
    let output = jackfield(&["check-compat", "--json", &old, &renumbered]);
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(object["compatible"], false);
    let interface = &object["interfaces"][0];
    assert_eq!((&interface["method"], &interface["field"]), (&json!("Put"), &json!("value")));

    let error = fails(2, &["check-compat", &old, "/nowhere"]);
    assert!(error.contains("/nowhere"), "{error}");
    fails(2, &["check-compat", &old]);
}
