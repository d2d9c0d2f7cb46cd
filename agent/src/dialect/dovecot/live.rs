//! Sessions that are logged in. The login process tells who logs in, with the id of the session; the process that serves it then tells
//! of its end, with the same id and without an address.

use super::{
    super::{
        Line, Reading,
        sessions::{Key, Sessions},
        text::{rfind, starts_with_any},
    },
    level,
};
use crate::event::{Event, EventKind, Service, SessionId};

/// What the processes say at the end of a session, whoever ends it.
const ENDS: &[&[u8]] = &[
    b"Disconnected",
    b"Logged out",
    b"Connection closed",
    b"Server shutting down",
    b"Too many invalid ",
];

/// Those of which a login process has told.
#[derive(Default)]
pub(super) struct Live {
    sessions: Sessions<SessionId>,
}

impl Live {
    /// `id` logged in.
    pub(super) fn begin(&mut self, line: &Line<'_>, id: &[u8], session: SessionId) {
        if !id.is_empty() {
            self.sessions.insert(key(line, id), session);
        }
    }

    /// What `process` says after its name: `(joe)<60><Dmexisxg84HAAAIR>: Disconnected: Logged out in=35 out=542`. Before 2.3 it
    /// names no session.
    pub(super) fn read(&mut self, line: &Line<'_>, process: &[u8], rest: &[u8]) -> Reading {
        let Some(service) = service(process) else {
            return Reading::Ignored;
        };
        let session = ended(rest).and_then(|id| self.sessions.remove(key(line, id)));
        let Some(session) = session else {
            return Reading::Ignored;
        };
        Reading::Event(Event {
            session: Some(session),
            ..line.event(EventKind::Disconnect, service)
        })
    }
}

fn key(line: &Line<'_>, id: &[u8]) -> Key {
    Key::new(&[line.host, id])
}

fn service(process: &[u8]) -> Option<Service> {
    Some(match process {
        b"imap" | b"imap-hibernate" => Service::Imap,
        b"pop3" => Service::Pop,
        b"managesieve" => Service::Sieve,
        b"submission" => Service::Smtp,
        _ => return None,
    })
}

/// The id of the session whose end it is. A name may hold any brackets, so the last ones count: what stands behind is Dovecot's.
fn ended(rest: &[u8]) -> Option<&[u8]> {
    let process = &rest[rfind(rest, b")<")? + 2..];
    let digits = process.iter().take_while(|byte| byte.is_ascii_digit());
    let after = process[digits.count()..].strip_prefix(b">")?;
    let (id, text) = super::bracketed(after)?;
    let (_, text) = level(text.strip_prefix(b": ")?);
    starts_with_any(text, ENDS).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use jiff::tz::TimeZone;

    use super::ended;
    use crate::{
        dialect::{Reader, Reading},
        event::EventKind,
    };

    #[test]
    fn the_end_of_a_session_is_found_behind_any_name() {
        let id =
            |text: &str| ended(text.as_bytes()).map(|id| String::from_utf8_lossy(id).into_owned());
        let is = |id: &str| Some(id.to_owned());
        assert_eq!(
            id("(joe)<60><Dmex>: Disconnected: Logged out in=35"),
            is("Dmex")
        );
        assert_eq!(id("(joe)<60><Dmex>: Info: Logged out in=35"), is("Dmex"));
        assert_eq!(
            id("(joe)<60><Dmex>: Connection closed (IDLE running for 3 secs)"),
            is("Dmex")
        );
        assert_eq!(
            id("(a)<1><b>: Disconnected)<60><Dmex>: Disconnected: Inactivity"),
            is("Dmex")
        );
        assert_eq!(id("(joe)<60><Dmex>: copy from INBOX: Disconnected"), None);
        assert_eq!(id("(joe): Disconnected: Logged out in=35 out=542"), None);
        assert_eq!(id(""), None);
    }

    #[test]
    fn a_login_and_its_end_are_one_session() {
        let mut reader = Reader::new(TimeZone::UTC);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut read = |line: &str| match reader.read(line.as_bytes(), now) {
            Reading::Event(event) => Some((event.kind, event.session)),
            _ => None,
        };
        let login = "Nov 21 17:17:56 mx dovecot: imap-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.17, lip=192.0.2.1, mpid=60, session=<Dmex>";
        let Some((EventKind::AuthSuccess, Some(session))) = read(login) else {
            panic!("a login with a session");
        };
        let other = "Nov 21 17:18:56 mx dovecot: imap(joe)<61><Other>: Disconnected: Logged out in=35 out=542";
        assert_eq!(read(other), None);
        let end = "Nov 21 17:18:56 mx dovecot: imap(joe)<60><Dmex>: Disconnected: Logged out in=35 out=542";
        assert_eq!(read(end), Some((EventKind::Disconnect, Some(session))));
        assert_eq!(read(end), None);
    }
}
