//! What only rules on accounts may say, and what makes no sense in one.

use std::time::Duration;

use super::{document::Section, error::ConfigError};
use crate::{
    event::EventKind,
    rule::{Distinct, Measure, Per},
};

/// The window of a rule with a baseline.
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// The highest baseline, in percent: a hundred times the mean.
const BASELINE_MAX: u32 = 10_000;
/// What the history of an account tells of.
const OF_DAYS: [EventKind; 4] = [
    EventKind::MailAccepted,
    EventKind::AuthSuccess,
    EventKind::AuthFailure,
    EventKind::BounceOut,
];

/// `baseline`: percent of the mean.
pub(super) fn baseline(section: &Section<'_>) -> Result<Option<u32>, ConfigError> {
    let Some(field) = section.field("baseline") else {
        return Ok(None);
    };
    Ok(Some(field.number(101..=BASELINE_MAX)?))
}

/// Refuses what does not go together in a rule that is `per` so and counts `kinds`.
pub(super) fn check(
    section: &Section<'_>,
    per: Per,
    kinds: &[EventKind],
    distinct: Option<Distinct>,
    measure: Measure,
) -> Result<(), ConfigError> {
    let refuse = |key: &str, is_wrong: bool, why: &str| match section.field(key) {
        Some(field) if is_wrong => Err(field.mistake(format!("{} {why}", field.name()))),
        _ => Ok(()),
    };
    let of_messages = matches!(measure, Measure::Recipients | Measure::Megabytes);
    refuse(
        "measure",
        of_messages && !per.is_of_accounts(),
        "is for rules with per = \"account\": only of accounts is known what they send",
    )?;
    refuse(
        "measure",
        of_messages && !kinds.contains(&EventKind::MailAccepted),
        "counts what messages have: put \"mail-accepted\" into count",
    )?;
    refuse(
        "distinct",
        distinct.is_some() && (of_messages || per == Per::AccountSession),
        "does not go together with this measure, or with per = \"account-session\"",
    )?;
    refuse(
        "bad_share",
        per.is_of_accounts(),
        "is for hosts; a rule per account has its limit, and \"baseline\"",
    )?;
    refuse(
        "baseline",
        per != Per::Account,
        "needs per = \"account\": only accounts have a mean",
    )?;
    let has_baseline = section.field("baseline").is_some();
    refuse(
        "distinct",
        has_baseline && distinct.is_some(),
        "does not go together with \"baseline\": a day's history knows sums only",
    )?;
    refuse(
        "service",
        has_baseline,
        "does not go together with \"baseline\": a day's history does not tell services apart",
    )?;
    refuse(
        "baseline",
        has_baseline
            && (measure == Measure::Score || !kinds.iter().all(|kind| OF_DAYS.contains(kind))),
        "needs what is kept of each day: mail-accepted, auth-success, auth-failure or bounce-out, and no score",
    )?;
    if let (Some(_), Some(window)) = (section.field("baseline"), section.field("window"))
        && window.duration()? != DAY
    {
        return Err(window.mistake(format!(
            "{} is a day where there is a \"baseline\": leave it out",
            window.name()
        )));
    }
    Ok(())
}
