//! The model of an interface as Rust: boring text that calls into `jackfield-core`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{ItemTrait, TraitItem, parse_quote};

use crate::model::{Argument, Interface, Method, Mode};

/// The whole text of an interface.
pub(crate) fn interface(interface: &Interface) -> TokenStream {
    let item = rewritten_trait(interface);
    let (name, krate) = (&interface.item.ident, &interface.krate);
    let markers = interface.methods.iter().map(|method| marker(interface, method));
    let schema = schema(interface);
    let specs = interface.methods.iter().map(|method| {
        let marker = method.marker();
        quote!(jackfield::spec::<#marker>())
    });
    let entries = interface.methods.iter().map(|method| {
        let marker = method.marker();
        match method.mode {
            Mode::Async => quote!(jackfield::asynchronous::<T, #marker>()),
            Mode::Blocking => quote!(jackfield::blocking::<T, #marker>()),
        }
    });
    let calls = interface.methods.iter().map(handle_method);
    quote! {
        #item
        const _: () = {
            use #krate::__private as jackfield;
            #(#markers)*
            impl jackfield::Interface for dyn #name {
                const SCHEMA: &'static jackfield::Schema = &#schema;
                const SPECS: &'static [jackfield::MethodSpec] = &[#(#specs),*];
            }
            impl<T: #name> jackfield::Exposes<T> for dyn #name {
                const METHODS: &'static [jackfield::Offered<T>] = &[#(#entries),*];
            }
            impl #name for jackfield::Handle<dyn #name> {
                #(#calls)*
            }
        };
    }
}

/// The user's trait, with futures in place of `async fn`, so that `dyn Trait` is a type.
fn rewritten_trait(interface: &Interface) -> ItemTrait {
    let mut item = interface.item.clone();
    let krate = &interface.krate;
    item.supertraits.push(parse_quote!(::core::marker::Send));
    item.supertraits.push(parse_quote!(::core::marker::Sync));
    item.supertraits.push(parse_quote!('static));
    for member in &mut item.items {
        if let TraitItem::Fn(function) = member {
            if function.sig.asyncness.take().is_some() {
                if let syn::ReturnType::Type(_, outcome) = &function.sig.output {
                    function.sig.output = parse_quote!(-> #krate::BoxFuture<'_, #outcome>);
                }
            }
        }
    }
    item
}

/// A method as a type, and what it does on the plugin's side.
fn marker(interface: &Interface, method: &Method) -> TokenStream {
    let (name, marker, outcome) = (&interface.item.ident, method.marker(), &method.outcome);
    let (idents, types) = (idents(method), types(method));
    let ident = &method.ident;
    let index = interface.methods.iter().position(|other| other.ident == *ident).unwrap_or_default();
    let (side, result) = match method.mode {
        Mode::Async => (format_ident!("Asynchronous"), quote!(jackfield::BoxFuture<'_, #outcome>)),
        Mode::Blocking => (format_ident!("Blocking"), quote!(#outcome)),
    };
    let arguments = method.arguments.iter().map(|argument| &argument.ident);
    quote! {
        enum #marker {}
        impl jackfield::MethodOf for #marker {
            type Interface = dyn #name;
            type Arguments = #types;
            type Output = <#outcome as jackfield::Outcome>::Output;
            type Fault = <#outcome as jackfield::Outcome>::Fault;
            const INDEX: usize = #index;
        }
        impl<T: #name> jackfield::#side<T> for #marker {
            fn call(this: &T, #idents: #types) -> #result {
                #name::#ident(this, #(#arguments),*)
            }
        }
    }
}

/// A method of the handle.
fn handle_method(method: &Method) -> TokenStream {
    let (ident, marker, outcome, idents) = (&method.ident, method.marker(), &method.outcome, idents(method));
    let arguments = method.arguments.iter().map(|Argument { ident, ty, .. }| quote!(#ident: #ty));
    match method.mode {
        Mode::Async => quote! {
            fn #ident(&self, #(#arguments),*) -> jackfield::BoxFuture<'_, #outcome> {
                jackfield::start::<#marker>(self, #idents)
            }
        },
        Mode::Blocking => quote! {
            #[inline]
            fn #ident(&self, #(#arguments),*) -> #outcome {
                jackfield::call::<#marker>(self, #idents)
            }
        },
    }
}

fn schema(interface: &Interface) -> TokenStream {
    let (service, version) = (&interface.service, &interface.version);
    let methods = interface.methods.iter().map(|method| {
        let (name, marker) = (&method.name, method.marker());
        let path = format!("/{}/{}", service.value(), name.value());
        let mode = match method.mode {
            Mode::Async => format_ident!("Async"),
            Mode::Blocking => format_ident!("Blocking"),
        };
        let fields = method.arguments.iter().map(|Argument { name, number, ty, .. }| {
            quote! {
                jackfield::Field { name: #name, number: #number, kind: <#ty as jackfield::Value>::KIND }
            }
        });
        quote! {
            jackfield::Method {
                name: #name,
                path: #path,
                mode: jackfield::Mode::#mode,
                arguments: &[#(#fields),*],
                result: jackfield::result::<#marker>(),
            }
        }
    });
    quote!(jackfield::Schema { service: #service, version: #version, methods: &[#(#methods),*] })
}

/// The arguments' names as a tuple.
fn idents(method: &Method) -> TokenStream {
    let idents = method.arguments.iter().map(|argument| &argument.ident);
    tuple(idents.map(|ident| quote!(#ident)))
}

/// The arguments' types as a tuple.
fn types(method: &Method) -> TokenStream {
    tuple(method.arguments.iter().map(|Argument { ty, .. }| quote!(#ty)))
}

fn tuple(members: impl ExactSizeIterator<Item = TokenStream>) -> TokenStream {
    match members.len() {
        1 => quote!((#(#members,)*)),
        _ => quote!((#(#members),*)),
    }
}
