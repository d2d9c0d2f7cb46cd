//! What the agent answers.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    AccountDone, AccountList, AccountShown, BansSet, BreakerResumed, BreakerShown, HostList,
    KickDone, Staged,
};
#[cfg(doc)]
use super::{Request, SCHEMA};

/// One answer, on one line. `"answer"` names it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::BanList`].
    BanList(BanList),
    /// To [`Request::BanAdd`].
    BanAdded(BanAdded),
    /// To [`Request::BanStage`].
    Staged(Staged),
    /// To [`Request::BanCommit`].
    BansSet(BansSet),
    /// To [`Request::BanRemove`].
    BanRemoved(BanRemoved),
    /// To [`Request::BanCheck`].
    BanCheck(BanCheck),
    /// To [`Request::AllowList`].
    AllowList(AllowList),
    /// To [`Request::AllowAdd`].
    AllowAdded(AllowAdded),
    /// To [`Request::AllowRemove`].
    AllowRemoved(AllowRemoved),
    /// To [`Request::RuleList`].
    RuleList(RuleList),
    /// To [`Request::SourceList`].
    SourceList(SourceList),
    /// To [`Request::Events`] without `follow`.
    Events(EventLog),
    /// To [`Request::Events`] with `follow`, one a line.
    Event(LoggedEvent),
    /// To [`Request::Report`].
    Report(Box<super::Report>),
    /// To [`Request::NotifyList`].
    NotifyList(NotifyList),
    /// To [`Request::NotifyTest`].
    NotifyTested(NotifyTested),
    /// To [`Request::AccountList`].
    AccountList(AccountList),
    /// To [`Request::AccountShow`].
    AccountShown(Box<AccountShown>),
    /// To [`Request::AccountHold`] and [`Request::AccountRelease`].
    AccountDone(AccountDone),
    /// To [`Request::Kick`].
    Kicked(KickDone),
    /// To [`Request::BreakerShow`].
    BreakerShown(BreakerShown),
    /// To [`Request::BreakerResume`].
    BreakerResumed(BreakerResumed),
    /// To [`Request::HostList`].
    HostList(HostList),
    /// To [`Request::Counters`].
    Counters(Counters),
    /// To [`Request::Reload`].
    Reloaded(Reloaded),
    /// To any request that was not carried out.
    Refused(Refused),
}

/// Why a request was not carried out: nothing of it was.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refused {
    /// Kind of refusal, for exit codes.
    pub kind: RefusalKind,
    /// What failed, with the value; one line, no full stop.
    pub error: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refused {
    /// A refusal of what cannot be done, without a hint.
    pub fn failed(error: String) -> Self {
        Self {
            kind: RefusalKind::Failed,
            error,
            hint: None,
        }
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The caller may not ask for it: exit code 4.
    NotPermitted,
    /// It cannot be done, or must not be: exit code 1.
    Failed,
}

/// State of the agent and its filter.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the agent.
    pub version: String,
    /// Process id of the agent.
    pub pid: u32,
    /// Since when the agent runs.
    pub started: String,
    /// For how long.
    pub uptime_s: u64,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Guarded ports.
    pub ports: Vec<u16>,
    /// Where the filter is attached, and where it should be.
    pub interfaces: Vec<Interface>,
    /// Bans in force.
    pub bans: usize,
    /// Bans of each list that has some, by its name.
    #[serde(default)]
    pub lists: BTreeMap<String, usize>,
    /// Allowlisted nets.
    pub allowed: usize,
    /// Packets dropped (in observe mode: that would have been) since the maps were made.
    pub dropped: u64,
    /// Drops a second over the last ten seconds or so.
    pub drops_per_s: f64,
    /// Hosts with offences that are counted now.
    pub tracked: usize,
    /// The logs.
    pub sources: Vec<Source>,
    /// Limits on connections.
    pub limits: Limits,
    /// The policy service for Postfix; `null` where none is configured.
    #[serde(default)]
    pub policy: Option<PolicyView>,
    /// Who is told of decisions.
    #[serde(default)]
    pub notifiers: Vec<NotifierView>,
    /// What the database takes; `null` where it cannot be read.
    #[serde(default)]
    pub database: Option<DatabaseView>,
    /// What is wrong, worst first; empty when all is well.
    pub problems: Vec<String>,
}

