//! Why a session ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A session ended, and all its streams with it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// This end closed it.
    #[error("this end closed the session")]
    Closed,
    /// The other end closed the connection.
    #[error("the other end closed the connection")]
    Gone,
    /// The other end takes no further streams.
    #[error("the other end takes no further streams")]
    GoneAway,
    /// The connection failed.
    #[error("the connection under the session failed")]
    Io(#[source] Arc<io::Error>),
    /// The other end does not show that it is there.
    #[error("expected a sign of life within {} s, found none", .0.as_secs_f32())]
    Silent(Duration),
    /// The other end did not accept a stream.
    #[error("expected the stream {stream} to be accepted within {} s", .patience.as_secs_f32())]
    NotAccepted {
        /// The stream.
        stream: u32,
        /// How long it was waited for.
        patience: Duration,
    },
    /// This end has opened as many streams as there are numbers.
    #[error("the session has used up the numbers of streams")]
    Exhausted,
    /// The other end broke the rules.
    #[error("the other end broke the protocol")]
    Protocol(#[from] ProtocolError),
}

impl From<&SessionError> for io::Error {
    fn from(error: &SessionError) -> Self {
        let kind = match error {
            SessionError::Io(error) => error.kind(),
            SessionError::Silent(_) | SessionError::NotAccepted { .. } => io::ErrorKind::TimedOut,
            SessionError::Protocol(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, error.to_string())
    }
}

/// What came is not yamux, or not allowed at this point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A stream was opened twice, or under a number that is not the other end's to give.
    #[error("stream {stream} cannot be opened by the other end")]
    Duplicate {
        /// The stream.
        stream: u32,
    },
    /// The other end has said that it found a mistake in this one.
    #[error("the other end went away with code {code}")]
    GoAway {
        /// 1 for a protocol error, 2 for an internal one.
        code: u32,
    },
    /// So much has to be answered that the other end cannot be reading.
    #[error("the other end asks for answers that it does not read")]
    NotRead,
    /// The frame's kind is unknown.
    #[error("there is no frame of kind {found}")]
    Kind {
        /// The kind.
        found: u8,
    },
    /// A stream was closed twice.
    #[error("stream {stream} was closed twice by the other end")]
    TwiceClosed {
        /// The stream.
        stream: u32,
    },
    /// The frame is of another version of the protocol.
    #[error(
        "expected version 0 of the protocol, found {found}\n(hint: does the other end speak yamux at all?)"
    )]
    Version {
        /// The version.
        found: u8,
    },
    /// More came than the other end was allowed to send.
    #[error("{length} bytes came on stream {stream}, where {window} were allowed")]
    Window {
        /// The stream.
        stream: u32,
        /// How much came.
        length: u32,
        /// How much was allowed.
        window: u32,
    },
}
