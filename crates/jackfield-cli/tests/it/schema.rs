//! What a plugin serves: `proto`, and `check-compat`.

use std::fs;
use std::path::Path;

use jackfield_fixtures::{Forgery, GoModule, available, go_programs, protoc};
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

/// The hosts of a plugin may be written after its `.proto` file, and it may be replaced by one of another kind.
#[test]
fn check_compat_compares_whatever_describes_an_interface() {
    let (_directory, path) = directory();
    let write = |name: &str, text: &str| {
        let file = path.join(name);
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let library = library("kv-file");
    let text = succeeds(&["proto", &library]);
    let proto = write("kv.proto", &text);
    let program = plugins().program("kv-file").display().to_string();
    let mut described = vec![library.clone(), proto.clone(), program.clone()];
    if let Some(set) = available(protoc(proto.as_ref())) {
        described.push(write_bytes(&path.join("kv.binpb"), &set));
    }
    if let Some(go) = available(go_programs(GoModule::Newest)) {
        described.push(go.join("kv-plugin").display().to_string());
    }
    // What the message is made of is in another file, which lies elsewhere.
    let (messages, service) = (text.find("\nmessage"), "package proto;\n");
    let (head, messages) = text.split_at(messages.expect("it has messages"));
    write("shared/messages.proto", &format!("syntax = \"proto3\";\n\n{service}{messages}"));
    let head = head.replace(service, &format!("{service}\nimport \"messages.proto\";\n"));
    let split = write("split.proto", &head);
    let shared = path.join("shared").display().to_string();
    described.push(split.clone());

    // The field `value` of `PutRequest` is another one, by its number.
    let renumbered = write("renumbered.proto", &text.replace("bytes value = 2;", "bytes value = 9;"));
    let common = ["check-compat", "--handshake", "1/WKY_PLUGIN/wukaiying", "-I", &shared];
    for one in &described {
        for pair in [[&library, one], [one, &library]] {
            let told = succeeds(&[&common[..], &pair.map(String::as_str)].concat());
            assert_eq!(told, "proto.KV 1.0  compatible\n", "{pair:?}");
        }
        let output = jackfield(&[&common[..], &[one, &renumbered]].concat());
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{one}: {stderr}");
        let reason = "incompatible: method `Put`: the plugin lacks the field `value` (number 2)\n";
        assert!(stdout.starts_with("proto.KV") && stdout.ends_with(reason), "{one}: {stdout}");
    }
    // Nobody says which version it is.
    assert_eq!(succeeds(&["check-compat", &proto, &proto]), "proto.KV  compatible\n");

    for (file, text, expected) in [
        (
            "broken.proto",
            "syntax = \"proto3\";\nmessage {",
            "broken.proto:2:9: expected an identifier, but found '{'",
        ),
        ("lost.proto", "syntax = \"proto3\";\nimport \"nowhere.proto\";", "'nowhere.proto'"),
        ("empty.proto", "syntax = \"proto3\";", "expected the description of a service, found none"),
        ("notes.txt", "notes", "expected a shared library, a program, a `.proto` file or a descriptor set"),
        ("notes", "\nnotes", "expected a shared library, a program, a `.proto` file or a descriptor set"),
        ("set.binpb", "\n\u{3}\n\u{1}a", "expected the description of a service, found none"),
    ] {
        let error = fails(2, &["check-compat", &proto, &write(file, text)]);
        assert!(error.contains(expected), "{file}: {error}");
    }
    let error = fails(2, &["check-compat", "/nowhere.proto", &proto]);
    assert!(error.contains("`/nowhere.proto` cannot be compiled: No such file"), "{error}");
    let error = fails(2, &["check-compat", &split, &proto]);
    assert!(error.contains("'messages.proto'"), "{error}");
}

fn write_bytes(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).expect("written");
    path.display().to_string()
}
