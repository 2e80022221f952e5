//! Plugins in C and in Go's C mode, and a host in C.

#![expect(clippy::fn_params_excessive_bools, reason = "a flag has to cross")]

use std::path::Path;

use jackfield::native::c_header;
use jackfield::{Bytes, Code, Context, Error, Handle, Manager, Unloaded};
use jackfield_core::{Description, interface};
use jackfield_fixtures::{available, c_library, c_program, go_library};
use tempfile::TempDir;

use crate::alone::run_alone;
use crate::support::{chain, libraries, native};

/// What has a type in C.
#[interface(service = "jackfield.test.Greeter", version = "1.0")]
pub(crate) trait Greeter {
    fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
    fn greet(&self, name: &str, times: u8) -> Result<String, Error>;
    async fn reverse(&self, data: Bytes) -> Result<Bytes, Error>;
    fn count(&self, data: &[u8], byte: i16) -> Result<u32, Error>;
    fn flag(&self, flag: bool, number: f64) -> Result<(), Error>;
}

/// A directory with the header of the interface.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let header =
        c_header(Description::of::<dyn Greeter>(), "greeter", "1.0.0").expect("all of it has a type in C");
    std::fs::write(directory.path().join("greeter.h"), header).expect("written");
    directory
}

/// What both plugins do alike.
async fn exercise(greeter: &Handle<dyn Greeter>) {
    assert_eq!(greeter.add(19, 23), Ok(42));
    let data = Bytes::from((0..=255).collect::<Vec<u8>>());
    let reversed = greeter.reverse(data).await.expect("bytes");
    assert_eq!(reversed, (0..=255).rev().collect::<Vec<u8>>());
    assert_eq!(greeter.reverse(Bytes::new()).await, Ok(Bytes::new()));
    assert_eq!(greeter.count(b"banana", i16::from(b'a')), Ok(3));
    assert_eq!(greeter.count(b"", 0), Ok(0));
    assert_eq!(greeter.flag(true, 8.0), Ok(()));
}

#[tokio::test]
async fn a_plugin_in_c_is_loaded() {
    let directory = directory();
    let Some(path) = available(c_library("greeter", directory.path())) else { return };
    let library = native().library(path);
    let note = library.inspect().expect("a plugin").note().clone();
    assert_eq!((note.name.as_str(), note.version.as_str()), ("greeter", "1.0.0"));
    let manager = Manager::new();
    let context = Context::new("c", [("greeting".to_owned(), "Good day".to_owned())]);
    let greeter = manager.load_with::<dyn Greeter>(context, &library).await.expect("loaded");
    exercise(&greeter).await;
    assert_eq!(greeter.greet("grüße", 2), Ok("Good day, grüße! (2)".to_owned()));
    assert_eq!(greeter.greet("", 0), Ok("Good day, ! (0)".to_owned()));
    let Err(Error::Plugin(failure)) = greeter.add(i64::MAX, 1) else { panic!("the sum is out of range") };
    assert_eq!((failure.message(), failure.code()), ("the sum is out of range", Code::OUT_OF_RANGE));
    let Err(Error::Plugin(failure)) = greeter.flag(false, 1.5) else { panic!("there is no flag") };
    assert_eq!((failure.message(), failure.code()), ("no flag for 1.50", Code::NOT_FOUND));
    assert_eq!(manager.unload("c").await, Ok(Unloaded::Unmapped));
}

#[tokio::test]
async fn ten_thousand_symbols_stand_in_nobodys_way() {
    let directory = directory();
    let header = directory.path().join("greeter.h");
    let mut text = std::fs::read_to_string(&header).expect("a header");
    for number in 0..10_000 {
        text += &format!("int symbol_{number}(void);\nint symbol_{number}(void) {{ return {number}; }}\n");
    }
    std::fs::write(&header, text).expect("written");
    let Some(path) = available(c_library("greeter", directory.path())) else { return };
    let context = Context::new("c", [("greeting".to_owned(), "Good day".to_owned())]);
    let manager = Manager::new();
    let greeter = manager.load_with::<dyn Greeter>(context, &native().library(path)).await.expect("loaded");
    exercise(&greeter).await;
    assert_eq!(manager.unload("c").await, Ok(Unloaded::Unmapped));
}

