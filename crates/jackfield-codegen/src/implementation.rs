//! `#[plugin] impl Trait for Type`: `async fn` becomes what the interface declares.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{
    Block, Error, FnArg, ImplItem, ImplItemFn, ItemImpl, Lifetime, Path, ReturnType, Signature, Type,
    parse_quote,
};

use crate::check::Errors;

/// Expands the attribute.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let krate = krate(arguments)?;
    let mut item: ItemImpl = syn::parse2(item)?;
    if item.trait_.is_none() {
        let text = "`#[plugin]` belongs on `impl Interface for Type`";
        return Err(Error::new(item.self_ty.span(), text));
    }
    let mut errors = Errors::default();
    for member in &mut item.items {
        if let ImplItem::Fn(function) = member {
            errors.collect(&mut Vec::new(), rewrite(function, &krate));
        }
    }
    errors.finish()?;
    Ok(quote!(#item))
}

fn krate(arguments: TokenStream) -> syn::Result<Path> {
    if arguments.is_empty() {
        return Ok(parse_quote!(::jackfield_plugin));
    }
    let parser = |input: syn::parse::ParseStream<'_>| {
        input.parse::<syn::Token![crate]>()?;
        input.parse::<syn::Token![=]>()?;
        input.parse()
    };
    syn::parse::Parser::parse2(parser, arguments)
}

fn rewrite(function: &mut ImplItemFn, krate: &Path) -> syn::Result<()> {
    if function.sig.asyncness.is_none() {
        return Ok(());
    }
    let outcome = desugar(&mut function.sig, krate)?;
    function.block = boxed(&function.block, &outcome);
    Ok(())
}

/// Rewrites the signature of an `async fn` as one that returns a boxed future, and returns what the future yields.
pub(crate) fn desugar(signature: &mut Signature, krate: &Path) -> syn::Result<Type> {
    signature.asyncness = None;
    if !matches!(signature.inputs.first(), Some(FnArg::Receiver(_))) {
        return Err(Error::new(signature.ident.span(), "a method of an interface takes `&self`"));
    }
    let ReturnType::Type(_, outcome) = &signature.output else {
        let text = "a method of an interface returns `Result<T, Error>`";
        return Err(Error::new(signature.ident.span(), text));
    };
    let outcome = Type::clone(outcome);
    let lifetime: Lifetime = if borrow(signature) { parse_quote!('call) } else { parse_quote!('_) };
    signature.output = parse_quote!(-> #krate::BoxFuture<#lifetime, #outcome>);
    Ok(outcome)
}

/// Gives all references one lifetime, if there are some beside `&self`: the future borrows them all.
fn borrow(signature: &mut Signature) -> bool {
    let is_reference =
        |input: &FnArg| matches!(input, FnArg::Typed(typed) if matches!(*typed.ty, Type::Reference(_)));
    if !signature.inputs.iter().any(is_reference) {
        return false;
    }
    signature.generics = parse_quote!(<'call>);
    for input in &mut signature.inputs {
        match input {
            FnArg::Receiver(receiver) => *receiver = parse_quote!(&'call self),
            FnArg::Typed(typed) => {
                if let Type::Reference(reference) = &mut *typed.ty {
                    reference.lifetime = Some(parse_quote!('call));
                }
            }
        }
    }
    true
}

/// The body of an `async fn` as a boxed future.
pub(crate) fn boxed(block: &Block, outcome: &Type) -> Block {
    let statements = &block.stmts;
    // The branch that is never taken tells the compiler what the block returns, which `?` needs to know.
    parse_quote!({
        ::std::boxed::Box::pin(async move {
            if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<#outcome> {
                return outcome;
            }
            #(#statements)*
        })
    })
}
