import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  CAPABILITIES,
  capabilitiesOf,
  capabilityMask,
  capabilityMasks,
  DEFAULT_CAPABILITIES,
} from "../../provider/kubernetes/capabilities";

const request = (addCapabilities: string[] = [], dropCapabilities: string[] = [], privileged = false) => ({
  addCapabilities,
  dropCapabilities,
  privileged,
});

describe("capabilities", () => {
  it("knows all 41, by the kernel's numbers", () => {
    expect(CAPABILITIES).toHaveLength(41);
    expect(CAPABILITIES.indexOf("SYS_ADMIN")).toBe(21);
    expect(CAPABILITIES.indexOf("CHECKPOINT_RESTORE")).toBe(40);
    expect(DEFAULT_CAPABILITIES).toHaveLength(13);
  });

  it.each([
    // The default is what containers of CRI-O and Podman show: containerd's a80425fb without MKNOD.
    ["nothing asked for", request(), "00000000a00425fb"],
    ["one more", request(["NET_ADMIN"]), "00000000a00435fb"],
    ["one less", request([], ["NET_RAW"]), "00000000a00405fb"],
    ["all", request(["ALL"]), "000001ffffffffff"],
    ["all but one", request(["ALL"], ["SYS_ADMIN"]), "000001ffffdfffff"],
    ["none", request([], ["ALL"]), "0000000000000000"],
    ["none but one", request(["NET_BIND_SERVICE"], ["ALL"]), "0000000000000400"],
    ["none wins over all", request(["ALL"], ["ALL"]), "0000000000000000"],
    ["dropped after added", request(["SYS_TIME"], ["SYS_TIME"]), "00000000a00425fb"],
    ["privileged, whatever is dropped", request([], ["ALL"], true), "000001ffffffffff"],
  ])("%s", (_, asked, mask) => expect(capabilityMask(capabilitiesOf(asked))).toBe(mask));

  it("leaves out what an older kernel does not know", () => {
    expect(capabilityMasks(request(["ALL"]), 37)).toEqual({
      bounding: "0000003fffffffff",
      effective: "0000003fffffffff",
      inheritable: "0000000000000000",
      ambient: "0000000000000000",
    });
  });

  it("has the numbers of this machine's kernel header, where there is one", (context) => {
    let header: string;
    try {
      header = readFileSync("/usr/include/linux/capability.h", "utf8");
    } catch {
      // No kernel headers installed: the counts above still hold.
      context.skip();
      return;
    }
    const numbers = [...header.matchAll(/^#define CAP_([A-Z_]+)\s+(\d+)$/gm)].filter(([, name]) => name !== "LAST_CAP");
    for (const [, name, number] of numbers) expect(CAPABILITIES[Number(number)]).toBe(name);
  });
});
