//! Writes the header of an interface for a plugin in C: its note, its table, and the functions that are left to write.

use std::fmt::{self, Write as _};

use jackfield_abi::signature;
use jackfield_core::note::Source;
use jackfield_core::{Description, Field, Kind, Method, Mode, Schema, Shape};

/// The header of an interface for the plugin of this name and version in C.
///
/// It includes `jackfield.h`, and declares a function for each method, one that makes an object and one that ends it.
/// Exactly one file of the plugin includes it. `docs/plugins-in-c.md` goes through an example.
///
/// ```
/// use jackfield_core::{Description, Error, interface};
/// use jackfield_native::c_header;
///
/// #[interface(service = "example.Adder", version = "1.0")]
/// trait Adder {
///     fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
/// }
///
/// let header = c_header(Description::of::<dyn Adder>(), "adder-in-c", "1.0.0")?;
/// assert!(header.contains("adder_add(const void *object, int64_t a, int64_t b, jackfield_bytes *refusal);"));
/// # Ok::<_, jackfield_native::CHeaderError>(())
/// ```
///
/// # Errors
///
/// A method that a plugin must have takes or returns something that has no type in C: structs, enums, collections,
/// streams and objects cross as messages or as Rust has them.
pub fn c_header(interface: Description, name: &str, version: &str) -> Result<String, CHeaderError> {
    let schema = interface.schema();
    let prefix = snake(schema.name());
    let mut methods = Vec::new();
    for (method, spec) in schema.methods.iter().zip(interface.specs()) {
        match Signature::find(method, spec.signature()) {
            Some(signature) => methods.push((method, signature)),
            None if method.is_optional => {}
            None => return Err(CHeaderError { method: method.name }),
        }
    }
    let symbol = symbol(name, version);
    let note = note(schema, name, version, &symbol);
    let mut text = String::new();
    let header = Header { schema, prefix: &prefix, symbol: &symbol, methods: &methods, note: &note };
    // A string takes whatever is written.
    let _ = header.write(&mut text);
    Ok(text)
}

/// An interface has a method that a plugin in C cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the method `{method}` takes or returns something that has no type in C\n\
     (hint: numbers, `bool`, `String`, `Bytes` and `Vec<u8>` have one)"
)]
pub struct CHeaderError {
    method: &'static str,
}

/// What a header is about.
struct Header<'a> {
    schema: &'a Schema,
    /// What the names of its functions begin with.
    prefix: &'a str,
    symbol: &'a str,
    methods: &'a [(&'a Method, Signature)],
    note: &'a [u8],
}

/// The types of a method in C.
struct Signature {
    number: u64,
    arguments: Vec<CType>,
    result: CType,
}

impl Signature {
    /// The types that have this signature. The schema leaves open which of several Rust types a number or bytes are:
    /// each combination has a signature of its own.
    fn find(method: &Method, number: u64) -> Option<Self> {
        let arguments: Option<Vec<_>> = method.arguments.iter().map(candidates).collect();
        let results = match method.result {
            [] => &[UNIT][..],
            [field] => candidates(field)?,
            _ => return None,
        };
        let arguments = arguments?;
        // A method has at most twelve arguments, whose numbers stand for themselves and the rest for nothing.
        let mut numbers = [0; 12];
        for (place, field) in numbers.iter_mut().zip(method.arguments) {
            *place = field.number;
        }
        let fields = signature::fields(&numbers);
        let count: usize = arguments.iter().map(|types| types.len()).product();
        (0..count).find_map(|mut choice| {
            let choose = |types: &&'static [CType]| {
                let chosen = types[choice % types.len()];
                choice /= types.len();
                chosen
            };
            let arguments: Vec<CType> = arguments.iter().map(choose).collect();
            let taken: Vec<u64> = arguments.iter().map(|argument| signature::of(argument.rust)).collect();
            let taken = signature::tuple(&taken);
            let is_same = |result: &&CType| signature::method(taken, result.rust, fields) == number;
            let result = *results.iter().find(is_same)?;
            Some(Self { number, arguments, result })
        })
    }
}

