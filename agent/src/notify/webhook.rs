//! A webhook: JSON by HTTP POST. The client is blocking and runs in a thread of its own, with a time-out for the whole of the call.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use serde::Serialize;
use tokio::sync::oneshot;
use ureq::{
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{Message, queue::Parcel};

/// Version of the JSON.
const SCHEMA: u32 = 1;

/// Why a text is not the URL of a webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UrlError {
    /// It is no URL of HTTP.
    NotHttp,
    /// It would go through the network without TLS.
    NotPrivate,
}

/// What is posted, and what commands read.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    schema: u32,
    host: &'a str,
    messages: &'a [Message],
    more: Vec<MoreView<'a>>,
    repeats: u64,
}

#[derive(Serialize)]
struct MoreView<'a> {
    topic: &'static str,
    rule: Option<&'a str>,
    count: u64,
}

impl<'a> Body<'a> {
    pub(super) fn of(host: &'a str, parcel: &'a Parcel) -> Self {
        let more = parcel.more.iter().map(|more| MoreView {
            topic: more.topic.as_str(),
            rule: more.rule.as_deref(),
            count: more.count,
        });
        Self {
            schema: SCHEMA,
            host,
            messages: &parcel.messages,
            more: more.collect(),
            repeats: parcel.repeats,
        }
    }

    pub(super) fn json(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }
}

/// Whether `url` is one that can be posted to: HTTPS, or plain HTTP to this host.
///
/// # Errors
///
/// When it is not.
pub fn check_url(url: &str) -> Result<(), UrlError> {
    let uri: Uri = url.parse().map_err(|_| UrlError::NotHttp)?;
    let host = uri.host().ok_or(UrlError::NotHttp)?;
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_this_host(host) => Ok(()),
        Some("http") => Err(UrlError::NotPrivate),
        _ => Err(UrlError::NotHttp),
    }
}

fn is_this_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

pub(super) async fn post(
    url: &str,
    host: &str,
    parcel: &Parcel,
    within: Duration,
) -> Result<(), String> {
    let body = Body::of(host, parcel).json()?;
    let headers = vec![("content-type", "application/json".to_owned())];
    post_bytes(url.to_owned(), headers, body, within).await
}

/// Posts `body`; only a status of success is one.
pub(super) async fn post_bytes(
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    within: Duration,
) -> Result<(), String> {
    let (reply, answer) = oneshot::channel();
    let call = move || {
        // Whoever waits may have given up.
        let _ = reply.send(call(&url, &headers, &body, within));
    };
    let thread = thread::Builder::new().name("webhook".to_owned());
    thread
        .spawn(call)
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    answer
        .await
        .unwrap_or_else(|_| Err("the call was broken off".to_owned()))
}

fn call(
    url: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
    within: Duration,
) -> Result<(), String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(within))
        .http_status_as_error(false)
        // A secret in the path must not go elsewhere.
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("mailwall/", env!("CARGO_PKG_VERSION")));
    let config = if url.starts_with("https:") {
        config.tls_config(tls()?)
    } else {
        config
    };
    let agent = config.build().new_agent();
    let request = headers
        .iter()
        .fold(agent.post(url), |request, (name, value)| {
            request.header(*name, value)
        });
    let answer = request.send(body).map_err(|error| error.to_string())?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}

/// TLS with the roots of this host.
fn tls() -> Result<TlsConfig, String> {
    static ROOTS: OnceLock<Arc<Vec<Certificate<'static>>>> = OnceLock::new();
    let roots = match ROOTS.get() {
        Some(roots) => roots.clone(),
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            if found.is_empty() {
                return Err(
                    "this host has no TLS roots: install ca-certificates, or set SSL_CERT_FILE"
                        .to_owned(),
                );
            }
            let found = found
                .iter()
                .map(|root| Certificate::from_der(root).to_owned());
            ROOTS.get_or_init(|| Arc::new(found.collect())).clone()
        }
    };
    let provider = rustls::crypto::ring::default_provider();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(roots))
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_tls_or_not_at_all() {
        for (url, expected) in [
            ("https://hooks.example.org/x", Ok(())),
            ("http://127.0.0.1:8080/x", Ok(())),
            ("http://[::1]/x", Ok(())),
            ("http://localhost/x", Ok(())),
            ("http://hooks.example.org/x", Err(UrlError::NotPrivate)),
            ("http://127.0.0.1.example.org/x", Err(UrlError::NotPrivate)),
            ("ftp://example.org/x", Err(UrlError::NotHttp)),
            ("example.org", Err(UrlError::NotHttp)),
            ("", Err(UrlError::NotHttp)),
        ] {
            assert_eq!(check_url(url), expected, "{url}");
        }
    }
}
