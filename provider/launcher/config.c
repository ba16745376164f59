/*
 * The parser of the launcher's configuration. It trusts nothing: every name, count and number is checked, and the
 * first thing that is wrong is reported with its line. Pure, so that the fuzz harness can run it under a sanitizer.
 */
#include "config.h"

#define NEW_NS 0x00020000u
#define NEW_CGROUP 0x02000000u
#define NEW_UTS 0x04000000u
#define NEW_IPC 0x08000000u
#define NEW_PID 0x20000000u
#define NEW_NET 0x40000000u

enum word {
  W_ROOT, W_READONLY, W_NEW, W_JOIN, W_HOSTNAME, W_FOLDER, W_CGROUP, W_MOUNT, W_MASK, W_ROPATH, W_DEVICE, W_SYMLINK, W_CWD,
  W_UMASK, W_UID, W_GID, W_GROUPS, W_CAPS, W_NNP, W_SECCOMP, W_RLIMIT, W_OOM_SCORE_ADJ, W_ENV, W_ARG, W_STDIO, W_LOG,
  W_LINK, W_ROTATE, W_STATUS,
};

static const struct {
  const char *name;
  /** Fields after the name: always this many. */
  u8 fields;
  bool repeatable;
} WORDS[] = {
    [W_ROOT] = {"root", 1, false},
    [W_READONLY] = {"readonly", 0, false},
    [W_NEW] = {"new", 1, true},
    [W_JOIN] = {"join", 2, true},
    [W_HOSTNAME] = {"hostname", 1, false},
    [W_FOLDER] = {"folder", 1, true},
    [W_CGROUP] = {"cgroup", 1, true},
    [W_MOUNT] = {"mount", 5, true},
    [W_MASK] = {"mask", 1, true},
    [W_ROPATH] = {"ropath", 1, true},
    [W_DEVICE] = {"device", 5, true},
    [W_SYMLINK] = {"symlink", 2, true},
    [W_CWD] = {"cwd", 1, false},
    [W_UMASK] = {"umask", 1, false},
    [W_UID] = {"uid", 1, false},
    [W_GID] = {"gid", 1, false},
    [W_GROUPS] = {"groups", 1, false},
    [W_CAPS] = {"caps", 4, false},
    [W_NNP] = {"nnp", 0, false},
    [W_SECCOMP] = {"seccomp", 1, false},
    [W_RLIMIT] = {"rlimit", 3, true},
    [W_OOM_SCORE_ADJ] = {"oom_score_adj", 1, false},
    [W_ENV] = {"env", 1, true},
    [W_ARG] = {"arg", 1, true},
    [W_STDIO] = {"stdio", 1, false},
    [W_LOG] = {"log", 1, false},
    [W_LINK] = {"link", 1, false},
    [W_ROTATE] = {"rotate", 2, false},
    [W_STATUS] = {"status", 1, false},
};

static const struct {
  const char *name;
  u32 flag;
} NAMESPACES[] = {
    {"net", NEW_NET}, {"uts", NEW_UTS}, {"ipc", NEW_IPC}, {"pid", NEW_PID}, {"mnt", NEW_NS}, {"cgroup", NEW_CGROUP},
};

/** In the order of the kernel's numbers. */
static const char *const RLIMITS[] = {
    "cpu",   "fsize", "data",     "stack",      "core",     "rss",  "nproc",  "nofile",
    "memlock", "as",  "locks",    "sigpending", "msgqueue", "nice", "rtprio", "rttime",
};

/* mount(2)'s numbers; `rec` stands outside of them. */
static const struct {
  const char *name;
  unsigned long set, clear, propagation;
  bool recursive;
} FLAGS[] = {
    {"ro", 1, 0, 0, false},
    {"rw", 0, 1, 0, false},
    {"nosuid", 2, 0, 0, false},
    {"nodev", 4, 0, 0, false},
    {"noexec", 8, 0, 0, false},
    {"relatime", 1ul << 21, 0, 0, false},
    {"noatime", 1024, 0, 0, false},
    {"strictatime", 1ul << 24, 0, 0, false},
    {"rec", 0, 0, 0, true},
    {"private", 0, 0, 1ul << 18, false},
    {"slave", 0, 0, 1ul << 19, false},
    {"shared", 0, 0, 1ul << 20, false},
    {"rprivate", 0, 0, 1ul << 18 | 16384, false},
    {"rslave", 0, 0, 1ul << 19 | 16384, false},
    {"rshared", 0, 0, 1ul << 20 | 16384, false},
};

