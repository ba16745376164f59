import { IptablesChain, IptablesRule } from "barepod";
import { iptablesChainSpec } from "../../../../provider/resources/iptables-chain";
import { iptablesRuleSpec } from "../../../../provider/resources/iptables-rule";
import type { Case } from "../case";

/** Rules without our marks: these are made of names that change with the resource's. */
const show = (chain: string, what: string) =>
  `iptables -S ${chain} 2>/dev/null | grep -- '${what}' | sed 's/ -m comment --comment \\("[^"]*"\\|[^ ]*\\)//' || :`;

/** Takes the number of the rule with `what` as \$n, and its options as the arguments. */
const find = (
  chain: string,
  what: string,
) => `n=$(iptables -S ${chain} | grep -v '^-P' | grep -n -- '${what}' | cut -d: -f1)
eval "set -- $(iptables -S ${chain} "$n")"; shift 2`;

export const rule: Case = {
  title: "IptablesRule",
  name: "rule",
  spec: iptablesRuleSpec,
  declare({ node, variant, name, options }) {
    if (variant === "absent") return;
    new IptablesRule(
      name,
      {
        node,
        chain: variant === "replaced" ? "FORWARD" : "INPUT",
        source: "10.9.8.7",
        protocol: "tcp",
        destinationPort: variant === "updated" ? 81 : 80,
        jump: "DROP",
      },
      options,
    );
  },
  look: show("INPUT", "10.9.8.7"),
  inPlace: ["destinationPort"],
  replace: ["chain"],
  remove: `${find("INPUT", "10.9.8.7")}; iptables -D INPUT "$n"`,
  change: `${find("INPUT", "10.9.8.7")}
while [ "$1" != -j ]; do set -- "$@" "$1"; shift; done; shift 2
iptables -R INPUT "$n" "$@" -j ACCEPT`,
  changed: ["jump"],
};

/** The comment is the user's: nothing on the rule tells whose it is. */
export const commentedRule: Case = {
  title: "IptablesRule with a comment",
  name: "commented",
  spec: iptablesRuleSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new IptablesRule(
      name,
      {
        node,
        chain: "INPUT",
        source: "10.9.8.6",
        comment: "conf: a rule",
        jump: variant === "replaced" ? "ACCEPT" : "DROP",
        ...adopt,
      },
      options,
    );
  },
  look: show("INPUT", "10.9.8.6"),
  replace: ["jump"],
  remove: `${find("INPUT", "10.9.8.6")}; iptables -D INPUT "$n"`,
  foreign: {
    make: "iptables -A INPUT -s 10.9.8.6 -m comment --comment 'conf: a rule' -j DROP",
    named: "filter INPUT",
    looksTheSame: true,
  },
};

export const chain: Case = {
  title: "IptablesChain",
  name: "chain",
  spec: iptablesChainSpec,
  declare({ node, variant, name, options, adopt }) {
    if (variant === "absent") return;
    new IptablesChain(
      name,
      {
        node,
        name: variant === "replaced" ? "CONF-OTHER" : "CONF",
        rules: [
          { source: "10.9.8.1", jump: "ACCEPT" },
          ...(variant === "updated" ? [{ protocol: "udp", jump: "DROP" }] : []),
        ],
        jumpFrom: [{ chain: "INPUT", source: "10.9.0.0/16", position: "first" }],
        ...adopt,
      },
      options,
    );
  },
  look: `${show("CONF", "")}\n${show("INPUT", "-j CONF$")}`,
  inPlace: ["rules"],
  replace: ["name"],
  remove: `${find("INPUT", "-j CONF$")}; iptables -D INPUT "$n"; iptables -F CONF; iptables -X CONF`,
  change: "iptables -I CONF -s 10.9.8.2 -j DROP",
  changed: ["rules"],
  foreign: { make: "iptables -N CONF && iptables -A CONF -j RETURN", named: "CONF" },
};
