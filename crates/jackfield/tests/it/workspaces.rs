//! Plugins of workspaces of their own: other versions of one crate, other profiles, other flags, and one that shares no
//! crate with its host.

use jackfield::{Bytes, Handle, Manager, Unloaded};
use jackfield_fixtures::Build;
use kv_interface::Kv;

use crate::seen::{install, wait_for};
use crate::support::native;

#[tokio::test]
async fn two_versions_of_one_crate_live_side_by_side() {
    install();
    let one = jackfield_fixtures::build(&Build::separate("one")).expect("it builds");
    let flags = Build::separate("two").rustflags("separate-two", "-Cforce-frame-pointers=yes");
    let two = jackfield_fixtures::build(&flags).expect("it builds");
    let manager = Manager::new();
    let (one, two) = (native().library(one.library("one")), native().library(two.library("two")));
    let first: Handle<dyn Kv> = manager.load("separate one", &one).await.expect("loaded");
    let second: Handle<dyn Kv> = manager.load("separate two", &two).await.expect("loaded");
    for round in 1..=3 {
        assert_eq!(first.get("one".to_owned()).await, Ok(Bytes::from(format!("one {round}"))));
        assert_eq!(second.get("two".to_owned()).await, Ok(Bytes::from(format!("two tens {round}0"))));
    }
    let error = first.put("key".to_owned(), Bytes::new()).await.expect_err("it stores nothing");
    assert_eq!(error.to_string(), "one stores nothing");
    assert_eq!(
        wait_for("separate one", |event| event.field("message") == "not stored").field("key"),
        "str key"
    );
    let error = second.put("key".to_owned(), Bytes::new()).await.expect_err("it panics").to_string();
    assert!(error.contains("two panics at `key`, at "), "{error}");

    // The other one behind the same handle, and each with statics of its own.
    let reloaded = manager.reload("separate one", &two).await.expect("reloaded");
    assert_eq!(reloaded.old, Unloaded::Unmapped);
    assert_eq!(first.get("third".to_owned()).await, Ok(Bytes::from("third tens 10")));
    assert_eq!(second.get("two".to_owned()).await, Ok(Bytes::from("two tens 40")));
}
