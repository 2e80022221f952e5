//! The host's end of a wire.

use std::fmt;

use bytes::Bytes;

use crate::schema::Method;
use crate::{BoxFuture, Error};

/// The host's end of a wire: asks with an encoded request, and is answered with an encoded response.
///
/// A backend implements it; a [`Handle`](crate::Handle) calls it.
pub trait Channel: fmt::Debug + Send + Sync {
    /// Asks, and answers in a future that any executor may poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the answer up. The plugin may have begun to work on the request.
    fn call(&self, method: &'static Method, request: Bytes) -> BoxFuture<'static, Result<Bytes, Error>>;

    /// Asks, and blocks the calling thread until the answer is there. It may be called inside any runtime.
    ///
    /// # Errors
    ///
    /// What the plugin said, or that no answer came.
    fn call_blocking(&self, method: &'static Method, request: Bytes) -> Result<Bytes, Error>;
}
