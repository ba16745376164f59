import * as pulumi from "@pulumi/pulumi";
import { FileSet } from "barepod";
import { fileSetSpec } from "../../../../provider/resources/file-set";
import { type Case, canary } from "../case";

const folder = "/srv/conf/set/deep/s";

/** Text and bytes, a secret among them. */
export const fileSet: Case = {
  title: "FileSet",
  name: "set",
  spec: fileSetSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    const updated = variant === "updated";
    new FileSet(
      name,
      {
        node,
        path: variant === "replaced" ? "/srv/conf/set/other" : folder,
        files: {
          ".hidden": "a 'quoted' \\ text without an end",
          ...(updated ? { new: "another\n" } : { old: "this goes\n" }),
          token: pulumi.secret(updated ? `${canary} again\n` : `${canary}\n`),
        },
        filesBase64: { bytes: Buffer.from([0, 255, 10, 39]).toString("base64") },
        mode: updated ? 0o600 : 0o640,
        folderMode: 0o750,
        gid: 5678,
        ...adopt,
      },
      options,
    );
  },
  look: `if [ -L ${folder}/..data ]; then cd ${folder} && stat -c '%A %u %g' . && find . -maxdepth 1 -name '..20*' | wc -l
for f in .hidden token old new bytes; do [ ! -e "$f" ] || { stat -L -c '%n %a %u %g' "$f"; readlink "$f"; od -An -c "$f"; }; done; fi`,
  inPlace: ["files", "mode"],
  replace: ["path"],
  remove: `rm -r ${folder}`,
  change: `cd ${folder} && echo other > ..data/token && rm old && chmod 0777 bytes`,
  changed: ["files", "mode"],
  foreign: {
    make: `mkdir -p ${folder}/..v1 && echo foreign > ${folder}/..v1/token && ln -s ..v1 ${folder}/..data && ln -s ..data/token ${folder}/token`,
    named: folder,
    clean: "rm -rf /srv/conf/set",
  },
  removeParent: "rm -r /srv/conf/set",
};
