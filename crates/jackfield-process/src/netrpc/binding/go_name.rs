//! Spells names as Go does, whose fields are seen by others only if they begin with a capital letter.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// `first_name` as `FirstName`.
///
/// The encoder wants names that live for ever, so each is made once per process and kept.
pub(super) fn go_name(name: &'static str) -> &'static str {
    static NAMES: Mutex<Option<HashMap<&'static str, &'static str>>> = Mutex::new(None);
    // Nothing panics under the lock.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().entry(name).or_insert_with(|| capitalise(name).leak())
}

fn capitalise(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            [first.to_uppercase(), rest.to_owned()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_with_a_capital_letter() {
        assert_eq!(go_name("key"), "Key");
        assert_eq!(go_name("first_name"), "FirstName");
        assert_eq!(go_name("_über_x9"), "ÜberX9");
        assert!(std::ptr::eq(go_name("key"), go_name("key")));
    }
}
