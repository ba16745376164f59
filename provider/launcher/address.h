/*
 * Numeric network addresses. Pure.
 */
#ifndef BAREPOD_ADDRESS_H
#define BAREPOD_ADDRESS_H

#include "text.h"

/** The kernel's struct sockaddr_in or sockaddr_in6, without a scope. */
struct socket_address {
  u16 family;
  u8 port[2];
  u8 bytes[24];
};
#define AF_INET 2
#define AF_INET6 10

/** Dotted decimal, or RFC 4291's text form; no names, no zones. False for anything else. */
bool parse_address(const char *text, u16 port, struct socket_address *out);

#endif
