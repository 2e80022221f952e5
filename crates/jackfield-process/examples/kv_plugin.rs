//! A plugin program with what a macro would write spelled out: the interface of the tests' peers.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};
use jackfield_core::__private::{Entry, Export, export};
use jackfield_core::{
    BoxFuture, Bytes, CallOptions, Candidate, Code, Context, Description, Error, Failure, Handle, Instance,
    Interface, Load, Plugin, Slot, Streaming, interface,
};
use jackfield_process::{Handshake, ProcessPlugin, ServeConfig, serve_many};

use self::endless::{Endless, Listener};

#[path = "../tests/it/ending.rs"]
mod ending;
#[path = "../tests/it/endless.rs"]
mod endless;
#[path = "../tests/it/own_tls.rs"]
#[expect(clippy::unwrap_used, reason = "a test that brings no files should see it")]
mod own_tls;

/// Stores values by key.
#[interface(service = "proto.KV", version = "1.0")]
pub trait Kv {
    /// The value of `key`.
    async fn get(&self, key: String) -> Result<Bytes, Error>;
    /// Sets the value of `key`.
    async fn put(&self, key: String, value: Bytes) -> Result<(), Error>;
    /// Gives `value` back, on a thread that may block.
    ///
    /// # Errors
    /// If no answer came.
    fn echo(&self, value: Bytes) -> Result<Bytes, Error>;
}

/// The health checks, in place of the wire's own.
#[interface(service = "grpc.health.v1.Health", version = "1.0")]
pub trait Health {
    /// How the plugin is, as a number.
    async fn check(&self, service: String) -> Result<i32, Error>;
}

/// How the plugin is: what a test writes into `KV_HEALTH`, a status or what else becomes of the question.
struct Patient;

impl Patient {
    #[expect(clippy::unnecessary_wraps, reason = "a constructor may refuse")]
    fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Health for Patient {
    fn check(&self, service: String) -> BoxFuture<'_, Result<i32, Error>> {
        Box::pin(async move {
            assert_eq!(service, "plugin");
            match std::env::var("KV_HEALTH").unwrap_or_default().as_str() {
                "broken" => Err(Failure::with_code(Code::INTERNAL, "it hurts").into()),
                "lacking" => Err(Failure::with_code(Code::UNIMPLEMENTED, "no health").into()),
                "silent" => std::future::pending().await,
                status => status.parse().map_err(failure),
            }
        })
    }
}

/// Has the listeners that it keeps.
#[derive(Default)]
struct Sisyphus(Mutex<Vec<Handle<dyn Listener>>>);

impl Sisyphus {
    #[expect(clippy::unnecessary_wraps, reason = "a constructor may refuse")]
    fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self::default())
    }
}

impl Endless for Sisyphus {
    fn numbers(&self) -> BoxFuture<'_, Result<Streaming<i64>, Error>> {
        Box::pin(async { Ok(Streaming::new(stream::iter([Ok(1)]).chain(stream::pending()))) })
    }

    fn total(&self, numbers: Streaming<i64>) -> BoxFuture<'_, Result<i64, Error>> {
        Box::pin(numbers.try_fold(0, |sum, number| async move { Ok(sum + number) }))
    }

    fn tell(&self, listener: Handle<dyn Listener>) -> BoxFuture<'_, Result<i64, Error>> {
        Box::pin(async move { listener.hear(7).await })
    }

    fn keep(&self, listener: Handle<dyn Listener>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.0.lock().map_err(failure)?.push(listener);
            Ok(())
        })
    }
}

struct Files {
    greeting: Option<String>,
    own: tokio::sync::OnceCell<Own>,
}

/// A plugin of which this plugin is the host: this program again.
struct Own {
    kv: Handle<dyn Kv>,
    _instance: Box<dyn Instance>,
}

impl Own {
    async fn start() -> Result<Self, Error> {
        let plugin = ProcessPlugin::new(std::env::current_exe()?);
        let plugin = plugin.handshake(Handshake::new(1, "WKY_PLUGIN", "wukaiying"));
        let load = Load::new(Context::new("own", []), Description::of::<dyn Kv>());
        let instance = plugin.load(&load).await.map_err(failure)?;
        let slot = Arc::new(Slot::new::<dyn Kv>(instance.lane()));
        Ok(Self {
            kv: slot.handle().ok_or_else(|| failure("it has another interface"))?,
            _instance: instance,
        })
    }
}

