//! Reads a manifest: what a file says of a program that carries no note of its own.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jackfield_core::schema::Descriptor;
use serde::Deserialize;

use crate::manager::{Breaker, Policy};
use crate::version;

/// A program, and how it becomes a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// A file, or a name that is looked up in `PATH`.
    pub(crate) command: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// What the plugin finds in its context.
    pub(crate) config: BTreeMap<String, String>,
    /// Where the program starts.
    pub(crate) directory: PathBuf,
    pub(crate) is_enabled: bool,
    pub(crate) version: Option<String>,
    /// What says what it serves.
    pub(crate) interface: Option<InterfaceFile>,
    pub(crate) policy: OwnPolicy,
    /// In bytes.
    pub(crate) max_memory: Option<u64>,
    pub(crate) wire: Wire,
}

/// A file that describes interfaces, and which of them is meant if it is not the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceFile {
    pub(crate) path: PathBuf,
    pub(crate) service: Option<String>,
}

impl InterfaceFile {
    /// The interface that is meant of those that `read` finds in the file.
    pub(crate) fn find(
        &self,
        read: impl FnOnce(&Path) -> Result<Vec<Descriptor>, String>,
    ) -> Result<Descriptor, String> {
        let described = read(&self.path).map_err(|reason| format!("`interface`: {reason}"))?;
        let services: Vec<_> = described.iter().map(|found| format!("`{}`", found.service)).collect();
        let is_meant =
            |found: &Descriptor| self.service.as_ref().is_none_or(|service| *service == found.service);
        let mut meant = described.into_iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(interface), None) => Ok(interface),
            _ => Err(format!(
                "`service`: expected one of the interfaces in `{}`, which has {}",
                self.path.display(),
                services.join(", ")
            )),
        }
    }
}

/// How a program is supervised, as far as that is other than its host's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnPolicy {
    breaker: Option<Breaker>,
    calls: Option<usize>,
    deadline: Option<Duration>,
    queue: Option<usize>,
}

impl OwnPolicy {
    /// This where it says something, and else that of the host.
    pub(crate) fn over(&self, policy: &Policy) -> Policy {
        let Policy { breaker, mut limits, spans } = policy.clone();
        limits.calls = self.calls.or(limits.calls);
        limits.deadline = self.deadline.or(limits.deadline);
        limits.queue = self.queue.unwrap_or(limits.queue);
        Policy { breaker: self.breaker.clone().or(breaker), limits, spans }
    }
}

/// How a program talks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Process {
        handshake: Option<Handshake>,
        net_rpc: Option<NetRpc>,
        is_auto_mtls: bool,
        /// How long it may leave a question unanswered.
        liveness: Option<Duration>,
        sha256: Option<[u8; 32]>,
    },
    Stdio {
        codec: Codec,
        map_arguments: Vec<String>,
        /// Whether it hands over what it holds.
        hands_over: bool,
        allows_lacking: bool,
    },
}

/// What the two sides must agree on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handshake {
    pub(crate) version: i32,
    pub(crate) cookie_key: String,
    pub(crate) cookie_value: String,
}

/// How a plugin answers over net/rpc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetRpc {
    /// The name that it has in its program, if that is another one than its own.
    pub(crate) dispense: Option<String>,
    pub(crate) map_arguments: Vec<String>,
    /// Whether methods may be lacking that cannot be carried.
    pub(crate) allows_lacking: bool,
}

/// What goes over standard input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Codec {
    Gob,
    Json,
    Json2,
}

