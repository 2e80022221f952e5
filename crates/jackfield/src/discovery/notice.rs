//! Hears from the system that something in a directory has changed.

#[cfg(not(target_os = "linux"))]
pub(crate) use self::elsewhere::Listener;
#[cfg(target_os = "linux")]
pub(crate) use self::linux::Listener;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::task::{Context, Poll};

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::inotify::{CreateFlags, Event, ReadFlags, Reader, WatchFlags, add_watch, init};
    use rustix::fs::statfs;
    use rustix::io::Errno;
    use rustix::pipe::{PipeFlags, pipe_with};
    use tokio::sync::mpsc;

    /// Listens to a directory, until this is dropped.
    #[derive(Debug)]
    pub(crate) struct Listener {
        changed: mpsc::Receiver<()>,
        /// Its other end is readable once this is dropped, which ends the thread.
        _stop: OwnedFd,
    }

    impl Listener {
        /// Nothing, where the system does not tell what changes there.
        pub(crate) fn new(directory: &Path) -> Option<Self> {
            // Who changes a file on another machine is not heard here.
            let is_local = !REMOTE.contains(&(statfs(directory).ok()?.f_type as u32));
            is_local.then(|| Self::start(directory).ok())?
        }

        fn start(directory: &Path) -> io::Result<Self> {
            let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            add_watch(&inotify, directory, CHANGES)?;
            for ancestor in directory.ancestors().skip(1) {
                // Another one may be put in its place. Of one that may not be read nothing is heard.
                let _ = add_watch(&inotify, ancestor, LEAVES);
            }
            let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
            // One is enough: whoever looks sees all that has changed until then.
            let (sender, changed) = mpsc::channel(1);
            let thread = std::thread::Builder::new().name("jackfield-notice".to_owned());
            thread.spawn(move || {
                // An error ends it, and then the directory is polled.
                let _ = listen(&inotify, &stopped, &sender);
            })?;
            Ok(Self { changed, _stop: stop })
        }

        /// Is ready with whether something has changed; if not, nothing is heard any more.
        pub(crate) fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<bool> {
            self.changed.poll_recv(context).map(|changed| changed.is_some())
        }
    }

    fn listen(inotify: &OwnedFd, stopped: &OwnedFd, changed: &mpsc::Sender<()>) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut buffer);
        loop {
            let mut waiting = [PollFd::new(stopped, PollFlags::empty()), PollFd::new(inotify, PollFlags::IN)];
            match poll(&mut waiting, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if !waiting[0].revents().is_empty() {
                return Ok(());
            }
            loop {
                let event = match reader.next() {
                    Ok(event) => event,
                    Err(Errno::AGAIN | Errno::INTR) => break,
                    Err(error) => return Err(error.into()),
                };
                if is_of_interest(&event) {
                    // An error says that it has not yet been seen that something changed before.
                    let _ = changed.try_send(());
                }
                if event.events().intersects(GONE) {
                    return Ok(());
                }
            }
        }
    }

    /// Whether it is of a file that is looked at. An event without a name is of the directory.
    fn is_of_interest(event: &Event<'_>) -> bool {
        event.file_name().is_none_or(|name| !name.to_bytes().starts_with(b"."))
    }

    /// Not each write: a file that is written begins with another event, and ends with one.
    const CHANGES: WatchFlags = WatchFlags::ATTRIB
        .union(WatchFlags::CLOSE_WRITE)
        .union(WatchFlags::CREATE)
        .union(WatchFlags::DELETE)
        .union(WatchFlags::DELETE_SELF)
        .union(WatchFlags::MOVE)
        .union(WatchFlags::MOVE_SELF)
        .union(WatchFlags::ONLYDIR);
    /// A directory goes, with all that is in it.
    const LEAVES: WatchFlags =
        WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF).union(WatchFlags::ONLYDIR);
    /// What was listened to is not under its path any more.
    const GONE: ReadFlags = ReadFlags::DELETE_SELF
        .union(ReadFlags::IGNORED)
        .union(ReadFlags::MOVE_SELF)
        .union(ReadFlags::UNMOUNT);
    /// File systems that others change: 9P, CIFS, FUSE, NFS, SMB.
    const REMOTE: [u32; 6] = [0x0102_1997, 0xff53_4d42, 0x6573_5546, 0x6969, 0xfe53_4d42, 0x517b];
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::path::Path;
    use std::task::{Context, Poll};

    /// Nobody listens on this system: directories are polled.
    #[derive(Debug)]
    pub(crate) enum Listener {}

    impl Listener {
        pub(crate) fn new(_: &Path) -> Option<Self> {
            None
        }

        pub(crate) fn poll_changed(&mut self, _: &mut Context<'_>) -> Poll<bool> {
            match *self {}
        }
    }
}
