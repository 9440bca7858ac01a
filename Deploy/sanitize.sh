#!/usr/bin/env bash
# Runs the Swift tests under one sanitizer, in a build folder of its own: Deploy/sanitize.sh address|thread
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-address}
case "$kind" in
  # Swift's runtime keeps type metadata for good, which the leak check would report.
  address) export ASAN_OPTIONS=detect_leaks=0 ;;
  thread)
    # Where other users, as whom some tests run a daemon, can read it too.
    suppressions=$(mktemp)
    trap 'rm -f "$suppressions"' EXIT
    install -m 0644 Deploy/thread-sanitizer.suppressions "$suppressions"
    export TSAN_OPTIONS="suppressions=$suppressions"
    ;;
  *)
    echo "sanitize: '$kind' is no sanitizer; use address or thread." >&2
    exit 2
    ;;
esac
folder=".build/sanitize-$kind"
echo "Building the tests with the $kind sanitizer into $folder"
swift build --build-tests --sanitize="$kind" --scratch-path "$folder"
# Tests that start whole programs start the sanitized ones. One after the other: sanitized code is slow enough for tests
# that run side by side to starve one another past their deadlines.
KACHERY_BUILD_DIR="$(swift build --sanitize="$kind" --scratch-path "$folder" --show-bin-path)" \
  swift test --skip-build --no-parallel --sanitize="$kind" --scratch-path "$folder"
