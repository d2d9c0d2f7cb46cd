//! An event as the rules see it, in forty bytes: of many hosts no more is ever needed.

use std::hash::{BuildHasher as _, DefaultHasher, Hash, Hasher};

use foldhash::quality::FixedState;
use ipnet::IpNet;

use super::{Distinct, Measure, Moment, RuleSettings};
use crate::event::{Event, EventKind, Score, Service, SessionId};

/// What a rule may ask of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Note {
    at: Moment,
    session: u64,
    /// Hashes of the names.
    account: u64,
    recipient: u64,
    /// Hash of the host. Hosts of one network are few enough for 32 bits.
    host: u32,
    tenths: i16,
    /// From the lowest bit: kind, service, which names and session there are, and when it was taken in.
    bits: u16,
}

const KIND_BITS: u16 = 5;
const SERVICE_BITS: u16 = 3;
const KIND_MASK: u16 = (1 << KIND_BITS) - 1;
const HAS_ACCOUNT: u16 = 1 << (KIND_BITS + SERVICE_BITS);
const HAS_RECIPIENT: u16 = HAS_ACCOUNT << 1;
const HAS_SESSION: u16 = HAS_ACCOUNT << 2;
const ERA_SHIFT: u16 = KIND_BITS + SERVICE_BITS + 3;

/// How many changes of the rules a note can tell apart.
pub(crate) const ERAS: u8 = 32;

/// They keep values of one sort from passing for those of another.
const OF_ACCOUNT: u64 = 0x9e37_79b9_7f4a_7c15;
const OF_SESSION: u64 = 0xbf58_476d_1ce4_e5b9;

impl Note {
    /// What there is to note of an event of `host`; `era` is below [`ERAS`].
    pub(crate) fn new(event: &Event, host: &IpNet, era: u8) -> Self {
        let account = event.account.as_deref();
        let recipient = event.recipient.as_deref();
        let has = |is_there: bool, bit| if is_there { bit } else { 0 };
        Self {
            at: Moment::from(event.at),
            session: event.session.map_or(0, |session| session.0),
            account: account.map_or(0, hash_name),
            recipient: recipient.map_or(0, hash_name),
            host: hash_host(host),
            tenths: event.score.as_tenths(),
            bits: event.kind as u16
                | (event.service as u16) << KIND_BITS
                | has(account.is_some(), HAS_ACCOUNT)
                | has(recipient.is_some(), HAS_RECIPIENT)
                | has(event.session.is_some(), HAS_SESSION)
                | u16::from(era) << ERA_SHIFT,
        }
    }

    /// The same at another weight.
    pub(crate) fn weighing(self, score: Score) -> Self {
        Self {
            tenths: score.as_tenths(),
            ..self
        }
    }

    /// What the event is beside what it is, when it names a bait. The account is that of a login, or none.
    pub(crate) fn baited(self, is_login: bool) -> Self {
        let kind = EventKind::Honeypot;
        let dropped = if is_login { 0 } else { HAS_ACCOUNT };
        let others = self.bits & !KIND_MASK & !dropped;
        Self {
            account: if is_login { self.account } else { 0 },
            tenths: kind.score().as_tenths(),
            bits: others | kind as u16,
            ..self
        }
    }

    pub(crate) fn at(&self) -> Moment {
        self.at
    }

    pub(crate) fn tenths(&self) -> i16 {
        self.tenths
    }

    /// Its kind, as a bit.
    pub(crate) fn kind_bit(&self) -> u32 {
        1 << (self.bits & KIND_MASK)
    }

    pub(crate) fn kind(&self) -> EventKind {
        EventKind::ALL[usize::from(self.bits & KIND_MASK)]
    }

    /// Its service, as a bit.
    pub(crate) fn service_bit(&self) -> u8 {
        1 << (self.bits >> KIND_BITS & ((1 << SERVICE_BITS) - 1))
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        (self.bits & HAS_SESSION != 0).then_some(SessionId(self.session))
    }

    /// The session is over: what is of it counts for no rule on sessions.
    pub(crate) fn end_session(&mut self) {
        self.bits &= !HAS_SESSION;
    }

