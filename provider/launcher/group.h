/*
 * Control groups: how a process comes to be in one.
 */
#ifndef BAREPOD_GROUP_H
#define BAREPOD_GROUP_H

#include "types.h"

/**
 * A fork, born in the control group at `path`: that costs nothing, while moving there later waits for a grace period of
 * the whole machine. For groups of version 2 only, and since Linux 5.7; otherwise a negative errno, and nothing was made.
 */
long fork_into_group(const char *path, u64 flags);
/** Moves the calling process into the control group at `path`, of either version; ends it if that fails. */
void enter_group(const char *path);

#endif
