/** A Service of a node, from its declaration and its rules. */
import { quote } from "../command/quote";
import type { Fact } from "../frame";

/** A Service as the node has it. */
export interface ServiceState {
  /** What tells its declaration from others. */
  readonly declared: string;
  /** Its address; empty where it has none. */
  readonly clusterIP: string;
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly port: number;
    readonly nodePort: number;
  }[];
  /** Addresses of the node that a load balancer would have. */
  readonly ingress: readonly string[];
  /** Whether its rules are in force. */
  readonly whole: boolean;
}

/** Where Services are declared on a node. */
const servicesFolder = "/var/lib/barepod/services";

/** The Service of an id, `NAMESPACE_NAME`. The program that made its rules says whether they are in force. */
export function serviceAt(id: string): Fact<ServiceState> {
  return {
    script: `d=${quote(`${servicesFolder}/${id}`)}
[ -e "$d/spec" ] || return 0
cat -- "$d/spec" || return
program=
{ read -r program < "$d/program"; } 2>/dev/null
if [ -x "$program" ]; then "$program" check ${quote(id)}; else echo broken; fi`,
    parse: (text) => {
      const lines = text.split("\n").map((line) => line.split("\t"));
      const all = (key: string) => lines.filter(([found]) => found === key).map(([, ...rest]) => rest);
      const address = all("clusterIP")[0]?.[0] ?? "";
      return {
        declared: all("declared")[0]?.[0] ?? "",
        clusterIP: address === "-" ? "" : address,
        ports: all("port").map(([name = "-", protocol = "", port, , nodePort]) => ({
          name: name === "-" ? "" : name,
          protocol: protocol.toUpperCase(),
          port: Number(port),
          nodePort: nodePort === "-" ? 0 : Number(nodePort),
        })),
        ingress: all("ingress").map(([address = ""]) => address),
        whole: !lines.some(([key]) => key === "broken"),
      };
    },
  };
}

/** Endpoints that are declared, as the node has them. */
export interface DeclaredEndpoints {
  readonly text: string;
}

/** The endpoints of an id, `NAMESPACE_NAME`. */
export function endpointsAt(id: string): Fact<DeclaredEndpoints> {
  return {
    script: `f=${quote(`${servicesFolder}/.slices/${id}`)}
[ ! -e "$f" ] || cat -- "$f"`,
    parse: (text) => ({ text: text.replace(/\n+$/, "") }),
  };
}
