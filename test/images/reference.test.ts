import fc from "fast-check";
import { expect, test } from "vitest";
import { InputError } from "../../provider/errors";
import { formatReference, parseReference } from "../../provider/images/reference";

const sha256 = `sha256:${"0123456789abcdef".repeat(4)}`;
const sha512 = `sha512:${"0123456789abcdef".repeat(8)}`;

test.each([
  ["nginx", "docker.io/library/nginx:latest"],
  ["nginx:1.27", "docker.io/library/nginx:1.27"],
  ["team/app", "docker.io/team/app:latest"],
  ["docker.io/nginx", "docker.io/library/nginx:latest"],
  ["index.docker.io/nginx", "docker.io/library/nginx:latest"],
  ["registry-1.docker.io/team/app", "docker.io/team/app:latest"],
  ["docker.io/library/nginx:1.27", "docker.io/library/nginx:1.27"],
  ["ghcr.io/team/deep/app:v1", "ghcr.io/team/deep/app:v1"],
  ["localhost/app", "localhost/app:latest"],
  ["localhost:5000/app:1", "localhost:5000/app:1"],
  ["registry.example:5000/app", "registry.example:5000/app:latest"],
  ["[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app:latest"],
  ["Host/app", "Host/app:latest"],
  [`nginx@${sha256}`, `docker.io/library/nginx@${sha256}`],
  [`nginx:1.27@${sha256}`, `docker.io/library/nginx:1.27@${sha256}`],
  [`ghcr.io/app@${sha512}`, `ghcr.io/app@${sha512}`],

  ["team/a.b_c__d-e---f", "docker.io/team/a.b_c__d-e---f:latest"],
  ["sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com/bar/baz/quux:some-long-tag"],
  ["xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"],
  [`app:${"a".repeat(128)}`, `docker.io/library/app:${"a".repeat(128)}`],
])("%s", (text, whole) => {
  expect(formatReference(parseReference(text))).toBe(whole);
  expect(formatReference(parseReference(whole))).toBe(whole);
});

test.each([
  ["", "it is empty"],
  ["ng inx", "it has a space in it"],
  ["https://ghcr.io/app", "leave out https://"],
  ["a".repeat(64), "64 hexadecimal digits are an image's id"],
  ["Nginx", '"Nginx" must be in lower case'],
  ["ghcr.io/Team/app", '"Team" must be in lower case'],
  ["ghcr.io/", "the repository is missing"],
  ["/app", '"" is no name of a registry'],
  ["ghcr.io//app", 'a part between two "/" is empty'],
  ["app/", 'a part between two "/" is empty'],
  ["-app", '"-app" must be lower-case letters and digits'],
  ["a___b", '"a___b" must be lower-case'],
  ["a..b/c", '"a..b" is no name of a registry'],
  ["foo_bar.com:8080/app", '"foo_bar.com:8080" is no name of a registry'],
  ["ghcr.io:0/app", "the port 0 is not in 1-65535"],
  ["ghcr.io:70000/app", "the port 70000 is not in 1-65535"],
  ["app:", 'the tag "" must be 1-128'],
  ["app:.x", 'the tag ".x" must be 1-128'],
  [`app:${"a".repeat(129)}`, "must be 1-128"],
  ["app@sha256:abc", "a sha256 digest has 64 hexadecimal digits"],
  [`app@${sha256.toUpperCase().replace("SHA256", "sha256")}`, "in lower case"],
  ["app@md5:0123", "its digest must be sha256: or sha512:"],
  ["app@constructor:0123", "its digest must be sha256: or sha512:"],
  [`app@${sha256}@${sha256}`, "a sha256 digest has 64"],
  [`ghcr.io/${"a/".repeat(128)}a`, "more than 255 characters"],
])("refuses %j", (text, why) => {
  const read = () => parseReference(text, "spec.containers[0].image");
  expect(read).toThrow(InputError);
  expect(read).toThrow("spec.containers[0].image: ");
  expect(read).toThrow(why);
});

const letters = (characters: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength });
const component = fc
  .tuple(letters("abz019", 5), fc.array(fc.tuple(fc.constantFrom(".", "_", "__", "-", "---"), letters("xy7", 4))))
  .map(([first, rest]) => first + rest.map((pair) => pair.join("")).join(""));
const reference = fc.record(
  {
    registry: fc.constantFrom("docker.io", "ghcr.io", "localhost:5000", "[::1]:80", "A.example"),
    repository: fc.array(component, { minLength: 2, maxLength: 3 }).map((parts) => parts.join("/")),
    tag: fc.tuple(letters("aZ_9", 1), letters("aZ_9.-", 20)).map((parts) => parts.join("")),
    digest: fc.constantFrom(sha256, sha512),
  },
  { requiredKeys: ["registry", "repository"] },
);

test("whatever is formatted is read back", () => {
  fc.assert(
    fc.property(reference, (ref) => {
      const wanted = ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: "latest" } : ref;
      expect(parseReference(formatReference(ref))).toEqual(wanted);
    }),
  );
});

test("any text is read, or refused as the user's mistake", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."aZ0._-/:@[]% ") }), (text) => {
      try {
        const ref = parseReference(text);
        expect(parseReference(formatReference(ref))).toEqual(ref);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }),
    { numRuns: 2000 },
  );
});
