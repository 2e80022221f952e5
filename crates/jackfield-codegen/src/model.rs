//! The model of an interface: what the generated text depends on, and nothing else.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ItemTrait, LitStr, Path, Type};

/// An interface.
pub(crate) struct Interface {
    /// The trait as the user wrote it, without our attributes.
    pub(crate) item: ItemTrait,
    /// The full name of the service.
    pub(crate) service: LitStr,
    /// The version.
    pub(crate) version: LitStr,
    /// The path of `jackfield-core`.
    pub(crate) krate: Path,
    /// The methods.
    pub(crate) methods: Vec<Method>,
}

/// A method.
pub(crate) struct Method {
    /// The name in Rust.
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: LitStr,
    /// Whether it was written `async fn` or `fn`.
    pub(crate) mode: Mode,
    /// The arguments after `&self`.
    pub(crate) arguments: Vec<Argument>,
    /// The return type.
    pub(crate) outcome: Type,
    /// Whether it has a body, so that a plugin may lack it.
    pub(crate) is_optional: bool,
}

impl Method {
    /// The type that stands for the method in the generated text. Two underscores keep it apart from the user's.
    pub(crate) fn marker(&self) -> Ident {
        Ident::new(&format!("__{}", upper_camel(&self.ident)), self.ident.span())
    }
}

/// Whether a method blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Async,
    Blocking,
}

impl Method {
    /// Whether its future borrows more than `&self`.
    pub(crate) fn borrows(&self) -> bool {
        self.arguments.iter().any(|argument| matches!(argument.ty, Type::Reference(_)))
    }
}

/// An argument.
pub(crate) struct Argument {
    /// The name in Rust.
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: LitStr,
    /// The number on the wire.
    pub(crate) number: u32,
    /// The type.
    pub(crate) ty: Type,
}

impl Argument {
    /// The type that stands for the argument's among the method's: `Ref<T>` for `&T`.
    pub(crate) fn marker(&self) -> TokenStream {
        match &self.ty {
            Type::Reference(reference) => {
                let target = &reference.elem;
                quote!(jackfield::Ref<#target>)
            }
            ty => quote!(#ty),
        }
    }
}

/// `get_value` as `GetValue`: how protobuf names methods.
pub(crate) fn upper_camel(ident: &Ident) -> String {
    let text = ident.to_string();
    let words = text.trim_start_matches("r#").split('_').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            first.to_uppercase() + rest
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn names_are_spelt_as_protobuf_spells_them() {
        for (rust, wire) in [("put", "Put"), ("get_value", "GetValue"), ("r#type", "Type"), ("a_1", "A1")] {
            let ident = rust.strip_prefix("r#").map_or_else(
                || Ident::new(rust, Span::call_site()),
                |raw| Ident::new_raw(raw, Span::call_site()),
            );
            assert_eq!(upper_camel(&ident), wire);
        }
    }
}
