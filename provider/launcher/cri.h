/*
 * A container's output as the lines of a CRI log: `<time> <stream> P|F <text>`. Pure: bytes in, bytes out.
 */
#ifndef BAREPOD_CRI_H
#define BAREPOD_CRI_H

#include "text.h"

/** The longest text of one line of the log, as in containerd and CRI-O. */
#define CRI_PIECE 16384
#define CRI_PREFIX (TIME_LENGTH + 1 + 6 + 3)

/** Where the lines are gathered; `flush` is called when the next one does not fit. */
struct cri_output {
  u8 bytes[20480];
  usize length;
  void (*flush)(struct cri_output *output);
};

/** One stream's bytes that do not make up a line or a full piece yet. Read into bytes + length, then cri_take. */
struct cri_stream {
  const char *name;
  usize length;
  /** So many of them are known to hold no newline, and need not be searched again. */
  usize searched;
  /** The last piece was a P: an F must follow, even if it is empty. */
  bool partial;
  u8 bytes[CRI_PIECE];
};

/** Takes what was read into the stream. Afterwards there is room for at least one byte more. */
void cri_take(struct cri_stream *stream, struct cri_output *output, const char *time);
/** The stream has ended: what is left becomes its last line. */
void cri_end(struct cri_stream *stream, struct cri_output *output, const char *time);

#endif
