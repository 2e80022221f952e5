//! Says on what kind of machine something was measured.

use std::process::Command;

/// Processor, system, compilers and load, in one sentence.
pub(crate) fn describe() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let is_virtual = info.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let kind = if is_virtual { "a virtual machine" } else { "a machine" };
    let system = read("/proc/sys/kernel/osrelease");
    let compilers = ["rustc --version", "go version"].map(version).join(", ");
    format!("{kind} with {cores} cores ({model}), Linux {}, {compilers}", system.trim())
}

/// How many threads wanted a core in the last minute, before anything is measured.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "it asks compilers for their versions")]
fn version(command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("no {program}"))
}
