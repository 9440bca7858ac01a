#!/usr/bin/env bash
# Tests kachery on bare machines: in a fresh minimal root of each Debian release, as root and as an ordinary user. The roots
# contain only git, make, ca-certificates, python3 and the Swift toolchain of this machine. Needs root and mmdebstrap.
#
#   Tests/Bare/run.sh [--release bookworm|trixie] [--user root|ordinary] [--steps STEP,STEP…] [--minutes N] [--keep]
#
# Steps, in this order: refusals (messages about missing packages), lint, demo, install (and uninstall), test. By default
# all of them run for both users on both releases. --minutes limits the time of each step (90). --keep keeps the roots.
# Output goes to .build/bare; the roots are below ${TMPDIR:-/var/tmp}, up to 6 GB each, one at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."

releases=(bookworm trixie)
users=(root ordinary)
steps=(refusals lint demo install test)
minutes=90
keep=no
all_steps=" ${steps[*]} "

fail() {
  printf 'test-bare: %s\n' "$1" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  option=$1
  [ "$option" = --keep ] || [ $# -ge 2 ] || fail "$option needs a value, or is unknown."
  case "$option" in
    --release)
      case "$2" in
        12 | bookworm) releases=(bookworm) ;;
        13 | trixie) releases=(trixie) ;;
        *) fail "'$2' is not a release; use bookworm or trixie." ;;
      esac
      shift
      ;;
    --user)
      [ "$2" = root ] || [ "$2" = ordinary ] || fail "'$2' is not a user; use root or ordinary."
      users=("$2")
      shift
      ;;
    --steps)
      IFS=, read -ra steps <<<"$2"
      for step in "${steps[@]}"; do
        [[ "$all_steps" == *" $step "* ]] || fail "'$step' is not a step; use one of:$all_steps"
      done
      shift
      ;;
    --minutes)
      [[ "$2" =~ ^[1-9][0-9]*$ ]] || fail "'$2' is not a number of minutes."
      minutes=$2
      shift
      ;;
    --keep) keep=yes ;;
    *) fail "unknown option '$option'; see the head of Tests/Bare/run.sh." ;;
  esac
  shift
done

[ "$(id -u)" -eq 0 ] || fail "creating the root of a system needs root."
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing; run: apt-get install mmdebstrap"
swift=$(command -v swift) || fail "there is no 'swift' on the PATH."
toolchain=$(dirname "$(dirname "$(readlink -f "$swift")")")

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/kachery-bare.XXXXXX")
unset TMPDIR # the roots do not contain that folder
logs=$PWD/.build/bare
mkdir -p "$logs"
running=''

# Mounts belong to the namespaces of a step's processes, and disappear with these.
# shellcheck disable=SC2317 # the trap calls it
finish() {
  local status=$?
  trap - EXIT INT TERM
  [ -z "$running" ] || { kill "$running" 2>/dev/null && wait "$running" 2>/dev/null; } || true
  if [ "$keep" = yes ]; then
    echo "test-bare: the roots are kept in $folder"
  else
    rm -rf --one-file-system "$folder"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_kb=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt 8000000 ] || fail "only $((free_kb / 1000)) MB are free below $folder, but this needs 8,000; set TMPDIR."

# Runs a command with a time limit and writes its output to a log. A signal interrupts the wait.
logged() {
  local log=$1 code=0
  shift
  timeout --kill-after=30 "${minutes}m" "$@" >"$log" 2>&1 </dev/null &
  running=$!
  wait "$running" || code=$?
  running=''
  [ "$code" -ne 124 ] || printf '\ntest-bare: stopped after %s minutes.\n' "$minutes" >>"$log"
  return "$code"
}

# Prints the Debian mirrors of this machine's apt, for another release; nothing on other systems.
sources() {
  local release=$1
  # shellcheck disable=SC2016 # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN) $(LABEL)' 'Created-By: Packages' 2>/dev/null \
    | awk -v release="$release" '
        $3 != "Debian" { next }
        $4 == "Debian-Security" { name = release "-security" }
        $4 == "Debian" { name = $2 ~ /-updates$/ ? release "-updates" : $2 ~ /-/ ? "" : release }
        name != "" && !seen[name]++ { print "deb", $1, name, "main" }'
}

# Prints this machine's apt settings for proxies, certificates and time limits.
apt_settings() {
  apt-config dump --no-empty | grep -E '^Acquire::(https?|Retries|Check-Valid-Until|Check-Date)(::| )' || true
}

