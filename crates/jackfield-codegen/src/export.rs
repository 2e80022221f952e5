//! `export!`: the constants and the one symbol by which a host finds a plugin.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{BinOp, Error, Expr, ExprBinary, ExprCast, ExprPath, LitStr, Path, Token, Type};

/// The package that exports a plugin.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it is what cargo says of a package, written down in two places"
)]
pub struct Package {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
}

/// A symbol that no other plugin has, so that several can be linked into one host.
fn entry_symbol(name: &LitStr, version: &LitStr) -> LitStr {
    let text = format!("jackfield_entry_{}_{}", name.value(), version.value());
    let text: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    LitStr::new(&text, Span::call_site())
}

/// Expands the macro.
pub(crate) fn expand(arguments: TokenStream, package: &Package) -> syn::Result<TokenStream> {
    let Arguments { exports, symbols, settings } = syn::parse2(arguments)?;
    let Settings { handshake, id, init, name, runtime, version } = settings;
    let literal = |text: &str| LitStr::new(text, Span::call_site());
    let name = name.unwrap_or_else(|| literal(&package.name));
    let version = version.unwrap_or_else(|| literal(&package.version));
    let symbol = entry_symbol(&name, &version);
    let id = match id {
        Some(id) => quote!(::core::option::Option::Some(#id)),
        None => quote!(::core::option_env!("JACKFIELD_PLUGIN_ID")),
    };
    let with_symbols = (!symbols.is_empty())
        .then(|| quote!(.with_symbols(const { &[#(<#symbols as jackfield::Exports>::SYMBOL),*] })));
    let with_init = init.map(|init| quote!(.with_init(#init)));
    let serve = (!exports.is_empty()).then(|| quote!(::jackfield_plugin::__serve! { #handshake }));
    let schemas =
        exports.iter().map(|Export { interface, .. }| quote!(<#interface as jackfield::Interface>::SCHEMA));
    let entries = exports.iter().map(|export| export.entry(runtime));
    let check_runtime = (runtime == Runtime::Tokio).then(|| quote!(::jackfield_plugin::__tokio! {}));
    Ok(quote! {
        /// The plugin that this crate exports.
        pub const PLUGIN: ::jackfield_plugin::Plugin = {
            use ::jackfield_plugin::__private as jackfield;
            const INTERFACES: &[&jackfield::Schema] = &[#(#schemas),*];
            const EXPORTS: &[jackfield::Export] = &[#(#entries),*];
            const NOTE: jackfield::Source = jackfield::Source {
                name: #name,
                version: #version,
                symbol: #symbol,
                panic: if cfg!(panic = "abort") { "abort" } else { "unwind" },
                interfaces: INTERFACES,
                id: #id,
            };
            #[used]
            #[cfg_attr(target_os = "linux", unsafe(link_section = ".note.jackfield"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__jackfield"))]
            #[cfg_attr(windows, unsafe(link_section = ".jackfld"))]
            static SECTION: jackfield::Section<{ NOTE.len() }> = jackfield::Section::new(NOTE.bytes());
            #[unsafe(export_name = #symbol)]
            static ENTRY: jackfield::Entry = jackfield::Entry::new(SECTION.content(), EXPORTS)
                .with_doors(jackfield::attached, jackfield::detached) #with_symbols #with_init;
            ::jackfield_plugin::Plugin {
                name: NOTE.name,
                version: NOTE.version,
                interfaces: INTERFACES,
                entry: &ENTRY,
            }
        };
        #serve
        #check_runtime
    })
}

/// `constructor as dyn Interface, …, symbol, …, setting = …`.
#[derive(Default)]
struct Arguments {
    exports: Vec<Export>,
    symbols: Vec<Path>,
    settings: Settings,
}

struct Export {
    constructor: Expr,
    interface: Type,
    /// Whether its objects save.
    saves: bool,
}

impl Export {
    fn entry(&self, runtime: Runtime) -> TokenStream {
        let Self { constructor, interface, saves } = self;
        let kind = match runtime {
            Runtime::None => quote!(jackfield::Inline),
            Runtime::Tokio => quote!(jackfield::Tokio),
        };
        match (saves, runtime) {
            (true, _) => {
                let methods = quote!({ <#interface as jackfield::Interface>::SPECS.len() + 1 });
                quote!(jackfield::export_saving::<#interface, #methods, _, _, #kind>(#constructor))
            }
            (false, Runtime::None) => quote!(jackfield::export::<#interface, _, _>(#constructor)),
            (false, Runtime::Tokio) => quote!(jackfield::export_at::<#interface, _, _, #kind>(#constructor)),
        }
    }
}

#[derive(Default)]
struct Settings {
    handshake: Option<Expr>,
    id: Option<Expr>,
    init: Option<Expr>,
    name: Option<LitStr>,
    runtime: Runtime,
    version: Option<LitStr>,
}

/// Where the objects of a plugin live.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Runtime {
    /// On the threads of whoever calls.
    #[default]
    None,
    /// On a thread of their own, with a reactor of tokio's.
    Tokio,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            if input.peek(syn::Ident) && input.peek2(Token![=]) {
                arguments.settings.parse(input)?;
            } else {
                arguments.parse_item(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if arguments.exports.is_empty() && arguments.symbols.is_empty() && arguments.settings.init.is_none() {
            return Err(Error::new(Span::call_site(), EXPECTED));
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn parse_item(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let expression: Expr = input.parse()?;
        let span = expression.span();
        let (expression, saves) = without_save(expression);
        match expression {
            Expr::Cast(ExprCast { expr, ty, .. }) if matches!(*ty, Type::TraitObject(_)) => {
                self.exports.push(Export { constructor: *expr, interface: *ty, saves });
            }
            Expr::Path(ExprPath { path, .. }) => self.symbols.push(path),
            _ => return Err(Error::new(span, EXPECTED)),
        }
        Ok(())
    }
}

/// Takes `+ Save` off, and says whether it was there: for syntax, `open as dyn Kv + Save` is a sum.
fn without_save(expression: Expr) -> (Expr, bool) {
    let is_save = |right: &Expr| matches!(right, Expr::Path(ExprPath { path, .. }) if path.segments.last().is_some_and(|last| last.ident == "Save"));
    match expression {
        Expr::Binary(ExprBinary { left, op: BinOp::Add(_), right, .. }) if is_save(&right) => (*left, true),
        other => (other, false),
    }
}

impl Settings {
    fn parse(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let key: syn::Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        match key.to_string().as_str() {
            "handshake" => self.handshake = Some(input.parse()?),
            "id" => self.id = Some(input.parse()?),
            "init" => self.init = Some(input.parse()?),
            "name" => self.name = Some(input.parse()?),
            "runtime" => self.runtime = Runtime::parse(input)?,
            "version" => self.version = Some(input.parse()?),
            _ => {
                let expected = "expected `handshake`, `id`, `init`, `name`, `runtime` or `version`";
                return Err(Error::new(key.span(), expected));
            }
        }
        Ok(())
    }
}

impl Parse for Runtime {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: syn::Ident = input.parse()?;
        if name == "tokio" { Ok(Self::Tokio) } else { Err(Error::new(name.span(), "expected `tokio`")) }
    }
}

const EXPECTED: &str = "expected a constructor and its interface, or the name of a symbol: \
                        `export!(FileKv::open as dyn Kv)`, `export!(greet, NAME)`";
