//! The objects of calls over gRPC: each has a connection of its own, which the broker makes.

use std::sync::Arc;

use jackfield_core::{CallError, Channel, Service};

use super::{Broker, BrokerError, Caller};
use crate::error::Chain;
use crate::objects::Objects;

impl Objects for Broker {
    async fn serve(&self, object: Service) -> Result<u32, CallError> {
        self.serve_object(object).await.map_err(unreached)
    }

    async fn reach(&self, id: u32) -> Result<Arc<dyn Channel>, CallError> {
        let connection = self.connect_to(id).await.map_err(unreached)?;
        Ok(Arc::new(Caller::new(connection, self.clone())))
    }
}

fn unreached(error: BrokerError) -> CallError {
    CallError::Wire { reason: format!("an object of the call: {}", Chain(&error)) }
}
