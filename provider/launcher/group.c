/*
 * Control groups: how a process comes to be in one.
 */
#include "group.h"

#include "config.h"
#include "report.h"

long fork_into_group(const char *path, u64 flags) {
  struct statfs found;
  long fd = sys(openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fd;
  long pid = sys(fstatfs, fd, &found);
  if (!pid && found.type != CGROUP2_SUPER_MAGIC) pid = -EINVAL;
  if (!pid) {
    struct clone_args arguments = {.flags = flags | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (u64)fd};
    pid = sys(clone3, &arguments, sizeof arguments);
  }
  sys(close, fd);
  return pid;
}

void enter_group(const char *path) {
  TEXT(file, PATH_BYTES);
  text_format(&file, "%s/cgroup.procs", path);
  long fd = sys(openat, AT_FDCWD, file.data, O_WRONLY | O_CLOEXEC);
  /* 0 is whoever writes, whatever its number in which namespace. */
  long result = fd < 0 ? fd : sys(write, fd, "0", 1);
  if (result < 0) fail(EXIT_SETUP, "cgroup", "%s: %e", file.data, (int)result);
  sys(close, fd);
}
