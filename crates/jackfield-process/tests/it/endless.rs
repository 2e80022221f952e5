//! An interface of which no method ends by itself, for the tests and for the plugin that they end.

use jackfield_core::{Error, Handle, Streaming, interface};

/// What a plugin never comes to the end of.
#[interface(service = "proto.Endless", version = "1.0")]
pub(crate) trait Endless {
    /// One number, and never the next.
    async fn numbers(&self) -> Result<Streaming<i64>, Error>;
    /// The sum of `numbers`, once they end.
    async fn total(&self, numbers: Streaming<i64>) -> Result<i64, Error>;
    /// What `listener` answers.
    async fn tell(&self, listener: Handle<dyn Listener>) -> Result<i64, Error>;
    /// Holds `listener` for ever.
    async fn keep(&self, listener: Handle<dyn Listener>) -> Result<(), Error>;
}

/// An object of the host's.
#[interface(service = "proto.Listener", version = "1.0")]
pub(crate) trait Listener {
    /// Is told of `number`.
    async fn hear(&self, number: i64) -> Result<i64, Error>;
}
