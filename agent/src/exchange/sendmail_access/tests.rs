//! The map of the thread, and what people write in others.

use expect_test::expect;

use super::super::tests::{check, options, read_with};

/// The lines of the thread, as they stand there.
#[test]
fn the_map_of_the_thread() {
    check(
        "sendmail-access",
        "206.81.85\tREJECT\n\
         Connect:206.81.85 REJECT\n\
         ClientRate:206.81.85 2\n\
         ClientRate: 10\n\
         ClientRate:customerdomain.com 0\n\
         ClientRate:127.0.0.1\t0\n\
         ClientConn: 5\n\
         ClientConnection:127.0.0.1 0\n\
         GreetPause:127.0.0.1 0\n",
        &expect![[r#"
            ban 206.81.85.0/24 for ever (sendmail access: REJECT)
            limit 10 a minute, 5 open for each source
            limit no limit for each source in 127.0.0.1/32
            limit 2 a minute, 5 open for each source in 206.81.85.0/24
            exempt 127.0.0.1/32
            note 5: "customerdomain.com" is a name, and limits are by address: left to Sendmail
            note 8: "ClientConnection:127.0.0.1": there is no such tag, and Sendmail passes it over; taken as ClientConn:
            9 lines, 1 left alone, 0 over
        "#]],
    );
}

#[test]
fn the_longest_prefix_counts_for_rate_and_open_apart() {
    check(
        "sendmail-access",
        "ClientRate: 10\nClientRate:203 60\nClientRate:203.0.113 0\nClientConn:203.0 7\n",
        &expect![[r#"
            limit 10 a minute for each source
            limit 60 a minute for each source in 203.0.0.0/8
            limit 60 a minute, 7 open for each source in 203.0.0.0/16
            limit 7 open for each source in 203.0.113.0/24
            4 lines, 0 left alone, 0 over
        "#]],
    );
}

#[test]
fn what_is_let_through_is_no_part_of_a_ban_around_it() {
    check(
        "sendmail-access",
        "Connect:192.0.2\tREJECT\nConnect:192.0.2.128\tOK\nconnect:192.0.2.129 relay\n192.0.2.130 SKIP\n192.0.2.131 ERROR:4.7.1:450 later\n",
        &expect![[r#"
            ban 192.0.2.0/25 for ever (sendmail access: REJECT)
            ban 192.0.2.132/30 for ever (sendmail access: REJECT)
            ban 192.0.2.136/29 for ever (sendmail access: REJECT)
            ban 192.0.2.144/28 for ever (sendmail access: REJECT)
            ban 192.0.2.160/27 for ever (sendmail access: REJECT)
            ban 192.0.2.192/26 for ever (sendmail access: REJECT)
            allow 192.0.2.128/32
            allow 192.0.2.129/32
            note 5: a refusal for now: left to Sendmail, a ban is for good
            5 lines, 2 left alone, 0 over
        "#]],
    );
}

#[test]
fn every_action_and_every_key() {
    check(
        "sendmail-access",
        "# comment\n\n\
         Connect:198.51.100.7 DISCARD\n\
         Connect:198.51.100.8 ERROR:5.7.1:550 go away\n\
         Connect:198.51.100.9 550 5.7.1 go away\n\
         Connect:198.51.100.10 ERROR:\"553 no\"\n\
         Connect:198.51.100.11 reject # a spammer\n\
         Connect:IPv6:2001:db8:0:1 REJECT\n\
         IPV6:2001:db8::1 REJECT\n\
         Connect:IPv6:2001:db8:7:: REJECT\n\
         Connect:spam.example REJECT\n\
         From:spammer@ REJECT\nTo:us@ RELAY\nSpam:abuse@ FRIEND\nTLS_Srv:x VERIFY\nSRV_Features:1.2.3.4 v\nuser@ OK\n",
        &expect![[r#"
            ban 198.51.100.7/32 for ever (sendmail access: DISCARD)
            ban 198.51.100.8/32 for ever (sendmail access: 5.7.1:550 go away)
            ban 198.51.100.9/32 for ever (sendmail access: 550 5.7.1 go away)
            ban 198.51.100.10/32 for ever (sendmail access: 553 no)
            ban 198.51.100.11/32 for ever (sendmail access: REJECT)
            ban 2001:db8:0:1::/64 for ever (sendmail access: REJECT)
            ban 2001:db8::1/128 for ever (sendmail access: REJECT)
            ban 2001:db8:7::/48 for ever (sendmail access: REJECT)
            note 10: "Connect:IPv6:2001:db8:7::" is taken as 2001:db8:7::/48
            note 11: "spam.example" is a name, and the filter knows addresses only: left to Sendmail
            17 lines, 7 left alone, 0 over
        "#]],
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    check(
        "sendmail-access",
        "Conect:192.0.2 REJECT\nConnection:192.0.2 REJECT\nFoo:192.0.2 REJECT\n192.0.2.0/24 REJECT\n192.0.2.256 REJECT\n192.0.2.7\n192.0.2.7 NONSENSE\n\
         ClientRate:192.0.2 many\nClientRate:192.0.3 99999\nConnect: REJECT\nIPv6:2001:zz REJECT\nGreetPause:192.0.2 long\n192.0.2 REJECT\n192.0.2 OK\n2001:db8::1 REJECT\n",
        &expect![[r#"
            ban 192.0.2.0/24 for ever (sendmail access: REJECT)
            note 14: the same key as on line 13, which stands
            mistake 1: unknown tag "Conect"; is Connect: meant?
            mistake 2: unknown tag "Connection"; is Connect: meant?
            mistake 3: unknown tag "Foo"
            mistake 4: "192.0.2.0/24" has a slash, which Sendmail does not know; write 192.0.2
            mistake 5: "192.0.2.256" is no part of an IPv4 address; write one to four octets, such as 203.0.113
            mistake 6: "192.0.2.7" has no value; a key and its value have space between them
            mistake 7: unknown action "NONSENSE"; REJECT, DISCARD, ERROR:..., OK, RELAY, SKIP or 550 and a text are known
            mistake 8: "many" is no number; a number is wanted, 0 for no limit
            mistake 9: 99999 is more than 10000, the most that can be a limit; a number is wanted, 0 for no limit
            mistake 10: a key without an address or a name
            mistake 11: "IPv6:2001:zz" is no part of an IPv6 address; write groups of hexadecimal digits, such as IPv6:2001:db8:0:1
            mistake 12: "long" is no number of milliseconds; a number is wanted, 0 for no pause
            mistake 15: unknown tag "2001"
            15 lines, 0 left alone, 0 over
        "#]],
    );
}

#[test]
fn many_lines_are_read() {
    let mut text = String::new();
    for number in 0..20_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        text.push_str(&format!("Connect:203.{a}.{b}.{c}\tREJECT\n"));
    }
    let imported = read_with("sendmail-access", &text, &options());
    assert_eq!((imported.bans.len(), imported.lines), (20_000, 20_000));
}

/// Of an address the longest key counts, and what is not zero makes wait.
#[test]
fn who_is_kept_waiting_inside_a_network_that_is_not_is_no_early_talker() {
    check(
        "sendmail-access",
        "GreetPause:192.0.2 0\nGreetPause:192.0.2.128 5000\nGreetPause:192.0.2.129 0\nGreetPause:IPv6:2001:db8:1::7 0\n\
         GreetPause: 5000\nGreetPause:198.51.100 3000\nGreetPause:203.0.113.7 soon\n",
        &expect![[r#"
            exempt 192.0.2.0/25
            exempt 192.0.2.129/32
            exempt 192.0.2.130/31
            exempt 192.0.2.132/30
            exempt 192.0.2.136/29
            exempt 192.0.2.144/28
            exempt 192.0.2.160/27
            exempt 192.0.2.192/26
            exempt 2001:db8:1::7/128
            mistake 7: "soon" is no number of milliseconds; a number is wanted, 0 for no pause
            7 lines, 3 left alone, 0 over
        "#]],
    );
}
