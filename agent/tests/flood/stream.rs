//! Clients of whom no two have the same address, nor the same account: what each does, and what must hold whatever they do.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use mailwall::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::{End, RuleName},
    config::{Config, PRESETS},
    decision::{Decision, Pardon},
    event::{Event, EventKind, Service, SessionId},
    judge::{Judge, JudgeSettings, Table},
};

const LINE: &[u8] = b"Feb 10 13:26:34 mx1 postfix/smtpd[1234]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: authentication failure";
/// Rules of sorts that no preset has, or that are reached by a single event, so that every table is filled.
const RULES: &str = r#"
[[rule]]
name = "held-at-once"
count = ["bounce-out"]
per = "account"
limit = 1
window = "1d"
then = { hold = "permanent" }

[[rule]]
name = "on-trial"
mode = "observe"
count = ["connect"]
per = "address"
limit = 1
window = "1h"

[[rule]]
name = "near"
count = ["tls-failure"]
per = "address"
limit = 5
window = "1h"
"#;

/// A judge in a flood, and the bans that it must not forget.
pub struct Flood {
    judge: Judge,
    in_force: HashMap<IpNet, End>,
    now: SystemTime,
    /// What went wrong first.
    wrong: Option<String>,
}

impl Flood {
    /// Under the rules of all presets.
    ///
    /// # Errors
    /// When a preset is wrong.
    pub fn new() -> Result<Self, String> {
        let config = Config::parse(RULES, "flood").map_err(|error| error.to_string())?;
        let mut rules: Vec<_> = config.rules.rules.clone();
        for preset in PRESETS {
            let config = Config::default().with_preset(preset);
            rules.extend(config.map_err(|error| error.to_string())?.rules.rules);
        }
        let mut settings = JudgeSettings {
            rules: rules.into_iter().map(|(rule, _)| rule).collect(),
            ipv6_prefix: 64,
        };
        for (number, rule) in settings.rules.iter_mut().enumerate() {
            rule.name = RuleName::new(&format!("rule-{number}")).ok_or("a name")?;
        }
        let allowed = AllowEntry {
            net: "198.18.0.0/15".parse().map_err(|_| "a net")?,
            origin: AllowOrigin::Config,
            reason: String::new(),
        };
        let mut judge = Judge::new(settings, Allowlist::new([allowed]));
        config.clemency.put_in_force(&mut judge);
        Ok(Self {
            judge,
            in_force: HashMap::new(),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            wrong: None,
        })
    }

    /// The client of that number comes: four each millisecond.
    pub fn play(&mut self, client: u64) {
        use EventKind as Kind;
        self.now += Duration::from_micros(250);
        match client % 8 {
            0 => self.event(client, Kind::UnknownRecipient, 1),
            // It guesses a password and leaves, and two programs tell of it.
            1 => {
                self.event(client, Kind::AuthFailure, 1);
                self.event(client, Kind::Disconnect, 1);
            }
            2 => self.event(client, Kind::EarlyTalker, 1),
            // A stolen password, from a new address each.
            3 => self.event(client, Kind::AuthSuccess, 1),
            4 => self.event(client, Kind::MailAccepted, 1),
            5 => self.event(client, Kind::BounceOut, 1),
            6 => self.event(client, Kind::Connect, 1),
            _ => self.event(client, Kind::TlsFailure, 4),
        }
    }

    /// What must hold.
    ///
    /// # Errors
    /// With what does not.
    pub fn check(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        for table in self.judge.tables() {
            if table.used > table.max {
                return Err(format!("too much: {table:?}"));
            }
        }
        let bans = self.judge.bans();
        for (net, end) in &self.in_force {
            if bans.get(net).map(|ban| ban.end) != Some(*end) {
                return Err(format!("the ban of {net} is forgotten"));
            }
        }
        match bans.len() == self.in_force.len() {
            true => Ok(()),
            false => Err("a ban in force that nobody was told of".to_owned()),
        }
    }

    /// The tables of the judge.
    pub fn tables(&self) -> Vec<Table> {
        self.judge.tables()
    }

    /// Bans in force.
    pub fn bans(&self) -> usize {
        self.in_force.len()
    }

    /// Nobody comes for a year: what ends has ended.
    pub fn pass_a_year(&mut self) {
        for _ in 0..12 {
            self.now += Duration::from_secs(31 * 86_400);
            self.judge.handle_timeout(self.now);
            self.note();
        }
    }

    fn event(&mut self, client: u64, kind: EventKind, times: u64) {
        let name = |of: &str| Some(format!("{of}{client}@example.org").into());
        let names_account = matches!(
            kind,
            EventKind::AuthFailure
                | EventKind::AuthSuccess
                | EventKind::MailAccepted
                | EventKind::BounceOut
        );
        for _ in 0..times {
            let event = Event {
                address: Some(address(client)),
                account: names_account.then(|| name("user")).flatten(),
                recipient: name("to"),
                recipients: Some(1),
                bytes: Some(1_000),
                session: Some(SessionId(client)),
                ..Event::new(self.now, kind, Service::Smtp, "postfix")
            };
            if self.judge.poll_timeout().is_some_and(|due| due <= self.now) {
                self.judge.handle_timeout(self.now);
                self.note();
            }
            self.judge.handle_event(&event, LINE);
            self.note();
        }
    }

    /// Keeps the bans beside the judge.
    fn note(&mut self) {
        while let Some(decision) = self.judge.next_decision() {
            match decision {
                Decision::Ban(ban) => {
                    self.in_force.insert(ban.net, ban.end);
                }
                Decision::Unban { net, pardon } => {
                    let end = self.in_force.remove(&net);
                    // One ends with its time, or gives way in a full filter.
                    let is_right = match pardon {
                        Pardon::Expired => end.is_some_and(|end| end.is_over_at(self.now)),
                        Pardon::Displaced => end.is_some(),
                        _ => false,
                    };
                    if !is_right {
                        self.wrong
                            .get_or_insert(format!("{net} let in: {pardon:?} of {end:?}"));
                    }
                }
                _ => {}
            }
        }
    }
}

/// One in eight IPv6, three in sixteen on the allowlist; no two in the same /64.
fn address(client: u64) -> IpAddr {
    // An odd factor: no two numbers below 2^32 have the same product.
    let number = (client as u32).wrapping_mul(0x9e37_79b1);
    match (client / 8) % 16 {
        0 | 1 => Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number) << 64 | 1).into(),
        2..=4 => Ipv4Addr::from(0xc612_0000 | number & 0x1_ffff).into(),
        _ => Ipv4Addr::from(number | 0x0100_0000).into(),
    }
}
