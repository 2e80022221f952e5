//! The asymmetric fence: free for the side that calls, dear for the side that swaps.

use super::sync::{Ordering, fence};

/// Asks the system for what slots need, which the first slot would do otherwise.
///
/// While the process has one thread that takes microseconds. Later it takes milliseconds, since Linux then waits until
/// every core has scheduled.
pub fn prepare() {
    is_asymmetric();
}

/// Whether the light side may do with a compiler fence, because the heavy side can interrupt every thread.
#[cfg(all(target_os = "linux", not(loom)))]
pub(super) fn is_asymmetric() -> bool {
    use std::sync::OnceLock;
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
}

/// Without `membarrier` both sides fence.
#[cfg(any(not(target_os = "linux"), loom))]
pub(super) fn is_asymmetric() -> bool {
    false
}

/// Orders everything before it, on this thread, with everything after it, on every thread that is inside a light
/// section.
///
/// It fails where the kernel refuses what it had promised, as under a filter that was installed later. Then nobody can
/// know who is inside.
pub(super) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    #[cfg(all(target_os = "linux", not(loom)))]
    if is_asymmetric() {
        return membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    }
    true
}

#[cfg(all(target_os = "linux", not(loom)))]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: it takes no pointer and changes nothing but the order of memory accesses.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
