#!/usr/bin/env bash
# `make demo`: a real file travels between two nodes on this machine, and nothing stays behind.
#
# Three daemons start in a temporary folder, each with a home, an identity, a storage directory and ports of its own:
# exactly what three machines would have. DEMO_MB sets the size of the file.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${KACHERY_BUILD_DIR:-$PWD/.build/release}
size_mb=${DEMO_MB:-200}
start_deadline=20 # seconds
load_deadline=120

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
  # A daemon stops within three seconds; one that hangs must not outlive its demonstration.
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

# Below the ports that the system hands out by itself.
free_port() {
  local port
  while true; do
    port=$((20500 + RANDOM % 12000))
    if is_free "$port" && [[ " ${taken_ports[*]:-} " != *" $port "* ]]; then break; fi
  done
  taken_ports+=("$port")
  chosen_port=$port
}

# Becomes a command that the user of one node runs: its process has the number that the shell knows it by.
become() {
  local name=$1
  shift
  exec env -i PATH="$folder/bin:$PATH" TERM="${TERM:-dumb}" LANG="${LANG:-C.UTF-8}" HOME="$folder/$name" \
    ${NO_COLOR:+NO_COLOR=1} \
    KACHERY_STORAGE_DIR="$folder/$name/storage" KACHERY_P2P_CONFIG_DIR="$folder/$name/config" \
    KACHERY_P2P_API_PORT="${api_port[$name]}" KACHERY_P2P_API_HOST=127.0.0.1 "$@"
}

# Runs a command as the user of one node would.
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
    kill -0 "$pid" 2>/dev/null || fail "The node $name stopped as soon as it was started." "$folder/$name/daemon.log"
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "The node $name did not answer within $start_deadline s." "$folder/$name/daemon.log"
    sleep 0.05
  done
}

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }'; }

for program in kachery kacheryd; do
  [ -x "$build/$program" ] || fail "There is no $build/$program yet. Type 'make demo', which builds it first."
done

declare -A api_port=()
taken_ports=()
folder=$(mktemp -d "${TMPDIR:-/tmp}/kachery-demo.XXXXXX")
free_kb=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt $((size_mb * 4500)) ] \
  || fail "There are only $((free_kb / 1000)) MB free below $folder, and this needs $((size_mb * 45 / 10)). Set TMPDIR to a larger place."
mkdir "$folder/bin"
ln -s "$build/kachery" "$folder/bin/kachery"
ln -s "$build/kacheryd" "$folder/bin/kacheryd"
for name in kachery-store kachery-load kachery-cat kachery-p2p-start-daemon; do ln -s kachery "$folder/bin/$name"; done

channel="demo-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"

printf '%skachery: a file travels between two nodes%s\n' "$bold" "$plain"

step '1  Three nodes start, each as if on a machine of its own'
free_port
bootstrap_port=$chosen_port
start bootstrap --isbootstrap --port "$bootstrap_port" --channel "$channel"
done_ "bootstrap  tells the others of one another, and sees none of their data"
for name in anna ben; do
  start "$name" --port 0 --bootstrap "127.0.0.1:$bootstrap_port" --channel "$channel"
done
done_ "anna       has the data"
done_ "ben        wants it"
say "They have joined the channel $channel: whoever knows its name belongs to it."

step "2  Anna stores a file of $size_mb MB and a small text"
head -c "$((size_mb * 1000000))" /dev/urandom >"$folder/anna/recording.dat"
printf 'The recording was made on a good day.\n' >"$folder/anna/notes.txt"
typed 'kachery-store recording.dat'
began=$(date +%s.%N)
recording=$(as anna kachery-store "$folder/anna/recording.dat") \
  || fail 'Storing failed; the reason stands above.' "$folder/anna/daemon.log"
say "$recording"
say "${dim}in $(seconds_since "$began") s; this name is the file's content in short (its SHA-1)$plain"
typed 'kachery-store notes.txt'
notes=$(as anna kachery-store "$folder/anna/notes.txt") \
  || fail 'Storing failed; the reason stands above.' "$folder/anna/daemon.log"
say "$notes"

step '3  Ben loads both, knowing nothing but these names'
typed 'kachery-cat sha1://…/notes.txt'
text=$(as ben timeout --foreground "$load_deadline" kachery-cat "$notes") \
  || fail 'The text could not be loaded; the reason stands above.' "$folder/ben/daemon.log"
say "$text"
typed 'kachery-load sha1://…/recording.dat --dest copy.dat'
began=$(date +%s.%N)
as ben timeout --foreground "$load_deadline" kachery-load "$recording" --dest "$folder/ben/copy.dat" >/dev/null \
  || fail 'The file could not be loaded; the reason stands above.' "$folder/ben/daemon.log"
took=$(seconds_since "$began")
say "$size_mb MB in $took s: $(awk -v s="$took" -v m="$size_mb" 'BEGIN { printf "%.0f", m / s }') MB/s, encrypted, verified, synced to disk, and copied"

step '4  Is it the same?'
sha1_of() { openssl sha1 -r "$1" | cut -d ' ' -f 1; }
original=$(sha1_of "$folder/anna/recording.dat")
copy=$(sha1_of "$folder/ben/copy.dat")
say "Anna's file  $original"
say "Ben's copy   $copy"
[ "$original" = "$copy" ] || fail 'The copy is not the original. This must never happen; please report it.'
[[ "$recording" == "sha1://$original/"* ]] || fail "The name $recording does not hold the file's hash $original."
[ "$text" = 'The recording was made on a good day.' ] || fail "Ben read '$text' where Anna wrote something else."
done_ 'the same, byte for byte, and the hash is the one in its name'

cat <<END

${bold}What happened${plain}
   Ben's node asked the members of the channel who has the file. Anna's node, having seen proof that Ben knows the
   channel's name, sent it over a TLS 1.3 connection on which both had proved who they are. Every chunk was checked
   as it arrived, and the whole file before it got its name. All of it ran on this machine; between two machines
   nothing differs but the addresses. The nodes stop now, and their folder is removed.

${bold}What to type next${plain}
   make install                                        puts the commands into /usr/local/bin (as root)
   kachery-p2p-start-daemon --label my-computer        starts this machine's node; leave it running
   kachery-p2p-join-channel my-lab-$(od -An -N2 -tx2 /dev/urandom | tr -d ' ')                joins a channel by a name that you tell your colleagues
   kachery-store FILE                                  stores a file and prints its name
   kachery-load NAME                                   loads it, here or on a colleague's machine

   README.md goes on from here.
END
