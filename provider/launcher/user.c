/*
 * `user`, as containerd resolves it: a number is always an id; the primary group comes from /etc/passwd, 0 when the
 * number is not there; the groups that list the user come from /etc/group. Both files are the image's: they are read
 * inside its root, bounded, and only if they are regular files.
 */
#include "user.h"

#include "accounts.h"
#include "fields.h"
#include "files.h"
#include "place.h"
#include "report.h"

#define FILE_MOST (1u << 20)

void open_identity(const struct config *config, bool again, struct identity *out) {
  *out = (struct identity){-1, {NULL, 0, 0}};
  if (!config->identity || !config->user) return;
  u64 flags = again ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  long fd = sys(openat, AT_FDCWD, config->identity, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) fail(EXIT_SETUP, "user", "%s: %e", config->identity, (int)fd);
  if (!again) {
    out->fd = (int)fd;
    return;
  }
  out->known = (struct text){map_memory(32768), 32768, 0};
  long length = read_file((int)fd, out->known.data, out->known.size - 1);
  if (length < 0) fail(EXIT_SETUP, "user", "%s: %e", config->identity, (int)length);
  out->known.length = (usize)length;
  sys(close, fd);
}

/** One of the root's account files; one that is not there is empty. */
static struct accounts read_accounts(int root, const char *path) {
  struct statx found;
  struct accounts accounts = {"", 0};
  /* A look before the opening, which is enough to start some devices. */
  int fd = in_root(root, path, O_PATH);
  if (fd == -ENOENT || fd == -ENOTDIR) return accounts;
  for (int opened = 0; opened < 2; opened++) {
    if (fd < 0) fail(EXIT_SETUP, "user", "%s: %e", path, fd);
    long result = sys(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found);
    if (result < 0) fail(EXIT_SETUP, "user", "%s: %e", path, (int)result);
    if ((found.mode & S_IFMT) != S_IFREG) fail(EXIT_SETUP, "user", "%s is not a regular file", path);
    if (opened) break;
    sys(close, fd);
    fd = in_root(root, path, O_RDONLY | O_NONBLOCK);
  }
  char *bytes = map_memory(FILE_MOST + 1);
  long length = read_file(fd, bytes, FILE_MOST + 1);
  if (length < 0) fail(EXIT_SETUP, "user", "%s: %e", path, (int)length);
  if (length > FILE_MOST) fail(EXIT_SETUP, "user", "%s has more than %u bytes", path, (u64)FILE_MOST);
  sys(close, fd);
  return (struct accounts){bytes, (usize)length};
}

/** A number is an id whatever the files say. */
static bool is_id(const char *text, u32 *out, const char *what) {
  u64 value = 0;
  for (usize i = 0; text[i]; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  if (!text_number(text, 10, ID_MOST, &value))
    fail(EXIT_SETUP, "user", "%s %s must be a number between 0 and %u", what, text, (u64)ID_MOST);
  *out = (u32)value;
  return true;
}

/** The list as the kernel wants it: with the primary group, which a process must not be able to leave, and each once. */
static void settle_groups(struct config *config) {
  if (config->group_count == CONFIG_MOST_GROUPS) fail(EXIT_SETUP, "user", "there are too many groups");
  config->groups[config->group_count++] = config->gid;
  u32 count = 0;
  for (u32 i = 0; i < config->group_count; i++) {
    u32 other = 0;
    while (other < count && config->groups[other] != config->groups[i]) other++;
    if (other == count) config->groups[count++] = config->groups[i];
  }
  config->group_count = count;
}

static void find_user(struct config *config, struct text *home) {
  const char *owner = config->root ? "the image has" : "the node has";
  char name[256], *group = NULL;
  u32 uid, gid;
  struct account account;
  long root = sys(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) fail(EXIT_SETUP, "user", "the root: %e", (int)root);
  struct accounts passwd = read_accounts((int)root, "/etc/passwd");
  struct accounts groups = read_accounts((int)root, "/etc/group");
  sys(close, root);
  memcpy(name, config->user, text_length(config->user) + 1);
  for (char *at = name; *at && !group; at++) {
    if (*at == ':') *at = 0, group = at + 1;
  }

  bool is_number = is_id(name, &uid, "user");
  bool listed = find_account(&passwd, is_number ? NULL : name, is_number ? uid : 0, &account);
  if (!listed && !is_number) fail(EXIT_SETUP, "user", "%s no user %q in its /etc/passwd", owner, name);
  if (listed) uid = account.uid;
  gid = listed ? account.gid : 0;
  if (group && !is_id(group, &gid, "group") && !find_group(&groups, group, &gid))
    fail(EXIT_SETUP, "user", "%s no group %q in its /etc/group", owner, group);
  if (listed && !config->strict_groups &&
      !find_memberships(&groups, &account.name, config->groups, &config->group_count, CONFIG_MOST_GROUPS))
    fail(EXIT_SETUP, "user", "%s user %q in too many groups", owner, name);
  if (!config->has_uid) config->uid = uid;
  if (!config->has_gid) config->gid = gid;

  if (find_account(&passwd, NULL, config->uid, &account) && account.home.length && account.home.length < home->size) {
    memcpy(home->data, account.home.bytes, account.home.length);
    home->data[home->length = account.home.length] = 0;
  } else {
    text_format(home, "/");
  }
}

/** UID, GID, GROUPS and HOME on one line. */
static void write_identity(const struct config *config, int fd, const char *home) {
  struct text line = {map_memory(32768), 32768, 0};
  text_format(&line, "%u\t%u\t", (u64)config->uid, (u64)config->gid);
  for (u32 i = 0; i < config->group_count; i++) text_format(&line, i ? ",%u" : "%u", (u64)config->groups[i]);
  text_format(&line, "\t%s\n", home);
  long written = write_all(fd, line.data, line.length);
  if (written != (long)line.length) fail(EXIT_SETUP, "user", "%s: %e", config->identity, (int)written);
  sys(close, fd);
}

static void read_identity(struct config *config, char *line, usize length, struct text *home) {
  char *field[4] = {line};
  usize fields = 1;
  u64 uid, gid;
  TEXT(error, 256);
  if (length && line[length - 1] == '\n') line[length - 1] = 0;
  for (char *at = line; *at && fields < 4; at++) {
    if (*at == '\t') *at = 0, field[fields++] = at + 1;
  }
  config->group_count = 0;
  if (fields < 4 || !text_number(field[0], 10, ID_MOST, &uid) || !text_number(field[1], 10, ID_MOST, &gid) ||
      !field_groups(config, field[2], &error))
    fail(EXIT_SETUP, "user", "%s does not say who the container's user is", config->identity);
  config->uid = (u32)uid;
  config->gid = (u32)gid;
  text_format(home, "%s", field[3]);
}

void resolve_user(struct config *config, struct identity *identity, struct environment *environment) {
  if (config->user) {
    TEXT(home, PATH_BYTES);
    if (identity->known.data) {
      read_identity(config, identity->known.data, identity->known.length, &home);
    } else {
      find_user(config, &home);
      settle_groups(config);
    }
    config->has_uid = config->has_gid = config->has_groups = true;
    if (identity->fd >= 0) write_identity(config, identity->fd, home.data);
    environment_add_home(environment, home.data);
  }
  if (config->nonroot && (!config->has_uid || !config->uid))
    fail(EXIT_SETUP, "user", "container has runAsNonRoot and image will run as root");
}
