//! What clients may say must not name anybody else, and must not break anything.

use std::net::IpAddr;

use proptest::{collection::vec, prelude::*};

use super::{super::Reading, now, reader};

const VICTIM: &str = "192.0.2.99";
const ATTACKER: &str = "203.0.113.66";

/// Lines with their client, and `{}` where a client writes what it likes. `{n}` is its name in DNS.
const LINES: &[&str] = &[
    "postfix/smtpd[1]: connect from {n}[203.0.113.66]",
    "postfix/smtpd[1]: NOQUEUE: reject: RCPT from {n}[203.0.113.66]: 550 5.1.1 <{}>: Recipient address rejected: User unknown in local recipient table; from=<{}> to=<{}> proto=ESMTP helo=<{}>",
    "postfix/smtpd[1]: NOQUEUE: reject: RCPT from {n}[203.0.113.66]:4711: 554 5.7.1 <{}>: Relay access denied; from=<{}> to=<{}> proto=ESMTP helo=<{}>",
    "postfix/smtpd[1]: NOQUEUE: reject: EHLO from {n}[203.0.113.66]: 504 5.5.2 <{}>: Helo command rejected: need fully-qualified hostname; proto=SMTP helo=<{}>",
    "postfix/smtpd[1]: 1D8CC1CA0A7F: milter-reject: END-OF-MESSAGE from {n}[203.0.113.66]: 550 5.7.1 {}; from=<{}> to=<{}> proto=ESMTP helo=<{}>",
    "postfix/smtpd[1]: warning: {n}[203.0.113.66]: SASL LOGIN authentication failed: (reason unavailable), sasl_username={}",
    "postfix/smtpd[1]: warning: {n}[203.0.113.66]: SASL {} authentication failed: Invalid authentication mechanism: '{}'",
    "postfix/smtpd[1]: warning: {n}[203.0.113.66]: {}",
    "postfix/smtpd[1]: improper command pipelining after EHLO from {n}[203.0.113.66]: {}",
    "postfix/smtpd[1]: warning: non-SMTP command from {n}[203.0.113.66]: {}",
    "postfix/smtpd[1]: warning: Illegal address syntax from {n}[203.0.113.66] in RCPT command: {}",
    "postfix/smtpd[1]: warning: reject: ETRN {}... from {n}[203.0.113.66]",
    "postfix/smtpd[1]: TLS SNI {} from {n}[203.0.113.66] not matched, using default chain",
    "postfix/smtpd[1]: warning: hostname {n} does not resolve to address 203.0.113.66: Name or service not known",
    "postfix/smtpd[1]: 5531264430: client={n}[203.0.113.66], sasl_method=PLAIN, sasl_username={}, sasl_sender={}",
    "postfix/smtpd[1]: proxy-reject: END-OF-MESSAGE: 550 5.7.1 {}; from=<{}> to=<{}> proto=ESMTP helo=<{}>",
    "postfix/smtpd[1]: disconnect from {n}[203.0.113.66] ehlo=1 auth=0/1 quit=1 commands=2/3",
    "postfix/cleanup[2]: 5531264430: reject: header Subject: {} from {n}[203.0.113.66]; from=<{}> to=<{}> proto=ESMTP helo=<{}>: 5.7.1 {}",
    "postfix/cleanup[2]: 5531264430: warning: header Subject: {} from {n}[203.0.113.66]; from=<{}> to=<{}> proto=ESMTP helo=<{}>",
    "postfix/cleanup[2]: 5531264430: milter-reject: END-OF-MESSAGE from {n}[203.0.113.66]: 5.7.1 {}; from=<{}> to=<{}> proto=ESMTP helo=<{}>",
    "postfix/smtp[3]: 5531264430: to=<{}>, relay=mx.example.net[192.0.2.99]:25, delay=1, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.99] said: 550 {})",
    "postfix/smtp[3]: 5531264430: to=<{}>, orig_to=<{}>, relay=mx.example.net[192.0.2.99]:25, delay=1, dsn=5.1.1, status=bounced ({})",
    "postfix/qmgr[3]: 5531264430: from=<{}>, size=447, nrcpt=1 (queue active)",
    "postfix/qmgr[3]: 5531264431: from=<{}>, size=447, nrcpt=1 (queue active)",
    "postfix/smtpd[1]: 5531264431: client=localhost[203.0.113.66], orig_queue_id=5531264430, orig_client={n}[203.0.113.66]",
    "postfix/smtpd[1]: warning: 5531264431: malformed BDAT command syntax from {n}[203.0.113.66]: {}",
    "postfix/smtpd[1]: {n}[203.0.113.66]: replacing command \"{}\" with \"{}\"",
    "postfix/smtpd[1]: warning: bad ETRN {}... from {n}[203.0.113.66]",
    "postfix/tlsproxy[3]: SSL_accept error from [203.0.113.66]:59415: {}",
    "postfix/policy-spf[3]: Policy action=550 Please see http://www.example.net/Why?s=mfrom;id={};ip=192.0.2.99;r=mx",
    "postfix/dnsblog[3]: addr 192.0.2.99 listed by domain bl.example as 127.0.0.2",
    "postfix/postscreen[4]: PREGREET 14 after 0.08 from [203.0.113.66]:59415: {}",
    "postfix/postscreen[4]: NON-SMTP COMMAND from [203.0.113.66]:59415 after CONNECT: {}",
    "postfix/postscreen[4]: COMMAND PIPELINING from [203.0.113.66]:59415 after RCPT: {}",
    "postfix/postscreen[4]: NOQUEUE: reject: RCPT from [203.0.113.66]:59415: 550 5.7.1 Service unavailable; client [203.0.113.66] blocked using bl.example; from=<{}>, to=<{}>, proto=ESMTP, helo=<{}>",
    "postfix/postscreen[4]: BARE NEWLINE from [203.0.113.66]:59415 after {}",
    "postgrey[5]: action=greylist, reason=new, client_name={n}, client_address=203.0.113.66, sender={}, recipient={}",
    "imapd: LOGIN FAILED, user={}, ip=[::ffff:203.0.113.66]",
    "pop3d-ssl: LOGIN FAILED, user={}, ip=[::ffff:203.0.113.66], port=[49152]",
    "imapd: DISCONNECTED, user={}, ip=[::ffff:203.0.113.66], headers=0, body=0, rcvd=1, sent=2, time=0",
    "courieresmtpd: error,relay=::ffff:203.0.113.66,from=<{}>,to=<{}>: 550 User unknown.",
    "courieresmtpd: error,relay=::ffff:203.0.113.66,ident=\"{}\",msg=\"535 Authentication failed.\",cmd: {}",
    "cyrus/imap[8]: badlogin: {n} [203.0.113.66] plaintext {} SASL(-13): authentication failure: checkpass failed",
    "cyrus/timsieved[8]: badlogin: {n}[203.0.113.66] {} authentication failure",
    "cyrus/imap[8]: badlogin: {n} [203.0.113.66] PLAIN ({}) [SASL(-13): user not found: user: {}]",
    "cyrus/imap[8]: login: {n} [203.0.113.66] {} PLAIN User logged in SESSIONID=<x>",
    "imapd[9]: Login failed user={} auth={} host={n} [203.0.113.66]",
    "imapd[9]: Failed {} override of user={} host={n} [203.0.113.66]",
    "ipop3d[9]: Command stream end of file, while reading line user={} host=[203.0.113.66]",
    "perdition.imaps[10]: Auth: 203.0.113.66:2274->192.0.2.99:993 client-secure=ssl authorisation_id=NONE authentication_id=\"{}\" server=\"x\" protocol=IMAP4S server-secure=ssl status=\"failed: Re-Authentication Failure\"",
    "perdition.imaps[10]: Close: 203.0.113.66->192.0.2.99 user=\"{}\" received=1 sent=2",
    "rblsmtpd: 203.0.113.66 pid 4711: 553 {}",
    "tcpserver: ok 4711 mx:192.0.2.99:25 {n}:203.0.113.66:{}:49152",
    "qmail-smtpd: CHKUSER rejected rcpt: from <{}|remoteinfo/auth:{}|chkuser-identify:> remote <helo:{}|remotehostname:{n}|remotehostip:203.0.113.66> rcpt <{}> : not existing recipient",
    "spamdyke[11]: DENIED_RBL_MATCH from: {} to: {} origin_ip: 203.0.113.66 origin_rdns: {n} auth: {} encryption: (none) reason: x",
    "vpopmail[12]: vchkpw-smtp: password fail (pass: '{}') {}:203.0.113.66",
    "vpopmail[12]: vchkpw-pop3: vpopmail user not found {}:203.0.113.66",
    "simscan: [7014]:SPAM REJECT (13.20/12.00):3.9031s:{}:203.0.113.66:{}:{}",
    "solid-pop3d[13]: authentication failed for user {} - 203.0.113.66",
    "solid-pop3d[13]: authentication failed: no such user: {} - {n} (203.0.113.66)",
    "^Apr-27-13 02:25:10 m1-25391-06124 [Worker_1] [RelayAttempt] 203.0.113.66 <{}> to: {} relay attempt blocked for: {}",
    "^[18/Jan/2014 06:41:25] SMTP: User {} doesn't exist. Attempt from IP address 203.0.113.66.",
    "^[18/Jan/2014 06:41:25] Failed IMAP login for {} from 203.0.113.66",
    "^[18/Jan/2014 06:41:25] Attempt to deliver to unknown recipient <{}>, from <{}>, IP address 203.0.113.66",
    "^[18/Jan/2014 06:41:25] Relay attempt from IP address 203.0.113.66, mail from <{}> to <{}> rejected",
    "^2018-09-19 17:25:50   SMTP Server [0D14:0027-1334] Authentication failed for user {} ; connecting host [203.0.113.66]",
    "^19.09.2018 17:25:50   smtp: {} [203.0.113.66] authentication failure using internet password",
    "^06:27 00:00 SMTPD(0aed11ee00d45d0f) [198.51.100.1] connect 203.0.113.66 port 2534",
    "^06:27 00:00 SMTPD(0aed11ee00d45d0f) [203.0.113.66] {}",
    "^06:27 00:00 SMTPD(0aed11ee00d45d0f) [203.0.113.66] ERR example.org invalid user <{}>",
    "^2022-07-20T21:12:06.270Z,EX1,08DA4F7C11473A70,1,192.0.2.99:25,203.0.113.66:53722,<,{},",
    "^2022-07-20T21:12:06.270Z,EX1,08DA4F7C11473A70,2,192.0.2.99:25,203.0.113.66:53722,>,550 5.1.1 {},",
    "^2022-07-20T21:28:50.530Z,000000000000000E,2,192.0.2.99:143,203.0.113.66:35070,\"{}\",168,31,31,login,\"{}\",\"R=\"\"2 NO LOGIN failed.\"\"\",",
    "^192.0.2.1, x, 8/18/06, 13:17:37, W3SVC1, MAIL01, 192.0.2.99, 0, 32, 0, 550, 0, RCPT, -, {},",
    "^203.0.113.66, x, 8/18/06, 13:17:37, SMTPSVC1, MAIL01, 192.0.2.99, 0, 32, 0, 550, 0, RCPT, -, {},",
    "exim[8]: H=({}) [203.0.113.66] F=<{}> rejected RCPT <{}>: relay not permitted",
    "exim[8]: H={n} ({}) [203.0.113.66]:4711 I=[198.51.100.1]:25 F=<{}> temporarily rejected RCPT <{}>: {}",
    "exim[8]: H={n} [203.0.113.66] U={} F=<{}> rejected RCPT <{}>: {}",
    "exim[8]: 1nI0aA-0004Xy-Ab H=({}) [203.0.113.66] F=<{}> rejected after DATA: {}",
    "exim[8]: 1nI0aA-0004Xy-Ab <= s@example.net H=({}) [203.0.113.66] U={} P=esmtps DN=\"{}\" S=1 T=\"{}\"",
    "exim[8]: 1nI0aA-0004Xy-Ab ** {} R=dnslookup T=remote_smtp H=mx.example.net [192.0.2.99]: SMTP error from remote mail server after RCPT TO:<{}>: 550 {}",
    "exim[8]: 1nI0aA-0004Xy-Ab SA: Action: permanently rejected message: score=9 (Message-Id: {}). From <{}> (host={n} [203.0.113.66]) for {}",
    "exim[8]: login authenticator failed for ({}) [203.0.113.66]: 535 Incorrect authentication data (set_id={})",
    "exim[8]: login authenticator failed for {n} [203.0.113.66] U={}: 535 Incorrect authentication data (set_id={})",
    "exim[8]: SMTP protocol error in \"{}\" H=({}) [203.0.113.66] AUTH command used when not advertised",
    "exim[8]: SMTP syntax error in \"{}\" H={n} [203.0.113.66] malformed address: {}",
    "exim[8]: SMTP call from ({}) [203.0.113.66] dropped: too many syntax or protocol errors (last command was \"{}\", C=EHLO)",
    "exim[8]: SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[203.0.113.66] input=\"{}\"",
    "exim[8]: SMTP protocol synchronization error (next input sent too soon: pipelining was not advertised): rejected \"{}\" H=({}) [203.0.113.66] next input=\"{}\"",
    "exim[8]: rejected EHLO from {n} [203.0.113.66]: syntactically invalid argument(s): {}",
    "exim[8]: no MAIL in SMTP connection from ({}) [203.0.113.66] D=1s C=EHLO,AUTH",
    "exim[8]: no IP address found for host {n} (during SMTP connection from ({}) [203.0.113.66])",
    "exim[8]: unqualified verify rejected: <{}> H=({}) [203.0.113.66] (failed to find host name from IP address)",
    "exim[8]: TLS error on connection from ({}) [203.0.113.66] (recv): {}",
    "sm-mta[9]: 61ADQYab000501: ruleset=check_rcpt, arg1=<{}>, relay={n} [203.0.113.66], reject=550 5.7.1 <{}>... Relaying denied",
    "sm-mta[9]: 61ADQYab000501: ruleset=CheckSubject, arg1={}, relay={n} [203.0.113.66] (may be forged), reject=553 5.0.0 {}",
    "sm-mta[9]: 61ADQYab000501: AUTH failure (PLAIN): user not found (-20) SASL(-13): user not found, user={}, relay={n} [203.0.113.66]",
    "sm-mta[9]: AUTH=server, relay={n} [203.0.113.66], authid={}, mech=PLAIN, bits=0",
    "sm-mta[9]: 61ADQYab000501: from=<{}>, size=1, class=0, nrcpts=1, msgid={}, proto=ESMTP, daemon=MTA, relay={n} [203.0.113.66]",
    "sm-mta[9]: 61ADQYab000501: to=<{}>, mailer=esmtp, relay=mx.example.net [192.0.2.99], dsn=5.1.1, stat=User unknown {}",
    "sm-mta[9]: 61ADQYab000501: {n} [203.0.113.66]: VRFY {} [rejected]",
    "sm-mta[9]: 61ADQYab000501: <{}>... User unknown",
    "sm-mta[9]: 61ADQYab000501: {}... User unknown",
    "sm-mta[9]: 61ADQYab000501: Milter: to=<{}>, reject=550 5.7.1 {}",
    "sm-mta[9]: 61ADQYab000501: collect: relay={n} [203.0.113.66], from=<{}>, info=unexpected close",
    "sm-mta[9]: 61ADQYab000501: invalid domain name ({}) from {n} [203.0.113.66]",
    "sm-mta[9]: 61ADQYab000501: POSSIBLE ATTACK from {n} [203.0.113.66]: newline in string \"{}\"",
    "sshd[6]: Invalid user {} from 192.0.2.99 port 4711",
    "dovecot[7]: imap-login: Disconnected: user=<{}>, rip=203.0.113.66, lip=198.51.100.1, session=<AbC>",
    "dovecot: imap-login: Disconnected: Too many invalid commands (auth failed, 3 attempts in 9 secs): user=<{}>, method=PLAIN, rip=203.0.113.66, lip=198.51.100.1, TLS, session=<AbC>",
    "dovecot: pop3-login: Login aborted: Logged out (auth failed, 3 attempts in 9 secs) (auth_failed): user=<{}>, rip=203.0.113.66, lip=198.51.100.1",
    "dovecot: imap-login: proxy({}): started proxying to 198.51.100.1:143: user=<{}>, method=PLAIN, rip=203.0.113.66, lip=198.51.100.1",
    "dovecot: auth: sql({},203.0.113.66,<AbC>): unknown user (given password: {})",
    "dovecot: auth-worker(7): conn unix:auth-worker (pid=9,uid=97): auth-worker<55>: pam({},203.0.113.66): pam_authenticate() failed: Permission denied",
    "dovecot: auth({},203.0.113.66,sasl:login)<AbC>: Info: sql: Password mismatch (given password: {})",
    "dovecot: lmtp(joe)<12><AbC>: msgid=<{}>: saved mail to INBOX",
    "auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser={} rhost=203.0.113.66  user={}",
    "smtpd[9]: 38dd06274cde1fd7 smtp connected address=203.0.113.66 host={n}",
    "smtpd[9]: 38dd06274cde1fd7 smtp failed-command command=\"{}\" result=\"550 {}\"",
    "smtpd[9]: 38dd06274cde1fd7 smtp authentication user={} result=permfail",
    "smtpd[9]: 38dd06274cde1fd7 smtp event=failed-command address=203.0.113.66 host={n} command=\"{}\" result=\"550 {}\"",
    "smtpd[9]: smtp-in: New session 38dd06274cde1fd7 from host {n} [203.0.113.66]",
    "smtpd[9]: smtp-in: Authentication failed for user {} on session 38dd06274cde1fd7",
    "rspamd[9]: <abc123>; proxy; rspamd_task_write_log: id: <{}>, qid: <4XyZ7h1abc>, ip: 203.0.113.66, from: <{}>, (default: T (reject): [99.00/15.00] [X(1.00)]), len: 9",
    "spamd[9]: spamd: result: Y 27 - X scantime=1,raddr=127.0.0.1,rport=1,mid=<{}>,autolearn=no",
    "haraka[14]: [NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] connect ip=203.0.113.66 port=1 local_ip=192.0.2.99 local_port=25",
    "haraka[14]: [NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB.1] [core] recipient <{}> code=DENY msg=\"{}\" sender=\"{}\"",
    "haraka[14]: [NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB.1] [core] sender <{}> code=DENY msg=\"{}\"",
    "haraka[14]: [NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB.1] [core] message mid=\"{}\" size=1 rcpts=1/0/0 delay=1 code=DENY msg=\"{}\"",
    "haraka[14]: [INFO] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] hook=ehlo plugin=helo.checks function=x params=\"{}\" retval=DENY msg=\"{}\"",
    "haraka[14]: [INFO] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [auth/auth_proxy] AUTH user=\"{}\" host=\"192.0.2.99:25\" success=false",
    "haraka[14]: [NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [auth/flat_file] delaying for 1 seconds",
    "haraka[14]: [WARN] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] client {n} [203.0.113.66] connection error: {}",
    "haraka[14]: [NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] disconnect ip=203.0.113.66 rdns={n} helo=\"{}\" relay=N early=N esmtp=Y tls=N pipe=N errors=3 txns=1 rcpts=0/0/2 msgs=0/0/0 bytes=0 lr=\"550 {}\" time=1",
    "haraka[14]: level=NOTICE uuid=DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB source=core message=disconnect ip=203.0.113.66 rdns={n} helo=\"{}\" relay=N errors=3 lr=\"550 {}\" time=1",
    "^2026-02-10T13:26:34Z INFO Authentication failed (auth.failed) listenerId = \"smtp\", localPort = 25, remoteIp = 203.0.113.66, remotePort = 1, remoteIp = 203.0.113.66, accountName = \"{}\"",
    "^2026-02-10T13:26:34Z INFO Authentication failed (auth.failed) listenerId = \"smtp\", localPort = 25, remotePort = 1, accountName = \"{}\", remoteIp = 203.0.113.66",
    "^2026-02-10T13:26:34Z INFO SMTP EHLO command (smtp.ehlo) listenerId = \"smtp\", localPort = 25, remoteIp = 203.0.113.66, remotePort = 1, domain = \"{}\"",
    "^2026-02-10T13:26:34Z INFO Mailbox does not exist (smtp.mailbox-does-not-exist) listenerId = \"smtp\", localPort = 25, remoteIp = 203.0.113.66, remotePort = 1, to = \"{}\"",
    "^2026-02-10T13:26:34Z INFO Authentication failed (auth.failed) accountName = \"{}\", x = [\"{}\"], y = \"{}\"",
    "^2026-02-10T13:26:34Z INFO Queued message for delivery (queue.message-queued) from = \"{}\", to = [\"{}\", \"{}\"], size = 1",
    "^2026-02-10T13:26:34Z INFO Connecting to remote server (delivery.connect) hostname = \"{}\", remoteIp = 192.0.2.99, remotePort = 25",
    "^2026-02-10T13:26:34.123456Z DEBUG session{instance=\"smtp\" protocol=Smtp remote.ip=\"203.0.113.66\" remote.port=1}: smtp::inbound::rcpt: Mailbox does not exist. context=\"rcpt\" event=\"error\" address=\"{}\"",
    "^2026-02-10T13:26:34.123456Z DEBUG session{instance=\"smtp\" protocol=Smtp remote.ip=\"203.0.113.66\" remote.port=1}: smtp::inbound::ehlo: {}",
    "saslauthd[8]: do_auth         : auth failure: [user={}] [service=smtp] [realm={}] [mech=pam] [reason=x]",
];

