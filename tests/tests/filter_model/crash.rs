//! An agent that is killed amid a change leaves maps that hold together once they are taken over, and nobody is let in whom
//! the change did not concern.

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
};

use ipnet::IpNet;
use mailwall::filter::Filter;
use mailwall_common::KernelInstant;
use mailwall_tests::Random;

use crate::{
    changes_wanted,
    content::Content,
    in_namespaces, open,
    pinned::Pinned,
    universe::{Universe, single},
};

/// Tells the process that is to be killed the folder of the pins.
const VICTIM: &str = "MAILWALL_MODEL_VICTIM";
/// Bans of one change.
const BULK: u32 = 600;

#[test]
fn an_agent_killed_amid_a_change_leaves_maps_that_hold_together() {
    if let Some(dir) = env::var_os(VICTIM) {
        change_until_killed(Path::new(&dir));
    }
    in_namespaces(|dir| {
        let mut filter = open(dir);
        let universe = Universe::new(Pinned::open(dir).settings().seed);
        let mut random = Random::new(2);
        let lasting = lasting();
        for _ in 0..changes_wanted() / 30 {
            let wanted: Vec<_> = (0..random.below(100))
                .map(|_| (universe.net(&mut random), KernelInstant::NEVER))
                .chain(lasting.iter().copied())
                .collect();
            filter.replace_all(&wanted, &[]).unwrap();
            assert_exact(&filter, &wanted, dir);
            drop(filter);

            kill_at_any_point(dir, &mut random);
            let pinned = Pinned::open(dir);
            for (net, _) in &lasting {
                assert!(pinned.drops(net.addr()), "{net} after the kill");
            }
            filter = Filter::open(dir).unwrap();
            let content = Content::read(&pinned);
            assert_eq!(content.singles.len() + content.networks.len(), filter.len());
            for (net, _) in &lasting {
                assert!(pinned.drops(net.addr()), "{net} after the next start");
            }
        }
    });
}

/// The maps hold these bans and no others.
fn assert_exact(filter: &Filter, wanted: &[(IpNet, KernelInstant)], dir: &Path) {
    let content = Content::read(&Pinned::open(dir));
    let mut held: Vec<IpNet> = content.singles.into_keys().collect();
    held.extend(content.networks.into_keys());
    held.sort_unstable();
    let mut nets: Vec<IpNet> = wanted.iter().map(|(net, _)| net.trunc()).collect();
    nets.sort_unstable();
    nets.dedup();
    assert_eq!(held, nets);
    assert_eq!(filter.len(), nets.len());
}

/// Bans that no change concerns.
fn lasting() -> Vec<(IpNet, KernelInstant)> {
    [
        "192.0.2.7/32",
        "192.0.2.128/25",
        "2001:db8:77::/64",
        "2001:db8:78::/48",
    ]
    .map(|net| (net.parse().unwrap(), KernelInstant::NEVER))
    .to_vec()
}

fn kill_at_any_point(dir: &Path, random: &mut Random) {
    // This test once more, in the same namespaces; there it is told to change the maps.
    let mut victim = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "crash::an_agent_killed_amid_a_change_leaves_maps_that_hold_together",
        ])
        .env(VICTIM, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(victim.stdout.take().unwrap());
    // Each change is told; some are waited for, and then a part of one.
    let changes = 1 + random.below(6);
    let mut told = said
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.contains("changes"));
    assert_eq!(
        told.by_ref().take(changes).count(),
        changes,
        "it went on by itself"
    );
    let mut spent = 0_u64;
    for _ in 0..random.below(3_000_000) {
        spent = std::hint::black_box(spent + 1);
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
}

fn change_until_killed(dir: &Path) -> ! {
    let mut filter = Filter::open(dir).unwrap();
    let universe = Universe::new(Pinned::open(dir).settings().seed);
    let mut random = Random::new(u64::from(std::process::id()));
    let crowds: Vec<IpNet> = universe.crowds.iter().flatten().copied().collect();
    let lasting = lasting();
    loop {
        let others = (0..BULK).map(|n| match n % 3 {
            0 => IpNet::new(Ipv4Addr::from_bits(0x0b00_0000 + 256 * n).into(), 24).unwrap(),
            _ => single(Ipv4Addr::from_bits(0x0a00_0000 + 3 * n)),
        });
        let mut bans: Vec<_> = others
            .chain(crowds.iter().copied())
            .filter(|_| random.chance(70))
            .map(|net| {
                (
                    net,
                    universe.end(&mut Random::new(u64::from(net.prefix_len()))),
                )
            })
            .collect();
        // Also wide ones around those.
        bans.push(("11.0.0.0/8".parse().unwrap(), KernelInstant::NEVER));
        bans.push(("2001:d00::/24".parse().unwrap(), KernelInstant::from_ns(1)));
        println!("changes");
        match random.below(3) {
            0 => filter.ban(&bans).unwrap(),
            1 => {
                bans.extend(&lasting);
                filter.replace_all(&bans, &[]).unwrap();
            }
            _ => {
                let nets: Vec<IpNet> = bans.iter().map(|(net, _)| *net).collect();
                filter.unban(&nets).unwrap();
            }
        }
    }
}
