//! Limits on connections: puts them in force, judges what the kernel tells of those who reach them, and compares the kernel's
//! count of open connections with its sockets.

use std::{
    io,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use mailwall_common::{LimitEvent, LimitEventKind};
use tokio::{sync::mpsc, task::spawn_blocking};
use tracing::{debug, error, info, warn};

use super::Daemon;
use crate::{
    ban::End,
    control::protocol::{LimitView, Limits},
    event::{Event, EventKind, Service},
    filter::{self, Belief, Census},
    host,
    judge::Telling,
    limit::{self, LimitNotice},
};
use mailwall_common::Verdict;

/// Batches of limit events, and comparisons, that may wait.
pub(super) const LIMIT_NEWS_MAX: usize = 4;
/// How often the count of open connections is compared with the sockets.
const CENSUS: Duration = Duration::from_secs(60);
/// Events that only tell of SYNs, which anybody can forge, that are kept for `mailwall events` between two looks at the house:
/// a flood of them must not push out what is certain.
const SYN_EVENTS_KEPT: usize = 20;

/// News of limits.
pub(super) enum LimitNews {
    /// What the kernel told.
    Events(Vec<LimitEvent>),
    /// The sockets that there are.
    Sockets(Sockets),
}

/// The other ends of the open connections, and what was counted before they were looked for.
pub(super) struct Sockets {
    before: Census,
    belief: Belief,
    peers: io::Result<Vec<IpAddr>>,
}

/// What is known of limits beside what the filter knows.
pub(super) struct LimitWatch {
    news: mpsc::Sender<LimitNews>,
    /// Why limits are not in force.
    problem: Option<String>,
    /// Why connections are not counted.
    uncounted: Option<String>,
    next_census: SystemTime,
    /// A comparison is under way...
    is_counting: bool,
    /// ... and another must follow, because what it compares changed meanwhile.
    is_outdated: bool,
    syn_events: usize,
}

impl LimitWatch {
    pub(super) fn new(news: mpsc::Sender<LimitNews>, now: SystemTime) -> Self {
        Self {
            news,
            problem: None,
            uncounted: None,
            next_census: now + CENSUS,
            is_counting: false,
            is_outdated: false,
            syn_events: 0,
        }
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = String> + '_ {
        let problem = self.problem.iter();
        let uncounted = self.uncounted.iter();
        problem
            .map(|e| format!("connections are not limited as configured: {e}"))
            .chain(uncounted.map(|e| format!("open connections are not counted: {e}")))
    }

    /// Whether something failed that may work later.
    pub(super) const fn needs_retry(&self) -> bool {
        self.problem.is_some() || self.uncounted.is_some()
    }
}

impl Daemon {
    /// Puts the limits of the config in force.
    pub(super) fn limit_connections(&mut self) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        for ring in filter.take_rings().into_iter().flatten() {
            let news = self.limits.news.clone();
            let (events_in, mut events) = mpsc::channel(LIMIT_NEWS_MAX);
            tokio::spawn(filter::follow_limit_events(ring, events_in));
            tokio::spawn(async move {
                while let Some(batch) = events.recv().await {
                    if news.send(LimitNews::Events(batch)).await.is_err() {
                        return;
                    }
                }
            });
        }
        let watch = &mut self.limits;
        watch.problem = report(
            "limits are not in force",
            filter.set_limits(&self.config.limits),
        );
        watch.uncounted = report(
            "open connections are not counted",
            filter.count_connections(),
        );
        // What is counted may be under another limit, or at another port, than before.
        self.take_census(Belief::AtOnce);
    }

    pub(super) fn handle_limit_news(&mut self, news: LimitNews) {
        match news {
            LimitNews::Events(events) => {
                for event in &events {
                    self.handle_limit_event(event);
                }
                self.carry_out_decisions();
            }
            LimitNews::Sockets(sockets) => self.handle_sockets(sockets),
        }
    }

    /// What of limits changes by itself.
    pub(super) fn keep_limits(&mut self, now: SystemTime) {
        self.limits.syn_events = 0;
        if self.limits.next_census <= now {
            self.take_census(Belief::SeenTwice);
        }
    }

    fn handle_limit_event(&mut self, event: &LimitEvent) {
        let notice = self
            .filter
            .as_ref()
            .and_then(|filter| filter.limit_notice(event));
        let Some(notice) = notice else {
            return;
        };
        let at = match self.clock.end(notice.at) {
            End::At(at) => at,
            End::Never => self.clock.now(),
        };
        let what = limit::name(notice.kind);
        let LimitNotice {
            who, refused, open, ..
        } = notice;
        match (notice.kind, notice.client) {
            (_, Some(client)) => {
                info!(%client, %who, open, "{what}: reached a limit");
                let event = rate_limited(at, client, notice.port);
                self.log.note_event(&event, what, Telling::First);
                self.judge
                    .handle_event(&event, evidence(&notice, client).as_bytes());
            }
            (LimitEventKind::SynsOver | LimitEventKind::SynsUnder, None) => {
                debug!(%who, refused, "{what}");
                if self.limits.syn_events < SYN_EVENTS_KEPT {
                    self.limits.syn_events += 1;
                    self.log.note_limit(&notice, at);
                }
            }
            (
                LimitEventKind::ConnectionsOver
                | LimitEventKind::ConnectionsUnder
                | LimitEventKind::OpenOver
                | LimitEventKind::OpenUnder,
                None,
            ) => {
                info!(%who, refused, open, "{what}");
                self.log.note_limit(&notice, at);
            }
        }
    }

    fn take_census(&mut self, belief: Belief) {
        self.limits.next_census = self.clock.now() + CENSUS;
        let Some(filter) = self.filter.as_ref().filter(|f| f.counts_connections()) else {
            return;
        };
        if self.limits.is_counting {
            self.limits.is_outdated |= belief == Belief::AtOnce;
            return;
        }
        let before = match filter.census() {
            Ok(before) => before,
            Err(err) => {
                warn!("open connections are not compared: {err}");
                return;
            }
        };
        self.limits.is_counting = true;
        let ports = self.config.filter.ports.clone();
        let news = self.limits.news.clone();
        tokio::spawn(async move {
            let looked = spawn_blocking(move || host::peers_at_ports(&ports)).await;
            let peers = looked.unwrap_or_else(|err| Err(io::Error::other(err)));
            let sockets = Sockets {
                before,
                belief,
                peers,
            };
            // Nobody is there to take it when the agent stops.
            let _ = news.send(LimitNews::Sockets(sockets)).await;
        });
    }

    fn handle_sockets(&mut self, sockets: Sockets) {
        self.limits.is_counting = false;
        let Some(filter) = &mut self.filter else {
            return;
        };
        let Sockets {
            before,
            belief,
            peers,
        } = sockets;
        if std::mem::take(&mut self.limits.is_outdated) {
            self.take_census(Belief::AtOnce);
            return;
        }
        let corrected = match peers {
            Ok(peers) => filter
                .correct_census(&before, &peers, belief)
                .map_err(anyhow::Error::from),
            Err(err) => Err(anyhow::Error::from(err)),
        };
        match corrected {
            Ok(0) => {}
            Ok(sources) => info!(sources, "corrected the count of open connections"),
            Err(err) => warn!("open connections are not compared: {err:#}"),
        }
    }

    /// The limits in force, and what they refused.
    pub(super) fn limits_view(&self) -> Limits {
        let refused = |verdict: Verdict| {
            let totals = self.filter.as_ref().and_then(|filter| filter.totals().ok());
            totals
                .into_iter()
                .flatten()
                .filter(|(counted, _, _)| *counted == verdict || *counted == verdict.observed())
                .map(|(_, _, packets)| packets)
                .sum()
        };
        let limits = self.config.limits.iter().map(|limit| LimitView {
            network: limit.network,
            per_minute: limit.per_minute,
            concurrent: limit.concurrent,
            counts: limit.counts.as_str().to_owned(),
            description: limit.to_string(),
        });
        Limits {
            in_force: limits.collect(),
            over_rate: refused(Verdict::OverRate),
            over_concurrent: refused(Verdict::OverConcurrent),
            lost_events: self
                .filter
                .as_ref()
                .and_then(|filter| filter.lost_limit_events().ok())
                .unwrap_or_default(),
        }
    }
}

/// Says once what failed, and keeps it for `status`.
fn report<T>(
    what: &str,
    done: Result<T, impl std::error::Error + Send + Sync + 'static>,
) -> Option<String> {
    let text = format!("{:#}", anyhow::Error::from(done.err()?));
    error!("{what}: {text}");
    Some(text)
}

fn rate_limited(at: SystemTime, client: IpAddr, port: u16) -> Event {
    Event {
        address: Some(client),
        ..Event::new(at, EventKind::RateLimited, Service::at_port(port), "kernel")
    }
}

/// What a ban shows as its evidence.
fn evidence(notice: &LimitNotice, client: IpAddr) -> String {
    let LimitNotice { port, open, .. } = notice;
    match notice.kind {
        LimitEventKind::OpenOver => {
            format!("kernel: {client} has {open} open connections, the last one to port {port}")
        }
        _ => format!(
            "kernel: {client} completed as many connections as a minute allows, the last one to port {port}"
        ),
    }
}
