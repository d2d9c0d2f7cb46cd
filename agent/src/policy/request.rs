//! What Postfix asks. Every value is a client's text or may be: data, never anything else.

use std::net::IpAddr;

/// Longest name of an account that is looked up: longer ones are no account's.
const ACCOUNT_MAX: usize = 320;
/// Longest mark of a message. Postfix's has 40 bytes at most.
const INSTANCE_MAX: usize = 128;

/// One request of a policy client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Request {
    /// The step of the session (`protocol_state`). With `smtpd_delay_reject = yes`, Postfix's default, what stands in
    /// `smtpd_client_restrictions` is asked at `RCPT`, too.
    pub state: State,
    /// The client (`client_address`); `None` for `unknown`.
    pub client: Option<IpAddr>,
    /// The port that it speaks from (`client_port`, Postfix 3.0); with the address it is the session.
    pub client_port: Option<u16>,
    /// Mark of the message (`instance`): process id of the server, time, number. Empty before `MAIL`.
    pub instance: Box<str>,
    /// The account that the client logged in to (`sasl_username`).
    pub account: Option<Box<str>>,
    /// Which of several places in `main.cf` asks (`policy_context`, Postfix 3.1).
    pub place: Place,
    /// Recipients of the message, told at `DATA` and `END-OF-MESSAGE`; 0 before (`recipient_count`).
    pub recipients: u32,
}

/// The step of a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum State {
    /// The client has connected.
    Connect,
    /// It has said its name.
    Helo,
    /// It has named the sender.
    Mail,
    /// It names a recipient.
    Recipient,
    /// It wants to send the message.
    Data,
    /// It has sent it.
    EndOfMessage,
    /// Anything else (`VRFY`, `ETRN`, what later versions have).
    #[default]
    Other,
}

/// Which place in `main.cf` asks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Place {
    /// The only one.
    #[default]
    Only,
    /// `policy_context=before`: recipients are not looked up yet, and `after` asks again.
    Before,
    /// `policy_context=after`: the recipient exists, as far as what stands before this place knows.
    After,
}

impl Request {
    /// Takes over an attribute. Those that are not needed are no mistake: each version of Postfix has more.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"protocol_state" => self.state = State::from_name(value),
            b"client_address" => self.client = number(value).map(|ip: IpAddr| ip.to_canonical()),
            b"client_port" => self.client_port = number(value),
            b"instance" => self.instance = text(value, INSTANCE_MAX).unwrap_or_default(),
            b"sasl_username" => self.account = text(value, ACCOUNT_MAX),
            b"policy_context" => self.place = Place::from_name(value),
            b"recipient_count" => self.recipients = number(value).unwrap_or_default(),
            _ => {}
        }
    }

    /// Process id of the server, in hexadecimal, as the mark of the message begins with it.
    pub(super) fn server(&self) -> Option<u32> {
        let (pid, _) = self.instance.split_once('.')?;
        u32::from_str_radix(pid, 16).ok()
    }
}

impl State {
    fn from_name(name: &[u8]) -> Self {
        match name {
            b"CONNECT" => Self::Connect,
            b"HELO" | b"EHLO" => Self::Helo,
            b"MAIL" => Self::Mail,
            b"RCPT" => Self::Recipient,
            b"DATA" | b"BDAT" => Self::Data,
            b"END-OF-MESSAGE" => Self::EndOfMessage,
            _ => Self::Other,
        }
    }
}

impl Place {
    fn from_name(name: &[u8]) -> Self {
        match name {
            b"before" => Self::Before,
            b"after" => Self::After,
            _ => Self::Only,
        }
    }
}

/// A value as text; `None` for one that is empty, too long or not UTF-8.
fn text(value: &[u8], most: usize) -> Option<Box<str>> {
    let fits = (1..=most).contains(&value.len());
    let text = fits.then(|| str::from_utf8(value).ok())?;
    text.map(Box::from)
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    str::from_utf8(value).ok()?.parse().ok()
}
