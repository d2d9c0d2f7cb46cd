//! A database that cannot be read.

use std::fs;

use mailwall_tests::{MailServer, Outcome, Setup, Testbed};

use crate::{config, must, wait_for_ban};

#[test]
fn an_unreadable_database_is_set_aside_and_the_kernels_bans_are_kept() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(
        &agent,
        &[
            "ban",
            "add",
            "203.0.113.7",
            "2001:db8:100:1::/64",
            "--for",
            "1h",
        ],
    );
    let (_, setup) = agent.stop().unwrap();
    let garbage = b"this is no database ".repeat(1000);
    fs::write(setup.database(), &garbage).unwrap();

    let agent = setup.start().unwrap();
    let ban = wait_for_ban(&agent, "203.0.113.7/32");
    assert_eq!(ban["rule"], "kernel");
    let remaining = ban["remaining_s"].as_u64().unwrap();
    assert!((1..=3600).contains(&remaining), "{ban}");
    wait_for_ban(&agent, "2001:db8:100:1::/64");
    let outcome = bed
        .client("203.0.113.7")
        .send("alice@example.test")
        .unwrap();
    assert_eq!(outcome, Outcome::Dropped);

    let database = agent.setup().database();
    let aside: Vec<_> = fs::read_dir(database.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::read(path).is_ok_and(|bytes| bytes == garbage))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_ne!(aside[0], database);
    let name = aside[0].file_name().unwrap().to_string_lossy().into_owned();
    assert!(agent.setup().said().contains(&name), "a line names {name}");

    let agent = agent.restart().unwrap();
    wait_for_ban(&agent, "203.0.113.7/32");
}
