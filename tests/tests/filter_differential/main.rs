//! The filter against a second opinion: frames by number, a third of them damaged, go through the filter's code on the host
//! and through a policy on top of another parser, and a fifth of them also through the kernel. `MAILWALL_FRAMES` asks for more
//! frames; those of a short run are the first of a long one. The half in the kernel needs root.

mod frames;
mod headers;
mod reference;
mod scene;

use std::{collections::BTreeMap, env};

use mailwall_common::Verdict;
use mailwall_tests::{
    filter_host,
    filter_kernel::Kernel,
    filter_scene::{Outcome, Scene},
    packet::{DESTINATION, Frame, HOP_BY_HOP, SYN},
};
use reference::Expected;

/// Frames unless `MAILWALL_FRAMES` says otherwise.
const FRAMES: u64 = 100_000;
/// Of so many frames, one also goes through the kernel.
const KERNEL_SHARE: u64 = 5;
/// What the kernel takes of a frame at least: an Ethernet header.
const SHORTEST: usize = 14;
/// Failures that are told before the test gives up.
const FAILURES_MAX: usize = 10;

/// Verdicts that come with limits, which no scene here has.
const OF_LIMITS: [Verdict; 4] = [
    Verdict::OverRate,
    Verdict::OverConcurrent,
    Verdict::ObservedRate,
    Verdict::ObservedConcurrent,
];

/// Frames of every thousand that may meet a [`reference::Difference`].
const DIFFERENT_MAX: u64 = 200;
/// Frames of every thousand of which the reference may leave open what they are counted as.
const OPEN_MAX: u64 = 30;
/// Frames of every thousand of which it may leave open whether they are dropped.
const DROP_OPEN_MAX: u64 = 10;
/// Frames of every thousand that must end in each verdict, so that agreement means something.
const EACH_MIN: u64 = 2;

/// Frames that once did not go through alike, the filter, the kernel and the reference taken together. Whatever fails is
/// added here, as bytes: a number goes on to mean its frame only while `frames.rs` stays as it is.
fn kept() -> Vec<(&'static str, Vec<u8>)> {
    let chain = Frame::new()
        .ipv6(scene::SOURCES_V6[0])
        .extension(HOP_BY_HOP, 8)
        .extension(DESTINATION, 8)
        .tcp(25, SYN);
    let first_header_end = 14 + 40 + 8;
    vec![(
        "cut between extension headers, where etherparse 0.21.0 reads out of bounds",
        chain.bytes()[..first_header_end].to_vec(),
    )]
}

#[test]
fn the_filter_agrees_with_a_policy_on_top_of_another_parser() {
    let scenes = scenes();
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for seed in 0..frames_wanted() {
        let frame = frames::frame(seed);
        let (outcome, expected) = both(&scenes, seed, &frame);
        tally.count(outcome, &expected);
        if !expected.outcomes.contains(&outcome) {
            failures.push(told(&format!("frame {seed}"), &frame, outcome, &expected));
            if failures.len() == FAILURES_MAX {
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    tally.check();
}

#[test]
fn the_kernel_judges_every_frame_as_the_host_does() {
    let scenes = scenes();
    let mut kernel = Kernel::load();
    let mut judged = 0;
    for (index, scene) in scenes.iter().enumerate() {
        kernel.arrange(scene);
        for seed in (0..frames_wanted()).step_by(KERNEL_SHARE as usize) {
            let frame = frames::frame(seed);
            if scene_of(seed) == index && frame.len() >= SHORTEST {
                let host = filter_host::run(scene, &frame);
                assert_eq!(kernel.run(&frame), host, "frame {seed}: {frame:02x?}");
                judged += 1;
            }
        }
    }
    println!("{judged} frames through the kernel");
}

#[test]
fn frames_that_once_failed_are_seen_alike() {
    let scenes = scenes();
    let mut kernel = Kernel::load();
    kernel.arrange(&scenes[0]);
    for (why, frame) in kept() {
        let (outcome, expected) = both(&scenes, 0, &frame);
        assert!(
            expected.outcomes.contains(&outcome),
            "{}",
            told(why, &frame, outcome, &expected)
        );
        assert_eq!(kernel.run(&frame), outcome, "{why}");
    }
}

/// The same bans, enforced and observed.
fn scenes() -> [Scene; 2] {
    [scene::scene(), scene::scene().observing()]
}

/// Which scene a frame meets: one in eight is only observed.
fn scene_of(seed: u64) -> usize {
    usize::from(seed % 8 == 7)
}

fn both(scenes: &[Scene], seed: u64, frame: &[u8]) -> (Outcome, Expected) {
    let scene = &scenes[scene_of(seed)];
    (
        filter_host::run(scene, frame),
        reference::judge(scene, frame),
    )
}

fn told(name: &str, frame: &[u8], outcome: Outcome, expected: &Expected) -> String {
    format!(
        "{name}: the filter says {outcome:?}, the reference {:?} after {:?}: {frame:02x?}",
        expected.outcomes, expected.differences
    )
}

/// No fewer than usual: the shares that [`Tally`] asks for need them.
fn frames_wanted() -> u64 {
    let wanted = match env::var("MAILWALL_FRAMES") {
        Ok(frames) => frames
            .parse()
            .unwrap_or_else(|err| panic!("MAILWALL_FRAMES={frames} is not a number: {err}")),
        Err(_) => FRAMES,
    };
    wanted.max(FRAMES)
}

/// What the frames were.
#[derive(Default)]
struct Tally {
    frames: u64,
    different: u64,
    open: u64,
    drop_open: u64,
    verdicts: BTreeMap<Verdict, u64>,
    differences: BTreeMap<reference::Difference, u64>,
}

impl Tally {
    fn count(&mut self, outcome: Outcome, expected: &Expected) {
        self.frames += 1;
        *self.verdicts.entry(outcome.verdict).or_default() += 1;
        let mut differences = expected.differences.clone();
        differences.sort();
        differences.dedup();
        self.different += u64::from(!differences.is_empty());
        let outcomes = &expected.outcomes;
        let drops = outcomes
            .iter()
            .filter(|outcome| outcome.verdict.is_drop())
            .count();
        self.open += u64::from(outcomes.len() > 1);
        self.drop_open += u64::from(drops > 0 && drops < outcomes.len());
        for difference in differences {
            *self.differences.entry(difference).or_default() += 1;
        }
    }

    fn check(&self) {
        println!("{} frames: {:#?}", self.frames, self.verdicts);
        println!("differences: {:#?}", self.differences);
        let shares = [
            ("with differences", self.different, DIFFERENT_MAX),
            ("with the counter left open", self.open, OPEN_MAX),
            ("with the drop left open", self.drop_open, DROP_OPEN_MAX),
        ];
        for (what, frames, max) in shares {
            println!("{frames} {what}");
            assert!(frames * 1000 <= self.frames * max, "{frames} {what}");
        }
        for verdict in Verdict::ALL {
            let times = self.verdicts.get(&verdict).copied().unwrap_or(0);
            if OF_LIMITS.contains(&verdict) {
                assert_eq!(times, 0, "{verdict} without a limit");
                continue;
            }
            assert!(
                times * 1000 >= self.frames * EACH_MIN,
                "{times} are {verdict}"
            );
        }
    }
}
