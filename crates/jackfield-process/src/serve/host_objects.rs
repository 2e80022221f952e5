//! What the host offers by name: objects that are connected once the host is.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use futures_util::future::join_all;
use jackfield_core::{
    BoxFuture, CallError, CallOptions, Channel, Context, Error, Method, Parcel, with_host_object,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::io::Task;
use crate::objects::Objects;
use crate::tasks::block_on;

/// The objects that this plugin was told of, before they can be called.
#[derive(Debug, Default)]
pub(super) struct HostObjects {
    connecting: Vec<watch::Sender<Option<Connected>>>,
}

type Connected = Result<Arc<dyn Channel>, CallError>;

impl HostObjects {
    /// The objects of these names and interfaces, and a context in which the plugin finds them. Must be called in the
    /// runtime of the plugin, on the thread that drives it.
    pub(super) fn new(offers: Vec<(String, String)>, context: Context) -> (Self, Context) {
        let (mut this, mut context) = (Self::default(), context);
        for (name, service) in offers {
            let (connected, connecting) = watch::channel(None);
            this.connecting.push(connected);
            let (runtime, thread) = (Handle::current(), thread::current().id());
            let channel = Arc::new(HostObject { connecting, runtime, thread });
            context = with_host_object(context, name, service, channel);
        }
        (this, context)
    }

    /// Connects to them, which the host must be ready for. They have the first numbers of the host's.
    pub(super) async fn connect(self, objects: impl Objects) {
        let connecting = (1..).zip(self.connecting).map(async |(id, connected)| {
            connected.send_replace(Some(objects.reach(id).await));
        });
        join_all(connecting).await;
    }
}

/// One of them.
struct HostObject {
    connecting: watch::Receiver<Option<Connected>>,
    runtime: Handle,
    thread: ThreadId,
}

async fn connected(mut connecting: watch::Receiver<Option<Connected>>) -> Connected {
    match connecting.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(connected)) => connected.clone(),
        Ok(None) | Err(_) => Err(CallError::Closed { reason: "the plugin is ending".to_owned() }),
    }
}

impl Channel for HostObject {
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let connected = connected(self.connecting.clone());
        let options = options.cloned();
        // On the plugin's own runtime, for its clock.
        let asking = Task::new(self.runtime.spawn(async move {
            let channel = match options.as_ref().and_then(CallOptions::remaining) {
                None => connected.await?,
                Some(left) => timeout(left, connected).await.unwrap_or_else(|_| {
                    Err(CallError::DeadlineExceeded { method: method.path.to_owned() })
                })?,
            };
            channel.call(method, request, options.as_ref()).await
        }));
        Box::pin(async move { asking.await.unwrap_or_else(|error| Err(error.into())) })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        // A constructor runs before the host can be reached: it would wait for ever, and is told so.
        let channel = block_on(&self.runtime, self.thread, connected(self.connecting.clone()))??;
        channel.call_blocking(method, request, options)
    }
}

impl fmt::Debug for HostObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostObject").finish_non_exhaustive()
    }
}
