/*
 * The environment, in Kubernetes' order: `envdefault`, over it the image's, over it `envdir` (envFrom), over it `env`,
 * `envfile` and `envline` in the order of the file. A variable that is set again keeps its place. References (`expand`)
 * see what the configuration itself has defined so far, never `envdefault` and the image's; arguments see all of that.
 */
#include "environment.h"

#include "expand.h"
#include "fields.h"
#include "files.h"
#include "report.h"

#define VARIABLES_MOST 16384u
/* Linux passes no more than 6 MiB to a program. */
#define BYTES_MOST (8u << 20)
#define VALUE_MOST (1u << 20)

struct variable {
  /** NAME=VALUE. */
  char *entry;
  usize name;
  /** Comes with the image or by itself: references do not see it. */
  bool given;
};

struct store {
  /** First, so that a lookup finds the rest. */
  struct names names;
  struct text bytes;
  usize count;
  struct variable variables[VARIABLES_MOST];
  char *files[VARIABLES_MOST];
};

static bool same(const char *one, const char *other, usize length) {
  for (usize i = 0; i < length; i++) {
    if (one[i] != other[i]) return false;
  }
  return true;
}

static struct variable *find(struct store *store, const char *name, usize length) {
  for (usize i = 0; i < store->count; i++) {
    struct variable *variable = &store->variables[i];
    if (variable->name == length && same(variable->entry, name, length)) return variable;
  }
  return NULL;
}

static const char *lookup(const struct names *names, const char *name, usize length) {
  const struct variable *variable = find((struct store *)names, name, length);
  return variable && !variable->given ? variable->entry + length + 1 : NULL;
}

static void set(struct store *store, char *entry, bool given) {
  usize length = 0;
  while (entry[length] != '=') length++;
  struct variable *variable = find(store, entry, length);
  if (!variable) {
    if (store->count == VARIABLES_MOST)
      fail(EXIT_SETUP, "env", "there are more than %u variables", (u64)VARIABLES_MOST);
    variable = &store->variables[store->count++];
  }
  *variable = (struct variable){entry, length, given};
}

__attribute__((noreturn)) static void too_large(void) {
  fail(EXIT_SETUP, "env", "the environment and the arguments are larger than Linux passes to a program");
}

/** Where the next string begins. */
static char *begin(struct store *store) {
  return store->bytes.data + store->bytes.length;
}

static void put(struct store *store, const char *bytes, usize length) {
  if (store->bytes.size - store->bytes.length < length + 1) too_large();
  memcpy(begin(store), bytes, length);
  store->bytes.length += length;
}

static void end(struct store *store) {
  put(store, "", 1);
}

/** NAME= and the bytes of a file, which is closed. */
static void set_from_file(struct store *store, const char *prefix, const char *name, int fd, bool line) {
  char *entry = begin(store);
  put(store, prefix, text_length(prefix));
  put(store, name, text_length(name));
  put(store, "=", 1);
  char *value = begin(store);
  if (store->bytes.size - store->bytes.length < VALUE_MOST + 2) too_large();
  long length = read_file(fd, value, VALUE_MOST + 1);
  if (length < 0) fail(EXIT_SETUP, "env", "%s%s: %e", prefix, name, (int)length);
  sys(close, fd);
  if (length > VALUE_MOST)
    fail(EXIT_SETUP, "env", "%s%s: the value has more than %u bytes", prefix, name, (u64)VALUE_MOST);
  if (text_find((const u8 *)value, 0, (usize)length))
    fail(EXIT_SETUP, "env", "%s%s: the value holds a NUL byte, which no variable can", prefix, name);
  if (line && length && value[length - 1] == '\n') length--;
  store->bytes.length += (usize)length;
  end(store);
  set(store, entry, false);
}