/// The database.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DatabaseView {
    /// Bytes in use.
    pub bytes: u64,
    /// How many it may take: `[store] max_mb`.
    pub max_bytes: u64,
}

/// The policy service, since it began to listen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyView {
    /// Where.
    pub listen: String,
    /// Whether it does.
    pub listening: bool,
    /// Connections open now.
    pub connections: usize,
    /// Requests.
    pub requests: u64,
    /// Every kind of answer, with zeroes.
    pub answers: Vec<PolicyAnswers>,
    /// Clients that are made to wait now.
    pub held: usize,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Requests that were let through because the agent was too busy to judge them.
    pub late: u64,
    /// Connections closed because of what they sent, or how slowly.
    pub garbage: u64,
    /// The last of these, when and what was wrong with it.
    pub last_garbage: Option<String>,
}

/// How often one kind of answer was given.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyAnswers {
    /// `dunno`, `sleep`, `421`, `450` (also 452), `reject` or `hold`.
    pub action: String,
    /// How often.
    pub given: u64,
    /// How often it was not given, because it is only observed.
    pub observed: u64,
}

/// Limits on connections, and what they did since the maps were made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Limits {
    /// In the order of the config; empty when nothing is limited.
    pub in_force: Vec<LimitView>,
    /// SYNs refused (in observe mode: that would have been) of sources that open connections too fast.
    pub over_rate: u64,
    /// SYNs refused (in observe mode: that would have been) of sources with too many open connections.
    pub over_concurrent: u64,
    /// Events of limits that were lost, because there were too many of them.
    pub lost_events: u64,
}

/// A limit as it is shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LimitView {
    /// For whom; `null` for everybody who is in no limited network.
    pub network: Option<IpNet>,
    /// New connections a minute; 0 for no such limit.
    pub per_minute: u32,
    /// Open connections; 0 for no such limit.
    pub concurrent: u32,
    /// `address` or `network`: who is counted as one.
    pub counts: String,
    /// In words.
    pub description: String,
}

/// An interface that the filter guards or should.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// `native`, `generic`, `tc`, or `null` while not attached.
    pub mode: Option<String>,
    /// Whether by the program for frames in several buffers, which drivers want at a large MTU.
    pub multi_buffer: bool,
    /// Why it is not attached, or what is not as good as it could be.
    pub problem: Option<String>,
    /// What is as it should be, but may surprise.
    pub note: Option<String>,
}

/// Bans in force.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// How many there are in all.
    pub total: usize,
    /// Those asked for, in the order asked for.
    pub bans: Vec<BanView>,
}

/// A ban as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanView {
    /// Whom.
    pub net: IpNet,
    /// Name of the rule, `manual` or `kernel`.
    pub rule: String,
    /// Since when.
    pub since: String,
    /// Age in seconds.
    pub age_s: u64,
    /// Until when; `null` for until it is removed.
    pub ends: Option<String>,
    /// Seconds left; `null` for until it is removed.
    pub remaining_s: Option<u64>,
    /// `ban`, or `delay` for one that only makes the next connection wait.
    #[serde(default = "ban")]
    pub action: String,
    /// What made it due: a kind of event; `null` for what no rule decided.
    #[serde(default)]
    pub kind: Option<String>,
    /// Where that was: `smtp`, `imap`, ...
    #[serde(default)]
    pub service: Option<String>,
    /// The rule in a sentence; `null` for what no rule decided, and for rules that are no longer there.
    #[serde(default)]
    pub rule_description: Option<String>,
    /// Bans of the same net within 30 days, by rules and by hand, this one among them; `null` where it was not asked for or is
    /// not known.
    #[serde(default)]
    pub bans_30d: Option<u64>,
    /// The hour of the first offence from within it in 30 days; `null` as above, and where there was none.
    #[serde(default)]
    pub first_seen: Option<String>,
    /// The hour of the last.
    #[serde(default)]
    pub last_seen: Option<String>,
    /// Offences that led to it.
    pub offences: u32,
    /// Earlier bans that count towards its length.
    pub level: u8,
    /// Packets dropped; `null` while the filter is not loaded.
    pub dropped: Option<u64>,
    /// Why.
    pub reason: String,
    /// Log lines that led to it; empty in lists.
    pub evidence: Vec<EvidenceView>,
}

