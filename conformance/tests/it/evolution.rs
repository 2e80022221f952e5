//! Hosts and plugins of different versions of one interface: what works, and how the rest is refused.

use jackfield::{Handle, LoadErrorKind, Manager, Plugin, schema::Incompatibility};

/// The first version.
mod first {
    use jackfield_plugin::{Context, Error, Value, export, plugin};

    #[derive(Clone, Debug, PartialEq, Value)]
    pub(super) struct Entry {
        pub(super) text: String,
    }

    #[jackfield_core::interface(service = "test.Log", version = "1.0")]
    pub(super) trait Log {
        fn append(&self, entry: Entry) -> Result<u32, Error>;
        fn last(&self) -> Result<Option<Entry>, Error>;
    }

    pub(super) struct TestLog;

    #[plugin]
    impl Log for TestLog {
        fn append(&self, entry: Entry) -> Result<u32, Error> {
            Ok(entry.text.len() as u32)
        }

        fn last(&self) -> Result<Option<Entry>, Error> {
            Ok(Some(Entry { text: "first".to_owned() }))
        }
    }

    fn open(_: &Context) -> Result<TestLog, Error> {
        Ok(TestLog)
    }

    export!(open as dyn Log, name = "log-first");
}

/// The second: more in results, in arguments and among the methods.
mod second {
    use jackfield_plugin::{Context, Error, Value, export, plugin};

    #[derive(Clone, Debug, PartialEq, Value)]
    pub(super) struct Entry {
        pub(super) text: String,
        pub(super) labels: Vec<String>,
        pub(super) level: Option<u32>,
    }

    /// What the first version knows of an argument, so that it can be given to it.
    #[derive(Clone, Debug, PartialEq, Value)]
    #[value(name = "Entry2")]
    pub(super) struct Plain {
        pub(super) text: String,
    }

    #[jackfield_core::interface(service = "test.Log", version = "1.1")]
    pub(super) trait Log {
        fn append(&self, entry: Plain) -> Result<u64, Error>;
        fn last(&self) -> Result<Option<Entry>, Error>;
        fn clear(&self) -> Result<String, Error> {
            Ok(format!("cleared by default, after {:?}", self.last()?.map(|entry| entry.text)))
        }
    }

    pub(super) struct TestLog;

    #[plugin]
    impl Log for TestLog {
        fn append(&self, entry: Plain) -> Result<u64, Error> {
            Ok(entry.text.len() as u64 + 100)
        }

        fn last(&self) -> Result<Option<Entry>, Error> {
            Ok(Some(Entry { text: "second".to_owned(), labels: vec!["new".to_owned()], level: Some(3) }))
        }

        fn clear(&self) -> Result<String, Error> {
            Ok("cleared".to_owned())
        }
    }

    fn open(_: &Context) -> Result<TestLog, Error> {
        Ok(TestLog)
    }

    export!(open as dyn Log, name = "log-second");
}

/// A third that takes away and retypes.
mod third {
    use jackfield_plugin::{Context, Error, Value, export, plugin};

    #[derive(Clone, Debug, PartialEq, Value)]
    pub(super) struct Entry {
        pub(super) text: f64,
        pub(super) level: u32,
    }

    #[jackfield_core::interface(service = "test.Log", version = "2.0")]
    pub(super) trait Log {
        fn append(&self, entry: Entry) -> Result<u32, Error>;
    }

    pub(super) struct TestLog;

    #[plugin]
    impl Log for TestLog {
        fn append(&self, entry: Entry) -> Result<u32, Error> {
            Ok(entry.level)
        }
    }

    fn open(_: &Context) -> Result<TestLog, Error> {
        Ok(TestLog)
    }

    export!(open as dyn Log, name = "log-third");
}

#[tokio::test]
async fn an_older_host_takes_a_newer_plugin() {
    use first::Log as _;
    let manager = Manager::new();
    let log: Handle<dyn first::Log> = manager.load("log", &second::PLUGIN).await.expect("additions only");
    assert_eq!(log.append(first::Entry { text: "four".to_owned() }), Ok(104));
    assert_eq!(log.last(), Ok(Some(first::Entry { text: "second".to_owned() })));
    // It replaces one of the host's own age while the handle stays.
    manager.reload("log", &first::PLUGIN).await.expect("the same version");
    assert_eq!(log.append(first::Entry { text: "four".to_owned() }), Ok(4));
}

#[tokio::test]
async fn a_newer_host_takes_an_older_plugin() {
    use second::Log as _;
    let manager = Manager::new();
    let log: Handle<dyn second::Log> =
        manager.load("log", &first::PLUGIN).await.expect("it lacks what can be empty");
    assert_eq!(log.append(second::Plain { text: "four".to_owned() }), Ok(4));
    let last = second::Entry { text: "first".to_owned(), labels: Vec::new(), level: None };
    assert_eq!(log.last(), Ok(Some(last)));
    assert_eq!(log.clear(), Ok("cleared by default, after Some(\"first\")".to_owned()));
    manager.reload("log", &second::PLUGIN).await.expect("the same version");
    assert_eq!(log.clear(), Ok("cleared".to_owned()));
}

#[tokio::test]
async fn removals_and_retypings_are_refused_by_name() {
    let cases = [
        (
            refusal::<dyn first::Log>(&third::PLUGIN).await,
            "method `Append`: field `entry.text` is `string` at the host, but `double` in the plugin",
        ),
        (
            refusal::<dyn third::Log>(&first::PLUGIN).await,
            "method `Append`: field `entry.text` is `double` at the host, but `string` in the plugin",
        ),
        (
            refusal::<dyn second::Log>(&third::PLUGIN).await,
            "method `Append`: field `entry.text` is `string` at the host, but `double` in the plugin",
        ),
    ];
    for (incompatibility, text) in cases {
        assert_eq!(incompatibility.to_string(), text);
    }
}

async fn refusal<I: jackfield::Interface + ?Sized>(plugin: &Plugin) -> Incompatibility {
    let error = Manager::new().load::<I>("log", plugin).await.expect_err("it cannot serve this host");
    match error.kind() {
        LoadErrorKind::Incompatible(incompatibility) => incompatibility.clone(),
        other => panic!("expected an incompatible interface, found {other:?}"),
    }
}
