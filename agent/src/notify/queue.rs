//! What waits to be told, and when it goes: digests, repeats, limits. Pure: the caller says what time it is.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use ipnet::IpNet;
use tokio::time::Instant;

use super::{Message, Topic};

/// Messages of a digest, and urgent ones, that are kept in full; beyond it they are only counted.
pub(super) const WAITING_MAX: usize = 500;
/// Subjects that are remembered, so that they are not told of again.
const SEEN_MAX: usize = 10_000;
/// For so long nothing is told again, where the digest is shorter.
const REPEAT_WITHIN: Duration = Duration::from_secs(600);
/// For so long a host is not reported to strangers again.
const PUBLIC_REPEAT_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How often it is looked for subjects that can be forgotten: a flood must not make each message expensive.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// What a limit is for.
const HOUR: Duration = Duration::from_secs(3600);
/// Rules that are counted apart among what was left out.
const MORE_MAX: usize = 64;

/// What goes to the receiver at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parcel {
    /// In the order in which it happened.
    pub(super) messages: Vec<Message>,
    /// What is only counted.
    pub(super) more: Vec<More>,
    /// Messages that said what had been told already.
    pub(super) repeats: u64,
}

/// Messages that are only counted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct More {
    pub(super) topic: Topic,
    pub(super) rule: Option<String>,
    pub(super) count: u64,
}

impl Parcel {
    /// How many messages would be lost with it.
    pub(super) fn count(&self) -> u64 {
        self.messages.len() as u64 + self.more.iter().map(|more| more.count).sum::<u64>()
    }
}

/// Whom a message is about.
type Subject = (Topic, Option<IpNet>, Option<String>, Option<String>, String);

/// What waits for one receiver.
#[derive(Debug)]
pub(super) struct Queue {
    digest: Option<Duration>,
    limit: usize,
    repeat_within: Duration,
    /// Whether a host is told once, whichever rules banned it.
    once_a_host: bool,
    urgent: VecDeque<Message>,
    waiting: Vec<Message>,
    more: BTreeMap<(Topic, Option<String>), u64>,
    repeats: u64,
    /// Since when messages are collected.
    since: Option<Instant>,
    seen: HashMap<Subject, Instant>,
    /// When those too long ago were last looked for.
    swept: Option<Instant>,
    /// When the deliveries of the last hour began; those of alarms have a limit of their own.
    sent: VecDeque<Instant>,
    sent_alarms: VecDeque<Instant>,
}

impl Queue {
    pub(super) fn new(digest: Option<Duration>, limit: u32) -> Self {
        Self {
            repeat_within: digest.unwrap_or_default().max(REPEAT_WITHIN),
            once_a_host: false,
            digest,
            limit: limit as usize,
            urgent: VecDeque::new(),
            waiting: Vec::new(),
            more: BTreeMap::new(),
            repeats: 0,
            since: None,
            seen: HashMap::new(),
            swept: None,
            sent: VecDeque::new(),
            sent_alarms: VecDeque::new(),
        }
    }

    /// The same for strangers: one report a host within the time that AbuseIPDB asks for.
    pub(super) fn of_public_reports(self) -> Self {
        Self {
            repeat_within: PUBLIC_REPEAT_WITHIN,
            once_a_host: true,
            ..self
        }
    }

    /// Takes a message.
    pub(super) fn push(&mut self, message: Message, now: Instant) {
        if self.is_repeat(&message, now) {
            self.repeats += 1;
            return;
        }
        if message.topic.is_urgent() || self.digest.is_none() {
            if self.urgent.len() < WAITING_MAX {
                self.urgent.push_back(message);
            } else {
                self.leave_out(&message, now);
            }
        } else if self.waiting.len() < WAITING_MAX {
            self.since.get_or_insert(now);
            self.waiting.push(message);
        } else {
            self.leave_out(&message, now);
        }
    }

