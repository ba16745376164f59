/*
 * The child: from a fresh process to the container's program.
 */
#ifndef BAREPOD_CHILD_H
#define BAREPOD_CHILD_H

#include "config.h"

/** The byte that the child sends when nothing is left but to run the program. */
#define CHILD_READY 'R'

struct child {
  /** The child's own copy, which it completes. */
  struct config *config;
  /** The child's standard output and error, or -1 to keep the launcher's. */
  int standard_output, standard_error;
  /** The cgroup directive that clone3 already did, or -1. */
  i64 cgroup_done;
  /** The folder of the process whose namespaces and root are joined in place of the configuration's, or -1. */
  int process;
};

__attribute__((noreturn)) void child_run(const struct child *child);

#endif
