//! The arguments of a method: a tuple of up to twelve, as one request.

use jackfield_abi as abi;

use super::argument::Argument;
use crate::codec::{DecodeError, Reader};
use crate::parcel::Parcel;
use crate::schema::Field;

/// The arguments of a method.
pub trait Arguments: 'static {
    /// What the caller gives, and what the method takes.
    type Given<'a>: Send;
    /// What the callee holds while the method runs.
    type Held<'a>: Send;
    /// What crosses into a library.
    type Lend: abi::Arguments;
    /// The same, for a callee that has to keep it longer than the call.
    type Own: abi::Arguments;

    /// Makes what crosses.
    fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Arguments>::Values<'a>;

    /// Makes what is held of what crossed.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn hold<'a>(values: <Self::Lend as abi::Arguments>::Values<'a>) -> Result<Self::Held<'a>, DecodeError>;

    /// The same, for a callee that has to keep it longer than the call.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn own(
        values: <Self::Own as abi::Arguments>::Values<'static>,
    ) -> Result<Self::Held<'static>, DecodeError>;

    /// Gives the method what it takes. It is called once.
    fn give<'s>(held: &'s mut Self::Held<'_>) -> Self::Given<'s>;

    /// Makes a request. Each argument stands under the number of the field at its place.
    fn encode(given: Self::Given<'_>, fields: &[Field]) -> Parcel;

    /// Takes the arguments from a request. One that is absent has its default; unknown fields are skipped.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn decode(request: Parcel, fields: &[Field]) -> Result<Self::Held<'static>, DecodeError>;
}

macro_rules! tuple {
    ($($argument:ident $index:tt),*) => {
        #[allow(
            non_snake_case,
            unused_mut,
            unused_variables,
            clippy::allow_attributes,
            clippy::unused_unit,
            reason = "type parameters name the variables, and the empty tuple uses less than the others"
        )]
        impl<$($argument: Argument),*> Arguments for ($($argument,)*) {
            type Given<'a> = ($($argument::Given<'a>,)*);
            type Held<'a> = ($($argument::Held<'a>,)*);
            type Lend = ($($argument::Lend,)*);
            type Own = ($($argument::Own,)*);

            #[inline(always)]
            fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Arguments>::Values<'a> {
                ($($argument::lend(given.$index),)*)
            }

            #[inline(always)]
            fn hold<'a>(
                values: <Self::Lend as abi::Arguments>::Values<'a>,
            ) -> Result<Self::Held<'a>, DecodeError> {
                Ok(($($argument::hold(values.$index)?,)*))
            }

            #[inline(always)]
            fn own(
                values: <Self::Own as abi::Arguments>::Values<'static>,
            ) -> Result<Self::Held<'static>, DecodeError> {
                Ok(($($argument::own(values.$index)?,)*))
            }

            #[inline(always)]
            fn give<'s>(held: &'s mut Self::Held<'_>) -> Self::Given<'s> {
                ($($argument::give(&mut held.$index),)*)
            }

            fn encode(given: Self::Given<'_>, fields: &[Field]) -> Parcel {
                let (mut bytes, mut parts) = (Vec::new(), Vec::new());
                $($argument::encode(given.$index, fields[$index].number, &mut bytes, &mut parts);)*
                Parcel { bytes: bytes.into(), parts }
            }

            fn decode(request: Parcel, fields: &[Field]) -> Result<Self::Held<'static>, DecodeError> {
                let Parcel { bytes, parts } = request;
                $(let mut $argument = None;)*
                let mut reader = Reader::new(&bytes);
                while let Some(field) = reader.next_field()? {
                    $(if field.number == fields[$index].number {
                        $argument::merge(&mut $argument, &field, &bytes)?;
                    })*
                }
                for (number, part) in parts {
                    $(if number == fields[$index].number {
                        $argument::attach(&mut $argument, number, part)?;
                        continue;
                    })*
                }
                Ok(($($argument::complete($argument, fields[$index].number)?,)*))
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
