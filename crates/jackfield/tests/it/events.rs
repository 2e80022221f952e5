//! What is told of plugins, and to whom.

use jackfield::{Event, Manager, State};
use probe_interface::Probe;

use crate::support::block_on;

#[test]
fn a_slow_reader_misses_the_oldest_events_and_is_told_so() {
    let manager = Manager::builder().event_capacity(2).build();
    let mut events = manager.events();
    block_on(manager.load::<dyn Probe>("probe", &probe_one::PLUGIN)).expect("linked in");
    block_on(manager.unload("probe")).expect("it was loaded");
    let changed = |state| Some(Event::Changed { plugin: "probe".into(), state });
    assert_eq!(events.next(), Some(Event::Lagged(3)));
    assert_eq!(events.next(), changed(State::Draining));
    assert_eq!(block_on(events.recv()), changed(State::Offline));
    drop(manager);
    assert_eq!((events.next(), events.next()), (None, None));
}
