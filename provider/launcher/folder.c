/*
 * What is made on the node before a process starts: folders, and the link to its log.
 */
#include "folder.h"

#include "config.h"
#include "report.h"

static bool is_folder(const char *path) {
  struct statx found;
  return sys(statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, &found) == 0 && (found.mode & S_IFMT) == S_IFDIR;
}

void make_folder(const char *path) {
  char part[PATH_BYTES];
  long mask = sys(umask, 0022);
  for (usize at = 0; path[at];) {
    while (path[at] == '/') part[at] = path[at], at++;
    while (path[at] && path[at] != '/') part[at] = path[at], at++;
    part[at] = 0;
    long result = sys(mkdirat, AT_FDCWD, part, 0777);
    /* Of one that is there a read-only file system says that it is read-only. */
    if (result < 0 && !is_folder(part)) fail(EXIT_SETUP, "folder", "cannot make %s: %e", part, (int)result);
  }
  sys(umask, mask);
}

void make_link(const char *content, const char *path) {
  long result = sys(symlinkat, content, AT_FDCWD, path);
  if (result == -EEXIST) {
    result = sys(unlinkat, AT_FDCWD, path, 0);
    if (!result) result = sys(symlinkat, content, AT_FDCWD, path);
  }
  if (result < 0) fail(EXIT_SETUP, "link", "%s: %e", path, (int)result);
}
