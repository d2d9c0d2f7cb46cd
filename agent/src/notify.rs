//! Tells people and programs what was decided: by e-mail, webhook, command or journal. Each notifier is a task of its own behind a
//! bounded queue: one that hangs or fails delays nobody, and what it loses is counted.

mod abuseipdb;
mod command;
mod deliver;
mod email;
mod journal;
mod message;
mod queue;
mod settings;
mod task;
mod webhook;
mod xarf;

use std::{future::Future, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use self::task::Order;
pub use self::{
    command::{PLACEHOLDERS, is_placeholder},
    email::is_address,
    journal::SOCKET as JOURNAL_SOCKET,
    message::{Message, Topic},
    settings::{Channel, MailServer, NotifierSettings},
    task::Health,
    webhook::{UrlError, check_url},
};

/// Most notifiers.
pub const NOTIFIERS_MAX: usize = 16;
/// Messages that may wait for a notifier's task to take them; it only has to put them into its own queue.
const ORDERS_MAX: usize = 1024;
/// How long the end of the agent may wait for what has not been told yet.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// The notifiers of one agent.
#[derive(Debug, Default)]
pub struct Notify {
    running: Vec<Running>,
}

/// A notifier at work.
#[derive(Debug)]
struct Running {
    settings: NotifierSettings,
    orders: mpsc::Sender<Order>,
    health: watch::Receiver<Health>,
    /// Messages that its task could not take.
    overflowed: u64,
    task: JoinHandle<()>,
}

/// A notifier as it stands.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// What it was told to do.
    pub settings: &'a NotifierSettings,
    /// How it fares.
    pub health: Health,
}

impl Notify {
    /// Starts the notifiers; `host` is the name under which they speak. Needs a running tokio.
    pub fn start(settings: &[NotifierSettings], host: &str) -> Self {
        let running = settings.iter().map(|one| Running::start(one, host));
        Self {
            running: running.collect(),
        }
    }

    /// Works by other settings. What waits under the old ones is told in the background.
    pub fn reconfigure(&mut self, settings: &[NotifierSettings], host: &str) {
        let is_same = self.running.iter().map(|one| &one.settings).eq(settings);
        if !is_same {
            let old = std::mem::replace(self, Self::start(settings, host));
            tokio::spawn(old.stop());
        }
    }

    /// Hands a message to every notifier that wants it. Never waits.
    pub fn tell(&mut self, message: &Message) {
        let wanting = self.running.iter_mut();
        for notifier in wanting.filter(|one| one.settings.wants(message)) {
            let order = Order::Tell(Box::new(message.clone()));
            if notifier.orders.try_send(order).is_err() {
                notifier.overflowed += 1;
            }
        }
    }

    /// The way to those who want messages of that topic, for another thread.
    pub fn mouth(&self, topic: Topic) -> Mouth {
        let wanting = self
            .running
            .iter()
            .filter(|one| one.settings.on.contains(&topic));
        Mouth(wanting.map(|one| one.orders.clone()).collect())
    }

    /// Whether any notifier wants messages of that topic.
    pub fn wants(&self, topic: Topic) -> bool {
        self.running
            .iter()
            .any(|one| one.settings.on.contains(&topic))
    }

    /// How each notifier stands, in the order of the settings.
    pub fn standing(&self) -> impl Iterator<Item = Standing<'_>> {
        self.running.iter().map(|one| {
            let mut health = one.health.borrow().clone();
            health.lost += one.overflowed;
            Standing {
                settings: &one.settings,
                health,
            }
        })
    }

    /// Sends `message` at once through the notifier of that name, or through all, whatever they are for: the result of each, by
    /// name.
    pub fn test(
        &self,
        name: Option<&str>,
        message: &Message,
    ) -> impl Future<Output = Vec<(String, Result<(), String>)>> + use<> {
        let asked = self.running.iter();
        let asked = asked.filter(|one| name.is_none_or(|name| one.settings.name == name));
        let answers: Vec<_> = asked
            .map(|one| {
                let (reply, answer) = oneshot::channel();
                let order = Order::Test(Box::new(message.clone()), reply);
                let is_taken = one.orders.try_send(order).is_ok();
                (one.settings.name.clone(), is_taken.then_some(answer))
            })
            .collect();
        async move {
            let mut results = Vec::with_capacity(answers.len());
            for (name, answer) in answers {
                let result = match answer {
                    Some(answer) => answer
                        .await
                        .unwrap_or_else(|_| Err("it was stopped".into())),
                    None => Err("too much waits for it".to_owned()),
                };
                results.push((name, result));
            }
            results
        }
    }

    /// Tells what waits, as far as that goes quickly, and ends.
    pub async fn stop(self) {
        let (orders, tasks): (Vec<_>, Vec<_>) = self
            .running
            .into_iter()
            .map(|one| (one.orders, one.task))
            .unzip();
        drop(orders);
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = async {
            for task in tasks {
                // One that panicked has said so.
                let _ = task.await;
            }
        };
        if timeout(STOP_WITHIN, all).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

/// Tells some notifiers from another thread.
#[derive(Clone, Debug)]
pub struct Mouth(Vec<mpsc::Sender<Order>>);

impl Mouth {
    /// Never waits; what a notifier cannot take is lost.
    pub fn tell(&self, message: &Message) {
        for orders in &self.0 {
            // One that is so busy has more to tell than this.
            let _ = orders.try_send(Order::Tell(Box::new(message.clone())));
        }
    }
}

impl Running {
    fn start(settings: &NotifierSettings, host: &str) -> Self {
        let (orders, incoming) = mpsc::channel(ORDERS_MAX);
        let (report, health) = watch::channel(Health::default());
        let task = task::Notifier::new(settings.clone(), host.to_owned(), report);
        Self {
            settings: settings.clone(),
            orders,
            health,
            overflowed: 0,
            task: tokio::spawn(task.run(incoming)),
        }
    }
}

#[cfg(test)]
mod tests;
