/*
 * The beginning of an HTTP/1 response: as much as a probe needs. Pure.
 */
#ifndef BAREPOD_HTTP_H
#define BAREPOD_HTTP_H

#include "text.h"

#define HTTP_MOST_BYTES (1u << 20)

/** Begins zeroed. */
struct http {
  /** Of the final response; known once the answer is HTTP_DONE. */
  u32 code;
  /** Bytes taken so far, and of them those of the present line. */
  usize taken, line_length;
  bool in_headers;
  /** The present line's beginning; after HTTP_BAD what was wrong with it. */
  char line[128];
};

enum http_answer { HTTP_MORE, HTTP_DONE, HTTP_BAD, HTTP_TOO_LONG };

/** Takes what was read. HTTP_DONE at the end of the headers; responses that only announce another are passed over. */
enum http_answer http_take(struct http *http, const u8 *bytes, usize length);

#endif
