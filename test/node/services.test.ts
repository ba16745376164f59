/** The rules of Services, by the very scripts that run on a node, from files to text and into the kernel. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SandboxNode, sandboxObstacle, startSandbox } from "../harness/sandbox";

const obstacle = sandboxObstacle();
const scripts = join(__dirname, "../../provider/node-scripts");
const names = ["services.sh", "services-declare.sh", "services.awk", "services-rules.awk"];

describe.skipIf(obstacle)(`the node's Services${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  let node: SandboxNode;
  let saved: string;
  beforeAll(async () => {
    node = await startSandbox();
    await sh("mkdir -p /run/bin /run/barepod/addresses /run/barepod/process /var/lib/barepod/node");
    await sh("echo 10.244.0.0/24 > /var/lib/barepod/node/pod-cidr; echo 192.0.2.1 > /var/lib/barepod/node/address");
    for (const name of names)
      await sh(`cat > /run/bin/${name}; chmod 755 /run/bin/${name}`, readFileSync(join(scripts, name)));
    saved = await rules();
  });
  afterAll(async () => node?.[Symbol.asyncDispose]());

  async function run(line: string, stdin?: string | Uint8Array) {
    return await node.exec(["sh", "-uc", line], stdin === undefined ? {} : { stdin });
  }
  async function sh(line: string, stdin?: string | Uint8Array): Promise<string> {
    const { code, stdout, stderr } = await run(line, stdin);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: "" });
    return stdout.trim();
  }
  const rules = () => sh("iptables-save | grep '^-A\\|^:KUBE' | sed 's/ \\[.*//' || :");
  const put = (id: string, ...lines: string[]) => sh(`/run/bin/services.sh put ${id}`, spec(id, lines));
  const refusal = async (id: string, ...lines: string[]) =>
    (await run(`/run/bin/services.sh put ${id}`, spec(id, lines))).stderr.trim();
  const remove = (id: string) => sh(`/run/bin/services.sh remove ${id}`);
  function spec(id: string, lines: readonly string[]): string {
    const all = ["declared x", `service ${id.replace("_", " ")}`, "type ClusterIP", ...lines];
    return `${all.map((line) => line.replaceAll(" ", "\t")).join("\n")}\n`;
  }
  /** A pod with a keeper: any process that lives. */
  async function pod(name: string, address: string, ready = true, ...lines: string[]): Promise<void> {
    const folder = `/run/barepod/process/${name}`;
    const text = ["pod shop x", ...lines].map((line) => line.replaceAll(" ", "\t")).join("\n");
    await sh(
      `mkdir -p ${folder}; cat > ${folder}/pod.spec; echo ${address} > /run/barepod/addresses/${name}
printf 'address\\t/run/barepod/addresses/${name}\\n' > ${folder}/keeper.spec
set -- $(cat /proc/1/stat | sed 's/.*) //'); printf '1\\t%s\\n' "\${20}" > ${folder}/keeper.pid
rm -f ${folder}/keeper.ready; ${ready ? `: > ${folder}/keeper.ready` : ":"}
/run/bin/services.sh sync ${folder}`,
      `${text}\n`,
    );
  }

  test("are those of kube-proxy, for each kind of Service", async () => {
    await pod("a", "10.244.0.3", true, "label app=web", "port http tcp 8080");
    await pod("b", "10.244.0.4", true, "label app=web", "port http tcp 8081");
    await pod("c", "10.244.0.5", false, "label app=web", "port http tcp 8082");
    await pod("d", "10.244.0.6", true, "label app=other", "port http tcp 8082");
    await put("shop_plain", "clusterIP 10.96.0.20", "selector app=web", "port - tcp 80 http -");
    await put(
      "shop_all",
      "clusterIP 10.96.0.21",
      "selector app=web",
      "port a tcp 80 80 30080",
      "port b udp 53 53 -",
      "affinity 60",
      "publish",
      "externalIP 203.0.113.7",
    );
    await put(
      "shop_local",
      "clusterIP 10.96.0.22",
      "selector app=web",
      "balancer",
      "port - tcp 8888 80 30081",
      "external Local",
      "internal Local",
      "source 198.51.100.0/24",
    );
    await put("shop_none", "clusterIP 10.96.0.23", "selector app=none", "port - tcp 80 80 30082");
    await put("shop_head", "clusterIP None", "selector app=web", "port - tcp 80 80 -");
    expect(await rules()).toMatchSnapshot();
    for (const id of ["shop_plain", "shop_all", "shop_local", "shop_none", "shop_head"])
      expect({ id, found: await sh(`/run/bin/services.sh check ${id}; /run/bin/services.sh check ${id}`) }).toEqual({
        id,
        found: "",
      });
  });

  test("follow the pods", async () => {
    const count = () => sh("iptables-save -t nat | grep -c 'shop/plain -> ' || :");
    expect(await count()).toBe("2");
    await pod("c", "10.244.0.5", true, "label app=web", "port http tcp 8082");
    expect(await count()).toBe("3");
    await sh(": > /run/barepod/process/a/keeper.ending; /run/bin/services.sh sync /run/barepod/process/a");
    expect(await count()).toBe("2");
    await sh(
      "rm /run/barepod/process/a/keeper.ending; echo 1 999 > /run/barepod/process/b/keeper.pid; /run/bin/services.sh sync",
    );
    expect(await count()).toBe("2");
    expect(await sh("/run/bin/services.sh check shop_plain")).toBe("");
  });

  test("are missed, and put back without a trace of what others did to them", async () => {
    const whole = (await rules()).split("\n").sort();
    for (const harm of [
      "iptables -t nat -D KUBE-SERVICES 1",
      "iptables -t nat -F KUBE-SERVICES",
      "iptables -t nat -F $(iptables -t nat -S | sed -n 's/^-N \\(KUBE-SVC-.*\\)/\\1/p')",
      "iptables -t nat -D PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES",
      "iptables -F KUBE-FORWARD",
      "for chain in $(iptables -t nat -S | sed -n 's/^-N \\(KUBE-S[EV][PC]-.*\\)/\\1/p'); do iptables -t nat -A $chain -j ACCEPT; done",
    ]) {
      await sh(
        `set -- ${harm.includes("-F $(") ? `$(iptables -t nat -S | sed -n 's/^-N \\(KUBE-SVC-.*\\)/\\1/p')` : ""}; ${harm.includes("-F $(") ? 'for chain do iptables -t nat -F "$chain"; done' : harm}`,
      );
      const found = await sh(
        "for id in shop_plain shop_all shop_local shop_none; do /run/bin/services.sh check $id; done",
      );
      expect({ harm, found }).toEqual({ harm, found: expect.stringContaining("broken") });
      await put("shop_plain", "clusterIP 10.96.0.20", "selector app=web", "port - tcp 80 http -");
      expect({ harm, rules: (await rules()).split("\n").sort() }).toEqual({ harm, rules: whole });
    }
  });

  test("give out addresses and ports as Kubernetes does, and keep them", async () => {
    const given = async (id: string) =>
      sh(`sed -n 's/^clusterIP\\t//p; s/^port\\t.*\\t//p' /var/lib/barepod/services/${id}/spec`);
    await put("shop_auto", "clusterIP auto", "port - tcp 80 80 auto", "port u udp 80 80 auto");
    const first = await given("shop_auto");
    expect(first).toMatch(/^10\.(9[6-9]|10\d|11[01])\.\d+\.\d+\n3\d{4}\n3\d{4}$/);
    await put("shop_auto", "clusterIP auto", "port - tcp 80 81 auto", "port u udp 80 80 auto");
    expect(await given("shop_auto")).toBe(first);
    expect(await refusal("shop_thief", `clusterIP ${first.split("\n")[0]}`, "port - tcp 80 80 -")).toMatch(
      /is the address of the Service shop\/auto already$/,
    );
    expect(await refusal("shop_thief", "clusterIP auto", `port - tcp 80 80 ${first.split("\n")[1]}`)).toMatch(
      /^spec\.ports\[0\]\.nodePort: \d+ is a port of the Service shop\/auto already$/,
    );
    expect(await refusal("shop_thief", "clusterIP 10.95.0.1", "port - tcp 80 80 -")).toBe(
      "spec.clusterIP: 10.95.0.1 is not in the node's service range, 10.96.0.0/12",
    );
    expect(await refusal("shop_thief", "clusterIP auto", "port - tcp 80 80 80")).toBe(
      "spec.ports[0].nodePort: 80 is not among the node's ports for services, 30000-32767",
    );
    expect(await refusal("shop_thief", "clusterIP auto", "balancer", `port - tcp ${node.port} 80 -`)).toMatch(
      /a program listens on port \d+\/tcp of the node/,
    );
    expect(await sh("ls -d /var/lib/barepod/services/shop_thief 2>/dev/null || :")).toBe("");
    await remove("shop_auto");
    await put("shop_heir", `clusterIP ${first.split("\n")[0]}`, "port - tcp 80 80 -");
    await remove("shop_heir");
  });

  test("say so when all addresses or ports are taken", async () => {
    await sh(
      "echo 10.99.0.0/30 > /var/lib/barepod/node/service-cidr; echo 31000-31001 > /var/lib/barepod/node/node-ports",
    );
    await put("shop_one", "clusterIP auto", "port - tcp 80 80 auto");
    await put("shop_two", "clusterIP auto", "port - tcp 80 80 auto");
    expect(await refusal("shop_three", "clusterIP auto", "port - tcp 80 80 -")).toBe(
      "all addresses of the node's service range, 10.99.0.0/30, are taken",
    );
    expect(await refusal("shop_three", "clusterIP None", "port - tcp 80 80 auto")).toBe(
      "spec.ports[0].nodePort: all of the node's ports for services, 31000-31001, are taken",
    );
    await sh("rm /var/lib/barepod/node/service-cidr /var/lib/barepod/node/node-ports");
    await remove("shop_one");
    await remove("shop_two");
  });

  test("go without a trace, the last one with all chains", async () => {
    for (const id of ["shop_plain", "shop_all", "shop_local", "shop_none"]) await remove(id);
    expect(await sh("iptables-save | grep -c '^:KUBE'")).not.toBe("0");
    await remove("shop_head");
    expect(await rules()).toBe(saved);
    expect(await sh("ls -d /run/barepod/services /var/lib/barepod/services 2>/dev/null || :")).toBe("");
    await remove("shop_head");
  });

  test("are refused beside kube-proxy", async () => {
    await sh("iptables -t nat -N KUBE-SERVICES");
    expect(await refusal("shop_plain", "clusterIP auto", "port - tcp 80 80 -")).toMatch(/^the node runs kube-proxy/);
    await sh("iptables -t nat -X KUBE-SERVICES; rm -rf /run/barepod/services");
  });
});
