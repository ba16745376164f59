# What the Services of a node look like as rules: a function from declarations and pods to text, in the words of kube-proxy's
# iptables mode (pkg/proxy/iptables/proxier.go). services.sh feeds it, lines `WORD<TAB>…`:
#
#   N TEXT NAME            a name that is known: the first 16 characters of base32(sha256(TEXT))
#   C RANGE                the node's pod range
#   P DIR ADDRESS STATE    a pod that runs: its address, and ready or not; the lines of its pod.spec follow
#   E FILE                 endpoints that are declared: lines `slice NAMESPACE SERVICE` and `endpoint PORT|- PROTOCOL IP NUMBER here|-`
#   S ID FILE              a service, by its declaration; services-declare.sh tells the lines of both
#
# phase=names prints the texts whose names are missing, phase=select the services that select the one pod that is fed, phase=rules
# writes RUN/ID.rules.new for each: lines TABLE<TAB>CHAIN<TAB>RULE, as iptables-save prints them.
BEGIN { FS = "\t" }
$1 == "N" { name[$2] = $3; next }
$1 == "C" { range = $2; next }
$1 == "E" { read_slice($2); next }
$1 == "P" { address[++count] = $3; ready[count] = $4 == "ready"; next }
$1 == "pod" { space[count] = $2; next }
$1 == "label" { label[count, $2] = 1; holders[space[count], $2] = holders[space[count], $2] " " count; next }
$1 == "port" { number[count, $2, $3] = $4; next }
$1 == "S" {
  read_service($3)
  if (phase == "select") { if (count > 0 && selects(1)) print $2; next }
  find_endpoints()
  if (phase == "names") { ask_names(); next }
  out = run "/" $2 ".rules.new"
  printf "" > out
  for (p = 1; p <= ports; p++) if (has_address) render(p)
  close(out)
}

function read_slice(file, line, f, key, n) {
  while ((getline line < file) > 0) {
    split(line, f, "\t")
    if (f[1] == "slice") key = f[2] "/" f[3]
    else if (f[1] == "endpoint") {
      n = ++explicit[key]
      its_port[key, n] = f[2]; its_proto[key, n] = f[3]; its_target[key, n] = f[4] ":" f[5]; its_place[key, n] = f[6] == "here"
    }
  }
  close(file)
}

function read_service(file, line, f) {
  ns = svc = ip = affinity = internal = external = publish = ""
  selectors = ports = externals = ingresses = sources = 0
  while ((getline line < file) > 0) {
    split(line, f, "\t")
    if (f[1] == "service") { ns = f[2]; svc = f[3] }
    else if (f[1] == "clusterIP") ip = f[2]
    else if (f[1] == "selector") selector[++selectors] = f[2]
    else if (f[1] == "port") {
      ports++
      title[ports] = ns "/" svc (f[2] == "-" ? "" : ":" f[2])
      port_name[ports] = f[2]; proto[ports] = f[3]; port[ports] = f[4]; target[ports] = f[5]; node_port[ports] = f[6]
    }
    else if (f[1] == "affinity") affinity = f[2]
    else if (f[1] == "internal") internal = f[2]
    else if (f[1] == "external") external = f[2]
    else if (f[1] == "publish") publish = 1
    else if (f[1] == "externalIP") external_ip[++externals] = f[2]
    else if (f[1] == "ingress") ingress[++ingresses] = f[2]
    else if (f[1] == "source") source[++sources] = f[2]
  }
  close(file)
  has_address = ip ~ /^[0-9]/
}

function selects(n, i) {
  if (selectors == 0 || space[n] != ns) return 0
  for (i = 1; i <= selectors; i++) if (!((n, selector[i]) in label)) return 0
  return 1
}

