/*
 * `launcher exec FILE... PID:STARTTIME SECONDS COMMAND...`: runs a command in a container that runs.
 */
#ifndef BAREPOD_EXEC_H
#define BAREPOD_EXEC_H

/** `arguments` begins with the first FILE, and ends in a NULL. */
__attribute__((noreturn)) void exec(char **arguments);

#endif
