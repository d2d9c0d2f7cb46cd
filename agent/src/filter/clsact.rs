//! A program for `tc` where the kernel has no links for it (before Linux 6.6): a filter of the clsact qdisc, by netlink. No
//! process holds such a filter, and it needs no pin to stay. Ours is known by its name and its handle; filters and qdiscs of
//! others are left alone, and so is the qdisc, which others may have come to use since.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};

use super::netlink;

/// Name of our filter, as `tc filter show` tells it.
const NAME: &str = "mailwall";
const KIND: &str = "bpf";
/// "mail" in ASCII.
const HANDLE: u32 = 0x6d61_696c;
/// `ETH_P_ALL`: packets of every protocol.
const EVERY_PROTOCOL: u16 = 0x0003;
const PARENT: TcHandle = TcHandle {
    major: TcHandle::CLSACT.major,
    minor: TcHandle::MIN_INGRESS,
};

// Of include/uapi/linux/rtnetlink.h and include/uapi/linux/pkt_cls.h.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;

/// Our filter on an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OwnFilter {
    /// The program.
    pub program_id: u32,
    priority: u16,
}

/// Puts a program on an interface, in place of the one that our filter holds, in one step; a new filter comes before all
/// others, unless there is one of another kind at the first place.
///
/// # Errors
/// When the kernel refuses.
pub fn put(program: BorrowedFd<'_>, if_index: u32) -> io::Result<()> {
    add_qdisc(if_index)?;
    let filters = filters(if_index)?;
    let (priority, flags) = match own(&filters) {
        Some(own) => (own.priority, 0),
        None => (free_priority(&filters)?, NLM_F_CREATE | NLM_F_EXCL),
    };
    let mut request = about(if_index, priority);
    request.attributes = vec![
        TcAttribute::Kind(KIND.to_owned()),
        TcAttribute::Options(
            [
                TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned()),
                TcFilterBpfOption::ProgName(NAME.to_owned()),
                TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
            ]
            .map(TcOption::Bpf)
            .to_vec(),
        ),
    ];
    netlink::change(RouteNetlinkMessage::NewTrafficFilter(request), flags)
}

/// Our filter on an interface, if it is there.
///
/// # Errors
/// When the kernel does not tell.
pub fn find(if_index: u32) -> io::Result<Option<OwnFilter>> {
    Ok(own(&filters(if_index)?))
}

