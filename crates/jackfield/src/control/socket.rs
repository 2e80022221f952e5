//! The socket on which an operator's requests arrive.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::Shutdown;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Uid, geteuid};

use tokio::sync::oneshot;

use super::request::{Answer, Request};
use crate::blocking;
use crate::events::Events;
use crate::manager::{Figures, Manager};
use crate::watch::{First, first};

/// A socket on which an operator controls this host, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it closes the socket"]
pub struct ControlSocket {
    path: PathBuf,
    /// Which file is ours: another host may have put its own in its place.
    inode: u64,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    listener: UnixListener,
    open: Mutex<Open>,
}

/// The connections that are open, by a number.
#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<u64, UnixStream>,
    next: u64,
    is_over: bool,
}

/// A host cannot be controlled over a socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The socket cannot be made.
    #[error("failed to make the control socket `{}`", path.display())]
    Bind {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is there.
    #[error(
        "expected no file at `{}`, or a socket that nobody serves any more\n(hint: another host may be running)",
        path.display()
    )]
    Taken {
        /// The path.
        path: PathBuf,
    },
}

impl Manager {
    /// Lets an operator control this host over a socket at this path: `jackfield --host PATH list` and the other
    /// commands. Only this user and root can connect. The socket is removed when what this returns is dropped; one that a
    /// host left behind when it was killed is replaced.
    ///
    #[doc = include_str!("../../../../docs/control.md")]
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("control.sock");
    /// let manager = jackfield::Manager::new();
    /// let control = manager.serve_control(&path)?;
    /// // …
    /// drop(control);
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Something else is there, or the system does not let it be made. Its directory must exist.
    pub fn serve_control(&self, path: impl AsRef<Path>) -> Result<ControlSocket, ControlError> {
        let path = path.as_ref();
        make_way(path)?;
        self.serve_at(path).map_err(|source| ControlError::Bind { path: path.to_owned(), source })
    }

    fn serve_at(&self, path: &Path) -> io::Result<ControlSocket> {
        let listener = UnixListener::bind(path)?;
        // Whoever connects before is asked who they are all the same.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let inode = fs::symlink_metadata(path)?.ino();
        let shared = Arc::new(Shared { listener, open: Mutex::default() });
        let socket = ControlSocket { path: path.to_owned(), inode, shared: shared.clone() };
        let manager = self.clone();
        let thread = std::thread::Builder::new().name("jackfield-control".to_owned());
        thread.spawn(move || shared.accept(&manager))?;
        Ok(socket)
    }
}

/// Removes a socket that nobody serves any more.
fn make_way(path: &Path) -> Result<(), ControlError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    let is_left = std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type())
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !is_left {
        return Err(ControlError::Taken { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(|source| ControlError::Bind { path: path.to_owned(), source })
}

impl Shared {
    /// Serves whoever connects, each on a thread of their own, until the socket is closed.
    fn accept(self: &Arc<Self>, manager: &Manager) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(_) if self.lock().is_over => return,
                Err(error) => {
                    // Such as a host that is out of descriptors for a while.
                    tracing::warn!(%error, "a connection to the control socket was not accepted");
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            let Some(number) = self.lock().admit(&stream) else {
                // An error says that they have gone.
                let _ = write(&stream, &Answer::Error("this host refuses the connection".to_owned()));
                continue;
            };
            let (this, manager) = (self.clone(), manager.clone());
            let thread = std::thread::Builder::new().name("jackfield-operator".to_owned());
            let spawned = thread.spawn(move || {
                // An error says that they have gone.
                let _ = serve(&stream, manager);
                this.lock().connections.remove(&number);
            });
            if spawned.is_err() {
                self.lock().connections.remove(&number);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// A number for a connection, if there may be another one, and it is of somebody who may control this host.
    fn admit(&mut self, stream: &UnixStream) -> Option<u64> {
        let peer = socket_peercred(stream).ok()?.uid;
        if !is_welcome(peer, geteuid()) || self.is_over || self.connections.len() >= MAX_CONNECTIONS {
            tracing::warn!(user = peer.as_raw(), "refused a connection to the control socket");
            return None;
        }
        self.next += 1;
        self.connections.insert(self.next, stream.try_clone().ok()?);
        Some(self.next)
    }
}

/// Whether a user may control the host of another one.
fn is_welcome(peer: Uid, host: Uid) -> bool {
    peer.is_root() || peer == host
}

/// Answers a line with a line, until the last one, or one that asks for events.
fn serve(stream: &UnixStream, manager: Manager) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let read = (&mut lines).take(MAX_LINE).read_line(&mut line)?;
        if read == 0 {
            return Ok(());
        }
        if !line.ends_with('\n') {
            return write(stream, &Answer::Error(format!("expected a line of less than {MAX_LINE} bytes")));
        }
        match Request::parse(&line) {
            Err(error) => write(stream, &Answer::Error(error))?,
            Ok(Request::Watch {}) => {
                // From before its answer on, so that nothing is missed after it.
                let events = manager.events();
                write(stream, &Request::Watch {}.answer(&manager))?;
                let figures = manager.figures();
                drop(manager);
                return tell(stream, events, &figures);
            }
            Ok(request) => write(stream, &request.answer(&manager))?,
        }
    }
}

/// Tells of every event until whoever asked has gone, or the manager has.
fn tell(stream: &UnixStream, mut events: Events, figures: &Figures) -> io::Result<()> {
    let (here, mut gone) = oneshot::channel::<()>();
    let mut reader = stream.try_clone()?;
    let thread = std::thread::Builder::new().name("jackfield-operator".to_owned());
    thread.spawn(move || {
        let _ = io::copy(&mut reader, &mut io::sink());
        drop(here);
    })?;
    while let First::Right(Some(event)) = blocking::wait(first(&mut gone, events.recv())) {
        write(stream, &Answer::of_event(event, figures))?;
    }
    // Ends the thread that reads.
    stream.shutdown(std::net::Shutdown::Both)
}

fn write(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Ends what is being served, and removes the socket's file.
impl Drop for ControlSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            // An error says that it has gone already.
            let _ = fs::remove_file(&self.path);
        }
        let mut open = self.shared.lock();
        open.is_over = true;
        for connection in open.connections.values() {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        // Ends the wait for the next connection.
        let _ = rustix::net::shutdown(&self.shared.listener, Shutdown::Both);
    }
}

/// After a connection that was not accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// Each has a thread.
const MAX_CONNECTIONS: usize = 16;
/// In bytes.
const MAX_LINE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_user_of_the_host_are_welcome_and_nobody_else() {
        let [root, ours, other] = [0, 1000, 1001].map(Uid::from_raw);
        let welcome = [(root, root), (root, ours), (ours, ours)];
        assert!(welcome.into_iter().all(|(peer, host)| is_welcome(peer, host)));
        let refused = [(other, ours), (ours, root), (other, root)];
        assert!(!refused.into_iter().any(|(peer, host)| is_welcome(peer, host)));
    }
}
