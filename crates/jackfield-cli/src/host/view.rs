//! Draws what the plugins of a host are doing, as large as a terminal is.
//!
//! Knows texts and times only. It never touches a terminal.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

use super::text::{table, text};

/// What is to be seen of a host.
pub(super) struct View {
    title: String,
    pub(super) plugins: Vec<Value>,
    /// The latest first.
    events: VecDeque<Told>,
}

/// An event, and when it was told.
struct Told {
    at: Instant,
    text: String,
    tone: Tone,
}

impl View {
    pub(super) fn new(title: String, plugins: Vec<Value>) -> Self {
        Self { title, plugins, events: VecDeque::new() }
    }

    /// Keeps an event, for as long as it is among the latest.
    pub(super) fn tell(&mut self, event: &Value, at: Instant) {
        let event = event.get("plugin").unwrap_or(event);
        self.events.push_front(Told { at, text: text(event), tone: Tone::of(event) });
        self.events.truncate(MOST_EVENTS);
    }

    /// The lines that fit: first the plugins, below them the latest events.
    fn lines(&self, now: Instant, size: Size) -> Vec<Line> {
        let (titles, rows) = self.rows();
        let mut lines = vec![Line::new(self.summary(), Tone::Strong), Line::empty(), titles];
        let room = size.rows.saturating_sub(lines.len());
        let told: Vec<_> = self.events.iter().flat_map(|told| told.lines(now, size.columns)).collect();
        // A third of it is the events' in any case.
        let count = told.len().min((room / 3).max(room.saturating_sub(rows.len() + 1)));
        let below = if count == 0 { 0 } else { count + 1 };
        lines.extend(fit(rows, room - below));
        if count > 0 {
            lines.push(Line::empty());
            lines.extend(told.into_iter().take(count));
        }
        lines.truncate(size.rows);
        for line in &mut lines {
            line.cut(size.columns);
        }
        lines
    }

    /// What stands in the table.
    fn rows(&self) -> (Line, Vec<Line>) {
        let table = table(&self.plugins).to_string();
        let mut texts = table.lines();
        let titles = Line::new(texts.next().unwrap_or_default().to_owned(), Tone::Strong);
        let row = |(text, plugin): (&str, _)| Line::new(text.to_owned(), Tone::of(plugin));
        (titles, texts.zip(&self.plugins).map(row).collect())
    }

    fn summary(&self) -> String {
        let count = match self.plugins.len() {
            1 => "1 plugin".to_owned(),
            count => format!("{count} plugins"),
        };
        let failed = failed(self.plugins.iter().map(Tone::of));
        format!("{}: {count}{failed}  (Ctrl-C ends this)", self.title)
    }
}

/// What is drawn over what was drawn before: each line erases its own, and the last one what is below.
pub(super) fn draw(view: &View, now: Instant, size: Size, colours: Colours) -> String {
    let lines = view.lines(now, size);
    let mut drawn = "\x1b[H".to_owned();
    for (number, line) in lines.iter().enumerate() {
        let break_before = if number == 0 { "" } else { "\r\n" };
        // Erased before it is written: afterwards the cursor may stand on its last character.
        drawn += &format!("{break_before}\x1b[K{}", line.painted(colours));
    }
    if lines.len() < size.rows {
        drawn += "\r\n\x1b[J";
    }
    drawn
}

/// As many rows as fit, and how many do not.
fn fit(mut rows: Vec<Line>, room: usize) -> Vec<Line> {
    if rows.len() > room {
        let rest = rows.split_off(room.saturating_sub(1));
        let failed = failed(rest.iter().map(|line| line.tone));
        rows.push(Line::new(format!("… and {} more{failed}", rest.len()), Tone::Plain));
    }
    rows
}

/// How many have failed, if any have.
fn failed(tones: impl Iterator<Item = Tone>) -> String {
    match tones.filter(|tone| *tone == Tone::Bad).count() {
        0 => String::new(),
        count => format!(", {count} failed"),
    }
}

impl Told {
    /// As many as it takes to say all of it: of a failure the end says most.
    fn lines(&self, now: Instant, columns: usize) -> Vec<Line> {
        let age = age(now.saturating_duration_since(self.at));
        let text: Vec<char> = self.text.chars().collect();
        let parts = text.chunks(columns.saturating_sub(INDENT + 2).max(1)).enumerate();
        let line = |(number, part): (usize, &[char])| {
            let before = if number == 0 { age.as_str() } else { "" };
            Line::new(format!("{before:>INDENT$}  {}", part.iter().collect::<String>()), self.tone)
        };
        parts.map(line).collect()
    }
}

fn age(age: Duration) -> String {
    match age.as_secs() {
        0 => "now".to_owned(),
        seconds @ ..60 => format!("-{seconds} s"),
        seconds @ ..3600 => format!("-{} min", seconds / 60),
        seconds => format!("-{} h", seconds / 3600),
    }
}

/// How many characters fit.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Whether there may be colours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    None,
    Some,
}

/// A line, and how it stands out.
struct Line {
    text: String,
    tone: Tone,
}

