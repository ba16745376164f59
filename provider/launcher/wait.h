/*
 * Waiting for descriptors, with a deadline.
 */
#ifndef BAREPOD_WAIT_H
#define BAREPOD_WAIT_H

#include "sys.h"

/** Nanoseconds on a clock that is never set. */
i64 monotonic(void);
/** Waits until something is ready, or until `end` on that clock (0: without end). False when that has come. */
bool wait_for(struct pollfd *sources, usize count, i64 end);

#endif
