/** AppArmor, which a sandbox node has none of: profiles seen from inside, and what they refuse. */
import { Node, Pod } from "barepod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../../../provider/kubernetes/container-types";
import { type Outcome, openStack, type Stack } from "../../harness/engine";
import type { NodeSnapshot } from "../../harness/snapshot";
import { Machine, minutes } from "./machine";

const profiles = "/sys/kernel/security/apparmor/profiles";
/** Everything, but writing there. */
const profile = `profile barepod-test flags=(attach_disconnected) {
  file, network, capability, signal, ptrace, mount, umount, pivot_root, unix,
  deny /srv/secret/** w,
}`;
const attempts = `read -r profile < /proc/self/attr/current && echo "$profile"
mkdir -p /srv/secret /srv/other /srv/mount
{ echo x > /srv/secret/file; } 2>/dev/null && echo secret || echo "no secret"
{ echo x > /srv/other/file; } 2>/dev/null && echo other || echo "no other"
mount -t tmpfs none /srv/mount 2>/dev/null && echo mount || echo "no mount"
exec sleep 100000`;

describe("AppArmor on a machine that has it", { timeout: 10 * minutes }, () => {
  let machine: Machine;
  let before: NodeSnapshot;
  let stack: Stack;
  let loaded: string;
  const sh = (line: string) => machine.sh(line);
  const changes = ({ steps }: Outcome) => steps.filter(({ op }) => op !== "same");

  beforeAll(async () => {
    machine = await Machine.start("apparmor");
    before = await machine.snapshot();
    loaded = await sh(`cat ${profiles}`);
    stack = await openStack("vm-apparmor", () => program({ pods: 2 }));
  }, 30 * minutes);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
  }, minutes);

  const localhost = { type: "Localhost", localhostProfile: "barepod-test" };
  /** Ready, if what `launcher exec` runs has this profile. */
  const seenByProbe = (expected: string): Partial<Container> => ({
    readinessProbe: {
      exec: { command: ["sh", "-c", `read -r own < /proc/self/attr/current && [ "$own" = "${expected}" ]`] },
      periodSeconds: 1,
      failureThreshold: 100,
      timeoutSeconds: 20,
    },
  });

  function program({ pods }: { readonly pods: number }): void {
    const on = new Node("edge", { connection: machine.connection });
    const container = (name: string, securityContext: Container["securityContext"], more: Partial<Container> = {}) => ({
      name,
      image: "host:sh,mkdir,mount,sleep",
      command: ["sh", "-c", attempts],
      securityContext,
      ...more,
    });
    const mounts = { capabilities: { add: ["SYS_ADMIN"] } };
    new Pod("several", {
      on,
      metadata: {
        annotations: { "container.apparmor.security.beta.kubernetes.io/annotated": "localhost/barepod-test" },
      },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          container("plain", mounts),
          container("unconfined", { ...mounts, appArmorProfile: { type: "Unconfined" } }),
          container("named", { ...mounts, appArmorProfile: localhost }, seenByProbe("barepod-test (enforce)")),
          // All that the profile's change must get past, and a user who may not change it.
          container("annotated", {
            runAsUser: 0,
            allowPrivilegeEscalation: false,
            seccompProfile: { type: "RuntimeDefault" },
          }),
        ],
      },
    });
    for (let i = 0; i < pods; i++) {
      new Pod(`default-${i}`, {
        on,
        spec: {
          terminationGracePeriodSeconds: 0,
          securityContext: { appArmorProfile: { type: "RuntimeDefault" } },
          containers: [container("app", mounts), container("privileged", { privileged: true })],
        },
      });
    }
  }

  const log = async (pod: string, container: string, lines: number) =>
    (
      await machine.eventually(
        `f=/var/log/containers/${pod}_default_${container}-*.log; [ $(grep -c . $f) -ge ${lines} ] && cut -d' ' -f4- $f`,
      )
    ).split("\n");
  const current = async (pod: string, container: string) =>
    await sh(`cat /proc/$(cut -f2 /run/barepod/process/default_${pod}/${container}/status)/attr/current`);

  test("refuses a pod whose profile is not loaded", async () => {
    const { errors } = await stack.up({ mayFail: true });
    expect([...errors.values()].join("\n")).toMatch(
      /containers\[\d\]\.appArmorProfile\.localhostProfile: no profile "barepod-test" is loaded on edge/,
    );
    expect(await sh("ls -A /run/barepod/process")).not.toContain("several");
  });

  test("confines what asks for a profile, its probes too, and nothing else", async () => {
    await sh(
      `cat > /etc/apparmor.d/barepod-test <<'E'\n${profile}\nE\napparmor_parser -r /etc/apparmor.d/barepod-test`,
    );
    await stack.up();
    const free = ["unconfined", "secret", "other", "mount"];
    expect(await log("several", "plain", 4)).toEqual(free);
    expect(await log("several", "unconfined", 4)).toEqual(free);
    expect(await log("several", "named", 4)).toEqual(["barepod-test (enforce)", "no secret", "other", "mount"]);
    expect(await log("several", "annotated", 4)).toEqual(["barepod-test (enforce)", "no secret", "other", "no mount"]);
    const [own, ...rest] = await log("default-0", "app", 4);
    expect(own).toMatch(/^barepod-default-[0-9a-f]{8} \(enforce\)$/);
    expect(rest).toEqual(["secret", "other", "no mount"]);
    expect(await log("default-0", "privileged", 4)).toEqual(free);
    expect(changes(await stack.up())).toEqual([]);
    expect(changes(await stack.refresh())).toEqual([]);
  });

  test("loads the default profile once, and keeps it for as long as a container has it", async () => {
    expect(await sh(`grep -c ^barepod-default ${profiles}`)).toBe("1");
    await stack.up({ program: () => program({ pods: 1 }) });
    expect(await current("default-0", "app")).toMatch(/^barepod-default-/);
  });

  test(
    "confines the same after a reboot",
    async () => {
      const boot = await sh("cat /proc/sys/kernel/random/boot_id");
      await sh("systemctl --no-block reboot");
      await machine.eventually(`[ "$(cat /proc/sys/kernel/random/boot_id)" != ${boot} ]`, 14 * minutes);
      const label = (pod: string, container: string) =>
        machine
          .eventually(`grep -q ^running /run/barepod/process/default_${pod}/${container}/status`, 5 * minutes)
          .then(() => current(pod, container));
      expect(await label("several", "named")).toBe("barepod-test (enforce)");
      expect(await label("several", "plain")).toBe("unconfined");
      expect(await label("default-0", "app")).toMatch(/^barepod-default-/);
    },
    25 * minutes,
  );

  test("takes the default profile away with the last container, and leaves the others alone", async () => {
    await stack.destroy();
    expect(await sh(`grep -v '^barepod-test ' ${profiles}`)).toBe(loaded);
    await sh("apparmor_parser -R /etc/apparmor.d/barepod-test && rm /etc/apparmor.d/barepod-test");
    expect(await machine.snapshot()).toEqual(before);
  });
});
