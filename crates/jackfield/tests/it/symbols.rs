//! Functions and variables by name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield::symbols::{DowncastError, Event, Func, LookupError, Object, OpenError, Plugin, Var};
use jackfield::{CallError, Error, Step, Unloaded};
use jackfield_core::{Fault, Value, interface};

use crate::support::{copy, libraries, native};

fn library() -> PathBuf {
    libraries().library("symbols-one").canonicalize().expect("it exists")
}

fn open() -> Plugin {
    native().open(library()).expect("it opens")
}

#[test]
fn functions_and_variables_are_found_asserted_and_used() {
    let plugin = open();
    assert_eq!((plugin.name().as_str(), plugin.version().as_str()), ("symbols-one", "1.0.0"));

    let seven = plugin.lookup("Seven").expect("exported").downcast::<Var<i64>>().expect("an integer");
    assert_eq!(seven.get(), Ok(7));
    seven.set(8).expect("set");
    seven.update(|seven| seven * 5 + 2).expect("updated");
    assert_eq!(seven.get(), Ok(42));

    let add = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>();
    assert_eq!((add.call(19, 23), add.pin().expect("it is open").call(1, 2)), (Ok(42), Ok(3)));
    let greet = plugin.lookup("greet").expect("exported").assert::<fn(String, u8, Vec<u8>) -> String>();
    assert_eq!(greet.call("Ada".into(), 2, vec![0; 9]), Ok("Hello, Ada! Hello, Ada! 9".into()));
}

#[test]
fn what_is_not_exported_is_not_found() {
    let error = open().lookup("lower").expect_err("it is not listed");
    assert!(matches!(&error, LookupError::NotFound { symbol, .. } if symbol == "lower"));
    assert_eq!(
        error.to_string(),
        "the plugin `symbols-one` exports no symbol `lower`\n\
         (hint: it exports `Doctor`, `INITED`, `Name`, `Seven`, `Step`, `add`, `call_back`, `counter`, `fail`, `greet`, \
         `step`)"
    );
}

#[test]
fn symbols_are_enumerated_with_their_types() {
    let symbols = open().symbols();
    let described: Vec<_> =
        symbols.iter().map(|symbol| format!("{}: {}", symbol.name(), symbol.description())).collect();
    assert_eq!(
        described,
        [
            "Doctor: a variable `Var<Object>`",
            "INITED: a variable `Var<u32>`",
            "Name: a variable `Var<String>`",
            "Seven: a variable `Var<i64>`",
            "Step: a variable `Var<Func<fn(i64) -> i64>>`",
            "add: a function `fn(i64, i64) -> i64`",
            "call_back: a function `fn(Func<fn(i64) -> i64>) -> i64`",
            "counter: a function `fn(i64) -> Func<fn() -> i64>`",
            "fail: a function `fn(String)`",
            "greet: a function `fn(String, u8, Vec<u8>) -> String`",
            "step: a function `fn(i64) -> i64`",
        ]
    );
}

#[test]
fn a_wrong_type_says_what_it_is_and_what_was_asked() {
    let plugin = open();
    let wrong = |error: DowncastError| error.to_string();
    let symbol = |name| plugin.lookup(name).expect("exported");
    for (error, expected) in [
        (
            wrong(symbol("Seven").downcast::<fn()>().expect_err("a variable")),
            "the symbol `Seven` is a variable `Var<i64>`, not a function `fn()`",
        ),
        (
            wrong(symbol("Seven").downcast::<Var<i32>>().expect_err("another width")),
            "the symbol `Seven` is a variable `Var<i64>`, not a variable `Var<i32>`",
        ),
        (
            wrong(symbol("add").downcast::<fn(i64) -> i64>().expect_err("two arguments")),
            "the symbol `add` is a function `fn(i64, i64) -> i64`, not a function `fn(i64) -> i64`",
        ),
        (
            wrong(symbol("Name").downcast::<String>().expect_err("a variable, not its value")),
            "the symbol `Name` is a variable `Var<String>`, not a value `String`\n\
             (hint: a variable is asserted as `Var<String>`, and `get` reads it)",
        ),
    ] {
        assert_eq!(error, expected);
    }
    let assert = std::panic::AssertUnwindSafe(|| symbol("Seven").assert::<fn()>());
    let panic = std::panic::catch_unwind(assert).expect_err("it panics");
    assert_eq!(
        panic.downcast_ref::<String>().map(String::as_str),
        Some("the symbol `Seven` is a variable `Var<i64>`, not a function `fn()`")
    );
}

