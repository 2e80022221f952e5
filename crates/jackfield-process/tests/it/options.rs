//! What a host may choose about a plugin's program, its sockets, its versions and its TLS.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jackfield_core::{Candidate, Context, Load};
use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};
use sha2::{Digest, Sha256};

use crate::calls::{get, load, run};
use crate::netrpc_plugin;
use crate::own_tls;
use crate::peers::{Go, chain, description, handshake, our_plugin};

fn ours(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)
}

fn refusal(plugin: &ProcessPlugin) -> String {
    let load = Load::new(Context::new("kv", []), description());
    chain(&run(plugin.load(&load)).unwrap_err())
}

fn digest(program: &Path) -> [u8; 32] {
    Sha256::digest(std::fs::read(program).unwrap()).into()
}

#[test]
fn a_program_with_the_right_digest_runs_from_memory() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&ours(&backend).sha256(digest(&our_plugin()))).await;
        let pid = get(&channel, "__pid").await.unwrap();
        let program = std::fs::read_link(format!("/proc/{}/exe", str::from_utf8(&pid).unwrap())).unwrap();
        assert!(program.starts_with("/memfd:jackfield-plugin (deleted)"), "{}", program.display());
    });
}

#[test]
fn a_program_that_was_tampered_with_does_not_run() {
    let home = tempfile::tempdir().unwrap();
    let ran = home.path().join("ran");
    let program = home.path().join("plugin");
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let backend = ProcessBackend::start().unwrap();
    let plugin = || ProcessPlugin::new(&program).backend(&backend);

    let text = refusal(&plugin().sha256([7; 32]));
    assert!(text.contains(&format!("SHA-256 digest `{}`, found `", "07".repeat(32))), "{text}");
    let text = refusal(&plugin().sha256(digest(&program)));
    assert!(text.contains("runs from memory, found a script\n(hint:"), "{text}");
    let text = refusal(&ProcessPlugin::new("/nowhere").backend(&backend).sha256([7; 32]));
    assert!(text.contains("failed to read `/nowhere`"), "{text}");
    assert!(!ran.exists());
}

#[test]
fn what_cannot_be_executed_is_named() {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("plugin");
    let backend = ProcessBackend::start().unwrap();
    // The header of a program for another machine.
    let mut foreign = std::fs::read(our_plugin()).unwrap();
    foreign[18] = 0xff;
    foreign.truncate(4096);
    std::fs::write(&program, foreign).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    let plugin = ProcessPlugin::new(&program).backend(&backend);
    let text = refusal(&plugin);
    assert!(text.contains("failed to start") && text.contains("this user may execute"), "{text}");

    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = refusal(&plugin);
    assert!(text.contains("failed to start") && text.contains("it is for the machine 255"), "{text}");
}

#[test]
fn a_plugin_may_listen_on_tcp() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        for plugin in [ours(&backend), ours(&backend).auto_mtls(), ours(&backend).ports(0..=0)] {
            let (instance, channel) = load(&plugin.env("KV_NETWORK", "tcp")).await;
            assert_eq!(get(&channel, "__size:100000").await.unwrap().len(), 100_000);
            assert_eq!(instance.unload(Duration::from_secs(2)).await.to_string(), "exited (exit status: 0)");
        }
    });
}

#[test]
fn a_plugin_takes_a_port_of_the_hosts_range() {
    let line =
        announced(&[("KV_NETWORK", "tcp"), ("PLUGIN_MIN_PORT", "47000"), ("PLUGIN_MAX_PORT", "47100")]);
    let port: u16 = line.split(['|', ':']).nth(4).unwrap().parse().unwrap();
    assert!((47_000..=47_100).contains(&port), "{line}");
}