/// What the bans of agents do that do not say.
fn ban() -> String {
    "ban".to_owned()
}

/// A log line that led to a ban.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EvidenceView {
    /// When.
    pub at: String,
    /// The line, escaped.
    pub text: String,
}

/// What was added.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanAdded {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Bans that are new.
    pub added: usize,
    /// Bans that were there and have a new end.
    pub renewed: usize,
    /// Until when; `null` for until they are removed.
    pub ends: Option<String>,
    /// What the operator should know all the same, such as allowlisted addresses inside a banned net.
    pub warnings: Vec<String>,
}

/// What was removed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BanRemoved {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Bans removed.
    pub removed: Vec<IpNet>,
    /// Nets that had no ban.
    pub unknown: Vec<IpNet>,
    /// Bans of wider nets that still cover a removed one.
    pub still_covered: Vec<IpNet>,
}

/// Whether an address is shut out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanCheck {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which.
    pub address: IpAddr,
    /// Whether its SYNs are dropped (in observe mode: would be).
    pub banned: bool,
    /// The bans that cover it, the narrowest first, with evidence.
    pub bans: Vec<BanView>,
    /// The allowlist entry that covers it.
    pub allowed: Option<AllowView>,
}

/// The allowlist.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AllowList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its entries.
    pub allowed: Vec<AllowView>,
}

/// An entry of the allowlist.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AllowView {
    /// Whom.
    pub net: IpNet,
    /// `built-in`, `own`, `config` or `manual`.
    pub origin: String,
    /// Why.
    pub reason: String,
}

/// What was allowed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AllowAdded {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Entries that are new.
    pub added: Vec<IpNet>,
    /// Entries that were there.
    pub known: Vec<IpNet>,
    /// Bans that ended because of it.
    pub unbanned: Vec<IpNet>,
}

/// What is allowed no longer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AllowRemoved {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Entries removed.
    pub removed: Vec<IpNet>,
    /// Nets that had no manual entry.
    pub unknown: Vec<IpNet>,
}

/// The rules in force.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RuleList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the preset.
    pub preset: String,
    /// In the order they are tried.
    pub rules: Vec<RuleView>,
}

/// A rule as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RuleView {
    /// Name.
    pub name: String,
    /// `preset` or `config`.
    pub origin: String,
    /// What it counts: event kinds.
    pub count: Vec<String>,
    /// `address`, `network`, `session` or `account`.
    pub per: String,
    /// What must differ to count, or `null`.
    pub distinct: Option<String>,
    /// Services, or empty for all.
    pub service: Vec<String>,
    /// How many.
    pub limit: u32,
    /// Within this time; `null` for rules on a session.
    pub window_s: Option<u64>,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Whether it can be neither deleted nor disabled.
    pub permanent: bool,
    /// What follows.
    pub then: ThenView,
    /// First ban's length; `null` for until it is removed, and for rules that do not ban.
    pub ban_s: Option<u64>,
    /// Each further ban is this many times longer.
    pub factor: u32,
    /// Longest ban.
    pub at_most_s: Option<u64>,
    /// Hosts tracked now.
    pub tracked: usize,
    /// Of those, how many are at four fifths of the limit, or beyond.
    #[serde(default)]
    pub near: usize,
    /// Breaches since the agent started.
    pub breaches: u64,
    /// Bans (and delays) of the rule in force.
    #[serde(default)]
    pub bans: usize,
    /// In observe mode: what it would have done since the agent started: bans, of accounts holds, kicks and notices.
    #[serde(default)]
    pub would_bans: u64,
    /// In observe mode: nets that would be shut out now, and accounts that would be held.
    #[serde(default)]
    pub would_be_banned: usize,
    /// In a sentence.
    pub description: String,
}

/// What follows a breach of a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ThenView {
    /// First ban's length as in configurations (`permanent` for until it is removed); `null` for rules that do not ban.
    pub ban: Option<String>,
    /// The delay, or `null`.
    pub delay: Option<DelayView>,
    /// Whether live connections end.
    pub kick: bool,
    /// How long the account is held, as `ban`.
    pub hold: Option<String>,
    /// Whether people are told.
    pub notify: bool,
}

