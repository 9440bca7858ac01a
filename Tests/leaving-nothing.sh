#!/usr/bin/env bash
# Runs tests with a temporary folder of their own, and fails if they leave anything of kachery's there:
# Tests/leaving-nothing.sh COMMAND…
# If the command itself fails, the folder stays for a look.
set -euo pipefail
folder=$(mktemp -d "${TMPDIR:-/tmp}/kachery-run.XXXXXX")
chmod 0755 "$folder" # some tests act as other users
trap 'rm -rf "$folder"; exit 130' INT TERM
if TMPDIR=$folder "$@"; then
  # Not what SwiftPM leaves.
  left=$(find "$folder" -mindepth 1 -maxdepth 1 \( -name '*kachery*' -o -name 'pytest-of-*' \) -exec find {} -maxdepth 2 \;)
  rm -rf "$folder"
  [ -z "$left" ] && exit 0
  printf 'leaving-nothing: the tests left these:\n%s\n' "$left" >&2
  exit 1
else
  code=$?
  rmdir "$folder" 2>/dev/null || echo "leaving-nothing: what the tests left is in $folder." >&2
  exit "$code"
fi
