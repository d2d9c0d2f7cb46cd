#!/bin/bash
# In a machine of its own, whose first process is systemd: installs the package and tries its unit. Each line tells of one thing;
# the last how many were wrong.
exec > /dev/ttyS0 2>&1
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_COLORS=0 DEBIAN_FRONTEND=noninteractive
wrong=0
must() {
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        wrong=$((wrong + 1))
    fi
}
show() { systemctl show mailwall --property "$1" --value; }
# Waits until a property is like a pattern, two minutes at most: the machine is emulated.
until_is() {
    for _ in $(seq 120); do
        # shellcheck disable=SC2254
        case $(show "$1") in $2) return 0 ;; esac
        sleep 1
    done
    echo "$1 is $(show "$1")"
    return 1
}
until_does() {
    for _ in $(seq 60); do
        if "$@" > /dev/null 2>&1; then return 0; fi
        sleep 1
    done
    return 1
}
user_is() { [ "$(stat -c %U "/proc/$(show MainPID)")" = "$1" ]; }
is_banned() { mailwall ban check 203.0.113.7 > /dev/null; }
entry() { journalctl --unit mailwall --output json MAILWALL_NET=203.0.113.7/32 | grep '"MAILWALL_EVENT":"ban"'; }
entry_has_its_fields() { entry | grep -q '"MAILWALL_RULE":"manual"' && entry | grep -q '"MAILWALL_FOR_S":"600"'; }
is_attached() { mailwall status --plain | grep -q '^interface	lo	generic'; }
saw_the_failure() { mailwall events --json | grep -q '203\.0\.113\.9'; }
a_new_process() { [ "$(show MainPID)" != "$1" ] && [ "$(show ActiveState)" = active ]; }

must 'the package is installed while systemd runs' dpkg --install /first.deb
must 'it is started, and says READY' until_is ActiveState active
must 'the service is enabled' systemctl --quiet is-enabled mailwall
must 'its status line is told' until_is StatusText 'observing: 0 bans, 1 source,*'
must 'it is no longer root' user_is mailwall

sed -i 's/^interfaces = .*/interfaces = ["lo"]/' /etc/mailwall/mailwall.toml
must 'systemctl reload takes a changed configuration over' systemctl reload mailwall
must 'the interface is guarded after that' until_does is_attached

# The agent believes a unit of a mail server only what a program of the server's name writes.
cp /bin/sh /run/smtpd
systemd-run --quiet --unit postfix@-.service --property SyslogIdentifier=postfix/smtpd /run/smtpd -c \
    'echo "warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: authentication failure"; sleep 20'
must 'the journal is read' until_does saw_the_failure

mailwall ban add 203.0.113.7 --for 10m --reason why > /dev/null
must 'a decision has its fields in the journal' until_does entry_has_its_fields

pid=$(show MainPID)
kill -KILL "$pid"
must 'killed, it is started again' until_does a_new_process "$pid"
must 'the ban outlives that' until_does is_banned

mkdir -p /run/systemd/system/mailwall.service.d
printf '[Service]\nWatchdogSec=20\n' > /run/systemd/system/mailwall.service.d/soon.conf
systemctl daemon-reload
must 'systemctl restart ends and starts it' systemctl restart mailwall
pid=$(show MainPID)
sleep 45
must 'the watchdog hears of it' [ "$(show MainPID)" = "$pid" ]
kill -STOP "$pid"
must 'hanging, it is started again by the watchdog' until_does a_new_process "$pid"
must 'the ban outlives that, too' until_does is_banned

systemd-analyze security mailwall --no-pager | tail -n 1
must 'its exposure is 4.5 of 10 at most' until_does systemd-analyze security --threshold=45 mailwall --no-pager

must 'systemctl stop ends it' systemctl stop mailwall
must 'it ended well' [ "$(show Result)" = success ]
must 'stopped, it leaves the filter in the kernel' [ -n "$(ls -A /sys/fs/bpf/mailwall)" ]
[ "$wrong" = 0 ] || journalctl --unit mailwall --no-pager | tail -n 60
echo "== unit: $wrong"
systemctl poweroff --force --force
