//! `call`: any method of any plugin, whatever it is written in.

use jackfield_fixtures::{GoModule, available, go_programs};
use serde_json::{Value, json};

use crate::command::{directory, fails, jackfield_reading, library, plugins, run, succeeds, texts};

/// A store is called as a library, as a program, and as go-plugin's own.
#[test]
fn a_store_is_called_whatever_it_is() {
    let plugins = plugins();
    let program = plugins.program("kv-file").display().to_string();
    let go = available(go_programs(GoModule::Newest)).map(|programs| programs.join("kv-plugin"));
    let go = go.map(|go| go.display().to_string());
    let handshake = ["--handshake", "1/WKY_PLUGIN/wukaiying"];
    let mut stores = vec![
        ("kv-file as a library", vec![library("kv-file")]),
        (
            "kv-file as a program",
            [&handshake[..], &[&program]].concat().into_iter().map(str::to_owned).collect(),
        ),
    ];
    for (name, tls) in [("Go's", &[][..]), ("Go's, over mTLS", &["--auto-mtls"])] {
        let Some(go) = &go else { continue };
        stores.push((name, [tls, &handshake, &[go]].concat().into_iter().map(str::to_owned).collect()));
    }
    for (name, store) in stores {
        let (_directory, path) = directory();
        let call = |method: &str, request: &str| {
            let mut arguments = vec!["call"];
            arguments.extend(store.iter().map(String::as_str).chain([method, request]));
            let output = run(&path, &arguments, "");
            let (stdout, stderr) = texts(&output);
            (output.status.code(), stdout, stderr)
        };
        let (code, stdout, stderr) = call("Put", r#"{"key":"a","value":"aGk="}"#);
        assert_eq!((code, stdout.as_str()), (Some(0), "{}\n"), "{name}: {stderr}");
        // "hi", and what every one of them writes behind it.
        let (code, stdout, stderr) = call("get", r#"{"key":"a"}"#);
        let value = "aGkKCldyaXR0ZW4gZnJvbSBwbHVnaW4tZ28tZ3JwYw==";
        assert_eq!((code, stdout), (Some(0), format!("{{\"value\":\"{value}\"}}\n")), "{name}: {stderr}");

        let (code, _, stderr) = call("Get", r#"{"key":"b"}"#);
        assert_eq!(code, Some(1), "{name}");
        assert!(stderr.contains("error: Unknown: ") && stderr.contains("no such file"), "{name}: {stderr}");
        let (code, _, stderr) = call("Gett", "{}");
        assert_eq!(code, Some(1), "{name}");
        assert!(stderr.contains("there is no method `Gett`\n(hint: it has "), "{name}: {stderr}");
        assert!(stderr.contains("`Put`") && stderr.contains("`Get`"), "{name}: {stderr}");
        let (code, _, stderr) = call("Get", r#"{"kee":"a"}"#);
        assert_eq!(code, Some(1), "{name}");
        assert!(
            stderr.contains("kee") && stderr.contains("the method is Get(key: string) → "),
            "{name}: {stderr}"
        );
    }
}

/// Everything that an interface may say, in a library and in a program.
#[test]
fn all_kinds_of_methods_are_called() {
    let program = plugins().program("studio").display().to_string();
    for studio in [library("studio"), program] {
        let call = |method: &str, request: &str| -> Vec<Value> {
            let stdout = succeeds(&["call", &studio, method, request]);
            stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        };
        let session = json!({
            "name": "a", "start": "7", "takes": [{ "mono": "aGk=" }],
            "labels": { "k": "v" }, "previous": { "name": "b", "takes": [], "labels": {} },
        });
        let answer = call("Session", &json!({ "session": session }).to_string());
        assert_eq!(answer[0]["value"]["labels"], json!({ "k": "v" }), "{answer:?}");
        assert_eq!(answer[0]["value"]["previous"]["name"], "b");
        // Blocking and asynchronous ones, by the name in the trait too.
        let words = r#"{"separator":"-","words":["a","b"],"end":"IQ=="}"#;
        for method in ["Join", "join_later", "jackfield.test.Studio/JoinLater"] {
            assert_eq!(call(method, words), [json!({ "value": "a-b!" })], "{method}");
        }
        // Streams: out, in, and in both directions beside another argument.
        assert_eq!(
            call("Count", r#"{"end":3}"#),
            [json!({"value": 0}), json!({"value": 1}), json!({"value": 2})]
        );
        assert_eq!(call("Total", r#"{"numbers":1} {"numbers":2}"#), [json!({ "value": "3" })]);
        let sums = call("Sums", r#"{"start":10} {"numbers":1} {"numbers":2}"#);
        assert_eq!(sums, [json!({ "value": "11" }), json!({ "value": "13" })]);
        let sums = call("Sums", r#"{"start":10,"numbers":1} {"numbers":2}"#);
        assert_eq!(sums, [json!({ "value": "11" }), json!({ "value": "13" })]);

        let error = fails(1, &["call", &studio, "Select", r#"{"channel":9}"#]);
        assert!(error.contains("OutOfRange: there is no channel 9, only 8"), "{error}");
        let error = fails(1, &["call", "--timeout", "0.2", &studio, "Hang"]);
        assert!(error.contains("the deadline of the call") || error.contains("no answer within"), "{error}");
        let options = succeeds(&["call", "--json", "--metadata", "k=v", &studio, "OptionsLater"]);
        assert!(options.contains(r#""k":"v""#), "{options}");
    }
}

#[test]
fn requests_come_from_stdin_and_a_line_that_is_wrong_is_named() {
    let studio = library("studio");
    let output = jackfield_reading(&["call", &studio, "Total", "-"], "{\"numbers\":40}\n{\"numbers\":2}\n");
    assert_eq!(texts(&output).0, "{\"value\":\"42\"}\n");
    let output = jackfield_reading(&["call", &studio, "Total"], "{\"numbers\":40}\n{\"numbers\":\"x\"}\n");
    let (stdout, stderr) = texts(&output);
    assert_eq!((output.status.code(), stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("the request cannot be read: "), "{stderr}");
    assert!(stderr.contains("the method is Total(numbers: stream of int64) → int64"), "{stderr}");
    let error = fails(1, &["call", &studio, "Keep", "{}"]);
    assert!(error.contains("takes an object of `jackfield.test.Listener`, which only a program"), "{error}");
    let output = jackfield_reading(&["call", &studio, "Count", "-"], "{\"end\": 1}");
    assert_eq!(texts(&output).0, "{\"value\":0}\n");
}

#[test]
fn a_program_that_is_no_plugin_is_told_from_one() {
    let error = fails(1, &["call", "/bin/true", "Get"]);
    assert!(error.contains("ended with exit status: 0 before the handshake"), "{error}");
    let error = fails(1, &["call", "/nowhere", "Get"]);
    assert!(error.contains("/nowhere"), "{error}");
    let error = fails(2, &["call", "--handshake", "KV_PLUGIN", "/bin/true", "Get"]);
    assert!(error.contains("1/KV_PLUGIN/hello"), "{error}");
}
