//! A mail host whose log a test writes, and the question that each test ends with.

use std::{
    collections::HashMap,
    fs::File,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{panicking, sleep},
    time::Duration,
};

use ipnet::{IpNet, Ipv6Net};
use mailwall_tests::{
    Agent, Setup, Stopwatch, Testbed, config, eventually,
    packet::{Frame, SYN},
    rejection,
    wire::{Wire, segments_received},
};
use serde_json::Value;

use crate::ledger::{Fate, Ledger, Now};

/// A rule that bans at the first offence: whether a line was judged shows in who is banned, and whether it was judged twice in how
/// often.
pub const FIRST: &str = "[[rule]]\nname = \"first\"\ncount = [\"unknown-recipient\"]\nper = \"address\"\nlimit = 1\nwindow = \"10m\"\n";
/// How long a ban by that rule is: longer than any test but the soak.
pub const BAN: Duration = Duration::from_secs(6 * 3600);
/// Where frames made by hand are for, beside the host's own addresses.
const TARGETS: [&str; 2] = ["192.0.2.25/32", "2001:db8::25/128"];
/// Frames sent at once: so many find room in the card's queue.
const FRAMES: usize = 64;
/// Nets whose SYNs are tried; of more, every so many-th, and all that are free or were banned once.
const ASKED_MAX: usize = 8192;
/// How exactly times of bans are told.
const ROUNDING: Duration = Duration::from_secs(2);
/// Hosts that are banned briefly, in turn; the first is that of this number, and no test takes so many others.
const BRIEF_HOSTS: usize = 8;
const BRIEF_FIRST: usize = 500;
/// How long.
const BRIEF: Duration = Duration::from_secs(2);
/// A ban with no more than this to go is waited for, so that it is one that is over.
const BRIEF_MAX: Duration = Duration::from_secs(10);
/// How long the agent may take to catch up.
const WITHIN: Duration = Duration::from_secs(90);

/// A mail host without a mail server: what stands in its log is what the test writes.
pub struct Scene<'a> {
    pub bed: &'a Testbed,
    log: PathBuf,
    watch: Stopwatch,
    ledger: Mutex<Ledger>,
    /// A kill may lose the last seconds of what reports count.
    was_killed: AtomicBool,
    briefly: AtomicUsize,
    compared: Compared,
}

/// Whether each part of the question was about something.
#[derive(Default)]
struct Compared {
    lines: AtomicBool,
    in_force: AtomicBool,
    over: AtomicBool,
    let_in: AtomicBool,
    dropped: AtomicBool,
}

/// The client of that number: an IPv6 host in a /56 that it has for itself, so that no ban widens.
pub fn client(number: usize) -> IpAddr {
    let of_16_bits = |number| u16::try_from(number).expect("at most 14 million clients");
    let (third, fourth) = (0x1000 + number % 0xe000, (number / 0xe000) << 8);
    let (third, fourth) = (of_16_bits(third), of_16_bits(fourth));
    Ipv6Addr::new(0x2001, 0xdb8, third, fourth, 0, 0, 0, 7).into()
}

/// What is banned for an address.
pub fn net_of(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(v4).into(),
        IpAddr::V6(v6) => Ipv6Net::new(v6, 64).unwrap().trunc().into(),
    }
}

/// The host of that number in one of the IPv4 networks set apart for examples.
pub fn host(number: usize) -> IpNet {
    let [last, network] = [number % 254, number / 254 % 2];
    let network = if network == 0 {
        [203, 0, 113]
    } else {
        [198, 51, 100]
    };
    let last = u8::try_from(last + 1).unwrap();
    IpAddr::V4(Ipv4Addr::new(network[0], network[1], network[2], last)).into()
}

/// The line of an offence, with its end.
pub fn line(client: IpAddr) -> String {
    format!("{}\n", rejection(client, 1, "nobody@example.test"))
}

impl<'a> Scene<'a> {
    pub fn new(bed: &'a Testbed) -> Self {
        let scene = Self {
            bed,
            log: bed.dir().join("mail.log"),
            watch: Stopwatch::start(),
            ledger: Mutex::default(),
            was_killed: AtomicBool::new(false),
            briefly: AtomicUsize::new(0),
            compared: Compared::default(),
        };
        File::create(&scene.log).unwrap();
        scene.take_frames();
        scene
    }

