//! `cargo xtask vm`: runs the tests of memory limits in a virtual machine, in each kind of cgroup where there is one.
//!
//! The machine has one file system, in memory: the tests' program, a plugin, the libraries that they need, and busybox. Its
//! processor is emulated, so that it runs anywhere.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

#[expect(clippy::print_stdout, reason = "a task tells what it does")]
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let tools = Tools::find(root)?;
    let tests = built(root, &["test", "--no-run", "--test", "it"], "it")?;
    let plugin = built(root, &["build", "--example", "kv_plugin"], "kv_plugin")?;
    let directory = tempfile::tempdir().context("no room for the machine's files")?;
    let image = directory.path().join("image");
    let files = Files(directory.path().join("root"));
    files.add_program(&tests, "tests")?;
    files.add_program(&plugin, "plugin")?;
    files.add_program(&std::env::current_exe().context("this program is gone")?, "xtask")?;
    files.add(&tools.busybox, "bin/busybox")?;
    files.add_init()?;
    // Where the tests start their plugins.
    let target = tests.ancestors().nth(3).context("the tests lie in no target directory")?;
    files.directory(&target.join("tmp"))?;
    files.pack(&tools, &image)?;
    println!("vm: {} with {}", tools.kernel.display(), image.display());
    boot(&tools, &image)
}

/// Marks a cgroup as systemd marks those that are delegated.
pub(crate) fn delegate(cgroup: &Path) -> anyhow::Result<()> {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(cgroup, "user.delegate", b"1", flags).context("the cgroup cannot be marked")
}

/// What Debian has for it.
struct Tools {
    qemu: PathBuf,
    cpio: PathBuf,
    busybox: PathBuf,
    kernel: PathBuf,
}

impl Tools {
    fn find(root: &Path) -> anyhow::Result<Self> {
        ensure!(cfg!(target_arch = "x86_64"), "the machine's emulator is that of x86_64");
        Ok(Self {
            qemu: program("qemu-system-x86_64", "qemu-system-x86")?,
            cpio: program("cpio", "cpio")?,
            busybox: program("busybox", "busybox-static")?,
            kernel: kernel(root)?,
        })
    }
}

fn program(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("`{name}` is missing (Debian: apt-get install {package})"))
}

/// The system's own, if it may be read, or one that was only unpacked.
fn kernel(root: &Path) -> anyhow::Result<PathBuf> {
    let boots = [PathBuf::from("/boot"), root.join("target/vm/boot")];
    let mut found = Vec::new();
    for entry in boots.iter().filter_map(|boot| fs::read_dir(boot).ok()).flatten() {
        let path = entry?.path();
        let is_kernel = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"));
        found.extend((is_kernel && fs::File::open(&path).is_ok()).then_some(path));
    }
    found.sort();
    found.pop().context(
        "a kernel is missing (Debian: apt-get install linux-image-cloud-amd64; or, without installing it,\n\
         apt-get download $(apt-cache depends linux-image-cloud-amd64 | awk '/Depends/ { print $2 }')\n\
         dpkg-deb -x linux-image-*.deb target/vm)",
    )
}

/// Builds a program of the package of processes, and says where it is.
#[expect(clippy::disallowed_methods, reason = "a task runs cargo")]
fn built(root: &Path, arguments: &[&str], name: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments).args(["-p", "jackfield-process"]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "`{name}` does not build");
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: serde_json::Value = serde_json::from_slice(line).context("cargo says no JSON")?;
        if message["target"]["name"] == name
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo does not say where `{name}` is")
}

/// The files of the machine.
struct Files(PathBuf);

impl Files {
    /// Adds a file under a name without a slash in front.
    fn add(&self, file: &Path, name: impl AsRef<Path>) -> anyhow::Result<()> {
        let place = self.0.join(&name);
        name.as_ref().parent().map_or(Ok(()), |directory| self.directory(directory))?;
        fs::copy(file, &place).with_context(|| format!("`{}` cannot be copied", file.display()))?;
        Ok(())
    }

    /// Adds a program, and the libraries that it needs where it looks for them.
    #[expect(clippy::disallowed_methods, reason = "a task runs programs")]
    fn add_program(&self, program: &Path, name: &str) -> anyhow::Result<()> {
        self.add(program, name)?;
        let output = Command::new("ldd").arg(program).output().context("`ldd` cannot be started")?;
        // A line is `name => /path (address)`, or `/path (address)`.
        let text = String::from_utf8(output.stdout).context("`ldd` prints no text")?;
        for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
            self.add(Path::new(library), library.trim_start_matches('/'))?;
        }
        Ok(())
    }

    fn add_init(&self) -> anyhow::Result<()> {
        for directory in ["bin", "dev", "etc", "proc", "sys/fs/cgroup", "tmp"] {
            self.directory(Path::new(directory))?;
        }
        fs::set_permissions(self.0.join("tmp"), fs::Permissions::from_mode(0o1777))?;
        let init = self.0.join("init");
        fs::write(&init, include_str!("init.sh"))?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn directory(&self, path: &Path) -> anyhow::Result<()> {
        let path = self.0.join(path.strip_prefix("/").unwrap_or(path));
        fs::create_dir_all(&path).with_context(|| format!("`{}` cannot be made", path.display()))
    }

    /// Packs them as the kernel unpacks them.
    #[expect(clippy::disallowed_methods, reason = "a task runs programs")]
    fn pack(&self, tools: &Tools, image: &Path) -> anyhow::Result<()> {
        let mut names = vec![PathBuf::from(".")];
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            next += 1;
            let path = self.0.join(&name);
            if path.is_dir() {
                for entry in fs::read_dir(path)? {
                    names.push(name.join(entry?.file_name()));
                }
            }
        }
        let names: Vec<_> = names.iter().map(|name| name.as_os_str().as_encoded_bytes()).collect();
        let mut command = Command::new(&tools.cpio);
        command.current_dir(&self.0).args(["-o", "-H", "newc", "--quiet"]);
        let image = fs::File::create(image).context("the image cannot be made")?;
        let mut cpio =
            command.stdin(Stdio::piped()).stdout(image).spawn().context("cpio cannot be started")?;
        cpio.stdin.take().context("cpio reads nothing")?.write_all(&names.join(&b'\n'))?;
        ensure!(cpio.wait()?.success(), "the image cannot be packed");
        Ok(())
    }
}

/// Runs the machine to its end, and passes on what it says.
#[expect(clippy::disallowed_methods, reason = "a task runs programs")]
#[expect(clippy::print_stdout, reason = "a task tells what it does")]
fn boot(tools: &Tools, image: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(&tools.qemu);
    // A panic of the kernel ends the machine.
    let kernel = ["console=ttyS0", "quiet", "panic=-1"].join(" ");
    command.args(["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nographic", "-no-reboot"]);
    command.args([OsStr::new("-kernel"), tools.kernel.as_os_str(), OsStr::new("-initrd"), image.as_os_str()]);
    command.args(["-append", &kernel]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut machine = command.spawn().context("qemu cannot be started")?;
    let mut has_passed = false;
    for line in BufReader::new(machine.stdout.take().context("qemu says nothing")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{}", line.trim_end());
        has_passed |= line.trim_end() == "vm: all passed";
    }
    machine.wait()?;
    ensure!(has_passed, "the tests have failed in the virtual machine");
    Ok(())
}
