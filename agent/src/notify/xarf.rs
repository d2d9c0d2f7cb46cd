//! Complaints as X-ARF 0.2: e-mail with a part that programs read. No accounts, no recipients, no log lines.

use lettre::message::{
    Message as Mail, MultiPart, SinglePart,
    header::{self, HeaderName, HeaderValue},
};

use super::Message;

/// Names the form of the mail.
#[derive(Clone)]
struct XArf;

impl header::Header for XArf {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-XARF")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "PLAIN".to_owned())
    }
}

/// The complaint about one host; `None` for what is none.
pub(super) fn complaint(
    builder: lettre::message::MessageBuilder,
    from: &str,
    host: &str,
    message: &Message,
) -> Option<Result<Mail, String>> {
    let net = message.net?;
    if net.prefix_len() != net.max_prefix_len() {
        return None;
    }
    let source = net.addr();
    let kinds = message.kinds.join(", ");
    // Some rules count logins and much else.
    let is_login = match message.kind {
        Some(kind) => kind.starts_with("auth-"),
        None => message.kinds.iter().any(|kind| kind.starts_with("auth-")),
    };
    let (service, port) = target(message);
    let (kind, schema) = match is_login {
        true => ("login-attack", "abuse_login-attack_0.1.2"),
        false => ("spam", "abuse_spam_0.1"),
    };
    let words = format!(
        "{source} abused our mail server: {} offences ({kinds}), at {}. It was shut out; this is ban number {}.\n\
         The second part of this mail is for programs (X-ARF 0.2).\n",
        message.offences,
        message.at,
        u32::from(message.level) + 1
    );
    let report = format!(
        "---\nReported-From: {from}\nCategory: abuse\nReport-ID: {}-{source}@{host}\nReport-Type: {kind}\nService: {service}\n\
         Version: 0.2\nUser-Agent: mailwall {}\nDate: {}\nSource-Type: ip-address\nSource: {source}\nPort: {port}\n\
         Schema-URL: http://www.x-arf.org/schema/{schema}.json\nAttachment: none\n",
        message.at.replace([':', '-'], ""),
        env!("CARGO_PKG_VERSION"),
        message.at,
    );
    let parts = MultiPart::mixed()
        .singlepart(SinglePart::plain(words))
        .singlepart(
            SinglePart::builder()
                .header(header::ContentType::TEXT_PLAIN)
                .header(header::ContentDisposition::attachment("report.txt"))
                .body(report),
        );
    let mail = builder
        .subject(format!("abuse report about {source} - {}", message.at))
        .header(XArf)
        .multipart(parts);
    Some(mail.map_err(|error| error.to_string()))
}

/// What was abused, by its name at IANA, and its port.
fn target(message: &Message) -> (&'static str, u16) {
    match message.service {
        Some("imap") => ("imap", 143),
        Some("pop") => ("pop3", 110),
        Some("sieve") => ("sieve", 4190),
        Some("ldap") => ("ldap", 389),
        Some("xmpp") => ("xmpp-client", 5222),
        _ => mail_port(message),
    }
}

/// Mail is taken at three ports; Postfix says in the name of its program which it was.
fn mail_port(message: &Message) -> (&'static str, u16) {
    // What a client says comes later in the line.
    let program = message.evidence.last().map_or("", |line| {
        line.split_once("]: ").map_or("", |(program, _)| program)
    });
    match program {
        _ if program.contains("/submission/") => ("submission", 587),
        _ if program.contains("/smtps/") || program.contains("/submissions/") => {
            ("submissions", 465)
        }
        _ => ("smtp", 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Service, notify::Topic};

    fn message(service: Option<&'static str>, line: &str) -> Message {
        Message {
            service,
            evidence: vec![line.to_owned()],
            ..Message::new(String::new(), Topic::Ban, String::new())
        }
    }

    #[test]
    fn the_service_is_the_one_that_was_abused() {
        for (service, expected) in [
            (Some(Service::Smtp), ("smtp", 25)),
            (Some(Service::Imap), ("imap", 143)),
            (Some(Service::Pop), ("pop3", 110)),
            (Some(Service::Sieve), ("sieve", 4190)),
            (Some(Service::Ldap), ("ldap", 389)),
            (Some(Service::Xmpp), ("xmpp-client", 5222)),
            (None, ("smtp", 25)),
        ] {
            let service = service.map(Service::as_str);
            assert_eq!(target(&message(service, "")), expected, "{service:?}");
        }
    }

    #[test]
    fn submission_is_told_by_the_program_and_not_by_the_client() {
        for (line, expected) in [
            ("Feb 10 13:26:34 mx postfix/smtpd[3]: x", ("smtp", 25)),
            (
                "Feb 10 13:26:34 mx postfix/submission/smtpd[3]: x",
                ("submission", 587),
            ),
            (
                "Feb 10 13:26:34 mx postfix/smtps/smtpd[3]: x",
                ("submissions", 465),
            ),
            (
                "Feb 10 13:26:34 mx postfix/smtpd[3]: helo=</submission/>]: x",
                ("smtp", 25),
            ),
        ] {
            assert_eq!(target(&message(Some("smtp"), line)), expected, "{line}");
        }
    }
}
