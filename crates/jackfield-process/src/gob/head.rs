//! What stands in front of every argument and every result of net/rpc.

use gobwire::{Describer, Encode, Gob, Result, ValueEncoder};

/// The head of a request, to be written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Request<'a> {
    /// `Service.Method`.
    pub(crate) method: &'a str,
    /// The number by which the answer will be known.
    pub(crate) seq: u64,
}

/// The head of an answer, to be written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answer<'a> {
    /// The method that was called.
    pub(crate) method: &'a str,
    /// The number of the request.
    pub(crate) seq: u64,
    /// Why there is no result; empty, if there is one.
    pub(crate) error: &'a str,
}

/// The head of an answer that there is no result, with what stands behind its error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// What any program understands.
    pub(crate) answer: Answer<'a>,
    /// The failure as a message.
    pub(crate) failure: &'a [u8],
    /// With what the method panicked.
    pub(crate) panic: &'a str,
}

/// The head of a request that came.
#[derive(Debug, Default, Gob)]
#[gob(name = "Request")]
pub(crate) struct RequestHead {
    /// As in [`Request`].
    #[gob(name = "ServiceMethod")]
    pub(crate) method: String,
    /// As in [`Request`].
    #[gob(name = "Seq")]
    pub(crate) seq: u64,
}

/// The head of an answer that came.
#[derive(Debug, Default, Gob)]
#[gob(name = "Response")]
pub(crate) struct AnswerHead {
    /// As in [`Answer`].
    #[gob(name = "Seq")]
    pub(crate) seq: u64,
    /// As in [`Answer`].
    #[gob(name = "Error")]
    pub(crate) error: String,
    /// As in [`Refused`].
    #[gob(name = "Failure")]
    pub(crate) failure: Vec<u8>,
    /// As in [`Refused`].
    #[gob(name = "Panic")]
    pub(crate) panic: String,
}

/// What stands in the place of a result that there is not.
#[derive(Debug, Default, Gob)]
#[gob(name = "")]
pub(crate) struct Empty {}

impl Encode for Request<'_> {
    fn describe_value(&self, describer: &mut Describer<'_>) -> Result<i64> {
        describer.structure("Request", "Request", |_| Ok(vec![("ServiceMethod", STRING), ("Seq", UINT)]))
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn frames_as_struct(&self) -> bool {
        true
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> Result<()> {
        let mut fields = encoder.structure();
        fields.field(0, self.method)?;
        fields.field(1, &self.seq)?;
        fields.end();
        Ok(())
    }
}

impl Encode for Answer<'_> {
    fn describe_value(&self, describer: &mut Describer<'_>) -> Result<i64> {
        describer.structure("Response", "Response", |_| {
            Ok(vec![("ServiceMethod", STRING), ("Seq", UINT), ("Error", STRING)])
        })
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn frames_as_struct(&self) -> bool {
        true
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> Result<()> {
        let mut fields = encoder.structure();
        fields.field(0, self.method)?;
        fields.field(1, &self.seq)?;
        fields.field(2, self.error)?;
        fields.end();
        Ok(())
    }
}

impl Encode for Refused<'_> {
    fn describe_value(&self, describer: &mut Describer<'_>) -> Result<i64> {
        describer.structure("Refused", "Response", |_| {
            let answer = [("ServiceMethod", STRING), ("Seq", UINT), ("Error", STRING)];
            Ok(answer.into_iter().chain([("Failure", BYTES), ("Panic", STRING)]).collect())
        })
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn frames_as_struct(&self) -> bool {
        true
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> Result<()> {
        let mut fields = encoder.structure();
        fields.field(0, self.answer.method)?;
        fields.field(1, &self.answer.seq)?;
        fields.field(2, self.answer.error)?;
        fields.field(3, self.failure)?;
        fields.field(4, self.panic)?;
        fields.end();
        Ok(())
    }
}

const BYTES: i64 = gobwire::ids::BYTES;
const STRING: i64 = gobwire::ids::STRING;
const UINT: i64 = gobwire::ids::UINT;
