//! As much of HTTP/1.1 as a scrape needs.

/// Most bytes of a request's head.
pub(super) const HEAD_MAX: usize = 8 * 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// The metrics.
    Metrics,
    /// Something else, which is answered with this status.
    Else(&'static str),
}

const NOT_HTTP: Asked = Asked::Else("400 Bad Request");

/// Reads the head of a request, up to the blank line. Its fields do not matter: there is one answer.
pub(super) fn read(head: &[u8]) -> Asked {
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let Ok(line) = str::from_utf8(line) else {
        return NOT_HTTP;
    };
    let mut words = line.trim_end_matches('\r').split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return NOT_HTTP;
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return NOT_HTTP;
    }
    if method != "GET" {
        return Asked::Else("405 Method Not Allowed");
    }
    match target.split('?').next() {
        Some("/metrics") => Asked::Metrics,
        _ => Asked::Else("404 Not Found"),
    }
}

/// Whether the head of a request is there in whole.
pub(super) fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// The metrics as an answer.
pub(super) fn metrics(text: &str) -> String {
    answer("200 OK", "text/plain; version=0.0.4; charset=utf-8", text)
}

/// Anything else, with what to do in place of it.
pub(super) fn refusal(status: &str) -> String {
    let text = format!("{status}: GET /metrics is all there is\n");
    answer(status, "text/plain; charset=utf-8", &text)
}

fn answer(status: &str, content: &str, body: &str) -> String {
    let length = body.len();
    let allow = if status.starts_with("405") {
        "Allow: GET\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {status}\r\n{allow}Content-Type: {content}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::{Asked, is_whole, read, refusal};

    #[test]
    fn only_get_metrics_is_answered() {
        assert_eq!(
            read(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
            Asked::Metrics
        );
        assert_eq!(read(b"GET /metrics?name=x HTTP/1.0\n\n"), Asked::Metrics);
        for (head, status) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "404 Not Found"),
            (b"GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            (b"HEAD /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            (b"GET /metrics\r\n\r\n", "400 Bad Request"),
            (b"GET /metrics HTTP/2\r\n\r\n", "400 Bad Request"),
            (b"GET /a b HTTP/1.1\r\n\r\n", "400 Bad Request"),
            (b"\xff\r\n\r\n", "400 Bad Request"),
            (b"", "400 Bad Request"),
        ] {
            assert_eq!(read(head), Asked::Else(status), "{head:?}");
        }
        assert!(refusal("405 Method Not Allowed").contains("\r\nAllow: GET\r\n"));
    }

    #[test]
    fn a_head_ends_with_a_blank_line() {
        assert!(is_whole(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\n\n"));
        assert!(!is_whole(b"GET / HTTP/1.1\r\nHost: x\r\n"));
    }
}
