//! A runner in whose place sockets have other names: both sides find each other all the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use counter::handshake;
use counter::proto::add_helper_server::{AddHelper, AddHelperServer};
use counter::proto::counter_client::CounterClient;
use counter::proto::peer_client::PeerClient;
use counter::proto::{GetRequest, OpenRequest, PutRequest, SumRequest, SumResponse};
use jackfield::Manager;
use jackfield::process::{Address, Bubblewrap, ProcessBackend, ProcessPlugin, Program, Runner, Running};
use jackfield_fixtures::{Build, GoModule, available, bubblewrap, go_programs};
use tally::Tally;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Starts plugins in the directory of sockets, which they therefore call `.`, a name that the host cannot use.
#[derive(Debug)]
struct Beside;

impl Runner for Beside {
    fn wrap(&self, mut program: Program) -> Program {
        program.set_sockets(".");
        program.directory = Some(program.sockets.clone());
        program
    }

    fn plugin_to_host(&self, address: Address, sockets: &Path) -> Address {
        match address {
            Address::Unix(path) if path.is_relative() => Address::Unix(sockets.join(path)),
            other => panic!("expected a name that holds inside only, found {other:?}"),
        }
    }

    fn host_to_plugin(&self, address: Address, sockets: &Path) -> Address {
        match address {
            Address::Unix(path) => {
                let name = path.strip_prefix(sockets).expect("the host's sockets are there");
                Address::Unix(Path::new(".").join(name))
            }
            other => other,
        }
    }

    fn diagnose(&self) -> Option<String> {
        Some("it was started beside its sockets".to_owned())
    }
}

struct Adder;

#[tonic::async_trait]
impl AddHelper for Adder {
    async fn sum(&self, request: Request<SumRequest>) -> Result<Response<SumResponse>, Status> {
        let SumRequest { a, b } = request.into_inner();
        Ok(Response::new(SumResponse { r: a + b }))
    }
}

#[tokio::test]
async fn both_sides_find_each_others_sockets() {
    let backend = ProcessBackend::start().expect("processes can be started");
    for program in plugins() {
        let plugin = ProcessPlugin::new(&program).handshake(handshake()).runner(Beside).backend(&backend);
        let running = plugin.start("counter").await.expect("the plugin starts");
        talk(&running).await;
        running.stop(Duration::from_secs(2)).await;
    }
}

/// A runner that shares a plugin's sockets with the host shares no other plugin's.
#[tokio::test]
async fn each_plugin_has_a_place_of_its_own() {
    let backend = ProcessBackend::start().expect("processes can be started");
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let plugin = ProcessPlugin::new(built.program("counter-plugin")).handshake(handshake()).runner(Beside);
    let plugin = plugin.backend(&backend);
    let [one, other] =
        [plugin.start("one").await, plugin.start("other").await].map(|running| running.expect("it starts"));
    let place =
        |running: &Running| std::fs::read_link(format!("/proc/{}/cwd", running.pid().expect("its own")));
    let [place_of_one, place_of_other] = [&one, &other].map(|running| place(running).expect("a directory"));
    assert_ne!(place_of_one, place_of_other);
    for place in [&place_of_one, &place_of_other] {
        assert_eq!(std::fs::read_dir(place).expect("a directory").count(), 1, "its own socket");
    }
    one.stop(Duration::from_secs(2)).await;
    assert!(!place_of_one.exists() && place_of_other.exists());
    talk(&other).await;
}

#[tokio::test]
async fn a_runner_says_what_it_knows() {
    let plugin = ProcessPlugin::new("/bin/false").handshake(handshake()).runner(Beside);
    let error = plugin.start("counter").await.expect_err("it is no plugin");
    assert!(error.to_string().contains("(it was started beside its sockets)"), "{error}");
}

#[tokio::test]
async fn a_plugin_runs_under_bubblewrap() {
    if available(bubblewrap()).is_none() {
        return;
    }
    let backend = ProcessBackend::start().expect("processes can be started");
    for program in plugins() {
        let home = tempfile::tempdir().expect("a directory");
        let plugin = ProcessPlugin::new(&program)
            .handshake(handshake())
            .current_dir(home.path())
            .runner(Bubblewrap::new().writable(home.path()))
            .backend(&backend);
        let running = plugin.start("counter").await.expect("the plugin starts");
        talk(&running).await;
        running.stop(Duration::from_secs(2)).await;
    }
}

/// What was saved lies beside the sockets, which have another name inside.
#[tokio::test]
async fn what_was_saved_is_found_where_the_runner_puts_it() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let program = ProcessPlugin::new(built.program("tally"));
    let mut plugins = vec![program.clone().runner(Beside)];
    plugins.extend(available(bubblewrap()).map(|()| program.runner(Bubblewrap::new())));
    for plugin in plugins {
        let manager = Manager::new();
        let tally = manager.load::<dyn Tally>("tally", &plugin).await.expect("it loads");
        for count in 1..4 {
            assert_eq!(tally.add_later().await, Ok(count));
            manager.reload("tally", &plugin).await.expect("it loads");
        }
    }
}

/// Calls the plugin, lets it call back, and calls what it serves.
pub(crate) async fn talk(running: &Running) {
    let broker = running.broker();
    let served = broker.serve(broker.next_id(), Routes::new(AddHelperServer::new(Adder))).await;
    let served = served.expect("a socket");
    let mut counter = CounterClient::new(running.channel());
    let put = PutRequest { add_server: served.id(), key: "n".to_owned(), value: 7 };
    counter.put(put).await.expect("the plugin finds the host");
    let opened = PeerClient::new(running.channel()).open(OpenRequest { key: "ab".to_owned() }).await;
    let id = opened.expect("the plugin answers").get_ref().counter_server;
    let object = broker.dial(id).await.expect("the host finds the plugin");
    let value = CounterClient::new(object).get(GetRequest { key: "cd".to_owned() }).await;
    assert_eq!(value.expect("the object answers").get_ref().value, 4);
}

pub(crate) fn plugins() -> Vec<PathBuf> {
    let rust = jackfield_fixtures::build(&Build::fixtures()).expect("the examples build");
    let mut plugins = vec![rust.program("counter-plugin").to_owned()];
    plugins.extend(available(go_programs(GoModule::Newest)).map(|go| go.join("counter-plugin")));
    plugins
}
