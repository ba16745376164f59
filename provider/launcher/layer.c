/*
 * `launcher layer DIR`: what an unpacked OCI layer says in file names, overlayfs wants in its own way. `.wh.NAME` becomes
 * the character device 0:0 called NAME; `.wh..wh..opq` makes its folder opaque; other `.wh..wh.` files, which belong to
 * AUFS, go.
 *
 * The tree is somebody else's, so no path is ever walked: from folder to folder it goes by name and without following
 * symlinks, and back by `..`, which must be the folder that it came from. One folder is open at a time.
 */
#include "layer.h"

#include "config.h"
#include "files.h"
#include "report.h"

/* A path of more parts than this is longer than Linux takes. */
#define DEPTH_MOST 2048
#define DT_UNKNOWN 0
#define DT_DIR 4

struct level {
  u64 inode;
  /** Where its listing goes on, and how long the path is. */
  u64 next;
  u32 path_length;
};

static struct {
  int fd;
  u32 dev_major, dev_minor;
  usize depth;
  struct level levels[DEPTH_MOST];
  struct listing listing;
  /** For messages, below DIR. */
  char path_memory[PATH_BYTES];
  struct text path;
} tree;

/** The reason first: the path may be too long for the message. */
__attribute__((noreturn)) static void refuse(const char *name, const char *why, long error) {
  if (error) fail(EXIT_SETUP, "layer", "%s: %e: %s/%s", why, (int)error, tree.path.data, name);
  fail(EXIT_SETUP, "layer", "%s: %s/%s", why, tree.path.data, name);
}

static void look(int fd, const char *name, struct statx *out) {
  long flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
  long result = sys(statx, fd, name, flags, STATX_BASIC_STATS, out);
  if (result < 0) refuse(name, "cannot look at it", result);
}

/** A folder inside the present one. */
static int open_folder(const char *name) {
  long fd = sys(openat, tree.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) refuse(name, "cannot open the folder", fd);
  return (int)fd;
}

static void begin_listing(u64 at) {
  long result = sys(lseek, tree.fd, at, 0);
  if (result < 0) refuse(".", "cannot list the folder", result);
  tree.listing.fd = tree.fd;
  tree.listing.error = tree.listing.at = tree.listing.length = 0;
}

static bool is_dot(const char *name) {
  return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/** What stands behind ".wh.", or NULL. */
static const char *marked(const char *name) {
  static const char mark[] = ".wh.";
  for (usize i = 0; mark[i]; i++) {
    if (name[i] != mark[i]) return NULL;
  }
  return name + 4;
}

static void make_opaque(int fd, const char *name) {
  long result = sys(fsetxattr, fd, "trusted.overlay.opaque", "y", 1, 0);
  if (result < 0) refuse(name, "cannot make the folder opaque", result);
}

static void whiteout(const char *name) {
  struct statx found;
  /* "." is the folder itself, and ".." is not even inside. */
  if (!*name || is_dot(name)) refuse(name - 4, "there is no such whiteout", 0);
  long result = sys(mknodat, tree.fd, name, S_IFCHR, 0);
  if (result == -EEXIST) {
    /* The layer brings something of that name itself: only a folder would let what was there shine through. */
    look(tree.fd, name, &found);
    if ((found.mode & S_IFMT) != S_IFDIR) return;
    int fd = open_folder(name);
    make_opaque(fd, name);
    sys(close, fd);
  } else if (result < 0) {
    refuse(name, "cannot make a whiteout", result);
  }
}

/** One whiteout after the other. A listing may miss what changes meanwhile, so it is done until there is none. */
static void convert(void) {
  struct statx before;
  look(tree.fd, "", &before);
  if (before.dev_major != tree.dev_major || before.dev_minor != tree.dev_minor)
    refuse("", "another file system lies here", 0);
  for (bool changed = false, again = true; again;) {
    const char *name;
    again = false;
    begin_listing(0);
    while ((name = next_entry(&tree.listing))) {
      const char *rest = marked(name), *own = rest ? marked(rest) : NULL;
      if (!rest) continue;
      if (own && text_equal(own, ".opq")) make_opaque(tree.fd, ".");
      else if (!own) whiteout(rest);
      long result = sys(unlinkat, tree.fd, name, 0);
      /* AUFS has folders of that kind. */
      if (result == -EISDIR && own) result = sys(unlinkat, tree.fd, name, AT_REMOVEDIR);
      if (result < 0) refuse(name, "cannot remove it", result);
      again = changed = true;
    }
    if (tree.listing.error) refuse("", "cannot list the folder", tree.listing.error);
    if (again || !changed) continue;
    /* The image's times: access and modification. A statx time is seconds, and nanoseconds in 32 bits. */
    struct timespec times[2] = {{(i64)before.times[0], (i64)(u32)before.times[1]},
                                {(i64)before.times[6], (i64)(u32)before.times[7]}};
    long result = sys(utimensat, tree.fd, NULL, times, 0);
    if (result < 0) refuse("", "cannot keep the folder's time", result);
  }
}

static void descend(const char *name) {
  struct statx here;
  if (tree.depth == DEPTH_MOST) refuse(name, "it lies deeper than 2048 folders", 0);
  look(tree.fd, "", &here);
  tree.levels[tree.depth++] = (struct level){here.inode, tree.listing.next, (u32)tree.path.length};
  int fd = open_folder(name);
  text_format(&tree.path, "/%s", name);
  sys(close, tree.fd);
  tree.fd = fd;
}

static void ascend(void) {
  const struct level *level = &tree.levels[--tree.depth];
  struct statx here;
  int fd = open_folder("..");
  look(fd, "", &here);
  if (here.inode != level->inode || here.dev_major != tree.dev_major || here.dev_minor != tree.dev_minor)
    refuse("", "somebody moved a folder meanwhile", 0);
  sys(close, tree.fd);
  tree.fd = fd;
  tree.path.data[tree.path.length = level->path_length] = 0;
  begin_listing(level->next);
}

void layer(const char *path) {
  struct statx found;
  tree.path = (struct text){tree.path_memory, sizeof tree.path_memory, 0};
  text_format(&tree.path, "%s", path);
  long fd = sys(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fail(EXIT_SETUP, "layer", "%s: %e", path, (int)fd);
  tree.fd = (int)fd;
  look(tree.fd, "", &found);
  tree.dev_major = found.dev_major;
  tree.dev_minor = found.dev_minor;
  convert();
  begin_listing(0);
  for (;;) {
    const char *name = next_entry(&tree.listing);
    if (!name) {
      if (tree.listing.error) refuse("", "cannot list the folder", tree.listing.error);
      if (!tree.depth) leave(0);
      ascend();
      continue;
    }
    bool is_folder = tree.listing.type == DT_DIR;
    if (is_dot(name)) continue;
    if (tree.listing.type == DT_UNKNOWN) {
      look(tree.fd, name, &found);
      is_folder = (found.mode & S_IFMT) == S_IFDIR;
    }
    if (!is_folder) continue;
    descend(name);
    convert();
    begin_listing(0);
  }
}
