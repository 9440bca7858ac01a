#!/usr/bin/env bash
# The steps of `run.sh`, inside a root where systemd is the first process: the life of the packages on a machine.
set -euo pipefail
trap 'echo "FAILED at line $LINENO"; journalctl --no-pager -u kachery -u kachery-bootstrap | tail -n 30' ERR

storage=/var/lib/kachery/storage
apt=(apt-get -qq --no-install-recommends -o Dpkg::Use-Pty=0)

fail() {
  printf 'FAILED: %s\n' "$1"
  exit 1
}

# Waits for up to 30 s until a command succeeds.
eventually() {
  local deadline=$((SECONDS + 30))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "this did not succeed within 30 s: $*"
    sleep 0.1
  done
}

# Fails unless a command fails and prints a text: refuses TEXT COMMAND…
refuses() {
  local text=$1 output
  shift
  ! output=$("$@" 2>&1) || fail "this must fail, but it succeeds: $*"
  grep -qF -- "$text" <<<"$output" || fail "'$*' does not print '$text', but: $output"
}

# Lists all files but those of package tools, the journal, what changes by itself, and copies that useradd makes of its files.
snapshot() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /opt -o -path /var/cache \
    -o -path /var/log -o -path /var/tmp -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \) -prune \
    -o -print | grep -v '^/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-$' | sort
}

# Runs a command as a user, as after a login.
as() {
  local user=$1
  shift
  runuser --login "$user" --command "$*"
}

probe() { as root "KACHERY_STORAGE_DIR=$storage kachery daemon status"; }
node() { KACHERY_STORAGE_DIR=$storage kachery node-info | sed -n 's/^Node ID: //p'; }
main_process() { systemctl show --property MainPID --value "$1"; }

# Fails unless a service runs in another process than the given one.
was_restarted() {
  systemctl is-active --quiet "$1" || fail "$1 does not run."
  [ "$(main_process "$1")" != "$2" ] || fail "$1 was not restarted."
}

echo "--- before"
snapshot >/tmp/before
useradd --create-home anna
useradd --create-home ben

echo "--- install"
began=$(date +%s%N)
"${apt[@]}" -y install /opt/kachery_*.deb /opt/python3-kachery-p2p_*.deb
eventually probe
echo "installed and running after $((($(date +%s%N) - began) / 1000000)) ms"
systemctl is-enabled kachery
systemctl is-active kachery
! systemctl is-enabled kachery-bootstrap || fail "the bootstrap node is enabled."
! systemctl is-active kachery-bootstrap || fail "the bootstrap node runs."
[ "$(stat -c %U "/proc/$(main_process kachery)")" = kachery ] || fail "the daemon runs as another user."
probe

echo "--- observe"
python3 - "$storage/client-auth" <<'END'
import sys, urllib.request
request = urllib.request.Request("http://localhost:20431/metrics")
request.add_header("KACHERY-CLIENT-AUTH-CODE", open(sys.argv[1]).read().strip())
metrics = urllib.request.urlopen(request, timeout=20).read().decode()
assert "kachery_" in metrics and "# TYPE" in metrics, metrics
print(len(metrics.splitlines()), "lines of metrics")
END

echo "--- what is installed"
for path in $(dpkg -L kachery | grep '^/usr/bin/.'); do
  name=$(basename "$path")
  "$path" --help >/dev/null || fail "$name --help fails."
  gzip -dc "/usr/share/man/man1/$name.1.gz" | grep -q '^\.TH' || fail "there is no manual page of $name."
done
for name in kachery kachery-store kachery-p2p-load; do
  [ -s "/usr/share/bash-completion/completions/$name" ] || fail "bash does not complete $name."
  [ -s /usr/share/zsh/vendor-completions/_kachery ] || fail "zsh does not complete $name."
done
[ -s /usr/share/doc/kachery/operations.md.gz ] || fail "the documentation is missing."
[ -n "$(find /usr/lib/systemd/system /lib/systemd/system -name 'kachery*.service' -print -quit)" ]
systemd-analyze --no-pager security

