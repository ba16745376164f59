/*
 * Reading on the node: whole files, folders, and memory to put them in.
 */
#include "files.h"

#include "report.h"

void *map_memory(usize length) {
  long address = sys(mmap, NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0 && address > -4096) fail(EXIT_SETUP, "memory", "mmap: %e", (int)address);
  return (void *)address;
}

long read_file(int fd, void *bytes, usize most) {
  usize length = 0;
  while (length < most) {
    long result = sys(read, fd, (u8 *)bytes + length, most - length);
    if (result == -EINTR) continue;
    if (result < 0) return result;
    if (!result) break;
    length += (usize)result;
  }
  return (long)length;
}

const char *next_entry(struct listing *listing) {
  if (listing->at >= listing->length) {
    long length = sys(getdents64, listing->fd, listing->entries, sizeof listing->entries);
    if (length < 0) listing->error = length;
    if (length <= 0) return NULL;
    listing->length = length;
    listing->at = 0;
  }
  /* u64 inode, u64 offset of the next, u16 length, u8 type, name */
  const u8 *entry = (const u8 *)listing->entries + listing->at;
  u16 length;
  memcpy(&listing->next, entry + 8, 8);
  memcpy(&length, entry + 16, 2);
  listing->type = entry[18];
  listing->at += length;
  return (const char *)entry + 19;
}
