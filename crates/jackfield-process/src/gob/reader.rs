//! Cuts a stream of gobs into values.

use bytes::{Buf, BytesMut};
use gobwire::{Decoder, Progress, parse_length_prefix};

use super::error::GobError;
use crate::netrpc::Bound;

/// Reads one stream: types are defined once and hold for all that follows.
#[derive(Debug)]
pub(crate) struct Reader {
    decoder: Decoder,
    /// How long a value may be.
    bound: Bound,
    types: usize,
    /// How many messages, and bytes, the value that is coming has so far.
    pieces: usize,
    bytes: usize,
    begun: bool,
}

impl Reader {
    /// Reads values within a bound.
    pub(crate) fn new(bound: Bound) -> Self {
        Self { decoder: Decoder::default(), bound, types: 0, pieces: 0, bytes: 0, begun: false }
    }

    /// Takes messages from the front of `input` until a value is complete, and then gives the decoder that holds it.
    ///
    /// The value must be decoded or discarded before the next is read.
    ///
    /// # Errors
    /// If the stream cannot be understood any further. That a value is not of the expected type shows later, and what
    /// follows can be read all the same.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<&mut Decoder>, GobError> {
        loop {
            let Some((width, length)) = parse_length_prefix(input)? else { return Ok(None) };
            self.check_begin(input, width)?;
            let whole = self.bytes.saturating_add(length);
            let limit = self.bound.bytes();
            if whole > limit {
                return Err(GobError::Length { length: whole, limit });
            }
            let Some(message) = input.get(width..width + length) else { return Ok(None) };
            let progress = self.decoder.push_message(message)?;
            input.advance(width + length);
            match progress {
                Progress::TypeDefinition(_) => self.count_type()?,
                Progress::NeedMore => self.count_piece(length)?,
                Progress::Ready => {
                    (self.pieces, self.bytes) = (0, 0);
                    return Ok(Some(&mut self.decoder));
                }
            }
        }
    }

    /// The decoder, which holds the value that was read last.
    pub(crate) fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Every stream begins with the definition of a type, which begins with a negative number of 64 or more: a byte that
    /// no text has. So a line that a program printed is not taken for the length of a message that never comes.
    fn check_begin(&mut self, input: &[u8], width: usize) -> Result<(), GobError> {
        match input.get(width) {
            Some(0x7f | 0xf8..) => self.begun = true,
            Some(_) if !self.begun => {
                let line = input.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let shown = &line[..line.len().min(MAX_QUOTE)];
                return Err(GobError::Noise { found: String::from_utf8_lossy(shown).into_owned() });
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn count_type(&mut self) -> Result<(), GobError> {
        self.types += 1;
        if self.types > MAX_TYPES { Err(GobError::Types { limit: MAX_TYPES }) } else { Ok(()) }
    }

    /// Each piece makes the decoder look at all the earlier ones again.
    fn count_piece(&mut self, length: usize) -> Result<(), GobError> {
        self.pieces += 1;
        self.bytes += length;
        if self.pieces > MAX_PIECES { Err(GobError::Pieces { limit: MAX_PIECES }) } else { Ok(()) }
    }
}

/// Reads any bytes as heads of net/rpc and values that are discarded.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let (mut reader, mut input) = (Reader::new(Bound::default()), BytesMut::new());
    for piece in bytes.chunks(1 + bytes.len() % 61) {
        input.extend_from_slice(piece);
        loop {
            match reader.next(&mut input) {
                Ok(Some(decoder)) => {
                    let _decoded = decoder.decode::<super::AnswerHead>();
                }
                Ok(None) => break,
                Err(_) => return,
            }
            match reader.next(&mut input) {
                Ok(Some(decoder)) => {
                    let _discarded = decoder.discard();
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

const MAX_TYPES: usize = 4096;
const MAX_PIECES: usize = 256;
const MAX_QUOTE: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<bool, GobError> {
        Reader::new(Bound::new(1 << 20)).next(&mut BytesMut::from(bytes)).map(|value| value.is_some())
    }

    #[test]
    fn text_is_named_instead_of_waited_for() {
        let Err(GobError::Noise { found }) = read(b"hello, I am no plugin\nindeed") else { panic!() };
        assert_eq!(found, "hello, I am no plugin");
    }

    #[test]
    fn a_length_is_refused_before_the_message_comes() {
        let [longest, longer] = [0, 1]
            .map(|more| [&[0xfd][..], &((1_u32 << 20) + more).to_be_bytes()[1..], &[0xff, 0x81]].concat());
        assert!(!read(&longest).unwrap());
        let Err(GobError::Length { length, limit }) = read(&longer) else { panic!() };
        assert_eq!((length, limit), ((1 << 20) + 1, 1 << 20));
    }

    #[test]
    fn a_part_of_a_message_is_waited_for() {
        assert!(!read(&[0x2f, 0xff, 0x81]).unwrap());
        assert!(!read(&[0xfe, 0x01]).unwrap());
        assert!(!read(&[]).unwrap());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>) {
            fuzz(&bytes);
            let mut stream = vec![0x0a, 0xff, 0x83, 0x03, 0x01, 0x02, 0xff, 0x84, 0x00, 0x00, 0x00];
            stream.append(&mut bytes);
            fuzz(&stream);
        }
    }
}
