//! The key-value service as `tonic` generates it. Made by `cargo xtask codegen`; do not edit.

#[rustfmt::skip]
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::exhaustive_structs,
    clippy::missing_errors_doc,
    reason = "generated"
)]
pub mod kv;
