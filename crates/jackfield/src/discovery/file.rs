//! The files of a directory, and what each could be.

use std::collections::{HashMap, HashSet};
use std::env::consts::{DLL_EXTENSION, DLL_PREFIX};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::manifest::{InterfaceFile, Manifest};
use super::os::{self, Access};
use crate::manager::Policy;
use crate::version;

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The name of the plugin that it would be.
    pub(crate) plugin: String,
    /// Of which of several directories it is.
    pub(crate) place: usize,
    pub(crate) kind: Kind,
    pub(crate) stamp: Stamp,
    /// What it says, if it is a manifest.
    pub(crate) manifest: Option<Described>,
}

impl File {
    /// Whether it, and what it names, is what lies there now.
    pub(crate) fn is_unchanged(&self) -> bool {
        Stamp::of(&self.path) == Some(self.stamp) && self.are_parts_unchanged()
    }

    /// Whether what it names is what lies there now.
    fn are_parts_unchanged(&self) -> bool {
        let mut parts = self.manifest.iter().flat_map(|described| &described.parts);
        parts.all(|(path, stamp)| Stamp::of(path) == *stamp)
    }

    /// Whether what is loaded from it is another file than before, or has changed since. What its manifest says does not
    /// count.
    pub(crate) fn is_rewritten(&self, before: &Self) -> bool {
        match (&self.manifest, &before.manifest) {
            (Some(now), Some(before)) => !now.run_parts().eq(before.run_parts()),
            _ => (&self.path, self.stamp) != (&before.path, before.stamp),
        }
    }

    /// Of files with one name the least is the plugin: what is no plugin stands behind whatever is one, in each of the
    /// places.
    pub(crate) fn precedence(&self) -> (bool, usize, Kind) {
        (self.kind == Kind::Neither, self.place, self.kind)
    }

    /// It, and what it names.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let parts = self.manifest.iter().flat_map(|described| &described.parts);
        let parts = parts.filter(|(_, stamp)| stamp.is_some()).map(|(path, _)| path.as_path());
        std::iter::once(self.path.as_path()).chain(parts)
    }

    /// Whether its manifest says that it is not to be loaded.
    pub(crate) fn is_disabled(&self) -> bool {
        self.described().is_some_and(|manifest| !manifest.is_enabled)
    }

    /// Under what it is loaded by a host that loads under this otherwise.
    pub(crate) fn policy(&self, policy: &Policy) -> Policy {
        self.described().map_or_else(|| policy.clone(), |manifest| manifest.policy.over(policy))
    }

    /// With what its plugin is configured.
    pub(crate) fn config(&self) -> Vec<(String, String)> {
        self.described().map_or_else(Vec::new, |manifest| manifest.config.clone().into_iter().collect())
    }

    /// What says what it serves, if its manifest names that.
    pub(crate) fn interface(&self) -> Option<&InterfaceFile> {
        self.described().and_then(|manifest| manifest.interface.as_ref())
    }

    /// What it says, if it is a manifest without an error.
    fn described(&self) -> Option<&Manifest> {
        self.manifest.as_ref().and_then(|described| described.manifest.as_ref().as_ref().ok())
    }
}

/// What a manifest says, and what lies under the paths that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) manifest: Arc<Result<Manifest, String>>,
    /// Its version, and the files that it names. Of one that has become wrong, those from before.
    version: Option<String>,
    parts: Vec<(PathBuf, Option<Stamp>)>,
}

