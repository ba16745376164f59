/** The part of the table of `support.ts` that says who processes are and what they may do. */
import { boolean, type Fields, integer, LIST, object, REQUIRED, refused, string } from "./field";

/** Why nothing of Windows is done. */
const WINDOWS = "the nodes are Linux machines";
const PROFILE = { values: ["RuntimeDefault", "Localhost", "Unconfined"], required: true } as const;
const SECCOMP = object("Which system calls may be made. Default `Unconfined`, as a kubelet without seccompDefault.", {
  localhostProfile: string(
    "With `Localhost`: a file of the node below /var/lib/barepod/seccomp, a profile as of Docker and OCI, read when the containers are made.",
  ),
  type: string(
    "`RuntimeDefault`: Docker's and containerd's list, by the container's capabilities. `Localhost`: a profile of the node. `Unconfined`: all. Privileged containers have none.",
    PROFILE,
  ),
});
const APP_ARMOR = object(
  "Which AppArmor profile confines the container and what runs in it later. Default: none is put on it, where containerd would take its own.",
  {
    localhostProfile: string("With `Localhost`: the name of a profile that is loaded on the node."),
    type: string(
      "`RuntimeDefault`: containerd's rules, loaded by the node's apparmor_parser; none for a privileged container. `Localhost`: a profile of the node. Both are an error at `up` where the node has no AppArmor. `Unconfined`: none.",
      PROFILE,
    ),
  },
);
const SE_LINUX = refused("SELinux labels are not set", "never", { below: "level role type user" });
const WINDOWS_OPTIONS = refused(WINDOWS, "never", {
  below: "gmsaCredentialSpec gmsaCredentialSpecName hostProcess runAsUserName",
});
const NON_ROOT = "`true`: what would run as user 0 is not started. Default `false`.";

export const POD_SECURITY_CONTEXT: Fields = {
  appArmorProfile: APP_ARMOR,
  fsGroup: integer(
    "A group of all containers, 0 to 2147483647. An emptyDir belongs to it, and what is made in it; so do volumes of configMap, secret, downwardAPI and projected, all of whose files it may read. A hostPath is left alone.",
  ),
  fsGroupChangePolicy: string(
    "`OnRootMismatch` or `Always`: alike here, and in Kubernetes, for volumes that are made with the pod.",
    { values: ["OnRootMismatch", "Always"] },
  ),
  runAsGroup: integer("For containers that do not say it themselves."),
  runAsNonRoot: boolean("For containers that do not say it themselves."),
  runAsUser: integer("For containers that do not say it themselves."),
  seLinuxChangePolicy: refused("SELinux labels are not set", "never", { values: ["MountOption", "Recursive"] }),
  seLinuxOptions: SE_LINUX,
  seccompProfile: SECCOMP,
  supplementalGroups: integer("Further groups of all containers, 0 to 2147483647 each.", LIST),
  supplementalGroupsPolicy: string(
    "`Merge` (default): the groups that the image's /etc/group has for the user count too. `Strict`: only those given.",
    { values: ["Merge", "Strict"] },
  ),
  sysctls: object(
    "Kernel settings of the pod's own namespaces: net.* (not with hostNetwork), kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* (not with hostIPC). Others would change the node, and are refused.",
    {
      name: string("With dots or slashes; unique. No single interface's: they come later.", REQUIRED),
      value: string("As it is written to the file below /proc/sys. Changes in place.", REQUIRED),
    },
    LIST,
  ),
  windowsOptions: WINDOWS_OPTIONS,
};

export const SECURITY_CONTEXT: Fields = {
  allowPrivilegeEscalation: boolean(
    "`false` sets no_new_privs: set-uid programs and file capabilities gain nothing. Default `true`; always `true` when privileged.",
  ),
  appArmorProfile: APP_ARMOR,
  capabilities: object("The capabilities beyond and below the default set: containerd's 14 without MKNOD.", {
    add: string("Names without `CAP_`, or `ALL`.", LIST),
    drop: string("Names without `CAP_`, or `ALL`; dropping `ALL` comes before what `add` names.", LIST),
  }),
  privileged: boolean(
    "`true` gives all capabilities, all devices that the node has at its start and nothing masked. Default `false`.",
  ),
  procMount: refused(
    "Kubernetes takes `Unmasked` only with hostUsers: false, and user namespaces are not made here",
    "later",
    {
      values: ["Default"],
    },
  ),
  readOnlyRootFilesystem: boolean("`true` mounts the root file system read-only. Default `false`."),
  runAsGroup: integer("The group id of the process, 0 to 2147483647. Default: the image's, else 0."),
  runAsNonRoot: boolean(NON_ROOT),
  runAsUser: integer("The user id of the process, 0 to 2147483647. Default: the image's, else 0."),
  seLinuxOptions: SE_LINUX,
  seccompProfile: SECCOMP,
  windowsOptions: WINDOWS_OPTIONS,
};
