//! Asks a plugin how it describes a service.

use tonic::codegen::tokio_stream;
use tonic::{Code, Status};
use tonic_reflection::pb::v1alpha::ServerReflectionRequest;
use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1alpha::server_reflection_response::MessageResponse;

use super::Connection;

/// What a plugin says of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reflection {
    /// It has the service, in this file descriptor.
    File(Vec<u8>),
    /// It has not, but these.
    Others(Vec<String>),
    /// It does not say.
    Silent,
}

/// Asks for the description of `service`. A plugin may describe more than it serves, such as the objects that its
/// methods take.
pub(crate) async fn reflect(connection: &Connection, service: &str) -> Result<Reflection, Status> {
    let file = ask(connection, MessageRequest::FileContainingSymbol(service.to_owned()));
    let (file, served) = tokio::join!(file, list(connection));
    match (file?, served?) {
        (_, Some(served)) if !served.iter().any(|name| name == service) => Ok(Reflection::Others(served)),
        (Some(MessageResponse::FileDescriptorResponse(files)), _) => {
            // The first is the one that was asked for, those that follow are what it imports.
            let file = files.file_descriptor_proto.into_iter().next();
            Ok(file.map_or(Reflection::Silent, Reflection::File))
        }
        _ => Ok(Reflection::Silent),
    }
}

async fn list(connection: &Connection) -> Result<Option<Vec<String>>, Status> {
    match ask(connection, MessageRequest::ListServices(String::new())).await? {
        Some(MessageResponse::ListServicesResponse(list)) => {
            Ok(Some(list.service.into_iter().map(|service| service.name).collect()))
        }
        _ => Ok(None),
    }
}

/// Asks one question, of the older version of reflection, which all plugins have. Some answer what they do
/// not know by a message, and some by the status of the stream; both come out as the message.
async fn ask(connection: &Connection, question: MessageRequest) -> Result<Option<MessageResponse>, Status> {
    let (wire, origin) = connection.parts();
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::with_origin(wire, origin);
    let answer = async {
        let mut answers = client.server_reflection_info(tokio_stream::once(request)).await?.into_inner();
        answers.message().await
    };
    match answer.await {
        Ok(answer) => Ok(answer.and_then(|answer| answer.message_response)),
        Err(status) if status.code() == Code::NotFound => {
            Ok(Some(MessageResponse::ErrorResponse(Default::default())))
        }
        Err(status) if status.code() == Code::Unimplemented => Ok(None),
        Err(status) => Err(status),
    }
}
