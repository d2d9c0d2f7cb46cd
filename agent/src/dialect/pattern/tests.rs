//! What patterns are taken, what they read, and what nobody can make them read.

use std::{
    fmt::Write as _,
    fs,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use jiff::tz::TimeZone;
use nix::time::{ClockId, clock_gettime};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    config::{Config, SHIPPED_PATTERNS},
    dialect::{
        Reader, Reading,
        tests::{now, told},
    },
};

fn settings(matches: &str) -> PatternSettings {
    PatternSettings {
        name: "x".to_owned(),
        of: LinesOf::Programs(vec!["x".to_owned()]),
        matches: matches.to_owned(),
        says: Says::Event(EventKind::AuthFailure),
        service: Service::Imap,
        score: None,
        sole_address: false,
    }
}

fn reader(settings: &[PatternSettings]) -> Reader {
    Reader::new(TimeZone::UTC).with_patterns(Arc::new(PatternSet::new(settings).unwrap()))
}

fn shipped() -> Reader {
    static SET: LazyLock<Arc<PatternSet>> = LazyLock::new(|| Config::default().patterns.set);
    Reader::new(TimeZone::UTC).with_patterns(SET.clone())
}

#[track_caller]
fn check(matches: &str, expected: Result<(), PatternError>) {
    assert_eq!(settings(matches).check(), expected, "{matches}");
}

#[test]
fn an_address_whose_place_is_certain_is_taken() {
    for matches in [
        r"login failed from (?<address>)",
        r"(?<address>) login failed.*",
        r"\[(?<address>)\] .*",
        r"login of (?<account>.*) failed from (?<address>)",
        r"login of (?<account>.*) failed from (?<address>):\d+ \(error -?\d+\)",
        r"ip=(?<address>), user=(?<account>.*)",
        r"ip:(?<address>)(?: .*)?",
        r"relay=.* \[(?:IPv6:)?(?<address>)\]",
        r"(?i:failed) (?:from|by) \[?(?<address>)\]?(?: .*)?",
        r"[a-z0-9]+ (\d+ )?from (?<address>)(?: (?<account>.*))?",
        r"(x (from (?<address>)))(?: .*)?",
    ] {
        check(matches, Ok(()));
    }
}

#[test]
fn an_address_that_a_client_could_make_up_is_not() {
    use PatternError::{Inside, TouchesAfter, TouchesBefore, Uncertain};
    check(r"user=(?<account>.*) ip=(?<address>).+", Err(TouchesAfter));
    check(r"user=(?<account>.*) ip=(?<address>) .*", Err(Uncertain));
    // Neither does a class help that the program may not keep to, nor a name that is left out.
    check(r"user=(?<account>[^ ]+) ip=(?<address>) .*", Err(Uncertain));
    check(r"user=(?<account>\w+) ip=(?<address>) .*", Err(Uncertain));
    check(r"user=[^ ]+ ip=(?<address>) .*", Err(Uncertain));
    check(r".* from (?<address>) to [^ ]+", Err(Uncertain));
    check(r"(?:\w+ )*from (?<address>) .*", Err(Uncertain));
    check(
        r"x (?<recipient>\w+) from (?<address>) \d+\.\d+ .*",
        Err(Uncertain),
    );
    check(r".*(?<address>)", Err(TouchesBefore));
    check(r"x\d(?<address>)", Err(TouchesBefore));
    check(r".*:(?<address>)", Err(TouchesBefore));
    check(r"from ?(?<address>)", Ok(()));
    check(r"face(?<address>)", Err(TouchesBefore));
    check(r"from (?<address>)\d", Err(TouchesAfter));
    check(r"from (?<address>)(?:x|f)?", Err(TouchesAfter));
    check(r"x(?: from (?<address>))?", Err(Inside));
    check(r"(?:from (?<address>)|by x)", Err(Inside));
    check(r"(?: from (?<address>)){2}", Err(Inside));
    check(r"(?<account>x (?<address>))", Err(Inside));
    let sole = PatternSettings {
        sole_address: true,
        ..settings(r"user=(?<account>.*) ip=(?<address>) .*")
    };
    assert_eq!(sole.check(), Ok(()));
}

