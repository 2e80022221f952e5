//! What a plugin holds, on its way from one process to the one that replaces it.
//!
//! Over gRPC the old process answers a service of ours, `jackfield.Save`, and without it two methods more of its own service
//! (`netrpc/binding/saving.rs`); the new one finds what was saved in files, before it has said that it is there. All of it is
//! described in `docs/handing-over.md`, for plugins in other languages.

use std::collections::BTreeMap;
#[cfg(feature = "netrpc")]
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
#[cfg(feature = "netrpc")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "netrpc")]
use jackfield_core::Schema;
use jackfield_core::{CallError, Code, Error, Method, Mode, Service};
use prost::Message;
use tonic::Status;

use crate::grpc::status;

/// Tells which objects of a plugin save.
pub(crate) static LIST: Method = method("List", "/jackfield.Save/List");
/// Lets one of them save.
pub(crate) static SAVE: Method = method("Save", "/jackfield.Save/Save");

const fn method(name: &'static str, path: &'static str) -> Method {
    Method { name, path, mode: Mode::Async, arguments: &[], result: &[], is_optional: true }
}

/// What [`LIST`] answers.
#[derive(Clone, PartialEq, Message)]
struct List {
    /// The interfaces whose objects save.
    #[prost(string, repeated, tag = "1")]
    interfaces: Vec<String>,
}

/// What [`SAVE`] is asked.
#[derive(Clone, PartialEq, Message)]
struct Ask {
    #[prost(string, tag = "1")]
    interface: String,
}

/// What [`SAVE`] answers.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bytes = "bytes", tag = "1")]
    saved: Bytes,
}

/// Whether an interface is in the list.
pub(crate) fn is_listed(list: &[u8], interface: &str) -> bool {
    List::decode(list).is_ok_and(|list| list.interfaces.iter().any(|listed| listed == interface))
}

/// The request for the object of an interface to save.
pub(crate) fn ask(interface: &str) -> Bytes {
    Ask { interface: interface.to_owned() }.encode_to_vec().into()
}

/// What it saved.
///
/// # Errors
/// The answer is none.
pub(crate) fn read(answer: Bytes) -> Result<Bytes, prost::DecodeError> {
    Answer::decode(answer).map(|answer| answer.saved)
}

/// Whether a plugin saves that has answered so, on whichever wire. It is asked whether it is alive if it did not in time.
///
/// # Errors
/// It is too busy to say.
pub(crate) async fn conclude(
    answer: Result<bool, Error>,
    interface: &str,
    is_alive: impl Future<Output = bool>,
) -> Result<bool, Error> {
    match answer {
        Ok(saves) => Ok(saves),
        Err(error @ Error::Call(CallError::DeadlineExceeded { .. })) if is_alive.await => Err(error),
        // It says so itself that it cannot answer now.
        Err(Error::Plugin(failure))
            if [Code::RESOURCE_EXHAUSTED, Code::UNAVAILABLE].contains(&failure.code()) =>
        {
            Err(failure.into())
        }
        Err(error) => {
            tracing::debug!(%error, interface, "a plugin hands nothing over");
            Ok(false)
        }
    }
}

