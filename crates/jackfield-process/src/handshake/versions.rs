//! Picks the application's protocol version that both sides speak.

/// The version a plugin announces: the highest of its `own` that the host `offered`, else its lowest.
///
/// Announcing the lowest where nothing matches is what the wire asks for: a host that sent no list is
/// an old one and may well speak the oldest version, and any other host refuses the answer itself, with
/// both sides' versions in its message. `None` means that `own` is empty.
pub(crate) fn negotiate(own: &[i32], offered: &[i32]) -> Option<i32> {
    let common = own.iter().filter(|version| offered.contains(version)).max();
    common.or_else(|| own.iter().min()).copied()
}

/// Whether the host says what it has, and nothing of it is in `own`: it will refuse whatever is announced.
pub(crate) fn disagree(own: &[i32], offered: &[i32]) -> bool {
    !offered.is_empty() && !own.iter().any(|version| offered.contains(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_wins() {
        assert_eq!(negotiate(&[1, 3, 2], &[2, 1, 9]), Some(2));
        assert_eq!(negotiate(&[0, -1], &[-1]), Some(-1));
    }

    #[test]
    fn without_overlap_the_lowest_is_announced() {
        assert_eq!(negotiate(&[5, 3, 4], &[1, 2]), Some(3));
        assert_eq!(negotiate(&[5, 3, 4], &[]), Some(3));
        assert_eq!(negotiate(&[], &[1]), None);
    }

    #[test]
    fn a_host_that_says_nothing_does_not_disagree() {
        assert!(disagree(&[5, 3], &[1, 2]));
        assert!(!disagree(&[5, 3], &[1, 3]));
        assert!(!disagree(&[5, 3], &[]));
    }
}
