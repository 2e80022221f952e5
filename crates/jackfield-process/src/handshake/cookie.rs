//! Knows the magic cookie, by which a plugin tells a host from a person who ran it by hand.

use std::ffi::OsStr;

/// What both sides must agree on before they talk: the application's protocol version and its cookie.
///
/// The cookie guards against mistakes, not against attackers: it is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshake {
    /// The version of the application's own protocol.
    pub protocol_version: i32,
    /// The name of the environment variable that carries the cookie.
    pub cookie_key: String,
    /// The value the variable must have, byte for byte.
    pub cookie_value: String,
}

impl Handshake {
    /// Describes a handshake.
    pub fn new(
        protocol_version: i32,
        cookie_key: impl Into<String>,
        cookie_value: impl Into<String>,
    ) -> Self {
        Self { protocol_version, cookie_key: cookie_key.into(), cookie_value: cookie_value.into() }
    }

    /// Checks what the environment holds under [`cookie_key`](Self::cookie_key).
    ///
    /// # Errors
    /// [`CookieError::Unset`] if the author of the plugin left the cookie empty, and
    /// [`CookieError::Mismatch`] if `found` is not the cookie: no host started this program.
    pub fn check(&self, found: Option<&OsStr>) -> Result<(), CookieError> {
        if self.cookie_key.is_empty() || self.cookie_value.is_empty() {
            return Err(CookieError::Unset);
        }
        if found != Some(OsStr::new(&self.cookie_value)) {
            return Err(CookieError::Mismatch);
        }
        Ok(())
    }
}

impl Default for Handshake {
    /// What Jackfield's own hosts and plugins agree on if nothing else is said.
    fn default() -> Self {
        Self::new(1, "JACKFIELD_COOKIE", "a plugin of a jackfield host")
    }
}

/// A plugin refused to run because of its magic cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// No host started this program.
    #[error(
        "this program is a plugin and is not meant to be run by itself\n\
         (hint: run the program that uses it; that one loads the plugin)"
    )]
    Mismatch,
    /// The author left the cookie's name or value empty.
    #[error(
        "this plugin is misconfigured: the name or the value of its magic cookie is empty\n\
         (hint: tell the author of the plugin)"
    )]
    Unset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_value_passes() {
        let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
        assert_eq!(handshake.check(Some(OsStr::new("wukaiying"))), Ok(()));
        assert_eq!(handshake.check(Some(OsStr::new("Wukaiying"))), Err(CookieError::Mismatch));
        assert_eq!(handshake.check(None), Err(CookieError::Mismatch));
    }

    #[test]
    fn an_empty_cookie_is_the_authors_mistake() {
        assert_eq!(Handshake::new(1, "", "x").check(None), Err(CookieError::Unset));
        assert_eq!(Handshake::new(1, "X", "").check(Some(OsStr::new(""))), Err(CookieError::Unset));
    }
}
