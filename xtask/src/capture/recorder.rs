//! A plugin that is another one, and writes down all that goes through its socket.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, ensure};

use super::command;

/// The variable with the program that is recorded.
pub(super) const PLUGIN: &str = "JACKFIELD_RECORD_PLUGIN";
/// The variable with the file to which the record is added.
pub(super) const FILE: &str = "JACKFIELD_RECORD_FILE";

/// Starts the plugin, hands its announcement on with another socket, and records its one connection.
pub(crate) fn record() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var_os(name).with_context(|| format!("{name} is not set"));
    let mut file = OpenOptions::new().append(true).open(variable(FILE)?)?;
    for (key, value) in std::env::vars().filter(|(key, _)| key.starts_with("PLUGIN_")) {
        writeln!(file, "env {key}={value}")?;
    }
    let mut plugin = command(Path::new(&variable(PLUGIN)?)).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(plugin.stdout.take().context("it is piped")?).read_line(&mut line)?;
    write!(file, "line {line}")?;

    let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
    ensure!(fields.len() > 4 && fields[2] == "unix", "found `{line}`");
    let socket = PathBuf::from(&fields[3]);
    let own = socket.with_extension("recorded");
    let listener = UnixListener::bind(&own)?;
    fields[3] = own.display().to_string();
    print(&fields.join("|"))?;

    let (host, _) = listener.accept()?;
    std::fs::remove_file(own)?;
    let peer = UnixStream::connect(socket)?;
    let file = Arc::new(Mutex::new(file));
    let asking = copy(host.try_clone()?, peer.try_clone()?, (">", Arc::clone(&file)));
    let answering = copy(peer, host, ("<", file));
    plugin.wait()?;
    for copying in [answering, asking] {
        // A peer that went away is the end of what is recorded.
        let _ended = copying.join();
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is a plugin")]
fn print(line: &str) -> io::Result<()> {
    print!("{line}");
    io::stdout().flush()
}

/// Copies one direction, each piece as a line of hexadecimal digits behind its mark.
fn copy(
    mut from: UnixStream,
    mut to: UnixStream,
    (mark, file): (&'static str, Arc<Mutex<File>>),
) -> thread::JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut piece)?;
            if length == 0 {
                return to.shutdown(Shutdown::Both);
            }
            let digits: String = piece[..length].iter().map(|byte| format!("{byte:02x}")).collect();
            let mut file = file.lock().map_err(|_| io::Error::other("the other direction has panicked"))?;
            writeln!(file, "{mark} {digits}")?;
            drop(file);
            to.write_all(&piece[..length])?;
        }
    })
}
