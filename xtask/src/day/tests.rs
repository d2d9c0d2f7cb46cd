use std::thread;

use super::{
    SEEDS, config, day, replay,
    tally::{SHARE, Tally},
};

/// Hosts of each sort in the days of the test: fewer are so few of each kind that chance decides.
const HOSTS: u64 = 500;

#[test]
fn the_same_seed_makes_the_same_day() {
    assert_eq!(day(7, 20).lines, day(7, 20).lines);
    assert_ne!(day(7, 20).lines, day(8, 20).lines);
}

#[test]
fn by_the_default_rules_no_good_host_is_banned_and_nearly_all_abusive_ones_are_soon() {
    let days: Vec<_> = thread::scope(|scope| {
        let judging = SEEDS.map(|seed| {
            scope.spawn(move || {
                let day = day(seed, HOSTS);
                let replay = replay::judge(&day, &config(None).unwrap());
                (seed, day, replay)
            })
        });
        judging.map(|one| one.join().unwrap()).into()
    });
    let mut tally = Tally::default();
    for (seed, day, replay) in &days {
        tally.add(*seed, day, replay);
    }
    let good = &tally.wrong()[..tally.good_banned()];
    assert!(good.is_empty(), "{good:#?}");
    assert!(tally.soon() >= SHARE, "only {:.2} %", tally.soon());
}
