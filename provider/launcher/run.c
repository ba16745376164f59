/*
 * The parent. It reads the configuration, makes the child, and stays behind in the node's namespaces and cgroup: as the
 * pump of the child's output, as the one who forwards signals to it, and as the one who learns how it ended. Beyond
 * that it holds nothing: the configuration is given back as soon as the child runs.
 */
#include "run.h"

#include "config.h"
#include "cri.h"
#include "folder.h"
#include "load.h"
#include "log.h"
#include "parent.h"
#include "report.h"
#include "self.h"

static struct config config;
static struct cri_output output;
static struct cri_stream streams[2];
static char status_memory[PATH_BYTES];
/** What TERM becomes on its way to the process. */
static u32 stop_signal;

static void join_pid_namespace(void) {
  for (usize i = 0; i < config.directive_count; i++) {
    const struct directive *directive = &config.directives[i];
    if (directive->kind != JOIN || directive->number[0] != CLONE_NEWPID) continue;
    long fd = sys(openat, AT_FDCWD, directive->field[1], O_RDONLY | O_CLOEXEC);
    long result = fd < 0 ? fd : sys(setns, fd, CLONE_NEWPID);
    if (result < 0) fail(EXIT_SETUP, "namespace", "join pid %s: %e", directive->field[1], (int)result);
    sys(close, fd);
  }
}

static void make_folders(void) {
  for (usize i = 0; i < config.directive_count; i++) {
    if (config.directives[i].kind == FOLDER) make_folder(config.directives[i].field[0]);
  }
}

static void flush(struct cri_output *out) {
  if (out->length) log_write(out->bytes, out->length);
  out->length = 0;
}

/** One read of a stream, and one write of what it gave. False at its end. */
static bool pump(struct pollfd *source, struct cri_stream *stream, usize *count) {
  char time[TIME_LENGTH + 1];
  long length = sys(read, source->fd, stream->bytes + stream->length, sizeof stream->bytes - stream->length);
  if (count) *count = length > 0 ? (usize)length : 0;
  if (length == -EAGAIN || length == -EINTR) return true;
  now(time);
  if (length > 0) {
    stream->length += (usize)length;
    cri_take(stream, &output, time);
  } else {
    cri_end(stream, &output, time);
    sys(close, source->fd);
    source->fd = -1;
  }
  flush(&output);
  return length > 0;
}

/** After the process's end: what lies in its pipe now, and no more, or a grandchild could keep us for ever. */
static void drain(struct pollfd *source, struct cri_stream *stream) {
  i32 left = 0;
  if (source->fd < 0) return;
  sys(ioctl, source->fd, FIONREAD, &left);
  while (left > 0 && source->fd >= 0) {
    usize count;
    if (!pump(source, stream, &count) || !count) break;
    left -= (i32)count;
  }
  if (source->fd < 0) return;
  char time[TIME_LENGTH + 1];
  now(time);
  cri_end(stream, &output, time);
  flush(&output);
  sys(close, source->fd);
}

static void say(const char *word, u64 first, const u64 *second) {
  char time[TIME_LENGTH + 1];
  TEXT(line, 256);
  now(time);
  text_format(&line, "%s\t%u\t", word, first);
  if (second) text_format(&line, "%u\t", *second);
  text_format(&line, "%s\n", time);
  write_status(line.data, line.length);
}

/** The child's own exit code, or 128 + signal; the status file says which. */
__attribute__((noreturn)) static void conclude(int status) {
  int signal = status & 0x7f;
  int code = signal ? 128 + signal : status >> 8 & 0xff;
  say(signal ? "killed" : "exited", (u64)(signal ? signal : code), NULL);
  leave(code);
}

