//! Asks the agent, in a thread of its own: an agent that is slow or gone keeps nobody from reading or leaving.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use ipnet::IpNet;

use crate::{
    cli::{exchange, net},
    clock::kernel_now,
    control::{
        self, ClientError,
        protocol::{
            AccountList, AccountSort, Answer, BanCheck, BanFilter, BanList, BanSort, EventLog,
            HostList, Request, RuleList, Status,
        },
    },
    duration as span,
};

/// Most bans of a page.
const BANS_MAX: usize = 1000;
/// Most hosts of a page.
const HOSTS_MAX: usize = 200;
/// Most accounts of a page.
const ACCOUNTS_MAX: usize = 200;
/// Most events of a page.
const EVENTS_MAX: usize = 500;

/// What is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum View {
    Bans(BanSort),
    Rules,
    Hosts,
    Accounts(AccountSort),
    Sources,
    Events,
}

/// What the agent answered at one time.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Time of `CLOCK_MONOTONIC`.
    pub(super) at: Duration,
    pub(super) status: Status,
    pub(super) page: Page,
}

/// What is looked at, as it is. That of sources is in the status.
#[derive(Debug)]
pub(super) enum Page {
    Bans(BanSort, BanList),
    Rules(RuleList),
    Hosts(HostList),
    Accounts(AccountSort, AccountList),
    Sources,
    Events(EventLog),
}

/// Something to be changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Ban(IpNet, Option<Duration>),
    Unban(IpNet),
    Allow(IpNet),
}

/// What the screen wants of the agent.
#[derive(Debug)]
pub(super) enum Order {
    Look(View),
    Do(Change),
    Evidence(IpNet),
}

/// What the agent said.
#[derive(Debug)]
pub(super) enum News {
    Snapshot(Box<Snapshot>),
    /// Nothing; why.
    Unreachable(String),
    Done(Result<String, String>),
    Evidence(IpNet, Box<Result<BanCheck, String>>),
}

/// Both ends of the way to the thread.
pub(super) struct Feed {
    orders: Sender<Order>,
    news: Receiver<News>,
}

impl Feed {
    pub(super) fn start(socket: PathBuf, every: Duration) -> Self {
        let (orders, orders_out) = mpsc::channel();
        let (news_in, news) = mpsc::channel();
        thread::spawn(move || ask_on(&socket, every, &orders_out, &news_in));
        Self { orders, news }
    }

    /// The next news, if there are any.
    pub(super) fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// `false` when nobody takes orders any more.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }
}

