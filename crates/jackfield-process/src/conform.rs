//! Checks, before a plugin is called, that it serves the interface for which it was loaded.

use std::error::Error as _;

use jackfield_core::schema::Descriptor;
use jackfield_core::{Description, LoadErrorKind, Step};
use tonic::Status;

use crate::error::StartError;
use crate::grpc::{Connection, Reflection, list, reflect, status};

/// Refuses a plugin that says that it has another interface. One that does not say is given the benefit of
/// the doubt: a call of a method that it lacks names the method.
pub(crate) async fn conform(connection: &Connection, interface: Description) -> Result<(), LoadErrorKind> {
    if interface.is_any() {
        return Ok(());
    }
    let service = interface.schema().service;
    match reflect(connection, service).await {
        Ok(Reflection::Files(files)) => match Descriptor::parse_files(&files, service) {
            Ok(descriptor) => interface.check(&[descriptor]),
            Err(error) => {
                tracing::debug!(%error, service, "a plugin's interface cannot be checked");
                Ok(())
            }
        },
        Ok(Reflection::Others(found)) => {
            Err(LoadErrorKind::Interface { expected: service, found: users(found) })
        }
        Ok(Reflection::Silent) => Ok(()),
        Err(status) if status.source().is_some() => Err(disconnected(&status).into()),
        Err(status) => {
            tracing::debug!(%status, service, "a plugin does not say what it serves");
            Ok(())
        }
    }
}

/// What a plugin says that it serves.
pub(crate) async fn served(connection: &Connection) -> Result<Vec<Descriptor>, LoadErrorKind> {
    let services = list(connection).await.map_err(unsaid)?.ok_or(LoadErrorKind::Silent)?;
    let mut served = Vec::new();
    for service in users(services) {
        let files = match reflect(connection, &service).await.map_err(unsaid)? {
            Reflection::Files(files) => files,
            Reflection::Others(_) | Reflection::Silent => return Err(LoadErrorKind::Silent),
        };
        let descriptor = Descriptor::parse_files(&files, &service);
        served.push(descriptor.map_err(|error| LoadErrorKind::backend("process", Step::Check, error))?);
    }
    Ok(served)
}

/// Why a plugin does not say what it serves.
fn unsaid(status: Status) -> LoadErrorKind {
    if status.source().is_some() {
        return disconnected(&status).into();
    }
    tracing::debug!(%status, "a plugin does not say what it serves");
    LoadErrorKind::Silent
}

/// The connection ended before there was an answer.
pub(crate) fn disconnected(status: &Status) -> StartError {
    StartError::Disconnected { reason: status::innermost(status) }
}

/// The services that are not the wire's own.
fn users(services: Vec<String>) -> Vec<String> {
    let own = |service: &String| {
        service.starts_with("grpc.") || service.starts_with("plugin.GRPC") || service == "jackfield.Save"
    };
    services.into_iter().filter(|service| !own(service)).collect()
}
