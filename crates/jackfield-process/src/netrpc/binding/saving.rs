//! How an object hands over what it holds, over net/rpc: by two methods beside those of its interface.
//!
//! Both are described in `docs/handing-over.md`, for plugins in other languages.

use bytes::Bytes;
use jackfield_core::schema::{Kind, Shape};
use jackfield_core::{Field, Method, Mode, Service};
use prost::Message;

use super::loose::Loose;
use super::outgoing::Outgoing;
use super::service::refusal;
use crate::netrpc::{Codec, FromBody, Refusal, Server, ToBody};

/// Tells whether the object saves. Whoever does not know the method says no by that.
pub(crate) static SAVES: Method =
    method("JackfieldSaves", "/jackfield.Save/JackfieldSaves", &[Field::new("saves", 1, one(Kind::Bool))]);
/// Lets the object save.
pub(crate) static SAVE: Method =
    method("JackfieldSave", "/jackfield.Save/JackfieldSave", &[Field::new("saved", 1, one(Kind::Bytes))]);

const fn method(name: &'static str, path: &'static str, result: &'static [Field]) -> Method {
    Method { name, path, mode: Mode::Async, arguments: &[], result, is_optional: true }
}

const fn one(kind: Kind) -> Shape {
    Shape::Singular(kind)
}

/// What [`SAVES`] was answered, as a message.
///
/// # Errors
/// The answer is none.
pub(super) fn read_saves(answer: &Bytes) -> Result<bool, prost::DecodeError> {
    bool::decode(&**answer)
}

/// What [`SAVE`] was answered, as a message.
///
/// # Errors
/// The answer is none.
pub(super) fn read_saved(answer: Bytes) -> Result<Bytes, prost::DecodeError> {
    Bytes::decode(answer)
}

/// Answers both methods under `name`, if the object saves.
pub(crate) fn serve<C: Codec>(server: Server<C>, name: &str, object: &Service) -> Server<C>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    if !object.saves() {
        return server;
    }
    let object = object.clone();
    server
        .refusing_method(&format!("{name}.{}", SAVES.name), |_: Loose| async {
            answer(&SAVES, &true.encode_to_vec().into())
        })
        .refusing_method(&format!("{name}.{}", SAVE.name), move |_: Loose| {
            let object = object.clone();
            async move {
                let saved = object.save().await.map_err(refusal)?;
                answer(&SAVE, &saved.encode_to_vec().into())
            }
        })
}

fn answer(method: &'static Method, message: &Bytes) -> Result<Outgoing, Refusal> {
    Outgoing::response(method, message).map_err(|error| Refusal::new(error.to_string()))
}
