//! What a file probably is, by its first bytes. Pure.

/// What a file probably is, by its first bytes, for a sentence such as "expected a shared library, found a script".
///
/// ```
/// assert_eq!(jackfield_core::file_kind(b"#!/bin/sh\n"), "a script");
/// assert_eq!(jackfield_core::file_kind(b"hello"), "a text");
/// ```
pub fn file_kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [b'#', b'!', ..] => "a script",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file",
        [b'M', b'Z', ..] => "a Windows executable",
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS binary",
        [b'!', b'<', b'a', b'r', ..] => "a static library",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        _ if bytes.iter().take(512).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "a text"
        }
        _ => "something else",
    }
}
