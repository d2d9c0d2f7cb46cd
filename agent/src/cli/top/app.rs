//! What the screen shows, and what keys do to it. No I/O: keys and news go in, orders come out.

use std::{collections::VecDeque, time::Duration};

use ipnet::IpNet;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    feed::{Change, News, Order, Snapshot},
    list::List,
    pages::{self, Tab},
    prompt::{Prompt, Question},
};
use crate::{control::protocol::BanCheck, rule};

/// Most points of the curve of drops: more than a screen has columns.
const CURVE_MAX: usize = 512;
/// Rows that a page key goes.
const PAGE_ROWS: isize = 10;

/// What lies over the page.
#[derive(Debug)]
pub(super) enum Over {
    Nothing,
    Help,
    Prompt(Prompt),
    /// To be said yes or no to.
    Confirm(Change),
    Evidence {
        net: IpNet,
        found: Box<Result<BanCheck, String>>,
        /// Lines that are scrolled past.
        scroll: u16,
    },
}

/// What was said last of something that was to be done.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Said {
    Nothing,
    Good(String),
    Bad(String),
}

/// All that the screen shows.
#[derive(Debug)]
pub(super) struct App {
    pub(super) tab: Tab,
    /// The order of each page's rows.
    orders: [usize; Tab::ALL.len()],
    lists: [List; Tab::ALL.len()],
    pub(super) snapshot: Option<Box<Snapshot>>,
    /// Why there is no news of the agent.
    pub(super) unreachable: Option<String>,
    /// Drops per second between two snapshots, the newest last.
    pub(super) curve: VecDeque<u64>,
    pub(super) drops_per_s: Option<f64>,
    pub(super) filter: String,
    pub(super) over: Over,
    pub(super) said: Said,
    pending: Vec<Order>,
    is_over: bool,
}

impl App {
    pub(super) fn new() -> Self {
        Self {
            tab: Tab::Bans,
            orders: Default::default(),
            lists: Default::default(),
            snapshot: None,
            unreachable: None,
            curve: VecDeque::new(),
            drops_per_s: None,
            filter: String::new(),
            over: Over::Nothing,
            said: Said::Nothing,
            pending: Vec::new(),
            is_over: false,
        }
    }

