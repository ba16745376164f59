/*
 * The beginning of an HTTP/1 response, and where a redirect leads: as much as a probe needs. Pure.
 */
#ifndef BAREPOD_HTTP_H
#define BAREPOD_HTTP_H

#include "text.h"

#define HTTP_MOST_BYTES (1u << 20)
/** The longest Location that is followed. */
#define HTTP_MOST_URL 2048
/** The longest path that a redirect makes: with a path of the request's own before it, and with escapes. */
#define HTTP_MOST_PATH 8192

/** Begins zeroed. */
struct http {
  /** Of the final response; known once the answer is HTTP_DONE. */
  u32 code;
  /** Bytes taken so far, and of them those of the present line. */
  usize taken, line_length;
  bool in_headers;
  /** The present line's beginning; after HTTP_BAD what was wrong with it. */
  char line[HTTP_MOST_URL + 64];
  /** Whether there is a Location that says something: the first one, without blanks around it. Empty: it was too long. */
  bool has_location;
  char location[HTTP_MOST_URL + 1];
};

enum http_answer { HTTP_MORE, HTTP_DONE, HTTP_BAD, HTTP_TOO_LONG };

/** Takes what was read. HTTP_DONE at the end of the headers; responses that only announce another are passed over. */
enum http_answer http_take(struct http *http, const u8 *bytes, usize length);

/** What a request is for. */
struct http_target {
  bool is_secure;
  /** A redirect has named its host: a Host that was asked for does not count any more. */
  bool is_renamed;
  u16 port;
  /** As a URL has it, but IPv6 without brackets. */
  const char *host;
  /** Begins with a slash, has the query, and nothing but printable ASCII. */
  const char *path;
  /** Where the path lies that a redirect has made. */
  char made[HTTP_MOST_PATH];
};

/** Of the others nothing has changed. HTTP_UNREADABLE is no URL of http or https, or one with a user or a port that is none. */
enum http_way { HTTP_SAME_HOST, HTTP_OTHER_HOST, HTTP_UNREADABLE };

/** Makes of the target what `location` means there (RFC 3986, section 5.2), if it is of the same host. */
enum http_way http_follow(struct http_target *target, const char *location);

#endif