/// Until the screen is gone.
fn ask_on(socket: &Path, every: Duration, orders: &Receiver<Order>, news: &Sender<News>) {
    let mut view = View::Bans(BanSort::Added);
    let mut next = kernel_now();
    loop {
        let wait = next.saturating_sub(kernel_now());
        let said = match orders.recv_timeout(wait) {
            Ok(Order::Look(wanted)) => {
                view = wanted;
                next = kernel_now();
                continue;
            }
            Ok(Order::Do(change)) => {
                next = kernel_now();
                News::Done(carry_out(socket, &change))
            }
            Ok(Order::Evidence(net)) => News::Evidence(net, Box::new(evidence(socket, net))),
            Err(RecvTimeoutError::Timeout) => {
                let said = match look(socket, view) {
                    Ok(snapshot) => News::Snapshot(Box::new(snapshot)),
                    Err(why) => News::Unreachable(why),
                };
                next = kernel_now() + every;
                said
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if news.send(said).is_err() {
            return;
        }
    }
}

fn look(socket: &Path, view: View) -> Result<Snapshot, String> {
    let Answer::Status(status) = ask(socket, &Request::Status)? else {
        return Err(other());
    };
    let at = kernel_now();
    let page = match view {
        View::Bans(sort) => {
            let limit = BANS_MAX;
            match ask(
                socket,
                &Request::BanList {
                    sort,
                    limit,
                    only: BanFilter::default(),
                    past: false,
                },
            )? {
                Answer::BanList(list) => Page::Bans(sort, list),
                _ => return Err(other()),
            }
        }
        View::Rules => match ask(socket, &Request::RuleList)? {
            Answer::RuleList(list) => Page::Rules(list),
            _ => return Err(other()),
        },
        View::Hosts => match ask(socket, &Request::HostList { limit: HOSTS_MAX })? {
            Answer::HostList(list) => Page::Hosts(list),
            _ => return Err(other()),
        },
        View::Accounts(sort) => {
            let limit = ACCOUNTS_MAX;
            match ask(socket, &Request::AccountList { sort, limit })? {
                Answer::AccountList(list) => Page::Accounts(sort, list),
                _ => return Err(other()),
            }
        }
        View::Sources => Page::Sources,
        View::Events => {
            let request = Request::Events {
                follow: false,
                limit: EVENTS_MAX,
            };
            match ask(socket, &request)? {
                Answer::Events(log) => Page::Events(log),
                _ => return Err(other()),
            }
        }
    };
    Ok(Snapshot {
        at,
        status: *status,
        page,
    })
}

fn carry_out(socket: &Path, change: &Change) -> Result<String, String> {
    match change {
        Change::Ban(net, length) => {
            let request = Request::BanAdd {
                nets: vec![*net],
                for_s: length.map(|length| length.as_secs()),
                reason: "by hand".to_owned(),
                caller: exchange::caller(),
                wide: false,
            };
            match ask(socket, &request)? {
                Answer::BanAdded(added) => {
                    let net = net::shown(net);
                    let length = length.map_or_else(
                        || "until removed".to_owned(),
                        |length| format!("for {}", span::format(length)),
                    );
                    let warnings = added.warnings.iter().map(|text| format!("; {text}"));
                    Ok(format!(
                        "banned {net} {length}{}",
                        warnings.collect::<String>()
                    ))
                }
                _ => Err(other()),
            }
        }
        Change::Unban(net) => match ask(socket, &Request::BanRemove { nets: vec![*net] })? {
            Answer::BanRemoved(removed) if removed.removed.is_empty() => {
                Err(format!("{} is not banned", net::shown(net)))
            }
            Answer::BanRemoved(removed) => {
                let covered = removed.still_covered.iter().map(net::shown);
                let covered: Vec<String> = covered.collect();
                let still = if covered.is_empty() {
                    String::new()
                } else {
                    format!("; still covered by {}", covered.join(", "))
                };
                Ok(format!("unbanned {}{still}", net::shown(net)))
            }
            _ => Err(other()),
        },
        Change::Allow(net) => {
            let request = Request::AllowAdd {
                nets: vec![*net],
                reason: "by hand".to_owned(),
            };
            match ask(socket, &request)? {
                Answer::AllowAdded(allowed) => {
                    let unbanned = match allowed.unbanned.len() {
                        0 => String::new(),
                        1 => ", and ended its ban".to_owned(),
                        bans => format!(", and ended {bans} bans"),
                    };
                    Ok(format!("allowed {}{unbanned}", net::shown(net)))
                }
                _ => Err(other()),
            }
        }
    }
}

fn evidence(socket: &Path, net: IpNet) -> Result<BanCheck, String> {
    let address = net.addr();
    match ask(socket, &Request::BanCheck { address })? {
        Answer::BanCheck(check) => Ok(check),
        _ => Err(other()),
    }
}

fn ask(socket: &Path, request: &Request) -> Result<Answer, String> {
    control::ask(socket, request).map_err(|error| match &error {
        ClientError::Refused(refused) => match &refused.hint {
            Some(hint) => format!("{}: {hint}", refused.error),
            None => refused.error.clone(),
        },
        ClientError::NotPermitted { .. } => {
            format!("{error}: run it as root, or as a member of the group in [control]")
        }
        _ => error.to_string(),
    })
}

fn other() -> String {
    "mailwall answered something else: the agent may be of another version than this command"
        .to_owned()
}
