//! What a terminal makes of what is written to it: as much of it as the command uses, and nothing else.

use std::collections::BTreeSet;

/// The two screens of a terminal.
#[derive(Debug)]
pub(crate) struct Screens {
    first: Screen,
    second: Screen,
    /// What is switched on.
    modes: BTreeSet<String>,
    /// How often something was coloured or set in bold.
    pub(crate) styles: usize,
    /// How many lines more were written to the second screen than it holds, at the size that it has now.
    pub(crate) scrolled: usize,
    columns: usize,
    /// The rest of what was written, which is no whole character or sequence yet.
    rest: Vec<u8>,
}

#[derive(Debug)]
struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screens {
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        let modes = USUAL.map(str::to_owned).into();
        let (first, second) = (Screen::new(rows), Screen::new(rows));
        Self { first, second, modes, styles: 0, scrolled: 0, columns, rest: Vec::new() }
    }

    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        (self.columns, self.scrolled) = (columns, 0);
        for screen in [&mut self.first, &mut self.second] {
            screen.rows.resize(rows, Vec::new());
            screen.rows.iter_mut().for_each(|row| row.truncate(columns));
            (screen.row, screen.column) = (screen.row.min(rows - 1), screen.column.min(columns));
        }
    }

    /// What is to be seen.
    pub(crate) fn text(&self) -> String {
        let screen = if self.is_second() { &self.second } else { &self.first };
        let lines = screen.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn is_second(&self) -> bool {
        self.modes.contains(SECOND)
    }

    /// Whether nothing is left of whatever drew on all of it: its screen, without a cursor, its lines cut.
    pub(crate) fn is_as_before(&self) -> bool {
        self.modes.iter().eq(USUAL)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.rest);
        let whole = str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
        let mut text = str::from_utf8(&bytes[..whole]).expect("it was looked at");
        while let Some(character) = text.chars().next() {
            let after = &text[character.len_utf8()..];
            if character != '\x1b' {
                self.put(character);
                text = after;
            } else if let Some(end) = after.find(|end: char| end.is_ascii_alphabetic()) {
                self.obey(&after[..=end]);
                text = &after[end + 1..];
            } else {
                break;
            }
        }
        self.rest = [text.as_bytes(), &bytes[whole..]].concat();
    }

    fn put(&mut self, character: char) {
        let (columns, wraps) = (self.columns, self.modes.contains(WRAPS));
        let screen = self.screen();
        let is_full = screen.column == columns;
        let has_scrolled = match character {
            '\r' => {
                screen.column = 0;
                false
            }
            '\n' => screen.begin_line(),
            _ if is_full && wraps => {
                screen.column = 0;
                screen.begin_line()
            }
            _ => {
                screen.column -= usize::from(is_full);
                false
            }
        };
        if !character.is_control() {
            screen.put(character);
        }
        self.scrolled += usize::from(has_scrolled && self.is_second());
    }

    fn obey(&mut self, sequence: &str) {
        match sequence {
            "[H" => (self.screen().row, self.screen().column) = (0, 0),
            "[K" => self.screen().erase_line(),
            "[J" => self.screen().erase_below(),
            sequence if sequence.ends_with('m') => self.styles += 1,
            sequence if sequence.ends_with('h') => self.switch_on(&sequence[1..sequence.len() - 1]),
            sequence if sequence.ends_with('l') => {
                let was_on = self.modes.remove(&sequence[1..sequence.len() - 1]);
                assert!(was_on, "it was on before {sequence:?}");
            }
            sequence => panic!("no terminal was asked for {sequence:?} before"),
        }
    }

    fn switch_on(&mut self, mode: &str) {
        if mode == SECOND {
            self.second = Screen::new(self.second.rows.len());
        }
        assert!(self.modes.insert(mode.to_owned()), "it was off before {mode:?}");
    }

    fn screen(&mut self) -> &mut Screen {
        if self.is_second() { &mut self.second } else { &mut self.first }
    }
}

impl Screen {
    fn new(rows: usize) -> Self {
        Self { rows: vec![Vec::new(); rows], row: 0, column: 0 }
    }

    fn put(&mut self, character: char) {
        let row = &mut self.rows[self.row];
        row.resize(row.len().max(self.column + 1), ' ');
        row[self.column] = character;
        self.column += 1;
    }

    /// Returns whether it scrolled.
    fn begin_line(&mut self) -> bool {
        let has_room = self.row + 1 < self.rows.len();
        if has_room {
            self.row += 1;
        } else {
            self.rows.remove(0);
            self.rows.push(Vec::new());
        }
        !has_room
    }

    fn erase_line(&mut self) {
        self.rows[self.row].truncate(self.column);
    }

    fn erase_below(&mut self) {
        self.erase_line();
        self.rows[self.row + 1..].iter_mut().for_each(Vec::clear);
    }
}

/// What is on at first: the cursor, and that lines wrap.
const USUAL: [&str; 2] = ["?25", WRAPS];
const WRAPS: &str = "?7";
const SECOND: &str = "?1049";
