//! E-mail through a mail server of this host. The message is composed by lettre, so that nothing in it can become a header.

use std::fmt::Write as _;

use lettre::{
    Address, AsyncSendmailTransport, AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, Message as Mail, MessageBuilder, header},
    transport::smtp::extension::ClientId,
};

use super::{MailServer, Message, Topic, queue::Parcel, xarf};

/// Most characters of a subject.
const SUBJECT_MAX: usize = 150;
/// Most lines of a body: a digest is to be read.
const LINES_MAX: usize = 5000;

/// Marks mail of programs (RFC 3834), so that nothing answers it.
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Whether mail can be sent to and from that.
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

pub(super) async fn send(
    server: &MailServer,
    from: Option<&str>,
    to: &str,
    host: &str,
    parcel: &Parcel,
) -> Result<(), String> {
    hand_over(server, host, compose(from, to, host, parcel)?).await
}

/// Sends a complaint about each host of the parcel (`xarf.rs`); a trial goes as ordinary mail.
pub(super) async fn complain(
    server: &MailServer,
    from: Option<&str>,
    to: &str,
    host: &str,
    parcel: &Parcel,
) -> Result<(), String> {
    if parcel
        .messages
        .iter()
        .any(|message| message.topic == Topic::Test)
    {
        return send(server, from, to, host, parcel).await;
    }
    let from = sender(from, host);
    for message in &parcel.messages {
        let builder = envelope(&from, to)?;
        if let Some(mail) = xarf::complaint(builder, &from, host, message) {
            hand_over(server, host, mail?).await?;
        }
    }
    Ok(())
}

async fn hand_over(server: &MailServer, host: &str, mail: Mail) -> Result<(), String> {
    match server {
        MailServer::Smtp(name, port) => {
            let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(name.as_str());
            let transport = builder
                .port(*port)
                .hello_name(ClientId::Domain(host.to_owned()))
                // The caller's time-out is for the whole of it.
                .timeout(None)
                .build();
            let sent = transport.send(mail).await;
            sent.map(drop).map_err(|error| chain(&error))
        }
        MailServer::Sendmail(program) => {
            let transport = AsyncSendmailTransport::<Tokio1Executor>::new_with_command(program);
            transport.send(mail).await.map_err(|error| chain(&error))
        }
    }
}

fn sender(from: Option<&str>, host: &str) -> String {
    from.map_or_else(|| format!("mailwall@{host}"), str::to_owned)
}

/// From whom and to whom, and that a program wrote it.
fn envelope(from: &str, to: &str) -> Result<MessageBuilder, String> {
    let address = |text: &str| {
        let parsed = text.parse::<Address>();
        parsed.map_err(|error| format!("{text} is no address to send mail from or to: {error}"))
    };
    Ok(Mail::builder()
        .from(Mailbox::new(Some("mailwall".to_owned()), address(from)?))
        .to(Mailbox::new(None, address(to)?))
        .header(AutoSubmitted)
        .message_id(None))
}

fn compose(from: Option<&str>, to: &str, host: &str, parcel: &Parcel) -> Result<Mail, String> {
    envelope(&sender(from, host), to)?
        .subject(subject(host, parcel))
        .header(header::ContentType::TEXT_PLAIN)
        .body(body(host, parcel))
        .map_err(|error| chain(&error))
}

fn subject(host: &str, parcel: &Parcel) -> String {
    let what = match (parcel.messages.as_slice(), parcel.more.is_empty()) {
        ([only], true) => only.text.clone(),
        _ => summary(parcel),
    };
    // The texts are escaped; a line break could only come from a mistake of ours, and must not make a header.
    let subject = format!("[mailwall {host}] {what}");
    let one_line = subject
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(SUBJECT_MAX).collect()
}

/// How many of what: `12 bans, 1 alarm`.
fn summary(parcel: &Parcel) -> String {
    let told = parcel.messages.iter().map(|message| (message.topic, 1));
    let counted = parcel.more.iter().map(|more| (more.topic, more.count));
    let mut counts = std::collections::BTreeMap::<Topic, u64>::new();
    for (topic, count) in told.chain(counted) {
        *counts.entry(topic).or_default() += count;
    }
    let counts = counts
        .into_iter()
        .map(|(topic, count)| counted_as(topic, count));
    counts.collect::<Vec<_>>().join(", ")
}