#[test]
fn a_panic_is_an_error_with_its_place() {
    let plugin = open();
    let fail = plugin.lookup("fail").expect("exported").assert::<fn(String)>();
    let Err(CallError::Panicked { message }) = fail.call("ouch".into()) else { panic!("it panics") };
    assert!(message.starts_with("ouch, at fixtures/rust/symbols-one/src/lib.rs:"), "{message}");
    let Err(CallError::Panicked { .. }) = fail.pin().expect("open").call("ouch".into()) else {
        panic!("it panics")
    };
}

#[test]
fn functions_cross_as_values_in_both_directions() {
    let plugin = open();
    let step = plugin.lookup("step").expect("exported").assert::<fn(i64) -> i64>();
    assert_eq!(step.call(1), Ok(2));
    let variable = plugin.lookup("Step").expect("exported").assert::<Var<Func<fn(i64) -> i64>>>();
    let ours = variable.get().expect("the plugin's own");
    variable
        .set(Func::<fn(i64) -> i64>::new(move |number| ours.call(number).unwrap_or(0) * 10))
        .expect("set");
    assert_eq!(step.call(1), Ok(20), "the plugin calls the host's, which calls the plugin's");

    let add = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>();
    let call_back = plugin.lookup("call_back").expect("exported").assert::<fn(Func<fn(i64) -> i64>) -> i64>();
    let host = Func::<fn(i64) -> i64>::new(move |number| add.call(number, 22).unwrap_or(0));
    assert_eq!(call_back.call(host), Ok(42), "a call inside a call");
    let panics = Func::<fn(i64) -> i64>::new(|_| panic!("the host's own"));
    assert_eq!(call_back.call(panics), Ok(-1), "the plugin was told");

    let counter = plugin.lookup("counter").expect("exported").assert::<fn(i64) -> Func<fn() -> i64>>();
    let count = counter.call(5).expect("a counter");
    assert_eq!((count.call(), count.clone().call()), (Ok(6), Ok(7)));
}

#[test]
fn after_unload_every_use_is_an_error_at_once() {
    let plugin = open();
    let add = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>();
    let seven = plugin.lookup("Seven").expect("exported").assert::<Var<i64>>();
    assert_eq!(add.call(1, 2), Ok(3));
    assert_eq!(plugin.unload(), Ok(Unloaded::Unmapped));
    let closed = CallError::Closed { reason: "`symbols-one` was unloaded".to_owned() };
    assert_eq!(add.call(1, 2), Err(closed.clone()));
    assert_eq!(add.pin().expect_err("closed"), closed);
    assert_eq!((seven.get(), seven.set(1)), (Err(closed.clone()), Err(closed.clone())));
    assert_eq!(plugin.lookup("add").expect_err("closed"), LookupError::Closed(closed.clone()));
    assert_eq!(plugin.unload(), Err(closed));
}

#[test]
fn what_is_pinned_outlives_the_unload() {
    let plugin = open();
    let pinned = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>().pin().expect("open");
    let pinned_by = Unloaded::Pinned { by: vec!["1 values that came from it".to_owned()] };
    assert_eq!(plugin.unload(), Ok(pinned_by));
    assert_eq!(pinned.call(1, 2), Ok(3));
}

