/*
 * The lines of /etc/passwd and /etc/group. A number that is none makes a line count for nothing: other readers take it
 * for 0, and so a damaged line for root.
 */
#include "accounts.h"

#define FIELDS_MOST 7
/* The highest uid or gid: the next one means "unchanged" to the kernel. */
#define ID_MOST 0xfffffffeu

static bool is_blank(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\r';
}

/** The next line's fields; those that are missing are empty. False at the end. */
static bool next_line(struct accounts *rest, struct part field[FIELDS_MOST]) {
  if (!rest->length) return false;
  const u8 *newline = text_find((const u8 *)rest->bytes, '\n', rest->length);
  usize length = newline ? (usize)(newline - (const u8 *)rest->bytes) : rest->length;
  const char *at = rest->bytes, *end = at + length;
  rest->bytes += length + (newline != NULL);
  rest->length -= length + (newline != NULL);
  while (at < end && is_blank(*at)) at++;
  while (at < end && is_blank(end[-1])) end--;
  for (usize i = 0; i < FIELDS_MOST; i++) {
    const char *begin = at;
    while (at < end && *at != ':') at++;
    field[i] = (struct part){begin, (usize)(at - begin)};
    if (at < end) at++;
  }
  return true;
}

static bool is(const struct part *part, const char *text) {
  usize i = 0;
  for (; i < part->length && text[i] && part->bytes[i] == text[i]; i++) {
  }
  return i == part->length && !text[i];
}

static bool is_same(const struct part *one, const struct part *other) {
  if (one->length != other->length) return false;
  for (usize i = 0; i < one->length; i++) {
    if (one->bytes[i] != other->bytes[i]) return false;
  }
  return true;
}

static bool id(const struct part *part, u32 *out) {
  u64 value = 0;
  if (!part->length || part->length > 10) return false;
  for (usize i = 0; i < part->length; i++) {
    if (part->bytes[i] < '0' || part->bytes[i] > '9') return false;
    value = value * 10 + (u64)(part->bytes[i] - '0');
  }
  *out = (u32)value;
  return value <= ID_MOST;
}

bool find_account(const struct accounts *passwd, const char *name, u32 uid, struct account *out) {
  struct accounts rest = *passwd;
  struct part field[FIELDS_MOST];
  while (next_line(&rest, field)) {
    if (!field[0].length || !id(&field[2], &out->uid) || !id(&field[3], &out->gid)) continue;
    if (name ? !is(&field[0], name) : out->uid != uid) continue;
    out->name = field[0];
    out->home = field[5];
    return true;
  }
  return false;
}

bool find_group(const struct accounts *group, const char *name, u32 *gid) {
  struct accounts rest = *group;
  struct part field[FIELDS_MOST];
  while (next_line(&rest, field)) {
    if (field[0].length && is(&field[0], name) && id(&field[2], gid)) return true;
  }
  return false;
}

static bool lists(const struct part *members, const struct part *user) {
  for (usize at = 0; at <= members->length;) {
    usize end = at;
    while (end < members->length && members->bytes[end] != ',') end++;
    struct part member = {members->bytes + at, end - at};
    if (is_same(&member, user)) return true;
    at = end + 1;
  }
  return false;
}

bool find_memberships(const struct accounts *group, const struct part *user, u32 *groups, u32 *count, u32 most) {
  struct accounts rest = *group;
  struct part field[FIELDS_MOST];
  u32 gid;
  while (next_line(&rest, field)) {
    if (!field[0].length || !id(&field[2], &gid) || !lists(&field[3], user)) continue;
    if (*count == most) return false;
    groups[(*count)++] = gid;
  }
  return true;
}