    /// What goes now, if anything does.
    pub(super) fn next(&mut self, now: Instant) -> Option<Parcel> {
        while let Some(message) = self.urgent.pop_front() {
            if self.may_send(message.topic, now) {
                return Some(Parcel {
                    messages: vec![message],
                    ..Parcel::default()
                });
            }
            self.leave_out(&message, now);
        }
        if self.is_due(now) && self.may_send(Topic::Ban, now) {
            return Some(self.digest());
        }
        None
    }

    /// When [`Queue::next`] has to be asked again, though nothing was pushed.
    pub(super) fn wake(&self) -> Option<Instant> {
        let due = self.since? + self.digest.unwrap_or_default();
        let has_room = self.sent.len() < self.limit;
        let room = self.sent.front().filter(|_| !has_room);
        Some(room.map_or(due, |first| due.max(*first + HOUR)))
    }

    /// All that waits, at the end of the agent.
    pub(super) fn flush(&mut self) -> Option<Parcel> {
        let urgent = std::mem::take(&mut self.urgent);
        let parcel = self.digest();
        let messages: Vec<Message> = urgent.into_iter().chain(parcel.messages).collect();
        let parcel = Parcel { messages, ..parcel };
        (parcel.count() > 0).then_some(parcel)
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.urgent.len() + self.waiting.len()
    }

    fn is_due(&self, now: Instant) -> bool {
        let digest = self.digest.unwrap_or_default();
        self.since.is_some_and(|since| since + digest <= now)
    }

    fn digest(&mut self) -> Parcel {
        self.since = None;
        let more = std::mem::take(&mut self.more).into_iter();
        Parcel {
            messages: std::mem::take(&mut self.waiting),
            more: more
                .map(|((topic, rule), count)| More { topic, rule, count })
                .collect(),
            repeats: std::mem::take(&mut self.repeats),
        }
    }

    fn leave_out(&mut self, message: &Message, now: Instant) {
        self.since.get_or_insert(now);
        let mut key = (message.topic, message.rule.clone());
        if self.more.len() >= MORE_MAX && !self.more.contains_key(&key) {
            key.1 = None;
        }
        *self.more.entry(key).or_default() += 1;
    }

    /// Whether one more delivery is within the limit; if so, it counts.
    fn may_send(&mut self, topic: Topic, now: Instant) -> bool {
        // What an operator asked for is no flood.
        let sent = match topic {
            Topic::Report | Topic::Test => return true,
            Topic::Alarm => &mut self.sent_alarms,
            Topic::Ban | Topic::WouldBan | Topic::Hold | Topic::Notify => &mut self.sent,
        };
        while sent.front().is_some_and(|first| *first + HOUR <= now) {
            sent.pop_front();
        }
        let has_room = sent.len() < self.limit;
        if has_room {
            sent.push_back(now);
        }
        has_room
    }

