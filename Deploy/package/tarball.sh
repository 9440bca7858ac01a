#!/usr/bin/env bash
# Builds a tarball of the programs, which are built already, with the libraries that they need: tarball.sh FOLDER
#
# It runs wherever it is unpacked, for any user, where glibc is at least as new as that of this machine. The same commit and
# the same programs give the same file: SOURCE_DATE_EPOCH is that of the commit unless it is set.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: Deploy/package/tarball.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."

fail() {
  printf 'tarball: %s\n' "$1" >&2
  exit 1
}

command -v patchelf >/dev/null || fail "patchelf is missing; run: Deploy/install-dependencies.sh --package"
SOURCE_DATE_EPOCH=$(Deploy/package/date.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

name=kachery-$(Deploy/version.sh)
root=$work/$name
make --silent install DESTDIR="$root" PREFIX= PYTHON=
strip --strip-unneeded "$root/bin/kachery" "$root/bin/kacheryd"
mkdir -p "$root/lib/kachery" "$root/share/doc/kachery/licenses"
cp LICENSE CHANGELOG.md "$root"
cp -r docs "$root/share/doc/kachery"

# Each machine's own glibc: it belongs to the kernel and to the machine's name services.
glibc='ld-linux.*|libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl'
libraries=$(ldd "$root/bin/kachery" "$root/bin/kacheryd" | sed -n 's/^\t[^ ]* => \(\/[^ ]*\) .*/\1/p' | sort -u \
  | grep -Ev "/($glibc)\.so")
for library in $libraries; do
  cp --dereference "$library" "$root/lib/kachery/"
  # By name, because on systems where /lib is a link to /usr/lib, dpkg knows a file by one of the two paths only.
  package=$(dpkg-query --search "*/$(basename "$(readlink -f "$library")")" | sed -n '1s/[:,].*//p' || true)
  [ -n "$package" ] || fail "$library is from no package, so its license is unknown."
  cp "/usr/share/doc/$package/copyright" "$root/share/doc/kachery/licenses/$package"
done
# RPATH rather than RUNPATH: it applies to the libraries of the libraries, too, and LD_LIBRARY_PATH does not override it.
for program in kachery kacheryd; do
  # shellcheck disable=SC2016 # the loader fills in ORIGIN
  patchelf --force-rpath --set-rpath '$ORIGIN/../lib/kachery' "$root/bin/$program"
done

archive=$folder/$name-linux-$(uname -m).tar.gz
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" \
  | gzip -n >"$archive"
echo "$archive"
