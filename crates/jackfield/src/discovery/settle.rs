//! Waits until files hold still, so that none is taken that is half written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{File, Kind};

/// What each file was when it was looked at, and since when. It is told both, and neither reads nor waits.
#[derive(Debug)]
pub(crate) struct Settling {
    settle: Duration,
    /// What was found at the last look, of each directory.
    listings: Vec<Arc<[Arc<File>]>>,
    /// By path, as it is written: to compare paths part by part takes longer than to look at the files.
    seen: BTreeMap<OsString, Seen>,
    chosen: Arc<BTreeMap<String, Found>>,
}

#[derive(Debug)]
struct Seen {
    plugin: String,
    /// Nothing, if it went.
    file: Option<Arc<File>>,
    since: Instant,
    is_settled: bool,
}

/// What there is for the name of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The plugin's file, which has held still.
    Settled(Arc<File>),
    /// What decides came, changed or went a moment ago.
    Unsettled,
}

impl Settling {
    /// A file, and its absence, must have been the same for so long, and in two looks.
    pub(crate) fn new(settle: Duration) -> Self {
        let (listings, seen, chosen) = Default::default();
        Self { settle, listings, seen, chosen }
    }

    /// What there is for each name, after these files were found. Names that are not in it have gone.
    pub(crate) fn look(
        &mut self,
        listings: Vec<Arc<[Arc<File>]>>,
        now: Instant,
    ) -> Arc<BTreeMap<String, Found>> {
        let is_same = self.listings.len() == listings.len()
            && self.listings.iter().zip(&listings).all(|(before, now)| Arc::ptr_eq(before, now));
        let mut is_news = !is_same;
        if is_same {
            let settle = self.settle;
            self.seen.values_mut().for_each(|seen| is_news |= seen.hold_still(now, settle));
        } else {
            self.find(&listings, now);
            self.listings = listings;
        }
        if is_news {
            self.seen.retain(|_, seen| seen.file.is_some() || !seen.is_settled);
            self.chosen = Arc::new(self.choose());
        }
        self.chosen.clone()
    }

    /// Takes notice of files that were found.
    fn find(&mut self, listings: &[Arc<[Arc<File>]>], now: Instant) {
        let files = listings.iter().flat_map(|listing| listing.iter());
        let mut files: BTreeMap<_, _> = files.map(|file| (file.path.as_os_str(), file)).collect();
        for (path, seen) in &mut self.seen {
            seen.update(files.remove(path.as_os_str()), now, self.settle);
        }
        let new = files.into_iter().map(|(path, file)| (path.to_owned(), Seen::new(file.clone(), now)));
        self.seen.extend(new);
    }

    /// When the first of those that have not held still yet would have, if they do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let unsettled = self.seen.values().filter(|seen| !seen.is_settled);
        // A time that no clock can tell never comes.
        unsettled.filter_map(|seen| seen.since.checked_add(self.settle)).min()
    }

    /// Of the files with one name, the first place decides, then the first kind, and then the first path. One that went a moment ago
    /// decides too: it may be about to come back.
    fn choose(&self) -> BTreeMap<String, Found> {
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
    fn new(file: Arc<File>, since: Instant) -> Self {
        Self { plugin: file.plugin.clone(), file: Some(file), since, is_settled: false }
    }

    fn update(&mut self, file: Option<&Arc<File>>, now: Instant, settle: Duration) {
        if self.file.as_ref() == file {
            self.hold_still(now, settle);
        } else {
            (self.file, self.since, self.is_settled) = (file.cloned(), now, false);
        }
    }

    /// Takes notice that it is what it was. Returns whether it has settled just now.
    fn hold_still(&mut self, now: Instant, settle: Duration) -> bool {
        if self.is_settled || now.saturating_duration_since(self.since) < settle {
            return false;
        }
        self.is_settled = true;
        // A manifest may make it another version. Until it holds still, it is what it was.
        if let Some(file) = &self.file {
            self.plugin.clone_from(&file.plugin);
        }
        true
    }

    fn rank(&self) -> Option<(bool, usize, Kind)> {
        self.file.as_ref().map(|file| file.precedence())
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

    fn file(path: &str, kind: Kind, size: u64) -> Arc<File> {
        let stamp = Stamp::for_test(size);
        Arc::new(File { path: path.into(), plugin: "kv".to_owned(), place: 0, kind, stamp, manifest: None })
    }

    /// What is found at each of these times, in milliseconds, for what lies there then.
    fn looks(looks: &[(u64, &[Arc<File>])]) -> Vec<Option<Found>> {
        let (start, mut settling) = (Instant::now(), Settling::new(SETTLE));
        let look = |(at, files): &(u64, &[Arc<File>])| {
            settling.look(vec![(*files).into()], start + Duration::from_millis(*at)).get("kv").cloned()
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
