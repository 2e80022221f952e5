//! What a host holds of a directory that is watched.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jackfield_core::Interface;
use tokio::sync::{mpsc, oneshot};

use super::life::{Life, Loader};
use super::watcher::{Ask, Watcher};
use crate::blocking;
use crate::discovery::Directory;
use crate::manager::Manager;

/// A directory that is watched, until this is dropped.
///
/// Its plugins stay loaded then: the manager has them, and they are no longer updated or restarted.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    asks: mpsc::UnboundedSender<Ask>,
    ended: oneshot::Receiver<()>,
    looks: Arc<AtomicU64>,
}

impl Watch {
    /// Looks at the directory now rather than at the next time, for a host that knows of a change. What is found has
    /// to settle all the same; what becomes of it is told by [events](Manager::events).
    ///
    /// ```no_run
    /// # async fn example(watch: jackfield::Watch) -> Result<(), Box<dyn std::error::Error>> {
    /// std::fs::rename("build/libkv.so", "plugins/libkv.so")?;
    /// watch.look().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The directory cannot be read. What is loaded serves on.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is looked at even if the future is dropped.
    pub async fn look(&self) -> Result<(), WatchError> {
        let (answer, answered) = oneshot::channel();
        // The thread lasts as long as `self`, unless it panicked.
        self.asks.send(Ask(answer)).map_err(|_| WatchError::Ended)?;
        answered.await.unwrap_or(Err(WatchError::Ended))
    }

    /// How often the directory was looked at. It stands still while nothing changes, unless it is
    /// [polled](Directory::poll).
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Ends the watch. Afterwards it loads, replaces and unloads nothing any more; what it had begun is undone, or
    /// carried out without waiting for calls that run.
    ///
    /// ```no_run
    /// # async fn example(watch: jackfield::Watch, manager: jackfield::Manager) {
    /// watch.stop().await;
    /// for plugin in manager.names() {
    ///     // Nobody loads them again.
    ///     let _ = manager.unload(plugin.as_str()).await;
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the watch too, without waiting for it.
    pub async fn stop(self) {
        let Self { asks, ended, .. } = self;
        drop(asks);
        // An error says that the thread has ended.
        let _ = ended.await;
    }
}

impl Manager {
    /// Loads the plugins of a directory as the interface `I`, and follows its files from now on: a new file is loaded, a
    /// changed one replaces its plugin, and one that is removed is unloaded. A plugin that ends by itself is
    /// [restarted](crate::Restart). Handles stay the same through all of it.
    ///
    /// ```no_run
    /// # mod kv { use jackfield_core::{interface, Error};
    /// #     #[interface(service = "proto.KV", version = "1.0")]
    /// #     pub trait Kv { async fn get(&self, key: String) -> Result<String, Error>; } }
    /// # use kv::Kv;
    /// use jackfield::{Directory, Event, Manager, State};
    ///
    /// # async fn example(directory: Directory) -> Result<(), Box<dyn std::error::Error>> {
    /// let manager = Manager::new();
    /// let mut events = manager.events();
    /// let watch = manager.watch::<dyn Kv>(directory)?;
    /// while let Some(event) = events.recv().await {
    ///     if let Event::Changed { plugin, state: State::Online { .. } } = event {
    ///         println!("{plugin}: {}", manager.get::<dyn Kv>(plugin.as_str())?.get("hello".into()).await?);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It needs no runtime: a thread of its own looks at the directory, and waits for what it began. Plugins are loaded
    /// beside one another. The manager lives at least as long as the watch.
    ///
    /// A file that cannot be loaded leaves what it was to replace serving, and is not tried again until it changes. A
    /// name under which the host itself has loaded a plugin is left alone. While the directory cannot be read, nothing
    /// changes.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or the thread cannot start.
    pub fn watch<I: Interface + ?Sized>(&self, directory: Directory) -> Result<Watch, WatchError> {
        self.watch_by(directory, Loader::of::<I>())
    }

    /// As [`watch`](Self::watch), for a host that knows nothing of the plugins' interfaces: each is loaded whatever it
    /// serves, as by [`load_dynamic`](Self::load_dynamic), or as what its manifest says, as by
    /// [`load_described`](Self::load_described): see [`Directory::interfaces`].
    ///
    /// ```no_run
    /// # use jackfield::{Directory, Event, Manager, State};
    /// # async fn example(directory: Directory) -> Result<(), Box<dyn std::error::Error>> {
    /// let manager = Manager::new();
    /// let mut events = manager.events();
    /// let watch = manager.watch_dynamic(directory)?;
    /// while let Some(event) = events.recv().await {
    ///     if let Event::Changed { plugin, state: State::Online { .. } } = event {
    ///         for interface in manager.interfaces(plugin.as_str()).await? {
    ///             println!("{plugin} serves {}", interface.service);
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`watch`](Self::watch).
    pub fn watch_dynamic(&self, directory: Directory) -> Result<Watch, WatchError> {
        self.watch_by(directory, Loader::Dynamic)
    }

    fn watch_by(&self, directory: Directory, loader: Loader) -> Result<Watch, WatchError> {
        let (asks, asked) = mpsc::unbounded_channel();
        let (manager, directory) = (self.clone(), Arc::new(directory));
        let mut watcher = Watcher::new(manager.clone(), directory.clone(), asked, move |plugin, file| {
            let (manager, directory) = (manager.clone(), directory.clone());
            Box::pin(Life::new(manager, directory, plugin, file, loader).run())
        });
        watcher.look()?;
        let looks = watcher.looks();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("jackfield-watch".to_owned());
        let run = move || {
            blocking::wait(watcher.run());
            drop::<oneshot::Sender<()>>(end);
        };
        thread.spawn(run).map_err(|source| WatchError::Thread { source })?;
        Ok(Watch { asks, ended, looks })
    }
}

/// A directory cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The watch has ended, since a function of its [`Directory`] panicked.
    #[error("the watch has ended, since one of the host's functions for its directory panicked")]
    Ended,
    /// The directory cannot be read.
    #[error("the directory of plugins `{}` cannot be read\n(hint: create it before it is watched)", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The thread that would watch cannot start.
    #[error("the thread that watches cannot start")]
    Thread {
        /// What the system says.
        source: io::Error,
    },
}
