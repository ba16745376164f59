# From the rules of services (files TABLE<TAB>CHAIN<TAB>RULE) to what is to be done; services.sh calls it.
#
#   word=change IDS…   the transactions that make RUN/ID.rules into RUN/ID.rules.new, for iptables-restore --noflush
#   word=heal IDS…     those that make whatever iptables-save has printed (standard input) into RUN/ID.rules.new of these
#                      services, and no other; with none of them nothing of ours is left
#   word=check IDS…    prints `broken` when that print has not RUN/ID.rules of these services
#
# Chains that belong to one service are written as a whole; in those that all share, and in the kernel's, only lines are
# added and deleted. Lines for conntrack(8) go to the file FLOWS: flows of UDP that began before a change.
BEGIN {
  FS = "\t"
  tables[1] = "filter"; tables[2] = "nat"
  make_base()
  for (i = 1; i < ARGC; i++) { id[++ids] = ARGV[i]; delete ARGV[i] }
  if (word == "change") {
    for (i = 1; i <= ids; i++) { load(run "/" id[i] ".rules", "old"); load(run "/" id[i] ".rules.new", "new") }
    for (t = 1; t <= 2; t++) change(tables[t])
    exit
  }
  FS = " "
}
# iptables-save
/^\*/ { table = substr($0, 2); next }
/^:KUBE-/ { chain = substr($1, 2); if (ours(chain)) there[table, chain] = 1; if (ours(chain)) { found[++founds] = table "\t" chain }; next }
/^-A / {
  rule = substr($0, 5 + length($2))
  if (ours($2)) { real[table, $2] = real[table, $2] rule "\n"; line[table, $2, rule] = 1 }
  else if (ours($NF) && $(NF - 1) == "-j") { line[table, $2, rule] = 1; jumps[table] = jumps[table] "-D " $2 " " rule "\n" }
}
END {
  if (word == "check") check()
  if (word == "heal") {
    if (ids > 0) for (i = 1; i <= bases; i++) know(base_table[i], base_chain[i])
    for (i = 1; i <= ids; i++) load(run "/" id[i] ".rules.new", "new")
    for (t = 1; t <= 2; t++) heal(tables[t])
  }
}

function ours(chain) {
  return chain ~ /^KUBE-(SVC|SEP|EXT|SVL|FW)-[A-Z2-7]+$/ || (("filter", chain) in is_base) || (("nat", chain) in is_base)
}
function own(chain) { return chain ~ /^KUBE-(SVC|SEP|EXT|SVL|FW)-/ }