#[test]
fn one_file_is_one_plugin_whatever_its_path() {
    let directory = tempfile::tempdir().expect("a directory");
    let real = copy(&library(), directory.path(), "one.so");
    let (link, dotted) = (directory.path().join("link.so"), directory.path().join("./one.so"));
    std::os::unix::fs::symlink(&real, &link).expect("linked");
    let native = native();
    let plugin = native.open(&real).expect("it opens");
    for path in [real.clone(), link, dotted] {
        assert!(native.open(&path).expect("it is open").is_same(&plugin), "{path:?}");
    }
    assert_eq!(inited(&plugin), 1);
    plugin.unload().expect("it was open");
    assert!(!native.open(&real).expect("it opens again").is_same(&plugin));
}

#[test]
fn a_copy_of_an_open_plugin_is_refused_until_it_is_unloaded() {
    let directory = tempfile::tempdir().expect("a directory");
    let (one, two) =
        (copy(&library(), directory.path(), "one.so"), copy(&library(), directory.path(), "two.so"));
    let native = native();
    let plugin = native.open(&one).expect("it opens");
    let error = native.open(&two).expect_err("a copy");
    assert!(matches!(&error, OpenError::AlreadyOpen { path, other } if *path == two && *other == one));
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is a copy of `{}`, which is open\n(hint: open `{}`, or unload it first; to update a plugin, put \
             the new file under the same path)",
            two.display(),
            one.display(),
            one.display()
        )
    );
    plugin.unload().expect("it was open");
    native.open(&two).expect("a failure for another plugin's sake is not remembered");
}

#[test]
fn a_failure_is_remembered_until_the_file_changes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("plugin.so");
    std::fs::write(&path, "abc").expect("written");
    let native = native();
    let first = native.open(&path).expect_err("a text");
    assert!(first.to_string().contains("expected an ELF file, found a text"), "{first}");
    let second = native.open(&path).expect_err("still a text");
    assert!(matches!(&second, OpenError::Previous { .. }));
    assert_eq!(
        second.to_string(),
        format!("{first} (previous failure)\n(hint: it is tried again once the file has changed)")
    );
    copy(&library(), directory.path(), "plugin.so");
    native.open(&path).expect("it is a plugin now");
}

#[test]
fn what_leads_nowhere_is_refused() {
    let error = native().open("/nowhere/at/all.so").expect_err("there is nothing");
    assert!(matches!(&error, OpenError::Path { .. }));
    assert_eq!(error.to_string(), "`/nowhere/at/all.so` leads to no file");
}

fn with_mode(mode: &'static str) -> jackfield::native::NativeBackend {
    native().offer("mode", Func::<fn() -> String>::new(move || mode.to_owned()))
}

fn inited(plugin: &Plugin) -> u32 {
    plugin.lookup("INITED").expect("exported").assert::<Var<u32>>().get().expect("it is open")
}

#[test]
fn init_runs_once_in_order_and_not_where_the_open_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(&library(), directory.path(), "plugin.so");
    let events = Arc::new(Mutex::new(Vec::new()));
    let native = native().observe({
        let events = events.clone();
        move |event| events.lock().expect("no panic").push(event.clone())
    });
    let plugin = native.open(&path).expect("it opens");
    native.open(&path).expect("it is open");
    assert_eq!(inited(&plugin), 1);
    native.open(copy(&path, directory.path(), "copy.so")).expect_err("a copy");
    plugin.unload().expect("it was open");
    let path = || path.clone();
    let expected = [
        Event::Opened { path: path() },
        Event::Inited { path: path() },
        Event::Ready { path: path() },
        Event::Unloaded { path: path() },
    ];
    assert_eq!(*events.lock().expect("no panic"), expected);
}

#[test]
fn init_can_refuse_and_its_panic_is_an_error() {
    let path = library();
    let native = with_mode("not on a Thursday");
    let error = native.open(&path).expect_err("it refuses");
    assert_eq!(error.to_string(), format!("the `init` of `{}` refused: not on a Thursday", path.display()));
    assert!(matches!(native.open(&path), Err(OpenError::Previous { .. })));
    let error = with_mode("panic").open(&path).expect_err("it panics");
    assert!(
        matches!(&error, OpenError::InitPanicked { message, .. } if message.starts_with("no init today, at "))
    );
    assert!(error.to_string().contains("panicked: no init today, at fixtures/rust/symbols-one/src/lib.rs:"));
}

