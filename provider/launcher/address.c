/*
 * Numeric network addresses.
 */
#include "address.h"

static bool parse_ipv4(const char *text, u8 out[4]) {
  for (int i = 0; i < 4; i++) {
    u32 value = 0, digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++) {
      /* A leading zero was octal once, and is refused by whoever remembers. */
      if (digits && !value) return false;
      value = value * 10 + (u32)(*text - '0');
      if (value > 255) return false;
    }
    if (!digits || (i < 3 ? *text++ != '.' : *text)) return false;
    out[i] = (u8)value;
  }
  return true;
}

static int hexadecimal(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  byte |= 0x20;
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool parse_ipv6(const char *text, u8 out[16]) {
  usize at = 0, gap = 17;
  if (text[0] == ':') {
    if (text[1] != ':') return false;
    text += 2;
    gap = 0;
  }
  while (*text) {
    u32 value = 0, digits = 0;
    const char *begin = text;
    for (; hexadecimal(*text) >= 0; text++) {
      value = value << 4 | (u32)hexadecimal(*text);
      if (++digits > 4) return false;
    }
    if (*text == '.') {
      if (at > 12 || !parse_ipv4(begin, out + at)) return false;
      at += 4;
      break;
    }
    if (!digits || at > 14) return false;
    out[at++] = (u8)(value >> 8);
    out[at++] = (u8)value;
    if (!*text) break;
    if (*text++ != ':') return false;
    if (*text == ':') {
      if (gap < 17) return false;
      gap = at;
      text++;
    } else if (!*text) {
      return false;
    }
  }
  if (gap == 17) return at == 16;
  /* "::" stands for at least one group. */
  if (at > 14) return false;
  usize moved = at - gap;
  memmove(out + 16 - moved, out + gap, moved);
  memset(out + gap, 0, 16 - moved - gap);
  return true;
}

bool parse_address(const char *text, u16 port, struct socket_address *out) {
  *out = (struct socket_address){AF_INET, {(u8)(port >> 8), (u8)port}, {0}};
  if (parse_ipv4(text, out->bytes)) return true;
  out->family = AF_INET6;
  memset(out->bytes, 0, sizeof out->bytes);
  /* The flow comes first. */
  return parse_ipv6(text, out->bytes + 4);
}
