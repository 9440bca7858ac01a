#!/usr/bin/env bash
# Tests the packages on bare machines: installs, starts, upgrades, removes and purges them in a minimal root of each Debian
# release, in which systemd runs as it does on a real machine (systemd-nspawn), makes one a bootstrap node, runs the
# tarball where nothing is installed, and builds and installs the conda packages. Needs root, mmdebstrap and
# systemd-container; prometheus, whose promtool checks the alerts of Deploy/transfer-node; and python3-venv.
#
#   Tests/Packages/run.sh [--release bookworm|trixie] [--keep]
#
# It tests what is in .build/packages. If packages of a release are missing or older than their sources, they are built: by
# `make deb` for this machine's release, otherwise in a bare root with this machine's toolchain, which takes minutes.
# Output goes to .build/bare; the roots are below ${TMPDIR:-/var/tmp}, 1 GB each. --keep keeps them.
set -euo pipefail
cd "$(dirname "$0")/../.."

releases=(bookworm trixie)
keep=no

fail() {
  printf 'test-packages: %s\n' "$1" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case "$1" in
    --release)
      case "${2:-}" in
        12 | bookworm) releases=(bookworm) ;;
        13 | trixie) releases=(trixie) ;;
        *) fail "'${2:-}' is not a release; use bookworm or trixie." ;;
      esac
      shift
      ;;
    --keep) keep=yes ;;
    *) fail "unknown option '$1'; see the head of Tests/Packages/run.sh." ;;
  esac
  shift
done

[ "$(id -u)" -eq 0 ] || fail "creating the root of a system needs root."
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing; run: apt-get install mmdebstrap"
command -v promtool >/dev/null || fail "promtool is missing; run: apt-get install prometheus"
command -v systemd-nspawn >/dev/null || fail "systemd-nspawn is missing; run: apt-get install systemd-container"

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/kachery-packages.XXXXXX")
unset TMPDIR # the roots do not contain that folder
packages=$PWD/.build/packages
logs=$PWD/.build/bare
minutes=20
running=''
mkdir -p "$packages" "$logs"

# shellcheck disable=SC2317 # the trap calls it
finish() {
  local status=$?
  trap - EXIT INT TERM
  [ -z "$running" ] || { kill "$running" 2>/dev/null && wait "$running" 2>/dev/null; } || true
  if [ "$keep" = yes ]; then echo "test-packages: the roots are kept in $folder"; else rm -rf --one-file-system "$folder"; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck source=Tests/Bare/roots.sh
. Tests/Bare/roots.sh

version=$(Deploy/version.sh)
# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

# Sets suffix to the end of the packages' versions for a release.
choose_suffix() {
  case "$1" in bookworm) suffix=+deb12 ;; trixie) suffix=+deb13 ;; esac
}

# Succeeds if there is such a file, and it is newer than what packages are made from.
is_current() {
  local file
  file=$(compgen -G "$packages/$1") \
    && [ -z "$(find Package.swift Makefile Sources CShims Deploy Python/src -newer "$file" -type f -not -name '*.pyc' -print -quit)" ]
}

# Builds the packages of a release, unless they are there.
build() {
  local release=$1 suffix
  choose_suffix "$release"
  ! is_current "kachery_$version-1${suffix}_*.deb" || return 0
  echo "test-packages: building the packages of $release"
  if [ "$release" = "$here" ]; then
    make --no-print-directory deb >"$logs/$release-deb.log" 2>&1 || { tail -n 20 "$logs/$release-deb.log"; return 1; }
  else
    Tests/Bare/run.sh --release "$release" --user root --steps deb
  fi
}

# Puts a newer revision of a package, which is otherwise the same, into a folder: newer PACKAGE FOLDER
newer() {
  local unpacked=$folder/unpacked
  dpkg-deb -R "$1" "$unpacked"
  sed -i "s/^Version: $version-1/Version: $version-2/" "$unpacked/DEBIAN/control"
  dpkg-deb -Znone --root-owner-group -b "$unpacked" "$2" >/dev/null
  rm -r "$unpacked"
}

# Prints what apt would install from Debian for the packages in /opt of a root.
dependencies() {
  chroot "$1" sh -c 'apt-get --simulate --quiet=2 install --no-install-recommends /opt/*.deb systemd-sysv' \
    | sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -vx -e kachery -e python3-kachery-p2p
}

# Boots systemd in a root without a network, which runs a script as a service and then ends: boot ROOT LOG SCRIPT
boot() {
  local root=$1 log=$2
  cp "Tests/Packages/$3" "$root/opt/steps.sh"
  cat >"$root/etc/systemd/system/steps.service" <<'END'
[Unit]
After=basic.target network.target
SuccessAction=exit-force
FailureAction=exit-force

[Service]
Type=oneshot
Environment=DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 HOME=/root
ExecStart=/bin/bash /opt/steps.sh
StandardOutput=file:/opt/log
StandardError=inherit
TimeoutStartSec=600
END
  ln -sf ../steps.service "$root/etc/systemd/system/multi-user.target.wants/steps.service"
  rm -f "$root/opt/log" "$root/opt/passed"
  local code=0
  logged "$log" systemd-nspawn --quiet --directory "$root" --boot --private-network --register=no --keep-unit \
    --console=pipe --link-journal=no || code=$?
  cat "$root/opt/log" >>"$log" || return 1
  [ "$code" -eq 0 ] && [ -e "$root/opt/passed" ]
}

