/*
 * The launcher's words: run, exec, probe, layer, detach, pause, sleep, version.
 */
#include "detach.h"
#include "exec.h"
#include "layer.h"
#include "probe.h"
#include "report.h"
#include "run.h"
#include "self.h"

#define VERSION "barepod launcher 1\n"

static void wait_for_signals(u64 *set) {
  *set = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGINT);
  sys(rt_sigprocmask, SIG_SETMASK, set, NULL, sizeof *set);
}

/**
 * PID 1 of a kept PID namespace: reaps what is orphaned, ends on TERM and INT. A namespace's first process never sees a
 * signal that it neither handles nor blocks, so these are blocked and taken one by one.
 */
__attribute__((noreturn)) static void pause(void) {
  u64 set;
  wait_for_signals(&set);
  sys(prctl, PR_SET_NAME, "pause", 0, 0, 0);
  sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  sys(chdir, "/");
  for (;;) {
    long signal = sys(rt_sigtimedwait, &set, NULL, NULL, sizeof set);
    if (signal == SIGTERM || signal == SIGINT) leave(0);
    while (sys(wait4, -1, NULL, WNOHANG, NULL) > 0) {
    }
  }
}

__attribute__((noreturn)) static void sleep(const char *text) {
  i64 nanoseconds;
  if (!text_duration(text, &nanoseconds)) fail(EXIT_SETUP, "sleep", "%q is not a number of seconds", text);
  struct timespec left = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  while (sys(clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left) == -EINTR) {
  }
  leave(0);
}

int launcher(int count, char **arguments, char **environment) {
  const char *word = count > 1 ? arguments[1] : "";
  ensure_standard_fds();
  if (count == 2 && text_equal(word, "version")) {
    write_all(1, VERSION, sizeof VERSION - 1);
    return 0;
  }
  if (count == 3 && text_equal(word, "sleep")) sleep(arguments[2]);
  if (count == 2 && text_equal(word, "pause")) {
    run_from_sealed_copy(arguments, environment);
    close_from(3);
    pause();
  }
  if (count >= 4 && text_equal(word, "detach")) detach(arguments[2], arguments + 3, environment);
  if (count >= 3 && text_equal(word, "run")) {
    run_from_sealed_copy(arguments, environment);
    close_from(3);
    run(arguments + 2);
  }
  if (count == 3 && text_equal(word, "layer")) layer(arguments[2]);
  if (count >= 3 && text_equal(word, "probe")) {
    close_from(3);
    probe(arguments + 2);
  }
  if (count >= 6 && text_equal(word, "exec")) {
    run_from_sealed_copy(arguments, environment);
    close_from(3);
    exec(arguments + 2);
  }
  static const char usage[] =
      "usage: launcher run FILE...\n"
      "       launcher exec FILE... PID:STARTTIME SECONDS COMMAND...\n"
      "       launcher probe tcp|http ADDRESS PORT SECONDS\n"
      "       launcher layer DIR\n"
      "       launcher detach DIR PROGRAM ARGUMENT...\n"
      "       launcher pause | sleep SECONDS | version\n";
  write_all(2, usage, sizeof usage - 1);
  return EXIT_SETUP;
}
