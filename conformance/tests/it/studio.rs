//! Everything that an interface may say, over every lane.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use jackfield::{
    ByteStream, Bytes, CallError, CallOptions, Candidate, Context, Error, Failure, Handle, Manager,
    Streaming, Unloaded,
};
use jackfield_fixtures::Stop;
use studio_interface::{Colour, Listener, Place, Refused, Session, Studio, Take, Track};

use jackfield_conformance::backends;

use crate::suite::block_on;

/// Runs each case on each lane.
macro_rules! on_every_lane {
    ($($case:ident),* $(,)?) => {
        on_every_lane!(@ linked: $($case),*);
        on_every_lane!(@ native: $($case),*);
        on_every_lane!(@ encoded: $($case),*);
        on_every_lane!(@ process: $($case),*);
        on_every_lane!(@ process_multiplexed: $($case),*);
        on_every_lane!(@ process_per_runtime: $($case),*);
        on_every_lane!(@ netrpc: $($case),*);
        on_every_lane!(@ gob: $($case),*);
        on_every_lane!(@ json: $($case),*);
        on_every_lane!(@ json2: $($case),*);

        /// The cases, for the list of those that fail.
        pub(crate) const CASES: &[&str] = &[$(stringify!($case)),*];
    };
    (@ $lane:ident: $($case:ident),*) => {
        mod $lane {
            $(#[tokio::test]
            async fn $case() {
                let run = super::$case(super::load(&*super::backends::studio::$lane()).await);
                crate::lacking::run(stringify!($lane), stringify!($case), run).await;
            })*
        }
    };
}

on_every_lane! {
    user_types_cross,
    references_cross,
    streams_go_in_and_out_and_both_ways,
    nobody_is_asked_for_more_than_is_wanted,
    a_dropped_stream_ends_at_its_source,
    a_dropped_stream_ends_though_nobody_read_it,
    many_calls_may_be_given_up_at_once,
    an_error_ends_a_stream,
    bytes_stream_in_both_directions,
    errors_of_the_users_own_cross,
    objects_are_returned_and_end,
    objects_are_called_back_nested_and_both_ways,
    a_dropped_call_is_given_up,
    options_reach_the_plugin,
    a_deadline_ends_a_call,
    defaults_run_where_the_plugin_says_nothing,
    objects_close_with_their_plugin,
    a_plugin_has_several_interfaces,
}

/// Runs each case on each lane, with the candidate itself.
macro_rules! load_on_every_lane {
    ($($case:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            use backends::studio::*;
            let candidates = [
                ("linked", linked()), ("native", native()), ("encoded", encoded()), ("process", process()),
                ("process_multiplexed", process_multiplexed()), ("netrpc", netrpc()), ("gob", gob()),
                ("json", json()), ("json2", json2()),
            ];
            for (lane, candidate) in candidates {
                crate::lacking::run(lane, stringify!($case), cases::$case(&*candidate)).await;
            }
        }
    )*

        /// The cases, for the list of those that fail.
        pub(crate) const LOAD_CASES: &[&str] = &[$(stringify!($case)),*];
    };
}

load_on_every_lane! {
    what_the_host_offers_is_found_by_name,
    other_interfaces_are_swapped_with_their_plugin,
    a_stream_ends_on_the_generation_on_which_it_began,
}

async fn load(candidate: &dyn Candidate) -> (Manager, Handle<dyn Studio>) {
    let manager = Manager::new();
    let studio = manager.load("studio", candidate).await.expect("loaded");
    (manager, studio)
}

/// Where a plugin runs.
#[derive(Clone, Copy, PartialEq)]
enum Site {
    /// In this process: what it does is done when the call returns.
    Here,
    /// In another: what follows from a call takes time.
    Elsewhere,
}

impl Site {
    fn of(studio: &Handle<dyn Studio>) -> Self {
        match Handle::current(studio).lane() {
            jackfield_core::Lane::Channel(_) => Self::Elsewhere,
            _ => Self::Here,
        }
    }