impl Line {
    fn new(text: String, tone: Tone) -> Self {
        Self { text, tone }
    }

    fn empty() -> Self {
        Self::new(String::new(), Tone::Plain)
    }

    fn cut(&mut self, columns: usize) {
        if self.text.chars().count() > columns {
            self.text =
                self.text.chars().take(columns.saturating_sub(1)).chain(['…']).take(columns).collect();
        }
    }

    fn painted(&self, colours: Colours) -> String {
        let style = match self.tone {
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Strong => Style::new().bold(),
            Tone::Weak => Style::new().dimmed(),
            Tone::Plain => Style::new(),
        };
        let style = if colours == Colours::Some { style } else { Style::new() };
        format!("{style}{}{style:#}", self.text)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Bad,
    Plain,
    Strong,
    Weak,
}

impl Tone {
    /// That of a plugin, or of an event.
    fn of(plugin: &Value) -> Self {
        match plugin["state"].as_str() {
            Some("failed") => Self::Bad,
            Some("disabled" | "offline") => Self::Weak,
            _ => Self::Plain,
        }
    }
}

/// For how long ago an event was.
const INDENT: usize = 7;
/// No terminal shows more below its table.
const MOST_EVENTS: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(plugins: usize, now: Instant) -> View {
        let state = |number| if number % 4 == 3 { "failed" } else { "online" };
        let plugin = |number| json!({ "name": format!("kv{number}"), "state": state(number) });
        let mut view = View::new("/run/host.sock".to_owned(), (0..plugins).map(plugin).collect());
        for seconds in [7200, 90, 5, 0] {
            let event = json!({ "plugin": { "name": "kv", "state": "failed", "reason": "no\nfile" } });
            view.tell(&event, now.checked_sub(Duration::from_secs(seconds)).unwrap_or(now));
        }
        view
    }

    fn texts(view: &View, now: Instant, columns: usize, rows: usize) -> Vec<String> {
        let lines = view.lines(now, Size { columns, rows });
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn plugins_are_above_the_latest_events() {
        let now = Instant::now() + Duration::from_secs(10_000);
        let table = "PLUGIN  STATE   GENERATION  CALLS  ERRORS  P50  P99  RESTARTS  MEMORY";
        let row = "kv0     online           -      -       -    -    -         -       -";
        assert_eq!(
            texts(&view(1, now), now, 80, 20),
            [
                "/run/host.sock: 1 plugin  (Ctrl-C ends this)",
                "",
                table,
                row,
                "",
                "    now  kv  failed    no file",
                "   -5 s  kv  failed    no file",
                " -1 min  kv  failed    no file",
                "   -2 h  kv  failed    no file",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_and_counted() {
        let now = Instant::now();
        let lines = texts(&view(9, now), now, 24, 11);
        assert_eq!(lines[0], "/run/host.sock: 9 plugi…");
        assert_eq!(lines[2], "PLUGIN  STATE   GENERAT…");
        assert_eq!(lines[3], "kv0     online         …");
        assert_eq!(lines[6..9], ["kv3     failed         …", "… and 5 more, 1 failed", ""]);
        assert_eq!(lines[9..], ["    now  kv  failed    n", "         o file"]);
    }

    #[test]
    fn it_fits_whatever_the_size() {
        let now = Instant::now();
        for plugins in [0, 1, 30] {
            let view = view(plugins, now);
            for (columns, rows) in (0..30).flat_map(|columns| (0..50).map(move |rows| (columns, rows))) {
                let lines = texts(&view, now, columns, rows);
                assert!(lines.len() <= rows, "{plugins} in {columns}×{rows}");
                assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}×{rows}");
                if columns > 20 && rows > 3 {
                    assert_eq!(counted(&lines), plugins, "{lines:#?}");
                }
            }
        }
    }

    /// How many plugins are listed, or counted as those that do not fit.
    fn counted(lines: &[String]) -> usize {
        let listed = lines.iter().filter(|line| line.starts_with("kv")).count();
        let more = lines.iter().find_map(|line| line.strip_prefix("… and ")?.split(' ').next());
        listed + more.map_or(0, |count| count.parse::<usize>().expect("a number"))
    }

    #[test]
    fn colours_are_left_out_where_they_are_not_wanted() {
        let now = Instant::now();
        let size = Size { columns: 80, rows: 24 };
        let colourless = draw(&view(4, now), now, size, Colours::None);
        assert!(
            colourless.starts_with("\x1b[H\x1b[K/run/host.sock: 4 plugins, 1 failed  (Ctrl-C ends this)\r\n")
        );
        assert!(colourless.ends_with("\r\n\x1b[J"));
        let mut escapes = colourless.split('\x1b').skip(1);
        assert!(escapes.all(|rest| ["[H", "[K", "[J"].iter().any(|escape| rest.starts_with(escape))));
        let coloured = draw(&view(4, now), now, size, Colours::Some);
        assert!(coloured.contains("\x1b[31mkv3 "), "{coloured:?}");
        let stripped = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"]
            .iter()
            .fold(coloured, |text, style| text.replace(style, ""));
        assert_eq!(stripped, colourless);
    }
}
