/*
 * Mounts, masks, devices and the change of root. What is done inside the root is done to descriptors that place.h gives,
 * never again to the path.
 */
#include "mounts.h"

#include "place.h"
#include "report.h"

#define DESCRIPTOR_PATH(name, fd) \
  TEXT(name, 32);                 \
  text_format(&name, "/proc/self/fd/%u", (u64)(fd))

static void information(int fd, struct statx *out, const char *stage, const char *path) {
  long result = sys(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, out);
  if (result < 0) fail(EXIT_SETUP, stage, "%s: %e", path, (int)result);
}

/** A detached copy of the mount tree at a descriptor. */
static int clone_tree(int fd, bool recursive, const char *stage, const char *path) {
  long flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  long tree = sys(open_tree, fd, "", flags);
  if (tree < 0) fail(EXIT_SETUP, stage, "cannot bind %s: %e", path, (int)tree);
  return (int)tree;
}

/** `flags` for mount_setattr(2) are the same facts under other numbers. */
static u64 attributes(unsigned long flags) {
  u64 set = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  if (flags & MS_NOATIME) set |= MOUNT_ATTR_NOATIME;
  if (flags & MS_STRICTATIME) set |= MOUNT_ATTR_STRICTATIME;
  return set;
}

/** mount_setattr(2), or -ENOSYS before Linux 5.12. */
static long set_attributes(int tree, unsigned long flags, bool recursive) {
  struct mount_attr attr = {attributes(flags), 0, 0, 0};
  if (flags & (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)) attr.clear = MOUNT_ATTR_ATIME;
  return sys(mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr);
}

/**
 * What set_attributes does, on a kernel without it and for one attached mount only: mounts below a recursive read-only
 * one stay as they were. A remount must repeat the flags that are already there.
 */
