/*
 * The kernel's side of the launcher: system calls, their numbers, constants and structures, for x86_64 and aarch64.
 * Every stub returns what the kernel returned: a result, or a negative errno. Only calls that both architectures have
 * (the *at family, statx, clone) are used, so that the numbers are the only difference.
 */
#ifndef BAREPOD_SYS_H
#define BAREPOD_SYS_H

#include "types.h"

#if defined(__x86_64__)
enum {
  SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_munmap = 11, SYS_rt_sigaction = 13,
  SYS_rt_sigprocmask = 14, SYS_ioctl = 16, SYS_socket = 41, SYS_connect = 42, SYS_sendto = 44,
  SYS_setsockopt = 54, SYS_getsockopt = 55, SYS_clone = 56, SYS_execve = 59, SYS_wait4 = 61, SYS_kill = 62,
  SYS_fcntl = 72, SYS_ftruncate = 77, SYS_getcwd = 79, SYS_chdir = 80, SYS_fchdir = 81, SYS_umask = 95,
  SYS_setsid = 112, SYS_setgroups = 116, SYS_setresuid = 117, SYS_setresgid = 119, SYS_capget = 125,
  SYS_capset = 126, SYS_rt_sigtimedwait = 128, SYS_fstatfs = 138, SYS_pivot_root = 155, SYS_prctl = 157,
  SYS_chroot = 161, SYS_mount = 165, SYS_umount2 = 166, SYS_sethostname = 170, SYS_getdents64 = 217,
  SYS_clock_gettime = 228, SYS_clock_nanosleep = 230, SYS_exit_group = 231, SYS_keyctl = 250, SYS_openat = 257,
  SYS_mkdirat = 258, SYS_mknodat = 259, SYS_unlinkat = 263, SYS_symlinkat = 266, SYS_readlinkat = 267,
  SYS_fchmodat = 268, SYS_ppoll = 271, SYS_unshare = 272, SYS_signalfd4 = 289, SYS_dup3 = 292, SYS_pipe2 = 293,
  SYS_prlimit64 = 302, SYS_setns = 308, SYS_renameat2 = 316, SYS_seccomp = 317, SYS_memfd_create = 319,
  SYS_statx = 332, SYS_fsetxattr = 190, SYS_utimensat = 280, SYS_lseek = 8,
};
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#elif defined(__aarch64__)
enum {
  SYS_read = 63, SYS_write = 64, SYS_close = 57, SYS_mmap = 222, SYS_munmap = 215, SYS_rt_sigaction = 134,
  SYS_rt_sigprocmask = 135, SYS_ioctl = 29, SYS_socket = 198, SYS_connect = 203, SYS_sendto = 206,
  SYS_setsockopt = 208, SYS_getsockopt = 209, SYS_clone = 220, SYS_execve = 221, SYS_wait4 = 260, SYS_kill = 129,
  SYS_fcntl = 25, SYS_ftruncate = 46, SYS_getcwd = 17, SYS_chdir = 49, SYS_fchdir = 50, SYS_umask = 166,
  SYS_setsid = 157, SYS_setgroups = 159, SYS_setresuid = 147, SYS_setresgid = 149, SYS_capget = 90,
  SYS_capset = 91, SYS_rt_sigtimedwait = 137, SYS_fstatfs = 44, SYS_pivot_root = 41, SYS_prctl = 167,
  SYS_chroot = 51, SYS_mount = 40, SYS_umount2 = 39, SYS_sethostname = 161, SYS_getdents64 = 61,
  SYS_clock_gettime = 113, SYS_clock_nanosleep = 115, SYS_exit_group = 94, SYS_keyctl = 219, SYS_openat = 56,
  SYS_mkdirat = 34, SYS_mknodat = 33, SYS_unlinkat = 35, SYS_symlinkat = 36, SYS_readlinkat = 78,
  SYS_fchmodat = 53, SYS_ppoll = 73, SYS_unshare = 97, SYS_signalfd4 = 74, SYS_dup3 = 24, SYS_pipe2 = 59,
  SYS_prlimit64 = 261, SYS_setns = 268, SYS_renameat2 = 276, SYS_seccomp = 277, SYS_memfd_create = 279,
  SYS_statx = 291, SYS_fsetxattr = 7, SYS_utimensat = 88, SYS_lseek = 62,
};
#define O_DIRECTORY 040000
#define O_NOFOLLOW 0100000
#else
#error "the launcher is written for x86_64 and aarch64"
#endif
/* Since 5.1 new calls have one number everywhere. */
enum {
  SYS_open_tree = 428, SYS_move_mount = 429, SYS_clone3 = 435, SYS_close_range = 436, SYS_openat2 = 437,
  SYS_mount_setattr = 442,
};

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
  return x0;
#endif
}

