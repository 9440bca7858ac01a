#!/usr/bin/env bash
# Builds the source distributions and wheels of both Python packages: wheels.sh FOLDER PYTHON
#
# PYTHON needs `build`, `setuptools` and `wheel`. Nothing is written to the sources, and the same commit gives the same
# files: SOURCE_DATE_EPOCH is that of the commit unless it is set.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: Deploy/package/wheels.sh FOLDER PYTHON" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
python=$(command -v "$2") || { echo "wheels: there is no Python '$2'." >&2; exit 1; }
[[ "$python" == /* ]] || python=$PWD/$python
cd "$(dirname "$0")/../.."

SOURCE_DATE_EPOCH=$(Deploy/package/date.sh)
export SOURCE_DATE_EPOCH

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# Python's tests need the programs and the sources of kachery, so they are not part of the packages.
mkdir "$copy/kachery-p2p" "$copy/kachery-client"
cp -r Python/pyproject.toml Python/README.md Python/src LICENSE "$copy/kachery-p2p"
cp -r Python/client/pyproject.toml Python/client/README.md Python/client/src LICENSE "$copy/kachery-client"
find "$copy" \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +
chmod -R u=rwX,go=rX "$copy"

for package in kachery-p2p kachery-client; do
  # Builds the wheel from the source distribution, which proves that it is complete.
  (cd "$copy/$package" && "$python" -m build --no-isolation --outdir "$copy/$package/dist" . >"$copy/log" 2>&1) \
    || { cat "$copy/log" >&2; exit 1; }
  cp "$copy/$package/dist/"*.whl "$folder"
  # setuptools gives the files of a source distribution the time of its own run.
  for archive in "$copy/$package/dist/"*.tar.gz; do
    name=$(basename "$archive" .tar.gz)
    tar -xzf "$archive" -C "$copy"
    tar -C "$copy" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" \
      | gzip -n >"$folder/$name.tar.gz"
  done
done