echo "--- members of the group may use it"
adduser --quiet anna kachery
echo 'Mouse 4 was in a good mood.' >/home/anna/notes.txt
uri=$(as anna kachery-store notes.txt)
[ "$(as anna "kachery-cat $uri")" = 'Mouse 4 was in a good mood.' ]
[ "$(as anna "python3 -c 'import kachery_p2p as kp; print(kp.load_text(\"$uri\"), end=\"\")'")" = 'Mouse 4 was in a good mood.' ]
as anna "python3 -c 'import kachery_client as kc, kachery_p2p as kp, numpy; print(kp.load_npy(kp.store_npy(numpy.arange(3))))'"
refuses 'group' as ben "kachery-store /home/ben/.profile"
id=$(node)
[ ${#id} -eq 64 ] || fail "'$id' is not a node ID."

echo "--- upgrade"
sed -i 's/^KACHERY_OPTIONS=.*/KACHERY_OPTIONS=--auth-group kachery --label changed-by-hand/' /etc/default/kachery
systemctl restart kachery
systemctl enable --now kachery-bootstrap
eventually probe
process=$(main_process kachery) bootstrap=$(main_process kachery-bootstrap)
"${apt[@]}" -y install /opt/new/kachery_*.deb
eventually probe
[[ "$(dpkg-query -W -f '${Version}' kachery)" == *-2+* ]] || fail "the package was not upgraded."
was_restarted kachery "$process"
was_restarted kachery-bootstrap "$bootstrap"
grep -q changed-by-hand /etc/default/kachery || fail "the administrator's settings were lost."
[ "$(node)" = "$id" ] || fail "the node has another ID after the upgrade."
[ "$(as anna "kachery-cat $uri")" = 'Mouse 4 was in a good mood.' ]

echo "--- a service that was turned off stays off"
systemctl disable --now kachery
"${apt[@]}" -y --reinstall install /opt/new/kachery_*.deb
! systemctl is-active kachery || fail "an upgrade starts a service that the administrator turned off."
systemctl enable --now kachery
eventually probe

echo "--- remove"
content=$(find $storage/sha1 -type f | sort | xargs sha1sum)
"${apt[@]}" -y remove kachery python3-kachery-p2p
! systemctl is-active kachery || fail "the node still runs."
! systemctl is-active kachery-bootstrap || fail "the bootstrap node still runs."
! grep -lx kacheryd /proc/[0-9]*/comm 2>/dev/null || fail "a daemon still runs."
[ ! -e /usr/bin/kachery-store ] && [ ! -e /usr/lib/python3/dist-packages/kachery_p2p ]
grep -q changed-by-hand /etc/default/kachery || fail "the settings were removed."
[ "$(find $storage/sha1 -type f | sort | xargs sha1sum)" = "$content" ] || fail "stored files were changed."

echo "--- install again"
"${apt[@]}" -y install /opt/new/kachery_*.deb
eventually probe
[ "$(node)" = "$id" ] || fail "the node has another ID."
[ "$(as anna "kachery-cat $uri")" = 'Mouse 4 was in a good mood.' ]

echo "--- purge"
"${apt[@]}" -y purge kachery python3-kachery-p2p | tee /tmp/purge
grep -q '/var/lib/kachery is kept' /tmp/purge || fail "purging does not say that the data is kept."
[ ! -e /etc/default/kachery ] || fail "the settings are still there."
[ "$(find $storage/sha1 -type f | sort | xargs sha1sum)" = "$content" ] || fail "stored files were changed."
[ "$(stat -c %U /var/lib/kachery)" = kachery ] || fail "the data belongs to nobody."
systemctl daemon-reload
! systemctl cat kachery >/dev/null 2>&1 || fail "the unit is still there."
userdel --remove anna 2>/dev/null
userdel --remove ben 2>/dev/null
snapshot >/tmp/after
diff /tmp/before <(grep -v -e '^/var/lib/kachery\(-bootstrap\)\?\(/\|$\)' /tmp/after) \
  || fail "the files differ from those before the installation."
touch /opt/passed
echo passed
