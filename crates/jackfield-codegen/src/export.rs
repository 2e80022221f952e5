//! `export!`: the constants and the one symbol by which a host finds a plugin.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprCast, LitStr, Token, Type};

/// The package that exports a plugin.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it is what cargo says of a package, written down in two places"
)]
pub struct Package {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
}

impl Package {
    /// A symbol that no other plugin has, so that several can be linked into one host.
    fn symbol(&self) -> String {
        let text = format!("jackfield_entry_{}_{}", self.name, self.version);
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
    }
}

/// Expands the macro.
pub(crate) fn expand(arguments: TokenStream, package: &Package) -> syn::Result<TokenStream> {
    let Arguments { exports, handshake } = syn::parse2(arguments)?;
    let literal = |text: &str| LitStr::new(text, Span::call_site());
    let (name, version, symbol) =
        (literal(&package.name), literal(&package.version), literal(&package.symbol()));
    let schemas =
        exports.iter().map(|Export { interface, .. }| quote!(<#interface as jackfield::Interface>::SCHEMA));
    let entries = exports
        .iter()
        .map(|Export { constructor, interface }| quote!(jackfield::export::<#interface, _, _>(#constructor)));
    Ok(quote! {
        /// The plugin that this crate exports.
        pub const PLUGIN: ::jackfield_plugin::Plugin = {
            use ::jackfield_plugin::__private as jackfield;
            const INTERFACES: &[&jackfield::Schema] = &[#(#schemas),*];
            const EXPORTS: &[jackfield::Export] = &[#(#entries),*];
            const NOTE: jackfield::Source = jackfield::Source {
                name: #name,
                version: #version,
                symbol: #symbol,
                panic: if cfg!(panic = "abort") { "abort" } else { "unwind" },
                interfaces: INTERFACES,
            };
            #[used]
            #[cfg_attr(target_os = "linux", unsafe(link_section = ".note.jackfield"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__jackfield"))]
            #[cfg_attr(windows, unsafe(link_section = ".jackfld"))]
            static SECTION: jackfield::Section<{ NOTE.len() }> = jackfield::Section::new(NOTE.bytes());
            #[unsafe(export_name = #symbol)]
            static ENTRY: jackfield::Entry = jackfield::Entry::new(SECTION.content(), EXPORTS)
                .with_doors(jackfield::attached, jackfield::detached);
            ::jackfield_plugin::Plugin {
                name: NOTE.name,
                version: NOTE.version,
                interfaces: INTERFACES,
                entry: &ENTRY,
            }
        };
        ::jackfield_plugin::__serve! { #handshake }
    })
}

/// `constructor as dyn Interface, …, handshake = …`.
struct Arguments {
    exports: Vec<Export>,
    handshake: Option<Expr>,
}

struct Export {
    constructor: Expr,
    interface: Type,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self { exports: Vec::new(), handshake: None };
        while !input.is_empty() {
            let is_setting = input.peek(syn::Ident) && input.peek2(Token![=]);
            if is_setting {
                let key: syn::Ident = input.parse()?;
                if key != "handshake" {
                    return Err(Error::new(key.span(), "expected `handshake`"));
                }
                input.parse::<Token![=]>()?;
                arguments.handshake = Some(input.parse()?);
            } else {
                arguments.exports.push(input.parse()?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if arguments.exports.is_empty() {
            return Err(Error::new(Span::call_site(), EXPECTED));
        }
        Ok(arguments)
    }
}

impl Parse for Export {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let expression: Expr = input.parse()?;
        let span = expression.span();
        match expression {
            Expr::Cast(ExprCast { expr, ty, .. }) if matches!(*ty, Type::TraitObject(_)) => {
                Ok(Self { constructor: *expr, interface: *ty })
            }
            _ => Err(Error::new(span, EXPECTED)),
        }
    }
}

const EXPECTED: &str = "expected a constructor and its interface: `export!(FileKv::open as dyn Kv)`";
