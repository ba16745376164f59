/*
 * Fuzzes the configuration's parser: any bytes either parse or give a line and a reason, and touch nothing beyond the
 * memory that config_memory promised.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > CONFIG_MOST_BYTES) return 0;
  usize lines = 0;
  char *bytes = malloc(size + 1);
  struct config *config = calloc(1, sizeof *config);
  TEXT(error, 768);
  memcpy(bytes, data, size);
  for (usize i = 0; i < size; i++) lines += bytes[i] == '\n';
  void *memory = calloc(1, config_memory(lines));
  bool fine = config_parse(config, bytes, size, memory, &error);
  /* A refusal always says why; an accepted text always says what to run. */
  if (fine != !error.length) abort();
  if (fine && (!config->argument_count || config->arguments[config->argument_count])) abort();
  if (fine) {
    usize sum = 0;
    for (usize i = 0; i < config->argument_count; i++) sum += text_length(config->arguments[i]);
    for (usize i = 0; i < config->environment_count; i++) sum += text_length(config->environment[i]);
    for (usize i = 0; i < config->directive_count; i++) sum += text_length(config->directives[i].field[0]);
    if (sum > size) abort();
  }
  free(memory);
  free(config);
  free(bytes);
  return 0;
}
