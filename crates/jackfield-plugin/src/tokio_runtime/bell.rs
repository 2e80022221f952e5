//! Wakes the runtime's thread from any other, without touching tokio there.

#[cfg(unix)]
mod os {
    use std::io::{self, Write as _};
    use std::os::unix::net::UnixStream;

    /// A pair of sockets. The bell holds both ends, so that ringing never meets a closed one.
    pub(in super::super) struct Bell {
        near: UnixStream,
        far: UnixStream,
    }

    impl Bell {
        pub(in super::super) fn new() -> io::Result<Self> {
            let (near, far) = UnixStream::pair()?;
            near.set_nonblocking(true)?;
            far.set_nonblocking(true)?;
            Ok(Self { near, far })
        }

        pub(in super::super) fn ring(&self) {
            // If there is no room, it has been rung already.
            let _full = (&self.near).write(&[0]);
        }

        /// Who hears it. It belongs to the runtime on which it is made.
        pub(in super::super) fn listener(&self) -> io::Result<Listener> {
            Ok(Listener(tokio::net::UnixStream::from_std(self.far.try_clone()?)?))
        }
    }

    /// Who hears a bell.
    pub(in super::super) struct Listener(tokio::net::UnixStream);

    impl Listener {
        /// Waits until it is rung. It may return for no reason.
        pub(in super::super) async fn wait(&self, _: &Bell) {
            if self.0.readable().await.is_ok() {
                while self.0.try_read(&mut [0; 64]).is_ok_and(|read| read == 64) {}
            }
        }
    }
}

#[cfg(not(unix))]
mod os {
    use std::io;

    /// tokio's own: nothing is unmapped on this system while a thread could notice.
    pub(in super::super) struct Bell(tokio::sync::Notify);

    #[expect(
        clippy::unnecessary_wraps,
        reason = "they have the signatures of a system on which they can fail"
    )]
    impl Bell {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Self(tokio::sync::Notify::new()))
        }

        pub(in super::super) fn ring(&self) {
            self.0.notify_one();
        }

        pub(in super::super) fn listener(&self) -> io::Result<Listener> {
            Ok(Listener)
        }
    }

    /// Who hears a bell.
    pub(in super::super) struct Listener;

    impl Listener {
        pub(in super::super) async fn wait(&self, bell: &Bell) {
            bell.0.notified().await;
        }
    }
}

pub(super) use self::os::{Bell, Listener};
