//! Why a program could not be started: what the system says, and what can be seen of its file.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::executable::Executable;
use super::spawn::Launch;

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The directory in which it starts is not there.
    #[error("there is no directory `{}`, in which it starts", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
    },
    /// What runs it is not there.
    #[error("it needs `{}` to run it, which is not there{hint}", .interpreter.to_string_lossy().escape_debug())]
    Interpreter {
        /// The interpreter of a script, or the loader of a program.
        interpreter: PathBuf,
        /// What may be done about it.
        hint: &'static str,
    },
    /// It is no program.
    #[error(
        "expected a program, found {found}\n(hint: a script begins with `#!` and the path of what runs it)"
    )]
    Kind {
        /// What it probably is.
        found: &'static str,
    },
    /// It is for another machine.
    #[error("it is for {found}, but this machine is {expected}")]
    Machine {
        /// This machine.
        expected: &'static str,
        /// The one that it is for.
        found: String,
    },
    /// There is no such file.
    #[error("there is no such file{hint}")]
    Missing {
        /// What may be done about it.
        hint: &'static str,
    },
    /// This user must not execute it.
    #[error(
        "expected a file that this user may execute, found one that it must not\n\
         (hint: `chmod +x` makes a file executable; each directory on its path has to let this user in)"
    )]
    Permission,
    /// The system could not start it.
    #[error("the system could not start it")]
    System(#[source] io::Error),
}

impl SpawnError {
    /// Looks for what the system's error does not say.
    pub(super) fn explain(launch: &Launch, error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::ACCESS) => Self::Permission,
            Some(Errno::NOENT) => Self::missing(launch).unwrap_or(Self::System(error)),
            Some(Errno::NOEXEC) => Self::unfit(launch).unwrap_or(Self::System(error)),
            _ => Self::System(error),
        }
    }

    /// What is not there: the system says the same of a program, of what runs it, and of where it starts.
    fn missing(launch: &Launch) -> Option<Self> {
        if let Some(directory) = launch.directory.as_ref().filter(|directory| !directory.is_dir()) {
            return Some(Self::Directory { directory: directory.clone() });
        }
        let is_looked_up = launch.program.components().count() == 1;
        let Some(file) = launch.file().ok().filter(|file| file.exists()) else {
            let hint = if is_looked_up { "\n(hint: without a slash it is looked up in `PATH`)" } else { "" };
            return Some(Self::Missing { hint });
        };
        Executable::read(&beginning(&file).ok()?).lacks()
    }

    /// Why nothing runs it here. It is not asked before: a system may have an emulator.
    fn unfit(launch: &Launch) -> Option<Self> {
        let executable = Executable::read(&beginning(&launch.file().ok()?).ok()?);
        executable.is_unfit().or(match executable {
            Executable::Elf { .. } => Some(Self::Kind { found: "a damaged one" }),
            Executable::None(_) | Executable::Script { .. } => None,
        })
    }
}

impl Executable {
    /// What would run a file, which is not started.
    ///
    /// ```
    /// # use jackfield_process::Executable;
    /// let Ok(Executable::Elf { architecture, .. }) = Executable::find("/proc/self/exe".as_ref()) else { panic!() };
    /// assert_eq!(architecture, std::env::consts::ARCH);
    /// ```
    ///
    /// # Errors
    /// The system would not start it, as far as its file says. One for another machine may run all the same, where this one
    /// has an emulator for it.
    pub fn find(file: &Path) -> Result<Self, SpawnError> {
        if !file.is_file() {
            return Err(SpawnError::Missing { hint: "" });
        }
        if rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_err() {
            return Err(SpawnError::Permission);
        }
        let executable = Self::read(&beginning(file).map_err(SpawnError::System)?);
        executable.is_unfit().or_else(|| executable.lacks()).map_or(Ok(executable), Err)
    }

    /// What runs it is not there.
    fn lacks(&self) -> Option<SpawnError> {
        let (interpreter, hint) = match self {
            Self::Script { interpreter } => {
                (interpreter, "\n(hint: it stands behind `#!` in its first line)")
            }
            Self::Elf { loader, .. } => (loader.as_ref()?, "\n(hint: it was built for another C library)"),
            Self::None(_) => return None,
        };
        let interpreter = interpreter.clone();
        (!interpreter.exists()).then_some(SpawnError::Interpreter { interpreter, hint })
    }

    /// Nothing that is here runs it.
    fn is_unfit(&self) -> Option<SpawnError> {
        match self {
            Self::Elf { architecture, .. } => {
                let (expected, found) = (std::env::consts::ARCH, architecture.clone());
                (found != expected).then_some(SpawnError::Machine { expected, found })
            }
            Self::None(found) => Some(SpawnError::Kind { found }),
            Self::Script { .. } => None,
        }
    }
}

/// As much of a file as says what runs it.
fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What is no file, such as a pipe, might keep a reader waiting.
    if fs::metadata(path)?.is_file() {
        File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// In bytes.
const BEGINNING: u64 = 64 * 1024;
