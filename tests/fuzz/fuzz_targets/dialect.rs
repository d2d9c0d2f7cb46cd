//! Any lines, read as one dialect's: nothing breaks, and nobody is named whose address does not stand there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwall::dialect::Reading;
use mailwall_fuzz::{dialect, now, reader_of, stands_in};

fuzz_target!(|data: &[u8]| {
    let Some((dialect, log)) = dialect(data) else {
        return;
    };
    let mut reader = reader_of(dialect);
    for line in log.split(|&byte| byte == b'\n') {
        if let Reading::Event(event) = reader.read(line, now())
            && let Some(address) = event.address
        {
            // Its session's lines may have said it before.
            assert!(stands_in(log, address), "{address} stands nowhere");
        }
    }
});
