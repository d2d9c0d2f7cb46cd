//! A mail server's log, made up: one in four lines tells of something bad. The same seed makes the same log.

mod dovecot;
mod exim;
mod postfix;

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

use super::random::{Random, mixed};

/// Hosts that misbehave where they are few.
const BAD_HOSTS: u64 = 1_200;
/// Hosts that only deliver mail.
const GOOD_HOSTS: u64 = 400;
/// Lines a second, by the log's own time.
const LINES_PER_SECOND: u64 = 50;
/// Share of the lines that are bad: one in so many.
const ONE_BAD_IN: u64 = 4;

/// Whose lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    /// Postfix alone.
    Postfix,
    /// Dovecot alone.
    Dovecot,
    /// Exim alone, through syslog.
    Exim,
    /// All three, session by session.
    All,
}

/// Who does the bad things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// The same 1,200 again and again.
    Few,
    /// Each bad session is one of another host.
    EverNew,
}

/// A log in memory.
pub struct Log {
    text: Vec<u8>,
    lines: Vec<Range<usize>>,
    /// How many of them are bad.
    pub bad: u64,
}

impl Log {
    /// The lines, without their ends.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.lines.iter().map(|line| &self.text[line.clone()])
    }

    /// As a file holds it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Mean length of a line, its end included.
    pub fn mean_length(&self) -> f64 {
        self.text.len() as f64 / self.lines.len().max(1) as f64
    }
}

/// Makes a log of about `lines` lines.
pub fn log(program: Program, hosts: Hosts, lines: u64) -> Log {
    let mut writer = Writer::new(hosts);
    while writer.lines() < lines {
        let is_bad = writer.log.bad * ONE_BAD_IN < writer.lines();
        let program = match program {
            Program::All => {
                const PROGRAMS: [&Program; 3] =
                    [&Program::Postfix, &Program::Dovecot, &Program::Exim];
                *writer.random.one_of(&PROGRAMS)
            }
            program => program,
        };
        match program {
            Program::Dovecot => dovecot::session(&mut writer, is_bad),
            Program::Exim => exim::session(&mut writer, is_bad),
            Program::Postfix | Program::All => postfix::session(&mut writer, is_bad),
        }
    }
    writer.log
}

/// Writes lines one by one.
struct Writer {
    log: Log,
    random: Random,
    hosts: Hosts,
    /// Bad sessions so far.
    sessions: u64,
}

impl Writer {
    fn new(hosts: Hosts) -> Self {
        Self {
            log: Log {
                text: Vec::new(),
                lines: Vec::new(),
                bad: 0,
            },
            random: Random::new(4),
            hosts,
            sessions: 0,
        }
    }

    fn lines(&self) -> u64 {
        self.log.lines.len() as u64
    }

    /// A line of `tag` with a header as rsyslog and syslogd write it.
    fn line(&mut self, tag: &str, message: std::fmt::Arguments<'_>) {
        let start = self.log.text.len();
        let second = self.lines() / LINES_PER_SECOND;
        let (day, hour) = (second / 86_400, second / 3_600 % 24);
        let (minute, second) = (second / 60 % 60, second % 60);
        let (month, day) = (["Feb", "Mar", "Apr"][(day / 28 % 3) as usize], day % 28 + 1);
        // Writing to memory does not fail.
        let _written = write!(
            self.log.text,
            "{month} {day:2} {hour:02}:{minute:02}:{second:02} mx1 {tag}: {message}"
        );
        self.log.lines.push(start..self.log.text.len());
        self.log.text.push(b'\n');
    }

    /// A line that weighs against a client.
    fn bad_line(&mut self, tag: &str, message: std::fmt::Arguments<'_>) {
        self.log.bad += 1;
        self.line(tag, message);
    }

    /// Who has the next bad session.
    fn bad_host(&mut self) -> IpAddr {
        self.sessions += 1;
        match self.hosts {
            Hosts::Few => host(self.random.below(BAD_HOSTS)),
            Hosts::EverNew => host(BAD_HOSTS + self.sessions),
        }
    }

    /// Who delivers mail.
    fn good_host(&mut self) -> (u64, Ipv4Addr) {
        let number = self.random.below(GOOD_HOSTS);
        let address = Ipv4Addr::from_bits(0xc633_6400 | u32::try_from(number % 256).unwrap_or(0));
        (number, address)
    }
}

/// The address of a bad host: no two have the same, and none is on the built-in allowlist.
pub fn host(number: u64) -> IpAddr {
    // An odd factor permutes the 2^24 addresses of the network.
    let within = u32::try_from(number.wrapping_mul(0x9e_3779) & 0xff_ffff).unwrap_or(0);
    let first = 0x2d00_0000 + u32::try_from(number >> 24 & 7).unwrap_or(0) * 0x0100_0000;
    Ipv4Addr::from_bits(first | within).into()
}

/// A name that nobody has.
fn nobody(random: &mut Random) -> String {
    format!(
        "{}{}",
        random.one_of(&["info", "sales", "j.smith", "admin", "office"]),
        random.below(90_000)
    )
}

/// A number in the digits of a queue id.
fn id(number: u64) -> u64 {
    mixed(number) >> 20
}
