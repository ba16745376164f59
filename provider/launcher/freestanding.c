/*
 * What libc's start files would give: the entry point, and the four functions that a compiler may call on its own.
 * Built with -fno-builtin, or the compiler would recognise these loops and make each function call itself.
 */
#include "types.h"

int launcher(int count, char **arguments, char **environment);
__attribute__((noreturn)) void start(long *stack);

#if defined(__x86_64__)
__asm__(
    ".globl _start\n.type _start,@function\n_start:\n"
    "  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call start\n  ud2\n");
#else
__asm__(
    ".globl _start\n.type _start,%function\n_start:\n"
    "  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl start\n  brk #0\n");
#endif

void leave(int code) __attribute__((noreturn));

/** The kernel leaves on the stack: the count, the arguments, NULL, the environment, NULL. */
void start(long *stack) {
  int count = (int)stack[0];
  char **arguments = (char **)(stack + 1);
  leave(launcher(count, arguments, arguments + count + 1));
}

void *memcpy(void *to, const void *from, usize length) {
#if defined(__x86_64__)
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
  return result;
#else
  u8 *out = to;
  const u8 *in = from;
  for (; length >= 8; length -= 8, out += 8, in += 8) {
    u64 word;
    __builtin_memcpy(&word, in, 8);
    __builtin_memcpy(out, &word, 8);
  }
  while (length--) *out++ = *in++;
  return to;
#endif
}

void *memmove(void *to, const void *from, usize length) {
  u8 *out = to;
  const u8 *in = from;
  /* Both copies above go forward and read each word before writing it, so a move towards lower addresses is safe. */
  if (out <= in || out >= in + length) return memcpy(to, from, length);
  while (length--) out[length] = in[length];
  return to;
}

void *memset(void *to, int byte, usize length) {
  u8 *out = to;
  while (length--) *out++ = (u8)byte;
  return to;
}

int memcmp(const void *one, const void *other, usize length) {
  const u8 *a = one, *b = other;
  for (usize i = 0; i < length; i++) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}