/// How long a plugin may take to say whether it saves, and then, whether it is alive at all: one that is wedged does not
/// keep itself from being replaced.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// The plugin's end: its objects that save, by their interfaces.
#[derive(Debug, Clone)]
pub(crate) struct Savers(BTreeMap<&'static str, Service>);

impl Savers {
    pub(crate) fn of(services: &[Service]) -> Self {
        let savers = services.iter().filter(|service| service.saves());
        Self(savers.map(|service| (service.schema().service, service.clone())).collect())
    }

    /// Whether it answers requests with this path.
    pub(crate) fn answers(&self, path: &str) -> bool {
        !self.0.is_empty() && [LIST.path, SAVE.path].contains(&path)
    }

    /// Answers a request with such a path.
    pub(crate) async fn answer(&self, path: &str, request: Bytes) -> Result<Bytes, Status> {
        if path == LIST.path {
            let interfaces = self.0.keys().map(|interface| (*interface).to_owned()).collect();
            return Ok(List { interfaces }.encode_to_vec().into());
        }
        let Ask { interface } =
            Ask::decode(request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let saver = self.0.get(&*interface);
        let saver = saver.ok_or_else(|| Status::not_found(format!("`{interface}` does not save")))?;
        let saved = saver.save().await.map_err(status::write)?;
        Ok(Answer { saved }.encode_to_vec().into())
    }
}

/// The host's end of the way to the new process: a directory with a file for each interface, which is there while the
/// plugin starts.
#[derive(Debug)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// Writes them to a new directory within this one.
    pub(crate) fn write(within: &Path, saved: &[(String, Bytes)]) -> io::Result<Self> {
        let random = getrandom::u32().map_err(io::Error::other)?;
        let path = within.join(format!("saved-{random:08x}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        let files = Self(path);
        for (interface, saved) in saved {
            // It may come from the plugin itself.
            if interface.is_empty() || interface.starts_with('.') || interface.contains('/') {
                let reason = format!("expected the name of an interface, found `{interface}`");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            let mut file =
                File::options().write(true).create_new(true).mode(0o600).open(files.0.join(interface))?;
            file.write_all(saved)?;
        }
        Ok(files)
    }

    /// Where the plugin finds them.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What cannot be removed now goes with the host's directory.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Writes what was saved, if anything was, on a thread that may wait.
pub(crate) async fn write(within: PathBuf, saved: Vec<(String, Bytes)>) -> io::Result<Option<Files>> {
    if saved.is_empty() {
        return Ok(None);
    }
    let writing = tokio::task::spawn_blocking(move || Files::write(&within, &saved)).await;
    writing.unwrap_or_else(|panic| Err(io::Error::other(panic))).map(Some)
}

/// Removes them there, too.
pub(crate) fn remove(files: Files) {
    drop(tokio::task::spawn_blocking(|| drop(files)));
}

/// What the plugin finds for the object of an interface.
///
/// # Errors
/// There is something, and it cannot be read: the plugin must not begin without it.
pub(crate) fn find(interface: &str) -> Result<Option<Bytes>, Error> {
    let Some(directory) = std::env::var_os(SAVED) else { return Ok(None) };
    let path = Path::new(&directory).join(interface);
    match fs::read(&path) {
        Ok(saved) => Ok(Some(saved.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new(&directory).is_dir() => Ok(None),
        Err(error) => {
            let reason = format!("failed to read what the plugin before this one saved, {}", path.display());
            Err(jackfield_core::Failure::new(format!("{reason}: {error}")).into())
        }
    }
}

/// What the objects of a plugin's interfaces find that are made later, when the files are gone.
#[cfg(feature = "netrpc")]
#[derive(Debug)]
pub(crate) struct Found(Mutex<HashMap<&'static str, Bytes>>);

#[cfg(feature = "netrpc")]
impl Found {
    /// Reads all that is there for these interfaces.
    ///
    /// # Errors
    /// As for [`find`].
    pub(crate) fn read(interfaces: &[&'static Schema]) -> Result<Self, Error> {
        let mut found = HashMap::new();
        for schema in interfaces {
            found.extend(find(schema.service)?.map(|saved| (schema.service, saved)));
        }
        Ok(Self(Mutex::new(found)))
    }

    /// Makes an object of an interface from what there is for it. The next one that is made begins anew: what was saved
    /// has one heir.
    ///
    /// # Errors
    /// As for `make`; then there is an heir still to be.
    pub(crate) fn pass_to<T, E>(
        &self,
        interface: &str,
        make: impl FnOnce(Option<Bytes>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = make(found.get(interface).cloned())?;
        found.remove(interface);
        Ok(made)
    }
}

/// The variable that tells a plugin where to find what was saved.
pub(crate) const SAVED: &str = "JACKFIELD_SAVED";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_private_and_go() {
        let within = tempfile::tempdir().unwrap();
        let files =
            Files::write(within.path(), &[("proto.KV".to_owned(), Bytes::from_static(b"7"))]).unwrap();
        assert_eq!(fs::read(files.path().join("proto.KV")).unwrap(), b"7");
        let mode = |path: &Path| {
            use std::os::unix::fs::PermissionsExt as _;
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode(files.path()), mode(&files.path().join("proto.KV"))), (0o700, 0o600));
        drop(files);
        for name in ["/tmp/kv", "../kv", ".", ""] {
            assert!(Files::write(within.path(), &[(name.to_owned(), Bytes::new())]).is_err(), "{name}");
        }
        assert_eq!(fs::read_dir(within.path()).unwrap().count(), 0);
    }

    #[cfg(feature = "netrpc")]
    #[test]
    fn what_was_saved_has_one_heir() {
        let found = Found(Mutex::new(HashMap::from([("kv", Bytes::from_static(b"7"))])));
        let refused = found.pass_to("kv", |_| Err::<(), _>("not today"));
        assert_eq!(refused, Err("not today"));
        let pass = |interface| found.pass_to(interface, Ok::<_, ()>).unwrap();
        assert_eq!([pass("other"), pass("kv"), pass("kv")], [None, Some(Bytes::from_static(b"7")), None]);
    }

    #[test]
    fn the_messages_are_those_that_are_documented() {
        assert_eq!(ask("kv"), Bytes::from_static(b"\x0a\x02kv"));
        assert!(is_listed(b"\x0a\x01a\x0a\x02kv", "kv") && !is_listed(b"\x0a\x01a", "kv"));
        assert_eq!(read(Bytes::from_static(b"\x0a\x01\x07")).unwrap(), Bytes::from_static(b"\x07"));
    }
}
