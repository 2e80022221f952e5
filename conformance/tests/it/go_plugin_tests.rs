//! The page that says which test of ours claims what a test of go-plugin's does.

use std::collections::BTreeSet;

use jackfield_fixtures::workspace;

/// How many tests go-plugin has.
const COUNT: u32 = 62;

#[test]
fn every_test_of_go_plugin_has_one_of_ours_or_a_reason() {
    let page = page();
    let mut numbers = BTreeSet::new();
    for row in page.lines().filter_map(row) {
        let Ok(number) = row[0].parse::<u32>() else { continue };
        assert!(numbers.insert(number), "{number} is there twice");
        let [_, name, claim, ours] = row[..] else { panic!("{row:?} has other columns") };
        assert!(name.starts_with("`Test") || name.starts_with("`Benchmark"), "{number}: {name}");
        assert!(!claim.is_empty() && !ours.is_empty(), "{number} claims nothing, or has nothing of ours");
    }
    assert_eq!(numbers, (1..=COUNT).collect());
}

#[test]
fn every_test_that_is_named_exists() {
    let page = page();
    let named: Vec<_> = page.split(['`', '(', ')']).filter_map(|text| text.split_once(".rs::")).collect();
    assert!(named.len() > 60, "{} are named", named.len());
    for (file, test) in named {
        let source = std::fs::read_to_string(workspace().join(format!("{file}.rs"))).unwrap_or_default();
        assert!(is_test(&source, test), "`{file}.rs` has no test `{test}`");
    }
}

/// Whether the function has the attribute of a test, and nothing but further attributes and comments between them.
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let begin = [format!("fn {name}("), format!("async fn {name}(")];
    let Some(at) = lines.iter().position(|line| begin.iter().any(|begin| line.starts_with(begin))) else {
        return false;
    };
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    above.into_iter().any(|line| ["#[test]", "#[tokio::test]"].contains(line))
}

/// The cells of a row of a table.
fn row(line: &str) -> Option<Vec<&str>> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(cells.split(" | ").map(str::trim).collect())
}

fn page() -> String {
    std::fs::read_to_string(workspace().join("docs/go-plugin-tests.md")).expect("the page is there")
}