#[test]
fn a_group_may_connect_if_the_host_says_so() {
    let backend = ProcessBackend::start().unwrap();
    let group = rustix::process::getgid().as_raw();
    let name = std::fs::read_to_string("/etc/group").unwrap();
    let name = name.lines().find(|line| line.split(':').nth(2) == Some(&group.to_string())).unwrap();
    let name = name.split(':').next().unwrap();
    run(async {
        for group_text in [name.to_owned(), group.to_string()] {
            let (_instance, channel) = load(&ours(&backend).socket_group(group_text)).await;
            let directory = get(&channel, "__env:PLUGIN_UNIX_SOCKET_DIR").await.unwrap();
            let directory = Path::new(str::from_utf8(&directory).unwrap()).to_owned();
            let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
            assert_eq!(mode(&directory), 0o770);
            let socket = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
            assert_eq!(mode(&socket), 0o660);
            assert_eq!(std::fs::metadata(&socket).unwrap().gid(), group);
        }
    });
    let text = refusal(&ours(&backend).socket_group("no such group"));
    assert!(text.contains("expected a group's number or name, found `no such group`"), "{text}");
}

#[test]
fn the_highest_common_version_is_spoken() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        for plugin in [Go::Newest.plugin(&backend), ours(&backend)] {
            let plugin = plugin.env("KV_VERSIONS", "2,3");
            let negotiated = plugin.clone().versions([2, 3, 4]).start("kv").await.unwrap();
            assert_eq!(negotiated.protocol_version(), 3);
            assert_eq!(plugin.versions([2]).start("kv").await.unwrap().protocol_version(), 2);
        }
    });
}

#[test]
fn without_a_common_version_both_sides_are_named() {
    let backend = ProcessBackend::start().unwrap();
    let refusal = |plugin: ProcessPlugin| refusal(&plugin.env("KV_VERSIONS", "7,8").versions([5]));
    for plugin in [ours(&backend), ours(&backend).multiplex(), ours(&backend).auto_mtls()] {
        let text = refusal(plugin);
        assert!(text.ends_with("expected protocol version `1` or `5`, found `7` and `8`"), "{text}");
    }
    if Go::is_here() {
        let text = refusal(Go::Newest.plugin(&backend));
        let found = "expected protocol version `1` or `5`, found `7`\n(hint: the plugin may have others,";
        assert!(text.contains(found), "{text}");
    }
}

/// Over net/rpc, too.
#[test]
fn a_plugin_of_the_older_protocol_names_its_versions() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = netrpc_plugin::plugin(netrpc_plugin::our_plugin(), &backend);
    let text = refusal(&plugin.handshake(Handshake::new(9, "BASIC_PLUGIN", "hello")));
    assert!(text.ends_with("expected protocol version `9`, found `1` and `2`"), "{text}");
}

