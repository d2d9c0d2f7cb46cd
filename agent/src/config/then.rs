//! What follows a breach: `then` of `[[rule]]`, and `[ban]`.

use std::time::Duration;

use super::{
    document::{Field, Section},
    error::ConfigError,
};
use crate::{
    duration,
    rule::{DELAY_MAX, Delay, DelayBy, Length, Penalty, Per, Then},
};

/// The steepest escalation.
const FACTOR_MAX: u32 = 1_000;
/// The longest delay where the rule does not say: mail servers wait as long for an answer, and longer (RFC 5321, 4.5.3.2).
const DELAY_AT_MOST: Duration = Duration::from_secs(30);

const KEYS: [&str; 10] = [
    "ban",
    "factor",
    "at_most",
    "forget_after",
    "ipv6_prefix",
    "delay",
    "by",
    "kick",
    "hold",
    "notify",
];

/// `[ban]`.
pub(super) fn read_ban(top: &Section<'_>) -> Result<Penalty, ConfigError> {
    let default = Penalty {
        first: Length::For(Duration::from_secs(10 * 60)),
        factor: 4,
        at_most: Duration::from_secs(7 * 86_400),
        forget_after: Duration::from_secs(30 * 86_400),
    };
    match top.table("ban", &["first", "factor", "at_most", "forget_after"])? {
        Some(section) => penalty(&section, "first", default),
        None => Ok(default),
    }
}

/// `then` of a rule; bans are as long as `ban` says where it does not.
pub(super) fn read(section: &Section<'_>, per: Per, ban: Penalty) -> Result<Then, ConfigError> {
    let Some(field) = section.field("then") else {
        return match per {
            Per::Account | Per::AccountSession => Err(section.mistake(
                "a rule per account bans nobody: say what it does, such as then = { hold = \"2h\", notify = true }",
            )),
            Per::Address | Per::Network | Per::Session => Ok(Then::ban(ban)),
        };
    };
    let then = field.table("\"then\"", &KEYS)?;
    let has = |key: &str| then.field(key).is_some();
    let truth = |key: &str| then.field(key).map_or(Ok(false), |field| field.truth());
    let (kick, notify) = (truth("kick")?, truth("notify")?);
    let is_ban = has("ban") || !(has("delay") || has("hold") || kick || notify);
    let read = Then {
        ban: match is_ban {
            true => Some(penalty(&then, "ban", ban)?),
            false => None,
        },
        ipv6_prefix: match then.field("ipv6_prefix") {
            // Automatic bans are never wider than /48.
            Some(field) => Some(field.number(48..=128)?),
            None => None,
        },
        delay: delay(&then)?,
        kick,
        hold: then.field("hold").map(|field| length(&field)).transpose()?,
        notify,
    };
    check(&then, &read, per)?;
    Ok(read)
}

/// Refuses what does not go together.
fn check(section: &Section<'_>, then: &Then, per: Per) -> Result<(), ConfigError> {
    let refuse = |key: &str, why: &str| match section.field(key) {
        Some(field) => Err(field.mistake(format!("{} {why}", field.name()))),
        None => Ok(()),
    };
    if per.is_of_accounts() {
        let why = "is not for a rule per account, which never acts against addresses; use \"hold\", \"kick\" or \"notify\"";
        for key in ["ban", "delay"] {
            refuse(key, why)?;
        }
        if then.ban.is_some() {
            return Err(section.mistake(
                "\"then\" of a rule per account says none of \"hold\", \"kick\" and \"notify\"",
            ));
        }
    } else {
        if per == Per::Network {
            let why = "is for rules on hosts: a network that is counted is a /48 already";
            refuse("ipv6_prefix", why)?;
        }
        refuse("hold", "needs per = \"account\": only accounts are held")?;
        if then.kick && then.ban.is_none() {
            refuse(
                "kick",
                "needs \"ban\" beside it: who is only kicked is back at once",
            )?;
        }
    }
    if then.ban.is_some() {
        refuse(
            "delay",
            "does not go together with \"ban\": make two rules, with the limit of the delay below that of the ban",
        )?;
    } else {
        let why = "is about bans, and the rule does not ban: add \"ban\", or take it out";
        for key in ["factor", "forget_after", "ipv6_prefix"] {
            refuse(key, why)?;
        }
        if then.delay.is_none() {
            refuse("at_most", why)?;
        }
    }
    if then.delay.is_none() {
        refuse("by", "says who delays, and needs \"delay\"")?;
    }
    Ok(())
}

fn delay(section: &Section<'_>) -> Result<Option<Delay>, ConfigError> {
    let Some(field) = section.field("delay") else {
        return Ok(None);
    };
    let step = field.duration()?;
    let by = match section.field("by") {
        Some(field) => field.choice("way to delay", DelayBy::ALL, DelayBy::as_str)?,
        None => DelayBy::Filter,
    };
    let too_long = |field: &Field<'_>| {
        field.mistake(format!(
            "{} must be at most {}: what is longer is a ban",
            field.name(),
            duration::format(DELAY_MAX)
        ))
    };
    if step > DELAY_MAX {
        return Err(too_long(&field));
    }
    let at_most = match section.field("at_most") {
        Some(field) => {
            let at_most = field.duration()?;
            if at_most > DELAY_MAX {
                return Err(too_long(&field));
            }
            if at_most < step {
                return Err(field.mistake(format!(
                    "{} is shorter than one step, {}",
                    field.name(),
                    duration::format(step)
                )));
            }
            at_most
        }
        None => DELAY_AT_MOST.max(step),
    };
    Ok(Some(Delay { step, at_most, by }))
}

/// A duration, or "permanent".
fn length(field: &Field<'_>) -> Result<Length, ConfigError> {
    match field.text() {
        Ok("permanent") => Ok(Length::UntilRemoved),
        _ => field.duration().map(Length::For),
    }
}

/// A penalty whose first length is called `first`; what is not said is as in `default`.
fn penalty(section: &Section<'_>, first: &str, default: Penalty) -> Result<Penalty, ConfigError> {
    let mut penalty = default;
    if let Some(field) = section.field(first) {
        penalty.first = length(&field)?;
        if let Length::For(first) = penalty.first {
            penalty.at_most = penalty.at_most.max(first);
        }
    }
    if let Some(field) = section.field("factor") {
        penalty.factor = field.number(1..=FACTOR_MAX)?;
    }
    if let Some(field) = section.field("at_most") {
        penalty.at_most = field.duration()?;
        if let Length::For(first) = penalty.first
            && penalty.at_most < first
        {
            return Err(field.mistake(format!(
                "{} is shorter than the first ban, {}",
                field.name(),
                duration::format(first)
            )));
        }
    }
    if let Some(field) = section.field("forget_after") {
        penalty.forget_after = field.duration()?;
    }
    Ok(penalty)
}
