/*
 * Runs the launcher from a sealed copy of itself in memory. A container that gets hold of /proc/PID/exe of a process
 * that set it up must not be able to overwrite the program on the node (CVE-2019-5736): this copy can be neither
 * written nor replaced, and the file on the node is never the one that runs.
 */
#include "self.h"

#include "report.h"

void run_from_sealed_copy(char **arguments, char **environment) {
  long self = sys(openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (self < 0) fail(EXIT_SETUP, "self", "/proc/self/exe: %e", (int)self);
  long seals = sys(fcntl, self, F_GET_SEALS);
  if (seals > 0 && (seals & F_SEAL_ALL) == F_SEAL_ALL) {
    sys(close, self);
    return;
  }
  long copy = sys(memfd_create, "launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  /* MFD_EXEC is known since 6.3; before, every memfd is executable. */
  if (copy == -EINVAL) copy = sys(memfd_create, "launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0) fail(EXIT_SETUP, "self", "memfd_create: %e", (int)copy);
  for (;;) {
    u8 bytes[16384];
    long length = sys(read, self, bytes, sizeof bytes);
    if (length == -EINTR) continue;
    if (length == 0) break;
    if (length < 0 || write_all((int)copy, bytes, (usize)length) != length)
      fail(EXIT_SETUP, "self", "cannot copy the launcher into memory");
  }
  long result = sys(fcntl, copy, F_ADD_SEALS, F_SEAL_ALL);
  if (result < 0) fail(EXIT_SETUP, "self", "cannot seal the copy: %e", (int)result);
  TEXT(path, 32);
  text_format(&path, "/proc/self/fd/%u", (u64)copy);
  result = sys(execve, path.data, arguments, environment);
  /* A kernel that runs this program cannot find its format unknown: this is a user-mode emulator, as in our tests. */
  if (result != -ENOEXEC) fail(EXIT_SETUP, "self", "cannot run the sealed copy: %e", (int)result);
  sys(close, self);
  sys(close, copy);
}

void close_from(int first) {
  if (sys(close_range, first, ~0u, 0) == 0) return;
  /* Before 5.9. */
  struct rlimit64 limit = {65536, 65536};
  sys(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
  u64 most = limit.hard < 1048576 ? limit.hard : 1048576;
  for (u64 fd = (u64)first; fd < most; fd++) sys(close, fd);
}

void ensure_standard_fds(void) {
  for (int fd = 0; fd < 3; fd++) {
    /* The lowest free number is the one that is missing. */
    if (sys(fcntl, fd, F_GETFD) < 0) sys(openat, AT_FDCWD, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
  }
}
