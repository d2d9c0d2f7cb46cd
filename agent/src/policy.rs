//! The Postfix policy service: Postfix asks about a client at each step of a session, and is answered from what the judge holds
//! against it (SMTPD_POLICY_README of Postfix).
//!
//! [`serve`] runs on a thread of its own. It reads requests, hands each as a [`Question`] through a bounded channel to the
//! task that owns all state, and waits [`ANSWER_WITHIN`] for the answer; whatever happens, Postfix is told `DUNNO` by then, which
//! lets the mail through. [`Desk`] decides: pure, from a request, what is known of the client, and the time.
//!
//! Nothing that is asked here is evidence. Bans come from logs and from the kernel alone: whoever can reach the socket could
//! name any address.

mod answer;
mod desk;
mod held;
mod holds;
mod listener;
mod protocol;
mod rates;
mod recent;
mod request;
mod server;
mod session;
mod settings;
mod stats;
mod tarpits;
#[cfg(test)]
mod tests;

pub use self::{
    answer::{Answer, Kind, Reply, SLEEP_MAX},
    desk::{BAD_RECIPIENTS_MAX, Desk, Standing, Verdict},
    held::HELD_MAX,
    holds::Holds,
    listener::{Listen, Listener, Whereabouts},
    protocol::{ATTRIBUTES_MAX, Decoder, Garbage, REQUEST_BYTES_MAX},
    recent::Recent,
    request::{Request, State},
    server::{ANSWER_WITHIN, CONNECTIONS_MAX, QUESTIONS_MAX, Question, Service, serve},
    settings::{PolicySettings, Response},
    stats::Stats,
    tarpits::{TARPITS_MAX, Tarpits},
};
