/*
 * Fuzzes the CRI splitter: whatever arrives in whatever portions, the log's lines are well-formed, no piece is longer
 * than 16 KiB, and put together they are the input (with a newline at its end if it had none).
 */
#include <stdint.h>
#include <stdlib.h>

#include "../cri.h"

static const char TIME[] = "2026-11-23T12:38:09.123456789Z";
static uint8_t *log_bytes;
static size_t log_length;

static void gather(struct cri_output *output) {
  if (output->length > sizeof output->bytes) abort();
  memcpy(log_bytes + log_length, output->bytes, output->length);
  log_length += output->length;
  output->length = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct cri_output *output = calloc(1, sizeof *output);
  struct cri_stream *stream = calloc(1, sizeof *stream);
  if (size < 4 || size > 1 << 20) goto end;
  /* The first bytes say how large the portions are and how often the rest is repeated: long lines from short inputs. */
  size_t portion = 1 + (data[0] | data[1] << 8), repeat = 1 + data[2] * 8u, unit = size - 3;
  while (repeat > 1 && unit * repeat > 200000) repeat /= 2;
  size_t total = unit * repeat;
  uint8_t *input = malloc(total), *back = malloc(total + 1);
  for (size_t i = 0; i < repeat; i++) memcpy(input + i * unit, data + 3, unit);
  log_bytes = malloc(total * (CRI_PREFIX + 2) + 4096);
  log_length = 0;
  output->flush = gather;
  stream->name = "stdout";

  for (size_t at = 0; at < total;) {
    size_t room = CRI_PIECE - stream->length, take = total - at;
    if (!room) abort();
    if (take > room) take = room;
    if (take > portion) take = portion;
    memcpy(stream->bytes + stream->length, input + at, take);
    stream->length += take;
    at += take;
    cri_take(stream, output, TIME);
  }
  cri_end(stream, output, TIME);
  gather(output);

  size_t length = 0;
  bool last = true;
  for (size_t at = 0; at < log_length;) {
    const uint8_t *line = log_bytes + at, *text = line + CRI_PREFIX, *end;
    if (at + CRI_PREFIX > log_length) abort();
    if (memcmp(line, TIME, TIME_LENGTH) || memcmp(line + TIME_LENGTH, " stdout ", 8)) abort();
    if ((text[-2] != 'P' && text[-2] != 'F') || text[-1] != ' ') abort();
    /* A piece holds no newline of its own. */
    end = memchr(text, '\n', log_length - at - CRI_PREFIX);
    if (!end || end - text > CRI_PIECE) abort();
    last = text[-2] == 'F';
    if (length + (size_t)(end - text) + last > total + 1) abort();
    memcpy(back + length, text, (size_t)(end - text));
    length += (size_t)(end - text);
    if (last) back[length++] = '\n';
    at = (size_t)(end + 1 - log_bytes);
  }
  size_t expected = total + (input[total - 1] != '\n');
  if (!last || length != expected || memcmp(back, input, total)) abort();
  free(input);
  free(back);
  free(log_bytes);
end:
  free(output);
  free(stream);
  return 0;
}
