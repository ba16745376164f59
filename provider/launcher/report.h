/*
 * How a step that fails says so, in the child and in the parent alike.
 */
#ifndef BAREPOD_REPORT_H
#define BAREPOD_REPORT_H

#include "sys.h"
#include "text.h"

/** Exit codes as shells and container runtimes use them. */
enum { EXIT_TIMED_OUT = 124, EXIT_SETUP = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

__attribute__((noreturn)) void leave(int code);

/** The child's end of the pipe to its parent, or -1 in the parent. */
extern int report_fd;
/** Where the parent writes its status, or NULL. */
extern const char *status_path;

/**
 * Ends this process because the set-up failed at `stage`; the rest is for text_format. In the child the record goes to
 * the parent; in the parent it becomes the status file's line and a line on standard error.
 */
__attribute__((noreturn)) void fail(int code, const char *stage, const char *format, ...);

/** Writes all bytes, or as many as can be written; the count, or the error if there were none. */
long write_all(int fd, const void *bytes, usize length);
void now(char out[TIME_LENGTH + 1]);
/** Replaces the status file with one line. */
void write_status(const char *line, usize length);

#endif
