# shellcheck shell=bash
# Sourced by the demonstrations: nodes in a temporary folder, each with a home, an identity, a storage directory and ports
# of its own, like separate machines. However the script ends, it removes all of this.

build=${KACHERY_BUILD_DIR:-$PWD/.build/release}
start_deadline=20 # seconds

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' green='' red='' plain=''
fi

folder=''
daemons=()

step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '   %s\n' "$1"; }
done_() { printf '   %s✓%s %s\n' "$green" "$plain" "$1"; }
typed() { printf '   %s$ %s%s\n' "$dim" "$1" "$plain"; }

fail() {
  printf '\n%s✗ %s%s\n' "$red" "$1" "$plain" >&2
  if [ -n "${2:-}" ] && [ -s "$2" ]; then
    printf '  The last lines of %s:\n' "$2" >&2
    tail -n 15 "$2" | sed 's/^/    /' >&2
  fi
  exit 1
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  # A daemon stops within three seconds. A hanging one is killed below.
  for _ in $(seq 100); do
    still_running || break
    sleep 0.05
  done
  for pid in "${daemons[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ -z "$folder" ] || rm -rf "$folder"
  exit "$status"
}

still_running() {
  for pid in "${daemons[@]}"; do kill -0 "$pid" 2>/dev/null && return 0; done
  return 1
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Sets chosen_port, below the range from which the system chooses ports.
free_port() {
  local port
  while true; do
    port=$((20500 + RANDOM % 12000))
    if is_free "$port" && [[ " ${taken_ports[*]:-} " != *" $port "* ]]; then break; fi
  done
  taken_ports+=("$port")
  chosen_port=$port
}

# Runs a command as the user of one node in place of this shell, so the command has the process ID that $! reports.
become() {
  local name=$1
  shift
  exec env -i PATH="$folder/bin:$PATH" TERM="${TERM:-dumb}" LANG="${LANG:-C.UTF-8}" HOME="$folder/$name" \
    ${NO_COLOR:+NO_COLOR=1} \
    KACHERY_STORAGE_DIR="$folder/$name/storage" KACHERY_P2P_CONFIG_DIR="$folder/$name/config" \
    KACHERY_P2P_API_PORT="${api_port[$name]}" KACHERY_P2P_API_HOST=127.0.0.1 "$@"
}

# Runs a command as the user of one node.
as() { (become "$@"); }

start() {
  local name=$1
  shift
  free_port
  api_port[$name]=$chosen_port
  mkdir -p "$folder/$name"
  become "$name" kachery-p2p-start-daemon --label "$name" --host 127.0.0.1 --nomulticast --noudp "$@" \
    >"$folder/$name/daemon.log" 2>&1 </dev/null &
  local pid=$!
  daemons+=("$pid")
  local tries=$((start_deadline * 20))
  until curl -s -f -o /dev/null "http://127.0.0.1:${api_port[$name]}/probe"; do
    kill -0 "$pid" 2>/dev/null || fail "The node $name stopped immediately." "$folder/$name/daemon.log"
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "The node $name did not answer within $start_deadline s." "$folder/$name/daemon.log"
    sleep 0.05
  done
}

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }'; }

for program in kachery kacheryd; do
  [ -x "$build/$program" ] || fail "$build/$program does not exist. Run 'make demo', which builds it first."
done

declare -A api_port=()
taken_ports=()
folder=$(mktemp -d "${TMPDIR:-/tmp}/kachery-demo.XXXXXX")
mkdir "$folder/bin"
ln -s "$build/kachery" "$folder/bin/kachery"
ln -s "$build/kacheryd" "$folder/bin/kacheryd"
for name in kachery-store kachery-load kachery-cat kachery-p2p-start-daemon kachery-p2p-node-info; do ln -s kachery "$folder/bin/$name"; done

channel="demo-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"

# Starts nodes of these names on the channel, and a bootstrap node that introduces them.
start_nodes() {
  free_port
  local bootstrap_port=$chosen_port name
  start bootstrap --isbootstrap --port "$bootstrap_port" --channel "$channel"
  for name in "$@"; do
    start "$name" --port 0 --bootstrap "127.0.0.1:$bootstrap_port" --channel "$channel"
  done
}
