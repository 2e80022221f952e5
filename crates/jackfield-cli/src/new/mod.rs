//! `jackfield new`: a workspace with an interface, a plugin and a host, which builds and runs as it is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// What `new` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Where the crates of Jackfield come from: a checkout of its repository, or a version such as `0.1`. By default
    /// the checkout from which this command was built, as long as it is there, then this command's version
    #[arg(long, value_name = "CHECKOUT|VERSION")]
    jackfield: Option<String>,

    /// Prints one JSON object with what was made
    #[arg(long)]
    json: bool,

    /// The directory, whose last part is the name
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  jackfield new greetings  makes `greetings` with three crates: `interface`, `plugin` and `host`
  cd greetings && cargo test --workspace && cargo run
                           the test passes, and the host greets through the plugin
  jackfield new --jackfield ~/src/jackfield greetings
                           against a checkout of one's own";

/// Makes the workspace.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let name = options.path.file_name().unwrap_or_default().to_string_lossy();
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if !is_name {
        bail!(
            "expected a name of lower-case letters, digits, `-` and `_`, such as `greetings`, found `{name}`"
        );
    }
    let dependencies = Source::of(options)?.dependencies();
    fs::create_dir_all(options.path.parent().unwrap_or(Path::new(".")))?;
    // Nothing that is there already is written over.
    fs::create_dir(&options.path).with_context(|| format!("`{}` cannot be made", options.path.display()))?;
    for (file, text) in FILES {
        let text = text.replace("__name__", &name).replace("__jackfield__", &dependencies);
        let text = text
            .replace("__crate__", &name.replace('-', "_"))
            .replace("__service__", &name.replace('-', "_"));
        let file = options.path.join(file);
        fs::create_dir_all(file.parent().unwrap_or(&options.path))?;
        fs::write(&file, text).with_context(|| format!("`{}` cannot be written", file.display()))?;
    }
    let mut out = std::io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", serde_json::json!({ "directory": options.path, "crates": CRATES }))?,
        false => writeln!(out, "{}: cargo test --workspace, cargo run", options.path.display())?,
    }
    Ok(())
}

/// Where the crates of Jackfield come from.
enum Source {
    Checkout(PathBuf),
    Version(String),
}

impl Source {
    fn of(options: &Options) -> anyhow::Result<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        match options.jackfield.as_deref() {
            Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Self::Version(version.to_owned()))
            }
            Some(checkout) => Self::checkout(Path::new(checkout)),
            None => {
                Ok(Self::checkout(&own)
                    .unwrap_or_else(|_| Self::Version(env!("CARGO_PKG_VERSION").to_owned())))
            }
        }
    }

    fn checkout(path: &Path) -> anyhow::Result<Self> {
        match path.canonicalize() {
            Ok(path) if path.join("crates/jackfield").is_dir() => Ok(Self::Checkout(path)),
            _ => bail!(
                "expected a version, or a checkout of Jackfield's repository, found `{}`",
                path.display()
            ),
        }
    }

    /// Lines of a manifest.
    fn dependencies(&self) -> String {
        let lines = ["jackfield", "jackfield-core", "jackfield-plugin"].map(|name| match self {
            // A string of JSON is one of TOML.
            Self::Checkout(path) => {
                format!("{name} = {{ path = {} }}", serde_json::json!(path.join("crates").join(name)))
            }
            Self::Version(version) => format!("{name} = \"{version}\""),
        });
        lines.join("\n")
    }
}

const CRATES: [&str; 3] = ["interface", "plugin", "host"];
const FILES: &[(&str, &str)] = &[
    (".gitignore", "/target\n"),
    ("Cargo.toml", include_str!("template/workspace.toml")),
    ("README.md", include_str!("template/README.md")),
    ("interface/Cargo.toml", include_str!("template/interface.toml")),
    ("interface/src/lib.rs", include_str!("template/interface.rs")),
    ("plugin/Cargo.toml", include_str!("template/plugin.toml")),
    ("plugin/src/lib.rs", include_str!("template/plugin.rs")),
    ("plugin/src/main.rs", include_str!("template/plugin_main.rs")),
    ("host/Cargo.toml", include_str!("template/host.toml")),
    ("host/src/main.rs", include_str!("template/host.rs")),
    ("host/tests/plugin.rs", include_str!("template/host_test.rs")),
];
