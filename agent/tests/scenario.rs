//! Runs every `tests/scenario/*.txt`: timed events go into the judge, and its decisions must be the ones written there. How a
//! scenario is written stands in `tests/scenario/README.md`; a new one needs no Rust.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use mailwall::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::{Ban, End},
    config::{Config, RuleOrigin},
    decision::{Decision, Whom},
    duration,
    event::{Event, EventKind, Score, Service, SessionId},
    judge::{Judge, JudgeSettings},
};

#[test]
fn the_judge_decides_as_the_scenarios_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenario");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(
        files.len() >= 5,
        "scenarios are missing in {}",
        folder.display()
    );
    let mut failures = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for scenario in scenarios(&text) {
            if let Err(difference) = scenario.run() {
                let _ = writeln!(
                    failures,
                    "{name}:{}: {}\n{difference}",
                    scenario.line, scenario.title
                );
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// One scenario of a file.
struct Scenario<'a> {
    title: &'a str,
    line: usize,
    config: String,
    only_config: bool,
    steps: Vec<(usize, &'a str)>,
    expected: Vec<&'a str>,
}

fn scenarios(text: &str) -> Vec<Scenario<'_>> {
    let mut all: Vec<Scenario<'_>> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let line = raw.trim();
        if let Some(title) = line.strip_prefix("== ") {
            all.push(Scenario {
                title,
                line: number,
                config: String::new(),
                only_config: false,
                steps: Vec::new(),
                expected: Vec::new(),
            });
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let scenario = all
            .last_mut()
            .unwrap_or_else(|| panic!("line {number} comes before the first `== title`"));
        if let Some(expected) = line.strip_prefix("=> ") {
            scenario.expected.push(expected.trim());
        } else if let Some(config) = line.strip_prefix('|') {
            scenario.config.push_str(config.trim());
            scenario.config.push('\n');
        } else if line == "only these rules" {
            scenario.only_config = true;
        } else {
            scenario.steps.push((number, line));
        }
    }
    all
}

impl Scenario<'_> {
    fn run(&self) -> Result<(), String> {
        let mut stage = Stage::new(self);
        for (number, step) in &self.steps {
            stage
                .play(step)
                .unwrap_or_else(|| panic!("line {number} is not understood: {step}"));
        }
        let fits = |actual: &str, expected: &str| {
            actual
                .strip_prefix(expected)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let all_fit = stage.decisions.len() == self.expected.len()
            && stage
                .decisions
                .iter()
                .zip(&self.expected)
                .all(|(actual, expected)| fits(actual, expected));
        if all_fit {
            return Ok(());
        }
        let mut difference = String::new();
        for expected in &self.expected {
            let _ = writeln!(difference, "  expected {expected}");
        }
        for actual in &stage.decisions {
            let _ = writeln!(difference, "  decided  {actual}");
        }
        Err(difference)
    }
}

/// A judge, and what it has decided so far.
struct Stage {
    judge: Judge,
    allowed: Vec<AllowEntry>,
    now: SystemTime,
    decisions: Vec<String>,
}

impl Stage {
    fn new(scenario: &Scenario<'_>) -> Self {
        let config =
            Config::parse(&scenario.config, scenario.title).unwrap_or_else(|err| panic!("{err}"));
        let rules = config
            .rules
            .rules
            .into_iter()
            .filter(|(_, origin)| !scenario.only_config || *origin == RuleOrigin::Config)
            .map(|(rule, _)| rule)
            .collect();
        let settings = JudgeSettings {
            rules,
            ipv6_prefix: config.filter.ipv6_prefix,
        };
        let allowed: Vec<AllowEntry> = config
            .allow
            .into_iter()
            .map(|net| AllowEntry {
                net,
                origin: AllowOrigin::Config,
                reason: String::new(),
            })
            .collect();
        let mut judge = Judge::new(settings, Allowlist::new(allowed.clone()));
        config.clemency.put_in_force(&mut judge);
        Self {
            judge,
            allowed,
            now: at(Duration::ZERO),
            decisions: Vec::new(),
        }
    }

    /// `TIME[..TIME xTIMES] WHO WHAT [KEY=VALUE...]`
    fn play(&mut self, step: &str) -> Option<()> {
        let (time, mut rest) = step.split_once(char::is_whitespace)?;
        let (first, last) = match time.split_once("..") {
            Some((first, last)) => (duration::parse(first).ok()?, duration::parse(last).ok()?),
            None => (duration::parse(time).ok()?, duration::parse(time).ok()?),
        };
        let mut times: u32 = 1;
        if let Some(after) = rest.trim_start().strip_prefix('x') {
            let (number, after) = after.split_once(char::is_whitespace)?;
            times = number.parse().ok()?;
            rest = after;
        }
        let span = last.checked_sub(first)?;
        for n in 0..times {
            let step = rest.trim().replace("{n}", &(n + 1).to_string());
            self.turn_the_clock(at(first + span * n / times.saturating_sub(1).max(1)));
            self.act(&step)?;
            self.note();
        }
        Some(())
    }

    fn turn_the_clock(&mut self, now: SystemTime) {
        while let Some(due) = self.judge.poll_timeout().filter(|due| *due <= now) {
            self.now = due;
            self.judge.handle_timeout(due);
            self.note();
        }
        self.now = now;
    }

    fn act(&mut self, step: &str) -> Option<()> {
        let words: Vec<&str> = step.split_whitespace().collect();
        match words.as_slice() {
            ["clock"] => {}
            ["operator", "ban", net, length] => {
                let end = match *length {
                    "permanent" => End::Never,
                    length => End::At(self.now + duration::parse(length).ok()?),
                };
                let reason = "by hand".to_owned();
                let refused = self
                    .judge
                    .add_ban(net.parse().ok()?, end, reason, self.now)
                    .err();
                if let Some(refusal) = refused {
                    let time = since_start(self.now);
                    self.decisions
                        .push(format!("{time} refused {net} {refusal}"));
                }
            }
            ["operator", "hold", account, "permanent"] => {
                assert!(
                    self.judge
                        .add_hold(account, End::Never, "by hand", self.now)
                );
            }
            ["operator", "release", account] => {
                assert!(self.judge.release(account), "{account} is not held");
            }
            ["operator", "resume"] => {
                assert!(self.judge.resume(self.now), "bans do not pause");
                let until = self.judge.muted_until(self.now);
                assert!(until.is_some_and(|until| until > self.now));
            }
            ["operator", "unban", net] => {
                assert!(
                    self.judge.remove_ban(&net.parse().ok()?),
                    "{net} has no ban"
                );
            }
            ["operator", "allow", net] => {
                self.allowed.push(AllowEntry {
                    net: net.parse().ok()?,
                    origin: AllowOrigin::Manual,
                    reason: String::new(),
                });
                self.judge
                    .set_allowlist(Allowlist::new(self.allowed.clone()));
            }
            [address, kind, fields @ ..] => {
                let event = event(self.now, address, kind, fields)?;
                self.judge.handle_event(&event, step.as_bytes());
            }
            _ => return None,
        }
        Some(())
    }

    fn note(&mut self) {
        while let Some(decision) = self.judge.next_decision() {
            self.decisions.push(match decision {
                Decision::Ban(ban) => {
                    let (time, what) = said(&ban);
                    format!("{time} {what}")
                }
                Decision::Unban { net, pardon } => {
                    format!("{} unban {net} {}", since_start(self.now), pardon.as_str())
                }
                Decision::WouldBan(ban) => {
                    let (time, what) = said(&ban);
                    format!("{time} would-{what}")
                }
                Decision::WouldAct(trial) => format!(
                    "{} {} {} rule={} \"{}\" doing \"{}\" count={}",
                    since_start(trial.at),
                    trial.deed.as_trial(),
                    whom(&trial.whom),
                    trial.origin,
                    trial.reason,
                    trial.doing,
                    trial.count,
                ),
                Decision::Tarpit(tarpit) => format!(
                    "{} tarpit {} {} rule={} \"{}\"",
                    since_start(tarpit.since),
                    tarpit.net,
                    duration::format(tarpit.delay),
                    tarpit.origin,
                    tarpit.reason
                ),
                Decision::Hold(hold) => format!(
                    "{} hold {} {} rule={} \"{}\" count={}",
                    since_start(hold.since),
                    hold.account,
                    length(hold.since, hold.end),
                    hold.origin,
                    hold.reason,
                    hold.count
                ),
                Decision::Release { account, pardon } => {
                    format!(
                        "{} release {account} {}",
                        since_start(self.now),
                        pardon.as_str()
                    )
                }
                Decision::Kick(kick) => {
                    let time = since_start(self.now);
                    format!("{time} kick {} rule={}", whom(&kick.whom), kick.origin)
                }
                Decision::Notify(notice) => format!(
                    "{} notify {} {} rule={} \"{}\"",
                    since_start(notice.at),
                    notice.topic.as_str(),
                    notice.whom.as_ref().map_or_else(|| "-".to_owned(), whom),
                    notice.origin,
                    notice.text
                ),
            });
        }
    }
}

/// When a ban began, and the rest of it.
fn said(ban: &Ban) -> (String, String) {
    let text = format!(
        "{} {} {} rule={} \"{}\" level={} offences={} evidence={}",
        ban.sort.as_str(),
        ban.net,
        length(ban.since, ban.end),
        ban.origin,
        ban.reason,
        ban.level,
        ban.offences,
        ban.evidence.len(),
    );
    (since_start(ban.since), text)
}

fn length(since: SystemTime, end: End) -> String {
    match end {
        End::At(end) => duration::format(end.duration_since(since).unwrap()),
        End::Never => "permanent".to_owned(),
    }
}

fn whom(whom: &Whom) -> String {
    match whom {
        Whom::Net(net) => net.to_string(),
        Whom::Account(account) => account.to_string(),
    }
}

fn event(at: SystemTime, address: &str, kind: &str, fields: &[&str]) -> Option<Event> {
    let kind = EventKind::from_name(kind)?;
    let mut event = Event {
        address: match address {
            // As of what happens to a message later.
            "-" => None,
            address => Some(address.parse().ok()?),
        },
        ..Event::new(at, kind, Service::Smtp, "log")
    };
    for field in fields {
        let (key, value) = field.split_once('=')?;
        match key {
            "to" => event.recipient = Some(value.into()),
            "account" => event.account = Some(value.into()),
            "recipients" => event.recipients = value.parse().ok(),
            "bytes" => event.bytes = value.parse().ok(),
            "session" => event.session = Some(SessionId(value.parse().ok()?)),
            "service" => event.service = Service::from_name(value)?,
            "by" => event.told_by = value.to_owned().leak(),
            "score" => event.score = Score::tenths(value.parse::<i16>().ok()?.checked_mul(10)?),
            _ => return None,
        }
    }
    Some(event)
}

/// Scenarios begin on a day of no meaning.
fn at(after_start: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + after_start
}

fn since_start(time: SystemTime) -> String {
    match time.duration_since(at(Duration::ZERO)).unwrap() {
        Duration::ZERO => "0s".to_owned(),
        after => duration::format(after),
    }
}
