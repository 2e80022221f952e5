//! The story that the demo tells. Every line is checked: what does not come out as told is an error.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use jackfield::native::NativePlugin;
use jackfield::{Candidate, Handle, Restart, Restartable};
use kv_interface::Kv;

use super::fixtures::Fixtures;
use super::stage::{Stage, native, round_trip};
use super::swapping::{Calls, swap_under_load};
use super::tell::Tell;
use super::{killing, summary};

/// Tells it.
pub(crate) async fn run(fixtures: &Fixtures, tell: &Tell) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let mut story = Story { stage: &stage, tell, others: Vec::new() };
    story.linked().await?;
    story.shared(&fixtures.library).await?;
    story.program(&fixtures.program).await?;
    story.other_wires(&fixtures.wires).await?;
    match &fixtures.go {
        Ok(go) => story.go(go).await?,
        Err(missing) => tell.line("a Go program: not shown", &missing.what)?,
    }
    story.swap_the_others().await?;
    summary::run(&stage.manager, tell).await
}

struct Story<'a> {
    stage: &'a Stage,
    tell: &'a Tell,
    /// Those that are still to be swapped under load.
    others: Vec<Shown>,
}

/// A plugin that answers.
struct Shown {
    name: &'static str,
    kv: Handle<dyn Kv>,
    candidate: Box<dyn Candidate>,
}

impl Story<'_> {
    async fn linked(&mut self) -> anyhow::Result<()> {
        self.show("linked", "a plugin linked into this program", Box::new(kv_file::PLUGIN)).await
    }

    async fn shared(&self, library: &Path) -> anyhow::Result<()> {
        let Self { stage, tell, .. } = self;
        let plugin = native().library(stage.copy(library)?);
        let start = Instant::now();
        let kv = stage.load("shared", &plugin).await?;
        let took = start.elapsed();
        tell.line("the same source as a shared library", round_trip(&kv).await?)?;
        tell.line("  loaded, digest included, in", format_args!("{took:.1?}"))?;
        let calls = swap_under_load(&stage.manager, ("shared", &kv), &plugin, 100).await?;
        tell.line("  swapped 100 times while 4 threads call", calls.check()?)?;
        tell.line("  a broken file in its place", self.refuse_broken(&plugin, &kv).await?)?;
        Ok(())
    }

    async fn program(&mut self, program: &Path) -> anyhow::Result<()> {
        let plugin = Restartable::new(Arc::new(self.stage.program(program)), Restart::default());
        self.show("program", "the same source as a program, over gRPC", Box::new(plugin)).await?;
        let Shown { kv, .. } = self.others.last().context("it was just shown")?;
        self.tell.line("  kill -9 while it is called", killing::kill(kv, program).await?)?;
        self.tell.line("  called again, which starts it again", killing::come_back(kv).await?)?;
        Ok(())
    }

    async fn other_wires(&mut self, program: &Path) -> anyhow::Result<()> {
        let (net_rpc, stdio) = (self.stage.net_rpc(program), self.stage.stdio(program));
        self.show("net/rpc", "  over net/rpc", Box::new(net_rpc)).await?;
        self.show("stdio", "  over its standard input and output", Box::new(stdio)).await
    }

    async fn go(&mut self, program: &Path) -> anyhow::Result<()> {
        let Self { stage, tell, .. } = self;
        let plugin = stage.program(program);
        let kv = stage.load("go", &plugin).await?;
        tell.line("a Go program, unchanged hashicorp/go-plugin", round_trip(&kv).await?)?;
        tell.line("  killed with a call in flight", killing::crash(&kv).await?)?;
        let plugin = plugin.auto_mtls();
        stage.manager.reload("go", &plugin).await.context("the plugin in Go did not come back")?;
        tell.line("  reloaded, the same handle, now over mTLS", round_trip(&kv).await?)?;
        self.others.push(Shown { name: "go", kv, candidate: Box::new(plugin) });
        Ok(())
    }

    /// Loads a plugin and calls it.
    async fn show(
        &mut self,
        name: &'static str,
        what: &str,
        candidate: Box<dyn Candidate>,
    ) -> anyhow::Result<()> {
        let kv = self.stage.load(name, &*candidate).await?;
        self.tell.line(what, round_trip(&kv).await?)?;
        self.others.push(Shown { name, kv, candidate });
        Ok(())
    }

    async fn swap_the_others(&self) -> anyhow::Result<()> {
        let mut calls = Calls::default();
        for Shown { name, kv, candidate } in &self.others {
            calls.add(swap_under_load(&self.stage.manager, (name, kv), &**candidate, 10).await?);
        }
        self.tell.line("all the others swapped 10 times likewise", calls.check()?)?;
        Ok(())
    }

    /// Overwrites the library with a text and tries to load that.
    async fn refuse_broken(&self, plugin: &NativePlugin, kv: &Handle<dyn Kv>) -> anyhow::Result<String> {
        std::fs::write(plugin.path(), "this is no library").context("the library cannot be overwritten")?;
        let Err(error) = self.stage.manager.reload("shared", plugin).await else {
            bail!("a text was loaded as a library")
        };
        round_trip(kv).await.context("the old one must go on serving")?;
        let cause = anyhow::Error::from(error).root_cause().to_string();
        let reason = cause.rsplit(": ").next().unwrap_or(&cause).to_owned();
        Ok(format!("refused ({reason}); the old one serves on"))
    }
}
