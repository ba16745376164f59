/*
 * Who the process is. The order is what matters: resource limits and groups while there are privileges, the bounding
 * set while CAP_SETPCAP is there, then the user, its capabilities, no_new_privs and the working directory (entered as
 * that user).
 */
#include "identity.h"

#include "report.h"

void read_seccomp(const struct config *config, struct seccomp *out) {
  out->count = 0;
  if (!config->seccomp) return;
  static u64 instructions[SECCOMP_MOST + 1];
  long fd = sys(openat, AT_FDCWD, config->seccomp, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(EXIT_SETUP, "seccomp", "%s: %e", config->seccomp, (int)fd);
  usize length = 0;
  for (;;) {
    long result = sys(read, fd, (u8 *)instructions + length, sizeof instructions - length);
    if (result == -EINTR) continue;
    if (result < 0) fail(EXIT_SETUP, "seccomp", "%s: %e", config->seccomp, (int)result);
    if (!result) break;
    length += (usize)result;
  }
  sys(close, fd);
  if (!length || length % 8 || length / 8 > SECCOMP_MOST)
    fail(EXIT_SETUP, "seccomp", "%s must hold between 1 and %u instructions of 8 bytes", config->seccomp,
         (u64)SECCOMP_MOST);
  out->count = (u16)(length / 8);
  out->instructions = instructions;
}

/**
 * Takes effect with execve, and forbids nothing before. In the container /proc may be whatever its image and its volumes
 * make of it, and a profile that was written to a file there would not count (CVE-2019-16884, CVE-2025-52881).
 */
void choose_profile(const struct config *config) {
  if (!config->apparmor) return;
  TEXT(value, PATH_BYTES + 8);
  text_format(&value, "exec %s", config->apparmor);
  /* The second one is shared by all security modules; older kernels have no other. */
  long fd = sys(openat, AT_FDCWD, "/proc/self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
  if (fd == -ENOENT) fd = sys(openat, AT_FDCWD, "/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail(EXIT_SETUP, "apparmor", "the kernel has no AppArmor: /proc/self/attr/exec: %e", (int)fd);
  long result = sys(write, fd, value.data, value.length);
  if (result == -ENOENT) fail(EXIT_SETUP, "apparmor", "the profile %q is not loaded", config->apparmor);
  /* Nobody listens, or another security module that knows no such thing. */
  if (result == -EINVAL) fail(EXIT_SETUP, "apparmor", "AppArmor is not enabled in the kernel");
  if (result < 0) fail(EXIT_SETUP, "apparmor", "the profile %q: %e", config->apparmor, (int)result);
  if ((usize)result != value.length) fail(EXIT_SETUP, "apparmor", "the profile %q was cut off", config->apparmor);
  sys(close, fd);
}

void load_seccomp(const struct seccomp *seccomp) {
  if (!seccomp->count) return;
  struct sock_fprog program = {seccomp->count, seccomp->instructions};
  long result = sys(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
  if (result < 0) fail(EXIT_SETUP, "seccomp", "cannot load the filter: %e", (int)result);
}

static void limits(const struct config *config) {
  for (usize i = 0; i < config->directive_count; i++) {
    const struct directive *directive = &config->directives[i];
    if (directive->kind != RLIMIT) continue;
    struct rlimit64 limit = {directive->number[1], directive->number[2]};
    long result = sys(prlimit64, 0, directive->number[0], &limit, NULL);
    if (result == -EPERM)
      fail(EXIT_SETUP, "rlimit", "%s %s %s: %e: raising a hard limit needs CAP_SYS_RESOURCE", directive->field[0],
           directive->field[1], directive->field[2], (int)result);
    if (result < 0)
      fail(EXIT_SETUP, "rlimit", "%s %s %s: %e", directive->field[0], directive->field[1], directive->field[2],
           (int)result);
  }
}

static u64 get_capabilities(struct cap_header *header, struct cap_data data[2]) {
  *header = (struct cap_header){CAPABILITY_VERSION_3, 0};
  long result = sys(capget, header, data);
  if (result < 0) fail(EXIT_SETUP, "caps", "capget: %e", (int)result);
  return data[0].permitted | (u64)data[1].permitted << 32;
}

static void set_capabilities(u64 effective, u64 inheritable) {
  struct cap_header header = {CAPABILITY_VERSION_3, 0};
  struct cap_data data[2] = {
      {(u32)effective, (u32)effective, (u32)inheritable},
      {(u32)(effective >> 32), (u32)(effective >> 32), (u32)(inheritable >> 32)},
  };
  long result = sys(capset, &header, data);
  if (result < 0) fail(EXIT_SETUP, "caps", "cannot set the capabilities: %e", (int)result);
}

static void drop_bounding(u64 keep) {
  for (u32 number = 0; number < 64; number++) {
    if (keep >> number & 1) continue;
    long result = sys(prctl, PR_CAPBSET_DROP, number, 0, 0, 0);
    /* Beyond the kernel's last capability. */
    if (result == -EINVAL) break;
    if (result < 0)
      fail(EXIT_SETUP, "caps", "cannot drop capability %u from the bounding set: %e", (u64)number, (int)result);
  }
}

void become(const struct config *config) {
  struct cap_header header;
  struct cap_data data[2];
  u64 held = get_capabilities(&header, data);
  bool loses_root = config->has_uid && config->uid != 0;

  limits(config);
  if (config->has_uid || config->has_gid || config->has_groups) {
    long result = sys(setgroups, config->group_count, config->groups);
    if (result < 0) fail(EXIT_SETUP, "user", "cannot set the groups: %e", (int)result);
  }
  if (config->has_gid) {
    long result = sys(setresgid, config->gid, config->gid, config->gid);
    if (result < 0) fail(EXIT_SETUP, "user", "cannot become group %u: %e", (u64)config->gid, (int)result);
  }
  if (config->has_capabilities) drop_bounding(config->bounding);
  if (config->has_uid) {
    long result = sys(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (result >= 0) result = sys(setresuid, config->uid, config->uid, config->uid);
    if (result < 0) fail(EXIT_SETUP, "user", "cannot become user %u: %e", (u64)config->uid, (int)result);
  }
  if (config->has_capabilities || loses_root) {
    /* What the launcher itself does not hold cannot be given: a machine may lack a capability or two. */
    u64 effective = config->has_capabilities ? config->effective & held : 0;
    u64 inheritable = config->has_capabilities ? config->inheritable & held : 0;
    u64 ambient = config->has_capabilities ? config->ambient & held : 0;
    /*
     * Without no_new_privs only CAP_SYS_ADMIN may load a filter, and the filter comes last. It is kept until execve,
     * which computes the sets anew from the bounding, inheritable and ambient ones, in none of which it is added.
     */
    u64 until_exec = config->seccomp && !config->no_new_privs ? held & (1ull << CAP_SYS_ADMIN) : 0;
    set_capabilities(effective | until_exec, inheritable);
    sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (u32 number = 0; number < 64; number++) {
      if (!(ambient >> number & 1)) continue;
      long result = sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
      if (result < 0)
        fail(EXIT_SETUP, "caps", "cannot raise ambient capability %u, which must be effective and inheritable: %e",
             (u64)number, (int)result);
    }
  }
  if (config->no_new_privs) {
    long result = sys(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result < 0) fail(EXIT_SETUP, "user", "cannot set no_new_privs: %e", (int)result);
  }
}
