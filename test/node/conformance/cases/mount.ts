import { Mount } from "barepod";
import { mountSpec } from "../../../../provider/resources/mount";
import type { Case } from "../case";

const show = (target: string) => `findmnt -rno SOURCE,FSTYPE,OPTIONS --mountpoint ${target} || :`;

/** A file system of its own. */
export const mount: Case = {
  title: "Mount",
  name: "mount",
  spec: mountSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new Mount(
      name,
      {
        node,
        source: "tmpfs",
        target: variant === "replaced" ? "/srv/conf/mount/other" : "/srv/conf/mount/deep/tmp",
        fsType: "tmpfs",
        options: variant === "updated" ? ["size=2m", "mode=0700"] : ["size=1m", "mode=0700"],
        ...adopt,
      },
      options,
    );
  },
  look: show("/srv/conf/mount/deep/tmp"),
  inPlace: ["options"],
  replace: ["target"],
  remove: "umount /srv/conf/mount/deep/tmp",
  change: "mount -o remount,noexec /srv/conf/mount/deep/tmp",
  changed: ["options"],
  foreign: {
    make: "mkdir -p /srv/conf/mount/deep/tmp && mount -t tmpfs foreign /srv/conf/mount/deep/tmp",
    named: "/srv/conf/mount/deep/tmp",
    clean: "rm -r /srv/conf/mount",
  },
  removeParent: "umount /srv/conf/mount/deep/tmp && rm -r /srv/conf/mount",
};

/** A folder at a second place. */
export const bindMount: Case = {
  title: "Mount of a folder",
  name: "bind",
  spec: mountSpec,
  prepare:
    "mkdir -p /srv/sources/one /srv/sources/two && echo one > /srv/sources/one/f && echo two > /srv/sources/two/f",
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new Mount(
      name,
      {
        node,
        source: variant === "replaced" ? "/srv/sources/two" : "/srv/sources/one",
        target: "/srv/conf/bind/target",
        options: variant === "updated" ? ["bind", "ro"] : ["bind"],
        ...adopt,
      },
      options,
    );
  },
  look: `${show("/srv/conf/bind/target")}; cat /srv/conf/bind/target/f 2>/dev/null || :`,
  inPlace: ["options"],
  replace: ["source"],
  remove: "umount /srv/conf/bind/target",
  change: "mount -o remount,bind,ro,nosuid /srv/conf/bind/target",
  changed: ["options"],
  foreign: {
    make: "mkdir -p /srv/conf/bind/target && mount -t tmpfs foreign /srv/conf/bind/target",
    named: "/srv/conf/bind/target",
    clean: "rm -r /srv/conf/bind",
  },
};

/** A folder that lies on a mount with flags: the bind mount begins with them. */
export const inheritingMount: Case = {
  title: "Mount of a folder on a mount with flags",
  name: "inheriting",
  spec: mountSpec,
  prepare: "mkdir -p /tmp/conf-source && mkdir -p '/tmp/conf source 2'",
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new Mount(
      name,
      {
        node,
        source: variant === "replaced" ? "/tmp/conf source 2" : "/tmp/conf-source",
        target: "/srv/conf/inheriting/target",
        options: variant === "updated" ? ["bind", "noexec", "suid"] : ["bind"],
      },
      options,
    );
  },
  look: show("/srv/conf/inheriting/target"),
  inPlace: ["options"],
  replace: ["source"],
  remove: "umount /srv/conf/inheriting/target",
  change: "mount -o remount,bind,ro /srv/conf/inheriting/target",
  changed: ["options"],
};

/** A file over another one. */
export const fileMount: Case = {
  title: "Mount of a file",
  name: "filemount",
  spec: mountSpec,
  prepare: "mkdir -p /srv/sources/files && echo one > /srv/sources/files/one && echo two > /srv/sources/files/two",
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new Mount(
      name,
      {
        node,
        source: variant === "replaced" ? "/srv/sources/files/two" : "/srv/sources/files/one",
        target: "/srv/conf/filemount/file",
        options: variant === "updated" ? ["bind", "noexec", "nosuid"] : ["bind", "ro"],
        ...adopt,
      },
      options,
    );
  },
  look: `${show("/srv/conf/filemount/file")}; cat /srv/conf/filemount/file 2>/dev/null || :`,
  inPlace: ["options"],
  replace: ["source"],
  remove: "umount /srv/conf/filemount/file",
  change: "mount -o remount,bind,rw /srv/conf/filemount/file",
  changed: ["options"],
  removeParent: "umount /srv/conf/filemount/file && rm -r /srv/conf/filemount",
};