impl Files {
    #[expect(clippy::unnecessary_wraps, reason = "a constructor may refuse")]
    #[expect(clippy::print_stdout, reason = "a test asks for it")]
    fn open(context: &Context) -> Result<Self, Error> {
        if let Ok(text) = std::env::var("KV_CONSTRUCTED") {
            println!("{text}");
        }
        Ok(Self {
            greeting: context.config("greeting").map(str::to_owned),
            own: tokio::sync::OnceCell::new(),
        })
    }

    fn read(&self, key: &str) -> Result<Bytes, Error> {
        match key.split_once(':').unwrap_or((key, "")) {
            ("__crash", _) => {
                std::thread::spawn(|| panic!("the plugin is beyond help"));
                Ok(Bytes::new())
            }
            ("__env", name) => Ok(std::env::var(name).map_err(failure)?.into()),
            ("__end", what) => ending::end_by(what).map(|()| Bytes::new()).map_err(failure),
            ("__exit", status) => std::process::exit(status.parse().map_err(failure)?),
            ("__memory", megabytes) => {
                // Without a number it has what its host lets it have.
                if !megabytes.is_empty() {
                    let limit = megabytes.parse::<u64>().map_err(failure)? << 20;
                    let limit = rustix::process::Rlimit { current: Some(limit), maximum: Some(limit) };
                    rustix::process::setrlimit(rustix::process::Resource::As, limit).map_err(failure)?;
                }
                ending::end_by("hoard").map(|()| Bytes::new()).map_err(failure)
            }
            ("__line", _) => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                Ok(line.into())
            }
            ("__greeting", _) => Ok(self.greeting.clone().unwrap_or_default().into()),
            ("__panic", _) => panic!("this key is poisoned"),
            ("__pid", _) => Ok(std::process::id().to_string().into()),
            ("__spread", numbers) => {
                let (count, megabytes) = numbers.split_once(':').unwrap_or((numbers, "1"));
                spread(count.parse().map_err(failure)?, megabytes)
            }
            ("__size", length) => Ok(vec![b'x'; length.parse().map_err(failure)?].into()),
            _ => std::fs::read(format!("kv_{key}"))
                .map(Bytes::from)
                .map_err(|error| Failure::with_code(Code::NOT_FOUND, error.to_string()).into()),
        }
    }

    fn write(key: &str, value: &[u8]) -> Result<(), Error> {
        let text = String::from_utf8_lossy(value);
        match key {
            "__log" => tracing::info!(key, "{text}"),
            "__null" => {}
            "__stderr" => eprint!("{text}"),
            "__stdout" => std::io::stdout().write_all(value)?,
            "__stdout_flush" => std::io::stdout().flush()?,
            _ => std::fs::write(format!("kv_{key}"), value)?,
        }
        Ok(())
    }
}

/// Writes into a pipe that nobody waits for an answer any more.
struct GivenUp(File);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let _nobody_reads = writeln!(self.0, "given up");
    }
}

/// What came with a call: the values of one key, and how many seconds are left.
fn options(key: &str) -> String {
    let options = CallOptions::current();
    let values: Vec<_> =
        options.entries().filter(|(found, _)| *found == key).map(|(_, value)| value).collect();
    let left = options
        .remaining()
        .map_or("no deadline".to_owned(), |left| format!("{:.0} s", left.as_secs_f64().ceil()));
    format!("{}, {left}", values.join(" "))
}

impl Kv for Files {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            match key.split_once(':').unwrap_or((&key, "")) {
                ("__given_up", path) => {
                    let mut pipe = GivenUp(File::options().write(true).open(path)?);
                    writeln!(pipe.0, "begun")?;
                    std::future::pending().await
                }
                ("__options", key) => Ok(options(key).into()),
                ("__sleep", _) => std::future::pending().await,
                ("__own", key) => self.own.get_or_try_init(Own::start).await?.kv.get(key.to_owned()).await,
                _ => self.read(&key),
            }
        })
    }

    fn put(&self, key: String, value: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { Self::write(&key, &value) })
    }

    fn echo(&self, value: Bytes) -> Result<Bytes, Error> {
        Ok(value)
    }
}

