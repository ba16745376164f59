/*
 * Fuzzes the reader of HTTP responses: however they are cut into portions, the answer is the same, and a status that is
 * accepted has three digits.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../http.h"

static enum http_answer take(const uint8_t *data, size_t size, size_t portion, struct http *http) {
  memset(http, 0, sizeof *http);
  enum http_answer answer = HTTP_MORE;
  for (size_t at = 0; answer == HTTP_MORE && at < size;) {
    size_t length = size - at < portion ? size - at : portion;
    uint8_t *bytes = malloc(length);
    memcpy(bytes, data + at, length);
    answer = http_take(http, bytes, length);
    free(bytes);
    at += length;
  }
  return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct http whole, parts;
  if (!size) return 0;
  enum http_answer answer = take(data + 1, size - 1, size, &whole);
  if (take(data + 1, size - 1, 1 + data[0] % 16, &parts) != answer) abort();
  if (answer == HTTP_DONE && (whole.code != parts.code || (whole.code < 200 && whole.code != 101) || whole.code > 999)) abort();
  if (answer == HTTP_BAD && !memchr(whole.line, 0, sizeof whole.line)) abort();
  return 0;
}
