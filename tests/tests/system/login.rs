//! Guessed passwords.

use mailwall_tests::{MailServer, Outcome, Setup, Testbed};

use crate::{MANY, config, wait_for_ban};

#[test]
fn a_host_that_guesses_passwords_is_shut_out_and_one_that_mistypes_is_not() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let MailServer::Postfix(_) = server else {
        // The built-in responder offers no logins; `cargo xtask test` names the lack of Postfix as a skip.
        return;
    };
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let owner = bed.client("198.51.100.20");
    for _ in 0..3 {
        assert_eq!(owner.log_in("alice", "mistyped").unwrap(), Some(false));
    }
    assert_eq!(
        owner.log_in("alice", "a password of alice").unwrap(),
        Some(true)
    );

    let attacker = bed.client("203.0.113.7");
    let answered = (0..MANY)
        .map_while(|number| attacker.log_in(&format!("user{number}"), "123456").unwrap())
        .count();
    assert!(answered < MANY);
    let ban = wait_for_ban(&agent, "203.0.113.7/32");
    assert_ne!(ban["rule"], "dictionary");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 1);
    assert_eq!(owner.send("bob@example.test").unwrap(), Outcome::Delivered);
}
