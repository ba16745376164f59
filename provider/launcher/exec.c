/*
 * `launcher exec`: what a container's probes, hooks and visitors run. The command gets the container's namespaces, root
 * and control groups, and from the configuration everything else: user, capabilities, limits, filter, environment.
 *
 * Whoever is inside sees this process from its first moment, so it is made as `run` makes its own: from a sealed copy of
 * the program (CVE-2019-5736), not dumpable, hence closed to ptrace and /proc/PID/fd, with every descriptor of the node
 * closed before the working directory is entered and the command is run (CVE-2024-21626). The container's process is held
 * by its folder in /proc, opened once, so that a number that was given away again is never entered.
 */
#include "exec.h"

#include "load.h"
#include "namespaces.h"
#include "parent.h"
#include "report.h"
#include "wait.h"

static struct config config;

/** PID:STARTTIME, as the status file has them. */
static bool parse_process(const char *text, u64 *pid, u64 *started) {
  char number[24];
  usize colon = 0;
  while (text[colon] && text[colon] != ':') colon++;
  if (!text[colon] || colon >= sizeof number) return false;
  memcpy(number, text, colon);
  number[colon] = 0;
  return text_number(number, 10, 1u << 30, pid) && text_number(text + colon + 1, 10, ~0ull, started) && *pid;
}

/** The command, and all of its process group. What has left that group, for a session of its own, is left alone. */
static void kill_all(long pid, int signal) {
  sys(kill, -pid, signal);
  sys(kill, pid, signal);
}

__attribute__((noreturn)) static void time_out(long pid, const char *seconds, int signals) {
  int status;
  struct pollfd source = {signals, POLLIN, 0};
  kill_all(pid, SIGKILL);
  /* A process that hangs in the kernel cannot be waited for. */
  i64 end = monotonic() + 2000000000;
  while (wait_for(&source, 1, end)) {
    struct signalfd_siginfo signal;
    sys(read, signals, &signal, sizeof signal);
    if (reap(pid, &status, WNOHANG)) break;
  }
  fail(EXIT_TIMED_OUT, "exec", "the command did not end within %s seconds", seconds);
}

__attribute__((noreturn)) static void attend(long pid, int report, int signals, i64 end, const char *seconds) {
  /* Signals come later: how the set-up went must be known before how the command ended. */
  struct pollfd sources[] = {{-1, POLLIN, 0}, {report, POLLIN, 0}};
  char record[2048];
  usize recorded = 0;
  int status = 0;
  for (;;) {
    if (!wait_for(sources, COUNT(sources), end)) time_out(pid, seconds, signals);
    if (sources[1].revents) {
      long length = sys(read, report, record + recorded, sizeof record - 1 - recorded);
      if (length > 0) {
        recorded += (usize)length;
      } else if (length != -EINTR) {
        sys(close, report);
        sources[1].fd = -1;
        if (recorded != 1 || record[0] != CHILD_READY) {
          usize ready_byte = recorded && record[0] == CHILD_READY;
          record[recorded] = 0;
          reap(pid, &status, 0);
          report_failure(record + ready_byte, recorded - ready_byte, status);
        }
        sources[0].fd = signals;
      }
    }
    if (!sources[0].revents) continue;
    struct signalfd_siginfo signal;
    if (sys(read, signals, &signal, sizeof signal) != sizeof signal) continue;
    if (signal.signal != SIGCHLD) kill_all(pid, (int)signal.signal);
    else if (reap(pid, &status, WNOHANG)) leave(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff);
  }
}

void exec(char **arguments) {
  int report[2];
  u64 pid, started;
  usize files = 0;
  i64 limit;
  struct child child = {&config, -1, -1, -1, -1};
  static const struct sigaction usual;
  u64 handled =
      SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGQUIT);

  while (arguments[files] && !parse_process(arguments[files], &pid, &started)) files++;
  if (!files || !arguments[files] || !arguments[files + 1] || !arguments[files + 2])
    fail(EXIT_SETUP, "exec", "the arguments must be FILE... PID:STARTTIME SECONDS COMMAND...");
  const char *seconds = arguments[files + 1];
  if (!text_duration(seconds, &limit)) fail(EXIT_SETUP, "exec", "%q is not a number of seconds", seconds);
  i64 end = limit ? monotonic() + limit : 0;

  child.process = open_process(pid);
  if (child.process < 0 || start_time(child.process) != started)
    fail(EXIT_SETUP, "exec", "the container's process %u does not run any more", pid);
  arguments[files] = NULL;
  config.for_exec = true;
  load_config(arguments, &config);
  config.arguments = arguments + files + 2;
  for (config.argument_count = 0; config.arguments[config.argument_count];) config.argument_count++;
  config.image.argument_count = config.include_at = 0;

  sys(chdir, "/");
  sys(prctl, PR_SET_NAME, "launcher", 0, 0, 0);
  sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  make_pipe(report);
  join_pid_namespace_of(child.process);
  sys(rt_sigaction, SIGCHLD, &usual, NULL, sizeof(u64));
  sys(rt_sigprocmask, SIG_SETMASK, &handled, NULL, sizeof handled);
  long signals = sys(signalfd4, -1, &handled, sizeof handled, O_CLOEXEC);
  if (signals < 0) fail(EXIT_SETUP, "start", "signalfd: %e", (int)signals);
  long command = make_child(&child, 0);
  if (command < 0) fail(EXIT_SETUP, "start", "cannot make a process in the container: %e", (int)command);
  if (!command) {
    report_fd = report[1];
    child_run(&child);
  }
  sys(close, report[1]);
  sys(close, child.process);
  attend(command, report[0], (int)signals, end, seconds);
}