failed=0
table=()

# record RELEASE WHAT CODE SECONDS LOG
record() {
  local outcome=passed
  [ "$3" -eq 0 ] || { outcome=FAILED && failed=$((failed + 1)); }
  table+=("$(printf '%-9s %-9s %-7s %5d s' "$1" "$2" "$outcome" "$4")")
  printf '%s\n' "${table[-1]}"
  [ "$3" -eq 0 ] || { echo "  The last lines of $5:" && tail -n 40 "$5" | sed 's/^/    /'; }
}

# Installs, upgrades, removes and purges the packages.
test_deb() {
  local release=$1 root=$folder/$1 log=$logs/$1-packages.log suffix began=$SECONDS code=0 needed
  choose_suffix "$release"
  mkdir -p "$root/opt/new"
  cp "$packages/"*"_$version-1${suffix}_"*.deb "$root/opt"
  newer "$root/opt/kachery_$version-1${suffix}_"*.deb "$root/opt/new"
  chroot "$root" apt-get --quiet=2 update >"$log" 2>&1 || code=$?
  # What apt would fetch for the packages is there already, since they are installed where there is no network.
  mapfile -t needed < <(dependencies "$root" 2>>"$log")
  { chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${needed[@]}" \
    >>"$log" 2>&1 && cp -a "$root" "$root-bootstrap" && boot "$root" "$log" steps.sh; } || code=$?
  record "$release" packages "$code" "$((SECONDS - began))" "$log"
  sed -n 's/^MEASURED /  /p' "$log"
}

# Makes a host a bootstrap node with the user data of Deploy/bootstrap-node, in a root that test_deb has left.
test_bootstrap_node() {
  local release=$1 root=$folder/$1-bootstrap log=$logs/$1-bootstrap.log suffix began=$SECONDS code=0 package
  choose_suffix "$release"
  package=$(basename "$(compgen -G "$packages/kachery_$version-1${suffix}_*.deb")")
  Deploy/bootstrap-node/cloud-init.sh --package "/opt/$package" \
    --sha256 "$(sha256sum "$packages/$package" | cut -d ' ' -f 1)" --channel our-lab-x7k2 --label meeting-point \
    --also-443 --behind-web-server --firewall >"$root/opt/user-data"
  { chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends iproute2 nftables \
    >"$log" 2>&1 && boot "$root" "$log" bootstrap-steps.sh; } || code=$?
  record "$release" bootstrap "$code" "$((SECONDS - began))" "$log"
}

# Runs the tarball where nothing of what it needs is installed.
test_tarball() {
  local release=$1 root=$folder/$1-tarball log=$logs/$1-tarball.log began=$SECONDS code=0
  cp "$packages/kachery-$version-linux-"*.tar.gz "$root/opt"
  cp Tests/Packages/tarball-steps.sh "$root/opt"
  logged "$log" systemd-nspawn --quiet --directory "$root" --private-network --register=no --keep-unit --pipe \
    /bin/bash /opt/tarball-steps.sh || code=$?
  record "$release" tarball "$code" "$((SECONDS - began))" "$log"
}

# Checks the settings of Prometheus, and what the alerts do with given metrics.
test_alerts() {
  local log=$logs/alerts.log code=0
  (cd Deploy/transfer-node && promtool check config --syntax-only prometheus.yml && promtool check rules kachery-alerts.yml \
    && promtool test rules alerts-test.yml) >"$log" 2>&1 || code=$?
  record any alerts "$code" 0 "$log"
}

# Builds the conda packages from the tarball, installs and uses them, with tools from PyPI.
test_conda() {
  local log=$logs/conda.log code=0 began=$SECONDS
  { python3 -m venv "$folder/conda-tools" \
    && "$folder/conda-tools/bin/python" -m pip install --quiet --disable-pip-version-check \
      -r Python/requirements-conda.txt; } >"$log" 2>&1 || code=$?
  [ "$code" -ne 0 ] || logged "$log" "$folder/conda-tools/bin/python" Tests/Packages/conda.py "$folder/conda" || code=$?
  record any conda "$code" "$((SECONDS - began))" "$log"
}

main() {
  local release
  test_alerts
  for release in "${releases[@]}"; do build "$release" || fail "the packages of $release could not be built."; done
  is_current "kachery-$version-linux-*.tar.gz" || make --no-print-directory tarball >"$logs/tarball.log" 2>&1 \
    || { tail -n 20 "$logs/tarball.log"; fail "the tarball could not be built."; }
  test_conda
  for release in "${releases[@]}"; do
    echo "$release: creating a bare root"
    make_root "$release" "$folder/$release" ca-certificates || {
      record "$release" root 1 0 "$logs/$release-root.log"
      continue
    }
    cp -a "$folder/$release" "$folder/$release-tarball"
    test_deb "$release"
    test_bootstrap_node "$release"
    [ "$keep" = yes ] || rm -rf --one-file-system "${folder:?}/$release" "${folder:?}/$release-bootstrap"
    if [ "$here" = trixie ] && [ "$release" = bookworm ]; then
      echo "bookworm: the tarball is not tested, because it needs the newer glibc of trixie, where it was built"
    else
      test_tarball "$release"
    fi
  done
  echo
  printf '%s\n' "${table[@]}"
  [ "$failed" -eq 0 ] || { echo "test-packages: $failed failed; the complete output is below $logs"; exit 1; }
  exit
}

main