    /// Whether the same was told a short while ago.
    fn is_repeat(&mut self, message: &Message, now: Instant) -> bool {
        if matches!(message.topic, Topic::Report | Topic::Test) {
            return false;
        }
        let within = self.repeat_within;
        // The words tell apart only what has no subject, or says the opposite of what was told.
        let has_subject = message.net.is_some() || message.account.is_some();
        let words = match message.topic {
            Topic::Ban | Topic::WouldBan | Topic::Notify if has_subject => String::new(),
            _ => message.text.clone(),
        };
        let subject = (
            message.topic,
            message.net,
            message.account.clone(),
            message.rule.clone().filter(|_| !self.once_a_host),
            words,
        );
        if self
            .seen
            .get(&subject)
            .is_some_and(|told| *told + within > now)
        {
            return true;
        }
        let is_swept = self.swept.is_some_and(|swept| swept + SWEEP_EVERY > now);
        if self.seen.len() >= SEEN_MAX && !is_swept {
            self.swept = Some(now);
            self.seen.retain(|_, told| *told + within > now);
        }
        if self.seen.len() < SEEN_MAX {
            self.seen.insert(subject, now);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn ban(address: &str) -> Message {
        Message {
            net: Some(address.parse().unwrap()),
            rule: Some("auth".to_owned()),
            ..Message::new(String::new(), Topic::Ban, format!("banned {address}"))
        }
    }

    fn alarm(text: &str) -> Message {
        Message::new(String::new(), Topic::Alarm, text.to_owned())
    }

    #[test]
    fn the_same_is_told_once() {
        let start = Instant::now();
        let mut queue = Queue::new(None, 1000);
        // Twenty notices of one thing at once were a bug elsewhere.
        for _ in 0..20 {
            queue.push(ban("203.0.113.7/32"), start);
        }
        assert_eq!(
            queue.next(start).map(|parcel| parcel.messages.len()),
            Some(1)
        );
        assert_eq!(queue.next(start), None);
        queue.push(ban("203.0.113.7/32"), start + REPEAT_WITHIN);
        assert!(
            queue.next(start + REPEAT_WITHIN).is_some(),
            "it is news again"
        );
    }

    #[test]
    fn strangers_hear_of_a_host_once_in_a_quarter_of_an_hour() {
        let start = Instant::now();
        let mut queue = Queue::new(None, 20).of_public_reports();
        queue.push(ban("203.0.113.7/32"), start);
        let other_rule = Message {
            rule: Some("dictionary".to_owned()),
            ..ban("203.0.113.7/32")
        };
        queue.push(other_rule.clone(), start + 14 * MINUTE);
        assert_eq!(std::iter::from_fn(|| queue.next(start)).count(), 1);
        queue.push(other_rule, start + 15 * MINUTE);
        assert!(queue.next(start + 15 * MINUTE).is_some());
    }

    #[test]
    fn a_digest_collects_and_an_alarm_does_not_wait() {
        let start = Instant::now();
        let mut queue = Queue::new(Some(15 * MINUTE), 20);
        queue.push(ban("203.0.113.7/32"), start);
        queue.push(ban("203.0.113.8/32"), start + MINUTE);
        queue.push(alarm("bans pause"), start + MINUTE);
        let parcel = queue.next(start + MINUTE).unwrap();
        assert_eq!(parcel.messages, [alarm("bans pause")]);
        assert_eq!(queue.next(start + 14 * MINUTE), None);
        assert_eq!(queue.wake(), Some(start + 15 * MINUTE));
        let parcel = queue.next(start + 15 * MINUTE).unwrap();
        assert_eq!(parcel.messages.len(), 2);
        assert_eq!(queue.wake(), None);
    }

    #[test]
    fn what_is_over_the_limit_is_counted_and_told_when_there_is_room() {
        let start = Instant::now();
        let mut queue = Queue::new(None, 20);
        for host in 0..50 {
            queue.push(ban(&format!("203.0.113.{host}/32")), start);
        }
        let sent = std::iter::from_fn(|| queue.next(start)).count();
        assert_eq!(sent, 20);
        assert_eq!(queue.next(start + 59 * MINUTE), None);
        assert_eq!(queue.wake(), Some(start + HOUR));
        let parcel = queue.next(start + HOUR).unwrap();
        let more = More {
            topic: Topic::Ban,
            rule: Some("auth".to_owned()),
            count: 30,
        };
        assert_eq!((parcel.messages.len(), &parcel.more), (0, &vec![more]));
        // An alarm has a limit of its own.
        let mut queue = Queue::new(None, 1);
        queue.push(ban("203.0.113.7/32"), start);
        assert!(queue.next(start).is_some());
        queue.push(alarm("bans pause"), start);
        assert!(queue.next(start).is_some());
    }

    #[test]
    fn nothing_grows_without_bound() {
        let start = Instant::now();
        let mut queue = Queue::new(Some(MINUTE), 20);
        for host in 0..100_000_u32 {
            let mut message = ban("203.0.113.7/32");
            message.net = Some(std::net::IpAddr::from(host.to_be_bytes()).into());
            message.rule = Some(format!("rule-{}", host % 1000));
            queue.push(message, start);
        }
        assert_eq!(queue.len(), WAITING_MAX);
        assert!(queue.seen.len() <= SEEN_MAX && queue.more.len() <= 2 * MORE_MAX);
        let parcel = queue.next(start + MINUTE).unwrap();
        assert_eq!(parcel.count(), 100_000, "each is at least counted");
    }
}
