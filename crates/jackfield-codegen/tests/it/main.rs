//! The generated text is the text that was written by hand.

use std::path::Path;

use jackfield_codegen::Package;
use proc_macro2::TokenStream;

#[test]
fn an_interface_is_what_the_hand_wrote() {
    let text = jackfield_codegen::interface(
        tokens(r#"service = "proto.KV", version = "1.0""#),
        tokens(
            "/// A store of values under keys.
            pub trait Kv {
                /// Stores `value` under `key`.
                async fn put(&self, key: String, value: Bytes) -> Result<(), Error>;
                /// The value under `key`.
                async fn get(&self, key: String) -> Result<Bytes, Error>;
                /// How many keys there are.
                ///
                /// # Errors
                ///
                /// No answer came.
                fn count(&self) -> Result<u64, Error>;
            }",
        ),
    );
    assert_same(text, "kv.rs");
}

#[test]
fn an_implementation_is_what_the_hand_wrote() {
    let text = jackfield_codegen::plugin(
        TokenStream::new(),
        tokens(
            "impl Kv for MemoryKv {
                async fn put(&self, key: String, value: Bytes) -> Result<(), Error> {
                    self.lock().insert(key, value);
                    Ok(())
                }
                async fn get(&self, key: String) -> Result<Bytes, Error> {
                    let value = self.lock().get(&key).cloned();
                    Ok(value.ok_or_else(|| Failure::new(format!(\"no such key: `{key}`\")))?)
                }
                fn count(&self) -> Result<u64, Error> {
                    Ok(self.lock().len() as u64)
                }
            }",
        ),
    );
    assert_same(text, "implementation.rs");
}

#[test]
fn an_export_is_what_the_hand_wrote() {
    let package = Package { name: "kv-by-hand".to_owned(), version: "1.0.0".to_owned() };
    assert_same(jackfield_codegen::export(tokens("MemoryKv::open as dyn Kv"), &package), "export.rs");
}

#[test]
fn an_export_may_save() {
    let package = Package { name: "kv".to_owned(), version: "1.0.0".to_owned() };
    let export = |text| jackfield_codegen::export(tokens(text), &package).map(|text| text.to_string());
    for (arguments, kind) in [
        ("Kv::open as dyn Kv + Save", "Inline"),
        ("Kv::open as dyn Kv + jackfield_plugin::Save, runtime = tokio", "Tokio"),
    ] {
        let text = export(arguments).expect("an export");
        let methods = "{ < dyn Kv as jackfield :: Interface > :: SPECS . len () + 1 }";
        let call =
            format!("export_saving :: < dyn Kv , {methods} , _ , _ , jackfield :: {kind} > (Kv :: open)");
        assert!(text.contains(&call), "{text}");
    }
    export("Kv::open as dyn Kv + Send").expect_err("that is nothing that a plugin does");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let error = jackfield_codegen::interface(
        tokens(r#"service = "proto.KV", version = "1.0""#),
        tokens(
            "trait Kv {
                const SIZE: usize;
                fn generic<T>(&self, value: T) -> Result<(), Error>;
                fn owned(self) -> Result<(), Error>;
                fn borrowed(&self, key: Vec<&str>) -> u64;
            }",
        ),
    );
    let texts: Vec<_> =
        error.expect_err("five mistakes").into_iter().map(|error| error.to_string()).collect();
    assert_eq!(
        texts,
        [
            "an interface has methods only",
            "a method of an interface cannot be generic: its types are part of the schema",
            "a method of an interface takes `&self`: many callers share a plugin",
            "a reference can only be a whole argument: take the value, `String` for `&str`",
            "a method of an interface returns `Result<T, Error>`: every call can fail, since a plugin can crash or \
             be unloaded",
        ]
    );
}

#[test]
fn names_and_numbers_can_be_set() {
    let text = jackfield_codegen::interface(
        tokens(r#"service = "a.B", version = "1.0""#),
        tokens(
            "trait Kv {
                #[method(name = \"PUT\")]
                fn put(&self, #[field(number = 7, name = \"k\")] key: String) -> Result<(), Error>;
            }",
        ),
    );
    let text = text.expect("an interface").to_string();
    assert!(text.contains("path : \"/a.B/PUT\""), "{text}");
    assert!(text.contains("name : \"k\" , number : 7u32"), "{text}");
}

#[test]
fn clashes_on_the_wire_are_refused() {
    let error = jackfield_codegen::interface(
        tokens(r#"service = "a..b", version = "1""#),
        tokens(
            "trait Kv { fn get_a(&self) -> Result<(), Error>; fn getA(&self, #[field(number = 2)] a: i64, b: i64) -> Result<(), Error>; }",
        ),
    );
    let texts: Vec<_> =
        error.expect_err("four mistakes").into_iter().map(|error| error.to_string()).collect();
    assert_eq!(
        texts,
        [
            "a service is named by words with dots between them, such as `proto.KV`",
            "a version is `major.minor`, such as `1.0`",
            "two methods have the name `GetA` on the wire",
            "two arguments have the number 2",
        ]
    );
}

/// The mistakes in an item that is exported by name.
fn mistakes(result: syn::Result<TokenStream>) -> Vec<String> {
    result.expect_err("mistakes").into_iter().map(|error| error.to_string()).collect()
}

#[test]
fn what_cannot_be_a_symbol_is_told() {
    let symbol = |item| mistakes(jackfield_codegen::symbol(TokenStream::new(), tokens(item)));
    assert_eq!(
        symbol(
            "async unsafe fn run<T>(&self, value: &mut T, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}"
        ),
        [
            "only what is `pub` can be exported",
            "a function that is exported cannot be generic",
            "a function that is exported cannot be `async`: export an interface, whose methods can",
            "a function that is exported cannot be `unsafe`",
            "a function that is exported has at most 8 arguments",
            "a method cannot be exported: export a function",
            "a mutable reference cannot cross: return the value",
        ]
    );
    assert_eq!(
        symbol("static mut COUNT: u32 = 0;"),
        [
            "only what is `pub` can be exported",
            "a variable cannot be `static mut`: `Var` has a lock of its own",
            "a variable that is exported is a `Var<T>`: the plugin and its host both write to it",
        ]
    );
    assert_eq!(symbol("pub struct Name;"), ["a symbol is a `pub fn` or a `pub static`"]);
}

#[test]
fn what_cannot_cross_by_name_is_told() {
    let portable = |item| mistakes(jackfield_codegen::portable(tokens(item)));
    assert_eq!(
        portable("struct Pair<T>(T, T);"),
        ["a type that crosses by name cannot be generic: its text has to name each field's type"]
    );
    assert_eq!(
        portable("enum Colour { Red, Green }"),
        ["only a struct can cross by name: for an enum, use a number or a `Result`"]
    );
    assert_eq!(
        portable("struct Many(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);"),
        ["a struct that crosses by name has at most 12 fields: make some of them a struct"]
    );
}

#[test]
fn the_list_of_exports_is_checked() {
    let package = Package { name: "kv-by-hand".to_owned(), version: "1.0.0".to_owned() };
    let export = |arguments| mistakes(jackfield_codegen::export(tokens(arguments), &package));
    assert_eq!(export("greet()"), [EXPECTED]);
    assert_eq!(
        export("greet, colour = \"red\""),
        ["expected `handshake`, `id`, `init`, `name`, `runtime` or `version`"]
    );
}

const EXPECTED: &str = "expected a constructor and its interface, or the name of a symbol: \
                        `export!(FileKv::open as dyn Kv)`, `export!(greet, NAME)`";

fn assert_same(text: syn::Result<TokenStream>, file: &str) {
    let generated = text.expect("no mistake");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rust/kv-by-hand/src").join(file);
    let written = std::fs::read_to_string(&path).expect("a file of the fixture");
    let generated = prettyplease::unparse(&syn::parse2(generated).expect("Rust"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &generated).expect("the file of the fixture is renewed");
    }
    assert_eq!(generated, written, "{file} differs from what is generated");
}

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("tokens")
}
