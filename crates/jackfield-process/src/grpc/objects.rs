//! What goes beside a message: objects, each by the number under which a broker knows it, and a stream.

use std::sync::Arc;

use bytes::Bytes;
use jackfield_core::codec::Reader;
use jackfield_core::{CallError, DecodeError, Error, Field, Messages, Parcel, Part, Peer};

use super::{Broker, BrokerError, Caller};
use crate::error::Chain;

/// Serves the objects that belong to a message and writes their numbers into it. The stream goes its own way.
///
/// # Errors
/// An object cannot be served.
pub(crate) async fn hand_over(
    broker: &Broker,
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
                let id = serve(broker, peer, fields, number).await?;
                prost::encoding::uint32::encode(number, &id, &mut message);
            }
            _ => return Err(unknown(number)),
        }
    }
    Ok((message.into(), stream))
}

async fn serve(broker: &Broker, peer: Peer, fields: &[Field], number: u32) -> Result<u32, Error> {
    let field = fields.iter().find(|field| field.number == number);
    let ty = field.and_then(Field::object_type).ok_or_else(|| unknown(number))?;
    let service = peer.into_service(ty).map_err(CallError::from)?;
    Ok(broker.serve_object(service).await.map_err(unreached)?)
}

/// Connects to the objects whose numbers stand in a message.
///
/// # Errors
/// The message cannot be read, or an object cannot be reached.
pub(crate) async fn take_over(
    broker: &Broker,
    message: &[u8],
    fields: &[Field],
) -> Result<Vec<(u32, Part)>, Error> {
    let mut objects = Vec::new();
    for field in fields.iter().filter(|field| field.object_type().is_some()) {
        if let Some(id) = last_number(message, field.number).map_err(CallError::from)? {
            let connection = broker.connect_to(id).await.map_err(unreached)?;
            let caller = Caller::new(connection, broker.clone());
            objects.push((field.number, Part::Object(Peer::Channel(Arc::new(caller)))));
        }
    }
    Ok(objects)
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

fn unreached(error: BrokerError) -> CallError {
    CallError::Wire { reason: format!("an object of the call: {}", Chain(&error)) }
}

fn unknown(number: u32) -> Error {
    CallError::Wire { reason: format!("field {number} came with something that this wire does not carry") }
        .into()
}
