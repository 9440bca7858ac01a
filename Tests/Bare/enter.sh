#!/usr/bin/env bash
# Enters a bare root and runs one step there, as one user. `run.sh` starts this in namespaces of its own.
#
#   enter.sh ROOT TOOLCHAIN USER [NAME=VALUE…] -- STEP
set -euo pipefail
root=$1 toolchain=$2 user=$3
here=$(dirname "$0")
shift 3
settings=()
while [ "$1" != -- ]; do
  settings+=("$1")
  shift
done
step=$2

home=/root
[ "$user" = root ] || home=/home/$user
mount --bind "$root" "$root"
mount --bind "$toolchain" "$root/opt/swift"
mount -o remount,bind,ro "$root/opt/swift"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 none "$root/dev/shm"
# On Debian 13, /tmp is in memory; on Debian 12 it is on the disk.
! grep -q '^VERSION_CODENAME=trixie' "$root/etc/os-release" || mount -t tmpfs -o mode=1777 none "$root/tmp"
mount -t sysfs -o ro none "$root/sys"
# chroot would not suffice: no process in one may create a user namespace, and entering a mount namespace leaves it.
cp "$here/steps.sh" "$root/opt/steps.sh"
cd "$root"
pivot_root . mnt
umount --lazy /mnt
cd /

# As after a login, with the toolchain on the PATH.
exec setpriv --reuid "$user" --regid "$user" --init-groups env -i "${settings[@]}" HOME="$home" USER="$user" \
  LOGNAME="$user" SHELL=/bin/bash LANG=C.UTF-8 TERM=dumb \
  PATH=/opt/swift/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  bash /opt/steps.sh "$step"