/// What an attacker puts there: pieces of what the reader looks for, and anything else.
fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "192.0.2.99",
            "v[192.0.2.99]",
            "[192.0.2.99]:25",
            " from v[192.0.2.99]",
            " from v[192.0.2.99]: ",
            "unknown[192.0.2.99]: SASL LOGIN authentication failed: x",
            "connect from v[192.0.2.99]",
            "client=v[192.0.2.99]",
            ", client_address=192.0.2.99, ",
            ", rip=192.0.2.99, lip=",
            ",192.0.2.99",
            ",192.0.2.99): ",
            ",192.0.2.99,<x>): unknown user",
            "): user=<",
            " rhost=192.0.2.99",
            ">, ip: 192.0.2.99, from: <",
            "address=192.0.2.99 host=v",
            "38dd06274cde1fd7 smtp connected address=192.0.2.99 host=v",
            "\" result=\"",
            "\" ip=192.0.2.99 \"",
            "\", remoteIp = 192.0.2.99, x = \"",
            "x\"], remoteIp = 192.0.2.99",
            "session{instance=\"x\" remote.ip=\"192.0.2.99\" remote.port=1}: x::y: ",
            " ip=192.0.2.99",
            "[NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] connect ip=192.0.2.99 port=1",
            " rhost=192.0.2.99  user=",
            "session=<x>",
            "Feb 10 13:26:34 mx postfix/smtpd[1]: connect from v[192.0.2.99]",
            "postfix/smtpd[1]: warning: v[192.0.2.99]: SASL LOGIN authentication failed: x",
            "NOQUEUE: reject: RCPT from v[192.0.2.99]: 554 5.7.1 <x>: Relay access denied; ",
            ">: Relay access denied; from=<> to=<",
            ">: Server configuration error; from=<>",
            ", ip=[192.0.2.99]",
            ",relay=192.0.2.99,",
            " host=v [192.0.2.99]",
            " - 192.0.2.99",
            "|remotehostip:192.0.2.99> rcpt <",
            " origin_ip: 192.0.2.99 origin_rdns: ",
            "connect 192.0.2.99 port 25",
            ". Attempt from IP address 192.0.2.99.",
            ", IP address 192.0.2.99",
            " from 192.0.2.99",
            "; connecting host [192.0.2.99]",
            "\" status=\"ok\" Auth: 192.0.2.99:1->",
            ":192.0.2.99",
            "; from=<>",
            ">, size=1, nrcpt=1 (queue active)",
            ">, relay=v[192.0.2.99]:25, delay=0, dsn=5.1.1, status=bounced (",
            ", orig_queue_id=5531264430, orig_client=v[192.0.2.99]",
            ") [192.0.2.99]",
            ") [192.0.2.99]: 535 Incorrect authentication data (set_id=x",
            ") [192.0.2.99] F=<a> rejected RCPT <b>: relay not permitted",
            "H=[192.0.2.99] ",
            "\" H=(v) [192.0.2.99] AUTH command used when not advertised",
            "> H=v [192.0.2.99]",
            " (host=v [192.0.2.99]) for x",
            " A=plain:root ",
            ", relay=v [192.0.2.99], reject=550 5.7.1 x",
            ", relay=[192.0.2.99]",
            "[192.0.2.99]: possible SMTP attack: command=AUTH, count=6",
            "v [192.0.2.99] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",
            ") from [192.0.2.99]",
            "message repeated 3 times: [ ",
            "]",
            ">",
            " ",
            ": ",
            ", ",
            "\\r\\n",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
        any::<String>(),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat().replace('\n', "?"))
}

