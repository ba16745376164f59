/*
 * Strings, numbers and times as text: the small part of libc that the launcher needs, written out.
 */
#include "text.h"

static void put(struct text *text, char byte) {
  if (text->length + 1 >= text->size) return;
  text->data[text->length++] = byte;
  text->data[text->length] = 0;
}

static void put_string(struct text *text, const char *string) {
  for (; *string; string++) put(text, *string);
}

static void put_number(struct text *text, u64 number, u32 base) {
  char digits[24];
  usize count = 0;
  do {
    digits[count++] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number);
  while (count) put(text, digits[--count]);
}

/** The errors that a user can meet, in the words of strerror(3). */
static void put_error(struct text *text, int error) {
  static const struct {
    int number;
    const char *words;
  } known[] = {
      {1, "operation not permitted"},   {2, "no such file or directory"},   {3, "no such process"},
      {5, "input/output error"},        {6, "no such device or address"},   {7, "argument list too long"},
      {8, "exec format error"},         {9, "bad file descriptor"},         {11, "resource temporarily unavailable"},
      {12, "out of memory"},            {13, "permission denied"},          {14, "bad address"},
      {16, "device or resource busy"},  {17, "file exists"},                {18, "invalid cross-device link"},
      {19, "no such device"},           {20, "not a directory"},            {21, "is a directory"},
      {22, "invalid argument"},         {23, "too many open files in the system"},
      {24, "too many open files"},      {26, "text file busy"},             {27, "file too large"},
      {28, "no space left on device"},  {30, "read-only file system"},      {31, "too many links"},
      {32, "broken pipe"},              {36, "file name too long"},         {38, "function not implemented"},
      {39, "directory not empty"},      {40, "too many levels of symbolic links"},
      {80, "accessing a corrupted shared library"},                         {95, "operation not supported"},
      {101, "network is unreachable"},  {104, "connection reset by peer"},  {110, "connection timed out"},
      {111, "connection refused"},      {113, "no route to host"},          {122, "disk quota exceeded"},
  };
  if (error < 0) error = -error;
  for (usize i = 0; i < COUNT(known); i++) {
    if (known[i].number == error) {
      put_string(text, known[i].words);
      return;
    }
  }
  put_string(text, "error ");
  put_number(text, (u64)error, 10);
}

void text_one_line(struct text *text) {
  for (usize i = 0; i < text->length; i++) {
    u8 byte = (u8)text->data[i];
    if (byte < 0x20 || byte == 0x7f) text->data[i] = '?';
  }
}

void text_format_list(struct text *text, const char *format, __builtin_va_list arguments) {
  for (; *format; format++) {
    if (*format != '%' || !format[1]) {
      put(text, *format);
      continue;
    }
    switch (*++format) {
      case 's':
        put_string(text, __builtin_va_arg(arguments, const char *));
        break;
      case 'q':
        put(text, '"');
        put_string(text, __builtin_va_arg(arguments, const char *));
        put(text, '"');
        break;
      case 'u':
        put_number(text, __builtin_va_arg(arguments, u64), 10);
        break;
      case 'o':
        put_number(text, __builtin_va_arg(arguments, u64), 8);
        break;
      case 'd': {
        i64 number = __builtin_va_arg(arguments, int);
        if (number < 0) put(text, '-');
        put_number(text, (u64)(number < 0 ? -number : number), 10);
        break;
      }
      case 'e':
        put_error(text, __builtin_va_arg(arguments, int));
        break;
      default:
        put(text, *format);
    }
  }
}

void text_format(struct text *text, const char *format, ...) {
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  text_format_list(text, format, arguments);
  __builtin_va_end(arguments);
}

usize text_length(const char *string) {
  usize length = 0;
  while (string[length]) length++;
  return length;
}

bool text_equal(const char *one, const char *other) {
  while (*one && *one == *other) one++, other++;
  return *one == *other;
}

bool text_before(const char *one, const char *other) {
  while (*one && *one == *other) one++, other++;
  return (u8)*one < (u8)*other;
}

