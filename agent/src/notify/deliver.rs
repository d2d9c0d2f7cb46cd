//! Brings one parcel to its receiver. Each kind of notifier is registered here.

use tokio::time::timeout;

use super::{
    Channel, NotifierSettings, abuseipdb, command, email, journal,
    queue::Parcel,
    webhook::{self, Endpoint},
};
use crate::line;

/// Most characters of an error.
const ERROR_MAX: usize = 300;

/// Delivers, within the time that the settings allow.
///
/// # Errors
///
/// In words, on one line, when the receiver did not take it.
pub(super) async fn deliver(
    settings: &NotifierSettings,
    host: &str,
    parcel: &Parcel,
) -> Result<(), String> {
    let delivery = async {
        match &settings.channel {
            Channel::Email { to, from, server } => {
                email::send(server, from.as_deref(), to, host, parcel).await
            }
            Channel::Webhook { url, ca_file } => {
                let endpoint = Endpoint::new(url, ca_file.as_deref());
                webhook::post(endpoint, host, parcel, settings.timeout).await
            }
            Channel::Command { words } => command::run(words, host, parcel).await,
            Channel::XArf { to, from, server } => {
                email::complain(server, from.as_deref(), to, host, parcel).await
            }
            Channel::AbuseIpdb {
                url,
                key_file,
                ca_file,
            } => {
                let endpoint = Endpoint::new(url, ca_file.as_deref());
                abuseipdb::report(endpoint, key_file, parcel, settings.timeout).await
            }
            Channel::Journal { socket } => journal::write(socket, host, parcel),
        }
    };
    let result = timeout(settings.timeout, delivery).await;
    let result = result.unwrap_or_else(|_| {
        let seconds = settings.timeout.as_secs();
        Err(format!("no answer within {seconds} s"))
    });
    result.map_err(|error| line::escaped(error.as_bytes(), ERROR_MAX))
}
