//! What an interface may not be, each with what to write instead.

use std::collections::BTreeMap;

use syn::spanned::Spanned as _;
use syn::{Error, FnArg, ReturnType, Signature, Type};

use crate::model::{Interface, Method};

/// Mistakes, collected so that all are reported at once.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Adds a mistake.
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Keeps a value, or the mistake in its place.
    pub(crate) fn collect<T>(&mut self, values: &mut Vec<T>, result: syn::Result<T>) {
        match result {
            Ok(value) => values.push(value),
            Err(error) => self.add(error),
        }
    }

    /// All mistakes, if there are any.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Checks what a method is, beside its arguments' names.
pub(crate) fn signature(signature: &Signature) -> syn::Result<()> {
    let mut errors = Errors::default();
    match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() && receiver.mutability.is_none() => {}
        first => {
            let span = first.map_or_else(|| signature.ident.span(), |input| input.span());
            errors
                .add(Error::new(span, "a method of an interface takes `&self`: many callers share a plugin"));
        }
    }
    if !signature.generics.params.is_empty() {
        let text = "a method of an interface cannot be generic: its types are part of the schema";
        errors.add(Error::new(signature.generics.span(), text));
    }
    if let Some(unsafety) = &signature.unsafety {
        errors.add(Error::new(unsafety.span(), "a method of an interface cannot be `unsafe`"));
    }
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input {
            check_type(&typed.ty, &mut errors);
        }
    }
    if signature.inputs.len() > MAX_ARGUMENTS + 1 {
        let text = format!("a method of an interface has at most {MAX_ARGUMENTS} arguments");
        errors.add(Error::new(signature.inputs.span(), text));
    }
    if !is_result(&signature.output) {
        let span = match &signature.output {
            ReturnType::Default => signature.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        };
        errors.add(Error::new(
            span,
            "a method of an interface returns `Result<T, Error>`: every call can fail, since a plugin can crash or be \
             unloaded",
        ));
    }
    errors.finish()
}

fn check_type(ty: &Type, errors: &mut Errors) {
    match ty {
        Type::Reference(_) => {
            errors.add(Error::new(
                ty.span(),
                "a reference cannot cross here: take the value, `String` for `&str`",
            ));
        }
        Type::ImplTrait(_) => {
            errors.add(Error::new(
                ty.span(),
                "`impl Trait` cannot cross: name a type, which is part of the schema",
            ));
        }
        _ => {}
    }
}

fn is_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    matches!(&**ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Result"))
}

/// Checks an interface as a whole.
pub(crate) fn interface(interface: &Interface) -> syn::Result<()> {
    let mut errors = Errors::default();
    if !interface.item.generics.params.is_empty() {
        errors.add(Error::new(interface.item.generics.span(), "an interface cannot be generic"));
    }
    if !is_service(&interface.service.value()) {
        let text = "a service is named by words with dots between them, such as `proto.KV`";
        errors.add(Error::new(interface.service.span(), text));
    }
    if !is_version(&interface.version.value()) {
        errors.add(Error::new(interface.version.span(), "a version is `major.minor`, such as `1.0`"));
    }
    let mut names = BTreeMap::new();
    for method in &interface.methods {
        if names.insert(method.name.value(), ()).is_some() {
            let text = format!("two methods have the name `{}` on the wire", method.name.value());
            errors.add(Error::new(method.name.span(), text));
        }
        numbers(method, &mut errors);
    }
    errors.finish()
}

fn numbers(method: &Method, errors: &mut Errors) {
    let mut numbers = BTreeMap::new();
    for argument in &method.arguments {
        // The range that protobuf keeps for itself is within it.
        if !(1..=536_870_911).contains(&argument.number) || (19_000..20_000).contains(&argument.number) {
            let text = format!("{} is no field number", argument.number);
            errors.add(Error::new(argument.ident.span(), text));
        }
        if numbers.insert(argument.number, ()).is_some() {
            let text = format!("two arguments have the number {}", argument.number);
            errors.add(Error::new(argument.ident.span(), text));
        }
    }
}

fn is_service(name: &str) -> bool {
    name.split('.').all(|word| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn is_version(version: &str) -> bool {
    let mut numbers = version.split('.');
    let mut number = || numbers.next().is_some_and(|number| number.parse::<u32>().is_ok());
    number() && number() && numbers.next().is_none()
}

const MAX_ARGUMENTS: usize = 12;