# Creates the bare root of a release.
make_root() {
  local release=$1 root=$2 mirrors=()
  mapfile -t mirrors < <(sources "$release")
  apt_settings >"$folder/apt.conf"
  [ "${#mirrors[@]}" -eq 0 ] || printf '%s\n' "${mirrors[@]}" >"$folder/sources.list"
  # These roots need not survive a power cut.
  local options=(--variant=minbase --dpkgopt=force-unsafe-io --include=git --include=make --include=ca-certificates --include=python3)
  [ ! -s "$folder/apt.conf" ] || options+=(--aptopt="$folder/apt.conf")
  # Without a list of mirrors, mmdebstrap uses Debian's.
  logged "$logs/$release-root.log" mmdebstrap "${options[@]}" "$release" "$root" \
    ${mirrors[@]:+"$folder/sources.list"} || return 1
  mkdir -p "$root/opt/swift"
  # The certificates that this machine trusts, and the settings of its pip.
  cp /etc/resolv.conf "$root/etc/resolv.conf" || return 1
  # As Debian's installer writes it.
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts" || return 1
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1 || return 1
  fi
  [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
  chroot "$root" useradd --create-home --shell /bin/bash ordinary
}

# Prints the network settings of the environment, without paths that do not exist in the root.
network_settings() {
  local root=$1 name value
  while IFS='=' read -r -d '' name value; do
    [[ "$name" =~ ^(PIP_.*|.*_proxy|.*_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$ ]] || continue
    [[ "$value" != /* ]] || [ -e "$root$value" ] || continue
    printf '%s=%s\0' "$name" "$value"
  done < <(env -0)
}

# Runs a step in the root, as one of its users: enter ROOT USER LOG STEP
enter() {
  local root=$1 user=$2 log=$3 settings=()
  shift 3
  mapfile -d '' settings < <(network_settings "$root")
  logged "$log" unshare --mount --pid --fork --kill-child --propagation private \
    "$PWD/Tests/Bare/enter.sh" "$root" "$toolchain" "$user" "${settings[@]}" -- "$@"
}

table=()
failed=0

# record RELEASE USER STEP CODE SECONDS LOG
record() {
  local outcome=passed note=''
  [ "$4" -eq 0 ] || { outcome=FAILED && failed=$((failed + 1)); }
  [ "$3" != test ] || note=$(sed -n '/^[0-9]* tests: /,$p' "$6" | head -n 1)
  table+=("$(printf '%-9s %-9s %-9s %-7s %6d s  %s' "$1" "$2" "$3" "$outcome" "$5" "$note")")
  printf '%s\n' "${table[-1]}"
  [ "$4" -eq 0 ] || { echo "  The last lines of $6:" && tail -n 30 "$6" | sed 's/^/    /'; }
}

run_step() {
  local release=$1 user=$2 step=$3 root=$4 log="$logs/$1-$2-$3.log" code=0 began=$SECONDS
  # An administrator installs the ordinary user's packages, after the step that tests the messages without them.
  if [ "$user" = ordinary ] && [ "$step" != refusals ]; then
    log=$logs/$release-$user-packages.log
    enter "$root" root "$log" packages || code=$?
    [ "$code" -eq 0 ] || { record "$release" "$user" packages "$code" "$((SECONDS - began))" "$log" && return; }
    log=$logs/$release-$user-$step.log
  fi
  enter "$root" "$user" "$log" "$step" || code=$?
  record "$release" "$user" "$step" "$code" "$((SECONDS - began))" "$log"
}

git_here=(env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory 'GIT_CONFIG_VALUE_0=*' git)

# A function, which bash reads completely before it runs: this file may change in the meantime.
main() {
  [ -z "$("${git_here[@]}" status --porcelain)" ] || echo "test-bare: uncommitted changes are left out."
  "${git_here[@]}" -c advice.detachedHead=false clone --quiet --no-hardlinks . "$folder/kachery"
  echo "test-bare: $("${git_here[@]}" log -1 --format='%h %s'), with $toolchain"

  local release user step root home
  for release in "${releases[@]}"; do
    echo "$release: creating a bare root"
    make_root "$release" "$folder/$release" || {
      record "$release" - root 1 0 "$logs/$release-root.log"
      continue
    }
    for user in "${users[@]}"; do
      root="$folder/$release-$user"
      cp -a "$folder/$release" "$root"
      home=/root
      [ "$user" = root ] || home=/home/$user
      cp -a "$folder/kachery" "$root$home/kachery"
      chroot "$root" chown -R "$user:" "$home/kachery"
      for step in "${steps[@]}"; do run_step "$release" "$user" "$step" "$root"; done
      [ "$keep" = yes ] || rm -rf --one-file-system "$root"
    done
  done

  echo
  printf '%-9s %-9s %-9s %s\n' release user step outcome
  printf '%s\n' "${table[@]}"
  [ "$failed" -eq 0 ] || { echo "test-bare: $failed failed; the complete output is below $logs"; exit 1; }
  exit
}

main
