import { expect, it } from "vitest";
import { dotted, namespaceOf, sysctlFile, sysctlRule } from "../../provider/kubernetes/sysctls";

it.each([
  ["kernel.shm_rmid_forced", "ipc", "kernel/shm_rmid_forced"],
  ["kernel.sem", "ipc", "kernel/sem"],
  ["fs.mqueue.msg_max", "ipc", "fs/mqueue/msg_max"],
  ["net.ipv4.tcp_syncookies", "net", "net/ipv4/tcp_syncookies"],
  ["net/ipv4/ip_local_port_range", "net", "net/ipv4/ip_local_port_range"],
  ["net.core.somaxconn", "net", "net/core/somaxconn"],
  ["net.ipv4.conf.all.rp_filter", "net", "net/ipv4/conf/all/rp_filter"],
])("%s belongs to %s", (name, namespace, file) => {
  expect([sysctlRule(name), namespaceOf(name), sysctlFile(name)]).toEqual([undefined, namespace, file]);
});

it.each([
  ["kernel.panic", /would change the whole node/],
  ["vm.swappiness", /would change the whole node/],
  ["fs.file-max", /would change the whole node/],
  ["kernel.semx", /would change the whole node/],
  ["net.ipv4.conf.eth0.rp_filter", /before there are interfaces/],
  ["net..x", /must be the name/],
  ["Net.x", /must be the name/],
  ["net/ipv4/../../kernel/panic", /must be the name/],
  [`net.${"x".repeat(260)}`, /must be the name/],
])("refuses %s", (name, reason) => {
  expect(sysctlRule(name)).toMatch(reason);
});

it("takes dots and slashes the way sysctl(8) does", () => {
  expect(["net.ipv4.x", "net/ipv4/x", "net/ipv4/conf/a.b/x"].map(dotted)).toEqual([
    "net.ipv4.x",
    "net.ipv4.x",
    "net.ipv4.conf.a/b.x",
  ]);
});
