//! A terminal, and the command in it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::screens::Screens;

/// A terminal in which the command runs, as in a window of its own.
pub(crate) struct Terminal {
    master: File,
    /// The command's end, by which its settings can be seen when it has ended.
    slave: OwnedFd,
    child: Child,
    written: Receiver<Vec<u8>>,
    pub(crate) screens: Screens,
}

impl Terminal {
    #[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
    pub(crate) fn start(columns: u16, rows: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let slave = ioctl_tiocgptpeer(&master, flags).expect("its other end");
        resize(&slave, columns, rows);
        let end = || slave.try_clone().expect("a descriptor");
        // A session of its own, so that what is pressed here is a signal there.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(env!("CARGO_BIN_EXE_jackfield")).args(arguments);
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm").env_remove("NO_COLOR");
        command.env_remove("RUST_LOG").envs(environment.iter().copied());
        let child = command.spawn().expect("setsid of util-linux");
        let master = File::from(master);
        let written = read(master.try_clone().expect("a descriptor"));
        Self { master, slave, child, written, screens: Screens::new(columns.into(), rows.into()) }
    }

    /// Waits until it shows this.
    pub(crate) fn until(&mut self, what: &str, is_shown: impl Fn(&Screens) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_shown(&self.screens) {
            match self.written.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.screens.write(&bytes),
                Err(_) => panic!("expected {what} in\n{}", self.screens.text()),
            }
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("written");
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.screens.resize(columns.into(), rows.into());
        resize(&self.slave, columns, rows);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until the command has stopped. Told to go on before that, it would not.
    pub(crate) fn stops(&self) {
        let told = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        let (_, status) = told.expect("it is ours").expect("it was waited for");
        assert!(status.stopped(), "{status:?}");
    }

    /// Whether what is typed is shown.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.slave).expect("its settings").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits until the command has ended, and has left the terminal as it found it. Returns what stands there.
    pub(crate) fn ends(mut self) -> (ExitStatus, String) {
        // What it writes is read meanwhile.
        let status = self.child.wait().expect("it ends");
        assert!(self.echoes(), "what is typed is shown again");
        let Self { master, slave, written, mut screens, .. } = self;
        // With its last end closed, the reader comes to the end of what was written.
        drop(slave);
        written.iter().for_each(|bytes| screens.write(&bytes));
        drop(master);
        assert!(screens.is_as_before(), "the screen, its cursor and its wrapping are as before");
        (status, screens.text())
    }
}

fn resize(end: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(end, size).expect("resized");
}

/// What is written to the terminal, until its other end is closed.
fn read(mut master: File) -> Receiver<Vec<u8>> {
    let (sender, written) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // An error says that nobody has it open any more.
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    written
}

/// For whatever is to be shown.
const PATIENCE: Duration = Duration::from_secs(60);
