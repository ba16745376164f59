import { Process } from "barepod";
import { processSpec } from "../../../../provider/resources/process";
import type { Case } from "../case";

const end = `for folder in /proc/[0-9]*; do
[ "\${folder##*/}" != $$ ] || continue
case $(tr '\\0' ' ' < $folder/cmdline 2>/dev/null) in *'process/conf '*|'sleep 7654321 ') kill -KILL \${folder##*/} || : ;; esac
done
sleep 0.2`;

/** A program, and what keeps it. */
export const process: Case = {
  title: "Process",
  name: "process",
  spec: processSpec,
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new Process(
      name,
      {
        node,
        name: "conf",
        command: ["sleep", variant === "replaced" ? "7654322" : "7654321"],
        terminationGracePeriodSeconds: variant === "updated" ? 1 : 0,
      },
      options,
    );
  },
  look: "ps -eo args | grep '^sleep 7654321$' || :",
  inPlace: ["terminationGracePeriodSeconds"],
  looksTheSame: true,
  replace: ["command"],
  remove: end,
  removed: "update",
  removeParent: `${end}; rm -r /run/barepod/process/conf`,
};
