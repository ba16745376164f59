/*
 * Fuzzes the configuration's parser: any bytes either parse or give a line and a reason, and touch nothing beyond the
 * memory that config_memory promised. What follows a line of "--" is the included file.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../config.h"

struct block {
  char *bytes;
  void *memory;
  size_t length;
};

static struct block prepare(const uint8_t *data, size_t length) {
  usize lines = 0;
  struct block block = {malloc(length + 1), NULL, length};
  memcpy(block.bytes, data, length);
  for (usize i = 0; i < length; i++) lines += block.bytes[i] == '\n';
  block.memory = calloc(1, config_memory(lines));
  return block;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > CONFIG_MOST_BYTES) return 0;
  const uint8_t *end = size > 4 ? memmem(data, size, "\n--\n", 4) : NULL;
  size_t first = end ? (size_t)(end - data) : size;
  struct config *config = calloc(1, sizeof *config);
  struct block main = prepare(data, first), included = {NULL, NULL, 0};
  TEXT(error, 768);
  bool fine = config_parse(config, main.bytes, main.length, main.memory, &error);
  if (fine && end) {
    included = prepare(end + 4, size - first - 4);
    fine = config_include(config, included.bytes, included.length, included.memory, &error);
  }
  fine = fine && config_check(config, &error);
  /* A refusal always says why; an accepted text always says what to run. */
  if (fine != !error.length) abort();
  if (fine && !(config->argument_count + config->image.argument_count)) abort();
  if (fine && config->include_at > config->argument_count) abort();
  if (fine) {
    usize sum = 0;
    for (usize i = 0; i < config->argument_count; i++) sum += text_length(config->arguments[i]);
    for (usize i = 0; i < config->image.argument_count; i++) sum += text_length(config->image.arguments[i]);
    for (usize i = 0; i < config->image.environment_count; i++) sum += text_length(config->image.environment[i]);
    for (usize i = 0; i < config->directive_count; i++) sum += text_length(config->directives[i].field[0]);
    if (sum > size) abort();
  }
  free(included.memory);
  free(included.bytes);
  free(main.memory);
  free(main.bytes);
  free(config);
  return 0;
}
