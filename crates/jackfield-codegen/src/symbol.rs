//! `#[symbol]`: a function or a variable that a plugin exports by name becomes a type that `export!` can list.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{
    Error, FnArg, Item, ItemFn, ItemStatic, LitStr, Path, ReturnType, Token, Type, TypeReference, Visibility,
    parse_quote,
};

use crate::check::Errors;

/// Expands the attribute.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let settings: Settings = syn::parse2(arguments)?;
    match syn::parse2(item)? {
        Item::Fn(function) => expand_function(&settings, &function),
        Item::Static(variable) => expand_variable(&settings, &variable),
        other => Err(Error::new(other.span(), "a symbol is a `pub fn` or a `pub static`")),
    }
}

/// `name = "…", crate = …`.
struct Settings {
    name: Option<LitStr>,
    krate: Path,
}

impl Parse for Settings {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut settings = Self { name: None, krate: parse_quote!(::jackfield_plugin) };
        while !input.is_empty() {
            let key = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "name" => settings.name = Some(input.parse()?),
                "crate" => settings.krate = input.parse()?,
                _ => return Err(Error::new(key.span(), "expected `name` or `crate`")),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(settings)
    }
}

fn expand_function(settings: &Settings, item: &ItemFn) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    check_visibility(&item.vis, &item.sig.ident, &mut errors);
    check_signature(&item.sig, &mut errors);
    let arguments: Vec<_> = item.sig.inputs.iter().filter_map(argument).collect();
    errors.finish()?;
    let ident = &item.sig.ident;
    let output = match &item.sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => Type::clone(ty),
    };
    let names: Vec<_> = (0..arguments.len()).map(|index| format_ident!("argument_{index}")).collect();
    let types: Vec<_> = arguments.iter().map(|(ty, _)| ty).collect();
    let passed = names.iter().zip(&arguments).map(|(name, (_, reference))| quote!(#reference #name));
    let constructor = format_ident!("function");
    let implementation = quote! {
        impl jackfield::Function for #ident {
            type Signature = fn(#(#types),*) -> #output;
            const NAME: &'static str = <Self as jackfield::Exports>::NAME;
            fn call((#(#names,)*): (#(#types,)*)) -> jackfield::Reply<#output> {
                ::core::result::Result::Ok(#ident(#(#passed),*))
            }
        }
    };
    let exported = Exported { item: quote!(#item), ident, constructor, implementation };
    Ok(exported.expand(settings))
}

fn expand_variable(settings: &Settings, item: &ItemStatic) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    check_visibility(&item.vis, &item.ident, &mut errors);
    if matches!(item.mutability, syn::StaticMutability::Mut(_)) {
        let text = "a variable cannot be `static mut`: `Var` has a lock of its own";
        errors.add(Error::new(item.mutability.span(), text));
    }
    if !is_var(&item.ty) {
        let text = "a variable that is exported is a `Var<T>`: the plugin and its host both write to it";
        errors.add(Error::new(item.ty.span(), text));
    }
    errors.finish()?;
    let (ident, ty) = (&item.ident, &item.ty);
    let implementation = quote! {
        impl jackfield::Variable for #ident {
            type Value = <#ty as jackfield::Holds>::Value;
            const NAME: &'static str = <Self as jackfield::Exports>::NAME;
            fn var() -> &'static #ty {
                &#ident
            }
        }
    };
    let constructor = format_ident!("variable");
    let exported = Exported { item: quote!(#item), ident, constructor, implementation };
    Ok(exported.expand(settings))
}

/// An item that is exported.
struct Exported<'a> {
    item: TokenStream,
    ident: &'a Ident,
    /// What makes the entry of the table.
    constructor: Ident,
    implementation: TokenStream,
}

impl Exported<'_> {
    /// The item itself, and a type of the same name: types and values have namespaces of their own, so a path to the
    /// one is a path to the other.
    fn expand(&self, settings: &Settings) -> TokenStream {
        let Self { item, ident, constructor, implementation } = self;
        let krate = &settings.krate;
        let spelt = ident.to_string();
        let spelt = LitStr::new(spelt.trim_start_matches("r#"), ident.span());
        let name = settings.name.as_ref().unwrap_or(&spelt);
        // Lints do not look into what a macro wrote.
        let mut marker = Ident::clone(ident);
        marker.set_span(Span::call_site().located_at(ident.span()));
        quote! {
            #item
            #[derive(Debug)]
            pub(crate) enum #marker {}
            const _: () = {
                use #krate::__private as jackfield;
                #implementation
                impl jackfield::Exports for #ident {
                    const NAME: &'static str = #name;
                    const SYMBOL: jackfield::Symbol = jackfield::Symbol::#constructor::<Self>();
                }
            };
        }
    }
}

/// What crosses for an argument, and how it is passed on.
fn argument(input: &FnArg) -> Option<(Type, Option<Token![&]>)> {
    let FnArg::Typed(typed) = input else { return None };
    let Type::Reference(TypeReference { and_token, elem, .. }) = &*typed.ty else {
        return Some((Type::clone(&typed.ty), None));
    };
    let owned = match &**elem {
        Type::Path(path) if path.path.is_ident("str") => parse_quote!(::std::string::String),
        Type::Slice(slice) => {
            let item = &slice.elem;
            parse_quote!(::std::vec::Vec<#item>)
        }
        other => other.clone(),
    };
    Some((owned, Some(*and_token)))
}

fn check_visibility(visibility: &Visibility, ident: &Ident, errors: &mut Errors) {
    if !matches!(visibility, Visibility::Public(_)) {
        errors.add(Error::new(ident.span(), "only what is `pub` can be exported"));
    }
}

fn check_signature(signature: &syn::Signature, errors: &mut Errors) {
    if !signature.generics.params.is_empty() {
        errors.add(Error::new(signature.generics.span(), "a function that is exported cannot be generic"));
    }
    if let Some(asyncness) = &signature.asyncness {
        let text = "a function that is exported cannot be `async`: export an interface, whose methods can";
        errors.add(Error::new(asyncness.span(), text));
    }
    if let Some(unsafety) = &signature.unsafety {
        errors.add(Error::new(unsafety.span(), "a function that is exported cannot be `unsafe`"));
    }
    if signature.inputs.len() > MAX_ARGUMENTS {
        let text = format!("a function that is exported has at most {MAX_ARGUMENTS} arguments");
        errors.add(Error::new(signature.inputs.span(), text));
    }
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                errors.add(Error::new(receiver.span(), "a method cannot be exported: export a function"));
            }
            FnArg::Typed(typed) => {
                if let Type::Reference(TypeReference { mutability: Some(mutability), .. }) = &*typed.ty {
                    let text = "a mutable reference cannot cross: return the value";
                    errors.add(Error::new(mutability.span(), text));
                }
            }
        }
    }
}

fn is_var(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Var"))
}

const MAX_ARGUMENTS: usize = 8;
