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
milliseconds_since() { echo $((($(date +%s%N) - $1) / 1000000)); }
# Prints a figure for the table of docs/operations.md, which run.sh shows at its end.
measured() { printf 'MEASURED %s: %s %s\n' "$1" "$2" "$3"; }
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
measured "installed and running" "$(milliseconds_since "$began")" ms
# A service of Type=notify has started when it serves.
probe
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

echo "--- the service"
systemctl stop kachery
began=$(date +%s%N)
systemctl start kachery
measured "start to ready" "$(milliseconds_since "$began")" ms
probe
systemctl --no-pager status kachery | tee /tmp/status
grep -q "Status: \"Node '.*', links on port [0-9]" /tmp/status || fail "systemctl status does not say what the node does."
sleep 5
measured "memory at rest" "$(awk '$1 == "Pss:" { print $2 }' "/proc/$(main_process kachery)/smaps_rollup")" KiB
for package in kachery python3-kachery-p2p; do
  measured "size of $package" "$(($(stat -c %s /opt/${package}_*.deb) / 1000))" kB
  measured "installed size of $package" "$(dpkg-query -W -f '${Installed-Size}' $package)" KiB
done

echo "--- the journal"
# Fails unless the journal has an entry of the service: logged UNIT FIELD…
logged() {
  local unit=$1
  shift
  journalctl --quiet --no-pager --unit "$unit" "$@" | grep . >/dev/null
}
logged kachery KACHERY_EVENT=started || fail "the journal has no fields."
journalctl --quiet --unit kachery --output json --lines 1 KACHERY_EVENT=started >/tmp/entry
python3 - <<'END'
import json
entry = json.load(open("/tmp/entry"))
assert entry["_TRANSPORT"] == "journal" and entry["PRIORITY"] == "6" and entry["SYSLOG_IDENTIFIER"] == "kacheryd", entry
assert entry["MESSAGE"].startswith("Node '") and entry["MESSAGE_ID"] == "c7045b219cf840ab9882a6bd6d2f17ca", entry
assert entry["KACHERY_PORT"].isdigit() and entry["CODE_FILE"] == "Daemon/DaemonCommand.swift", entry
END
[ -z "$(journalctl --quiet --unit kachery --output cat _TRANSPORT=syslog)" ] \
  || fail "something in the daemon logs by itself: $(journalctl --quiet --unit kachery --output cat _TRANSPORT=syslog)"
journalctl --no-pager --catalog --unit kachery --lines 1 KACHERY_EVENT=started | tee /tmp/explained
grep -q 'Subject: The node serves' /tmp/explained || fail "the catalogue does not explain the message."
[ "$(journalctl --list-catalog | grep -c ' kachery: ')" -eq "$(grep -c '^-- ' /usr/lib/systemd/catalog/kachery.catalog)" ] \
  || fail "the catalogue is not installed."

echo "--- reload"
printf 'maxTransfers: 200\nlabel: other\nmaxTransfer: 1\n' | runuser -u kachery -- tee $storage/kachery.yaml >/dev/null
process=$(main_process kachery)
systemctl reload kachery
eventually logged kachery KACHERY_EVENT=restartNeeded
journalctl --quiet --no-pager --unit kachery --output cat KACHERY_EVENT=settingApplied + KACHERY_EVENT=restartNeeded \
  + KACHERY_EVENT=settingWrong | tee /tmp/reload
grep -q 'Applied kachery.yaml: maxTransfers.*200' /tmp/reload || fail "a reload does not say what has changed."
systemctl is-active kachery
[ "$(main_process kachery)" = "$process" ] || fail "a reload restarts the node."
# Only lines that an administrator has to act on.
journalctl --quiet --no-pager --unit kachery --priority warning --output cat | tee /tmp/warnings
grep -qF "'maxTransfer' is not a setting" /tmp/warnings || fail "a warning is not one for the journal."
! grep -q 'is running' /tmp/warnings || fail "journalctl -p warning shows lines that need no action."
rm $storage/kachery.yaml

