/*
 * The launcher's own state at its start: which program it runs from, and which descriptors it holds.
 */
#ifndef BAREPOD_SELF_H
#define BAREPOD_SELF_H

/** Returns in a process that runs from a sealed copy in memory; ends it if there can be none. */
void run_from_sealed_copy(char **arguments, char **environment);
/** Closes every descriptor from `first` on. */
void close_from(int first);
/** A closed descriptor 0, 1 or 2 would be taken by the next file that is opened. */
void ensure_standard_fds(void);

#endif
