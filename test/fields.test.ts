import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../provider/errors";
import {
  boolean,
  type Field,
  integer,
  list,
  object,
  oneOf,
  optional,
  parsed,
  path,
  record,
  required,
  text,
  unknownValue,
} from "../provider/fields";

const reasons = (field: Field, value: unknown) => field(value, "f").map(({ path: at, reason }) => `${at}: ${reason}`);

describe("a text", () => {
  const field = text({ max: 10 });
  test.each<[string, unknown, string]>([
    ["another type", 7, "f: must be text, not a number"],
    ["null", null, "f: must be text, not null"],
    ["a list", ["x"], "f: must be text, not a list"],
    ["nothing in it", "", "f: must not be empty"],
    ["more bytes than fit", "üüüüüü", "f: is 12 bytes long; at most 10 are possible"],
    ["a NUL byte", "a\0b", "f: must not contain a NUL byte"],
    ["a newline", "a\nb", "f: must not contain control characters such as a newline or a tab"],
    ["DEL", "a\u007f", "f: must not contain control characters such as a newline or a tab"],
    ["half a character", "a\ud800", "f: must be well-formed Unicode"],
  ])("cannot have %s", (_, value, reason) => {
    expect(reasons(field, value)).toEqual([reason]);
  });

  test("takes what is odd but possible", () => {
    for (const value of ["$(id)", "-n", "it's", 'a"b', "a b", "ü", "😀", "*"])
      expect(reasons(field, value)).toEqual([]);
    expect(reasons(text({ max: 9, empty: true, controls: true }), "a\nb\t")).toEqual([]);
  });

  test("names the form that it must have", () => {
    expect(reasons(text({ max: 9, pattern: /^a+$/, form: "only a" }), "ab")).toEqual(["f: must be only a"]);
    expect(reasons(text({ max: 9, pattern: /^a+$/ }), "ab")).toEqual(["f: must be of the form ^a+$"]);
  });
});

describe("a path", () => {
  test.each<[string, string]>([
    ["srv/box", "must be an absolute path (start with /)"],
    ["./box", "must be an absolute path (start with /)"],
    ["~/box", "must be an absolute path (start with /)"],
    ["/", "must not be / itself"],
    ["/srv/../etc", "must not contain .. segments"],
    ["/..", "must not contain .. segments"],
    ["/srv/./box", "must be in its shortest form (no //, no . segment, no / at the end)"],
    ["/srv//box", "must be in its shortest form (no //, no . segment, no / at the end)"],
    ["/srv/", "must be in its shortest form (no //, no . segment, no / at the end)"],
    [`/${"x".repeat(256)}`, "has a segment longer than 255 bytes, which no Linux file system takes"],
    [`/${"x/".repeat(2048)}x`, "is 4098 bytes long; at most 4095 are possible"],
  ])("cannot be %j", (value, reason) => {
    expect(reasons(path(), value)).toEqual([`f: ${reason}`]);
  });

  test("takes every name that the kernel takes", () => {
    for (const value of ["/...", "/-rf", "/a b", "/$(id)", "/it's", "/üü", "/..a", `/${"x".repeat(255)}`])
      expect(reasons(path(), value)).toEqual([]);
    expect(reasons(path({ root: true }), "/")).toEqual([]);
  });
});

test("numbers are whole and within their range", () => {
  expect(reasons(integer(1, 5), 5)).toEqual([]);
  for (const value of [0, 6]) expect(reasons(integer(1, 5), value)).toEqual(["f: must be between 1 and 5"]);
  for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY])
    expect(reasons(integer(1, 5), value)).toEqual(["f: must be a whole number from 1 to 5, not a number"]);
  expect(reasons(integer(1, 5), "3")).toEqual(["f: must be a whole number from 1 to 5, not a string"]);
});

test("words and flags are exactly these", () => {
  expect(reasons(oneOf("a", "b"), "b")).toEqual([]);
  expect(reasons(oneOf("a", "b"), "B")).toEqual(["f: must be one of a, b"]);
  expect(reasons(boolean(), "true")).toEqual(["f: must be true or false, not a string"]);
});

describe("what contains others", () => {
  const field = object({
    list: optional(list(integer(0, 9), { min: 1, max: 2 })),
    map: optional(record(text({ max: 3 }), text({ max: 3 }))),
    must: required(boolean()),
  });

  test("names the path of each mistake", () => {
    expect(field({ list: [1, 99], map: { long: "x", ok: 7 }, other: 1 }, "top")).toEqual([
      { path: "top.list[1]", reason: "must be between 0 and 9" },
      { path: "top.map (a key)", reason: "is 4 bytes long; at most 3 are possible" },
      { path: "top.map.ok", reason: "must be text, not a number" },
      { path: "top.must", reason: "is required" },
      { path: "top.other", reason: "is not a field that exists here" },
    ]);
  });

  test("knows no field that every object has by birth", () => {
    expect(field({ must: true, constructor: 1 }, "top")).toEqual([
      { path: "top.constructor", reason: "is not a field that exists here" },
    ]);
  });

  test("says of what length a list must be", () => {
    expect(reasons(list(boolean(), { min: 1 }), [])).toEqual(["f: needs at least 1 elements"]);
    expect(reasons(list(boolean(), { max: 1 }), [true, true])).toEqual(["f: has 2 elements; at most 1 are possible"]);
    expect(reasons(list(boolean()), "ab")).toEqual(["f: must be a list, not a string"]);
    expect(reasons(list(boolean()), [null])).toEqual(["f[0]: is required"]);
  });

  test("lets pass what a preview cannot know, at every depth", () => {
    expect(reasons(field, unknownValue)).not.toEqual([]);
    expect(reasons(field, { list: unknownValue, map: { a: unknownValue }, must: unknownValue })).toEqual([]);
    expect(reasons(field, { list: [unknownValue], must: true })).toEqual([]);
  });
});

test("a parser's own path is kept", () => {
  const refuse = (error: Error) =>
    parsed(() => {
      throw error;
    });
  expect(reasons(refuse(new InputError("connection.host", "is required")), 1)).toEqual([
    "connection.host: is required",
  ]);
  expect(reasons(refuse(new Error("must be a CIDR")), 1)).toEqual(["f: must be a CIDR"]);
});

test("no reason ever contains the value", () => {
  const canary = "canary-7f4e1c";
  const fields: Field[] = [
    text({ max: 5 }),
    text({ max: 99, pattern: /^x/ }),
    path(),
    integer(0, 1),
    boolean(),
    oneOf("a"),
    list(text({ max: 3 })),
    record(text({ max: 3 }), text({ max: 3 })),
    object({}),
  ];
  const value = fc.oneof(
    fc.constant(canary),
    fc.constant(`/../${canary}`),
    fc.constant([canary]),
    fc.constant({ a: canary }),
    fc.constant(`${canary}\n`),
  );
  fc.assert(
    fc.property(fc.constantFrom(...fields), value, (field, given) => {
      expect(reasons(field, given).join()).not.toContain(canary);
    }),
  );
});

test("a key that is refused is named by no reason", () => {
  const map = record(text({ max: 3 }), boolean());
  expect(reasons(map, { "a long key": 1 })).toEqual(["f (a key): is 10 bytes long; at most 3 are possible"]);
  expect(reasons(map, { key: 1 })).toEqual(["f.key: must be true or false, not a number"]);
});
