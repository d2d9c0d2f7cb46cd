//! Lists of bans as other programs keep them: what each format says, and how ours are said in it. One file a format, one
//! registration in [`FORMATS`]. Nothing here asks the agent or changes anything.
//!
//! A reader takes in all that it can and remembers the rest with its place: what is wrong is a [`Remark`] among the mistakes,
//! what is right but cannot be a ban one among the notes.

mod crowdsec;
mod csv;
mod exim_iplsearch;
pub mod fail2ban;
mod imported;
mod ipset;
pub mod jails;
mod json;
pub mod list;
pub mod net;
mod nft;
mod postscreen_cidr;
mod sendmail_access;
mod spamhaus_drop;
mod text;

#[cfg(test)]
mod tests;

use std::{
    io::{self, BufRead, Write},
    path::Path,
    time::SystemTime,
};

use ipnet::IpNet;

pub use self::{
    imported::{Allowed, Entry, Imported, Place, Remark, Remarks},
    text::LINE_MAX,
};

/// Most entries of one list: as many as the agent takes in.
pub const ENTRIES_MAX: usize = crate::control::protocol::NETS_MAX;
/// Most bytes of a list that has to be read as a whole.
pub const WHOLE_MAX: u64 = 512 << 20;

/// Every format, in the order of the help.
pub const FORMATS: &[Format] = &[
    sendmail_access::FORMAT,
    postscreen_cidr::FORMAT,
    exim_iplsearch::FORMAT,
    fail2ban::FORMAT,
    crowdsec::FORMAT,
    ipset::FORMAT,
    nft::FORMAT,
    spamhaus_drop::FORMAT,
    csv::FORMAT,
    json::FORMAT,
];

/// A format.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// As it is named on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// How it is read.
    pub read: Read,
    /// How it is written; `None` where it is not.
    pub write: Option<Writer>,
    /// Whether an entry says itself who decided it.
    pub has_origins: bool,
}

/// How a format is read.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// From a text.
    Text(fn(&mut dyn BufRead, &Options, &mut Imported) -> io::Result<()>),
    /// From a file that is a database.
    Database(fn(&Path, &Options, &mut Imported) -> io::Result<()>),
    /// It is only written.
    No,
}

/// How a format is written: what it cannot say is among the notes.
pub type Writer = fn(&mut dyn Write, &[Entry], SystemTime, &mut Remarks) -> io::Result<()>;

/// What of a list is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// What ends are reckoned from where the list tells what is left.
    pub now: SystemTime,
    /// Sets or jails that are wanted; all, or all that are about mail, when there is none.
    pub only: Vec<String>,
    /// Jails that are not about mail, too.
    pub all: bool,
}

impl Format {
    /// The format of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// Whether it can be read.
    pub fn is_read(&self) -> bool {
        !matches!(self.read, Read::No)
    }
}

/// Nets that are wider than people usually mean: they are asked about.
pub fn is_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() < 16,
        IpNet::V6(net) => net.prefix_len() < 32,
    }
}