/// Starts `count` processes with so many megabytes of memory each, and waits until they have it.
#[expect(clippy::disallowed_methods, reason = "a plugin may start what it likes")]
fn spread(count: usize, megabytes: &str) -> Result<Bytes, Error> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([HOARD, megabytes]).stdout(Stdio::piped());
    let mut hoards = (0..count).map(|_| command.spawn()).collect::<Result<Vec<Child>, _>>()?;
    for hoard in &mut hoards {
        let mut line = String::new();
        BufReader::new(hoard.stdout.take().ok_or_else(|| failure("no output"))?).read_line(&mut line)?;
        if line.is_empty() {
            return Err(failure("it has not got its memory"));
        }
    }
    Ok(count.to_string().into())
}

#[expect(clippy::print_stdout, reason = "the plugin that started it waits for it")]
fn hoard(megabytes: usize) -> ! {
    let memory = std::hint::black_box(vec![1_u8; megabytes << 20]);
    println!("{}", memory.len());
    loop {
        std::thread::park();
    }
}

const HOARD: &str = "hoard";

fn failure(error: impl std::fmt::Display) -> Error {
    Failure::with_code(Code::INVALID_ARGUMENT, error.to_string()).into()
}

static EXPORTS: [Export; 1] = [export::<dyn Kv, Files, _>(Files::open)];
static WITH_HEALTH: [Export; 2] =
    [export::<dyn Kv, Files, _>(Files::open), export::<dyn Health, Patient, _>(Patient::open)];
static ENTRY_WITH_HEALTH: Entry = Entry::new(&[], &WITH_HEALTH);
const PLUGIN_WITH_HEALTH: Plugin = Plugin {
    interfaces: &[<dyn Kv as Interface>::SCHEMA, <dyn Health as Interface>::SCHEMA],
    entry: &ENTRY_WITH_HEALTH,
    ..PLUGIN
};
static ENDLESS: [Export; 1] = [export::<dyn Endless, Sisyphus, _>(Sisyphus::open)];
static ENDLESS_ENTRY: Entry = Entry::new(&[], &ENDLESS);
const ENDLESS_PLUGIN: Plugin =
    Plugin { interfaces: &[<dyn Endless as Interface>::SCHEMA], entry: &ENDLESS_ENTRY, ..PLUGIN };
static ENTRY: Entry = Entry::new(&[], &EXPORTS);
const PLUGIN: Plugin =
    Plugin { name: "kv", version: "1.0.0", interfaces: &[<dyn Kv as Interface>::SCHEMA], entry: &ENTRY };

#[expect(clippy::print_stdout, reason = "a test asks for it")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [task, megabytes] = arguments.as_slice()
        && task == HOARD
    {
        hoard(megabytes.parse().expect("it was given a number"));
    }
    if let Ok(banner) = std::env::var("KV_BANNER") {
        print!("{banner}");
    }
    let cookie = || std::env::var("KV_COOKIE").unwrap_or_else(|_| "wukaiying".to_owned());
    let config = || configure(ServeConfig::new(Handshake::new(1, "WKY_PLUGIN", cookie())));
    let code = match std::env::args_os().len() {
        1 => config().serve(),
        _ => serve_many([("kv", config()), ("other", config())]),
    };
    if let Some(path) = std::env::var_os("KV_CLEANUP") {
        std::fs::write(path, "cleaned up").expect("a test can read it");
    }
    code
}

/// Does what a test asks for in the environment.
fn configure(mut config: ServeConfig) -> ServeConfig {
    config = match std::env::var("KV_VERSIONS") {
        Ok(versions) => {
            let versions = versions.split(',').filter_map(|version| version.parse().ok());
            versions.fold(config, |config, version| config.plugin_in(version, &PLUGIN))
        }
        Err(_) if std::env::var_os("KV_ENDLESS").is_some() => config.plugin(&ENDLESS_PLUGIN),
        Err(_) if std::env::var_os("KV_HEALTH").is_some() => config.plugin(&PLUGIN_WITH_HEALTH),
        Err(_) => config.plugin(&PLUGIN),
    };
    if std::env::var_os("KV_NETWORK").is_some_and(|network| network == "tcp") {
        config = config.tcp();
    }
    if let Ok(Ok(limit)) = std::env::var("KV_LIMIT").map(|limit| limit.parse()) {
        config = config.max_message(limit);
    }
    match std::env::var_os("KV_TLS") {
        Some(directory) => config.tls(own_tls::load(directory.as_ref(), "plugin", "host")),
        None => config,
    }
}