function find_endpoints(p, n, i, at, key, some, candidate) {
  key = ns "/" svc
  # One label leaves few pods of many.
  some = selectors == 0 ? 0 : split(holders[ns, selector[1]], candidate, " ")
  for (p = 1; p <= ports; p++) {
    endpoints[p] = 0
    for (i = 1; i <= some; i++) {
      n = candidate[i] + 0
      if (!(ready[n] || publish) || !selects(n)) continue
      at = target[p]
      if (at !~ /^[0-9]+$/) at = (n, at, proto[p]) in number ? number[n, at, proto[p]] : ""
      if (at != "") add(p, address[n] ":" at, 1)
    }
    for (i = 1; i <= explicit[key]; i++)
      if (its_port[key, i] == port_name[p] && its_proto[key, i] == proto[p]) add(p, its_target[key, i], its_place[key, i])
  }
}

function add(p, at, is_local, i) { # in their order, each once
  for (i = 1; i <= endpoints[p]; i++) if (endpoint[p, i] == at) return
  for (i = ++endpoints[p]; i > 1 && endpoint[p, i - 1] > at; i--) {
    endpoint[p, i] = endpoint[p, i - 1]; is_here[p, i] = is_here[p, i - 1]
  }
  endpoint[p, i] = at; is_here[p, i] = is_local
}

function ask_names(p, i) {
  for (p = 1; p <= ports; p++) {
    ask(title[p] proto[p])
    for (i = 1; i <= endpoints[p]; i++) ask(title[p] proto[p] endpoint[p, i])
  }
}
function ask(text) { if (!(text in name)) { print text; name[text] = "" } }

function chain(kind, p) { return "KUBE-" kind "-" name[title[p] proto[p]] }
function leaf(p, i) { return "KUBE-SEP-" name[title[p] proto[p] endpoint[p, i]] }
function nat(where, rule) { print "nat\t" where "\t" rule > out }
function filter(where, rule) { print "filter\t" where "\t" rule > out }
function says(text) { return "-m comment --comment \"" text "\"" }
function to(p, text, number) { return "-p " proto[p] " " says(title[p] text) " -m " proto[p] " --dport " number }

function render(p, i, here, inner, outer, is_open, usable, way) {
  here = 0
  for (i = 1; i <= endpoints[p]; i++) here += is_here[p, i]
  inner = internal == "Local" ? here : endpoints[p]
  outer = external == "Local" ? here : endpoints[p]
  is_open = node_port[p] != "-" || externals > 0 || ingresses > 0
  for (i = 1; i <= endpoints[p]; i++) render_endpoint(p, i)
  # All of them: what comes from the node's inside, and of both policies that are not Local.
  if (internal != "Local" && inner > 0 || is_open && outer > 0)
    balance(chain("SVC", p), p, 0, internal == "Local" ? "" : "masquerade")
  if (internal == "Local" && inner > 0 || is_open && external == "Local" && outer > 0)
    balance(chain("SVL", p), p, 1, internal == "Local" ? "masquerade" : "")
  if (inner > 0) nat("KUBE-SERVICES", "-d " ip "/32 " to(p, " cluster IP", port[p]) " -j " chain(internal == "Local" ? "SVL" : "SVC", p))
  else refuse(p, "KUBE-SERVICES", "-d " ip "/32 ", port[p], internal == "Local" && endpoints[p] > 0)
  if (!is_open) return
  way = chain("EXT", p)
  if (outer > 0) {
    if (external == "Local") {
      nat(way, "-s " range " " says("pod traffic for " title[p] " external destinations") " -j " chain("SVC", p))
      nat(way, says("masquerade LOCAL traffic for " title[p] " external destinations") " -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ")
      nat(way, says("route LOCAL traffic for " title[p] " external destinations") " -m addrtype --src-type LOCAL -j " chain("SVC", p))
      nat(way, "-j " chain("SVL", p))
    } else {
      nat(way, says("masquerade traffic for " title[p] " external destinations") " -j KUBE-MARK-MASQ")
      nat(way, "-j " chain("SVC", p))
    }
  }
  usable = external == "Local" && endpoints[p] > 0
  for (i = 1; i <= externals; i++) {
    if (outer > 0) nat("KUBE-SERVICES", "-d " external_ip[i] "/32 " to(p, " external IP", port[p]) " -j " way)
    else refuse(p, "KUBE-EXTERNAL-SERVICES", "-d " external_ip[i] "/32 ", port[p], usable)
  }
  for (i = 1; i <= ingresses; i++) {
    if (outer > 0) nat("KUBE-SERVICES", "-d " ingress[i] "/32 " to(p, " loadbalancer IP", port[p]) " -j " (sources > 0 ? chain("FW", p) : way))
    else refuse(p, "KUBE-EXTERNAL-SERVICES", "-d " ingress[i] "/32 ", port[p], usable)
    if (sources > 0 && outer > 0)
      filter("KUBE-PROXY-FIREWALL", "-d " ingress[i] "/32 " to(p, " traffic not accepted by " chain("FW", p), port[p]) " -j DROP")
  }
  if (ingresses > 0 && sources > 0 && outer > 0) {
    for (i = 1; i <= sources; i++) nat(chain("FW", p), (source[i] == "0.0.0.0/0" ? "" : "-s " source[i] " ") says(title[p] " loadbalancer IP") " -j " way)
    nat(chain("FW", p), says("other traffic to " title[p] " will be dropped by KUBE-PROXY-FIREWALL"))
  }
  if (node_port[p] == "-") return
  if (outer > 0) nat("KUBE-NODEPORTS", to(p, "", node_port[p]) " -j " way)
  else refuse(p, "KUBE-EXTERNAL-SERVICES", "", node_port[p], usable)
}