/* sys(mount, source, target, ...): the name, and up to six arguments of any scalar type. */
#define SYS_ARGUMENTS(n, a, b, c, d, e, f, ...) \
  syscall6(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys(...) SYS_ARGUMENTS(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

enum {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, E2BIG = 7, ENOEXEC = 8, EAGAIN = 11, EACCES = 13, EEXIST = 17,
  EXDEV = 18, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENAMETOOLONG = 36, ENOSYS = 38, ELOOP = 40, EINPROGRESS = 115,
};

#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000
#define AT_RECURSIVE 0x8000

#define O_RDONLY 0
#define O_WRONLY 1
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_CLOEXEC 02000000
#define O_PATH 010000000

#define S_IFMT 0170000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFBLK 0060000
#define S_IFREG 0100000
#define S_IFLNK 0120000

struct timespec {
  i64 seconds;
  i64 nanoseconds;
};
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

struct statx {
  u32 mask, block_size;
  u64 attributes;
  u32 links, uid, gid;
  u16 mode, pad;
  u64 inode, size, blocks, attributes_mask;
  u64 times[8];
  u32 rdev_major, rdev_minor, dev_major, dev_minor;
  u64 spare[14];
};
#define STATX_BASIC_STATS 0x7ff

struct statfs {
  i64 type, block_size;
  u64 numbers[5];
  u64 id;
  i64 name_length, fragment_size, flags, spare[4];
};
#define CGROUP2_SUPER_MAGIC 0x63677270

struct open_how {
  u64 flags, mode, resolve;
};
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10

#define MS_RDONLY 1ul
#define MS_NOSUID 2ul
#define MS_NODEV 4ul
#define MS_NOEXEC 8ul
#define MS_REMOUNT 32ul
#define MS_NOATIME 1024ul
#define MS_NODIRATIME 2048ul
#define MS_BIND 4096ul
#define MS_REC 16384ul
#define MS_PRIVATE (1ul << 18)
#define MS_SLAVE (1ul << 19)
#define MS_SHARED (1ul << 20)
#define MS_RELATIME (1ul << 21)
#define MS_STRICTATIME (1ul << 24)
#define MNT_DETACH 2
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40

struct mount_attr {
  u64 set, clear, propagation, userns_fd;
};
#define MOUNT_ATTR_RDONLY 0x01
#define MOUNT_ATTR_NOSUID 0x02
#define MOUNT_ATTR_NODEV 0x04
#define MOUNT_ATTR_NOEXEC 0x08
#define MOUNT_ATTR_ATIME 0x70
#define MOUNT_ATTR_NOATIME 0x10
#define MOUNT_ATTR_STRICTATIME 0x20

#define CLONE_NEWNS 0x00020000
#define CLONE_NEWCGROUP 0x02000000
#define CLONE_NEWUTS 0x04000000
#define CLONE_NEWIPC 0x08000000
#define CLONE_NEWPID 0x20000000
#define CLONE_NEWNET 0x40000000
#define CLONE_INTO_CGROUP 0x200000000ull
struct clone_args {
  u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

enum { SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17, SIGXFSZ = 25 };
#define SIGNAL_BIT(number) (1ull << ((number) - 1))
#define SIG_IGN 1ul
#define SIG_BLOCK 0
#define SIG_SETMASK 2
struct sigaction {
  unsigned long handler, flags, restorer;
  u64 mask;
};
struct signalfd_siginfo {
  u32 signal;
  u8 rest[124];
};
#define WNOHANG 1

struct pollfd {
  i32 fd;
  u16 events, revents;
};
#define POLLIN 1
#define POLLOUT 4
#define FIONREAD 0x541B

#define SOCK_STREAM 1
#define SOCK_NONBLOCK O_NONBLOCK
#define SOCK_CLOEXEC O_CLOEXEC
#define SOL_SOCKET 1
#define SO_ERROR 4
#define SO_LINGER 13
#define MSG_NOSIGNAL 0x4000
struct linger {
  i32 on, seconds;
};

#define F_GETFD 1
#define F_SETFL 4
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
/* Seal, shrink, grow, write: nothing about the file can change any more. */
#define F_SEAL_ALL 0x0f
#define MFD_CLOEXEC 1
#define MFD_ALLOW_SEALING 2
#define MFD_EXEC 0x10

#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20

#define PR_SET_PDEATHSIG 1
#define PR_SET_DUMPABLE 4
#define PR_SET_KEEPCAPS 8
#define PR_SET_NAME 15
#define PR_CAPBSET_READ 23
#define PR_CAPBSET_DROP 24
#define PR_SET_NO_NEW_PRIVS 38
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#define KEYCTL_JOIN_SESSION_KEYRING 1
#define CAP_SYS_ADMIN 21
#define CAPABILITY_VERSION_3 0x20080522
struct cap_header {
  u32 version;
  i32 pid;
};
struct cap_data {
  u32 effective, permitted, inheritable;
};
#define SECCOMP_SET_MODE_FILTER 1
struct sock_fprog {
  u16 length;
  const void *filter;
};
struct rlimit64 {
  u64 soft, hard;
};
#define RLIMIT_NOFILE 7
#define RENAME_NOREPLACE 1

/** The device number as mknod(2) takes it. */
static inline u32 device_number(u32 major, u32 minor) {
  return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}

#endif