/// Were the first library's symbols everybody's, the second would find them in place of its own, and end this process.
#[tokio::test]
async fn libraries_with_a_symbol_of_one_name_do_not_see_each_other() {
    if let Some(output) = run_alone("c::libraries_with_a_symbol_of_one_name_do_not_see_each_other") {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let manager = Manager::new();
    let mut greeters = Vec::new();
    for number in [1, 2] {
        let directory = directory();
        let header = directory.path().join("greeter.h");
        let mut text = std::fs::read_to_string(&header).expect("a header");
        text += &format!("#include <stdlib.h>\nint whose(void);\nint whose(void) {{ return {number}; }}\n");
        text += "__attribute__((constructor)) static void look(void) ";
        text += &format!("{{ if (whose() != {number}) abort(); }}\n");
        std::fs::write(&header, text).expect("written");
        let Some(path) = available(c_library("greeter", directory.path())) else { return };
        let context = Context::new(format!("c{number}"), [("greeting".to_owned(), number.to_string())]);
        let greeter = manager.load_with::<dyn Greeter>(context, &native().library(path)).await;
        greeters.push(greeter.expect("loaded"));
    }
    assert_eq!(greeters[0].greet("x", 1), Ok("1, x! (1)".to_owned()));
    assert_eq!(greeters[1].greet("x", 1), Ok("2, x! (1)".to_owned()));
}

#[tokio::test]
async fn a_constructor_in_c_refuses() {
    let directory = directory();
    let Some(path) = available(c_library("greeter", directory.path())) else { return };
    let error =
        Manager::new().load::<dyn Greeter>("c", &native().library(path)).await.expect_err("it refuses");
    assert_eq!(
        chain(&error),
        "failed to load the plugin `c` (step `construct`): its constructor refused: there is no `greeting` in the configuration"
    );
}

#[tokio::test]
async fn a_host_whose_types_differ_is_told_to_make_the_header_anew() {
    let directory = directory();
    let Some(path) = available(c_library("greeter", directory.path())) else { return };
    let context = Context::new("c", [("greeting".to_owned(), "Good day".to_owned())]);
    let library = native().encoded().library(path);
    let manager = Manager::new();
    let greeter = manager.load_with::<dyn Greeter>(context, &library).await.expect("loaded");
    let expected = "a plugin in C reads no encoded message: make its header anew with the host's interface";
    let error = greeter.greet("you", 1).expect_err("it is not encoded");
    assert!(chain(&error).contains(expected), "{}", chain(&error));
    let error = greeter.reverse(Bytes::from_static(b"abc")).await.expect_err("it is not encoded");
    assert!(chain(&error).contains(expected), "{}", chain(&error));
    assert_eq!(manager.unload("c").await, Ok(Unloaded::Unmapped));
}

/// Go's runtime stays in a process for good, so the test has one of its own.
#[tokio::test]
async fn a_plugin_in_go_is_loaded_and_stays() {
    if let Some(output) = run_alone("c::a_plugin_in_go_is_loaded_and_stays") {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let directory = directory();
    let Some(path) = available(go_library(directory.path())) else { return };
    let manager = Manager::new();
    let greeter = manager.load::<dyn Greeter>("go", &native().library(path)).await.expect("loaded");
    exercise(&greeter).await;
    assert_eq!(greeter.greet("Rust", 3), Ok("Hello from Go, Rust! (3)".to_owned()));
    let Err(Error::Plugin(failure)) = greeter.flag(false, 0.0) else { panic!("there is no flag") };
    assert_eq!(failure.message(), "no flag in Go");
    let unloaded = manager.unload("go").await.expect("it was loaded");
    let by = vec!["its own wish: it is marked as never to be unmapped, as everything in Go is".to_owned()];
    assert_eq!(unloaded, Unloaded::Pinned { by });
}

#[test]
fn a_program_in_c_calls_what_a_plugin_exports() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(program) = available(c_program("call_symbol", directory.path())) else { return };
    let printed = run(&program, libraries().library("symbols-one"));
    assert_eq!(printed, "not found: 1\nadd: 0 42\ngreet: 0 Hello, C! Hello, C! 3\nfail: 2 oh no, at \n");
}

#[expect(clippy::disallowed_methods, reason = "it is a host in C that is tested")]
fn run(program: &Path, library: &Path) -> String {
    let note = native().library(library).inspect().expect("a plugin").note().clone();
    let output =
        std::process::Command::new(program).arg(library).arg(note.symbol).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

mod rich {
    use jackfield_core::{Error, interface};

    #[interface(service = "jackfield.test.Rich", version = "1.0")]
    pub(super) trait Rich {
        fn plain(&self) -> Result<u64, Error>;
        fn many(&self, of: Vec<String>) -> Result<(), Error>;
    }
}

#[test]
fn what_has_no_type_in_c_is_named() {
    let error = c_header(Description::of::<dyn rich::Rich>(), "rich", "1.0.0").expect_err("a list has none");
    assert_eq!(
        error.to_string(),
        "the method `Many` takes or returns something that has no type in C\n\
         (hint: numbers, `bool`, `String`, `Bytes` and `Vec<u8>` have one)"
    );
}
