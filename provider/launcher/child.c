/*
 * The child, in the order that the kernel's rules leave:
 *
 *   cgroups (before a cgroup namespace is made of them)  ->  the AppArmor profile for execve, by the node's /proc
 *   ->  joins, by files of the node  ->  fresh namespaces  ->  root and mounts  ->  no descriptor of the node left
 *   ->  limits, user, capabilities  ->  working directory  ->  seccomp  ->  execve
 */
#include "child.h"

#include "environment.h"
#include "group.h"
#include "identity.h"
#include "mounts.h"
#include "namespaces.h"
#include "report.h"
#include "self.h"
#include "user.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void join_cgroups(const struct child *child) {
  for (usize i = 0; i < child->config->directive_count; i++) {
    const struct directive *directive = &child->config->directives[i];
    if (directive->kind != CGROUP || (i64)i == child->cgroup_done) continue;
    enter_group(directive->field[0]);
  }
}

static void set_oom_score_adj(const struct config *config) {
  if (!config->has_oom_score_adj) return;
  TEXT(value, 16);
  text_format(&value, "%d", config->oom_score_adj);
  long fd = sys(openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  long result = fd < 0 ? fd : sys(write, fd, value.data, value.length);
  if (result == -EACCES)
    fail(EXIT_SETUP, "oom_score_adj", "%d: %e: lowering it needs CAP_SYS_RESOURCE", config->oom_score_adj, (int)result);
  if (result < 0) fail(EXIT_SETUP, "oom_score_adj", "%d: %e", config->oom_score_adj, (int)result);
  sys(close, fd);
}

static void connect(int fd, int as) {
  long result = sys(dup3, fd, as, 0);
  if (result < 0) fail(EXIT_SETUP, "stdio", "cannot connect descriptor %u: %e", (u64)as, (int)result);
}

/** /dev/null opened with `flags`, or -1 if it is something else: an image may put a FIFO or a watchdog there. */
static int open_null(u64 flags) {
  struct statx found;
  long fd = sys(openat, AT_FDCWD, "/dev/null", flags | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  if (sys(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found) == 0 && (found.mode & S_IFMT) == S_IFCHR &&
      found.rdev_major == 1 && found.rdev_minor == 3)
    return (int)fd;
  sys(close, fd);
  return -1;
}

/**
 * Standard input is /dev/null: the root's own, so that the container holds no file of the node. A root without one gets
 * the reading end of a pipe that nobody writes to, which reads the same: as an empty file.
 */
static void connect_standard_input(void) {
  int ends[2];
  if (open_null(O_PATH) >= 0) {
    int fd = open_null(O_RDONLY | O_NONBLOCK);
    if (fd >= 0) {
      sys(fcntl, fd, F_SETFL, 0);
      connect(fd, 0);
      return;
    }
  }
  long result = sys(pipe2, ends, O_CLOEXEC);
  if (result < 0) fail(EXIT_SETUP, "stdio", "pipe: %e", (int)result);
  connect(ends[0], 0);
}

/** Leaves 0, 1, 2 and the pipe to the parent, which becomes 3: no path through /proc/self/fd leads to the node. */
static void close_descriptors(void) {
  if (report_fd != 3) {
    if (sys(dup3, report_fd, 3, O_CLOEXEC) < 0) leave(EXIT_SETUP);
    report_fd = 3;
  }
  close_from(4);
}

static void enter_directory(const char *path) {
  char here[PATH_BYTES];
  long result = sys(chdir, path);
  if (result < 0) fail(EXIT_SETUP, "cwd", "%s: %e", path, (int)result);
  /* The kernel says "(unreachable)" of a directory outside of the root. */
  result = sys(getcwd, here, sizeof here);
  if (result < 0 || here[0] != '/') fail(EXIT_SETUP, "cwd", "%s is outside of the root", path);
}

static void reset_signals(void) {
  static const struct sigaction usual;
  u64 none = 0;
  for (int signal = 1; signal <= 64; signal++) sys(rt_sigaction, signal, &usual, NULL, sizeof(u64));
  sys(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

/** Linux bounds each string and all of them together, and says only that a bound was met. No value is shown. */
__attribute__((noreturn)) static void fail_too_long(const struct environment *environment) {
  const char *longest = "";
  usize length = 0, argument = 0;
  for (usize i = 0; environment->arguments[i]; i++) {
    usize this = text_length(environment->arguments[i]);
    if (this > length) argument = i, length = this;
  }
  for (char **at = environment->variables; *at; at++) {
    usize this = text_length(*at);
    if (this > length) longest = *at, length = this;
  }
  TEXT(name, 280);
  for (; *longest && *longest != '=' && name.length < 256; longest++) name.data[name.length++] = *longest;
  name.data[name.length] = 0;
  if (name.length) text_format(&name, " has");
  else text_format(&name, "argument %u has", (u64)argument);
  fail(EXIT_NOT_EXECUTABLE, "exec", "the arguments and the environment are longer than Linux takes; %s %u bytes",
       name.data, (u64)length);
}

__attribute__((noreturn)) static void execute(const struct environment *environment) {
  const char *name = environment->arguments[0];
  const char *path = environment_get(environment, "PATH");
  usize length = text_length(name);
  long denied = 0;
  for (usize i = 0; i < length; i++) {
    if (name[i] != '/') continue;
    long result = sys(execve, name, environment->arguments, environment->variables);
    if (result == -E2BIG) fail_too_long(environment);
    if (result == -ENOENT || result == -ENOTDIR) fail(EXIT_NOT_FOUND, "exec", "%q: %e", name, (int)result);
    fail(EXIT_NOT_EXECUTABLE, "exec", "%q: %e", name, (int)result);
  }
  for (path = path ? path : DEFAULT_PATH;;) {
    char candidate[PATH_BYTES];
    usize part = 0;
    while (path[part] && path[part] != ':') part++;
    if (part + 1 + length < sizeof candidate) {
      usize at = part;
      memcpy(candidate, path, part);
      /* An empty part is the working directory. */
      if (part) candidate[at++] = '/';
      memcpy(candidate + at, name, length + 1);
      long result = sys(execve, candidate, environment->arguments, environment->variables);
      if (result == -E2BIG) fail_too_long(environment);
      if (result == -EACCES) denied = result;
      else if (result != -ENOENT && result != -ENOTDIR)
        fail(EXIT_NOT_EXECUTABLE, "exec", "%q: %e", candidate, (int)result);
    }
    if (!path[part]) break;
    path += part + 1;
  }
  if (denied) fail(EXIT_NOT_EXECUTABLE, "exec", "%q: %e", name, (int)denied);
  fail(EXIT_NOT_FOUND, "exec", "%q: not found in PATH", name);
}

void child_run(const struct child *child) {
  struct config *config = child->config;
  bool is_exec = child->process >= 0;
  struct seccomp seccomp;
  struct identity identity;
  struct environment environment;

  reset_signals();
  sys(setsid);
  sys(umask, 0);
  read_seccomp(config, &seccomp);
  make_environment(config, &environment);
  open_identity(config, is_exec, &identity);
  set_oom_score_adj(config);
  join_cgroups(child);
  choose_profile(config);
  if (is_exec) {
    join_process(child->process);
  } else {
    join_namespaces(config);
    make_namespaces(config);
    enter_root(config);
  }
  resolve_user(config, &identity, &environment);
  if (is_exec || config->stdio == STDIO_LOG) connect_standard_input();
  if (child->standard_output >= 0) {
    connect(child->standard_output, 1);
    connect(child->standard_error, 2);
  }
  close_descriptors();
  /* Root's session on the node may hold keys: where kernel keyrings exist, the container starts with an empty one. */
  if (config->root) sys(keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
  sys(umask, config->umask);
  become(config);
  /* A change of user would undo it, as that of an AppArmor profile does. A launcher that is killed takes the command with it. */
  if (is_exec) sys(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  enter_directory(config->cwd ? config->cwd : "/");
  u8 ready = CHILD_READY;
  write_all(report_fd, &ready, 1);
  load_seccomp(&seccomp);
  execute(&environment);
}
