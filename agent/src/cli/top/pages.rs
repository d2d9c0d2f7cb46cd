//! The pages: what stands in their rows.

use super::{
    feed::{Page, Snapshot, View},
    list::{Column, Row, number, text},
};
use crate::{
    cli::{
        net,
        number::{bytes, grouped},
        paint::Tone,
        time,
    },
    control::protocol::{
        AccountSort, AccountView, BanSort, BanView, EventLog, HostView, LoggedEvent, RuleView,
        Source,
    },
};

/// One of the pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tab {
    Bans,
    Rules,
    Hosts,
    Accounts,
    Sources,
    Events,
}

impl Tab {
    pub(super) const ALL: [Self; 6] = [
        Self::Bans,
        Self::Rules,
        Self::Hosts,
        Self::Accounts,
        Self::Sources,
        Self::Events,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Bans => "Bans",
            Self::Rules => "Rules",
            Self::Hosts => "Hosts",
            Self::Accounts => "Accounts",
            Self::Sources => "Sources",
            Self::Events => "Events",
        }
    }

    /// The orders that its rows can have, the first at first.
    pub(super) const fn orders(self) -> &'static [&'static str] {
        match self {
            Self::Bans => &["added", "ends", "drops"],
            Self::Rules => &["tried", "near", "breaches", "tracked"],
            Self::Hosts => &["score", "latest", "offences"],
            Self::Accounts => &["addresses", "messages", "recipients", "failed", "latest"],
            Self::Sources => &["config", "lag", "refused"],
            Self::Events => &["latest"],
        }
    }

    /// What is asked of the agent for it.
    pub(super) const fn view(self, order: usize) -> View {
        match self {
            Self::Bans => View::Bans(match order {
                1 => BanSort::Ends,
                2 => BanSort::Drops,
                _ => BanSort::Added,
            }),
            Self::Rules => View::Rules,
            Self::Hosts => View::Hosts,
            Self::Accounts => View::Accounts(match order {
                1 => AccountSort::Messages,
                2 => AccountSort::Recipients,
                3 => AccountSort::Failures,
                4 => AccountSort::Last,
                _ => AccountSort::Addresses,
            }),
            Self::Sources => View::Sources,
            Self::Events => View::Events,
        }
    }

    pub(super) const fn columns(self) -> &'static [Column] {
        const BANS: &[Column] = &[
            text("NET", 43, 0),
            text("RULE", 24, 2),
            text("SINCE", 10, 4),
            text("ENDS", 10, 0),
            number("OFFENCES", 8, 5),
            number("DROPPED", 14, 1),
            text("REASON", 0, 3),
        ];
        const RULES: &[Column] = &[
            text("RULE", 32, 0),
            text("PER", 8, 3),
            number("LIMIT", 7, 2),
            text("WINDOW", 7, 2),
            number("TRACKED", 11, 0),
            number("NEAR", 9, 0),
            number("BREACHES", 11, 0),
            text("WHAT IT DOES", 0, 1),
        ];
        const HOSTS: &[Column] = &[
            text("HOST", 43, 0),
            number("SCORE", 9, 0),
            number("OFFENCES", 11, 0),
            text("LATEST", 10, 0),
            text("WHAT", 18, 0),
            text("SERVICE", 7, 1),
            text("BANNED", 6, 0),
        ];
        const ACCOUNTS: &[Column] = &[
            text("ACCOUNT", 40, 0),
            number("ADDRESSES", 9, 0),
            number("MESSAGES", 10, 0),
            number("MEAN", 8, 3),
            number("RECIPIENTS", 10, 1),
            number("FAILED", 8, 0),
            number("WRONG", 7, 2),
            text("LAST", 10, 1),
            text("HELD", 4, 0),
        ];
        const SOURCES: &[Column] = &[
            text("SOURCE", 60, 0),
            text("STATE", 9, 0),
            number("LAG", 10, 0),
            number("BEHIND", 7, 4),
            number("LINES", 14, 1),
            number("EVENTS", 13, 2),
            number("REFUSED", 9, 3),
            number("UNKNOWN", 9, 3),
            text("LAST LINE", 10, 5),
            text("PROBLEM", 0, 6),
        ];
        const EVENTS: &[Column] = &[
            text("TIME", 8, 0),
            text("EVENT", 18, 0),
            text("NET", 43, 0),
            text("SERVICE", 7, 3),
            number("SCORE", 5, 4),
            text("RULE", 24, 1),
            text("ABOUT", 0, 2),
        ];
        match self {
            Self::Bans => BANS,
            Self::Rules => RULES,
            Self::Hosts => HOSTS,
            Self::Accounts => ACCOUNTS,
            Self::Sources => SOURCES,
            Self::Events => EVENTS,
        }
    }

    /// The rows, in that order; `None` where the snapshot is of another page, or in another order.
    pub(super) fn rows(self, snapshot: &Snapshot, order: usize) -> Option<Vec<Row>> {
        match (self, &snapshot.page) {
            (Self::Bans, Page::Bans(sort, list)) if self.view(order) == View::Bans(*sort) => {
                let mut rows: Vec<Row> = list.bans.iter().map(ban).collect();
                if *sort == BanSort::Added {
                    // On a screen the newest is where one looks first.
                    rows.reverse();
                }
                Some(rows)
            }
            (Self::Rules, Page::Rules(list)) => {
                let mut rules: Vec<&RuleView> = list.rules.iter().collect();
                match order {
                    1 => rules.sort_by_key(|rule| std::cmp::Reverse(rule.near)),
                    2 => rules.sort_by_key(|rule| std::cmp::Reverse(rule.breaches)),
                    3 => rules.sort_by_key(|rule| std::cmp::Reverse(rule.tracked)),
                    _ => {}
                }
                Some(rules.into_iter().map(rule).collect())
            }
            (Self::Hosts, Page::Hosts(list)) => {
                let mut hosts: Vec<&HostView> = list.hosts.iter().collect();
                match order {
                    1 => hosts.sort_by_key(|host| host.last_s),
                    2 => hosts.sort_by_key(|host| std::cmp::Reverse(host.offences)),
                    _ => {}
                }
                Some(hosts.into_iter().map(host).collect())
            }
            (Self::Accounts, Page::Accounts(sort, list))
                if self.view(order) == View::Accounts(*sort) =>
            {
                Some(list.accounts.iter().map(account).collect())
            }
            (Self::Sources, _) => {
                let mut sources: Vec<&Source> = snapshot.status.sources.iter().collect();
                match order {
                    1 => sources.sort_by_key(|source| std::cmp::Reverse(source.lag_bytes)),
                    2 => sources.sort_by_key(|source| std::cmp::Reverse(source.refused)),
                    _ => {}
                }
                Some(sources.into_iter().map(source).collect())
            }
            (Self::Events, Page::Events(log)) => Some(events(log)),
            _ => None,
        }
    }

    /// How many there are in all, where fewer are listed.
    pub(super) fn total(snapshot: &Snapshot) -> Option<usize> {
        match &snapshot.page {
            Page::Bans(_, list) => Some(list.total),
            Page::Hosts(list) => Some(list.total),
            Page::Accounts(_, list) => Some(list.total),
            Page::Rules(_) | Page::Sources | Page::Events(_) => None,
        }
    }
}

