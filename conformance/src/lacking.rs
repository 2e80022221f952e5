//! The list of what a wire or a mechanism cannot do: `conformance/lacking.txt`.

/// A case that fails where it stands in the list.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a line has no more")]
pub struct Entry {
    /// The wire, or the mechanism.
    pub wire: &'static str,
    /// The case of the suite, or the row of the table of mechanisms.
    pub case: &'static str,
    /// Why.
    pub why: &'static str,
}

/// What a wire lacks of a case, if it does.
pub fn find(wire: &str, case: &str) -> Option<Entry> {
    entries().find(|entry| (entry.wire, entry.case) == (wire, case))
}

/// The whole list.
///
/// # Panics
///
/// A line is none.
pub fn entries() -> impl Iterator<Item = Entry> {
    let lines = include_str!("../lacking.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut words = line.splitn(3, char::is_whitespace);
        let mut next = || words.next().unwrap_or_else(|| panic!("expected `wire case why`, found `{line}`"));
        Entry { wire: next(), case: next(), why: next() }
    })
}
