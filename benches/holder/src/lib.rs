//! A small plugin that a thread can hold: what stays of it after an unload is measured.

#![forbid(unsafe_code)]

use std::cell::RefCell;

use jackfield_core::interface;
use jackfield_plugin::{Context, Error, export, plugin};

/// Keeps something for each thread that calls it.
#[interface(service = "jackfield.bench.Holder", version = "1.0")]
pub trait Holder {
    /// Writes the text into a thread-local of the calling thread, whose destructor keeps the plugin mapped until that thread
    /// has ended.
    ///
    /// # Errors
    ///
    /// No answer came.
    fn hold(&self, text: &str) -> Result<(), Error>;
}

/// Keeps the last text.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LastText;

impl LastText {
    /// One that keeps nothing yet.
    ///
    /// # Errors
    ///
    /// It never fails.
    pub fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

#[plugin]
impl Holder for LastText {
    fn hold(&self, text: &str) -> Result<(), Error> {
        LAST.replace(text.to_owned());
        Ok(())
    }
}

export!(LastText::open as dyn Holder);

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}
