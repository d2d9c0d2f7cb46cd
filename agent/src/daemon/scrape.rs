//! The metrics: where they are served, and what they are now. They show what `status`, `counters`, `rule list` and `source
//! list` show.

use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{info, warn};

use super::Daemon;
use crate::{
    control::protocol::{Interface, Source},
    metrics::{self, Exposition, Listen, Scrape, Usage, families as family},
};

/// Scrapes that may wait.
pub(super) const SCRAPES_MAX: usize = 4;
/// Most rules, and sources, that have samples of their own.
const NAMES_MAX: usize = 256;
/// Stands for bans of further rules.
const OTHERS: &str = "others";

/// Where metrics are served.
pub(super) struct MetricsEdge {
    scrapes: mpsc::Sender<Scrape>,
    served: Option<(Listen, JoinHandle<()>)>,
    /// Why they are not.
    problem: Option<String>,
}

impl MetricsEdge {
    pub(super) fn new(scrapes: mpsc::Sender<Scrape>) -> Self {
        Self {
            scrapes,
            served: None,
            problem: None,
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let text = self.problem.as_ref()?;
        Some(format!("metrics are not served: {text}"))
    }
}

impl Daemon {
    /// Serves metrics where the configuration says, and nowhere else.
    pub(super) fn serve_metrics(&mut self) {
        let wanted = self.config.metrics.listen.clone();
        let edge = &mut self.metrics;
        if edge.problem.is_none() && edge.served.as_ref().map(|(at, _)| at) == wanted.as_ref() {
            return;
        }
        if let Some((at, task)) = edge.served.take() {
            task.abort();
            // Its socket is gone when the task is: a new one at the same place comes with the next look at the house.
            if wanted
                .as_ref()
                .is_some_and(|wanted| wanted.to_string() == at.to_string())
            {
                return;
            }
        }
        let was = edge.problem.take();
        let Some(wanted) = wanted else {
            return;
        };
        match metrics::listen(&wanted) {
            Ok(listener) => {
                info!(at = %wanted, "serving metrics");
                let task = tokio::spawn(metrics::serve(listener, edge.scrapes.clone()));
                edge.served = Some((wanted, task));
            }
            Err(err) => {
                let text = format!("{wanted}: {err}");
                if was.as_ref() != Some(&text) {
                    warn!("metrics are not served: {text}");
                }
                edge.problem = Some(text);
            }
        }
    }

    pub(super) fn handle_scrape(&self, scrape: Scrape) {
        // Whether the caller is still there does not matter.
        let _ = scrape.reply.send(self.exposition());
    }

    fn exposition(&self) -> String {
        let mut out = Exposition::new();
        out.family(&family::BUILD_INFO)
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        self.write_filter(&mut out);
        self.write_bans(&mut out);
        self.write_judgement(&mut out);
        self.write_sources(&mut out);
        self.write_notifiers(&mut out);
        out.number(&family::PROBLEMS, self.problems().len() as f64);
        self.write_process(&mut out);
        out.finish()
    }

    fn write_filter(&self, out: &mut Exposition) {
        let enforces = !self.config.filter.mode.is_observe();
        out.number(&family::ENFORCING, truth(enforces));
        out.number(&family::FILTER_LOADED, truth(self.filter.is_some()));
        let mut attached = out.family(&family::INTERFACE_ATTACHED);
        for Interface { name, mode, .. } in self.interfaces().iter().take(NAMES_MAX) {
            let mode_name = mode.as_deref().unwrap_or("none");
            attached.sample(
                &[("interface", name), ("mode", mode_name)],
                truth(mode.is_some()),
            );
        }
        let mut packets = out.family(&family::PACKETS);
        for counter in self
            .counters()
            .map(|counters| counters.packets)
            .unwrap_or_default()
        {
            let action = if counter.dropped { "drop" } else { "pass" };
            packets.sample(
                &[
                    ("verdict", &counter.verdict),
                    ("family", &counter.family),
                    ("action", action),
                ],
                counter.packets as f64,
            );
        }
        let lost = self.filter.as_ref();
        let lost = lost.and_then(|filter| filter.lost_limit_events().ok());
        out.number(&family::LIMIT_EVENTS_LOST, lost.unwrap_or_default() as f64);
    }

