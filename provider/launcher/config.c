/*
 * The parser of the launcher's configuration. It trusts nothing: every name, count and number is checked, and the
 * first thing that is wrong is reported with its line. Pure, so that the fuzz harness can run it under a sanitizer.
 */
#include "fields.h"

enum word {
  W_ROOT, W_READONLY, W_NEW, W_JOIN, W_HOSTNAME, W_FOLDER, W_CGROUP, W_MOUNT, W_MASK, W_ROPATH, W_DEVICE, W_SYMLINK,
  W_CWD, W_UMASK, W_UID, W_GID, W_GROUPS, W_CAPS, W_NNP, W_SECCOMP, W_RLIMIT, W_OOM_SCORE_ADJ, W_ENV, W_ARG, W_STDIO,
  W_LOG, W_LINK, W_ROTATE, W_STATUS, W_INCLUDE, W_ENVFILE, W_ENVLINE, W_ENVDIR, W_EXPAND, W_USER, W_STRICTGROUPS,
  W_NONROOT, W_IDENTITY, W_STOPSIGNAL, W_ENVDEFAULT, W_APPARMOR,
};

static const struct {
  const char *name;
  /** Fields after the name: always this many. */
  u8 fields;
  bool repeatable;
  /** May stand in an included file. */
  bool included;
} WORDS[] = {
    [W_ROOT] = {"root", 1, false, false},
    [W_READONLY] = {"readonly", 0, false, false},
    [W_NEW] = {"new", 1, true, false},
    [W_JOIN] = {"join", 2, true, false},
    [W_HOSTNAME] = {"hostname", 1, false, false},
    [W_FOLDER] = {"folder", 1, true, false},
    [W_CGROUP] = {"cgroup", 1, true, false},
    [W_MOUNT] = {"mount", 5, true, false},
    [W_MASK] = {"mask", 1, true, false},
    [W_ROPATH] = {"ropath", 1, true, false},
    [W_DEVICE] = {"device", 5, true, false},
    [W_SYMLINK] = {"symlink", 2, true, false},
    [W_CWD] = {"cwd", 1, false, true},
    [W_UMASK] = {"umask", 1, false, false},
    [W_UID] = {"uid", 1, false, false},
    [W_GID] = {"gid", 1, false, false},
    [W_GROUPS] = {"groups", 1, false, false},
    [W_CAPS] = {"caps", 4, false, false},
    [W_NNP] = {"nnp", 0, false, false},
    [W_SECCOMP] = {"seccomp", 1, false, false},
    [W_RLIMIT] = {"rlimit", 3, true, false},
    [W_OOM_SCORE_ADJ] = {"oom_score_adj", 1, false, false},
    [W_ENV] = {"env", 1, true, true},
    [W_ARG] = {"arg", 1, true, true},
    [W_STDIO] = {"stdio", 1, false, false},
    [W_LOG] = {"log", 1, false, false},
    [W_LINK] = {"link", 1, false, false},
    [W_ROTATE] = {"rotate", 2, false, false},
    [W_STATUS] = {"status", 1, false, false},
    [W_INCLUDE] = {"include", 1, false, false},
    [W_ENVFILE] = {"envfile", 3, true, false},
    [W_ENVLINE] = {"envline", 3, true, false},
    [W_ENVDIR] = {"envdir", 3, true, false},
    [W_EXPAND] = {"expand", 0, false, false},
    [W_USER] = {"user", 1, false, true},
    [W_STRICTGROUPS] = {"strictgroups", 0, false, false},
    [W_NONROOT] = {"nonroot", 0, false, false},
    [W_IDENTITY] = {"identity", 1, false, false},
    [W_STOPSIGNAL] = {"stopsignal", 1, false, true},
    [W_ENVDEFAULT] = {"envdefault", 1, true, false},
    [W_APPARMOR] = {"apparmor", 1, false, false},
};

static struct directive *append(struct config *config, enum kind kind, u32 line, char **field, usize count) {
  struct directive *directive = &config->directives[config->directive_count++];
  directive->kind = kind;
  directive->line = line;
  for (usize i = 0; i < count; i++) directive->field[i] = field[i];
  return directive;
}

/** A signal by its number. */
static bool stop_signal(const char *field, u32 *out, struct text *error) {
  u64 value;
  *out = 0;
  if (text_number(field, 10, 64, &value) && value) *out = (u32)value;
  else text_format(error, "stopsignal %q must be a number between 1 and 64", field);
  return *out != 0;
}

