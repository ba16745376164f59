/*
 * Fuzzes the reader of addresses against the C library's.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>

#undef AF_INET
#undef AF_INET6
#include "../address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct socket_address address;
  uint8_t expected[16];
  char *text = malloc(size + 1);
  if (size) memcpy(text, data, size);
  text[size] = 0;
  bool fine = parse_address(text, 0x1234, &address);
  bool four = inet_pton(AF_INET, text, expected) == 1;
  bool six = !four && inet_pton(AF_INET6, text, expected) == 1;
  if (fine != (four || six)) abort();
  if (four && (address.family != AF_INET || memcmp(address.bytes, expected, 4))) abort();
  if (six && (address.family != AF_INET6 || memcmp(address.bytes + 4, expected, 16))) abort();
  if (fine && (address.port[0] != 0x12 || address.port[1] != 0x34)) abort();
  free(text);
  return 0;
}