#[test]
fn a_go_host_speaks_the_highest_common_version() {
    if !Go::is_here() {
        return;
    }
    let version = |host: &str, plugin: &str| {
        // The two read the same variable, so the plugin gets its value through a shell.
        let command = format!("KV_VERSIONS={plugin} exec {}", our_plugin().display());
        let output = program(Go::Newest.programs().join("kv-host"))
            .arg("version")
            .env("KV_PLUGIN", command)
            .env("KV_VERSIONS", host)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(version("1,2,3", "2,3"), "3\n");
    assert_eq!(version("1,2", "2,3"), "2\n");
    assert!(version("1", "2,3").contains("ncompatible API version"), "{}", version("1", "2,3"));
}

#[test]
fn a_host_that_names_no_versions_gets_the_lowest() {
    let line = announced(&[("KV_VERSIONS", "4,2,3")]);
    assert!(line.starts_with("1|2|unix|"), "{line}");
    let line = announced(&[("KV_VERSIONS", "4,2,3"), ("PLUGIN_PROTOCOL_VERSIONS", "3,x,4")]);
    assert!(line.starts_with("1|4|unix|"), "{line}");
}

#[test]
fn a_plugin_puts_its_socket_where_the_host_says() {
    let home = tempfile::tempdir().unwrap();
    let line = announced(&[("PLUGIN_UNIX_SOCKET_DIR", home.path().to_str().unwrap())]);
    assert!(line.starts_with(&format!("1|1|unix|{}/", home.path().display())), "{line}");
}

#[test]
fn a_plugin_sees_the_hosts_environment_if_the_host_says_so() {
    let backend = ProcessBackend::start().unwrap();
    let key = "__env:CARGO_MANIFEST_DIR";
    run(async {
        let (_instance, channel) = load(&ours(&backend)).await;
        get(&channel, key).await.unwrap_err();
        let (_instance, channel) = load(&ours(&backend).inherit_env()).await;
        let found = get(&channel, key).await.expect("cargo runs this test");
        assert_eq!(found, std::env::var("CARGO_MANIFEST_DIR").unwrap());
    });
}

/// The line by which our plugin announces itself under these variables.
fn announced(variables: &[(&str, &str)]) -> String {
    use std::io::{BufRead, BufReader};
    let Handshake { cookie_key, cookie_value, .. } = handshake();
    let mut child = program(our_plugin())
        .env(cookie_key, cookie_value)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    if let Some(path) = line.split('|').nth(3) {
        let _removed = std::fs::remove_file(path);
    }
    line
}

#[test]
fn both_ends_may_bring_their_own_tls() {
    if !Go::is_here() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    make_certificates(home.path());
    let backend = ProcessBackend::start().unwrap();
    for plugin in [Go::Newest.plugin(&backend), ours(&backend)] {
        let plugin = plugin.env("KV_TLS", home.path());
        run(async {
            let (_instance, channel) =
                load(&plugin.clone().tls(own_tls::load(home.path(), "host", "plugin"))).await;
            assert_eq!(get(&channel, "__size:100000").await.unwrap().len(), 100_000);
        });
        // A host with a key of its own making is refused, and so is one without TLS and one with AutoMTLS.
        let stranger = tempfile::tempdir().unwrap();
        make_certificates(stranger.path());
        std::fs::copy(home.path().join("plugin.pem"), stranger.path().join("plugin.pem")).unwrap();
        let text = refusal(&plugin.clone().tls(own_tls::load(stranger.path(), "host", "plugin")));
        assert!(text.contains("the plugin ended the connection before its first answer"), "{text}");
        let text = refusal(&plugin);
        assert!(text.contains("the plugin ended the connection before its first answer"), "{text}");
        assert!(
            refusal(&plugin.clone().auto_mtls()).contains("expected a certificate, since AutoMTLS is on")
        );
    }
}

/// As a host that is itself a plugin hands down what its own host told it, if it shows its whole environment.
#[test]
fn a_plugin_that_was_asked_for_a_certificate_by_another_host_is_refused() {
    let home = tempfile::tempdir().unwrap();
    make_certificates(home.path());
    let certificate = std::fs::read_to_string(home.path().join("host.pem")).unwrap();
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![ours(&backend)];
    if Go::is_here() {
        plugins.push(Go::Newest.plugin(&backend));
    }
    for plugin in plugins {
        let plugin = plugin.env("PLUGIN_CLIENT_CERT", &certificate);
        let text = refusal(&plugin);
        assert!(text.contains("expected no certificate, since AutoMTLS is off"), "{text}");
        // What this host asks for goes before it.
        run(async {
            let (_instance, channel) = load(&plugin.auto_mtls()).await;
            get(&channel, "__pid").await.unwrap();
        });
    }
}

#[test]
fn a_go_host_may_bring_its_own_tls() {
    if !Go::is_here() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    make_certificates(home.path());
    let output = program(Go::Newest.programs().join("kv-host"))
        .args(["loop", "10"])
        .env("KV_PLUGIN", our_plugin())
        .env("KV_TLS", home.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok 10\n", "{output:?}");
}

#[test]
fn a_plugin_that_cannot_multiplex_is_refused() {
    let backend = ProcessBackend::start().unwrap();
    for line in ["1|1|unix|/nowhere|grpc|", "1|1|unix|/nowhere|grpc||false"] {
        let text = refusal(&ProcessPlugin::new("echo").args([line]).backend(&backend).multiplex());
        assert!(text.contains("expected a plugin that multiplexes its connections"), "{text}");
    }
    if Go::is_here() {
        let text = refusal(&Go::V1_4.plugin(&backend).multiplex());
        assert!(text.contains("expected a plugin that multiplexes its connections"), "{text}");
    }
}

/// Makes the certificates and keys of both ends.
pub(crate) fn make_certificates(directory: &Path) {
    for name in ["host", "plugin"] {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join(format!("{name}.pem")), cert.pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), signing_key.serialize_pem()).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}
