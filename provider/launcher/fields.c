/*
 * The fields of the configuration's directives: what each may hold. Pure, like the parser that asks.
 */
#include "fields.h"

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

/* field_mount(2)'s numbers; `rec` stands outside of them. */
static const struct {
  const char *name;
  unsigned long set, clear, propagation;
  bool recursive;
  enum below below;
} FLAGS[] = {
    {"ro", 1, 0, 0, false, BELOW_AS_IT_IS},
    {"rro", 1, 0, 0, false, BELOW_TOO},
    {"tryrro", 1, 0, 0, false, BELOW_IF_POSSIBLE},
    {"rw", 0, 1, 0, false, BELOW_AS_IT_IS},
    {"nosuid", 2, 0, 0, false, BELOW_AS_IT_IS},
    {"nodev", 4, 0, 0, false, BELOW_AS_IT_IS},
    {"noexec", 8, 0, 0, false, BELOW_AS_IT_IS},
    {"relatime", 1ul << 21, 0, 0, false, BELOW_AS_IT_IS},
    {"noatime", 1024, 0, 0, false, BELOW_AS_IT_IS},
    {"strictatime", 1ul << 24, 0, 0, false, BELOW_AS_IT_IS},
    {"rec", 0, 0, 0, true, BELOW_AS_IT_IS},
    {"private", 0, 0, 1ul << 18, false, BELOW_AS_IT_IS},
    {"slave", 0, 0, 1ul << 19, false, BELOW_AS_IT_IS},
    {"shared", 0, 0, 1ul << 20, false, BELOW_AS_IT_IS},
    {"rprivate", 0, 0, 1ul << 18 | 16384, false, BELOW_AS_IT_IS},
    {"rslave", 0, 0, 1ul << 19 | 16384, false, BELOW_AS_IT_IS},
    {"rshared", 0, 0, 1ul << 20 | 16384, false, BELOW_AS_IT_IS},
};

static bool field_is(const char *field, usize length, const char *name) {
  usize i = 0;
  for (; i < length && name[i] && field[i] == name[i]; i++) {
  }
  return i == length && !name[i];
}

