//! Accounts, and kicks.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::EvidenceView;
#[cfg(doc)]
use super::{Request, SCHEMA};

/// Order of a list of accounts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountSort {
    /// Most addresses of the last day first.
    #[default]
    Addresses,
    /// Most messages of today first.
    Messages,
    /// Most recipients of today first.
    Recipients,
    /// Most failed logins of today first.
    Failures,
    /// Last heard of first.
    Last,
}

/// Whom a kick is about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KickWhom {
    /// All connections of these hosts.
    Net(IpNet),
    /// Those that the account is logged in on.
    Account(String),
}

/// Accounts: to [`Request::AccountList`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AccountList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// How many are remembered.
    pub total: usize,
    /// Those asked for, in the order asked for.
    pub accounts: Vec<AccountView>,
}

/// An account as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AccountView {
    /// Its name, in lower case.
    pub account: String,
    /// Addresses that logged in in the last day; at most 64 are remembered.
    pub addresses: usize,
    /// Messages accepted from it today (UTC).
    pub messages: u64,
    /// Their recipients.
    pub recipients: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages a day, over at most 30 days before today; `null` before it is known for a day.
    pub messages_mean: Option<f64>,
    /// Logins today.
    pub logins: u64,
    /// Failed logins today.
    pub failures: u64,
    /// Recipients of today that do not exist.
    pub bounces: u64,
    /// When something was heard of it last.
    pub last: String,
    /// How long ago that was.
    pub last_s: u64,
    /// Whether it may not send.
    pub held: bool,
}

/// An account in full: to [`Request::AccountShow`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AccountShown {
    /// [`SCHEMA`].
    pub schema: u32,
    /// As in lists.
    pub account: AccountView,
    /// Since when it is known.
    pub first: String,
    /// Address of the last login.
    pub last_address: Option<IpAddr>,
    /// When that was.
    pub last_login: Option<String>,
    /// Addresses of the last day.
    pub seen: Vec<SeenView>,
    /// Connections that it is logged in on, as far as logs tell.
    pub sessions: Vec<SessionView>,
    /// What it did on which day, the newest first.
    pub days: Vec<DayView>,
    /// Why it may not send.
    pub hold: Option<HoldView>,
}

/// An address that an account's user logged in from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SeenView {
    /// The address.
    pub address: IpAddr,
    /// Logins.
    pub count: u32,
    /// When last.
    pub last: String,
}

/// A connection that an account is logged in on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SessionView {
    /// The client.
    pub address: Option<IpAddr>,
    /// Its port, where the log tells.
    pub port: Option<u16>,
    /// Protocol.
    pub service: String,
    /// Since when.
    pub since: String,
    /// Messages accepted on it.
    pub messages: u32,
}

/// What an account did on a day.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DayView {
    /// The day, in UTC.
    pub date: String,
    /// Messages accepted.
    pub messages: u64,
    /// Their recipients.
    pub recipients: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Logins.
    pub logins: u64,
    /// Failed logins.
    pub failures: u64,
    /// Recipients that do not exist.
    pub bounces: u64,
}

/// A hold as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HoldView {
    /// Name of the rule, or `manual`.
    pub rule: String,
    /// Since when.
    pub since: String,
    /// Until when; `null` for until it is released.
    pub ends: Option<String>,
    /// Why.
    pub reason: String,
    /// The log line that led to it.
    pub evidence: Vec<EvidenceView>,
}

/// What was done with an account: to [`Request::AccountHold`] and [`Request::AccountRelease`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AccountDone {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its name, in lower case.
    pub account: String,
    /// Whether something changed: a release of what is not held changes nothing.
    pub done: bool,
    /// Until when it is held; `null` for until it is released, and after a release.
    pub ends: Option<String>,
}

/// What came of a kick: to [`Request::Kick`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct KickDone {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Connections that the kernel ended.
    pub connections: usize,
    /// Whether Dovecot ended those that it has of the account.
    pub dovecot: bool,
    /// What did not work.
    pub problems: Vec<String>,
}
