/** What a node says of AppArmor, and what is said to the user when it is not enough. */
import { expect, it } from "vitest";
import { processSpec } from "../../provider/resources/process";
import {
  type AppArmor,
  type AppArmorProfileArgs,
  obstacle,
  parseAppArmor,
} from "../../provider/resources/process-apparmor";

// Debian 12's, and what a kernel without AppArmor gives.
const loaded = `nvidia_modprobe (enforce)
nvidia_modprobe//kmod (enforce)
/usr/bin/man (complain)
two words (unconfined)
(odd) name (kill)
`;
it.each<[string, string, AppArmor]>([
  [
    "profiles",
    `Y yes\nprofiles\n${loaded}`,
    {
      enabled: true,
      parser: true,
      profiles: ["nvidia_modprobe", "nvidia_modprobe//kmod", "/usr/bin/man", "two words", "(odd) name"],
    },
  ],
  ["no profile", "Y no\nprofiles\n", { enabled: true, parser: false, profiles: [] }],
  ["no file of profiles", "Y yes\n", { enabled: true, parser: true }],
  ["no AppArmor", "N no\n", { enabled: false, parser: false }],
])("reads a node with %s", (_name, output, found) => {
  expect(parseAppArmor(output)).toEqual(found);
});

const whole: AppArmor = { enabled: true, parser: true, profiles: ["web"] };
const runtimeDefault = { type: "RuntimeDefault" } as const;
const web = { type: "Localhost", localhostProfile: "web" } as const;
it.each<[string, AppArmorProfileArgs | undefined, Partial<AppArmor>, RegExp | undefined]>([
  ["no profile without AppArmor", undefined, { enabled: false }, undefined],
  ["Unconfined without AppArmor", { type: "Unconfined" }, { enabled: false }, undefined],
  ["Localhost without AppArmor", web, { enabled: false }, /^appArmorProfile: AppArmor is not enabled .* edge-1/],
  ["RuntimeDefault without AppArmor", runtimeDefault, { enabled: false }, /AppArmor is not enabled in the kernel/],
  ["Localhost", web, {}, undefined],
  ["Localhost without the parser", web, { parser: false }, undefined],
  [
    "a profile that is not loaded",
    { ...web, localhostProfile: "we" },
    {},
    /localhostProfile: no profile "we" is loaded/,
  ],
  ["RuntimeDefault", runtimeDefault, {}, undefined],
  [
    "RuntimeDefault without the parser",
    runtimeDefault,
    { parser: false },
    /lacks apparmor_parser.*install -y apparmor/,
  ],
])("decides on %s", (_name, profile, found, problem) => {
  const { path, reason } = obstacle(profile, { ...whole, ...found }, "edge-1") ?? {};
  if (problem === undefined) expect(path).toBeUndefined();
  else expect(`${path}: ${reason}`).toMatch(problem);
});

it("says what cannot be read", () => {
  expect(obstacle(web, { enabled: true, parser: true }, "edge-1")?.reason).toMatch(/mount securityfs/);
});

const inputs = (own: object) => ({ name: "x", running: true, command: ["true"], ...own }) as never;
it.each<[string, object, RegExp]>([
  ["Localhost without a name", { appArmorProfile: { type: "Localhost" } }, /is required: the name of a profile/],
  ["a name without Localhost", { appArmorProfile: { ...runtimeDefault, localhostProfile: "x" } }, /belongs to type/],
  ["a privileged container", { privileged: true, appArmorProfile: runtimeDefault }, /does not confine a privileged/],
])("refuses %s before a node is asked", (_name, own, reason) => {
  expect(processSpec.check?.(inputs(own))?.map((problem) => problem.reason)).toEqual([expect.stringMatching(reason)]);
});
