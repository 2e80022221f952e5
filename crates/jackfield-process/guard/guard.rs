//! The guard: waits until its host is gone, then kills and removes what the host left behind.
//!
//! A program without any library, so that it is small and starts at once. Its standard input is a socket of
//! which only the host holds the other end, its first argument the mark of the host (`NAME=value`, an entry of
//! an environment), its second the host's socket directory. The host may send lines: `+/path` for a socket to
//! remove in the end, `*/path` for a cgroup, `-/path` to forget either. When the input ends, however that came
//! about, the guard kills every process with the mark in its environment and whoever is in the cgroups, removes
//! these, the sockets and the directory, and ends.
#![no_std]
#![no_main]
// The memory functions below must not be compiled to calls of themselves.
#![no_builtins]

use core::arch::{asm, global_asm};
use core::ffi::{CStr, c_char};

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {main}", "ud2", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x0, sp", "bl {main}", "brk #1", main = sym main);

/// Runs with the stack as the kernel left it: the number of arguments, then their addresses.
extern "C" fn main(stack: *const usize) -> ! {
    detach();
    // SAFETY: the kernel puts the number of arguments on top of the stack.
    let count = unsafe { *stack };
    if count == 3 {
        // SAFETY: argument 1 exists, since there are three.
        let mark = unsafe { argument(stack, 1) };
        // SAFETY: so does argument 2.
        let directory = unsafe { argument(stack, 2) };
        let mut bequest = Bequest { bytes: [0; MAX_BEQUEST], length: 0 };
        bequest.listen();
        kill_all(mark.to_bytes());
        bequest.remove_sockets();
        remove_directory(directory);
        // Last, for their processes may take long to end.
        bequest.remove_cgroups();
    }
    exit()
}

/// Leaves everything that could end the guard along with its host.
fn detach() {
    let all_signals = u64::MAX;
    call([SETSID, 0, 0, 0, 0]);
    call([RT_SIGPROCMASK, SIG_BLOCK, &raw const all_signals as usize, 0, 8]);
    call([CLOSE_RANGE, 1, u32::MAX as usize, 0, 0]);
    call([CHDIR, c"/".as_ptr() as usize, 0, 0, 0]);
    call([PRCTL, PR_SET_NAME, c"jackfield-guard".as_ptr() as usize, 0, 0]);
}

// ---- what the host told ----

/// Signs (`+` or `*`) with paths, each with a NUL at its end. A host with more than fit leaves those at its death.
struct Bequest {
    bytes: [u8; MAX_BEQUEST],
    length: usize,
}

impl Bequest {
    /// Takes the host's lines until the host is gone.
    fn listen(&mut self) {
        let mut line = [0; MAX_LINE];
        let mut length = 0;
        let mut chunk = [0; 4096];
        loop {
            let count = read(STDIN, &mut chunk);
            if count == EINTR {
                continue;
            }
            if count <= 0 {
                return;
            }
            for byte in chunk.iter().take(count as usize) {
                if *byte == b'\n' {
                    self.obey(line.get(..length).unwrap_or_default());
                    length = 0;
                } else if let Some(place) = line.get_mut(length) {
                    *place = *byte;
                    length += 1;
                }
            }
        }
    }

    fn obey(&mut self, line: &[u8]) {
        match line {
            [b'+' | b'*', b'/', ..] => self.add(line),
            [b'-', path @ ..] => self.forget(path),
            _ => {}
        }
    }

    fn add(&mut self, entry: &[u8]) {
        let end = self.length + entry.len();
        if end < self.bytes.len() {
            for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(entry) {
                *place = *byte;
            }
            if let Some(place) = self.bytes.get_mut(end) {
                *place = 0;
            }
            self.length = end + 1;
        }
    }

    fn forget(&mut self, path: &[u8]) {
        let mut start = 0;
        while let Some(found) = self.entry(start) {
            let size = found.len() + 1;
            if found.get(1..) == Some(path) {
                let mut index = start;
                while index + size < self.length {
                    let moved = self.bytes.get(index + size).copied().unwrap_or_default();
                    if let Some(place) = self.bytes.get_mut(index) {
                        *place = moved;
                    }
                    index += 1;
                }
                self.length -= size;
                return;
            }
            start += size;
        }
    }

