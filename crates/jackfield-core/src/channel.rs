//! The host's end of a wire.

use std::fmt;
use std::future::ready;

use bytes::Bytes;
use jackfield_abi::CallOptions;

use crate::save::does_not_save;
use crate::schema::Method;
use crate::{BoxFuture, Error, Parcel};

/// The host's end of a wire: asks with an encoded request, and is answered with an encoded response.
///
/// A backend implements it; a [`Handle`](crate::Handle) calls it.
pub trait Channel: fmt::Debug + Send + Sync {
    /// Asks, and answers in a future that any executor may poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the answer up. The plugin may have begun to work on the request.
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>>;

    /// Asks, and blocks the calling thread until the answer is there. It may be called inside any runtime.
    ///
    /// # Errors
    ///
    /// What the plugin said, or that no answer came.
    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error>;

    /// Whether a blocking call may wait on this thread: not on one that has to do the channel's own work, where
    /// [`call_blocking`](Self::call_blocking) fails at once.
    fn may_block(&self) -> bool {
        true
    }

    /// Whether the other end's object of this interface hands over what it holds, by [`save`](Self::save). Where that is
    /// not known, it is asked.
    ///
    /// # Errors
    ///
    /// It does not say.
    fn saves(&self, _interface: &'static str) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin(ready(Ok(false)))
    }

    /// Lets the other end's object of this interface [save](crate::Save) what it holds.
    ///
    /// # Errors
    ///
    /// It could not, or it does not save.
    fn save(&self, interface: &'static str) -> BoxFuture<'static, Result<Bytes, Error>> {
        Box::pin(ready(Err(does_not_save(interface))))
    }

    /// Whether the other end is known to lack this method, for which the trait has a default.
    fn lacks(&self, _method: &'static Method) -> bool {
        false
    }
}
