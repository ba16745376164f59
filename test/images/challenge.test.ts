import { expect, test } from "vitest";
import { readChallenge } from "../../provider/images/challenge";

test.each([
  ['Basic realm="tests"', { scheme: "basic", parameters: { realm: "tests" } }],
  ["Basic", { scheme: "basic", parameters: {} }],
  [
    'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
    {
      scheme: "bearer",
      parameters: {
        realm: "https://auth.example/token",
        service: "registry.example",
        scope: "repository:a/b:pull,push",
      },
    },
  ],
  ['bearer Realm = "a \\"b\\"", service=plain', { scheme: "bearer", parameters: { realm: 'a "b"', service: "plain" } }],
  ['Basic realm="a, Bearer", Bearer realm="b"', { scheme: "bearer", parameters: { realm: "b" } }],
  [["Negotiate", 'Basic realm="a"'], { scheme: "basic", parameters: { realm: "a" } }],
  ["Negotiate", undefined],
  ["", undefined],
  ['"', undefined],
  [undefined, undefined],
])("%j", (header, challenge) => {
  expect(readChallenge(header)).toEqual(challenge);
});
