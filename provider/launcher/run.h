/*
 * `launcher run FILE`: starts a process as FILE says, and stays until it ends.
 */
#ifndef BAREPOD_RUN_H
#define BAREPOD_RUN_H

__attribute__((noreturn)) void run(const char *path);

#endif