#[test]
fn what_is_no_pattern_is_said() {
    use PatternError::{Event, Filled, Flags, Lacks, Look, NoStampForm, Part, TooLarge, TooLong};
    check("x", Err(Lacks("address")));
    check(r"(?<address>\S+)", Err(Filled("address")));
    check(r"(?<stamp>) (?<address>)", Err(NoStampForm));
    check(r"(?<adress>) (?<address>)", Err(Part("adress".to_owned())));
    check(r"^from (?<address>)$", Err(Look));
    check(r"from\b (?<address>)", Err(Look));
    check(r"(?s)from (?<address>)", Err(Flags));
    check(r"(?m:from) (?<address>)", Err(Flags));
    check(r"(?<event>a|b) (?<address>)", Err(Event));
    check(
        &format!("{} (?<address>)", "x".repeat(MATCH_MAX)),
        Err(TooLong),
    );
    check(r"(?:x{999}){99} (?<address>)", Err(TooLarge));
    for matches in [
        "(",
        "a{2,1}(?<address>)",
        r"\p{Greek} (?<address>)",
        "(?<address>) (?<address>)",
        "[z-a]",
    ] {
        let error = settings(matches).check().unwrap_err();
        assert!(
            matches!(&error, PatternError::Syntax(text) if !text.contains('\n')),
            "{error:?}"
        );
    }
    let deep = format!("{}x{} (?<address>)", "(?:".repeat(99), ")".repeat(99));
    assert!(matches!(
        settings(&deep).check(),
        Err(PatternError::Syntax(_))
    ));
}

#[track_caller]
fn check_line(reader: &mut Reader, line: &str, expected: &str) {
    assert_eq!(
        told(&reader.read(line.as_bytes(), now())),
        expected,
        "{line}"
    );
}

#[test]
fn a_pattern_matches_from_end_to_end() {
    let mut reader = reader(&[settings("failed from (?<address>)")]);
    let mut check = |message: &str, expected: &str| {
        check_line(
            &mut reader,
            &format!("Feb 10 13:26:34 mx x[1]: {message}"),
            expected,
        );
    };
    check("failed from 192.0.2.1", "auth-failure 192.0.2.1 1.0");
    check("failed from ::ffff:192.0.2.1", "auth-failure 192.0.2.1 1.0");
    check("failed from 2001:db8::1", "auth-failure 2001:db8::1 1.0");
    for message in [
        "x failed from 192.0.2.1",
        "failed from 192.0.2.1 x",
        "failed from 192.0.2.1\nx",
        "failed from 192.0.2.256",
        "failed from 192.0.2.01",
        "failed from 192.0.2.1.5",
        "failed from 192.0.2.1:25",
        "failed from mx.example.org",
        "failed from 10:20:30",
    ] {
        check(message, "unknown");
    }
}

#[test]
fn a_program_without_patterns_stays_unread_and_one_with_a_dialect_is_its() {
    let all = PatternSettings {
        of: LinesOf::Programs(vec!["x".to_owned(), "postfix/smtpd".to_owned()]),
        ..settings(".* from x?\\[(?<address>)\\]")
    };
    let mut reader = reader(&[all]);
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx y[1]: a from [192.0.2.1]",
        "ignored",
    );
    assert_eq!(reader.recognition().dialect, None);
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x[1]: a from [192.0.2.1]",
        "auth-failure 192.0.2.1 1.0",
    );
    assert_eq!(reader.recognition().dialect, Some("x"));
    assert_eq!(reader.recognition().envelope, Some("rfc3164"));
    let connect = "Feb 10 13:26:34 mx postfix/smtpd[1]: connect from x[192.0.2.1]";
    check_line(&mut reader, connect, "connect 192.0.2.1 0");
    assert_eq!(reader.recognition().dialect, Some("postfix"));
    // What the dialect does not know is for the pattern.
    let odd = "Feb 10 13:26:34 mx postfix/smtpd[1]: odd thing from x[192.0.2.1]";
    check_line(&mut reader, odd, "auth-failure 192.0.2.1 1.0");
}

#[test]
fn words_say_what_happened() {
    let words = PatternSettings {
        says: Says::Words(vec![
            ("ok".to_owned(), EventKind::AuthSuccess),
            ("bad".to_owned(), EventKind::AuthFailure),
        ]),
        score: Some(Score::tenths(5)),
        ..settings(r"login (?<event>\w+) from (?<address>)")
    };
    let nothing = PatternSettings {
        says: Says::Nothing,
        ..settings("logout .*")
    };
    let mut reader = reader(&[words, nothing]);
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x: login bad from 192.0.2.1",
        "auth-failure 192.0.2.1 0.5",
    );
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x: login odd from 192.0.2.1",
        "unknown",
    );
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x: logout of 192.0.2.1",
        "ignored",
    );
}

#[test]
fn patterns_that_name_different_clients_are_not_believed() {
    let mut reader = reader(&[
        settings("from (?<address>)(?: .*)?"),
        settings(".* by (?<address>)"),
    ]);
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x: from 192.0.2.1",
        "auth-failure 192.0.2.1 1.0",
    );
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x: from 192.0.2.1 by 192.0.2.1",
        "auth-failure 192.0.2.1 1.0",
    );
    check_line(
        &mut reader,
        "Feb 10 13:26:34 mx x: from 192.0.2.1 by 192.0.2.2",
        "refused",
    );
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/patterns")
}

