//! What the words of an administrator mean: access tables, ACLs and rulesets say why they refuse in free text.

use std::sync::LazyLock;

use super::text::{find, starts_with};
use crate::event::EventKind;

/// Most of a reason that is looked at.
const REASON_MAX: usize = 256;

/// What a refusal is about, by its words. None of the kinds that weigh nothing comes before one that weighs: text of the
/// client that is repeated in a reason is no excuse.
pub(super) fn of_words(text: &[u8]) -> Option<EventKind> {
    let mut lower = [0; REASON_MAX];
    let length = text.len().min(REASON_MAX);
    for (to, from) in lower.iter_mut().zip(text) {
        *to = from.to_ascii_lowercase();
    }
    let lower = &lower[..length];
    let mut best = WORDS.len();
    for at in 0..length {
        let text = &lower[at..];
        if !may_begin(text) {
            continue;
        }
        let Some(candidates) = INDEX.get(usize::from(lower[at])) else {
            continue;
        };
        for (word, rank) in candidates {
            if *rank < best && starts_with(text, word) {
                best = *rank;
            }
        }
    }
    WORDS.get(best).map(|(_, kind)| *kind)
}

/// Whether one of [`WORDS`] may be what `text` begins with: few pairs of bytes are what one begins with.
fn may_begin(text: &[u8]) -> bool {
    let [first, second, ..] = text else {
        return false;
    };
    SECONDS[usize::from(*first)] >> (second & 31) & 1 == 1
}

/// By the first byte of a word the lower five bits of the second byte, each as one bit.
const SECONDS: [u32; 256] = {
    let mut seconds = [0; 256];
    let mut rank = 0;
    while rank < WORDS.len() {
        let words = WORDS[rank].0;
        let mut at = 0;
        while at < words.len() {
            seconds[words[at][0] as usize] |= 1 << (words[at][1] & 31);
            at += 1;
        }
        rank += 1;
    }
    seconds
};

/// A word, and its place in [`WORDS`].
type Ranked = (&'static [u8], usize);

/// Words by their first letter, with their place in [`WORDS`].
static INDEX: LazyLock<Vec<Vec<Ranked>>> = LazyLock::new(|| {
    let mut index = vec![Vec::new(); 128];
    for (rank, (words, _)) in WORDS.iter().enumerate() {
        for word in *words {
            if let Some(place) = word
                .first()
                .and_then(|&first| index.get_mut(usize::from(first)))
            {
                place.push((*word, rank));
            }
        }
    }
    index
});

/// Whether it is about a name that did not resolve, which may be the fault of our own resolver.
pub(super) fn is_about_dns(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"verify", b"verification", b"verified", b"resolve"];
    let text = &text[..text.len().min(REASON_MAX)];
    WORDS.iter().any(|word| find(text, word).is_some())
}

type Words = (&'static [&'static [u8]], EventKind);

const WORDS: &[Words] = &[
    (
        &[
            b"relay not permitted",
            b"relaying",
            b"relay access denied",
            b"relay denied",
            b"to relay",
            b"not a relay",
            b"open relay",
            b"no relay",
            b"relay is not",
        ],
        EventKind::RelayDenied,
    ),
    (
        &[
            b"sender verify",
            b"sender address",
            b"sender domain",
            b"of sender",
            b"envelope sender",
            b"spf ",
            b"spf:",
            b"spf_",
            b"dmarc",
        ],
        EventKind::SenderRejected,
    ),
    (
        &[
            b"user unknown",
            b"unknown user",
            b"unknown recipient",
            b"recipient unknown",
            b"mailbox unknown",
            b"address unknown",
            b"unknown address",
            b"unknown local",
            b"no such",
            b"unrouteable",
            b"unroutable",
            b"not exist",
            b"no mailbox",
            b"mailbox unavailable",
            b"mailbox not found",
            b"user not found",
            b"recipient not found",
            b"invalid recipient",
            b"invalid user",
            b"invalid mailbox",
            b"bad recipient",
            b"account disabled",
            b"mailbox disabled",
            b"undeliverable",
            b"not a valid mailbox",
        ],
        EventKind::UnknownRecipient,
    ),
    (
        &[
            b"rbl",
            b"dnsbl",
            b"dnswl",
            b"blacklist",
            b"black list",
            b"black-list",
            b"blocklist",
            b"block list",
            b"blocked",
            b" listed",
            b"spamhaus",
            b"spamcop",
        ],
        EventKind::DnsblRejected,
    ),
    (&[b"helo", b"ehlo"], EventKind::HeloRejected),
    (
        &[
            b"ratelimit",
            b"rate limit",
            b"rate-limit",
            b"connection rate",
            b"rate exceed",
            b"too many",
            b"throttl",
            b"flood",
            b"per hour",
        ],
        EventKind::RateLimited,
    ),
    (
        &[b"spam", b"virus", b"malware", b"attachment", b"content"],
        EventKind::ContentRejected,
    ),
    (
        &[
            b"quota",
            b"mailbox full",
            b"mailbox is full",
            b"disk full",
            b"insufficient",
        ],
        EventKind::ServerFault,
    ),
];

#[cfg(test)]
mod tests {
    use super::of_words;
    use crate::event::EventKind;

    #[test]
    fn words_tell_what_a_refusal_is_about() {
        let of = |text: &str| of_words(text.as_bytes());
        assert_eq!(of("relay not permitted"), Some(EventKind::RelayDenied));
        assert_eq!(of("Unrouteable address"), Some(EventKind::UnknownRecipient));
        assert_eq!(of("Sender verify failed"), Some(EventKind::SenderRejected));
        assert_eq!(
            of("Domain of sender address a@b does not exist"),
            Some(EventKind::SenderRejected)
        );
        assert_eq!(of("Mailbox is over quota"), Some(EventKind::ServerFault));
        assert_eq!(of("go away"), None);
        assert_eq!(of(&"x".repeat(100_000)), None);
    }
}
