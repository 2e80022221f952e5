//! Writes a described method as a person would.

use super::{Descriptor, FieldDescriptor, MethodDescriptor};

impl Descriptor {
    /// A method with the names and types of its arguments and the type of its result, in the words of protobuf.
    ///
    /// ```
    /// use jackfield_core::schema::Descriptor;
    /// use jackfield_core::{Error, Interface, interface};
    ///
    /// #[interface(service = "example.Adder", version = "1.0")]
    /// trait Adder {
    ///     fn add(&self, a: i64, b: Vec<i64>) -> Result<i64, Error>;
    /// }
    ///
    /// let adder = Descriptor::parse(&<dyn Adder as Interface>::SCHEMA.to_file_descriptor())?;
    /// assert_eq!(adder.signature(&adder.methods[0]), "Add(a: int64, b: repeated int64) → int64");
    /// # Ok::<_, jackfield_core::schema::DescriptorError>(())
    /// ```
    pub fn signature(&self, method: &MethodDescriptor) -> String {
        let stream = |is_stream| if is_stream { "stream of " } else { "" };
        let fields = self.fields(&method.request);
        let arguments: Vec<_> = fields
            .iter()
            .map(|field| format!("{}: {}{}", field.name, stream(field.is_stream), self.type_text(field)))
            .collect();
        // A peer in another language does not say which of the fields it is.
        let all = method.streams.requests && !fields.iter().any(|field| field.is_stream);
        let mut text = format!("{}({}{})", method.name, stream(all), arguments.join(", "));
        if let [result] = self.fields(&method.response) {
            text += &format!(" → {}{}", stream(method.streams.responses), self.type_text(result));
        }
        text
    }

    fn fields(&self, message: &str) -> &[FieldDescriptor] {
        self.message(message).map_or(&[], |message| &message.fields)
    }

    pub(super) fn type_text(&self, field: &FieldDescriptor) -> String {
        if !field.interface.is_empty() {
            return format!("object of {}", field.interface);
        }
        if let Some([key, value]) = self.entry(field).map(|entry| entry.fields.as_slice()) {
            return format!("map<{}, {}>", short_name(key), short_name(value));
        }
        let name = short_name(field);
        if field.is_repeated { format!("repeated {name}") } else { name.to_owned() }
    }
}

/// The type of a field, without its package where it is a message or an enum.
fn short_name(field: &FieldDescriptor) -> &str {
    type_name(field.kind).unwrap_or_else(|| field.type_name.rsplit('.').next().unwrap_or_default())
}

/// Protobuf's name of a type that has no name of its own, by its number.
pub(super) fn type_name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        1 => "double",
        2 => "float",
        3 => "int64",
        4 => "uint64",
        5 => "int32",
        6 => "fixed64",
        7 => "fixed32",
        8 => "bool",
        9 => "string",
        12 => "bytes",
        13 => "uint32",
        15 => "sfixed32",
        16 => "sfixed64",
        17 => "sint32",
        18 => "sint64",
        _ => return None,
    })
}
