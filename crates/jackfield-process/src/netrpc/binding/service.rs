//! The plugin's end of an interface over net/rpc.

use jackfield_core::{CallError, Error, Method, Mode, Parcel, Service};

use super::check::unfit;
use super::fit::request;
use super::loose::Loose;
use super::objects::Exchange;
use super::outgoing::Outgoing;
use crate::netrpc::{Codec, FromBody, Refusal, Server, ToBody};
use crate::objects::{hand_over, take_over};
use crate::tasks::block;

/// Answers the methods of `services` under `name`, in whichever way the caller passes several arguments. A method that
/// net/rpc cannot carry answers that.
pub(crate) fn serve<C: Codec>(
    mut server: Server<C>,
    name: &str,
    services: &[Service],
    objects: &Exchange,
) -> Server<C>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    for service in services {
        for (index, method) in service.schema().methods.iter().enumerate() {
            let path = format!("{name}.{}", method.name);
            server = match unfit(method, objects.carrier()) {
                Some(unfit) => server.method(&path, move |_: Loose| {
                    let unfit = unfit.clone();
                    async move { Err::<Outgoing, _>(unfit) }
                }),
                None => {
                    let (service, objects) = (service.clone(), objects.clone());
                    server.refusing_method(&path, move |argument: Loose| {
                        answer(service.clone(), (index, method), argument, objects.clone())
                    })
                }
            };
        }
    }
    server
}

async fn answer(
    service: Service,
    (index, method): (usize, &'static Method),
    argument: Loose,
    objects: Exchange,
) -> Result<Outgoing, Refusal> {
    let bytes = request(method, argument).map_err(Refusal::new)?;
    let parts = take_over(&objects, &bytes, method.arguments).await.map_err(refusal)?;
    let request = Parcel { bytes, parts };
    let answer = match method.mode {
        Mode::Async => service.call(index, request, None).await,
        Mode::Blocking => block(move || service.call_blocking(index, request, None)).await,
    };
    let (bytes, _) = hand_over(&objects, answer.map_err(refusal)?, method.result).await.map_err(refusal)?;
    Outgoing::response(method, &bytes).map_err(|error| Refusal::new(error.to_string()))
}

/// net/rpc has nothing but a text for an error; the rest is for those who know of it.
pub(super) fn refusal(error: Error) -> Refusal {
    match error {
        Error::Plugin(failure)
            if failure.code() == jackfield_core::Code::UNKNOWN && !failure.has_detail() =>
        {
            Refusal::new(failure.message())
        }
        Error::Plugin(failure) => Refusal { failure: failure.encode(), ..Refusal::new(failure.message()) },
        Error::Call(CallError::Panicked { message }) => {
            let words = CallError::Panicked { message: message.clone() }.to_string();
            Refusal { panic: message, ..Refusal::new(words) }
        }
        Error::Call(error) => Refusal::new(error.to_string()),
    }
}
