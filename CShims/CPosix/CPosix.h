#ifndef KACHERY_CPosix_H
#define KACHERY_CPosix_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// Every function here returns the result of the call of the same name, or the negated errno: between a call and reading
// errno, Swift may run code that changes it. A call interrupted by a signal is repeated.
#define CPosix_RESULT(type, call) \
  type result;                    \
  do {                            \
    result = (call);              \
  } while (result < 0 && errno == EINTR); \
  return result < 0 ? (type)-errno : result

// open is variadic, which Swift cannot call.
static inline int CPosix_open(const char *path, int flags, mode_t mode) {
  CPosix_RESULT(int, open(path, flags | O_CLOEXEC, mode));
}

// The header hides O_NOATIME unless _GNU_SOURCE is defined, which Swift does not define. Only the file's owner may use
// it.
static inline int CPosix_open_unnoticed(const char *path, int flags) {
  CPosix_RESULT(int, open(path, flags | O_CLOEXEC | 01000000));
}

// The header hides O_TMPFILE as well; it is the bit 020000000 and O_DIRECTORY (asm-generic/fcntl.h).
static inline int CPosix_open_unnamed(const char *folder, mode_t mode) {
  CPosix_RESULT(int, open(folder, O_RDWR | O_CLOEXEC | O_DIRECTORY | 020000000, mode));
}

// Naming an open file by its descriptor alone needs a capability; by its name in /proc it needs none (open(2),
// O_TMPFILE).
static inline int CPosix_link_open(int descriptor, int folder, const char *path) {
  char open_file[32];
  snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", descriptor);
  CPosix_RESULT(int, linkat(AT_FDCWD, open_file, folder, path, AT_SYMLINK_FOLLOW));
}

// Linux has freed the descriptor even if close is interrupted, so this call is never repeated.
static inline int CPosix_close(int descriptor) { return close(descriptor) < 0 ? -errno : 0; }

// errno, as above.
static inline ssize_t CPosix_pread(int descriptor, void *bytes, size_t count, off_t offset) {
  CPosix_RESULT(ssize_t, pread(descriptor, bytes, count, offset));
}

// errno, as above.
static inline ssize_t CPosix_pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  CPosix_RESULT(ssize_t, pwrite(descriptor, bytes, count, offset));
}

// Also hidden unless _GNU_SOURCE is defined.
extern ssize_t preadv2(int descriptor, const struct iovec *places, int count, __off64_t offset, int flags);

// errno, as above. 8 is RWF_NOWAIT: returns the bytes in the page cache, or EAGAIN if the first byte is not cached.
static inline ssize_t CPosix_pread_cached(int descriptor, void *bytes, size_t count, off_t offset) {
  struct iovec place = {bytes, count};
  CPosix_RESULT(ssize_t, preadv2(descriptor, &place, 1, offset, 8));
}

// Also hidden unless _GNU_SOURCE is defined.
extern ssize_t copy_file_range(int from, __off64_t *from_offset, int to, __off64_t *to_offset, size_t count,
                               unsigned int flags);

// errno, as above.
static inline ssize_t CPosix_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t count) {
  __off64_t source = from_offset, destination = to_offset;
  CPosix_RESULT(ssize_t, copy_file_range(from, &source, to, &destination, count, 0));
}

// errno, as above.
static inline int CPosix_fsync(int descriptor) { CPosix_RESULT(int, fsync(descriptor)); }

// Hidden unless _GNU_SOURCE is defined, which Swift does not define.
extern int syncfs(int descriptor);

// errno, as above.
static inline int CPosix_syncfs(int descriptor) { CPosix_RESULT(int, syncfs(descriptor)); }

// The header hides this call and its constant unless _GNU_SOURCE is defined, which Swift does not define.
extern int sync_file_range(int descriptor, __off64_t offset, __off64_t count, unsigned int flags);

// errno, as above. 2 is SYNC_FILE_RANGE_WRITE: only starts writing, so that the final fsync waits less.
static inline int CPosix_start_writing(int descriptor, off_t offset, off_t count) {
  CPosix_RESULT(int, sync_file_range(descriptor, offset, count, 2));
}

// errno, as above. Only starts reading, so that later reads find the bytes in memory.
static inline int CPosix_start_reading(int descriptor, off_t offset, off_t count) {
  int number = posix_fadvise(descriptor, offset, count, POSIX_FADV_WILLNEED);
  return number == 0 ? 0 : -number;
}

// errno, as above.
static inline int CPosix_ftruncate(int descriptor, off_t size) { CPosix_RESULT(int, ftruncate(descriptor, size)); }

// errno, as above.
static inline int CPosix_fchmod(int descriptor, mode_t mode) { CPosix_RESULT(int, fchmod(descriptor, mode)); }

