#!/bin/sh
# The first process of the kernel that nfs.sh starts. It sees the files of the host, so everything that it writes goes to
# memory.
R=$KACHERY_FOLDER/root
export PATH="$R/bin:$R/sbin:$R/usr/sbin:/usr/bin:/bin:/usr/sbin:/sbin"
export LD_LIBRARY_PATH="$R/lib/x86_64-linux-gnu:$R/usr/lib/x86_64-linux-gnu"
export HOME=/tmp KACHERY_SHARED_DIRECTORIES=/mnt/cached:/mnt/direct
busybox() { "$R/bin/busybox" "$@"; }

busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
for place in /mnt /run /tmp /var/lib; do busybox mount -t tmpfs memory $place; done
busybox mkdir -p /mnt/disk /mnt/cached /mnt/direct /var/lib/nfs/v4recovery
busybox mount -t ext4 /dev/ubda /mnt/disk
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
busybox ip link set lo up

modules=$R/usr/lib/uml/modules/$(busybox uname -r)
for module in nfsd nfsv4; do
  for needed in $(busybox sed -n "s#^[^:]*/$module.ko: *##p" "$modules/modules.dep" | busybox tr ' ' '\n' | busybox tac); do
    busybox insmod "$modules/$needed" 2>/dev/null
  done
  busybox insmod "$(busybox find "$modules" -name "$module.ko")"
done

busybox mount -t nfsd nfsd /proc/fs/nfsd
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/fs/nfsd/nfsv4gracetime
rpc.mountd -N 3
exportfs -i -o rw,no_root_squash,no_subtree_check,fsid=0,insecure 127.0.0.1:/mnt/disk
rpc.nfsd -N 3 4
mount.nfs4 127.0.0.1:/ /mnt/cached -o rw,vers=4.2,nosharecache
mount.nfs4 127.0.0.1:/ /mnt/direct -o rw,vers=4.2,nosharecache,noac
busybox mount | busybox grep nfs4
# The server grants no locks before this time has passed.
busybox sleep 12

if [ "$(busybox mount | busybox grep -c ' type nfs4 ')" = 2 ]; then
  "$KACHERY_BUILD_DIR/kacheryPackageTests.xctest" --testing-library swift-testing \
    --filter 'SharedDirectoryTests|ProcessSharingTests'
else
  echo "✘ NFS is not mounted"
fi
busybox poweroff -f
