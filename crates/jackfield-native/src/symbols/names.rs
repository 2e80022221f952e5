//! Finds cells by their names.

use std::sync::Arc;

use super::cell::Cell;

/// Cells by their names. It is made once and then only read, so that a look-up is a hash of a few bytes and mostly one
/// comparison, without a call.
#[derive(Debug)]
pub(super) struct Names {
    /// As many as a power of two, of which at least half are empty. A cell is in the first that was empty, from the one to
    /// which its name's hash leads.
    places: Box<[Place]>,
}

/// A cell, with the hash of its name.
type Place = Option<(u64, Arc<Cell>)>;

impl Names {
    /// Of cells of the same name the last is found.
    pub(super) fn new(cells: impl IntoIterator<Item = Arc<Cell>>) -> Self {
        let cells: Vec<_> = cells.into_iter().collect();
        let len = (2 * cells.len()).next_power_of_two();
        let mut places: Box<[_]> = (0..len).map(|_| None).collect();
        for cell in cells {
            let hash = hash(&cell.name);
            let place = walk(hash, len).find(|place| {
                let found: &Place = &places[*place];
                found.as_ref().is_none_or(|(_, other)| other.name == cell.name)
            });
            if let Some(place) = place {
                places[place] = Some((hash, cell));
            }
        }
        Self { places }
    }

    /// The cell of this name.
    #[inline(always)]
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Cell>> {
        let hash = hash(name);
        for place in walk(hash, self.places.len()) {
            let (found, cell) = self.places.get(place)?.as_ref()?;
            if *found == hash && is_same(cell.name.as_bytes(), name.as_bytes()) {
                return Some(cell);
            }
        }
        None
    }

    /// All cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.places.iter().flatten().map(|(_, cell)| cell)
    }
}

/// The places in the order in which they are looked at.
#[inline(always)]
fn walk(hash: u64, len: usize) -> impl Iterator<Item = usize> {
    (0..len).map(move |step| (hash as usize).wrapping_add(step) & (len - 1))
}

/// Multiplies a name's bytes, eight at a time: names are short, and nobody chooses them to collide.
#[inline(always)]
fn hash(name: &str) -> u64 {
    let (words, rest) = name.as_bytes().as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let start = mix(name.len() as u64, tail(rest));
    words.fold(start, mix)
}

#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}

/// Up to seven bytes as one number, which tells bytes of one length apart.
#[inline(always)]
fn tail(bytes: &[u8]) -> u64 {
    if let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // They may have bytes in common.
        return u64::from(u32::from_le_bytes(*start)) | u64::from(u32::from_le_bytes(*end)) << 32;
    }
    match *bytes {
        [] => 0,
        [one] => one.into(),
        [one, two] => u64::from(one) | u64::from(two) << 8,
        [one, two, .., last] => u64::from(one) | u64::from(two) << 8 | u64::from(last) << 16,
    }
}

/// Compares names in line, which for short ones takes less than the call of a function that compares.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    one.len() == other.len()
        && words
            .iter()
            .zip(other_words)
            .all(|(one, other)| u64::from_le_bytes(*one) == u64::from_le_bytes(*other))
        && tail(rest) == tail(other_rest)
}

#[cfg(test)]
mod tests {
    use jackfield_abi::HotSlot;
    use jackfield_abi::symbols::Kind;
    use jackfield_core::CallError;

    use super::*;
    use crate::symbols::cell::Live;

    fn cell(name: &str) -> Arc<Cell> {
        let live = Live::Closed(CallError::Closed { reason: String::new() });
        let hot = HotSlot::new(Arc::new(live));
        Arc::new(Cell { name: name.into(), ty: "".into(), kind: Kind::Function, hot })
    }

    #[test]
    fn each_name_finds_its_cell_and_no_other() {
        // Of all lengths, and such that differ in one byte only, wherever it is.
        let all: Vec<String> = (0..40)
            .flat_map(|len| {
                (0..len).map(move |at| (0..len).map(|i| if i == at { 'b' } else { 'a' }).collect())
            })
            .collect();
        let (listed, others) = all.split_at(all.len() / 2);
        let names = Names::new(listed.iter().map(|name| cell(name)));
        assert_eq!(names.iter().count(), listed.len());
        for name in listed {
            assert_eq!(names.find(name).map(|cell| &*cell.name), Some(&**name));
        }
        for name in others.iter().map(String::as_str).chain(["", "aaaaa"]) {
            assert!(names.find(name).is_none(), "`{name}` is not listed");
        }
    }

    #[test]
    fn the_last_of_a_name_is_found() {
        let (first, last) = (cell("add"), cell("add"));
        let names = Names::new([first, cell("sub"), last.clone()]);
        assert!(names.find("add").is_some_and(|found| Arc::ptr_eq(found, &last)));
        assert_eq!(names.iter().count(), 2);
    }

    #[test]
    fn nothing_is_found_where_there_is_nothing() {
        assert!(Names::new([]).find("add").is_none());
    }
}
