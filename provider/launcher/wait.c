/*
 * Waiting for descriptors, with a deadline.
 */
#include "wait.h"

#include "report.h"

i64 monotonic(void) {
  struct timespec time = {0, 0};
  sys(clock_gettime, CLOCK_MONOTONIC, &time);
  return time.seconds * 1000000000 + time.nanoseconds;
}

bool wait_for(struct pollfd *sources, usize count, i64 end) {
  for (;;) {
    i64 left = end ? end - monotonic() : 0;
    if (left < 0) left = 0;
    struct timespec time = {left / 1000000000, left % 1000000000};
    long ready = sys(ppoll, sources, count, end ? &time : NULL, NULL, 0);
    if (ready > 0) return true;
    if (ready < 0 && ready != -EINTR) fail(EXIT_SETUP, "wait", "ppoll: %e", (int)ready);
    if (!ready && end && monotonic() >= end) return false;
  }
}
