/*
 * Which namespaces the process lives in. The PID namespace is its parent's business: a process never changes its own.
 */
#ifndef BAREPOD_NAMESPACES_H
#define BAREPOD_NAMESPACES_H

#include "config.h"

/** The `join`s, but for the PID namespace's. */
void join_namespaces(const struct config *config);
/** The `new` ones, but for the PID namespace; and the host name. */
void make_namespaces(const struct config *config);
/** All that a running process lives in, and its root; `process` is the descriptor of its folder in /proc. */
void join_process(int process);
/** Its PID namespace, for the children that the caller makes from now on. */
void join_pid_namespace_of(int process);

#endif
