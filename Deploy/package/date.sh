#!/usr/bin/env bash
# Prints the time that packages give their files, in seconds since 1970: SOURCE_DATE_EPOCH, or that of the last commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  # Sources without git have the time of their newest change.
  SOURCE_DATE_EPOCH=$(git -c safe.directory="$PWD" log -1 --format=%ct 2>/dev/null) \
    || SOURCE_DATE_EPOCH=$(stat --format=%Y CHANGELOG.md)
fi
echo "$SOURCE_DATE_EPOCH"
