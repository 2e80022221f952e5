//! Files that are no plugins, and libraries that lie: each is refused with an error of its own, and the host goes on.

use std::fs;
use std::path::{Path, PathBuf};

use grenade::Grenade;
use jackfield::native::NativeError;
use jackfield::{CallError, Error, LoadError, LoadErrorKind, Manager, Unloaded};
use jackfield_fixtures::{Build, Forgery, NoteField};
use probe_interface::Probe;
use tempfile::TempDir;

use crate::support::{chain, libraries, native};

/// Why the library at this path cannot be loaded as a probe.
async fn refused(path: &Path) -> LoadError {
    Manager::new()
        .load::<dyn Probe>("hostile", &native().library(path))
        .await
        .map(|_| ())
        .expect_err("it must be refused")
}

/// The error of the backend, and the text of it and its causes after the path.
async fn native_error(path: &Path) -> (&'static str, String) {
    let error = refused(path).await;
    let LoadErrorKind::Backend { backend: "native", source, .. } = error.kind() else {
        panic!("expected an error of the backend, found {error:?}")
    };
    let native = source.downcast_ref::<NativeError>().expect("an error of the backend's own");
    (kind(native), chain(native).replace(&path.display().to_string(), "P"))
}

fn kind(error: &NativeError) -> &'static str {
    match error {
        NativeError::Abi { .. } => "Abi",
        NativeError::Abort { .. } => "Abort",
        NativeError::Entry { .. } => "Entry",
        NativeError::File { .. } => "File",
        NativeError::Kind { .. } => "Kind",
        NativeError::Loader { .. } => "Loader",
        NativeError::NoEntry { .. } => "NoEntry",
        NativeError::NotALibrary { .. } => "NotALibrary",
        NativeError::NotAPlugin { .. } => "NotAPlugin",
        NativeError::Note { .. } => "Note",
        other => panic!("unexpected: {other:?}"),
    }
}

/// A directory with forged libraries.
struct Forge {
    directory: TempDir,
    good: Forgery,
}

impl Forge {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, good: Forgery::of(libraries().library("probe-one")) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("forged.so")
    }

    /// Why a good library in which this was changed cannot be loaded.
    async fn error(&self, change: impl FnOnce(&mut Forgery)) -> (&'static str, String) {
        let mut forgery = self.good.clone();
        change(&mut forgery);
        forgery.write(&self.path());
        native_error(&self.path()).await
    }
}

/// The host still loads what is good.
async fn is_alive() {
    let manager = Manager::new();
    let good = native().library(libraries().library("probe-one"));
    let probe = manager.load::<dyn Probe>("good", &good).await.expect("a good library");
    assert_eq!(probe.add(1, 2), Ok(3));
}