static bool field_is(const char *field, usize length, const char *name) {
  usize i = 0;
  for (; i < length && name[i] && field[i] == name[i]; i++) {
  }
  return i == length && !name[i];
}

bool config_mount_flags(const char *field, struct mount_flags *out) {
  *out = (struct mount_flags){0, 0, false};
  if (text_equal(field, "-")) return true;
  for (;;) {
    usize length = 0, i = 0;
    while (field[length] && field[length] != ',') length++;
    while (i < COUNT(FLAGS) && !field_is(field, length, FLAGS[i].name)) i++;
    if (i == COUNT(FLAGS)) return false;
    out->flags = (out->flags & ~FLAGS[i].clear) | FLAGS[i].set;
    if (FLAGS[i].propagation) out->propagation = FLAGS[i].propagation;
    out->recursive |= FLAGS[i].recursive;
    if (!field[length]) return true;
    field += length + 1;
  }
}

static bool is_absolute(const char *path) {
  return path[0] == '/' && text_length(path) < PATH_BYTES;
}

/** A place inside the root: absolute, not the root itself, and without a `..`, which means nothing good here. */
static bool is_target(const char *path) {
  bool named = false;
  if (!is_absolute(path)) return false;
  while (*path) {
    usize length = 0;
    while (*path == '/') path++;
    while (path[length] && path[length] != '/') length++;
    if (length > 255 || (length == 2 && path[0] == '.' && path[1] == '.')) return false;
    /* The last component becomes a name to make something under. */
    if (length) named = !(length == 1 && path[0] == '.');
    path += length;
    if (*path == '/' && !path[1]) return false;
  }
  return named;
}

static bool number(const char *field, u32 base, u64 most, u64 *out, struct text *error, const char *what) {
  if (text_number(field, base, most, out)) return true;
  if (base == 8) text_format(error, "%s %q must be an octal number up to %o", what, field, most);
  else if (base == 16) text_format(error, "%s %q must be a hexadecimal number of up to 64 bits", what, field);
  else text_format(error, "%s %q must be a number between 0 and %u", what, field, most);
  return false;
}

static bool absolute(char *field, char **out, struct text *error, const char *what) {
  if (!is_absolute(field)) {
    text_format(error, "%s %q must be an absolute path shorter than %u bytes", what, field, (u64)PATH_BYTES);
    return false;
  }
  if (out) *out = field;
  return true;
}

static bool target(const char *field, struct text *error) {
  if (is_target(field)) return true;
  text_format(error, "target %q must be an absolute path below the root, without \"..\" and without a slash at its end",
              field);
  return false;
}

static bool namespace_flag(const char *field, u32 *flag, struct text *error) {
  for (usize i = 0; i < COUNT(NAMESPACES); i++) {
    if (text_equal(field, NAMESPACES[i].name)) {
      *flag = NAMESPACES[i].flag;
      return true;
    }
  }
  text_format(error, "namespace %q must be one of net, uts, ipc, pid, mnt, cgroup", field);
  return false;
}

static struct directive *append(struct config *config, enum kind kind, u32 line, char **field, usize count) {
  struct directive *directive = &config->directives[config->directive_count++];
  directive->kind = kind;
  directive->line = line;
  for (usize i = 0; i < count; i++) directive->field[i] = field[i];
  return directive;
}

static bool groups(struct config *config, const char *field, struct text *error) {
  u64 value = 0;
  bool digit = false;
  config->has_groups = true;
  for (;; field++) {
    if (*field >= '0' && *field <= '9') {
      value = value * 10 + (u64)(*field - '0');
      digit = true;
      if (value > 0xfffffffeu) break;
    } else if (digit && (*field == ',' || !*field)) {
      if (config->group_count == CONFIG_MOST_GROUPS) break;
      config->groups[config->group_count++] = (u32)value;
      if (!*field) return true;
      value = 0;
      digit = false;
    } else {
      break;
    }
  }
  text_format(error, "groups must be up to %u numbers between 0 and 4294967294, separated by commas",
              (u64)CONFIG_MOST_GROUPS);
  return false;
}

