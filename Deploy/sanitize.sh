#!/usr/bin/env bash
# Runs the Swift tests with a sanitizer, in a build folder of its own: Deploy/sanitize.sh address|thread
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-address}
case "$kind" in
  # Swift's runtime never frees type metadata, which the leak check would report.
  address) export ASAN_OPTIONS=detect_leaks=0 ;;
  thread)
    # A copy that other users can read, because some tests run a daemon as another user.
    suppressions=$(mktemp)
    trap 'rm -f "$suppressions"' EXIT
    install -m 0644 Deploy/thread-sanitizer.suppressions "$suppressions"
    export TSAN_OPTIONS="suppressions=$suppressions"
    ;;
  *)
    echo "sanitize: '$kind' is not a sanitizer; use address or thread." >&2
    exit 2
    ;;
esac
folder=".build/sanitize-$kind"
echo "Building the tests with the $kind sanitizer into $folder"
swift build --build-tests --sanitize="$kind" --scratch-path "$folder"
# Tests that start programs start the sanitized ones. The tests run one by one: sanitized code is so slow that concurrent
# tests would exceed their deadlines.
KACHERY_BUILD_DIR="$(swift build --sanitize="$kind" --scratch-path "$folder" --show-bin-path)" \
  swift test --skip-build --no-parallel --sanitize="$kind" --scratch-path "$folder"
