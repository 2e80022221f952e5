//! What goes beside a message: objects, each by the number under which a broker knows it, and a stream.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use jackfield_core::codec::{Reader, Value};
use jackfield_core::{CallError, Channel, DecodeError, Error, Field, Messages, Parcel, Part, Peer, Service};

/// Where the two sides of a connection find each other's objects by number.
pub(crate) trait Objects: Sync {
    /// Serves an object under a new number, for as long as the other side holds it.
    fn serve(&self, object: Service) -> impl Future<Output = Result<u32, CallError>> + Send;

    /// Reaches the object that the other side serves under a number.
    fn reach(&self, id: u32) -> impl Future<Output = Result<Arc<dyn Channel>, CallError>> + Send;
}

/// Serves the objects that belong to a message and writes their numbers into it. The stream goes its own way.
///
/// # Errors
/// An object cannot be served.
pub(crate) async fn hand_over(
    objects: &impl Objects,
    parcel: Parcel,
    fields: &[Field],
) -> Result<(Bytes, Option<Messages>), Error> {
    let Parcel { bytes, parts } = parcel;
    if parts.is_empty() {
        return Ok((bytes, None));
    }
    let (mut message, mut stream) = (Vec::from(bytes), None);
    for (number, part) in parts {
        match part {
            Part::Stream(messages) => stream = Some(messages),
            Part::Object(peer) => {
                let service = service(peer, fields, number)?;
                objects.serve(service).await?.encode(number, &mut message);
            }
            _ => return Err(unknown(number)),
        }
    }
    Ok((message.into(), stream))
}

fn service(peer: Peer, fields: &[Field], number: u32) -> Result<Service, Error> {
    let field = fields.iter().find(|field| field.number == number);
    let ty = field.and_then(Field::object_type).ok_or_else(|| unknown(number))?;
    Ok(peer.into_service(ty).map_err(CallError::from)?)
}

/// Connects to the objects whose numbers stand in a message.
///
/// # Errors
/// The message cannot be read, or an object cannot be reached.
pub(crate) async fn take_over(
    objects: &impl Objects,
    message: &[u8],
    fields: &[Field],
) -> Result<Vec<(u32, Part)>, Error> {
    let mut taken = Vec::new();
    for field in fields.iter().filter(|field| field.object_type().is_some()) {
        if let Some(id) = last_number(message, field.number).map_err(CallError::from)? {
            let channel = objects.reach(id).await?;
            taken.push((field.number, Part::Object(Peer::Channel(channel))));
        }
    }
    Ok(taken)
}

/// The value of a field that is a number: of several, the last counts.
fn last_number(message: &[u8], number: u32) -> Result<Option<u32>, DecodeError> {
    let (mut reader, mut last) = (Reader::new(message), None);
    while let Some(field) = reader.next_field()? {
        if field.number == number {
            let error = DecodeError::Range { number, expected: "u32" };
            last = Some(u32::try_from(field.varint()?).map_err(|_| error)?);
        }
    }
    Ok(last)
}

fn unknown(number: u32) -> Error {
    CallError::Wire { reason: format!("field {number} came with something that this wire does not carry") }
        .into()
}
