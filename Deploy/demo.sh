#!/usr/bin/env bash
# `make demo`: transfers a file between two nodes on this machine, and leaves nothing behind.
#
# DEMO_MB sets the size of the file.
set -euo pipefail
cd "$(dirname "$0")/.."

size_mb=${DEMO_MB:-200}
load_deadline=120 # seconds

. Deploy/demo-nodes.sh

free_kb=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt $((size_mb * 4500)) ] \
  || fail "Only $((free_kb / 1000)) MB are free below $folder, but this needs $((size_mb * 45 / 10)). Set TMPDIR to a larger disk."

printf '%skachery: a file travels between two nodes%s\n' "$bold" "$plain"

step '1  Three nodes start, each as if on a machine of its own'
start_nodes anna ben
done_ "bootstrap  introduces the others to each other, and sees none of their data"
done_ "anna       has the data"
done_ "ben        wants it"
say "They have joined the channel $channel. Every node that knows its name belongs to it."

step "2  Anna stores a file of $size_mb MB and a small text"
head -c "$((size_mb * 1000000))" /dev/urandom >"$folder/anna/recording.dat"
printf 'The recording was made on a good day.\n' >"$folder/anna/notes.txt"
typed 'kachery-store recording.dat'
began=$(date +%s.%N)
recording=$(as anna kachery-store "$folder/anna/recording.dat") \
  || fail 'Storing failed; the reason is above.' "$folder/anna/daemon.log"
say "$recording"
say "${dim}in $(seconds_since "$began") s; the name contains the SHA-1 of the file's content$plain"
typed 'kachery-store notes.txt'
notes=$(as anna kachery-store "$folder/anna/notes.txt") \
  || fail 'Storing failed; the reason is above.' "$folder/anna/daemon.log"
say "$notes"

step '3  Ben loads both, and needs only these names'
typed 'kachery-cat sha1://…/notes.txt'
text=$(as ben timeout --foreground "$load_deadline" kachery-cat "$notes") \
  || fail 'The text could not be loaded; the reason is above.' "$folder/ben/daemon.log"
say "$text"
typed 'kachery-load sha1://…/recording.dat --dest copy.dat'
began=$(date +%s.%N)
as ben timeout --foreground "$load_deadline" kachery-load "$recording" --dest "$folder/ben/copy.dat" >/dev/null \
  || fail 'The file could not be loaded; the reason is above.' "$folder/ben/daemon.log"
took=$(seconds_since "$began")
say "$size_mb MB in $took s: $(awk -v s="$took" -v m="$size_mb" 'BEGIN { printf "%.0f", m / s }') MB/s, encrypted, verified, synced to disk, and copied"

step '4  Is it the same?'
sha1_of() { openssl sha1 -r "$1" | cut -d ' ' -f 1; }
original=$(sha1_of "$folder/anna/recording.dat")
copy=$(sha1_of "$folder/ben/copy.dat")
say "Anna's file  $original"
say "Ben's copy   $copy"
[ "$original" = "$copy" ] || fail 'The copy differs from the original. This must never happen; please report it.'
[[ "$recording" == "sha1://$original/"* ]] || fail "The name $recording does not contain the file's hash $original."
[ "$text" = 'The recording was made on a good day.' ] || fail "Ben read '$text', but Anna wrote something else."
done_ 'the same, byte for byte, and the hash is the one in the name'

cat <<END

${bold}What happened${plain}
   Ben's node asked the members of the channel for the file. Ben's node had proved that it knows the channel's name,
   so Anna's node sent the file, over a TLS 1.3 connection on which both had proved their identities. Every chunk was
   verified as it arrived, and so was the whole file before it got its name. All of this ran on this machine; between
   two machines only the addresses differ. The nodes stop now, and their folder is removed.

${bold}What to type next${plain}
   make install                                        puts the commands into /usr/local/bin (as root)
   kachery-p2p-start-daemon --label my-computer        starts this machine's node; leave it running
   kachery-p2p-join-channel my-lab-$(od -An -N2 -tx2 /dev/urandom | tr -d ' ')                joins a channel by a name that you share with colleagues
   kachery-store FILE                                  stores a file and prints its name
   kachery-load NAME                                   loads it, here or on a colleague's machine

   Continue with README.md.
END
