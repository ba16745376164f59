/*
 * The beginning of an HTTP/1 response. Lines may end in LF alone, as Go's reader has it.
 */
#include "http.h"

/** HTTP/d.d, spaces, three digits, then nothing or a space. */
static bool status_line(const char *line, u32 *code) {
  static const char shape[] = "HTTP/0.0 ";
  usize at = 0;
  for (; shape[at]; at++) {
    if (shape[at] == '0' ? line[at] < '0' || line[at] > '9' : line[at] != shape[at]) return false;
  }
  while (line[at] == ' ') at++;
  *code = 0;
  for (int i = 0; i < 3; i++, at++) {
    if (line[at] < '0' || line[at] > '9') return false;
    *code = *code * 10 + (u32)(line[at] - '0');
  }
  return !line[at] || line[at] == ' ';
}

enum http_answer http_take(struct http *http, const u8 *bytes, usize length) {
  for (usize i = 0; i < length; i++) {
    if (http->taken++ == HTTP_MOST_BYTES) return HTTP_TOO_LONG;
    if (bytes[i] != '\n') {
      if (http->line_length + 1 < sizeof http->line) http->line[http->line_length] = (char)bytes[i];
      http->line_length++;
      continue;
    }
    usize end = http->line_length + 1 < sizeof http->line ? http->line_length : sizeof http->line - 1;
    if (end && http->line[end - 1] == '\r') end--;
    http->line[end] = 0;
    http->line_length = 0;
    if (!http->in_headers) {
      if (!status_line(http->line, &http->code)) return HTTP_BAD;
      http->in_headers = true;
    } else if (!end) {
      /* 100 Continue and 103 Early Hints announce the response; after 101 there is none. */
      if (http->code >= 200 || http->code == 101) return HTTP_DONE;
      http->in_headers = false;
    }
  }
  return HTTP_MORE;
}