// errno, as above.
static inline int CPosix_chmod(int folder, const char *path, mode_t mode) {
  CPosix_RESULT(int, fchmodat(folder, path, mode, 0));
}

// Leaves the owner unchanged.
static inline int CPosix_chown_group(int folder, const char *path, gid_t group) {
  CPosix_RESULT(int, fchownat(folder, path, (uid_t)-1, group, 0));
}

// errno, as above; Swift sees both a struct and a function named flock.
static inline int CPosix_flock(int descriptor, int operation) { CPosix_RESULT(int, flock(descriptor, operation)); }

// errno, as above.
static inline int CPosix_rename(const char *from, const char *to) { CPosix_RESULT(int, rename(from, to)); }

// errno, as above.
static inline int CPosix_unlink(const char *path) { CPosix_RESULT(int, unlink(path)); }

// errno, as above.
static inline int CPosix_rmdir(const char *path) { CPosix_RESULT(int, rmdir(path)); }

// errno, as above.
static inline int CPosix_mkdir(int folder, const char *path, mode_t mode) {
  CPosix_RESULT(int, mkdirat(folder, path, mode));
}

// errno, as above; Swift sees both a struct and a function named stat.
static inline int CPosix_stat(int folder, const char *path, struct stat *status) {
  CPosix_RESULT(int, fstatat(folder, path, status, 0));
}

// errno, as above.
static inline int CPosix_lstat(int folder, const char *path, struct stat *status) {
  CPosix_RESULT(int, fstatat(folder, path, status, AT_SYMLINK_NOFOLLOW));
}

// errno, as above.
static inline int CPosix_fstat(int descriptor, struct stat *status) { CPosix_RESULT(int, fstat(descriptor, status)); }

// errno, as above.
static inline int CPosix_statvfs(const char *path, struct statvfs *status) {
  CPosix_RESULT(int, statvfs(path, status));
}

// opendir returns a pointer: errno is returned through the second argument.
static inline DIR *CPosix_opendir(const char *path, int *error) {
  DIR *folder = opendir(path);
  *error = folder ? 0 : errno;
  return folder;
}

// The name is an array inside a struct, which Swift imports as a tuple, and only errno distinguishes the end from an
// error.
static inline const char *CPosix_next_name(DIR *folder, int *error) {
  errno = 0;
  struct dirent *entry = readdir(folder);
  *error = entry ? 0 : errno;
  return entry ? entry->d_name : NULL;
}


// errno, as above; leaves the owner unchanged.
static inline int CPosix_fchown_group(int descriptor, gid_t group) {
  CPosix_RESULT(int, fchown(descriptor, (uid_t)-1, group));
}

// The number of a group, or -1: struct group contains pointers that the next call may invalidate.
static inline int64_t CPosix_group(const char *name) {
  const struct group *entry = getgrnam(name);
  return entry == NULL ? -1 : (int64_t)entry->gr_gid;
}

// errno, as above.
static inline ssize_t CPosix_readlink(const char *path, char *target, size_t size) {
  CPosix_RESULT(ssize_t, readlink(path, target, size));
}

// errno, as above; a size of 0 only tests whether the attribute exists.
static inline ssize_t CPosix_getxattr(const char *path, const char *name) {
  CPosix_RESULT(ssize_t, getxattr(path, name, NULL, 0));
}

// Swift does not import the enumeration of limits as a number. Returns the limit, or the negated errno.
static inline int64_t CPosix_raise_descriptor_limit(int64_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  rlim_t highest = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
  if (limit.rlim_cur >= highest) return (int64_t)limit.rlim_cur;
  limit.rlim_cur = highest;
  return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : (int64_t)limit.rlim_cur;
}

// Swift does not import the enumeration of limits as a number. Returns the limit, or the negated errno.
static inline int64_t CPosix_largest_file(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) < 0) return -errno;
  return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

// errno, as above; Swift sees both a struct and a function named statfs.
static inline int CPosix_file_system(const char *path, int64_t *kind) {
  struct statfs status;
  int result = statfs(path, &status);
  if (result == 0) *kind = (int64_t)status.f_type & 0xffffffff;
  return result < 0 ? -errno : 0;
}

// errno, as above; the command is a macro of a macro. The limit is in bytes; 0 if there is none.
static inline int CPosix_quota(const char *device, uid_t user, uint64_t *used, uint64_t *limit) {
  struct dqblk quota;
  if (quotactl(QCMD(Q_GETQUOTA, USRQUOTA), device, (int)user, (caddr_t)&quota) < 0) return -errno;
  *used = quota.dqb_curspace;
  *limit = quota.dqb_bhardlimit * 1024;
  return 0;
}

#undef CPosix_RESULT

// pthread_setname_np is hidden from Swift unless the whole module is compiled with _GNU_SOURCE, and prctl is variadic.
static inline void CPosix_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
