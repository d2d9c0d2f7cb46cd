//! `[report]`: the report of the day by e-mail.

use std::time::Duration;

use super::{document::Section, error::ConfigError, notify};
use crate::notify::{Channel, NotifierSettings, Topic};

/// When the report comes where nothing is said.
const AT: &str = "06:00";
/// What the notifier of the report is called in `status`.
const NAME: &str = "report";

/// The report of the day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DailyReport {
    /// Hour of the day, by the clock of this host.
    pub hour: i8,
    /// Minute of that hour.
    pub minute: i8,
    /// Who gets it.
    pub notifier: NotifierSettings,
}

pub(super) fn read(top: &Section<'_>) -> Result<Option<DailyReport>, ConfigError> {
    let Some(section) = top.table("report", &["email", "at", "from", "server"])? else {
        return Ok(None);
    };
    let Some(email) = section.field("email") else {
        return Err(section.mistake("[report] lacks \"email\", the address it is sent to"));
    };
    let at = section.field("at");
    let text = match &at {
        Some(field) => field.text()?,
        None => AT,
    };
    let Some((hour, minute)) = time_of_day(text) else {
        let what = format!("{text:?} is no time of day such as \"06:00\"");
        return Err(at.map_or_else(
            || section.mistake(what.clone()),
            |field| field.mistake(&*what),
        ));
    };
    let (from, server) = notify::sender(&section)?;
    Ok(Some(DailyReport {
        hour,
        minute,
        notifier: NotifierSettings {
            name: NAME.to_owned(),
            channel: Channel::Email {
                to: notify::address(&email)?,
                from,
                server,
            },
            on: vec![Topic::Report],
            rules: Vec::new(),
            min_level: 1,
            digest: None,
            limit: 1,
            timeout: Duration::from_secs(30),
        },
    }))
}

fn time_of_day(text: &str) -> Option<(i8, i8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, most: i8| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| text.parse::<i8>().ok())??;
        (number <= most).then_some(number)
    };
    Some((number(hour, 23)?, number(minute, 59)?))
}
