//! Linux: sealed memory, the map of this process, and its threads.

use std::ffi::c_void;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use libloading::os::unix::{RTLD_LOCAL, RTLD_NOW};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect, munmap};

/// Sealed memory that holds a library.
#[derive(Debug)]
pub(crate) struct Memory {
    descriptor: OwnedFd,
    /// Its name in the map of this process.
    name: String,
}

/// A library that is loaded.
pub(crate) type Handle = libloading::os::unix::Library;

/// What sealed memory holds. It is mapped apart from the library, read-only.
#[derive(Debug)]
pub(crate) struct View {
    start: *mut c_void,
    len: usize,
}

/// Copies a file, in the kernel, into memory that nobody can change any more. The name appears in the map of this process
/// and is used once.
pub(crate) fn copy(mut file: File, name: &str) -> io::Result<(Memory, View)> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let generation = NEXT.fetch_add(1, Ordering::Relaxed);
    // A name may have 249 bytes.
    let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(200).collect();
    let name = format!("jackfield:{name}:{generation}");
    let mut memory = File::from(create(&name)?);
    let len = io::copy(&mut file, &mut memory)? as usize;
    let descriptor = OwnedFd::from(memory);
    seal(&descriptor)?;
    let view = View::of(&descriptor, len)?;
    Ok((Memory { descriptor, name }, view))
}

impl View {
    fn of(sealed: &OwnedFd, len: usize) -> io::Result<Self> {
        if len == 0 {
            return Ok(Self { start: std::ptr::null_mut(), len });
        }
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        // SAFETY: a mapping at an address that the kernel chooses takes nothing away from anybody.
        let start = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, flags, sealed, 0) }?;
        Ok(Self { start, len })
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: it has this length until `drop`, and its memory is sealed, so that nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.len != 0 {
            // SAFETY: it is the mapping that `of` made, and nothing borrows it.
            let _ = unsafe { munmap(self.start, self.len) };
        }
    }
}

// SAFETY: it is a mapping of its own, which any thread may read and one drops.
unsafe impl Send for View {}

/// Makes a copy what it is for good. The kernel refuses it after a while if something else refers to a page of the
/// copy; on a busy machine that is the kernel itself, for as long as it moves pages about.
fn seal(descriptor: &OwnedFd) -> io::Result<()> {
    let seals = SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    let mut tries = 0;
    loop {
        match fcntl_add_seals(descriptor, seals) {
            Err(Errno::BUSY) if tries < MAX_TRIES => tries += 1,
            result => return Ok(result?),
        }
    }
}

/// Of some tenths of a second each.
const MAX_TRIES: usize = 20;

fn create(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::EXEC) {
        // Kernels before 6.3 do not know the flag, and do not need it.
        Err(Errno::INVAL) => Ok(memfd_create(name, flags)?),
        result => Ok(result?),
    }
}

impl Memory {
    /// Loads the library.
    ///
    /// The loader compares paths before it looks at the file, so this must stay for as long as anything that was
    /// loaded from it may be mapped.
    ///
    /// # Safety
    ///
    /// The caller vouches for the library's code.
    pub(crate) unsafe fn load(&self) -> Result<Handle, libloading::Error> {
        let path = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        // SAFETY: the caller says so.
        unsafe { Handle::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
    }

    /// Whether anything of it is mapped in this process.
    pub(crate) fn is_mapped(&self) -> io::Result<bool> {
        let wanted = format!("/memfd:{} (deleted)", self.name);
        Ok(fs::read_to_string("/proc/self/maps")?.lines().any(|line| line.ends_with(&wanted)))
    }

    /// What the addresses in the tables of the library that was loaded from it are relative to.
    pub(crate) fn base_of(&self, handle: &Handle) -> Option<*mut u8> {
        let mut map: *mut LinkMap = std::ptr::null_mut();
        // The handle is what `dlopen` returned, which is all that it is made of.
        // SAFETY: it is read as the one pointer that it holds.
        let raw = unsafe { std::ptr::from_ref(handle).cast::<*mut c_void>().read() };
        // SAFETY: the handle is open, and the place takes one pointer.
        let status = unsafe { libc::dlinfo(raw, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        // SAFETY: on success it points to the loader's record of the library, which is open.
        (status == 0 && !map.is_null()).then(|| unsafe { &*map }.address)
    }
}

/// The calling thread, as `name (id)`.
pub(crate) fn thread() -> String {
    thread_of(thread_id())
}

/// The identity of the calling thread in the kernel.
pub(crate) fn thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// The thread of this identity, as `name (id)`.
pub(crate) fn thread_of(id: i32) -> String {
    let name = fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
    format!("thread `{}` ({id})", name.trim_end())
}

/// The start of the loader's record of a library (`struct link_map` in `<link.h>`).
#[repr(C)]
struct LinkMap {
    /// The difference between the addresses in the file and those in memory.
    address: *mut u8,
}

/// Writes addresses of functions into a library that was just relocated, each to its place.
///
/// # Safety
///
/// The places are in a library based at `base`, which keeps a function's address in each, of the same type as the one that is
/// written there. `relro` are the addresses, relative to the base, that the loader made read-only. No code of the library
/// runs meanwhile.
pub(crate) unsafe fn patch(
    places: &[(*mut usize, usize)],
    base: usize,
    relro: &Range<u64>,
) -> io::Result<()> {
    let page = rustix::param::page_size();
    let align = |address: usize| address & !(page - 1);
    // The loader protects whole pages, from the one in which the range begins up to the one in which it ends.
    let protected =
        align(base.saturating_add(relro.start as usize))..align(base.saturating_add(relro.end as usize));
    let places_in_it = || places.iter().map(|(at, _)| *at).filter(|at| protected.contains(&at.addr()));
    // Each change of a page's protection interrupts the other threads: one for all of them.
    let pages = places_in_it().min().zip(places_in_it().max());
    let pages = pages.map(|(first, last)| (first.map_addr(align), align(last.addr()) + page));
    let protect = |flags| match pages {
        // SAFETY: the pages belong to the library, whose loader wrote to them and then made them read-only.
        Some((start, end)) => unsafe { mprotect(start.cast(), end - start.addr(), flags) },
        None => Ok(()),
    };
    protect(MprotectFlags::READ | MprotectFlags::WRITE)?;
    for (at, function) in places {
        // A weak function that the C library does not have stays missing.
        // SAFETY: the caller says so.
        if unsafe { at.read() } != 0 {
            // SAFETY: the caller says so.
            unsafe { at.write(*function) };
        }
    }
    Ok(protect(MprotectFlags::READ)?)
}
