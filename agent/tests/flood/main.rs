//! An attack from ever new addresses, with ever new accounts, under the rules of all presets at once: no table grows beyond its bound,
//! and no ban in force is forgotten. Ten million of them are played by `cargo xtask bench logs flood`.

mod stream;

use self::stream::Flood;

/// More than most tables hold.
const CLIENTS: u64 = 100_000;

#[test]
fn a_flood_of_addresses_and_accounts_keeps_every_table_within_its_bound_and_forgets_no_ban() {
    let mut flood = Flood::new().unwrap();
    for client in 0..CLIENTS {
        flood.play(client);
        if client % 10_000 == 0 {
            flood.check().unwrap();
        }
    }
    flood.check().unwrap();
    assert!(flood.bans() > 1_000);
    // Else the flood would prove nothing of them.
    let full: Vec<&str> = flood
        .tables()
        .iter()
        .filter(|table| table.used == table.max)
        .map(|table| table.name)
        .collect();
    for name in [
        "failures told",
        "near misses",
        "spared",
        "strange names",
        "holds",
    ] {
        assert!(full.contains(&name), "{name} is not full: {full:?}");
    }
    let bans = flood.bans();
    flood.pass_a_year();
    flood.check().unwrap();
    assert!(flood.bans() < bans);
}
