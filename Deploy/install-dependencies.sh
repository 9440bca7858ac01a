#!/usr/bin/env bash
# Installs the Debian packages that kachery needs. Does nothing if all of them are installed.
#
#   Deploy/install-dependencies.sh            for building and testing
#   Deploy/install-dependencies.sh --build    only for building
#   Deploy/install-dependencies.sh --demo     for building and the demonstrations
#   Deploy/install-dependencies.sh --lint     only for checking the sources
#   Deploy/install-dependencies.sh --package  for building, and for the packages of kachery
#   Deploy/install-dependencies.sh --lines    for building and testing, with the tests over emulated lines
#   Deploy/install-dependencies.sh --bench    everything, including the programs that the benchmarks compare with
#   Deploy/install-dependencies.sh --list     prints the names and changes nothing
#
# An ordinary user needs sudo. The Swift toolchain is not a Debian package and must already be on the PATH.
set -euo pipefail

# Names that differ between releases. Other releases get their default compiler, which includes its C++ library.
# shellcheck source=/dev/null
codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || codename=''
case "$codename" in
  bookworm) cxx_library=libstdc++-12-dev ;; # Debian 12
  trixie) cxx_library=libstdc++-14-dev ;;   # Debian 13
  *) cxx_library=g++ ;;
esac

# Without these the toolchain does not start or cannot link.
swift_packages=(libncurses6 libxml2 libsqlite3-0 binutils "$cxx_library")
# docs/dependencies.md gives the reason for each library.
library_packages=(
  pkg-config              # finds the libraries for the package manifest
  libuv1-dev              # event loop
  libssl-dev              # TLS 1.3, Ed25519, digests
  libsqlite3-dev          # mutables and feeds
  libmicrohttpd-dev       # the local HTTP server
  libcurl4-openssl-dev    # fetching channel documents; the toolchain also uses the library
  libyaml-dev             # reading channel documents
  libwslay-dev            # WebSockets
  libnatpmp-dev           # asking routers to map a port, by NAT-PMP
  libminiupnpc-dev        # the same by UPnP
  libngtcp2-dev libngtcp2-crypto-gnutls-dev libgnutls28-dev  # QUIC
)
# The demonstrations check their results with these.
demo_packages=(curl openssl)
# ruff and mypy come from PyPI, into a virtual environment.
lint_packages=(python3 python3-venv shellcheck)
test_packages=(
  "${lint_packages[@]}"   # the tests begin with the checks, and the Python package has tests of its own
  procps                  # tests inspect processes
  systemd                 # systemd-analyze checks the service units
  chromium chromium-driver  # the page of the daemon is tested in a browser
  util-linux mount        # setpriv and unshare: tests run as other users, and fill a small disk
)
package_packages=(
  debhelper dh-python     # the Debian packages
  python3 python3-build python3-wheel python3-setuptools  # the Python packages in them, without PyPI
  patchelf                # the tarball's programs find the libraries beside them
)
# Installing nginx, Prometheus and Redis starts servers, so only the benchmarks and the tests over lines ask for them.
line_packages=(
  iproute2 nftables       # emulated lines, and a router between them
  miniupnpd-nftables      # a router that maps ports
  nginx-light caddy       # web servers in front of a node
  prometheus              # scrapes a node
)
bench_packages=(
  "${line_packages[@]}"
  rsync redis-server
  iperf3                  # checks emulated lines
  ngtcp2-client           # measured beside kachery's links by QUIC
  ngtcp2-server           # likewise
  aria2                   # downloads over several connections
)

fail() {
  printf 'install-dependencies: %s\n' "$1" >&2
  exit 1
}

packages=("${swift_packages[@]}" "${library_packages[@]}")
case "${1:-}" in
  --build) ;;
  --demo) packages+=("${demo_packages[@]}") ;;
  --package) packages+=("${package_packages[@]}") ;;
  --lint) packages=("${swift_packages[@]}" "${lint_packages[@]}") ;;
  '') packages+=("${demo_packages[@]}" "${test_packages[@]}") ;;
  --lines) packages+=("${demo_packages[@]}" "${test_packages[@]}" "${line_packages[@]}") ;;
  --bench) packages+=("${demo_packages[@]}" "${test_packages[@]}" "${bench_packages[@]}") ;;
  --list) packages+=("${demo_packages[@]}" "${test_packages[@]}" "${package_packages[@]}" "${bench_packages[@]}") ;;
  *) fail "unknown option '$1'; use --build, --demo, --package, --lint, --lines, --bench, --list, or nothing." ;;
