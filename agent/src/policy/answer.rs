//! What Postfix is told. The texts are ours: nothing that a client wrote is part of them.

use std::time::Duration;

/// Longest sleep: Postfix waits in it, and clients wait five minutes for a reply at most (RFC 5321, 4.5.3.2).
pub const SLEEP_MAX: Duration = Duration::from_secs(30);

/// What Postfix is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Go on with what stands next in `main.cf`.
    Dunno,
    /// Wait, then go on; whole seconds, at least one, at most [`SLEEP_MAX`].
    Sleep(Duration),
    /// Give the client this reply.
    Reply(Reply),
    /// Refuse for good, with the code that Postfix has for that.
    Reject(&'static str),
    /// Take the message, and put it into the hold queue.
    Hold(&'static str),
}

/// An SMTP reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reply {
    /// 421 (Postfix closes the connection after it), 450 or 452.
    pub code: u16,
    /// Enhanced status code and text.
    pub text: &'static str,
}

/// Kinds of answer, for counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// [`Answer::Dunno`]
    Dunno,
    /// [`Answer::Sleep`]
    Sleep,
    /// A reply that closes the connection.
    Close,
    /// A reply that refuses for now.
    Defer,
    /// [`Answer::Reject`]
    Reject,
    /// [`Answer::Hold`]
    Hold,
}

impl Answer {
    /// As the protocol has it.
    pub fn to_wire(self) -> String {
        match self {
            Self::Dunno => "action=DUNNO\n\n".to_owned(),
            Self::Sleep(length) => format!("action=sleep {}\n\n", whole_seconds(length)),
            Self::Reply(Reply { code, text }) => format!("action={code} {text}\n\n"),
            Self::Reject(text) => format!("action=REJECT {text}\n\n"),
            Self::Hold(text) => format!("action=HOLD {text}\n\n"),
        }
    }

    /// Which kind it is.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Dunno => Kind::Dunno,
            Self::Sleep(_) => Kind::Sleep,
            Self::Reply(Reply { code: 421, .. }) => Kind::Close,
            Self::Reply(_) => Kind::Defer,
            Self::Reject(_) => Kind::Reject,
            Self::Hold(_) => Kind::Hold,
        }
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Dunno,
        Self::Sleep,
        Self::Close,
        Self::Defer,
        Self::Reject,
        Self::Hold,
    ];

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dunno => "dunno",
            Self::Sleep => "sleep",
            Self::Close => "421",
            Self::Defer => "450",
            Self::Reject => "reject",
            Self::Hold => "hold",
        }
    }
}

/// Postfix sleeps whole seconds.
pub(super) fn whole_seconds(length: Duration) -> u64 {
    let up = u64::from(length.subsec_nanos() > 0);
    (length.as_secs() + up).clamp(1, SLEEP_MAX.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_one_line_and_an_empty_one() {
        let reply = Reply {
            code: 452,
            text: "4.5.3 Too many recipients",
        };
        for (answer, wire) in [
            (Answer::Dunno, "action=DUNNO\n\n"),
            (
                Answer::Sleep(Duration::from_millis(4100)),
                "action=sleep 5\n\n",
            ),
            (
                Answer::Sleep(Duration::from_secs(99)),
                "action=sleep 30\n\n",
            ),
            (Answer::Sleep(Duration::ZERO), "action=sleep 1\n\n"),
            (
                Answer::Reply(reply),
                "action=452 4.5.3 Too many recipients\n\n",
            ),
            (Answer::Reject("no"), "action=REJECT no\n\n"),
            (Answer::Hold("why"), "action=HOLD why\n\n"),
        ] {
            assert_eq!(answer.to_wire(), wire);
        }
    }
}
