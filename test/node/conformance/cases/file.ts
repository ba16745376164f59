import * as pulumi from "@pulumi/pulumi";
import { File } from "barepod";
import { fileSpec } from "../../../../provider/resources/file";
import { type Case, canary } from "../case";

const show = (path: string) => `if [ -e ${path} ]; then stat -c '%F %a %u %g' ${path}; od -An -c ${path}; fi`;

/** Text, a secret one. */
export const file: Case = {
  title: "File",
  name: "file",
  spec: fileSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new File(
      name,
      {
        node,
        path: variant === "replaced" ? "/srv/conf/file/other/it's here" : "/srv/conf/file/deep/f",
        content: pulumi.secret(variant === "updated" ? `${canary} again\n` : `${canary}\n`),
        mode: variant === "updated" ? 0o600 : 0o640,
        ...adopt,
      },
      options,
    );
  },
  look: show("/srv/conf/file/deep/f"),
  inPlace: ["content", "mode"],
  replace: ["path"],
  remove: "rm /srv/conf/file/deep/f",
  change: "echo other > /srv/conf/file/deep/f && chmod 0755 /srv/conf/file/deep/f",
  changed: ["content", "mode"],
  foreign: {
    make: "mkdir -p /srv/conf/file/deep && echo foreign > /srv/conf/file/deep/f",
    named: "/srv/conf/file/deep/f",
    clean: "rm -r /srv/conf/file",
  },
  removeParent: "rm -r /srv/conf/file",
};

/** Bytes, with an owner. */
export const binaryFile: Case = {
  title: "File of bytes",
  name: "bytes",
  spec: fileSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new File(
      name,
      {
        node,
        path: variant === "replaced" ? "/srv/conf/bytes/g" : "/srv/conf/bytes/f",
        contentBase64: Buffer.from([0, 255, 10, 39]).toString("base64"),
        uid: variant === "updated" ? 65534 : 1234,
        gid: 5678,
        ...adopt,
      },
      options,
    );
  },
  look: show("/srv/conf/bytes/f"),
  inPlace: ["uid"],
  replace: ["path"],
  remove: "rm /srv/conf/bytes/f",
  change: "chown 1:1 /srv/conf/bytes/f",
  changed: ["gid", "uid"],
  foreign: {
    make: "mkdir -p /srv/conf/bytes && ln -s /etc/passwd /srv/conf/bytes/f",
    named: "/srv/conf/bytes/f",
    clean: "rm -r /srv/conf/bytes",
  },
};