esac
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

is_installed() {
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A python3, curl or openssl from another source (pyenv, a container image) works as well as Debian's.
is_provided() {
  case "$1" in
    libstdc++-*-dev | g++) compgen -G '/usr/lib/gcc/*/*/libstdc++.so' >/dev/null ;;
    python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    systemd) command -v systemd-analyze >/dev/null ;;
    util-linux) command -v setpriv >/dev/null && command -v unshare >/dev/null ;;
    python3 | curl | openssl | rsync | mount | shellcheck | redis-server | iperf3) command -v "$1" >/dev/null ;;
    caddy) command -v caddy >/dev/null ;;
    aria2) command -v aria2c >/dev/null ;;
    iproute2) command -v ip >/dev/null || [ -x /usr/sbin/ip ] ;;
    miniupnpd-nftables) command -v miniupnpd >/dev/null || [ -x /usr/sbin/miniupnpd ] ;;
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    *) return 1 ;;
  esac
}

# Prints the shared libraries that the toolchain's programs cannot find, in one line.
missing_libraries() {
  local folder program
  folder=$(dirname "$(readlink -f "$(command -v swift)")")
  for program in swift-driver swift-frontend swift-package clang lld; do
    # A toolchain that was installed by swiftly has none of these in this folder.
    { ldd "$folder/$program" 2>/dev/null || true; } | sed -n 's/^\t*\([^ ]*\) => not found$/\1/p'
  done | sort -u | paste -sd ' '
}

# Sets swift_output to the output of `swift --version`. Fails if that contains no version.
ask_swift() {
  swift_output=$(swift --version 2>&1) || return 1
  swift_version=$(sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' <<<"$swift_output" | head -n 1)
  [ -n "$swift_version" ]
}

check_version() {
  local major minor
  read -r major minor <<<"$swift_version"
  if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    fail "this is Swift $major.$minor ($(command -v swift)), but kachery needs 6.2 or later \
(https://www.swift.org/install/linux/)."
  fi
}

# Prints why the toolchain does not start.
report_swift_failure() {
  local libraries
  printf "install-dependencies: '%s' does not start. Its output:\n" "$(command -v swift)" >&2
  printf '%s\n' "${swift_output:-(none)}" | head -n 10 | sed 's/^/    /' >&2
  libraries=$(missing_libraries)
  [ -z "$libraries" ] || printf '  Missing shared libraries: %s\n' "$libraries" >&2
}

# Prints what an administrator has to do, and fails.
may_not_install() {
  [ "$swift_starts" = yes ] || report_swift_failure
  fail "these packages are missing: ${missing[*]}
  $1 As root, run:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
}

# Runs apt-get as root. Its own failures have the exit code 100; any other code means that sudo did not run it.
run_apt() {
  local code=0
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@" || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 100 ] && [ "${#as_root[@]}" -gt 0 ]; then
    may_not_install "sudo did not allow you to install them; its message is above."
  fi
  return "$code"
}

if ! command -v swift >/dev/null; then
  [ -z "${SUDO_USER:-}" ] || fail "there is no 'swift' on the PATH that sudo sets for root, which is not yours. Run this \
as $SUDO_USER, without sudo; missing packages are installed through sudo."
  fail "there is no 'swift' on the PATH. Unpack the Swift 6.2 toolchain or a later one \
(https://www.swift.org/install/linux/), put its usr/bin on the PATH, and run this again."
fi

swift_starts=no
if ask_swift; then
  swift_starts=yes
  check_version
fi

if ! command -v dpkg-query >/dev/null; then
  [ "$swift_starts" = yes ] || { report_swift_failure; exit 1; }
  echo "Dependencies: not checked, because this is not a Debian system (there is no dpkg). Debian's names for them:" >&2
  echo "  ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || is_provided "$package" || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || may_not_install "You are not root, and there is no sudo."
    as_root=(sudo)
  fi
  echo "Dependencies: installing ${missing[*]}"
  # If a list cannot be fetched, apt-get reports that and succeeds with the older list, so its output is shown.
  run_apt update -qq || fail "'apt-get update' failed; its output is above."
  run_apt install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
    || fail "apt-get could not install: ${missing[*]}
  Its output is above. If it does not know a package, the lists of /etc/apt could not be fetched or do not contain it."
fi

if [ "$swift_starts" = no ]; then
  ask_swift || { report_swift_failure; exit 1; }
  check_version
fi
if [ "${#missing[@]}" -eq 0 ]; then echo 'Dependencies: all installed already.'; else echo 'Dependencies: installed.'; fi
