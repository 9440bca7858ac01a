#!/usr/bin/env bash
# Minimal roots of Debian's releases, for the scripts that test on them and source this. They set `folder` (temporary),
# `logs`, `minutes` and `running` (the process to end if the script is interrupted).
# shellcheck disable=SC2154

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

# Creates the bare root of a release, with a few packages: make_root RELEASE ROOT PACKAGE…
make_root() {
  local release=$1 root=$2 mirrors=()
  shift 2
  mapfile -t mirrors < <(sources "$release")
  apt_settings >"$folder/apt.conf"
  [ "${#mirrors[@]}" -eq 0 ] || printf '%s\n' "${mirrors[@]}" >"$folder/sources.list"
  # These roots need not survive a power cut.
  local options=(--variant=minbase --dpkgopt=force-unsafe-io "${@/#/--include=}")
  [ ! -s "$folder/apt.conf" ] || options+=(--aptopt="$folder/apt.conf")
  # Without a list of mirrors, mmdebstrap uses Debian's.
  logged "$logs/$release-root.log" mmdebstrap "${options[@]}" "$release" "$root" \
    ${mirrors[@]:+"$folder/sources.list"} || return 1
  # The certificates that this machine trusts, and the settings of its pip.
  cp /etc/resolv.conf "$root/etc/resolv.conf" || return 1
  # As Debian's installer writes it.
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts" || return 1
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1 || return 1
  fi
  [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
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
