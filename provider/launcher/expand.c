/*
 * `$(NAME)` as Kubernetes expands it in a container's command, arguments and environment; provider/kubernetes/expand.ts
 * does the same, and a test holds the two together.
 */
#include "expand.h"

static bool append(struct text *out, const char *bytes, usize length) {
  if (length >= out->size - out->length) return false;
  memcpy(out->data + out->length, bytes, length);
  out->length += length;
  out->data[out->length] = 0;
  return true;
}

bool expand(struct text *out, const char *value, const struct names *names) {
  usize length = text_length(value), from = 0, at = 0;
  const u8 *bytes = (const u8 *)value;
  /* Once no bracket closes any more, none is searched for again. */
  bool closes = true;
  while (at + 1 < length) {
    const u8 *end;
    if (value[at] != '$') {
      at++;
      continue;
    }
    if (value[at + 1] == '$') {
      if (!append(out, value + from, at + 1 - from)) return false;
      from = at += 2;
    } else if (value[at + 1] == '(' && closes && (end = text_find(bytes + at + 2, ')', length - at - 2))) {
      const char *name = value + at + 2;
      usize name_length = (usize)(end - bytes) - at - 2;
      const char *found = names->lookup(names, name, name_length);
      if (!append(out, value + from, at - from)) return false;
      from = at + name_length + 3;
      if (!(found ? append(out, found, text_length(found)) : append(out, value + at, from - at))) return false;
      at = from;
    } else {
      if (value[at + 1] == '(') closes = false, at++;
      at++;
    }
  }
  return append(out, value + from, length - from);
}
