//! `cargo xtask header`: writes the layout that the Rust types have into the C header, as assertions.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

/// Renews the header.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let path = root.join(HEADER);
    let (old, layout) = (fs::read_to_string(&path)?, fs::read_to_string(root.join(LAYOUT))?);
    let new = renew(&old, &layout)?;
    fs::write(&path, new).with_context(|| format!("`{HEADER}` cannot be written"))
}

/// The header with the assertions that a layout gives.
fn renew(header: &str, layout: &str) -> anyhow::Result<String> {
    let marks = header.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.context("the header has lost its two marks")?;
    Ok(format!("{before}{START}{}{END}{after}", assertions(layout)?))
}

fn assertions(layout: &str) -> anyhow::Result<String> {
    let mut lines = layout.lines();
    let version =
        lines.next().and_then(|line| line.strip_prefix("version ")).context("expected a version")?;
    let mut text = format!("\n#define JACKFIELD_ABI_VERSION {version}u\n#if UINTPTR_MAX == UINT64_MAX\n");
    for line in lines {
        // A name may hold a space, in its parameters.
        let at = line.rfind('/').and_then(|slash| line[..slash].rfind(' ')).context("expected a size")?;
        let (rust, rest) = (&line[..at], &line[at + 1..]);
        let Some((_, c)) = TYPES.iter().find(|(name, _)| *name == rust) else {
            bail!("`{rust}` crosses, but the header has no type for it: name it in xtask/src/header.rs")
        };
        if c.is_empty() {
            continue;
        }
        let mut words = rest.split(' ');
        let size = words.next().and_then(|size| size.split_once('/')).context("expected a size")?.0;
        writeln!(text, "JACKFIELD_ASSERT(sizeof({c}) == {size}, \"{c} has moved\");")?;
        for (field, offset) in words.filter_map(|word| word.split_once('@')) {
            let field = if field == "ty" { "type" } else { field };
            writeln!(
                text,
                "JACKFIELD_ASSERT(offsetof({c}, {field}) == {offset}, \"{c}.{field} has moved\");"
            )?;
        }
    }
    text.push_str("#endif\n");
    Ok(text)
}

const HEADER: &str = "crates/jackfield-abi/include/jackfield.h";
const LAYOUT: &str = "crates/jackfield-abi/src/layout.txt";
const START: &str = "/* Made by `cargo xtask header`. */";
const END: &str = "/* End of what is made. */";

/// What crosses, and its name in C; nothing where C has no use for it.
const TYPES: [(&str, &str); 30] = [
    ("Slice<u8>", ""),
    ("Text", "jackfield_text"),
    ("View", "jackfield_view"),
    ("RawBytes", "jackfield_bytes"),
    ("Return<u8>", "jackfield_return_u8"),
    ("Return<u64>", "jackfield_return_u64"),
    ("Return<RawBytes>", "jackfield_return_bytes"),
    ("WakerRef", "jackfield_waker"),
    ("WakerFunctions", "jackfield_waker_functions"),
    ("RawFuture<u64>", "jackfield_future"),
    ("RawContext", "jackfield_context"),
    ("RawOffer", "jackfield_offer"),
    ("RawOptions", "jackfield_options"),
    ("RawStream", "jackfield_stream"),
    ("RawObject", "jackfield_object"),
    ("RawPart", "jackfield_part"),
    ("RawParcel", "jackfield_parcel"),
    ("MethodEntry", "jackfield_method"),
    ("Table", "jackfield_table"),
    ("Export", "jackfield_export"),
    ("Entry", "jackfield_entry"),
    ("HostTable", "jackfield_host"),
    ("Lent<'_, u8>", ""),
    ("Field<'_>", ""),
    ("Span<'_>", ""),
    ("Record<'_>", ""),
    ("Symbol", "jackfield_symbol"),
    ("Outcome<u64>", "jackfield_return_u64"),
    ("RawFunc", ""),
    ("RawInit", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_layout_of_the_types() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |path| fs::read_to_string(root.join(path)).expect("a file of this repository");
        let header = read(HEADER);
        let renewed = renew(&header, &read(LAYOUT)).expect("a header");
        assert_eq!(header, renewed, "the header is old: cargo xtask header");
    }
}