#[test]
fn an_init_that_never_returns_is_an_error_and_runs_on_a_thread_of_its_own() {
    let (entered, ran) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let hang = Func::<fn()>::new(move || {
        entered.send(std::thread::current().name().map(str::to_owned)).expect("the test waits");
        let _ended = released.lock().expect("no panic").recv();
    });
    let native = with_mode("open").offer("open", hang).load_deadline(Duration::from_secs(4));
    let OpenError::Load(error) = native.open(library()).expect_err("it hangs") else {
        panic!("another error")
    };
    assert_eq!(error.step(), Step::Init);
    assert!(error.to_string().contains("did not come to an end of the step `init` within 4s"), "{error}");
    assert_eq!(ran.recv().expect("it ran").as_deref(), Some("symbols-one"));
    drop(release);
}

#[test]
fn a_function_that_init_registers_is_found_by_its_name() {
    let native = with_mode("register");
    assert_eq!(
        native.registered("func").expect_err("nothing is open").to_string(),
        "no plugin has registered a function `func`"
    );
    let plugin = native.open(library()).expect("it opens");
    let func = native.registered("func").expect("registered").assert::<fn() -> String>();
    assert_eq!(func.call(), Ok("hello".to_owned()));
    plugin.lookup("func").expect("a symbol like any other");
    drop(plugin.unload());
    func.call().expect_err("it is gone");
    native.registered("func").expect_err("it is gone");
}

#[test]
fn a_plugin_opens_another_in_its_init_but_not_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(&library(), directory.path(), "plugin.so");
    for (inner, expected) in [
        (libraries().library("symbols-number").to_owned(), None),
        (path.clone(), Some("is being opened: its own `init` cannot open it")),
    ] {
        let native = with_mode("open");
        let opener = native.clone();
        let open = Func::<fn()>::new(move || {
            opener.open(&inner).unwrap_or_else(|error| panic!("{error}"));
        });
        let native = native.offer("open", open);
        match (native.open(&path), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn sixteen_threads_open_and_each_library_is_loaded_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let loads = Arc::new(Mutex::new(Vec::new()));
    let native = native().observe({
        let loads = loads.clone();
        move |event| {
            if let Event::Ready { path } = event {
                loads.lock().expect("no panic").push(path.clone());
            }
        }
    });
    // Eight contents under eight paths: a copy of an open plugin would be refused.
    let paths: Vec<_> = (0..8).map(|number| distinct(directory.path(), number)).collect();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (native, paths) = (&native, &paths);
            scope.spawn(move || {
                for round in 0..1000 {
                    let plugin = native.open(&paths[(thread + round) % 8]).expect("it opens");
                    let add = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>();
                    assert_eq!(add.call(20, 22), Ok(42));
                }
            });
        }
    });
    let mut loads = loads.lock().expect("no panic").clone();
    loads.sort();
    assert_eq!(loads, paths);
}

/// A copy of the library with a content of its own: something behind the tables changes nothing.
fn distinct(directory: &Path, number: u8) -> PathBuf {
    let path = copy(&library(), directory, &format!("plugin-{number}.so"));
    let mut content = std::fs::read(&path).expect("a library");
    content.push(number);
    std::fs::write(&path, content).expect("written");
    path
}

#[test]
fn a_plugin_that_was_built_without_an_identity_is_its_name_and_its_content() {
    let directory = tempfile::tempdir().expect("a directory");
    let native = native();
    let [one, two] = [1, 2].map(|number| native.open(distinct(directory.path(), number)).expect("it opens"));
    for plugin in [&one, &two] {
        assert_eq!(plugin.id(), format!("{}@{}", plugin.name(), plugin.digest()));
    }
    assert_eq!((one.name(), one.version()), (two.name(), two.version()));
    assert_ne!(one.id(), two.id(), "so that both are open");
}

