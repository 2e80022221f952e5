//! The scenario by which Go tests its own `plugin` package, step by step, up to `PASS`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jackfield::native::NativeBackend;
use jackfield::symbols::{Channel, Closed, Func, OpenError, Plugin, Portable, Var};
use jackfield_fixtures::{Build, Forgery, NoteField};

use crate::support::{copy, libraries, native};

/// What the first plugin calls `Secret`.
#[derive(Clone, Debug, PartialEq, Portable)]
#[portable(crate = jackfield)]
struct Number {
    number: i64,
}

/// What the second plugin calls `Secret`.
#[derive(Clone, Debug, PartialEq, Portable)]
#[portable(crate = jackfield)]
struct TextAndNumbers {
    text: String,
    numbers: (i64, Option<u8>),
}

#[test]
fn gos_own_scenario() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(scenario(directory.path()), "PASS");
}

fn scenario(directory: &Path) -> &'static str {
    let libraries = libraries();
    // Two files of one name in two directories, with dots and letters of other alphabets in their paths.
    let sub = directory.join("súb.dir");
    std::fs::create_dir(&sub).expect("a directory");
    let one = copy(libraries.library("scenario-one"), directory, "plugin.v1.so");
    let two = copy(libraries.library("scenario-two"), &sub, "plugin.v1.so");

    let common = Arc::new(AtomicI64::new(3 * 5));
    let native = with_common(&common);
    let first = native.open(&one).expect("the first opens");
    assert_eq!(common.load(Ordering::Relaxed), 3 * 5 * 7, "its `init` changed the host's number");
    let second = native.open(&two).expect("the second opens");
    assert_eq!(common.load(Ordering::Relaxed), 2, "its `init` changed it again");

    variables(&first);
    assert_eq!((number(&first, "F"), number(&second, "F")), (3, 17), "they are distinct");
    assert_eq!((number(&first, "FuncInt"), number(&second, "FuncInt")), (1, 2));
    function_variable(&first);
    private_types(&first, &second);
    channels(&first);

    // A copy is refused, and so is another version. Neither runs its `init`, and neither spoils what is open.
    let copied = copy(&one, directory, "plugin.copy.so");
    assert!(matches!(native.open(&copied), Err(OpenError::AlreadyOpen { .. })));
    let error = native.open(of_another_version(directory)).expect_err("another version");
    assert!(error.to_string().contains("(ABI 9), but this host has ABI"), "{error}");
    assert_eq!(common.load(Ordering::Relaxed), 2, "no `init` ran");
    assert!(native.open(&one).expect("it is open").is_same(&first));
    assert!(native.open(sub.join("../súb.dir/plugin.v1.so")).expect("it is open").is_same(&second));
    "PASS"
}

/// A backend whose `init`s may read and write a number of the host's.
fn with_common(common: &Arc<AtomicI64>) -> NativeBackend {
    let (read, write) = (common.clone(), common.clone());
    native()
        .offer("read", Func::<fn(i64) -> i64>::new(move |_| read.load(Ordering::Relaxed)))
        .offer("write", Func::<fn(i64) -> i64>::new(move |number| write.swap(number, Ordering::Relaxed)))
}

/// The first plugin, as if another version of Jackfield had built it.
fn of_another_version(directory: &Path) -> PathBuf {
    let mut forgery = Forgery::of(libraries().library("scenario-one"));
    forgery.replace(NoteField::Number(2, 9));
    let path = directory.join("other.so");
    forgery.write(&path);
    path
}

/// What Go's linker sets by `-X`.
#[test]
fn a_text_is_set_by_whoever_builds_the_plugin() {
    let build = Build::new(["scenario-one"]).variable("hot", "SCENARIO_LINK_TIME", "set from outside");
    let built = jackfield_fixtures::build(&build).expect("it builds");
    let plugin = with_common(&Arc::new(AtomicI64::new(15))).open(built.library("scenario-one"));
    let link_time = plugin.expect("it opens").lookup("LinkTime").expect("exported").assert::<Var<String>>();
    assert_eq!(link_time.get(), Ok("set from outside".to_owned()));
}

fn number(plugin: &Plugin, function: &str) -> i64 {
    let function = plugin.lookup(function).expect("exported").assert::<fn() -> i64>();
    function.call().expect("it answers")
}

fn variables(plugin: &Plugin) {
    let seven = plugin.lookup("Seven").expect("exported").assert::<Var<i64>>();
    assert_eq!(seven.get(), Ok(7));
    let link_time = plugin.lookup("LinkTime").expect("exported").assert::<Var<String>>();
    assert_eq!(link_time.get(), Ok("unset".to_owned()));
}

fn function_variable(plugin: &Plugin) {
    let variable = plugin.lookup("FuncVar").expect("exported").assert::<Var<Func<fn(i64) -> i64>>>();
    let call = plugin.lookup("CallFuncVar").expect("exported").assert::<fn(i64) -> i64>();
    assert_eq!(call.call(6), Ok(-6));
    variable.set(Func::<fn(i64) -> i64>::new(|number| number * 7)).expect("it is open");
    assert_eq!(call.call(6), Ok(42), "the plugin calls what the host has written");
}

fn private_types(first: &Plugin, second: &Plugin) {
    let one = first.lookup("Secret").expect("exported").assert::<Var<Number>>();
    let two = second.lookup("Secret").expect("exported").assert::<Var<TextAndNumbers>>();
    first.lookup("Secret").expect("exported").downcast::<Var<TextAndNumbers>>().expect_err("the other's");
    one.update(|secret| Number { number: secret.number + 1 }).expect("it is open");
    two.set(TextAndNumbers { text: "zwei".to_owned(), numbers: (30, None) }).expect("it is open");
    assert_eq!((number(first, "SecretSum"), number(second, "SecretSum")), (2, 34));
    assert_eq!(one.get(), Ok(Number { number: 2 }));

    let check = second.lookup("Check").expect("exported").assert::<fn(i64) -> Result<i64, String>>();
    assert_eq!(check.call(5), Ok(Ok(5)));
    assert_eq!(
        check.call(-5),
        Ok(Err("-5 is negative".to_owned())),
        "the plugin's own error is no failed call"
    );
}

fn channels(plugin: &Plugin) {
    let pump = plugin.lookup("Pump").expect("exported").assert::<fn(Channel<i64>, Channel<i64>)>();
    for capacity in [0, 1, 3] {
        let (numbers, doubled) = (Channel::new(capacity), Channel::new(capacity));
        std::thread::scope(|scope| {
            let (input, output) = (numbers.clone(), doubled.clone());
            let pump = &pump;
            scope.spawn(move || pump.call(input, output).expect("it ends"));
            assert_eq!(doubled.recv_timeout(Duration::ZERO), Ok(None), "nothing came in yet");
            scope.spawn(|| {
                (0..100).for_each(|number| numbers.send(number).expect("it is open"));
                numbers.close();
            });
            let received: Vec<i64> = std::iter::from_fn(|| doubled.recv().ok()).collect();
            assert_eq!(received, (0..100).map(|number| number * 2).collect::<Vec<_>>());
            assert_eq!((doubled.recv(), numbers.send(1)), (Err(Closed), Err(Closed)));
        });
    }
}
