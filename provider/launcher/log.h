/*
 * The log file: appended to, rotated, and never a reason for the container to stop.
 */
#ifndef BAREPOD_LOG_H
#define BAREPOD_LOG_H

#include "config.h"

void log_open(const char *path, u64 rotate_bytes, u32 rotate_files);
/** Writes whole lines. What cannot be written is counted, and the count noted in the log when it can be again. */
void log_write(const u8 *bytes, usize length);

#endif