#[test]
fn a_hundred_cycles_leave_nothing_behind() {
    let native = native();
    for _ in 0..100 {
        let plugin = native.open(library()).expect("it opens");
        let add = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>();
        assert_eq!(add.call(1, 2), Ok(3));
        assert_eq!(plugin.unload(), Ok(Unloaded::Unmapped));
    }
}

mod moody {
    use jackfield_core::{Context, Error, Failure, interface};
    use jackfield_plugin::Init;

    #[interface(service = "test.Moody", version = "1.0")]
    pub(super) trait Moody {
        fn mood(&self) -> Result<String, Error>;
    }

    pub(super) struct Mood;

    impl Moody for Mood {
        fn mood(&self) -> Result<String, Error> {
            Ok("fine".to_owned())
        }
    }

    fn init(init: &mut Init<'_>) -> Result<(), Error> {
        match init.context().config("mood") {
            Some("bad") => Err(Failure::new("not on a Thursday").into()),
            _ => Ok(()),
        }
    }

    impl Mood {
        fn open(_: &Context) -> Result<Self, Error> {
            Ok(Self)
        }
    }

    jackfield_plugin::export!(Mood::open as dyn Moody, init = init, name = "moody");
}

#[tokio::test]
async fn init_runs_in_a_plugin_that_is_linked_in_too() {
    let load = |mood: &str| {
        let context = jackfield::Context::new("moody", [("mood".to_owned(), mood.to_owned())]);
        async move { jackfield::Manager::new().load_with::<dyn moody::Moody>(context, &moody::PLUGIN).await }
    };
    let moody = load("good").await.expect("it is in the mood");
    assert_eq!(moody::Moody::mood(&moody), Ok("fine".to_owned()));
    let error = load("bad").await.expect_err("it refuses");
    assert!(
        matches!(error.kind(), jackfield::LoadErrorKind::Init(reason) if reason.to_string() == "not on a Thursday")
    );
}

/// Why somebody is ill, as this side declares it. An error is known by its name.
#[derive(Debug, PartialEq, Value, Fault)]
enum Ill {
    Fever { tenths: u32 },
    Unknown,
}

impl std::fmt::Display for Ill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Ill {}

/// What this side wants of a doctor.
#[interface(service = "jackfield.test.GoodDoctor", version = "1.0")]
trait GoodDoctor {
    fn health_check(&self, tenths: u32) -> Result<(), Error<Ill>>;
}

#[test]
fn an_error_value_crosses_from_a_variable_that_was_asserted_to_an_interface() {
    let plugin = open();
    let doctor = plugin.lookup("Doctor").expect("exported").assert::<Var<Object>>();
    let doctor = doctor.get().expect("an object").assert::<dyn GoodDoctor>().expect("it checks");
    assert_eq!(doctor.health_check(366), Ok(()));
    assert_eq!(doctor.health_check(391), Err(Error::Plugin(Ill::Fever { tenths: 391 })));
    assert_eq!(doctor.health_check(0), Err(Error::Plugin(Ill::Unknown)));
}

/// What this side wants of a driver.
#[interface(service = "jackfield.test.Driver", version = "1.0")]
trait Driver {
    fn name(&self) -> Result<String, Error>;
}

#[test]
fn an_object_that_was_asserted_is_closed_with_its_library() {
    let plugin = native().open(libraries().library("symbols-driver")).expect("it opens");
    let new_driver = plugin.lookup("NewDriver").expect("exported").assert::<fn() -> Object>();
    let driver = new_driver.call().expect("an object").assert::<dyn Driver>().expect("it has a name");
    assert_eq!(driver.name(), Ok("mydriver".to_owned()));
    assert_eq!(plugin.unload().expect("it was open"), Unloaded::Unmapped);
    let error = driver.name().expect_err("its library is gone");
    assert!(matches!(error, Error::Call(CallError::Closed { .. })), "{error}");
}