#[test]
fn every_line_of_the_shipped_patterns_says_what_stands_under_it() {
    let mut mistakes = String::new();
    for program in SHIPPED_PATTERNS {
        let path = folder().join(format!("{}.txt", program.name));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut events = 0;
        while let Some(line) = lines.next() {
            let expected = lines.next().unwrap().strip_prefix("= ").unwrap();
            let mut reader = shipped();
            let reading = reader.read(line.as_bytes(), now());
            if told(&reading) != expected {
                writeln!(mistakes, "{line}\n  = {}\n  ! {expected}", told(&reading)).unwrap();
            }
            if matches!(reading, Reading::Event(_)) {
                assert_eq!(reader.recognition().dialect, Some(program.name), "{line}");
                events += 1;
            }
        }
        assert!(events > 0, "{}", program.name);
    }
    assert!(mistakes.is_empty(), "\n{mistakes}");
}

/// Lines that the shipped patterns read, with `{}` where a client writes what it likes.
const LINES: &[&str] = &[
    "Feb 10 13:26:34 mx roundcube[1]: <a1> Failed login for {} from 203.0.113.66 in session a1 (error: 0)",
    "Feb 10 13:26:34 mx roundcube: <a1> Successful login for {} (ID: 1) from 203.0.113.66 in session a1",
    "Feb 10 13:26:34 mx roundcube: IMAP Error: Login failed for {} against mx.example.org from 203.0.113.66. {} in /a/rcube_imap.php on line 1 (POST /{})",
    "[10-Feb-2026 13:26:34 +0000]: IMAP Error: Login failed for {} from 203.0.113.66. {}",
    "Feb 10 13:26:34 mx sogod[1]: SOGoRootPage Login from '203.0.113.66' for user '{}' might not have worked - password policy: 1",
    "Feb 10 13:26:34 mx sogod[1]: SOGoRootPage Login from '{}, 203.0.113.66' for user '{}' might not have worked - password policy: 1",
    "Feb 10 13:26:34 sogod [1]: SOGoRootPage successful login from '203.0.113.66' for user '{}' - expire = -1  grace = -1",
    "02/10/2026 13:26:34 [LOGIN_ERROR] {} ({}) from 203.0.113.66: Unknown user or password incorrect.",
    "Tue Feb 10 13:26:34 2026 - [1] (203.0.113.66) {} - login error - auth_unix.pl, ret -4, Password incorrect",
    "Feb 10 13:26:34 HORDE [error] [imp] FAILED LOGIN for {} [203.0.113.66] to {mx.example.org:993 [imap/ssl]} [pid 1 on line 1 of \"/a\"]",
    "Feb 10 13:26:34 mx HORDE: [imp] FAILED LOGIN for {} [203.0.113.66] to {mx:993}",
    "[2026-02-10 13:26:34]LOGIN FAILED for user: \"{}\" from IP: 203.0.113.66",
    "78017 00cff -- {} -- - 2026-02-10T13:26:34+00:00 WARN (4): Tinebase_Controller::login::106 Login with username {} from 203.0.113.66 failed (-1)!",
    "[2026-02-10 13:26:34,112] WARNING in limiter: Authentication attempt from 203.0.113.66 for {} has been rate-limited.",
    "2026/02/10 13:26:34 [info] 8#8: *1 client 203.0.113.66:53044 connected to 0.0.0.0:25",
    "2026/02/10 13:26:34 [info] 8#8: *1 client login failed: \"no {}\" while in http auth state, client: 203.0.113.66, server: 0.0.0.0:25, login: \"{}\"",
    "2026/02/10 13:26:34 [info] 8#8: *1 client login failed: \"Authentication failed\" while in http auth state, client: 203.0.113.66, server: 0.0.0.0:25, login: \"{}\"",
    "13:26:34.123 [203.0.113.66][1] rsp: 550 <{}> No such user here",
    "13:26:34.123 [203.0.113.66][1] cmd: {}",
    "Feb 10 13:26:34 mx MailScanner[1]: Message 4bsM5k4 from 203.0.113.66 ({}) to {} is spam, {}",
];

fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "192.0.2.99",
            " from 192.0.2.99",
            " from 192.0.2.99. ",
            " from 192.0.2.99 in session a1 (error: 0)",
            " (ID: 1) from 192.0.2.99 in session a1",
            ". AUTHENTICATE PLAIN: ",
            "' for user 'x' might not have worked - ",
            "192.0.2.99' for user 'x' might not have worked",
            " (x) from 192.0.2.99: Unknown user or password incorrect.",
            " [192.0.2.99] to {a:993 [imap]}",
            "\" from IP: 192.0.2.99",
            " from 192.0.2.99 failed (-1)!",
            " has been rate-limited.",
            "Authentication failed\" while in http auth state, client: 192.0.2.99, server: x",
            "] [192.0.2.99][1] rsp: 535 x",
            " (a) to b is spam, ",
            "Feb 10 13:26:34 mx roundcube[1]: Failed login for x from 192.0.2.99 in session a1 (error: 0)",
            "02/10/2026 13:26:34 [LOGIN_ERROR] x (y) from 192.0.2.99: Unknown user or password incorrect.",
            "203.0.113.66",
            "::ffff:192.0.2.99",
            " ",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
        any::<String>(),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat().replace('\n', "?"))
}

proptest! {
    #[test]
    fn nobody_names_another(line in prop::sample::select(LINES), words in vec(words(), 3)) {
        let mut words = words.iter();
        let mut filled = String::new();
        for (number, part) in line.split("{}").enumerate() {
            if number > 0 {
                filled.push_str(words.next().map_or("", String::as_str));
            }
            filled.push_str(part);
        }
        let attacker: IpAddr = "203.0.113.66".parse().unwrap();
        if let Reading::Event(event) = shipped().read(filled.as_bytes(), now()) {
            prop_assert_eq!(event.address, Some(attacker), "{}", filled);
        }
    }

    /// What the rule lets through cannot be made to name another, whatever stands on the free side.
    #[test]
    fn a_fixed_side_holds(
        before in "[a-z]{1,8}( [a-z]{1,5}|=| \\[|=\\[)?", id in "[a-z0-9]{1,6}", after in "[a-z]{1,8}",
        words in words(), on_left: bool,
    ) {
        let (before, after) = (format!("{before} "), format!(" {after}"));
        let escaped = |text: &str| regex_syntax::escape(text);
        let (pattern, line) = if on_left {
            (
                format!("{}[a-z0-9]+ (?<address>)(?: .*)?", escaped(&before)),
                format!("{before}{id} 203.0.113.66 {words}"),
            )
        } else {
            (
                format!("(?<account>.*) (?<address>){} [a-z0-9]+", escaped(&after)),
                format!("{words} 203.0.113.66{after} {id}"),
            )
        };
        let mut reader = reader(&[settings(&pattern)]);
        let line = format!("Feb 10 13:26:34 mx x: {line}");
        match reader.read(line.as_bytes(), now()) {
            Reading::Event(event) => prop_assert_eq!(event.address, "203.0.113.66".parse().ok(), "{}", line),
            reading => prop_assert!(line.contains('\n'), "{:?}: {}", reading, line),
        }
    }

    #[test]
    fn any_bytes_are_read(line in vec(any::<u8>(), 0..200), text in "\\PC{0,80}", sole: bool) {
        let mut reader = shipped();
        let _ = reader.read(&line, now());
        let pattern = PatternSettings { sole_address: sole, ..settings(&text) };
        if let Ok(set) = PatternSet::new(&[pattern]) {
            let _ = Reader::new(TimeZone::UTC)
                .with_patterns(Arc::new(set))
                .read(&[b"Feb 10 13:26:34 mx x: ".as_slice(), &line].concat(), now());
        }
    }

    #[test]
    fn any_pattern_is_taken_or_answered_on_one_line(
        text in "(\\(\\?<(address|account|event|stamp)>|[()\\[\\]{}*+?|.\\\\^$dwa-z0-9 :-]|\\(\\?<address>\\)){0,24}",
    ) {
        if let Err(error) = settings(&text).check() {
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

/// Eight times the line takes about eight times as long, not sixty-four times: no test of speed, but of its growth.
#[test]
fn long_lines_cost_what_their_length_does() {
    let settings = [
        settings(r"(?<account>.*) from (?<address>) in session [0-9a-f]+"),
        PatternSettings {
            sole_address: true,
            ..settings(r"(?:a|b|.)* from (?<address>)(?: .*)?")
        },
    ];
    let set = PatternSet::new(&settings).unwrap();
    for unit in [
        " from 192.0.2.1 in session ",
        "[",
        "1.",
        ":",
        " from 1.2.3.4 ",
    ] {
        let cost = |times: usize| {
            let line = unit.repeat(times);
            (0..5)
                .map(|_| {
                    // Of this thread alone: other tests run beside it.
                    let start = cpu_time();
                    let _ = set.read_message(b"x", line.as_bytes());
                    cpu_time().saturating_sub(start)
                })
                .min()
                .unwrap()
        };
        let (short, long) = (cost(1_000), cost(8_000));
        let most = short * 30 + Duration::from_millis(20);
        assert!(long < most, "{unit:?}: {short:?} {long:?}");
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}
