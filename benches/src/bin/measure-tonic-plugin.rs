//! The bare peer's plugin: nothing but `tonic` on a unix socket, whose path is the first line of output.

use std::io::Write;

use futures_util::stream::poll_fn;
use jackfield_benches::generated::kv::kv_server::{Kv, KvServer};
use jackfield_benches::generated::kv::{Empty, GetRequest, GetResponse, PutRequest};
use jackfield_benches::value;
use tokio::net::UnixListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

struct Memory;

#[tonic::async_trait]
impl Kv for Memory {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let key = request.into_inner().key;
        let value = value(&key).ok_or_else(|| Status::unknown(format!("no value for key {key:?}")))?;
        Ok(Response::new(GetResponse { value }))
    }

    async fn put(&self, _: Request<PutRequest>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let path = std::env::temp_dir().join(format!("jackfield-bare-{}", std::process::id()));
    let listener = UnixListener::bind(&path)?;
    writeln!(std::io::stdout().lock(), "{}", path.display())?;
    let incoming = poll_fn(|context| {
        // The host comes once: then nobody needs the file any more.
        listener.poll_accept(context).map(|accepted| {
            let _gone = std::fs::remove_file(&path);
            Some(accepted.map(|(stream, _)| stream))
        })
    });
    Ok(Server::builder().add_service(KvServer::new(Memory)).serve_with_incoming(incoming).await?)
}
