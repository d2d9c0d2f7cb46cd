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
    let is_login = message.kinds.iter().any(|kind| kind.starts_with("auth-"));
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
        "---\nReported-From: {from}\nCategory: abuse\nReport-ID: {}-{source}@{host}\nReport-Type: {kind}\nService: smtp\n\
         Version: 0.2\nUser-Agent: mailwall {}\nDate: {}\nSource-Type: ip-address\nSource: {source}\nPort: 25\n\
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
