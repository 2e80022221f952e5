//! Recognises in a program's standard error that it crashed: a Go or Rust panic, a Python traceback or fault. Pure.

/// Follows the lines of a program and keeps the words of its latest crash.
#[derive(Debug, Default)]
pub(super) struct CrashWatch {
    words: Option<String>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Calm,
    /// A fault of Python itself was read; the thread it calls the current one is the one that failed.
    Fault,
    /// That thread was read; its first frame names the place.
    FaultStack,
    /// A Go panic was read; the first line of its stack that is not Go's own runtime names the place.
    GoStack,
    /// A Python traceback was read; its last unindented line says what happened.
    Traceback { place: Option<String> },
    /// The head of a Rust panic was read; the next line says what happened.
    RustMessage,
}

impl CrashWatch {
    /// Takes the next line of standard error.
    pub(super) fn observe(&mut self, line: &str) {
        // The margin of a group of exceptions.
        let line = line.strip_prefix("  | ").unwrap_or(line);
        if self.begins_crash(line) {
            return;
        }
        match &mut self.state {
            State::Calm => {}
            State::Fault if line.starts_with("Current thread ") => self.state = State::FaultStack,
            State::Fault => {}
            State::FaultStack => match python_place(line) {
                Some(place) => self.finish(&format!("at {place}")),
                None => self.state = State::Calm,
            },
            State::GoStack => self.read_go_stack(line),
            State::RustMessage => self.finish(line),
            State::Traceback { place } => match python_place(line) {
                Some(found) => *place = Some(found),
                None if line.starts_with([' ', '\t']) || line.is_empty() => {}
                None => {
                    let place = place.take().map(|place| format!(" at {place}")).unwrap_or_default();
                    self.words = Some(format!("{}{place}", shorten(line)));
                    self.state = State::Calm;
                }
            },
        }
    }

    /// What the program said of its crash.
    pub(super) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    fn begins_crash(&mut self, line: &str) -> bool {
        if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
            self.words = Some(shorten(line).to_owned());
            self.state = State::GoStack;
        } else if line.starts_with("Fatal Python error: ") {
            self.words = Some(shorten(line).to_owned());
            self.state = State::Fault;
        } else if TRACEBACKS.iter().any(|head| line.starts_with(head)) {
            self.state = State::Traceback { place: None };
        } else if let Some((_, place)) = line.split_once(" panicked at ")
            && line.starts_with("thread ")
        {
            self.words = Some(format!("panicked at {}", shorten(place)));
            // Before Rust 1.73 the message stood in quotes on the same line.
            self.state = if place.ends_with(':') { State::RustMessage } else { State::Calm };
        } else {
            return false;
        }
        true
    }

    fn read_go_stack(&mut self, line: &str) {
        let Some(frame) = line.strip_prefix('\t') else { return };
        let place = frame.split(" +0x").next().unwrap_or(frame);
        if place.contains(".go:") && !place.contains("/src/runtime/") {
            let file = place.rsplit('/').next().unwrap_or(place);
            self.finish(&format!("at {file}"));
        }
    }

    fn finish(&mut self, more: &str) {
        if let Some(words) = &mut self.words {
            words.push(' ');
            words.push_str(shorten(more));
        }
        self.state = State::Calm;
    }
}

/// Reads `  File "x.py", line 3, in f` as `x.py:3`; in the report of a fault there is no comma behind the number.
fn python_place(line: &str) -> Option<String> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    let number = rest.split([',', ' ']).next()?;
    Some(format!("{}:{number}", file.rsplit('/').next().unwrap_or(file)))
}

fn shorten(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_WORDS).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

const MAX_WORDS: usize = 300;
const TRACEBACKS: [&str; 2] =
    ["Traceback (most recent call last):", "  + Exception Group Traceback (most recent call last):"];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<String> {
        let mut watch = CrashWatch::default();
        text.lines().for_each(|line| watch.observe(line));
        watch.words().map(str::to_owned)
    }

    #[test]
    fn a_go_panic_with_its_place() {
        let text = "started\npanic: runtime error: invalid memory address or nil pointer dereference\n\
            [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n\n\
            goroutine 1 [running]:\npanic({0x1, 0x2})\n\t/go/src/runtime/panic.go:770 +0x132\n\
            main.run(...)\n\t/home/me/plugin/file.go:123 +0x1d\nmain.main()\n\t/home/me/plugin/main.go:7\n";
        let expected =
            "panic: runtime error: invalid memory address or nil pointer dereference at file.go:123";
        assert_eq!(words(text).as_deref(), Some(expected));
    }

    #[test]
    fn a_rust_panic_of_every_age() {
        let new = "\nthread 'main' (4711) panicked at src/main.rs:2:5:\nboom\nnote: run with\n";
        assert_eq!(words(new).as_deref(), Some("panicked at src/main.rs:2:5: boom"));
        let old = "thread 'main' panicked at 'boom', src/main.rs:2:5\n";
        assert_eq!(words(old).as_deref(), Some("panicked at 'boom', src/main.rs:2:5"));
    }

    #[test]
    fn a_python_traceback_names_the_innermost_frame() {
        let text = "Traceback (most recent call last):\n  File \"/a/x.py\", line 9, in <module>\n    f()\n  \
            File \"/a/y.py\", line 3, in f\n    raise ValueError('no')\nValueError: no\nlater";
        assert_eq!(words(text).as_deref(), Some("ValueError: no at y.py:3"));
    }

    #[test]
    fn the_last_of_pythons_exceptions_counts() {
        let text = "Traceback (most recent call last):\n  File \"/a/x.py\", line 3, in f\n    try: {}['x']\n         \
            ~~^^^^^\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n  \
            + Exception Group Traceback (most recent call last):\n  |   File \"/a/x.py\", line 6, in g\n  \
            |     raise ExceptionGroup('many', [ValueError('a')])\n  | ExceptionGroup: many (1 sub-exception)\n  \
            +-+---------------- 1 ----------------\n    | ValueError: a\n    +---\n";
        assert_eq!(words(text).as_deref(), Some("ExceptionGroup: many (1 sub-exception) at x.py:6"));
    }

    #[test]
    fn a_fault_of_python_names_the_thread_that_failed() {
        let text = "Fatal Python error: Segmentation fault\n\nThread 0x7d (most recent call first):\n  \
            File \"/lib/threading.py\", line 982 in run\n\nCurrent thread 0x7f (most recent call first):\n  \
            File \"/a/x.py\", line 4 in f\n  File \"/lib/threading.py\", line 982 in run\n";
        assert_eq!(words(text).as_deref(), Some("Fatal Python error: Segmentation fault at x.py:4"));
        let text = "Fatal Python error: Aborted\n\nCurrent thread 0x7f (most recent call first):\n  <no Python \
            frame>\n  File \"/a/x.py\", line 4 in f\n";
        assert_eq!(words(text).as_deref(), Some("Fatal Python error: Aborted"));
    }

    proptest::proptest! {
        #[test]
        fn no_output_is_too_odd(lines: Vec<String>, kind in 0..5_usize) {
            let head = ["", "panic: x", "Traceback (most recent call last):", "thread 'a' panicked at b:",
                "Fatal Python error: x"];
            words(&format!("{}\n{}", head[kind], lines.join("\n\t")));
        }
    }

    #[test]
    fn ordinary_output_is_no_crash() {
        assert_eq!(words("hello\n[ERROR] it panicked at noon\n"), None);
    }
}
