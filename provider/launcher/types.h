/*
 * The launcher is freestanding: no libc, no headers but its own. These are the few names that libc would have brought.
 */
#ifndef BAREPOD_TYPES_H
#define BAREPOD_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef __SIZE_TYPE__ usize;
typedef _Bool bool;

#define true 1
#define false 0
#ifndef NULL
#define NULL ((void *)0)
#endif
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifdef __STDC_HOSTED__
#if __STDC_HOSTED__ == 0
void *memcpy(void *to, const void *from, usize length);
void *memmove(void *to, const void *from, usize length);
void *memset(void *to, int byte, usize length);
#else
#include <string.h>
#endif
#endif

#endif
