//! `#[derive(Portable)]`: a struct crosses as the tuple of its fields, under a text that names them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Fields, Index, LitStr, Member, Path, parse_quote};

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let krate = krate(&item)?;
    if !item.generics.params.is_empty() {
        let text = "a type that crosses by name cannot be generic: its text has to name each field's type";
        return Err(Error::new(item.generics.span(), text));
    }
    let Data::Struct(data) = &item.data else {
        let text = "only a struct can cross by name: for an enum, use a number or a `Result`";
        return Err(Error::new(item.ident.span(), text));
    };
    if data.fields.len() > MAX_FIELDS {
        let text = format!(
            "a struct that crosses by name has at most {MAX_FIELDS} fields: make some of them a struct"
        );
        return Err(Error::new(item.ident.span(), text));
    }
    let ty = &item.ident;
    let members: Vec<_> = members(&data.fields);
    let types: Vec<_> = data.fields.iter().map(|field| &field.ty).collect();
    let labels = members.iter().map(|member| match member {
        Member::Named(ident) => {
            let ident = ident.to_string();
            LitStr::new(&format!("{}: ", ident.trim_start_matches("r#")), ty.span())
        }
        Member::Unnamed(_) => LitStr::new("", ty.span()),
    });
    let numbers = 0..types.len();
    let places = (0..types.len()).map(Index::from);
    Ok(quote! {
        const _: () = {
            use #krate::__private as jackfield;
            impl jackfield::CrossesAs for #ty {
                type As = (#(#types,)*);
                const NAME: &'static str = const {
                    &jackfield::TypeText::new()
                        .push("{")
                        #(.push_item(#labels, #numbers).push(<#types as jackfield::Portable>::NAME))*
                        .push("}")
                }
                .as_str();
                fn into_other(self) -> Self::As {
                    (#(self.#members,)*)
                }
                fn from_other(other: Self::As) -> Self {
                    Self { #(#members: other.#places),* }
                }
            }
        };
    })
}

fn members(fields: &Fields) -> Vec<Member> {
    let members = fields.iter().enumerate().map(|(index, field)| match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(index.into()),
    });
    members.collect()
}

/// `#[portable(crate = …)]`, or the plugin's door.
fn krate(item: &DeriveInput) -> syn::Result<Path> {
    let mut krate = parse_quote!(::jackfield_plugin);
    for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("portable")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("expected `crate`"));
            }
            krate = meta.value()?.parse()?;
            Ok(())
        })?;
    }
    Ok(krate)
}

const MAX_FIELDS: usize = 12;