/// How a rule delays.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DelayView {
    /// Delay of the first event past the limit; each further one waits so much longer.
    pub step_s: u64,
    /// Longest.
    pub at_most_s: u64,
    /// `filter` or `policy`.
    pub by: String,
}

/// The logs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SourceList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In the order of the config.
    pub sources: Vec<Source>,
}

/// A log that is followed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Source {
    /// Its path, `journal`, its socket or `stdin`.
    pub name: String,
    /// `following`, `waiting` (does not exist yet), `failed` or `ended`.
    pub state: String,
    /// Bytes read of the present file; of the journal, the number of the record.
    pub position: u64,
    /// Bytes not read yet; `null` where nobody knows.
    pub lag_bytes: Option<u64>,
    /// Seconds since it was last read to its end, 0 while it is; `null` where nobody knows.
    #[serde(default)]
    pub lag_s: Option<u64>,
    /// Lines read since the agent started.
    pub lines: u64,
    /// Lines that gave an event.
    pub understood: u64,
    /// Lines of mail programs that say nothing of interest, and lines of other programs.
    pub ignored: u64,
    /// Lines of mail programs that name two candidate addresses: no event.
    pub refused: u64,
    /// Lines of known mail programs that were not understood.
    pub unknown: u64,
    /// Lines cut at the line cap.
    pub cut: u64,
    /// Lines that never came: dropped by the kernel, suppressed by the logger, deleted before they were read.
    #[serde(default)]
    pub lost: u64,
    /// When the last line was read; `null` before the first.
    pub last_line: Option<String>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// The newest events.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EventLog {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Oldest first.
    pub events: Vec<LoggedEvent>,
}

/// An offence, or a decision, as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LoggedEvent {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When.
    pub at: String,
    /// Name of the event kind, or `ban` or `unban`.
    pub event: String,
    /// Client, or net of the decision.
    pub net: Option<IpNet>,
    /// Protocol.
    pub service: Option<String>,
    /// Weight.
    pub score: f64,
    /// Account tried.
    pub account: Option<String>,
    /// Recipient named.
    pub recipient: Option<String>,
    /// Rule of a decision, or why a ban ended.
    pub rule: Option<String>,
    /// Length of a ban.
    pub for_s: Option<u64>,
    /// Name of the source.
    pub source: Option<String>,
    /// SYNs refused because of a limit.
    pub refused: Option<u32>,
}

/// Who is told of decisions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NotifyList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In the order of the config.
    pub notifiers: Vec<NotifierView>,
}

/// A notifier as it is shown. Counts are since it was started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NotifierView {
    /// Name.
    pub name: String,
    /// `email`, `webhook`, `command` or `journal`.
    pub kind: String,
    /// Who is told, without what may be secret.
    pub receiver: String,
    /// What it tells of.
    pub on: Vec<String>,
    /// Messages told.
    pub told: u64,
    /// Messages that wait for a digest or a retry.
    pub waiting: u64,
    /// Messages lost: given up, or more than can wait.
    pub lost: u64,
    /// Since when deliveries fail; `null` while they do not.
    pub failing_since: Option<String>,
    /// Why the last delivery that failed did.
    pub last_error: Option<String>,
}

/// How a trial of notifiers went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NotifyTested {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of each that was tried.
    pub results: Vec<NotifyResult>,
}

/// How a trial of one notifier went.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NotifyResult {
    /// Name.
    pub name: String,
    /// Why it did not take the message; `null` where it did.
    pub error: Option<String>,
}

/// What the kernel counted since the maps were made.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Counters {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Kernel time of the reading in nanoseconds, for rates.
    pub at_ns: u64,
    /// Every verdict, with zeroes.
    pub packets: Vec<PacketCounter>,
}

/// Packets of one verdict and family.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PacketCounter {
    /// Name of the verdict.
    pub verdict: String,
    /// `ipv4`, `ipv6` or `other`.
    pub family: String,
    /// Whether such packets are dropped.
    pub dropped: bool,
    /// How many.
    pub packets: u64,
}

/// What a reload changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reloaded {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One line a change; empty when the config is as it was.
    pub changes: Vec<String>,
    /// What takes effect only at the next start.
    pub needs_restart: Vec<String>,
}
