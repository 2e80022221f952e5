//! The order of versions.

use std::cmp::Ordering;

/// Compares two versions by their numbers, as semantic versioning does: `1.10` is above `1.9`, and `2.0-beta` below
/// `2.0`. What follows a `+` does not count.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let ((one, one_early), (other, other_early)) = (split(one), split(other));
    compare_parts(one, other).then_with(|| match (one_early, other_early) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => compare_parts(one, other),
    })
}

/// The release, and the pre-release behind its `-`.
fn split(version: &str) -> (&str, Option<&str>) {
    let version = version.split('+').next().unwrap_or_default().trim_start_matches('v');
    match version.split_once('-') {
        Some((release, early)) => (release, Some(early)),
        None => (version, None),
    }
}

fn compare_parts(one: &str, other: &str) -> Ordering {
    let number = |part: &str| part.parse::<u64>().ok();
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            // A number that is not there is 0, so that `1` is `1.0`.
            (Some(one), None) => number(one).map_or(Ordering::Greater, |one| one.cmp(&0)),
            (None, Some(other)) => number(other).map_or(Ordering::Less, |other| 0.cmp(&other)),
            (Some(one), Some(other)) => match (number(one), number(other)) {
                (Some(one), Some(other)) => one.cmp(&other),
                (None, None) => one.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let ascending =
            ["0.9", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.9", "1.10", "2"];
        for (index, one) in ascending.iter().enumerate() {
            for (other_index, other) in ascending.iter().enumerate() {
                assert_eq!(compare(one, other), index.cmp(&other_index), "{one} and {other}");
            }
        }
        assert_eq!(compare("1", "v1.0.0+build"), Ordering::Equal);
    }
}