fn lines() -> impl Strategy<Value = String> {
    let name = "(unknown|[a-z0-9.-]{1,20}|192\\.0\\.2\\.99|192\\.0\\.2\\.99\\.[a-z]{1,9})";
    (prop::sample::select(LINES), name, vec(words(), 8)).prop_map(|(line, name, words)| {
        let line = line.replace("{n}", &name);
        let mut words = words.iter();
        // Lines of files of a program's own have no header of syslog.
        let (header, line) = match line.strip_prefix('^') {
            Some(line) => ("", line.to_owned()),
            None => ("Feb 10 13:26:34 mx ", line),
        };
        let mut filled = String::from(header);
        for (number, part) in line.split("{}").enumerate() {
            if number > 0 {
                filled.push_str(words.next().map_or("", String::as_str));
            }
            filled.push_str(part);
        }
        filled
    })
}

proptest! {
    #[test]
    fn nobody_names_another(log in vec(lines(), 1..8)) {
        let (attacker, victim): (IpAddr, IpAddr) = (ATTACKER.parse().unwrap(), VICTIM.parse().unwrap());
        let mut reader = reader();
        for line in &log {
            let reading = reader.read(line.as_bytes(), now());
            if let Reading::Event(event) = &reading {
                prop_assert_ne!(event.address, Some(victim), "{}", line);
                prop_assert!(event.address.is_none_or(|address| address == attacker), "{}", line);
            }
        }
    }

    #[test]
    fn any_bytes_are_read(
        program in "(postfix/(smtpd|postscreen|cleanup|qmgr|smtp|anvil|tlsproxy)\\[[0-9]{1,12}\\]|postgrey|dovecot|auth|imap-login|saslauthd|smtpd|imapd|courieresmtpd|courierd|cyrus/imap|ipop3d\\[1\\]|perdition|qmail|spamdyke|vpopmail|rblsmtpd|tcpserver|simscan|solid-pop3d|exim\\[1\\]|sm-mta\\[1\\]|rspamd|postfix/smtpd|tlsproxy\\[[0-9]{1,12}\\]|haraka|stalwart)",
        head in prop::sample::select(vec![
            "", "NOQUEUE: ", "00ADB3C0899: ", "connect from ", "disconnect from ", "warning: ", "reject: RCPT from ", "client=",
            "NOQUEUE: reject: RCPT from x[192.0.2.1]: ", "NOQUEUE: reject: RCPT from x[192.0.2.1]: 550 5.1.1 <", "milter-reject: ",
            "warning: x[192.0.2.1]: SASL ", "warning: hostname ", "lost connection after ", "too many errors after ",
            "improper command pipelining after ", "message repeated ", "message repeated 3 times: [ ", "disconnect from x[192.0.2.1] ",
            "PREGREET ", "PREGREET 1 after 1 from [192.0.2.1]:1: ", "DNSBL rank ", "CONNECT from ", "DISCONNECT [", "HANGUP after ",
            "imap-login: ", "imap-login: Disconnected (auth failed, ", "imap-login: Login: user=<", "auth: sql(", "auth(", "auth-worker(1): conn unix:",
            "auth: sql(x,192.0.2.1,<", "pam_unix(", "pam_unix(dovecot:auth): ", "pam_unix(dovecot:auth): authentication failure; ", "do_auth : auth failure: [user=",
            "00ADB3C0899: reject: ", "00ADB3C0899: milter-reject: ",
            "00ADB3C0899: from=<", "00ADB3C0899: to=<", "00ADB3C0899: client=x[192.0.2.1], sasl_username=", "statistics: max connection rate 1/60s for (",
            "00ADB3C0899: client=x[192.0.2.1], orig_", "warning: 00ADB3C0899: null BDAT request from ", "action=greylist, ", "proxy-reject: ", "COMMAND ",
            "LOGIN FAILED, user=", "LOGIN FAILED, user=x, ip=[", "error,relay=", "error,relay=192.0.2.1,", "newmsg,id=x: dns; ", "badlogin: ",
            "badlogin: x [192.0.2.1] ", "login: x [192.0.2.1] ", "event=login.bad ", "event=login.bad r.clienthost=\"", "Login failed user=",
            "Login failed user=x host=", "imap service init from ", "Auth:", "Auth: 192.0.2.1->", "Fatal error writing to client", "CHKUSER rejected rcpt: ",
            "CHKUSER rejected rcpt: from <x> remote <", "DENIED_RBL_MATCH from: ", "DENIED_OTHER from: x to: y origin_ip: ", "vchkpw-pop3: password fail ",
            "192.0.2.1 pid ", "pid 1 from ", "deny 1 ", "[1]:SPAM REJECT:", "pid 1 Reject::AUTH::x", "authentication failed for user ", "1157519909.633171 ",
            "1nI0aA-0004Xy-Ab ", "1nI0aA-0004Xy-Ab <= ", "1nI0aA-0004Xy-Ab F=<", "H=(", "H=[192.0.2.1] F=<", "SMTP call from (",
            "SMTP protocol error in \"", "SMTP protocol synchronization error (", "no MAIL in SMTP connection from ", "[12] H=",
            "2026-02-10 13:26:34.1 +0100 [1] H=", "plain authenticator failed for ", "unqualified sender rejected: <",
            "61ADQYab000501: ", "ruleset=check_rcpt, arg1=<", "61ADQYab000501: from=<", "AUTH failure (", "AUTH=server, relay=",
            "[NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] ", "[NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB.1] [core] recipient <", "[INFO] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] hook=",
            "[NOTICE] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] disconnect ip=192.0.2.1 ", "[WARN] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [core] client ", "level=NOTICE uuid=", "[INFO] [DE16EFE7-A0AE-4CE6-92D6-D5D4783353BB] [x] AUTH user=\"",
            "rejecting commands from ", "collect: relay=[192.0.2.1], ", "invalid domain name (", "Milter: to=<", "61ADQYab000501: <",
        ]),
        tails in vec(vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]<>:;,=/ 019af".as_slice())], 0..80), 1..5),
    ) {
        let mut reader = reader();
        for tail in &tails {
            let line = [format!("Feb 10 13:26:34 mx {program}: {head}").as_bytes(), tail].concat();
            let _ = reader.read(&line, now());
            let _ = reader.read(tail, now());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_of_files_of_a_programs_own_are_read(
        lines in vec((
            prop::sample::select(vec![
                "2026-02-10T13:26:34Z INFO Authentication failed (auth.failed) ", "2026-02-10T13:26:34Z INFO x (smtp.relay-not-allowed) remoteIp = ",
                "2026-02-10T13:26:34.1Z DEBUG session{instance=\"smtp\" ", "2026-02-10T13:26:34Z INFO ",
                "Apr-27-13 02:25:10 ", "Apr-27-13 02:25:10 [", "Apr-27-13 02:25:10 m1-1-1 [Worker_1] [DNSBL] 192.0.2.1 ", "Apr-27-13 02:25:10 Blocking ",
                "[18/Jan/2014 06:41:25] ", "[18/Jan/2014 06:41:25] Failed IMAP login ", "[18/Jan/2014 06:41:25] SMTP: ", "[18/Jan/2014 06:41:25] Recv: ",
                "[18/Jan/2014 06:41:25] Connection attempt to service IMAP", "[18/Jan/2014 06:41:25] Message from IP address ",
                "2018-09-19 17:25:50   SMTP Server [", "2018-09-19 17:25:50   SMTP Server: ", "2018-09-19 17:25:50   smtp: ", "[1:2-3] 19.09.2018 17:25:50   imap: ",
                "06:27 00:00 SMTPD(", "06:27 00:00 SMTPD(0a) [192.0.2.1] ", "06:27 00:00 SMTPD(0a) [192.0.2.1] connect ", "20070627 000000 ",
                "<co ts=\"", "<co ts=\"2014-06-02T10:08:07.56\" ", "<en ts=\"x\" tr=\"TCP|", "19-Feb-1998 18:42:24.10 x + U TCP|", "19-Feb-1998 18:42:24.10 ",
                "#Fields: ", "#Fields: time c-ip cs-method sc-status ", "#Fields: session-id,local-endpoint,remote-endpoint,event,data,context,", "#Date: ",
                "#Log-type: ", "2022-07-20T21:12:06.270Z,", "2022-07-20T21:12:06.270Z,EX1,S,1,192.0.2.9:25,192.0.2.1:1,", "13:17:37 192.0.2.1 RCPT ",
                "2022-07-20T21:28:50.530Z,S,2,192.0.2.9:143,192.0.2.1:1,x,1,2,3,login,", "192.0.2.1, x, 8/18/06, ", "[", "<", "#",
            ]),
            vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]<>()|\"'&:;,=/. 019afMPm".as_slice())], 0..80),
        ), 1..6),
    ) {
        let mut reader = reader();
        for (head, tail) in &lines {
            let _ = reader.read(&[head.as_bytes(), tail].concat(), now());
        }
    }
}

#[test]
fn what_is_kept_of_a_line_is_bounded() {
    let long = "x".repeat(1 << 20);
    let mut reader = reader();
    for line in [
        format!(
            "Feb 10 13:26:34 mx postfix/smtpd[1]: warning: x[192.0.2.1]: SASL LOGIN authentication failed: y, sasl_username={long}"
        ),
        format!(
            "Feb 10 13:26:34 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 550 5.1.1 <{}>: Recipient address rejected: User unknown",
            &long[..4000]
        ),
    ] {
        let Reading::Event(event) = reader.read(line.as_bytes(), now()) else {
            panic!("no event")
        };
        let kept = event.account.or(event.recipient).unwrap();
        assert!(
            kept.len() <= super::super::NAME_MAX + '…'.len_utf8(),
            "{}",
            kept.len()
        );
    }
    assert_eq!(reader.read(long.as_bytes(), now()), Reading::Ignored);
}