fn counted_as(topic: Topic, count: u64) -> String {
    let (one, many) = match topic {
        Topic::Ban => ("ban", "bans"),
        Topic::WouldBan => ("ban that would have been", "bans that would have been"),
        Topic::Hold => ("account held or released", "accounts held or released"),
        Topic::Notify => ("notice", "notices"),
        Topic::Alarm => ("alarm", "alarms"),
        Topic::Report => ("report", "reports"),
        Topic::Test => ("test", "tests"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

fn body(host: &str, parcel: &Parcel) -> String {
    let mut lines = Vec::new();
    for message in &parcel.messages {
        paragraph(message, &mut lines);
    }
    for more in &parcel.more {
        let rule = more.rule.as_ref();
        let rule = rule.map_or_else(String::new, |rule| format!(" by rule {rule}"));
        lines.push(format!(
            "And {}{rule}, over the limit of this notifier: `mailwall events` and `mailwall ban list` show them.",
            counted_as(more.topic, more.count)
        ));
    }
    if parcel.repeats > 0 {
        lines.push(format!("Left out as told before: {}.", parcel.repeats));
    }
    let left = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if left > 0 {
        lines.push(format!("... and {left} more lines"));
    }
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "\n-- \nmailwall on {host}\n");
    text
}

fn paragraph(message: &Message, lines: &mut Vec<String>) {
    if message.topic == Topic::Report {
        lines.extend(message.evidence.iter().cloned());
        return;
    }
    lines.push(format!("{}  {}", message.at, message.text));
    let evidence = message.evidence.iter().map(|line| format!("    {line}"));
    lines.extend(evidence);
    if !message.evidence.is_empty() {
        lines.push(String::new());
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(text: &str) -> String {
        let message = Message::new(
            "2026-08-22T08:14:03Z".to_owned(),
            Topic::Notify,
            text.to_owned(),
        );
        let parcel = Parcel {
            messages: vec![message],
            ..Parcel::default()
        };
        let mail = compose(None, "postmaster@example.org", "mx.example.org", &parcel).unwrap();
        let mail = String::from_utf8(mail.formatted()).unwrap();
        mail.split_once("\r\n\r\n").unwrap().0.to_owned()
    }

    #[test]
    fn nothing_can_become_a_header() {
        for text in [
            "x\r\nBcc: victim@example.net",
            "x\nBcc: victim@example.net\n\nbody",
            "x\rBcc: victim@example.net",
            "ü\r\nBcc: victim@example.net",
            "x\u{2028}Bcc: victim@example.net",
            "=?utf-8?q?=0ABcc:_victim@example.net?=",
        ] {
            let headers = headers_of(text);
            let is_header = |line: &str| line.to_ascii_lowercase().starts_with("bcc:");
            assert!(!headers.lines().any(is_header), "{headers}");
            assert_eq!(headers.matches("To: ").count(), 1, "{headers}");
        }
        let headers = headers_of("banned 203.0.113.7");
        assert!(
            headers.contains("Subject: [mailwall mx.example.org] banned 203.0.113.7"),
            "{headers}"
        );
        assert!(
            headers.contains("Auto-Submitted: auto-generated"),
            "{headers}"
        );
    }

    #[test]
    fn a_digest_says_how_many_of_what() {
        let ban = Message::new(String::new(), Topic::Ban, "banned 203.0.113.7".to_owned());
        let parcel = Parcel {
            messages: vec![ban.clone(), ban],
            more: vec![super::super::queue::More {
                topic: Topic::Ban,
                rule: Some("auth".to_owned()),
                count: 30,
            }],
            repeats: 3,
        };
        assert_eq!(subject("mx", &parcel), "[mailwall mx] 32 bans");
        let body = body("mx", &parcel);
        assert!(body.contains("And 30 bans by rule auth"), "{body}");
    }
}
