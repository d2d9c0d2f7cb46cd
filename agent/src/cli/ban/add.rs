//! `mailwall ban add`.

use std::{collections::HashSet, time::Duration};

use ipnet::IpNet;

use crate::{
    cli::{
        console::Console,
        exchange,
        exit::Exit,
        failure::Failure,
        net::{self, Nets},
        number::count,
        time,
    },
    control::protocol::{Answer, BanAdded, Request},
    duration, rule,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall ban add 203.0.113.7                                        # for an hour
  mailwall ban add --network 203.0.113.7 --for 7d --reason \"sold lists\"   # all of 203.0.113.0/24
  mailwall ban add --from bans.txt --permanent                        # until they are removed";

/// Shut out addresses and networks
///
/// Their new connections to the guarded ports are dropped, for an hour when nothing else is said. A ban that is there gets
/// the new end. It is all or nothing: when one network cannot be banned, none is. Refused are networks that the allowlist
/// covers, and those that your own SSH session comes from.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    nets: Nets,
    /// For how long: 90s, 15m, 4h, 30d, 1h30m
    #[arg(long = "for", value_name = "LENGTH", value_parser = length, default_value = "1h")]
    length: Duration,
    /// Until they are removed
    #[arg(long, conflicts_with = "length")]
    permanent: bool,
    /// Why; shown in lists
    #[arg(long, value_name = "TEXT", value_parser = net::parse_reason, default_value = "by hand")]
    reason: String,
    /// Ban the whole network around each address: IPv4 /24, IPv6 /48
    ///
    /// That is the widest that a rule would ban. Networks that are wider stay as they are given.
    #[arg(long)]
    network: bool,
    /// Networks wider than /16 (IPv6: /32) are meant
    #[arg(long)]
    yes: bool,
}

fn length(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("a ban of no time".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    let mut nets = args.nets.read()?;
    if args.network {
        nets = around(nets);
    }
    if !args.yes {
        net::refuse_wide(&nets)?;
    }
    let length = (!args.permanent).then_some(args.length);
    let what = Banned {
        only: (nets.len() == 1).then(|| nets[0]),
        length,
    };
    let request = Request::BanAdd {
        nets,
        for_s: length.map(|length| length.as_secs()),
        reason: args.reason,
        caller: exchange::caller(),
        wide: args.yes,
    };
    let Answer::BanAdded(added) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    for warning in &added.warnings {
        console.warn(warning);
    }
    let (new, renewed) = (added.added.to_string(), added.renewed.to_string());
    let ends = added.ends.as_deref().unwrap_or_default();
    console.done(&added, &[&new, &renewed, ends], &what.sentence(&added))?;
    Ok(Exit::Done)
}

/// The networks around `nets`, each once, in their order.
fn around(nets: Vec<IpNet>) -> Vec<IpNet> {
    let mut seen = HashSet::new();
    let nets = nets.into_iter().map(|net| {
        let network = rule::network(net.addr());
        if network.contains(&net) { network } else { net }
    });
    nets.filter(|net| seen.insert(*net)).collect()
}

/// What was asked for, for the sentence that says it is done.
struct Banned {
    only: Option<IpNet>,
    length: Option<Duration>,
}

impl Banned {
    fn sentence(&self, added: &BanAdded) -> String {
        let whom = |number| match &self.only {
            Some(net) => net::shown(net),
            None => count(number, "network", "networks"),
        };
        let done = match (added.added, added.renewed) {
            (new, 0) => format!("banned {}", whom(new)),
            (0, renewed) => format!("renewed the ban of {}", whom(renewed)),
            (new, renewed) => format!("banned {}, renewed {}", whom(new), whom(renewed)),
        };
        match (self.length, &added.ends) {
            (Some(length), Some(ends)) => {
                let length = duration::format(length);
                format!("{done} for {length}, until {}", time::local_with_zone(ends))
            }
            (Some(length), None) => format!("{done} for {}", duration::format(length)),
            (None, _) => format!("{done} until removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::around;

    #[test]
    fn an_address_stands_for_its_network() {
        let nets = [
            "203.0.113.7/32",
            "203.0.113.128/25",
            "198.51.0.0/16",
            "2001:db8:1:2::/64",
            "2001:db8:1:3::5/128",
            "2001:db8::/32",
        ];
        let nets = around(nets.map(|net| net.parse().unwrap()).to_vec());
        let shown: Vec<String> = nets.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "203.0.113.0/24",
                "198.51.0.0/16",
                "2001:db8:1::/48",
                "2001:db8::/32"
            ]
        );
    }
}
