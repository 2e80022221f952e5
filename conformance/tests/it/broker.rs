//! What the broker has to do that no upstream test asks for.

use std::path::PathBuf;
use std::time::Duration;

use counter::handshake;
use counter::proto::counter_client::CounterClient;
use counter::proto::peer_client::PeerClient;
use counter::proto::{GetRequest, OpenRequest};
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield_fixtures::Build;

use crate::runner::{plugins, talk};

/// go-plugin's own closes its broker for ever when the first host goes; ours serves the next.
#[tokio::test]
async fn a_host_that_attaches_itself_has_a_broker_too() {
    let rust = jackfield_fixtures::build(&Build::fixtures()).expect("the examples build");
    let home = tempfile::tempdir().expect("a directory");
    let first = ProcessBackend::start().expect("processes can be started");
    let plugin = plugin(rust.program("counter-plugin").to_owned(), &first);
    let running = plugin.current_dir(home.path()).detached().start("counter").await;
    let running = running.expect("the plugin starts");
    talk(&running).await;
    let reattach = running.reattach().expect("it has a socket of its own");
    drop(running);
    let second = ProcessBackend::start().expect("processes can be started");
    for _ in 0..2 {
        let running = reattach.attach(&second, "counter").await.expect("it goes on");
        talk(&running).await;
    }
    let running = reattach.attach(&second, "counter").await.expect("it goes on");
    running.stop(Duration::from_secs(2)).await;
}

/// As a peer does whose connection was idle for too long.
#[tokio::test]
async fn a_number_is_dialed_again_over_the_one_socket() {
    let backend = ProcessBackend::start().expect("processes can be started");
    for program in plugins() {
        let running = plugin(program, &backend).multiplex().start("counter").await.expect("it starts");
        let opened = PeerClient::new(running.channel()).open(OpenRequest { key: "ab".to_owned() }).await;
        let id = opened.expect("the plugin answers").get_ref().counter_server;
        for _ in 0..3 {
            let object = running.broker().dial(id).await.expect("the plugin serves it");
            let value = CounterClient::new(object).get(GetRequest { key: "cd".to_owned() }).await;
            assert_eq!(value.expect("the object answers").get_ref().value, 4);
        }
    }
}

fn plugin(program: PathBuf, backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(program).handshake(handshake()).backend(backend)
}
