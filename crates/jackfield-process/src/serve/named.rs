//! Services of gRPC by name.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// Services of gRPC by name, as the wire has half a dozen of.
#[derive(Clone, Default)]
pub(crate) struct Named(HashMap<&'static str, Arc<dyn Answer>>);

/// What answers a request.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Named {
    /// One more, which is always ready.
    pub(super) fn add<S>(mut self, service: S) -> Self
    where
        S: Answer + NamedService + 'static,
    {
        self.0.insert(S::NAME, Arc::new(service));
        self
    }

    /// The one that has this path.
    pub(super) fn find(&self, path: &str) -> Option<&Arc<dyn Answer>> {
        let (service, _) = path.strip_prefix('/')?.split_once('/')?;
        self.0.get(service)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A service whose type is forgotten.
pub(super) trait Answer: Send + Sync {
    /// Answers a request.
    fn answer(&self, request: Request<Body>) -> Answering;
}

impl<S> Answer for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync,
    S::Future: Send + 'static,
{
    fn answer(&self, request: Request<Body>) -> Answering {
        Box::pin(self.clone().call(request))
    }
}