impl Described {
    /// What the manifest says, which is read again only if it has changed since `before`.
    fn read(path: &Path, stamp: Stamp, before: Option<&File>) -> Self {
        let before = before.and_then(|file| Some((file.stamp, file.manifest.as_ref()?)));
        let paths = |before: &Self| before.parts.iter().map(|(path, _)| path.clone()).collect();
        let (manifest, version, parts): (_, _, Vec<PathBuf>) = match before {
            Some((read, before)) if read == stamp => {
                (before.manifest.clone(), before.version.clone(), paths(before))
            }
            before => {
                let manifest = read_manifest(path);
                let (version, parts) = match (&manifest, before) {
                    (Ok(manifest), _) => (manifest.version.clone(), manifest.parts()),
                    // It is still the same plugin, and its files are none of their own.
                    (Err(_), Some((_, before))) => (before.version.clone(), paths(before)),
                    (Err(_), None) => (None, Vec::new()),
                };
                (Arc::new(manifest), version, parts)
            }
        };
        let stamped = |path: PathBuf| {
            let stamp = Stamp::of(&path);
            (path, stamp)
        };
        Self { manifest, version, parts: parts.into_iter().map(stamped).collect() }
    }

    /// What is run: all but the description of what it serves.
    fn run_parts(&self) -> impl Iterator<Item = &(PathBuf, Option<Stamp>)> {
        let manifest = self.manifest.as_ref().as_ref().ok();
        let interface = manifest.and_then(|manifest| manifest.interface.as_ref());
        self.parts.iter().filter(move |(path, _)| interface.is_none_or(|interface| interface.path != *path))
    }
}

/// What a file of a [`Directory`](crate::Directory) could be. Of several with the same name, the first in this order is
/// the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// It says of a program how it becomes a plugin.
    Manifest,
    /// A shared library, by its name.
    Library,
    /// An executable file.
    Program,
    /// None of these.
    Neither,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    identity: [u64; 2],
    size: u64,
    modified: Option<SystemTime>,
    access: Access,
}

impl Stamp {
    /// Of the file that lies there now. A directory has none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        // Links are followed: what they lead to is what would be loaded.
        Self::told(path, fs::metadata(path))
    }

    /// Of what was found in a directory, which need not be found again by its path unless it is a link.
    fn found(entry: &DirEntry, name: &str) -> Option<Self> {
        if is_link(entry) { Self::of(&entry.path()) } else { Self::told(Path::new(name), entry.metadata()) }
    }

    fn told(path: &Path, metadata: io::Result<Metadata>) -> Option<Self> {
        let metadata = metadata.ok().filter(Metadata::is_file)?;
        Some(Self {
            identity: os::identity(&metadata),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            access: Access::of(path, &metadata),
        })
    }

    fn kind(&self) -> Kind {
        if self.access.is_executable() { Kind::Program } else { Kind::Neither }
    }

    #[cfg(test)]
    pub(super) fn for_test(size: u64) -> Self {
        Self { identity: [0, 0], size, modified: None, access: Access::for_test() }
    }
}

fn is_link(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_symlink())
}

/// A directory that is looked at again and again. What has not changed since the last look is what was found then: a manifest
/// is read once per change of it.
#[derive(Debug)]
pub(crate) struct Scanner {
    directory: PathBuf,
    place: usize,
    known: HashMap<OsString, Known>,
    listing: Arc<[Arc<File>]>,
    looks: u64,
    /// Whether neither the directory nor a file in it was a link at the last look.
    is_without_links: bool,
    /// How many files that manifests name lie elsewhere.
    elsewhere: usize,
}

/// A file of the directory.
#[derive(Debug)]
struct Known {
    file: Arc<File>,
    /// At which look it was there.
    look: u64,
}

