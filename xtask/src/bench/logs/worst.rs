//! The longest and ugliest lines: what each costs a byte, at three lengths. Where the work is linear in the length, that does not
//! grow. Beyond `LINE_MAX` a line is cut, so that the longest cost less a byte.

use std::{hint::black_box, time::Duration};

use anyhow::Result;
use jiff::tz::TimeZone;
use mailwall::{dialect::Reader, line::LINE_MAX};

use super::{
    effort::{Effort, measured},
    pipeline::end,
};
use crate::bench::report::{Cell, Limit, Report, Table};

/// Who may have written the line, and how it begins.
const HEADS: [(&str, &str); 14] = [
    ("no header", ""),
    ("half a header", "Feb 10 13:26:34 "),
    ("postfix, any", "Feb 10 13:26:34 mx postfix/smtpd[1]: "),
    (
        "postfix, warning",
        "Feb 10 13:26:34 mx postfix/smtpd[1]: warning: ",
    ),
    (
        "postfix, login",
        "Feb 10 13:26:34 mx postfix/smtpd[1]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: ",
    ),
    (
        "postfix, reject",
        "Feb 10 13:26:34 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 <",
    ),
    (
        "postfix, disconnect",
        "Feb 10 13:26:34 mx postfix/smtpd[1]: disconnect from unknown[203.0.113.7] ",
    ),
    (
        "postfix, postscreen",
        "Feb 10 13:26:34 mx postfix/postscreen[1]: NOQUEUE: reject: RCPT from [203.0.113.7]:1: 550 5.7.1 ",
    ),
    (
        "postfix, cleanup",
        "Feb 10 13:26:34 mx postfix/cleanup[1]: 00ADB3C0899: milter-reject: ",
    ),
    (
        "dovecot, login",
        "Feb 10 13:26:34 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<",
    ),
    ("exim", "Feb 10 13:26:34 mx exim[1]: H=("),
    (
        "sendmail",
        "Feb 10 13:26:34 mx sm-mta[1]: 61AD34Ab000001: ruleset=check_rcpt, arg1=<",
    ),
    (
        "opensmtpd",
        "Feb 10 13:26:34 mx smtpd[1]: 0123456789abcdef smtp failed-command command=\"",
    ),
    (
        "rfc5424",
        "<22>1 2025-02-10T13:26:34Z mx postfix/smtpd 1 - [a b=\"",
    ),
];

/// What fills it up.
const FILLINGS: [&str; 12] = [
    "[",
    "]",
    "\"",
    "<",
    ">: ",
    "user=<",
    " from ",
    "; from=<",
    "[192.0.2.1]",
    "a=1 ",
    ": ",
    "x",
];

/// Lengths: the first is that of a long honest line.
const LENGTHS: [usize; 3] = [1_024, 8 * 1_024, 64 * 1_024];
/// How much more a byte may cost at the cap than in a line of 1 KiB.
const GROWTH: f64 = 2.0;

/// Measures.
///
/// # Errors
/// None so far.
pub fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "worst",
        format!(
            "Worst lines: picoseconds a byte of the dearest filling (lines are cut at {LINE_MAX} bytes)"
        ),
        &[
            ("line", "LINE"),
            ("filling", "FILLING"),
            ("ps_1k", "1 KIB"),
            ("ps_8k", "8 KIB"),
            ("ps_64k", "64 KIB"),
            ("growth", "GROWTH"),
        ],
    );
    let mut worst_growth = 0.0_f64;
    for (name, head) in HEADS {
        let mut dearest: Option<(&str, [f64; 3])> = None;
        for filling in FILLINGS {
            let costs = LENGTHS.map(|length| picoseconds(effort, head, filling, length));
            let [short, capped, _] = costs;
            worst_growth = worst_growth.max(capped / short);
            if dearest.is_none_or(|(_, known)| capped > known[1]) {
                dearest = Some((filling, costs));
            }
        }
        let Some((filling, [short, capped, long])) = dearest else {
            continue;
        };
        table.row(vec![
            Cell::text_of(name),
            Cell::text_of(format!("{filling:?}")),
            Cell::Number(short, 0),
            Cell::Number(capped, 0),
            Cell::Number(long, 0),
            Cell::Number(capped / short, 2),
        ]);
    }
    report.table(table);
    let what = "worst lines, cost of a byte at 8 KiB over that at 1 KiB, dearest of all";
    report.target(what, worst_growth, "times", Limit::AtMost(GROWTH));
    Ok(())
}

fn picoseconds(effort: Effort, head: &str, filling: &str, length: usize) -> f64 {
    let mut line = head.to_owned();
    while line.len() < length {
        line.push_str(filling);
    }
    line.truncate(length);
    let times = 1 + 256 * 1_024 / length;
    let turn = || {
        let mut reader = Reader::new(TimeZone::UTC);
        let (took, ()) = measured(|| {
            for _ in 0..times {
                black_box(reader.read(black_box(line.as_bytes()), end()));
            }
        });
        took
    };
    let best = (0..effort.rounds).map(|_| turn()).min();
    let bytes = (times * length) as f64;
    best.unwrap_or(Duration::ZERO).as_secs_f64() * 1e12 / bytes
}
