//! One notifier at work: takes messages at any time, brings one parcel after the other, and tries again with a bound.

use std::time::{Duration, SystemTime};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    Message, NotifierSettings, Topic,
    deliver::deliver,
    queue::{Parcel, Queue},
};
use crate::clock::Clock;

/// How long after each failure it is tried again; after the last, the parcel is given up.
const RETRIES: [Duration; 5] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1800),
];
/// A timer cannot wait longer than it can represent; an hour is as good as any time.
const FAR: Duration = Duration::from_secs(3600);

/// What a notifier is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Tell this some time.
    Tell(Box<Message>),
    /// Tell this now, and say how it went.
    Test(Box<Message>, oneshot::Sender<Result<(), String>>),
}

/// How a notifier fares.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Messages told.
    pub told: u64,
    /// Messages lost: given up after all retries, or more than could wait.
    pub lost: u64,
    /// Messages that wait, also to be tried again.
    pub waiting: usize,
    /// Since when deliveries fail (wall time); `None` while they do not.
    pub failing_since: Option<SystemTime>,
    /// Why the last one failed, if it did.
    pub last_error: Option<String>,
}

/// A notifier.
#[derive(Debug)]
pub(super) struct Notifier {
    settings: NotifierSettings,
    host: String,
    queue: Queue,
    /// Messages of the parcel that is on its way, or waits to be tried again.
    underway: usize,
    health: Health,
    report: watch::Sender<Health>,
    clock: Clock,
}

/// A parcel on its way, and how often that failed before.
#[derive(Debug)]
struct Attempt {
    parcel: Parcel,
    failures: usize,
}

/// What the notifier is doing.
enum Doing {
    Nothing,
    Delivering(JoinHandle<(Attempt, Result<(), String>)>),
    WaitingToRetry(Attempt, Instant),
}

impl Notifier {
    pub(super) fn new(
        settings: NotifierSettings,
        host: String,
        report: watch::Sender<Health>,
    ) -> Self {
        let queue = Queue::new(settings.digest, settings.limit);
        Self {
            queue: match settings.channel.is_public() {
                true => queue.of_public_reports(),
                false => queue,
            },
            settings,
            host,
            underway: 0,
            health: Health::default(),
            report,
            clock: Clock::start(),
        }
    }

