//! An algorithm as a plugin, which is what a shared library is best at: it asks nobody, keeps nothing, cannot fail, and is
//! called so often that a process of its own would cost more than the work.

#![forbid(unsafe_code)]

use jackfield_core::interface;
use jackfield_plugin::{Context, Error, export, plugin};

/// How far texts are from each other.
#[interface(service = "examples.Distance", version = "1.0")]
pub trait Distance {
    /// How many characters have to be put in, taken out or replaced to make the one of the other.
    ///
    /// # Errors
    ///
    /// No answer came.
    fn between(&self, one: &str, other: &str) -> Result<u64, Error>;
}

/// Levenshtein's algorithm.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Levenshtein;

impl Levenshtein {
    /// The algorithm, which has nothing to configure.
    ///
    /// # Errors
    ///
    /// It never fails.
    pub fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

#[plugin]
impl Distance for Levenshtein {
    fn between(&self, one: &str, other: &str) -> Result<u64, Error> {
        let other: Vec<char> = other.chars().collect();
        // How far what was read of `one` is from each beginning of `other`.
        let mut distances: Vec<u64> = (0..).take(other.len() + 1).collect();
        for (read, character) in (1..).zip(one.chars()) {
            let mut diagonal = std::mem::replace(&mut distances[0], read);
            for (index, found) in other.iter().enumerate() {
                let replaced = diagonal + u64::from(character != *found);
                diagonal = distances[index + 1];
                distances[index + 1] = replaced.min(diagonal + 1).min(distances[index] + 1);
            }
        }
        Ok(distances[other.len()])
    }
}

export!(Levenshtein::open as dyn Distance);
