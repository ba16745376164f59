/*
 * `launcher detach DIR PROGRAM ARGUMENT...`: starts a program that outlives whoever starts it: in a session of its own, in
 * the control group DIR, which is made when missing, and without a descriptor but the first three. Its standard output
 * goes where its standard error does; the launcher's own takes its process id, and ends with the launcher.
 */
#include "detach.h"

#include "config.h"
#include "folder.h"
#include "group.h"
#include "report.h"
#include "self.h"

void detach(const char *group, char **arguments, char **environment) {
  TEXT(line, 32);
  /* Room for "/cgroup.procs" behind it. */
  if (*group != '/' || text_length(group) >= PATH_BYTES - 16)
    fail(EXIT_SETUP, "cgroup", "%q must be an absolute path", group);
  make_folder(group);
  long pid = fork_into_group(group, 0);
  bool is_inside = pid >= 0;
  if (!is_inside) pid = sys(clone, SIGCHLD, 0, 0, 0, 0);
  if (pid < 0) fail(EXIT_SETUP, "start", "cannot make a process: %e", (int)pid);
  if (!pid) {
    if (!is_inside) enter_group(group);
    sys(setsid);
    sys(dup3, 2, 1, 0);
    close_from(3);
    long result = sys(execve, arguments[0], arguments, environment);
    fail(EXIT_NOT_EXECUTABLE, "exec", "%s: %e", arguments[0], (int)result);
  }
  text_format(&line, "%u\n", (u64)pid);
  write_all(1, line.data, line.length);
  leave(0);
}
