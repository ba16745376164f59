import { expect, test } from "vitest";
import { InputError } from "../../provider/errors";
import { endpointsFor, isLoopback, type RegistrySettings } from "../../provider/images/endpoints";
import { parseReference } from "../../provider/images/reference";

function asked(image: string, settings: RegistrySettings = {}): string[] {
  const endpoints = endpointsFor(parseReference(image), settings);
  return endpoints.map(({ url, repository, fallback }) => `${url.href}${repository}${fallback ? " (fallback)" : ""}`);
}

test.each<[string, RegistrySettings, string[]]>([
  ["nginx", {}, ["https://registry-1.docker.io/library/nginx"]],
  ["registry.example:5000/app", {}, ["https://registry.example:5000/app"]],
  ["registry.example/app", { plainHttp: ["registry.example"] }, ["http://registry.example/app"]],
  ["registry.example:5000/app", { plainHttp: ["registry.example"] }, ["https://registry.example:5000/app"]],
  ["localhost:5000/app", {}, ["https://localhost:5000/app", "http://localhost:5000/app (fallback)"]],
  ["127.1.2.3:5000/app", { plainHttp: ["127.1.2.3:5000"] }, ["http://127.1.2.3:5000/app"]],
  [
    "nginx",
    { mirrors: { "docker.io": ["a.example", "http://b.example:5000/", "c.example/v2/hub", "https://d.example/x/y"] } },
    [
      "https://a.example/library/nginx",
      "http://b.example:5000/library/nginx",
      "https://c.example/hub/library/nginx",
      "https://d.example/x/y/library/nginx",
      "https://registry-1.docker.io/library/nginx",
    ],
  ],
  ["ghcr.io/app", { mirrors: { "docker.io": ["a.example"] } }, ["https://ghcr.io/app"]],
  [
    "ghcr.io/app",
    { mirrors: { "ghcr.io": ["a.example:80"] }, plainHttp: ["a.example:80"] },
    ["http://a.example/app", "https://ghcr.io/app"],
  ],
])("%s with %j", (image, settings, urls) => {
  expect(asked(image, settings)).toEqual(urls);
});

test.each(["", "ftp://a", "a b", "me:secret@a", "a/../b", "a?b", "a//b", "a:99999"])(
  "refuses the mirror %j",
  (mirror) => {
    const read = () => asked("nginx", { mirrors: { "docker.io": ["fine.example", mirror] } });
    expect(read).toThrow(InputError);
    expect(read).toThrow('mirrors["docker.io"][1]: must be like mirror.example');
    expect(read).not.toThrow("secret");
  },
);

test.each([
  ["localhost", true],
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["[::1]", true],
  ["a.localhost", true],
  ["128.0.0.1", false],
  ["127.0.0.1.example", false],
  ["notlocalhost", false],
])("%s is of this machine: %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
