//! The journal of systemd, with a field for each part of the message; JSON on stderr where there is no journal.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    path::Path,
};

use super::{Message, queue::Parcel, webhook::Body};

/// The journal's socket for records of fields.
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// What systemd gives to all messages of mailwall's notifier (`journalctl MESSAGE_ID=...`).
const MESSAGE_ID: &str = "8f2d5f1c3c9b4f0f9e6f0d0a7b5c1e42";

pub(super) fn write(socket: &Path, host: &str, parcel: &Parcel) -> Result<(), String> {
    let journal = match UnixDatagram::unbound().and_then(|journal| {
        // A journal that is stuck must not hold the agent up.
        journal.set_nonblocking(true)?;
        journal.connect(socket)?;
        Ok(journal)
    }) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut json = Body::of(host, parcel).json()?;
            json.push(b'\n');
            return io::stderr()
                .write_all(&json)
                .map_err(|error| format!("cannot write to stderr: {error}"));
        }
        Err(error) => return Err(format!("cannot reach the journal: {error}")),
    };
    for message in &parcel.messages {
        journal
            .send(&record(message))
            .map_err(|error| format!("the journal does not take it: {error}"))?;
    }
    for more in &parcel.more {
        let text = format!("{} more messages, over the limit", more.count);
        let rule = more.rule.clone();
        let message = Message::new(String::new(), more.topic, text);
        journal
            .send(&record(&Message { rule, ..message }))
            .map_err(|error| format!("the journal does not take it: {error}"))?;
    }
    Ok(())
}

fn record(message: &Message) -> Vec<u8> {
    let priority = match message.topic {
        super::Topic::Alarm => "2",
        super::Topic::Hold => "4",
        _ => "5",
    };
    let mut record = Vec::new();
    for (name, value) in [
        ("MESSAGE", Some(message.text.clone())),
        ("MESSAGE_ID", Some(MESSAGE_ID.to_owned())),
        ("PRIORITY", Some(priority.to_owned())),
        ("SYSLOG_IDENTIFIER", Some("mailwall".to_owned())),
        ("MAILWALL_TOPIC", Some(message.topic.as_str().to_owned())),
        ("MAILWALL_NET", message.net.map(|net| net.to_string())),
        ("MAILWALL_ACCOUNT", message.account.clone()),
        ("MAILWALL_RULE", message.rule.clone()),
        ("MAILWALL_OFFENCES", Some(message.offences.to_string())),
        ("MAILWALL_LEVEL", Some(message.level.to_string())),
        (
            "MAILWALL_FOR_S",
            message.for_s.map(|for_s| for_s.to_string()),
        ),
        ("MAILWALL_ENDS", message.ends.clone()),
    ] {
        if let Some(value) = value {
            field(name, &value, &mut record);
        }
    }
    for line in &message.evidence {
        field("MAILWALL_EVIDENCE", line, &mut record);
    }
    record
}

/// A field with its length before it, so that no value can begin another field.
fn field(name: &str, value: &str, record: &mut Vec<u8>) {
    record.extend_from_slice(name.as_bytes());
    record.push(b'\n');
    record.extend_from_slice(&(value.len() as u64).to_le_bytes());
    record.extend_from_slice(value.as_bytes());
    record.push(b'\n');
}
