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

const STRING: i64 = gobwire::ids::STRING;
const UINT: i64 = gobwire::ids::UINT;
