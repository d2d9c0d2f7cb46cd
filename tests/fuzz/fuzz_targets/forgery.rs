//! Lines of a corpus in which a client chose other words for its account or recipient: a victim that stands nowhere else is
//! never named.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use mailwall::dialect::Reading;
use mailwall_fuzz::{Seed, dialect, now, reader, stands_in};

/// In no corpus.
const VICTIM: IpAddr = IpAddr::V4(Ipv4Addr::new(233, 252, 0, 99));
/// Stands for the victim in the words, so that it is found at once.
const MARK: u8 = 0x80;

fuzz_target!(|data: &[u8]| {
    let Some((dialect, [high, low, words @ ..])) = dialect(data) else {
        return;
    };
    let seeds = Seed::of(dialect.name);
    if seeds.is_empty() {
        return;
    }
    let seed = &seeds[usize::from(u16::from_be_bytes([*high, *low])) % seeds.len()];
    let victim = VICTIM.to_string();
    let mut spliced = Vec::new();
    for byte in words {
        match byte {
            &MARK => spliced.extend_from_slice(victim.as_bytes()),
            b'\n' => spliced.push(b'?'),
            other => spliced.push(*other),
        }
    }
    let honest = seed.with(b"somebody");
    let log = seed.with(&spliced);
    let mut reader = reader();
    for line in &log {
        if let Reading::Event(event) = reader.read(line, now())
            && let Some(address) = event.address
        {
            assert!(
                stands_in(&honest.join(&b'\n'), address),
                "{address} was put into: {}",
                String::from_utf8_lossy(line)
            );
        }
    }
});
