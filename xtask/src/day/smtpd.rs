//! A session with Postfix, as its daemons log it.

use std::{fmt::Write as _, net::IpAddr};

use super::scene::{HostId, Scene};

/// A connection to smtpd.
pub struct Session<'s> {
    scene: &'s mut Scene,
    host: HostId,
    tag: String,
    client: String,
    helo: String,
    /// The time of its next line.
    pub at: i64,
    /// Verbs with how often they were said, and how often they worked.
    verbs: Vec<(&'static str, u32, u32)>,
}

impl<'s> Session<'s> {
    pub fn begin(scene: &'s mut Scene, host: HostId, address: IpAddr, at: i64) -> Self {
        Self::begin_at("smtpd", scene, host, address, at)
    }

    /// The same at the submission port.
    pub fn begin_submission(scene: &'s mut Scene, host: HostId, address: IpAddr, at: i64) -> Self {
        Self::begin_at("submission/smtpd", scene, host, address, at)
    }

    fn begin_at(
        daemon: &str,
        scene: &'s mut Scene,
        host: HostId,
        address: IpAddr,
        at: i64,
    ) -> Self {
        let tag = format!("postfix/{daemon}[{}]", 1000 + scene.id());
        let client = format!("unknown[{address}]");
        scene.syslog(at, &tag, format_args!("connect from {client}"));
        Self {
            scene,
            host,
            tag,
            client,
            helo: "mail.example.net".to_owned(),
            at,
            verbs: Vec::new(),
        }
    }

    pub fn helo(&mut self, name: &str) -> &mut Self {
        name.clone_into(&mut self.helo);
        self.verb("ehlo", true)
    }

    /// A message to so many recipients is accepted.
    pub fn accept(&mut self, from: &str, recipients: u32) -> &mut Self {
        self.accept_as(from, recipients, "")
    }

    /// The same of who has logged in.
    pub fn submit(&mut self, account: &str) -> &mut Self {
        self.verb("auth", true);
        let login = format!(", sasl_method=PLAIN, sasl_username={account}@example.org");
        self.accept_as(&format!("{account}@example.org"), 1, &login)
    }

    fn accept_as(&mut self, from: &str, recipients: u32, login: &str) -> &mut Self {
        let id = format!("{:010X}", 0x10_0000_0000_u64 + u64::from(self.scene.id()));
        for verb in ["mail", "rcpt", "data"] {
            self.verb(verb, true);
        }
        self.say(format!("{id}: client={}{login}", self.client));
        let at = self.at;
        let scene = &mut *self.scene;
        scene.syslog(
            at + 20,
            "postfix/cleanup[711]",
            format_args!("{id}: message-id=<{id}@example.net>"),
        );
        scene.syslog(
            at + 60,
            "postfix/qmgr[712]",
            format_args!("{id}: from=<{from}>, size=4711, nrcpt={recipients} (queue active)"),
        );
        scene.syslog(at + 300, "postfix/qmgr[712]", format_args!("{id}: removed"));
        self
    }

    /// A recipient is refused; `reply` is the answer without the recipient.
    pub fn reject(&mut self, code: &str, to: &str, reply: &str, from: &str) -> &mut Self {
        if !self.verbs.iter().any(|(verb, ..)| *verb == "mail") {
            self.verb("mail", true);
        }
        self.verb("rcpt", false);
        let (client, helo) = (&self.client, &self.helo);
        let message = format!(
            "NOQUEUE: reject: RCPT from {client}: {code} {reply}; from=<{from}> to=<{to}> proto=ESMTP helo=<{helo}>"
        );
        self.say(message);
        self
    }

    pub fn unknown(&mut self, to: &str, from: &str) -> &mut Self {
        let reply =
            format!("<{to}>: Recipient address rejected: User unknown in virtual mailbox table");
        self.reject("550 5.1.1", to, &reply, from)
    }

    /// A failed login; the newer Postfix names the account.
    pub fn failed_login(&mut self, account: Option<&str>) -> &mut Self {
        self.verb("auth", false);
        let client = &self.client;
        let message = match account {
            Some(account) => format!(
                "warning: {client}: SASL LOGIN authentication failed: (reason unavailable), sasl_username={account}"
            ),
            None => {
                format!("warning: {client}: SASL LOGIN authentication failed: UGFzc3dvcmQ6")
            }
        };
        self.say(message);
        self
    }

    /// Any line of the daemon about its client; `{}` stands for the client.
    pub fn tell(&mut self, message: &str) -> &mut Self {
        let message = message.replace("{}", &self.client);
        self.say(message);
        self
    }

    /// What it just did is what it should not have done.
    pub fn offence(&mut self) -> &mut Self {
        self.scene.offence(self.host, self.at);
        self
    }

    pub fn pause(&mut self, ms: i64) -> &mut Self {
        self.at += ms;
        self
    }

    pub fn verb(&mut self, verb: &'static str, worked: bool) -> &mut Self {
        let known = self.verbs.iter().position(|(known, ..)| *known == verb);
        let index = known.unwrap_or_else(|| {
            self.verbs.push((verb, 0, 0));
            self.verbs.len() - 1
        });
        self.verbs[index].1 += 1;
        self.verbs[index].2 += u32::from(worked);
        self
    }

    /// The client says goodbye; when that is.
    pub fn quit(&mut self) -> i64 {
        self.verb("quit", true);
        self.end()
    }

    /// The session is over; when that is.
    pub fn end(&mut self) -> i64 {
        let mut message = format!("disconnect from {}", self.client);
        let (mut said, mut worked) = (0, 0);
        for (verb, all, good) in self.verbs.drain(..) {
            said += all;
            worked += good;
            let _written = match all == good {
                true => write!(message, " {verb}={all}"),
                false => write!(message, " {verb}={good}/{all}"),
            };
        }
        let _written = match said == worked {
            true => write!(message, " commands={said}"),
            false => write!(message, " commands={worked}/{said}"),
        };
        self.say(message);
        self.at
    }

    fn say(&mut self, message: String) {
        self.at += self.scene.between(50, 400);
        self.scene.syslog(self.at, &self.tag, message);
    }
}