static bool rlimit(struct directive *directive, struct text *error) {
  usize name = 0;
  while (name < COUNT(RLIMITS) && !text_equal(directive->field[0], RLIMITS[name])) name++;
  if (name == COUNT(RLIMITS)) {
    text_format(error, "rlimit %q is unknown", directive->field[0]);
    return false;
  }
  directive->number[0] = name;
  for (int i = 1; i <= 2; i++) {
    /* RLIM_INFINITY is the highest number. */
    if (text_equal(directive->field[i], "unlimited")) directive->number[i] = ~0ull;
    else if (!number(directive->field[i], 10, ~0ull - 1, &directive->number[i], error, "limit")) return false;
  }
  if (directive->number[1] > directive->number[2]) {
    text_format(error, "rlimit %s: the soft limit is above the hard one", directive->field[0]);
    return false;
  }
  return true;
}

static bool mount(char **field, struct text *error) {
  struct mount_flags flags;
  if (!target(field[1], error)) return false;
  if (!config_mount_flags(field[3], &flags)) {
    text_format(error, "mount flags %q: one of them is unknown", field[3]);
    return false;
  }
  if (!*field[2] || !*field[4]) {
    text_format(error, "type and data must not be empty; \"-\" stands for no data");
    return false;
  }
  if (text_equal(field[2], "bind")) {
    if (!absolute(field[0], NULL, error, "source")) return false;
    if (!text_equal(field[4], "-")) {
      text_format(error, "a bind mount takes no data");
      return false;
    }
  } else if (flags.recursive) {
    text_format(error, "\"rec\" is for bind mounts");
    return false;
  }
  if (text_length(field[0]) >= PATH_BYTES || text_length(field[4]) >= PATH_BYTES) {
    text_format(error, "source and data must be shorter than %u bytes", (u64)PATH_BYTES);
    return false;
  }
  return true;
}

static bool device(struct directive *directive, struct text *error) {
  char **field = directive->field;
  if (!target(field[0], error)) return false;
  if (!text_equal(field[1], "c") && !text_equal(field[1], "b")) {
    text_format(error, "device type %q must be c or b", field[1]);
    return false;
  }
  directive->number[0] = field[1][0] == 'c' ? 0020000 : 0060000;
  return number(field[2], 10, 0xfff, &directive->number[1], error, "major") &&
         number(field[3], 10, 0xfffff, &directive->number[2], error, "minor") &&
         number(field[4], 8, 0777, &directive->number[3], error, "mode");
}

static bool signed_number(const char *field, i32 least, i32 most, i32 *out) {
  u64 value;
  bool minus = *field == '-';
  if (!text_number(field + minus, 10, 1u << 30, &value)) return false;
  i64 result = minus ? -(i64)value : (i64)value;
  if (result < least || result > most) return false;
  *out = (i32)result;
  return true;
}