const u8 *text_find(const u8 *bytes, u8 byte, usize length) {
  const u64 ones = 0x0101010101010101ull;
  usize i = 0;
  /* Eight bytes at a time: a byte of `word` is zero exactly where it was the one that is looked for. */
  for (; i + 8 <= length; i += 8) {
    u64 word;
    __builtin_memcpy(&word, bytes + i, 8);
    word ^= ones * byte;
    if ((word - ones) & ~word & (ones << 7)) break;
  }
  for (; i < length; i++) {
    if (bytes[i] == byte) return bytes + i;
  }
  return NULL;
}

bool text_number(const char *string, u32 base, u64 most, u64 *number) {
  u64 value = 0;
  if (!*string) return false;
  for (; *string; string++) {
    u8 byte = (u8)*string;
    u32 digit;
    if (byte >= '0' && byte <= '9') digit = byte - '0';
    else if (byte >= 'a' && byte <= 'f') digit = byte - 'a' + 10u;
    else if (byte >= 'A' && byte <= 'F') digit = byte - 'A' + 10u;
    else return false;
    if (digit >= base || value > (most - digit) / base || digit > most) return false;
    value = value * base + digit;
  }
  *number = value;
  return true;
}

struct date {
  u32 year, month, day, hour, minute, second;
};

/** Days to a civil date by 400-year eras that begin on 1 March, so that the leap day comes last. */
static struct date date_of(u64 seconds) {
  u64 days = seconds / 86400 + 719468;
  u32 rest = (u32)(seconds % 86400);
  u64 era = days / 146097;
  u32 of_era = (u32)(days % 146097);
  u32 year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  u32 of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  u32 shifted = (5 * of_year + 2) / 153;
  struct date date;
  date.day = of_year - (153 * shifted + 2) / 5 + 1;
  date.month = shifted < 10 ? shifted + 3 : shifted - 9;
  date.year = (u32)(era * 400 + year_of_era) + (date.month <= 2);
  date.hour = rest / 3600;
  date.minute = rest / 60 % 60;
  date.second = rest % 60;
  return date;
}

static char *digits(char *out, u32 number, u32 count) {
  for (u32 i = count; i; i--) {
    out[i - 1] = (char)('0' + number % 10);
    number /= 10;
  }
  return out + count;
}

void text_time(char out[TIME_LENGTH + 1], u64 seconds, u32 nanoseconds) {
  struct date date = date_of(seconds);
  out = digits(out, date.year, 4), *out++ = '-';
  out = digits(out, date.month, 2), *out++ = '-';
  out = digits(out, date.day, 2), *out++ = 'T';
  out = digits(out, date.hour, 2), *out++ = ':';
  out = digits(out, date.minute, 2), *out++ = ':';
  out = digits(out, date.second, 2), *out++ = '.';
  out = digits(out, nanoseconds, 9), *out++ = 'Z';
  *out = 0;
}

void text_stamp(char out[STAMP_LENGTH + 1], u64 seconds) {
  struct date date = date_of(seconds);
  out = digits(out, date.year, 4);
  out = digits(out, date.month, 2);
  out = digits(out, date.day, 2), *out++ = '-';
  out = digits(out, date.hour, 2);
  out = digits(out, date.minute, 2);
  out = digits(out, date.second, 2);
  *out = 0;
}

bool text_duration(const char *string, i64 *nanoseconds) {
  i64 seconds = 0, fraction = 0, unit = 100000000;
  bool any = false;
  for (; *string >= '0' && *string <= '9'; string++, any = true) {
    seconds = seconds * 10 + (*string - '0');
    if (seconds > 4000000000) return false;
  }
  if (*string == '.') {
    for (string++; *string >= '0' && *string <= '9'; string++, any = true, unit /= 10) fraction += (*string - '0') * unit;
  }
  *nanoseconds = seconds * 1000000000 + fraction;
  return any && !*string;
}
