//! What a probe has found.

/// What a probe has found.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// What is so on every machine.
    pub(crate) kept: String,
    /// What was so in this run, which is more.
    pub(crate) seen: String,
}

impl Cell {
    pub(crate) fn new(kept: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { kept: kept.into(), seen: seen.into() }
    }

    /// It did what was asked for.
    pub(crate) fn yes() -> Self {
        Self::from("yes")
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        let text = text.into();
        Self::new(text.clone(), text)
    }
}
