//! Finds the number of a group of users.

use std::io;

/// The number of `group`, which is that number itself or a name that stands in `/etc/group`.
///
/// # Errors
/// If there is no such group, or the file cannot be read.
pub(crate) fn number(group: &str) -> io::Result<u32> {
    match group.parse() {
        Ok(number) => Ok(number),
        Err(_) => find(&std::fs::read_to_string("/etc/group")?, group).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("expected a group's number or name, found `{group}`"),
            )
        }),
    }
}

/// A line of the file is `name:password:number:members`.
fn find(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let number = (fields.next() == Some(name)).then(|| fields.nth(1))??;
        number.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_name_or_is_a_number() {
        let groups = "root:x:0:\nvault-plugins:x:993:me,you\n";
        assert_eq!(find(groups, "vault-plugins"), Some(993));
        assert_eq!(find(groups, "vault"), None);
        assert_eq!(number("12").unwrap(), 12);
        assert!(number("no such group").unwrap_err().to_string().contains("found `no such group`"));
    }
}
