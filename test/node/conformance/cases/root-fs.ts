import { RootFs } from "barepod";
import { rootFsSpec } from "../../../../provider/resources/root-fs";
import type { Case } from "../case";

/** An empty folder is no root file system. */
const show = (path: string) => `if cd ${path} 2>/dev/null && [ -n "$(ls -A)" ]; then
find . | sort | sed 's/^/${path.replaceAll("/", "\\/")} /'
chroot . ls / 2>&1 || :
fi`;

/** A folder with programs of the node. */
export const rootFs: Case = {
  title: "RootFs",
  name: "rootfs",
  spec: rootFsSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new RootFs(
      name,
      {
        node,
        path: variant === "replaced" ? "/srv/conf/rootfs/other" : "/srv/conf/rootfs/deep/box",
        hostBinaries: ["ls", ...(variant === "updated" ? ["cat"] : [])],
        ...adopt,
      },
      options,
    );
  },
  look: show("/srv/conf/rootfs/deep/box"),
  inPlace: ["hostBinaries"],
  replace: ["path"],
  remove: "rm -r /srv/conf/rootfs/deep/box",
  removed: "update",
  change: "find /srv/conf/rootfs/deep/box -name ls -delete",
  changed: ["hostBinaries"],
  foreign: {
    make: "mkdir -p /srv/conf/rootfs/deep/box/theirs",
    named: "/srv/conf/rootfs/deep/box",
    clean: "rm -r /srv/conf/rootfs",
  },
  removeParent: "rm -r /srv/conf/rootfs",
  // What is looked for depends on the programs, so the last look does not tell.
  frames: { update: 2 },
};

/** An overlay over an image that others may share. */
export const rootFsOverlay: Case = {
  title: "RootFs as an overlay",
  name: "overlay",
  spec: rootFsSpec,
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new RootFs(
      name,
      {
        node,
        path: "/srv/conf/overlay/box",
        hostBinaries: variant === "replaced" ? ["ls", "cat"] : ["ls"],
        overlay: true,
      },
      options,
    );
  },
  look: `findmnt -rno SOURCE,FSTYPE --mountpoint /srv/conf/overlay/box || :\n${show("/srv/conf/overlay/box")}`,
  replace: ["hostBinaries"],
  remove: "umount /srv/conf/overlay/box",
  removed: "update",
  removeParent: "umount /srv/conf/overlay/box && rm -r /srv/conf/overlay",
};
