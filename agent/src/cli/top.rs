//! `mailwall top`: a live screen. It asks the agent as every other command does, from a task of its own, so that keys are
//! answered while it waits.

mod app;
mod draw;
mod feed;
mod list;
mod look;
mod pages;
mod prompt;
mod screen;

use std::{io::IsTerminal as _, os::fd::AsFd as _, time::Duration};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::{app::App, feed::Feed, look::Look, screen::Screen};
use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
};
use crate::{control, duration};

const EXAMPLES: &str = "EXAMPLES
  mailwall top                            # bans, rules, hosts, accounts, logs and events
  mailwall top --every 10s                # over a slow line
  mailwall top --color never              # where colours are hard to read";

/// How long a key, or news, may wait to be seen.
const TURN: Duration = Duration::from_millis(50);

/// Watch bans, rules, hosts, accounts and logs on a live screen
///
/// Keys: arrows and Tab or 1 to 6 to move, Enter for the evidence of a ban, b to ban, B to ban the network around it, u to
/// unban, a to allow, / to filter, s to sort, ? for help, q to quit. Whatever changes something asks first. When the agent does
/// not run, it waits for it.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// How often to ask the agent
    #[arg(long, value_name = "INTERVAL", value_parser = interval, default_value = "1s")]
    every: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("at least 1s".to_owned()),
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    if console.format != Format::Human {
        return Err(Failure::usage("top is a screen for people").hint(
            "mailwall status --json, mailwall ban list --json, mailwall events --follow --json",
        ));
    }
    if !console.is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Failed, "top needs a terminal")
            .hint("mailwall status, or mailwall events --follow"));
    }
    let socket = control::socket_path(&console.paths.run_dir);
    // Signals first: the feed's thread must not take them.
    let mut screen = Screen::open()?;
    let feed = Feed::start(socket, args.every);
    let mut app = App::new();
    let look = Look::of(console.paint);
    let ended = watch(&mut screen, &feed, &mut app, look);
    screen.close();
    ended
}

fn watch(screen: &mut Screen, feed: &Feed, app: &mut App, look: Look) -> Result<Exit, Failure> {
    let mut is_stale = true;
    loop {
        while let Some(news) = feed.news() {
            app.take(news);
            is_stale = true;
        }
        if is_stale {
            screen
                .terminal()
                .draw(|frame| draw::draw(frame, app, look))?;
            is_stale = false;
        }
        if screen.is_to_end() || app.is_over() {
            return Ok(Exit::Done);
        }
        if is_gone(TURN)? {
            return Ok(Exit::Done);
        }
        if event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => app.press(key),
                _ => {}
            }
            is_stale = true;
        }
        for order in app.orders() {
            if !feed.order(order) {
                return Err(Failure::new(
                    Exit::Failed,
                    "the task that asks the agent has ended",
                ));
            }
        }
    }
}

/// Waits for something to be read, and tells whether the terminal is gone: crossterm would read the end of it for ever.
fn is_gone(turn: Duration) -> std::io::Result<bool> {
    let stdin = std::io::stdin();
    let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(turn).unwrap_or(PollTimeout::MAX);
    match poll(&mut waiting, timeout) {
        // A change of size, or a signal to end.
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    Ok(waiting[0]
        .revents()
        .is_some_and(|events| events.intersects(gone)))
}
