//! What is measured, against what, and how much of it may be.

use super::programs::Artifact;

/// One line of the comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ours: Source,
    pub(crate) peer: Option<Peer>,
    pub(crate) bound: Bound,
    /// What it is, for people.
    pub(crate) about: &'static str,
}

/// What ours is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A field of what a program prints.
    Field(Run, &'static str),
    /// The size of a file, in kB.
    Size(Artifact),
}

/// One program to run. Keys that name the same run share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) program: Artifact,
    pub(crate) arguments: &'static [Argument],
    /// What the program is told to start.
    pub(crate) plugin: Option<Artifact>,
    pub(crate) placement: Placement,
    pub(crate) often: Often,
}

/// How often a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Often {
    /// In the first round only, since it takes long.
    Once,
    /// So many times in each round.
    EachRound(u32),
}

impl Often {
    /// How often it runs in a round, of which the first is 1.
    pub(crate) fn in_round(self, round: u32) -> u32 {
        match self {
            Self::Once => u32::from(round == 1),
            Self::EachRound(times) => times,
        }
    }
}

/// An argument of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Argument {
    /// How many starts or updates to measure.
    Count,
    File(Artifact),
    /// How long to measure.
    Seconds,
    Text(&'static str),
}

/// Which cores a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placement {
    Free,
    /// It and what it starts share one core.
    OneCore,
}

/// How much a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeastTimes(f64),
    AtMost(f64),
    /// So much more than the peer.
    AtMostAbove(f64),
    AtMostTimes(f64),
    /// It is only shown.
    None,
}

impl Source {
    /// The run, if there is one.
    pub(crate) fn run(&self) -> Option<Run> {
        match self {
            Self::Field(run, _) => Some(*run),
            Self::Size(_) => None,
        }
    }

    /// The files without which there is no number.
    pub(crate) fn artifacts(&self) -> Vec<Artifact> {
        match self {
            Self::Size(artifact) => vec![*artifact],
            Self::Field(run, _) => {
                let files = run.arguments.iter().filter_map(|argument| match argument {
                    Argument::File(artifact) => Some(*artifact),
                    _ => None,
                });
                [run.program].into_iter().chain(run.plugin).chain(files).collect()
            }
        }
    }
}

