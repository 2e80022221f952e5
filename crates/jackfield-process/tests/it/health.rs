//! A plugin that says that it is not well is not taken.

use std::time::Duration;

use jackfield_core::{Candidate, Context, Load, Step};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{get, load, run};
use crate::peers::{chain, description, handshake, our_plugin};

#[test]
fn a_plugin_that_is_not_well_is_refused() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = |health| {
        let plugin = ProcessPlugin::new(our_plugin()).env("KV_HEALTH", health).handshake(handshake());
        plugin.backend(&backend)
    };
    for (health, text) in [
        ("2", "the plugin is not well: its health is `NOT_SERVING`"),
        ("broken", "the plugin is not well: asked for its health, it answers `it hurts`"),
        ("silent", "the plugin is not well: its health is not known after 5 s"),
    ] {
        let patience = Duration::from_millis(if health == "silent" { 5_000 } else { 30_000 });
        let load = Load::new(Context::new("patient", []), description());
        let error = run(plugin(health).start_timeout(patience).load(&load)).unwrap_err();
        assert_eq!(error.step(), Step::Health, "{}", chain(&error));
        assert!(chain(&error).contains(text), "{}", chain(&error));
    }
    // It serves, it does not know yet, it has no health checks.
    for health in ["1", "0", "lacking"] {
        run(async {
            let (_instance, channel) = load(&plugin(health)).await;
            get(&channel, "__pid").await.unwrap();
        });
    }
}
