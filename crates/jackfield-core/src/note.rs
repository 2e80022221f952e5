//! The note: what a plugin's file says of itself, read before any of its code runs.
//!
//! It is a protobuf message in a section of its own (`.note.jackfield` in an ELF file, `__DATA,__jackfield` in a Mach-O
//! file, `.jackfld` in a PE file; in each framed as an ELF note under the name `JACKFIELD`), written in a constant of
//! the plugin's crate:
//!
//! | field | content |
//! | --- | --- |
//! | 1 | version of this crate, `major.minor.patch` |
//! | 2 | version of the ABI |
//! | 3, 4 | name and version of the plugin |
//! | 5 | symbol of the entry |
//! | 6 | panic strategy: `unwind` or `abort` |
//! | 7 | repeated: an interface, as {1: version, 2: `FileDescriptorProto`} |
//! | 8 | identity, where the plugin has one of its own |

use std::fmt;

use crate::codec::{DecodeError, Reader};
use crate::schema::writer::Writer;
use crate::schema::{Descriptor, DescriptorError, Schema};

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The version of Jackfield with which the plugin was built.
    pub sdk: String,
    /// The version of the ABI.
    pub abi: u32,
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The symbol of its entry.
    pub symbol: String,
    /// The panic strategy with which it was built.
    pub panic: String,
    /// The interfaces that it implements.
    pub interfaces: Vec<Descriptor>,
    /// The identity that it was built with, or nothing: then it is its name and the digest of its file.
    pub id: String,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    ///
    /// The bytes are not a note, or describe an interface wrongly.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let mut note = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            let text = || Ok::<_, DecodeError>(String::from_utf8_lossy(field.bytes()?).into_owned());
            match field.number {
                1 => note.sdk = text()?,
                2 => note.abi = field.u32()?,
                3 => note.name = text()?,
                4 => note.version = text()?,
                5 => note.symbol = text()?,
                6 => note.panic = text()?,
                7 => note.interfaces.push(parse_interface(field.bytes()?)?),
                8 => note.id = text()?,
                _ => {}
            }
        }
        Ok(note)
    }
}

fn parse_interface(bytes: &[u8]) -> Result<Descriptor, NoteError> {
    let mut version = String::new();
    let mut file: &[u8] = &[];
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => version = String::from_utf8_lossy(field.bytes()?).into_owned(),
            2 => file = field.bytes()?,
            _ => {}
        }
    }
    Ok(Descriptor { version, ..Descriptor::parse(file)? })
}

/// Bytes are not a note.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// The section is not framed as one note of ours.
    Frame,
    /// An interface is described wrongly.
    Interface(DescriptorError),
    /// The bytes are not a message.
    Malformed(DecodeError),
    /// The section holds more than one note.
    Several,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("the section of the plugin's note does not hold a note"),
            Self::Interface(_) => f.write_str("the plugin's note describes an interface wrongly"),
            Self::Malformed(_) => f.write_str("the plugin's note is damaged"),
            Self::Several => f.write_str(
                "expected the note of one plugin, found several\n\
                 (hint: a library can export one plugin; depend on another one without its `export!`)",
            ),
        }
    }
}

impl std::error::Error for NoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Frame | Self::Several => None,
            Self::Interface(error) => Some(error),
            Self::Malformed(error) => Some(error),
        }
    }
}

impl From<DecodeError> for NoteError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<DescriptorError> for NoteError {
    fn from(error: DescriptorError) -> Self {
        Self::Interface(error)
    }
}

/// What a note is written from, in a constant of the plugin's crate.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Source {
    pub name: &'static str,
    pub version: &'static str,
    pub symbol: &'static str,
    pub panic: &'static str,
    pub interfaces: &'static [&'static Schema],
    pub id: Option<&'static str>,
}

impl Source {
    /// How many bytes the note has.
    pub const fn len(&self) -> usize {
        let mut writer = Writer::new(&mut []);
        self.write(&mut writer);
        writer.len()
    }

