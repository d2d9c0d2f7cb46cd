//! Offences a second, and the memory of a judge that tracks a million hosts.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use mailwall::{
    allowlist::Allowlist,
    event::{Event, EventKind, Service, SessionId},
    judge::Judge,
};

use super::{
    effort::{Effort, measured, memory_mb},
    mix::host,
    pipeline::{TARGET, settings},
    random::mixed,
};
use crate::bench::report::{Cell, Limit, Report, Table};

/// Megabytes that a judge of a million hosts should stay under.
const MEMORY_MB: f64 = 300.0;
/// A line as long as most.
const LINE: &[u8] = b"Feb 10 13:26:34 mx1 postfix/smtpd[1234]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: authentication failure";

/// Who offends, and how often.
struct Attack {
    name: &'static str,
    /// How many hosts.
    hosts: u64,
    /// How many offences of each.
    each: u64,
    /// Whether a host offends again only when all others have.
    in_turn: bool,
}

/// Measures.
///
/// # Errors
/// When the memory of this process is not told.
pub fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let hosts = effort.hosts;
    let attacks = [
        Attack {
            name: "a million hosts, one offence each",
            hosts,
            each: 1,
            in_turn: true,
        },
        Attack {
            name: "a million hosts, three each, in turn",
            hosts,
            each: 3,
            in_turn: true,
        },
        Attack {
            name: "a million hosts, three each, at once",
            hosts,
            each: 3,
            in_turn: false,
        },
        Attack {
            name: "ten million hosts, one each",
            hosts: hosts * 10,
            each: 1,
            in_turn: true,
        },
        Attack {
            name: "1,200 hosts, banned again and again",
            hosts: 1_200,
            each: hosts / 1_200,
            in_turn: true,
        },
    ];
    let mut table = Table::new(
        "judge",
        "The judge with the default rules, one core (events made before; one turn)",
        &[
            ("attack", "ATTACK"),
            ("offences", "OFFENCES"),
            ("tracked", "TRACKED"),
            ("bans", "BANS"),
            ("ns", "NS/OFFENCE"),
            ("per_s", "OFFENCES/S"),
            ("memory_mb", "MEMORY MB"),
        ],
    );
    for attack in attacks {
        let name = attack.name;
        let offences = attack.hosts * attack.each;
        let before = memory_mb("self", "VmRSS")?;
        let mut judge = Judge::new(settings()?, Allowlist::default());
        let mut took = Duration::ZERO;
        let mut bans = 0_u64;
        // Made in pieces, so that they stay in the nearest caches, as those of a reader do.
        for piece in (0..offences).collect::<Vec<_>>().chunks(256) {
            let events: Vec<Event> = piece.iter().map(|&number| attack.event(number)).collect();
            let (time, banned) = measured(|| handle(&mut judge, &events));
            took += time;
            bans += banned;
        }
        let memory = memory_mb("self", "VmRSS")? - before;
        let per_second = offences as f64 / took.as_secs_f64();
        table.row(vec![
            Cell::text_of(name),
            Cell::count(offences),
            Cell::count(judge.tracked() as u64),
            Cell::count(bans),
            Cell::Number(1e9 / per_second, 0),
            Cell::Number(per_second, 0),
            Cell::Number(memory, 0),
        ]);
        let target = Limit::AtLeast(TARGET / 1e6);
        report.target(
            format!("judge, {name}"),
            per_second / 1e6,
            "million offences/s",
            target,
        );
        report.target(
            format!("memory, {name}"),
            memory,
            "MB",
            Limit::AtMost(MEMORY_MB),
        );
        drop(judge);
    }
    report.table(table);
    Ok(())
}

fn handle(judge: &mut Judge, events: &[Event]) -> u64 {
    let mut decisions = 0;
    for event in events {
        if judge.poll_timeout().is_some_and(|due| due <= event.at) {
            judge.handle_timeout(event.at);
        }
        judge.handle_event(event, LINE);
        while judge.next_decision().is_some() {
            decisions += 1;
        }
    }
    decisions
}

impl Attack {
    /// The offence of that number: half are failed logins, half unknown recipients, each with a name of its own.
    fn event(&self, number: u64) -> Event {
        let who = match self.in_turn {
            true => number % self.hosts,
            false => number / self.each,
        };
        let is_login = mixed(number).is_multiple_of(2);
        let kind = match is_login {
            true => EventKind::AuthFailure,
            false => EventKind::UnknownRecipient,
        };
        let name = || Some(format!("user{}@example.org", mixed(number) % 100_000).into());
        // A thousand a second: a million hosts in less than a window of the slowest rules.
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + number);
        Event {
            address: Some(host(who)),
            account: is_login.then(name).flatten(),
            recipient: (!is_login).then(name).flatten(),
            session: Some(SessionId(number)),
            ..Event::new(at, kind, Service::Smtp, "postfix")
        }
    }
}
