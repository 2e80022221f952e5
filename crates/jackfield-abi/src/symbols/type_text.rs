//! The text of a type, put together in a constant.

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

    /// The text with `text` behind it.
    ///
    /// # Panics
    ///
    /// It would be longer than 4,096 bytes. In a constant, that is an error of the compiler.
    #[must_use]
    pub const fn push(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        assert!(self.len + text.len() <= MAX_LEN, "the text of a type has more than 4,096 bytes");
        let mut index = 0;
        while index < text.len() {
            self.bytes[self.len] = text[index];
            self.len += 1;
            index += 1;
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
