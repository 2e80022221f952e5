//! Reads a trait with its attributes into the model.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, FnArg, ItemTrait, LitInt, LitStr, Pat, PatType, Path, ReturnType, Token, TraitItem,
    TraitItemFn, Type, parse_quote,
};

use crate::check::Errors;
use crate::model::{Argument, Interface, Method, Mode, upper_camel};

/// Reads an interface.
pub(crate) fn interface(arguments: TokenStream, item: TokenStream) -> syn::Result<Interface> {
    let Arguments { service, version, krate } = syn::parse2(arguments)?;
    let mut item: ItemTrait = syn::parse2(item)?;
    let mut errors = Errors::default();
    let mut methods = Vec::new();
    for member in &mut item.items {
        match member {
            TraitItem::Fn(function) => errors.collect(&mut methods, method(function)),
            other => errors.add(Error::new(other.span(), "an interface has methods only")),
        }
    }
    errors.finish()?;
    Ok(Interface { item, service, version, krate, methods })
}

/// `service = "…", version = "…", crate = …`.
struct Arguments {
    service: LitStr,
    version: LitStr,
    krate: Path,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut service, mut version, mut krate) = (None, None, None);
        while !input.is_empty() {
            let key = input.call(<syn::Ident as syn::ext::IdentExt>::parse_any)?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "service" => service = Some(input.parse()?),
                "version" => version = Some(input.parse()?),
                "crate" => krate = Some(input.parse()?),
                _ => return Err(Error::new(key.span(), "expected `service`, `version` or `crate`")),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let missing = |what: &str, example: &str| {
            let text = format!("an interface needs its {what}: `#[interface({example})]`");
            Error::new(Span::call_site(), text)
        };
        let example = "service = \"proto.KV\", version = \"1.0\"";
        Ok(Self {
            service: service.ok_or_else(|| missing("service", example))?,
            version: version.ok_or_else(|| missing("version", example))?,
            krate: krate.unwrap_or_else(|| parse_quote!(::jackfield_core)),
        })
    }
}

fn method(function: &mut TraitItemFn) -> syn::Result<Method> {
    let mut errors = Errors::default();
    let mut name = None;
    take_attributes(&mut function.attrs, "method", &mut errors, |option| match option {
        Setting::Name(value) => {
            name = Some(value);
            Ok(())
        }
        Setting::Number(value) => Err(Error::new(value.span(), "a method has a `name` only")),
    });
    let mut arguments = Vec::new();
    for (index, input) in function.sig.inputs.iter_mut().skip(1).enumerate() {
        if let FnArg::Typed(typed) = input {
            errors.collect(&mut arguments, argument(index, typed));
        }
    }
    errors.collect(&mut Vec::new(), crate::check::signature(&function.sig));
    let outcome = match &function.sig.output {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => parse_quote!(()),
    };
    errors.finish()?;
    let ident = function.sig.ident.clone();
    Ok(Method {
        name: name.unwrap_or_else(|| LitStr::new(&upper_camel(&ident), ident.span())),
        mode: if function.sig.asyncness.is_some() { Mode::Async } else { Mode::Blocking },
        ident,
        arguments,
        outcome,
        is_optional: function.default.is_some(),
    })
}

fn argument(index: usize, typed: &mut PatType) -> syn::Result<Argument> {
    let mut errors = Errors::default();
    let (mut name, mut number) = (None, None);
    take_attributes(&mut typed.attrs, "field", &mut errors, |option| {
        match option {
            Setting::Name(value) => name = Some(value),
            Setting::Number(value) => number = Some(value.base10_parse()?),
        }
        Ok(())
    });
    let Pat::Ident(pattern) = &*typed.pat else {
        return Err(Error::new(
            typed.pat.span(),
            "an argument needs a plain name, which is its name on the wire",
        ));
    };
    errors.finish()?;
    let ident = pattern.ident.clone();
    let spelt = ident.to_string();
    Ok(Argument {
        name: name.unwrap_or_else(|| LitStr::new(spelt.trim_start_matches("r#"), ident.span())),
        number: number.unwrap_or(index as u32 + 1),
        ty: Type::clone(&typed.ty),
        ident,
    })
}

/// `name = "…"` or `number = …`.
enum Setting {
    Name(LitStr),
    Number(LitInt),
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: syn::Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        match key.to_string().as_str() {
            "name" => input.parse().map(Self::Name),
            "number" => input.parse().map(Self::Number),
            _ => Err(Error::new(key.span(), "expected `name` or `number`")),
        }
    }
}

/// Takes our own attributes away from an item and reads them.
fn take_attributes(
    attributes: &mut Vec<Attribute>,
    ours: &str,
    errors: &mut Errors,
    mut set: impl FnMut(Setting) -> syn::Result<()>,
) {
    attributes.retain(|attribute| {
        if !attribute.path().is_ident(ours) {
            return true;
        }
        let settings = attribute.parse_args_with(Punctuated::<Setting, Token![,]>::parse_terminated);
        match settings {
            Ok(settings) => settings.into_iter().for_each(|setting| {
                if let Err(error) = set(setting) {
                    errors.add(error);
                }
            }),
            Err(error) => errors.add(error),
        }
        false
    });
}
