//! Postfix, 2.x to 3.11: what smtpd, postscreen and the daemons beside them say about clients, and what becomes of the
//! messages that these send.
//!
//! Shapes are those of `smtpd.c`, `smtpd_check.c`, `smtpd_sasl_glue.c`, `anvil.c`, `tlsproxy.c`, `qmgr_active.c` and
//! `postscreen*.c`, and of the logs in `tests/corpus/postfix.txt`. Other daemons are not believed about addresses: cleanup
//! writes header text before the client's address, smtp and lmtp write those of other servers, and header checks may write
//! anything. Their lines are joined to a client by the queue id.

mod anvil;
mod client;
mod disconnect;
mod postgrey;
mod postscreen;
mod queue;
mod reject;
mod smtpd;
mod tlsproxy;
mod warning;

use self::{postscreen::Postscreen, queue::Queue, smtpd::Smtpd};
use super::{
    Dialect, Interpreter, Line, Reading,
    text::{before, find},
};
use crate::{
    event::{EventKind, Service},
    lanes,
};

/// Postfix.
pub(super) const DIALECT: Dialect = Dialect {
    name: "postfix",
    speaks,
    bare_program: Some(b"postfix/smtpd"),
    start: || Box::new(Postfix::default()),
};

#[derive(Default)]
struct Postfix {
    smtpd: Smtpd,
    postscreen: Postscreen,
    queue: Queue,
}

/// `postfix/smtpd`, `postfix/submission/smtpd`, `postfix-in/smtpd`; and postgrey, which speaks for Postfix about clients.
fn speaks(program: &[u8]) -> bool {
    match program.strip_prefix(b"postfix") {
        Some(rest) => rest.contains(&b'/'),
        None => program == b"postgrey",
    }
}

impl Interpreter for Postfix {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        match daemon(line.program) {
            b"smtpd" => self.smtpd.read(line, line.message, &mut self.queue),
            b"postscreen" => self.postscreen.read(line, line.message),
            b"cleanup" => self.smtpd.read_cleanup(line, &mut self.queue),
            b"qmgr" | b"nqmgr" | b"oqmgr" => self.queue.read_manager(line),
            b"smtp" | b"lmtp" | b"local" | b"virtual" | b"pipe" | b"error" => {
                self.queue.read_delivery(line)
            }
            b"anvil" => anvil::read(line),
            b"tlsproxy" => tlsproxy::read(line),
            b"postgrey" => postgrey::read(line),
            // dnsblog and policy servers say what smtpd and postscreen say again when they act on it.
            _ => Reading::Ignored,
        }
    }
}

/// The last part of a tag.
fn daemon(program: &[u8]) -> &[u8] {
    // Most lines are of these.
    match program {
        [.., b'/', b's', b'm', b't', b'p', b'd'] => b"smtpd",
        [.., b'/', b'q', b'm', b'g', b'r'] => b"qmgr",
        [.., b'/', b'c', b'l', b'e', b'a', b'n', b'u', b'p'] => b"cleanup",
        _ => {
            let last = program.rsplit(|&byte| byte == b'/').next();
            last.unwrap_or_default()
        }
    }
}

/// A line of a known program that tells of its server's trouble.
fn server_fault(line: &Line<'_>) -> Reading {
    Reading::Event(line.event(EventKind::ServerFault, Service::Smtp))
}

/// Takes a queue id and its colon (`NOQUEUE: `, `00ADB3C0899: `, `4JgyGN3kgGzMCn: `) off the front.
fn after_queue_id(message: &[u8]) -> (&[u8], &[u8]) {
    let end = lanes::run(message, ID_MAX, lanes::is_alphanumeric);
    let (id, rest) = message.split_at(end);
    match rest {
        [b':', b' ', rest @ ..] if end < ID_MAX && is_queue_id(id) => (id, rest),
        _ => (b"", message),
    }
}

/// Short ids are upper-case hexadecimal. Long ones have no vowels (`MAIL_QUEUE_CLOCK`'s base 52), so no word such as
/// `warning` passes for one.
fn is_queue_id(id: &[u8]) -> bool {
    let forms = || {
        id.iter().fold(SHORT | LONG, |forms, &byte| {
            forms & FORMS_OF[usize::from(byte)]
        })
    };
    id == b"NOQUEUE" || (id.len() >= 5 && forms() != 0)
}

/// Longest queue id, and one more.
const ID_MAX: usize = 32;
/// Bytes of short ids.
const SHORT: u8 = 1;
/// Bytes of long ones.
const LONG: u8 = 2;

/// Forms of queue ids that each byte may be in.
const FORMS_OF: [u8; 256] = {
    let mut forms = [0; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        if matches!(byte, b'0'..=b'9' | b'A'..=b'F') {
            forms[byte as usize] |= SHORT;
        }
        if !matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u') {
            forms[byte as usize] |= LONG;
        }
        byte += 1;
    }
    forms
};

/// Splits `RCPT from unknown[...` or `DATA (12 bytes) from unknown[...`: the stage is smtpd's own word.
fn after_stage(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const STAGE_MAX: usize = 48;
    let head = &text[..text.len().min(STAGE_MAX)];
    let at = find(head, b" from ")?;
    let is_stage = |byte: &u8| byte.is_ascii_alphanumeric() || b" ()-".contains(byte);
    text[..at].iter().all(is_stage).then(|| {
        let stage = before(&text[..at], b" ");
        (stage, &text[at + b" from ".len()..])
    })
}
