//! Reports to AbuseIPDB (or what speaks its API): one host each, with what kind of abuse it was. Nothing that a client or this host
//! is called by goes out: no accounts, no recipients, no log lines, no names.

use std::{fmt::Write as _, fs, io, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use super::{
    Message, Topic,
    queue::Parcel,
    webhook::{Endpoint, post_bytes},
};

/// Most bytes of a comment, as the API has it.
const COMMENT_MAX: usize = 1024;
/// Most bytes of a key file.
const KEY_MAX: u64 = 1024;
/// The API's numbers of abuse: unwanted mail, guessing of passwords, probing of ports.
const EMAIL_SPAM: &str = "11";
const BRUTE_FORCE: &str = "18";
const PORT_SCAN: &str = "14";

pub(super) async fn report(
    endpoint: Endpoint,
    key_file: &Path,
    parcel: &Parcel,
    within: Duration,
) -> Result<(), String> {
    let key = key(key_file)?;
    for message in &parcel.messages {
        // A trial only looks for the key: nobody is reported for it.
        let Some(form) = form(message).filter(|_| message.topic == Topic::Ban) else {
            continue;
        };
        let headers = vec![
            (
                "content-type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("accept", "application/json".to_owned()),
            ("key", key.clone()),
        ];
        post_bytes(endpoint.clone(), headers, form.into_bytes(), within).await?;
    }
    Ok(())
}

/// The key, which nobody but its owner may read.
fn key(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unreadable = |error: io::Error| format!("cannot read the key in {shown}: {error}");
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("others can read the key: chmod 600 {shown}"));
    }
    if !metadata.is_file() || metadata.len() > KEY_MAX {
        return Err(format!("{shown} is no file with a key"));
    }
    let key = fs::read_to_string(path).map_err(unreadable)?;
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{shown} holds no key"));
    }
    Ok(key.to_owned())
}

/// What is sent of a ban; nothing of a network, for which the API has no report.
fn form(message: &Message) -> Option<String> {
    let net = message.net?;
    if net.prefix_len() != net.max_prefix_len() {
        return None;
    }
    let mut form = String::new();
    for (name, value) in [
        ("ip", net.addr().to_string()),
        ("categories", categories(&message.kinds).join(",")),
        ("comment", comment(message)),
        ("timestamp", message.at.clone()),
    ] {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        for byte in value.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' => {
                    form.push(byte.into());
                }
                byte => {
                    let _ = write!(form, "%{byte:02X}");
                }
            }
        }
    }
    Some(form)
}

/// What a ban was for, in numbers of the API.
fn categories(kinds: &[String]) -> Vec<&'static str> {
    let mut categories = Vec::new();
    for kind in kinds {
        let category = match kind.as_str() {
            "auth-failure" | "auth-aborted" | "auth-not-offered" => BRUTE_FORCE,
            "non-smtp" | "early-talker" | "tls-failure" => PORT_SCAN,
            _ => EMAIL_SPAM,
        };
        if !categories.contains(&category) {
            categories.push(category);
        }
    }
    if categories.is_empty() {
        categories.push(EMAIL_SPAM);
    }
    categories
}

/// Made of numbers and our own words alone.
fn comment(message: &Message) -> String {
    let mut comment = format!(
        "Abuse of a mail server: {} offences ({}), ban number {} of this host. Reported by mailwall.",
        message.offences,
        message.kinds.join(", "),
        u32::from(message.level) + 1
    );
    let mut end = comment.len().min(COMMENT_MAX);
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    comment.truncate(end);
    comment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_host_and_nobody_else() {
        let ban = Message {
            net: Some("203.0.113.7/32".parse().unwrap()),
            account: Some("alice@example.org".to_owned()),
            kinds: vec!["auth-failure".to_owned(), "unknown-recipient".to_owned()],
            offences: 12,
            level: 1,
            evidence: vec!["mx.example.org: login of alice@example.org failed".to_owned()],
            ..Message::new(
                "2026-08-22T08:14:03Z".to_owned(),
                Topic::Ban,
                "banned 203.0.113.7: alice@example.org".to_owned(),
            )
        };
        assert_eq!(
            form(&ban).unwrap(),
            "ip=203.0.113.7&categories=18%2C11&comment=Abuse%20of%20a%20mail%20server%3A%2012%20offences%20%28auth-failure%2C%20unknown-recipient%29%2C%20ban%20number%202%20of%20this%20host.%20Reported%20by%20mailwall.&timestamp=2026-08-22T08%3A14%3A03Z"
        );
        let network = Message {
            net: Some("203.0.113.0/24".parse().unwrap()),
            ..ban.clone()
        };
        assert_eq!(form(&network), None);
        let many = Message {
            kinds: vec!["unknown-recipient".to_owned(); 100],
            ..ban
        };
        assert_eq!(comment(&many).len(), COMMENT_MAX);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "0123abcd\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(key(&path).unwrap_err().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(key(&path).unwrap(), "0123abcd");
    }
}
