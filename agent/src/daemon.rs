//! The agent: one task that owns all state, and one loop. Everything that can happen is a [`Happening`]; sources, control
//! connections and signals are tasks that only hold ends of channels.

mod accounts;
mod answer;
mod bans;
mod carry_out;
mod chores;
mod clemency;
mod event_log;
mod health;
mod hosts;
mod intake;
mod interfaces;
mod journal;
mod kick;
mod limits;
mod manager;
mod notify;
mod policy;
mod reload;
mod report;
mod scrape;
mod start;
mod tally;
mod view;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::yield_now,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tracing::{info, warn};

use crate::{
    clock::Clock,
    config::{Config, ConfigError},
    control::{self, Call},
    decision::Decision,
    filter::{Filter, Tracing},
    host::NetworkWatch,
    journald::Journal,
    judge::{Echoes, Judge, Retold},
    kick::Kicker,
    metrics::Scrape,
    notify::Notify,
    policy::Question,
    privilege::PrivilegeError,
    source::Notice,
    store::{Store, StoreError},
    tally::Tally,
};
use chores::Chores;
use clemency::Clemency;
use event_log::EventLog;
use health::Health;
use intake::Intake;
use limits::{LimitNews, LimitWatch};
use manager::Manager;
use policy::Policy;
use scrape::MetricsEdge;

/// Notices of sources that may wait: past it the sources wait, and the log files are the buffer.
const NOTICES_MAX: usize = 16;
/// Calls of the control socket that may wait.
const CALLS_MAX: usize = 16;
/// How often what changes by itself is looked at: own addresses, drops per second, what failed and may work now. As long
/// may a checkpoint wait to be stored when nothing is decided.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Where an agent keeps its things.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The config file; only the default one may be missing.
    pub config: PathBuf,
    /// Folder of the database.
    pub state_dir: PathBuf,
    /// Folder of the control socket.
    pub run_dir: PathBuf,
    /// Folder of the pinned maps, on a BPF file system.
    pub bpffs_dir: PathBuf,
}

/// Why the agent could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Exit code 78.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control socket cannot be used.
    #[error(transparent)]
    Control(#[from] control::ServeError),
    /// It cannot run as the user that was named.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// The host refuses what every process may do.
    #[error("cannot {what}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Runs the agent until SIGTERM or SIGINT; as `user`, from when the filter is in force.
///
/// # Errors
/// When it cannot start. A filter that cannot be loaded and a source that cannot be read are no errors: the agent goes on,
/// and `status` says so.
pub fn run(paths: Paths, tracing: Tracing, user: Option<&str>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Host {
            what: "start the async runtime",
            source,
        })?;
    runtime.block_on(async {
        let (mut daemon, ends) = Daemon::start(paths, tracing, user)?;
        daemon.run(ends).await;
        daemon.stop();
        daemon.notify.stop().await;
        Ok(())
    })
}

/// All state of the agent.
struct Daemon {
    paths: Paths,
    config: Config,
    clock: Clock,
    judge: Judge,
    store: Store,
    /// `None` while it cannot be loaded: mail flows, bans are kept for when it can.
    filter: Option<Filter>,
    tracing: Tracing,
    intake: Intake,
    clemency: Clemency,
    /// Decisions in force that the store could not take yet.
    unsaved: Vec<Decision>,
    log: EventLog,
    health: Health,
    limits: LimitWatch,
    policy: Policy,
    notify: Notify,
    /// Where decisions are logged with fields; `None` for lines on stderr.
    journal: Option<Journal>,
    manager: Manager,
    metrics: MetricsEdge,
    stages: answer::Stages,
    tally: Tally,
    chores: Chores,
    /// Failures that another program may tell of again, for the counts.
    retold: Retold,
    /// Events that another log may tell of again.
    echoes: Echoes,
    /// When the next report of the day is due (wall time), if there is to be one.
    next_report: Option<SystemTime>,
    notices: mpsc::Sender<Notice>,
    kicker: Kicker,
}

