//! `#[derive(Value)]`: a user's struct or enum as a protobuf message or enum.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Error, Expr, ExprLit, ExprUnary, Fields, Lit, LitInt, LitStr,
    Member, Path, Token, Type, UnOp, Variant, parse_quote,
};

use crate::check::Errors;

/// Expands the derive.
pub(crate) fn value(item: TokenStream) -> syn::Result<TokenStream> {
    let mut item: DeriveInput = syn::parse2(item)?;
    NameSelf(item.ident.clone()).visit_data_mut(&mut item.data);
    let Settings { krate, name, .. } = settings(&item.attrs, "value")?;
    if !item.generics.params.is_empty() {
        let text = "a type that crosses cannot be generic: it is part of the schema";
        return Err(Error::new(item.generics.span(), text));
    }
    let ty = item.ident.clone();
    let wire_name = name.unwrap_or_else(|| spelt(&ty));
    let krate = krate.unwrap_or_else(|| parse_quote!(::jackfield_core));
    let header = Header { ty, wire_name };
    let content = match &item.data {
        Data::Struct(data) => structure(&header, &data.fields)?,
        Data::Enum(data) if data.variants.is_empty() => {
            return Err(Error::new(
                item.ident.span(),
                "an enum without variants has no value that could cross",
            ));
        }
        Data::Enum(data) if data.variants.iter().all(|variant| matches!(variant.fields, Fields::Unit)) => {
            plain_enum(&header, data)?
        }
        Data::Enum(data) => data_enum(&header, data)?,
        Data::Union(_) => return Err(Error::new(item.ident.span(), "a union cannot cross: use an enum")),
    };
    Ok(quote! {
        const _: () = {
            use #krate::__private as jackfield;
            #content
        };
    })
}

/// Replaces `Self`, which the description of a type cannot say, since it stands outside of any implementation.
struct NameSelf(Ident);

impl VisitMut for NameSelf {
    fn visit_ident_mut(&mut self, ident: &mut Ident) {
        if ident == "Self" {
            *ident = self.0.clone();
        }
    }
}

