//! The line of a traced packet, and how many of them there may be.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use mailwall_common::Verdict;
use nix::net::if_::if_indextoname;
use tracing::{info, warn};

use super::{Account, Totals};

/// How long nothing is read after the ring was found empty, or [`LINES_AT_ONCE`] were written.
const PAUSE: Duration = Duration::from_millis(100);
/// With the pause: 1,000 lines a second.
const LINES_AT_ONCE: u32 = 100;
/// Pauses between two looks at what was missed: a second.
const PAUSES_PER_LOOK: u32 = 10;
/// More packets than the ring has room for: aya-log makes it 128 KiB, and a packet takes more than 128 bytes.
const RING_PACKETS: u64 = 1024;

/// Takes what the kernel's programs tell, as the logger of aya-log, in the one thread that reads.
#[derive(Clone)]
pub struct Lines {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

struct State {
    totals: Totals,
    account: Account,
    at_once: u32,
    pauses: u32,
}

impl Lines {
    /// Nothing is written any more when `stop` is set.
    pub fn new(totals: Totals, account: Account, stop: Arc<AtomicBool>) -> Self {
        let state = State {
            totals,
            account,
            at_once: 0,
            pauses: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            stop,
        }
    }

    /// Reads what there is, and pauses. What was counted before the reading and is not told after it was missed.
    pub fn caught_up(&self, read: impl FnOnce()) {
        let counted = self.with(|state| state.is_time_to_look().then(|| state.totals.traced()));
        read();
        if let Some(Ok(counted)) = counted {
            self.with(|state| state.tell_missed(counted, 0));
        }
        self.with(|state| {
            state.at_once = 0;
            state.pauses += 1;
        });
        thread::sleep(PAUSE);
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    const fn is_time_to_look(&self) -> bool {
        self.pauses >= PAUSES_PER_LOOK
    }

    fn tell_missed(&mut self, counted: u64, waiting: u64) {
        self.pauses = 0;
        let packets = self.account.missed(counted, waiting);
        if packets > 0 {
            warn!(packets, "more packets than are shown");
        }
    }

    /// While this waits, nothing is read, and the ring drops.
    fn write(&mut self, packet: &Packet) {
        if self.at_once >= LINES_AT_ONCE {
            self.at_once = 0;
            self.pauses += 1;
            if self.is_time_to_look()
                && let Ok(counted) = self.totals.traced()
            {
                self.tell_missed(counted, RING_PACKETS);
            }
            thread::sleep(PAUSE);
        }
        self.at_once += 1;
        self.account.write();
        packet.write();
    }
}

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let text = record.args().to_string();
        match Packet::parse(&text) {
            Some(packet) => self.with(|state| state.write(&packet)),
            None => warn!(text, "the filter told of a packet what is not understood"),
        }
    }

    fn flush(&self) {}
}

/// A packet that the kernel's programs told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Packet {
    verdict: Verdict,
    source: IpAddr,
    /// `None` where it does not show it.
    port: Option<u16>,
    if_index: u32,
}

impl Packet {
    /// Reads what `filter-ebpf/src/trace.rs` writes.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let verdict: usize = words.next()?.parse().ok()?;
        let verdict = *Verdict::ALL.get(verdict)?;
        let source = words.next()?.parse().ok()?;
        let port = words.next()?.parse().ok()?;
        let if_index = words.next()?.parse().ok()?;
        let is_hidden = matches!(verdict, Verdict::BannedFragment | Verdict::ObservedFragment);
        words.next().is_none().then_some(Self {
            verdict,
            source,
            port: (!is_hidden).then_some(port),
            if_index,
        })
    }

    fn write(&self) {
        let Self {
            verdict,
            source,
            port,
            if_index,
        } = self;
        let interface = match if_indextoname(*if_index) {
            Ok(name) => name.to_string_lossy().into_owned(),
            // It is gone.
            Err(_) => if_index.to_string(),
        };
        info!(%verdict, %source, port, interface, "packet");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let packet = |verdict, source: &str, port, if_index| {
            Some(Packet {
                verdict,
                source: source.parse().unwrap(),
                port,
                if_index,
            })
        };
        for (text, expected) in [
            (
                "11 192.0.2.7 25 3",
                packet(Verdict::BannedAddress, "192.0.2.7", Some(25), 3),
            ),
            (
                "8 2001:db8::7 465 12",
                packet(Verdict::Clean, "2001:db8::7", Some(465), 12),
            ),
            (
                "13 192.0.2.7 0 3",
                packet(Verdict::BannedFragment, "192.0.2.7", None, 3),
            ),
            ("4096 192.0.2.7 25 3", None),
            ("11 192.0.2.7 25", None),
            ("11 192.0.2.7 25 3 4", None),
            ("", None),
        ] {
            assert_eq!(Packet::parse(text), expected, "{text}");
        }
    }
}
