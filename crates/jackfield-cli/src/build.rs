//! `jackfield build`: a package as a shared library or a program, under the name that it shall have.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use jackfield::native::Image;

use crate::cargo::{self, Kind, Target};
use crate::inspect;
use crate::place::place;

/// What `build` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command")]
pub(crate) struct Options {
    /// The package's directory, or the file that one of its targets begins with
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,

    /// Writes this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "versioned")]
    output: Option<PathBuf>,

    /// Adds the package's version to the name, such as `kv_v1.0.0.so`
    #[arg(long)]
    versioned: bool,

    /// Builds the package's program, even if it is a shared library too
    #[arg(long)]
    program: bool,

    /// Gives a shared library this identity, by which one build of it is told from another
    #[arg(long, conflicts_with = "program")]
    id: Option<String>,

    /// Builds for debugging, which is quick to build and slow to run
    #[arg(long)]
    debug: bool,

    /// Prints one JSON object with what was built
    #[arg(long)]
    json: bool,

    /// Arguments of cargo
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  jackfield build          the package of this directory, under the directory's name: `kv.so` in `kv`
  jackfield build examples/testPlugin.rs
                           one target, under the file's name: `testPlugin.so`
  jackfield build -o plugins/testplugin_v1.so kv
                           under a name of one's own; a host that looks there sees a whole file or none
  jackfield build --id kv-$(date +%s) kv
                           with an identity that says when it was built, for `inspect` and a host's `Plugin::id`
  jackfield build --program kv -- --features tls
                           as a program, with an argument of cargo's";

/// Builds it, checks what came of it, and puts it into its place.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let path =
        options.path.canonicalize().with_context(|| format!("`{}` is not there", options.path.display()))?;
    let target = find(&path, options)?;
    ensure!(
        target.kind == Kind::Library || options.id.is_none(),
        "a program has no identity\n(hint: `--id` is for a shared library)"
    );
    let profile = (!options.debug).then(|| OsString::from("--release"));
    let arguments = profile.into_iter().chain(options.arguments.iter().cloned());
    let built = cargo::build(&target, options.id.as_deref(), arguments)?;
    let output = options.output.clone().unwrap_or_else(|| name(&path, &target, options).into());
    // What no host would load is not put anywhere.
    place(&built, &output, |copy| match target.kind {
        Kind::Library => has_identity(&Image::read(copy)?, options.id.as_deref()),
        Kind::Program => Ok(()),
    })?;
    report(&output, target.kind, options)
}

fn has_identity(image: &Image, wanted: Option<&str>) -> anyhow::Result<()> {
    let found = &image.note().id;
    match wanted {
        Some(wanted) if wanted != found => bail!(
            "expected the identity `{wanted}`, found `{found}`\n(hint: an `id` in `export!` goes before that of the build)"
        ),
        _ => Ok(()),
    }
}

/// The target that is meant.
fn find(path: &Path, options: &Options) -> anyhow::Result<Target> {
    if path.is_file() {
        let directory = path.parent().unwrap_or(path);
        let target = cargo::targets(directory)?.into_iter().find(|target| target.source == path);
        return target.with_context(|| {
            format!(
                "no target begins with `{}`\n(hint: a shared library has `crate-type = [\"cdylib\"]`)",
                path.display()
            )
        });
    }
    // An example is meant only where it is named.
    let targets: Vec<_> = cargo::targets(path)?.into_iter().filter(|target| !target.is_example).collect();
    let wanted = if options.program { &[Kind::Program][..] } else { &[Kind::Library, Kind::Program] };
    let found = wanted.iter().find_map(|kind| {
        let found: Vec<_> = targets.iter().filter(|target| target.kind == *kind).collect();
        (!found.is_empty()).then_some(found)
    });
    match found.as_deref() {
        Some([target]) => Ok((*target).clone()),
        Some(several) => {
            let sources: Vec<_> =
                several.iter().map(|target| format!("`{}`", target.source.display())).collect();
            bail!("there are several\n(hint: name the file of one of them: {})", sources.join(", "))
        }
        None => {
            bail!("the package builds neither a shared library (`crate-type = [\"cdylib\"]`) nor a program")
        }
    }
}

/// The name of the file without its ending; of the package's directory where a file's name says nothing.
fn name(path: &Path, target: &Target, options: &Options) -> String {
    let stem = path.file_stem().filter(|stem| path.is_file() && *stem != "lib" && *stem != "main");
    let directory = if path.is_file() { target.manifest.parent() } else { Some(path) };
    let stem = stem.or(directory.and_then(Path::file_name));
    let stem = stem.map_or_else(|| target.name.clone(), |stem| stem.to_string_lossy().into_owned());
    let version = if options.versioned { format!("_v{}", target.version) } else { String::new() };
    format!("{stem}{version}{}", target.kind.suffix())
}

fn report(output: &Path, kind: Kind, options: &Options) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match (options.json, kind) {
        (true, Kind::Library) => writeln!(out, "{}", inspect::json(output, &Image::read(output)))?,
        (true, Kind::Program) => writeln!(out, "{}", serde_json::json!({ "file": output }))?,
        (false, _) => writeln!(out, "{}", output.display())?,
    }
    Ok(())
}
