//! Builds what is measured and what measures it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use jackfield_fixtures::{Build, GoModule, Profile, go_programs, target_directory};

/// A file that a measurement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Artifact {
    Adder,
    Gob,
    GoGob,
    GoGrpcHost,
    GoGrpcPlugin,
    GoStreamHost,
    GoStreamPlugin,
    GoSymbolHost,
    GoSymbolPlugin,
    GrpcHost,
    GrpcPlugin,
    Holder,
    Manager,
    Native,
    Peers,
    ProbeOne,
    ProbeTwo,
    Rivals,
    RivalsLibrary,
    StreamHost,
    StreamPlugin,
    Symbols,
    TonicHost,
    TonicPlugin,
}

impl Artifact {
    fn is_rival(self) -> bool {
        matches!(self, Self::Rivals | Self::RivalsLibrary)
    }

    fn is_go(self) -> bool {
        matches!(
            self,
            Self::GoGob
                | Self::GoGrpcHost
                | Self::GoGrpcPlugin
                | Self::GoStreamHost
                | Self::GoStreamPlugin
                | Self::GoSymbolHost
                | Self::GoSymbolPlugin
        )
    }
}

/// The files that could be built, and why others could not.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    paths: BTreeMap<Artifact, PathBuf>,
    missing: BTreeMap<Artifact, String>,
}

impl Programs {
    /// Builds what these artifacts need. A peer that cannot be built is noted; ours has to build.
    pub(crate) fn build(root: &Path, needed: &[Artifact]) -> anyhow::Result<Self> {
        let mut programs = Self::default();
        if needed.iter().any(|artifact| !artifact.is_go() && !artifact.is_rival()) {
            eprintln!("building ours (release)");
            programs.build_ours()?;
        }
        if needed.iter().any(|artifact| artifact.is_rival()) {
            eprintln!("building abi_stable and stabby");
            programs.build_rivals();
        }
        if needed.iter().any(|artifact| artifact.is_go()) {
            eprintln!("building the peers in Go");
            programs.build_go();
        }
        if needed.contains(&Artifact::GoSymbolPlugin) {
            eprintln!("building the Go plugin");
            programs.build_symbol_plugin(root);
        }
        Ok(programs)
    }

    fn build_ours(&mut self) -> anyhow::Result<()> {
        let packages =
            ["jackfield-benches", "adder", "holder", "peers", "probe-one", "probe-two", "symbols-one"];
        let built = jackfield_fixtures::build(&Build::new(packages).profile(Profile::Release))?;
        let libraries = [
            (Artifact::Adder, "adder"),
            (Artifact::Holder, "holder"),
            (Artifact::Peers, "peers"),
            (Artifact::ProbeOne, "probe-one"),
            (Artifact::ProbeTwo, "probe-two"),
            (Artifact::Symbols, "symbols-one"),
        ];
        let programs = [
            (Artifact::Gob, "measure-gob"),
            (Artifact::GrpcHost, "measure-grpc-host"),
            (Artifact::GrpcPlugin, "measure-grpc-plugin"),
            (Artifact::Manager, "measure-manager"),
            (Artifact::Native, "measure-native"),
            (Artifact::StreamHost, "measure-stream-host"),
            (Artifact::StreamPlugin, "measure-stream-plugin"),
            (Artifact::TonicHost, "measure-tonic-host"),
            (Artifact::TonicPlugin, "measure-tonic-plugin"),
        ];
        self.paths.extend(libraries.map(|(artifact, name)| (artifact, built.library(name).to_owned())));
        self.paths.extend(programs.map(|(artifact, name)| (artifact, built.program(name).to_owned())));
        Ok(())
    }

    fn build_rivals(&mut self) {
        match jackfield_fixtures::build(&Build::rivals().profile(Profile::Release)) {
            Ok(built) => self.paths.extend([
                (Artifact::Rivals, built.program("measure-rivals").to_owned()),
                (Artifact::RivalsLibrary, built.library("rivals").to_owned()),
            ]),
            Err(error) => {
                let missing = [Artifact::Rivals, Artifact::RivalsLibrary];
                self.missing.extend(missing.map(|artifact| (artifact, format!("{error:#}"))));
            }
        }
    }

    fn build_go(&mut self) {
        let programs = [
            (Artifact::GoGob, "gob"),
            (Artifact::GoGrpcHost, "grpc-host"),
            (Artifact::GoGrpcPlugin, "grpc-plugin"),
            (Artifact::GoStreamHost, "stream-host"),
            (Artifact::GoStreamPlugin, "stream-plugin"),
            (Artifact::GoSymbolHost, "symbol-host"),
        ];
        match go_programs(GoModule::Bench) {
            Ok(directory) => {
                self.paths.extend(programs.map(|(artifact, name)| (artifact, directory.join(name))));
            }
            Err(missing) => {
                self.missing.extend(programs.map(|(artifact, _)| (artifact, missing.what.clone())));
            }
        }
    }

    fn build_symbol_plugin(&mut self, root: &Path) {
        let into = target_directory().join("go/bench/symbol-plugin.so");
        match build_symbol_plugin(root, &into) {
            Ok(()) => {
                self.paths.insert(Artifact::GoSymbolPlugin, into);
            }
            Err(error) => {
                self.missing.insert(Artifact::GoSymbolPlugin, format!("{error:#}"));
            }
        }
    }

    /// Where a file is.
    pub(crate) fn path(&self, artifact: Artifact) -> anyhow::Result<&Path> {
        self.paths.get(&artifact).map(PathBuf::as_path).context("it was not built")
    }

    /// Why a file is not there.
    pub(crate) fn missing(&self, artifact: Artifact) -> Option<&str> {
        self.missing.get(&artifact).map(String::as_str)
    }
}

/// Stripped, as ours is.
#[expect(clippy::disallowed_methods, reason = "it runs a compiler")]
fn build_symbol_plugin(root: &Path, into: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("go");
    command.current_dir(root.join("fixtures/go/bench")).env("CGO_ENABLED", "1");
    command.args(["build", "-buildmode=plugin", "-ldflags=-s -w", "-o"]).arg(into).arg("./symbol-plugin");
    let output = command.output().context("`go` cannot be started; install Go 1.26 or newer")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the Go plugin does not build (it needs a C compiler): {}", text.trim());
    Ok(())
}
