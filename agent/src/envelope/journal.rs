//! Records of journald. What a program says of itself (`SYSLOG_IDENTIFIER`) any local user can say, with `logger -t`; the
//! fields that begin with an underscore journald writes, and only by them a record is believed.

use std::time::Duration;

use jiff::Timestamp;

use super::{stamp::Stamp, tag, wrapping::Text};

/// The highest number that a service's user has; those above are people's. (Of the numbers above, systemd gives away
/// [`DYNAMIC_UIDS`] to services.)
const SERVICE_UID_MAX: u32 = 999;
/// Numbers of users that exist only while their service runs (`DynamicUser=`).
const DYNAMIC_UIDS: std::ops::RangeInclusive<u32> = 61_184..=65_519;
/// Longest name of a process that the kernel keeps.
const COMM_MAX: usize = 15;

/// What the names of mail services' units begin with; and of those that tell what was lost.
const SERVICES: &[&str] = &[
    "amavis",
    "assp",
    "courier",
    "cyrus",
    "dovecot",
    "exim",
    "haraka",
    "opensmtpd",
    "perdition",
    "postfix",
    "postgrey",
    "qmail",
    "rspamd",
    "rsyslog",
    "saslauthd",
    "sendmail",
    "sm-mta",
    "smtpd",
    "sogo",
    "spamassassin",
    "spamd",
    "stalwart",
    "systemd-journald",
];

/// What is read of a record.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    message: Option<Text<'a>>,
    identifier: Option<Text<'a>>,
    said_pid: Option<Text<'a>>,
    time_us: Option<Text<'a>>,
    hostname: Option<Text<'a>>,
    pid: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    comm: Option<Text<'a>>,
    unit: Option<Text<'a>>,
    transport: Option<Text<'a>>,
}

impl<'a> Fields<'a> {
    /// Where the value of the field `name` belongs.
    pub(super) fn place(&mut self, name: &str) -> Option<&mut Option<Text<'a>>> {
        Some(match name {
            "MESSAGE" => &mut self.message,
            "SYSLOG_IDENTIFIER" => &mut self.identifier,
            "SYSLOG_PID" => &mut self.said_pid,
            "__REALTIME_TIMESTAMP" => &mut self.time_us,
            "_HOSTNAME" => &mut self.hostname,
            "_PID" => &mut self.pid,
            "_UID" => &mut self.uid,
            "_COMM" => &mut self.comm,
            "_SYSTEMD_UNIT" => &mut self.unit,
            "_TRANSPORT" => &mut self.transport,
            _ => return None,
        })
    }

    /// Whether the record is by the service that it names: a unit of a mail service (or one of `units`, which the operator
    /// named), under a service's user, and no tool that writes what it is told. Of Postfix, whose daemons have programs of
    /// their own, the program too: what it starts for users runs in its unit.
    pub(super) fn is_believed(&self, units: &[Box<str>]) -> bool {
        let unit = text(&self.unit);
        let stem = unit
            .strip_suffix(b".service")
            .map(|unit| unit.split(|&byte| byte == b'@').next().unwrap_or_default());
        let is_service = stem.is_some_and(|stem| {
            SERVICES
                .iter()
                .any(|service| stem.starts_with(service.as_bytes()))
        });
        let is_named = || units.iter().any(|name| is_unit(name, unit));
        let is_service_user = self
            .uid
            .as_ref()
            .and_then(Text::number)
            .is_some_and(|uid| uid <= SERVICE_UID_MAX || DYNAMIC_UIDS.contains(&uid));
        let comm = text(&self.comm);
        let is_tool = matches!(comm, b"" | b"logger" | b"systemd-cat");
        let is_known_way = matches!(
            text(&self.transport),
            b"syslog" | b"journal" | b"stdout" | b"driver"
        );
        (is_service || is_named())
            && is_service_user
            && !is_tool
            && is_known_way
            && self.is_program_of_postfix(comm)
    }

    fn is_program_of_postfix(&self, comm: &[u8]) -> bool {
        let identifier = text(&self.identifier);
        if !identifier.starts_with(b"postfix") {
            return true;
        }
        let program = identifier.rsplit(|&byte| byte == b'/').next();
        let program = program.unwrap_or_default();
        &program[..program.len().min(COMM_MAX)] == comm
    }

    /// Writes `STAMP HOST TAG[PID]: MESSAGE`, as syslog would have, and gives the stamp; `None` without a time, a message or a
    /// name that can be a tag.
    pub(super) fn write_line(&self, line: &mut Vec<u8>) -> Option<Stamp> {
        let message = self.message.as_ref()?.bytes()?;
        let time_us: u64 = str::from_utf8(text(&self.time_us)).ok()?.parse().ok()?;
        let identifier = match text(&self.identifier) {
            b"" => text(&self.comm),
            identifier => identifier,
        };
        if identifier.is_empty() || !identifier.iter().all(|&byte| tag::is_tag_byte(byte)) {
            return None;
        }
        let at = Timestamp::from_microsecond(i64::try_from(time_us).ok()?).ok()?;
        let host = match text(&self.hostname) {
            host if !host.is_empty() && host.iter().all(|&byte| tag::is_host_byte(byte)) => host,
            _ => b"localhost",
        };
        let said_pid = self.said_pid.as_ref().and_then(Text::number);
        let pid = said_pid.or_else(|| self.pid.as_ref().and_then(Text::number));
        line.extend_from_slice(at.to_string().as_bytes());
        line.push(b' ');
        line.extend_from_slice(host);
        line.push(b' ');
        line.extend_from_slice(identifier);
        if let Some(pid) = pid {
            line.extend_from_slice(format!("[{pid}]").as_bytes());
        }
        line.extend_from_slice(b": ");
        line.extend_from_slice(message);
        let since_epoch = Duration::from_micros(time_us);
        Some(Stamp::Exact { since_epoch })
    }
}

/// Whether `unit` is the one that the operator calls `name`, with or without its `.service`.
fn is_unit(name: &str, unit: &[u8]) -> bool {
    let name = name.as_bytes();
    !name.is_empty() && (unit == name || unit.strip_suffix(b".service") == Some(name))
}

fn text<'t>(field: &'t Option<Text<'_>>) -> &'t [u8] {
    field.as_ref().and_then(Text::bytes).unwrap_or_default()
}
