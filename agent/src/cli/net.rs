//! Addresses and networks as arguments, and lists of them in files.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use ipnet::IpNet;

use super::{exit::Exit, failure::Failure, number::grouped};
use crate::{
    ban::REASON_MAX,
    control::protocol::NETS_MAX,
    exchange::{self, net::NetError},
    line,
};

/// Wider IPv4 networks need `--yes`.
const WIDE_V4: u8 = 16;
/// Wider IPv6 networks need `--yes`.
const WIDE_V6: u8 = 32;
/// Most bytes of a line of a list.
const LIST_LINE_MAX: usize = 4096;
/// Most characters of a wrong text that are shown.
const SHOWN_MAX: usize = 64;

/// Networks, as arguments or from a file.
#[derive(Args, Debug)]
pub struct Nets {
    /// Addresses and networks: 203.0.113.7, 203.0.113.0/24, 2001:db8::/64
    ///
    /// A bare address stands for itself alone: /32, or /128 for IPv6. An IPv6 subscriber usually has a whole /64, which is what
    /// rules ban: name it like 2001:db8:0:1::/64.
    #[arg(value_name = "NET", required_unless_present = "from")]
    nets: Vec<String>,
    /// Read networks from a file too, one a line, # starts a comment; - for stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    from: Option<PathBuf>,
}

impl Nets {
    /// All of them, in order.
    ///
    /// # Errors
    ///
    /// When one is none, with its place; when there are none or too many.
    pub fn read(&self) -> Result<Vec<IpNet>, Failure> {
        let mut nets = Vec::with_capacity(self.nets.len());
        for text in &self.nets {
            nets.push(parse(text, "")?);
        }
        if let Some(path) = &self.from {
            read_file(path, &mut nets)?;
            if nets.is_empty() {
                return Err(Failure::usage(format!("no networks in {}", path.display())));
            }
        }
        Ok(nets)
    }
}

/// Refuses networks so wide that they are likely a slip.
///
/// # Errors
///
/// At the first one.
pub fn refuse_wide(nets: &[IpNet]) -> Result<(), Failure> {
    let wide = |net: &&IpNet| match net {
        IpNet::V4(net) => net.prefix_len() < WIDE_V4,
        IpNet::V6(net) => net.prefix_len() < WIDE_V6,
    };
    let Some(net) = nets.iter().find(wide) else {
        return Ok(());
    };
    let (widest, meant) = match net {
        IpNet::V4(net) => {
            let addresses = grouped(1 << (32 - net.prefix_len()));
            (WIDE_V4, format!("all {addresses} addresses are meant"))
        }
        IpNet::V6(_) => (WIDE_V6, "all of it is meant".to_owned()),
    };
    let error = format!("{net} is wider than /{widest}");
    Err(Failure::usage(error).hint(format!("add --yes if {meant}")))
}

/// The address, or the network as people write it: a host without its length.
pub fn shown(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// One address as an argument.
///
/// # Errors
///
/// When it is none.
pub fn parse_address(text: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) if text.contains('/') => Err("an address is wanted, not a network".to_owned()),
        Err(_) => Err("not an address".to_owned()),
    }
}

/// One network as an argument; an address stands for itself alone.
///
/// # Errors
///
/// When it is none, or has host bits set.
pub fn parse_net(text: &str) -> Result<IpNet, String> {
    exchange::net::parse(text).map_err(|error| format!("{error}: {}", error.hint()))
}

