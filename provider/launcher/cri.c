/*
 * Splits a stream into CRI lines. A stream holds at most one piece (16 KiB), so a line of any length goes through in
 * bounded memory; NUL bytes are bytes like any other.
 */
#include "cri.h"

static void emit(struct cri_stream *stream, struct cri_output *output, const char *time, const u8 *bytes,
                 usize length, bool last) {
  usize name = text_length(stream->name);
  if (output->length + CRI_PREFIX + length + 1 > sizeof output->bytes) output->flush(output);
  u8 *out = output->bytes + output->length;
  memcpy(out, time, TIME_LENGTH), out += TIME_LENGTH;
  *out++ = ' ';
  memcpy(out, stream->name, name), out += name;
  *out++ = ' ';
  *out++ = last ? 'F' : 'P';
  *out++ = ' ';
  memcpy(out, bytes, length), out += length;
  *out++ = '\n';
  output->length = (usize)(out - output->bytes);
  stream->partial = !last;
}

void cri_take(struct cri_stream *stream, struct cri_output *output, const char *time) {
  usize from = 0, search = stream->searched;
  for (;;) {
    const u8 *newline = text_find(stream->bytes + search, '\n', stream->length - search);
    if (!newline) break;
    usize to = (usize)(newline - stream->bytes);
    emit(stream, output, time, stream->bytes + from, to - from, true);
    search = from = to + 1;
  }
  usize rest = stream->length - from;
  if (rest == CRI_PIECE) {
    emit(stream, output, time, stream->bytes, rest, false);
    rest = 0;
  } else if (from && rest) {
    memmove(stream->bytes, stream->bytes + from, rest);
  }
  stream->length = stream->searched = rest;
}

void cri_end(struct cri_stream *stream, struct cri_output *output, const char *time) {
  if (stream->length || stream->partial) emit(stream, output, time, stream->bytes, stream->length, true);
  stream->length = stream->searched = 0;
}
