//! Reads and writes the header of a frame.

use super::error::ProtocolError;

/// The head of every frame: 12 bytes in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "version 0 of the protocol has these fields")]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// What it says of its stream besides.
    pub flags: Flags,
    /// The stream; 0 for the session itself.
    pub stream: u32,
    /// The bytes that follow, or what the window grows by, or the value of a ping, or the reason to go away.
    pub length: u32,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "version 0 of the protocol has these kinds")]
#[repr(u8)]
pub enum Kind {
    /// Bytes of a stream follow.
    Data = 0,
    /// The window of a stream grows, be it by nothing.
    WindowUpdate = 1,
    /// The other end should answer.
    Ping = 2,
    /// The session takes no further streams.
    GoAway = 3,
}

/// What a frame says of its stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It begins.
    pub const SYN: Self = Self(1);
    /// It is accepted.
    pub const ACK: Self = Self(2);
    /// This end sends no more.
    pub const FIN: Self = Self(4);
    /// It is given up.
    pub const RST: Self = Self(8);

    /// Whether all of `flags` are set.
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl Header {
    /// A header of these parts.
    pub fn new(kind: Kind, flags: Flags, stream: u32, length: u32) -> Self {
        Self { kind, flags, stream, length }
    }

    /// Reads a header.
    ///
    /// # Errors
    /// If it is of another version or of an unknown kind. Unknown flags are kept, and mean nothing.
    pub fn decode(bytes: [u8; HEADER]) -> Result<Self, ProtocolError> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        if version != VERSION {
            return Err(ProtocolError::Version { found: version });
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::WindowUpdate,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            found => return Err(ProtocolError::Kind { found }),
        };
        Ok(Self {
            kind,
            flags: Flags(u16::from_be_bytes([f0, f1])),
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }

    /// Writes the header.
    pub fn encode(self) -> [u8; HEADER] {
        let [f0, f1] = self.flags.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [VERSION, self.kind as u8, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }
}

/// The length of a header.
pub(super) const HEADER: usize = 12;
const VERSION: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_and_accepting_look_as_in_go() {
        let syn = Header::new(Kind::WindowUpdate, Flags::SYN, 1, 0);
        assert_eq!(syn.encode(), [0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
        let ack = Header::new(Kind::WindowUpdate, Flags::ACK, 1, 0);
        assert_eq!(ack.encode(), [0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn another_protocol_is_named() {
        assert_eq!(Header::decode(*b"HTTP/1.1 400"), Err(ProtocolError::Version { found: b'H' }));
        assert_eq!(
            Header::decode([0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(ProtocolError::Kind { found: 4 })
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_written(bytes: [u8; HEADER]) {
            if let Ok(header) = Header::decode(bytes) {
                assert_eq!(header.encode(), bytes);
            }
        }
    }
}
