/*
 * Fuzzes the expansion of references against one that is written for plainness instead of speed. The first byte is the
 * room for the result.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../expand.h"

static const char *lookup(const struct names *names, const char *name, usize length) {
  (void)names;
  if (length == 1 && name[0] == 'A') return "$(B)$$";
  if (length == 2 && !memcmp(name, "BC", 2)) return "";
  return NULL;
}

static size_t plainly(char *out, const char *in) {
  size_t length = 0;
  while (*in) {
    const char *end;
    if (in[0] == '$' && in[1] == '$') {
      out[length++] = '$';
      in += 2;
    } else if (in[0] == '$' && in[1] == '(' && (end = strchr(in, ')'))) {
      const char *value = lookup(NULL, in + 2, (usize)(end - in - 2));
      if (value) length += (size_t)sprintf(out + length, "%s", value);
      else length += (size_t)sprintf(out + length, "%.*s", (int)(end + 1 - in), in);
      in = end + 1;
    } else {
      size_t step = in[0] == '$' && in[1] == '(' ? 2 : 1;
      memcpy(out + length, in, step);
      length += step;
      in += step;
    }
  }
  out[length] = 0;
  return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct names names = {lookup};
  if (!size) return 0;
  char *in = malloc(size), *expected = malloc(size * 8 + 1);
  memcpy(in, data + 1, size - 1);
  in[size - 1] = 0;
  size_t length = plainly(expected, in);
  size_t room = 1 + data[0] * 16u;
  struct text out = {malloc(room), room, 0};
  bool fine = expand(&out, in, &names);
  if (fine != (length < room)) abort();
  if (out.length >= room) abort();
  if (fine && (out.length != length || memcmp(out.data, expected, length))) abort();
  free(out.data);
  free(expected);
  free(in);
  return 0;
}
