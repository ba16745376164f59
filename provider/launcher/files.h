/*
 * Reading on the node: whole files, folders, and memory to put them in.
 */
#ifndef BAREPOD_FILES_H
#define BAREPOD_FILES_H

#include "sys.h"

/** Zeroed memory. */
void *map_memory(usize length);
/** Reads up to `most` bytes, until the end; the count, or the error. */
long read_file(int fd, void *bytes, usize most);

/** A folder that is being listed. Set `fd` (at its beginning) and nothing else. */
struct listing {
  int fd;
  /** Why it ended early, or 0. */
  long error;
  long at, length;
  /** The type of the entry (DT_*), and where in the folder the next one is. */
  u8 type;
  u64 next;
  u64 entries[512];
};
/** The next name, valid until the next call, or NULL at the end; `.` and `..` are among them. */
const char *next_entry(struct listing *listing);

#endif
