//! `#[plugin] impl Trait for Type`: `async fn` becomes what the interface declares.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Error, FnArg, ImplItem, ImplItemFn, ItemImpl, Path, ReturnType, parse_quote};

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
    if function.sig.asyncness.take().is_none() {
        return Ok(());
    }
    if !matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_))) {
        return Err(Error::new(function.sig.ident.span(), "a method of an interface takes `&self`"));
    }
    let ReturnType::Type(_, outcome) = &function.sig.output else {
        let text = "a method of an interface returns `Result<T, Error>`";
        return Err(Error::new(function.sig.ident.span(), text));
    };
    let statements = &function.block.stmts;
    // The branch that is never taken tells the compiler what the block returns, which `?` needs to know.
    function.block = parse_quote!({
        ::std::boxed::Box::pin(async move {
            if let ::core::option::Option::Some(outcome) = ::core::option::Option::None::<#outcome> {
                return outcome;
            }
            #(#statements)*
        })
    });
    function.sig.output = parse_quote!(-> #krate::BoxFuture<'_, #outcome>);
    Ok(())
}