/// A type that crosses, in both languages.
#[derive(Clone, Copy)]
struct CType {
    /// What the signature is made of.
    rust: &'static str,
    argument: &'static str,
    returned: &'static str,
}

const fn c(rust: &'static str, argument: &'static str, returned: &'static str) -> CType {
    CType { rust, argument, returned }
}

const UNIT: CType = c("()", "uint8_t", "jackfield_return_unit");

/// The types that a field of the schema may stand for.
fn candidates(field: &Field) -> Option<&'static [CType]> {
    const BOOL: &[CType] = &[c("bool", "uint8_t", "jackfield_return_bool")];
    const BYTES: &[CType] = &[
        c("bytes", "jackfield_bytes", "jackfield_return_bytes"),
        c("vec<u8>", "jackfield_sequence", "jackfield_return_sequence"),
    ];
    const DOUBLE: &[CType] = &[c("f64", "double", "jackfield_return_f64")];
    const FLOAT: &[CType] = &[c("f32", "float", "jackfield_return_f32")];
    const INT32: &[CType] = &[
        c("i32", "int32_t", "jackfield_return_i32"),
        c("i16", "int16_t", "jackfield_return_i16"),
        c("i8", "int8_t", "jackfield_return_i8"),
    ];
    const INT64: &[CType] = &[c("i64", "int64_t", "jackfield_return_i64")];
    const STRING: &[CType] = &[c("string", "jackfield_sequence", "jackfield_return_sequence")];
    const UINT32: &[CType] = &[
        c("u32", "uint32_t", "jackfield_return_u32"),
        c("u16", "uint16_t", "jackfield_return_u16"),
        c("u8", "uint8_t", "jackfield_return_u8"),
    ];
    const UINT64: &[CType] = &[c("u64", "uint64_t", "jackfield_return_u64")];
    let Shape::Singular(kind) = field.shape else { return None };
    if field.is_stream {
        return None;
    }
    match kind {
        Kind::Bool => Some(BOOL),
        Kind::Bytes => Some(BYTES),
        Kind::Double => Some(DOUBLE),
        Kind::Float => Some(FLOAT),
        Kind::Int32 => Some(INT32),
        Kind::Int64 => Some(INT64),
        Kind::String => Some(STRING),
        Kind::Uint32 => Some(UINT32),
        Kind::Uint64 => Some(UINT64),
        _ => None,
    }
}

