/*
 * `launcher probe`: exit status 0 when it succeeds; 1 when it fails, with one line of reason on standard output, in the
 * words that a kubelet has from Go's libraries; 2 when it is redirected to what takes TLS, with the URL on standard output;
 * 125 when it was asked wrongly.
 */
#include "probe.h"

#include "address.h"
#include "files.h"
#include "http.h"
#include "report.h"
#include "wait.h"

/** What a kubelet calls itself. */
#define USER_AGENT "kube-probe/1.34"
#define REQUEST_MOST (128u << 10)
/* As much of the answer's body as a kubelet reads. */
#define BODY_MOST 10240
/** After that many requests another redirect is a failure. */
#define REQUESTS_MOST 10

static struct {
  /** Before each reason: the URL, or nothing. */
  struct text what;
  const char *address, *port;
  i64 end;
  bool is_http;
} request;

__attribute__((noreturn)) static void unsuccessful(const char *format, ...) {
  __builtin_va_list arguments;
  TEXT(line, 8192);
  text_format(&line, "%s", request.what.data);
  __builtin_va_start(arguments, format);
  text_format_list(&line, format, arguments);
  __builtin_va_end(arguments);
  text_one_line(&line);
  line.data[line.length++] = '\n';
  write_all(1, line.data, line.length);
  leave(1);
}

