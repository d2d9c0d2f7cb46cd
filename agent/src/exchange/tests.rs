//! Every format, read and written.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use expect_test::{Expect, expect};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;

pub(in crate::exchange) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

pub(in crate::exchange) fn options() -> Options {
    Options {
        now: now(),
        only: Vec::new(),
        all: false,
    }
}

pub(super) fn read_with(format: &str, text: &str, options: &Options) -> Imported {
    let mut imported = Imported::default();
    match Format::named(format).unwrap().read {
        Read::Text(read) => read(&mut text.as_bytes(), options, &mut imported).unwrap(),
        Read::Database(_) | Read::No => panic!("{format} is no text"),
    }
    imported
}

/// What was read, a line each.
pub(in crate::exchange) fn told(imported: &Imported) -> String {
    let mut text = String::new();
    for ban in &imported.bans {
        let left = ban.ends.map_or("for ever".to_owned(), |ends| {
            format!("{}s", ends.duration_since(now()).unwrap().as_secs())
        });
        writeln!(text, "ban {} {left} ({})", ban.net, ban.reason).unwrap();
    }
    for allowed in &imported.allowed {
        writeln!(text, "allow {}", allowed.net).unwrap();
    }
    for limit in &imported.limits {
        writeln!(text, "limit {limit}").unwrap();
    }
    for net in &imported.exempt {
        writeln!(text, "exempt {net}").unwrap();
    }
    for note in imported.notes.iter() {
        writeln!(text, "note {note}").unwrap();
    }
    for mistake in imported.mistakes.iter() {
        writeln!(text, "mistake {mistake}").unwrap();
    }
    writeln!(
        text,
        "{} lines, {} left alone, {} over",
        imported.lines, imported.left_alone, imported.over
    )
    .unwrap();
    text
}

#[track_caller]
pub(super) fn check(format: &str, text: &str, expected: &Expect) {
    expected.assert_eq(&told(&read_with(format, text, &options())));
}

