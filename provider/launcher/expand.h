/*
 * `$(NAME)` by Kubernetes' rules. Pure.
 */
#ifndef BAREPOD_EXPAND_H
#define BAREPOD_EXPAND_H

#include "text.h"

/** What is known of names; NULL for one that is not defined. */
struct names {
  const char *(*lookup)(const struct names *names, const char *name, usize length);
};

/**
 * Appends `value` to `out` with its references replaced: `$$` is a `$`, an undefined name stays as it was written, and
 * what was put in is not looked at again. False if `out` is too small for it.
 */
bool expand(struct text *out, const char *value, const struct names *names);

#endif
