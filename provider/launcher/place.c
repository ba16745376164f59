/*
 * Places inside the root.
 *
 * The root's contents are hostile: an image may hold `/etc -> /../../etc`, and another container may rename things in a
 * shared volume while we work. Every place is therefore resolved by openat2(2) with the root as `/` (RESOLVE_IN_ROOT).
 */
#include "place.h"

#include "config.h"
#include "report.h"

int resolve(int root, const char *path, u64 flags, u64 how) {
  struct open_how open = {flags | O_CLOEXEC, flags & O_CREAT ? 0644 : 0, how | RESOLVE_NO_MAGICLINKS};
  for (int tries = 0;; tries++) {
    long fd = sys(openat2, root, path, &open, sizeof open);
    if (fd == -ENOSYS) fail(EXIT_SETUP, "root", "this kernel has no openat2: Linux 5.6 or later is needed");
    /* EAGAIN: something was renamed below while the kernel walked. */
    if ((fd == -EAGAIN || fd == -EINTR) && tries < 1000) continue;
    return (int)fd;
  }
}

int in_root(int root, const char *path, u64 flags) {
  return resolve(root, path, flags, RESOLVE_IN_ROOT);
}

/** As many links as the kernel follows on one way. */
#define MOST_LINKS 40

/**
 * Sets `way` to where the link under the last name of `place` leads, `rest` behind it. Only what dangles is followed so:
 * images hold links that are meant for a system that has booted (Debian's /etc/resolv.conf). The text is then walked from
 * the root again like any other, so it leads nowhere else than the kernel would go.
 */
static void follow(int parent, const char *place, const char *name, const char *rest, u32 *links, struct text *way,
                   const char *stage) {
  char content[PATH_BYTES];
  long length = sys(readlinkat, parent, name, content, sizeof content - 1);
  if (length == -EINVAL) length = -EEXIST;
  if (length >= 0 && ++*links > MOST_LINKS) length = -ELOOP;
  if (length < 0) fail(EXIT_SETUP, stage, "cannot make %s: %e", place, (int)length);
  content[length] = 0;
  if (content[0] != '/')
    for (const char *at = place; at < name; at++) way->data[way->length++] = *at;
  text_format(way, "%s%s", content, rest);
  /* Full may mean cut off. */
  if (way->length + 1 >= way->size) fail(EXIT_SETUP, stage, "cannot make %s: %e", place, -ENAMETOOLONG);
}

/** The same directory as `mkdir -p` would leave it, dangling links followed. Missing parts become 0755. */
static int make_directories(int root, const char *path, u32 *links, const char *stage) {
  int fd = in_root(root, path, O_PATH | O_DIRECTORY);
  if (fd >= 0) return fd;
  if (fd != -ENOENT) fail(EXIT_SETUP, stage, "%s: %e", path, fd);
  char part[PATH_BYTES];
  int parent = in_root(root, "/", O_PATH | O_DIRECTORY);
  if (parent < 0) fail(EXIT_SETUP, stage, "the root: %e", parent);
  for (usize at = 0, begin; path[at];) {
    while (path[at] == '/') part[at] = path[at], at++;
    begin = at;
    while (path[at] && path[at] != '/') part[at] = path[at], at++;
    if (at == begin) break;
    part[at] = 0;
    int next = in_root(root, part, O_PATH | O_DIRECTORY);
    if (next == -ENOENT) {
      long made = sys(mkdirat, parent, part + begin, 0755);
      if (made < 0 && made != -EEXIST) fail(EXIT_SETUP, stage, "cannot make %s: %e", part, (int)made);
      /* What was just made is no symlink; if it is one now, somebody put it there. */
      next = resolve(parent, part + begin, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
      if (made == -EEXIST && next == -ELOOP) {
        TEXT(way, PATH_BYTES);
        follow(parent, part, part + begin, path + at, links, &way, stage);
        sys(close, parent);
        return make_directories(root, way.data, links, stage);
      }
    }
    if (next < 0) fail(EXIT_SETUP, stage, "%s: %e", part, next);
    sys(close, parent);
    parent = next;
  }
  return parent;
}

static int make_parent(int root, const char *target, const char **name, u32 *links, const char *stage) {
  char path[PATH_BYTES];
  usize slash = 0;
  for (usize i = 0; target[i]; i++) {
    path[i] = target[i];
    if (target[i] == '/') slash = i;
  }
  path[slash ? slash : 1] = 0;
  *name = target + slash + 1;
  return make_directories(root, path, links, stage);
}

int parent_of(int root, const char *target, const char **name, const char *stage) {
  u32 links = 0;
  return make_parent(root, target, name, &links, stage);
}

/** An empty file in a place where none is; where a dangling link is, in the place it names. */
static int make_file(int root, const char *target, u32 *links) {
  const char *name;
  int parent = make_parent(root, target, &name, links, "mount");
  int fd = resolve(parent, name, O_WRONLY | O_CREAT | O_EXCL, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (fd == -EEXIST || fd == -ELOOP) {
    TEXT(way, PATH_BYTES);
    follow(parent, target, name, "", links, &way, "mount");
    sys(close, parent);
    return make_file(root, way.data, links);
  }
  if (fd < 0) fail(EXIT_SETUP, "mount", "cannot make %s: %e", target, fd);
  sys(close, fd);
  fd = resolve(parent, name, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (fd < 0) fail(EXIT_SETUP, "mount", "%s: %e", target, fd);
  sys(close, parent);
  return fd;
}

int mount_point(int root, const char *target, bool directory, u64 how) {
  u32 links = 0;
  int fd = resolve(root, target, O_PATH, RESOLVE_IN_ROOT | how);
  if (fd == -ELOOP && how) fail(EXIT_SETUP, "mount", "%s lies behind a symlink of the root file system", target);
  if (fd >= 0) return fd;
  if (fd != -ENOENT) fail(EXIT_SETUP, "mount", "%s: %e", target, fd);
  return directory ? make_directories(root, target, &links, "mount") : make_file(root, target, &links);
}

int place_below(int base, const char *path, u32 mode, const char *stage) {
  int fd = resolve(base, path, O_PATH, RESOLVE_BENEATH);
  if (fd == -EXDEV) fail(EXIT_SETUP, stage, "%s leads out of the volume", path);
  if (fd >= 0) return fd;
  if (fd != -ENOENT) fail(EXIT_SETUP, stage, "%s: %e", path, fd);
  char part[PATH_BYTES];
  int parent = base;
  for (usize at = 0, begin; path[at];) {
    while (path[at] == '/') part[at] = path[at], at++;
    begin = at;
    while (path[at] && path[at] != '/') part[at] = path[at], at++;
    if (at == begin) break;
    part[at] = 0;
    int next = resolve(base, part, O_PATH | O_DIRECTORY, RESOLVE_BENEATH);
    if (next == -ENOENT) {
      long made = sys(mkdirat, parent, part + begin, mode);
      if (made < 0 && made != -EEXIST) fail(EXIT_SETUP, stage, "cannot make %s: %e", part, (int)made);
      /* What was just made is no symlink; if it is one now, somebody put it there. */
      next = resolve(parent, part + begin, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    }
    if (next == -EXDEV) fail(EXIT_SETUP, stage, "%s leads out of the volume", path);
    if (next < 0) fail(EXIT_SETUP, stage, "%s: %e", part, next);
    if (parent != base) sys(close, parent);
    parent = next;
  }
  return parent;
}