fn ban(ban: &BanView) -> Row {
    let ends = ban
        .remaining_s
        .map_or_else(|| "never".to_owned(), time::ahead);
    let cells = [
        net::shown(&ban.net),
        ban.rule.clone(),
        time::ago(ban.age_s),
        ends,
        grouped(u64::from(ban.offences)),
        ban.dropped.map_or_else(String::new, grouped),
        ban.reason.clone(),
    ];
    Row::new(ban.net.to_string(), cells)
}

fn rule(rule: &RuleView) -> Row {
    let cells = [
        rule.name.clone(),
        rule.per.clone(),
        grouped(u64::from(rule.limit)),
        rule.window_s.map_or_else(String::new, time::coarse),
        grouped(rule.tracked as u64),
        grouped(rule.near as u64),
        grouped(rule.breaches),
        rule.description.clone(),
    ];
    let tone = if rule.breaches > 0 {
        Tone::Odd
    } else {
        Tone::Normal
    };
    Row::new(rule.name.clone(), cells).tone(tone)
}

fn host(host: &HostView) -> Row {
    let cells = [
        net::shown(&host.net),
        format!("{:.1}", host.score),
        grouped(host.offences),
        time::ago(host.last_s),
        host.last.clone(),
        host.service.clone(),
        if host.banned { "yes" } else { "no" }.to_owned(),
    ];
    let tone = if host.banned { Tone::Normal } else { Tone::Odd };
    Row::new(host.net.to_string(), cells).tone(tone)
}

