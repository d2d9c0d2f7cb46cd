//! The start, in the order that leaves no gap: config, store, judge, maps filled, program in force, and only then the logs.

use std::{
    panic::resume_unwind,
    thread::{self, ScopedJoinHandle},
};

use ipnet::IpNet;
use mailwall_common::KernelInstant;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{
    CALLS_MAX, Daemon, Ends, NOTICES_MAX, Paths, RunError,
    chores::Chores,
    clemency::Clemency,
    event_log::EventLog,
    health::Health,
    intake::Intake,
    journal,
    limits::{LIMIT_NEWS_MAX, LimitWatch},
    manager::Manager,
    notify::host_name,
    policy::Policy,
    scrape::{MetricsEdge, SCRAPES_MAX},
    signals,
};
use crate::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::{Ban, End, Origin},
    clock::Clock,
    config::Config,
    control,
    filter::{Filter, Tracing},
    host,
    judge::{Echoes, Judge, JudgeSettings, Retold},
    kick::Kicker,
    notify::Notify,
    policy::QUESTIONS_MAX,
    privilege::Privilege,
    store::{Opened, Store},
    tally::Tally,
};

impl Daemon {
    pub(super) fn start(
        paths: Paths,
        tracing: Tracing,
        user: Option<&str>,
    ) -> Result<(Self, Ends), RunError> {
        let config = Config::load(&paths.config)?;
        let clock = Clock::start();
        let privilege = user.map(Privilege::of).transpose()?;
        let (opened, listener) = match &privilege {
            None => open(&paths, &config, &clock),
            Some(privilege) => {
                privilege.own_state(&paths.state_dir)?;
                privilege.own_run(&paths.run_dir)?;
                privilege.as_user(|| open(&paths, &config, &clock))?
            }
        }?;
        let Opened {
            store,
            bans,
            history,
            allowed,
            checkpoints,
            set_aside,
            fresh,
        } = opened;
        let mut health = Health::new(clock.now());
        if let Some(aside) = &set_aside {
            health.set_store_aside(aside);
        }
        let (calls_in, calls) = mpsc::channel(CALLS_MAX);
        tokio::spawn(control::serve(listener, calls_in));

        let mut judge = Judge::new(judge_settings(&config), Allowlist::new([]));
        let open = || Filter::open_with(&paths.bpffs_dir, tracing);
        let opened = beside(open, || judge.restore(bans, history));
        let filter = health.note_filter(opened);
        let kept = match &filter {
            // A lost store is no reason to let the banned in: the kernel still knows them.
            Some(filter) if fresh || set_aside.is_some() => kept_bans(filter, &clock),
            _ => Vec::new(),
        };
        judge.restore(kept.clone(), Vec::new());

        health.own_addresses = own_addresses();
        let allowlist = allowlist(&config, &health.own_addresses, &allowed);
        // What the config or the operator has allowed meanwhile is banned no longer.
        judge.set_allowlist(allowlist);

        let (notices_in, notices) = mpsc::channel(NOTICES_MAX);
        let (limit_news_in, limit_news) = mpsc::channel(LIMIT_NEWS_MAX);
        let (questions_in, questions) = mpsc::channel(QUESTIONS_MAX);
        let (scrapes_in, scrapes) = mpsc::channel(SCRAPES_MAX);
        let (hangup, terminate, interrupt) = signals().map_err(|source| RunError::Host {
            what: "listen for signals",
            source,
        })?;
        // Before the interfaces are looked at, so that no change falls between.
        let network = host::watch_network()
            .inspect_err(|err| {
                warn!(
                    "cannot watch the interfaces and routes; they are looked at now and then: {err}"
                );
            })
            .ok();
        let mut daemon = Self {
            intake: Intake::new(checkpoints),
            clemency: Clemency::default(),
            log: EventLog::default(),
            journal: journal::open(),
            unsaved: Vec::new(),
            notices: notices_in,
            kicker: Kicker::start(),
            tally: Tally::default(),
            chores: Chores::default(),
            retold: Retold::default(),
            echoes: Echoes::default(),
            next_report: None,
            notify: Notify::start(&config.all_notifiers(), &host_name()),
            paths,
            clock,
            judge,
            store,
            filter,
            policy: Policy::new(&config.policy, questions_in),
            limits: LimitWatch::new(limit_news_in, clock.now()),
            config,
            stages: super::answer::Stages::default(),
            tracing,
            health,
            manager: Manager::new(),
            metrics: MetricsEdge::new(scrapes_in),
        };
        daemon.health.manual_allowed = allowed;
        daemon.begin(kept, privilege)?;
        Ok((
            daemon,
            Ends {
                notices,
                calls,
                network,
                limit_news,
                questions,
                scrapes,
                hangup,
                terminate,
                interrupt,
            },
        ))
    }

