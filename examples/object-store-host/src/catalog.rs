//! What the plugins of a directory provide, by kind and name.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jackfield::{Candidate, Directory, Manager, Offered, WatchError};
use object_store::{PluginLister, Provided, ProviderName};

/// What the plugins of a directory provide, by kind and name. It holds what was said, and nothing is loaded.
#[derive(Debug, Default)]
pub(crate) struct Catalog(BTreeMap<(String, ProviderName), Entry>);

/// Who provides something.
#[derive(Debug)]
struct Entry {
    command: PathBuf,
    candidate: Arc<dyn Candidate>,
}

impl Catalog {
    /// Asks each plugin of a directory what it provides. What is none is told to `warn` and skipped; a directory that is not
    /// there has none.
    pub(crate) async fn read(directory: &Directory, warn: impl Fn(String)) -> anyhow::Result<Self> {
        let offered = match directory.scan() {
            Err(WatchError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
            offered => offered?,
        };
        let mut catalog = Self::default();
        for Offered { path, candidate, .. } in offered {
            match candidate {
                Ok(candidate) => catalog.ask(&path, candidate.into()).await?,
                Err(reason) => warn(format!("skipped: {reason}")),
            }
        }
        Ok(catalog)
    }

    /// Loads a plugin, for as long as it is asked.
    async fn ask(&mut self, command: &Path, candidate: Arc<dyn Candidate>) -> anyhow::Result<()> {
        let (name, manager) = (command.display().to_string(), Manager::new());
        let lister = manager.load::<dyn PluginLister>(&name, &*candidate).await?;
        let provided =
            lister.list_plugins().await.with_context(|| format!("`{name}` does not say what it provides"))?;
        manager.unload(&name).await?;
        provided.into_iter().try_for_each(|provided| self.register(provided, command, &candidate))
    }

    fn register(
        &mut self,
        provided: Provided,
        command: &Path,
        candidate: &Arc<dyn Candidate>,
    ) -> anyhow::Result<()> {
        let Provided { kind, name } = provided;
        let within =
            || format!("the plugin `{}` provides something without a proper name", command.display());
        let name: ProviderName = name.parse().with_context(within)?;
        if let Some(other) = self.0.get(&(kind.clone(), name.clone())) {
            bail!(
                "the {kind} `{name}` is provided twice, by `{}` and by `{}`\n(hint: remove one of the two)",
                other.command.display(),
                command.display()
            );
        }
        let entry = Entry { command: command.to_owned(), candidate: candidate.clone() };
        self.0.insert((kind, name), entry);
        Ok(())
    }

    /// The plugin that provides something.
    pub(crate) fn find(&self, kind: &str, name: &ProviderName) -> anyhow::Result<Arc<dyn Candidate>> {
        let entry = self.0.get(&(kind.to_owned(), name.clone()));
        let entry = entry
            .with_context(|| format!("no plugin provides the {kind} `{name}`\n(hint: there are {self})"))?;
        Ok(entry.candidate.clone())
    }
}

/// The names, for people.
impl fmt::Display for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys().map(|(kind, name)| format!("the {kind} `{name}`")).collect();
        if names.is_empty() { f.write_str("none") } else { f.write_str(&names.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield::{BoxFuture, Instance, Load, LoadError, LoadErrorKind};

    /// Nobody loads it here.
    #[derive(Debug)]
    struct Unloaded;

    impl Candidate for Unloaded {
        fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
            Box::pin(std::future::ready(Err(load.error(LoadErrorKind::Silent))))
        }
    }

    #[test]
    fn a_name_without_a_domain_is_refused_with_its_plugin() {
        let provided = Provided { kind: "ObjectStore".to_owned(), name: "fs".to_owned() };
        let candidate: Arc<dyn Candidate> = Arc::new(Unloaded);
        let error = Catalog::default().register(provided, Path::new("plugins/fs"), &candidate);
        assert_eq!(
            format!("{:#}", error.expect_err("no domain")),
            "the plugin `plugins/fs` provides something without a proper name: expected a name such as \
             `example.io/fs`, found `fs`\n\
             (hint: `<DNS subdomain>/<name>`, the subdomain in lower-case letters, digits, `-` and `.`)"
        );
    }
}
