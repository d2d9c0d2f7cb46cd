//! What the demo shows, in order.

use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use mailwall_tests::{Agent, MailServer, Outcome, Setup, Testbed};
use serde_json::Value;

use super::{good_client::Deliveries, narrator::Narrator};

/// Length of the first ban here, so that its end can be seen.
const BAN: &str = "20s";
const ATTACKERS: [&str; 2] = ["203.0.113.7", "2001:db8:100:1::7"];
/// What the agent bans for them: IPv6 hosts by /64.
const BANNED: [&str; 2] = ["203.0.113.7/32", "2001:db8:100:1::/64"];
const SAME_NETWORK: &str = "2001:db8:100:1::99";
const NEXT_NETWORK: &str = "2001:db8:100:2::7";
const GOOD: [&str; 2] = ["192.0.2.10", "2001:db8:77::10"];
/// Guesses that an attacker wants to make; no rule lets that many pass.
const GUESSES: usize = 200;

/// Tells the story.
///
/// # Errors
/// When a step does not happen.
pub fn tell(narrator: &Narrator, bed: &Testbed, server: &MailServer) -> Result<()> {
    let agent = narrator.step("the start of the agent", || start(narrator, bed, server))?;
    let deliveries = Deliveries::default();
    thread::scope(|scope| {
        let good = scope.spawn(|| deliveries.make(&GOOD.map(|address| bed.client(address))));
        let told = attack(narrator, bed, &agent, &deliveries)
            .and_then(|()| forgiveness(narrator, bed, &agent));
        deliveries.stop();
        let delivered = good
            .join()
            .map_err(|_panic| anyhow!("the good client panicked"))?;
        told.and(delivered)
    })?;
    narrator.tell(
        "good",
        &format!(
            "delivered {} messages meanwhile, none refused or lost",
            deliveries.made()
        ),
    );
    narrator.step("the end of the agent", || {
        let (status, _) = agent.stop()?;
        ensure!(status.success(), "the agent ended with {status}");
        narrator.tell("mailwall", "stopped on SIGTERM");
        Ok(())
    })
}

fn start<'a>(narrator: &Narrator, bed: &'a Testbed, server: &MailServer) -> Result<Agent<'a>> {
    let config = format!(
        "[ban]\nfirst = \"{BAN}\"\n\n[[source]]\nfile = \"{}\"\n",
        server.log().display()
    );
    let agent = Setup::new(bed, &config)?.start()?;
    let status = agent.until("the filter on the interface", &["status"], |status| {
        status["interfaces"][0]["mode"]
            .as_str()
            .map(|_| status.clone())
    })?;
    narrator.tell(
        "mailwall",
        &format!(
            "runs with its default settings, but bans of {BAN}; on {} ({}), ports {}",
            status["interfaces"][0]["name"].as_str().unwrap_or_default(),
            status["interfaces"][0]["mode"].as_str().unwrap_or_default(),
            status["ports"]
        ),
    );
    Ok(agent)
}