echo "--- the watchdog"
mkdir -p /etc/systemd/system/kachery.service.d
# Fails unless the node has another process after it was stopped for some seconds, or has the same one: pauses SECONDS same|new
pauses() {
  local process
  process=$(main_process kachery)
  kill -STOP "$process"
  sleep "$1"
  kill -CONT "$process" 2>/dev/null || true
  if [ "$2" = same ]; then
    [ "$(main_process kachery)" = "$process" ] || fail "the watchdog restarts a node that paused for $1 s."
  else
    eventually restarted "$process"
    probe
  fi
}
restarted() { systemctl is-active --quiet kachery && [ "$(main_process kachery)" != "$1" ]; }
printf '[Service]\nWatchdogSec=20\n' >/etc/systemd/system/kachery.service.d/short.conf
systemctl daemon-reload
systemctl restart kachery
pauses 11 same
eventually logged kachery KACHERY_EVENT=stalled
printf '[Service]\nWatchdogSec=2\nRestartSec=100ms\n' >/etc/systemd/system/kachery.service.d/short.conf
systemctl daemon-reload
systemctl restart kachery
pauses 4 new
logged kachery UNIT_RESULT=watchdog || fail "the journal does not say that the watchdog has acted."
rm -r /etc/systemd/system/kachery.service.d
systemctl daemon-reload
systemctl restart kachery

echo "--- two daemons that want the same port"
echo 'KACHERY_P2P_API_PORT=20431' >>/etc/default/kachery-bootstrap
! systemctl start kachery-bootstrap || fail "a node whose port is in use starts."
logged kachery-bootstrap KACHERY_EVENT=inUse KACHERY_ERROR=already_running || fail "the journal does not say that a port is in use."
systemctl stop kachery-bootstrap
sed -i '$d' /etc/default/kachery-bootstrap
probe

echo "--- what is installed"
for path in $(dpkg -L kachery | grep '^/usr/bin/.'); do
  name=$(basename "$path")
  "$path" --help >/dev/null || fail "$name --help fails."
  # Without -q, which ends early: then gzip fails.
  gzip -dc "/usr/share/man/man1/$name.1.gz" | grep '^\.TH' >/dev/null || fail "there is no manual page of $name."
done
for name in kachery kachery-store kachery-p2p-load; do
  [ -s "/usr/share/bash-completion/completions/$name" ] || fail "bash does not complete $name."
  [ -s /usr/share/zsh/vendor-completions/_kachery ] || fail "zsh does not complete $name."
done
[ -s /usr/share/doc/kachery/operations.md.gz ] || fail "the documentation is missing."
[ -n "$(find /usr/lib/systemd/system /lib/systemd/system -name 'kachery*.service' -print -quit)" ]
for unit in kachery kachery-bootstrap; do
  # A tenth of a point a unit.
  systemd-analyze --no-pager security --threshold=20 $unit >/tmp/security || fail "$unit is less restricted than before."
  measured "exposure of $unit" "$(sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p' /tmp/security)" "of 10"
done

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
probe
process=$(main_process kachery) bootstrap=$(main_process kachery-bootstrap)
"${apt[@]}" -y install /opt/new/kachery_*.deb
probe
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
probe

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
probe
[ "$(node)" = "$id" ] || fail "the node has another ID."
[ "$(as anna "kachery-cat $uri")" = 'Mouse 4 was in a good mood.' ]

echo "--- purge"
"${apt[@]}" -y purge kachery python3-kachery-p2p | tee /tmp/purge
grep -q '/var/lib/kachery is kept' /tmp/purge || fail "purging does not say that the data is kept."
[ ! -e /etc/default/kachery ] || fail "the settings are still there."
[ "$(find $storage/sha1 -type f | sort | xargs sha1sum)" = "$content" ] || fail "stored files were changed."
[ "$(stat -c %U /var/lib/kachery)" = kachery ] || fail "the data belongs to nobody."
! journalctl --list-catalog | grep ' kachery: ' || fail "the catalogue is still there."
systemctl daemon-reload
! systemctl cat kachery >/dev/null 2>&1 || fail "the unit is still there."
userdel --remove anna 2>/dev/null
userdel --remove ben 2>/dev/null
snapshot >/tmp/after
diff /tmp/before <(grep -v -e '^/var/lib/kachery\(-bootstrap\)\?\(/\|$\)' /tmp/after) \
  || fail "the files differ from those before the installation."
touch /opt/passed
echo passed
