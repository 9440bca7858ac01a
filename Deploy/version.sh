#!/usr/bin/env bash
# The version of kachery, which the program defines and its packages repeat.
#
#   Deploy/version.sh            prints it
#   Deploy/version.sh 1.2.3      changes it everywhere; CHANGELOG.md and the tests that expect it are left to you
set -euo pipefail
cd "$(dirname "$0")/.."

program=Sources/Base/APIModel/APIVersion.swift
version=$(sed -n 's/^ *package static let daemon = "\([0-9.]*\)"$/\1/p' "$program")
[ -n "$version" ] || { echo "version: $program names no version." >&2; exit 1; }
if [ $# -eq 0 ]; then
  echo "$version"
  exit
fi

[[ "$1" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "version: '$1' is not a version such as 1.2.3." >&2; exit 2; }
sed -i "s/^\( *package static let daemon = \)\"[0-9.]*\"$/\1\"$1\"/" "$program"
sed -i "s/^__version__ = .*/__version__ = \"$1\"/" Python/src/kachery_p2p/__init__.py
sed -i "s/^  version: \"[0-9.]*\"$/  version: \"$1\"/" Deploy/conda/recipe.yaml
sed -i "s/^dependencies = \[\"kachery-p2p==.*/dependencies = [\"kachery-p2p==$1\"]/" Python/client/pyproject.toml