/** One directive of an included file: the same, kept apart, because the main file's wins wherever it stands. */
static bool take_included(struct image *image, enum word word, char **field, struct text *error) {
  switch (word) {
    case W_ENV:
      image->environment[image->environment_count++] = field[0];
      return field_variable(field[0], error);
    case W_ARG:
      image->arguments[image->argument_count++] = field[0];
      return true;
    case W_CWD:
      return field_absolute(field[0], &image->cwd, error, "cwd");
    case W_USER:
      return field_user(field[0], &image->user, error);
    case W_STOPSIGNAL:
      return stop_signal(field[0], &image->stop_signal, error);
    default:
      return false;
  }
}

/** One directive whose fields are unescaped and counted. */
static bool take(struct config *config, enum word word, char **field, u32 line, struct text *error) {
  u64 value = 0, other = 0;
  u32 flag;
  switch (word) {
    case W_ROOT:
      if (!field_absolute(field[0], &config->root, error, "root")) return false;
      for (value = 0; field[0][value] == '/'; value++) {
      }
      if (field[0][value]) return true;
      text_format(error, "root must not be \"/\": leave it out to run in the node's own root");
      return false;
    case W_READONLY:
      return config->readonly = true;
    case W_NEW:
      if (!field_namespace_flag(field[0], &flag, error)) return false;
      if ((config->fresh | config->joined) & flag) {
        text_format(error, "namespace %s is given twice", field[0]);
        return false;
      }
      config->fresh |= flag;
      return true;
    case W_JOIN:
      if (!field_namespace_flag(field[0], &flag, error) || !field_absolute(field[1], NULL, error, "path")) return false;
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
      return field_absolute(field[0], NULL, error, "folder");
    case W_CGROUP:
      append(config, CGROUP, line, field, 1);
      /* Room for "/cgroup.procs" behind it. */
      return field_shorter(field[0], PATH_BYTES - 16, NULL, error, "cgroup");
    case W_MOUNT:
      append(config, MOUNT, line, field, 5);
      return field_mount(field, error);
    case W_MASK:
      append(config, MASK, line, field, 1);
      return field_target(field[0], error);
    case W_ROPATH:
      append(config, ROPATH, line, field, 1);
      return field_target(field[0], error);
    case W_DEVICE:
      return field_device(append(config, DEVICE, line, field, 5), error);
    case W_SYMLINK:
      append(config, SYMLINK, line, field, 2);
      if (*field[0] && text_length(field[0]) < PATH_BYTES) return field_target(field[1], error);
      text_format(error, "a symlink's content must have between 1 and %u bytes", (u64)PATH_BYTES - 1);
      return false;
    case W_CWD:
      return field_absolute(field[0], &config->cwd, error, "cwd");
    case W_UMASK:
      if (!field_number(field[0], 8, 0777, &value, error, "umask")) return false;
      config->umask = (u32)value;
      return true;
    case W_UID:
      config->has_uid = field_number(field[0], 10, ID_MOST, &value, error, "uid");
      config->uid = (u32)value;
      return config->has_uid;
    case W_GID:
      config->has_gid = field_number(field[0], 10, ID_MOST, &value, error, "gid");
      config->gid = (u32)value;
      return config->has_gid;
    case W_GROUPS:
      return field_groups(config, field[0], error);
    case W_CAPS:
      config->has_capabilities = true;
      return field_number(field[0], 16, ~0ull, &config->bounding, error, "bounding set") &&
             field_number(field[1], 16, ~0ull, &config->effective, error, "effective set") &&
             field_number(field[2], 16, ~0ull, &config->inheritable, error, "inheritable set") &&
             field_number(field[3], 16, ~0ull, &config->ambient, error, "ambient set");
    case W_NNP:
      return config->no_new_privs = true;
    case W_SECCOMP:
      return field_absolute(field[0], &config->seccomp, error, "seccomp");
    case W_RLIMIT:
      return field_rlimit(append(config, RLIMIT, line, field, 3), error);
    case W_OOM_SCORE_ADJ:
      config->has_oom_score_adj = field_signed_number(field[0], -1000, 1000, &config->oom_score_adj);
      if (!config->has_oom_score_adj) text_format(error, "oom_score_adj %q must be between -1000 and 1000", field[0]);
      return config->has_oom_score_adj;
    case W_ENV:
      append(config, ENV, line, field, 1);
      return field_variable(field[0], error);
    case W_ENVDEFAULT:
      append(config, ENVDEFAULT, line, field, 1);
      return field_variable(field[0], error);
    case W_ENVFILE:
      return field_environment(append(config, ENVFILE, line, field, 3), error);
    case W_ENVLINE:
      return field_environment(append(config, ENVLINE, line, field, 3), error);
    case W_ENVDIR:
      return field_environment(append(config, ENVDIR, line, field, 3), error);
    case W_EXPAND:
      return config->expand = true;
    case W_ARG:
      config->arguments[config->argument_count++] = field[0];
      return true;
    case W_INCLUDE:
      config->include_at = config->argument_count;
      return field_absolute(field[0], &config->include, error, "include");
    case W_USER:
      return field_user(field[0], &config->user, error);
    case W_STRICTGROUPS:
      return config->strict_groups = true;
    case W_NONROOT:
      return config->nonroot = true;
    case W_IDENTITY:
      return field_absolute(field[0], &config->identity, error, "identity");
    case W_STOPSIGNAL:
      return stop_signal(field[0], &config->stop_signal, error);
    case W_APPARMOR:
      return field_profile(field[0], &config->apparmor, error);
    case W_STDIO:
      config->stdio = text_equal(field[0], "inherit") ? STDIO_INHERIT : STDIO_LOG;
      if (config->stdio == STDIO_INHERIT || text_equal(field[0], "log")) return true;
      text_format(error, "stdio %q must be log or inherit", field[0]);
      return false;
    case W_LOG:
      /* Room for the rotated name's suffix. */
      return field_shorter(field[0], PATH_BYTES - 32, &config->log, error, "log");
    case W_LINK:
      return field_absolute(field[0], &config->link, error, "link");
    case W_ROTATE:
      if (!field_number(field[0], 10, ~0ull >> 1, &value, error, "bytes") ||
          !field_number(field[1], 10, 10000, &other, error, "files"))
        return false;
      if (!value || !other) {
        text_format(error, "rotate needs at least 1 byte and 1 file");
        return false;
      }
      config->rotate_bytes = value;
      config->rotate_files = (u32)other;
      return true;
    case W_STATUS:
      return field_shorter(field[0], PATH_BYTES - 32, &config->status, error, "status");
  }
  return false;
}

