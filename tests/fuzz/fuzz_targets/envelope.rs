//! Any lines, read as the agent reads them: nothing breaks, what an envelope holds stands in its line, and nobody is named whose
//! address does not stand there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwall::{dialect::Reading, envelope};
use mailwall_fuzz::{now, reader, stands_in};

fuzz_target!(|log: &[u8]| {
    let mut reader = reader();
    for line in log.split(|&byte| byte == b'\n') {
        if let Some((envelope, _)) = envelope::read(line) {
            let range = line.as_ptr_range();
            for part in [envelope.host, envelope.program, envelope.message] {
                let inside = part.as_ptr_range();
                assert!(part.is_empty() || range.start <= inside.start && inside.end <= range.end);
            }
        }
        if let Reading::Event(event) = reader.read(line, now())
            && let Some(address) = event.address
        {
            assert!(stands_in(log, address), "{address} stands nowhere");
        }
    }
});
