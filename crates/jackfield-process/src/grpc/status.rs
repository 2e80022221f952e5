//! Translates between the statuses of gRPC and the errors of a call.

use std::error::Error as _;
use std::sync::Arc;

use http::HeaderMap;
use jackfield_core::{CallError, Code, Error, Failure};
use tonic::Status;

/// Why a call failed: the peer said so, or the wire broke before it could.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The peer answered.
    Answered(Error),
    /// The connection failed, in these words.
    Broken(String),
}

/// Reads the status with which a call of the method at `path` ended.
pub(crate) fn read(status: Status, path: &str) -> Refusal {
    // What arrived in a header has no source; what the wire reported has.
    if status.source().is_some() {
        return Refusal::Broken(innermost(&status));
    }
    if let Some(error) = too_large(&status) {
        return Refusal::Answered(error.into());
    }
    let message = status.message().to_owned();
    Refusal::Answered(match status.code() {
        tonic::Code::Unimplemented if !message_is_the_plugins(&status) => {
            CallError::Unimplemented { method: path.to_owned() }.into()
        }
        tonic::Code::Internal if status.metadata().contains_key(PANIC) => {
            CallError::Panicked { message }.into()
        }
        code => Error::Plugin(
            detailed(&status).unwrap_or_else(|| Failure::with_code(Code::new(code as u32), message)),
        ),
    })
}

/// Writes the error with which a call ended, so that [`read`] gives the same on the other side.
pub(crate) fn write(error: Error) -> Status {
    match error {
        Error::Plugin(failure) => {
            let code = tonic::Code::from_i32(failure.code().number() as i32);
            let mut status = match failure.has_detail() {
                true => Status::with_details(code, failure.message(), failure.encode().into()),
                false => Status::new(code, failure.message()),
            };
            if code == tonic::Code::Unimplemented {
                status.metadata_mut().insert(ANSWER, mark());
            }
            status
        }
        Error::Call(CallError::Panicked { message }) => {
            let mut status = Status::internal(message);
            status.metadata_mut().insert(PANIC, mark());
            status
        }
        Error::Call(error @ CallError::TooLarge { size, limit }) => {
            let mut status = Status::resource_exhausted(error.to_string());
            for (key, number) in [(SIZE, size), (LIMIT, limit)] {
                status.metadata_mut().insert(key, number.into());
            }
            status
        }
        Error::Call(error @ CallError::Malformed { .. }) => Status::invalid_argument(error.to_string()),
        Error::Call(error @ CallError::Unimplemented { .. }) => Status::unimplemented(error.to_string()),
        Error::Call(error) => Status::unavailable(error.to_string()),
    }
}

/// The failure with the error itself, if the status brings that: as in every language, it is a `google.rpc.Status`
/// that says the same as the status.
fn detailed(status: &Status) -> Option<Failure> {
    let failure = Failure::decode(status.details()).ok()?;
    (failure.has_detail() && failure.code().number() == status.code() as u32).then_some(failure)
}

/// The error of a side that refused a message, if it is of ours and says so.
fn too_large(status: &Status) -> Option<CallError> {
    let number = |key| status.metadata().get(key)?.to_str().ok()?.parse().ok();
    Some(CallError::TooLarge { size: number(SIZE)?, limit: number(LIMIT)? })
}

/// What stands behind the messages of an answer.
///
/// # Errors
/// The words cannot stand in a header.
pub(crate) fn trailers(result: Result<(), Error>) -> Result<HeaderMap, Status> {
    let mut trailers = HeaderMap::new();
    result.map_or_else(write, |()| Status::ok("")).add_header(&mut trailers)?;
    Ok(trailers)
}

/// What is wrong with the wire itself, which no peer said: [`read`] gives it as such.
pub(crate) fn of_wire(code: tonic::Code, words: impl Into<String>) -> Status {
    let words = words.into();
    let mut status = Status::new(code, words.clone());
    status.set_source(Arc::new(Broken(words)));
    status
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

/// A plugin's own "unimplemented" is an answer; that of its gRPC library means it has no such method.
fn message_is_the_plugins(status: &Status) -> bool {
    status.metadata().contains_key(ANSWER)
}

fn mark() -> tonic::metadata::MetadataValue<tonic::metadata::Ascii> {
    tonic::metadata::MetadataValue::from_static("1")
}

/// What the wire itself said.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Tells a panic of a Rust plugin from an internal error of any other.
const PANIC: &str = "jackfield-panic";
/// How many bytes a message has that was refused.
const SIZE: &str = "jackfield-message-size";
/// How many bytes it may have.
const LIMIT: &str = "jackfield-message-limit";
/// Tells a status that the plugin itself returned from one of its gRPC library.
const ANSWER: &str = "jackfield-answer";

#[cfg(test)]
mod tests {
    use super::*;

    fn crossed(error: Error) -> Error {
        match read(write(error), "/a.B/C") {
            Refusal::Answered(error) => error,
            Refusal::Broken(words) => panic!("{words}"),
        }
    }

    #[test]
    fn what_the_plugin_says_crosses_unchanged() {
        for number in 1..=16 {
            let failure = Error::Plugin(Failure::with_code(Code::new(number), "no `ä`"));
            assert_eq!(crossed(failure.clone()), failure);
        }
        let panic: Error = CallError::Panicked { message: "boom".into() }.into();
        assert_eq!(crossed(panic.clone()), panic);
        let too_large: Error = CallError::TooLarge { size: 5, limit: 4 }.into();
        assert_eq!(crossed(too_large.clone()), too_large);
    }

    #[test]
    fn a_foreign_unimplemented_names_the_method() {
        let Refusal::Answered(error) = read(Status::unimplemented("unknown method"), "/a.B/C") else {
            panic!()
        };
        assert_eq!(error, CallError::Unimplemented { method: "/a.B/C".into() }.into());
    }

    #[test]
    fn a_failure_of_the_wire_is_no_answer() {
        let status = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert!(matches!(read(status, "/a.B/C"), Refusal::Broken(words) if words == "reset"));
    }
}
