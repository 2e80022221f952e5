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

impl Entry {
    /// Whether the failure of its case, in these words, is for the reason that the list gives. Where that can show in
    /// many ways, it is taken to be.
    pub fn is_shown_by(&self, words: &str) -> bool {
        let shown = EVIDENCE.iter().find(|(why, _)| self.why.starts_with(why));
        shown.is_none_or(|(_, evidence)| evidence.iter().any(|evidence| words.contains(evidence)))
    }
}

/// What a failure says, any of these, by how the reason in the list begins.
const EVIDENCE: [(&str, &[&str]); 9] = [
    ("A call of net/rpc has one argument", &["net/rpc cannot carry the stream"]),
    ("It is part of the host's program", &["what is linked in has no file"]),
    ("Nothing can be called back", &["net/rpc cannot carry the object", "the host offers no `"]),
    ("What is in the host's process", &["the host ends with its plugin, by the signal 6"]),
    ("enums with data", &["net/rpc cannot carry the enum with data"]),
    ("a panic that nobody recovers", &["panic: ouch"]),
    ("objects", &["net/rpc cannot carry the object"]),
    ("offers", &["the host offers no `"]),
    ("streams", &["net/rpc cannot carry the stream"]),
];

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