fn attack(
    narrator: &Narrator,
    bed: &Testbed,
    agent: &Agent<'_>,
    deliveries: &Deliveries,
) -> Result<()> {
    narrator.tell(
        "good",
        &format!("{} and {} deliver message after message", GOOD[0], GOOD[1]),
    );
    thread::scope(|scope| {
        let attackers = ATTACKERS.map(|address| {
            scope.spawn(move || {
                narrator.tell("attack", &format!("{address} begins to guess recipients"));
                let answered = bed.client(address).guess(GUESSES)?;
                ensure!(
                    answered < GUESSES,
                    "{address} made all its {GUESSES} guesses"
                );
                narrator.tell(
                    "attack",
                    &format!("{address} got {answered} answers, then none to three SYNs"),
                );
                Ok(())
            })
        });
        narrator.step("counting of the errors", || counted(narrator, agent))?;
        narrator.step("the bans", || banned(narrator, agent))?;
        for attacker in attackers {
            narrator.step("shutting the attackers out", || {
                attacker
                    .join()
                    .map_err(|_panic| anyhow!("an attacker panicked"))?
            })?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    narrator.step("dropping in the kernel", || dropped(narrator, agent))?;
    narrator.step("banning exactly one IPv6 network", || {
        let outcome = bed.client(NEXT_NETWORK).send("bob@example.test")?;
        ensure!(outcome == Outcome::Delivered, "{NEXT_NETWORK}: {outcome:?}");
        let outcome = bed.client(SAME_NETWORK).send("bob@example.test")?;
        ensure!(outcome == Outcome::Dropped, "{SAME_NETWORK}: {outcome:?}");
        narrator.tell(
            "kernel",
            &format!("drops {SAME_NETWORK} of the same /64 too, and lets {NEXT_NETWORK} of the next one in"),
        );
        Ok(())
    })?;
    let made = deliveries.made();
    narrator.step("delivering on", || {
        ensure!(made > 0, "the good client has delivered nothing");
        narrator.tell(
            "good",
            &format!("unharmed: {made} messages delivered so far"),
        );
        Ok(())
    })
}

fn counted(narrator: &Narrator, agent: &Agent<'_>) -> Result<()> {
    let counts = agent.until("offences of both attackers", &["events"], |log| {
        let counts = ATTACKERS.map(|address| offences(log, address));
        (!counts.contains(&0)).then_some(counts)
    })?;
    for (address, count) in ATTACKERS.iter().zip(counts) {
        narrator.tell(
            "mailwall",
            &format!("`mailwall events`: {count} unknown-recipient of {address} so far"),
        );
    }
    Ok(())
}

fn offences(log: &Value, address: &str) -> usize {
    let events = log["events"].as_array().map_or(&[][..], Vec::as_slice);
    events
        .iter()
        .filter(|event| event["event"] == "unknown-recipient")
        .filter(|event| {
            event["net"]
                .as_str()
                .is_some_and(|net| net.starts_with(address))
        })
        .count()
}

fn banned(narrator: &Narrator, agent: &Agent<'_>) -> Result<()> {
    agent.until("both bans", &["ban", "list"], |list| {
        BANNED
            .iter()
            .all(|net| ban(list, net).is_some())
            .then_some(())
    })?;
    narrator.tell("mailwall", "banned both; `mailwall ban list`:");
    narrator.show(&agent.cli(&["ban", "list"])?.stdout);
    Ok(())
}

fn ban<'a>(list: &'a Value, net: &str) -> Option<&'a Value> {
    list["bans"]
        .as_array()?
        .iter()
        .find(|ban| ban["net"] == *net)
}

fn dropped(narrator: &Narrator, agent: &Agent<'_>) -> Result<()> {
    let counters = agent.json(&["counters"])?;
    let packets = counters["packets"]
        .as_array()
        .context("read the counters")?;
    for family in ["ipv4", "ipv6"] {
        let dropped: u64 = packets
            .iter()
            .filter(|counter| counter["dropped"] == true && counter["family"] == family)
            .filter_map(|counter| counter["packets"].as_u64())
            .sum();
        ensure!(dropped > 0, "no {family} packet was dropped");
        narrator.tell(
            "kernel",
            &format!("`mailwall counters`: {dropped} {family} SYNs dropped"),
        );
    }
    Ok(())
}

fn forgiveness(narrator: &Narrator, bed: &Testbed, agent: &Agent<'_>) -> Result<()> {
    narrator.tell("wait", "for the bans to end by themselves");
    narrator.step("the end of the bans", || {
        agent.until("the end of both bans", &["ban", "list"], |list| {
            BANNED
                .iter()
                .all(|net| ban(list, net).is_none())
                .then_some(())
        })?;
        narrator.tell("mailwall", "the bans are over");
        Ok(())
    })?;
    narrator.step("letting the attackers in again", || {
        for address in ATTACKERS {
            let outcome = bed.client(address).send("bob@example.test")?;
            ensure!(outcome == Outcome::Delivered, "{address}: {outcome:?}");
            narrator.tell("attack", &format!("{address} is let in again, and behaves"));
        }
        Ok(())
    })
}
