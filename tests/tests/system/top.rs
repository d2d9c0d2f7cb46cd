//! `mailwall top` in a real terminal.

use std::{fs, time::Duration};

use mailwall_tests::{Agent, Setup, Testbed, eventually};

use crate::{config, must, quiet_agent, terminal::Terminal, wait_for_ban, wait_for_pardon};

/// How long its end may take.
const WITHIN: Duration = Duration::from_secs(60);

/// A terminal with the `mailwall top` of this agent in it.
fn top(bed: &Testbed, setup: &Setup<'_>, environment: &str) -> Terminal {
    let top = setup.command(&["top"]);
    let words = [top.get_program()].into_iter().chain(top.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    Terminal::start(bed, &words, environment)
}

#[test]
fn bans_are_seen_made_and_ended_by_keys() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    must(
        &agent,
        &["ban", "add", "203.0.113.7", "--reason", "tried\u{202e}it"],
    );
    let terminal = top(&bed, agent.setup(), "");
    let screen = terminal.shows("203.0.113.7");
    assert!(
        screen.contains("1 ban ") && screen.contains("manual"),
        "{screen}"
    );
    assert!(!screen.contains('\u{202e}'), "escaped: {screen}");

    // Each change is asked for twice.
    terminal.press(&["b", "C-u"]);
    terminal.write("203.0.113.9/24 2h");
    terminal.press(&["Enter"]);
    terminal.shows("has host bits set");
    terminal.press(&["C-u"]);
    terminal.write("203.0.113.9 2h");
    terminal.press(&["Enter"]);
    terminal.shows("ban 203.0.113.9 for 2h?");
    terminal.press(&["n"]);
    terminal.shows("nothing was changed");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 1);
    terminal.press(&["b", "C-u"]);
    terminal.write("203.0.113.9 2h");
    terminal.press(&["Enter", "y"]);
    terminal.shows("banned 203.0.113.9 for 2h");
    wait_for_ban(&agent, "203.0.113.9/32");

    // The filter leaves one, which the prompt names by itself.
    terminal.press(&["/"]);
    terminal.write("113.7");
    terminal.press(&["Enter"]);
    terminal.shows("1 of 2");
    terminal.press(&["Enter"]);
    terminal.shows("no log lines led to it");
    terminal.press(&["Escape"]);
    terminal.press(&["u"]);
    terminal.shows("unban which network? 203.0.113.7");
    terminal.press(&["Enter", "y"]);
    terminal.shows("unbanned 203.0.113.7");
    wait_for_pardon(&agent, "203.0.113.7/32");
    terminal.press(&["Escape"]);
    terminal.shows("203.0.113.9");

    terminal.press(&["a", "C-u"]);
    terminal.write("203.0.113.9");
    terminal.press(&["Enter", "y"]);
    terminal.shows("allowed 203.0.113.9, and ended its ban");
    wait_for_pardon(&agent, "203.0.113.9/32");

    for (key, title) in [
        ("2", "NEAR"),
        ("3", "SCORE"),
        ("4", "ADDRESSES"),
        ("5", "mail.log"),
        ("6", "unban"),
    ] {
        terminal.press(&[key]);
        terminal.shows(title);
    }
    terminal.press(&["?"]);
    terminal.shows("another page");
    terminal.press(&["Escape"]);
    terminal.tmux(&["resize-window", "-x", "40", "-y", "10"]);
    terminal.shows("1 Bans");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "30"]);
    terminal.shows("? help");
    terminal.press(&["q"]);
    let screen = terminal.shows("ended 0");
    terminal.until("a terminal as it was", |screen| {
        screen.lines().any(|line| line == "icanon")
    });
    assert!(
        !screen.contains("1 Bans"),
        "the first screen is back: {screen}"
    );
}

#[test]
fn without_an_agent_it_waits_for_one_and_a_signal_ends_it() {
    let bed = Testbed::new().unwrap();
    let setup = Setup::new(&bed, &config(&bed.dir().join("mail.log"), "10m", "")).unwrap();
    let terminal = top(&bed, &setup, "NO_COLOR=1");
    terminal.shows("cannot reach mailwall at");
    let agent: Agent<'_> = setup.start().unwrap();
    must(&agent, &["ban", "add", "203.0.113.7"]);
    terminal.shows("203.0.113.7");
    let dressed = terminal.tmux(&["capture-pane", "-p", "-e"]);
    for colour in ["\u{1b}[3", "\u{1b}[4"] {
        let has_it = dressed.match_indices(colour).any(|(at, _)| {
            // 30 to 38 and 40 to 48 are colours; 39 and 49 are those of the terminal itself.
            dressed[at + colour.len()..].starts_with(|c: char| ('0'..='8').contains(&c))
        });
        assert!(!has_it, "colour in {dressed:?}");
    }
    drop(agent);
    terminal.shows("no news for");
    let pid = terminal.tmux(&["list-panes", "-F", "#{pane_pid}"]);
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", pid.trim())).unwrap();
    let top: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(top),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    terminal.shows("ended 0");
    terminal.until("a terminal as it was", |screen| {
        screen.lines().any(|line| line == "icanon")
    });
}

#[test]
fn it_ends_with_its_terminal() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let file = bed.dir().join("pid");
    let noted = format!("sh -c 'echo $$ > {}; exec \"$0\" \"$@\"'", file.display());
    let terminal = top(&bed, agent.setup(), &noted);
    terminal.shows("0 bans");
    let pid = fs::read_to_string(&file).unwrap().trim().to_owned();
    drop(terminal);
    eventually("the end of mailwall top", WITHIN, || {
        // One that nobody has waited for yet is over, too.
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = status.rsplit(") ").next().unwrap_or_default();
        Ok((state.is_empty() || state.starts_with('Z')).then_some(()))
    })
    .unwrap();
}