function make_base() {
  base("nat", "PREROUTING", "-m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES")
  base("nat", "OUTPUT", "-m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES")
  base("nat", "POSTROUTING", "-m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING")
  base("nat", "KUBE-SERVICES", "-m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")
  base("nat", "KUBE-NODEPORTS", "")
  base("nat", "KUBE-MARK-MASQ", "-j MARK --set-xmark 0x4000/0x4000")
  base("nat", "KUBE-POSTROUTING", "-m mark ! --mark 0x4000/0x4000 -j RETURN")
  base("nat", "KUBE-POSTROUTING", "-j MARK --set-xmark 0x4000/0x0")
  base("nat", "KUBE-POSTROUTING", "-m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully")
  base("filter", "INPUT", portals("load balancer firewall", "KUBE-PROXY-FIREWALL"))
  base("filter", "INPUT", portals("externally-visible service portals", "KUBE-EXTERNAL-SERVICES"))
  base("filter", "FORWARD", portals("load balancer firewall", "KUBE-PROXY-FIREWALL"))
  base("filter", "FORWARD", "-m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD")
  base("filter", "FORWARD", portals("service portals", "KUBE-SERVICES"))
  base("filter", "FORWARD", portals("externally-visible service portals", "KUBE-EXTERNAL-SERVICES"))
  base("filter", "OUTPUT", portals("load balancer firewall", "KUBE-PROXY-FIREWALL"))
  base("filter", "OUTPUT", portals("service portals", "KUBE-SERVICES"))
  base("filter", "KUBE-SERVICES", "")
  base("filter", "KUBE-EXTERNAL-SERVICES", "")
  base("filter", "KUBE-PROXY-FIREWALL", "")
  base("filter", "KUBE-FORWARD", "-m conntrack --ctstate INVALID -j DROP")
  base("filter", "KUBE-FORWARD", "-m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT")
  base("filter", "KUBE-FORWARD", "-m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
}
function portals(text, target) { return "-m conntrack --ctstate NEW -m comment --comment \"kubernetes " text "\" -j " target }
function base(table, chain, rule) {
  bases++
  base_table[bases] = table; base_chain[bases] = chain; base_rule[bases] = rule
  if (chain ~ /^KUBE-/) is_base[table, chain] = 1
}

function load(file, age, text, f) {
  while ((getline text < file) > 0) { split(text, f, "\t"); note(age, f[1], f[2], f[3]) }
  close(file)
}

function know(table, chain) {
  if ((table, chain) in seen) return
  seen[table, chain] = 1
  chains[table, ++many[table]] = chain
}

function note(age, table, chain, rule) {
  know(table, chain)
  body[age, table, chain] = body[age, table, chain] rule "\n"
  rules[age, table, ++lines[age, table]] = rule
  rule_chain[age, table, lines[age, table]] = chain
  has[age, table, chain, rule] = 1
}

function change(table, i, chain, was, is, heads, out, gone) {
  heads = out = gone = ""
  for (i = 1; i <= many[table]; i++) {
    chain = chains[table, i]
    if (!own(chain)) continue
    was = body["old", table, chain]; is = body["new", table, chain]
    if (was == is) continue
    heads = heads ":" chain " - [0:0]\n"
    if (is == "") gone = gone "-X " chain "\n"
  }
  for (i = 1; i <= lines["old", table]; i++) {
    chain = rule_chain["old", table, i]
    if (!own(chain) && !(("new", table, chain, rules["old", table, i]) in has)) out = out "-D " chain " " rules["old", table, i] "\n"
    if (!(("new", table, chain, rules["old", table, i]) in has)) forget(rules["old", table, i], chain, "old")
  }
  for (i = 1; i <= lines["new", table]; i++) {
    chain = rule_chain["new", table, i]
    if (own(chain)) { if (body["old", table, chain] != body["new", table, chain]) out = out "-A " chain " " rules["new", table, i] "\n" }
    else if (!(("old", table, chain, rules["new", table, i]) in has)) {
      # The last rule of that chain stays the last.
      out = out (chain == "KUBE-SERVICES" ? "-I " : "-A ") chain " " rules["new", table, i] "\n"
      forget(rules["new", table, i], chain, "new")
    }
  }
  if (heads out gone != "") printf "*%s\n%s%s%sCOMMIT\n", table, heads, out, gone
}

# Flows of UDP that began before go on where they went: to an endpoint that is gone, or to none at all.
function forget(rule, chain, age, word, n, i, d, p) {
  if (flows == "" || rule !~ /-p udp /) return
  n = split(rule, word, " ")
  for (i = 1; i < n; i++) {
    if (word[i] == "--to-destination" && age == "old") { sub(/:[0-9]+$/, "", word[i + 1]); print "-p udp --dst-nat " word[i + 1] > flows }
    if (word[i] == "-d") { d = word[i + 1]; sub(/\/32$/, "", d) }
    if (word[i] == "--dport") p = word[i + 1]
  }
  if (!own(chain) && p != "") print "-p udp --orig-port-dst " p (d == "" ? "" : " --orig-dst " d) > flows
}

function heal(table, i, part, heads, out, gone, chain) {
  heads = out = gone = ""
  for (i = 1; i <= many[table]; i++) {
    chain = chains[table, i]
    if (chain ~ /^KUBE-/) { heads = heads ":" chain " - [0:0]\n"; stays[table, chain] = 1 }
  }
  for (i = 1; i <= founds; i++) {
    split(found[i], part, "\t")
    if (part[1] != table || ((table, part[2]) in stays)) continue
    heads = heads ":" part[2] " - [0:0]\n"
    gone = gone "-X " part[2] "\n"
  }
  for (i = 1; i <= lines["new", table]; i++) {
    out = out "-A " rule_chain["new", table, i] " " rules["new", table, i] "\n"
    forget(rules["new", table, i], rule_chain["new", table, i], "new")
  }
  for (i = 1; i <= bases; i++) {
    if (ids == 0 || base_table[i] != table || base_rule[i] == "") continue
    # In the kernel's chains before everybody else's, the first of ours first.
    if (base_chain[i] ~ /^KUBE-/) out = out "-A " base_chain[i] " " base_rule[i] "\n"
    else out = out "-I " base_chain[i] " " ++place[table, base_chain[i]] " " base_rule[i] "\n"
  }
  if (heads jumps[table] out gone != "") printf "*%s\n%s%s%s%sCOMMIT\n", table, heads, jumps[table], out, gone
}

function check(i, t, chain, broken) {
  for (i = 1; i <= bases; i++)
    if (base_rule[i] == "" ? !((base_table[i], base_chain[i]) in there) : !((base_table[i], base_chain[i], base_rule[i]) in line)) broken = 1
  for (i = 1; i <= ids; i++) load(run "/" id[i] ".rules", "old")
  for (t = 1; t <= 2; t++) {
    for (i = 1; i <= many[tables[t]]; i++) {
      chain = chains[tables[t], i]
      if (own(chain) && real[tables[t], chain] != body["old", tables[t], chain]) broken = 1
    }
    for (i = 1; i <= lines["old", tables[t]]; i++)
      if (!((tables[t], rule_chain["old", tables[t], i], rules["old", tables[t], i]) in line)) broken = 1
  }
  if (broken) print "broken"
}
