//! Serves a plugin inside of another program, such as its own test or one that a debugger runs.

use std::io;
use std::thread;

use tokio::sync::oneshot;

use super::config::ServeConfig;
use super::kept::kept;
use super::program::{Choice, Live, ServeError};
use crate::handshake::PluginOffer;
use crate::reattach::{Owner, Reattach};

/// A plugin that is served on a thread of this program. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the plugin ends when this is dropped"]
pub struct TestPlugin {
    reattach: Reattach,
    over: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ServeConfig {
    /// Serves without a host that starts it: hosts [attach](Reattach::attach) themselves, and leave it running.
    ///
    /// It looks for no cookie, prints no handshake, and leaves signals, output and the parent alone. Tools such as
    /// Terraform find it through a variable, whose value [`Reattach::write_all`] makes.
    ///
    /// # Errors
    /// If the plugin refuses to be made, or nothing can be listened on.
    pub fn serve_for_test(self) -> Result<TestPlugin, TestError> {
        let (over, ends) = oneshot::channel::<()>();
        let (sender, prepared) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("jackfield-test-plugin".into()).spawn(move || {
            let ends = async { drop(ends.await) };
            if let Err(error) = serve(self, &sender, ends) {
                // Whoever began it waits for one or the other.
                let _heard = sender.send(Err(error));
            }
        });
        let thread = thread.map_err(|error| TestError(ServeError::Runtime(error)))?;
        let gone = || ServeError::Runtime(io::Error::other("the thread has ended"));
        let reattach = prepared.recv().unwrap_or_else(|_| Err(gone())).map_err(TestError)?;
        Ok(TestPlugin { reattach, over: Some(over), thread: Some(thread) })
    }
}

impl TestPlugin {
    /// Where a host finds it.
    pub fn reattach(&self) -> &Reattach {
        &self.reattach
    }
}

impl Drop for TestPlugin {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ended = thread.join();
        }
    }
}

/// A plugin could not be served for a test.
#[derive(Debug, thiserror::Error)]
#[error("failed to serve the plugin")]
pub struct TestError(#[source] ServeError);

type Prepared = Result<Reattach, ServeError>;

fn serve(
    config: ServeConfig,
    prepared: &std::sync::mpsc::SyncSender<Prepared>,
    over: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (offer, _) = PluginOffer::read(|_| None);
    let choice = Choice::make(config, &offer)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        // What is printed goes where it always does.
        let (_silent, printed) = kept();
        let live = Live::prepare(choice, &offer, printed, &mut |_| Ok(()))?;
        let mut reattach = Reattach::new(live.announcement.version, live.announcement.address.clone());
        reattach.pid = Some(std::process::id());
        reattach.owner = Owner::Somebody;
        // If nobody waits any more, `over` is over.
        let _heard = prepared.send(Ok(reattach));
        live.run(over).await;
        Ok(())
    })
}
