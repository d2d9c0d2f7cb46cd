//! What a server's answer to an SMTP command says about the client.

use super::text::find;
use crate::event::{EventKind, Score};

/// The command that was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// None: the client has just connected.
    Connect,
    /// `HELO` or `EHLO`.
    Helo,
    /// `AUTH`, or what a client sends within it.
    Auth,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `DATA` or `BDAT`, or the message.
    Data,
    /// Another one.
    Other,
}

impl Stage {
    /// The stage of a command, by its verb.
    pub(super) fn of(command: &[u8]) -> Self {
        let verb: &[u8] = &command[..command.len().min(4)];
        match &verb.to_ascii_uppercase()[..] {
            b"HELO" | b"EHLO" | b"LHLO" => Self::Helo,
            b"AUTH" => Self::Auth,
            b"MAIL" => Self::Mail,
            b"RCPT" => Self::Rcpt,
            b"DATA" | b"BDAT" => Self::Data,
            _ => Self::Other,
        }
    }
}

/// What the refusal `reply` (`550 5.1.1 User unknown`) says; `None` if it is none. What follows the codes may repeat what the
/// client said, so it only chooses among the kinds that the stage allows.
pub(super) fn refusal(stage: Stage, reply: &[u8]) -> Option<(EventKind, Score)> {
    let (&[class @ (b'4' | b'5'), d1, d2], rest) = reply.split_first_chunk()? else {
        return None;
    };
    if !d1.is_ascii_digit() || !d2.is_ascii_digit() || rest.first().is_some_and(u8::is_ascii_digit)
    {
        return None;
    }
    let code = (class, d1, d2);
    let text = rest.strip_prefix(b" ").unwrap_or(rest);
    let kind = kind(stage, code, text);
    let is_weightless = match kind {
        // The session ends because of what the client did.
        EventKind::TooManyErrors => false,
        // Some old servers answer for failed logins with 4xx, but those that tell of their own trouble do too.
        _ => class == b'4' || is_excused(text),
    };
    let score = if is_weightless {
        Score::ZERO
    } else {
        match (kind, stage) {
            // A command that is not known may be a new one; the session's end says whether it came to anything.
            (EventKind::ProtocolError, _) => Score::ZERO,
            _ => kind.score(),
        }
    };
    Some((kind, score))
}

fn kind(stage: Stage, code: (u8, u8, u8), text: &[u8]) -> EventKind {
    let says = |words: &[&[u8]]| {
        let lower = text[..text.len().min(256)].to_ascii_lowercase();
        words.iter().any(|word| find(&lower, word).is_some())
    };
    if says(&[b"too many error", b"too many bad"]) {
        return EventKind::TooManyErrors;
    }
    match (stage, code) {
        (_, (b'4', b'2', b'1')) if says(&[b"too many", b"rate", b"maximum number"]) => {
            EventKind::RateLimited
        }
        (_, (b'4', b'5', b'1') | (b'4', b'5', b'2')) if text.starts_with(b"4.3.") => {
            EventKind::ServerFault
        }
        (_, (b'4', b'5', b'4')) if text.starts_with(b"4.7.0") => EventKind::ServerFault,
        (_, (b'5', b'3', b'5')) => EventKind::AuthFailure,
        (Stage::Auth, (_, b'0', b'1')) => EventKind::AuthAborted,
        (Stage::Auth, (_, b'0', _) | (b'5', b'3', b'4' | b'8')) => EventKind::AuthNotOffered,
        (Stage::Auth, (b'4', ..)) => EventKind::ServerFault,
        (Stage::Auth, _) => EventKind::AuthFailure,
        _ if says(&[
            b"block list",
            b"blocked using",
            b"blacklist",
            b"blocklist",
            b"dnsbl",
        ]) =>
        {
            EventKind::DnsblRejected
        }
        (Stage::Connect, _) => EventKind::ClientRejected,
        (Stage::Helo, _) => EventKind::HeloRejected,
        (Stage::Mail | Stage::Rcpt, (_, b'0', _)) => EventKind::ProtocolError,
        (Stage::Mail, (b'5', b'3', b'0')) => EventKind::ClientRejected,
        (Stage::Mail, _) => EventKind::SenderRejected,
        (Stage::Rcpt, _) if text.starts_with(b"5.1.8") => EventKind::SenderRejected,
        (Stage::Rcpt, (b'5', b'1', b'3')) => EventKind::RelayDenied,
        (Stage::Rcpt, _) if says(&[b"relay", b"not a gateway"]) => EventKind::RelayDenied,
        (Stage::Rcpt, _) if is_unknown_recipient(text) => EventKind::UnknownRecipient,
        (Stage::Rcpt, (b'5', b'5', b'0'))
            if says(&[
                b"unknown",
                b"no such",
                b"not exist",
                b"not found",
                b"invalid",
            ]) =>
        {
            EventKind::UnknownRecipient
        }
        (Stage::Rcpt, (b'5', b'5', b'2')) => EventKind::ServerFault,
        (Stage::Rcpt, _) => EventKind::ClientRejected,
        (Stage::Data, (_, b'0', _)) => EventKind::ProtocolError,
        (Stage::Data, _) => EventKind::ContentRejected,
        (Stage::Other, _) => EventKind::ProtocolError,
    }
}

