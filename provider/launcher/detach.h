/*
 * `launcher detach DIR PROGRAM ARGUMENT...`: starts a program that outlives whoever starts it.
 */
#ifndef BAREPOD_DETACH_H
#define BAREPOD_DETACH_H

__attribute__((noreturn)) void detach(const char *group, char **arguments, char **environment);

#endif
