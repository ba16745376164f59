/*
 * Which namespaces the process lives in.
 */
#include "namespaces.h"

#include "report.h"

/** All pins are opened first: joining a mount namespace changes what paths mean. */
void join_namespaces(const struct config *config) {
  int fds[6];
  const struct directive *joins[6];
  usize count = 0;
  for (usize i = 0; i < config->directive_count; i++) {
    const struct directive *directive = &config->directives[i];
    /* The parent has joined the PID namespace: that takes effect for children only. */
    if (directive->kind != JOIN || directive->number[0] == CLONE_NEWPID) continue;
    long fd = sys(openat, AT_FDCWD, directive->field[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(EXIT_SETUP, "namespace", "join %s %s: %e", directive->field[0], directive->field[1], (int)fd);
    fds[count] = (int)fd;
    joins[count++] = directive;
  }
  for (usize i = 0; i < count; i++) {
    long result = sys(setns, fds[i], joins[i]->number[0]);
    if (result < 0)
      fail(EXIT_SETUP, "namespace", "join %s %s: %e", joins[i]->field[0], joins[i]->field[1], (int)result);
    sys(close, fds[i]);
  }
}

void make_namespaces(const struct config *config) {
  u32 fresh = config->fresh & ~(u32)CLONE_NEWPID;
  if (!fresh) return;
  long result = sys(unshare, fresh);
  if (result < 0) fail(EXIT_SETUP, "namespace", "cannot make the new namespaces: %e", (int)result);
  if (!config->hostname) return;
  result = sys(sethostname, config->hostname, text_length(config->hostname));
  if (result < 0) fail(EXIT_SETUP, "namespace", "hostname %s: %e", config->hostname, (int)result);
}

/** A file of a process's folder that stands for a namespace; -1 where the kernel does not have that kind. */
static int open_namespace(int process, const char *name) {
  TEXT(path, 32);
  text_format(&path, "ns/%s", name);
  long fd = sys(openat, process, path.data, O_RDONLY | O_CLOEXEC);
  if (fd == -ESRCH) fail(EXIT_SETUP, "namespace", "the container has ended");
  if (fd < 0 && fd != -ENOENT) fail(EXIT_SETUP, "namespace", "cannot open the container's %s: %e", path.data, (int)fd);
  return fd < 0 ? -1 : (int)fd;
}

static void enter_namespace(int fd, const char *name, u32 flag) {
  if (fd < 0) return;
  long result = sys(setns, fd, flag);
  if (result < 0) fail(EXIT_SETUP, "namespace", "cannot join the container's %s namespace: %e", name, (int)result);
  sys(close, fd);
}

void join_process(int process) {
  /* The mount namespace comes last: what is left to do then needs no path of the node. */
  static const struct {
    const char *name;
    u32 flag;
  } kinds[] = {
      {"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"net", CLONE_NEWNET},
      {"mnt", CLONE_NEWNS},
  };
  int fds[COUNT(kinds)];
  for (usize i = 0; i < COUNT(kinds); i++) fds[i] = open_namespace(process, kinds[i].name);
  long root = sys(openat, process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root == -ENOENT || root == -ESRCH) fail(EXIT_SETUP, "root", "the container has ended");
  if (root < 0) fail(EXIT_SETUP, "root", "the container's root: %e", (int)root);
  sys(close, process);
  for (usize i = 0; i < COUNT(kinds); i++) enter_namespace(fds[i], kinds[i].name, kinds[i].flag);
  long result = sys(fchdir, root);
  if (result >= 0) result = sys(chroot, ".");
  if (result < 0) fail(EXIT_SETUP, "root", "cannot enter the container's root: %e", (int)result);
  sys(close, root);
}

void join_pid_namespace_of(int process) {
  enter_namespace(open_namespace(process, "pid"), "pid", CLONE_NEWPID);
}
