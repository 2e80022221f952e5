//! What all providers do with keys.

use std::collections::BTreeSet;

/// The beginnings of the keys that begin with `prefix`, each up to the first `delimiter` after it.
///
/// ```
/// let keys = ["backups/one/log", "backups/two/log", "backups/two/data", "restores/one"];
/// assert_eq!(object_store::common_prefixes(keys, "backups/", "/"), ["backups/one/", "backups/two/"]);
/// ```
///
/// # Panics
///
/// The delimiter is empty.
pub fn common_prefixes<'a>(
    keys: impl IntoIterator<Item = &'a str>,
    prefix: &str,
    delimiter: &str,
) -> Vec<String> {
    assert!(!delimiter.is_empty(), "the delimiter is empty");
    let with_prefix = keys.into_iter().filter_map(|key| key.strip_prefix(prefix));
    let beginnings = with_prefix.filter_map(|rest| rest.split_once(delimiter));
    let prefixes: BTreeSet<_> =
        beginnings.map(|(beginning, _)| format!("{prefix}{beginning}{delimiter}")).collect();
    prefixes.into_iter().collect()
}