    /// Puts in force what was found, and begins to follow what the config names.
    fn begin(&mut self, kept: Vec<Ban>, privilege: Option<Privilege>) -> Result<(), RunError> {
        if !kept.is_empty() {
            warn!(bans = kept.len(), "took over the bans found in the kernel");
            self.save_bans(kept);
        }
        self.restore_accounts();
        self.restore_regulars();
        self.renew_clemency();
        self.fill_filter();
        self.limit_connections();
        self.attach();
        self.restore_policy();
        self.serve_policy();
        if let Some(privilege) = privilege {
            self.hand_over(&privilege);
            privilege.give_up()?;
        }
        self.follow_sources();
        self.serve_metrics();
        info!(
            version = env!("CARGO_PKG_VERSION"),
            bans = self.judge.bans().len(),
            rules = self.config.rules.rules.len(),
            mode = self.config.filter.mode.as_str(),
            "started"
        );
        Ok(())
    }

    /// Lets the user go on with the filter that root has opened.
    fn hand_over(&mut self, privilege: &Privilege) {
        if let Some(filter) = &mut self.filter {
            let handed = filter.hand_over(privilege.uid().as_raw(), privilege.gid().as_raw());
            self.health.note_filled(handed);
        }
    }

    /// Makes the kernel's maps hold exactly what the judge has in force.
    pub(super) fn fill_filter(&mut self) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        let bans: Vec<(IpNet, KernelInstant)> = self
            .judge
            .bans()
            .each()
            .map(|ban| (ban.net, self.clock.kernel_end(ban.end)))
            .collect();
        let allowed: Vec<IpNet> = self
            .judge
            .allowlist()
            .iter()
            .map(|entry| entry.net)
            .collect();
        let observe = self.config.filter.mode.is_observe();
        let filled = filter
            .configure(&self.config.filter.ports, observe)
            .and_then(|()| filter.replace_all(&bans, &allowed));
        self.health.note_filled(filled);
    }
}

/// What is one agent's alone, and refuses a second one.
fn open(
    paths: &Paths,
    config: &Config,
    clock: &Clock,
) -> Result<(Opened, control::Listener), RunError> {
    let mut opened = Store::open(&paths.state_dir, clock)?;
    opened.store.bound(config.store.max_bytes)?;
    opened.store.shrink()?;
    let listener = control::listen(&paths.run_dir, config.control.group.as_deref())?;
    Ok((opened, listener))
}

pub(super) fn judge_settings(config: &Config) -> JudgeSettings {
    JudgeSettings {
        rules: config
            .rules
            .rules
            .iter()
            .map(|(rule, _)| rule.clone())
            .collect(),
        ipv6_prefix: config.filter.ipv6_prefix,
    }
}

pub(super) fn allowlist(
    config: &Config,
    own: &[std::net::IpAddr],
    manual: &[AllowEntry],
) -> Allowlist {
    let own = own.iter().map(|address| AllowEntry {
        net: IpNet::from(*address),
        origin: AllowOrigin::Own,
        reason: "address of this host".to_owned(),
    });
    let from_config = config.allow.iter().map(|net| AllowEntry {
        net: *net,
        origin: AllowOrigin::Config,
        reason: "[allow] networks".to_owned(),
    });
    Allowlist::new(own.chain(from_config).chain(manual.iter().cloned()))
}

pub(super) fn own_addresses() -> Vec<std::net::IpAddr> {
    host::own_addresses().unwrap_or_else(|err| {
        warn!("cannot read the host's own addresses: {err}");
        Vec::new()
    })
}

fn kept_bans(filter: &Filter, clock: &Clock) -> Vec<Ban> {
    let now = clock.now();
    let kept = filter.kept().unwrap_or_else(|error| {
        warn!("{:#}", anyhow::Error::from(error));
        Vec::new()
    });
    kept.into_iter()
        .map(|(net, end)| (net, clock.end(end)))
        .filter(|(_, end)| !end.is_over_at(now))
        .map(|(net, end)| kernel_ban(net, end, now))
        .collect()
}

/// Opens the filter while `work` is done: of many bans, to read what the kernel has takes as long as to sort what the store had.
fn beside<T: Send>(open: impl Fn() -> T + Sync, work: impl FnOnce()) -> T {
    thread::scope(|scope| {
        let opening = thread::Builder::new().spawn_scoped(scope, &open);
        work();
        match opening.map(ScopedJoinHandle::join) {
            Ok(Ok(opened)) => opened,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => open(),
        }
    })
}

fn kernel_ban(net: IpNet, end: End, now: std::time::SystemTime) -> Ban {
    Ban {
        reason: "found in the kernel after the database was lost".to_owned(),
        ..Ban::new(net, Origin::Kernel, now, end)
    }
}
