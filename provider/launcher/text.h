/*
 * Strings, numbers and times as text. Pure: used by the launcher and by the hosted fuzz harnesses alike.
 */
#ifndef BAREPOD_TEXT_H
#define BAREPOD_TEXT_H

#include "types.h"

/** A string that grows inside memory of a fixed size; what does not fit is cut off. Always ends in a NUL. */
struct text {
  char *data;
  usize size;
  usize length;
};

#define TEXT(name, bytes)      \
  char name##_memory[bytes];   \
  struct text name = {name##_memory, bytes, 0}; \
  name##_memory[0] = 0

/**
 * Appends. `%s` string, `%q` string in double quotes, `%u` u64, `%d` int, `%o` u64 in octal, `%e` the meaning of an
 * errno.
 */
void text_format(struct text *text, const char *format, ...);
void text_format_list(struct text *text, const char *format, __builtin_va_list arguments);

/** Puts a question mark in place of each control character: what is left is one line, without a TAB. */
void text_one_line(struct text *text);

usize text_length(const char *string);
bool text_equal(const char *one, const char *other);
/** Whether one sorts before the other, byte by byte. */
bool text_before(const char *one, const char *other);
/** The first `byte` in `length` bytes, or NULL. */
const u8 *text_find(const u8 *bytes, u8 byte, usize length);
/** A whole field as a number in base 8, 10 or 16, at most `most`. False for anything else, also for the empty field. */
bool text_number(const char *string, u32 base, u64 most, u64 *number);

/** Seconds with an optional fraction, 0.25, of at most 4 * 10^9, more than Kubernetes' 32 bits: as nanoseconds. */
bool text_duration(const char *string, i64 *nanoseconds);

#define TIME_LENGTH 30
#define STAMP_LENGTH 15
/** RFC 3339 with nanoseconds in UTC: 2026-11-23T12:38:09.123456789Z. */
void text_time(char out[TIME_LENGTH + 1], u64 seconds, u32 nanoseconds);
/** yyyymmdd-hhmmss in UTC: what a kubelet appends to the name of a rotated log. */
void text_stamp(char out[STAMP_LENGTH + 1], u64 seconds);

#endif
