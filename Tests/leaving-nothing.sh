#!/usr/bin/env bash
# Runs tests with a temporary folder of their own, and fails if they leave files of kachery in it:
# Tests/leaving-nothing.sh COMMAND…
# If the command itself fails, the folder is kept for inspection.
set -euo pipefail
# The name is short, because the paths of Unix sockets are.
folder=$(mktemp -d "${TMPDIR:-/tmp}/kachery.XXXXXX")
chmod 0755 "$folder" # some tests run as other users
trap 'rm -rf "$folder"; exit 130' INT TERM
if TMPDIR=$folder "$@"; then
  # SwiftPM also leaves files, which are ignored; the names of its locks contain the path of the checkout.
  left=$(find "$folder" -mindepth 1 -maxdepth 1 \( -name '*kachery*' -o -name 'pytest-of-*' \) ! -name '*.build*.lock' \
    -exec find {} -maxdepth 2 \;)
  rm -rf "$folder"
  [ -z "$left" ] && exit 0
  printf 'leaving-nothing: the tests left these files:\n%s\n' "$left" >&2
  exit 1
else
  code=$?
  rmdir "$folder" 2>/dev/null || echo "leaving-nothing: the files of the tests are in $folder." >&2
  exit "$code"
fi
