//! What smtpd warns of, in the light of the session.

use super::{
    super::{
        super::{Line, Reading, address::literal, name},
        after_queue_id,
        client::{self, Client, client},
        server_fault,
        warning::{self, Clientless, Login},
    },
    Smtpd, event_of, process,
    session::Auth,
};
use crate::event::{Event, EventKind, Score, Service};

impl Smtpd {
    pub(super) fn warning(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        if let Some((client, rest)) = client(text) {
            return self.client_warning(line, client, rest);
        }
        if let Some((kind, score, rest)) = warning::from_client(text) {
            return self.from(line, rest, kind, score);
        }
        if let Some(text) = warning::unresolved(text) {
            // Its name is refused: Postfix goes on to call it unknown. Half the honest world has no better name.
            let mut event = line.event(EventKind::ClientRejected, Service::Smtp);
            event.address = literal(text);
            event.score = Score::ZERO;
            let reading = event.address.map(|_| Reading::Event(event));
            return reading.unwrap_or(Reading::Unknown);
        }
        let (_, rest) = after_queue_id(text);
        if rest == b"queue file size limit exceeded" {
            return self.of_process(line, EventKind::ContentRejected, Score::ZERO);
        }
        if let Some(reading) = self.chunk(line, rest) {
            return reading;
        }
        if warning::is_tls_garbage(text)
            && let Some(session) = process(line).and_then(|process| self.sessions.get(process))
        {
            session.has_sent_garbage = true;
        }
        match warning::clientless(text) {
            Clientless::Silent => Reading::Ignored,
            Clientless::Fault => server_fault(line),
            Clientless::Unknown => client::no_client(text),
        }
    }

    /// `NAME[ADDRESS]: ...`
    fn client_warning(&mut self, line: &Line<'_>, client: Client, rest: &[u8]) -> Reading {
        let Some(rest) = rest.strip_prefix(b": ") else {
            return Reading::Unknown;
        };
        if rest.starts_with(b"request longer than ") {
            return self.weighs(line, client, EventKind::ProtocolError, Score::tenths(10));
        }
        let Some(login) = rest.strip_prefix(b"SASL ").and_then(warning::login) else {
            return Reading::Unknown;
        };
        let (kind, auth) = match login {
            Login::Failed { .. } => (EventKind::AuthFailure, Auth::Told),
            Login::Aborted => (EventKind::AuthAborted, Auth::Told),
            Login::NoMechanism => (EventKind::AuthNotOffered, Auth::NoMechanism),
            Login::Fault => (EventKind::ServerFault, Auth::Fault),
        };
        let score = match login {
            // A client that goes on with a mechanism that there is did nothing wrong; the session's end tells.
            Login::NoMechanism => Score::ZERO,
            _ => kind.score(),
        };
        let session = self.update(line, client, |session| {
            session.is_scored |= score > Score::ZERO;
            if session.auth != Auth::Told {
                session.auth = auth;
            }
        });
        let account = match login {
            Login::Failed { account } => account.and_then(name),
            _ => None,
        };
        Reading::Event(Event {
            account,
            ..event_of(line, &session, kind, score)
        })
    }
}
