//! The protocol: `name=value` lines, an empty one ends the request. It is taken apart as it comes in, however it is cut.

use super::Request;
use crate::line::escaped;

/// Most bytes of a request. Postfix's have about one thousand; it caps each value at two thousand.
pub const REQUEST_BYTES_MAX: usize = 32 * 1024;
/// Most attributes of a request. Postfix 3.10 sends 31.
pub const ATTRIBUTES_MAX: usize = 128;
/// Most characters of garbage that are kept to be shown.
const SAMPLE_MAX: usize = 80;
/// What Postfix says that it asks for, in every request.
const KIND: (&[u8], &[u8]) = (b"request", b"smtpd_access_policy");

/// What a policy client does not send.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Garbage {
    /// A line that is no attribute; it is escaped.
    #[error("not name=value: {0:?}")]
    NoAttribute(String),
    /// A request for something else, or for nothing.
    #[error("not a request of Postfix's SMTP server")]
    OtherRequest,
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("a request of more than {REQUEST_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`ATTRIBUTES_MAX`].
    #[error("a request of more than {ATTRIBUTES_MAX} attributes")]
    TooMany,
}

/// Takes apart what comes in on one connection. After [`Garbage`] it is of no use any more.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What came in and was not taken yet: less than a request and one reading.
    bytes: Vec<u8>,
    /// Bytes of the request under way that were taken.
    taken: usize,
    attributes: usize,
    is_policy: bool,
    request: Request,
}

impl Decoder {
    /// Takes in what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a request has begun and is not complete.
    pub fn is_amid(&self) -> bool {
        self.taken > 0 || !self.bytes.is_empty()
    }

    /// The next request, if it is there as a whole.
    ///
    /// # Errors
    /// When it is none.
    pub fn next_request(&mut self) -> Result<Option<Request>, Garbage> {
        let mut from = 0;
        let mut complete = None;
        while let Some(len) = memchr::memchr(b'\n', &self.bytes[from..]) {
            let line = from..from + len;
            from = line.end + 1;
            if self.taken + from > REQUEST_BYTES_MAX {
                return Err(Garbage::TooLong);
            }
            if line.is_empty() {
                complete = Some(self.finish()?);
                break;
            }
            self.attributes += 1;
            if self.attributes > ATTRIBUTES_MAX {
                return Err(Garbage::TooMany);
            }
            let (name, value) = attribute(&self.bytes[line])?;
            self.is_policy |= (name, value) == KIND;
            self.request.set(name, value);
        }
        self.bytes.drain(..from);
        self.taken = match complete {
            Some(_) => 0,
            None => self.taken + from,
        };
        if complete.is_none() && self.taken + self.bytes.len() > REQUEST_BYTES_MAX {
            return Err(Garbage::TooLong);
        }
        Ok(complete)
    }

    fn finish(&mut self) -> Result<Request, Garbage> {
        self.attributes = 0;
        let request = std::mem::take(&mut self.request);
        match std::mem::take(&mut self.is_policy) {
            true => Ok(request),
            false => Err(Garbage::OtherRequest),
        }
    }
}

/// Name and value. Names are words; values may be anything but NUL, which no value of Postfix holds.
fn attribute(line: &[u8]) -> Result<(&[u8], &[u8]), Garbage> {
    let garbage = || Garbage::NoAttribute(escaped(line, SAMPLE_MAX));
    let equals = memchr::memchr(b'=', line).ok_or_else(garbage)?;
    let (name, value) = (&line[..equals], &line[equals + 1..]);
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || !name.iter().all(is_word) || memchr::memchr(0, value).is_some() {
        return Err(garbage());
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::State;

    const ASKED: &[u8] = b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\
        client_address=203.0.113.7\nclient_name=unknown\nclient_port=40000\nhelo_name=x=y\nqueue_id=\n\
        instance=2f1.673f1a2b.4c4b4.0\nsender=\nrecipient=nobody@example.test\nrecipient_count=0\nsasl_username=\n\n";

    fn requests(chunks: &[&[u8]]) -> Result<Vec<Request>, Garbage> {
        let mut decoder = Decoder::default();
        let mut requests = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(request) = decoder.next_request()? {
                requests.push(request);
            }
        }
        Ok(requests)
    }

    #[test]
    fn a_request_is_read() {
        let read = requests(&[ASKED]).unwrap();
        let [request] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(request.state, State::Recipient);
        assert_eq!(request.client, Some("203.0.113.7".parse().unwrap()));
        assert_eq!(request.client_port, Some(40000));
        assert_eq!(request.account, None);
        assert_eq!(request.server(), Some(0x2f1));
    }

    #[test]
    fn an_address_of_either_family_or_none() {
        let client = |value: &str| {
            let text = format!("request=smtpd_access_policy\nclient_address={value}\n\n");
            requests(&[text.as_bytes()]).unwrap()[0].client
        };
        assert_eq!(client("2001:db8::1"), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(
            client("::ffff:192.0.2.9"),
            Some("192.0.2.9".parse().unwrap())
        );
        assert_eq!(client("unknown"), None);
    }

    #[test]
    fn what_is_no_request_is_garbage() {
        let garbage = |text: &[u8]| requests(&[text]).unwrap_err();
        assert_eq!(
            garbage(b"GET /?a=b HTTP/1.1\r\n"),
            Garbage::NoAttribute("GET /?a=b HTTP/1.1\\x0d".to_owned())
        );
        assert!(matches!(garbage(b"=x\n"), Garbage::NoAttribute(_)));
        assert!(matches!(garbage(b"a=\0\n"), Garbage::NoAttribute(_)));
        assert_eq!(garbage(b"\n"), Garbage::OtherRequest);
        assert_eq!(garbage(b"a=b\n\n"), Garbage::OtherRequest);
        assert_eq!(garbage(&b"a=b\n".repeat(129)), Garbage::TooMany);
        assert_eq!(garbage(&[b'x'; REQUEST_BYTES_MAX + 1]), Garbage::TooLong);
        let long = [b"a=", &[b'x'; REQUEST_BYTES_MAX][..], b"\n"].concat();
        assert_eq!(garbage(&long), Garbage::TooLong);
    }

    #[test]
    fn the_second_request_does_not_inherit_from_the_first() {
        let second = b"request=smtpd_access_policy\n\n";
        let read = requests(&[ASKED, second]).unwrap();
        assert_eq!(read[1], Request::default());
        assert_eq!(requests(&[ASKED, b"a=b\n\n"]), Err(Garbage::OtherRequest));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_it_is_cut(cuts in prop::collection::vec(0..ASKED.len() * 2, 0..20)) {
            let text = ASKED.repeat(2);
            let mut cuts = cuts;
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            prop_assert_eq!(requests(&chunks), requests(&[&text]));
        }

        #[test]
        fn nothing_breaks_it_and_it_keeps_no_more_than_a_request(
            chunks in prop::collection::vec(prop_oneof![
                9 => prop::collection::vec(
                    prop_oneof![Just(b'\n'), Just(b'='), Just(b'a'), any::<u8>()], 0..60),
                1 => Just(b"a=".to_vec()),
                1 => Just(vec![b'x'; 5000]),
            ], 0..30),
        ) {
            let mut decoder = Decoder::default();
            'all: for chunk in &chunks {
                decoder.push(chunk);
                loop {
                    match decoder.next_request() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'all,
                    }
                }
                prop_assert!(decoder.bytes.len() <= REQUEST_BYTES_MAX);
            }
        }
    }
}