    /// Makes frames of the tests come in at `mail0`.
    pub fn take_frames(&self) {
        for target in TARGETS {
            self.bed
                .server()
                .ip(&format!("address add {target} dev mail0"))
                .unwrap();
        }
    }

    /// The log of the mail host.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// An agent that follows it, with `more` in its configuration.
    pub fn setup(&self, more: &str) -> Setup<'a> {
        let more = format!("{more}\n{FIRST}");
        let ban = format!("{}s", BAN.as_secs());
        Setup::new(self.bed, &config(&self.log, &ban, &more)).unwrap()
    }

    /// Starts it, and waits until it follows the log.
    pub fn start(&self) -> Agent<'a> {
        let agent = self.setup("").start().unwrap();
        self.until_following(&agent);
        agent
    }

    /// Waits until the log is followed: from then on no line may be lost.
    pub fn until_following(&self, agent: &Agent<'_>) {
        agent
            .until("the log followed", &["source", "list"], |list| {
                (list["sources"][0]["state"] == "following").then_some(())
            })
            .unwrap();
    }

    /// Time since the test began.
    pub fn now(&self) -> Duration {
        self.watch.elapsed()
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Kills the agent.
    pub fn kill(&self, agent: Agent<'a>) -> Setup<'a> {
        self.was_killed.store(true, Ordering::Relaxed);
        agent.kill().unwrap()
    }

    /// Notes that the agent died by itself.
    pub fn note_death(&self) {
        self.was_killed.store(true, Ordering::Relaxed);
    }

    /// Writes an offence of each of these clients to the log.
    pub fn offend(&self, numbers: std::ops::Range<usize>) {
        let mut log = File::options().append(true).open(&self.log).unwrap();
        self.offend_in(&mut log, numbers);
    }

    /// The same to a file that is open.
    pub fn offend_in(&self, log: &mut File, numbers: std::ops::Range<usize>) {
        let clients: Vec<IpAddr> = numbers.map(client).collect();
        let lines: String = clients.iter().copied().map(line).collect();
        log.write_all(lines.as_bytes()).unwrap();
        self.note_offences(&clients);
    }

    /// Notes an offence of each of these clients, which stands in a log.
    pub fn note_offences(&self, clients: &[IpAddr]) {
        let fate = Fate::Banned {
            earliest: BAN,
            latest: Duration::MAX,
        };
        let mut ledger = self.ledger();
        for client in clients {
            ledger.note(net_of(*client), fate);
            ledger.note_line(net_of(*client));
        }
    }

    /// Bans a net by hand, and notes what came of it.
    pub fn ban(&self, setup: &Setup<'_>, net: IpNet, length: Duration) -> bool {
        let before = self.now();
        let (text, length_s) = (net.to_string(), format!("{}s", length.as_secs()));
        let answer = setup.cli(&["ban", "add", &text, "--for", &length_s]);
        let done = answer.is_ok_and(|answer| answer.code == Some(0));
        let fate = Fate::Banned {
            earliest: before + length,
            latest: self.now() + length,
        };
        self.note_answer(net, done, fate);
        done
    }

    /// Bans another host by hand, for so short a time that it is over when the question is asked.
    pub fn ban_briefly(&self, setup: &Setup<'_>) {
        let turn = self.briefly.fetch_add(1, Ordering::Relaxed);
        let net = host(BRIEF_FIRST + turn % BRIEF_HOSTS);
        assert!(self.ban(setup, net, BRIEF), "{net} cannot be banned");
    }

    /// Removes the ban of a net by hand, and notes what came of it.
    pub fn unban(&self, setup: &Setup<'_>, net: IpNet) {
        let answer = setup.cli(&["ban", "remove", &net.to_string()]);
        // 5: there was none.
        let done = answer.is_ok_and(|answer| matches!(answer.code, Some(0 | 5)));
        self.note_answer(net, done, Fate::Free);
    }

    fn note_answer(&self, net: IpNet, done: bool, fate: Fate) {
        let fate = if done { fate } else { Fate::Unknown };
        self.ledger().note(net, fate);
    }

    /// The question: is every ban that is not over enforced, is every other one gone, is no line lost or counted twice?
    #[track_caller]
    pub fn ask(&self, agent: &Agent<'_>) {
        self.until_the_brief_are_over();
        self.ask_for_lines(agent);
        self.ask_for_bans(agent);
        self.ask_the_kernel();
    }

    fn until_the_brief_are_over(&self) {
        let now = self.now();
        let ledger = self.ledger();
        let ends = ledger.fates().filter_map(|(_, fate)| match fate {
            Fate::Banned { latest, .. } => latest.checked_sub(now),
            Fate::Free | Fate::Unknown => None,
        });
        let left = ends.filter(|left| *left < BRIEF_MAX).max();
        drop(ledger);
        // Strictly over, by this watch too.
        sleep(left.map_or(Duration::ZERO, |left| left + Duration::from_millis(1)));
    }

    /// Whether each client's lines are counted: all of them and none twice, but for the last seconds before a kill, which
    /// reports may lack.
    fn ask_for_lines(&self, agent: &Agent<'_>) {
        let expected = self.ledger().lines().clone();
        let total: u64 = expected.values().sum();
        let words = [
            "report", "--since", "31d", "--limit", "0", "--by", "address",
        ];
        if !self.was_killed.load(Ordering::Relaxed) {
            let mut last = 0;
            let seen = eventually("all lines counted", WITHIN, || {
                last = agent.json(&words)?["offences"].as_u64().unwrap_or_default();
                Ok((last >= total).then_some(()))
            });
            assert!(
                seen.is_ok(),
                "{last} of {total} lines are counted: {seen:?}"
            );
        }
        let report = agent.json(&words).unwrap();
        let counted: HashMap<IpNet, u64> = report["top"][0]["offenders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|offender| {
                let net = offender["who"].as_str().unwrap().parse().unwrap();
                (net, offender["offences"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(report["left_out"], 0, "offences counted for nobody");
        Compared::note(&self.compared.lines, !counted.is_empty());
        for (net, count) in &counted {
            let written = expected.get(net).copied().unwrap_or_default();
            assert!(
                *count <= written,
                "{net}: {count} lines of {written} counted"
            );
        }
        if !self.was_killed.load(Ordering::Relaxed) {
            for (net, written) in &expected {
                assert_eq!(counted.get(net), Some(written), "lines of {net}");
            }
        }
    }

    /// Whether the agent lists the bans that should be, with their ends, each made once; and no other.
    fn ask_for_bans(&self, agent: &Agent<'_>) {
        let mut wrong = Vec::new();
        let settled = eventually("the bans as they should be", WITHIN, || {
            let before = self.now();
            let list = agent.json(&["ban", "list", "--limit", "0"])?;
            wrong = self.wrong_bans(&list, before, self.now());
            Ok(wrong.is_empty().then_some(()))
        });
        wrong.truncate(10);
        let now = self.now();
        for (_, fate) in self.ledger().fates() {
            Compared::note(&self.compared.in_force, fate.is_in_force(now));
            Compared::note(&self.compared.over, fate.is_over(now));
        }
        assert!(settled.is_ok(), "{wrong:#?}\n{settled:?}");
    }

    fn wrong_bans(&self, list: &Value, before: Duration, after: Duration) -> Vec<String> {
        let ledger = self.ledger();
        let mut found: HashMap<IpNet, &Value> = HashMap::new();
        for ban in list["bans"].as_array().unwrap() {
            found.insert(ban["net"].as_str().unwrap().parse().unwrap(), ban);
        }
        let mut wrong = Vec::new();
        for (net, fate) in ledger.fates() {
            match (fate.at(before, after), found.remove(&net)) {
                (Now::Banned(..), None) => wrong.push(format!("{net} is not banned")),
                (Now::Free, Some(ban)) => wrong.push(format!("{net} is banned: {ban}")),
                (Now::Banned(least, most), Some(ban)) => {
                    let left = ban["remaining_s"]
                        .as_u64()
                        .map_or(Duration::MAX, Duration::from_secs);
                    if left + ROUNDING < least || left > most.saturating_add(ROUNDING) {
                        wrong.push(format!("{net} has {least:?} to {most:?} to go: {ban}"));
                    }
                    let is_wide = net.prefix_len() < 64 && matches!(net, IpNet::V6(_));
                    let offences = if is_wide { 3 } else { 1 };
                    let once =
                        ban["rule"] != "first" || ban["level"] == 0 && ban["offences"] == offences;
                    if !once {
                        wrong.push(format!("{net} was banned more than once: {ban}"));
                    }
                }
                (Now::Free, None) | (Now::Either, _) => {}
            }
        }
        wrong.extend(
            found
                .values()
                .map(|ban| format!("nobody banned this: {ban}")),
        );
        wrong
    }

    /// Whether the kernel drops the SYNs of those who are banned, and nobody else's; with or without an agent.
    #[track_caller]
    pub fn ask_the_kernel(&self) {
        let mut fates: Vec<(IpNet, Fate)> = self.ledger().fates().collect();
        let step = fates.len().div_ceil(ASKED_MAX);
        if step > 1 {
            let (mut number, now) = (0, self.now());
            fates.retain(|(_, fate)| {
                number += 1;
                number % step == 0 || *fate == Fate::Free || fate.is_over(now)
            });
        }
        for part in fates.chunks(FRAMES) {
            let start = self.now();
            // Those whose ban ends meanwhile are left out: no part takes longer.
            let then = start + Duration::from_secs(60);
            let of = |wanted: fn(Now) -> bool| {
                let nets = part
                    .iter()
                    .filter(move |(_, fate)| wanted(fate.at(start, then)));
                nets.map(|(net, _)| *net).collect::<Vec<_>>()
            };
            let banned = of(|now| matches!(now, Now::Banned(..)));
            let free = of(|now| now == Now::Free);
            Compared::note(&self.compared.dropped, !banned.is_empty());
            Compared::note(&self.compared.let_in, !free.is_empty());
            let come_in = |nets: &[IpNet]| {
                nets.iter()
                    .filter(|net| self.arrived(&[**net]) > 0)
                    .copied()
                    .collect::<Vec<_>>()
            };
            if self.arrived(&banned) > 0 {
                panic!("banned, and let in: {:?}", come_in(&banned));
            }
            if self.arrived(&free) < free.len() as u64 {
                panic!(
                    "not banned, and of them only these let in: {:?}",
                    come_in(&free)
                );
            }
            assert!(self.now() < then, "frames take longer than a minute");
        }
    }

    /// Sends a SYN of each of these to the guarded port; how many were let in.
    pub fn arrived(&self, nets: &[IpNet]) -> u64 {
        let wire = self.bed.clients().enter(|| Wire::open("wire0")).unwrap();
        let frames: Vec<Frame> = nets
            .iter()
            .map(|net| Frame::new().ip(net.addr()).tcp(25, SYN))
            .collect();
        self.bed
            .server()
            .enter(|| {
                segments_received(
                    |frame| wire.send(frame),
                    |send| frames.iter().try_for_each(send),
                )
            })
            .unwrap()
    }

    /// Waits until `status` names a problem with these words in it, and gives it.
    pub fn until_problem(&self, agent: &Agent<'_>, words: &str) -> String {
        let find = |status: &Value| {
            let mut problems = status["problems"]
                .as_array()?
                .iter()
                .filter_map(Value::as_str);
            problems
                .find(|text| text.contains(words))
                .map(str::to_owned)
        };
        agent
            .until(&format!("a problem: {words}"), &["status"], find)
            .unwrap()
    }

    /// Waits until `status` names no problem.
    pub fn until_well(&self, agent: &Agent<'_>) {
        let none = |status: &Value| status["problems"].as_array()?.is_empty().then_some(());
        agent.until("no problem", &["status"], none).unwrap();
    }
}

impl Compared {
    fn note(part: &AtomicBool, is_about_something: bool) {
        part.fetch_or(is_about_something, Ordering::Relaxed);
    }
}

/// A test that never had one of what the question is about has not asked it.
impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if panicking() {
            return;
        }
        let compared = &self.compared;
        for (part, what) in [
            (&compared.lines, "a line that was counted"),
            (&compared.in_force, "a ban that is not over, in the list"),
            (&compared.over, "a ban that is over, in the list"),
            (&compared.dropped, "a SYN that is to be dropped"),
            (&compared.let_in, "a SYN that is to be let in"),
        ] {
            let is_asked = part.load(Ordering::Relaxed);
            assert!(is_asked, "the test ends without having looked for {what}");
        }
    }
}
