//! What a shared library logs arrives at the host.

use jackfield::{Context, Manager, Unloaded};
use tenant_interface::Tenant;
use tracing::Level;

use crate::alone::run_alone;
use crate::seen::{install, set_level, wait_for};
use crate::support::{libraries, native};

#[tokio::test]
async fn an_event_arrives_with_target_level_fields_place_and_spans() {
    install();
    let manager = Manager::new();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("logs tracing", &native).await.expect("loaded");
    tenant.log_tracing("the disk is low".to_owned()).expect("logged");
    let event = wait_for("logs tracing", |event| event.field("message") == "the disk is low");
    assert_eq!((event.metadata.target(), *event.metadata.level()), ("tenant::disk", Level::WARN));
    let file = event.metadata.file().expect("a file");
    assert!(file.ends_with("tenant/src/lib.rs"), "{file}");
    assert!(event.metadata.line().is_some_and(|line| line > 1));
    let expected = [
        ("left", "u64 3"),
        ("ratio", "f64 0.5"),
        ("full", "bool false"),
        ("delta", "i64 -1"),
        ("who", "str me"),
        ("spans", r#"str request{id=7 user="ada"}:query"#),
    ];
    for (name, value) in expected {
        assert_eq!(event.field(name), value, "{name}");
    }
    assert_eq!(manager.unload("logs tracing").await, Ok(Unloaded::Unmapped), "a log pins nothing");
}

#[tokio::test]
async fn a_record_of_the_log_crate_arrives_too() {
    install();
    let manager = Manager::new();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("logs log", &native).await.expect("loaded");
    tenant.log_log("no route".to_owned()).expect("logged");
    let event = wait_for("logs log", |event| event.field("message") == "no route");
    assert_eq!((event.metadata.target(), *event.metadata.level()), ("tenant::net", Level::ERROR));
    assert_eq!(event.metadata.module_path(), Some("tenant"));
    assert_eq!(manager.unload("logs log").await, Ok(Unloaded::Unmapped));
}

#[tokio::test]
async fn a_loaded_library_follows_the_level_of_its_host() {
    if let Some(output) = run_alone("logs::a_loaded_library_follows_the_level_of_its_host") {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let manager = Manager::new();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("level", &native).await.expect("loaded");
    assert_eq!(tenant.log_lazily(), Ok(0), "nobody listens");
    for (level, formatted) in [(Level::WARN, 2), (Level::TRACE, 5), (Level::ERROR, 1)] {
        set_level(level);
        assert_eq!(tenant.log_lazily(), Ok(formatted), "{level}");
    }
}

#[tokio::test]
async fn a_panic_in_a_destructor_is_logged() {
    install();
    let manager = Manager::new();
    let native = native().library(libraries().library("tenant"));
    let context = Context::new("drop", [("panic on drop".to_owned(), "not like this".to_owned())]);
    manager.load_with::<dyn Tenant>(context, &native).await.expect("loaded");
    assert_eq!(manager.unload("drop").await, Ok(Unloaded::Unmapped));
    let event = wait_for("drop", |event| *event.metadata.level() == Level::ERROR);
    let message = event.field("message");
    assert!(message.contains("destructor") && message.contains("not like this, at "), "{message}");
}
