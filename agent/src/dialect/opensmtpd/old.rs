//! 5.0 to 5.7: `smtp-in: New session 38dd06274cde1fd7 from host NAME [ADDRESS]`.

use super::{
    super::{
        Line, Reading,
        sessions::Key,
        text::{rfind, starts_with_any},
    },
    ID_LEN, OpenSmtpd, bracketed,
    command::Refusal,
    id,
    session::Session,
    told,
};
use crate::event::{EventKind, Score};

impl OpenSmtpd {
    pub(super) fn old(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let key = |id: &[u8]| Key::new(&[line.host, id]);
        if let Some(rest) = text.strip_prefix(b"New session ") {
            return match begun(rest) {
                Some((id, address)) => {
                    let session = Session::new(line, address);
                    self.sessions.insert(key(id), session);
                    told(line, &session, EventKind::Connect, Score::ZERO)
                }
                None => Reading::Unknown,
            };
        }
        if let Some(rest) = text.strip_prefix(b"Failed command on session ") {
            let refused = rest.split_at_checked(ID_LEN).and_then(|(id, rest)| {
                let rest = rest.strip_prefix(b": \"")?;
                let at = rfind(rest, b"\" => ")?;
                let refusal = Refusal::of(&rest[..at], &rest[at + b"\" => ".len()..]);
                Some((id, refusal))
            });
            return match refused {
                Some((id, refusal)) => self.refused(line, key(id), None, &refusal),
                None => Reading::Unknown,
            };
        }
        if let Some(rest) = text.strip_prefix(b"Accepted message ") {
            // The number of the message has no blanks.
            let id = rest
                .iter()
                .position(|&byte| byte == b' ')
                .and_then(|end| rest[end..].strip_prefix(b" on session ")?.get(..ID_LEN));
            return match id {
                Some(id) => self.accepted(line, key(id), b""),
                None => Reading::Unknown,
            };
        }
        for (head, result) in [
            (
                b"Authentication failed for user ".as_slice(),
                b"permfail".as_slice(),
            ),
            (b"Accepted authentication for user ", b"ok"),
            (b"Authentication temporarily failed for user ", b"tempfail"),
        ] {
            let Some(rest) = text.strip_prefix(head) else {
                continue;
            };
            return match rfind(rest, b" on session ") {
                Some(at) => {
                    let id = &rest[at + b" on session ".len()..];
                    self.authenticated(line, key(id), None, &rest[..at], result)
                }
                None => Reading::Unknown,
            };
        }
        let ends: &[(&[u8], &[u8])] = &[
            (b"Closing session ", b"quit"),
            (b"Received disconnect from session ", b"disconnect"),
            (b"Disconnecting session ", b"timeout"),
        ];
        for (head, reason) in ends {
            if let Some((id, rest)) = text
                .strip_prefix(*head)
                .and_then(|rest| rest.split_at_checked(ID_LEN))
            {
                let reason = rest.strip_prefix(b": ").unwrap_or(reason);
                return self.ended(line, key(id), reason);
            }
        }
        match starts_with_any(
            text,
            &[b"Started TLS ", b"Client certificate ", b"session "],
        ) {
            true => Reading::Ignored,
            false => Reading::Unknown,
        }
    }
}

/// `ID from host NAME [ADDRESS]`.
fn begun(text: &[u8]) -> Option<(&[u8], Option<std::net::IpAddr>)> {
    let (id, rest) = id(text)?;
    let rest = rest.strip_prefix(b" from host ")?.strip_suffix(b"]")?;
    // An IPv6 address is in brackets of its own.
    let rest = rest.strip_suffix(b"]").unwrap_or(rest);
    let at = rest.iter().rposition(|&byte| byte == b'[')?;
    match &rest[at + 1..] {
        b"local" => Some((id, None)),
        address => Some((id, Some(bracketed(address)?))),
    }
}
