//! The whole life of a plugin's program that talks over its standard input and output.

use std::io;
use std::process::ExitCode;

use jackfield_core::{Error, Plugin};
use tokio::signal::unix::{SignalKind, signal};

use super::StdioCodec;
use super::program::{Input, Output, pipes};
use crate::busy_poll::{BusyPoll, Heard};
use crate::error::Chain;
use crate::log;
use crate::netrpc::binding::{self, Exchange, Loose, Outgoing};
use crate::netrpc::plugin::NAME;
use crate::netrpc::{Codec, FromBody, Gobs, Json, RpcError, Server, ToBody};
use crate::saving;
use crate::serve::context;

/// Answers the host over this program's standard input and output until it closes them: all of `main`.
///
/// The plugin's first interface is under the name `Plugin`, each also under its own. What the program prints goes to its
/// standard error, which is its log. An interrupt does not end it, for it ends when its input does. If no subscriber of
/// `tracing` is installed, it installs [`log::layer`](crate::log::layer).
///
/// Methods with streams, objects and enums with data say that they cannot be carried.
pub fn serve(codec: StdioCodec, plugin: &'static Plugin) -> ExitCode {
    log::install();
    let served = match codec {
        StdioCodec::Gob => start(Gobs, plugin),
        StdioCodec::Json => start(Json::V1, plugin),
        StdioCodec::Json2 => start(Json::V2, plugin),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// A program could not answer, or no longer.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("the plugin's constructor refused: {0}")]
    Constructor(Error),
    #[error("the talk with the host ended")]
    Rpc(#[from] RpcError),
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to take over the standard input and output, which must be pipes")]
    Stdio(#[source] io::Error),
}

fn start<C: Codec>(codec: C, plugin: &'static Plugin) -> Result<(), ServeError>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let served = {
        let _entered = runtime.enter();
        let pipes = pipes().map_err(ServeError::Stdio)?;
        let _interrupts = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
        let services = plugin.open_from(&context(), saving::find).map_err(ServeError::Constructor)?;
        let mut server = Server::new(codec);
        for (index, service) in services.iter().enumerate() {
            let own = service.schema().service;
            for name in [NAME].into_iter().filter(|_| index == 0).chain([own]) {
                server = binding::saving::serve(server, name, service);
                server = binding::serve(server, name, std::slice::from_ref(service), &Exchange::None);
            }
        }
        drop(runtime.spawn(BusyPoll::default().run()));
        runtime.block_on(answer(server, pipes))
    };
    // A blocking method may never end; the process does.
    runtime.shutdown_background();
    Ok(served?)
}

async fn answer<C: Codec>(server: Server<C>, (input, output): (Input, Output)) -> Result<(), RpcError> {
    server.serve_halves(Heard(input), output).await
}