    /// Expects something: at once of a plugin here, some time later of one elsewhere.
    async fn expect<T: PartialEq + std::fmt::Debug>(self, what: impl Fn() -> T, expected: T) {
        let begun = Instant::now();
        while self == Self::Elsewhere && what() != expected && begun.elapsed() < Duration::from_secs(20) {
            tokio::task::yield_now().await;
        }
        assert_eq!(what(), expected);
    }
}

fn session(name: &str) -> Session {
    Session {
        name: name.to_owned(),
        start: Some(0),
        takes: vec![
            Take::Lost,
            Take::Mono(Bytes::from_static(b"mono")),
            Take::Stereo { left: Bytes::new(), right: Bytes::from(vec![7; 100_000]) },
        ],
        labels: BTreeMap::from([
            ("a".to_owned(), "short".to_owned()),
            ("b".to_owned(), "longest".to_owned()),
        ]),
        previous: None,
    }
}

async fn user_types_cross((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let session = Session { previous: Some(Box::new(session("one"))), ..session("two") };
    assert_eq!(studio.session(session.clone()), Ok(session));
    for colour in [Colour::Red, Colour::Green, Colour::Blue] {
        let place = Place { channel: 3, level: -0.5, colour };
        assert_eq!(studio.shift(place), Ok(Place { channel: 4, ..place }));
    }
    let turned = studio.turn(vec![("a".to_owned(), -1)], HashMap::from([(7, 9)]), Some(false));
    assert_eq!(turned, Ok((vec![-1], BTreeMap::from([(9, "7".to_owned())]), Some(true))));
    assert_eq!(studio.turn(vec![], HashMap::new(), None), Ok((vec![], BTreeMap::new(), None)));
}

async fn references_cross((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let words = ["ä".to_owned(), String::new()];
    assert_eq!(studio.join("-", &words, b"!"), Ok("ä-!".to_owned()));
    assert_eq!(studio.join("", &[], &[]), Ok(String::new()));
    assert_eq!(studio.join_later("-", &words, b"!").await, Ok("ä-!".to_owned()));
    assert_eq!(studio.longest(&session("one")).await, Ok(Some("longest".to_owned())));
}

async fn streams_go_in_and_out_and_both_ways((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let numbers = || (1..=1000).collect::<Streaming<i64>>();
    assert_eq!(studio.total(numbers()).await, Ok(500_500));
    let counted: Vec<u32> = studio.count(1000, None).expect("a stream").try_collect().await.expect("numbers");
    assert_eq!(counted, (0..1000).collect::<Vec<_>>());
    let sums = studio.sums(10, numbers()).await.expect("a stream");
    let last = sums.try_fold(0, |_, sum| std::future::ready(Ok(sum))).await;
    assert_eq!(last, Ok(500_510));
    // One at a time, there and back.
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let numbers = Streaming::new(stream::unfold(receiver, |mut receiver| async {
        let number = receiver.recv().await?;
        Some((Ok(number), receiver))
    }));
    let mut sums = studio.sums(0, numbers).await.expect("a stream");
    for (number, sum) in [(1, 1), (2, 3), (3, 6)] {
        sender.send(number).await.expect("somebody reads");
        assert_eq!(sums.next().await, Some(Ok(sum)));
    }
    drop(sender);
    assert_eq!(sums.next().await, None);
}

async fn nobody_is_asked_for_more_than_is_wanted((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let mut numbers = studio.count(100_000_000, None).expect("a stream");
    if Site::of(&studio) == Site::Here {
        assert_eq!(studio.counted(), Ok(0));
    }
    for expected in 0..5 {
        assert_eq!(numbers.next().await, Some(Ok(expected)));
    }
    if Site::of(&studio) == Site::Elsewhere {
        let counted = until_it_stands_still(&studio, || studio.counted().expect("a number")).await;
        assert!(counted < 10_000_000, "{counted}");
        return;
    }
    assert_eq!(studio.counted(), Ok(5), "whoever reads slowly slows down whoever writes");
}

async fn a_dropped_stream_ends_at_its_source((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let source = Arc::new(());
    let numbers = Streaming::new({
        let source = source.clone();
        stream::repeat(1).map(move |number| {
            let _ = &source;
            Ok(number)
        })
    });
    let mut sums = studio.sums(0, numbers).await.expect("a stream");
    assert_eq!(sums.next().await, Some(Ok(1)));
    assert_eq!(Arc::strong_count(&source), 2);
    drop(sums);
    Site::of(&studio).expect(|| Arc::strong_count(&source), 1).await;
}

async fn a_dropped_stream_ends_though_nobody_read_it((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let given = Arc::new(AtomicU32::new(0));
    let numbers = Streaming::new({
        let given = given.clone();
        stream::repeat(1).map(move |number| {
            given.fetch_add(1, Ordering::Relaxed);
            Ok(number)
        })
    });
    let mut sums = studio.sums(0, numbers).await.expect("a stream");
    assert_eq!(sums.next().await, Some(Ok(1)));
    until_it_stands_still(&studio, || given.load(Ordering::Relaxed)).await;
    drop(sums);
    Site::of(&studio).expect(|| Arc::strong_count(&given), 1).await;
}

/// What is on its way fills what HTTP/2 lets a stream hold; then nobody is asked for more.
async fn until_it_stands_still(studio: &Handle<dyn Studio>, count: impl Fn() -> u32) -> u32 {
    let mut now = count();
    loop {
        for _ in 0..200 {
            studio.join_later("", &[], &[]).await.expect("it answers meanwhile");
        }
        let before = std::mem::replace(&mut now, count());
        if before == now {
            return now;
        }
    }
}

async fn many_calls_may_be_given_up_at_once((_manager, studio): (Manager, Handle<dyn Studio>)) {
    for _ in 0..5 {
        let mut calls: Vec<_> = (0..200).map(|_| studio.hang()).collect();
        for call in &mut calls {
            assert!(futures_util::FutureExt::now_or_never(call).is_none());
        }
        tokio::task::yield_now().await;
        drop(calls);
        assert_eq!(studio.join_later("-", &["a".to_owned()], b"!").await, Ok("a!".to_owned()));
    }
}

async fn an_error_ends_a_stream((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let mut numbers = studio.count(1, Some("enough".to_owned())).expect("a stream");
    assert_eq!(numbers.next().await, Some(Ok(0)));
    assert_eq!(numbers.next().await, Some(Err(Failure::new("enough").into())));
    assert_eq!(numbers.next().await, None);
    // However long it is.
    let long = "ä".repeat(50_000);
    let mut numbers = studio.count(0, Some(long.clone())).expect("a stream");
    assert_eq!(numbers.next().await, Some(Err(Failure::new(long).into())));
    let broken = stream::iter([Ok(1), Err(Failure::new("broken off").into())]);
    assert_eq!(studio.total(Streaming::new(broken)).await, Err(Failure::new("broken off").into()));
}

async fn bytes_stream_in_both_directions((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let size = 3_000_001;
    let content = ByteStream::from_reader(std::io::Cursor::new(vec![7; size]));
    assert_eq!(studio.upload("abc", content).await, Ok(size as u64 + 3));
    let content = studio.download(size as u64).await.expect("a stream").collect().await;
    assert_eq!(content, Ok(vec![7; size]));
    assert_eq!(studio.upload("", Bytes::new().into()).await, Ok(0));
}

async fn errors_of_the_users_own_cross((_manager, studio): (Manager, Handle<dyn Studio>)) {
    assert_eq!(studio.select(1), Ok(()));
    assert_eq!(studio.select(0), Err(Error::Plugin(Refused::Closed)));
    let refused = Error::Plugin(Refused::Channel { asked: 9, count: 8 });
    assert_eq!((studio.select(9), studio.select_later(9).await), (Err(refused.clone()), Err(refused)));
}

async fn objects_are_returned_and_end((manager, studio): (Manager, Handle<dyn Studio>)) {
    let track = studio.new_track("a").expect("a track");
    let child = track.child("b").await.expect("a track");
    let grandchild = child.child("c").await.expect("a track");
    assert_eq!((track.name(), grandchild.name()), (Ok("a".to_owned()), Ok("a/b/c".to_owned())));
    assert_eq!(studio.tracks(), Ok(3));
    let takes: Vec<Take> = child.play().await.expect("a stream").try_collect().await.expect("takes");
    assert_eq!(takes, [Take::Lost, Take::Mono(Bytes::from_static(b"a/b"))]);
    drop((track.clone(), child));
    Site::of(&studio).expect(|| studio.tracks(), Ok(2)).await;
    drop((track, grandchild));
    Site::of(&studio).expect(|| studio.tracks(), Ok(0)).await;
    manager.unload("studio").await.expect("unloaded");
}

/// A listener that calls the studio back while it is being told.
struct Curious {
    studio: Handle<dyn Studio>,
    heard: Arc<AtomicU32>,
}

impl Listener for Curious {
    fn hear(&self, event: u32) -> Result<bool, Error> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        Ok(self.studio.join("", &[event.to_string()], &[])? != "7")
    }

    fn hear_later(&self, event: u32) -> jackfield::BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            self.heard.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(self.studio.join_later("", &[event.to_string()], &[]).await? != "7")
        })
    }

    fn exchange(
        &self,
        track: Handle<dyn Track>,
    ) -> jackfield::BoxFuture<'_, Result<Handle<dyn Track>, Error>> {
        Box::pin(async move { Ok(track) })
    }
}

async fn objects_are_called_back_nested_and_both_ways((manager, studio): (Manager, Handle<dyn Studio>)) {
    let heard = Arc::new(AtomicU32::new(0));
    let listener = || Handle::<dyn Listener>::new(Curious { studio: studio.clone(), heard: heard.clone() });
    assert_eq!(studio.tell(listener(), 5).await, Ok(5));
    assert_eq!(studio.tell_now(listener(), 5), Ok(5));
    assert_eq!((studio.tell(listener(), 100).await, studio.tell_now(listener(), 100)), (Ok(8), Ok(8)));
    assert_eq!(heard.load(Ordering::Relaxed), 26);
    // The plugin keeps one beyond the call, and lets it go when it ends.
    let site = Site::of(&studio);
    studio.keep(listener()).expect("kept");
    site.expect(|| Arc::strong_count(&heard), 2).await;
    studio.keep(Handle::new(Curious { studio: studio.clone(), heard: heard.clone() })).expect("kept");
    site.expect(|| Arc::strong_count(&heard), 2).await;
    // What went there and back is still what it was.
    let track = studio.new_track("a").expect("a track");
    let track = listener().exchange(track).await.expect("the same");
    assert_eq!(track.name(), Ok("a".to_owned()));
    let track = studio.exchange(listener(), track).await.expect("the same");
    assert_eq!(track.name(), Ok("a".to_owned()));
    drop(track);
    site.expect(|| studio.tracks(), Ok(0)).await;
    manager.unload("studio").await.expect("unloaded");
    site.expect(|| Arc::strong_count(&heard), 1).await;
}

async fn a_dropped_call_is_given_up((_manager, studio): (Manager, Handle<dyn Studio>)) {
    studio.join_later("", &[], &[]).await.expect("it is connected");
    let mut hanging = studio.hang();
    assert!(futures_util::FutureExt::now_or_never(&mut hanging).is_none());
    // What is asked for later is begun later.
    studio.join_later("", &[], &[]).await.expect("it answers meanwhile");
    assert_eq!(studio.given_up(), Ok(0));
    drop(hanging);
    Site::of(&studio).expect(|| studio.given_up(), Ok(1)).await;
}

async fn options_reach_the_plugin((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let none = Ok((BTreeMap::new(), false));
    assert_eq!((studio.options(), studio.options_later().await), (none.clone(), none.clone()));
    let options = CallOptions::new().metadata("request-id", "4711").timeout(Duration::from_secs(60));
    let with = Handle::with(&studio, options);
    let some = Ok((BTreeMap::from([("request-id".to_owned(), "4711".to_owned())]), true));
    assert_eq!((with.options(), with.options_later().await), (some.clone(), some));
    assert_eq!(studio.options(), none, "the other handle is as it was");
}

async fn a_deadline_ends_a_call((_manager, studio): (Manager, Handle<dyn Studio>)) {
    let hurried = Handle::with(&studio, CallOptions::new().timeout(Duration::from_millis(20)));
    let error = hurried.hang().await.expect_err("it never answers");
    assert!(matches!(error, Error::Call(CallError::DeadlineExceeded { .. })), "{error}");
    Site::of(&studio).expect(|| studio.given_up(), Ok(1)).await;
}

async fn objects_close_with_their_plugin((manager, studio): (Manager, Handle<dyn Studio>)) {
    let track = studio.new_track("a").expect("a track");
    let child = track.child("b").await.expect("a track");
    let unloaded = manager.unload("studio").await.expect("unloaded");
    if unloaded != Unloaded::Dropped {
        for error in [track.name().map(drop), child.name().map(drop), track.child("c").await.map(drop)] {
            assert!(matches!(error, Err(Error::Call(CallError::Closed { .. }))), "{error:?}");
        }
        let exited = Unloaded::Exited { status: "exit status: 0".to_owned() };
        assert!(
            unloaded == Unloaded::Unmapped || unloaded == exited,
            "handles that were closed hold nothing"
        );
    }
}

async fn a_plugin_has_several_interfaces((manager, studio): (Manager, Handle<dyn Studio>)) {
    manager.get::<dyn Track>("studio").expect_err("nobody has asked for it");
    let foyer = manager.interface::<dyn Track>("studio").await.expect("it serves it");
    assert_eq!(foyer.name(), Ok("the foyer of studio".to_owned()));
    let again = manager.get::<dyn Track>("studio").expect("it was asked for");
    assert_eq!(again.name(), Ok("the foyer of studio".to_owned()));
    manager.interface::<dyn Listener>("studio").await.expect_err("it does not serve it");
    manager.interface::<dyn Track>("nobody").await.expect_err("there is no such plugin");
    manager.unload("studio").await.expect("unloaded");
    for error in [foyer.name().map(drop), again.name().map(drop), studio.tracks().map(drop)] {
        assert!(matches!(error, Err(Error::Call(CallError::Closed { .. }))), "{error:?}");
    }
}

/// What a call returns belongs to the library until it is read. Were that left for later, a reload would find the old
/// library pinned by it.
#[test]
fn every_answer_is_read_while_its_library_is_there() {
    let labels = (0..5000).map(|number| (number.to_string(), "x".repeat(number / 10)));
    // `Bytes` would belong to it for longer.
    let big = Session { labels: labels.collect(), takes: Vec::new(), ..session("big") };
    let longest = "x".repeat(499);
    for candidate in [backends::studio::native(), backends::studio::encoded()] {
        let manager = Manager::new();
        let studio: Handle<dyn Studio> = block_on(manager.load("studio", &*candidate)).expect("loaded");
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let stopped = stop.when_dropped();
            let mut callers = Vec::new();
            callers.push(scope.spawn(|| {
                std::iter::from_fn(|| (!stop.is_told()).then(|| studio.session(big.clone())))
                    .inspect(|answer| assert!(answer.as_ref() == Ok(&big)))
                    .count()
            }));
            callers.push(scope.spawn(|| {
                std::iter::from_fn(|| (!stop.is_told()).then(|| block_on(studio.longest(&big))))
                    .inspect(|answer| assert_eq!(answer, &Ok(Some(longest.clone()))))
                    .count()
            }));
            for round in 0..20 {
                let reloaded = block_on(manager.reload("studio", &*candidate)).expect("reloaded");
                assert_eq!(reloaded.old, Unloaded::Unmapped, "round {round}");
            }
            drop(stopped);
            assert!(callers.into_iter().all(|caller| caller.join().expect("no call fails") > 0));
        });
    }
}

mod cases {
    use super::*;

    pub(super) async fn what_the_host_offers_is_found_by_name(candidate: &dyn Candidate) {
        let manager = Manager::new();
        let heard = Arc::new(AtomicU32::new(0));
        let context = Context::new("studio", []);
        let plain = manager.load_with::<dyn Studio>(context.clone(), candidate).await.expect("loaded");
        let Err(Error::Plugin(failure)) = plain.tell_reception(1) else { panic!("there is no reception") };
        assert_eq!(failure.message(), "the host offers no `reception`\n(hint: it offers nothing)");
        let listener = Handle::<dyn Listener>::new(Curious { studio: plain, heard: heard.clone() });
        let context = Handle::offer(&listener, Context::new("other", []), "reception");
        let studio = manager.load_with::<dyn Studio>(context, candidate).await.expect("loaded");
        assert_eq!((studio.tell_reception(1), studio.tell_reception(7)), (Ok(true), Ok(false)));
        assert_eq!(heard.load(Ordering::Relaxed), 2);
        drop(listener);
        let site = Site::of(&studio);
        manager.unload("other").await.expect("unloaded");
        // Nobody holds the listener any more.
        site.expect(|| Arc::strong_count(&heard), 1).await;
    }

    pub(super) async fn a_stream_ends_on_the_generation_on_which_it_began(candidate: &dyn Candidate) {
        let manager = Manager::new();
        let studio = manager.load::<dyn Studio>("studio", candidate).await.expect("loaded");
        let mut numbers = studio.count(300_000, None).expect("a stream");
        assert_eq!(numbers.next().await, Some(Ok(0)));
        let rest = async {
            let rest: Vec<u32> = numbers.try_collect().await.expect("all of it");
            rest
        };
        let (reloaded, rest) = tokio::join!(manager.reload("studio", candidate), rest);
        assert!(reloaded.expect("reloaded").is_drained);
        assert_eq!((rest.first(), rest.last(), rest.len()), (Some(&1), Some(&299_999), 299_999));
        assert_eq!((Handle::generation(&studio), studio.tracks()), (2, Ok(0)));
    }

    pub(super) async fn other_interfaces_are_swapped_with_their_plugin(candidate: &dyn Candidate) {
        let manager = Manager::new();
        let studio = manager.load::<dyn Studio>("studio", candidate).await.expect("loaded");
        let foyer = manager.interface::<dyn Track>("studio").await.expect("it serves it");
        manager.reload("studio", candidate).await.expect("reloaded");
        assert_eq!((Handle::generation(&studio), Handle::generation(&foyer)), (2, 2));
        assert_eq!(foyer.name(), Ok("the foyer of studio".to_owned()));
        // A plugin that lacks one of them does not replace one that has both.
        let error = manager.reload("studio", &probe_one::PLUGIN).await.expect_err("it serves neither");
        assert!(matches!(error, jackfield::ReloadError::Load(_)), "{error:?}");
        assert_eq!((Handle::generation(&studio), foyer.name().is_ok()), (2, true));
    }
}

async fn defaults_run_where_the_plugin_says_nothing((_manager, studio): (Manager, Handle<dyn Studio>)) {
    assert_eq!(studio.greet("Ada"), Ok("Hello, Ada!".to_owned()));
    assert_eq!(studio.greet_later("Ada").await, Ok("Hello, Ada!".to_owned()));
}
