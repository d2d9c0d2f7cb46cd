//! SMTP: one line for each thing that was said, `<` by the client and `>` by the server.

use std::net::IpAddr;

use super::{
    super::{
        Line, Reading, name,
        reply::{self, Stage},
        sessions::{Key, Sessions},
        text::{after, before, starts_with_any},
    },
    columns::Values,
};
use crate::event::{Event, EventKind, Score, Service, SessionId};

/// All sessions.
#[derive(Default)]
pub(super) struct Smtp {
    sessions: Sessions<Session>,
}

/// What a session did so far.
#[derive(Clone)]
struct Session {
    id: SessionId,
    address: IpAddr,
    /// The command that waits for its answer.
    stage: Stage,
    /// The recipient it names, or the account it logs in as.
    recipient: Option<Box<str>>,
    account: Option<Box<str>>,
    is_bounce: bool,
    /// A message was accepted or a login succeeded.
    is_good: bool,
    /// Something was refused.
    is_refused: bool,
    /// Something weighed, or was excused.
    is_judged: bool,
}

impl Smtp {
    pub(super) fn read(&mut self, line: &Line<'_>, values: &Values<'_>) -> Reading {
        let Some(address) = values.address else {
            return Reading::Unknown;
        };
        let key = Key::new(&[line.host, &values.session]);
        let data = values.data.trim_ascii();
        let begins = &values.event[..] == b"+";
        let known = self
            .sessions
            .get(key)
            .filter(|session| session.address == address && !begins);
        if known.is_none() {
            self.sessions.insert(key, Session::new(line, address));
        }
        let Some(session) = self.sessions.get(key) else {
            return Reading::Unknown;
        };
        match &values.event[..] {
            b"+" => Reading::Event(session.event(line, EventKind::Connect)),
            b"-" => {
                let is_bad = session.is_refused && !session.is_judged && !session.is_good;
                let kind = if is_bad {
                    EventKind::BadSession
                } else {
                    EventKind::Disconnect
                };
                let event = session.event(line, kind);
                self.sessions.remove(key);
                Reading::Event(event)
            }
            b"<" => {
                session.command(data);
                Reading::Ignored
            }
            b">" => session.answer(line, data),
            b"*" => session.note(data, &values.context),
            _ => Reading::Unknown,
        }
    }
}

impl Session {
    fn new(line: &Line<'_>, address: IpAddr) -> Self {
        Self {
            id: line.new_session(),
            address,
            stage: Stage::Connect,
            recipient: None,
            account: None,
            is_bounce: false,
            is_good: false,
            is_refused: false,
            is_judged: false,
        }
    }

    fn event(&self, line: &Line<'_>, kind: EventKind) -> Event {
        Event {
            session: Some(self.id),
            ..line.event_of(kind, Service::Smtp, self.address)
        }
    }

    /// What the client said. Within a login it says what is no command.
    fn command(&mut self, data: &[u8]) {
        let stage = Stage::of(data);
        if self.stage == Stage::Auth && stage == Stage::Other {
            return;
        }
        self.stage = stage;
        self.recipient = None;
        match stage {
            Stage::Mail => self.is_bounce = path(data).is_some_and(<[u8]>::is_empty),
            Stage::Rcpt => self.recipient = path(data).and_then(name),
            _ => {}
        }
    }

    /// What the server answered. It answers a login's steps with 334.
    fn answer(&mut self, line: &Line<'_>, data: &[u8]) -> Reading {
        if data.starts_with(b"235") {
            self.is_good = true;
            let account = self.account.clone();
            let event = self.event(line, EventKind::AuthSuccess);
            return Reading::Event(Event { account, ..event });
        }
        if data.starts_with(b"250 2.6.0 ") || self.stage == Stage::Data && data.starts_with(b"250")
        {
            self.is_good = true;
            return Reading::Event(self.event(line, EventKind::MailAccepted));
        }
        let Some((kind, score)) = reply::refusal(self.stage, data) else {
            return Reading::Ignored;
        };
        let is_excused =
            self.is_bounce && matches!(self.stage, Stage::Mail | Stage::Rcpt | Stage::Data);
        let mut event = self.event(line, kind).with_score(score).excused(is_excused);
        self.is_refused |= data.starts_with(b"5");
        self.is_judged |= event.score > Score::ZERO || is_excused || data.starts_with(b"4");
        match self.stage {
            Stage::Auth => {
                event.account = self.account.take();
                self.stage = Stage::Other;
            }
            Stage::Rcpt => event.recipient = self.recipient.take(),
            _ => {}
        }
        Reading::Event(event)
    }

    /// What the server notes: `Tarpit for '0.00:00:05' due to ...`, `DOMAIN\joe` with `authenticated` as the context, `User Name: joe`.
    fn note(&mut self, data: &[u8], context: &[u8]) -> Reading {
        let user = if context.starts_with(b"authenticated") {
            Some(data)
        } else {
            after(context, b"User Name: ").or(data.strip_prefix(b"User Name: "))
        };
        if let Some(user) = user {
            self.account = name(before(user, b";"));
        }
        if starts_with_any(
            context,
            &[
                b"Inbound authentication failed because of a transient",
                b"Temporary",
            ],
        ) {
            self.is_judged = true;
        }
        Reading::Ignored
    }
}

/// What stands between `<` and `>` in `MAIL FROM:<joe@example.net>`.
fn path(command: &[u8]) -> Option<&[u8]> {
    let rest = after(command, b"<")?;
    Some(before(rest, b">"))
}
