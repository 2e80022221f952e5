//! `example.io/fs`: an object is a file, a bucket a directory.
//!
//! The same source is a shared library and a program.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt as _;
use jackfield_plugin::{ByteStream, Code, Context, Error, Failure, export, plugin};
use object_store::{KIND, ObjectStore, PluginLister, Provided, check_config, common_prefixes, no_object};

/// Objects in files.
#[derive(Debug)]
pub struct FileStore {
    root: PathBuf,
    /// How many objects have come, so that each is written to a file of its own.
    uploads: AtomicU64,
}

impl FileStore {
    /// The store below the `root` that is configured, or below the working directory.
    ///
    /// # Errors
    ///
    /// Something else is configured.
    pub fn init(context: &Context) -> Result<Self, Error> {
        check_config(context, &["root"])?;
        let root = context.config("root").unwrap_or(".").into();
        Ok(Self { root, uploads: AtomicU64::new(0) })
    }

    /// The directory of a bucket. What is being uploaded lies beside them, under a name that no bucket has.
    fn bucket(&self, bucket: &str) -> Result<PathBuf, Failure> {
        let is_one = is_relative(bucket) && !bucket.contains('/') && bucket != UPLOADS;
        is_one.then(|| self.root.join(bucket)).ok_or_else(|| refused("bucket", bucket))
    }

    fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, Failure> {
        let directory = self.bucket(bucket)?;
        is_relative(key).then(|| directory.join(key)).ok_or_else(|| refused("key", key))
    }

    /// All keys of a bucket, in order.
    fn keys(&self, bucket: &str) -> Result<Vec<String>, Error> {
        let directory = self.bucket(bucket)?;
        let mut keys = Vec::new();
        collect(&directory, &directory, &mut keys)?;
        keys.sort();
        Ok(keys)
    }

    /// A file of its own for an object that is coming.
    fn upload(&self) -> io::Result<(Upload, File)> {
        let uploads = self.root.join(UPLOADS);
        fs::create_dir_all(&uploads)?;
        loop {
            let number = self.uploads.fetch_add(1, Ordering::Relaxed);
            let path = uploads.join(format!("{}-{number}", std::process::id()));
            match File::create_new(&path) {
                // Another store has it: one of the same process, or of one that had its number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| (Upload(path), file)),
            }
        }
    }
}

#[plugin]
impl ObjectStore for FileStore {
    async fn put_object(&self, bucket: &str, key: &str, mut body: ByteStream) -> Result<(), Error> {
        let path = self.path(bucket, key)?;
        let (upload, mut file) = self.upload()?;
        while let Some(piece) = body.next().await {
            file.write_all(&piece?)?;
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        Ok(fs::rename(&upload.0, path)?)
    }

    async fn object_exists(&self, bucket: &str, key: &str) -> Result<bool, Error> {
        Ok(self.path(bucket, key)?.is_file())
    }

    async fn get_object(&self, bucket: &str, key: &str) -> Result<ByteStream, Error> {
        let path = self.path(bucket, key)?;
        let file = File::open(path).map_err(|error| failure(&error, bucket, key))?;
        Ok(ByteStream::from_reader(file))
    }

    async fn list_common_prefixes(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
    ) -> Result<Vec<String>, Error> {
        let keys = self.keys(bucket)?;
        Ok(common_prefixes(keys.iter().map(String::as_str), prefix, delimiter))
    }

    async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
        Ok(self.keys(bucket)?.into_iter().filter(|key| key.starts_with(prefix)).collect())
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let path = self.path(bucket, key)?;
        Ok(fs::remove_file(path).map_err(|error| failure(&error, bucket, key))?)
    }

    /// A file has nobody who would sign for it: the time is a wish.
    async fn create_signed_url(&self, bucket: &str, key: &str, ttl: u64) -> Result<String, Error> {
        let path = std::path::absolute(self.path(bucket, key)?)?;
        Ok(format!("file://{}?ttl={ttl}", path.display()))
    }
}

/// A file that is removed unless it was renamed before: whoever sent it may have gone in between.
struct Upload(PathBuf);

impl Drop for Upload {
    fn drop(&mut self) {
        // An error says that it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

/// Adds what lies below a directory, if it is there, as paths from `root`.
fn collect(root: &Path, directory: &Path, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, keys)?;
        } else if let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            keys.push(key.to_owned());
        }
    }
    Ok(())
}

/// Whether a path leads below where it begins, and is written in one way only.
fn is_relative(path: &str) -> bool {
    let components = Path::new(path).components();
    let plain: Vec<_> = components
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    !path.is_empty() && plain.join("/") == path
}

fn refused(what: &str, found: &str) -> Failure {
    let reason = format!("expected a {what} that is a path without `.` and `..`, found `{found}`");
    Failure::with_code(Code::INVALID_ARGUMENT, reason)
}

fn failure(error: &io::Error, bucket: &str, key: &str) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => no_object(bucket, key),
        _ => Failure::new(error.to_string()),
    }
}

/// Says what this plugin provides.
struct Lister;

#[plugin]
impl PluginLister for Lister {
    async fn list_plugins(&self) -> Result<Vec<Provided>, Error> {
        Ok(vec![Provided { kind: KIND.to_owned(), name: "example.io/fs".to_owned() }])
    }
}

fn list(_: &Context) -> Result<Lister, Error> {
    Ok(Lister)
}

export!(FileStore::init as dyn ObjectStore, list as dyn PluginLister);

/// Where files lie that are being written, on the file system of the objects.
const UPLOADS: &str = ".uploads";
