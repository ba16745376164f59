/*
 * The launcher's configuration: a text file, one directive per line, fields separated by tabs (ARCHITECTURE.md has the
 * list). Parsed in place and checked as a whole before anything is done.
 */
#ifndef BAREPOD_CONFIG_H
#define BAREPOD_CONFIG_H

#include "text.h"

#define CONFIG_MOST_BYTES (1u << 20)
#define CONFIG_MOST_GROUPS 1024
#define PATH_BYTES 4096

/** A directive that may be given several times and is done in order. */
enum kind { JOIN, FOLDER, CGROUP, MOUNT, MASK, ROPATH, DEVICE, SYMLINK, RLIMIT, ENV, ENVFILE, ENVLINE, ENVDIR, ENVDEFAULT };

struct directive {
  enum kind kind;
  u32 line;
  /** The fields after the name, unescaped. */
  char *field[5];
  /**
   * What `field` says as numbers. JOIN: its CLONE_NEW* flag. DEVICE: type, major, minor, mode. RLIMIT: its number, soft
   * and hard limit. MOUNT: for a shared bind, the descriptor of its source. ENVFILE, ENVLINE, ENVDIR: 1 if optional.
   */
  u64 number[4];
};

/** Flags of one mount, already sorted into what mount(2) wants in separate calls. */
/** Whether mounts below a read-only one are read-only too. */
enum below { BELOW_AS_IT_IS, BELOW_IF_POSSIBLE, BELOW_TOO };

struct mount_flags {
  unsigned long flags;
  unsigned long propagation;
  bool recursive;
  enum below below;
};

enum stdio { STDIO_LOG, STDIO_INHERIT };

/** What an included file gives: the defaults that come with an image. */
struct image {
  char **arguments;
  usize argument_count;
  char **environment;
  usize environment_count;
  char *cwd, *user;
  u32 stop_signal;
};

struct config {
  struct directive *directives;
  usize directive_count;
  char **arguments;
  usize argument_count;
  struct image image;
  /** The image's arguments stand before this one. */
  usize include_at;

  char *root, *hostname, *cwd, *seccomp, *apparmor, *log, *link, *status, *include, *user, *identity;
  /** CLONE_NEW* of `new`, and of `join`. */
  u32 fresh, joined;
  bool readonly, no_new_privs, has_uid, has_gid, has_groups, has_capabilities, has_oom_score_adj;
  bool expand, strict_groups, nonroot;
  /**
   * Set before parsing: this is the configuration of a container that runs, for one more command in it. No `arg` and no
   * `log` is needed; the arguments come from elsewhere, and nothing in them is expanded.
   */
  bool for_exec;
  /** What TERM becomes, or 0. */
  u32 stop_signal;
  u32 umask, uid, gid;
  u32 group_count, groups[CONFIG_MOST_GROUPS];
  u64 bounding, effective, inheritable, ambient;
  i32 oom_score_adj;
  enum stdio stdio;
  u64 rotate_bytes;
  u32 rotate_files;
};

/** The bytes of memory that config_parse needs for a text of `length` bytes with `lines` newlines. */
usize config_memory(usize lines);

/**
 * Parses `length` bytes at `bytes` in place (one more byte must be writable behind them). `memory` is zeroed memory of
 * config_memory() bytes, aligned to 8; the result points into both. On failure `error` holds the line and the reason.
 */
bool config_parse(struct config *config, char *bytes, usize length, void *memory, struct text *error);
/** The same for the file that `include` names, afterwards. */
bool config_include(struct config *config, char *bytes, usize length, void *memory, struct text *error);
/** What can only be said, and what is only settled, once all lines of both are known. */
bool config_check(struct config *config, struct text *error);

/** The comma-separated flags of `mount`; config_parse has already refused unknown ones. */
bool config_mount_flags(const char *field, struct mount_flags *out);

#endif
