#!/usr/bin/env bash
# `make demo-jobs`: one node asks another to run a function, and reads along; the second time the result is there.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
job_deadline=60 # seconds

. Deploy/demo-nodes.sh

printf '%skachery: one node works for another%s\n' "$bold" "$plain"

step '1  Three nodes start, each as if on a machine of its own'
start_nodes lab cluster
done_ 'lab        has a text'
done_ 'cluster    has the processors'

step '2  A worker on the cluster lets the lab ask'
typed 'python jobs_worker.py LAB_NODE_ID'
lab_id=$(as lab kachery-p2p-node-info | awk '{ print $NF }')
become cluster PYTHONPATH="$PWD/Python/src" "$python" Python/examples/jobs_worker.py "$lab_id" \
  >"$folder/cluster/worker.log" 2>"$folder/cluster/worker.err" </dev/null &
daemons+=("$!")
tries=$((start_deadline * 20))
until grep -q '^feed://' "$folder/cluster/worker.log"; do
  still_running || fail 'The worker stopped as soon as it was started.' "$folder/cluster/worker.err"
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || fail "The worker did not start within $start_deadline s." "$folder/cluster/worker.err"
  sleep 0.05
done
feed=$(head -n 1 "$folder/cluster/worker.log")
say "$feed"
say "${dim}whoever has this name can read along; who may ask is up to the worker$plain"

ask() {
  as lab PYTHONPATH="$PWD/Python/src" timeout --foreground "$job_deadline" \
    "$python" Python/examples/jobs_client.py "$feed" "$folder/lab/text.txt" >"$folder/lab/output" 2>"$folder/lab/errors" \
    || fail 'The job failed.' "$folder/lab/errors"
  sed 's/^/   /' "$folder/lab/output"
}

step '3  The lab asks it to count the words of its text'
for _ in $(seq 2000); do echo 'the mouse looked at the wheel and the wheel looked at the mouse'; done >"$folder/lab/text.txt"
typed "python jobs_client.py $feed text.txt"
ask
grep -q '^26000 words; most of all the (8000)' "$folder/lab/output" || fail 'The words were counted wrongly.' "$folder/lab/output"

step '4  The lab asks once more'
ask
[ "$(grep -c accepted "$folder/lab/output")" = 1 ] || fail 'The job ran a second time.' "$folder/lab/output"
done_ 'the same job, by name, version and arguments: its result was there, and nothing ran'
