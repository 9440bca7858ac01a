#!/usr/bin/env bash
# The steps of `run.sh` for Deploy/bootstrap-node, inside a root where systemd is the first process: the host becomes a
# bootstrap node, and a machine outside, which is a network namespace here, reaches its ports and nothing else.
set -euo pipefail
trap 'echo "FAILED at line $LINENO"; journalctl --no-pager -u kachery-bootstrap | tail -n 30' ERR

fail() {
  printf 'FAILED: %s\n' "$1"
  exit 1
}

# Fails unless a machine outside can connect to a TCP port, or cannot: reaches yes|no PORT
reaches() {
  local reached=no
  ! ip netns exec outside timeout 2 bash -c "exec 3<>/dev/tcp/192.0.2.1/$2" 2>/dev/null || reached=yes
  [ "$reached" = "$1" ] || fail "TCP port $2 is reached from outside: $reached."
}

echo "--- the network"
ip link set lo up
ip netns add outside
ip link add inside type veth peer name outside netns outside
ip address add 192.0.2.1/24 dev inside
ip link set inside up
ip -n outside address add 192.0.2.2/24 dev outside
ip -n outside link set outside up
ip -n outside link set lo up

echo "--- user data"
# What cloud-init does with them: it writes the file, and runs the command.
python3 - /opt/user-data <<'END'
import json, os, subprocess, sys, textwrap
text = open(sys.argv[1]).read()
content, command = text.split("    content: |\n")[1].split("\nruncmd:\n  - ")
path = "/usr/local/sbin/kachery-bootstrap-setup"
open(path, "w").write(textwrap.dedent(content) + "\n")
os.chmod(path, 0o755)
words = json.loads(command.replace(f"[{path}", f'["{path}"'))
subprocess.run(words, check=True)
END
systemctl is-enabled kachery-bootstrap
systemctl is-active kachery-bootstrap
! systemctl is-active kachery || fail "the node for users runs as well."
[ "$(stat -c %a /etc/default/kachery-bootstrap)" = 600 ] || fail "others can read the names of channels."
grep CapEff "/proc/$(systemctl show --property MainPID --value kachery-bootstrap)/status"

echo "--- the firewall"
reaches yes 14507
reaches yes 443
python3 -m http.server 8080 >/dev/null 2>&1 &
other=$!
sleep 1
bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' || fail "the other service does not run."
reaches no 8080
reaches no 14508
kill "$other"

echo "--- a member outside"
useradd --create-home anna
start=(ip netns exec outside setpriv --reuid anna --regid anna --clear-groups env HOME=/home/anna PATH="$PATH")
"${start[@]}" kacheryd --label member --bootstrap 192.0.2.1:14507 --channel our-lab-x7k2 --no-lan 2>/home/anna/log &
member=$!
for _ in $(seq 200); do
  ! grep -q "Linked to 'meeting-point'" /home/anna/log || break
  sleep 0.1
done
grep "Linked to 'meeting-point'" /home/anna/log || { cat /home/anna/log; fail "the member does not reach it."; }
kill "$member"
wait "$member" || true

echo "--- other settings"
/usr/local/sbin/kachery-bootstrap-setup --package /opt/kachery_*-1+*.deb --port 15000 --label meeting-point
bash -c 'exec 3<>/dev/tcp/127.0.0.1/15000'
! grep -q our-lab /etc/default/kachery-bootstrap || fail "the earlier settings are still there."
! /usr/local/sbin/kachery-bootstrap-setup --package /opt/kachery_*-1+*.deb --sha256 "$(printf '0%.0s' $(seq 64))" \
  2>/tmp/refusal || fail "a package with another SHA-256 is installed."
grep 'another SHA-256' /tmp/refusal
touch /opt/passed
echo passed
