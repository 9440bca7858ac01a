#!/usr/bin/env bash
# Unpacks the tarball in a root that contains nothing of what kachery needs, and uses it as an ordinary user.
set -euo pipefail
trap 'echo "FAILED at line $LINENO"' ERR

if [ "$(id -u)" -eq 0 ]; then
  ! ldconfig -p | grep -E 'libuv|libngtcp2|libmicrohttpd' || { echo "FAILED: the libraries are installed."; exit 1; }
  useradd --create-home anna
  exec setpriv --reuid anna --regid anna --init-groups env -i HOME=/home/anna PATH=/usr/bin:/bin bash "$0"
fi

cd ~
mkdir software
tar -C software -xzf /opt/kachery-*.tar.gz
# It is not where it was unpacked.
mv software/kachery-* "apps of anna"
export PATH="$HOME/apps of anna/bin:$PATH"
if ldd "$(command -v kacheryd)" | grep 'not found'; then exit 1; fi
for program in "apps of anna/bin/"*; do "$program" --help >/dev/null; done
kachery version

kachery-p2p-start-daemon --label tarball --nomulticast 2>log &
for _ in $(seq 300); do
  ! kachery daemon status 2>/dev/null || break
  sleep 0.1
done
kachery daemon status || { cat log; exit 1; }
echo 'Mouse 4 was in a good mood.' >notes.txt
[ "$(kachery-cat "$(kachery-store notes.txt)")" = 'Mouse 4 was in a good mood.' ]
kachery-p2p-stop-daemon
wait

# How it goes away.
rm -r "apps of anna"
[ -z "$(find / -xdev -name 'kachery*' -not -path '/proc/*' -not -path '/opt/*' -not -path "$HOME/kachery-storage*" \
  -not -path "$HOME/.kachery-p2p*" 2>/dev/null)" ]
echo passed