impl Header<'_> {
    fn write(&self, text: &mut String) -> fmt::Result {
        let Self { schema: Schema { service, version, .. }, prefix, .. } = self;
        writeln!(text, "/* The interface `{service}` {version} for a plugin in C. Made by Jackfield. */")?;
        writeln!(text, "#include \"jackfield.h\"\n")?;
        writeln!(text, "/* To be written. Each may be called on any thread, and by several at once. */")?;
        writeln!(
            text,
            "static jackfield_return_object {prefix}_create(const jackfield_context *context, \
             jackfield_bytes *refusal);"
        )?;
        writeln!(text, "static void {prefix}_drop(void *object);")?;
        for (method, signature) in self.methods {
            writeln!(text, "{};", declaration(prefix, method, signature))?;
        }
        writeln!(text)?;
        for (method, signature) in self.methods.iter().filter(|(method, _)| method.mode == Mode::Async) {
            write_start(text, prefix, method, signature)?;
        }
        self.write_note(text)?;
        self.write_tables(text)
    }

    fn write_note(&self, text: &mut String) -> fmt::Result {
        let len = self.note.len();
        writeln!(text, "JACKFIELD_NOTE const struct {{")?;
        writeln!(text, "    uint32_t name_size, content_size, kind;\n    char name[12];")?;
        writeln!(text, "    uint8_t content[{len}];")?;
        writeln!(text, "}} {}_note = {{ 10, {len}, 1, \"JACKFIELD\", {{", self.prefix)?;
        for line in self.note.chunks(20) {
            let bytes: String = line.iter().map(|byte| format!("{byte},")).collect();
            writeln!(text, "    {bytes}")?;
        }
        writeln!(text, "}} }};\n")
    }

    fn write_tables(&self, text: &mut String) -> fmt::Result {
        let Self { schema, prefix, symbol, methods, .. } = self;
        writeln!(text, "static const jackfield_method {prefix}_methods[] = {{")?;
        for (method, signature) in *methods {
            let (mode, start, encoded) = match method.mode {
                Mode::Blocking => (0, "", "jackfield_not_encoded"),
                Mode::Async => (1, "_start", "jackfield_not_encoded_async"),
            };
            let (name, number) = (method.name, signature.number);
            writeln!(text, "    {{ JACKFIELD_TEXT(\"{name}\"), UINT64_C({number:#018x}), {mode}, 0,")?;
            let function = format!("{prefix}_{}{start}", snake(name));
            writeln!(text, "      (jackfield_function){function}, (jackfield_function){encoded} }},")?;
        }
        writeln!(text, "}};\n\nstatic const jackfield_export {prefix}_exports[] = {{")?;
        let (service, count) = (schema.service, methods.len());
        writeln!(text, "    {{ {{ JACKFIELD_TEXT(\"{service}\"), {{ {prefix}_methods, {count} }},")?;
        writeln!(text, "        {prefix}_drop, jackfield_scope_nothing }}, {prefix}_create }},\n}};\n")?;
        writeln!(text, "extern JACKFIELD_EXPORT const jackfield_entry {symbol};")?;
        writeln!(text, "const jackfield_entry {symbol} = {{\n    JACKFIELD_ENTRY_START,")?;
        writeln!(text, "    {{ {prefix}_note.content, sizeof {prefix}_note.content }},")?;
        writeln!(text, "    {{ {prefix}_exports, 1 }},")?;
        writeln!(text, "    jackfield_attach_nothing, jackfield_detach_nothing,")?;
        writeln!(text, "    {{ NULL, NULL }}, {{ NULL, 0 }}, NULL,\n}};")
    }
}

fn declaration(prefix: &str, method: &Method, signature: &Signature) -> String {
    let mut text =
        format!("static {} {prefix}_{}(const void *object, ", signature.result.returned, snake(method.name));
    for (field, argument) in method.arguments.iter().zip(&signature.arguments) {
        text.extend([argument.argument, " ", field.name, ", "]);
    }
    text.push_str("jackfield_bytes *refusal)");
    text
}

/// An asynchronous method that answers at once.
fn write_start(text: &mut String, prefix: &str, method: &Method, signature: &Signature) -> fmt::Result {
    let name = format!("{prefix}_{}", snake(method.name));
    write!(text, "static {} {name}_start(const void *object, ", signature.result.returned)?;
    for (field, argument) in method.arguments.iter().zip(&signature.arguments) {
        write!(text, "{} {}, ", argument.argument, field.name)?;
    }
    writeln!(text, "jackfield_waker waker, jackfield_bytes *refusal, jackfield_future *future) {{")?;
    writeln!(text, "    (void)waker;\n    (void)future;")?;
    let arguments: String = method.arguments.iter().flat_map(|field| [field.name, ", "]).collect();
    writeln!(text, "    return {name}(object, {arguments}refusal);\n}}\n")
}

/// The note of a plugin of one interface. What it is written from is a constant elsewhere, so a little is left behind.
fn note(schema: &'static Schema, name: &str, version: &str, symbol: &str) -> Vec<u8> {
    let [name, version, symbol] = [name, version, symbol].map(|text| &*text.to_owned().leak());
    let interfaces = Box::leak(Box::new([schema]));
    Source { name, version, symbol, panic: "unwind", interfaces, id: None }.to_vec()
}

/// The symbol of the entry, as a plugin in Rust would have it.
fn symbol(name: &str, version: &str) -> String {
    let text = format!("jackfield_entry_{name}_{version}");
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `GetAll` as `get_all`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase()
            && !text.is_empty()
            && !text.ends_with(|last: char| last.is_ascii_uppercase())
        {
            text.push('_');
        }
        text.push(c);
    }
    text.to_ascii_lowercase()
}
