/** How a pod is called, whom it knows, and whose namespaces it is in. */
import { atOnce, type FieldCase, idle } from "./case";

const environ = (name: string) => `tr '\\0' '\\n' < /proc/1/environ | sed -n 's/^${name}=//p'`;
const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
/** Sees what the metadata say. */
const reader = {
  ...idle,
  env: [
    field("NAME", "metadata.name"),
    field("NAMESPACE", "metadata.namespace"),
    field("LABEL", "metadata.labels['app']"),
    field("NOTE", "metadata.annotations['note']"),
  ],
};
const options = { name: "ndots", value: "7" };

export const nameCases: FieldCase[] = [
  {
    name: "metadata",
    metadata: { name: "otherwise", namespace: "space", labels: { app: "web" }, annotations: { note: "a note" } },
    spec: { ...atOnce, containers: [{ ...reader, name: "called" }] },
    control: { ...atOnce, containers: [reader] },
    looks: [
      {
        fields: ["metadata.name"],
        container: "called",
        inside: environ("NAME"),
        sees: "otherwise",
        without: "metadata-without",
      },
      {
        fields: ["metadata.namespace"],
        container: "called",
        inside: environ("NAMESPACE"),
        sees: "space",
        without: "default",
      },
      { fields: ["metadata.labels"], container: "called", inside: environ("LABEL"), sees: "web", without: "" },
      { fields: ["metadata.annotations"], container: "called", inside: environ("NOTE"), sees: "a note", without: "" },
      {
        fields: ["metadata.name", "metadata.namespace", "spec.containers[].name"],
        container: "called",
        outside: "cd /var/log/containers; ls | sed 's/-[0-9a-f]*[.]log$//' | grep -e ^otherwise_ -e ^metadata-without_",
        sees: /^otherwise_space_called$/m,
        without: /^metadata-without_default_main$/m,
      },
    ],
  },
  {
    name: "named",
    spec: {
      ...atOnce,
      hostname: "front",
      subdomain: "sites",
      setHostnameAsFQDN: true,
      hostAliases: [{ ip: "192.0.2.7", hostnames: ["db", "db.example"] }],
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["192.0.2.54"], searches: ["mine.example"], options: [options, { name: "rotate" }] },
      containers: [idle],
    },
    control: { ...atOnce, containers: [idle] },
    looks: [
      {
        fields: ["spec.hostname", "spec.subdomain", "spec.setHostnameAsFQDN"],
        inside: "hostname",
        sees: "front.sites.default.svc.cluster.local",
        without: /-without$/,
      },
      {
        fields: ["spec.subdomain", "spec.hostname"],
        inside: "sed -n 's/.*\\t\\(.*\\.svc\\)/\\1/p' /etc/hosts",
        sees: "front.sites.default.svc.cluster.local\tfront",
        without: "",
      },
      {
        fields: ["spec.hostAliases[].ip", "spec.hostAliases[].hostnames[]"],
        inside: "grep 192.0.2.7 /etc/hosts || echo none",
        sees: "192.0.2.7\tdb\tdb.example",
        without: "none",
      },
      {
        fields: [
          "spec.dnsPolicy",
          "spec.dnsConfig.nameservers[]",
          "spec.dnsConfig.searches[]",
          "spec.dnsConfig.options[].name",
          "spec.dnsConfig.options[].value",
        ],
        inside: "cat /etc/resolv.conf",
        sees: "search mine.example\nnameserver 192.0.2.54\noptions ndots:7 rotate",
        without: "search example.com\nnameserver 192.0.2.53",
      },
    ],
  },
  {
    name: "overridden",
    spec: { ...atOnce, hostnameOverride: "db.example.org", containers: [idle] },
    control: { ...atOnce, containers: [idle] },
    looks: [{ fields: ["spec.hostnameOverride"], inside: "hostname", sees: "db.example.org", without: /-without$/ }],
  },
  {
    name: "host",
    spec: { ...atOnce, hostNetwork: true, hostIPC: true, hostPID: true, containers: [idle] },
    control: { ...atOnce, containers: [idle] },
    looks: [
      { fields: ["spec.hostNetwork"], inside: "ls /sys/class/net | grep -c '^bp'", sees: /^[1-9]/, without: "0" },
      { fields: ["spec.hostIPC"], inside: "ls /dev/shm", sees: /of-the-node/, without: "" },
      {
        fields: ["spec.hostPID"],
        inside: "tr '\\0' ' ' < /proc/1/cmdline",
        sees: /^(?!busybox sleep).+/,
        without: "busybox sleep 100000",
      },
    ],
  },
  {
    name: "family",
    spec: { ...atOnce, shareProcessNamespace: true, containers: [idle, { ...idle, name: "other" }] },
    control: { ...atOnce, containers: [idle, { ...idle, name: "other" }] },
    looks: [
      {
        fields: ["spec.shareProcessNamespace"],
        inside:
          "for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $each; echo; done | grep -c '^busybox sleep 100000'",
        sees: "2",
        without: "1",
      },
    ],
  },
];