#[test]
fn an_ipset_is_read_with_what_is_left_of_its_entries() {
    check(
        "ipset",
        "create f2b-postfix hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 bucketsize 12 initval 0x1\n\
         add f2b-postfix 203.0.113.7 timeout 599\n\
         add f2b-postfix 203.0.113.8 timeout 0 comment \"sold lists\"\n\
         create ports hash:ip,port family inet\n\
         add ports 203.0.113.9,tcp:25\n\
         create drop hash:net family inet6\n\
         add drop 2001:db8::/32\n\
         add drop 2001:db8:1::/48 nomatch\n\
         add other 203.0.113.1\n\
         bogus\n",
        &expect![[r#"
            ban 203.0.113.7/32 599s (ipset f2b-postfix)
            ban 203.0.113.8/32 for ever (sold lists)
            ban 2001:db8::/32 for ever (ipset drop)
            note 4: set "ports" of type "hash:ip,port" has more than addresses: left out
            mistake 8: "2001:db8:1::/48" is an exception; put it on the allowlist, and take it out of the list
            mistake 9: set "other" is not created before; import all that ipset save wrote
            mistake 10: "bogus" is nothing that ipset save writes; it writes create and add
            10 lines, 1 left alone, 0 over
        "#]],
    );
}

#[test]
fn nft_is_read_as_text_and_as_json() {
    check(
        "nft",
        "table inet f2b-table {\n\tset addr-set-postfix {\n\t\ttype ipv4_addr\n\t\tflags interval,timeout\n\t\ttimeout 1h\n\
         \t\telements = { 203.0.113.7 timeout 10m expires 9m58s996ms,\n\
         \t\t\t     198.51.100.0/24 expires 30m comment \"a, b\", 192.0.2.0-192.0.2.9 counter packets 0 bytes 0 }\n\t}\n\
         \tset ports {\n\t\ttype inet_service\n\t\telements = { 25, 587 }\n\t}\n\
         \tchain input {\n\t\ttype filter hook input priority filter - 1; policy accept;\n\t\ttcp dport { 25, 587 } ip saddr @addr-set-postfix drop\n\t}\n}\n",
        &expect![[r#"
            ban 203.0.113.7/32 598s (nft addr-set-postfix)
            ban 198.51.100.0/24 1800s (a, b)
            ban 192.0.2.0/29 3600s (nft addr-set-postfix)
            ban 192.0.2.8/31 3600s (nft addr-set-postfix)
            note 10: set "ports" of type "inet_service" has more than addresses: left out
            17 lines, 2 left alone, 0 over
        "#]],
    );
    check(
        "nft",
        r#"{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": {"family": "inet", "name": "s", "table": "t", "type": "ipv4_addr", "handle": 1, "flags": ["interval", "timeout"], "elem": [{"elem": {"val": "203.0.113.7", "timeout": 600, "expires": 595}}, {"prefix": {"addr": "198.51.100.0", "len": 24}}, {"range": ["192.0.2.0", "192.0.2.3"]}, {"elem": {"val": {"prefix": {"addr": "192.0.2.128", "len": 25}}, "comment": "x"}}, 7, "203.0.113.0/33"]}}]}"#,
        &expect![[r#"
            ban 203.0.113.7/32 595s (nft s)
            ban 198.51.100.0/24 for ever (nft s)
            ban 192.0.2.0/30 for ever (nft s)
            ban 192.0.2.128/25 for ever (x)
            mistake  set "s", element 5: an element that is no address and no network
            mistake  set "s", element 6: "203.0.113.0/33": neither an address nor a network; write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            6 lines, 0 left alone, 0 over
        "#]],
    );
    check(
        "nft",
        "table ip t {\n set s {\n type ipv4_addr\n elements = { 203.0.113.7,",
        &expect![[r#"
            ban 203.0.113.7/32 for ever (nft s)
            mistake 4: the elements of set "s" do not end; the file is cut
            4 lines, 0 left alone, 0 over
        "#]],
    );
}

/// Lines are counted whatever stands in them: comments, empty ones, sets that are passed over, text that spans several.
#[test]
fn mistakes_in_nft_are_named_with_their_line() {
    check(
        "nft",
        "#!/usr/sbin/nft -f\n\nflush ruleset # all of it\n\ntable inet t {\n\tmap m {\n\t\ttype ipv4_addr : verdict\n\t\telements = { 192.0.2.1 : drop,\n\
         \t\t\t192.0.2.2 : accept }\n\t}\n\tset s {\n\t\ttype ipv4_addr\r\n\t\tcomment \"one { of\n\t\telements = { 203.0.113.7,\n\n\t\t\t# a comment, with } and \"\n\
         \t\t\t203.0.113.256,\n\t\t\t203.0.113.8 timeout\n\t\t\t\tsoon }\n\t}\n}\nadd element inet t other { 1.2.3 }\n",
        &expect![[r#"
            ban 203.0.113.7/32 for ever (nft s)
            mistake 17: "203.0.113.256": neither an address nor a network; write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            mistake 19: "soon" is no time
            mistake 22: "1.2.3": neither an address nor a network; write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            22 lines, 0 left alone, 0 over
        "#]],
    );
}

#[test]
fn drop_is_read_as_json_and_as_text() {
    check(
        "spamhaus-drop",
        "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n{\"cidr\":\"2a06:e480::/29\",\"sblid\":\"SBL301771\",\"rir\":\"ripencc\"}\n{\"type\":\"metadata\",\"timestamp\":1,\"size\":2,\"records\":2,\"copyright\":\"c\"}\n",
        &expect![[r#"
            ban 1.10.16.0/20 for ever (Spamhaus DROP SBL256894)
            ban 2a06:e480::/29 for ever (Spamhaus DROP SBL301771)
            3 lines, 0 left alone, 0 over
        "#]],
    );
    check(
        "spamhaus-drop",
        "; Spamhaus DROP List 2024/04/09\n1.10.16.0/20 ; SBL256894\n1.19.0.0/16 ; SBL434604\n",
        &expect![[r#"
            ban 1.10.16.0/20 for ever (Spamhaus DROP SBL256894)
            ban 1.19.0.0/16 for ever (Spamhaus DROP SBL434604)
            3 lines, 0 left alone, 0 over
        "#]],
    );
    check(
        "spamhaus-drop",
        "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n{\"cidr\":\"1.1",
        &expect![[r#"
            ban 1.10.16.0/20 for ever (Spamhaus DROP SBL256894)
            mistake 2: "{"cidr":"1.1" is no JSON; fetch the file again: it may be cut
            mistake  the last line, which says how many records there are, is missing; fetch the file again: it is cut
            2 lines, 0 left alone, 0 over
        "#]],
    );
}

#[test]
fn postscreens_first_line_that_fits_counts() {
    check(
        "postscreen-cidr",
        "# ours\n192.0.2.7\tpermit\n192.0.2.0/30 dunno\n192.0.2.0/24 reject\n192.0.2.7 reject\n[2001:db8::]/32 reject\n!192.0.2.0/24 reject\nif 192.0.2.0/24\n192.0.2.9 reject\nendif\n203.0.113.7 REJECT\n203.0.113.1 hold\n",
        &expect![[r#"
            ban 192.0.2.4/31 for ever (postscreen access list)
            ban 192.0.2.6/32 for ever (postscreen access list)
            ban 192.0.2.8/29 for ever (postscreen access list)
            ban 192.0.2.16/28 for ever (postscreen access list)
            ban 192.0.2.32/27 for ever (postscreen access list)
            ban 192.0.2.64/26 for ever (postscreen access list)
            ban 192.0.2.128/25 for ever (postscreen access list)
            ban 2001:db8::/32 for ever (postscreen access list)
            ban 203.0.113.7/32 for ever (postscreen access list)
            allow 192.0.2.7/32
            note 5: 192.0.2.7/32 is let through by an earlier line
            mistake 7: an inverted pattern is not understood; write the networks out that are meant
            mistake 8: if and endif are not understood; write the networks out
            mistake 12: unknown action "hold"; permit, reject and dunno are known
            12 lines, 1 left alone, 0 over
        "#]],
    );
}

#[test]
fn csv_has_columns_in_any_order() {
    check(
        "csv",
        "reason,IP,duration,junk\n\"a, \"\"b\"\"\",203.0.113.7,4h,x\nc,203.0.113.8\nd,203.0.113.9/24\ne,nobody\n\"f,203.0.113.1\n",
        &expect![[r#"
            ban 203.0.113.7/32 14400s (a, "b")
            ban 203.0.113.8/32 for ever (c)
            mistake 4: "203.0.113.9/24": 203.0.113.9/24 has host bits set; the network is 203.0.113.0/24, the address alone 203.0.113.9
            mistake 5: "nobody": neither an address nor a network; write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            mistake 6: a quote that does not end; a quote in a field is written twice
            6 lines, 0 left alone, 0 over
        "#]],
    );
    check(
        "csv",
        "203.0.113.7\n203.0.113.8,dictionary,2026-01-01T00:00:00Z,2026-01-01T00:10:00Z,5,1,late\n203.0.113.9,,,soon\n",
        &expect![[r#"
            ban 203.0.113.7/32 for ever ()
            mistake 3: "soon" is no time; write it like 2026-08-22T09:14:03Z, or leave it out
            3 lines, 0 left alone, 1 over
        "#]],
    );
}

#[test]
fn json_is_read_entry_by_entry() {
    check(
        "json",
        r#"{"schema":1,"total":2,"bans":[{"net":"203.0.113.7/32","rule":"manual","since":"2026-05-28T20:26:40Z","age_s":0,"ends":null,"remaining_s":null,"offences":0,"level":0,"dropped":3,"reason":"x","evidence":[]},{"net":"203.0.113.9/24"}]}"#,
        &expect![[r#"
            ban 203.0.113.7/32 for ever (x)
            mistake  ban 2: "203.0.113.9/24": 203.0.113.9/24 has host bits set; the network is 203.0.113.0/24, the address alone 203.0.113.9
            2 lines, 0 left alone, 0 over
        "#]],
    );
    check(
        "json",
        r#"{"schema":7,"bans":[]}"#,
        &expect![[r#"
            mistake  schema 7 is not known; this mailwall knows schema 1
            0 lines, 0 left alone, 0 over
        "#]],
    );
}

/// Nets that a filter may hold.
fn net() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (any::<[u8; 4]>(), 8_u8..=32).prop_map(|(address, length)| IpNet::V4(
            Ipv4Net::new(address.into(), length).unwrap().trunc()
        )),
        (any::<[u16; 7]>(), 17_u8..=128).prop_map(|(groups, length)| {
            let [a, b, c, d, e, f, g] = groups;
            let address = [0x2001, a, b, c, d, e, f, g].into();
            IpNet::V6(Ipv6Net::new(address, length).unwrap().trunc())
        }),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (
        net(),
        proptest::option::of(1_u64..2_000_000),
        0_u32..100,
        "[a-zA-Z0-9 ,.:;'<>=@/\\[\\]()-]{0,40}",
    );
    let entry = entry.prop_map(|(net, left_s, offences, reason)| Entry {
        origin: Some("dictionary".to_owned()),
        since: Some(now() - Duration::from_secs(5)),
        ends: left_s.map(|left_s| now() + Duration::from_secs(left_s)),
        offences,
        level: 1,
        ..Entry::new(net, &reason)
    });
    proptest::collection::vec(entry, 0..20).prop_map(|mut entries| {
        // A set has each net once, and nothing here lies in anything else.
        entries.sort_by_key(|entry| entry.net);
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            if !kept.iter().any(|other| other.net.contains(&entry.net)) {
                kept.push(entry);
            }
        }
        kept
    })
}

/// What a format says of what it was given.
fn round_trip(format: &str, entries: &[Entry]) -> (Imported, Remarks) {
    let mut text = Vec::new();
    let mut notes = Remarks::default();
    let write = Format::named(format).unwrap().write.unwrap();
    write(&mut text, entries, now(), &mut notes).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut read = read_with(format, &text, &options());
    assert!(read.mistakes.is_empty(), "{text}\n{:?}", read.mistakes);
    read.bans.sort_by_key(|entry| entry.net);
    (read, notes)
}

proptest! {
    #[test]
    fn csv_and_json_say_all(entries in entries()) {
        for format in ["csv", "json"] {
            let (read, _) = round_trip(format, &entries);
            prop_assert_eq!(&read.bans, &entries, "{}", format);
        }
    }

    #[test]
    fn ipset_and_nft_keep_nets_ends_and_reasons(entries in entries()) {
        for format in ["ipset", "nft"] {
            let (read, notes) = round_trip(format, &entries);
            prop_assert!(notes.is_empty());
            prop_assert_eq!(read.bans.len(), entries.len());
            for (read, written) in read.bans.iter().zip(&entries) {
                prop_assert_eq!((read.net, read.ends), (written.net, written.ends));
                if !written.reason.is_empty() {
                    prop_assert_eq!(&read.reason, &written.reason);
                }
            }
        }
    }

    #[test]
    fn postscreen_keeps_nets(entries in entries()) {
        let (read, _) = round_trip("postscreen-cidr", &entries);
        let nets = |entries: &[Entry]| entries.iter().map(|entry| entry.net).collect::<Vec<_>>();
        prop_assert_eq!(nets(&read.bans), nets(&entries));
    }

    #[test]
    fn an_access_map_keeps_what_is_shut_out(entries in entries()) {
        let (read, notes) = round_trip("sendmail-access", &entries);
        let kept: Vec<IpNet> = read.bans.iter().map(|entry| entry.net).collect();
        let kept = IpNet::aggregate(&kept);
        if notes.iter().all(|note| !note.text.contains("left out")) {
            let all: Vec<IpNet> = entries.iter().map(|entry| entry.net).collect();
            prop_assert_eq!(kept, IpNet::aggregate(&all));
        } else {
            for net in kept {
                prop_assert!(entries.iter().any(|entry| entry.net.contains(&net) || net.contains(&entry.net)));
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}", format in 0..FORMATS.len()) {
        if let Read::Text(read) = FORMATS[format].read {
            read(&mut text.as_bytes(), &options(), &mut Imported::default()).unwrap();
        }
    }

    #[test]
    fn what_is_nearly_right_is_answered(
        words in proptest::collection::vec(
            prop_oneof![
                Just("add"), Just("create"), Just("s"), Just("hash:ip"), Just("timeout"), Just("1.2.3.4"), Just("{"), Just("}"),
                Just("set"), Just("elements"), Just("="), Just("type ipv4_addr\n"), Just("\n"), Just(","), Just("1.2.3"), Just("Connect:"),
                Just("IPv6:"), Just("2001:db8::"), Just("/24"), Just("REJECT"), Just("ERROR:"), Just("\""), Just("comment"), Just("expires"),
                Just("-"), Just("ClientRate:"), Just("9"), Just("\t"), Just(" "), Just("0.0.0.0/0"), Just("net,ends\n"),
            ],
            0..40,
        ),
        format in 0..FORMATS.len(),
    ) {
        if let Read::Text(read) = FORMATS[format].read {
            read(&mut words.concat().as_bytes(), &options(), &mut Imported::default()).unwrap();
            read(&mut words.join(" ").as_bytes(), &options(), &mut Imported::default()).unwrap();
        }
    }
}
