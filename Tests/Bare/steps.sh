#!/usr/bin/env bash
# The steps of `run.sh`. Each runs in the bare root, as the right user: steps.sh STEP
set -euo pipefail
# root installs the packages for the clone of the ordinary user.
cd ~/kachery 2>/dev/null || cd /home/ordinary/kachery

fail() {
  printf 'test-bare: %s\n' "$1" >&2
  exit 1
}

# Runs a command that must fail, and whose output must contain each TEXT: refuses 'COMMAND' TEXT…
refuses() {
  local command=$1 output text
  shift
  printf '\n$ %s\n' "$command"
  if output=$(bash -c "$command" 2>&1); then
    fail "this must fail, but it succeeds."
  fi
  printf '%s\n' "$output"
  for text in "$@"; do
    grep -qF -- "$text" <<<"$output" || fail "its output does not contain '$text'."
  done
}

# Lists all files, except for the caches of builds and package tools.
snapshot() {
  # A user cannot leave files in folders that they may not enter, so errors are ignored.
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
    # A machine without a network: apt cannot fetch its lists, and its own message must be shown.
    printf 'Acquire::http::Proxy "http://127.0.0.1:1";\nAcquire::https::Proxy "http://127.0.0.1:1";\n' >"$scratch/apt.conf"
    printf 'Acquire::Retries "0";\nDir::State::lists "%s";\n' "$scratch" >>"$scratch/apt.conf"
    refuses "APT_CONFIG=$scratch/apt.conf make build" '127.0.0.1' 'Its output is above'
  else
    refuses 'make demo' 'does not start' 'libncurses.so.6' 'You are not root, and there is no sudo' \
      'apt-get install' libuv1-dev libncurses6 curl
    printf '#!/bin/sh\necho "ordinary is not in the sudoers file." >&2\nexit 1\n' >"$scratch/sudo"
    chmod +x "$scratch/sudo"
    refuses "PATH=$scratch:\$PATH make demo" 'not in the sudoers file' 'sudo did not allow you to install' libuv1-dev
    # Building must not ask for packages that only the demonstration and the tests need.
    refuses 'make build' libuv1-dev
    if make build 2>&1 | grep -E 'systemd|python3-venv|shellcheck| curl'; then fail "'make build' asks for packages that only tests need."; fi
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
  [ -z "$left" ] || fail "the demonstration left these files: $left"
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
  diff <(echo "$before") <(echo "$after") || fail "the files differ from those before 'make install'."
}

deb() {
  Deploy/install-dependencies.sh --package
  make build deb
}

case "$1" in
  refusals | packages | demo | deb) "$1" ;;
  install) install_and_uninstall ;;
  lint | test) make "$1" ;;
  *) fail "'$1' is not a step." ;;
esac