    /// Whether the operator has seen enough.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What is to be asked of the agent.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.pending)
    }

    pub(super) fn list(&self) -> &List {
        &self.lists[self.tab as usize]
    }

    pub(super) fn list_mut(&mut self) -> &mut List {
        &mut self.lists[self.tab as usize]
    }

    /// Name of the order of the rows.
    pub(super) fn order(&self) -> &'static str {
        self.tab.orders()[self.orders[self.tab as usize]]
    }

    /// Takes in what the agent said.
    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Snapshot(snapshot) => {
                self.unreachable = None;
                self.note_drops(&snapshot);
                self.snapshot = Some(snapshot);
                self.refill();
            }
            News::Unreachable(why) => self.unreachable = Some(why),
            News::Done(Ok(text)) => self.said = Said::Good(text),
            News::Done(Err(text)) => self.said = Said::Bad(text),
            News::Evidence(net, found) => {
                self.over = Over::Evidence {
                    net,
                    found,
                    scroll: 0,
                };
            }
        }
    }

    fn note_drops(&mut self, new: &Snapshot) {
        let Some(old) = &self.snapshot else {
            return;
        };
        let passed = new.at.saturating_sub(old.at);
        // An agent that was started again may count from zero.
        if passed < Duration::from_millis(100) || new.status.dropped < old.status.dropped {
            return;
        }
        let rate = (new.status.dropped - old.status.dropped) as f64 / passed.as_secs_f64();
        if self.curve.len() == CURVE_MAX {
            self.curve.pop_front();
        }
        self.curve.push_back(rate.ceil() as u64);
        self.drops_per_s = Some(rate);
    }

    fn refill(&mut self) {
        let order = self.orders[self.tab as usize];
        let Some(snapshot) = &self.snapshot else {
            return;
        };
        if let Some(rows) = self.tab.rows(snapshot, order) {
            self.lists[self.tab as usize].fill(rows, &self.filter);
        }
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.is_over = true;
            return;
        }
        match std::mem::replace(&mut self.over, Over::Nothing) {
            Over::Nothing => self.press_on_page(key),
            // Any key ends it.
            Over::Help => {}
            Over::Prompt(prompt) => self.press_on_prompt(prompt, key),
            Over::Confirm(change) => match key.code {
                KeyCode::Char('y' | 'Y') => self.pending.push(Order::Do(change)),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
                    self.said = Said::Good("nothing was changed".to_owned());
                }
                _ => self.over = Over::Confirm(change),
            },
            Over::Evidence { net, found, scroll } => {
                let scroll = match key.code {
                    KeyCode::Down | KeyCode::Char('j') => scroll.saturating_add(1),
                    KeyCode::Up | KeyCode::Char('k') => scroll.saturating_sub(1),
                    KeyCode::PageDown | KeyCode::Char(' ') => scroll.saturating_add(10),
                    KeyCode::PageUp => scroll.saturating_sub(10),
                    _ => return,
                };
                self.over = Over::Evidence { net, found, scroll };
            }
        }
    }

    fn press_on_page(&mut self, key: KeyEvent) {
        self.said = Said::Nothing;
        match key.code {
            KeyCode::Char('q') => self.is_over = true,
            KeyCode::Esc if !self.filter.is_empty() => {
                self.filter.clear();
                self.refill();
            }
            KeyCode::Down | KeyCode::Char('j') => self.list_mut().go(1),
            KeyCode::Up | KeyCode::Char('k') => self.list_mut().go(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.list_mut().go(PAGE_ROWS),
            KeyCode::PageUp => self.list_mut().go(-PAGE_ROWS),
            KeyCode::Home | KeyCode::Char('g') => self.list_mut().go(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.list_mut().go(isize::MAX),
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => {
                self.turn_to(self.tab as usize + 1);
            }
            KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => {
                self.turn_to(self.tab as usize + Tab::ALL.len() - 1);
            }
            KeyCode::Char(digit @ '1'..='6') => self.turn_to(digit as usize - '1' as usize),
            KeyCode::Char('s') => {
                let order = &mut self.orders[self.tab as usize];
                *order = (*order + 1) % self.tab.orders().len();
                self.look();
            }
            KeyCode::Char('b') => self.ask(Question::Ban),
            KeyCode::Char('B') => self.ask_of_network(),
            KeyCode::Char('u') => self.ask(Question::Unban),
            KeyCode::Char('a') => self.ask(Question::Allow),
            KeyCode::Char('/') => {
                let filter = self.filter.clone();
                self.over = Over::Prompt(Prompt::new(Question::Filter, Some(&filter)));
            }
            KeyCode::Char('?') | KeyCode::F(1) => self.over = Over::Help,
            KeyCode::Enter => {
                let net = self.selected_net().and_then(parse);
                match net {
                    Some(net) => self.pending.push(Order::Evidence(net)),
                    None => self.said = Said::Bad("no network is selected".to_owned()),
                }
            }
            _ => {}
        }
    }

    fn press_on_prompt(&mut self, mut prompt: Prompt, key: KeyEvent) {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return,
            KeyCode::Enter if prompt.question == Question::Filter => {
                self.filter = prompt.text;
                self.refill();
                return;
            }
            KeyCode::Enter => match prompt.change() {
                Ok(change) => {
                    self.over = Over::Confirm(change);
                    return;
                }
                Err(wrong) => prompt.wrong = Some(wrong),
            },
            KeyCode::Char('u') if is_control => prompt.clear(),
            KeyCode::Char('w') if is_control => prompt.pop_word(),
            KeyCode::Char('h') if is_control => prompt.pop(),
            KeyCode::Backspace => prompt.pop(),
            KeyCode::Char(c) if !is_control => prompt.push(c),
            _ => {}
        }
        if prompt.question == Question::Filter {
            // What is typed is looked for at once.
            self.filter.clone_from(&prompt.text);
            self.refill();
        }
        self.over = Over::Prompt(prompt);
    }

    fn ask(&mut self, question: Question) {
        let selected = self.selected_net().map(str::to_owned);
        self.over = Over::Prompt(Prompt::new(question, selected.as_deref()));
    }

    /// As [`Self::ask`] for a ban, with the whole network around what is selected.
    fn ask_of_network(&mut self) {
        let selected = self.selected_net().and_then(parse);
        let network = selected.map(|net| {
            let network = rule::network(net.addr());
            if network.contains(&net) { network } else { net }
        });
        let network = network.map(|net| net.to_string());
        self.over = Over::Prompt(Prompt::new(Question::Ban, network.as_deref()));
    }

    fn selected_net(&self) -> Option<&str> {
        pages::net_of(self.tab, self.list().selected()?)
    }

    fn turn_to(&mut self, place: usize) {
        self.tab = Tab::ALL[place % Tab::ALL.len()];
        self.look();
    }

    fn look(&mut self) {
        let view = self.tab.view(self.orders[self.tab as usize]);
        self.pending.push(Order::Look(view));
        self.refill();
    }
}

fn parse(net: &str) -> Option<IpNet> {
    let address = || {
        net.parse()
            .ok()
            .map(|address: std::net::IpAddr| IpNet::from(address))
    };
    net.parse().ok().or_else(address)
}
