//! What all providers say alike.

use jackfield_core::{Code, Context, Failure};

/// Refuses a configuration with a key that a provider does not know: it is a slip of the pen.
///
/// # Errors
///
/// There is such a key.
pub fn check_config(context: &Context, known: &[&str]) -> Result<(), Failure> {
    match context.entries().find(|(key, _)| !known.contains(key)) {
        None => Ok(()),
        Some((key, _)) => {
            let reason =
                format!("the configuration: expected the key `{}`, found `{key}`", known.join("` or `"));
            Err(Failure::with_code(Code::INVALID_ARGUMENT, reason))
        }
    }
}

/// That there is no such object.
pub fn no_object(bucket: &str, key: &str) -> Failure {
    Failure::with_code(Code::NOT_FOUND, format!("there is no object `{key}` in the bucket `{bucket}`"))
}
