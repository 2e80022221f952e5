//! Many calls over one connection leave nothing behind. `cargo xtask compare netrpc.soak` makes a million of them.

use std::process::Command;

use jackfield_fixtures::Build;

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures processes of its own")]
fn many_calls_over_net_rpc_leave_nothing_behind() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("the programs build");
    let mut host = Command::new(built.program("measure-grpc-host"));
    host.env("BENCH_PLUGIN", built.program("measure-grpc-plugin")).args(["-netrpc", "soak", "20000"]);
    let output = host.output().expect("the host runs");
    assert!(output.status.success(), "{output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object");
    assert_eq!(said["growth_descriptors"], 0, "{said}");
    assert!(said["growth_kb"].as_u64().expect("a number") < 2048, "{said}");
}