    /// The note, where it is not needed in a constant.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut buffer = vec![0; self.len()];
        self.write(&mut Writer::new(&mut buffer));
        buffer
    }

    /// A note is never empty.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The note.
    ///
    /// # Panics
    ///
    /// `N` is not [`Source::len`].
    pub const fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        let mut writer = Writer::new(&mut buffer);
        self.write(&mut writer);
        assert!(writer.len() == N, "the length of a note is `Source::len`");
        buffer
    }

    /// Writes the note, from its end to its beginning.
    const fn write(&self, writer: &mut Writer<'_>) {
        if let Some(id) = self.id {
            writer.text(8, &[id]);
        }
        let mut index = self.interfaces.len();
        while index > 0 {
            index -= 1;
            let end = writer.len();
            writer.file(2, self.interfaces[index]);
            writer.text(1, &[self.interfaces[index].version]);
            writer.nested(7, end);
        }
        writer.text(6, &[self.panic]);
        writer.text(5, &[self.symbol]);
        writer.text(4, &[self.version]);
        writer.text(3, &[self.name]);
        writer.number(2, jackfield_abi::ABI_VERSION as u64);
        writer.text(1, &[env!("CARGO_PKG_VERSION")]);
    }
}

/// A note framed as an ELF note: name size, content size, type, name and content, each padded to four bytes.
#[derive(Debug)]
#[doc(hidden)]
#[repr(C, align(4))]
pub struct Section<const N: usize> {
    name_size: u32,
    content_size: u32,
    kind: u32,
    name: [u8; 12],
    content: [u8; N],
}

impl<const N: usize> Section<N> {
    /// Frames a note.
    pub const fn new(content: [u8; N]) -> Self {
        Self {
            name_size: ELF_NAME.len() as u32,
            content_size: N as u32,
            kind: ELF_TYPE,
            name: *b"JACKFIELD\0\0\0",
            content,
        }
    }

    /// The note in it.
    pub const fn content(&'static self) -> &'static [u8] {
        &self.content
    }
}

/// Finds the one note in the content of a section that was framed by [`Section`].
///
/// # Errors
///
/// The section holds something else, or several notes.
pub fn unframe(section: &[u8]) -> Result<&[u8], NoteError> {
    let word = |at: usize| Some(u32::from_ne_bytes(section.get(at..at + 4)?.try_into().ok()?));
    let expected = [Some(ELF_NAME.len() as u32), word(4), Some(ELF_TYPE)];
    let name = section.get(12..12 + ELF_NAME.len());
    if [word(0), word(4), word(8)] != expected || name != Some(ELF_NAME) {
        return Err(NoteError::Frame);
    }
    let end = 24_usize.saturating_add(word(4).map_or(0, |size| size as usize));
    let note = section.get(24..end).ok_or(NoteError::Frame)?;
    // Two plugins in one file have two notes, and which of them would be loaded is the linker's affair.
    if section.len() - end >= 4 { Err(NoteError::Several) } else { Ok(note) }
}

const ELF_NAME: &[u8] = b"JACKFIELD\0";
const ELF_TYPE: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Field, Kind, Method, Mode, Shape};

    const SOURCE: Source = Source {
        name: "kv-file",
        version: "1.2.3",
        symbol: "jackfield_kv_file",
        panic: "unwind",
        interfaces: &[&Schema {
            service: "proto.KV",
            version: "1.0",
            methods: &[Method {
                name: "Get",
                path: "/proto.KV/Get",
                mode: Mode::Async,
                arguments: &[Field::new("key", 1, Shape::Singular(Kind::String))],
                result: &[Field::new("value", 1, Shape::Singular(Kind::Bytes))],
                is_optional: false,
            }],
        }],
        id: Some("plugin/hot-1"),
    };
    static SECTION: Section<{ SOURCE.len() }> = Section::new(SOURCE.bytes());

    #[test]
    fn a_note_is_read_back() {
        let note = Note::parse(SECTION.content()).expect("our own note");
        assert_eq!((note.name.as_str(), note.version.as_str()), ("kv-file", "1.2.3"));
        assert_eq!((note.symbol.as_str(), note.panic.as_str()), ("jackfield_kv_file", "unwind"));
        assert_eq!((note.abi, note.interfaces.len()), (jackfield_abi::ABI_VERSION, 1));
        assert_eq!(note.id, "plugin/hot-1");
        assert_eq!(
            (note.interfaces[0].service.as_str(), note.interfaces[0].version.as_str()),
            ("proto.KV", "1.0")
        );
        assert_eq!(SOURCE.interfaces[0].check(&note.interfaces[0]), Ok(()));
    }

    #[test]
    fn damage_is_an_error_at_every_length() {
        let whole = SECTION.content();
        let read = (0..whole.len()).filter(|len| Note::parse(&whole[..*len]).is_ok()).count();
        assert!(read <= 8, "only a cut between two fields can be read, and there are eight");
    }
}
