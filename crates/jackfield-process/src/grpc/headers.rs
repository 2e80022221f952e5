//! The options of a call as the headers of a request, and back.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Requests".

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jackfield_core::CallOptions;
use tonic::Status;

/// The headers that say what the options say.
///
/// # Errors
/// A key or value cannot be a header.
pub(crate) fn write(options: &CallOptions) -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::new();
    if let Some(left) = options.remaining() {
        let timeout = HeaderValue::try_from(write_timeout(left));
        headers.insert(TIMEOUT, timeout.map_err(|error| Status::internal(error.to_string()))?);
    }
    for (key, value) in options.entries() {
        let wrong = || {
            Status::invalid_argument(format!("the metadata `{key}: {value}` cannot be a header of a request"))
        };
        let name = HeaderName::try_from(key).ok().filter(|name| !is_reserved(name)).ok_or_else(wrong)?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| wrong())?);
    }
    Ok(headers)
}

/// The options that the headers of a request say, if they say any.
pub(crate) fn read(headers: &HeaderMap) -> Option<CallOptions> {
    let mut options = CallOptions::new();
    let timeout = headers.get(TIMEOUT).and_then(|value| read_timeout(value.to_str().ok()?));
    if let Some(timeout) = timeout {
        options = options.timeout(timeout);
    }
    for (name, value) in headers {
        if let (false, Ok(value)) = (is_reserved(name), value.to_str()) {
            options = options.metadata(name.as_str(), value);
        }
    }
    (options != CallOptions::new()).then_some(options)
}

/// At most eight digits, in the finest unit that holds them. It is rounded up: the caller's own clock ends the call.
fn write_timeout(left: Duration) -> String {
    let units = [(1_u128, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S'), (60_000_000_000, 'M')];
    for (nanoseconds, unit) in units {
        let count = left.as_nanos().div_ceil(nanoseconds);
        if count < 100_000_000 {
            return format!("{count}{unit}");
        }
    }
    "99999999M".to_owned()
}

fn read_timeout(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if count.len() > 8 {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// What belongs to gRPC and HTTP themselves.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("grpc-")
        || matches!(name, "content-length" | "content-type" | "te" | "user-agent" | "host")
}

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_cross() {
        let options = CallOptions::new().timeout(Duration::from_secs(3)).metadata("request-id", "4711");
        let crossed = read(&write(&options).expect("headers")).expect("options");
        assert_eq!(crossed.entries().collect::<Vec<_>>(), [("request-id", "4711")]);
        let left = crossed.remaining().expect("a deadline");
        assert!(left > Duration::from_secs(2) && left <= Duration::from_secs(4), "{left:?}");
        assert_eq!(read(&HeaderMap::new()), None);
    }

    #[test]
    fn timeouts_have_eight_digits_at_the_most() {
        assert_eq!(write_timeout(Duration::from_nanos(5)), "5n");
        assert_eq!(write_timeout(Duration::from_secs(1)), "1000000u");
        assert_eq!(write_timeout(Duration::from_secs(86_400 * 365)), "31536000S");
        assert_eq!(write_timeout(Duration::MAX), "99999999M");
        for text in ["", "5", "n", "123456789n", "5x", "-5n"] {
            assert_eq!(read_timeout(text), None, "{text}");
        }
    }

    #[test]
    fn metadata_that_is_no_header_is_refused_by_name() {
        for (key, value) in [("Ä", "x"), ("a", "\n"), ("grpc-timeout", "1S")] {
            let error = write(&CallOptions::new().metadata(key, value)).expect_err("no header");
            assert!(error.message().contains(key), "{error}");
        }
    }
}
