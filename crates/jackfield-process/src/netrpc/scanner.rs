//! Finds where one JSON object ends and the next begins.

use bytes::{Buf, BytesMut};

use super::codec::Bound;
use super::json::{JsonError, MAX_QUOTE};

/// Looks at each byte once, however it comes in.
#[derive(Debug)]
pub(super) struct Scanner {
    /// How long an object may be.
    bound: Bound,
    /// How much of the input was looked at.
    seen: usize,
    /// How many braces are open.
    depth: usize,
    within: Within,
}

/// What the next byte stands in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Within {
    /// A text, behind a backslash.
    Escape,
    /// Anything else.
    #[default]
    Structure,
    /// A text.
    Text,
}

impl Scanner {
    /// Finds objects within a bound.
    pub(super) fn new(bound: Bound) -> Self {
        Self { bound, seen: 0, depth: 0, within: Within::default() }
    }

    /// Takes the next object from the front of `input`, once it is complete. What stands in it is not looked into.
    ///
    /// # Errors
    /// If something else than an object comes, or one that is too long. Nothing more can be read then.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, JsonError> {
        if self.depth == 0 {
            let space = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            input.advance(space);
            match input.first() {
                Some(b'{') => {}
                Some(_) => return Err(noise(input)),
                None => return Ok(None),
            }
        }
        let limit = self.bound.bytes();
        while let Some(byte) = input.get(self.seen) {
            self.step(*byte);
            self.seen += 1;
            if self.seen > limit {
                return Err(JsonError::Length { limit });
            }
            if self.depth == 0 {
                let length = std::mem::take(&mut self.seen);
                return Ok(Some(input.split_to(length)));
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) {
        self.within = match (self.within, byte) {
            (Within::Escape, _) => Within::Text,
            (Within::Text, b'\\') => Within::Escape,
            (Within::Text, b'"') => Within::Structure,
            (Within::Structure, b'"') => Within::Text,
            (Within::Structure, b'{') => {
                self.depth += 1;
                Within::Structure
            }
            (Within::Structure, b'}') => {
                self.depth -= 1;
                Within::Structure
            }
            (within, _) => within,
        };
    }
}

fn noise(input: &[u8]) -> JsonError {
    let line = input.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let shown = &line[..line.len().min(MAX_QUOTE)];
    JsonError::Noise { found: String::from_utf8_lossy(shown).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All objects, whatever the cuts between the bytes.
    fn scan(text: &str, cut: usize) -> Result<Vec<String>, JsonError> {
        let (mut scanner, mut input, mut objects) =
            (Scanner::new(Bound::new(64)), BytesMut::new(), Vec::new());
        for piece in text.as_bytes().chunks(cut) {
            input.extend_from_slice(piece);
            while let Some(object) = scanner.next(&mut input)? {
                objects.push(String::from_utf8(object.to_vec()).unwrap());
            }
        }
        Ok(objects)
    }

    #[test]
    fn braces_in_texts_count_for_nothing() {
        let (first, second) = (r#"{"a":{"}":"{\"}\\"},"b":[{}]}"#, "{\n\"c\" : 1 }");
        for cut in 1..9 {
            assert_eq!(scan(&format!(" {first}{second}\n"), cut).unwrap(), [first, second]);
        }
    }

    #[test]
    fn an_object_is_cut_off_at_the_limit_whether_it_ends_or_not() {
        let of = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
        for cut in [1, 7, 128] {
            assert_eq!(scan(&of(64), cut).unwrap(), [of(64)]);
            for long in [of(65), of(66).replace('}', "")] {
                assert!(matches!(scan(&long, cut), Err(JsonError::Length { limit: 64 })), "{long}");
            }
        }
    }

    #[test]
    fn noise_is_shown() {
        let Err(JsonError::Noise { found }) = scan("{}\nloading model...\n{}", 64) else { panic!() };
        assert_eq!(found, "loading model...");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_scanned(bytes: Vec<u8>, text in "[{}\"\\\\ a]{0,40}") {
            super::super::json::fuzz(&bytes);
            super::super::json::fuzz(text.as_bytes());
        }
    }
}
