/*
 * What the process is started with: its arguments and its environment.
 */
#ifndef BAREPOD_ENVIRONMENT_H
#define BAREPOD_ENVIRONMENT_H

#include "config.h"

struct environment {
  /** Both end in a NULL. */
  char **arguments, **variables;
  usize variable_count;
};

/**
 * Puts both together: reads the files of `envfile`, `envline` and `envdir` on the node, and replaces references. Called
 * in the child, so that the log pump keeps none of it.
 */
void make_environment(const struct config *config, struct environment *out);
/** The value of a variable, or NULL. */
const char *environment_get(const struct environment *environment, const char *name);
/** Adds HOME, if there is none. */
void environment_add_home(struct environment *environment, const char *path);

#endif
