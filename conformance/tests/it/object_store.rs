//! The object store: a host picks a provider from a directory by its kind and name, and compares to the letter what it
//! answers, as a shared library and as a program, also when the program is killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;

use futures_util::stream;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{ByteStream, CallError, Context, Error, Manager, Restart, Restartable};
use jackfield_fixtures::{Artifacts, Build};
use object_store::ObjectStore;
use rustix::process::{Pid, Signal, kill_process};

/// A directory of plugins, and the configuration of a host beside it.
struct Home {
    directory: tempfile::TempDir,
    built: Artifacts,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            directory: tempfile::tempdir().expect("a directory"),
            built: jackfield_fixtures::build(&Build::fixtures()).expect("the examples build"),
        };
        fs::create_dir(home.path("plugins")).expect("a directory");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn library(&self, package: &str, name: &str) {
        self.copy(self.built.library(package), name);
    }

    fn program(&self, package: &str, name: &str) {
        self.copy(self.built.program(package), name);
    }

    fn copy(&self, from: &Path, name: &str) {
        fs::copy(from, self.path("plugins").join(name)).expect("a copy");
    }

    /// A host with this provider, and this configuration of it.
    #[expect(clippy::disallowed_methods, reason = "a host is started as a person starts it")]
    fn host(&self, provider: &str, config: &str) -> Command {
        let text = format!(
            "plugins = \"plugins\"\nprovider = \"{provider}\"\nbucket = \"backups\"\nconfig = {{ {config} }}\n"
        );
        fs::write(self.path("store.toml"), text).expect("written");
        let mut command = Command::new(self.built.program("object-store-host"));
        command.arg("store.toml").current_dir(self.directory.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a host says to these lines.
    fn run(&self, provider: &str, config: &str, lines: &str) -> Output {
        let mut host = self.host(provider, config).spawn().expect("the host starts");
        let mut stdin = host.stdin.take().expect("a pipe");
        // One that has ended already takes no more.
        let _ = stdin.write_all(lines.as_bytes());
        drop(stdin);
        host.wait_with_output().expect("the host ends")
    }

    /// What a host without any line says, on which it does not go on.
    fn refusal(&self, provider: &str, config: &str) -> String {
        let output = self.run(provider, config, "");
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{output:?}");
        String::from_utf8(output.stderr).expect("a text")
    }
}

/// The provider, how it is configured, and where its objects are; then its library and its program.
type Provider = (&'static str, &'static str, fn(&Home) -> String, &'static str);

const PROVIDERS: [Provider; 2] = [
    (
        "example.io/fs",
        "root = \"objects\"",
        |home| format!("file://{}/objects", home.directory.path().display()),
        "object-store-fs",
    ),
    ("example.io/mem", "label = \"attic\"", |_| "mem://attic".to_owned(), "object-store-mem"),
];

/// What a host is told, and what it answers; `{at}` is where the objects are.
const TALK: [(&str, &str); 16] = [
    ("exists 2026/one", "false"),
    ("put 2026/one Lorem ipsum dolor", "ok"),
    ("put 2026/two sit", "ok"),
    ("put 2027/one amet", "ok"),
    ("put empty", "ok"),
    ("exists 2026/one", "true"),
    ("get 2026/one", "Loremipsumdolor"),
    ("get empty", ""),
    ("prefixes 20 /", "2026/ 2027/"),
    ("list 2026/", "2026/one 2026/two"),
    ("delete 2026/one", "ok"),
    ("list ", "2026/two 2027/one empty"),
    ("get 2026/one", "Error there is no object `2026/one` in the bucket `backups`"),
    ("url 2026/two 600", "{at}/backups/2026/two?ttl=600"),
    ("prefixes 20 ", "Error the plugin panicked: the delimiter is empty{place}"),
    ("list 2027/", "2027/one"),
];

#[test]
fn each_provider_is_picked_by_its_name_and_stores_as_a_library_and_as_a_program() {
    for (provider, config, at, package) in PROVIDERS {
        for is_library in [true, false] {
            let home = Home::new();
            // Both are there; what the file is called says nothing.
            for (index, (.., package)) in PROVIDERS.iter().enumerate() {
                match is_library {
                    true => home.library(package, &format!("lib{index}.so")),
                    false => home.program(package, &index.to_string()),
                }
            }
            let lines: String = TALK.iter().map(|(line, _)| format!("{line}\n")).collect();
            let output = home.run(provider, config, &lines);
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{package}, a library: {is_library}: {errors}");
            // Where it panicked is known of a library only.
            let place = if is_library { ASSERTION } else { "" };
            let expected: String = TALK.iter().map(|(_, answer)| format!("{answer}\n")).collect();
            let expected = expected.replace("{at}", &at(&home)).replace("{place}", place);
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                expected,
                "{package}, a library: {is_library}"
            );
            assert_eq!(errors, "", "{package}, a library: {is_library}");
        }
    }
}

#[test]
fn what_cannot_be_picked_is_named() {
    let home = Home::new();
    assert_eq!(
        home.refusal("fs", ""),
        "Error `provider`: expected a name such as `example.io/fs`, found `fs`\n\
         (hint: `<DNS subdomain>/<name>`, the subdomain in lower-case letters, digits, `-` and `.`)\n"
    );
    let nothing =
        "Error no plugin provides the ObjectStore `example.io/fs`\n(hint: there are none)\n".to_owned();
    assert_eq!(home.refusal("example.io/fs", ""), nothing);
    fs::remove_dir(home.path("plugins")).expect("it is empty");
    assert_eq!(home.refusal("example.io/fs", ""), nothing, "a directory that is not there has no plugins");

    fs::create_dir(home.path("plugins")).expect("a directory");
    fs::write(home.path("plugins/notes.txt"), "no plugin").expect("written");
    home.library("object-store-mem", "libmem.so");
    let plugins = home.path("plugins").canonicalize().expect("it is there");
    let skipped = format!(
        "skipped: expected a shared library or an executable file, found neither: `{}/notes.txt`\n\
         (hint: make it executable if it is a program, or move it elsewhere)\n",
        plugins.display()
    );
    let only = "Error no plugin provides the ObjectStore `example.io/fs`\n\
                (hint: there are the ObjectStore `example.io/mem`)\n";
    assert_eq!(home.refusal("example.io/fs", ""), format!("{skipped}{only}"));
    let output = home.run("example.io/mem", "", "put a b\nget a\n");
    assert_eq!((&*output.stdout, output.stderr), (&b"ok\nb\n"[..], skipped.clone().into_bytes()));
    assert_eq!(
        home.refusal("example.io/mem", "colour = \"blue\""),
        format!(
            "{skipped}Error failed to load the plugin `example.io/mem` (step `construct`): its constructor refused: \
             the configuration: expected the key `label`, found `colour`\n"
        )
    );
    home.program("object-store-mem", "other");
    assert_eq!(
        home.refusal("example.io/mem", ""),
        format!(
            "{skipped}Error the ObjectStore `example.io/mem` is provided twice, by `{0}/libmem.so` and by `{0}/other`\n\
             (hint: remove one of the two)\n",
            plugins.display()
        )
    );
}

/// A host that is told one line after the other.
struct Talking {
    host: Child,
    lines: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Talking {
    fn begin(mut command: Command) -> Self {
        let mut host = command.stderr(Stdio::null()).spawn().expect("the host starts");
        let lines = host.stdin.take().expect("a pipe");
        let answers = BufReader::new(host.stdout.take().expect("a pipe")).lines();
        Self { host, lines, answers }
    }

    fn answer(&mut self, line: &str) -> String {
        writeln!(self.lines, "{line}").expect("the host listens");
        self.answers.next().expect("the host answers").expect("a line")
    }

    /// The answer to the first call that comes after the end of the plugin is known. Those before it fail with that end.
    fn answer_after_end(&mut self, line: &str) -> String {
        loop {
            match self.answer(line) {
                early if early.starts_with("Error the plugin ended: signal: 9 (SIGKILL)") => {}
                answer => return answer,
            }
        }
    }

    fn end(self) {
        let Self { mut host, lines, .. } = self;
        drop(lines);
        assert!(host.wait().expect("it ends").success());
    }
}

#[test]
fn a_program_that_is_killed_is_started_again_by_the_next_call_with_the_same_configuration() {
    for (provider, config, at, package) in PROVIDERS {
        let home = Home::new();
        home.program(package, "store");
        let mut host = Talking::begin(home.host(provider, config));
        assert_eq!(host.answer("put one Lorem"), "ok");
        for round in 1..=10 {
            kill(&home.path("plugins/store"));
            // It fails too seldom to be given up.
            let url = host.answer_after_end("url one 600");
            assert_eq!(url, format!("{}/backups/one?ttl=600", at(&home)), "round {round}");
            // Files outlive their plugin, memory does not.
            assert_eq!(host.answer("exists one"), (provider == "example.io/fs").to_string());
        }
        host.end();
    }
}

#[test]
fn a_program_that_cannot_be_started_ten_times_is_given_up() {
    let home = Home::new();
    home.program("object-store-mem", "store");
    let mut host = Talking::begin(home.host("example.io/mem", ""));
    assert_eq!(host.answer("put one Lorem"), "ok");
    let program = home.path("plugins/store");
    let hidden = home.path("plugins/.store");
    kill(&program);
    fs::rename(&program, &hidden).expect("renamed");
    let failed = host.answer_after_end("exists one");
    let beginning = "Error the plugin is closed: it ended, and was not started again: failed to load the plugin \
                     `example.io/mem` (step `start`): the `process` backend failed: ";
    assert!(failed.starts_with(beginning), "{failed}");
    for _ in 2..=10 {
        assert_eq!(host.answer("exists one"), failed);
    }
    fs::rename(&hidden, &program).expect("renamed");
    let given_up = "Error the plugin is closed: it failed 11 times within 60s, and is not restarted any more";
    assert_eq!(host.answer("exists one"), given_up);
    host.end();
}

#[tokio::test]
async fn a_call_during_which_the_program_is_killed_fails_and_is_not_repeated() {
    let home = Home::new();
    home.program("object-store-fs", "store");
    let program = home.path("plugins/store");
    let processes = ProcessBackend::start().expect("it starts");
    let candidate = Arc::new(ProcessPlugin::new(&program).backend(&processes));
    let root = home.path("objects");
    let context = Context::new("store", [("root".to_owned(), root.display().to_string())]);
    let manager = Manager::new();
    let restartable = Restartable::new(candidate, Restart::default());
    let store = manager.load_with::<dyn ObjectStore>(context, &restartable).await.expect("it starts");

    // The plugin is killed once it has asked for the object's first piece, of which there is none.
    let killed = stream::once(async move { kill(&program) });
    let body = futures_util::StreamExt::chain(
        futures_util::StreamExt::filter_map(killed, |()| std::future::ready(None)),
        stream::pending(),
    );
    let error = store.put_object("backups", "one", ByteStream::new(body)).await.expect_err("it was killed");
    let Error::Call(CallError::Exited { status, .. }) = error else { panic!("an end, found {error:?}") };
    assert_eq!(status, "signal: 9 (SIGKILL)");
    assert_eq!(store.object_exists("backups", "one").await, Ok(false));
    assert_eq!(store.list_objects("backups", "").await, Ok(Vec::new()));
    manager.unload("store").await.expect("it was loaded");
}

/// Kills the program of this file.
fn kill(program: &Path) {
    let program = program.canonicalize().expect("it is there");
    let processes = fs::read_dir("/proc").expect("the processes").flatten();
    let pid = processes
        .filter(|process| fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program))
        .find_map(|process| process.file_name().to_str()?.parse().ok())
        .expect("it runs");
    kill_process(Pid::from_raw(pid).expect("not 0"), Signal::KILL).expect("it is ours");
}

/// Where a provider panics that is given an empty delimiter.
const ASSERTION: &str = ", at examples/object-store/src/keys.rs:20:5";
