#!/usr/bin/env bash
# Installs what kachery is built from: Debian packages, by name. Does nothing when all are there.
#
#   Deploy/install-dependencies.sh            what building and testing need
#   Deploy/install-dependencies.sh --build    only what building needs
#   Deploy/install-dependencies.sh --demo     what building and the demonstrations need
#   Deploy/install-dependencies.sh --bench    everything, with what the benchmarks compare with
#   Deploy/install-dependencies.sh --list     prints the names and changes nothing
#
# Runs as root, or through sudo where it is not. The Swift toolchain itself is no Debian package, and has to be there.
set -euo pipefail

# What differs between releases. An unknown one gets its own default compiler, which brings its C++ library along.
# shellcheck source=/dev/null
codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || codename=''
case "$codename" in
  bookworm) cxx_library=libstdc++-12-dev ;; # Debian 12
  trixie) cxx_library=libstdc++-14-dev ;;   # Debian 13
  *) cxx_library=g++ ;;
esac

# Without these the toolchain does not start, or compiles and does not link.
swift_packages=(libncurses6 libxml2 libsqlite3-0 binutils "$cxx_library")
# Each library's reason stands in docs/dependencies.md.
library_packages=(
  pkg-config              # the package manifest finds the libraries with it
  libuv1-dev              # event loop
  libssl-dev              # TLS 1.3, Ed25519, digests
  libsqlite3-dev          # mutables and feeds
  libmicrohttpd-dev       # the local HTTP server
  libcurl4-openssl-dev    # fetching channel configurations; the toolchain uses the library as well
  libyaml-dev             # reading them
)
# The demonstrations look from outside.
demo_packages=(curl openssl)
test_packages=(
  python3 python3-venv    # the Python package and its tests
  procps                  # the tests look from outside
  systemd                 # systemd-analyze checks the service units
  util-linux mount        # setpriv and unshare: tests act as other users, and fill a small disk
)
# nginx and Redis start servers where they are installed, so only the benchmarks ask for them.
bench_packages=(nginx-light rsync redis-server)

fail() {
  printf 'install-dependencies: %s\n' "$1" >&2
  exit 1
}

packages=("${swift_packages[@]}" "${library_packages[@]}")
case "${1:-}" in
  --build) ;;
  --demo) packages+=("${demo_packages[@]}") ;;
  '') packages+=("${demo_packages[@]}" "${test_packages[@]}") ;;
  --bench | --list) packages+=("${demo_packages[@]}" "${test_packages[@]}" "${bench_packages[@]}") ;;
  *) fail "unknown option '$1'; use --build, --demo, --bench, --list, or nothing." ;;
esac
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

is_installed() {
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A python3, curl or openssl from elsewhere (pyenv, a container image) serves as well as Debian's own.
is_provided() {
  case "$1" in
    libstdc++-*-dev | g++) compgen -G '/usr/lib/gcc/*/*/libstdc++.so' >/dev/null ;;
    python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    systemd) command -v systemd-analyze >/dev/null ;;
    util-linux) command -v setpriv >/dev/null && command -v unshare >/dev/null ;;
    python3 | curl | openssl | rsync | mount) command -v "$1" >/dev/null ;;
    redis-server) command -v redis-server >/dev/null ;;
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    *) return 1 ;;
  esac
}

# The shared libraries that the toolchain's programs do not find, in one line.
missing_libraries() {
  local folder program
  folder=$(dirname "$(readlink -f "$(command -v swift)")")
  for program in swift-driver swift-frontend swift-package clang lld; do
    # A toolchain that is put in place by a program of its own (swiftly) has none of these beside it.
    { ldd "$folder/$program" 2>/dev/null || true; } | sed -n 's/^\t*\([^ ]*\) => not found$/\1/p'
  done | sort -u | paste -sd ' '
}

# Sets swift_words to what the toolchain says of itself; fails when that is no version.
ask_swift() {
  swift_words=$(swift --version 2>&1) || return 1
  swift_version=$(sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' <<<"$swift_words" | head -n 1)
  [ -n "$swift_version" ]
}

check_version() {
  local major minor
  read -r major minor <<<"$swift_version"
  if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    fail "this is Swift $major.$minor ($(command -v swift)), and kachery needs 6.2 or later \
(https://www.swift.org/install/linux/)."
  fi
}

# Prints why the toolchain does not start, in its own words.
say_why_swift_does_not_start() {
  local libraries
  printf "install-dependencies: '%s' does not start. Its own words:\n" "$(command -v swift)" >&2
  printf '%s\n' "${swift_words:-(none)}" | head -n 10 | sed 's/^/    /' >&2
  libraries=$(missing_libraries)
  [ -z "$libraries" ] || printf '  Shared libraries that it does not find: %s\n' "$libraries" >&2
}

# Says what an administrator has to do, and ends.
may_not_install() {
  [ "$swift_starts" = yes ] || say_why_swift_does_not_start
  fail "these packages are missing: ${missing[*]}
  $1 As root, type:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
}

# Runs apt-get as root. Its own failures have the code 100; with any other, sudo did not let it run.
run_apt() {
  local code=0
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@" || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 100 ] && [ "${#as_root[@]}" -gt 0 ]; then
    may_not_install "sudo did not let you install them; its reason stands above."
  fi
  return "$code"
}

if ! command -v swift >/dev/null; then
  [ -z "${SUDO_USER:-}" ] || fail "there is no 'swift' on root's PATH, which is not yours: sudo has its own. Type this \
as $SUDO_USER, without sudo; what is missing is installed through sudo by itself."
  fail "there is no 'swift' on the PATH. Unpack the Swift 6.2 toolchain or a later one \
(https://www.swift.org/install/linux/), put its usr/bin on the PATH, and type this again."
fi

swift_starts=no
if ask_swift; then
  swift_starts=yes
  check_version
fi

if ! command -v dpkg-query >/dev/null; then
  [ "$swift_starts" = yes ] || { say_why_swift_does_not_start; exit 1; }
  echo "Dependencies: not checked, for this is no Debian system (there is no dpkg). By Debian's names they are:" >&2
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
    command -v sudo >/dev/null || may_not_install "You are not root here, and there is no sudo."
    as_root=(sudo)
  fi
  echo "Dependencies: installing ${missing[*]}"
  # apt-get says what it could not fetch and goes on with older lists, so its success alone says little.
  run_apt update -qq || fail "'apt-get update' failed; its own words stand above."
  run_apt install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
    || fail "apt-get could not install: ${missing[*]}
  Its own words stand above. Where it does not know a package, the lists of /etc/apt could not be fetched or lack it."
fi

if [ "$swift_starts" = no ]; then
  ask_swift || { say_why_swift_does_not_start; exit 1; }
  check_version
fi
if [ "${#missing[@]}" -eq 0 ]; then echo 'Dependencies: all there.'; else echo 'Dependencies: installed.'; fi
