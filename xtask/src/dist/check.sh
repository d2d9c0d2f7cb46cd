set -eu
root=$1
cp "$2" "$root/first.deb"
cp "$3" "$root/second.deb"
mkdir "$root/tmp/tarball"
tar --extract --gzip --file "$4" --directory "$root/tmp/tarball" --strip-components 1

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
mount -t tmpfs tmpfs "$root/run"
mount --bind /dev "$root/dev"
ip link set lo up
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

in_root() { chroot "$root" "$@"; }
fail() {
    echo "the package: $*" >&2
    exit 1
}
# Waits for the agent, at most ten seconds.
wait_for_agent() {
    for _ in $(seq 100); do
        if in_root mailwall status > "$root/tmp/status" 2>&1; then return; fi
        sleep 0.1
    done
    cat "$root/tmp/status" "$root/tmp/log" >&2
    fail "the agent does not answer"
}
start_agent() {
    # As the unit does.
    chroot "$root" mailwall run --user mailwall > "$root/tmp/log" 2>&1 &
    agent=$!
    wait_for_agent
}
stop_agent() {
    kill "$agent"
    wait "$agent" || fail "the agent did not end well: $(cat "$root/tmp/log")"
}

find "$root" -xdev -path "$root/tmp" -prune -o -print | sort > /tmp/before.$$
trap 'rm -f /tmp/before.$$ /tmp/after.$$' EXIT

# A host with a mail log.
touch "$root/var/log/mail.log"
chgrp adm "$root/var/log/mail.log" 2> /dev/null || true
chmod 640 "$root/var/log/mail.log"

# Nobody is there to answer.
in_root dpkg --install /first.deb > "$root/tmp/said" 2>&1 < /dev/null || { cat "$root/tmp/said" >&2; fail "does not install"; }
grep -q 'found /var/log/mail.log' "$root/tmp/said" || { cat "$root/tmp/said" >&2; fail "does not say what it found"; }
in_root mailwall config check > /dev/null || fail "its configuration is wrong"
grep -q '^mode = "observe"' "$root/etc/mailwall/mailwall.toml" || fail "enforces at once"
in_root id mailwall > /dev/null || fail "made no user"
in_root id --name --groups mailwall | grep -qw adm || fail "its user may not read the logs of the group adm"
grep -q '^d /run/mailwall ' "$root/usr/lib/tmpfiles.d/mailwall.conf" || fail "has no directories for systemd-tmpfiles"
[ "$(in_root stat -c %U:%G:%a /var/lib/mailwall)" = mailwall:mailwall:700 ] || fail "the state directory is open"
for page in man1/mailwall man1/mailwall-ban-add man1/mailwall-config-check man5/mailwall.toml; do
    set -- "$root/usr/share/man/$page".*
    [ -s "$1" ] || fail "has no manual page $page"
done
in_root bash -c '. /usr/share/bash-completion/completions/mailwall && complete -p mailwall' > /dev/null ||
    fail "bash cannot complete its commands"
for file in zsh/vendor-completions/_mailwall fish/vendor_completions.d/mailwall.fish doc/mailwall/README.md \
    doc/mailwall/troubleshooting.md doc/mailwall/from-fail2ban.md doc/mailwall/grafana.json; do
    [ -s "$root/usr/share/$file" ] || fail "lacks /usr/share/$file"
done
sed -i 's/^interfaces = .*/interfaces = ["lo"]/' "$root/etc/mailwall/mailwall.toml"
start_agent
in_root mailwall status | grep -q 'observe' || { in_root mailwall status >&2; fail "does not observe"; }
pid=$(in_root mailwall status --json | tr ",{" "\n\n" | sed -n 's/.*"pid": *//p' | head -n 1)
user=$(in_root id -u mailwall)
grep -q "^Uid:.$user.$user.$user.$user" "$root/proc/$pid/status" || { cat "$root/proc/$pid/status" >&2; fail "runs as root"; }
in_root mailwall ban add 203.0.113.7 > /dev/null
echo "installed: observes, as its own user"

# For other systems: all that a service is made from, and a binary that needs nothing beside it.
tarball=$root/tmp/tarball
cmp --silent "$tarball/mailwall" "$root/usr/bin/mailwall" || fail "the tarball has another binary"
mkdir "$root/tmp/alone"
cp "$tarball/mailwall" "$root/tmp/alone"
chroot "$root/tmp/alone" /mailwall --version > /dev/null || fail "the binary needs libraries"
for file in mailwall.service mailwall.sysusers mailwall.tmpfiles man/mailwall.1 man5/mailwall.toml.5 completions/mailwall.bash \
    completions/_mailwall completions/mailwall.fish docs/troubleshooting.md README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE; do
    [ -s "$tarball/$file" ] || fail "the tarball lacks $file"
done
echo "tarball: whole, and its binary runs alone"

# The operator's settings and the bans outlive an upgrade, and the filter stays in the kernel.
echo '# mine' >> "$root/etc/mailwall/mailwall.toml"
in_root dpkg --install /second.deb > "$root/tmp/said" 2>&1 < /dev/null || { cat "$root/tmp/said" >&2; fail "does not upgrade"; }
grep -q '^# mine$' "$root/etc/mailwall/mailwall.toml" || fail "an upgrade takes the configuration away"
ls "$root"/sys/fs/bpf/mailwall/* > /dev/null || fail "an upgrade takes the filter away"
stop_agent
start_agent
in_root mailwall ban check 203.0.113.7 > /dev/null || fail "an upgrade loses bans"
stop_agent
echo "upgraded: settings, bans and the filter stayed"

in_root dpkg --remove mailwall > "$root/tmp/said" 2>&1 || { cat "$root/tmp/said" >&2; fail "cannot be removed"; }
[ ! -e "$root/sys/fs/bpf/mailwall" ] || fail "removed, it leaves the filter in the kernel"
[ -e "$root/etc/mailwall/mailwall.toml" ] || fail "removed, it takes the configuration away"
in_root dpkg --purge mailwall > "$root/tmp/said" 2>&1 || { cat "$root/tmp/said" >&2; fail "cannot be purged"; }
rm "$root/var/log/mail.log"
find "$root" -xdev -path "$root/tmp" -prune -o -print | sort > /tmp/after.$$
# What dpkg itself keeps, and the user, whose files there may be elsewhere.
left=$(comm -13 /tmp/before.$$ /tmp/after.$$ | sed "s|^$root||" |
    grep -v -e '^/var/lib/dpkg/' -e '^/var/log/' -e '^/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-$' || true)
[ -z "$left" ] || fail "purged, it leaves: $left"
echo "purged: nothing left"
