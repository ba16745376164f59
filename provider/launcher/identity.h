/*
 * Who the process is: its user, groups, capabilities, limits, AppArmor profile and system call filter.
 */
#ifndef BAREPOD_IDENTITY_H
#define BAREPOD_IDENTITY_H

#include "config.h"

#define SECCOMP_MOST 4096

/** A system call filter, read from the node before the root is entered. */
struct seccomp {
  u16 count;
  u64 *instructions;
};

void read_seccomp(const struct config *config, struct seccomp *out);
/** The AppArmor profile of the program that comes; called while /proc is the node's. */
void choose_profile(const struct config *config);
/** Everything up to the working directory; the caller then loads the filter. */
void become(const struct config *config);
void load_seccomp(const struct seccomp *seccomp);

#endif
