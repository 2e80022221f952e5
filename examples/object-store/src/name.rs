//! The name of a provider: `<DNS subdomain>/<name>`.

use std::fmt;
use std::str::FromStr;

/// The name of a provider, such as `example.io/fs`: whoever owns the domain may give it.
///
/// ```
/// use object_store::ProviderName;
///
/// let name: ProviderName = "example.io/fs".parse()?;
/// assert_eq!(name.as_str(), "example.io/fs");
/// assert!("fs".parse::<ProviderName>().is_err());
/// # Ok::<_, object_store::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProviderName(String);

impl ProviderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_name =
            |(domain, name): (&str, &str)| is_subdomain(domain) && !name.is_empty() && !name.contains('/');
        match text.split_once('/') {
            Some(parts) if is_name(parts) => Ok(Self(text.to_owned())),
            _ => Err(NameError { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is not the name of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameError {
    /// The text.
    pub found: String,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a name such as `example.io/fs`, found `{}`\n\
             (hint: `<DNS subdomain>/<name>`, the subdomain in lower-case letters, digits, `-` and `.`)",
            self.found
        )
    }
}

impl std::error::Error for NameError {}

/// As RFC 1123 has it.
fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_SUBDOMAIN && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = label.starts_with('-') || label.ends_with('-');
    !label.is_empty() && label.len() <= LONGEST_LABEL && !ends && label.bytes().all(is_inside)
}

/// In bytes.
const LONGEST_SUBDOMAIN: usize = 253;
/// In bytes.
const LONGEST_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_a_domain() {
        for name in ["example.io/fs", "a/b", "my-tool.example.io/AWS_1", "1.2/x"] {
            assert_eq!(name.parse::<ProviderName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        let long = format!("{}/fs", "a".repeat(64));
        for text in
            ["", "fs", "/fs", "example.io/", "example.io/a/b", "Example.io/fs", "-a/fs", "a..b/fs", &long]
        {
            assert_eq!(text.parse::<ProviderName>(), Err(NameError { found: text.to_owned() }));
        }
    }
}
