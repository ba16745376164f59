import { Namespace } from "barepod";
import { namespaceSpec } from "../../../../provider/resources/namespace";
import type { Case } from "../case";

export const removeNamespace = (name: string) => `cd /run/barepod/namespaces/${name}
for pin in *; do umount $pin 2>/dev/null || :; done
cd / && rm -r /run/barepod/namespaces/${name}`;

const show = (name: string) => `if cd /run/barepod/namespaces/${name} 2>/dev/null; then
findmnt -rno TARGET,FSTYPE | grep "^$PWD/" | sort
if [ -e uts ]; then nsenter --uts=uts uname -n; fi
if [ -e net ]; then nsenter --net=net ip -o link | awk '{ print $2, $3 }'; fi
if [ -e pid ] && [ -e pause ]; then nsenter --pid=pid true 2>/dev/null && ls || :; fi
fi`;

/** Namespaces that nothing has to hold open. */
export const namespace: Case = {
  title: "Namespace",
  name: "namespace",
  spec: namespaceSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new Namespace(
      name,
      {
        node,
        name: "conf",
        types: variant === "replaced" ? ["uts", "ipc"] : ["net", "uts", "ipc"],
        hostname: variant === "updated" ? "conf-two" : "conf-one",
        ...adopt,
      },
      options,
    );
  },
  look: show("conf"),
  inPlace: ["hostname"],
  replace: ["types"],
  remove: removeNamespace("conf"),
  change: "nsenter --uts=/run/barepod/namespaces/conf/uts hostname other",
  changed: ["hostname"],
  foreign: {
    make: `mkdir -p /run/barepod/namespaces/conf && cd /run/barepod/namespaces/conf
touch net && unshare --net=net true`,
    named: "conf",
  },
};

/** A PID namespace, which lives as long as its first process. */
export const pidNamespace: Case = {
  title: "Namespace with processes",
  name: "pidnamespace",
  spec: namespaceSpec,
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new Namespace(
      name,
      { node, name: variant === "replaced" ? "conf-pid-other" : "conf-pid", types: ["pid", "mnt"] },
      options,
    );
  },
  look: show("conf-pid"),
  replace: ["name"],
  remove: `kill -KILL $(cat /run/barepod/namespaces/conf-pid/pause)\n${removeNamespace("conf-pid")}`,
  change: "kill -KILL $(cat /run/barepod/namespaces/conf-pid/pause)",
  changed: ["types"],
  repaired: "replace",
};