/// Takes our filter off an interface; tells whether there was one.
///
/// # Errors
/// When the kernel refuses.
pub fn remove(if_index: u32) -> io::Result<bool> {
    let Some(own) = find(if_index)? else {
        return Ok(false);
    };
    let request = about(if_index, own.priority);
    match netlink::change(RouteNetlinkMessage::DelTrafficFilter(request), 0) {
        Ok(()) => Ok(true),
        // Somebody was faster, or the interface is gone.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Numbers of the interfaces that our filter is on.
///
/// # Errors
/// When the kernel does not tell.
pub fn interfaces() -> io::Result<Vec<u32>> {
    let request = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
    let mut candidates = BTreeSet::new();
    for message in netlink::dump(request)? {
        if let Some(entry) = Entry::read(&message)
            && matches!(entry.kind.as_str(), "clsact" | "ingress")
        {
            candidates.insert(entry.if_index);
        }
    }
    let mut ours = Vec::new();
    for if_index in candidates {
        if find(if_index)?.is_some() {
            ours.push(if_index);
        }
    }
    Ok(ours)
}

/// A qdisc or a filter in a list.
#[derive(Debug, Default, Eq, PartialEq)]
struct Entry {
    if_index: u32,
    handle: u32,
    priority: u16,
    protocol: u16,
    kind: String,
    name: String,
    program_id: u32,
}

impl Entry {
    /// Reads `struct tcmsg` and the attributes behind it; nothing when they make no sense. Only what is needed is read, so
    /// that filters of kinds unknown here are no obstacle.
    fn read(message: &[u8]) -> Option<Self> {
        let (header, attributes) = message.split_at_checked(20)?;
        let word = |at: usize| {
            let bytes = header.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let info = word(16)?;
        let mut entry = Self {
            if_index: word(4)?,
            handle: word(8)?,
            priority: (info >> 16) as u16,
            protocol: u16::from_be(info as u16),
            ..Self::default()
        };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute.ok()?;
            match attribute.kind() {
                TCA_KIND => entry.kind = text(attribute.value()),
                TCA_OPTIONS if entry.kind == KIND => entry.read_options(attribute.value())?,
                _ => {}
            }
        }
        Some(entry)
    }

    fn read_options(&mut self, options: &[u8]) -> Option<()> {
        for option in NlasIterator::new(options) {
            let option = option.ok()?;
            match option.kind() {
                TCA_BPF_NAME => self.name = text(option.value()),
                TCA_BPF_ID => {
                    self.program_id = u32::from_ne_bytes(*option.value().first_chunk()?);
                }
                _ => {}
            }
        }
        Some(())
    }
}

fn text(value: &[u8]) -> String {
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

fn own(filters: &[Entry]) -> Option<OwnFilter> {
    let own = filters
        .iter()
        .find(|entry| entry.kind == KIND && entry.name == NAME && entry.handle == HANDLE)?;
    Some(OwnFilter {
        program_id: own.program_id,
        priority: own.priority,
    })
}

fn filters(if_index: u32) -> io::Result<Vec<Entry>> {
    let mut request = about(if_index, 0);
    request.header.handle = TcHandle::UNSPEC;
    request.header.info = 0;
    let told = netlink::dump(RouteNetlinkMessage::GetTrafficFilter(request))?;
    Ok(told
        .iter()
        .filter_map(|message| Entry::read(message))
        .collect())
}

/// The first priority that our filter can have: one that is free, or that filters of its kind have, of which the newest comes
/// first.
fn free_priority(filters: &[Entry]) -> io::Result<u16> {
    let mut taken: BTreeMap<u16, bool> = BTreeMap::new();
    for entry in filters {
        let fits = entry.kind == KIND && entry.protocol == EVERY_PROTOCOL;
        *taken.entry(entry.priority).or_insert(true) &= fits;
    }
    (1..u16::MAX)
        .find(|priority| taken.get(priority).is_none_or(|fits| *fits))
        .ok_or_else(|| io::Error::other("every priority of tc filters is taken"))
}

/// A message about our filter.
fn about(if_index: u32, priority: u16) -> TcMessage {
    let mut message = TcMessage::with_index(if_index.cast_signed());
    message.header.parent = PARENT;
    message.header.handle = TcHandle::from(HANDLE);
    message.header.info = u32::from(priority) << 16 | u32::from(EVERY_PROTOCOL.to_be());
    message
}

fn add_qdisc(if_index: u32) -> io::Result<()> {
    let mut request = TcMessage::with_index(if_index.cast_signed());
    request.header.parent = TcHandle::CLSACT;
    request.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    request
        .attributes
        .push(TcAttribute::Kind("clsact".to_owned()));
    let request = RouteNetlinkMessage::NewQueueDiscipline(request);
    match netlink::change(request, NLM_F_CREATE | NLM_F_EXCL) {
        // There is one, or an ingress qdisc, which does as well.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        added => added,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, priority: u16, protocol: u16, handle: u32, name: &str) -> Entry {
        Entry {
            if_index: 3,
            handle,
            priority,
            protocol,
            kind: kind.to_owned(),
            name: name.to_owned(),
            program_id: 7,
        }
    }

    #[test]
    fn our_filter_is_known_by_kind_name_and_handle() {
        let others = [
            entry("flower", 1, EVERY_PROTOCOL, HANDLE, NAME),
            entry(KIND, 1, EVERY_PROTOCOL, 1, NAME),
            entry(KIND, 1, EVERY_PROTOCOL, HANDLE, "cil_from_netdev"),
        ];
        assert_eq!(own(&others), None);
        let ours = [entry(KIND, 4, EVERY_PROTOCOL, HANDLE, NAME)];
        let expected = OwnFilter {
            program_id: 7,
            priority: 4,
        };
        assert_eq!(own(&ours), Some(expected));
    }

    #[test]
    fn the_first_place_is_taken_or_shared_with_filters_of_the_same_kind() {
        let priority = |filters: &[Entry]| free_priority(filters).unwrap();
        assert_eq!(priority(&[]), 1);
        assert_eq!(priority(&[entry(KIND, 1, EVERY_PROTOCOL, 1, "x")]), 1);
        assert_eq!(priority(&[entry("flower", 1, EVERY_PROTOCOL, 1, "")]), 2);
        assert_eq!(priority(&[entry(KIND, 1, 0x0800, 1, "x")]), 2);
    }

    #[test]
    fn a_message_that_is_cut_short_is_no_entry() {
        let mut message = vec![0; 20];
        message[4] = 3;
        assert_eq!(Entry::read(&message).unwrap().if_index, 3);
        assert_eq!(Entry::read(&message[..19]), None);
        message.extend([200, 0, 1, 0]);
        assert_eq!(Entry::read(&message), None);
    }
}
