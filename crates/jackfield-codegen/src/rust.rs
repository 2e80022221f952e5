//! The model of an interface as Rust: boring text that calls into `jackfield-core`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ItemTrait, TraitItem, parse_quote};

use crate::implementation::{boxed, desugar};
use crate::model::{Argument, Interface, Method, Mode};

/// The whole text of an interface.
pub(crate) fn interface(interface: &Interface) -> syn::Result<TokenStream> {
    let item = rewritten_trait(interface)?;
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
    let calls = interface.methods.iter().map(|method| handle_method(name, method));
    let defaults =
        interface.methods.iter().filter(|method| method.is_optional).map(|method| without(interface, method));
    Ok(quote! {
        #item
        const _: () = {
            use #krate::__private as jackfield;
            #(#markers)*
            static SCHEMA: jackfield::Schema = #schema;
            impl jackfield::Interface for dyn #name {
                const SCHEMA: &'static jackfield::Schema = &SCHEMA;
                const SCHEMA_REF: jackfield::StaticRef<jackfield::Schema> = jackfield::StaticRef::new(&SCHEMA);
                const SPECS: &'static [jackfield::MethodSpec] = &[#(#specs),*];
            }
            impl<T: #name> jackfield::Exposes<T> for dyn #name {
                const METHODS: &'static [jackfield::Offered<T>] = &[#(#entries),*];
            }
            impl #name for jackfield::Handle<dyn #name> {
                #(#calls)*
            }
            #(#defaults)*
        };
    })
}

/// The user's trait, with futures in place of `async fn`, so that `dyn Trait` is a type.
fn rewritten_trait(interface: &Interface) -> syn::Result<ItemTrait> {
    let mut item = interface.item.clone();
    item.supertraits.push(parse_quote!(::core::marker::Send));
    item.supertraits.push(parse_quote!(::core::marker::Sync));
    item.supertraits.push(parse_quote!('static));
    for member in &mut item.items {
        if let TraitItem::Fn(function) = member {
            if function.sig.asyncness.is_some() {
                let outcome = desugar(&mut function.sig, &interface.krate)?;
                function.default = function.default.as_ref().map(|body| boxed(body, &outcome));
            }
        }
    }
    Ok(item)
}

/// A method as a type, and what it does on the plugin's side.
fn marker(interface: &Interface, method: &Method) -> TokenStream {
    let (name, marker, outcome) = (&interface.item.ident, method.marker(), &method.outcome);
    let types = tuple(method.arguments.iter().map(Argument::marker));
    let index = interface.methods.iter().position(|other| other.ident == method.ident).unwrap_or_default();
    let side = plugin_method(name, method);
    quote! {
        enum #marker {}
        impl jackfield::MethodOf for #marker {
            type Interface = dyn #name;
            type Arguments = #types;
            type Output = <#outcome as jackfield::Outcome>::Output;
            type Fault = <#outcome as jackfield::Outcome>::Fault;
            const INDEX: usize = #index;
        }
        #side
    }
}

/// What a method does on the plugin's side.
fn plugin_method(name: &syn::Ident, method: &Method) -> TokenStream {
    let (ident, marker, outcome, idents) = (&method.ident, method.marker(), &method.outcome, idents(method));
    let arguments = method.arguments.iter().map(|argument| &argument.ident);
    let call = quote!(#name::#ident(this, #(#arguments),*));
    match method.mode {
        Mode::Blocking => quote! {
            impl<T: #name> jackfield::Blocking<T> for #marker {
                fn call(this: &T, #idents: jackfield::Given<'_, Self>) -> #outcome {
                    #call
                }
            }
        },
        Mode::Async => {
            let body = if method.borrows() {
                quote! {
                    ::std::boxed::Box::pin(async move {
                        let #idents = jackfield::give::<Self>(&mut held);
                        #call.await
                    })
                }
            } else {
                quote! {
                    let #idents = jackfield::give::<Self>(&mut held);
                    #call
                }
            };
            quote! {
                impl<T: #name> jackfield::Asynchronous<T> for #marker {
                    fn call<'a>(
                        this: &'a T,
                        mut held: jackfield::Held<'static, Self>,
                    ) -> jackfield::BoxFuture<'a, #outcome> {
                        #body
                    }
                }
            }
        }
    }
}

