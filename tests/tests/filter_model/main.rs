//! The agent's bookkeeping of bans against the kernel's maps: random changes, and after each of them the maps read raw, what
//! the agent tells and what the program does are compared with a plain model. Further: that no change lets anybody in for a
//! moment, and that an agent killed amid one leaves maps that hold together. `MAILWALL_CHANGES` asks for more changes; those
//! of a short run are the first of a long one. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod content;
mod crash;
mod gap;
mod model;
mod pinned;
mod room;
mod universe;

use std::{env, fmt, net::IpAddr, panic::resume_unwind, path::Path, thread};

use content::Content;
use ipnet::IpNet;
use mailwall::filter::Filter;
use mailwall_common::{KernelInstant, Verdict};
use mailwall_tests::Random;
use model::Model;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use pinned::{PORT, Pinned};
use universe::Universe;

/// Changes unless `MAILWALL_CHANGES` says otherwise.
const CHANGES: usize = 150;
/// Changes to one set of maps.
const CHANGES_OF_RUN: usize = 50;
/// Runs that once failed. Whatever fails is added here.
const KEPT: [u64; 0] = [];

#[test]
fn the_maps_hold_what_the_model_says_after_every_change() {
    let runs = changes_wanted().div_ceil(CHANGES_OF_RUN) as u64;
    let mut spilled = 0;
    for number in KEPT.into_iter().chain(0..runs) {
        in_namespaces(|dir| spilled += run(dir, number));
    }
    assert!(spilled > 0, "no bucket was ever full");
}

/// One run. Tells the addresses that were kept as networks, summed over the changes.
fn run(dir: &Path, number: u64) -> usize {
    let mut random = Random::new(number);
    let mut filter = open(dir);
    let mut pinned = Pinned::open(dir);
    let seed = pinned.settings().seed;
    let universe = Universe::new(seed);
    let mut model = Model::new(seed);
    let mut spilled = 0;
    for index in 0..CHANGES_OF_RUN {
        let change = Change::any(&universe, &model, &mut random);
        let _told = Told(format!("run {number}, change {index}: {change}"));
        filter = change.make(filter, &mut model, dir);
        if matches!(change, Change::Restart) {
            pinned = Pinned::open(dir);
        }
        compare(&filter, &mut model, &pinned, &universe);
        spilled += model.spilled();
    }
    spilled
}

/// Asks the agent, the maps and the program.
fn compare(filter: &Filter, model: &mut Model, pinned: &Pinned, universe: &Universe) {
    assert_eq!(Content::read(pinned), model.content());
    assert_eq!(filter.len(), model.len());
    let mut kept = filter.kept().unwrap();
    kept.sort_unstable();
    assert_eq!(kept, model.kept());

    let before = Verdict::ALL.map(|verdict| pinned.totals(&[verdict]));
    let mut judged = Verdict::ALL.map(|_| 0);
    for source in &universe.sources {
        let (verdict, counted) = model.judge(*source, |end| universe.in_force(end));
        assert_eq!(
            pinned.drops(*source),
            verdict.is_drop(),
            "{source}: {verdict}"
        );
        let index = Verdict::ALL.iter().position(|of| *of == verdict).unwrap();
        judged[index] += 1;
        if let Some(net) = counted {
            model.count_drop(&net);
        }
    }
    for ((verdict, before), judged) in Verdict::ALL.iter().zip(before).zip(judged) {
        assert_eq!(pinned.totals(&[*verdict]) - before, judged, "{verdict}");
    }
    for net in model.nets() {
        assert_eq!(filter.drops(&net), model.drops(&net), "{net}");
    }
    assert_eq!(filter.drops(&"100.64.0.0/29".parse().unwrap()), None);
}

/// A change.
enum Change {
    Ban(Vec<(IpNet, KernelInstant)>),
    Unban(Vec<IpNet>),
    Replace(Vec<(IpNet, KernelInstant)>, Vec<IpNet>),
    Allow(Vec<IpNet>),
    Restart,
}

