/*
 * Reporting: the status file, the record that the child sends its parent, and messages on standard error.
 */
#include "report.h"

#include "config.h"

int report_fd = -1;
const char *status_path = NULL;

void leave(int code) {
  for (;;) sys(exit_group, code);
}

long write_all(int fd, const void *bytes, usize length) {
  usize done = 0;
  while (done < length) {
    long result = sys(write, fd, (const u8 *)bytes + done, length - done);
    if (result == -EINTR) continue;
    if (result <= 0) return done ? (long)done : result;
    done += (usize)result;
  }
  return (long)done;
}

void now(char out[TIME_LENGTH + 1]) {
  struct timespec time = {0, 0};
  sys(clock_gettime, CLOCK_REALTIME, &time);
  text_time(out, (u64)time.seconds, (u32)time.nanoseconds);
}

static void complain(const char *what, const char *path, long error) {
  TEXT(line, 1024);
  text_format(&line, "launcher: %s %s: %e", what, path, (int)error);
  line.data[line.length++] = '\n';
  write_all(2, line.data, line.length);
}

void write_status(const char *line, usize length) {
  if (!status_path) return;
  TEXT(beside, PATH_BYTES);
  text_format(&beside, "%s.new", status_path);
  long fd = sys(openat, AT_FDCWD, beside.data, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) {
    complain("status", beside.data, fd);
    return;
  }
  long written = write_all((int)fd, line, length);
  sys(close, fd);
  long renamed = written == (long)length ? sys(renameat2, AT_FDCWD, beside.data, AT_FDCWD, status_path, 0) : written;
  if (renamed < 0 || written != (long)length) {
    complain("status", status_path, renamed);
    sys(unlinkat, AT_FDCWD, beside.data, 0);
  }
}

void fail(int code, const char *stage, const char *format, ...) {
  __builtin_va_list arguments;
  TEXT(message, 1024);
  TEXT(record, 1400);
  __builtin_va_start(arguments, format);
  text_format_list(&message, format, arguments);
  __builtin_va_end(arguments);
  /* The status file's fields are separated by tabs, and it is one line. */
  text_one_line(&message);
  if (report_fd >= 0) {
    /* At most a pipe's atomic size, so that the parent sees a whole record or none. */
    record.data[record.length++] = (char)code;
    text_format(&record, "%s", stage);
    record.data[record.length++] = 0;
    text_format(&record, "%s", message.data);
    write_all(report_fd, record.data, record.length + 1);
    leave(code);
  }
  char time[TIME_LENGTH + 1];
  now(time);
  text_format(&record, "failed\t%s\t%s\t%s\n", stage, message.data, time);
  write_status(record.data, record.length);
  record.length = 0;
  text_format(&record, "launcher: %s: %s\n", stage, message.data);
  write_all(2, record.data, record.length);
  leave(code);
}
