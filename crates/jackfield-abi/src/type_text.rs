//! The text of a type, put together in a constant.

use crate::signature;

/// The text of a type, put together in a constant: two sides that agree on the text agree on layout and meaning.
///
/// ```
/// use jackfield_abi::symbols::TypeText;
///
/// const TEXT: TypeText = TypeText::new().push("(").push("i64").push(")");
/// const NAME: &str = TEXT.as_str();
/// assert_eq!(NAME, "(i64)");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TypeText {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl TypeText {
    /// An empty text.
    #[expect(clippy::new_without_default, reason = "it is used in constants only")]
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_LEN], len: 0 }
    }

    /// The text with `text` behind it. Of what would be longer than 4,096 bytes a number stands for the end.
    #[must_use]
    pub const fn push(mut self, text: &str) -> Self {
        if self.len + text.len() > MAX_LEN - NUMBER_LEN {
            return self.push_number(signature::of(text));
        }
        let text = text.as_bytes();
        let mut index = 0;
        while index < text.len() {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
        }
        self
    }

    /// Replaces the last sixteen digits, if they are such a number already, or appends them.
    const fn push_number(mut self, number: u64) -> Self {
        let mut number = number;
        if self.len > MAX_LEN - NUMBER_LEN {
            number = signature::tuple(&[signature::of(self.as_str()), number]);
            self.len = MAX_LEN - NUMBER_LEN;
        } else {
            while self.len < MAX_LEN - NUMBER_LEN {
                self.bytes[self.len] = b' ';
                self.len += 1;
            }
        }
        let mut digit = NUMBER_LEN;
        while digit > 0 {
            digit -= 1;
            self.bytes[self.len] = b"0123456789abcdef"[(number >> (4 * digit)) as usize & 0xf];
            self.len += 1;
        }
        self
    }

    /// The text, followed by a comma if there is more to come.
    #[must_use]
    pub const fn push_item(self, text: &str, index: usize) -> Self {
        if index == 0 { self.push(text) } else { self.push(", ").push(text) }
    }

    /// The text of a result behind `)`, which goes without saying where it is nothing.
    #[must_use]
    pub const fn push_result(self, text: &str) -> Self {
        if is_nothing(text) { self } else { self.push(" -> ").push(text) }
    }

    /// The text.
    ///
    /// # Panics
    ///
    /// Never: texts were put together from texts.
    pub const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => panic!("texts were put together from texts"),
        }
    }
}

const fn is_nothing(text: &str) -> bool {
    matches!(text.as_bytes(), b"()")
}

const MAX_LEN: usize = 4096;
/// How many hexadecimal digits a number of 64 bits has.
const NUMBER_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_in_a_number() {
        const LONG: &str = match std::str::from_utf8(&[b'a'; 3000]) {
            Ok(text) => text,
            Err(_) => panic!("it is ASCII"),
        };
        let texts = [
            TypeText::new().push(LONG).push(LONG),
            TypeText::new().push(LONG).push(LONG).push("b"),
            TypeText::new().push(LONG).push(LONG).push("c"),
        ];
        for (index, text) in texts.iter().enumerate() {
            assert_eq!(text.as_str().len(), MAX_LEN);
            assert!(texts[..index].iter().all(|other| other.as_str() != text.as_str()), "{index}");
        }
    }
}
