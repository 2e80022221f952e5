//! Whole messages: the arguments of a method as a request, its result as a response.

use bytes::Bytes;

use super::Value;
use super::reader::{DecodeError, Reader};
use crate::schema::Field;

/// The fields of a message: a tuple of arguments, or a result.
pub trait Fields: Sized {
    /// Encodes the message. Each value stands under the number of the field at its place.
    fn encode(&self, fields: &[Field]) -> Bytes;

    /// Decodes the message. A field that is absent has its default; one that is unknown is skipped.
    ///
    /// # Errors
    ///
    /// The bytes are not this message.
    fn decode(message: &Bytes, fields: &[Field]) -> Result<Self, DecodeError>;
}

macro_rules! tuple {
    ($($value:ident $index:tt),*) => {
        #[allow(
            non_snake_case,
            unused_mut,
            unused_variables,
            clippy::allow_attributes,
            reason = "type parameters name the variables, and the empty tuple uses less than the others"
        )]
        impl<$($value: Value),*> Fields for ($($value,)*) {
            fn encode(&self, fields: &[Field]) -> Bytes {
                let mut buffer = Vec::new();
                $(self.$index.encode(fields[$index].number, &mut buffer);)*
                buffer.into()
            }

            fn decode(message: &Bytes, fields: &[Field]) -> Result<Self, DecodeError> {
                $(let mut $value = $value::default();)*
                let mut reader = Reader::new(message);
                while let Some(field) = reader.next_field()? {
                    $(if field.number == fields[$index].number {
                        $value = Value::decode(&field, message)?;
                    })*
                }
                Ok(($($value,)*))
            }
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
