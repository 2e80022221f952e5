//! Checks, before a plugin is called, that it serves the interface for which it was loaded.

use std::error::Error as _;

use jackfield_core::schema::Descriptor;
use jackfield_core::{LoadErrorKind, Schema};

use crate::error::StartError;
use crate::grpc::{Connection, Reflection, reflect, status};

/// Refuses a plugin that says that it has another interface. One that does not say is given the benefit of
/// the doubt: a call of a method that it lacks names the method.
pub(crate) async fn conform(connection: &Connection, schema: &'static Schema) -> Result<(), LoadErrorKind> {
    match reflect(connection, schema.service).await {
        Ok(Reflection::File(file)) => match Descriptor::parse_service(&file, schema.service) {
            Ok(descriptor) => Ok(schema.check(&descriptor)?),
            Err(error) => {
                tracing::debug!(%error, service = schema.service, "a plugin's interface cannot be checked");
                Ok(())
            }
        },
        Ok(Reflection::Others(found)) => {
            Err(LoadErrorKind::Interface { expected: schema.service, found: users(found) })
        }
        Ok(Reflection::Silent) => Ok(()),
        Err(status) if status.source().is_some() => {
            Err(StartError::Disconnected { reason: status::innermost(&status) }.into())
        }
        Err(status) => {
            tracing::debug!(%status, service = schema.service, "a plugin does not say what it serves");
            Ok(())
        }
    }
}

/// The services that are not the wire's own.
fn users(services: Vec<String>) -> Vec<String> {
    let own = |service: &String| service.starts_with("grpc.") || service.starts_with("plugin.GRPC");
    services.into_iter().filter(|service| !own(service)).collect()
}
