import fc from "fast-check";
import { expect, it } from "vitest";
import { unknownValue } from "../provider/fields";
import { absentText } from "../provider/frame";
import { digest } from "../provider/naming";
import { ownerName, packed, stickyOwner, unpacked } from "../provider/owner";

const first = { owner: "1234", resourceUrn: "urn:pulumi:a" };
const whole = "1234/urn:pulumi:a";

it("reads the full name from the nonce and the URN, and as an earlier release wrote it", () => {
  expect(ownerName(first)).toBe(whole);
  expect(ownerName({ owner: whole, resourceUrn: "urn:pulumi:b" })).toBe(whole);
  expect(ownerName({ owner: whole })).toBe(whole);
  expect(ownerName({ ...first, owner: unknownValue })).toBe(unknownValue);
});

it("keeps the name that a resource has had from the first, however often it is renamed", () => {
  expect(stickyOwner({}, first)).toBe("1234");
  expect(stickyOwner(first, first)).toBe("1234");
  const second = { owner: stickyOwner(first, { ...first, resourceUrn: "urn:pulumi:b" }), resourceUrn: "urn:pulumi:b" };
  expect(second.owner).toBe(whole);
  expect(stickyOwner(second, { ...first, resourceUrn: "urn:pulumi:c" })).toBe(whole);
  // Under its first name again, and with a node that has become another.
  expect(stickyOwner(second, first)).toBe(whole);
  expect(stickyOwner(first, { ...first, owner: "5678" })).toBe("1234");
  expect(stickyOwner(first, { ...first, owner: unknownValue })).toBe("1234");
});

it("keeps of an observation all but what the name tells, and gives the whole text back", () => {
  const other = `owner ${digest("5678/urn:x")} boot 7 5678/urn:x`;
  const text = `${other}\nowner ${digest(whole)} boot 42 ${whole}\nident 42\nowner . is no claim\n`;
  const short = packed(text, whole);
  expect(short).toBe(`${other}\nowner . boot 42\nident 42\nowner . is no claim\n`);
  expect(unpacked(short, whole)).toBe(text);
  // As an earlier release kept it.
  expect(unpacked(text, whole)).toBe(text);
  expect(packed(absentText, whole)).toBe(absentText);
});

it("gives every text back as it was, or keeps none", () => {
  const line = fc.constantFrom(
    "",
    "owner ",
    "owner . ",
    "owner . a b",
    `owner ${digest(whole)} boot - ${whole}`,
    "fact",
    whole,
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const text = lines.join("\n");
      const kept = packed(text, whole);
      expect([text, absentText]).toContain(kept === absentText ? kept : unpacked(kept, whole));
    }),
  );
});
