#!/usr/bin/env bash
# Runs the tests of shared directories on NFS 4.2. Server and client are one user-mode Linux kernel, a process that needs no
# privileges and no network. The folder is mounted twice: with the usual caches, and without caches.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$PWD/.build/nfs
packages=(user-mode-linux nfs-kernel-server nfs-common busybox-static libtirpc3 libevent-core-2.1-7 libkeyutils1
  libwrap0 libnfsidmap1)

${SWIFT_BUILD:-swift build --build-tests}
if [ ! -x "$folder/root/usr/bin/linux.uml" ]; then
  mkdir -p "$folder/packages"
  # Unpacked and not installed, because nothing else needs these.
  (cd "$folder/packages" && apt-get download "${packages[@]}")
  for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$folder/root"; done
fi

# A disk image, because time stamps in a memory file system are too coarse for caches to notice each change.
truncate -s 0 "$folder/disk"
truncate -s 1G "$folder/disk"
/sbin/mke2fs -q -t ext4 -F "$folder/disk"

echo "Starting a kernel with an NFS server and two mounts"
timeout "${NFS_SECONDS:-900}" "$folder/root/usr/bin/linux.uml" mem=2G \
  ubd0="$folder/disk" root=/dev/root rootfstype=hostfs rootflags=/ rw init="$PWD/Tests/Network/nfs-guest.sh" \
  con=null con0=fd:0,fd:1 ssl=null umid=kachery-nfs uml_dir="$folder/" \
  KACHERY_FOLDER="$folder" KACHERY_BUILD_DIR="$(swift build --show-bin-path)" </dev/null >"$folder/log" 2>&1 || true

# The kernel's exit code does not show the result, so the last line of the tests decides.
grep -E '^127.0.0.1:/ on |✘|Test run with' "$folder/log" || true
grep -q 'Test run with [1-9].* passed' "$folder/log" || {
  echo "nfs: failed; the complete output is in $folder/log" >&2
  exit 1
}
