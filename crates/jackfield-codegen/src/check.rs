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
    let mut streams = 0;
    for input in &signature.inputs {
        if let FnArg::Typed(typed) = input {
            check_type(&typed.ty, &mut errors);
            if is_stream(&typed.ty) {
                streams += 1;
                if streams == 2 {
                    let text = "a method has at most one stream among its arguments: gRPC sends one";
                    errors.add(Error::new(typed.ty.span(), text));
                }
            }
        }
    }
    if signature.inputs.len() > MAX_ARGUMENTS + 1 {
        let text = format!("a method of an interface has at most {MAX_ARGUMENTS} arguments");
        errors.add(Error::new(signature.inputs.span(), text));
    }
    if let ReturnType::Type(_, ty) = &signature.output {
        check_inside(ty, &mut errors);
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

/// Checks the type of an argument: what can be seen without knowing types. The compiler says the rest.
fn check_type(ty: &Type, errors: &mut Errors) {
    match ty {
        Type::Reference(reference) => {
            if let Some(mutability) = &reference.mutability {
                let text = "`&mut` cannot cross: return what has changed";
                errors.add(Error::new(mutability.span(), text));
            }
            if let Some(lifetime) = &reference.lifetime {
                let text = "an argument lives as long as the call: leave its lifetime out";
                errors.add(Error::new(lifetime.span(), text));
            }
            check_inside(&reference.elem, errors);
        }
        other => check_inside(other, errors),
    }
}

/// Checks a type that may stand inside of others.
fn check_inside(ty: &Type, errors: &mut Errors) {
    struct Visitor<'a>(&'a mut Errors);
    impl<'ast> syn::visit::Visit<'ast> for Visitor<'_> {
        fn visit_type(&mut self, ty: &'ast Type) {
            let text = match ty {
                Type::BareFn(_) => "a function cannot cross: pass an object, `Handle<dyn Trait>`",
                Type::ImplTrait(_) => {
                    "`impl Trait` cannot cross: name a type, which is part of the schema; a stream is `Streaming<T>`"
                }
                Type::Ptr(_) => "a pointer cannot cross: take the value",
                Type::Reference(_) => {
                    "a reference can only be a whole argument: take the value, `String` for `&str`"
                }
                Type::Path(path) if is_owner_of_trait(path) => {
                    "an object crosses as `Handle<dyn Trait>`, where the trait is an interface"
                }
                Type::TraitObject(_) => {
                    "an object crosses as `Handle<dyn Trait>`, where the trait is an interface"
                }
                _ => return syn::visit::visit_type(self, ty),
            };
            self.0.add(Error::new(ty.span(), text));
        }

        fn visit_generic_argument(&mut self, argument: &'ast syn::GenericArgument) {
            // `Handle<dyn Trait>` is what is asked for.
            if !matches!(argument, syn::GenericArgument::Type(Type::TraitObject(_))) {
                syn::visit::visit_generic_argument(self, argument);
            }
        }
    }
    syn::visit::Visit::visit_type(&mut Visitor(errors), ty);
}

/// `Box<dyn Trait>` and its like.
fn is_owner_of_trait(path: &syn::TypePath) -> bool {
    let Some(last) = path.path.segments.last() else { return false };
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
    let holds_trait = arguments
        .args
        .iter()
        .any(|argument| matches!(argument, syn::GenericArgument::Type(Type::TraitObject(_))));
    holds_trait && ["Arc", "Box", "Rc"].iter().any(|owner| last.ident == owner)
}

/// Whether a type is a stream, as far as its name says.
fn is_stream(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Streaming" || last.ident == "ByteStream")
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
