/** Hostile texts in every place of a Process: of its one container, of one of several, and of all of it. */
import { afterAll, beforeAll, describe } from "vitest";
import { processSpec } from "../../provider/resources/process";
import { rootFsSpec } from "../../provider/resources/root-fs";
import { HandlerNode } from "../harness/handlers";
import { hostileTexts, textPlaces } from "../harness/hostile";
import { actionPlaces, startServer } from "../harness/hostile-actions";
import { containerPlaces } from "../harness/hostile-containers";
import { makeSurroundings, podPlaces } from "../harness/hostile-pods";
import { type Places, SeenProcess, sleeper, type Within } from "../harness/hostile-process";
import { type Inputs, type Odd, tryHostileTexts } from "../harness/hostile-trial";
import { sandboxObstacle } from "../harness/sandbox";

const obstacle = sandboxObstacle();

describe.skipIf(obstacle)(`hostile texts${obstacle === undefined ? "" : ` (${obstacle.split("\n")[0]})`}`, () => {
  const node = new HandlerNode();
  const seen = new SeenProcess(node);
  beforeAll(async () => {
    await node.start();
    // The log folders are a Node's to make.
    await node.sh("mkdir -p /srv/source /var/log/pods /var/log/containers");
    await node.resource(rootFsSpec, { whole: true }).create({ path: "/srv/root", hostBinaries: ["sleep"] });
    await node.sh("mkdir -p /srv/root/etc; touch /srv/root/etc/hosts /srv/root/etc/hostname /srv/root/etc/resolv.conf");
    await makeSurroundings(seen);
    await startServer(seen);
    // The lock, the programs and the issuer's key stay, whatever comes first.
    const processes = node.resource(processSpec);
    const token = { path: "token", mode: 0o600, token: { audience: "a", expirationSeconds: 600 } };
    const projections = [{ name: "volume", files: [token] }];
    await processes.remove(
      await processes.create({ ...sleeper, name: "first", command: ["sleep", "1000"], projections }),
    );
    await node.sh("ln -s /srv/source /var/lib/barepod/seccomp");
  });
  afterAll(() => node[Symbol.asyncDispose]());

  const asOne: Within = (own) => ({ ...sleeper, command: ["sleep", "1000"], ...own });
  const asSeveral: Within = (own) => ({
    ...sleeper,
    command: undefined,
    containers: [{ name: "main", command: ["sleep", "1000"], ...own }],
  });
  const own = new Set(
    textPlaces(processSpec.fields).flatMap(({ path }) => /^containers\[0\]\.(\w+)/.exec(path)?.[1] ?? []),
  );
  own.delete("name");
  /** With its one container as one of several. */
  const asNamed = (inputs: Inputs): Inputs => {
    const isOwn = ([key]: [string, unknown]) => own.has(key);
    const container = Object.fromEntries(Object.entries(inputs).filter(isOwn));
    const rest = Object.fromEntries(Object.entries(inputs).filter((each) => !isOwn(each)));
    return { ...(rest as Inputs), containers: [{ name: "main", ...container }] };
  };
  const placesOf = (within: Within, at: string): Places => ({
    ...actionPlaces(seen, within, at),
    ...containerPlaces(seen, within, at),
  });
  const each = (places: Places, change: (path: string, odd: Odd) => [string, Odd]): Places =>
    Object.fromEntries(
      Object.entries(places).map(([path, odd]) => {
        const changed = [odd].flat().map((one) => change(path, one));
        return [changed[0]?.[0] ?? path, changed.map(([, one]) => one)];
      }),
    );
  const several = each(placesOf(asSeveral, "containers[0]."), (path, odd) => [
    `containers[0].${path}`,
    { inputs: asSeveral({}), ...odd },
  ]);
  const one = each(placesOf(asOne, ""), (path, odd) => [path, { ...odd, as: asNamed }]);
  const profiles = Object.fromEntries(
    Object.values(hostileTexts).map((text) => [text, '{"defaultAction":"SCMP_ACT_ALLOW"}']),
  );

  tryHostileTexts(node, [
    {
      spec: processSpec,
      valid: asOne({}),
      odd: { ...one, ...several, ...podPlaces(seen, asOne) },
      found: { foundProfiles: { kernel: "6.1.0", profiles } },
    },
  ]);
});
