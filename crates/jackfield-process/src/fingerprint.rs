//! By what a plugin of ours says at its start that it serves just what its host wants.
//!
//! A host puts the fingerprint of its interface into the plugin's environment. A plugin that serves an interface with this very
//! fingerprint says so in its announcement, and is not asked by reflection what it serves: two requests less until its first
//! call.

use std::fmt::Write as _;

use jackfield_core::Description;
use jackfield_core::schema::Schema;
use sha2::{Digest as _, Sha256};

/// The variable that tells a plugin the fingerprint of the interface for which it is loaded.
pub(crate) const INTERFACE: &str = "JACKFIELD_INTERFACE";

/// The fingerprint of what a host wants, if it has the trait. What it has read of somebody need not be in the same words.
pub(crate) fn wanted(interface: &Description) -> Option<String> {
    let has_trait = !interface.is_any() && interface.descriptor().is_none();
    has_trait.then(|| of(interface.schema()))
}

/// The interface's name, and a digest of its whole description: where that is the same, so are the interfaces.
pub(crate) fn of(schema: &'static Schema) -> String {
    let digest = Sha256::digest(schema.to_file_descriptor());
    let mut fingerprint = format!("{} ", schema.service);
    for byte in &digest[..LEN] {
        // A text takes whatever is written.
        let _ = write!(fingerprint, "{byte:02x}");
    }
    fingerprint
}

/// Enough for nobody to have the same by accident.
const LEN: usize = 16;
