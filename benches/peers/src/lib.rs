//! A library as a host has it that loads symbols by itself: one function of C's, without a check or a promise.

#![expect(unsafe_code, reason = "a name that the loader finds is not mangled")]

/// The sum of `a` and `b`.
// SAFETY: nothing else in this library has the name.
#[unsafe(no_mangle)]
pub extern "C" fn peer_add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}
