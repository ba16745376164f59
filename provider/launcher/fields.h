/*
 * The fields of the configuration's directives. Each function says whether a field is what it must be, and in `error`
 * why it is not.
 */
#ifndef BAREPOD_FIELDS_H
#define BAREPOD_FIELDS_H

#include "config.h"

/* CLONE_NEW*, for the parser, which must not see the kernel's side. */
#define NEW_NS 0x00020000u
#define NEW_CGROUP 0x02000000u
#define NEW_UTS 0x04000000u
#define NEW_IPC 0x08000000u
#define NEW_PID 0x20000000u
#define NEW_NET 0x40000000u

/** The highest uid or gid: the next one means "unchanged" to the kernel. */
#define ID_MOST 0xfffffffeu

/** The kernel takes a page, in which "exec " comes first. */
#define PROFILE_MOST 4090

bool field_number(const char *field, u32 base, u64 most, u64 *out, struct text *error, const char *what);
bool field_signed_number(const char *field, i32 least, i32 most, i32 *out);
/** An absolute path; `out` may be NULL. */
bool field_absolute(char *field, char **out, struct text *error, const char *what);
/** An absolute path shorter than `most` bytes, for something to be put behind it. */
bool field_shorter(char *field, usize most, char **out, struct text *error, const char *what);
/** A place inside the root. */
bool field_target(const char *field, struct text *error);
bool field_namespace_flag(const char *field, u32 *flag, struct text *error);
/** Appends to the configuration's groups. */
bool field_groups(struct config *config, const char *field, struct text *error);
bool field_rlimit(struct directive *directive, struct text *error);
bool field_mount(char **field, struct text *error);
bool field_device(struct directive *directive, struct text *error);
/** `name` or `uid`, and behind a colon `group` or `gid`. */
bool field_user(char *field, char **out, struct text *error);
/** The name of an AppArmor profile: printable, without a blank at its ends, which the kernel would take away. */
bool field_profile(char *field, char **out, struct text *error);
/** NAME=VALUE. */
bool field_variable(const char *field, struct text *error);
/** NAME or PREFIX, FILE or DIR, `required` or `optional`, which becomes number[0]. */
bool field_environment(struct directive *directive, struct text *error);
/** A prefix may be empty; it and a name hold printable ASCII without `=`, as Kubernetes has it. */
bool is_variable_name(const char *name);
/** Takes the escapes out of a field, in place. */
bool field_unescape(char *field, struct text *error);

#endif
