/*
 * The process's file system: its mounts, devices, masks and root directory.
 */
#ifndef BAREPOD_MOUNTS_H
#define BAREPOD_MOUNTS_H

#include "config.h"

/**
 * Prepares the root in the present mount namespace and enters it. With `new mnt` nothing of the node remains visible
 * but what was mounted; without, it is chroot(2). With no root the mounts are made in the node's own tree.
 */
void enter_root(const struct config *config);

#endif
