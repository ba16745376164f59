/*
 * What the parent of a process does, be it `run`'s or `exec`'s.
 */
#include "parent.h"

#include "group.h"
#include "report.h"

long make_child(struct child *child, u64 fresh) {
  const struct config *config = child->config;
  for (usize i = 0; i < config->directive_count; i++) {
    if (config->directives[i].kind != CGROUP) continue;
    child->cgroup_done = (i64)i;
    long pid = fork_into_group(config->directives[i].field[0], fresh);
    if (pid >= 0) return pid;
  }
  /* Whatever it was (version 1, before 5.7, a group that takes no processes): the ordinary way says it better. */
  child->cgroup_done = -1;
  return sys(clone, fresh | SIGCHLD, 0, 0, 0, 0);
}

int open_process(u64 pid) {
  TEXT(path, 32);
  text_format(&path, "/proc/%u", pid);
  return (int)sys(openat, AT_FDCWD, path.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/** The name in field 2 may hold anything, so the count begins behind its last bracket. */
u64 start_time(int directory) {
  char stat[1024];
  long fd = sys(openat, directory, "stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long length = sys(read, fd, stat, sizeof stat - 1);
  sys(close, fd);
  if (length <= 0) return 0;
  stat[length] = 0;
  char *at = stat + length;
  while (at > stat && *at != ')') at--;
  u64 time = 0;
  for (int field = 2; *at && field < 22; at++) field += *at == ' ';
  for (; *at >= '0' && *at <= '9'; at++) time = time * 10 + (u64)(*at - '0');
  return time;
}

bool reap(long pid, int *status, int options) {
  long result;
  do result = sys(wait4, pid, status, options, NULL);
  while (result == -EINTR);
  if (result < 0) fail(EXIT_SETUP, "wait", "%e", (int)result);
  return result == pid;
}

void report_failure(const char *record, usize length, int status) {
  if (length > 2) {
    const char *stage = record + 1;
    fail((u8)record[0], stage, "%s", stage + text_length(stage) + 1);
  }
  if (status & 0x7f)
    fail(EXIT_SETUP, "start", "signal %u ended the process before it ran its program", (u64)(status & 0x7f));
  fail(EXIT_SETUP, "start", "the process ended before it ran its program");
}

void make_pipe(int ends[2]) {
  long result = sys(pipe2, ends, O_CLOEXEC);
  if (result < 0) fail(EXIT_SETUP, "stdio", "pipe: %e", (int)result);
}
