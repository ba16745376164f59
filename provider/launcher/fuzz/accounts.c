/*
 * Fuzzes the readers of /etc/passwd and /etc/group: they read nothing beyond the file, and what they find is a name that
 * the file holds and a number that can be an id.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../accounts.h"

static void inside(const struct part *part, const struct accounts *file) {
  if (part->bytes < file->bytes || part->bytes + part->length > file->bytes + file->length) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* Of this size exactly, so that one byte too many is noticed. */
  char *bytes = malloc(size ? size : 1);
  if (size) memcpy(bytes, data, size);
  struct accounts file = {bytes, size};
  struct account account;
  u32 gid, groups[8], count = 0;
  static const char *const names[] = {"root", "app", "a", ""};
  for (usize i = 0; i < COUNT(names); i++) {
    if (find_account(&file, names[i], 0, &account)) {
      inside(&account.name, &file);
      inside(&account.home, &file);
      if (account.name.length != text_length(names[i]) || memcmp(account.name.bytes, names[i], account.name.length)) abort();
      if (!account.name.length || account.uid == ~0u || account.gid == ~0u) abort();
    }
    if (find_group(&file, names[i], &gid) && (!*names[i] || gid == ~0u)) abort();
    struct part user = {names[i], text_length(names[i])};
    u32 before = count;
    bool fits = find_memberships(&file, &user, groups, &count, COUNT(groups));
    if (count < before || count > COUNT(groups) || (!fits && count != COUNT(groups))) abort();
  }
  if (find_account(&file, NULL, 1000, &account) && account.uid != 1000) abort();
  free(bytes);
  return 0;
}
