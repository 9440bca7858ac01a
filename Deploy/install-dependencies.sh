#!/usr/bin/env bash
# Installs what kachery is built from: Debian packages, by name. Does nothing when all are there.
#
#   Deploy/install-dependencies.sh            what building and testing need
#   Deploy/install-dependencies.sh --bench    also what the benchmarks compare with
#   Deploy/install-dependencies.sh --list     prints the names and changes nothing
#
# Runs as root, or through sudo where it is not.
set -euo pipefail

# Each library's reason stands in docs/dependencies.md.
packages=(
  pkg-config              # the package manifest finds the libraries with it
  libuv1-dev              # event loop
  libssl-dev              # TLS 1.3, Ed25519, digests
  libsqlite3-dev          # mutables and feeds
  libmicrohttpd-dev       # the local HTTP server
  libcurl4-openssl-dev    # fetching channel configurations
  libyaml-dev             # reading them
  python3 python3-venv    # the Python package and its tests
  curl openssl procps     # the demonstration and the tests look from outside
  systemd                 # systemd-analyze checks the service units
  util-linux              # setpriv and unshare: tests act as other users, and fill a small disk
)
# nginx and Redis start servers where they are installed, so only who runs the benchmarks gets it.
bench_packages=(nginx-light rsync redis-server)

fail() {
  printf 'install-dependencies: %s\n' "$1" >&2
  exit 1
}

case "${1:-}" in
  '') ;;
  --bench) packages+=("${bench_packages[@]}") ;;
  --list)
    printf '%s\n' "${packages[@]}" "${bench_packages[@]}"
    exit 0
    ;;
  *) fail "unknown option '$1'; use --bench, --list, or nothing." ;;
esac

is_installed() {
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# A python3, curl or openssl from elsewhere (pyenv, a container image) serves as well as Debian's own.
is_provided() {
  case "$1" in
    python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
    systemd) command -v systemd-analyze >/dev/null ;;
    util-linux) command -v setpriv >/dev/null && command -v unshare >/dev/null ;;
    python3 | curl | openssl | rsync) command -v "$1" >/dev/null ;;
    redis-server) command -v redis-server >/dev/null ;;
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    *) return 1 ;;
  esac
}

check_swift() {
  command -v swift >/dev/null || fail "there is no 'swift' on the PATH. Install the Swift 6.2 toolchain or a later one \
(https://www.swift.org/install/linux/), open a new shell, and run this again."
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
  read -r major minor <<<"${version:-0 0}"
  if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    fail "this is Swift $major.$minor, and kachery needs 6.2 or later (https://www.swift.org/install/linux/)."
  fi
}

command -v dpkg-query >/dev/null || fail "this is no Debian system (there is no dpkg). Install by hand what \
'Deploy/install-dependencies.sh --list' names, under the names your system gives it, then run 'make build'."

check_swift

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || is_provided "$package" || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo 'Dependencies: all there.'
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "these packages are missing: ${missing[*]}. Install them as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi

echo "Dependencies: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq || fail "'apt-get update' failed. Check the network and /etc/apt/sources.list."
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
  || fail "apt-get could not install: ${missing[*]}. The reason stands above."
echo 'Dependencies: installed.'
