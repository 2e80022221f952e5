//! Asks a plugin, before it is called, whether it is well and serves what is wanted.

use std::error::Error as _;
use std::time::Duration;

use http::uri::PathAndQuery;
use jackfield_core::{Description, LoadErrorKind};
use prost::Message as _;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tonic::Code;

use crate::conform::{conform, disconnected};
use crate::error::StartError;
use crate::grpc::Connection;
use crate::grpc::generated::health::health_check_response::ServingStatus;
use crate::grpc::generated::health::{HealthCheckRequest, HealthCheckResponse};

/// Refuses a plugin that is not well, or else one that says that it has another interface. Both are asked at the same time,
/// so that a start takes no longer for it. Outside, that it has answered nothing at all within `patience`.
pub(crate) async fn examine(
    connection: &Connection,
    interface: Description,
    patience: Duration,
) -> Result<Result<(), LoadErrorKind>, Elapsed> {
    let is_known = async {
        match timeout(patience, well(connection)).await {
            Ok(well) => well.map(|()| true),
            Err(_) => Ok(false),
        }
    };
    let conforms = async { Ok(timeout(patience, conform(connection, interface)).await) };
    // Whoever is not well need not say what else it is.
    let (is_known, conforms) = match tokio::try_join!(is_known, conforms) {
        Ok(both) => both,
        Err(unwell) => return Ok(Err(StartError::into(unwell))),
    };
    match conforms {
        Ok(_) if !is_known => {
            let reason = format!("its health is not known after {} s", patience.as_secs_f32());
            Ok(Err(StartError::Unhealthy { reason }.into()))
        }
        conforms => conforms,
    }
}

/// Asks as a host of go-plugin does for its `Ping`. One without health checks, or which knows of none under this name, is
/// given the benefit of the doubt, as is one whose health is not known yet.
async fn well(connection: &Connection) -> Result<(), StartError> {
    let request = HealthCheckRequest { service: SERVICE.to_owned() }.encode_to_vec();
    let reason = match connection.unary(PathAndQuery::from_static(CHECK), request.into()).await {
        Ok(answer) => match HealthCheckResponse::decode(answer).map(|answer| answer.status()) {
            Ok(status @ ServingStatus::NotServing) => format!("its health is `{}`", status.as_str_name()),
            Ok(_) => return Ok(()),
            Err(error) => format!("its health cannot be read: {error}"),
        },
        Err(status) if matches!(status.code(), Code::NotFound | Code::Unimplemented) => return Ok(()),
        Err(status) if status.source().is_some() => return Err(disconnected(&status)),
        Err(status) => format!("asked for its health, it answers `{}`", status.message()),
    };
    Err(StartError::Unhealthy { reason })
}

/// What go-plugin calls the plugin as a whole.
const SERVICE: &str = "plugin";
const CHECK: &str = "/grpc.health.v1.Health/Check";
