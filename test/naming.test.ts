import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundedName, digest, interfaceName, objectName, uidOf } from "../provider/naming";

const name = fc.oneof(fc.string({ unit: "binary", maxLength: 400 }), fc.string({ maxLength: 400 }));
const fileName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

describe("an object's name", () => {
  test("is readable, and the same every time", () => {
    expect(objectName("Mount", ["/srv/box/proc"])).toBe(objectName("Mount", ["/srv/box/proc"]));
    expect(objectName("Mount", ["/srv/box/proc"])).toMatch(/^Mount\.-srv-box-proc\.[0-9a-f]{16}$/);
  });

  test("is a file name of at most 120 bytes, whatever the identity", () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 4 }), (identity) => {
        const made = objectName("IptablesChain", identity);
        expect(made).toMatch(fileName);
        expect(Buffer.byteLength(made)).toBeLessThanOrEqual(120);
      }),
    );
  });

  test("differs for different identities", () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 3 }), fc.array(name, { maxLength: 3 }), (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b));
        expect(objectName("File", a)).not.toBe(objectName("File", b));
      }),
    );
    // What only differs in where one part ends, in case, or in what is replaced.
    const alike = [["a", "bc"], ["ab", "c"], ["abc"], ["a.bc"], ["a/bc"], ["a-bc"], ["A-bc"], ["a", "b", "c"], []];
    expect(new Set(alike.map((identity) => objectName("File", identity))).size).toBe(alike.length);
  });
});

describe("a bounded name", () => {
  test("is the given one where that is safe and short enough", () => {
    expect(boundedName("", "web", 60)).toBe("web");
    expect(boundedName("bp-", "web_1.x", 60)).toBe("bp-web_1.x");
  });

  test("keeps what is readable of others, and a hash", () => {
    expect(boundedName("", "a b", 60)).toBe(`a-b-${digest("a b", 8)}`);
    expect(boundedName("", "-n", 60)).toBe(`n-${digest("-n", 8)}`);
    expect(boundedName("", "üüü", 60)).toBe(digest("üüü", 16));
    expect(boundedName("", "x".repeat(300), 60)).toHaveLength(60);
  });

  test("is safe, short enough and its source's own, whatever that is", () => {
    fc.assert(
      fc.property(name, name, fc.integer({ min: 15, max: 250 }), (a, b, max) => {
        for (const prefix of ["", "bp-"]) {
          const [first, second] = [boundedName(prefix, a, max), boundedName(prefix, b, max)];
          expect(first).toMatch(fileName);
          expect(first.length).toBeLessThanOrEqual(max);
          if (a !== b) expect(first).not.toBe(second);
        }
      }),
    );
  });
});

test("an interface's name has 15 bytes and hangs on its seed", () => {
  expect(interfaceName("bp", "one")).toMatch(/^bp[0-9a-f]{13}$/);
  expect(interfaceName("bp", "one")).not.toBe(interfaceName("bp", "two"));
});

test("a uid has the form of a UUID and stays with its owner", () => {
  expect(uidOf("nonce/urn")).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(uidOf("nonce/urn")).toBe(uidOf("nonce/urn"));
  expect(uidOf("nonce/urn")).not.toBe(uidOf("nonce/other"));
});
