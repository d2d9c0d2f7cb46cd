//! Any bytes, cut anyhow, as a policy client sends them: nothing breaks, it does not matter how they are cut, and every request
//! is answered with one line and an empty one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwall::policy::{Decoder, Desk, Garbage, PolicySettings, Request, Standing};
use mailwall_fuzz::now;

/// Requests up to the first that is none.
fn requests<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Request>, Option<Garbage>) {
    let mut decoder = Decoder::default();
    let mut requests = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next_request() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(garbage) => return (requests, Some(garbage)),
            }
        }
    }
    (requests, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, text)) = data.split_first() else {
        return;
    };
    let cut = text.chunks(usize::from(cut).max(1));
    let (asked, garbage) = requests(cut);
    let (whole, _) = requests(std::iter::once(text));
    // How much is too long is found out a reading sooner or later.
    if garbage.is_none() {
        assert_eq!(asked, whole);
    }
    let mut desk = Desk::new(PolicySettings::default());
    for request in &asked {
        let verdict = desk.answer(request, &Standing::default(), now());
        let wire = verdict.answer.to_wire();
        assert!(wire.starts_with("action=") && wire.ends_with("\n\n"));
        assert_eq!(wire.matches('\n').count(), 2);
    }
});