/// Where things happen that the loop waits for.
struct Ends {
    notices: mpsc::Receiver<Notice>,
    calls: mpsc::Receiver<Call>,
    network: Option<NetworkWatch>,
    limit_news: mpsc::Receiver<LimitNews>,
    questions: mpsc::Receiver<Question>,
    scrapes: mpsc::Receiver<Scrape>,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Everything that can happen.
enum Happening {
    Notice(Notice),
    Call(Call),
    NetworkChanged,
    LimitNews(LimitNews),
    Question(Question),
    Scrape(Scrape),
    Timeout,
    Housekeeping,
    /// Nothing else is to be done, and something was put off until then.
    Quiet,
    Reload,
    Shutdown(&'static str),
}

impl Daemon {
    async fn run(&mut self, mut ends: Ends) {
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.tell_ready();
        loop {
            let wake = self.next_wake();
            let happening = tokio::select! {
                biased;
                _ = ends.terminate.recv() => Happening::Shutdown("SIGTERM"),
                _ = ends.interrupt.recv() => Happening::Shutdown("SIGINT"),
                _ = ends.hangup.recv() => Happening::Reload,
                Some(call) = ends.calls.recv() => Happening::Call(call),
                () = network_change(&mut ends.network) => Happening::NetworkChanged,
                Some(question) = ends.questions.recv() => Happening::Question(question),
                Some(notice) = ends.notices.recv() => Happening::Notice(notice),
                Some(news) = ends.limit_news.recv() => Happening::LimitNews(news),
                Some(scrape) = ends.scrapes.recv() => Happening::Scrape(scrape),
                () = sleep_until(wake) => Happening::Timeout,
                _ = housekeeping.tick() => Happening::Housekeeping,
                () = yield_now(), if !self.chores.are_done() => Happening::Quiet,
            };
            match happening {
                Happening::Notice(notice) => self.handle_notice(notice),
                Happening::Call(call) => self.handle_call(call),
                Happening::NetworkChanged => self.follow_network(),
                Happening::LimitNews(news) => self.handle_limit_news(news),
                Happening::Question(question) => self.handle_question(question),
                Happening::Scrape(scrape) => self.handle_scrape(scrape),
                Happening::Timeout => self.handle_timeout(),
                Happening::Housekeeping => self.keep_house(),
                Happening::Quiet => self.do_chore(),
                Happening::Reload => match self.reload() {
                    Ok(reloaded) => info!(changes = reloaded.changes.len(), "reloaded"),
                    Err(err) => warn!("config not reloaded, the old one stays in force: {err}"),
                },
                Happening::Shutdown(signal) => {
                    info!(signal, "stopping; bans stay in force");
                    self.manager.stopping();
                    return;
                }
            }
            self.log.tell(&self.clock);
            self.manager.turned();
        }
    }

    /// When the loop has something to do by itself.
    fn next_wake(&self) -> Instant {
        let now = self.clock.now();
        let until_judge = self
            .judge
            .poll_timeout()
            .map(|at| at.duration_since(now).unwrap_or_default());
        // A timer cannot wait longer than it can represent; an hour is as good as any time.
        let judge = Instant::now()
            + until_judge
                .unwrap_or(Duration::MAX)
                .min(Duration::from_secs(3600));
        self.manager
            .next_beat()
            .map_or(judge, |beat| beat.min(judge))
    }

    fn handle_timeout(&mut self) {
        self.judge.handle_timeout(self.clock.now());
        self.carry_out_decisions();
    }

    /// Leaves maps, program and links in the kernel: bans stay enforced, and end there.
    fn stop(&mut self) {
        self.save_accounts_and_regulars();
        self.carry_out();
        self.save_tally();
        info!("stopped");
    }
}

/// Waits for the next change of the host's interfaces or default routes; for ever, where the host does not tell them.
async fn network_change(network: &mut Option<NetworkWatch>) {
    let told = match network {
        Some(watch) => watch.changed().await,
        None => false,
    };
    if !told {
        *network = None;
        std::future::pending::<()>().await;
    }
}

fn signals() -> std::io::Result<(Signal, Signal, Signal)> {
    Ok((
        signal(SignalKind::hangup())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    ))
}
