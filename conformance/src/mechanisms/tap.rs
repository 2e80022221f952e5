//! Hears what a host says to its plugin.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jackfield::process::{Address, Program, Runner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Stands between a host and the sockets of its plugin. Without it nothing passes.
#[derive(Debug)]
pub(super) struct Tap {
    heard: Arc<Mutex<Vec<u8>>>,
    relays: Mutex<JoinSet<io::Result<()>>>,
    runtime: Handle,
}

impl Tap {
    pub(super) fn new() -> Self {
        Self { heard: Arc::default(), relays: Mutex::default(), runtime: Handle::current() }
    }

    /// What the host has said so far.
    pub(super) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn listen(&self, plugin: PathBuf) -> io::Result<PathBuf> {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        let tapped = plugin.with_extension(format!("tapped{}", relays.len()));
        let listener = StdListener::bind(&tapped)?;
        listener.set_nonblocking(true)?;
        relays.spawn_on(relay(listener, plugin, self.heard.clone()), &self.runtime);
        Ok(tapped)
    }
}

/// What a plugin is started with: a share of the tap.
#[derive(Debug)]
pub(super) struct Tapped(pub(super) Arc<Tap>);

impl Runner for Tapped {
    fn wrap(&self, program: Program) -> Program {
        program
    }

    fn plugin_to_host(&self, address: Address, _sockets: &Path) -> Address {
        match address {
            Address::Unix(path) => Address::Unix(self.0.listen(path).expect("its directory is the host's")),
            other => other,
        }
    }
}

async fn relay(listener: StdListener, plugin: PathBuf, heard: Arc<Mutex<Vec<u8>>>) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let (host, _) = listener.accept().await?;
        let (mut from_host, mut to_host) = host.into_split();
        let (mut from_plugin, to_plugin) = UnixStream::connect(&plugin).await?.into_split();
        let heard = heard.clone();
        connections.spawn(async move {
            let there = pass(&mut from_host, to_plugin, &heard);
            let back = async {
                tokio::io::copy(&mut from_plugin, &mut to_host).await?;
                to_host.shutdown().await
            };
            tokio::try_join!(there, back)
        });
    }
}

async fn pass(from: &mut OwnedReadHalf, mut to: OwnedWriteHalf, heard: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
    }
}