usize config_memory(usize lines) {
  /* A last line may lack its newline; arguments and environment end in a NULL each. */
  return (lines + 1) * sizeof(struct directive) + (lines + 2) * 2 * sizeof(char *);
}

/** All lines, into the configuration itself or, from an included file, into what it has of the image. */
static bool parse(struct config *config, bool included, char *bytes, usize length, struct text *error) {
  char *end = bytes + length;
  u64 seen = 0;
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
    } else if (included && !WORDS[word].included) {
      text_format(&reason, "%s cannot stand in an included file", field[0]);
    } else if (fields - 1 != WORDS[word].fields) {
      text_format(&reason, "%s takes %u fields, not %u", WORDS[word].name, (u64)WORDS[word].fields, (u64)fields - 1);
    } else if (!WORDS[word].repeatable && seen >> word & 1) {
      text_format(&reason, "%s is given twice", WORDS[word].name);
    } else {
      fine = true;
      seen |= 1ull << word;
      for (usize i = 1; fine && i < fields; i++) fine = field_unescape(field[i], &reason);
      if (fine && included) fine = take_included(&config->image, (enum word)word, field + 1, &reason);
      else if (fine) fine = take(config, (enum word)word, field + 1, line, &reason);
    }
    if (!fine) {
      text_format(error, "line %u: %s", (u64)line, reason.data);
      return false;
    }
  }
  return true;
}

bool config_parse(struct config *config, char *bytes, usize length, void *memory, struct text *error) {
  usize lines = 0;
  for (usize i = 0; i < length; i++) lines += bytes[i] == '\n';
  config->directives = memory;
  config->arguments = (char **)(config->directives + lines + 1);
  config->umask = 0022;
  config->rotate_bytes = 10485760;
  config->rotate_files = 5;
  return parse(config, false, bytes, length, error);
}

bool config_include(struct config *config, char *bytes, usize length, void *memory, struct text *error) {
  usize lines = 0;
  for (usize i = 0; i < length; i++) lines += bytes[i] == '\n';
  config->image.arguments = memory;
  config->image.environment = config->image.arguments + lines + 2;
  return parse(config, true, bytes, length, error);
}

bool config_check(struct config *config, struct text *error) {
  const struct image *image = &config->image;
  const char *problem = NULL, *first = NULL;
  u32 line = 0;
  if (!config->cwd) config->cwd = image->cwd;
  if (!config->user) config->user = image->user;
  if (!config->stop_signal) config->stop_signal = image->stop_signal;
  if (image->argument_count && !config->include_at) first = image->arguments[0];
  else if (config->argument_count) first = config->arguments[0];

  if (!first && !config->for_exec) problem = "there is no arg";
  else if (first && !*first) problem = "the first arg is empty";
  else if (config->hostname && !(config->fresh & NEW_UTS)) problem = "hostname needs \"new uts\"";
  else if (config->readonly && !config->root) problem = "readonly needs a root";
  else if (config->readonly && !(config->fresh & NEW_NS)) problem = "readonly needs \"new mnt\"";
  else if (config->link && config->stdio != STDIO_LOG) problem = "link needs a log";
  else if (config->stdio == STDIO_LOG && !config->log && !config->for_exec)
    problem = "there is no log, and stdio is not inherit";
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
