//! A host whose configuration says which of the plugins of a directory stores its objects.
//!
//! ```toml
//! plugins = "plugins"
//! provider = "example.io/fs"
//! bucket = "backups"
//! config = { root = "/var/lib/objects" }
//! ```
//!
//! It does what stands on its standard input, a line each, and prints what comes of it:
//!
//! ```sh
//! printf 'put hello world\nget hello\n' | object-store-host store.toml
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use catalog::Catalog;
use futures_util::{StreamExt as _, stream};
use jackfield::native::NativeBackend;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{ByteStream, Bytes, Context, Directory, Error, Handle, Manager, Restart, Restartable};
use object_store::{KIND, ObjectStore, ProviderName};
use serde::Deserialize;

mod catalog;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(format!("Error {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("expected the path of a configuration, found nothing")?;
    let configuration: Configuration = toml::from_str(&std::fs::read_to_string(path)?)?;
    let manager = Manager::new();
    let store = configuration.load(&manager).await?;
    for line in std::io::stdin().lock().lines() {
        let answer = match serve(&store, &configuration.bucket, &line?).await {
            Ok(answer) => answer,
            Err(error) => format!("Error {error:#}"),
        };
        writeln!(std::io::stdout(), "{answer}")?;
    }
    manager.unload(&configuration.provider).await?;
    Ok(())
}

/// What an operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    plugins: PathBuf,
    provider: String,
    bucket: String,
    /// What the provider is given at each start.
    #[serde(default)]
    config: BTreeMap<String, String>,
}

impl Configuration {
    /// Loads the provider, which is started again whenever it is called after it has ended.
    async fn load(&self, manager: &Manager) -> anyhow::Result<Handle<dyn ObjectStore>> {
        let name: ProviderName = self.provider.parse().context("`provider`")?;
        let catalog = Catalog::read(&directory(&self.plugins)?, warn).await?;
        let mut restart = Restart::default();
        // One end of its own, and ten failed starts.
        restart.failures = 11;
        (restart.first_delay, restart.longest_delay) = (Duration::from_millis(1), Duration::from_millis(100));
        let provider = Restartable::new(catalog.find(KIND, &name)?, restart);
        let context = Context::new(name.as_str(), self.config.clone());
        Ok(manager.load_with(context, &provider).await?)
    }
}

/// The plugins of a directory: shared libraries, and programs.
fn directory(path: &PathBuf) -> anyhow::Result<Directory> {
    #[expect(unsafe_code, reason = "a host writes it once")]
    // SAFETY: whoever configures this host vouches for the libraries in the directory.
    let native = unsafe { NativeBackend::new() };
    let processes = ProcessBackend::start()?;
    Ok(Directory::new(path)
        .libraries(move |path| native.library(path))
        .programs(move |path| ProcessPlugin::new(path).backend(&processes)))
}

/// Does what a line says.
async fn serve(store: &Handle<dyn ObjectStore>, bucket: &str, line: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    Ok(match words.as_slice() {
        ["put", key, text @ ..] => {
            let pieces: Vec<_> = text.iter().map(|word| Ok(Bytes::from((*word).to_owned()))).collect();
            store.put_object(bucket, key, ByteStream::new(stream::iter(pieces))).await?;
            "ok".to_owned()
        }
        ["exists", key] => store.object_exists(bucket, key).await?.to_string(),
        ["get", key] => text(store.get_object(bucket, key).await?).await?,
        ["prefixes", prefix, delimiter] => {
            store.list_common_prefixes(bucket, prefix, delimiter).await?.join(" ")
        }
        ["list", prefix] => store.list_objects(bucket, prefix).await?.join(" "),
        ["delete", key] => {
            store.delete_object(bucket, key).await?;
            "ok".to_owned()
        }
        ["url", key, ttl] => store.create_signed_url(bucket, key, ttl.parse()?).await?,
        _ => bail!(
            "expected `put KEY WORDS`, `exists KEY`, `get KEY`, `prefixes PREFIX DELIMITER`, `list PREFIX`, `delete KEY` or \
             `url KEY TTL`, found `{line}`"
        ),
    })
}

/// The object's pieces, one after the other.
async fn text(mut object: ByteStream) -> Result<String, Error> {
    let mut text = Vec::new();
    while let Some(piece) = object.next().await {
        text.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn warn(text: String) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
