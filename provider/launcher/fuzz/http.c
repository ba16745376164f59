/*
 * Fuzzes the reader of HTTP responses: however they are cut into portions, the answer is the same, and a status that is
 * accepted has three digits. What is redirected to stays a path that may stand in a request, whatever Location says.
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

/** Twice, so that the path to start from is once one that a redirect has made. */
static void follow(const char *location) {
  static struct http_target target;
  target = (struct http_target){.port = 8080, .host = "10.0.0.1", .path = "/a/b?c=/d"};
  for (int i = 0; i < 2; i++) {
    const char *before = target.path;
    switch (http_follow(&target, location)) {
      case HTTP_SAME_HOST:
        break;
      case HTTP_OTHER_HOST:
      case HTTP_UNREADABLE:
        if (target.path != before) abort();
        return;
    }
    if (target.path[0] != '/' || !target.port) abort();
    int in_query = 0;
    for (const char *at = target.path; *at; at++) {
      if (*at <= ' ' || *at > '~' || *at == '#') abort();
      in_query |= *at == '?';
      if (in_query || *at != '/' || at[1] != '.') continue;
      const char *end = at + (at[2] == '.' ? 3 : 2);
      if (*end == '/' || *end == '?' || !*end) abort();
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct http whole, parts;
  if (!size) return 0;
  enum http_answer answer = take(data + 1, size - 1, size, &whole);
  if (take(data + 1, size - 1, 1 + data[0] % 16, &parts) != answer) abort();
  if (answer == HTTP_DONE && (whole.code != parts.code || (whole.code < 200 && whole.code != 101) || whole.code > 999)) abort();
  if (answer == HTTP_BAD && !memchr(whole.line, 0, sizeof whole.line)) abort();
  if (answer == HTTP_DONE && (whole.has_location != parts.has_location || strcmp(whole.location, parts.location))) abort();
  if (answer == HTTP_DONE) follow(whole.location);
  char *location = strndup((const char *)data, size);
  if (strlen(location) <= HTTP_MOST_URL) follow(location);
  free(location);
  return 0;
}