#[tokio::test]
async fn what_is_no_library_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    fs::write(at("text"), "abc").expect("written");
    fs::write(at("script"), "#!/bin/sh\nexit 0\n").expect("written");
    fs::write(at("archive"), "!<arch>\n").expect("written");
    fs::write(at("empty"), "").expect("written");
    fs::write(at("windows.dll"), b"MZ\x90\0").expect("written");
    fs::write(at("macos.dylib"), [0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1]).expect("written");
    fs::write(at("plugin.wasm"), b"\0asm\x01\0\0\0").expect("written");
    fs::write(at("noise"), [0xff; 64]).expect("written");
    fs::File::create(at("hole")).expect("created").set_len(3 << 30).expect("a file with a hole");
    let not = |reason: &str| format!("`P` is not a shared library that this machine can load: {reason}");
    for (name, reason) in [
        ("text", "expected an ELF file, found a text"),
        ("script", "expected an ELF file, found a script"),
        ("archive", "expected an ELF file, found a static library"),
        ("empty", "the file is empty"),
        ("windows.dll", "expected an ELF file, found a Windows executable"),
        ("macos.dylib", "expected an ELF file, found a macOS binary"),
        ("plugin.wasm", "expected an ELF file, found a WebAssembly module"),
        ("noise", "expected an ELF file, found something else"),
        ("hole", "it has 3221225472 bytes, and the most that is read are 1073741824"),
    ] {
        assert_eq!(native_error(&at(name)).await, ("NotALibrary", not(reason)), "{name}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).expect("linked");
    std::os::unix::fs::symlink(at("loop"), at("loop")).expect("linked");
    let socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("bound");
    make_fifo(&at("fifo"));
    let kind = |found: &str| ("Kind", format!("expected a shared library at `P`, found {found}"));
    assert_eq!(native_error(directory.path()).await, kind("a directory"));
    assert_eq!(native_error(&at("fifo")).await, kind("a fifo"));
    assert_eq!(native_error(Path::new("/dev/null")).await, kind("a device"));
    let unreadable = |source: &str| ("File", format!("`P` cannot be read: {source}"));
    assert_eq!(native_error(&at("nowhere")).await, unreadable("No such file or directory (os error 2)"));
    assert_eq!(native_error(&at("dangling")).await, unreadable("No such file or directory (os error 2)"));
    assert_eq!(
        native_error(&at("loop")).await,
        unreadable("Too many levels of symbolic links (os error 40)")
    );
    assert_eq!(native_error(&at("socket")).await, unreadable("No such device or address (os error 6)"));
    drop(socket);
}

#[tokio::test]
async fn every_truncation_is_refused() {
    let forge = Forge::new();
    let whole = forge.good.clone().file().len();
    let short = (1..=64).chain((1..64).map(|part| whole * part / 64)).chain([whole - 1]);
    for len in short {
        let (kind, text) = forge.error(|forgery| forgery.file().truncate(len)).await;
        assert_eq!(kind, "NotALibrary", "{len} of {whole}: {text}");
    }
    is_alive().await;
}

#[tokio::test]
async fn what_is_for_another_machine_is_named() {
    let forge = Forge::new();
    let host = if cfg!(target_arch = "aarch64") { "Aarch64" } else { "X86_64" };
    let not = |reason: String| {
        ("NotALibrary", format!("`P` is not a shared library that this machine can load: {reason}"))
    };
    let machine = |number: u16| {
        move |forgery: &mut Forgery| {
            forgery.file()[18..20].copy_from_slice(&number.to_le_bytes());
        }
    };
    assert_eq!(forge.error(machine(243)).await, not(format!("it is for Riscv64, but this host is {host}")));
    assert_eq!(
        forge.error(|forgery| forgery.file()[4] = 1).await,
        not("expected a 64-bit ELF file, found a 32-bit one".to_owned())
    );
    let kind = |number: u8| move |forgery: &mut Forgery| forgery.file()[16] = number;
    for (number, name) in [(1, "Relocatable"), (2, "Executable"), (4, "Core")] {
        let expected = not(format!("expected a shared library, found an ELF file of the kind {name}"));
        assert_eq!(forge.error(kind(number)).await, expected);
    }
    let (kind, text) = native_error(&std::env::current_exe().expect("this program")).await;
    assert_eq!(kind, "NotALibrary");
    assert!(
        text.ends_with("expected a shared library, found a program\n(hint: run it as a process)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_library_without_a_note_is_no_plugin() {
    let maps = fs::read_to_string("/proc/self/maps").expect("a map");
    let mut mapped = maps.lines().filter_map(|line| line.split_whitespace().last());
    let libm = mapped.find(|path| path.contains("libm.so") || path.contains("libc.so")).expect("a C library");
    let expected = "`P` is a shared library, but not a Jackfield plugin: it has no note\n\
                    (hint: a plugin has one line `jackfield_plugin::export!(…)`)";
    assert_eq!(native_error(Path::new(libm)).await, ("NotAPlugin", expected.to_owned()));
}

#[tokio::test]
async fn another_major_version_is_refused_naming_both() {
    let forge = Forge::new();
    let error = forge
        .error(|forgery| {
            let mut note = forgery.note();
            note[0] = NoteField::Bytes(1, b"9.0".to_vec());
            note[1] = NoteField::Number(2, 9);
            // Room for the filling.
            note[3] = NoteField::Bytes(4, Vec::new());
            forgery.set_note(&note);
        })
        .await;
    let good = native().library(libraries().library("probe-one")).inspect().expect("a plugin");
    let expected = format!(
        "`P` was built with Jackfield 9.0 (ABI 9), but this host has ABI {}\n\
         (hint: rebuild the plugin with the host's version of Jackfield)",
        good.note().abi
    );
    assert_eq!(error, ("Abi", expected));
}

#[tokio::test]
async fn a_library_that_would_abort_is_refused() {
    let build = Build::new(["probe-two"]).no_default_features().rustflags("abort", "-Cpanic=abort");
    let built = jackfield_fixtures::build(&build).expect("it builds");
    let expected = "`P` was built with `panic = \"abort\"`, so a panic in it would end this host\n\
                    (hint: build it with `panic = \"unwind\"`, or run it as a process)";
    assert_eq!(native_error(built.library("probe-two")).await, ("Abort", expected.to_owned()));
}

#[tokio::test]
async fn a_note_that_is_no_note_is_refused() {
    let forge = Forge::new();
    let frame = "the section of the plugin's note does not hold a note";
    let damaged = "the plugin's note is damaged";
    let at = |at: usize, bytes: &'static [u8]| {
        move |forgery: &mut Forgery| forgery.section()[at..at + bytes.len()].copy_from_slice(bytes)
    };
    for (change, expected) in [
        // The sizes of the name and of the content, the type, and the name.
        (at(0, b"\xff\xff\xff\xff"), frame),
        (at(4, b"\xff\xff\xff\xff"), frame),
        (at(4, b"\xff\xff\xff\x3f"), frame),
        (at(8, b"\x02"), frame),
        (at(12, b"jack"), frame),
        (at(4, b"\x08\0\0\0"), "expected the note of one plugin, found several"),
        // The length of the first field, a gigabyte.
        (at(25, b"\x80\x80\x80\x80\x04"), damaged),
        // A wire type that protobuf does not have, and a number without an end.
        (at(24, b"\x0f"), damaged),
        (at(24, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), damaged),
    ] {
        let (kind, text) = forge.error(change).await;
        assert_eq!(kind, "Note");
        assert!(text.starts_with(&format!("the note in `P` cannot be read: {expected}")), "{text}");
    }
}

#[tokio::test]
async fn a_damaged_interface_is_refused_wherever_it_is_damaged() {
    let forge = Forge::new();
    let fields = forge.good.clone().note();
    let interface = fields.iter().position(|field| field.number() == 7).expect("an interface");
    let NoteField::Bytes(_, whole) = &fields[interface] else { panic!("an interface is a message") };
    for len in (0..whole.len() - 8).step_by(7) {
        let mut note = fields.clone();
        note[interface] = NoteField::Bytes(7, whole[..len].to_vec());
        let (kind, text) = forge.error(|forgery| forgery.set_note(&note)).await;
        assert_eq!(kind, "Note", "{len}: {text}");
    }
    is_alive().await;
}

#[tokio::test]
async fn a_plugin_without_an_interface_is_refused() {
    let forge = Forge::new();
    let mut forgery = forge.good.clone();
    let note: Vec<_> = forgery.note().into_iter().filter(|field| field.number() != 7).collect();
    forgery.set_note(&note);
    forgery.write(&forge.path());
    assert_eq!(
        chain(&refused(&forge.path()).await),
        "failed to load the plugin `hostile` (step `check`): expected the interface `jackfield.test.Probe`, but it implements none"
    );
}

#[tokio::test]
async fn a_note_that_lies_about_the_entry_is_refused() {
    let forge = Forge::new();
    for symbol in ["nope", "", "nul\0nul"] {
        let error = forge.error(|forgery| forgery.set_text(5, symbol)).await;
        let expected = format!("`P` does not export `{symbol}`, which its note names as the plugin's entry");
        assert_eq!(error, ("NoEntry", expected));
    }
    // What the library finds in another one is not its own.
    let error = forge.error(|forgery| forgery.set_text(5, "environ")).await;
    let expected = "`P` exports `environ`, but that is not the entry of a plugin of this version";
    assert_eq!(error, ("Entry", expected.to_owned()));
    is_alive().await;
}

#[tokio::test]
async fn a_symbol_that_points_elsewhere_is_refused() {
    let forge = Forge::new();
    let symbol = entry_symbol(&forge);
    // Into code, off its alignment, to the last address there is, and before the library.
    for value in [0x40_u64, 0x1001, u64::MAX, u64::MAX / 2, u64::MAX - 0xfff] {
        let at = value_of(&forge, &symbol);
        let (kind, text) =
            forge.error(|forgery| forgery.file()[at..at + 8].copy_from_slice(&value.to_le_bytes())).await;
        assert_eq!(kind, "Entry", "{value:x}: {text}");
    }
    is_alive().await;
}

#[tokio::test]
async fn what_the_loader_refuses_is_an_error_in_its_words() {
    let forge = Forge::new();
    // The last segment takes more memory than there are addresses.
    let (kind, text) = forge.error(|forgery| widen_the_last_segment(forgery.file())).await;
    assert_eq!(kind, "Loader");
    assert!(text.starts_with("the system cannot load `P`: "), "{text}");
    is_alive().await;
}

#[tokio::test]
async fn a_plugin_that_panics_everywhere_leaves_its_host_alive() {
    let native = native();
    let path = libraries().library("grenade").to_owned();
    for (name, native) in [("direct", native.clone()), ("encoded", native.encoded())] {
        let manager = Manager::new();
        let armed = manager.load::<dyn Grenade>(name, &native.library(&path)).await.expect("loaded");
        let not_a_text = "a panic whose payload is not a text";
        for (panic, expected) in [
            (armed.text().map(drop), "text 1, at "),
            (armed.number().map(drop), not_a_text),
            (armed.bomb().map(drop), not_a_text),
            (armed.cluster_bomb(), not_a_text),
            (armed.silent().map(drop), "silent"),
            (armed.first_poll().await.map(drop), "the first poll, at "),
            (armed.second_poll().await.map(drop), "the second poll, at "),
        ] {
            let Err(Error::Call(CallError::Panicked { message })) = panic else {
                panic!("expected the panic `{expected}`, found {panic:?}")
            };
            assert!(message.starts_with(expected), "{name}: {message}");
        }
        match armed.owner() {
            // The owner panics here, in the destructor of bytes that the host holds.
            Ok(bytes) => assert_eq!((name, bytes.len()), ("direct", 5)),
            Err(error) => assert_eq!((name, matches!(error, Error::Call(_))), ("encoded", true), "{error}"),
        }
        {
            let mut dropped = std::pin::pin!(armed.dropped());
            let polled = dropped.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            assert!(polled.is_pending(), "it is dropped while it is pending");
        }
        assert_eq!(armed.calm(), Ok(1));
        // Its object panics when it is dropped.
        assert_eq!(manager.unload(name).await, Ok(Unloaded::Unmapped));
    }
    is_alive().await;
}

/// The symbol of the good library's entry.
fn entry_symbol(forge: &Forge) -> String {
    let note = forge.good.clone().note();
    let symbol = note.into_iter().find_map(|field| match field {
        NoteField::Bytes(5, symbol) => String::from_utf8(symbol).ok(),
        _ => None,
    });
    symbol.expect("a symbol")
}

/// Where in the file the address of a symbol stands, in the table that the loader reads.
fn value_of(forge: &Forge, symbol: &str) -> usize {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
    let file = forge.good.clone().file().clone();
    let object = object::File::parse(&*file).expect("an object");
    let found = object.dynamic_symbols().find(|found| found.name() == Ok(symbol)).expect("a dynamic symbol");
    let table = object.section_by_name(".dynsym").and_then(|table| table.file_range()).expect("a table");
    // A symbol takes 24 bytes, of which the address is the second eight.
    table.0 as usize + found.index().0 * 24 + 8
}

/// Makes the last segment that is mapped take 2^46 bytes of memory.
fn widen_the_last_segment(file: &mut [u8]) {
    let long = |file: &[u8], at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"));
    let (start, count) = (long(file, 0x20) as usize, usize::from(file[0x38]));
    let mut headers = (0..count).map(|index| start + index * 56);
    let last = headers.rfind(|at| file[*at..*at + 4] == [1, 0, 0, 0]).expect("a segment");
    file[last + 40..last + 48].copy_from_slice(&(1_u64 << 46).to_le_bytes());
}

fn make_fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a fifo");
}
