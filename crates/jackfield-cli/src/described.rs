//! The interfaces that a file describes, whatever it is: a library, a program, a `.proto` file, or a descriptor set.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use jackfield::Bytes;
use jackfield::native::{Image, NativeError};
use jackfield::schema::Descriptor;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::Compiler;

use crate::plugin::{Plugin, Start, is_executable};

/// The interfaces that a file describes. None of a library's code runs; a program is started and asked.
pub(crate) async fn interfaces(
    file: &Path,
    start: &Start,
    includes: &[PathBuf],
) -> anyhow::Result<Vec<Descriptor>> {
    match read(file, includes)? {
        Some(interfaces) => Ok(interfaces),
        None => Plugin::new(file, start).interfaces_of_program().await,
    }
}

/// The interfaces that a file describes; nothing if it is a program, which would have to be asked.
pub(crate) fn read(file: &Path, includes: &[PathBuf]) -> anyhow::Result<Option<Vec<Descriptor>>> {
    if file.extension().is_some_and(|extension| extension == "proto") {
        let of_file = || format!("`{}` cannot be compiled", file.display());
        return compile(file, includes).with_context(of_file).map(Some);
    }
    if let Some(set) = set(file) {
        let of_file = || format!("the descriptor set `{}` cannot be read", file.display());
        // What another file of the set imports came with it.
        let imported = imported(&set);
        let is_meant = |file: &FileDescriptorProto| !imported.contains(file.name());
        return described(&set, is_meant).with_context(of_file).map(Some);
    }
    match Image::read(file) {
        Ok(image) => Ok(Some(image.note().interfaces.clone())),
        Err(NativeError::NotALibrary { .. }) if is_executable(file) => Ok(None),
        Err(error @ NativeError::NotALibrary { .. }) => Err(anyhow::Error::from(error)
            .context("expected a shared library, a program, a `.proto` file or a descriptor set")),
        Err(error) => Err(error.into()),
    }
}

/// The interfaces of a `.proto` file. What it imports is found in the directories, or else beside it.
fn compile(file: &Path, includes: &[PathBuf]) -> anyhow::Result<Vec<Descriptor>> {
    let beside = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let includes = includes.iter().map(PathBuf::as_path).chain([beside]);
    // It would be missed in the directories.
    fs::metadata(file)?;
    // Where in a text it is that something is wrong stands in this form of the error.
    let wrong = |error: protox::Error| anyhow!("{error:?}");
    let mut compiler = Compiler::new(includes).map_err(wrong)?;
    compiler.include_imports(true).open_file(file).map_err(wrong)?;
    let meant: Vec<_> = compiler.files().filter(|file| !file.is_import()).map(|file| file.name()).collect();
    described(&compiler.encode_file_descriptor_set(), |file| meant.contains(&file.name()))
}

/// The bytes of a file that is a descriptor set.
fn set(file: &Path) -> Option<Vec<u8>> {
    let mut first = [0];
    // What is no file, such as a pipe, might keep a reader waiting.
    let is_candidate = file.is_file() && File::open(file).ok()?.read_exact(&mut first).is_ok();
    let bytes = (is_candidate && first == [FILES]).then(|| fs::read(file).ok())??;
    let FileDescriptorSet { file } = FileDescriptorSet::decode(&*bytes).ok()?;
    file.iter().all(|file| file.name.is_some()).then_some(bytes)
}

/// The names of the files that other files of a set import.
fn imported(set: &[u8]) -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(set).map(|set| set.file).unwrap_or_default();
    files.into_iter().flat_map(|file| file.dependency).collect()
}

/// The interfaces of those files of a set that are meant.
fn described(set: &[u8], is_meant: impl Fn(&FileDescriptorProto) -> bool) -> anyhow::Result<Vec<Descriptor>> {
    let mut files = files(set)?;
    let mut interfaces = Vec::new();
    for index in 0..files.len() {
        let file = FileDescriptorProto::decode(files[index].clone())?;
        if !is_meant(&file) {
            continue;
        }
        // The first is the one that describes the service.
        files.swap(0, index);
        // Their names need not be those of the file, whose names are identifiers.
        interfaces.extend(Descriptor::parse_all(&files)?);
        files.swap(0, index);
    }
    ensure!(!interfaces.is_empty(), "expected the description of a service, found none");
    Ok(interfaces)
}

/// The files of a set as they are, with options of which nothing is known here.
fn files(mut set: &[u8]) -> anyhow::Result<Vec<Bytes>> {
    let mut files = Vec::new();
    while let Some((&key, rest)) = set.split_first() {
        let (length, rest) = length(rest).context("a descriptor set ends too early")?;
        let Some((file, rest)) = rest.split_at_checked(length) else {
            bail!("a descriptor set ends too early");
        };
        ensure!(key == FILES, "expected a descriptor set, which holds files only");
        files.push(Bytes::copy_from_slice(file));
        set = rest;
    }
    Ok(files)
}

/// The length that comes next, and what follows it.
fn length(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let length = prost_reflect::prost::decode_length_delimiter(&mut bytes).ok()?;
    Some((length, bytes))
}

/// How a file of a descriptor set begins: the field 1, of a known length.
const FILES: u8 = 0x0a;

#[cfg(test)]
mod tests {
    use prost_reflect::prost_types::ServiceDescriptorProto;

    use super::*;

    #[test]
    fn what_a_file_of_a_set_imports_is_not_meant() {
        let file = |name: &str, service: &str, imports: &[&str]| FileDescriptorProto {
            name: Some(format!("{name}.proto")),
            dependency: imports.iter().map(|import| format!("{import}.proto")).collect(),
            service: vec![ServiceDescriptorProto { name: Some(service.to_owned()), ..Default::default() }],
            ..Default::default()
        };
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("set.binpb");
        let set =
            FileDescriptorSet { file: vec![file("imported", "Other", &[]), file("kv", "Kv", &["imported"])] };
        fs::write(&path, set.encode_to_vec()).expect("written");
        let set = super::set(&path).expect("a set");
        let imported = imported(&set);
        let interfaces = described(&set, |file| !imported.contains(file.name())).expect("a service");
        assert_eq!(interfaces.iter().map(|interface| &*interface.service).collect::<Vec<_>>(), ["Kv"]);
    }
    /// An interface of ours may have a name that no service can have, and says it in an option.
    #[test]
    fn a_service_is_found_whose_name_is_no_identifier() {
        let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
        let options = [&[0xda, 0xe2, 0x18, 14][..], b"proto.kv-store"].concat();
        let service = [field(1, b"KvStore"), field(3, &options)].concat();
        let file = [field(1, b"kv.proto"), field(2, b"proto"), field(6, &service)].concat();
        let interfaces = described(&field(1, &file), |_| true).expect("a service");
        assert_eq!(
            interfaces.iter().map(|interface| &*interface.service).collect::<Vec<_>>(),
            ["proto.kv-store"]
        );
    }
}