/** One directive whose fields are unescaped and counted. */
static bool take(struct config *config, enum word word, char **field, u32 line, struct text *error) {
  u64 value = 0, other = 0;
  u32 flag;
  switch (word) {
    case W_ROOT:
      if (!absolute(field[0], &config->root, error, "root")) return false;
      for (value = 0; field[0][value] == '/'; value++) {
      }
      if (field[0][value]) return true;
      text_format(error, "root must not be \"/\": leave it out to run in the node's own root");
      return false;
    case W_READONLY:
      return config->readonly = true;
    case W_NEW:
      if (!namespace_flag(field[0], &flag, error)) return false;
      if ((config->fresh | config->joined) & flag) {
        text_format(error, "namespace %s is given twice", field[0]);
        return false;
      }
      config->fresh |= flag;
      return true;
    case W_JOIN:
      if (!namespace_flag(field[0], &flag, error) || !absolute(field[1], NULL, error, "path")) return false;
      if ((config->fresh | config->joined) & flag) {
        text_format(error, "namespace %s is given twice", field[0]);
        return false;
      }
      config->joined |= flag;
      append(config, JOIN, line, field, 2)->number[0] = flag;
      return true;
    case W_HOSTNAME:
      config->hostname = field[0];
      value = text_length(field[0]);
      if (value && value <= 64) return true;
      text_format(error, "hostname must have between 1 and 64 bytes");
      return false;
    case W_FOLDER:
      append(config, FOLDER, line, field, 1);
      return absolute(field[0], NULL, error, "folder");
    case W_CGROUP:
      append(config, CGROUP, line, field, 1);
      /* Room for "/cgroup.procs" behind it. */
      if (is_absolute(field[0]) && text_length(field[0]) < PATH_BYTES - 16) return true;
      text_format(error, "cgroup %q must be an absolute path", field[0]);
      return false;
    case W_MOUNT:
      append(config, MOUNT, line, field, 5);
      return mount(field, error);
    case W_MASK:
      append(config, MASK, line, field, 1);
      return target(field[0], error);
    case W_ROPATH:
      append(config, ROPATH, line, field, 1);
      return target(field[0], error);
    case W_DEVICE:
      return device(append(config, DEVICE, line, field, 5), error);
    case W_SYMLINK:
      append(config, SYMLINK, line, field, 2);
      if (*field[0] && text_length(field[0]) < PATH_BYTES) return target(field[1], error);
      text_format(error, "a symlink's content must have between 1 and %u bytes", (u64)PATH_BYTES - 1);
      return false;
    case W_CWD:
      return absolute(field[0], &config->cwd, error, "cwd");
    case W_UMASK:
      if (!number(field[0], 8, 0777, &value, error, "umask")) return false;
      config->umask = (u32)value;
      return true;
    case W_UID:
      config->has_uid = number(field[0], 10, 0xfffffffeu, &value, error, "uid");
      config->uid = (u32)value;
      return config->has_uid;
    case W_GID:
      config->has_gid = number(field[0], 10, 0xfffffffeu, &value, error, "gid");
      config->gid = (u32)value;
      return config->has_gid;
    case W_GROUPS:
      return groups(config, field[0], error);
    case W_CAPS:
      config->has_capabilities = true;
      return number(field[0], 16, ~0ull, &config->bounding, error, "bounding set") &&
             number(field[1], 16, ~0ull, &config->effective, error, "effective set") &&
             number(field[2], 16, ~0ull, &config->inheritable, error, "inheritable set") &&
             number(field[3], 16, ~0ull, &config->ambient, error, "ambient set");
    case W_NNP:
      return config->no_new_privs = true;
    case W_SECCOMP:
      return absolute(field[0], &config->seccomp, error, "seccomp");
    case W_RLIMIT:
      return rlimit(append(config, RLIMIT, line, field, 3), error);
    case W_OOM_SCORE_ADJ:
      config->has_oom_score_adj = signed_number(field[0], -1000, 1000, &config->oom_score_adj);
      if (!config->has_oom_score_adj) text_format(error, "oom_score_adj %q must be between -1000 and 1000", field[0]);
      return config->has_oom_score_adj;
    case W_ENV:
      for (value = 0; field[0][value] && field[0][value] != '='; value++) {
      }
      if (!value || !field[0][value]) {
        text_format(error, "env must be NAME=VALUE");
        return false;
      }
      config->environment[config->environment_count++] = field[0];
      return true;
    case W_ARG:
      config->arguments[config->argument_count++] = field[0];
      return true;
    case W_STDIO:
      config->stdio = text_equal(field[0], "inherit") ? STDIO_INHERIT : STDIO_LOG;
      if (config->stdio == STDIO_INHERIT || text_equal(field[0], "log")) return true;
      text_format(error, "stdio %q must be log or inherit", field[0]);
      return false;
    case W_LOG:
      /* Room for the rotated name's suffix. */
      if (text_length(field[0]) >= PATH_BYTES - 32) {
        text_format(error, "log's path is too long");
        return false;
      }
      return absolute(field[0], &config->log, error, "log");
    case W_LINK:
      return absolute(field[0], &config->link, error, "link");
    case W_ROTATE:
      if (!number(field[0], 10, ~0ull >> 1, &value, error, "bytes") ||
          !number(field[1], 10, 10000, &other, error, "files"))
        return false;
      if (!value || !other) {
        text_format(error, "rotate needs at least 1 byte and 1 file");
        return false;
      }
      config->rotate_bytes = value;
      config->rotate_files = (u32)other;
      return true;
    case W_STATUS:
      if (text_length(field[0]) >= PATH_BYTES - 32) {
        text_format(error, "status' path is too long");
        return false;
      }
      return absolute(field[0], &config->status, error, "status");
  }
  return false;
}

