//! Cargo: what a package has, and building it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Something that a package can be built as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The package's manifest.
    pub(crate) manifest: PathBuf,
    /// The package's version.
    pub(crate) version: String,
    /// The target's name.
    pub(crate) name: String,
    /// The file that it begins with.
    pub(crate) source: PathBuf,
    /// What becomes of it.
    pub(crate) kind: Kind,
    /// Whether it is one of the package's examples.
    pub(crate) is_example: bool,
}

/// What becomes of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Library,
    Program,
}

impl Kind {
    /// How the names of its files end.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Library => std::env::consts::DLL_SUFFIX,
            Self::Program => std::env::consts::EXE_SUFFIX,
        }
    }
}

/// The targets of the package in a directory, or in the one above that has a package.
pub(crate) fn targets(directory: &Path) -> anyhow::Result<Vec<Target>> {
    let output = cargo(
        directory,
        ["metadata", "--no-deps", "--format-version=1"].map(OsString::from),
        None,
        Stdio::piped(),
    )?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo's answer cannot be read")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    // In a workspace it is the package whose folder is the nearest one above.
    let manifest = |package: &Value| PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
    let above =
        packages.filter(|package| manifest(package).parent().is_some_and(|root| directory.starts_with(root)));
    let Some(package) = above.max_by_key(|package| manifest(package).components().count()) else {
        bail!(
            "expected a package in `{}`, found none\n(hint: `jackfield new` makes one)",
            directory.display()
        );
    };
    Ok(package["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|target| read(package, target))
        .collect())
}

fn read(package: &Value, target: &Value) -> Option<Target> {
    let has = |field: &str, wanted: &str| {
        target[field].as_array().into_iter().flatten().any(|kind| kind.as_str() == Some(wanted))
    };
    let is_example = has("kind", "example");
    let kind = if has("crate_types", "cdylib") {
        Kind::Library
    } else if has("crate_types", "bin") && (is_example || has("kind", "bin")) {
        Kind::Program
    } else {
        return None;
    };
    Some(Target {
        manifest: package["manifest_path"].as_str()?.into(),
        version: package["version"].as_str()?.to_owned(),
        name: target["name"].as_str()?.to_owned(),
        source: target["src_path"].as_str()?.into(),
        kind,
        is_example,
    })
}

/// Builds a target, with what cargo says on stderr, and returns its file.
pub(crate) fn build(
    target: &Target,
    id: Option<&str>,
    more: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<PathBuf> {
    let mut arguments: Vec<OsString> =
        vec!["build".into(), "--message-format=json-render-diagnostics".into(), "--manifest-path".into()];
    arguments.push(target.manifest.clone().into());
    match (target.kind, target.is_example) {
        (_, true) => arguments.extend(["--example".into(), target.name.clone().into()]),
        (Kind::Library, false) => arguments.push("--lib".into()),
        (Kind::Program, false) => arguments.extend(["--bin".into(), target.name.clone().into()]),
    }
    arguments.extend(more);
    let output = cargo(Path::new("."), arguments, id, Stdio::inherit())?;
    if !output.status.success() {
        bail!("`{}` does not build", target.name);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let file = built.filter_map(|message: Value| file_of(&message, target)).next_back();
    file.context("cargo does not say which file it has built")
}

/// The file of which a message of cargo's says that it was built, if it is the target's.
fn file_of(message: &Value, target: &Target) -> Option<PathBuf> {
    let is_it = message["reason"] == "compiler-artifact"
        && message["target"]["src_path"].as_str().map(Path::new) == Some(&target.source);
    let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let file = match target.kind {
        Kind::Library => files.into_iter().find(|file| file.ends_with(target.kind.suffix())),
        Kind::Program => message["executable"].as_str(),
    };
    file.filter(|_| is_it).map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "cargo is no plugin, and is run in the foreground")]
fn cargo(
    directory: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    id: Option<&str>,
    stderr: Stdio,
) -> anyhow::Result<Output> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    // What another cargo says of the package that it runs or tests is not meant for this one.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_"))
    {
        command.env_remove(name);
    }
    command.envs(id.map(|id| ("JACKFIELD_PLUGIN_ID", id)));
    let child =
        command.spawn().context("cargo cannot be started\n(hint: it comes with Rust: https://rustup.rs)")?;
    Ok(child.wait_with_output()?)
}
