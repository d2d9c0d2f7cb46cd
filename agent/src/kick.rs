//! Ends live connections: a ban only keeps new ones away. The kernel resets those of an address, or those that an account is
//! logged in on, at the guarded ports and no others; Dovecot is asked to end the sessions of an account, where it is here.
//!
//! It is done by a task of its own, and never waited for: a `doveadm` that hangs delays no ban and no other kick.

mod diag;
mod doveadm;

use std::{collections::HashSet, io, net::SocketAddr, path::Path, sync::Arc};

use ipnet::IpNet;
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};
use tracing::{info, warn};

pub use diag::{connections, try_destroy};

/// Kicks that may wait; what comes when so many do is not done, and counted.
const WAITING_MAX: usize = 1024;
/// Questions to Dovecot at once; a kick that finds so many under way leaves it out, and says so.
const DOVEADM_MAX: usize = 8;

/// Whose connections end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// All of these hosts.
    Net(IpNet),
    /// Those with these other ends, and what Dovecot knows of the account.
    Account {
        /// Its name, as one argument for Dovecot.
        account: Box<str>,
        /// Address and port of the clients that are logged in to it.
        ends: Vec<SocketAddr>,
    },
}

/// What came of a kick.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kicked {
    /// Connections that the kernel ended.
    pub connections: usize,
    /// Whether Dovecot was asked and did it.
    pub dovecot: bool,
    /// What did not work.
    pub problems: Vec<String>,
}

/// The task that ends connections, for those who send it some.
#[derive(Debug)]
pub struct Kicker {
    jobs: mpsc::Sender<Job>,
    dropped: u64,
}

/// What is done with the outcome, by the task.
type Told = Box<dyn FnOnce(Kicked) + Send>;

struct Job {
    target: Target,
    ports: Vec<u16>,
    told: Option<Told>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("target", &self.target).finish()
    }
}

impl Kicker {
    /// Starts the task, on the runtime of the caller.
    pub fn start() -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(work(waiting));
        Self { jobs, dropped: 0 }
    }

    /// Ends the connections of `target` at `ports` of this host. Never waits; whether it will be done.
    pub fn kick(&mut self, target: Target, ports: Vec<u16>, told: Option<Told>) -> bool {
        let job = Job {
            target,
            ports,
            told,
        };
        let taken = self.jobs.try_send(job).is_ok();
        self.dropped += u64::from(!taken);
        taken
    }

    /// Kicks that were not done, because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

async fn work(mut jobs: mpsc::Receiver<Job>) {
    let doveadm: Option<Arc<Path>> = doveadm::find().map(Into::into);
    let room = Arc::new(Semaphore::new(DOVEADM_MAX));
    while let Some(job) = jobs.recv().await {
        let Job {
            target,
            ports,
            told,
        } = job;
        let wanted = target.clone();
        let cut = spawn_blocking(move || cut(&wanted, &ports)).await;
        let mut kicked = cut.unwrap_or_else(|error| Kicked {
            problems: vec![format!("not done: {error}")],
            ..Kicked::default()
        });
        let (Target::Account { account, .. }, Some(doveadm)) = (&target, &doveadm) else {
            tell(&target, kicked, told);
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            kicked.problems.push(format!(
                "doveadm: {DOVEADM_MAX} of them are under way already"
            ));
            tell(&target, kicked, told);
            continue;
        };
        let (doveadm, account) = (Arc::clone(doveadm), account.clone());
        tokio::spawn(async move {
            match doveadm::kick(&doveadm, &account).await {
                Ok(()) => kicked.dovecot = true,
                Err(error) => kicked.problems.push(format!("doveadm: {error}")),
            }
            drop(permit);
            tell(&target, kicked, told);
        });
    }
}

/// Ends the connections that the kernel has.
fn cut(target: &Target, ports: &[u16]) -> Kicked {
    let mut kicked = Kicked::default();
    let ended = match target {
        Target::Net(net) => cut_where(ports, |peer| net.contains(&peer.ip()), &mut kicked),
        Target::Account { ends, .. } if ends.is_empty() => Ok(()),
        Target::Account { ends, .. } => {
            let ends: HashSet<&SocketAddr> = ends.iter().collect();
            cut_where(ports, |peer| ends.contains(&peer), &mut kicked)
        }
    };
    if let Err(error) = ended {
        kicked
            .problems
            .push(format!("not every connection was ended: {error}"));
    }
    kicked
}

fn cut_where(
    ports: &[u16],
    is_meant: impl Fn(SocketAddr) -> bool,
    kicked: &mut Kicked,
) -> io::Result<()> {
    for connection in diag::connections(ports)? {
        if is_meant(connection.peer) && diag::destroy(&connection)? {
            kicked.connections += 1;
        }
    }
    Ok(())
}

fn tell(target: &Target, kicked: Kicked, told: Option<Told>) {
    let whom = match target {
        Target::Net(net) => net.to_string(),
        Target::Account { account, .. } => account.to_string(),
    };
    info!(
        whom,
        connections = kicked.connections,
        dovecot = kicked.dovecot,
        "kicked"
    );
    for problem in &kicked.problems {
        warn!(whom, "kick: {problem}");
    }
    if let Some(told) = told {
        told(kicked);
    }
}

#[cfg(test)]
mod tests;
