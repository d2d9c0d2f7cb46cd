//! A well-behaved client that keeps delivering while others attack.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use mailwall_tests::{Client, Outcome};

/// Pause between two messages.
const PAUSE: Duration = Duration::from_millis(250);

/// Counts what was delivered, and says when to stop.
#[derive(Default)]
pub struct Deliveries {
    made: AtomicUsize,
    over: AtomicBool,
}

impl Deliveries {
    /// How many messages were taken.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// No more of them.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Delivers message after message, from each of the clients in turn.
    ///
    /// # Errors
    /// At the first message that is not taken.
    pub fn make(&self, clients: &[Client<'_>]) -> Result<()> {
        for client in clients.iter().cycle() {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            let outcome = client.send("alice@example.test")?;
            ensure!(
                outcome == Outcome::Delivered,
                "a message of the good client {} was not taken: {outcome:?}",
                client.address()
            );
            self.made.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}