static void remount(int tree, unsigned long flags, const char *stage, const char *target) {
  struct statfs old;
  DESCRIPTOR_PATH(place, tree);
  long result = sys(fstatfs, tree, &old);
  if (result < 0) fail(EXIT_SETUP, stage, "%s: %e", target, (int)result);
  /* In statfs these four, and noatime and nodiratime, have mount's numbers. */
  flags |= (unsigned long)old.flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  if (!(flags & (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)))
    flags |= (unsigned long)old.flags & (MS_NOATIME | MS_NODIRATIME);
  result = sys(mount, NULL, place.data, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
  if (result < 0) fail(EXIT_SETUP, stage, "cannot remount %s: %e", target, (int)result);
}

static void set_propagation(int fd, unsigned long propagation, const char *target) {
  DESCRIPTOR_PATH(place, fd);
  long result = sys(mount, NULL, place.data, NULL, propagation, NULL);
  if (result < 0) fail(EXIT_SETUP, "mount", "cannot set the propagation of %s: %e", target, (int)result);
}

/** Attaches a detached tree, with flags in force before anybody can see it (or right after, before Linux 5.12). */
static void attach(int tree, int target_fd, unsigned long flags, bool recursive, const char *stage,
                   const char *target) {
  long set = 0;
  if (flags) {
    set = set_attributes(tree, flags, recursive);
    if (set < 0 && set != -ENOSYS) fail(EXIT_SETUP, stage, "cannot set the flags of %s: %e", target, (int)set);
  }
  long moved = sys(move_mount, tree, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  if (moved < 0) fail(EXIT_SETUP, stage, "cannot mount on %s: %e", target, (int)moved);
  if (set == -ENOSYS) remount(tree, flags, stage, target);
}

/** The source of a bind mount on the node. */
static int open_source(const char *source) {
  long fd = sys(openat, AT_FDCWD, source, O_PATH | O_CLOEXEC);
  if (fd < 0) fail(EXIT_SETUP, "mount", "source %s: %e", source, (int)fd);
  return (int)fd;
}

/** What is mounted: the source, or a place below it. A container may have put links into the source: none leads out of it. */
static int open_bound(const struct directive *directive) {
  int source = open_source(directive->field[0]);
  if (text_equal(directive->field[4], "-")) return source;
  struct statx found;
  information(source, &found, "mount", directive->field[0]);
  int fd = place_below(source, directive->field[4], found.mode & 07777, "mount");
  sys(close, source);
  return fd;
}

static void mount_bind(int root, struct directive *directive, const struct mount_flags *flags) {
  const char *target = directive->field[1];
  struct statx source;
  int fd = open_bound(directive);
  information(fd, &source, "mount", directive->field[0]);
  int place = mount_point(root, target, (source.mode & S_IFMT) == S_IFDIR, 0);
  /* A shared one was cloned while it still was the node's peer. */
  int tree = flags->propagation & MS_SHARED ? (int)directive->number[0]
                                            : clone_tree(fd, flags->recursive, "mount", directive->field[0]);
  unsigned long set = flags->flags;
  if (flags->below == BELOW_TOO) {
    long result = set_attributes(tree, set, true);
    if (result == -ENOSYS)
      fail(EXIT_SETUP, "mount", "%s cannot be read-only with what is below: Linux 5.12 or later is needed", target);
    if (result < 0) fail(EXIT_SETUP, "mount", "cannot make %s read-only: %e", target, (int)result);
    set = 0;
  }
  attach(tree, place, set, flags->below == BELOW_IF_POSSIBLE, "mount", target);
  set_propagation(tree, flags->propagation ? flags->propagation : MS_PRIVATE | MS_REC, target);
  sys(close, tree);
  sys(close, place);
  sys(close, fd);
}

static void mount_new(int root, const struct directive *directive, const struct mount_flags *flags) {
  const char *target = directive->field[1];
  const char *type = directive->field[2];
  const char *data = text_equal(directive->field[4], "-") ? NULL : directive->field[4];
  /* A proc or sysfs that an image redirects would leave the masks lying elsewhere (as CVE-2019-19921 did). */
  bool strict = text_equal(type, "proc") || text_equal(type, "sysfs");
  int place = mount_point(root, target, true, strict ? RESOLVE_NO_SYMLINKS : 0);
  DESCRIPTOR_PATH(path, place);
  long result = sys(mount, directive->field[0], path.data, type, flags->flags, data);
  if (result < 0) fail(EXIT_SETUP, "mount", "cannot mount %s on %s: %e", type, target, (int)result);
  sys(close, place);
  if (!flags->propagation) return;
  /* The old descriptor is the directory beneath. */
  place = in_root(root, target, O_PATH);
  if (place < 0) fail(EXIT_SETUP, "mount", "%s: %e", target, place);
  set_propagation(place, flags->propagation, target);
  sys(close, place);
}

/** For masks and read-only paths: the place, or -1 if there is none. A symlink on the way is refused. */
static int existing(int root, const char *target, const char *stage) {
  int fd = resolve(root, target, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
  if (fd == -ENOENT || fd == -ENOTDIR) return -1;
  if (fd == -ELOOP) fail(EXIT_SETUP, stage, "%s is or lies behind a symlink", target);
  if (fd < 0) fail(EXIT_SETUP, stage, "%s: %e", target, fd);
  return fd;
}

static void read_only_path(int root, const char *target) {
  int place = existing(root, target, "ropath");
  if (place < 0) return;
  int tree = clone_tree(place, true, "ropath", target);
  attach(tree, place, MS_RDONLY, true, "ropath", target);
  sys(close, tree);
  sys(close, place);
}

static bool is_null_device(int fd) {
  struct statx found;
  return sys(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found) == 0 && (found.mode & S_IFMT) == S_IFCHR &&
         found.rdev_major == 1 && found.rdev_minor == 3;
}

/**
 * The /dev/null that lies over masked files: the root's own if it has one, so that a container's root user who changes
 * its mode changes no file of the node. Otherwise the node's, read-only.
 */
static int null_device(int root, bool *own) {
  int fd = resolve(root, "/dev/null", O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
  *own = fd >= 0 && is_null_device(fd);
  if (*own) return fd;
  if (fd >= 0) sys(close, fd);
  fd = (int)sys(openat, AT_FDCWD, "/dev/null", O_PATH | O_CLOEXEC);
  if (fd < 0 || !is_null_device(fd)) fail(EXIT_SETUP, "mask", "the node has no /dev/null");
  return fd;
}

static void mask(int root, const char *target, int *null, bool *own) {
  struct statx found;
  int place = existing(root, target, "mask");
  if (place < 0) return;
  information(place, &found, "mask", target);
  if ((found.mode & S_IFMT) == S_IFDIR) {
    DESCRIPTOR_PATH(path, place);
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    long result = sys(mount, "tmpfs", path.data, "tmpfs", flags, "size=4k,mode=755");
    if (result < 0) fail(EXIT_SETUP, "mask", "cannot cover %s: %e", target, (int)result);
  } else {
    if (*null < 0) *null = null_device(root, own);
    int tree = clone_tree(*null, false, "mask", "/dev/null");
    attach(tree, place, *own ? 0 : MS_RDONLY, false, "mask", target);
    sys(close, tree);
  }
  sys(close, place);
}

/** Whether what lies under `name` is the wanted device; also false when there is nothing. */
static bool is_device(int parent, const char *name, const struct directive *directive) {
  struct statx found;
  return sys(statx, parent, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) == 0 &&
         (found.mode & S_IFMT) == directive->number[0] && found.rdev_major == directive->number[1] &&
         found.rdev_minor == directive->number[2];
}

/** Where mknod is forbidden, the node's device of the same name is bound in its stead. */
static void bind_device(int parent, const char *name, const struct directive *directive, bool may_mount) {
  const char *target = directive->field[0];
  if (!may_mount) fail(EXIT_SETUP, "device", "cannot make %s: %e", target, -EPERM);
  if (!is_device(AT_FDCWD, target, directive))
    fail(EXIT_SETUP, "device", "cannot make %s, and the node's %s is not that device", target, target);
  int place = resolve(parent, name, O_WRONLY | O_CREAT | O_EXCL, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (place >= 0) sys(close, place);
  place = resolve(parent, name, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (place < 0) fail(EXIT_SETUP, "device", "cannot make %s: %e", target, place);
  int source = open_source(target);
  int tree = clone_tree(source, false, "device", target);
  attach(tree, place, 0, false, "device", target);
  sys(close, tree);
  sys(close, source);
  sys(close, place);
}

static void make_device(int root, const struct directive *directive, bool may_mount) {
  const char *name;
  int parent = parent_of(root, directive->field[0], &name, "device");
  u32 number = device_number((u32)directive->number[1], (u32)directive->number[2]);
  /* The umask is 0 here, so the mode is the one asked for. */
  long result = sys(mknodat, parent, name, directive->number[0] | directive->number[3], number);
  if (result == -EPERM) {
    bind_device(parent, name, directive, may_mount);
  } else if (result == -EEXIST) {
    if (!is_device(parent, name, directive))
      fail(EXIT_SETUP, "device", "%s exists and is something else", directive->field[0]);
  } else if (result < 0) {
    fail(EXIT_SETUP, "device", "cannot make %s: %e", directive->field[0], (int)result);
  }
  sys(close, parent);
}

static void make_symlink(int root, const struct directive *directive) {
  const char *name;
  char found[PATH_BYTES];
  int parent = parent_of(root, directive->field[1], &name, "symlink");
  long result = sys(symlinkat, directive->field[0], parent, name);
  if (result == -EEXIST) {
    long length = sys(readlinkat, parent, name, found, sizeof found - 1);
    if (length >= 0) found[length] = 0;
    if (length < 0 || !text_equal(found, directive->field[0]))
      fail(EXIT_SETUP, "symlink", "%s exists and is something else", directive->field[1]);
  } else if (result < 0) {
    fail(EXIT_SETUP, "symlink", "cannot make %s: %e", directive->field[1], (int)result);
  }
  sys(close, parent);
}

/**
 * Clones the sources of shared mounts (Kubernetes' Bidirectional) before everything becomes a slave of the node:
 * only so do they stay the node's peers and carry mounts back to it.
 */
static void clone_shared_sources(const struct config *config) {
  for (usize i = 0; i < config->directive_count; i++) {
    struct directive *directive = &config->directives[i];
    struct mount_flags flags;
    if (directive->kind != MOUNT || !text_equal(directive->field[2], "bind")) continue;
    config_mount_flags(directive->field[3], &flags);
    if (!(flags.propagation & MS_SHARED)) continue;
    int fd = open_bound(directive);
    directive->number[0] = (u64)clone_tree(fd, flags.recursive, "mount", directive->field[0]);
    sys(close, fd);
  }
}

static int open_root(const char *path) {
  long fd = sys(openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail(EXIT_SETUP, "root", "%s: %e", path, (int)fd);
  return (int)fd;
}

/** Makes the root's mount the process's `/` and lets go of the node's tree. */
static void pivot(int root) {
  long old = sys(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  long result = old;
  if (result >= 0) result = sys(fchdir, root);
  /* With both at ".", the old root ends up mounted on top of the new one, and no directory is needed for it. */
  if (result >= 0) result = sys(pivot_root, ".", ".");
  if (result >= 0) result = sys(fchdir, old);
  if (result >= 0) result = sys(umount2, ".", MNT_DETACH);
  if (result >= 0) result = sys(chdir, "/");
  if (result < 0) fail(EXIT_SETUP, "root", "cannot change the root: %e", (int)result);
  sys(close, old);
}

void enter_root(const struct config *config) {
  bool own = config->fresh & CLONE_NEWNS;
  int root, null = -1;
  bool own_null = false;
  if (!own && !config->root) return;
  if (own) {
    clone_shared_sources(config);
    long result = sys(mount, NULL, "/", NULL, MS_SLAVE | MS_REC, NULL);
    if (result < 0) fail(EXIT_SETUP, "root", "cannot make / a slave of the node: %e", (int)result);
  }
  root = open_root(config->root ? config->root : "/");
  if (own && config->root) {
    /* pivot_root(2) wants a mount: the directory, bound onto itself. */
    int tree = clone_tree(root, true, "root", config->root);
    attach(tree, root, 0, false, "root", config->root);
    sys(close, root);
    root = tree;
  }
  for (usize i = 0; i < config->directive_count; i++) {
    struct directive *directive = &config->directives[i];
    if (directive->kind != MOUNT) continue;
    struct mount_flags flags;
    config_mount_flags(directive->field[3], &flags);
    if (text_equal(directive->field[2], "bind")) mount_bind(root, directive, &flags);
    else mount_new(root, directive, &flags);
  }
  for (usize i = 0; i < config->directive_count; i++) {
    struct directive *directive = &config->directives[i];
    if (directive->kind == DEVICE) make_device(root, directive, own);
    else if (directive->kind == SYMLINK) make_symlink(root, directive);
    else if (directive->kind == ROPATH) read_only_path(root, directive->field[0]);
  }
  for (usize i = 0; i < config->directive_count; i++) {
    struct directive *directive = &config->directives[i];
    if (directive->kind == MASK) mask(root, directive->field[0], &null, &own_null);
  }
  if (config->readonly) {
    long set = set_attributes(root, MS_RDONLY, false);
    if (set == -ENOSYS) remount(root, MS_RDONLY, "root", config->root);
    else if (set < 0) fail(EXIT_SETUP, "root", "cannot make the root read-only: %e", (int)set);
  }
  if (own && config->root) {
    pivot(root);
  } else if (config->root) {
    long result = sys(fchdir, root);
    if (result >= 0) result = sys(chroot, ".");
    if (result >= 0) result = sys(chdir, "/");
    if (result < 0) fail(EXIT_SETUP, "root", "cannot change the root: %e", (int)result);
  }
}
