/*
 * The beginning of an HTTP/1 response, and where a redirect leads. Lines may end in LF alone, as Go's reader has it.
 */
#include "http.h"

static char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static bool is_blank(char byte) {
  return byte == ' ' || byte == '\t';
}

static bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

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
    if (!is_digit(line[at])) return false;
    *code = *code * 10 + (u32)(line[at] - '0');
  }
  return !line[at] || line[at] == ' ';
}

/** What is shown of the line is short. */
static enum http_answer bad(struct http *http) {
  http->line[127] = 0;
  return HTTP_BAD;
}

/** Keeps the line's value if it is the first Location. */
static void take_location(struct http *http) {
  static const char name[] = "location:";
  usize begin = 0, end = text_length(http->line);
  for (; name[begin]; begin++) {
    if (lower(http->line[begin]) != name[begin]) return;
  }
  bool is_cut = end + 1 == sizeof http->line;
  while (is_blank(http->line[begin])) begin++;
  while (end > begin && is_blank(http->line[end - 1])) end--;
  if (http->has_location || begin == end) return;
  http->has_location = true;
  if (is_cut || end - begin > HTTP_MOST_URL) return;
  memcpy(http->location, http->line + begin, end - begin);
  http->location[end - begin] = 0;
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
      if (!status_line(http->line, &http->code)) return bad(http);
      http->in_headers = true;
      http->has_location = false;
      http->location[0] = 0;
    } else if (end) {
      take_location(http);
    } else {
      /* 100 Continue and 103 Early Hints announce the response; after 101 there is none. */
      if (http->code >= 200 || http->code == 101) return HTTP_DONE;
      http->in_headers = false;
    }
  }
  return HTTP_MORE;
}

/** One byte of a URL: what may not stand there is escaped. */
static void put_escaped(struct text *out, char byte) {
  static const char digits[] = "0123456789ABCDEF";
  char escape[4] = {byte};
  if (byte <= ' ' || byte > '~') {
    escape[0] = '%';
    escape[1] = digits[(u8)byte >> 4];
    escape[2] = digits[(u8)byte & 15];
  }
  text_format(out, "%s", escape);
}

/** Takes the segments `.` and `..` out of a path that begins with a slash; its query stays as it is. */
static void remove_dots(char *path) {
  usize kept = 0, at = 0;
  while (path[at] == '/') {
    usize length = 1;
    while (path[at + length] && path[at + length] != '/' && path[at + length] != '?') length++;
    usize dots = 0;
    while (dots + 1 < length && path[at + dots + 1] == '.') dots++;
    bool is_last = path[at + length] != '/';
    if (dots + 1 < length || !dots || dots > 2) {
      memmove(path + kept, path + at, length);
      kept += length;
    } else {
      if (dots == 2) {
        while (kept && path[--kept] != '/') {
        }
      }
      /* What ends in one of them is a folder. */
      if (is_last) path[kept++] = '/';
    }
    at += length;
  }
  memmove(path + kept, path + at, text_length(path + at) + 1);
}

/** The authority of a URL: its host, with a port or not. */
struct authority {
  const char *host;
  usize length;
  bool has_user, has_port;
  u64 port;
};

/** Reads it up to the path, and leaves `*at` there. */
static bool take_authority(const char **at, struct authority *out) {
  const char *end = *at, *begin = *at;
  for (; *end && *end != '/' && *end != '?'; end++) {
    if (*end == '@') begin = end + 1;
  }
  *out = (struct authority){.has_user = begin != *at};
  *at = end;
  bool is_bracketed = *begin == '[';
  out->host = begin += is_bracketed;
  while (begin < end && *begin != (is_bracketed ? ']' : ':')) begin++;
  out->length = (usize)(begin - out->host);
  if (is_bracketed && begin++ == end) return false;
  if (begin == end) return true;
  if (*begin++ != ':') return false;
  out->has_port = begin < end;
  for (; begin < end; begin++) {
    if (!is_digit(*begin)) return false;
    if (out->port <= 65535) out->port = out->port * 10 + (u64)(*begin - '0');
  }
  return true;
}

static bool is_host(const struct authority *authority, const char *host) {
  for (usize i = 0; i < authority->length; i++) {
    if (!host[i] || host[i] != authority->host[i]) return false;
  }
  return !host[authority->length];
}

/** The length of the scheme that a reference begins with, without its colon; 0 without one. */
static usize scheme_length(const char *reference) {
  usize length = 0;
  for (;; length++) {
    char byte = lower(reference[length]);
    if (byte >= 'a' && byte <= 'z') continue;
    if (!length || !(is_digit(byte) || byte == '+' || byte == '-' || byte == '.')) break;
  }
  return reference[length] == ':' ? length : 0;
}

static bool is_scheme(const char *reference, const char *name) {
  for (; *name; name++, reference++) {
    if (lower(*reference) != *name) return false;
  }
  return *reference == ':';
}

enum http_way http_follow(struct http_target *target, const char *location) {
  TEXT(path, HTTP_MOST_PATH);
  const char *at = location;
  bool is_secure = target->is_secure, is_known = true, is_absolute = false;
  u16 port = target->port;
  for (const char *byte = location; *byte; byte++) {
    if ((u8)*byte < ' ' || *byte == 0x7f) return HTTP_UNREADABLE;
  }
  usize scheme = scheme_length(at);
  if (scheme) {
    is_secure = is_scheme(at, "https");
    is_known = is_secure || is_scheme(at, "http");
    at += scheme + 1;
    if (at[0] != '/' || at[1] != '/') return HTTP_OTHER_HOST;
  }
  if (at[0] == '/' && at[1] == '/') {
    struct authority authority;
    at += 2;
    if (!take_authority(&at, &authority)) return HTTP_UNREADABLE;
    if (!is_host(&authority, target->host)) return HTTP_OTHER_HOST;
    if (!authority.has_port) authority.port = is_secure ? 443 : 80;
    if (!is_known || authority.has_user || !authority.port || authority.port > 65535) return HTTP_UNREADABLE;
    port = (u16)authority.port;
    is_absolute = true;
  }
  if (is_absolute && *at != '/') {
    text_format(&path, "/");
  } else if (!is_absolute && *at != '/') {
    /* The present path: all of it before a fragment, without its query before a query, else up to its last slash. */
    const char *end = target->path, *slash = end;
    for (; *end && (*at == '#' || !*at || *end != '?'); end++) {
    }
    for (const char *byte = target->path; byte < end; byte++) {
      if (*byte == '/') slash = byte + 1;
    }
    if (*at && *at != '?' && *at != '#') end = slash;
    for (const char *byte = target->path; byte < end; byte++) put_escaped(&path, *byte);
  }
  for (; *at && *at != '#'; at++) put_escaped(&path, *at);
  if (path.length + 1 >= path.size) return HTTP_UNREADABLE;
  remove_dots(path.data);
  memcpy(target->made, path.data, text_length(path.data) + 1);
  target->is_secure = is_secure;
  target->is_renamed |= scheme > 0;
  target->port = port;
  target->path = target->made;
  return HTTP_SAME_HOST;
}