impl Manifest {
    /// Reads a manifest that lies in `directory`.
    pub(crate) fn parse(text: &str, directory: &Path) -> Result<Self, String> {
        let text: Text = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!(
                "line {line}: {}\n(hint: `command` is required; docs/manifest.md has all keys)",
                error.message()
            )
        })?;
        text.check()?;
        let wire = match text.kind {
            Kind::Process => Wire::Process {
                is_auto_mtls: text.auto_mtls.unwrap_or_default(),
                liveness: text.liveness.map(|seconds| parse_seconds("liveness", seconds)).transpose()?,
                sha256: text.sha256.as_deref().map(parse_digest).transpose()?,
                handshake: text.handshake,
                net_rpc: (text.protocol == Some(Protocol::NetRpc)).then(|| NetRpc {
                    dispense: text.dispense,
                    map_arguments: text.map_arguments.unwrap_or_default(),
                    allows_lacking: text.allow_lacking.unwrap_or_default(),
                }),
            },
            Kind::Stdio => Wire::Stdio {
                codec: text.codec.unwrap_or(Codec::Json),
                map_arguments: text.map_arguments.unwrap_or_default(),
                hands_over: text.hands_over.unwrap_or_default(),
                allows_lacking: text.allow_lacking.unwrap_or_default(),
            },
        };
        let interface =
            text.interface.map(|path| InterfaceFile { path: directory.join(path), service: text.service });
        let command =
            if text.command.contains('/') { directory.join(text.command) } else { text.command.into() };
        let directory = directory.join(text.directory.unwrap_or_default());
        let policy = OwnPolicy {
            breaker: text.breaker.map(BreakerText::read).transpose()?,
            calls: text.max_calls.map(NonZero::get),
            deadline: text.deadline.map(|seconds| parse_seconds("deadline", seconds)).transpose()?,
            queue: text.max_queue,
        };
        let (args, env, is_enabled, version) = (text.args, text.env, text.enabled, text.version);
        let (config, max_memory) = (text.config, text.max_memory);
        Ok(Self {
            command,
            args,
            env,
            config,
            directory,
            is_enabled,
            version,
            interface,
            policy,
            max_memory,
            wire,
        })
    }

    /// The files that it names: its program, if that is not looked up in `PATH`, what its arguments are if they are files,
    /// and what says what it serves.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let arguments = self.args.iter().map(|argument| self.directory.join(argument));
        let interface = self.interface.iter().map(|interface| interface.path.clone());
        self.program().map(Path::to_owned).into_iter().chain(arguments).chain(interface).collect()
    }

    /// The program's file, if it is not looked up in `PATH`.
    pub(crate) fn program(&self) -> Option<&Path> {
        (self.command.components().count() > 1).then_some(&*self.command)
    }
}

/// What may stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    kind: Kind,
    command: String,
    #[serde(default)]
    args: Vec<String>,
    directory: Option<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default = "yes")]
    enabled: bool,
    version: Option<String>,
    interface: Option<PathBuf>,
    service: Option<String>,
    max_calls: Option<NonZero<usize>>,
    max_queue: Option<usize>,
    max_memory: Option<u64>,
    deadline: Option<f64>,
    breaker: Option<BreakerText>,
    handshake: Option<Handshake>,
    protocol: Option<Protocol>,
    auto_mtls: Option<bool>,
    liveness: Option<f64>,
    sha256: Option<String>,
    dispense: Option<String>,
    map_arguments: Option<Vec<String>>,
    allow_lacking: Option<bool>,
    codec: Option<Codec>,
    hands_over: Option<bool>,
}

impl Text {
    /// Refuses a key that says nothing about a program of this kind.
    fn check(&self) -> Result<(), String> {
        if let Some(version) = self.version.as_ref().filter(|text| version::parse(text).is_none()) {
            return Err(format!("`version`: expected a version such as `1.2.0`, found `{version}`"));
        }
        if self.service.is_some() && self.interface.is_none() {
            return Err("expected the key `service` with `interface` only".to_owned());
        }
        let kind = match (self.kind, self.protocol) {
            (Kind::Process, Some(Protocol::NetRpc)) => 1,
            (Kind::Process, _) => 0,
            (Kind::Stdio, _) => 2,
        };
        for (key, is_there, kinds) in [
            ("handshake", self.handshake.is_some(), &[0, 1][..]),
            ("protocol", self.protocol.is_some(), &[0, 1]),
            ("auto_mtls", self.auto_mtls.is_some(), &[0, 1]),
            ("liveness", self.liveness.is_some(), &[0, 1]),
            ("sha256", self.sha256.is_some(), &[0, 1]),
            ("dispense", self.dispense.is_some(), &[1]),
            ("map_arguments", self.map_arguments.is_some(), &[1, 2]),
            ("allow_lacking", self.allow_lacking.is_some(), &[1, 2]),
            ("codec", self.codec.is_some(), &[2]),
            ("hands_over", self.hands_over.is_some(), &[2]),
        ] {
            if is_there && !kinds.contains(&kind) {
                let allowed: Vec<_> = kinds.iter().map(|kind| KINDS[*kind]).collect();
                return Err(format!(
                    "expected the key `{key}` with {} only, found it with {}",
                    allowed.join(" or "),
                    KINDS[kind]
                ));
            }
        }
        Ok(())
    }
}

/// What may be said of a breaker, the pause in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakerText {
    errors: Option<NonZero<u32>>,
    pause: Option<f64>,
}

