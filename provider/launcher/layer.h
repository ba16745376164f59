/*
 * `launcher layer DIR`: from an OCI layer's whiteouts to overlayfs's.
 */
#ifndef BAREPOD_LAYER_H
#define BAREPOD_LAYER_H

__attribute__((noreturn)) void layer(const char *path);

#endif