    /// Works until nobody can give orders any more, and what waits then has been tried once.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut doing = Doing::Nothing;
        let mut is_open = true;
        loop {
            let now = Instant::now();
            doing = match doing {
                Doing::WaitingToRetry(attempt, due) if due <= now || !is_open => {
                    self.begin(attempt)
                }
                Doing::Nothing => match self.next_parcel(is_open, now) {
                    Some(parcel) => self.begin(Attempt {
                        parcel,
                        failures: 0,
                    }),
                    None if is_open => Doing::Nothing,
                    None => return,
                },
                other => other,
            };
            let wake = match &doing {
                Doing::Nothing => self.queue.wake(),
                Doing::WaitingToRetry(_, due) => Some(*due),
                Doing::Delivering(_) => None,
            };
            let wake = wake.unwrap_or(now + FAR).min(now + FAR);
            tokio::select! {
                order = orders.recv(), if is_open => match order {
                    Some(order) => self.take(order),
                    None => is_open = false,
                },
                done = ended(&mut doing) => {
                    doing = self.settle(done, is_open);
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    fn next_parcel(&mut self, is_open: bool, now: Instant) -> Option<Parcel> {
        if is_open {
            self.queue.next(now)
        } else {
            self.queue.flush()
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Tell(message) => {
                self.queue.push(*message, Instant::now());
                self.note();
            }
            Order::Test(message, reply) => {
                let (settings, host) = (self.settings.clone(), self.host.clone());
                tokio::spawn(async move {
                    let parcel = Parcel {
                        messages: vec![*message],
                        ..Parcel::default()
                    };
                    // Whoever asked may be gone.
                    let _ = reply.send(deliver(&settings, &host, &parcel).await);
                });
            }
        }
    }

    fn begin(&mut self, attempt: Attempt) -> Doing {
        self.underway = usize::try_from(attempt.parcel.count()).unwrap_or(usize::MAX);
        self.note();
        let (settings, host) = (self.settings.clone(), self.host.clone());
        Doing::Delivering(tokio::spawn(async move {
            let result = deliver(&settings, &host, &attempt.parcel).await;
            (attempt, result)
        }))
    }

    fn settle(&mut self, done: Option<(Attempt, Result<(), String>)>, is_open: bool) -> Doing {
        let underway = std::mem::take(&mut self.underway);
        // A delivery that panicked has said so; what was in it is gone.
        let Some((attempt, result)) = done else {
            return Doing::Nothing;
        };
        let count = attempt.parcel.count();
        let name = &self.settings.name;
        match result {
            Ok(()) => {
                if self.health.failing_since.take().is_some() {
                    info!(notifier = name, "takes messages again");
                }
                self.health.told += count;
                self.note();
                Doing::Nothing
            }
            Err(error) => {
                if self.health.failing_since.is_none() {
                    warn!(notifier = name, "does not take messages: {error}");
                    self.health.failing_since = Some(self.clock.wall(self.clock.now()));
                }
                self.health.last_error = Some(error);
                // A trial and an old report are not worth a late success.
                let retry = RETRIES.get(attempt.failures).filter(|_| is_open);
                let is_stale = |message: &Message| message.topic == Topic::Test;
                match retry.filter(|_| !attempt.parcel.messages.iter().any(is_stale)) {
                    Some(pause) => {
                        self.underway = underway;
                        self.note();
                        let attempt = Attempt {
                            failures: attempt.failures + 1,
                            ..attempt
                        };
                        Doing::WaitingToRetry(attempt, Instant::now() + *pause)
                    }
                    None => {
                        self.health.lost += count;
                        warn!(notifier = name, messages = count, "given up, they are lost");
                        self.note();
                        Doing::Nothing
                    }
                }
            }
        }
    }

    fn note(&mut self) {
        self.health.waiting = self.queue.len() + self.underway;
        self.report.send_replace(self.health.clone());
    }
}

/// Waits for the delivery under way; for ever where there is none.
async fn ended(doing: &mut Doing) -> Option<(Attempt, Result<(), String>)> {
    match doing {
        Doing::Delivering(task) => task.await.ok(),
        Doing::Nothing | Doing::WaitingToRetry(..) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Channel;

    fn notifier() -> (Notifier, watch::Receiver<Health>) {
        let settings = NotifierSettings {
            name: "postmaster".to_owned(),
            channel: Channel::Command {
                words: vec!["/bin/true".to_owned()],
            },
            on: Topic::DEFAULT.to_vec(),
            rules: Vec::new(),
            min_level: 1,
            digest: None,
            limit: 20,
            timeout: Duration::from_secs(30),
        };
        let (report, health) = watch::channel(Health::default());
        (Notifier::new(settings, "mx".to_owned(), report), health)
    }

    fn parcel(topic: Topic) -> Parcel {
        let message = |text: &str| Message::new(String::new(), topic, text.to_owned());
        Parcel {
            messages: vec![message("one"), message("two")],
            ..Parcel::default()
        }
    }

    /// Has it fail, and gives for how long it waits then; nothing when the parcel is given up.
    fn fail(
        notifier: &mut Notifier,
        attempt: Attempt,
        is_open: bool,
    ) -> Option<(Attempt, Duration)> {
        let before = Instant::now();
        notifier.underway = attempt.parcel.messages.len();
        match notifier.settle(Some((attempt, Err("no".to_owned()))), is_open) {
            Doing::WaitingToRetry(attempt, due) => Some((attempt, due - before)),
            Doing::Nothing => None,
            Doing::Delivering(_) => panic!("it does not begin by itself"),
        }
    }

    #[test]
    fn a_parcel_is_given_up_after_the_fifth_retry_and_counted() {
        let (mut notifier, health) = notifier();
        let mut attempt = Attempt {
            parcel: parcel(Topic::Ban),
            failures: 0,
        };
        let mut waited = Vec::new();
        while let Some((again, pause)) = fail(&mut notifier, attempt, true) {
            // What the test itself takes comes on top.
            assert!(pause >= RETRIES[waited.len()], "{pause:?}");
            waited.push(pause);
            let standing = health.borrow();
            assert_eq!((standing.waiting, standing.lost), (2, 0));
            assert!(standing.failing_since.is_some());
            attempt = again;
        }
        assert_eq!(waited.len(), 5);
        // As the configuration says.
        assert!(RETRIES.iter().sum::<Duration>() <= Duration::from_secs(45 * 60));
        let standing = health.borrow().clone();
        assert_eq!(
            (standing.told, standing.lost, standing.waiting),
            (0, 2, 0),
            "given up"
        );
        assert_eq!(standing.last_error.as_deref(), Some("no"));
        assert!(standing.failing_since.is_some(), "it still fails");
        // The next one that is taken ends the failure, and what is lost stays counted.
        let next = Attempt {
            parcel: parcel(Topic::Ban),
            failures: 0,
        };
        let done = notifier.settle(Some((next, Ok(()))), true);
        assert!(matches!(done, Doing::Nothing));
        let standing = health.borrow().clone();
        assert_eq!((standing.told, standing.lost), (2, 2));
        assert!(standing.failing_since.is_none());
    }

    #[test]
    fn at_the_end_of_the_agent_nothing_is_tried_again() {
        let (mut notifier, health) = notifier();
        let attempt = Attempt {
            parcel: parcel(Topic::Ban),
            failures: 0,
        };
        assert!(fail(&mut notifier, attempt, false).is_none());
        assert_eq!(health.borrow().lost, 2);
    }
}