impl Key {
    /// The sources, ours first.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> {
        [self.ours].into_iter().chain(self.peer.map(|peer| peer.source))
    }

    /// The first part of the name.
    pub(crate) fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// All keys, in the order of the table.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "native.handle_call",
        unit: "ns",
        ours: Source::Field(CALL, "handle_ns"),
        peer: Some(Peer { name: "a `dyn` call in the host", source: Source::Field(CALL, "dyn_ns") }),
        bound: Bound::AtMostTimes(2.5),
        about: "`add(i64, i64)` through a handle that can be swapped and survives a panic",
    },
    Key {
        name: "native.handle_call_go",
        unit: "ns",
        ours: Source::Field(CALL, "handle_ns"),
        peer: Some(Peer { name: "Go's plugin call", source: Source::Field(GO_CALL, "ns_per_call") }),
        bound: Bound::None,
        about: "the same call against a function of a Go plugin, which can neither be swapped nor unloaded",
    },
    Key {
        name: "native.handle_call_stabby",
        unit: "ns",
        ours: Source::Field(CALL, "handle_ns"),
        peer: Some(Peer { name: "stabby", source: Source::Field(RIVALS, "stabby_ns") }),
        bound: Bound::None,
        about: "the same call against a trait object of stabby, which can neither be swapped nor unloaded, nor panic",
    },
    Key {
        name: "native.handle_call_abi_stable",
        unit: "ns",
        ours: Source::Field(CALL, "handle_ns"),
        peer: Some(Peer { name: "abi_stable", source: Source::Field(RIVALS, "abi_stable_ns") }),
        bound: Bound::None,
        about: "the same against a trait object of abi_stable, of which the same holds",
    },
    Key {
        name: "native.handle_call_contended",
        unit: "ns",
        ours: Source::Field(CONTENDED, "two_ns"),
        peer: Some(Peer { name: "the same on one thread", source: Source::Field(CONTENDED, "one_ns") }),
        bound: Bound::AtMostTimes(1.3),
        about: "the same handle, called on two threads at once",
    },
    Key {
        name: "native.get_16",
        unit: "ns",
        ours: Source::Field(GET_16, "handle_ns"),
        peer: Some(Peer { name: "a `dyn` call in the host", source: Source::Field(GET_16, "dyn_ns") }),
        bound: Bound::AtMostTimes(1.2),
        about: "16 bytes of a store, as shared `Bytes`",
    },
    Key {
        name: "native.get_4k",
        unit: "ns",
        ours: Source::Field(GET_4K, "handle_ns"),
        peer: Some(Peer { name: "a `dyn` call in the host", source: Source::Field(GET_4K, "dyn_ns") }),
        bound: Bound::AtMostTimes(1.2),
        about: "4 KiB of a store, as shared `Bytes`",
    },
    Key {
        name: "native.get_1m",
        unit: "ns",
        ours: Source::Field(GET_1M, "handle_ns"),
        peer: Some(Peer { name: "a `dyn` call in the host", source: Source::Field(GET_1M, "dyn_ns") }),
        bound: Bound::AtMostTimes(1.2),
        about: "1 MiB as `Bytes`, in a buffer that the plugin fills for the call: it is handed over, not copied",
    },
    Key {
        name: "native.get_1m_shared",
        unit: "ns",
        ours: Source::Field(GET_1M_SHARED, "handle_ns"),
        peer: Some(Peer { name: "a `dyn` call in the host", source: Source::Field(GET_1M_SHARED, "dyn_ns") }),
        bound: Bound::None,
        about: "1 MiB of a store, as shared `Bytes`: against a reference count up and down",
    },
    Key {
        name: "native.async_call",
        unit: "ns",
        ours: Source::Field(ASYNC, "handle_ns"),
        peer: Some(Peer { name: "a `dyn` call in the host", source: Source::Field(ASYNC, "dyn_ns") }),
        bound: Bound::AtMost(60.0),
        about: "an `async fn` that is ready at once, polled through a handle",
    },
    Key {
        name: "native.symbol_call",
        unit: "ns",
        ours: Source::Field(SYMBOL, "call_ns"),
        peer: Some(Peer { name: "a pointer from libloading", source: Source::Field(SYMBOL, "raw_ns") }),
        bound: Bound::AtMostTimes(1.3),
        about: "`add(i64, i64)` through a symbol, which survives a reload, an unload and a panic",
    },
    Key {
        name: "native.symbol_call_pinned",
        unit: "ns",
        ours: Source::Field(SYMBOL, "pinned_ns"),
        peer: Some(Peer {
            name: "a pointer from libloading",
            source: Source::Field(SYMBOL, "pinned_raw_ns"),
        }),
        bound: Bound::AtMostTimes(1.05),
        about: "the same while the code is pinned",
    },
    Key {
        name: "native.symbol_call_go",
        unit: "ns",
        ours: Source::Field(SYMBOL, "call_ns"),
        peer: Some(Peer { name: "Go's plugin call", source: Source::Field(GO_CALL, "ns_per_call") }),
        bound: Bound::AtMostTimes(1.0),
        about: "the same against a function of a Go plugin",
    },
    Key {
        name: "native.lookup",
        unit: "ns",
        ours: Source::Field(
            Run {
                arguments: &[Argument::Text("lookup"), Argument::File(Artifact::Symbols), Argument::Seconds],
                ..native(Artifact::Native)
            },
            "ns_per_lookup",
        ),
        peer: Some(Peer {
            name: "Go's `Lookup`",
            source: Source::Field(
                Run { arguments: &go_symbol("lookup"), ..native(Artifact::GoSymbolHost) },
                "ns_per_lookup",
            ),
        }),
        bound: Bound::AtMostTimes(1.0),
        about: "a function by name, in a library that is open",
    },
    Key {
        name: "native.open",
        unit: "µs",
        ours: Source::Field(
            Run {
                arguments: &[Argument::Text("open"), Argument::File(Artifact::Adder)],
                often: OPENS,
                ..native(Artifact::Native)
            },
            "open_us",
        ),
        peer: Some(Peer {
            name: "Go's `plugin.Open` and `Lookup`",
            source: Source::Field(
                Run {
                    arguments: &[Argument::Text("open"), Argument::File(Artifact::GoSymbolPlugin)],
                    often: OPENS,
                    ..native(Artifact::GoSymbolHost)
                },
                "open_us",
            ),
        }),
        bound: Bound::AtMostTimes(0.5),
        about: "the first load in a fresh process, from the path to a handle, digest and seal included",
    },
    Key {
        name: "native.size",
        unit: "kB",
        ours: Source::Size(Artifact::Adder),
        peer: Some(Peer { name: "a Go plugin", source: Source::Size(Artifact::GoSymbolPlugin) }),
        bound: Bound::AtMost(400.0),
        about: "a minimal plugin with one function, stripped",
    },
    Key {
        name: "native.update",
        unit: "failed calls",
        ours: Source::Field(UPDATE, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "a library is updated while four threads call it without a pause",
    },
    Key {
        name: "native.update_stall",
        unit: "ms",
        ours: Source::Field(UPDATE, "stall_ms"),
        peer: Some(Peer {
            name: "loading under another name",
            source: Source::Field(UPDATE, "load_stall_ms"),
        }),
        bound: Bound::AtMostAbove(1.0),
        about: "the longest time between two answers during these updates, less what the caller waited for a core, and the same while the two are only loaded",
    },
    Key {
        name: "native.unload",
        unit: "kB",
        ours: Source::Field(
            Run {
                arguments: &[
                    Argument::Text("unload"),
                    Argument::File(Artifact::ProbeOne),
                    Argument::Text("1000"),
                ],
                ..native(Artifact::Native)
            },
            "growth_kb",
        ),
        peer: None,
        bound: Bound::AtMost(1024.0),
        about: "by how much the host has grown after a library was loaded, called and unmapped 1,000 times",
    },
    Key {
        name: "native.unload_pinned",
        unit: "kB",
        ours: Source::Field(
            Run {
                arguments: &[
                    Argument::Text("pinned"),
                    Argument::File(Artifact::Holder),
                    Argument::Text("100"),
                ],
                ..native(Artifact::Native)
            },
            "kept_kb",
        ),
        peer: None,
        bound: Bound::AtMost(300.0),
        about: "what each small library (390 kB) keeps that was unloaded while a thread holds a thread-local of it",
    },
    Key {
        name: "native.unload_pinned_large",
        unit: "kB",
        ours: Source::Field(
            Run {
                arguments: &[
                    Argument::Text("pinned-probe"),
                    Argument::File(Artifact::ProbeOne),
                    Argument::Text("100"),
                ],
                ..native(Artifact::Native)
            },
            "kept_kb",
        ),
        peer: None,
        bound: Bound::None,
        about: "the same of one of 720 kB, whose interface has everything that one can have",
    },
    Key {
        name: "grpc.unary_16",
        unit: "µs",
        ours: Source::Field(UNARY, "p50_us"),
        peer: Some(Peer { name: "go-plugin", source: Source::Field(GO_UNARY, "p50_us") }),
        bound: Bound::AtMostTimes(0.6),
        about: "one call at a time, 16 bytes back",
    },
    Key {
        name: "grpc.unary_16_tonic",
        unit: "µs",
        ours: Source::Field(UNARY, "p50_us"),
        peer: Some(Peer { name: "bare tonic", source: Source::Field(TONIC_UNARY, "p50_us") }),
        bound: Bound::AtMostTimes(1.15),
        about: "the same against `tonic` with nothing around it: same runtimes, socket and message",
    },
    Key {
        name: "grpc.unary_16_per_runtime",
        unit: "µs",
        ours: Source::Field(Run { arguments: PER_RUNTIME, ..UNARY }, "p50_us"),
        peer: Some(Peer { name: "bare tonic", source: Source::Field(TONIC_UNARY, "p50_us") }),
        bound: Bound::AtMostTimes(1.15),
        about: "the same with `connection_per_runtime`, where the connection lives on the caller's runtime",
    },
    Key {
        name: "grpc.unary_16_one_core",
        unit: "µs",
        ours: Source::Field(Run { placement: Placement::OneCore, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { placement: Placement::OneCore, ..GO_UNARY }, "p50_us"),
        }),
        bound: Bound::AtMostTimes(0.6),
        about: "one call at a time with host and plugin on one core, where no core has to be woken",
    },
    Key {
        name: "grpc.unary_16_one_core_tonic",
        unit: "µs",
        ours: Source::Field(Run { placement: Placement::OneCore, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "bare tonic",
            source: Source::Field(Run { placement: Placement::OneCore, ..TONIC_UNARY }, "p50_us"),
        }),
        bound: Bound::AtMostTimes(1.15),
        about: "the same against bare `tonic`",
    },
    Key {
        name: "grpc.unary_16_throughput",
        unit: "calls/s",
        ours: Source::Field(Run { arguments: UNARY_64, ..UNARY }, "per_second"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: UNARY_64, ..GO_UNARY }, "per_second"),
        }),
        bound: Bound::AtLeastTimes(1.5),
        about: "64 calls at once, 16 bytes back",
    },
    Key {
        name: "grpc.unary_16_throughput_per_runtime",
        unit: "calls/s",
        ours: Source::Field(Run { arguments: PER_RUNTIME_64, ..UNARY }, "per_second"),
        peer: Some(Peer {
            name: "bare tonic",
            source: Source::Field(Run { arguments: UNARY_64, ..TONIC_UNARY }, "per_second"),
        }),
        bound: Bound::None,
        about: "the same with `connection_per_runtime`, against bare `tonic`",
    },
    Key {
        name: "grpc.unary_1m",
        unit: "µs",
        ours: Source::Field(Run { arguments: UNARY_1M, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: UNARY_1M, ..GO_UNARY }, "p50_us"),
        }),
        bound: Bound::AtMostTimes(0.5),
        about: "one call at a time, 1 MiB back (the bound is an aim)",
    },
    Key {
        name: "grpc.stream",
        unit: "MB/s",
        ours: Source::Field(STREAM, "mb_per_second"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(
                Run { program: Artifact::GoStreamHost, plugin: Some(Artifact::GoStreamPlugin), ..STREAM },
                "mb_per_second",
            ),
        }),
        bound: Bound::AtLeastTimes(2.0),
        about: "a stream of 8,000 chunks of 64 KiB to the host (the bound is an aim)",
    },
    Key {
        name: "grpc.mtls_unary_16",
        unit: "µs",
        ours: Source::Field(Run { arguments: MTLS_UNARY, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: MTLS_UNARY, ..GO_UNARY }, "p50_us"),
        }),
        bound: Bound::AtMostTimes(0.6),
        about: "one call at a time under AutoMTLS",
    },
    Key {
        name: "grpc.start",
        unit: "µs",
        ours: Source::Field(Run { arguments: START, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: START, ..GO_UNARY }, "p50_us"),
        }),
        bound: Bound::AtMostTimes(0.35),
        about: "from the spawn to the first answer",
    },
    Key {
        name: "grpc.start_tonic",
        unit: "µs",
        ours: Source::Field(Run { arguments: START, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "bare tonic",
            source: Source::Field(Run { arguments: START, ..TONIC_UNARY }, "p50_us"),
        }),
        bound: Bound::None,
        about: "the same against bare `tonic`, which neither checks the schema nor opens streams for logs and output",
    },
    Key {
        name: "grpc.start_mtls",
        unit: "µs",
        ours: Source::Field(Run { arguments: MTLS_START, ..UNARY }, "p50_us"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: MTLS_START, ..GO_UNARY }, "p50_us"),
        }),
        bound: Bound::AtMostTimes(0.5),
        about: "from the spawn to the first answer under AutoMTLS",
    },
    Key {
        name: "grpc.cross_host",
        unit: "µs",
        ours: Source::Field(Run { plugin: Some(Artifact::GoGrpcPlugin), ..UNARY }, "p50_us"),
        peer: Some(Peer { name: "go-plugin", source: Source::Field(GO_UNARY, "p50_us") }),
        bound: Bound::AtMostTimes(1.0),
        about: "our host calls the Go plugin",
    },
    Key {
        name: "grpc.cross_plugin",
        unit: "µs",
        ours: Source::Field(Run { plugin: Some(Artifact::GrpcPlugin), ..GO_UNARY }, "p50_us"),
        peer: Some(Peer { name: "go-plugin", source: Source::Field(GO_UNARY, "p50_us") }),
        bound: Bound::AtMostTimes(1.0),
        about: "the Go host calls our plugin",
    },
    Key {
        name: "grpc.rss",
        unit: "kB",
        ours: Source::Field(Run { arguments: MEMORY, ..UNARY }, "memory_kb"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(
                Run { arguments: MEMORY, plugin: Some(Artifact::GoGrpcPlugin), ..UNARY },
                "memory_kb",
            ),
        }),
        bound: Bound::AtMostTimes(0.35),
        about: "the resident memory of a plugin that has answered once and is idle",
    },
    Key {
        name: "grpc.size",
        unit: "kB",
        ours: Source::Size(Artifact::GrpcPlugin),
        peer: Some(Peer { name: "go-plugin", source: Source::Size(Artifact::GoGrpcPlugin) }),
        bound: Bound::AtMostTimes(0.5),
        about: "the file of a plugin, as each side's build makes it for a release: ours as `jackfield new` sets it, without debug information, Go's with its tables",
    },
    Key {
        name: "grpc.death",
        unit: "ms",
        ours: Source::Field(Run { arguments: DEATH, ..UNARY }, "p99_ms"),
        peer: None,
        bound: Bound::AtMost(10.0),
        about: "how long after its plugin was killed a call in flight fails, at the 99th percentile of 100",
    },
    Key {
        name: "grpc.many_started",
        unit: "ms",
        ours: Source::Field(Run { arguments: MANY, ..UNARY }, "started_ms"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: MANY, ..GO_UNARY }, "started_ms"),
        }),
        bound: Bound::AtMostTimes(0.6),
        about: "a hundred plugins of one host, started one after the other, each until its first answer (the bound is an aim)",
    },
    Key {
        name: "grpc.many_memory",
        unit: "kB",
        ours: Source::Field(Run { arguments: MANY, ..UNARY }, "memory_kb"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: MANY, ..GO_UNARY }, "memory_kb"),
        }),
        bound: Bound::AtMostTimes(0.5),
        about: "the resident memory of the host that has these hundred (the bound is an aim)",
    },
    Key {
        name: "grpc.many_busy",
        unit: "%",
        ours: Source::Field(Run { arguments: MANY, ..UNARY }, "busy_percent"),
        peer: Some(Peer {
            name: "go-plugin",
            source: Source::Field(Run { arguments: MANY, ..GO_UNARY }, "busy_percent"),
        }),
        bound: Bound::AtMost(0.1),
        about: "how busy that host keeps a core while nobody calls",
    },
    Key {
        name: "netrpc.unary_16",
        unit: "µs",
        ours: Source::Field(Run { arguments: NET_RPC, ..UNARY }, "p50_us"),
        peer: Some(GO_NET_RPC),
        bound: Bound::AtMostTimes(0.5),
        about: "one call at a time over go-plugin's older protocol, 16 bytes back",
    },
    Key {
        name: "netrpc.unary_16_one_core",
        unit: "µs",
        ours: Source::Field(Run { arguments: NET_RPC, placement: Placement::OneCore, ..UNARY }, "p50_us"),
        peer: Some(GO_NET_RPC_ONE_CORE),
        bound: Bound::AtMostTimes(0.5),
        about: "the same with host and plugin on one core, where no core has to be woken",
    },
    Key {
        name: "netrpc.unary_16_on_runtime",
        unit: "µs",
        ours: Source::Field(Run { arguments: NET_RPC_HERE, ..UNARY }, "p50_us"),
        peer: Some(GO_NET_RPC),
        bound: Bound::AtMostTimes(0.5),
        about: "the same with `connection_on_runtime`, where the connection lives on the caller's runtime",
    },
    Key {
        name: "netrpc.unary_16_on_runtime_one_core",
        unit: "µs",
        ours: Source::Field(
            Run { arguments: NET_RPC_HERE, placement: Placement::OneCore, ..UNARY },
            "p50_us",
        ),
        peer: Some(GO_NET_RPC_ONE_CORE),
        bound: Bound::AtMostTimes(0.5),
        about: "the same with host and plugin on one core",
    },
    Key {
        name: "netrpc.unary_16_throughput",
        unit: "calls/s",
        ours: Source::Field(Run { arguments: NET_RPC_64, ..UNARY }, "per_second"),
        peer: Some(GO_NET_RPC_64),
        bound: Bound::AtLeastTimes(2.0),
        about: "64 calls at once",
    },
    Key {
        name: "netrpc.unary_16_throughput_on_runtime",
        unit: "calls/s",
        ours: Source::Field(Run { arguments: NET_RPC_HERE_64, ..UNARY }, "per_second"),
        peer: Some(GO_NET_RPC_64),
        bound: Bound::AtLeastTimes(2.0),
        about: "the same with `connection_on_runtime`",
    },
    Key {
        name: "netrpc.cross_host",
        unit: "µs",
        ours: Source::Field(
            Run { arguments: NET_RPC, plugin: Some(Artifact::GoGrpcPlugin), ..UNARY },
            "p50_us",
        ),
        peer: Some(GO_NET_RPC),
        bound: Bound::AtMostTimes(1.0),
        about: "our host calls the Go plugin over net/rpc",
    },
    Key {
        name: "netrpc.cross_plugin",
        unit: "µs",
        ours: Source::Field(
            Run { arguments: NET_RPC, plugin: Some(Artifact::GrpcPlugin), ..GO_UNARY },
            "p50_us",
        ),
        peer: Some(GO_NET_RPC),
        bound: Bound::AtMostTimes(1.0),
        about: "the Go host calls our plugin over net/rpc",
    },
    Key {
        name: "netrpc.soak",
        unit: "kB",
        ours: Source::Field(SOAK, "growth_kb"),
        peer: None,
        bound: Bound::AtMost(1024.0),
        about: "by how much host and plugin have grown together over 1,000,000 calls of one connection",
    },
    Key {
        name: "netrpc.soak_descriptors",
        unit: "descriptors",
        ours: Source::Field(SOAK, "growth_descriptors"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "how many more they have open after these calls",
    },
    Key {
        name: "netrpc.gob",
        unit: "ns",
        ours: Source::Field(Run { arguments: SECONDS, ..native(Artifact::Gob) }, "ns"),
        peer: Some(Peer {
            name: "Go's encoding/gob",
            source: Source::Field(Run { arguments: SECONDS, ..native(Artifact::GoGob) }, "ns"),
        }),
        bound: Bound::AtMostTimes(1.0),
        about: "a struct of ten fields, encoded and decoded, on a stream that knows its type",
    },
    Key {
        name: "stdio.gob_16",
        unit: "µs",
        ours: Source::Field(Run { arguments: STDIO_GOB, ..UNARY }, "p50_us"),
        peer: Some(PIE_GOB),
        bound: Bound::AtMostTimes(0.6),
        about: "one call at a time over stdin and stdout in gobs, 16 bytes back",
    },
    Key {
        name: "stdio.json_16",
        unit: "µs",
        ours: Source::Field(Run { arguments: STDIO_JSON, ..UNARY }, "p50_us"),
        peer: Some(PIE_JSON),
        bound: Bound::AtMostTimes(0.6),
        about: "one call at a time over stdin and stdout in JSON, 16 bytes back",
    },
    Key {
        name: "stdio.gob_16_on_runtime",
        unit: "µs",
        ours: Source::Field(Run { arguments: STDIO_GOB_HERE, ..UNARY }, "p50_us"),
        peer: Some(PIE_GOB),
        bound: Bound::AtMostTimes(0.6),
        about: "in gobs with `connection_on_runtime`, where the pipes live on the caller's runtime",
    },
    Key {
        name: "stdio.json_16_on_runtime",
        unit: "µs",
        ours: Source::Field(Run { arguments: STDIO_JSON_HERE, ..UNARY }, "p50_us"),
        peer: Some(PIE_JSON),
        bound: Bound::AtMostTimes(0.6),
        about: "the same in JSON",
    },
    Key {
        name: "stdio.cross_host",
        unit: "µs",
        ours: Source::Field(
            Run { arguments: STDIO_GOB, plugin: Some(Artifact::GoGrpcPlugin), ..UNARY },
            "p50_us",
        ),
        peer: Some(PIE_GOB),
        bound: Bound::AtMostTimes(1.0),
        about: "our host calls the Go plugin over stdin and stdout in gobs",
    },
    Key {
        name: "stdio.cross_plugin",
        unit: "µs",
        ours: Source::Field(
            Run { arguments: STDIO_GOB, plugin: Some(Artifact::GrpcPlugin), ..GO_UNARY },
            "p50_us",
        ),
        peer: Some(PIE_GOB),
        bound: Bound::AtMostTimes(1.0),
        about: "the Go host calls our plugin over stdin and stdout in gobs",
    },
    Key {
        name: "manager.scan",
        unit: "ms",
        ours: Source::Field(SCAN, "cold_ms"),
        peer: None,
        bound: Bound::AtMost(200.0),
        about: "the first look at a directory of 1,000 candidates, none of which is executed",
    },
    Key {
        name: "manager.scan_again",
        unit: "ms",
        ours: Source::Field(SCAN, "again_ms"),
        peer: None,
        bound: Bound::AtMost(5.0),
        about: "another look at the same directory, in which nothing has changed",
    },
    Key {
        name: "manager.notice",
        unit: "ms",
        ours: Source::Field(NOTICE, "p50_ms"),
        peer: None,
        bound: Bound::AtMost(50.0),
        about: "from the time at which a library in a directory has settled until it is online",
    },
    Key {
        name: "manager.swap_native",
        unit: "failed calls",
        ours: Source::Field(SWAP_NATIVE, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "of 1,000,000 calls or more, on four threads, over 100 swaps of a library",
    },
    Key {
        name: "manager.swap_linked",
        unit: "failed calls",
        ours: Source::Field(SWAP_LINKED, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "the same of a plugin that is linked in",
    },
    Key {
        name: "manager.swap_grpc",
        unit: "failed calls",
        ours: Source::Field(SWAP_GRPC, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "the same of a child process, 32 calls at once",
    },
    Key {
        name: "manager.swap_multiplexed",
        unit: "failed calls",
        ours: Source::Field(SWAP_MULTIPLEXED, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "the same over one connection for all objects",
    },
    Key {
        name: "manager.swap_mtls",
        unit: "failed calls",
        ours: Source::Field(SWAP_MTLS, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "the same under AutoMTLS",
    },
    Key {
        name: "manager.swap_netrpc",
        unit: "failed calls",
        ours: Source::Field(SWAP_NET_RPC, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "the same over net/rpc",
    },
    Key {
        name: "manager.swap_stdio",
        unit: "failed calls",
        ours: Source::Field(SWAP_STDIO, "failed"),
        peer: None,
        bound: Bound::AtMost(0.0),
        about: "the same over stdin and stdout, in gobs",
    },
    Key {
        name: "manager.restart",
        unit: "ms",
        ours: Source::Field(RESTART, "restart_ms"),
        peer: Some(Peer { name: "a start", source: Source::Field(RESTART, "start_ms") }),
        bound: Bound::AtMostTimes(2.0),
        about: "from the kill of a plugin to the next answer, where the first restart has no pause",
    },
    Key {
        name: "manager.overhead_process",
        unit: "µs",
        ours: Source::Field(OVERHEAD_PROCESS, "managed_us"),
        peer: Some(Peer { name: "without a manager", source: Source::Field(OVERHEAD_PROCESS, "bare_us") }),
        bound: Bound::AtMostTimes(1.05),
        about: "a call to a process through the manager, which counts it and takes its time",
    },
    Key {
        name: "manager.overhead_native",
        unit: "ns",
        ours: Source::Field(OVERHEAD_NATIVE, "added_ns"),
        peer: None,
        bound: Bound::AtMost(3.0),
        about: "what the manager adds to a call into a library: it is counted, and of 1,024 the time of one is taken",
    },
    Key {
        name: "manager.idle",
        unit: "%",
        ours: Source::Field(IDLE, "busy_percent"),
        peer: None,
        bound: Bound::AtMost(0.1),
        about: "how busy a host with 100 plugins of a watched directory keeps a core in a minute without calls",
    },
];

const fn native(program: Artifact) -> Run {
    Run { program, arguments: &[], plugin: None, placement: Placement::Free, often: Often::EachRound(1) }
}

const CALL: Run = Run { arguments: &probe("call"), ..native(Artifact::Native) };
const CONTENDED: Run = Run { arguments: &probe("contended"), ..native(Artifact::Native) };
const ASYNC: Run = Run { arguments: &probe("async"), ..native(Artifact::Native) };
const GET_16: Run = Run { arguments: &get("16"), ..native(Artifact::Native) };
const GET_4K: Run = Run { arguments: &get("4096"), ..native(Artifact::Native) };
const GET_1M: Run = Run {
    arguments: &[
        Argument::Text("get-filled"),
        Argument::File(Artifact::ProbeOne),
        Argument::Seconds,
        Argument::Text("1048576"),
    ],
    ..native(Artifact::Native)
};
const GET_1M_SHARED: Run = Run { arguments: &get("1048576"), ..native(Artifact::Native) };
const UPDATE: Run = Run {
    arguments: &[
        Argument::Text("update"),
        Argument::File(Artifact::ProbeOne),
        Argument::File(Artifact::ProbeTwo),
        Argument::Text("100"),
    ],
    ..native(Artifact::Native)
};

const SYMBOL: Run = Run {
    arguments: &[
        Argument::Text("symbol"),
        Argument::File(Artifact::Symbols),
        Argument::File(Artifact::Peers),
        Argument::Seconds,
    ],
    ..native(Artifact::Native)
};
const RIVALS: Run = Run {
    arguments: &[Argument::File(Artifact::RivalsLibrary), Argument::Seconds],
    ..native(Artifact::Rivals)
};
const GO_CALL: Run = Run { arguments: &go_symbol("call"), ..native(Artifact::GoSymbolHost) };

const fn go_symbol(what: &'static str) -> [Argument; 3] {
    [Argument::Text(what), Argument::File(Artifact::GoSymbolPlugin), Argument::Seconds]
}

const fn probe(what: &'static str) -> [Argument; 3] {
    [Argument::Text(what), Argument::File(Artifact::ProbeOne), Argument::Seconds]
}

const fn get(size: &'static str) -> [Argument; 4] {
    [Argument::Text("get"), Argument::File(Artifact::ProbeOne), Argument::Seconds, Argument::Text(size)]
}

/// Asks for 16 bytes over the wire that a switch names, with so many calls at once.
const fn over(wire: &'static str, concurrency: &'static str) -> [Argument; 5] {
    let [unary, key] = [Argument::Text("unary"), Argument::Text("16")];
    [Argument::Text(wire), unary, Argument::Seconds, key, Argument::Text(concurrency)]
}

const UNARY: Run = Run {
    program: Artifact::GrpcHost,
    arguments: UNARY_16,
    plugin: Some(Artifact::GrpcPlugin),
    placement: Placement::Free,
    often: Often::EachRound(1),
};
const GO_UNARY: Run = Run { program: Artifact::GoGrpcHost, plugin: Some(Artifact::GoGrpcPlugin), ..UNARY };
const TONIC_UNARY: Run = Run { program: Artifact::TonicHost, plugin: Some(Artifact::TonicPlugin), ..UNARY };

const STREAM: Run = Run {
    program: Artifact::StreamHost,
    arguments: &[Argument::Text("8000")],
    plugin: Some(Artifact::StreamPlugin),
    ..UNARY
};

const UNARY_16: &[Argument] =
    &[Argument::Text("unary"), Argument::Seconds, Argument::Text("16"), Argument::Text("1")];
const UNARY_64: &[Argument] =
    &[Argument::Text("unary"), Argument::Seconds, Argument::Text("16"), Argument::Text("64")];
const UNARY_1M: &[Argument] =
    &[Argument::Text("unary"), Argument::Seconds, Argument::Text("1m"), Argument::Text("1")];
const PER_RUNTIME: &[Argument] = &over("-per-runtime", "1");
const PER_RUNTIME_64: &[Argument] = &over("-per-runtime", "64");
const MTLS_UNARY: &[Argument] = &over("-automtls", "1");
const NET_RPC: &[Argument] = &over("-netrpc", "1");
const NET_RPC_64: &[Argument] = &over("-netrpc", "64");
const NET_RPC_HERE: &[Argument] = &over("-netrpc-on-runtime", "1");
const NET_RPC_HERE_64: &[Argument] = &over("-netrpc-on-runtime", "64");
const STDIO_GOB: &[Argument] = &over("-gob", "1");
const STDIO_JSON: &[Argument] = &over("-json", "1");
const STDIO_GOB_HERE: &[Argument] = &over("-gob-on-runtime", "1");
const STDIO_JSON_HERE: &[Argument] = &over("-json-on-runtime", "1");

const GO_NET_RPC: Peer =
    Peer { name: "go-plugin", source: Source::Field(Run { arguments: NET_RPC, ..GO_UNARY }, "p50_us") };
const GO_NET_RPC_ONE_CORE: Peer = Peer {
    name: "go-plugin",
    source: Source::Field(Run { arguments: NET_RPC, placement: Placement::OneCore, ..GO_UNARY }, "p50_us"),
};
const GO_NET_RPC_64: Peer = Peer {
    name: "go-plugin",
    source: Source::Field(Run { arguments: NET_RPC_64, ..GO_UNARY }, "per_second"),
};
const PIE_GOB: Peer =
    Peer { name: "pie", source: Source::Field(Run { arguments: STDIO_GOB, ..GO_UNARY }, "p50_us") };
const PIE_JSON: Peer =
    Peer { name: "pie", source: Source::Field(Run { arguments: STDIO_JSON, ..GO_UNARY }, "p50_us") };

const SOAK: Run = Run {
    arguments: &[Argument::Text("-netrpc"), Argument::Text("soak"), Argument::Text("1000000")],
    often: Often::Once,
    ..UNARY
};
const DEATH: &[Argument] = &[Argument::Text("death"), Argument::Text("100")];
const MANY: &[Argument] = &[Argument::Text("many"), Argument::Text("100")];
const MEMORY: &[Argument] = &[Argument::Text("memory")];
const SECONDS: &[Argument] = &[Argument::Seconds];
const START: &[Argument] = &[Argument::Text("start"), Argument::Count];
const MTLS_START: &[Argument] = &[Argument::Text("-automtls"), Argument::Text("start"), Argument::Count];

const SCAN: Run = Run {
    arguments: &[Argument::Text("scan"), Argument::File(Artifact::Adder), Argument::Text("1000")],
    ..native(Artifact::Manager)
};
const NOTICE: Run = Run {
    arguments: &[Argument::Text("notice"), Argument::File(Artifact::ProbeOne), Argument::Count],
    ..native(Artifact::Manager)
};
const SWAP_NATIVE: Run = Run {
    arguments: &[
        Argument::Text("swap-native"),
        Argument::File(Artifact::ProbeOne),
        Argument::File(Artifact::ProbeTwo),
        Argument::Text("1000000"),
    ],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const SWAP_LINKED: Run = Run {
    arguments: &[Argument::Text("swap-linked"), Argument::Text("1000000")],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const SWAP_GRPC: Run = Run {
    arguments: &[
        Argument::Text("-grpc"),
        Argument::Text("swap"),
        Argument::File(Artifact::GrpcPlugin),
        Argument::Text("1000000"),
    ],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const SWAP_MULTIPLEXED: Run = Run {
    arguments: &[
        Argument::Text("-multiplexed"),
        Argument::Text("swap"),
        Argument::File(Artifact::GrpcPlugin),
        Argument::Text("1000000"),
    ],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const SWAP_MTLS: Run = Run {
    arguments: &[
        Argument::Text("-automtls"),
        Argument::Text("swap"),
        Argument::File(Artifact::GrpcPlugin),
        Argument::Text("1000000"),
    ],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const SWAP_NET_RPC: Run = Run {
    arguments: &[
        Argument::Text("-netrpc"),
        Argument::Text("swap"),
        Argument::File(Artifact::GrpcPlugin),
        Argument::Text("1000000"),
    ],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const SWAP_STDIO: Run = Run {
    arguments: &[
        Argument::Text("-gob"),
        Argument::Text("swap"),
        Argument::File(Artifact::GrpcPlugin),
        Argument::Text("1000000"),
    ],
    often: Often::Once,
    ..native(Artifact::Manager)
};
const RESTART: Run = Run {
    arguments: &[Argument::Text("restart"), Argument::File(Artifact::GrpcPlugin), Argument::Count],
    ..native(Artifact::Manager)
};
const OVERHEAD_PROCESS: Run = Run {
    arguments: &[Argument::Text("overhead-process"), Argument::File(Artifact::GrpcPlugin), Argument::Seconds],
    ..native(Artifact::Manager)
};
const OVERHEAD_NATIVE: Run = Run {
    arguments: &[Argument::Text("overhead-native"), Argument::File(Artifact::ProbeOne), Argument::Seconds],
    ..native(Artifact::Manager)
};
const IDLE: Run = Run {
    arguments: &[Argument::Text("idle"), Argument::File(Artifact::GrpcPlugin), Argument::Text("100")],
    often: Often::Once,
    ..native(Artifact::Manager)
};

/// One sample per process, and a process is quick.
const OPENS: Often = Often::EachRound(20);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn a_ratio_has_a_peer() {
        let relative = |key: &&Key| matches!(key.bound, Bound::AtLeastTimes(_) | Bound::AtMostTimes(_));
        assert!(KEYS.iter().filter(relative).all(|key| key.peer.is_some()));
    }
}