fn account(account: &AccountView) -> Row {
    let mean = account.messages_mean;
    let cells = [
        account.account.clone(),
        grouped(account.addresses as u64),
        grouped(account.messages),
        mean.map_or_else(String::new, |mean| format!("{mean:.1}")),
        grouped(account.recipients),
        grouped(account.failures),
        grouped(account.bounces),
        time::ago(account.last_s),
        if account.held { "yes" } else { "no" }.to_owned(),
    ];
    let tone = if account.held {
        Tone::Bad
    } else {
        Tone::Normal
    };
    Row::new(account.account.clone(), cells).tone(tone)
}

fn source(source: &Source) -> Row {
    let cells = [
        source.name.clone(),
        source.state.clone(),
        source.lag_bytes.map_or_else(|| "?".to_owned(), bytes),
        source.lag_s.map_or_else(|| "?".to_owned(), time::coarse),
        grouped(source.lines),
        grouped(source.understood),
        grouped(source.refused),
        grouped(source.unknown),
        source
            .last_line
            .as_deref()
            .map_or_else(|| "never".to_owned(), time::since),
        source.problem.clone().unwrap_or_default(),
    ];
    let tone = match source.problem {
        Some(_) => Tone::Bad,
        None => Tone::Normal,
    };
    Row::new(source.name.clone(), cells).tone(tone)
}

fn events(log: &EventLog) -> Vec<Row> {
    // The same event may be there twice: what tells two apart is how many like it came before.
    let mut seen = std::collections::HashMap::new();
    let keyed = |event: &LoggedEvent| {
        let name = format!(
            "{} {} {:?} {:?}",
            event.at, event.event, event.net, event.recipient
        );
        let count: &mut usize = seen.entry(name.clone()).or_default();
        *count += 1;
        self::event(event, format!("{name} {count}"))
    };
    let mut rows: Vec<Row> = log.events.iter().map(keyed).collect();
    rows.reverse();
    rows
}

fn event(event: &LoggedEvent, key: String) -> Row {
    let about = [&event.account, &event.recipient, &event.source];
    let about: Vec<&str> = about.into_iter().flatten().map(String::as_str).collect();
    let at = time::local(&event.at);
    let clock = at.split(' ').nth(1).unwrap_or(&at).to_owned();
    let is_offence = event.score > 0.0;
    let cells = [
        clock,
        event.event.clone(),
        event.net.as_ref().map_or_else(String::new, net::shown),
        event.service.clone().unwrap_or_default(),
        if is_offence {
            format!("{:.1}", event.score)
        } else {
            String::new()
        },
        event.rule.clone().unwrap_or_default(),
        match event.for_s {
            Some(length) => format!(
                "for {}",
                crate::duration::format(std::time::Duration::from_secs(length))
            ),
            None => about.join(" "),
        },
    ];
    let tone = match event.event.as_str() {
        "ban" => Tone::Bad,
        "unban" => Tone::Good,
        _ => Tone::Normal,
    };
    Row::new(key, cells).tone(tone)
}

/// The network that a row of that page is about.
pub(super) fn net_of(tab: Tab, row: &Row) -> Option<&str> {
    let column = match tab {
        Tab::Bans | Tab::Hosts => 0,
        Tab::Events => 2,
        Tab::Rules | Tab::Accounts | Tab::Sources => return None,
    };
    row.cells
        .get(column)
        .map(String::as_str)
        .filter(|net| !net.is_empty())
}
