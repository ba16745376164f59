/*
 * The configuration's way from its files into memory and out of it.
 */
#ifndef BAREPOD_LOAD_H
#define BAREPOD_LOAD_H

#include "config.h"

/** Reads the files of a list that ends in a NULL as if they were one, and what they include. Ends on any mistake. */
void load_config(char **paths, struct config *config);
/** Gives the memory back; nothing of the configuration may be used any more. */
void unload_config(void);

#endif