impl BreakerText {
    fn read(self) -> Result<Breaker, String> {
        let mut breaker = Breaker::default();
        breaker.errors = self.errors.map_or(breaker.errors, NonZero::get);
        if let Some(seconds) = self.pause {
            breaker.pause = parse_seconds("pause", seconds)?;
        }
        Ok(breaker)
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Process,
    Stdio,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Grpc,
    NetRpc,
}

fn yes() -> bool {
    true
}

fn parse_digest(text: &str) -> Result<[u8; 32], String> {
    let wrong = || format!("`sha256`: expected 64 hexadecimal digits, found `{text}`");
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

fn parse_seconds(key: &str, seconds: f64) -> Result<Duration, String> {
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| format!("`{key}`: expected a number of seconds above 0, found `{seconds}`"))
}

/// How the kinds are written in a manifest.
const KINDS: [&str; 3] = ["`kind = \"process\"`", "`protocol = \"netrpc\"`", "`kind = \"stdio\"`"];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(text, Path::new("/plugins"))
    }

    #[test]
    fn a_command_is_a_file_beside_the_manifest_or_a_name() {
        let manifest = parse("command = \"./kv\"\nargs = [\"serve\"]").expect("a manifest");
        assert_eq!(manifest.program(), Some(Path::new("/plugins/kv")));
        assert!(manifest.is_enabled);
        let manifest = parse("command = \"python3\"\nkind = \"stdio\"\nenabled = false").expect("a manifest");
        assert_eq!((manifest.program(), manifest.command.as_path()), (None, Path::new("python3")));
        assert_eq!(
            manifest.wire,
            Wire::Stdio {
                codec: Codec::Json,
                map_arguments: Vec::new(),
                hands_over: false,
                allows_lacking: false
            }
        );
        assert!(!manifest.is_enabled);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        for (text, expected) in [
            ("args = []", "missing field `command`"),
            (
                "command = \"kv\"\ncolour = 1",
                "line 2: unknown field `colour`, expected one of `kind`, `command`",
            ),
            ("command = \"kv\"\nkind = \"wasm\"", "unknown variant `wasm`, expected `process` or `stdio`"),
            ("command = \"kv\"\nhandshake = { version = 1 }", "missing field `cookie_key`"),
            ("command = 7", "line 1: invalid type: integer `7`, expected a string"),
            (
                "command = \"kv\"\ncodec = \"json\"",
                "expected the key `codec` with `kind = \"stdio\"` only, found it with `kind = \"process\"`",
            ),
            (
                "command = \"kv\"\ndispense = \"kv\"",
                "expected the key `dispense` with `protocol = \"netrpc\"` only",
            ),
            (
                "command = \"kv\"\nallow_lacking = true",
                "expected the key `allow_lacking` with `protocol = \"netrpc\"` or `kind = \"stdio\"` only",
            ),
            ("command = \"kv\"\nsha256 = \"beef\"", "expected 64 hexadecimal digits, found `beef`"),
            (
                "command = \"kv\"\nversion = \"new\"",
                "`version`: expected a version such as `1.2.0`, found `new`",
            ),
            (
                "command = \"kv\"\nmax_calls = 0",
                "line 2: invalid value: integer `0`, expected a nonzero usize",
            ),
            (
                "command = \"kv\"\ndeadline = -1",
                "`deadline`: expected a number of seconds above 0, found `-1`",
            ),
            ("command = \"kv\"\nservice = \"proto.KV\"", "expected the key `service` with `interface` only"),
            ("command", "line 1: "),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_it_says_of_limits_goes_before_what_the_host_says() {
        let mut host = Policy::default();
        (host.limits.calls, host.limits.queue) = (Some(4), 7);
        let policy = |text: &str, host: &Policy| {
            parse(&format!("command = \"kv\"\n{text}")).expect("a manifest").policy.over(host)
        };
        let own = policy("max_calls = 2\ndeadline = 1\nbreaker = { errors = 3 }", &host);
        assert_eq!((own.limits.calls, own.limits.queue), (Some(2), 7));
        assert_eq!(own.limits.deadline, Some(Duration::from_secs(1)));
        let breaker = own.breaker.clone().expect("it says so");
        assert_eq!((breaker.errors, breaker.pause), (3, Breaker::default().pause));
        assert_eq!(policy("max_queue = 7", &own), own);
        let own = policy("max_queue = 0\ndeadline = 0.25\nbreaker = { pause = 0.5 }", &own);
        assert_eq!((own.limits.calls, own.limits.queue), (Some(2), 0));
        assert_eq!(own.limits.deadline, Some(Duration::from_millis(250)));
        assert_eq!(own.breaker.expect("it says so").pause, Duration::from_millis(500));
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let text = format!("command = \"kv\"\nsha256 = \"{}\"", "0aF1".repeat(16));
        let Wire::Process { sha256: Some(digest), .. } = parse(&text).expect("a manifest").wire else {
            panic!("a digest")
        };
        assert_eq!(digest[..4], [0x0a, 0xf1, 0x0a, 0xf1]);
    }
}