bool config_mount_flags(const char *field, struct mount_flags *out) {
  *out = (struct mount_flags){0, 0, false, BELOW_AS_IT_IS};
  if (text_equal(field, "-")) return true;
  for (;;) {
    usize length = 0, i = 0;
    while (field[length] && field[length] != ',') length++;
    while (i < COUNT(FLAGS) && !field_is(field, length, FLAGS[i].name)) i++;
    if (i == COUNT(FLAGS)) return false;
    out->flags = (out->flags & ~FLAGS[i].clear) | FLAGS[i].set;
    if (FLAGS[i].propagation) out->propagation = FLAGS[i].propagation;
    out->recursive |= FLAGS[i].recursive;
    if (FLAGS[i].below != BELOW_AS_IT_IS) out->below = FLAGS[i].below;
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

bool field_number(const char *field, u32 base, u64 most, u64 *out, struct text *error, const char *what) {
  if (text_number(field, base, most, out)) return true;
  if (base == 8) text_format(error, "%s %q must be an octal number up to %o", what, field, most);
  else if (base == 16) text_format(error, "%s %q must be a hexadecimal number of up to 64 bits", what, field);
  else text_format(error, "%s %q must be a number between 0 and %u", what, field, most);
  return false;
}

bool field_absolute(char *field, char **out, struct text *error, const char *what) {
  if (!is_absolute(field)) {
    text_format(error, "%s %q must be an absolute path shorter than %u bytes", what, field, (u64)PATH_BYTES);
    return false;
  }
  if (out) *out = field;
  return true;
}

bool field_target(const char *field, struct text *error) {
  if (is_target(field)) return true;
  text_format(error, "target %q must be an absolute path below the root, without \"..\" and without a slash at its end",
              field);
  return false;
}

bool field_namespace_flag(const char *field, u32 *flag, struct text *error) {
  for (usize i = 0; i < COUNT(NAMESPACES); i++) {
    if (text_equal(field, NAMESPACES[i].name)) {
      *flag = NAMESPACES[i].flag;
      return true;
    }
  }
  text_format(error, "namespace %q must be one of net, uts, ipc, pid, mnt, cgroup", field);
  return false;
}

bool field_groups(struct config *config, const char *field, struct text *error) {
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

bool field_rlimit(struct directive *directive, struct text *error) {
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
    else if (!field_number(directive->field[i], 10, ~0ull - 1, &directive->number[i], error, "limit")) return false;
  }
  if (directive->number[1] > directive->number[2]) {
    text_format(error, "rlimit %s: the soft limit is above the hard one", directive->field[0]);
    return false;
  }
  return true;
}

bool field_mount(char **field, struct text *error) {
  struct mount_flags flags;
  if (!field_target(field[1], error)) return false;
  if (!config_mount_flags(field[3], &flags)) {
    text_format(error, "mount flags %q: one of them is unknown", field[3]);
    return false;
  }
  if (!*field[2] || !*field[4]) {
    text_format(error, "type and data must not be empty; \"-\" stands for no data");
    return false;
  }
  if (text_equal(field[2], "bind")) {
    if (!field_absolute(field[0], NULL, error, "source")) return false;
    if (*field[4] == '/') {
      text_format(error, "what of a source is mounted must be a relative path");
      return false;
    }
  } else if (flags.recursive || flags.below != BELOW_AS_IT_IS) {
    text_format(error, "\"rec\" and \"rro\" are for bind mounts");
    return false;
  }
  if (text_length(field[0]) >= PATH_BYTES || text_length(field[4]) >= PATH_BYTES) {
    text_format(error, "source and data must be shorter than %u bytes", (u64)PATH_BYTES);
    return false;
  }
  return true;
}

bool field_device(struct directive *directive, struct text *error) {
  char **field = directive->field;
  if (!field_target(field[0], error)) return false;
  if (!text_equal(field[1], "c") && !text_equal(field[1], "b")) {
    text_format(error, "device type %q must be c or b", field[1]);
    return false;
  }
  directive->number[0] = field[1][0] == 'c' ? 0020000 : 0060000;
  return field_number(field[2], 10, 0xfff, &directive->number[1], error, "major") &&
         field_number(field[3], 10, 0xfffff, &directive->number[2], error, "minor") &&
         field_number(field[4], 8, 0777, &directive->number[3], error, "mode");
}

bool field_signed_number(const char *field, i32 least, i32 most, i32 *out) {
  u64 value;
  bool minus = *field == '-';
  if (!text_number(field + minus, 10, 1u << 30, &value)) return false;
  i64 result = minus ? -(i64)value : (i64)value;
  if (result < least || result > most) return false;
  *out = (i32)result;
  return true;
}

bool field_shorter(char *field, usize most, char **out, struct text *error, const char *what) {
  if (text_length(field) < most) return field_absolute(field, out, error, what);
  text_format(error, "%s: the path is too long", what);
  return false;
}

bool field_user(char *field, char **out, struct text *error) {
  usize length = text_length(field), colons = 0;
  for (usize i = 0; i < length; i++) {
    u8 byte = (u8)field[i];
    if (byte == ':') colons++;
    if (byte <= ' ' || byte == 0x7f || (byte == ':' && (!i || i + 1 == length))) colons = 2;
  }
  *out = field;
  if (length && length < 256 && colons < 2) return true;
  text_format(error, "user %q must be a name or a uid, with a colon and a group or a gid behind it if need be", field);
  return false;
}

bool is_variable_name(const char *name) {
  for (; *name; name++) {
    if (*name < ' ' || *name > '~' || *name == '=') return false;
  }
  return true;
}

bool field_profile(char *field, char **out, struct text *error) {
  usize length = text_length(field);
  bool fine = length && length <= PROFILE_MOST && field[0] != ' ' && field[length - 1] != ' ';
  for (usize i = 0; fine && i < length; i++) fine = (u8)field[i] >= ' ' && field[i] != 0x7f;
  *out = field;
  if (!fine)
    text_format(error, "apparmor %q must have between 1 and %u printable characters, and no blank at its ends", field,
                (u64)PROFILE_MOST);
  return fine;
}

bool field_variable(const char *field, struct text *error) {
  usize name = 0;
  while (field[name] && field[name] != '=') name++;
  if (name && field[name]) return true;
  text_format(error, "env must be NAME=VALUE");
  return false;
}

bool field_environment(struct directive *directive, struct text *error) {
  char **field = directive->field;
  directive->number[0] = text_equal(field[2], "optional");
  if (!directive->number[0] && !text_equal(field[2], "required")) {
    text_format(error, "%q must be required or optional", field[2]);
    return false;
  }
  if (!is_variable_name(field[0]) || (!*field[0] && directive->kind != ENVDIR)) {
    text_format(error, "%q cannot be the %s of a variable's name: printable ASCII without \"=\" is", field[0],
                directive->kind == ENVDIR ? "beginning" : "whole");
    return false;
  }
  return field_absolute(field[1], NULL, error, "path");
}

bool field_unescape(char *field, struct text *error) {
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
