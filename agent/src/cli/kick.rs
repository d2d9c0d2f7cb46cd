//! `mailwall kick`: live connections end.

use ipnet::IpNet;

use super::{console::Console, exit::Exit, failure::Failure, number::count};
use crate::control::protocol::{Answer, KickDone, KickWhom, Request};

const EXAMPLES: &str = "EXAMPLES
  mailwall kick 203.0.113.7                     # all connections of a host to the guarded ports
  mailwall kick joe@example.org                 # those that an account is logged in on
  mailwall ban add 203.0.113.7 --for 1d && mailwall kick 203.0.113.7   # out, and not in again";

/// End live connections of a host, a network or an account
///
/// A ban keeps new connections away; this ends those that there are, at the guarded ports only, so no SSH session. Of an account
/// those end whose port the log tells: Dovecot always does, Postfix with smtpd_client_port_logging = yes, Exim with
/// log_selector = +incoming_port. Others behind the same address are left alone. Where doveadm is installed, Dovecot is asked
/// to end all sessions of the account. Who was kicked may come back: ban the host, or change the password. The exit
/// code is 5 when there was nothing to end.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Whom: 203.0.113.7, 2001:db8::/64 or an account
    #[arg(value_name = "IP|NET|ACCOUNT")]
    whom: String,
    /// It is an account, whatever it looks like
    #[arg(long)]
    account: bool,
    /// Networks wider than /16 (IPv6: /32) are meant
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    let whom = whom(&args)?;
    if let (KickWhom::Net(net), false) = (&whom, args.yes) {
        super::net::refuse_wide(&[*net])?;
    }
    let Answer::Kicked(kicked) = console.ask(&Request::Kick { whom })? else {
        return Err(Failure::other_answer());
    };
    for problem in &kicked.problems {
        console.warn(problem);
    }
    let connections = kicked.connections.to_string();
    console.done(&kicked, &[&connections], &sentence(&kicked))?;
    Ok(match (kicked.connections, kicked.dovecot) {
        (0, false) if kicked.problems.is_empty() => Exit::Nothing,
        (0, false) => Exit::Failed,
        _ => Exit::Done,
    })
}

fn whom(args: &Args) -> Result<KickWhom, Failure> {
    let looks_like_a_net =
        args.whom.parse::<std::net::IpAddr>().is_ok() || args.whom.parse::<IpNet>().is_ok();
    if args.account || !looks_like_a_net {
        return Ok(KickWhom::Account(args.whom.clone()));
    }
    crate::exchange::net::parse(&args.whom)
        .map(KickWhom::Net)
        .map_err(|error| Failure::usage(error.to_string()).hint(error.hint()))
}

fn sentence(kicked: &KickDone) -> String {
    let ended = count(kicked.connections, "connection", "connections");
    match kicked.dovecot {
        true => format!("ended {ended}, and what Dovecot has of the account"),
        false => format!("ended {ended}"),
    }
}
