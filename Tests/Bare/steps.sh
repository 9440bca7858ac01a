#!/usr/bin/env bash
# The steps of `run.sh`, each run in the bare root as the user it is for: steps.sh refusals|packages|demo|install|test
set -euo pipefail
# root installs the packages for another user's clone.
cd ~/kachery 2>/dev/null || cd /home/ordinary/kachery

fail() {
  printf 'test-bare: %s\n' "$1" >&2
  exit 1
}

# Runs a command that has to fail, and to say each of these: refuses 'COMMAND' WORDS…
refuses() {
  local command=$1 output words
  shift
  printf '\n$ %s\n' "$command"
  if output=$(bash -c "$command" 2>&1); then
    fail "this has to fail, and does not."
  fi
  printf '%s\n' "$output"
  for words in "$@"; do
    grep -qF -- "$words" <<<"$output" || fail "what it says lacks '$words'."
  done
}

# What is there, but for what builds and package tools keep for the next time.
snapshot() {
  # What a user may not enter is not theirs to leave anything in.
  { find / -xdev \( -path "$HOME/kachery" -o -path '/home/*/.cache' -o -path /root/.cache -o -path '*/.swiftpm' \
    -o -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/cache -o -path /var/lib/apt \
    -o -path /var/log \) -prune -o -print 2>/dev/null || true; } | sort
}

refusals() {
  local path_without_swift=${PATH#*:} old
  refuses "PATH=$path_without_swift make build" "there is no 'swift' on the PATH" 'www.swift.org'

  old=$(mktemp -d)
  printf '#!/bin/sh\necho "Swift version 5.9 (swift-5.9-RELEASE)"\n' >"$old/swift"
  chmod +x "$old/swift"
  refuses "PATH=$old:\$PATH make build" 'this is Swift 5.9' '6.2 or later'
  rm -r "$old"

  local scratch
  scratch=$(mktemp -d)
  chmod 755 "$scratch"
  if [ "$(id -u)" -eq 0 ]; then
    # A machine without a network: its lists of packages cannot be fetched, and the reason is apt's own.
    printf 'Acquire::http::Proxy "http://127.0.0.1:1";\nAcquire::https::Proxy "http://127.0.0.1:1";\n' >"$scratch/apt.conf"
    printf 'Acquire::Retries "0";\nDir::State::lists "%s";\n' "$scratch" >>"$scratch/apt.conf"
    refuses "APT_CONFIG=$scratch/apt.conf make build" '127.0.0.1' 'Its own words stand above'
  else
    refuses 'make demo' 'does not start' 'libncurses.so.6' 'You are not root here, and there is no sudo' \
      'apt-get install' libuv1-dev libncurses6 curl
    printf '#!/bin/sh\necho "ordinary is not in the sudoers file." >&2\nexit 1\n' >"$scratch/sudo"
    chmod +x "$scratch/sudo"
    refuses "PATH=$scratch:\$PATH make demo" 'not in the sudoers file' 'sudo did not let you install' libuv1-dev
    # Building asks for nothing that only the demonstration and the tests need.
    refuses 'make build' libuv1-dev
    if make build 2>&1 | grep -E 'systemd|python3-venv| curl'; then fail "'make build' asks for what only tests need."; fi
  fi
  rm -rf "$scratch"
}

packages() {
  Deploy/install-dependencies.sh
}

demo() {
  make demo
  local left
  left=$(find /tmp /dev/shm -maxdepth 1 -name 'kachery*')
  [ -z "$left" ] || fail "the demonstration left behind: $left"
}

install_and_uninstall() {
  local prefix before after name
  prefix=$([ "$(id -u)" -eq 0 ] && echo /usr/local || echo "$HOME/.local")
  make build
  before=$(snapshot)
  make install PREFIX="$prefix"
  for name in kachery kacheryd kachery-store kachery-p2p-start-daemon; do
    "$prefix/bin/$name" --help >/dev/null || fail "$name --help failed."
  done
  [ "$(snapshot)" != "$before" ] || fail "nothing was installed."
  make uninstall PREFIX="$prefix"
  after=$(snapshot)
  diff <(echo "$before") <(echo "$after") || fail "this is not as it was before 'make install'."
}

case "$1" in
  refusals | packages | demo) "$1" ;;
  install) install_and_uninstall ;;
  test) make test ;;
  *) fail "'$1' is no step." ;;
esac
