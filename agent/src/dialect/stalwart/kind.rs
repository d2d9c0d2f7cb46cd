//! What Stalwart's events are (`crates/trc/src/event`).

use crate::event::{EventKind, Score};

/// What the event `id` says of a client, if it does.
pub(super) fn of_event(id: &[u8]) -> Option<(EventKind, Score)> {
    use EventKind as Kind;
    let weightless = |kind| Some((kind, Score::ZERO));
    let kind = match id {
        b"auth.failed" => Kind::AuthFailure,
        b"auth.success" => Kind::AuthSuccess,
        b"auth.too-many-attempts" => Kind::TooManyErrors,
        b"auth.token-expired" | b"auth.credential-expired" => return weightless(Kind::AuthFailure),
        b"auth.error" => Kind::ServerFault,

        // In place of what would have been the last failure.
        b"security.abuse-ban"
        | b"security.authentication-ban"
        | b"security.brute-force-ban"
        | b"security.loiter-ban"
        | b"security.scan-ban" => Kind::TooManyErrors,
        b"security.ip-blocked" | b"security.ip-unauthorized" => Kind::ClientRejected,

        b"imap.connection-start"
        | b"manage-sieve.connection-start"
        | b"pop3.connection-start"
        | b"smtp.connection-start" => Kind::Connect,
        b"imap.connection-end"
        | b"manage-sieve.connection-end"
        | b"pop3.connection-end"
        | b"smtp.connection-end" => Kind::Disconnect,
        b"network.timeout" => Kind::LostConnection,
        b"tls.handshake-error" => Kind::TlsFailure,

        b"smtp.mailbox-does-not-exist" | b"smtp.vrfy-not-found" | b"smtp.expn-not-found" => {
            Kind::UnknownRecipient
        }
        b"smtp.relay-not-allowed" => Kind::RelayDenied,
        b"smtp.too-many-invalid-rcpt" => Kind::TooManyErrors,
        b"smtp.rcpt-to-greylisted" => return weightless(Kind::ClientRejected),
        b"smtp.invalid-ehlo" => Kind::HeloRejected,
        b"smtp.mail-from-unauthenticated" | b"smtp.mail-from-not-allowed" => Kind::SenderRejected,
        // Whoever may send, but not as somebody else.
        b"smtp.mail-from-unauthorized" => return weightless(Kind::SenderRejected),
        b"smtp.auth-not-allowed" | b"smtp.auth-mechanism-not-supported" => Kind::AuthNotOffered,
        b"smtp.auth-exchange-too-long"
        | b"smtp.command-not-implemented"
        | b"smtp.did-not-say-ehlo"
        | b"smtp.ehlo-expected"
        | b"smtp.expn-disabled"
        | b"smtp.invalid-command"
        | b"smtp.invalid-parameter"
        | b"smtp.invalid-recipient-address"
        | b"smtp.invalid-sender-address"
        | b"smtp.lhlo-expected"
        | b"smtp.mail-from-missing"
        | b"smtp.multiple-mail-from"
        | b"smtp.rcpt-to-missing"
        | b"smtp.request-too-large"
        | b"smtp.syntax-error"
        | b"smtp.unsupported-parameter"
        | b"smtp.vrfy-disabled" => return weightless(Kind::ProtocolError),
        b"smtp.concurrency-limit-exceeded"
        | b"smtp.rate-limit-exceeded"
        | b"limit.concurrent-connection"
        | b"limit.too-many-requests" => Kind::RateLimited,
        b"smtp.time-limit-exceeded"
        | b"smtp.too-many-messages"
        | b"smtp.too-many-recipients"
        | b"smtp.transfer-limit-exceeded" => return weightless(Kind::RateLimited),
        b"smtp.loop-detected" | b"smtp.message-parse-failed" | b"smtp.message-too-large" => {
            return weightless(Kind::ContentRejected);
        }
        b"milter.action-reject" | b"mta-hook.action-reject" | b"sieve.action-reject" => {
            Kind::ContentRejected
        }
        b"milter.action-temp-fail" => return weightless(Kind::ContentRejected),
        b"smtp.missing-auth-directory" | b"smtp.missing-local-hostname" => Kind::ServerFault,

        b"queue.authenticated-message-queued"
        | b"queue.message-queued"
        | b"queue.queue-message"
        | b"queue.queue-message-authenticated"
        | b"queue.queue-message-submission" => Kind::MailAccepted,
        _ => return None,
    };
    Some((kind, kind.score()))
}
