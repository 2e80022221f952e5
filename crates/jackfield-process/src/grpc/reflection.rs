//! Asks a plugin how it describes a service.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use prost_types::FileDescriptorProto;
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
    /// It has the service, in the first of these file descriptors; the others are what that imports.
    Files(Vec<Bytes>),
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
            // The first is the one that was asked for.
            let files = files.file_descriptor_proto.into_iter().map(Bytes::from).collect();
            Ok(Reflection::Files(with_imports(connection, files).await))
        }
        _ => Ok(Reflection::Silent),
    }
}

/// Asks for what the files import: Go sends that with the first, others wait to be asked. What a plugin does not have
/// is left out.
async fn with_imports(connection: &Connection, mut files: Vec<Bytes>) -> Vec<Bytes> {
    let mut known: BTreeSet<String> = files.iter().map(|file| read(file).name().to_owned()).collect();
    let mut index = 0;
    while let Some(file) = files.get(index)
        && index < MAX_FILES
    {
        for import in read(file).dependency {
            if known.contains(&import) {
                continue;
            }
            let found = ask(connection, MessageRequest::FileByFilename(import.clone())).await;
            if let Ok(Some(MessageResponse::FileDescriptorResponse(found))) = found {
                let found = found.file_descriptor_proto.into_iter().map(Bytes::from);
                files.extend(found.filter(|file| known.insert(read(file).name().to_owned())));
            }
            known.insert(import);
        }
        index += 1;
    }
    files
}

/// A file that cannot be read imports nothing; it is refused by whoever reads all of it.
fn read(file: &Bytes) -> FileDescriptorProto {
    FileDescriptorProto::decode(file.clone()).unwrap_or_default()
}

/// The services that a plugin has, or `None` if it does not say.
pub(crate) async fn list(connection: &Connection) -> Result<Option<Vec<String>>, Status> {
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

/// How many files a service may be spread over.
const MAX_FILES: usize = 256;
