//! `servers/<server>-<version>/<case>.log`: what real servers logged when a client did one thing to them.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use ipnet::IpNet;

use super::{
    cases::{self, Conduct},
    report::Table,
    understanding::{Parser, Understanding},
};

/// Addresses of the clients in the recordings; all others that they wrote somewhere are injected.
const CLIENTS: &[&str] = &["192.0.2.0/24", "198.51.100.0/24", "2001:db8:77::/64"];
/// The servers themselves.
const SERVERS: &[&str] = &["192.0.2.1", "2001:db8:77::1"];

/// Columns: cases of `misbehaving` clients, and of those the ones where something is held `against` them; cases of `harmless`
/// clients, and of those the `scoring` ones; `open` cases, of which nothing is asked but the next; lines with an `injected` address; second logs that weigh what the first has weighed `twice`; lines that are `unknown`, or refused.
pub fn judge(parser: &Parser, folder: &Path) -> Result<Table> {
    let mut table = Table::new(
        "recordings of servers",
        &[
            "misbehaving",
            "against",
            "harmless",
            "scoring",
            "open",
            "injected",
            "twice",
            "unknown",
        ],
    );
    let clients: Vec<IpNet> = CLIENTS
        .iter()
        .map(|net| net.parse())
        .collect::<Result<_, _>>()?;
    let servers: Vec<IpAddr> = SERVERS
        .iter()
        .map(|host| host.parse())
        .collect::<Result<_, _>>()?;
    let is_client = |address: IpAddr| {
        clients.iter().any(|net| net.contains(&address)) && !servers.contains(&address)
    };
    for server in sorted(&folder.join("servers"))? {
        let version = name(&server);
        let logs: Vec<PathBuf> = sorted(&server)?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        let texts: Vec<Vec<u8>> = logs.iter().map(fs::read).collect::<Result<_, _>>()?;
        for ((path, text), said) in logs.iter().zip(&texts).zip(parser.read(&texts)?) {
            let (case, second) = split(path);
            let text = String::from_utf8_lossy(text);
            for (said, line) in said.iter().zip(text.lines()) {
                if matches!(said.reading.as_str(), "unknown" | "refused") {
                    table.count(&version, "unknown");
                    table.miss(format!("{version}/{case}: {}: {line}", said.reading));
                }
                if said.address.is_some_and(|address| !is_client(address)) {
                    table.count(&version, "injected");
                    table.miss(format!(
                        "{version}/{case}: names another: {}: {line}",
                        said.told()
                    ));
                }
            }
            let against =
                |said: &&Understanding| said.weighs() && said.address.is_some_and(is_client);
            let scoring = said.iter().find(against);
            match cases::conduct(&version, &case) {
                // A second log says the same again.
                Conduct::Misbehaving if second => {}
                Conduct::Misbehaving => {
                    table.count(&version, "misbehaving");
                    match scoring {
                        Some(_) => table.count(&version, "against"),
                        None => table.miss(format!(
                            "{version}/{case}: nothing is held against the client"
                        )),
                    }
                }
                Conduct::Harmless => {
                    if !second {
                        table.count(&version, "harmless");
                    }
                    if let Some(said) = scoring {
                        table.count(&version, "scoring");
                        table.miss(format!(
                            "{version}/{case}: harmless, but scores: {}",
                            said.told()
                        ));
                    }
                }
                Conduct::Open if second => {}
                Conduct::Open => table.count(&version, "open"),
            }
        }
    }
    weigh_once(parser, folder, &mut table)?;
    table.at_least(100, "against", "misbehaving");
    table.none("scoring");
    table.none("injected");
    table.none("twice");
    Ok(table)
}

/// Exim's second log repeats what the first one says: followed together, they weigh what the first one does.
fn weigh_once(parser: &Parser, folder: &Path, table: &mut Table) -> Result<()> {
    let weight =
        |said: &[Understanding]| -> f64 { said.iter().map(|said| said.score.max(0.0)).sum() };
    for server in sorted(&folder.join("servers"))? {
        let version = name(&server);
        let seconds = sorted(&server)?.into_iter();
        let seconds = seconds.filter(|path| path.to_string_lossy().ends_with(".2.log"));
        for second in seconds.filter(|_| version.starts_with("exim")) {
            let (case, _) = split(&second);
            let first = fs::read(second.with_file_name(format!("{case}.log")))?;
            let both = [first.clone(), fs::read(&second)?].concat();
            let said = parser.read(&[first, both])?;
            if let [first, both] = &said[..]
                && weight(first) != weight(both)
            {
                table.count(&version, "twice");
                table.miss(format!("{version}/{case}: its second log weighs again"));
            }
        }
    }
    Ok(())
}

/// `unknown_rcpt.log` is the first log of its case, `unknown_rcpt.2.log` the second.
fn split(path: &Path) -> (String, bool) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match stem.split_once('.') {
        Some((case, _)) => (case.to_owned(), true),
        None => (stem.into_owned(), false),
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}
