//! Waits until files hold still, so that none is taken that is half written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::file::{File, Kind};

/// What each file was when it was looked at, and since when. It is told both, and neither reads nor waits.
#[derive(Debug)]
pub(crate) struct Settling {
    settle: Duration,
    /// By path, as it is written: to compare paths part by part takes longer than to look at the files.
    seen: BTreeMap<OsString, Seen>,
}

#[derive(Debug)]
struct Seen {
    plugin: String,
    /// Nothing, if it went.
    file: Option<File>,
    since: Instant,
    is_settled: bool,
}

/// What there is for the name of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The plugin's file, which has held still.
    Settled(File),
    /// What decides came, changed or went a moment ago.
    Unsettled,
}

impl Settling {
    /// A file, and its absence, must have been the same for so long, and in two looks.
    pub(crate) fn new(settle: Duration) -> Self {
        Self { settle, seen: BTreeMap::new() }
    }

    /// What there is for each name, after these files were found. Names that are not in it have gone.
    pub(crate) fn look(&mut self, files: Vec<File>, now: Instant) -> BTreeMap<String, Found> {
        let mut files: BTreeMap<_, _> =
            files.into_iter().map(|file| (file.path.clone().into_os_string(), file)).collect();
        for (path, seen) in &mut self.seen {
            seen.update(files.remove(path), now, self.settle);
        }
        self.seen.retain(|_, seen| seen.file.is_some() || !seen.is_settled);
        self.seen.extend(files.into_iter().map(|(path, file)| (path, Seen::new(file, now))));
        self.chosen()
    }

    /// When the first of those that have not held still yet would have, if they do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let unsettled = self.seen.values().filter(|seen| !seen.is_settled);
        // A time that no clock can tell never comes.
        unsettled.filter_map(|seen| seen.since.checked_add(self.settle)).min()
    }

    /// Of the files with one name, the first place decides, then the first kind, and then the first path. One that went a moment ago
    /// decides too: it may be about to come back.
    fn chosen(&self) -> BTreeMap<String, Found> {
        let mut chosen: BTreeMap<&str, &Seen> = BTreeMap::new();
        for seen in self.seen.values() {
            let best = chosen.entry(&seen.plugin).or_insert(seen);
            if seen.rank() < best.rank() {
                *best = seen;
            }
        }
        chosen.into_iter().map(|(plugin, seen)| (plugin.to_owned(), seen.found())).collect()
    }
}

impl Seen {
    fn new(file: File, since: Instant) -> Self {
        Self { plugin: file.plugin.clone(), file: Some(file), since, is_settled: false }
    }

    fn update(&mut self, file: Option<File>, now: Instant, settle: Duration) {
        if self.file == file {
            self.is_settled |= now.saturating_duration_since(self.since) >= settle;
            // A manifest may make it another version. Until it holds still, it is what it was.
            if let Some(file) = self.file.as_ref().filter(|_| self.is_settled) {
                self.plugin.clone_from(&file.plugin);
            }
        } else {
            (self.file, self.since, self.is_settled) = (file, now, false);
        }
    }

    fn rank(&self) -> Option<(bool, usize, Kind)> {
        self.file.as_ref().map(File::precedence)
    }

    fn found(&self) -> Found {
        match &self.file {
            Some(file) if self.is_settled => Found::Settled(file.clone()),
            _ => Found::Unsettled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Stamp;

    const SETTLE: Duration = Duration::from_millis(200);

    fn file(path: &str, kind: Kind, size: u64) -> File {
        let stamp = Stamp::for_test(size);
        File { path: path.into(), plugin: "kv".to_owned(), place: 0, kind, stamp, manifest: None }
    }

    /// What is found at each of these times, in milliseconds, for what lies there then.
    fn looks(looks: &[(u64, &[File])]) -> Vec<Option<Found>> {
        let (start, mut settling) = (Instant::now(), Settling::new(SETTLE));
        let look = |(at, files): &(u64, &[File])| {
            settling.look(files.to_vec(), start + Duration::from_millis(*at)).remove("kv")
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn a_file_that_grows_is_not_taken() {
        let [half, whole] = [1, 2].map(|size| [file("libkv.so", Kind::Library, size)]);
        let found = looks(&[(0, &half), (199, &half), (200, &whole), (399, &whole), (400, &whole)]);
        let unsettled = Some(Found::Unsettled);
        let [last] = whole;
        let expected = [&unsettled, &unsettled, &unsettled, &unsettled, &Some(Found::Settled(last))];
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn one_look_is_not_enough_however_late() {
        let whole = [file("libkv.so", Kind::Library, 1)];
        assert_eq!(looks(&[(10_000, &whole)]), [Some(Found::Unsettled)]);
    }

    #[test]
    fn a_gap_while_a_file_is_replaced_is_no_removal() {
        let [old, new] = [1, 2].map(|size| [file("libkv.so", Kind::Library, size)]);
        let found = looks(&[(0, &old), (200, &old), (300, &[]), (400, &new), (600, &new)]);
        assert_eq!(found[2..4], [Some(Found::Unsettled), Some(Found::Unsettled)]);
        assert_eq!(found[4], Some(Found::Settled(new[0].clone())));
        let gone = looks(&[(0, &old), (200, &old), (300, &[]), (500, &[])]);
        assert_eq!(gone[2..], [Some(Found::Unsettled), None]);
    }

    #[test]
    fn a_library_goes_before_a_program_of_the_same_name() {
        let (library, program) = (file("libkv.so", Kind::Library, 1), file("kv", Kind::Program, 1));
        let both = [program.clone(), library.clone()];
        let found = looks(&[(0, &both), (200, &both), (300, &both[..1]), (500, &both[..1])]);
        let expected = [Found::Unsettled, Found::Settled(library), Found::Unsettled, Found::Settled(program)];
        assert_eq!(found, expected.map(Some));
    }
}
