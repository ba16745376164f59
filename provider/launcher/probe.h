/*
 * `launcher probe tcp|http ...`: a kubelet's probes, from the node.
 */
#ifndef BAREPOD_PROBE_H
#define BAREPOD_PROBE_H

/** `arguments` begins with the kind, and ends in a NULL. */
__attribute__((noreturn)) void probe(char **arguments);

#endif