    /// The entry that starts at `start`, without its NUL.
    fn entry(&self, start: usize) -> Option<&[u8]> {
        let rest = self.bytes.get(start..self.length)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest.get(..end)
    }

    fn remove_sockets(&self) {
        self.each(|sign, path| {
            if sign != b'*' && is_socket(path) {
                call([UNLINKAT, AT_FDCWD, path, 0, 0]);
            }
        });
    }

    fn remove_cgroups(&self) {
        self.each(|sign, path| {
            if sign == b'*' {
                remove_cgroup(path);
            }
        });
    }

    /// Gives the sign and the address of the path of each entry.
    fn each(&self, mut take: impl FnMut(u8, usize)) {
        let mut start = 0;
        while let Some(entry) = self.entry(start) {
            if let [sign, path @ ..] = entry {
                take(*sign, path.as_ptr() as usize);
            }
            start += entry.len() + 1;
        }
    }
}

/// Kills whoever is in a cgroup, and removes it once they have ended, with those that the plugin made right below it.
fn remove_cgroup(path: usize) {
    let folder = call([OPENAT, AT_FDCWD, path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0]);
    if folder < 0 {
        return;
    }
    let kill = call([OPENAT, folder as usize, c"cgroup.kill".as_ptr() as usize, O_WRONLY | O_CLOEXEC, 0]);
    if kill >= 0 {
        call([WRITE, kill as usize, c"1".as_ptr() as usize, 1, 0]);
        call([CLOSE, kill as usize, 0, 0, 0]);
    }
    call([CLOSE, folder as usize, 0, 0, 0]);
    for _ in 0..MAX_ROUNDS {
        if call([UNLINKAT, AT_FDCWD, path, AT_REMOVEDIR, 0]) != EBUSY {
            return;
        }
        let folder = call([OPENAT, AT_FDCWD, path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0]);
        if folder >= 0 {
            // Its files are no folders, and stay.
            each_entry(folder, |name| {
                call([UNLINKAT, folder as usize, name.as_ptr() as usize, AT_REMOVEDIR, 0]);
            });
            call([CLOSE, folder as usize, 0, 0, 0]);
        }
        pause();
    }
}

fn is_socket(path: usize) -> bool {
    let mut status = [0_u8; 256];
    let result =
        call_statx([STATX, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE], status.as_mut_ptr() as usize);
    // The file's mode stands at offset 28 of the kernel's structure, on every architecture.
    let mode = u16::from_ne_bytes([status[28], status[29]]);
    result == 0 && mode & S_IFMT == S_IFSOCK
}

fn remove_directory(directory: &CStr) {
    let path = directory.as_ptr() as usize;
    for _ in 0..MAX_ROUNDS {
        let folder = call([OPENAT, AT_FDCWD, path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0]);
        if folder < 0 {
            return;
        }
        each_entry(folder, |name| remove_entry(folder as usize, name, DEPTH));
        call([CLOSE, folder as usize, 0, 0, 0]);
        if call([UNLINKAT, AT_FDCWD, path, AT_REMOVEDIR, 0]) == 0 {
            return;
        }
    }
}

/// Removes a file, or a directory with what lies there, as far down as `depth`. A plugin may call its files what it likes.
fn remove_entry(folder: usize, name: &CStr, depth: usize) {
    if let [b'.'] | [b'.', b'.'] = name.to_bytes() {
        return;
    }
    let address = name.as_ptr() as usize;
    if call([UNLINKAT, folder, address, 0, 0]) != EISDIR || depth == 0 {
        return;
    }
    let inner = call([OPENAT, folder, address, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0]);
    if inner >= 0 {
        each_entry(inner, |name| remove_entry(inner as usize, name, depth - 1));
        call([CLOSE, inner as usize, 0, 0, 0]);
    }
    call([UNLINKAT, folder, address, AT_REMOVEDIR, 0]);
}

// ---- who must go ----

/// Kills until several searches in a row find nobody: a process that the dying host was just starting
/// carries the mark only once it runs its own program.
fn kill_all(mark: &[u8]) {
    let mut quiet = 0;
    for _ in 0..MAX_ROUNDS {
        if kill_carriers(mark) == 0 {
            quiet += 1;
        } else {
            quiet = 0;
        }
        if quiet == QUIET_ROUNDS {
            return;
        }
        pause();
    }
}

