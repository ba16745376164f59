/*
 * The lines of /etc/passwd and /etc/group, from an image that may put anything there. Pure.
 */
#ifndef BAREPOD_ACCOUNTS_H
#define BAREPOD_ACCOUNTS_H

#include "text.h"

/** Bytes of an account file; they need not end in a NUL. */
struct accounts {
  const char *bytes;
  usize length;
};

/** Bytes of an account file, without a NUL at their end. */
struct part {
  const char *bytes;
  usize length;
};

struct account {
  struct part name, home;
  u32 uid, gid;
};

/** The first account of that name, or of that uid if `name` is NULL. Lines without a proper uid and gid do not count. */
bool find_account(const struct accounts *passwd, const char *name, u32 uid, struct account *out);
/** The first group of that name. */
bool find_group(const struct accounts *group, const char *name, u32 *gid);
/** Appends the groups that list `user` to what `groups` holds; false if there is no room for them. */
bool find_memberships(const struct accounts *group, const struct part *user, u32 *groups, u32 *count, u32 most);

#endif
