/** What the launcher is to be told of a container, without gaps. Pure. */
import { processFolder } from "../facts/process";
import { signalNumber } from "../kubernetes/signals";
import { type ContainerConfig, defaultMaskedPaths, defaultPath, defaultReadonlyPaths } from "../launcher-config";
import { profileOf } from "./process-apparmor";
import { type Container, type ProcessInputs, sharesWithNode } from "./process-args";
import { networkVolumes } from "./process-network";
import { isFiltered } from "./process-seccomp";

/** The configuration of one container of a Process. */
export function containerConfig(inputs: ProcessInputs, container: Container): ContainerConfig {
  const { add = [], drop = [] } = container.capabilities ?? {};
  const { rootFs, workingDir, runAsUser, runAsGroup, supplementalGroups, imageDefaults } = container;
  const seccomp = isFiltered(container) ? `${processFolder(inputs.name)}/${container.name}/seccomp` : undefined;
  const apparmor = profileOf(container);
  const stopSignal = signalNumber(container.stopSignal ?? "");
  const { variables, expand } = container;
  const optionals = {
    rootFs,
    variables,
    expand,
    workingDir,
    runAsUser,
    runAsGroup,
    supplementalGroups,
    stopSignal,
    seccomp,
    apparmor,
  };
  return {
    ...(Object.fromEntries(Object.entries(optionals).filter(([, value]) => value !== undefined)) as Pick<
      ContainerConfig,
      keyof typeof optionals
    >),
    command: container.command ?? [],
    ...(imageDefaults === undefined ? {} : { imageDefaults }),
    // What a container runtime gives: an image, and whoever declares the container, may say otherwise.
    envDefaults: {
      ...(imageDefaults === undefined && { PATH: defaultPath }),
      // In a root of its own the launcher finds it.
      ...(rootFs === undefined && { HOME: homeOf(runAsUser) }),
      ...(inputs.hosts?.kernelName !== undefined && { HOSTNAME: inputs.hosts.kernelName }),
    },
    env: container.env ?? {},
    addCapabilities: add,
    dropCapabilities: drop,
    allowPrivilegeEscalation: container.allowPrivilegeEscalation ?? true,
    privileged: container.privileged ?? false,
    readOnlyRootFilesystem: container.readOnlyRootFilesystem ?? false,
    maskedPaths: container.maskedPaths ?? (rootFs === undefined ? [] : defaultMaskedPaths),
    readonlyPaths: container.readonlyPaths ?? (rootFs === undefined ? [] : defaultReadonlyPaths),
    volumes: [...(container.volumes ?? []), ...(rootFs === undefined ? [] : networkVolumes(inputs, container))],
    ownMounts: !sharesWithNode(inputs, "mnt"),
    hostIpc: sharesWithNode(inputs, "ipc"),
    runAsNonRoot: container.runAsNonRoot ?? false,
    strictGroups: container.supplementalGroupsPolicy === "Strict",
  };
}

/** On the node's own root: root's home, and the root directory for a user who may be unknown there. */
function homeOf(user: number | undefined): string {
  return user === undefined || user === 0 ? "/root" : "/";
}
