/*
 * The configuration's way from its files into memory and out of it.
 */
#include "load.h"

#include "files.h"
#include "report.h"

/** A file's text, and what was parsed of it, which points into the text. */
struct block {
  char *bytes;
  usize length;
  void *parsed;
  usize parsed_length;
};
static struct block main_block, included_block;

static void read_into(struct block *block, const char *path) {
  long fd = sys(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(EXIT_SETUP, "config", "%s: %e", path, (int)fd);
  if (block->length && block->bytes[block->length - 1] != '\n') block->bytes[block->length++] = '\n';
  long length = read_file((int)fd, block->bytes + block->length, CONFIG_MOST_BYTES + 1 - block->length);
  if (length < 0) fail(EXIT_SETUP, "config", "%s: %e", path, (int)length);
  sys(close, fd);
  block->length += (usize)length;
  if (block->length > CONFIG_MOST_BYTES)
    fail(EXIT_SETUP, "config", "%s: more than %u bytes", path, (u64)CONFIG_MOST_BYTES);
}

static void prepare(struct block *block) {
  usize lines = 0;
  for (usize i = 0; i < block->length; i++) lines += block->bytes[i] == '\n';
  block->parsed_length = config_memory(lines);
  block->parsed = map_memory(block->parsed_length);
}

void load_config(char **paths, struct config *config) {
  TEXT(error, 768);
  main_block.bytes = map_memory(CONFIG_MOST_BYTES + 2);
  for (char **path = paths; *path; path++) read_into(&main_block, *path);
  prepare(&main_block);
  if (!config_parse(config, main_block.bytes, main_block.length, main_block.parsed, &error))
    fail(EXIT_SETUP, "config", "%s: %s", paths[0], error.data);
  if (config->include) {
    included_block.bytes = map_memory(CONFIG_MOST_BYTES + 2);
    read_into(&included_block, config->include);
    prepare(&included_block);
    if (!config_include(config, included_block.bytes, included_block.length, included_block.parsed, &error))
      fail(EXIT_SETUP, "config", "%s: %s", config->include, error.data);
  }
  if (!config_check(config, &error)) fail(EXIT_SETUP, "config", "%s: %s", paths[0], error.data);
}

static void unload(struct block *block) {
  if (!block->bytes) return;
  sys(munmap, block->bytes, CONFIG_MOST_BYTES + 2);
  sys(munmap, block->parsed, block->parsed_length);
}

void unload_config(void) {
  unload(&main_block);
  unload(&included_block);
}
