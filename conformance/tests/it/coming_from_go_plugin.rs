//! The page that says where each item of go-plugin went, and what go-plugin itself says that it has.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use jackfield_fixtures::{GoModule, available, go_programs, workspace};

#[test]
fn every_exported_name_of_go_plugin_has_its_place() {
    if available(go_programs(GoModule::Newest)).is_none() {
        return;
    }
    let page =
        std::fs::read_to_string(workspace().join("docs/coming-from-go-plugin.md")).expect("it is there");
    let words: BTreeSet<_> = page.split(|letter: char| !letter.is_alphanumeric()).collect();
    for package in ["github.com/hashicorp/go-plugin", "github.com/hashicorp/go-plugin/runner"] {
        let documentation = documentation(package);
        let names: BTreeSet<_> = documentation.lines().filter_map(exported).collect();
        assert!(names.len() > 5, "{package}: {names:?}");
        let missing: Vec<_> = names.iter().filter(|name| !words.contains(**name)).collect();
        assert!(missing.is_empty(), "the page says nothing of {missing:?} of {package}");
    }
}

/// The name that a line of the documentation declares: of a function, a method, a type, a variable, a constant or a
/// field.
fn exported(line: &str) -> Option<&str> {
    let declared = match line.split_once(' ') {
        Some(("func", rest)) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(("func" | "type" | "var" | "const", rest)) => rest,
        // A tab stands before what is inside of a declaration, more of it before what is not a name.
        _ => line.strip_prefix('\t')?,
    };
    let end = declared.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(declared.len());
    let (name, rest) = declared.split_at(end);
    let is_declared = rest.is_empty() || rest.starts_with([' ', '(', '[']);
    (name.starts_with(|letter: char| letter.is_ascii_uppercase()) && is_declared).then_some(name)
}

#[expect(clippy::disallowed_methods, reason = "a test asks its peer")]
fn documentation(package: &str) -> String {
    let mut command = Command::new("go");
    command.args(["doc", "-all", package]).current_dir(workspace().join("fixtures/go/newest"));
    let output = command.stdin(Stdio::null()).output().expect("Go is here");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}
