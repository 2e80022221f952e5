//! Versions in the names of plugins: `kv@1.2` is a version of `kv`.

use semver::{Version, VersionReq};

/// The name that a version of a plugin shares with others, and its version. A name without one is nobody's version.
pub(crate) fn split(plugin: &str) -> Option<(&str, Version)> {
    let (name, version) = plugin.rsplit_once('@').filter(|(name, _)| !name.is_empty())?;
    Some((name, parse(version)?))
}

/// The name and the range of a request such as `kv@^1` or `kv@>=1.2, <3`.
pub(crate) fn split_range(request: &str) -> Option<(&str, VersionReq)> {
    let (name, range) = request.rsplit_once('@').filter(|(name, _)| !name.is_empty())?;
    Some((name, VersionReq::parse(range).ok()?))
}

/// A version, of which the last numbers may be left out: `1` is `1.0.0`.
pub(crate) fn parse(text: &str) -> Option<Version> {
    let numbers = text.split(['-', '+']).next()?;
    let missing = 3_usize.checked_sub(numbers.split('.').count())?;
    let rest = &text[numbers.len()..];
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_may_be_left_out() {
        for (text, expected) in [
            ("1", Some(Version::new(1, 0, 0))),
            ("1.2", Some(Version::new(1, 2, 0))),
            ("10.2.3", Some(Version::new(10, 2, 3))),
            ("1.2.3.4", None),
            ("", None),
            ("home", None),
            ("1-beta", Version::parse("1.0.0-beta").ok()),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_without_a_version_is_a_name() {
        assert_eq!(split("kv@2"), Some(("kv", Version::new(2, 0, 0))));
        for plugin in ["kv", "kv@home", "@1", "kv@"] {
            assert_eq!(split(plugin), None, "{plugin}");
        }
    }
}
