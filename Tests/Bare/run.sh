#!/usr/bin/env bash
# Tests kachery on bare machines: in a fresh minimal root of each Debian release, as root and as an ordinary user. The roots
# contain only git, make, ca-certificates, python3 and the Swift toolchain of this machine. Needs root and mmdebstrap.
#
#   Tests/Bare/run.sh [--release bookworm|trixie] [--user root|ordinary] [--steps STEP,STEP…] [--minutes N] [--keep]
#
# Steps, in this order: refusals (messages about missing packages), lint, demo, install (and uninstall), test. By default
# all of them run for both users on both releases. A further step, deb, builds the Debian packages of the release, as root,
# and puts them into .build/packages. --minutes limits the time of each step (90). --keep keeps the roots.
# Output goes to .build/bare; the roots are below ${TMPDIR:-/var/tmp}, up to 6 GB each, one at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."

releases=(bookworm trixie)
users=(root ordinary)
steps=(refusals lint demo install test)
minutes=90
keep=no
all_steps=" ${steps[*]} deb "

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

# shellcheck source=Tests/Bare/roots.sh
. Tests/Bare/roots.sh

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
    { make_root "$release" "$folder/$release" git make ca-certificates python3 \
      && mkdir -p "$folder/$release/opt/swift" \
      && chroot "$folder/$release" useradd --create-home --shell /bin/bash ordinary; } || {
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
      if [[ " ${steps[*]} " == *" deb "* ]]; then
        mkdir -p .build/packages
        cp "$root$home/kachery/.build/packages/"*.deb .build/packages/ || failed=$((failed + 1))
      fi
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
