/*
 * `user`: from a name to the numbers that the kernel knows.
 */
#ifndef BAREPOD_USER_H
#define BAREPOD_USER_H

#include "environment.h"

/** What must be done on the node for that, before the root is entered. */
struct identity {
  /** Where run writes what it found, or -1. */
  int fd;
  /** What exec reads instead of finding it again. */
  struct text known;
};

/**
 * Opens the file of `identity`: to write it, or to read it (`again`). A process inside may have changed /etc/passwd since
 * the start; whoever comes later must still be the user that the first one was.
 */
void open_identity(const struct config *config, bool again, struct identity *out);
/**
 * Settles the configuration's uid, gid and groups from the account files of the root that has been entered, and HOME;
 * then `nonroot`.
 */
void resolve_user(struct config *config, struct identity *identity, struct environment *environment);

#endif