/// Expands `#[derive(Fault)]`: an error of a plugin's own.
pub(crate) fn fault(item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let Settings { krate, code, .. } = settings(&item.attrs, "fault")?;
    let (ty, krate) = (&item.ident, krate.unwrap_or_else(|| parse_quote!(::jackfield_core)));
    let general = code.unwrap_or_else(|| Ident::new("UNKNOWN", Span::call_site()));
    let mut errors = Errors::default();
    let mut arms = Vec::new();
    if let Data::Enum(data) = &item.data {
        for variant in &data.variants {
            let ident = &variant.ident;
            errors.collect(
                &mut arms,
                settings(&variant.attrs, "fault").map(|settings| {
                    let code = settings.code.as_ref().unwrap_or(&general);
                    quote!(Self::#ident { .. } => jackfield::Code::#code)
                }),
            );
        }
    }
    errors.finish()?;
    let code =
        if arms.is_empty() { quote!(jackfield::Code::#general) } else { quote!(match &self { #(#arms),* }) };
    Ok(quote! {
        const _: () = {
            use #krate::__private as jackfield;
            impl jackfield::Fault for #ty {
                fn into_failure(self) -> jackfield::Failure {
                    let code = #code;
                    jackfield::Failure::with_code(code, ::std::string::ToString::to_string(&self)).with_detail(&self)
                }
                fn from_failure(
                    failure: jackfield::Failure,
                ) -> ::core::result::Result<Self, jackfield::Failure> {
                    failure.detail().ok_or(failure)
                }
            }
        };
    })
}

/// The type, and its name on the wire.
struct Header {
    ty: Ident,
    wire_name: LitStr,
}

impl Header {
    /// What says where in Rust the type is.
    fn path(&self) -> TokenStream {
        let ty = self.ty.to_string();
        quote!(::core::concat!(::core::module_path!(), "::", #ty))
    }
}

/// A field of a message.
struct Field {
    member: Member,
    /// The variable that holds it.
    variable: Ident,
    name: LitStr,
    number: u32,
    ty: Type,
}

fn fields(fields: &Fields) -> syn::Result<Vec<Field>> {
    let mut errors = Errors::default();
    let mut parsed = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(index.into()),
        };
        let spelling = match &field.ident {
            Some(ident) => spelt(ident),
            None => LitStr::new(&format!("field_{index}"), field.span()),
        };
        let setting = settings(&field.attrs, "value").and_then(|settings| {
            let number = settings.number.map_or(Ok(index as u32 + 1), |number| number.base10_parse())?;
            if !(1..=536_870_911).contains(&number) || (19_000..20_000).contains(&number) {
                return Err(Error::new(field.span(), format!("{number} is no field number")));
            }
            if parsed.iter().any(|other: &Field| other.number == number) {
                return Err(Error::new(field.span(), format!("two fields have the number {number}")));
            }
            Ok(Field {
                member,
                variable: format_ident!("field_{index}"),
                name: settings.name.unwrap_or(spelling),
                number,
                ty: field.ty.clone(),
            })
        });
        errors.collect(&mut parsed, setting);
    }
    errors.finish()?;
    Ok(parsed)
}

/// The descriptions of fields.
fn descriptions(fields: &[Field]) -> TokenStream {
    let fields = fields.iter().map(|Field { name, number, ty, .. }| {
        quote!(jackfield::Field::new(#name, #number, <#ty as jackfield::Value>::SHAPE))
    });
    quote!(&[#(#fields),*])
}

/// Reads the fields of a message into a value that `path` constructs.
fn decode(path: &TokenStream, fields: &[Field]) -> TokenStream {
    let variables: Vec<_> = fields.iter().map(|field| &field.variable).collect();
    let arms = fields.iter().map(|Field { variable, number, .. }| {
        quote!(#number => jackfield::Value::merge(&mut #variable, &field, message)?)
    });
    let values = fields.iter().map(
        |Field { member, variable, number, .. }| quote!(#member: jackfield::or_absent(#variable, #number)?),
    );
    quote! {
        #(let mut #variables = ::core::option::Option::None;)*
        let mut reader = jackfield::Reader::new(message);
        while let ::core::option::Option::Some(field) = reader.next_field()? {
            match field.number {
                #(#arms,)*
                _ => {}
            }
        }
        ::core::result::Result::Ok(#path { #(#values),* })
    }
}

fn structure(header: &Header, content: &Fields) -> syn::Result<TokenStream> {
    let Header { ty, wire_name } = header;
    let (path, fields) = (header.path(), fields(content)?);
    let descriptions = descriptions(&fields);
    let encode = fields.iter().map(
        |Field { member, number, .. }| quote!(jackfield::Value::encode(&self.#member, #number, buffer);),
    );
    let decode = decode(&quote!(Self), &fields);
    // A tuple says nothing of numbers, so that only fields in the order of theirs may cross as one.
    let is_in_order = fields.iter().zip(1..).all(|(field, number)| field.number == number);
    let cross = if is_in_order && (1..=MAX_TUPLE).contains(&fields.len()) {
        let types = fields.iter().map(|Field { ty, .. }| quote!(<#ty as jackfield::Value>::Cross));
        let values =
            fields.iter().map(|Field { member, .. }| quote!(jackfield::Value::into_cross(self.#member)));
        let variables = fields.iter().map(|field| &field.variable);
        let members = fields
            .iter()
            .map(|Field { member, variable, .. }| quote!(#member: jackfield::Value::from_cross(#variable)?));
        quote! {
            type Cross = (#(#types,)*);
            fn into_cross(self) -> Self::Cross {
                (#(#values,)*)
            }
            fn from_cross(cross: Self::Cross) -> ::core::result::Result<Self, jackfield::DecodeError> {
                let (#(#variables,)*) = cross;
                ::core::result::Result::Ok(Self { #(#members),* })
            }
        }
    } else {
        encoded()
    };
    let rest = message(ty, &cross);
    Ok(quote! {
        static TYPE: jackfield::MessageType = jackfield::MessageType {
            name: jackfield::TypeName::Named(#wire_name),
            path: #path,
            fields: #descriptions,
            is_oneof: false,
        };
        impl jackfield::Message for #ty {
            const TYPE: jackfield::StaticRef<jackfield::MessageType> = jackfield::StaticRef::new(&TYPE);
            fn encode_fields(&self, buffer: &mut ::std::vec::Vec<u8>) {
                let _ = &buffer;
                #(#encode)*
            }
            fn decode_fields(
                message: &jackfield::Bytes,
            ) -> ::core::result::Result<Self, jackfield::DecodeError> {
                #decode
            }
        }
        #rest
    })
}

/// What a message is beside its fields.
fn message(ty: &Ident, cross: &TokenStream) -> TokenStream {
    quote! {
        impl jackfield::Value for #ty {
            const SHAPE: jackfield::Shape = jackfield::Shape::Singular(<Self as jackfield::Singular>::KIND);
            #cross
            fn encode(&self, number: u32, buffer: &mut ::std::vec::Vec<u8>) {
                jackfield::encode_message(self, number, buffer);
            }
            fn merge(
                value: &mut ::core::option::Option<Self>,
                field: &jackfield::RawField<'_>,
                message: &jackfield::Bytes,
            ) -> ::core::result::Result<(), jackfield::DecodeError> {
                *value = ::core::option::Option::Some(jackfield::decode_message(field, message)?);
                ::core::result::Result::Ok(())
            }
            fn absent() -> ::core::option::Option<Self> {
                jackfield::absent_message()
            }
        }
        impl jackfield::Singular for #ty {
            const KIND: jackfield::Kind = jackfield::Kind::Message(<Self as jackfield::Message>::TYPE);
            fn encode_always(&self, number: u32, buffer: &mut ::std::vec::Vec<u8>) {
                jackfield::encode_message(self, number, buffer);
            }
            fn decode(
                field: &jackfield::RawField<'_>,
                message: &jackfield::Bytes,
            ) -> ::core::result::Result<Self, jackfield::DecodeError> {
                jackfield::decode_message(field, message)
            }
        }
        impl jackfield::Repeatable for #ty {}
    }
}

/// What crosses where nothing has a layout of its own.
fn encoded() -> TokenStream {
    quote! {
        type Cross = jackfield::EncodedValue;
        fn into_cross(self) -> Self::Cross {
            jackfield::encode_alone(&self)
        }
        fn from_cross(cross: Self::Cross) -> ::core::result::Result<Self, jackfield::DecodeError> {
            jackfield::decode_alone(&cross.0)
        }
    }
}

/// An enum without data: a protobuf enum.
fn plain_enum(header: &Header, data: &DataEnum) -> syn::Result<TokenStream> {
    let Header { ty, wire_name } = header;
    let path = header.path();
    let (mut errors, mut variants, mut next) = (Errors::default(), Vec::<PlainVariant>::new(), 0);
    for variant in &data.variants {
        let parsed = PlainVariant::parse(header, variant, next).and_then(|parsed| {
            if variants.iter().any(|other| other.number == parsed.number) {
                let text = format!("two variants have the number {}", parsed.number);
                return Err(Error::new(variant.span(), text));
            }
            next = parsed.number.wrapping_add(1);
            Ok(parsed)
        });
        errors.collect(&mut variants, parsed);
    }
    errors.finish()?;
    let idents: Vec<_> = variants.iter().map(|variant| &variant.ident).collect();
    let numbers: Vec<_> = variants.iter().map(|variant| variant.number).collect();
    let mut described: Vec<_> =
        variants.iter().map(|PlainVariant { name, number, .. }| (name.clone(), *number)).collect();
    match described.iter().position(|(_, number)| *number == 0) {
        // The first variant of a protobuf enum is the one of the number 0.
        Some(zero) => described[..=zero].rotate_right(1),
        None => {
            let name = format!("{}_UNSPECIFIED", upper_snake(&wire_name.value()));
            described.insert(0, (LitStr::new(&name, wire_name.span()), 0));
        }
    }
    let described = described
        .into_iter()
        .map(|(name, number)| quote!(jackfield::Variant { name: #name, number: #number }));
    Ok(quote! {
        static TYPE: jackfield::EnumType =
            jackfield::EnumType { name: #wire_name, path: #path, variants: &[#(#described),*] };
        impl jackfield::Enumeration for #ty {
            const TYPE: jackfield::StaticRef<jackfield::EnumType> = jackfield::StaticRef::new(&TYPE);
            fn number(&self) -> i32 {
                match self {
                    #(Self::#idents => #numbers),*
                }
            }
            fn variant(number: i32) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(match number {
                    #(#numbers => Self::#idents,)*
                    _ => return ::core::option::Option::None,
                })
            }
        }
        impl jackfield::Value for #ty {
            const SHAPE: jackfield::Shape = jackfield::Shape::Singular(<Self as jackfield::Singular>::KIND);
            type Cross = i32;
            fn into_cross(self) -> i32 {
                jackfield::Enumeration::number(&self)
            }
            fn from_cross(cross: i32) -> ::core::result::Result<Self, jackfield::DecodeError> {
                jackfield::cross_variant(cross)
            }
            fn encode(&self, number: u32, buffer: &mut ::std::vec::Vec<u8>) {
                if jackfield::Enumeration::number(self) != 0 {
                    jackfield::encode_variant(self, number, buffer);
                }
            }
            fn merge(
                value: &mut ::core::option::Option<Self>,
                field: &jackfield::RawField<'_>,
                _: &jackfield::Bytes,
            ) -> ::core::result::Result<(), jackfield::DecodeError> {
                *value = ::core::option::Option::Some(jackfield::decode_variant(field)?);
                ::core::result::Result::Ok(())
            }
            fn absent() -> ::core::option::Option<Self> {
                <Self as jackfield::Enumeration>::variant(0)
            }
        }
        impl jackfield::Singular for #ty {
            const KIND: jackfield::Kind = jackfield::Kind::Enum(<Self as jackfield::Enumeration>::TYPE);
            fn encode_always(&self, number: u32, buffer: &mut ::std::vec::Vec<u8>) {
                jackfield::encode_variant(self, number, buffer);
            }
            fn decode(
                field: &jackfield::RawField<'_>,
                _: &jackfield::Bytes,
            ) -> ::core::result::Result<Self, jackfield::DecodeError> {
                jackfield::decode_variant(field)
            }
        }
        impl jackfield::Repeatable for #ty {
            fn encode_all(values: &[Self], number: u32, buffer: &mut ::std::vec::Vec<u8>) {
                jackfield::encode_variants(values, number, buffer);
            }
            fn decode_some(
                values: &mut ::std::vec::Vec<Self>,
                field: &jackfield::RawField<'_>,
                _: &jackfield::Bytes,
            ) -> ::core::result::Result<(), jackfield::DecodeError> {
                jackfield::decode_variants(values, field)
            }
        }
    })
}

/// A variant without data.
struct PlainVariant {
    ident: Ident,
    name: LitStr,
    number: i32,
}

impl PlainVariant {
    fn parse(header: &Header, variant: &Variant, next: i32) -> syn::Result<Self> {
        let settings = settings(&variant.attrs, "value")?;
        let number = match (&settings.number, &variant.discriminant) {
            (Some(number), _) => number.base10_parse()?,
            (None, Some((_, expression))) => discriminant(expression)?,
            (None, None) => next,
        };
        let spelling =
            format!("{}_{}", upper_snake(&header.wire_name.value()), upper_snake(&variant.ident.to_string()));
        let name = settings.name.unwrap_or_else(|| LitStr::new(&spelling, variant.ident.span()));
        Ok(Self { ident: variant.ident.clone(), name, number })
    }
}

/// The number of `Variant = number`.
fn discriminant(expression: &Expr) -> syn::Result<i32> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => discriminant(expr).map(|number| -number),
        other => Err(Error::new(other.span(), "expected a number: say it again as `#[value(number = …)]`")),
    }
}

/// An enum with data: a message with one field for each variant, of which one is there.
fn data_enum(header: &Header, data: &DataEnum) -> syn::Result<TokenStream> {
    let Header { ty, wire_name } = header;
    let path = header.path();
    let mut errors = Errors::default();
    let mut variants = Vec::new();
    for (index, variant) in data.variants.iter().enumerate() {
        errors.collect(&mut variants, DataVariant::parse(header, variant, index));
    }
    errors.finish()?;
    let statics = variants.iter().map(|variant| &variant.statics);
    let fields = variants.iter().map(|DataVariant { name, number, kind, .. }| {
        quote!(jackfield::Field::new(#name, #number, jackfield::Shape::Singular(#kind)))
    });
    let encode = variants.iter().map(|variant| &variant.encode);
    let decode = variants.iter().map(|DataVariant { number, decode, .. }| {
        quote!(#number => value = ::core::option::Option::Some({ #decode }))
    });
    let rest = message(ty, &encoded());
    let first = variants.first().map_or(1, |variant| variant.number);
    Ok(quote! {
        #(#statics)*
        static TYPE: jackfield::MessageType = jackfield::MessageType {
            name: jackfield::TypeName::Named(#wire_name),
            path: #path,
            fields: &[#(#fields),*],
            is_oneof: true,
        };
        impl jackfield::Message for #ty {
            const TYPE: jackfield::StaticRef<jackfield::MessageType> = jackfield::StaticRef::new(&TYPE);
            fn encode_fields(&self, buffer: &mut ::std::vec::Vec<u8>) {
                match self {
                    #(#encode),*
                }
            }
            fn decode_fields(
                message: &jackfield::Bytes,
            ) -> ::core::result::Result<Self, jackfield::DecodeError> {
                let mut value = ::core::option::Option::None;
                let mut reader = jackfield::Reader::new(message);
                while let ::core::option::Option::Some(field) = reader.next_field()? {
                    match field.number {
                        #(#decode,)*
                        _ => {}
                    }
                }
                value.ok_or(jackfield::DecodeError::Missing { number: #first })
            }
        }
        #rest
    })
}

/// A variant of an enum with data.
struct DataVariant {
    name: LitStr,
    number: u32,
    /// The type of its field.
    kind: TokenStream,
    /// The description of that type, where it is the variant's own.
    statics: TokenStream,
    /// An arm of the `match` that encodes.
    encode: TokenStream,
    /// What decodes it from `field`.
    decode: TokenStream,
}

impl DataVariant {
    fn parse(header: &Header, variant: &Variant, index: usize) -> syn::Result<Self> {
        let ident = &variant.ident;
        let settings = settings(&variant.attrs, "value")?;
        let number = settings.number.map_or(Ok(index as u32 + 1), |number| number.base10_parse())?;
        let spelling = || LitStr::new(&upper_snake(&ident.to_string()).to_lowercase(), ident.span());
        let name = settings.name.unwrap_or_else(spelling);
        let variant_of = |kind, statics, encode, decode| Self { name, number, kind, statics, encode, decode };
        let content = fields(&variant.fields)?;
        Ok(match (&variant.fields, content.as_slice()) {
            (Fields::Unit, _) => variant_of(
                quote!(jackfield::Kind::Message(jackfield::StaticRef::new(&jackfield::EMPTY))),
                TokenStream::new(),
                quote!(Self::#ident => jackfield::nested(buffer, #number, |_| {})),
                quote!(field.bytes()?; Self::#ident),
            ),
            (Fields::Unnamed(_), [only]) => {
                let ty = &only.ty;
                variant_of(
                    quote!(<#ty as jackfield::Singular>::KIND),
                    TokenStream::new(),
                    quote!(Self::#ident(value) => jackfield::Singular::encode_always(value, #number, buffer)),
                    quote!(Self::#ident(jackfield::Singular::decode(&field, message)?)),
                )
            }
            (_, content) => {
                let described = format_ident!("{}", upper_snake(&ident.to_string()));
                let own = LitStr::new(&format!("{}{ident}", header.wire_name.value()), ident.span());
                let (path, descriptions) = (header.path(), descriptions(content));
                let members: Vec<_> =
                    content.iter().map(|Field { member, variable, .. }| quote!(#member: #variable)).collect();
                let encode = content.iter().map(|Field { variable, number, .. }| {
                    quote!(jackfield::Value::encode(#variable, #number, buffer);)
                });
                let decode = decode(&quote!(Self::#ident), content);
                variant_of(
                    quote!(jackfield::Kind::Message(jackfield::StaticRef::new(&#described))),
                    quote! {
                        static #described: jackfield::MessageType = jackfield::MessageType {
                            name: jackfield::TypeName::Named(#own),
                            path: ::core::concat!(#path, "::variant"),
                            fields: #descriptions,
                            is_oneof: false,
                        };
                    },
                    quote! {
                        Self::#ident { #(#members),* } => jackfield::nested(buffer, #number, |buffer| {
                            let _ = &buffer;
                            #(#encode)*
                        })
                    },
                    quote! {
                        let read = |message: &jackfield::Bytes| { #decode };
                        jackfield::decode_nested(&field, message, read)?
                    },
                )
            }
        })
    }
}

/// `#[value(name = "…", number = …, crate = …)]`, `#[fault(code = …, crate = …)]`.
#[derive(Default)]
struct Settings {
    name: Option<LitStr>,
    number: Option<LitInt>,
    krate: Option<Path>,
    code: Option<Ident>,
}

fn settings(attributes: &[Attribute], ours: &str) -> syn::Result<Settings> {
    let mut settings = Settings::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(ours)) {
        for setting in attribute.parse_args_with(Punctuated::<Setting, Token![,]>::parse_terminated)? {
            match setting {
                Setting::Code(code) => settings.code = Some(code),
                Setting::Crate(krate) => settings.krate = Some(krate),
                Setting::Name(name) => settings.name = Some(name),
                Setting::Number(number) => settings.number = Some(number),
            }
        }
    }
    Ok(settings)
}

enum Setting {
    Code(Ident),
    Crate(Path),
    Name(LitStr),
    Number(LitInt),
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
        input.parse::<Token![=]>()?;
        match key.to_string().as_str() {
            "code" => input.parse().map(Self::Code),
            "crate" => input.parse().map(Self::Crate),
            "name" => input.parse().map(Self::Name),
            "number" => input.parse().map(Self::Number),
            _ => Err(Error::new(key.span(), "expected `name`, `number`, `code` or `crate`")),
        }
    }
}

/// A name as it is spelt on the wire.
fn spelt(ident: &Ident) -> LitStr {
    LitStr::new(ident.to_string().trim_start_matches("r#"), ident.span())
}

/// `DeepBlue` as `DEEP_BLUE`: how protobuf names variants.
fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    let mut was_lower = false;
    for character in name.chars() {
        if character.is_uppercase() && was_lower {
            text.push('_');
        }
        was_lower = character.is_lowercase() || character.is_numeric();
        text.extend(character.to_uppercase());
    }
    text
}

/// The largest tuple that crosses as it is.
const MAX_TUPLE: usize = 8;

#[cfg(test)]
mod tests {
    use super::upper_snake;

    #[test]
    fn variants_are_spelt_as_protobuf_spells_them() {
        for (rust, wire) in
            [("Red", "RED"), ("DeepBlue", "DEEP_BLUE"), ("A1", "A1"), ("HTTPError", "HTTPERROR")]
        {
            assert_eq!(upper_snake(rust), wire);
        }
    }
}