__attribute__((noreturn)) static void time_out(void) {
  if (request.is_http) unsuccessful("context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
  unsuccessful("dial tcp %s:%s: i/o timeout", request.address, request.port);
}

static void await(int fd, u16 events) {
  struct pollfd source = {fd, events, 0};
  if (!wait_for(&source, 1, request.end)) time_out();
}

static int dial(const struct socket_address *address) {
  long fd = sys(socket, address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) unsuccessful("dial tcp %s:%s: socket: %e", request.address, request.port, (int)fd);
  /* A kubelet's way to have few sockets in TIME_WAIT. */
  static const struct linger linger = {1, 1};
  sys(setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  long result = sys(connect, fd, address, address->family == AF_INET ? 16 : 28);
  if (result == -EINPROGRESS) {
    i32 error = 0;
    u32 size = sizeof error;
    await((int)fd, POLLOUT);
    result = sys(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (result >= 0) result = -error;
  }
  if (result < 0) unsuccessful("dial tcp %s:%s: connect: %e", request.address, request.port, (int)result);
  return (int)fd;
}

/** Whether a header is of that name, and where its value begins. */
static const char *header_value(const char *header, const char *name) {
  usize i = 0;
  for (; name[i]; i++) {
    char byte = header[i] >= 'A' && header[i] <= 'Z' ? (char)(header[i] | 0x20) : header[i];
    if (byte != name[i]) return NULL;
  }
  if (header[i] != ':') return NULL;
  for (i++; header[i] == ' '; i++) {
  }
  return header + i;
}

/** A token, a colon, and a value without control characters. */
static bool is_header(const char *header) {
  usize colon = 0;
  for (; header[colon] && header[colon] != ':'; colon++) {
    if (header[colon] <= ' ' || header[colon] > '~') return false;
  }
  if (!colon || !header[colon]) return false;
  for (const char *at = header + colon; *at; at++) {
    if (((u8)*at < ' ' && *at != '\t') || *at == 0x7f) return false;
  }
  return true;
}

static bool is_path(const char *path) {
  if (*path != '/') return false;
  for (; *path; path++) {
    if (*path <= ' ' || *path > '~') return false;
  }
  return true;
}

/** A request; `referer` is the URL that has led to it, or NULL. A Host that was given is for relative redirects only. */
static void compose(struct text *out, const char *path, char **headers, bool keeps_host, const char *referer) {
  const char *host = NULL, *agent = NULL, *accept = NULL, *value;
  for (char **header = headers; *header; header++) {
    /* It is not repeated: it may be a secret. */
    if (!is_header(*header)) fail(EXIT_SETUP, "probe", "each header must be NAME: VALUE");
    if ((value = header_value(*header, "host")) && keeps_host) host = value;
    if ((value = header_value(*header, "user-agent"))) agent = value;
    if ((value = header_value(*header, "accept"))) accept = value;
    if (header_value(*header, "referer")) referer = NULL;
  }
  text_format(out, "GET %s HTTP/1.1\r\n", path);
  if (host && *host) text_format(out, "Host: %s\r\n", host);
  else text_format(out, "Host: %s:%s\r\n", request.address, request.port);
  if (!agent) text_format(out, "User-Agent: " USER_AGENT "\r\n");
  if (!accept) text_format(out, "Accept: */*\r\n");
  if (referer) text_format(out, "Referer: %s\r\n", referer);
  for (char **header = headers; *header; header++) {
    /* Given as empty, these two are left out. */
    value = header_value(*header, "user-agent");
    if (!value) value = header_value(*header, "accept");
    if (header_value(*header, "host") || header_value(*header, "connection") || (value && !*value)) continue;
    text_format(out, "%s\r\n", *header);
  }
  text_format(out, "Connection: close\r\n\r\n");
  if (out->length + 1 >= out->size) fail(EXIT_SETUP, "probe", "the request is longer than %u bytes", (u64)out->size);
}

static void send(int fd, const char *bytes, usize length) {
  while (length) {
    long sent = sys(sendto, fd, bytes, length, MSG_NOSIGNAL, NULL, 0);
    if (sent == -EAGAIN) await(fd, POLLOUT);
    /* Whoever hangs up while we speak may have answered already. */
    else if (sent < 0 && sent != -EINTR) return;
    else if (sent > 0) bytes += sent, length -= (usize)sent;
  }
}

static void receive(int fd, struct http *http) {
  u8 bytes[4096];
  memset(http, 0, sizeof *http);
  for (;;) {
    long length = sys(read, fd, bytes, sizeof bytes);
    if (length == -EAGAIN) await(fd, POLLIN);
    if (length == -EAGAIN || length == -EINTR) continue;
    if (length < 0) unsuccessful("read tcp %s:%s: read: %e", request.address, request.port, (int)length);
    if (!length) unsuccessful(http->in_headers ? "unexpected EOF" : "EOF");
    switch (http_take(http, bytes, (usize)length)) {
      case HTTP_MORE:
        break;
      case HTTP_BAD:
        unsuccessful("net/http: HTTP/1.x transport connection broken: malformed HTTP response %q", http->line);
      case HTTP_TOO_LONG:
        unsuccessful("net/http: server response headers exceeded %u bytes; aborted", (u64)HTTP_MOST_BYTES);
      case HTTP_DONE:
        /* What has come is read, so that closing tells the server of no error. */
        for (usize body = 0; length > 0 && body < BODY_MOST; body += sizeof bytes)
          length = sys(read, fd, bytes, sizeof bytes);
        return;
    }
  }
}

static bool is_redirect(u32 code) {
  return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

/** Makes the request's URL, for messages and as a Referer. */
static void describe(struct text *url, const struct http_target *target) {
  url->length = 0;
  text_format(url, "%s://%s:%u%s", target->is_secure ? "https" : "http", request.address, (u64)target->port, target->path);
  request.what.length = 0;
  text_format(&request.what, "Get \"%s\": ", url->data);
}

__attribute__((noreturn)) static void hand_over(struct text *url) {
  url->data[url->length++] = '\n';
  write_all(1, url->data, url->length);
  leave(2);
}

/** Follows redirects as a kubelet does: on the same host only, and elsewhere none, which is a success. */
static void probe_http(struct socket_address *address, struct http_target *target, char **headers) {
  static struct http http;
  struct text out = {map_memory(REQUEST_MOST), REQUEST_MOST, 0}, url = {map_memory(REQUEST_MOST), REQUEST_MOST, 0};
  struct text before = {map_memory(REQUEST_MOST), REQUEST_MOST, 0};
  describe(&url, target);
  for (u32 requests = 1;; requests++) {
    TEXT(port, 8);
    text_format(&port, "%u", (u64)target->port);
    request.port = port.data;
    address->port[0] = (u8)(target->port >> 8);
    address->port[1] = (u8)target->port;
    out.length = 0;
    compose(&out, target->path, headers, !target->is_renamed, requests > 1 ? before.data : NULL);
    int fd = dial(address);
    send(fd, out.data, out.length);
    receive(fd, &http);
    sys(close, fd);
    if (!is_redirect(http.code) || !http.has_location) break;
    before.length = 0;
    text_format(&before, "%s", url.data);
    enum http_way way = HTTP_UNREADABLE;
    if (http.location[0]) way = http_follow(target, http.location);
    if (way == HTTP_OTHER_HOST) break;
    if (way == HTTP_UNREADABLE) unsuccessful("failed to parse Location header %q", http.location);
    describe(&url, target);
    if (requests == REQUESTS_MOST) unsuccessful("stopped after %u redirects", (u64)REQUESTS_MOST);
    if (target->is_secure) hand_over(&url);
  }
  request.what.data[0] = 0;
  if (http.code < 200 || http.code >= 400) unsuccessful("HTTP probe failed with statuscode: %u", (u64)http.code);
}

/** What is asked for, from standard input, for the node's process list shows everybody's arguments: a path, then headers. */
static char **read_question(const char **path) {
  char *text = map_memory(REQUEST_MOST + 1);
  long length = read_file(0, text, REQUEST_MOST);
  if (length < 0) fail(EXIT_SETUP, "probe", "standard input: %e", (int)length);
  if (length == REQUEST_MOST) fail(EXIT_SETUP, "probe", "more than %u bytes on standard input", (u64)REQUEST_MOST - 1);
  usize lines = 0, count = 0;
  for (long i = 0; i < length; i++) lines += text[i] == '\n';
  char **line = map_memory((lines + 2) * sizeof *line);
  for (char *at = text; at < text + length; at++) {
    line[count++] = at;
    while (*at && *at != '\n') at++;
    if (!*at && at < text + length) fail(EXIT_SETUP, "probe", "a NUL on standard input");
    *at = 0;
  }
  *path = count ? line[0] : "";
  return count ? line + 1 : line;
}

void probe(char **arguments) {
  struct socket_address address;
  u64 port;
  i64 limit;
  usize count = 0;
  while (arguments[count]) count++;
  request.is_http = text_equal(arguments[0], "http");
  if (count != 4 || !(request.is_http || text_equal(arguments[0], "tcp")))
    fail(EXIT_SETUP, "probe", "the arguments must be tcp|http ADDRESS PORT SECONDS");
  const char *seconds = arguments[3];
  if (!text_number(arguments[2], 10, 65535, &port) || !port)
    fail(EXIT_SETUP, "probe", "port %q must be a number between 1 and 65535", arguments[2]);
  if (!parse_address(arguments[1], (u16)port, &address))
    fail(EXIT_SETUP, "probe", "address %q must be a numeric IPv4 or IPv6 address", arguments[1]);
  if (!text_duration(seconds, &limit) || !limit)
    fail(EXIT_SETUP, "probe", "%q must be a number of seconds above 0", seconds);

  TEXT(host, 64);
  static char what[4096];
  request.what = (struct text){what, sizeof what, 0};
  text_format(&host, address.family == AF_INET6 ? "[%s]" : "%s", arguments[1]);
  request.address = host.data;
  request.port = arguments[2];
  request.end = monotonic() + limit;
  if (request.is_http) {
    static struct http_target target;
    target.port = (u16)port;
    target.host = arguments[1];
    char **headers = read_question(&target.path);
    if (!is_path(target.path))
      fail(EXIT_SETUP, "probe", "the path must begin with a slash and be printable ASCII without spaces");
    probe_http(&address, &target, headers);
  } else {
    dial(&address);
  }
  leave(0);
}
