#!/usr/bin/env bash
# Builds the Debian packages of this machine's release, from programs that are built already: deb.sh FOLDER
#
# The same commit, programs and maintainer give the same packages: SOURCE_DATE_EPOCH is that of the commit unless it is set.
# REVISION (1) distinguishes packages of one version of kachery. MAINTAINER, "Name <address>", is who answers for the
# packages: by default the user of git's settings, or else the author of the last commit.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: Deploy/package/deb.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."

fail() {
  printf 'deb: %s\n' "$1" >&2
  exit 1
}

# shellcheck source=/dev/null
read -r release codename < <(. /etc/os-release && echo "${ID:-}${VERSION_ID:-} ${VERSION_CODENAME:-}")
[[ "$release" =~ ^debian[0-9]+$ ]] \
  || fail "this is not a release of Debian. The names of libraries differ between releases, so each needs packages of its own."

SOURCE_DATE_EPOCH=$(Deploy/package/date.sh)
export SOURCE_DATE_EPOCH SOURCES=$PWD
version=$(Deploy/version.sh)-${REVISION:-1}+${release/debian/deb}

# Prints the maintainer that git knows.
maintainer_of_git() {
  local name address
  name=$(git config user.name) && address=$(git config user.email) && [ -n "$name" ] && echo "$name <$address>" && return
  git -c safe.directory="$PWD" log -1 --format='%an <%ae>' 2>/dev/null
}

maintainer=${MAINTAINER:-$(maintainer_of_git || true)}
[[ "$maintainer" =~ ^[^\<\>@[:cntrl:]]+\ \<[^\<\>@[:space:][:cntrl:]]+@[^\<\>@[:space:][:cntrl:]]+\>$ ]] \
  || fail "'$maintainer' is not a maintainer; name one with MAINTAINER='Name <name@example.org>'."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/kachery"
# Debian's Python and its setuptools, so that nothing is downloaded.
export WHEELS=$work/wheels
Deploy/package/wheels.sh "$WHEELS" /usr/bin/python3

cp -r Deploy/package/debian "$work/kachery"
cd "$work/kachery"
control=$(<debian/control)
printf '%s\n' "${control//@MAINTAINER@/"$maintainer"}" >debian/control
cat >debian/changelog <<END
kachery ($version) $codename; urgency=medium

  * CHANGELOG.md of the sources lists what is new.

 -- $maintainer  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END
for name in kachery kachery-bootstrap; do
  # debhelper's names for the unit of a package, and for further ones.
  unit=debian/kachery.service
  [ "$name" = kachery ] || unit=debian/kachery.$name.service
  sed 's|/usr/local/bin/|/usr/bin/|' "$SOURCES/Deploy/systemd/$name.service" >"$unit"
done
cp -r "$SOURCES/docs" "$SOURCES/CHANGELOG.md" .
printf '%s\n' CHANGELOG.md 'docs/*.md' 'docs/*.svg' 'docs/*.ipynb' >debian/kachery.docs
# The user's umask and language do not change the packages. The compilers that every build of Debian may use are not needed.
umask 022
LC_ALL=C.UTF-8 dpkg-buildpackage --build=binary --unsigned-changes --no-pre-clean --no-check-builddeps >"$work/log" 2>&1 \
  || { tail -n 30 "$work/log" >&2; fail "dpkg-buildpackage failed; its last lines are above."; }
for package in "$work"/*.deb; do
  cp "$package" "$folder"
  echo "$folder/$(basename "$package")"
done
