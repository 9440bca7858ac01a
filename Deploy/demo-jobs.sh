#!/usr/bin/env bash
# `make demo-jobs`: one node asks another to run a function, and follows it. The second time the result already exists.
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

step '2  A worker on the cluster accepts requests from the lab'
typed 'python jobs_worker.py LAB_NODE_ID'
lab_id=$(as lab kachery-p2p-node-info | awk '{ print $NF }')
become cluster PYTHONPATH="$PWD/Python/src" "$python" Python/examples/jobs_worker.py "$lab_id" \
  >"$folder/cluster/worker.log" 2>"$folder/cluster/worker.err" </dev/null &
daemons+=("$!")
tries=$((start_deadline * 20))
until grep -q '^feed://' "$folder/cluster/worker.log"; do
  still_running || fail 'The worker stopped immediately.' "$folder/cluster/worker.err"
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || fail "The worker did not start within $start_deadline s." "$folder/cluster/worker.err"
  sleep 0.05
done
feed=$(head -n 1 "$folder/cluster/worker.log")
say "$feed"
say "${dim}everyone with this name can read the feed; the worker decides whose requests it accepts$plain"

ask() {
  as lab PYTHONPATH="$PWD/Python/src" timeout --foreground "$job_deadline" \
    "$python" Python/examples/jobs_client.py "$feed" "$folder/lab/text.txt" >"$folder/lab/output" 2>"$folder/lab/errors" \
    || fail 'The job failed.' "$folder/lab/errors"
  sed 's/^/   /' "$folder/lab/output"
}

step '3  The lab asks the worker to count the words of a text'
for _ in $(seq 2000); do echo 'the mouse looked at the wheel and the wheel looked at the mouse'; done >"$folder/lab/text.txt"
typed "python jobs_client.py $feed text.txt"
ask
grep -q '^26000 words; the most frequent: the (8000)' "$folder/lab/output" || fail 'The words were counted wrongly.' "$folder/lab/output"

step '4  The lab asks again'
ask
[ "$(grep -c accepted "$folder/lab/output")" = 1 ] || fail 'The job ran a second time.' "$folder/lab/output"
done_ 'the same job, by name, version and arguments: its result already existed, so nothing ran'