fn kill_carriers(mark: &[u8]) -> usize {
    let mut killed = 0;
    let processes = call([OPENAT, AT_FDCWD, c"/proc".as_ptr() as usize, O_DIRECTORY | O_CLOEXEC, 0]);
    if processes < 0 {
        return 0;
    }
    each_entry(processes, |name| {
        if let Some(pid) = number(name.to_bytes())
            && carries(name.to_bytes(), mark)
        {
            killed += kill(pid, name.to_bytes(), mark);
        }
    });
    call([CLOSE, processes as usize, 0, 0, 0]);
    killed
}

/// The second look, through which the handle is known to name the process that was found, keeps a
/// recycled number from being killed.
fn kill(pid: usize, name: &[u8], mark: &[u8]) -> usize {
    let process = call([PIDFD_OPEN, pid, 0, 0, 0]);
    if process < 0 {
        return 0;
    }
    let marked = carries(name, mark);
    if marked {
        call([PIDFD_SEND_SIGNAL, process as usize, SIGKILL, 0, 0]);
    }
    call([CLOSE, process as usize, 0, 0, 0]);
    usize::from(marked)
}

/// Whether the mark stands, as a whole entry, in the environment of the process.
fn carries(name: &[u8], mark: &[u8]) -> bool {
    let mut path = [0; 64];
    let parts = b"/proc/".iter().chain(name).chain(b"/environ");
    for (place, byte) in path.iter_mut().take(63).zip(parts) {
        *place = *byte;
    }
    let file = call([OPENAT, AT_FDCWD, path.as_ptr() as usize, O_CLOEXEC, 0]);
    if file < 0 {
        return false;
    }
    let found = contains(file as usize, mark);
    call([CLOSE, file as usize, 0, 0, 0]);
    found
}

fn contains(file: usize, mark: &[u8]) -> bool {
    let mut chunk = [0; 4096];
    // How much of the mark this entry has matched; `None` once it differs.
    let mut matched = Some(0);
    loop {
        let count = read(file, &mut chunk);
        if count <= 0 {
            return matched == Some(mark.len());
        }
        for byte in chunk.iter().take(count as usize) {
            if *byte == 0 {
                if matched == Some(mark.len()) {
                    return true;
                }
                matched = Some(0);
            } else {
                matched = matched.filter(|at| mark.get(*at) == Some(byte)).map(|at| at + 1);
            }
        }
    }
}

fn number(name: &[u8]) -> Option<usize> {
    let mut value: usize = 0;
    for byte in name {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add((byte - b'0') as usize);
    }
    Some(value)
}

// ---- the kernel ----

/// Room for directory entries, aligned as the kernel writes them.
#[repr(C, align(8))]
struct Entries([u8; 8192]);

/// Calls `visit` with every name in the directory `folder`.
fn each_entry(folder: isize, mut visit: impl FnMut(&CStr)) {
    let mut entries = Entries([0; 8192]);
    loop {
        let count = call([GETDENTS64, folder as usize, entries.0.as_mut_ptr() as usize, entries.0.len(), 0]);
        if count <= 0 {
            return;
        }
        let mut rest = entries.0.get(..count as usize).unwrap_or_default();
        // An entry: 8 bytes inode, 8 offset, 2 length of the entry, 1 kind, the name with a NUL.
        while let (Some(&[low, high]), Some(name)) = (rest.get(16..18), rest.get(19..)) {
            if let Ok(name) = CStr::from_bytes_until_nul(name) {
                visit(name);
            }
            rest = rest.get(usize::from(u16::from_ne_bytes([low, high]))..).unwrap_or_default();
        }
    }
}

fn read(file: usize, buffer: &mut [u8]) -> isize {
    call([READ, file, buffer.as_mut_ptr() as usize, buffer.len(), 0])
}

fn pause() {
    let time: [usize; 2] = [0, PAUSE];
    call([NANOSLEEP, &raw const time as usize, 0, 0, 0]);
}

fn exit() -> ! {
    loop {
        call([EXIT_GROUP, 0, 0, 0, 0]);
    }
}

