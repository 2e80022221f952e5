//! The calling end of a connection.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;

use super::codec::wire::Write;
use super::codec::{Answer, Codec, FromBody, ToBody};
use super::error::{BodyError, ProtocolError, RpcError};
use crate::outlet::Outlet;

/// Calls a server; clones share the connection, which is closed when the last of them is dropped.
pub struct Client<C: Codec> {
    handle: Arc<Handle<C>>,
}

/// What the clones share; the connection has a share of the rest.
struct Handle<C: Codec> {
    calls: Arc<Calls<C>>,
}

impl<C: Codec> Client<C> {
    pub(super) fn new(calls: Arc<Calls<C>>) -> Self {
        Self { handle: Arc::new(Handle { calls }) }
    }

    /// Calls `method`, such as `Arith.Multiply`. The type of the result comes first: `call::<i64>(…)`.
    ///
    /// Any number of calls may be under way at once; the server may answer them in any order. While megabytes wait to
    /// be sent, further calls wait too.
    ///
    /// # Errors
    /// If the server refuses, in its own words; if the argument or the result is not of a type that fits; or if the
    /// connection ends before the answer.
    ///
    /// # Cancel safety
    /// A call that is given up is carried out all the same once it was sent. Its answer is thrown away.
    pub async fn call<R: FromBody<C>>(
        &self,
        method: &str,
        argument: &(impl ToBody<C> + ?Sized),
    ) -> Result<R, RpcError> {
        let calls = &*self.handle.calls;
        poll_fn(|context| calls.poll_room(context)).await?;
        let (sender, answer) = oneshot::channel();
        let seq = calls.begin(
            method,
            &|encoder, out| argument.write(encoder, out),
            Box::new(Expected { sender }),
        )?;
        let _forgotten_if_given_up = Pending { calls, seq };
        calls.send();
        let answer = answer.await.map_err(|_| RpcError::Gone)?;
        answer.map_err(|failure| match failure {
            Failure::Body(source) => RpcError::Result { method: method.to_owned(), source },
            Failure::Call(error) => error,
        })
    }

    /// Closes the connection. Calls that were not answered fail.
    pub fn close(&self) {
        self.handle.calls.finish(RpcError::Closed);
        self.handle.calls.wake_driver();
    }

    /// Whether no more calls can be made.
    pub fn is_closed(&self) -> bool {
        self.handle.calls.end().is_some()
    }
}

impl<C: Codec> Clone for Client<C> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<C: Codec> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<C: Codec> Drop for Handle<C> {
    fn drop(&mut self) {
        self.calls.finish(RpcError::Closed);
        self.calls.wake_driver();
    }
}

/// A call that waits for its answer.
struct Pending<'a, C: Codec> {
    calls: &'a Calls<C>,
    seq: u64,
}

impl<C: Codec> Drop for Pending<'_, C> {
    fn drop(&mut self) {
        self.calls.with(|state| state.pending.remove(&self.seq));
    }
}

/// The calls of one connection.
pub(super) struct Calls<C: Codec> {
    state: Mutex<State<C>>,
    outlet: Outlet,
}

struct State<C: Codec> {
    encoder: C::Encoder,
    out: Vec<u8>,
    next: u64,
    pending: HashMap<u64, Box<dyn Slot<C>>>,
    /// Who waits until less is to be sent.
    waiting: Vec<Waker>,
    end: Option<RpcError>,
}

impl<C: Codec> Calls<C> {
    pub(super) fn new(codec: &C, output: impl AsyncWrite + Send + 'static) -> Self {
        let state = State {
            encoder: codec.encoder(),
            out: Vec::new(),
            next: 0,
            pending: HashMap::new(),
            waiting: Vec::new(),
            end: None,
        };
        Self { state: Mutex::new(state), outlet: Outlet::new(output) }
    }

    /// Why no more calls can be made, if so.
    pub(super) fn end(&self) -> Option<RpcError> {
        self.with(|state| state.end.clone())
    }