    fn write_bans(&self, out: &mut Exposition) {
        let bans = self.judge.bans();
        let mut origins: Vec<(&str, usize)> = bans.by_origin().collect();
        origins.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        let further = origins.split_off(origins.len().min(NAMES_MAX));
        let further: usize = further.iter().map(|(_, count)| count).sum();
        if further > 0 {
            origins.push((OTHERS, further));
        }
        if !origins.iter().any(|(name, _)| *name == "manual") {
            // So that there is a sample on a host without bans.
            origins.push(("manual", 0));
        }
        let mut samples = out.family(&family::BANS);
        for (origin, count) in origins {
            samples.sample(&[("origin", origin)], count as f64);
        }
        out.number(
            &family::ALLOWED_NETWORKS,
            self.judge.allowlist().len() as f64,
        );
        let mut entries = out.family(&family::BAN_MAP_ENTRIES);
        for (map, held, _) in bans.fill() {
            entries.sample(&[("map", map)], held as f64);
        }
        let mut capacity = out.family(&family::BAN_MAP_CAPACITY);
        for (map, _, most) in bans.fill() {
            capacity.sample(&[("map", map)], most as f64);
        }
    }

    fn write_judgement(&self, out: &mut Exposition) {
        let mut events = out.family(&family::EVENTS);
        for (kind, count) in self.log.tally().events() {
            events.sample(&[("kind", kind)], count as f64);
        }
        let mut decisions = out.family(&family::DECISIONS);
        for (decision, count) in self.log.tally().decisions() {
            decisions.sample(&[("decision", decision)], count as f64);
        }
        out.number(&family::DECISIONS_UNSAVED, self.unsaved.len() as f64);
        if let Ok(bytes) = self.store.size() {
            out.number(&family::DATABASE, bytes as f64);
        }
        let limit = self.config.store.max_bytes;
        out.number(&family::DATABASE_LIMIT, limit as f64);
        out.number(&family::TRACKED_HOSTS, self.judge.tracked() as f64);
        let mut breaches = out.family(&family::RULE_BREACHES);
        for (rule, count) in self.judge.breaches().take(NAMES_MAX) {
            breaches.sample(&[("rule", rule.as_str())], count as f64);
        }
    }

    fn write_sources(&self, out: &mut Exposition) {
        let mut sources = self.sources().sources;
        sources.truncate(NAMES_MAX);
        let mut write = |family, value: &dyn Fn(&Source) -> Option<f64>| {
            let mut samples = out.family(family);
            for source in &sources {
                if let Some(value) = value(source) {
                    samples.sample(&[("source", &source.name)], value);
                }
            }
        };
        write(&family::SOURCE_UP, &|s| Some(truth(s.state == "following")));
        write(&family::SOURCE_LAG_BYTES, &|s| Some(s.lag_bytes? as f64));
        write(&family::SOURCE_LAG_SECONDS, &|s| Some(s.lag_s? as f64));
        write(&family::SOURCE_LINES_CUT, &|s| Some(s.cut as f64));
        write(&family::SOURCE_LINES_LOST, &|s| Some(s.lost as f64));
        let mut lines = out.family(&family::SOURCE_LINES);
        for source in &sources {
            for (reading, count) in [
                ("understood", source.understood),
                ("ignored", source.ignored),
                ("refused", source.refused),
                ("unknown", source.unknown),
            ] {
                let labels = [("source", source.name.as_str()), ("reading", reading)];
                lines.sample(&labels, count as f64);
            }
        }
    }

    fn write_notifiers(&self, out: &mut Exposition) {
        let notifiers = self.notify_list().notifiers;
        let notifiers = &notifiers[..notifiers.len().min(NAMES_MAX)];
        let mut messages = out.family(&family::NOTIFIER_MESSAGES);
        for notifier in notifiers {
            for (outcome, count) in [("told", notifier.told), ("lost", notifier.lost)] {
                let labels = [("notifier", notifier.name.as_str()), ("outcome", outcome)];
                messages.sample(&labels, count as f64);
            }
        }
        let mut waiting = out.family(&family::NOTIFIER_WAITING);
        for notifier in notifiers {
            waiting.sample(&[("notifier", &notifier.name)], notifier.waiting as f64);
        }
        let mut failing = out.family(&family::NOTIFIER_FAILING);
        for notifier in notifiers {
            let is_failing = truth(notifier.failing_since.is_some());
            failing.sample(&[("notifier", &notifier.name)], is_failing);
        }
    }

    fn write_process(&self, out: &mut Exposition) {
        let started = self.clock.wall(self.health.started);
        let started = started.duration_since(std::time::UNIX_EPOCH);
        let usage = Usage::of_agent();
        out.number(
            &family::PROCESS_START_TIME,
            started.unwrap_or_default().as_secs_f64().round(),
        );
        out.number(&family::PROCESS_MEMORY, usage.resident_bytes as f64);
        out.number(&family::PROCESS_CPU, usage.cpu.as_secs_f64());
    }
}

const fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}