    pub(crate) fn has_account(&self) -> bool {
        self.bits & HAS_ACCOUNT != 0
    }

    /// How many times the rules had changed, modulo [`ERAS`].
    pub(crate) fn era(&self) -> u8 {
        (self.bits >> ERA_SHIFT) as u8
    }

    /// Whether it scores, or is of a kind that never does.
    pub(crate) fn scores_as_its_kind(&self) -> bool {
        self.tenths > 0 || self.kind().score() <= Score::ZERO
    }

    /// What makes a later event a repeat of this one for the rule; `None` when nothing does.
    pub(crate) fn identity(&self, rule: &RuleSettings) -> Option<u64> {
        match rule.distinct {
            Some(Distinct::Recipient) => self.recipient(),
            Some(Distinct::Account) => self.account(),
            Some(Distinct::Address) => Some(u64::from(self.host)),
            Some(Distinct::Moment) => Some(self.at.number()),
            None => match rule.measure {
                Measure::Count | Measure::Recipients | Measure::Megabytes => None,
                Measure::Score => self.misdeed(),
            },
        }
    }

    fn account(&self) -> Option<u64> {
        self.has_account().then_some(self.account)
    }

    fn recipient(&self) -> Option<u64> {
        (self.bits & HAS_RECIPIENT != 0).then_some(self.recipient)
    }

    /// Research (f1): an unknown recipient scores once, so does a credential; Postfix repeats a refusal of the client, its
    /// HELO name or the sender for each recipient (`smtpd_delay_reject`).
    fn misdeed(&self) -> Option<u64> {
        match self.kind() {
            EventKind::UnknownRecipient => self.recipient(),
            EventKind::AuthFailure | EventKind::AuthNotOffered | EventKind::AuthAborted => {
                Some(self.account()? ^ OF_ACCOUNT)
            }
            kind @ (EventKind::HeloRejected
            | EventKind::SenderRejected
            | EventKind::ClientRejected
            | EventKind::DnsblRejected) => {
                let SessionId(session) = self.session()?;
                let number = session.wrapping_mul(EventKind::ALL.len() as u64) + kind as u64;
                Some(number.wrapping_add(1).wrapping_mul(OF_SESSION))
            }
            EventKind::Connect
            | EventKind::Disconnect
            | EventKind::MailAccepted
            | EventKind::RelayDenied
            | EventKind::AuthSuccess
            | EventKind::EarlyTalker
            | EventKind::ProtocolError
            | EventKind::NonSmtp
            | EventKind::TooManyErrors
            | EventKind::ContentRejected
            | EventKind::RateLimited
            | EventKind::BadSession
            | EventKind::LostConnection
            | EventKind::TlsFailure
            | EventKind::BounceOut
            | EventKind::BounceIn
            | EventKind::ServerFault
            | EventKind::Honeypot
            | EventKind::AuthQuit
            | EventKind::AuthLost => None,
        }
    }
}

/// Recipients and accounts are the same in any case of letters. The seed is fixed: the same input gives the same decisions in
/// every run.
fn hash_name(name: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for piece in name.as_bytes().chunks(64) {
        let mut lower = [0; 64];
        lower[..piece.len()].copy_from_slice(piece);
        // All of it: a fixed length is done in few steps.
        lower.make_ascii_lowercase();
        hasher.write(&lower[..piece.len()]);
    }
    hasher.finish()
}

fn hash_host(host: &IpNet) -> u32 {
    match host {
        IpNet::V4(host) => host.addr().to_bits(),
        IpNet::V6(host) => {
            let mut hasher = DefaultHasher::new();
            host.hash(&mut hasher);
            // The lower half of a hash is one.
            (hasher.finish() & u64::from(u32::MAX)) as u32
        }
    }
}

const _: () = assert!(
    EventKind::ALL.len() <= 1 << KIND_BITS,
    "a note has bits for every kind"
);
const _: () = assert!(
    Service::ALL.len() <= 1 << SERVICE_BITS,
    "a note has bits for every service"
);
const _: () = assert!(size_of::<Note>() == 40);
