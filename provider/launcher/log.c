/*
 * The log file. A full disk must neither block nor kill the container: lines that cannot be written are dropped and
 * counted. Rotation is the kubelet's: rename to FILE.<time>, keep FILES in all.
 */
#include "log.h"

#include "report.h"

static struct {
  int fd;
  char path[PATH_BYTES];
  u64 size, rotate_bytes;
  u32 rotate_files;
  u64 dropped;
  int error;
  /** The second in the name of the last rotated file. */
  u64 stamp;
} file;

static long open_file(void) {
  struct statx found;
  long fd = sys(openat, AT_FDCWD, file.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return fd;
  file.fd = (int)fd;
  file.size = sys(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found) < 0 ? 0 : found.size;
  return fd;
}

void log_open(const char *path, u64 rotate_bytes, u32 rotate_files) {
  memcpy(file.path, path, text_length(path) + 1);
  file.rotate_bytes = rotate_bytes;
  file.rotate_files = rotate_files;
  long result = open_file();
  if (result < 0) fail(EXIT_SETUP, "log", "%s: %e", path, (int)result);
}

static bool is_rotated(const char *name, const char *base) {
  usize length = text_length(base);
  for (usize i = 0; i < length; i++) {
    if (name[i] != base[i]) return false;
  }
  if (name[length] != '.') return false;
  name += length + 1;
  for (usize i = 0; i < STAMP_LENGTH; i++) {
    if (i == 8 ? name[i] != '-' : name[i] < '0' || name[i] > '9') return false;
  }
  return !name[STAMP_LENGTH];
}

/** Removes the oldest rotated files, one pass over the directory each, until FILES - 1 are left. */
static void prune(void) {
  usize slash = 0;
  char directory[PATH_BYTES];
  for (usize i = 0; file.path[i]; i++) {
    directory[i] = file.path[i];
    if (file.path[i] == '/') slash = i;
  }
  directory[slash ? slash : 1] = 0;
  long fd = sys(openat, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  for (u32 count = ~0u; count > file.rotate_files - 1;) {
    char oldest[256] = "";
    u64 entries[256];
    long length;
    count = 0;
    while ((length = sys(getdents64, fd, entries, sizeof entries)) > 0) {
      for (long at = 0; at < length;) {
        /* inode, offset, u16 length, u8 type, name */
        const u8 *entry = (const u8 *)entries + at;
        u16 entry_length;
        const char *name = (const char *)entry + 19;
        memcpy(&entry_length, entry + 16, 2);
        at += entry_length;
        if (!is_rotated(name, file.path + slash + 1)) continue;
        count++;
        if (!*oldest || text_before(name, oldest)) memcpy(oldest, name, text_length(name) + 1);
      }
    }
    if (length < 0 || count <= file.rotate_files - 1) break;
    if (sys(unlinkat, fd, oldest, 0) < 0) break;
    count--;
    sys(close, fd);
    fd = sys(openat, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
  }
  sys(close, fd);
}

static void rotate(void) {
  struct timespec time = {0, 0};
  TEXT(name, PATH_BYTES);
  long result = -EEXIST;
  sys(clock_gettime, CLOCK_REALTIME, &time);
  /* More than one in a second take the seconds that follow: names stay unique and in order. */
  if ((u64)time.seconds > file.stamp) file.stamp = (u64)time.seconds;
  else file.stamp++;
  for (int tries = 0; result == -EEXIST && tries < 1000; tries++, file.stamp++) {
    char stamp[STAMP_LENGTH + 1];
    text_stamp(stamp, file.stamp);
    name.length = 0;
    text_format(&name, "%s.%s", file.path, stamp);
    result = sys(renameat2, AT_FDCWD, file.path, AT_FDCWD, name.data, RENAME_NOREPLACE);
    if (!result) break;
    /* Not every file system knows RENAME_NOREPLACE. */
    if (result == -EINVAL) result = sys(renameat2, AT_FDCWD, file.path, AT_FDCWD, name.data, 0);
  }
  if (result < 0 && result != -ENOENT) {
    /* Try again when as much has been written once more. */
    file.size = 0;
    return;
  }
  sys(close, file.fd);
  file.fd = -1;
  prune();
  open_file();
}

static void drop(const u8 *bytes, usize length, long error) {
  for (const u8 *newline; (newline = text_find(bytes, '\n', length)); ) {
    file.dropped++;
    length -= (usize)(newline + 1 - bytes);
    bytes = newline + 1;
  }
  file.error = error < 0 ? (int)error : -28;
}

/** False, with the file as it was before, unless all of it could be written. */
static bool append(const u8 *bytes, usize length, usize *whole) {
  long written = write_all(file.fd, bytes, length);
  *whole = 0;
  if (written == (long)length) {
    file.size += length;
    return true;
  }
  if (written <= 0) {
    file.error = (int)written;
    return false;
  }
  /* A disk that filled up in the middle of a line: the whole ones stay. */
  for (*whole = (usize)written; *whole && bytes[*whole - 1] != '\n';) --*whole;
  file.size += *whole;
  struct statx found;
  if (sys(statx, file.fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &found) == 0)
    sys(ftruncate, file.fd, found.size - ((u64)written - *whole));
  file.error = -28;
  return false;
}

static bool note_dropped(void) {
  char time[TIME_LENGTH + 1];
  TEXT(note, 256);
  usize whole;
  now(time);
  text_format(&note, "%s stderr F barepod: %u lines of this log were dropped: %e", time, file.dropped, file.error);
  note.data[note.length++] = '\n';
  if (!append((const u8 *)note.data, note.length, &whole)) return false;
  file.dropped = 0;
  return true;
}

void log_write(const u8 *bytes, usize length) {
  usize whole = 0;
  if (file.fd < 0) {
    long result = open_file();
    if (result < 0) {
      drop(bytes, length, result);
      return;
    }
  }
  if (file.dropped && !note_dropped()) {
    drop(bytes, length, file.error);
    return;
  }
  if (!append(bytes, length, &whole)) drop(bytes + whole, length - whole, file.error);
  if (file.size > file.rotate_bytes) rotate();
}
