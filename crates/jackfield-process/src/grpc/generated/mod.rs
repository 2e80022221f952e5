//! Protobuf code of the wire's own services. Made by `cargo xtask codegen`; do not edit.

#[rustfmt::skip]
#[expect(
    unreachable_pub,
    unnameable_types,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::struct_excessive_bools,
    reason = "generated"
)]
pub(crate) mod go_plugin;
#[rustfmt::skip]
#[expect(
    unreachable_pub,
    unnameable_types,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub(crate) mod health;

/// The descriptors of all these services, for reflection.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!("wire.bin");
