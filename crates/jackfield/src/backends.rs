//! The backends that are compiled in: the only file that names a wire.

/// Shared libraries in this process.
#[cfg(feature = "native")]
pub mod native {
    pub use jackfield_native::{Digest, Image, NativeBackend, NativeError, NativePlugin, pinned_libraries};
}
