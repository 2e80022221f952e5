//! Spells names as Go does, whose fields are seen by others only if they begin with a capital letter.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// `first_name` as `FirstName`.
///
/// The encoder wants names that live for ever, so each is made once per process and kept.
pub(super) fn kept_go_name(name: &'static str) -> &'static str {
    static NAMES: Mutex<Option<HashMap<&'static str, &'static str>>> = Mutex::new(None);
    // Nothing panics under the lock.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().entry(name).or_insert_with(|| go_name(name).leak())
}

/// `first_name` as `FirstName`.
pub(super) fn go_name(name: &str) -> String {
    spelling(name).collect()
}

/// Whether a name that came means this one: as it is, or as Go spells it.
pub(super) fn means(came: &str, name: &str) -> bool {
    came == name || spelling(name).eq(came.chars())
}

fn spelling(name: &str) -> impl Iterator<Item = char> {
    name.split('_').flat_map(|word| {
        let mut rest = word.chars();
        let first = rest.next().into_iter().flat_map(char::to_uppercase);
        first.chain(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_with_a_capital_letter() {
        assert_eq!(kept_go_name("key"), "Key");
        assert_eq!(go_name("first_name"), "FirstName");
        assert_eq!(go_name("_über_x9"), "ÜberX9");
        assert!(std::ptr::eq(kept_go_name("key"), kept_go_name("key")));
        assert!(means("FirstName", "first_name") && means("first_name", "first_name"));
        assert!(!means("firstName", "first_name") && !means("FirstNames", "first_name"));
    }
}
