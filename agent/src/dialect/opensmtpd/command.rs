//! Commands that smtpd refused: `command="RCPT TO:<joe@example.org>" result="550 Invalid recipient: <joe@example.org>"`.

use super::{
    super::text::{before, rfind, starts_with_any},
    has_any, quoted,
};
use crate::event::{EventKind, Score};

/// A command and its answer.
pub(super) struct Refusal<'a> {
    /// The command; `None` for input that was no command.
    command: Option<&'a [u8]>,
    result: &'a [u8],
}

/// First words of other protocols, and how `vis(3)` writes the beginning of TLS.
const OTHER_PROTOCOLS: &[&[u8]] = &[
    b"CONNECT ",
    b"GET ",
    b"HEAD ",
    b"OPTIONS ",
    b"POST ",
    b"PUT ",
    b"SSH-",
    b"\\^V\\^C",
    b"\\026\\003",
];

impl<'a> Refusal<'a> {
    /// Reads `command="..." result="..."`, or `result="..."` alone.
    pub(super) fn read(fields: &'a [u8]) -> Option<Self> {
        const BETWEEN: &[u8] = b"\" result=\"";
        if fields.starts_with(b"result=") {
            return Some(Self {
                command: None,
                result: quoted(fields, b"result=")?,
            });
        }
        // A command may hold what stands between, but what comes last is an answer.
        let text = fields.strip_prefix(b"command=\"")?.strip_suffix(b"\"")?;
        let at = rfind(text, BETWEEN)?;
        Some(Self {
            command: Some(&text[..at]),
            result: &text[at + BETWEEN.len()..],
        })
    }

    /// A command and an answer as 5.4 separates them.
    pub(super) fn of(command: &'a [u8], result: &'a [u8]) -> Self {
        Self {
            command: Some(command),
            result,
        }
    }

    /// Whether the client may try again.
    pub(super) fn is_temporary(&self) -> bool {
        self.result.starts_with(b"4")
    }

    /// The recipient it names.
    pub(super) fn recipient(&self) -> Option<&'a [u8]> {
        const RCPT: &[u8] = b"RCPT TO:";
        let (verb, rest) = self.command?.split_at_checked(RCPT.len())?;
        if !verb.eq_ignore_ascii_case(RCPT) {
            return None;
        }
        let rest = rest.trim_ascii_start();
        let named = rest.strip_prefix(b"<").unwrap_or(rest);
        Some(before(named, b">"))
    }

    /// What it is. Mistakes in the protocol weigh only as the session's end tells of them.
    pub(super) fn meaning(&self) -> (EventKind, Score) {
        let whole = |kind: EventKind| (kind, kind.score());
        let nothing = |kind: EventKind| (kind, Score::ZERO);
        if has_any(
            self.result,
            &[b"Too many recipients", b"Too many messages sent"],
        ) {
            return whole(EventKind::RateLimited);
        }
        if self.is_temporary() {
            let is_fault = starts_with_any(self.result, &[b"421", b"454"])
                || has_any(self.result, &[b" 4.3."]);
            return match is_fault {
                true => nothing(EventKind::ServerFault),
                false => nothing(EventKind::ClientRejected),
            };
        }
        let Some(command) = self.command else {
            return whole(EventKind::ProtocolError);
        };
        if starts_with_any(command, OTHER_PROTOCOLS) {
            return whole(EventKind::NonSmtp);
        }
        let is = |verb: &[u8]| {
            let head = command.get(..verb.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(verb))
        };
        if is(b"AUTH") {
            return match has_any(self.result, &[b"Command not supported"]) {
                true => whole(EventKind::AuthNotOffered),
                false if self.result.starts_with(b"503") => nothing(EventKind::ProtocolError),
                false => whole(EventKind::AuthFailure),
            };
        }
        if starts_with_any(self.result, &[b"535"]) {
            return whole(EventKind::AuthFailure);
        }
        let is_about_the_protocol =
            starts_with_any(self.result, &[b"500 ", b"502 ", b"503 ", b"504 ", b"530 "])
                || has_any(self.result, &[b"syntax error"]);
        if is_about_the_protocol {
            return nothing(EventKind::ProtocolError);
        }
        if is(b"RCPT TO") {
            return whole(EventKind::UnknownRecipient);
        }
        if is(b"MAIL FROM") {
            return whole(EventKind::SenderRejected);
        }
        if is(b"EHLO") || is(b"HELO") {
            return whole(EventKind::HeloRejected);
        }
        if is(b"DATA") || is(b".") {
            return match has_any(self.result, &[b"too big", b"Loop detected"]) {
                true => nothing(EventKind::ContentRejected),
                false => whole(EventKind::ContentRejected),
            };
        }
        match command {
            // A filter refused the connection.
            b"" => whole(EventKind::ClientRejected),
            _ => nothing(EventKind::ProtocolError),
        }
    }
}
