//! Wakes the runtime's thread from any other, without touching tokio there.

#[cfg(unix)]
mod os {
    use std::io::{self, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::OnceLock;

    /// A pair of sockets. The bell holds both ends, so that ringing never meets a closed one.
    pub(in super::super) struct Bell {
        near: UnixStream,
        far: UnixStream,
        waiting: OnceLock<tokio::net::UnixStream>,
    }

    impl Bell {
        pub(in super::super) fn new() -> io::Result<Self> {
            let (near, far) = UnixStream::pair()?;
            near.set_nonblocking(true)?;
            far.set_nonblocking(true)?;
            Ok(Self { near, far, waiting: OnceLock::new() })
        }

        pub(in super::super) fn ring(&self) {
            // If there is no room, it has been rung already.
            let _full = (&self.near).write(&[0]);
        }

        /// Waits until it is rung, on the runtime's thread. It may return for no reason.
        pub(in super::super) async fn wait(&self) {
            let waiting = match self.waiting.get() {
                Some(waiting) => waiting,
                None => match self.far.try_clone().and_then(tokio::net::UnixStream::from_std) {
                    Ok(waiting) => self.waiting.get_or_init(|| waiting),
                    // The runtime has no room for a socket: it looks again, but not at once.
                    Err(_) => return tokio::time::sleep(std::time::Duration::from_millis(1)).await,
                },
            };
            if waiting.readable().await.is_ok() {
                while waiting.try_read(&mut [0; 64]).is_ok_and(|read| read == 64) {}
            }
        }
    }
}

#[cfg(not(unix))]
mod os {
    use std::io;

    /// tokio's own: nothing is unmapped on this system while a thread could notice.
    pub(in super::super) struct Bell(tokio::sync::Notify);

    impl Bell {
        #[expect(clippy::unnecessary_wraps, reason = "it has the signature of a system on which it can fail")]
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Self(tokio::sync::Notify::new()))
        }

        pub(in super::super) fn ring(&self) {
            self.0.notify_one();
        }

        pub(in super::super) async fn wait(&self) {
            self.0.notified().await;
        }
    }
}

pub(super) use self::os::Bell;
