//! What the operator types.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::feed::Change;
use crate::{cli::net, duration};

/// Most characters of what is typed.
const TEXT_MAX: usize = 128;
/// For how long a ban is where nothing else is typed.
const USUAL: &str = "1h";

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Question {
    Ban,
    Unban,
    Allow,
    Filter,
}

impl Question {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Ban => "ban which network, for how long (or for ever)?",
            Self::Unban => "unban which network?",
            Self::Allow => "never ban which network?",
            Self::Filter => "show only what holds",
        }
    }
}

/// A line that is being typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Prompt {
    pub(super) question: Question,
    pub(super) text: String,
    /// What is wrong with what was typed.
    pub(super) wrong: Option<String>,
}

impl Prompt {
    /// With the net that is selected, if one is.
    pub(super) fn new(question: Question, selected: Option<&str>) -> Self {
        let text = match (question, selected) {
            (Question::Ban, Some(net)) => format!("{net} {USUAL}"),
            (_, Some(text)) => text.to_owned(),
            (_, None) => String::new(),
        };
        Self {
            question,
            text,
            wrong: None,
        }
    }

    pub(super) fn push(&mut self, c: char) {
        self.wrong = None;
        if !c.is_control() && self.text.chars().count() < TEXT_MAX {
            self.text.push(c);
        }
    }

    pub(super) fn pop(&mut self) {
        self.wrong = None;
        self.text.pop();
    }

    /// Takes the last word away.
    pub(super) fn pop_word(&mut self) {
        self.wrong = None;
        let text = self.text.trim_end();
        let keep = text.rfind(' ').map_or(0, |at| at + 1);
        self.text.truncate(keep);
    }

    pub(super) fn clear(&mut self) {
        self.wrong = None;
        self.text.clear();
    }

    /// What is to be changed; an error where that is not clear.
    pub(super) fn change(&self) -> Result<Change, String> {
        let mut words = self.text.split_whitespace();
        let net = parse(words.next().ok_or("an address or a network is wanted")?)?;
        let rest: Vec<&str> = words.collect();
        match (self.question, rest.as_slice()) {
            (Question::Ban, []) => Ok(Change::Ban(net, length(USUAL)?)),
            (Question::Ban, ["for", "ever"] | ["forever" | "permanent"]) => {
                Ok(Change::Ban(net, None))
            }
            (Question::Ban, ["for", text] | [text]) => Ok(Change::Ban(net, length(text)?)),
            (Question::Unban, []) => Ok(Change::Unban(net)),
            (Question::Allow, []) => Ok(Change::Allow(net)),
            _ => Err(format!("{} words too many", rest.len())),
        }
    }
}

fn length(text: &str) -> Result<Option<Duration>, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("a ban of no time".to_owned()),
        Ok(length) => Ok(Some(length)),
        Err(error) => Err(error.to_string()),
    }
}

fn parse(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => return Err(format!("{text:?} is neither an address nor a network")),
        },
    };
    if net != net.trunc() {
        return Err(format!(
            "{net} has host bits set: the network is {}",
            net.trunc()
        ));
    }
    Ok(net)
}

/// What is to be changed, as a question to say yes to.
pub(super) fn in_words(change: &Change) -> String {
    match change {
        Change::Ban(net, Some(length)) => {
            format!("ban {} for {}", net::shown(net), duration::format(*length))
        }
        Change::Ban(net, None) => format!("ban {} until it is removed", net::shown(net)),
        Change::Unban(net) => format!("unban {}", net::shown(net)),
        Change::Allow(net) => format!("never ban {} again, by whatever rule", net::shown(net)),
    }
}
