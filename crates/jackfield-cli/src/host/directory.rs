//! What lies in a directory of plugins, and what would come of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jackfield::native::{Image, NativeError};
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::schema::Descriptor;
use jackfield::{Directory, FileKind, Offered};
use serde_json::{Value, json};

use super::{Output, print};
use crate::plugin::native;
use crate::table::Table;
use crate::{described, inspect};

/// All that this command can load from a directory.
pub(crate) fn source(path: &Path) -> anyhow::Result<Directory> {
    let processes = ProcessBackend::start().context("processes cannot be started")?;
    let (native, described) = (native(), processes.clone());
    Ok(Directory::new(path)
        .libraries(move |path| native.library(path))
        .programs(move |path| ProcessPlugin::new(path).backend(&processes))
        .manifests(&described)
        .interfaces(interfaces))
}

/// What a file describes that a manifest names. A program is not asked: nothing runs but what is to be loaded.
pub(crate) fn interfaces(file: &Path) -> Result<Vec<Descriptor>, String> {
    let none = || {
        let expected = "expected a .proto file, a descriptor set or a shared library, found a program";
        format!("{expected}: `{}`", file.display())
    };
    let read = described::read(file, &[]).map_err(|error| format!("{error:#}"))?;
    read.ok_or_else(none)
}

/// Lists what a watch of the directory would load. None of it runs.
pub(super) fn list(path: &Path, output: Output) -> anyhow::Result<()> {
    let mut files: Vec<File> = Vec::new();
    for offered in source(path)?.scan()? {
        let first = files.iter().find(|file| file.plugin == offered.name);
        let file = File::new(offered, first);
        files.push(file);
    }
    match output {
        Output::Json => files.iter().map(File::json).try_for_each(print),
        Output::Text => print(table(&files)),
    }
}

/// A file, and why nothing is loaded from it, if that is known before it runs.
struct File {
    plugin: String,
    path: PathBuf,
    kind: FileKind,
    /// What a library says of itself.
    image: Option<Result<Image, NativeError>>,
    /// What a manifest says that its plugin serves.
    interface: Option<Descriptor>,
    refusal: Option<String>,
}

impl File {
    /// Of several with one name the first is loaded.
    fn new(offered: Offered, first: Option<&Self>) -> Self {
        let described = offered.interface();
        let Offered { name: plugin, path, kind, candidate, .. } = offered;
        let image = (kind == FileKind::Library).then(|| Image::read(&path));
        let unread = image.as_ref().and_then(|image| image.as_ref().err().map(|error| inspect::chain(error)));
        let behind = first.map(|first| format!("`{}` goes before it", first.path.display()));
        let (interface, undescribed) = match described {
            Ok(interface) => (interface, None),
            Err(reason) => (None, Some(reason)),
        };
        let refusal = behind.or(candidate.err()).or(undescribed).or(unread);
        let refusal = refusal.map(|reason| reason.replace('\n', " "));
        Self { plugin, path, kind, image, interface, refusal }
    }

    fn image(&self) -> Option<&Image> {
        self.image.as_ref()?.as_ref().ok()
    }

    /// Whether it is loaded; nothing where only a run of it would say.
    fn loads(&self) -> Option<bool> {
        if self.refusal.is_some() { Some(false) } else { self.image().map(|_| true) }
    }

    fn row(&self) -> [String; COLUMNS] {
        let version = self.image().map(|image| image.note().version.clone());
        let noted = self.image().map(|image| &image.note().interfaces[..]);
        let interfaces = noted.or(self.interface.as_ref().map(std::slice::from_ref)).map(|interfaces| {
            let named = interfaces.iter().map(|interface| {
                format!("{} {}", interface.service, interface.version).trim_end().to_owned()
            });
            named.collect::<Vec<_>>().join(", ")
        });
        let loads = self.loads().map(|loads| if loads { "yes" } else { "no" }.to_owned());
        let [version, interfaces, loads] =
            [version, interfaces, loads].map(|text| text.unwrap_or_else(|| "-".to_owned()));
        [self.plugin.clone(), kind(self.kind).to_owned(), version, interfaces, loads]
    }

    /// What `inspect` says of it, and what it is here.
    fn json(&self) -> Value {
        let mut json = match &self.image {
            Some(image) => inspect::json(&self.path, image),
            None => json!({ "file": self.path }),
        };
        if let Some(interface) = &self.interface {
            json["interfaces"] = json!([inspect::interface(interface)]);
        }
        json["plugin"] = self.plugin.clone().into();
        json["kind"] = kind(self.kind).into();
        json["loads"] = self.loads().into();
        if let Some(refusal) = &self.refusal {
            json["reason"] = refusal.clone().into();
        }
        json
    }
}

fn table(files: &[File]) -> Table<COLUMNS> {
    let mut table = Table::new(["PLUGIN", "KIND", "VERSION", "INTERFACES", "LOADS HERE"], COLUMNS);
    for file in files {
        table.push(file.row(), file.refusal.as_deref().unwrap_or_default());
    }
    table
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Library => "library",
        FileKind::Manifest => "manifest",
        FileKind::Program => "program",
        _ => "neither",
    }
}

const COLUMNS: usize = 5;