/// A reason as an argument.
///
/// # Errors
///
/// When it is too long, or more than a line of text.
pub fn parse_reason(text: &str) -> Result<String, String> {
    if text.chars().count() > REASON_MAX {
        return Err(format!("longer than {REASON_MAX} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("control characters are not for reasons".to_owned());
    }
    Ok(text.to_owned())
}

/// A network as an argument or in a list; `place` says where it was found.
fn parse(text: &str, place: &str) -> Result<IpNet, Failure> {
    exchange::net::parse(text).map_err(|error| {
        let hint = error.hint();
        let wrong = match error {
            NetError::Syntax => {
                let text = line::escaped(text.as_bytes(), SHOWN_MAX);
                format!("{place}\"{text}\" is {error}")
            }
            _ => format!("{place}{error}"),
        };
        Failure::usage(wrong).hint(hint)
    })
}

fn read_file(path: &Path, nets: &mut Vec<IpNet>) -> Result<(), Failure> {
    if path == Path::new("-") {
        return read_list("stdin", io::stdin().lock(), nets);
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    read_list(&name, BufReader::new(file), nets)
}

fn read_list(name: &str, mut reader: impl BufRead, nets: &mut Vec<IpNet>) -> Result<(), Failure> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut bounded = (&mut reader).take(LIST_LINE_MAX as u64 + 1);
        let read = bounded.read_until(b'\n', &mut line);
        if read.map_err(|error| unreadable(name, &error))? == 0 {
            break;
        }
        let place = format!("{name}:{number}: ");
        if line.len() > LIST_LINE_MAX {
            return Err(Failure::usage(format!(
                "{place}longer than {LIST_LINE_MAX} bytes"
            )));
        }
        let text = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let text = match str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => line::escaped(text, SHOWN_MAX),
        };
        nets.push(parse(&text, &place)?);
        if nets.len() > NETS_MAX {
            let most = grouped(NETS_MAX as u64);
            return Err(Failure::usage(format!("{place}more than {most} networks")));
        }
    }
    Ok(())
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot read {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn said(failure: Failure) -> String {
        match failure {
            Failure::Said { error, hint, .. } => format!("{error} | {}", hint.unwrap_or_default()),
            Failure::ReaderGone => unreachable!(),
        }
    }

    fn check(list: &str, expected: &Expect) {
        let mut nets = Vec::new();
        let shown = match read_list("bans.txt", list.as_bytes(), &mut nets) {
            Ok(()) => nets
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(failure) => said(failure),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn lists_have_one_network_a_line_and_comments() {
        check(
            "# seen in May\n203.0.113.7\r\n\n  198.51.100.0/24 # neighbours\n2001:db8::1\n2001:db8::/32",
            &expect!["203.0.113.7/32 198.51.100.0/24 2001:db8::1/128 2001:db8::/32"],
        );
        check(
            "::ffff:203.0.113.7\n::ffff:203.0.113.0/120",
            &expect!["203.0.113.7/32 203.0.113.0/24"],
        );
        check("", &expect![[""]]);
    }

    #[test]
    fn what_is_wrong_in_a_list_is_named_with_its_line() {
        check(
            "203.0.113.7\n\n192.0.2.1/24\n",
            &expect![
                "bans.txt:3: 192.0.2.1/24 has host bits set | the network is 192.0.2.0/24, the address alone 192.0.2.1"
            ],
        );
        check(
            "203.0.113.256",
            &expect![[
                r#"bans.txt:1: "203.0.113.256" is neither an address nor a network | write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64"#
            ]],
        );
        check(
            "203.0.113.0/33",
            &expect![[
                r#"bans.txt:1: "203.0.113.0/33" is neither an address nor a network | write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64"#
            ]],
        );
        check(
            "203.0.113.7 198.51.100.7",
            &expect![[
                r#"bans.txt:1: "203.0.113.7 198.51.100.7" is neither an address nor a network | write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64"#
            ]],
        );
        check(
            "fe80::1%eth0",
            &expect![[
                r#"bans.txt:1: "fe80::1%eth0" is neither an address nor a network | write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64"#
            ]],
        );
        check(
            "\u{1b}[2J\u{0}",
            &expect![[
                r#"bans.txt:1: "\x1b[2J\x00" is neither an address nor a network | write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64"#
            ]],
        );
        check(
            &"9".repeat(5000),
            &expect!["bans.txt:1: longer than 4096 bytes | "],
        );
    }

    #[test]
    fn wide_networks_are_refused() {
        let check = |net: &str| refuse_wide(&[net.parse().unwrap()]).map_err(said);
        assert_eq!(check("203.0.0.0/16"), Ok(()));
        assert_eq!(check("2001:db8::/32"), Ok(()));
        expect!["203.0.0.0/15 is wider than /16 | add --yes if all 131 072 addresses are meant"]
            .assert_eq(&check("203.0.0.0/15").unwrap_err());
        expect!["0.0.0.0/0 is wider than /16 | add --yes if all 4 294 967 296 addresses are meant"]
            .assert_eq(&check("0.0.0.0/0").unwrap_err());
        expect!["2000::/3 is wider than /32 | add --yes if all of it is meant"]
            .assert_eq(&check("2000::/3").unwrap_err());
    }
}
