import { CGroup } from "barepod";
import { cgroupSpec } from "../../../../provider/resources/cgroup";
import type { Case } from "../case";

const everywhere = (path: string, action: string) => `find /sys/fs/cgroup -depth -type d -path '*/${path}' ${action}`;

/** Limits below a group that is made on the way. */
export const cgroup: Case = {
  title: "CGroup",
  name: "cgroup",
  spec: cgroupSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new CGroup(
      name,
      {
        node,
        path: variant === "replaced" ? "conf-cgroup/other" : "conf-cgroup/inner",
        memoryMax: variant === "updated" ? "48Mi" : "64Mi",
        pidsMax: 50,
        ...(variant === "updated" ? { cpuMax: 0.5 } : {}),
        ...adopt,
      },
      options,
    );
  },
  look: `${everywhere("conf-cgroup/inner", "-print")} | sort | while read -r group; do
echo "$group"
for file in memory.limit_in_bytes memory.max pids.max cpu.cfs_quota_us cpu.max; do
  if [ -e "$group/$file" ]; then echo "$file $(cat "$group/$file")"; fi
done
done`,
  inPlace: ["cpuMax", "memoryMax"],
  replace: ["path"],
  remove: everywhere("conf-cgroup/inner", "-exec rmdir {} +"),
  change:
    "for file in /sys/fs/cgroup/pids/conf-cgroup/inner/pids.max /sys/fs/cgroup/conf-cgroup/inner/pids.max; do if [ -e $file ]; then echo 7 > $file; fi; done",
  changed: ["pidsMax"],
  foreign: {
    make: "for root in /sys/fs/cgroup/pids /sys/fs/cgroup/memory; do [ -d $root ] || root=/sys/fs/cgroup; mkdir -p $root/conf-cgroup/inner; done",
    named: "conf-cgroup/inner",
    clean: everywhere("conf-cgroup", "-exec rmdir {} +"),
  },
  removeParent: `${everywhere("conf-cgroup/inner", "-exec rmdir {} +")}; ${everywhere("conf-cgroup", "-exec rmdir {} +")}`,
};
