/*
 * What the parent of a process does, be it `run`'s or `exec`'s.
 */
#ifndef BAREPOD_PARENT_H
#define BAREPOD_PARENT_H

#include "child.h"

void make_pipe(int ends[2]);
/** A fork, born in the first control group that takes it so, and in the fresh namespaces; the child enters the others. */
long make_child(struct child *child, u64 fresh);
/** The folder /proc/PID as a descriptor, which never becomes another process's; or a negative errno. */
int open_process(u64 pid);
/** Field 22 of a process's stat; 0 if it has gone. */
u64 start_time(int directory);
/** Whether the child has ended, and its wait status. */
bool reap(long pid, int *status, int options);
/** What the child said before its program ran, or that it went without a word. */
__attribute__((noreturn)) void report_failure(const char *record, usize length, int status);

#endif