impl Change {
    fn any(universe: &Universe, model: &Model, random: &mut Random) -> Self {
        let few = 1 + random.below(6);
        // So many that the agent keeps the maps mapped.
        let many = 64 + random.below(60);
        let count = if random.chance(20) { many } else { few };
        let nets = |random: &mut Random, count| -> Vec<IpNet> {
            (0..count).map(|_| universe.net(random)).collect()
        };
        let ending = |random: &mut Random, nets: Vec<IpNet>| {
            let ends = nets.into_iter().map(|net| (net, universe.end(random)));
            ends.collect::<Vec<_>>()
        };
        let held = |random: &mut Random, percent| -> Vec<IpNet> {
            model.nets().filter(|_| random.chance(percent)).collect()
        };
        match random.below(100) {
            0..30 => {
                let nets = nets(random, count);
                Self::Ban(ending(random, nets))
            }
            30..45 => {
                let crowd = universe.crowd(random);
                Self::Ban(ending(random, crowd))
            }
            45..55 => {
                let held = held(random, 20);
                Self::Ban(ending(random, held))
            }
            55..75 => {
                let percent = *random.pick(&[2, 10, 50, 100]);
                Self::Unban(held(random, percent))
            }
            75..80 => Self::Unban(nets(random, few)),
            80..85 => Self::Unban(universe.crowd(random)),
            85..92 => {
                let mut wanted = held(random, 50);
                wanted.extend(nets(random, many));
                let allowed = nets(random, few);
                Self::Replace(ending(random, wanted), allowed)
            }
            92..96 => Self::Allow(nets(random, few / 2)),
            _ => Self::Restart,
        }
    }

    fn make(&self, mut filter: Filter, model: &mut Model, dir: &Path) -> Filter {
        match self {
            Self::Ban(bans) => {
                filter.ban(bans).unwrap();
                model.ban(bans);
            }
            Self::Unban(nets) => {
                filter.unban(nets).unwrap();
                model.unban(nets);
            }
            Self::Replace(bans, allowed) => {
                filter.replace_all(bans, allowed).unwrap();
                model.replace_all(bans, allowed);
            }
            Self::Allow(nets) => {
                filter.set_allowed(nets).unwrap();
                model.allowed = nets.iter().map(IpNet::trunc).collect();
            }
            Self::Restart => {
                drop(filter);
                filter = Filter::open(dir).unwrap();
                model.restart();
            }
        }
        filter
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ban(bans) => {
                f.write_str("ban")?;
                bans.iter()
                    .try_for_each(|(net, end)| write!(f, " {net} until {}", end.as_ns()))
            }
            Self::Unban(nets) => write!(f, "unban {nets:?}"),
            Self::Replace(bans, allowed) => {
                let nets: Vec<IpNet> = bans.iter().map(|(net, _)| *net).collect();
                write!(f, "replace by {nets:?}, allow {allowed:?}")
            }
            Self::Allow(nets) => write!(f, "allow {nets:?}"),
            Self::Restart => f.write_str("restart"),
        }
    }
}

/// What is told when the test fails meanwhile.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("amid {}", self.0);
        }
    }
}

fn changes_wanted() -> usize {
    match env::var("MAILWALL_CHANGES") {
        Ok(wanted) => wanted.parse().expect("MAILWALL_CHANGES is a number"),
        Err(_) => CHANGES,
    }
}

/// A filter that guards the port and enforces.
fn open(dir: &Path) -> Filter {
    let mut filter = Filter::open(dir).unwrap();
    filter.configure(&[PORT], false).unwrap();
    filter
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// In a mount namespace, with its folder for pins.
fn in_namespaces(test: impl FnOnce(&Path) + Send) {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test needs root: run `cargo xtask test`"
    );
    let folder = tempfile::tempdir().unwrap();
    let tested = thread::scope(|scope| {
        let in_thread = || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            test(&folder.path().join("pins"));
        };
        scope.spawn(in_thread).join()
    });
    if let Err(panic) = tested {
        resume_unwind(panic);
    }
}