    /// Fails all calls, and those to come. The first reason stays.
    pub(super) fn finish(&self, reason: RpcError) {
        let (reason, pending, waiting) = self.with(|state| {
            let reason = state.end.get_or_insert(reason).clone();
            (reason, std::mem::take(&mut state.pending), std::mem::take(&mut state.waiting))
        });
        pending.into_values().for_each(|slot| slot.fail(reason.clone()));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes the answers in `input`.
    pub(super) fn receive(
        &self,
        decoder: &mut C::Decoder,
        input: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        while let Some(Answer { seq, error }) = C::read_answer(decoder, input)? {
            let slot = self.with(|state| state.pending.remove(&seq));
            match (slot, error) {
                (Some(slot), None) => slot.settle(decoder),
                (Some(slot), Some(error)) => {
                    C::discard(decoder);
                    slot.fail(RpcError::Refused(error));
                }
                // It was given up, or never made.
                (None, _) => C::discard(decoder),
            }
        }
        Ok(())
    }

    /// Sends as much as goes at once.
    pub(super) fn send(&self) {
        self.outlet.send(|buffer| self.fill(buffer));
    }

    /// Sends everything.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.drive(context);
        self.outlet.poll_send(context, |buffer| self.fill(buffer))
    }

    /// Sends what callers have left.
    pub(super) fn poll_left(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.drive(context);
        self.outlet.poll_left(context, |buffer| self.fill(buffer))
    }

    /// Says that nothing more comes.
    pub(super) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.poll_shutdown(context)
    }

    /// Closes the sending end of the connection.
    pub(super) fn close(&self) {
        self.outlet.close();
    }

    fn wake_driver(&self) {
        self.outlet.wake_driver();
    }

    fn fill(&self, buffer: &mut Vec<u8>) {
        let waiting = self.with(|state| {
            std::mem::swap(&mut state.out, buffer);
            std::mem::take(&mut state.waiting)
        });
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll_room(&self, context: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        self.with(|state| match &state.end {
            Some(end) => Poll::Ready(Err(end.clone())),
            None if state.out.len() < MAX_WAITING => Poll::Ready(Ok(())),
            None => {
                state.waiting.push(context.waker().clone());
                Poll::Pending
            }
        })
    }

    fn begin(&self, method: &str, argument: Write<'_, C>, slot: Box<dyn Slot<C>>) -> Result<u64, RpcError> {
        self.with(|state| {
            if let Some(end) = &state.end {
                return Err(end.clone());
            }
            let State { encoder, out, next, pending, .. } = state;
            let seq = *next;
            C::write_call(encoder, (method, seq), argument, out)
                .map_err(|source| RpcError::Argument { method: method.to_owned(), source })?;
            *next += 1;
            pending.insert(seq, slot);
            Ok(seq)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State<C>) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| {
            // Encoding an argument panicked, and may have left a part of it.
            let mut state = poisoned.into_inner();
            state.out.clear();
            state.end.get_or_insert(RpcError::Closed);
            state
        });
        work(&mut state)
    }
}

/// Where an answer is waited for.
trait Slot<C: Codec>: Send {
    /// Takes the result that the decoder holds.
    fn settle(self: Box<Self>, decoder: &mut C::Decoder);
    /// There is no result.
    fn fail(self: Box<Self>, error: RpcError);
}

struct Expected<R> {
    sender: oneshot::Sender<Result<R, Failure>>,
}

enum Failure {
    Body(BodyError),
    Call(RpcError),
}

impl<C: Codec, R: FromBody<C>> Slot<C> for Expected<R> {
    fn settle(self: Box<Self>, decoder: &mut C::Decoder) {
        // Whoever gave the call up does not want the answer.
        let _unwanted = self.sender.send(R::read(decoder).map_err(Failure::Body));
    }

    fn fail(self: Box<Self>, error: RpcError) {
        let _unwanted = self.sender.send(Err(Failure::Call(error)));
    }
}

/// How much waits to be sent before a call waits.
const MAX_WAITING: usize = 4 * 1024 * 1024;
