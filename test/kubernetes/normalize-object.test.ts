import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { normalizeConfigMap, normalizeSecret } from "../../provider/kubernetes/normalize-object";

const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("a ConfigMap", () => {
  test("has Kubernetes' defaults, and values that may come later", () => {
    const later = pulumi.output("x");
    expect(normalizeConfigMap("conf", { data: { a: "1", b: later }, binaryData: { c: "AA==" } })).toEqual({
      name: "conf",
      namespace: "default",
      labels: {},
      annotations: {},
      texts: { a: "1", b: later },
      base64: { c: "AA==" },
      immutable: false,
    });
  });

  test.each([
    ["a key with a slash", { data: { "a/b": "" } }, /^data\["a\/b"\]: must have 1 to 253 letters/],
    ["a key that begins with two dots", { data: { "..a": "" } }, /^data\["\.\.a"\]: must/],
    ["a key twice", { data: { a: "" }, binaryData: { a: "" } }, 'binaryData["a"]: is a key of data too'],
    ["no base64", { binaryData: { a: "ä" } }, 'binaryData["a"]: must be base64 without line breaks'],
    ["a number", { data: { a: 1 } }, 'data["a"]: must be a string, not a number'],
    ["a name that is none", { metadata: { name: "A" } }, /^metadata\.name: must be a DNS subdomain/],
    ["a misspelt field", { dta: {} }, "dta: no such field; did you mean data?"],
    ["another kind", { kind: "Secret" }, /^kind: must be "ConfigMap"/],
  ])("must not have %s", (_, manifest, message) => {
    expect(() => normalizeConfigMap("conf", manifest)).toThrow(message);
  });
});

describe("a Secret", () => {
  test("is Opaque, and takes stringData before data", () => {
    expect(normalizeSecret("s", { data: { a: "AA==", b: "AA==" }, stringData: { a: "text" } })).toMatchObject({
      type: "Opaque",
      texts: { a: "text" },
      base64: { b: "AA==" },
    });
  });

  test.each([
    ["kubernetes.io/tls", { stringData: { "tls.crt": "", "tls.key": "" } }],
    ["kubernetes.io/basic-auth", { stringData: { password: "x" } }],
    ["kubernetes.io/ssh-auth", { stringData: { "ssh-privatekey": "x" } }],
    ["kubernetes.io/dockerconfigjson", { data: { ".dockerconfigjson": base64("{}") } }],
    ["kubernetes.io/dockerconfigjson", { stringData: { ".dockerconfigjson": pulumi.secret("{}") } }],
    ["example.com/own", {}],
  ])("may be of type %s", (type, data) => {
    expect(normalizeSecret("s", { ...data, type }).type).toBe(type);
  });

  test.each([
    ["kubernetes.io/tls", { stringData: { "tls.crt": "" } }, 'data["tls.key"]: is required, because type is'],
    ["kubernetes.io/basic-auth", {}, "data: must have username or password, because type is"],
    ["kubernetes.io/ssh-auth", {}, 'data["ssh-privatekey"]: is required'],
    ["kubernetes.io/dockercfg", {}, 'data[".dockercfg"]: is required'],
    [
      "kubernetes.io/dockerconfigjson",
      { stringData: { ".dockerconfigjson": "hunter2" } },
      'data[".dockerconfigjson"]: must be JSON',
    ],
    ["kubernetes.io/service-account-token", {}, "type: no controller fills such a Secret"],
  ])("of type %s has what the type wants", (type, data, message) => {
    expect(() => normalizeSecret("s", { ...data, type })).toThrow(message);
    expect(() => normalizeSecret("s", { ...data, type })).not.toThrow("hunter2");
  });
});