/** A regular file, or the error. A symlink is followed: what volumes hold are symlinks. */
static int open_regular(int directory, const char *path) {
  struct statx found;
  /* Opening a FIFO would wait for somebody to write to it. */
  long fd = sys(openat, directory, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return (int)fd;
  long result = sys(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found);
  if (result >= 0 && (found.mode & S_IFMT) == S_IFREG) return (int)fd;
  sys(close, fd);
  return result < 0 ? (int)result : -EINVAL;
}

static void from_file(struct store *store, const struct directive *directive) {
  int fd = open_regular(AT_FDCWD, directive->field[1]);
  if (fd == -ENOENT && directive->number[0]) return;
  if (fd == -EINVAL) fail(EXIT_SETUP, "env", "%s: %s is not a regular file", directive->field[0], directive->field[1]);
  if (fd < 0) fail(EXIT_SETUP, "env", "%s: %s: %e", directive->field[0], directive->field[1], fd);
  set_from_file(store, "", directive->field[0], fd, directive->kind == ENVLINE);
}

/** Shell's sort: short, without recursion, and fast enough for some thousand names. */
static void sort(char **names, usize count) {
  for (usize gap = count / 2; gap; gap /= 2) {
    for (usize i = gap; i < count; i++) {
      char *name = names[i];
      usize at = i;
      for (; at >= gap && text_before(name, names[at - gap]); at -= gap) names[at] = names[at - gap];
      names[at] = name;
    }
  }
}

/** The names in a folder that can be variables'. What begins with ".." belongs to the volume's own machinery. */
static usize list(struct store *store, const char *path, int directory) {
  usize count = 0;
  struct listing listing = {.fd = directory};
  const char *name;
  while ((name = next_entry(&listing))) {
    if (name[0] == '.' && (!name[1] || name[1] == '.')) continue;
    if (!is_variable_name(name)) continue;
    if (count == VARIABLES_MOST) fail(EXIT_SETUP, "env", "%s: more than %u files", path, (u64)VARIABLES_MOST);
    store->files[count++] = begin(store);
    put(store, name, text_length(name));
    end(store);
  }
  if (listing.error) fail(EXIT_SETUP, "env", "%s: %e", path, (int)listing.error);
  sort(store->files, count);
  return count;
}

static void from_directory(struct store *store, const struct directive *directive) {
  const char *path = directive->field[1];
  long directory = sys(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory == -ENOENT && directive->number[0]) return;
  if (directory < 0) fail(EXIT_SETUP, "env", "%s: %e", path, (int)directory);
  usize count = list(store, path, (int)directory);
  for (usize i = 0; i < count; i++) {
    int fd = open_regular((int)directory, store->files[i]);
    /* A folder, or a symlink that leads nowhere. */
    if (fd == -EINVAL || fd == -ENOENT) continue;
    if (fd < 0) fail(EXIT_SETUP, "env", "%s/%s: %e", path, store->files[i], fd);
    set_from_file(store, directive->field[0], store->files[i], fd, false);
  }
  sys(close, directory);
}

/** The text with its references replaced; `whole` bytes of it stay as they are. */
static char *expanded(struct store *store, char *text, usize whole) {
  char *out = begin(store);
  put(store, text, whole);
  if (!expand(&store->bytes, text + whole, &store->names)) too_large();
  end(store);
  return out;
}

static void from_text(struct store *store, const struct config *config, char *entry) {
  usize name = 0;
  while (entry[name] != '=') name++;
  set(store, config->expand ? expanded(store, entry, name + 1) : entry, false);
}

static char **arguments(struct store *store, const struct config *config, char **out) {
  usize count = 0;
  for (usize i = 0; i <= config->argument_count; i++) {
    if (i == config->include_at) {
      for (usize k = 0; k < config->image.argument_count; k++) out[count++] = config->image.arguments[k];
    }
    if (i == config->argument_count) break;
    bool expands = config->expand && !config->for_exec;
    out[count++] = expands ? expanded(store, config->arguments[i], 0) : config->arguments[i];
  }
  out[count] = NULL;
  return out;
}

void make_environment(const struct config *config, struct environment *out) {
  struct store *store = map_memory(sizeof *store);
  usize argument_count = config->argument_count + config->image.argument_count;
  /* Untouched memory costs nothing. */
  store->bytes = (struct text){map_memory(BYTES_MOST), BYTES_MOST, 0};
  store->names.lookup = lookup;
  for (usize i = 0; i < config->directive_count; i++) {
    if (config->directives[i].kind == ENVDEFAULT) set(store, config->directives[i].field[0], true);
  }
  for (usize i = 0; i < config->image.environment_count; i++) set(store, config->image.environment[i], true);
  for (usize i = 0; i < config->directive_count; i++) {
    if (config->directives[i].kind == ENVDIR) from_directory(store, &config->directives[i]);
  }
  for (usize i = 0; i < config->directive_count; i++) {
    const struct directive *directive = &config->directives[i];
    if (directive->kind == ENV) from_text(store, config, directive->field[0]);
    else if (directive->kind == ENVFILE || directive->kind == ENVLINE) from_file(store, directive);
  }
  out->arguments = arguments(store, config, map_memory((argument_count + 1) * sizeof(char *)));
  /* One more for HOME, and the NULL. */
  out->variables = map_memory((store->count + 2) * sizeof(char *));
  out->variable_count = store->count;
  for (usize i = 0; i < store->count; i++) out->variables[i] = store->variables[i].entry;
}

const char *environment_get(const struct environment *environment, const char *name) {
  usize length = text_length(name);
  for (usize i = 0; i < environment->variable_count; i++) {
    const char *entry = environment->variables[i];
    if (same(entry, name, length) && entry[length] == '=') return entry + length + 1;
  }
  return NULL;
}

void environment_add_home(struct environment *environment, const char *path) {
  if (environment_get(environment, "HOME")) return;
  struct text entry = {map_memory(PATH_BYTES + 8), PATH_BYTES + 8, 0};
  text_format(&entry, "HOME=%s", path);
  environment->variables[environment->variable_count++] = entry.data;
}
