//! What tells names of accounts and recipients apart (FNV-1a), without keeping them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::decision::Whom;

/// Whom something was told of, as a key of tables.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Subject {
    Net(IpNet),
    Account(u64),
}

impl From<&Whom> for Subject {
    fn from(whom: &Whom) -> Self {
        match whom {
            Whom::Net(net) => Self::Net(*net),
            Whom::Account(name) => Self::Account(key(name.as_bytes())),
        }
    }
}

/// A name, in whatever case it is written.
pub(super) fn key(name: &[u8]) -> u64 {
    fold(name.iter().map(u8::to_ascii_lowercase))
}

/// An account, also without its domain, which some programs cut off.
pub(super) fn account_key(name: &str) -> u64 {
    let local = name.bytes().take_while(|&byte| byte != b'@');
    fold(local.map(|byte| byte.to_ascii_lowercase()))
}

/// A host.
pub(super) fn host_key(host: IpNet) -> u64 {
    let length = [host.prefix_len()].into_iter();
    match host.addr() {
        IpAddr::V4(address) => fold(address.octets().into_iter().chain(length)),
        IpAddr::V6(address) => fold(address.octets().into_iter().chain(length)),
    }
}

fn fold(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
