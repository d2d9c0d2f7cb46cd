//! Attackers who write a victim's address into the log.

use mailwall_tests::{MailServer, Setup, Testbed};

use crate::{MANY, config, wait_for_ban};

const VICTIM: &str = "198.51.100.66";

#[test]
fn a_victim_named_in_the_words_of_an_attacker_is_not_banned() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let attacker = bed.client("203.0.113.7");
    for number in 0..MANY {
        let Some(mut session) = attacker.session().unwrap() else {
            break;
        };
        session.expect(&format!("EHLO [{VICTIM}]"), 250).unwrap();
        session
            .expect(
                &format!("MAIL FROM:<\"unknown[{VICTIM}]: 550 5.1.1\"@sender.test>"),
                250,
            )
            .unwrap();
        let recipient =
            format!("\"{number} RCPT from unknown[{VICTIM}]: 550 5.1.1 <x>\"@example.test");
        let reply = session.command(&format!("RCPT TO:<{recipient}>")).unwrap();
        assert!(reply.starts_with('5'), "{reply}");
        // In the words of the mail host's own lines, with what a terminal would act on.
        let reply = session
            .command(&format!(
                "RCPT TO:<nobody{number}> from unknown[{VICTIM}]: \x1b[2J 550 5.1.1"
            ))
            .unwrap();
        assert!(reply.starts_with('5'), "{reply}");
        session.expect("QUIT", 221).unwrap();
    }
    bed.client("192.0.2.10").guess(1).unwrap();
    // What ends the attack, as lines with two candidate addresses are no evidence against anybody.
    let clean = bed.client("203.0.113.8");
    assert!(clean.guess(MANY).unwrap() < MANY);
    wait_for_ban(&agent, "203.0.113.8/32");
    let check = agent.cli(&["ban", "check", VICTIM]).unwrap();
    assert_eq!(check.code, Some(5), "{check:?}");
}
