/*
 * `launcher run FILE...`: starts a process as the files say, and stays until it ends.
 */
#ifndef BAREPOD_RUN_H
#define BAREPOD_RUN_H

/** `paths` ends in a NULL. */
__attribute__((noreturn)) void run(char **paths);

#endif