impl Scanner {
    pub(crate) fn new(directory: &Path, place: usize) -> Self {
        // What a manifest names is found from its directory, wherever the host goes to.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let (known, listing) = Default::default();
        Self { directory, place, known, listing, looks: 0, is_without_links: true, elsewhere: 0 }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether nothing can change without a change in the directory: neither it nor a file in it is a link, and no
    /// manifest names a file elsewhere.
    pub(crate) fn is_all_here(&self) -> bool {
        self.is_without_links && self.elsewhere == 0
    }

    /// The files of the directory, save those that are nobody's plugin by their name, and those that a manifest names.
    pub(crate) fn scan(&mut self) -> io::Result<Arc<[Arc<File>]>> {
        let is_here = fs::canonicalize(&self.directory)? == self.directory;
        let entries = fs::read_dir(&self.directory)?.collect::<io::Result<Vec<_>>>()?;
        self.is_without_links = is_here;
        self.looks += 1;
        let mut is_same = true;
        for entry in entries {
            let file_name = entry.file_name();
            let Some(name) = name(&file_name) else { continue };
            // Also of one that leads nowhere now.
            self.is_without_links &= !is_link(&entry);
            // A file that went since the directory was read is one that is not there.
            if let Some(stamp) = Stamp::found(&entry, name) {
                is_same &= self.find(name, stamp);
            }
        }
        let before = self.known.len();
        self.known.retain(|_, known| known.look == self.looks);
        if !is_same || self.known.len() != before {
            self.list();
        }
        Ok(self.listing.clone())
    }

    /// Takes notice of a file that is there. Returns whether it, and what it names, is what was there at the last look.
    fn find(&mut self, name: &str, stamp: Stamp) -> bool {
        let before = self.known.get_mut(OsStr::new(name));
        if let Some(known) =
            before.filter(|known| known.file.stamp == stamp && known.file.are_parts_unchanged())
        {
            known.look = self.looks;
            return true;
        }
        let path = self.directory.join(name);
        let (mut plugin, kind) = classify(name, stamp.kind());
        let before = self.known.remove(OsStr::new(name)).map(|known| known.file);
        let manifest = (kind == Kind::Manifest).then(|| Described::read(&path, stamp, before.as_deref()));
        if let Some(version) = manifest.as_ref().and_then(|described| described.version.as_ref()) {
            plugin = format!("{plugin}@{version}");
        }
        let file = Arc::new(File { plugin, place: self.place, kind, stamp, path, manifest });
        self.known.insert(name.into(), Known { file, look: self.looks });
        false
    }

    /// Lists what there is now.
    fn list(&mut self) {
        let files = || self.known.values().map(|known| &known.file);
        let described = files().filter_map(|file| file.manifest.as_ref());
        let named: HashSet<_> =
            described.flat_map(|described| &described.parts).map(|(path, _)| path).collect();
        // Nor is heard what happens to a hidden file.
        let is_heard = |path: &&PathBuf| {
            path.parent() == Some(&self.directory) && path.file_name().and_then(name).is_some()
        };
        self.elsewhere = named.iter().filter(|path| !is_heard(path)).count();
        self.listing = files().filter(|file| !named.contains(&file.path)).cloned().collect();
    }
}

/// Reads a manifest by its absolute path. What it names is found from its directory.
pub(super) fn read_manifest(path: &Path) -> Result<Manifest, String> {
    let within = |reason: String| format!("the manifest `{}`: {reason}", path.display());
    let text = read_text(path).map_err(|error| within(error.to_string()))?;
    Manifest::parse(&text, path.parent().unwrap_or(path)).map_err(within)
}

/// The text of a file, if it is as short as a manifest is.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?.take(LONGEST_MANIFEST + 1).read_to_string(&mut text)?;
    if read as u64 > LONGEST_MANIFEST {
        let reason = format!("expected at most {LONGEST_MANIFEST} bytes, found more");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(text)
}

/// The name of a file that is looked at: neither hidden, nor what a compiler leaves beside what it builds.
fn name(file_name: &OsStr) -> Option<&str> {
    let name = file_name.to_str()?;
    let is_left_out = name.starts_with('.') || name.ends_with(".d");
    (!is_left_out).then_some(name)
}

/// The plugin of this name, and what it is: a manifest or a library by its name, or else what its mode says. Compilers
/// make libraries executable too.
fn classify(name: &str, by_mode: Kind) -> (String, Kind) {
    if let Some(plugin) = name.strip_suffix(MANIFEST).filter(|plugin| !plugin.is_empty()) {
        return (with_version(plugin), Kind::Manifest);
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if extension == DLL_EXTENSION {
        let plugin = stem.strip_prefix(DLL_PREFIX).filter(|rest| !rest.is_empty()).unwrap_or(stem);
        return (with_version(plugin), Kind::Library);
    }
    // What follows the last dot may be the end of a version.
    let whole = split_version(name).map(|_| with_version(name));
    (whole.unwrap_or_else(|| with_version(stem)), by_mode)
}

/// The plugin of a file with this stem: `kv@1.2` and `kv_v1.2` are a version of `kv`.
fn with_version(stem: &str) -> String {
    split_version(stem).map_or_else(|| stem.to_owned(), |(name, version)| format!("{name}@{version}"))
}

fn split_version(stem: &str) -> Option<(&str, &str)> {
    let split = stem.rsplit_once('@').or_else(|| stem.rsplit_once("_v"));
    split.filter(|(name, version)| !name.is_empty() && version::parse(version).is_some())
}

/// How the name of a manifest ends.
const MANIFEST: &str = ".plugin.toml";
/// In bytes. Nobody writes a longer one by hand.
const LONGEST_MANIFEST: u64 = 64 * 1024;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_could_be() {
        for (name, by_mode, expected) in [
            ("libkv.so", Kind::Program, ("kv", Kind::Library)),
            ("libkv.so", Kind::Neither, ("kv", Kind::Library)),
            ("kv.so", Kind::Neither, ("kv", Kind::Library)),
            ("lib.so", Kind::Neither, ("lib", Kind::Library)),
            ("kv-file", Kind::Program, ("kv-file", Kind::Program)),
            ("kv.py", Kind::Program, ("kv", Kind::Program)),
            ("libre", Kind::Program, ("libre", Kind::Program)),
            ("kv.txt", Kind::Neither, ("kv", Kind::Neither)),
            ("also", Kind::Neither, ("also", Kind::Neither)),
            ("kv.plugin.toml", Kind::Neither, ("kv", Kind::Manifest)),
            ("kv.toml", Kind::Neither, ("kv", Kind::Neither)),
            ("libkv@1.2.so", Kind::Neither, ("kv@1.2", Kind::Library)),
            ("testplugin_v1.so", Kind::Neither, ("testplugin@1", Kind::Library)),
            ("kv@1.2", Kind::Program, ("kv@1.2", Kind::Program)),
            ("kv@1.2.py", Kind::Program, ("kv@1.2", Kind::Program)),
            ("kv_v2", Kind::Program, ("kv@2", Kind::Program)),
            ("kv_very", Kind::Program, ("kv_very", Kind::Program)),
            ("kv@2.plugin.toml", Kind::Neither, ("kv@2", Kind::Manifest)),
        ] {
            assert_eq!(classify(name, by_mode), (expected.0.to_owned(), expected.1), "{name}");
        }
    }

    #[test]
    fn hidden_files_and_lists_of_dependencies_are_left_out() {
        for (file_name, expected) in [(".libkv.so", None), ("kv.d", None), ("libkv.so", Some("libkv.so"))] {
            assert_eq!(name(OsStr::new(file_name)), expected, "{file_name}");
        }
    }
    #[test]
    fn what_has_not_changed_is_what_was_found_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let write =
            |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("it is written");
        write("libkv.so", "");
        write(".program", "");
        write("x.plugin.toml", "command = \"./.program\"");
        let mut scanner = Scanner::new(directory.path(), 0);
        let mut scan = || scanner.scan().expect("a directory");
        let find = |found: &[Arc<File>], plugin: &str| {
            found.iter().find(|file| file.plugin == plugin).expect("it is there").clone()
        };
        let (first, second) = (scan(), scan());
        assert_eq!((first.len(), Arc::ptr_eq(&first, &second)), (2, true));
        write(".program", "exit");
        let third = scan();
        let is_same = |plugin| Arc::ptr_eq(&find(&first, plugin), &find(&third, plugin));
        assert_eq!((is_same("kv"), is_same("x")), (true, false));
        fs::remove_file(directory.path().join("libkv.so")).expect("it was there");
        assert_eq!(scan().iter().map(|file| &*file.plugin).collect::<Vec<_>>(), ["x"]);
    }
}