/** Takes the escapes out of a field, in place. */
static bool unescape(char *field, struct text *error) {
  char *out = field;
  for (; *field; field++) {
    if (*field != '\\') {
      *out++ = *field;
      continue;
    }
    switch (*++field) {
      case '\\': *out++ = '\\'; break;
      case 't': *out++ = '\t'; break;
      case 'n': *out++ = '\n'; break;
      default:
        text_format(error, "a backslash must be followed by a backslash, t or n");
        return false;
    }
  }
  *out = 0;
  return true;
}

/** What can only be said once all lines are known. */
static bool check(const struct config *config, struct text *error) {
  const char *problem = NULL;
  u32 line = 0;
  if (!config->argument_count) problem = "there is no arg";
  else if (!*config->arguments[0]) problem = "the first arg is empty";
  else if (config->hostname && !(config->fresh & NEW_UTS)) problem = "hostname needs \"new uts\"";
  else if (config->readonly && !config->root) problem = "readonly needs a root";
  else if (config->readonly && !(config->fresh & NEW_NS)) problem = "readonly needs \"new mnt\"";
  else if (config->link && config->stdio != STDIO_LOG) problem = "link needs a log";
  else if (config->stdio == STDIO_LOG && !config->log) problem = "there is no log, and stdio is not inherit";
  for (usize i = 0; !problem && i < config->directive_count; i++) {
    const struct directive *directive = &config->directives[i];
    line = directive->line;
    switch (directive->kind) {
      case MOUNT: if (!(config->fresh & NEW_NS)) problem = "mount needs \"new mnt\""; break;
      case MASK: if (!(config->fresh & NEW_NS)) problem = "mask needs \"new mnt\""; break;
      case ROPATH: if (!(config->fresh & NEW_NS)) problem = "ropath needs \"new mnt\""; break;
      case DEVICE: if (!config->root) problem = "device needs a root"; break;
      case SYMLINK: if (!config->root) problem = "symlink needs a root"; break;
      default: break;
    }
  }
  if (!problem) return true;
  if (line) text_format(error, "line %u: %s", (u64)line, problem);
  else text_format(error, "%s", problem);
  return false;
}

usize config_memory(usize lines) {
  /* A last line may lack its newline; arguments and environment end in a NULL each. */
  return (lines + 1) * sizeof(struct directive) + (lines + 2) * 2 * sizeof(char *);
}

bool config_parse(struct config *config, char *bytes, usize length, void *memory, struct text *error) {
  usize lines = 0;
  for (usize i = 0; i < length; i++) lines += bytes[i] == '\n';
  config->directives = memory;
  config->arguments = (char **)(config->directives + lines + 1);
  config->environment = config->arguments + lines + 2;
  config->umask = 0022;
  config->rotate_bytes = 10485760;
  config->rotate_files = 5;

  char *end = bytes + length;
  for (u32 line = 1; bytes < end; line++) {
    char *field[6];
    usize fields = 1;
    TEXT(reason, 512);
    field[0] = bytes;
    for (; bytes < end && *bytes != '\n'; bytes++) {
      if (!*bytes) {
        text_format(error, "line %u: a NUL byte", (u64)line);
        return false;
      }
      if (*bytes != '\t') continue;
      *bytes = 0;
      if (fields < COUNT(field)) field[fields] = bytes + 1;
      fields++;
    }
    *bytes++ = 0;

    usize word = 0;
    while (word < COUNT(WORDS) && !text_equal(field[0], WORDS[word].name)) word++;
    bool fine = false;
    if (word == COUNT(WORDS)) {
      text_format(&reason, "unknown directive %q", field[0]);
    } else if (fields - 1 != WORDS[word].fields) {
      text_format(&reason, "%s takes %u fields, not %u", WORDS[word].name, (u64)WORDS[word].fields, (u64)fields - 1);
    } else if (!WORDS[word].repeatable && config->seen >> word & 1) {
      text_format(&reason, "%s is given twice", WORDS[word].name);
    } else {
      fine = true;
      config->seen |= 1ull << word;
      for (usize i = 1; fine && i < fields; i++) fine = unescape(field[i], &reason);
      if (fine) fine = take(config, (enum word)word, field + 1, line, &reason);
    }
    if (!fine) {
      text_format(error, "line %u: %s", (u64)line, reason.data);
      return false;
    }
  }
  return check(config, error);
}