/// A method of the handle.
fn handle_method(name: &syn::Ident, method: &Method) -> TokenStream {
    let (ident, marker, idents) = (&method.ident, method.marker(), idents(method));
    let signature = signature(method);
    let arguments: Vec<_> = method.arguments.iter().map(|argument| &argument.ident).collect();
    let body = match (method.mode, method.is_optional) {
        (Mode::Async, false) => quote!(jackfield::start::<#marker>(self, #idents)),
        (Mode::Async, true) => quote! {
            jackfield::start_or::<#marker>(self, #idents, |handle, #idents| {
                let this = jackfield::Without::<dyn #name, #marker>::new(handle);
                ::std::boxed::Box::pin(async move { #name::#ident(&this, #(#arguments),*).await })
            })
        },
        (Mode::Blocking, false) => quote!(jackfield::call::<#marker>(self, #idents)),
        (Mode::Blocking, true) => quote! {
            jackfield::call_or::<#marker>(self, #idents, |handle, #idents| {
                let this = jackfield::Without::<dyn #name, #marker>::new(handle);
                #name::#ident(&this, #(#arguments),*)
            })
        },
    };
    let inline = (method.mode == Mode::Blocking).then(|| quote!(#[inline]));
    quote! {
        #inline
        #signature {
            #body
        }
    }
}

/// A handle of whose methods this one is not there: its default in the trait runs.
fn without(interface: &Interface, lacking: &Method) -> TokenStream {
    let (name, marker) = (&interface.item.ident, lacking.marker());
    let methods = interface.methods.iter().filter(|method| method.ident != lacking.ident).map(|method| {
        let (ident, signature) = (&method.ident, signature(method));
        let arguments = method.arguments.iter().map(|argument| &argument.ident);
        quote! {
            #signature {
                #name::#ident(self.handle(), #(#arguments),*)
            }
        }
    });
    quote! {
        impl #name for jackfield::Without<dyn #name, #marker> {
            #(#methods)*
        }
    }
}

/// The signature of a method, as the rewritten trait has it.
fn signature(method: &Method) -> TokenStream {
    let (ident, outcome) = (&method.ident, &method.outcome);
    let arguments = method.arguments.iter().map(|Argument { ident, ty, .. }| match (method.mode, ty) {
        (Mode::Async, syn::Type::Reference(reference)) => {
            let target = &reference.elem;
            quote!(#ident: &'call #target)
        }
        _ => quote!(#ident: #ty),
    });
    match method.mode {
        Mode::Async if method.borrows() => quote! {
            fn #ident<'call>(&'call self, #(#arguments),*) -> jackfield::BoxFuture<'call, #outcome>
        },
        Mode::Async => quote! {
            fn #ident(&self, #(#arguments),*) -> jackfield::BoxFuture<'_, #outcome>
        },
        Mode::Blocking => quote! {
            fn #ident(&self, #(#arguments),*) -> #outcome
        },
    }
}

fn schema(interface: &Interface) -> TokenStream {
    let (service, version) = (&interface.service, &interface.version);
    let methods = interface.methods.iter().map(|method| {
        let (name, marker, is_optional) = (&method.name, method.marker(), method.is_optional);
        let path = format!("/{}/{}", service.value(), name.value());
        let mode = match method.mode {
            Mode::Async => format_ident!("Async"),
            Mode::Blocking => format_ident!("Blocking"),
        };
        let fields = method.arguments.iter().map(|argument| {
            let (name, number, marker) = (&argument.name, argument.number, argument.marker());
            // A type that cannot cross is pointed at.
            let shape = quote_spanned!(argument.ty.span()=> <#marker as jackfield::Argument>::SHAPE);
            quote! {
                jackfield::Field {
                    name: #name,
                    number: #number,
                    shape: #shape,
                    is_stream: <#marker as jackfield::Argument>::IS_STREAM,
                }
            }
        });
        quote! {
            jackfield::Method {
                name: #name,
                path: #path,
                mode: jackfield::Mode::#mode,
                arguments: &[#(#fields),*],
                result: jackfield::result::<#marker>(),
                is_optional: #is_optional,
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

fn tuple(members: impl ExactSizeIterator<Item = TokenStream>) -> TokenStream {
    match members.len() {
        1 => quote!((#(#members,)*)),
        _ => quote!((#(#members),*)),
    }
}
