//! Finds the files that may be plugins, by a pattern of their names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The paths below `directory` that match `pattern`, in lexical order.
///
/// In a pattern, `*` is any text, `?` any character, `[a-z]` one of these and `[^a-z]` none of them, and `\` takes
/// the next character for what it is; none of them is a `/`. Whether a file can be executed is not looked at: what
/// is no plugin is refused when it is loaded. A directory that does not exist has no plugins.
///
/// ```no_run
/// for program in jackfield_process::discover("terraform-provider-*", "/usr/lib/terraform")? {
///     println!("{}", program.display());
/// }
/// # Ok::<(), jackfield_process::DiscoverError>(())
/// ```
///
/// # Errors
/// If the pattern makes no sense, or a directory cannot be read.
pub fn discover(pattern: &str, directory: impl AsRef<Path>) -> Result<Vec<PathBuf>, DiscoverError> {
    find(pattern, directory.as_ref())
}

/// Plugins could not be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The pattern makes no sense.
    #[error("expected a pattern such as `plugin-*`, found `{pattern}`, whose `[` or `\\` does not end")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// A directory could not be read.
    #[error("failed to read the directory `{}`", .directory.display())]
    Read {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn find(pattern: &str, directory: &Path) -> Result<Vec<PathBuf>, DiscoverError> {
    let parse = |part| parse(part).ok_or_else(|| DiscoverError::Pattern { pattern: pattern.to_owned() });
    // All of it is checked, whatever is found.
    let parts =
        pattern.split('/').filter(|part| !part.is_empty()).map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut found = vec![std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())];
    for part in parts {
        let mut next = Vec::new();
        for directory in &found {
            next.extend(entries(directory)?.into_iter().filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                matches(&part, &name.chars().collect::<Vec<_>>())
            }));
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, DiscoverError> {
    let failed = |source| DiscoverError::Read { directory: directory.to_owned(), source };
    match fs::read_dir(directory) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>().map_err(failed)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(failed(error)),
    }
}

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    Character(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
    One,
}

/// `None` if something that was begun does not end.
fn parse(pattern: &str) -> Option<Vec<Token>> {
    let mut characters = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Character(characters.next()?),
            '[' => {
                let negated = characters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || characters.next_if_eq(&']').is_none() {
                    let low = literal(&mut characters)?;
                    let high = match characters.next_if_eq(&'-') {
                        Some(_) => literal(&mut characters)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Token::Class { negated, ranges }
            }
            other => Token::Character(other),
        });
    }
    Some(tokens)
}

/// One end of a range.
fn literal(characters: &mut impl Iterator<Item = char>) -> Option<char> {
    match characters.next()? {
        '\\' => characters.next(),
        ']' | '-' => None,
        other => Some(other),
    }
}

/// Tries the shortest text for each `*` first, and goes back to the last one only: what an earlier one could take, the
/// last one can take too.
fn matches(pattern: &[Token], name: &[char]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut last_any = None;
    while read < name.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                last_any = Some((at, read));
                at += 1;
            }
            Some(token) if token.takes(name[read]) => {
                at += 1;
                read += 1;
            }
            _ => match &mut last_any {
                Some((any, begun)) => {
                    *begun += 1;
                    (at, read) = (*any + 1, *begun);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|token| *token == Token::Any)
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Any => false,
            Self::Character(own) => *own == character,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
            Self::One => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        matches(&parse(pattern).unwrap(), &name.chars().collect::<Vec<_>>())
    }

    #[test]
    fn a_pattern_fits_as_in_go() {
        for (pattern, name) in [
            ("abc", "abc"),
            ("*", "abc"),
            ("*c", "abc"),
            ("a*", "a"),
            ("a*b*c*d*e*", "axbxcxdxexxx"),
            ("ab[c]", "abc"),
            ("ab[b-d]", "abc"),
            ("ab[^e-g]", "abc"),
            ("a\\*b", "a*b"),
            ("a?b", "a☺b"),
            ("[\\]a]", "]"),
            ("[\\-]", "-"),
            ("[x\\-]", "x"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*c", "abd"), ("ab[e-g]", "abc"), ("ab[^b-d]", "abc"), ("a???b", "a☺b"), ("a", "ab"), ("", "a")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        for wrong in ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "\\", "[]"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn files_are_found_in_order() {
        let home = tempfile::tempdir().unwrap();
        for name in ["kv-b", "kv-a", "other"] {
            fs::create_dir_all(home.path().join(name)).unwrap();
            fs::write(home.path().join(name).join("plugin-1"), "").unwrap();
        }
        let found = |pattern: &str| {
            let paths = discover(pattern, home.path()).unwrap();
            paths
                .into_iter()
                .map(|path| path.strip_prefix(home.path()).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(found("kv-*"), [Path::new("kv-a"), Path::new("kv-b")]);
        assert_eq!(found("*/plugin-?"), ["kv-a/plugin-1", "kv-b/plugin-1", "other/plugin-1"].map(Path::new));
        assert!(found("none*").is_empty() && discover("*", "/nowhere").unwrap().is_empty());
        assert!(discover("kv-[", home.path()).unwrap_err().to_string().contains("found `kv-[`"));
    }

    proptest::proptest! {
        #[test]
        fn every_pattern_is_read_or_refused(pattern: String, name: String) {
            if let Some(tokens) = parse(&pattern) {
                let _fits = matches(&tokens, &name.chars().collect::<Vec<_>>());
            }
        }
    }
}
