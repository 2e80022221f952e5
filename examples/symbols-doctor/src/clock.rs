//! The time as Go's `log` and RFC 3339 write it, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Writes a line to stderr, with the time before it.
#[expect(clippy::print_stderr, reason = "the example logs to stderr")]
pub(crate) fn log(line: &str) {
    let [year, month, day, hour, minute, second] = now();
    eprintln!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02} {line}");
}

/// The time: year, month, day, hour, minute, second.
pub(crate) fn now() -> [i64; 6] {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let [year, month, day] = date(days);
    [year, month, day, second / 3600, second / 60 % 60, second % 60]
}

/// The date of a day after 1970: years begin in March, so that the day that is added in some of them is the last.
fn date(days: i64) -> [i64; 3] {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    [year + era * 400 + i64::from(month <= 2), month, day]
}
