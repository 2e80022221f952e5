//! Why a call failed, or a connection.

use std::io;
use std::sync::Arc;

use super::json::JsonError;
use super::refusal::Refusal;
use crate::gob::GobError;

/// A call failed, or the connection on which it was made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The argument cannot be encoded; nothing was sent.
    #[error("the argument of `{method}` cannot be sent")]
    Argument {
        /// The method.
        method: String,
        /// What is wrong with the argument.
        source: BodyError,
    },
    /// This end closed the connection.
    #[error("this end closed the connection")]
    Closed,
    /// The other end closed the connection before it had answered.
    #[error("the other end closed the connection")]
    Gone,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] Arc<io::Error>),
    /// What came is no net/rpc.
    #[error("the other end does not speak net/rpc as this one does")]
    Protocol(#[from] ProtocolError),
    /// The server answered: no. The words are its own.
    #[error("{0}")]
    Refused(Refusal),
    /// The result is not what was expected. The connection goes on.
    #[error("the result of `{method}` is not what was expected")]
    Result {
        /// The method.
        method: String,
        /// What is wrong with the result.
        source: BodyError,
    },
}

impl From<io::Error> for RpcError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// The bytes of a connection are no calls, or no answers.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// They are no gobs.
    #[error(transparent)]
    Gob(#[from] GobError),
    /// They are no JSON-RPC.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl From<gobwire::Error> for ProtocolError {
    fn from(error: gobwire::Error) -> Self {
        Self::Gob(error.into())
    }
}

/// An argument or a result cannot be sent, or is not of the type as which it is read.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct BodyError(BodyErrorKind);

#[derive(Debug, Clone, thiserror::Error)]
enum BodyErrorKind {
    #[error(transparent)]
    Gob(#[from] Arc<gobwire::Error>),
    #[error(transparent)]
    Json(#[from] Arc<serde_json::Error>),
}

impl From<gobwire::Error> for BodyError {
    fn from(error: gobwire::Error) -> Self {
        Self(BodyErrorKind::Gob(Arc::new(error)))
    }
}

impl From<serde_json::Error> for BodyError {
    fn from(error: serde_json::Error) -> Self {
        Self(BodyErrorKind::Json(Arc::new(error)))
    }
}