/** The loop of the parent's life: output, signals, and the child's end. */
__attribute__((noreturn)) static void attend(long pid, int report, int out, int err, int signals) {
  enum { REPORT, OUT, ERR, SIGNALS };
  struct pollfd sources[] = {{report, POLLIN, 0}, {out, POLLIN, 0}, {err, POLLIN, 0}, {-1, POLLIN, 0}};
  char record[2048];
  usize recorded = 0;
  bool ended = false;
  int status = 0;

  while (!ended) {
    long ready = sys(ppoll, sources, COUNT(sources), NULL, NULL, 0);
    if (ready < 0 && ready != -EINTR) fail(EXIT_SETUP, "wait", "ppoll: %e", (int)ready);
    if (ready <= 0) continue;
    if (sources[REPORT].revents) {
      long length = sys(read, report, record + recorded, sizeof record - 1 - recorded);
      if (length > 0) {
        recorded += (usize)length;
      } else if (length != -EINTR) {
        sys(close, report);
        sources[REPORT].fd = -1;
        /* Exactly the word "ready", and then the end: execve has closed the pipe. */
        if (recorded != 1 || record[0] != CHILD_READY) {
          usize ready_byte = recorded && record[0] == CHILD_READY;
          record[recorded] = 0;
          reap(pid, &status, 0);
          report_failure(record + ready_byte, recorded - ready_byte, status);
        }
        int process = open_process((u64)pid);
        u64 started = process < 0 ? 0 : start_time(process);
        sys(close, process);
        say("running", (u64)pid, &started);
        /* Only now: how the set-up went must be known before how the process ended. */
        sources[SIGNALS].fd = signals;
      }
    }
    for (int i = OUT; i <= ERR; i++) {
      if (sources[i].revents) pump(&sources[i], &streams[i - OUT], NULL);
    }
    if (sources[SIGNALS].revents) {
      struct signalfd_siginfo signal;
      if (sys(read, signals, &signal, sizeof signal) != sizeof signal) continue;
      if (signal.signal == SIGCHLD) ended = reap(pid, &status, WNOHANG);
      else sys(kill, pid, signal.signal == SIGTERM ? stop_signal : signal.signal);
    }
  }
  drain(&sources[OUT], &streams[0]);
  drain(&sources[ERR], &streams[1]);
  conclude(status);
}

/** Reading must never block the pump; the flag is the reading end's own. */
static void do_not_block(int fd) {
  sys(fcntl, fd, F_SETFL, O_NONBLOCK);
}

void run(char **paths) {
  int report[2], out[2] = {-1, -1}, err[2] = {-1, -1};
  struct child child = {&config, -1, -1, -1, -1};
  static const struct sigaction usual, ignored = {.handler = SIG_IGN};
  u64 handled =
      SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGHUP) | SIGNAL_BIT(SIGQUIT);

  output.flush = flush;
  streams[0].name = "stdout";
  streams[1].name = "stderr";
  load_config(paths, &config);
  if (config.status) {
    memcpy(status_memory, config.status, text_length(config.status) + 1);
    status_path = status_memory;
  }
  sys(chdir, "/");
  sys(prctl, PR_SET_NAME, "launcher", 0, 0, 0);
  /* Not even a process with the same user and capabilities may look into this one, or trace it. */
  sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  make_folders();
  if (config.stdio == STDIO_LOG) {
    log_open(config.log, config.rotate_bytes, config.rotate_files);
    if (config.link) make_link(config.log, config.link);
    make_pipe(out);
    make_pipe(err);
  }
  make_pipe(report);
  join_pid_namespace();
  /* An ignored SIGCHLD, inherited from whoever started us, would swallow the wait status. */
  sys(rt_sigaction, SIGCHLD, &usual, NULL, sizeof(u64));
  sys(rt_sigprocmask, SIG_SETMASK, &handled, NULL, sizeof handled);

  child.standard_output = out[1];
  child.standard_error = err[1];
  long pid = make_child(&child, config.fresh & CLONE_NEWPID);
  if (pid < 0) fail(EXIT_SETUP, "start", "cannot make a process: %e", (int)pid);
  if (!pid) {
    report_fd = report[1];
    child_run(&child);
  }

  sys(rt_sigaction, SIGPIPE, &ignored, NULL, sizeof(u64));
  sys(rt_sigaction, SIGXFSZ, &ignored, NULL, sizeof(u64));
  sys(close, report[1]);
  if (config.stdio == STDIO_LOG) {
    sys(close, out[1]);
    sys(close, err[1]);
    do_not_block(out[0]);
    do_not_block(err[0]);
  }
  long signals = sys(signalfd4, -1, &handled, sizeof handled, O_CLOEXEC | O_NONBLOCK);
  if (signals < 0) {
    sys(kill, pid, SIGKILL);
    fail(EXIT_SETUP, "start", "signalfd: %e", (int)signals);
  }
  stop_signal = config.stop_signal ? config.stop_signal : SIGTERM;
  unload_config();
  attend(pid, report[0], out[0], err[0], (int)signals);
}
