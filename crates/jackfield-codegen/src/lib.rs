//! What Jackfield's macros generate: a trait becomes a model, is checked, and becomes Rust.
//!
//! A plain library, so that it can be tested and used without a compiler around it. Every function collects all the
//! mistakes that it finds and reports them at once, each at its place.

mod check;
mod derive;
mod export;
mod implementation;
mod model;
mod parse;
mod portable;
mod rust;
mod symbol;

use proc_macro2::TokenStream;

pub use export::Package;

/// Expands `#[interface(…)] trait …`.
///
/// # Errors
///
/// The trait cannot be an interface.
pub fn interface(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let interface = parse::interface(arguments, item)?;
    check::interface(&interface)?;
    rust::interface(&interface)
}

/// Expands `#[plugin] impl Trait for Type …`.
///
/// # Errors
///
/// The block is no implementation of an interface.
pub fn plugin(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    implementation::expand(arguments, item)
}

/// Expands `#[derive(Portable)] struct …`.
///
/// # Errors
///
/// The type cannot cross by name.
pub fn portable(item: TokenStream) -> syn::Result<TokenStream> {
    portable::expand(item)
}

/// Expands `#[symbol] pub fn …` and `#[symbol] pub static …`.
///
/// # Errors
///
/// The item cannot be exported by name.
pub fn symbol(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    symbol::expand(arguments, item)
}

/// Expands `export!(constructor as dyn Trait, symbol, setting = …)`.
///
/// # Errors
///
/// The arguments are not of this form.
pub fn export(arguments: TokenStream, package: &Package) -> syn::Result<TokenStream> {
    export::expand(arguments, package)
}

/// Expands `#[derive(Value)]`.
///
/// # Errors
///
/// The type cannot cross.
pub fn value(item: TokenStream) -> syn::Result<TokenStream> {
    derive::value(item)
}

/// Expands `#[derive(Fault)]`.
///
/// # Errors
///
/// An attribute is not of its form.
pub fn fault(item: TokenStream) -> syn::Result<TokenStream> {
    derive::fault(item)
}
