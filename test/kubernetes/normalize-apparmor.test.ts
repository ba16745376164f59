/** AppArmor profiles of pods: field, pod, annotation. */
import { expect, it } from "vitest";
import { normalizePod, PodInputError } from "../../provider/kubernetes/normalize";

const runtimeDefault = { type: "RuntimeDefault" };
const unconfined = { type: "Unconfined" };
const localhost = (localhostProfile?: string) => ({ type: "Localhost", localhostProfile });
const annotation = (container: string, value: unknown) => ({
  [`container.apparmor.security.beta.kubernetes.io/${container}`]: value,
});
interface Given {
  readonly pod?: object;
  readonly own?: object;
  readonly privileged?: boolean;
  readonly annotations?: object;
}
const pod = ({ pod: shared, own, privileged, annotations }: Given) => ({
  metadata: { annotations },
  spec: {
    securityContext: { appArmorProfile: shared },
    initContainers: [{ name: "init", image: "busybox" }],
    containers: [{ name: "app", image: "busybox", securityContext: { appArmorProfile: own, privileged } }],
  },
});

it.each<[string, Given, app: object | undefined, init?: object | undefined]>([
  ["nothing", {}, undefined],
  ["the pod's", { pod: runtimeDefault }, runtimeDefault, runtimeDefault],
  ["its own before the pod's", { pod: runtimeDefault, own: localhost("a b") }, localhost("a b"), runtimeDefault],
  ["none, by its own word", { pod: localhost("x"), own: unconfined }, undefined, localhost("x")],
  ["none by default when privileged", { pod: runtimeDefault, privileged: true }, undefined, runtimeDefault],
  ["a named one when privileged", { own: localhost("x"), privileged: true }, localhost("x")],
  ["an annotation's", { annotations: annotation("app", "localhost/a/b") }, localhost("a/b")],
  ["an annotation's default", { annotations: annotation("init", "runtime/default") }, undefined, runtimeDefault],
  ["an annotation that says none", { annotations: annotation("app", "unconfined") }, undefined],
  ["an empty annotation", { annotations: annotation("app", "") }, undefined],
  ["an annotation that agrees", { own: localhost("x"), annotations: annotation("app", "localhost/x") }, localhost("x")],
])("confines a container by %s", (_name, given, app, init) => {
  const normalized = normalizePod("web", pod(given));
  expect(normalized.containers[0]?.security.appArmor).toEqual(app);
  expect(normalized.initContainers[0]?.security.appArmor).toEqual(init);
});

const at = "spec.containers[0].securityContext.appArmorProfile";
const key = 'metadata.annotations["container.apparmor.security.beta.kubernetes.io/';
it.each<[string, Given, string]>([
  ["an unknown type", { own: { type: "Default" } }, `${at}.type: must be`],
  ["no type", { own: { localhostProfile: "x" } }, `${at}.type: is required`],
  ["Localhost without a name", { own: localhost() }, `${at}.localhostProfile: is required`],
  ["Localhost with an empty name", { own: localhost("") }, `${at}.localhostProfile: is required`],
  ["a name between blanks", { own: localhost(" x") }, `${at}.localhostProfile: must not begin or end`],
  ["a name of two lines", { own: localhost("x\ny") }, `${at}.localhostProfile: must not hold`],
  ["a name too long", { own: localhost("x".repeat(4091)) }, `${at}.localhostProfile: must be at most 4090`],
  [
    "a name without Localhost",
    { own: { ...runtimeDefault, localhostProfile: "x" } },
    `${at}.localhostProfile: belongs`,
  ],
  [
    "a name without Localhost in the pod",
    { pod: { ...unconfined, localhostProfile: "x" } },
    "spec.securityContext.appArmorProfile.localhostProfile: belongs",
  ],
  ["the default for a privileged container", { own: runtimeDefault, privileged: true }, `${at}.type: must not be`],
  ["an annotation for nobody", { annotations: annotation("other", "unconfined") }, `${key}other"]: must end in`],
  ["an unknown annotation", { annotations: annotation("app", "default") }, `${key}app"]: must be runtime/default`],
  ["an annotation without a name", { annotations: annotation("app", "localhost/") }, `${key}app"]: must be`],
  [
    "an annotation that is to come",
    { annotations: annotation("app", Promise.resolve("unconfined")) },
    `${key}app"]: must be runtime/default, unconfined or localhost/ and a profile's name, and not an Output`,
  ],
  [
    "an annotation that contradicts the field",
    { own: localhost("x"), annotations: annotation("app", "localhost/y") },
    `${at}: must say the same as the annotation`,
  ],
  [
    "an annotation that contradicts the pod",
    { pod: runtimeDefault, annotations: annotation("app", "") },
    `${at}: must say the same as the annotation`,
  ],
])("refuses %s", (_name, given, problem) => {
  expect(() => normalizePod("web", pod(given))).toThrow(problem);
  expect(() => normalizePod("web", pod(given))).not.toThrow(PodInputError);
});
