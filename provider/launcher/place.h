/*
 * Places inside a root directory, as descriptors. Nothing leads out of it; what goes wrong is a negative errno, or ends
 * the launcher where a `stage` is given.
 */
#ifndef BAREPOD_PLACE_H
#define BAREPOD_PLACE_H

#include "types.h"

/** `path` from the directory `root`; `how` is one or more of RESOLVE_*. */
int resolve(int root, const char *path, u64 flags, u64 how);
/** A place below the directory `root`, which is `/` to every symlink on the way. */
int in_root(int root, const char *path, u64 flags);
/** The directory that holds `target`, made when missing, and the target's own name. */
int parent_of(int root, const char *target, const char **name, const char *stage);
/** Where something will be mounted: made when missing, as a directory or an empty file, also where a dangling link leads. */
int mount_point(int root, const char *target, bool directory, u64 how);

/**
 * `path` below the directory `base`, never through a link out of it. What is missing on the way is made as directories of
 * this mode.
 */
int place_below(int base, const char *path, u32 mode, const char *stage);

#endif
