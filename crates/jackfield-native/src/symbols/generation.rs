//! One load of a library: mapped, and its `init` run.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jackfield_abi::symbols::{Host, Kind, Offered, Registered};
use jackfield_abi::{Context, Keep, RefusalKind};
use jackfield_core::__private::constructor_error;
use jackfield_core::Step;

use super::catalog::{Catalog, Claim, Event};
use super::cell::Open;
use super::error::OpenError;
use crate::image::{Image, LazyDigest};
use crate::library::Library;
use crate::progress::Progress;

/// One load of a library. The fields drop in this order.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    registered: Vec<(Box<str>, Registered)>,
    library: Arc<Library>,
    /// It is missing where a manager loads the library, under a name of its own.
    _claim: Option<Claim>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// What it was built with, if anything.
    pub(super) own_id: Option<String>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) digest: LazyDigest,
}

impl Identity {
    pub(super) fn of(image: &Image) -> Self {
        let (note, digest) = (image.note(), image.lazy_digest().clone());
        let own_id = Some(note.id.clone()).filter(|id| !id.is_empty());
        Self { own_id, name: note.name.clone(), version: note.version.clone(), digest }
    }

    /// What it was built with, or else its name and the digest of its content.
    pub(super) fn id(&self) -> String {
        self.own_id.clone().unwrap_or_else(|| format!("{}@{}", self.name, self.digest.get()))
    }
}

/// One symbol that a generation offers.
pub(super) struct Offer {
    pub(super) name: Box<str>,
    pub(super) ty: Box<str>,
    pub(super) kind: Kind,
    pub(super) open: Open,
}

impl Generation {
    /// Loads what an image holds, and runs its `init`.
    pub(super) fn load(
        catalog: &Catalog,
        image: Image,
        context: &Context,
        progress: &Progress,
    ) -> Result<Self, OpenError> {
        progress.begin(Step::Start);
        let (path, identity) = (image.path().to_owned(), Identity::of(&image));
        // SAFETY: `NativeBackend::new` made the host vouch for it.
        let library = unsafe { Library::load(image, context.plugin()) }
            .map_err(|error| OpenError::Load(Arc::new(error)))?;
        let library = Arc::new(library);
        let mut this = Self { path, identity, registered: Vec::new(), library, _claim: None };
        catalog.tell(&Event::Opened { path: this.path.clone() });
        progress.begin(Step::Init);
        this.registered = this.init(catalog, context)?;
        catalog.tell(&Event::Inited { path: this.path.clone() });
        Ok(this)
    }

    fn init(&self, catalog: &Catalog, context: &Context) -> Result<Vec<(Box<str>, Registered)>, OpenError> {
        let desk = Desk { catalog, generation: self, registered: Mutex::default() };
        let outcome = Opening::enter(&self.path, || self.library.entry().init(context, &desk, &self.keep()));
        let path = self.path.clone();
        outcome.map_err(|refusal| match refusal.kind {
            RefusalKind::Panic => OpenError::InitPanicked { path, message: refusal.text() },
            _ => OpenError::InitRefused { path, reason: constructor_error(&refusal).to_string() },
        })?;
        Ok(desk.registered.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds the right to its identity from now on.
    pub(super) fn with_claim(self, claim: Claim) -> Self {
        Self { _claim: Some(claim), ..self }
    }

    pub(super) fn library(&self) -> &Arc<Library> {
        &self.library
    }

    fn keep(&self) -> Keep {
        Some(self.library.clone())
    }

    /// Everything that it offers by name, what it exports before what it registered.
    pub(super) fn offers(&self) -> impl Iterator<Item = Offer> {
        let exported = self.library.entry().symbols().iter().filter_map(|symbol| {
            let open = Open::exported(symbol.target()?, self.keep());
            Some(Offer { name: symbol.name().into(), ty: symbol.ty().into(), kind: symbol.kind()?, open })
        });
        let registered = self.registered.iter().map(|(name, function)| {
            let open = Open::registered(function.clone(), self.keep());
            Offer { name: name.clone(), ty: function.ty().into(), kind: Kind::Function, open }
        });
        exported.chain(registered)
    }

    /// The names under which its `init` registered functions.
    pub(super) fn registered_names(&self) -> Vec<Box<str>> {
        self.registered.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The library, once everything else of this generation is gone.
    pub(super) fn into_library(self) -> Arc<Library> {
        let Self { registered, library, .. } = self;
        drop(registered);
        library
    }
}

/// Where an `init` asks and registers.
struct Desk<'a> {
    catalog: &'a Catalog,
    generation: &'a Generation,
    registered: Mutex<Vec<(Box<str>, Registered)>>,
}

impl Host for Desk<'_> {
    fn find(&self, name: &str, ty: &str) -> Result<Offered, String> {
        self.catalog.offered(name, ty)
    }

    fn register(&self, name: &str, function: Registered) -> Result<(), String> {
        let identity = &self.generation.identity;
        let is_exported =
            self.generation.library.entry().symbols().iter().any(|symbol| symbol.name() == name);
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if is_exported || registered.iter().any(|(other, _)| **other == *name) {
            return Err(format!("the plugin `{}` has a symbol `{name}` already", identity.name));
        }
        if let Some(other) = self.catalog.registrant(name, &identity.name) {
            return Err(format!("the plugin `{other}` has registered a function `{name}` already"));
        }
        registered.push((name.into(), function));
        Ok(())
    }
}

/// The libraries whose `init` runs on this thread, or waits for it.
pub(super) struct Opening(Vec<PathBuf>);

impl Opening {
    fn enter<V>(path: &Path, init: impl FnOnce() -> V) -> V {
        OPENING.with_borrow_mut(|opening| opening.push(path.to_owned()));
        let value = init();
        OPENING.with_borrow_mut(|opening| opening.pop());
        value
    }

    /// Those of the calling thread, to be resumed on another one for which it waits.
    pub(super) fn outer() -> Self {
        Self(OPENING.with_borrow(Vec::clone))
    }

    pub(super) fn resume<V>(self, run: impl FnOnce() -> V) -> V {
        OPENING.set(self.0);
        run()
    }

    /// Whether the `init` of this library runs on this thread, or waits for it.
    pub(super) fn is_inside(path: &Path) -> bool {
        OPENING.with_borrow(|opening| opening.iter().any(|other| other == path))
    }
}

thread_local! {
    static OPENING: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}
