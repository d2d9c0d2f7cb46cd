//! qmail and what is run around it: rblsmtpd, tcpserver, the patches of qmail-smtpd, spamdyke, simscan and vpopmail.
//!
//! By syslog (`splogger`, whose stamp stands before the message) and by multilog, where a line begins with the program's name. qmail-send
//! names no clients.

mod chkuser;
mod smtpd;
mod spamdyke;
mod tcp;
mod vpopmail;

use self::tcp::Tcpserver;
use super::{
    Dialect, Interpreter, Line, Reading,
    text::{before, starts_with_any, without_blanks},
};
use crate::event::Service;

/// qmail.
pub(super) const DIALECT: Dialect = Dialect {
    name: "qmail",
    speaks,
    bare_program: Some(b"qmail"),
    start: || Box::new(Qmail::default()),
};

#[derive(Default)]
struct Qmail {
    tcpserver: Tcpserver,
}

fn speaks(program: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"chkuser",
        b"qmail",
        b"rblsmtpd",
        b"simscan",
        b"spamdyke",
        b"tcpserver",
        b"vchkpw",
        b"vpopmail",
    ];
    NAMES.contains(&program) || starts_with_any(program, &[b"qmail-", b"vchkpw-", b"vpopmail-"])
}

impl Interpreter for Qmail {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let text = after_stamp(line.message);
        // What multilog keeps begins with the program; what syslog does has it in the tag, or in both.
        let (program, text) = program_of(text).unwrap_or((line.program, text));
        match program {
            b"rblsmtpd" => tcp::rblsmtpd(line, text),
            b"tcpserver" => self.tcpserver.read(line, text),
            b"qmail-smtpd" | b"qmail-smtpd-chkusr" => smtpd::read(line, text),
            b"spamdyke" => spamdyke::read(line, text),
            b"simscan" => smtpd::simscan(line, text),
            b"vpopmail" | b"vchkpw" => vpopmail::read(line, program, text),
            _ if program.starts_with(b"vchkpw-") => vpopmail::read(line, program, text),
            _ if text.starts_with(b"CHKUSER ") => chkuser::read(line, text),
            b"qmail" | b"qmail-send" => smtpd::queue(line, text),
            _ if text.starts_with(b"chkuser") => Reading::Ignored,
            _ => Reading::Ignored,
        }
    }
}

/// `1157519909.633171 `, as splogger writes it.
fn after_stamp(text: &[u8]) -> &[u8] {
    let word = before(&text[..text.len().min(24)], b" ");
    let is_stamp = word.contains(&b'.')
        && word.len() > 10
        && word
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    match text.get(word.len()..) {
        Some([b' ', rest @ ..]) if is_stamp => rest,
        _ => text,
    }
}

/// `rblsmtpd: MESSAGE`, `spamdyke[4711]: MESSAGE`: a program of this dialect, and what it said.
fn program_of(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let end = text.iter().take(32).position(|byte| !is_name(byte))?;
    let (name, rest) = text.split_at(end);
    speaks(name).then_some(())?;
    let rest = match rest.strip_prefix(b"[") {
        Some(inside) => {
            let end = inside.iter().take(12).position(|&byte| byte == b']')?;
            &inside[end + 1..]
        }
        None => rest,
    };
    let rest = rest.strip_prefix(b":")?;
    Some((name, without_blanks(rest)))
}

/// The service of `vchkpw-pop3` and its like.
fn service(program: &[u8]) -> Service {
    match program.rsplit(|&byte| byte == b'-').next() {
        Some(b"pop3" | b"pop3s") => Service::Pop,
        Some(b"imap" | b"imaps") => Service::Imap,
        Some(b"sieve") => Service::Sieve,
        _ => Service::Smtp,
    }
}