/// # Safety
/// There must be more than `index` arguments on the stack.
unsafe fn argument(stack: *const usize, index: usize) -> &'static CStr {
    // SAFETY: the kernel puts the arguments' addresses right behind their number.
    let text = unsafe { *stack.add(1 + index) } as *const c_char;
    // SAFETY: each is a text with a NUL at its end that lives as long as the process.
    unsafe { CStr::from_ptr(text) }
}

/// A system call: its number and up to four arguments.
fn call([number, a, b, c, d]: [usize; 5]) -> isize {
    call_statx([number, a, b, c, d], 0)
}

/// A system call with a fifth argument.
fn call_statx([number, a, b, c, d]: [usize; 5], e: usize) -> isize {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every caller passes addresses of live memory of the size the call expects, or none.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => result, in("x1") b, in("x2") c,
            in("x3") d, in("x4") e, options(nostack));
    }
    result
}

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub const CHDIR: usize = 80;
    pub const CLOSE: usize = 3;
    pub const EXIT_GROUP: usize = 231;
    pub const GETDENTS64: usize = 217;
    pub const NANOSLEEP: usize = 35;
    pub const OPENAT: usize = 257;
    pub const O_DIRECTORY: usize = 0o200000;
    pub const O_NOFOLLOW: usize = 0o400000;
    pub const PRCTL: usize = 157;
    pub const READ: usize = 0;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const SETSID: usize = 112;
    pub const STATX: usize = 332;
    pub const UNLINKAT: usize = 263;
    pub const WRITE: usize = 1;
}

#[cfg(target_arch = "aarch64")]
mod numbers {
    pub const CHDIR: usize = 49;
    pub const CLOSE: usize = 57;
    pub const EXIT_GROUP: usize = 94;
    pub const GETDENTS64: usize = 61;
    pub const NANOSLEEP: usize = 101;
    pub const OPENAT: usize = 56;
    pub const O_DIRECTORY: usize = 0o40000;
    pub const O_NOFOLLOW: usize = 0o100000;
    pub const PRCTL: usize = 167;
    pub const READ: usize = 63;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const SETSID: usize = 157;
    pub const STATX: usize = 291;
    pub const UNLINKAT: usize = 35;
    pub const WRITE: usize = 64;
}

use numbers::*;

const CLOSE_RANGE: usize = 436;
const PIDFD_OPEN: usize = 434;
const PIDFD_SEND_SIGNAL: usize = 424;

const AT_FDCWD: usize = -100_isize as usize;
const AT_REMOVEDIR: usize = 0x200;
const AT_SYMLINK_NOFOLLOW: usize = 0x100;
const EBUSY: isize = -16;
const EINTR: isize = -4;
const EISDIR: isize = -21;
const O_CLOEXEC: usize = 0o2000000;
const O_WRONLY: usize = 1;
const PR_SET_NAME: usize = 15;
const SIGKILL: usize = 9;
const SIG_BLOCK: usize = 0;
const STATX_TYPE: usize = 1;
const STDIN: usize = 0;
const S_IFMT: u16 = 0o170000;
const S_IFSOCK: u16 = 0o140000;

/// A sign and a path, of which the kernel takes no longer one.
const MAX_LINE: usize = 4097;
const MAX_BEQUEST: usize = 64 * 1024;
const MAX_ROUNDS: usize = 1000;
/// How deep directories lie in each other: those of plugins, in them what was saved for them.
const DEPTH: usize = 2;
/// In nanoseconds.
const PAUSE: usize = 4_000_000;
const QUIET_ROUNDS: usize = 3;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit()
}

/// The prebuilt core was made for unwinding and names this; nobody unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// # Safety
/// As in C: both ranges are valid for `length` bytes and do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    for index in 0..length {
        // SAFETY: both ranges have `length` bytes.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// # Safety
/// As in C: the range is valid for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    for index in 0..length {
        // SAFETY: the range has `length` bytes.
        unsafe { *to.add(index) = byte as u8 };
    }
    to
}

/// # Safety
/// As in C: both ranges are valid for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    for index in 0..length {
        // SAFETY: both ranges have `length` bytes.
        let (left, right) = unsafe { (*left.add(index), *right.add(index)) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

/// # Safety
/// As `memcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    // SAFETY: the caller promises the same.
    unsafe { memcmp(left, right, length) }
}

/// # Safety
/// As in C: there is a NUL.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut length = 0;
    // SAFETY: every byte up to the NUL is readable.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    length
}