/// RFC 3463: bad destination mailbox, or system; `5.1.10` is Exchange's.
fn is_unknown_recipient(text: &[u8]) -> bool {
    [b"5.1.1 ".as_slice(), b"5.1.2 ", b"5.1.6 ", b"5.1.10 "]
        .iter()
        .any(|code| text.starts_with(code))
}

/// A full mailbox or a message that is too large, which are nobody's misdeed (RFC 3463, X.2.2, X.2.3, X.3.4).
fn is_excused(text: &[u8]) -> bool {
    [b"5.2.2".as_slice(), b"5.2.3", b"5.3."]
        .iter()
        .any(|code| text.starts_with(code))
}

#[cfg(test)]
mod tests {
    use super::{Stage, refusal};
    use crate::event::EventKind;

    #[track_caller]
    fn check(stage: Stage, reply: &str, kind: EventKind, weighs: bool) {
        let (got, score) = refusal(stage, reply.as_bytes()).unwrap();
        assert_eq!((got, score.as_tenths() > 0), (kind, weighs), "{reply}");
    }

    #[test]
    fn refusals_are_told_apart() {
        check(
            Stage::Rcpt,
            "550 5.1.1 User unknown",
            EventKind::UnknownRecipient,
            true,
        );
        check(
            Stage::Rcpt,
            "550 User <a> unknown",
            EventKind::UnknownRecipient,
            true,
        );
        check(
            Stage::Rcpt,
            "550 5.7.1 Unable to relay",
            EventKind::RelayDenied,
            true,
        );
        check(
            Stage::Rcpt,
            "513 Relaying denied.",
            EventKind::RelayDenied,
            true,
        );
        check(
            Stage::Rcpt,
            "450 4.2.0 Greylisted",
            EventKind::ClientRejected,
            false,
        );
        check(
            Stage::Rcpt,
            "552 5.2.2 Over quota",
            EventKind::ServerFault,
            false,
        );
        check(
            Stage::Rcpt,
            "452 4.3.1 Insufficient system resources",
            EventKind::ServerFault,
            false,
        );
        check(
            Stage::Auth,
            "535 5.7.3 Authentication unsuccessful",
            EventKind::AuthFailure,
            true,
        );
        check(
            Stage::Auth,
            "454 4.7.0 Temporary authentication failure",
            EventKind::ServerFault,
            false,
        );
        check(
            Stage::Auth,
            "504 5.7.4 Unrecognized authentication type",
            EventKind::AuthNotOffered,
            true,
        );
        check(
            Stage::Other,
            "421 4.7.0 Too many errors on this connection",
            EventKind::TooManyErrors,
            true,
        );
        check(
            Stage::Other,
            "500 5.3.3 Unrecognized command",
            EventKind::ProtocolError,
            false,
        );
        check(
            Stage::Helo,
            "501 5.5.4 Invalid domain name",
            EventKind::HeloRejected,
            true,
        );
        check(
            Stage::Data,
            "552 5.3.4 Message size exceeds limit",
            EventKind::ContentRejected,
            false,
        );
        check(
            Stage::Data,
            "550 5.7.1 Message rejected as spam",
            EventKind::ContentRejected,
            true,
        );
    }

    #[test]
    fn other_answers_are_none() {
        for reply in ["250 ok", "334 ", "", "5", "55", "5505 x", "5x0 y"] {
            assert_eq!(refusal(Stage::Rcpt, reply.as_bytes()), None, "{reply}");
        }
    }
}
