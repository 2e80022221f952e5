//! Jackfield's macros. They hand tokens to `jackfield-codegen`; use them through `jackfield-core` (`#[interface]`)
//! and `jackfield-plugin` (`#[plugin]`, `export!`).

use jackfield_codegen::Package;
use proc_macro::TokenStream;

/// Makes a trait an interface: `dyn Trait` has a schema, and `Handle<dyn Trait>` implements the trait.
///
/// `#[interface(service = "proto.KV", version = "1.0")]`, with `crate = path` where `jackfield-core` has another
/// path. `#[method(name = "…")]` on a method and `#[field(name = "…", number = …)]` on an argument set what is on
/// the wire; otherwise a method `get_value` is `GetValue`, and arguments are numbered from 1.
///
/// Methods take `&self` and values or references, and return `Result<T, Error>`. An `async fn` becomes a method that
/// returns a boxed future, so that `dyn Trait` is a type; a `fn` blocks its caller. A method with a body may be lacking in
/// a plugin, for which the body then runs.
#[proc_macro_attribute]
pub fn interface(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(jackfield_codegen::interface(arguments.into(), item.into()))
}

/// Makes a struct or an enum a type that crosses: a protobuf message or enum.
///
/// `#[value(name = "…", number = …)]` on a field or variant sets what is on the wire, `name` on the type too; otherwise
/// fields are numbered from 1, the variants of an enum without data from 0. The fields of a variant with several of them
/// are a message of their own. `crate = path` on the type says where `jackfield-core` is.
#[proc_macro_derive(Value, attributes(value))]
pub fn value(item: TokenStream) -> TokenStream {
    finish(jackfield_codegen::value(item.into()))
}

/// Makes a type with `#[derive(Value)]` and `std::error::Error` an error that methods may return: `Result<T, Error<E>>`.
///
/// `#[fault(code = NOT_FOUND)]` on the type or on a variant sets the code by which peers in other languages know it, one
/// of the constants of `Code`; otherwise it is `UNKNOWN`.
#[proc_macro_derive(Fault, attributes(fault))]
pub fn fault(item: TokenStream) -> TokenStream {
    finish(jackfield_codegen::fault(item.into()))
}

/// Rewrites the `async fn` of `impl Interface for Type` as the interface declares them.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(jackfield_codegen::plugin(arguments.into(), item.into()))
}

/// Makes a `pub fn` or a `pub static` of the type `Var<T>` a symbol, which `export!` can list.
///
/// A host finds it under its own name, or under the one of `#[symbol(name = "…")]`. A function takes values, `&str`,
/// slices and references to values; what is neither `pub` nor listed cannot be found.
#[proc_macro_attribute]
pub fn symbol(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(jackfield_codegen::symbol(arguments.into(), item.into()))
}

/// Lets a struct cross between a host and a plugin by name: as the value of a variable, an argument or a result.
///
/// Both sides may declare it on their own: what counts are the names and types of the fields, in their order. A host
/// writes `#[portable(crate = jackfield)]`.
#[proc_macro_derive(Portable, attributes(portable))]
pub fn portable(item: TokenStream) -> TokenStream {
    finish(jackfield_codegen::portable(item.into()))
}

/// Exports a plugin: `export!(FileKv::open as dyn Kv)`, `export!(greet, NAME, init = setup)`.
///
/// It lists, separated by commas, the interfaces, each with its constructor: a function from `&Context` to
/// `Result<T, Error>`; and the paths of the symbols. `FileKv::open as dyn Kv + Save` is a plugin that hands over what it holds
/// to the one that replaces it.
///
/// | setting | meaning |
/// | --- | --- |
/// | `init = …` | a function from `&mut Init` to `Result<(), Error>` that runs when the plugin is loaded, and can refuse |
/// | `id = "…"` | the plugin's identity; otherwise the variable `JACKFIELD_PLUGIN_ID` of the build, or name and content |
/// | `name = "…"`, `version = "…"` | otherwise those of the package |
/// | `runtime = tokio` | the plugin lives on a thread of its own with a reactor of tokio's; else on its callers' threads |
/// | `handshake = …` | how the program, whose `main` is the function `serve`, greets its host |
#[proc_macro]
pub fn export(arguments: TokenStream) -> TokenStream {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "unknown".to_owned());
    let package = Package { name: variable("CARGO_PKG_NAME"), version: variable("CARGO_PKG_VERSION") };
    finish(jackfield_codegen::export(arguments.into(), &package))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