function render_endpoint(p, i, sep, at) {
  sep = leaf(p, i)
  at = endpoint[p, i]
  sub(/:[0-9]+$/, "", at)
  nat(sep, "-s " at "/32 " says(title[p]) " -j KUBE-MARK-MASQ")
  nat(sep, "-p " proto[p] " " says(title[p]) (affinity == "" ? "" : " -m recent --set --name " sep " --mask 255.255.255.255 --rsource") \
    " -m " proto[p] " -j DNAT --to-destination " endpoint[p, i])
}

function balance(where, p, only_here, masquerade, i, left, share) {
  if (masquerade != "") nat(where, "! -s " range " -d " ip "/32 " to(p, " cluster IP", port[p]) " -j KUBE-MARK-MASQ")
  left = 0
  for (i = 1; i <= endpoints[p]; i++) {
    if (only_here && !is_here[p, i]) continue
    left++
    if (affinity != "")
      nat(where, says(title[p] " -> " endpoint[p, i]) " -m recent --rcheck --seconds " affinity " --reap --name " leaf(p, i) " --mask 255.255.255.255 --rsource -j " leaf(p, i))
  }
  for (i = 1; i <= endpoints[p]; i++) {
    if (only_here && !is_here[p, i]) continue
    # As the kernel keeps it: in parts of 2^31.
    share = left < 2 ? "" : sprintf(" -m statistic --mode random --probability %.11f", int(2147483648 * sprintf("%.10f", 1 / left) + 0.5) / 2147483648)
    nat(where, says(title[p] " -> " endpoint[p, i]) share " -j " leaf(p, i))
    left--
  }
}

function refuse(p, where, destination, number, elsewhere) { # at once; other nodes would have an endpoint: not a word
  if (elsewhere) filter(where, destination refused(p, " has no local endpoints", destination, number) " -j DROP")
  else filter(where, destination refused(p, " has no endpoints", destination, number) " -j REJECT --reject-with icmp-port-unreachable")
}
function refused(p, text, destination, number) {
  return "-p " proto[p] " " says(title[p] text) (destination == "" ? " -m addrtype --dst-type LOCAL" : "") " -m " proto[p] " --dport " number
}
