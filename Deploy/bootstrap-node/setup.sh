#!/usr/bin/env bash
# Makes a fresh Debian 12 or 13 host a bootstrap node, as root. Running it again applies other settings.
#
#   setup.sh --package FILE-OR-URL [--sha256 HEX] [--channel NAME-OR-URL]… [--label NAME] [--port N]
#            [--also-443] [--behind-web-server] [--firewall]
#
# --package            the Debian package of kachery for this release (make deb); an address needs --sha256 as well
# --channel            a channel whose members meet here; can be repeated. Members of other channels may meet here too
# --label              the name that others see (the host's name)
# --port               TCP and UDP for links between nodes (14507)
# --also-443           listen on TCP port 443 as well, for members whose networks allow nothing else
# --behind-web-server  accept WebSockets at TCP port 14508, from a web server of this host (nginx.conf, Caddyfile)
# --firewall           let in nothing but SSH, ping and these ports, by nftables; replaces /etc/nftables.conf
set -euo pipefail

fail() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

package='' sha256='' label='' port=14507 also_443=no web_server=no firewall=no channels=()
while [ $# -gt 0 ]; do
  case "$1" in
    --package | --sha256 | --channel | --label | --port)
      [ -n "${2:-}" ] || fail "$1 needs a value."
      # systemd splits the options at blanks, and takes quotes and % as its own.
      [[ ! "$2" =~ [[:space:]\"\'\\%$] ]] || fail "$1 must not contain blanks, quotes, backslashes, % or \$."
      case "$1" in
        --package) package=$2 ;;
        --sha256) sha256=$2 ;;
        --channel) channels+=("$2") ;;
        --label) label=$2 ;;
        --port) port=$2 ;;
      esac
      shift
      ;;
    --also-443) also_443=yes ;;
    --behind-web-server) web_server=yes ;;
    --firewall) firewall=yes ;;
    *) fail "unknown option '$1'; the head of this file lists them." ;;
  esac
  shift
done
[ "$(id -u)" -eq 0 ] || fail "run this as root."
[ -n "$package" ] || fail "name the Debian package with --package."
if [[ ! "$port" =~ ^[1-9][0-9]{0,4}$ ]] || [ "$port" -gt 65535 ]; then fail "'$port' is not a port."; fi
export DEBIAN_FRONTEND=noninteractive

install_package() {
  local file=$package
  if [[ "$package" == http://* || "$package" == https://* ]]; then
    [ -n "$sha256" ] || fail "a package that is downloaded needs --sha256, so that nobody can replace it on the way."
    file=$(mktemp --suffix=.deb)
    chmod 644 "$file"
    command -v curl >/dev/null || { apt-get -qq update && apt-get -qq install --no-install-recommends curl ca-certificates; }
    curl --fail --silent --show-error --location --retry 5 --output "$file" "$package"
  fi
  [ -z "$sha256" ] || sha256sum --check --status <<<"$sha256  $file" || fail "the package has another SHA-256."
  # The node for users, which the package would enable and start, is not needed here.
  mkdir -p /etc/systemd/system-preset
  echo 'disable kachery.service' >/etc/systemd/system-preset/50-kachery-bootstrap.preset
  apt-get -qq update || echo "setup: the lists of packages could not be fetched; older ones are used." >&2
  apt-get -qq --yes --no-install-recommends install "$(realpath "$file")"
}

write_settings() {
  local options=(--port "$port") channel
  [ -z "$label" ] || options+=(--label "$label")
  for channel in ${channels[@]+"${channels[@]}"}; do options+=(--channel "$channel"); done
  [ "$also_443" = no ] || options+=(--also-listen 443)
  [ "$web_server" = no ] || options+=(--websocket-port 14508)
  # The name of a channel is a secret. systemd reads this file as root.
  chmod 600 /etc/default/kachery-bootstrap
  printf 'KACHERY_OPTIONS=%s\n' "${options[*]}" >/etc/default/kachery-bootstrap

  local changes=/etc/systemd/system/kachery-bootstrap.service.d/port-443.conf
  rm -f "$changes"
  if [ "$also_443" = yes ]; then
    mkdir -p "$(dirname "$changes")"
    printf '[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n' >"$changes"
  fi
}

open_ports() {
  local tcp=("$port")
  [ "$also_443" = no ] || tcp+=(443)
  [ "$web_server" = no ] || tcp+=(80 443)
  if [ "$firewall" = yes ]; then
    command -v nft >/dev/null || apt-get -qq --yes --no-install-recommends install nftables
    # The port of the connection that this script may run in, besides the one that SSH has by default.
    local ssh=22
    [ -z "${SSH_CONNECTION:-}" ] || ssh="22, ${SSH_CONNECTION##* }"
    cat >/etc/nftables.conf <<END
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    ct state invalid drop
    meta l4proto { 1, 58 } accept comment "ICMP, ICMPv6: a bare system does not know their names"
    udp dport 546 accept comment "DHCPv6"
    tcp dport { $ssh } accept
    tcp dport { $(printf '%s, ' "${tcp[@]}" | sed 's/, $//') } accept comment "kachery: links by TLS"
    udp dport $port accept comment "kachery: links by QUIC, and how members look from outside"
  }
}
END
    nft --file /etc/nftables.conf
    systemctl --quiet enable nftables
    return
  fi
  # A firewall that is there already.
  local number
  for number in "${tcp[@]}"; do
    ! ufw status 2>/dev/null | grep -q '^Status: active' || ufw allow "$number/tcp"
    ! firewall-cmd --state 2>/dev/null | grep -q running || firewall-cmd --quiet --permanent --add-port "$number/tcp"
  done
  ! ufw status 2>/dev/null | grep -q '^Status: active' || ufw allow "$port/udp"
  if firewall-cmd --state 2>/dev/null | grep -q running; then
    firewall-cmd --quiet --permanent --add-port "$port/udp"
    firewall-cmd --quiet --reload
  fi
}

# Fails unless the node answers its API, and accepts connections at each of its ports.
check_health() {
  local deadline=$((SECONDS + 30)) number ports=("$port")
  [ "$also_443" = no ] || ports+=(443)
  [ "$web_server" = no ] || ports+=(14508)
  export KACHERY_STORAGE_DIR=/var/lib/kachery-bootstrap/storage
  until kachery daemon status >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { journalctl --no-pager --lines 20 -u kachery-bootstrap >&2; fail "the node does not start."; }
    sleep 0.2
  done
  for number in "${ports[@]}"; do
    (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null || fail "the node does not listen on TCP port $number."
  done
  # Without the address of the status page, which contains a token and would stay in the logs of the first start.
  kachery daemon status | grep -v token=
}

install_package
write_settings
open_ports
systemctl daemon-reload
systemctl --quiet enable kachery-bootstrap
systemctl restart kachery-bootstrap
check_health
cat <<END
This is a bootstrap node now. Members start their nodes with

    --bootstrap $(hostname --fqdn 2>/dev/null || hostname):$port

or with the address of this host instead of its name. If the provider of the host has a firewall of its own, open there
TCP port $port$([ "$also_443" = no ] || echo ', TCP port 443') and UDP port $port.
END
