//! The plugin's end of an interface over net/rpc.

use jackfield_core::{Error, Method, Mode, Parcel, Service};

use super::fit::request;
use super::loose::Loose;
use super::outgoing::Outgoing;
use crate::netrpc::{Codec, FromBody, Server, ToBody};

/// Answers the methods of `services` under `name`, in whichever way the caller passes several arguments.
pub(crate) fn serve<C: Codec>(mut server: Server<C>, name: &str, services: &[Service]) -> Server<C>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    for service in services {
        for (index, method) in service.schema().methods.iter().enumerate() {
            let service = service.clone();
            server = server.method(&format!("{name}.{}", method.name), move |argument: Loose| {
                answer(service.clone(), index, method, argument)
            });
        }
    }
    server
}

async fn answer(
    service: Service,
    index: usize,
    method: &'static Method,
    argument: Loose,
) -> Result<Outgoing, String> {
    let request = request(method, argument)?;
    let answer = match method.mode {
        Mode::Async => service.call(index, request.into(), None).await,
        Mode::Blocking => block(move || service.call_blocking(index, request.into(), None)).await?,
    };
    let response = answer.map_err(|error| words(&error))?;
    Outgoing::response(method, &response.bytes).map_err(|error| error.to_string())
}

/// net/rpc has nothing but a text for an error.
fn words(error: &Error) -> String {
    match error {
        Error::Plugin(failure) => failure.message().to_owned(),
        Error::Call(error) => error.to_string(),
    }
}

/// A method that blocks must not stop the thread on which all the others are answered.
async fn block(
    call: impl FnOnce() -> Result<Parcel, Error> + Send + 'static,
) -> Result<Result<Parcel, Error>, String> {
    tokio::task::spawn_blocking(call).await.map_err(|error| error.to_string())
}
