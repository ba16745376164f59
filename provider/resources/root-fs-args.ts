/** What a RootFs is told: its arguments in a program, and the same as the provider gets them. */
import type * as pulumi from "@pulumi/pulumi";
import type { ImageRecord } from "../images/record";
import type { NodeInputs, NodeRegistries, PrimitiveArgs } from "../resource";

/** The inputs of a RootFs. */
export interface RootFsArgs extends PrimitiveArgs {
  /**
   * The folder that becomes the root of a file system: an absolute path that leads through no symbolic link, to nothing
   * or to an empty folder. Missing folders above it are made, and removed again with it. Changing this replaces the RootFs.
   */
  readonly path: pulumi.Input<string>;
  /**
   * Programs of the node, by path or by name (then looked up in the node's PATH). Each comes with what it needs to
   * start: symbolic links on its way, its dynamic loader and libraries, the interpreter of a script. Modes are kept, but
   * for the set-user-id and set-group-id bits; owners become root. What a program opens by itself (modules of Python,
   * certificates) does not come along. Exactly one of `image`, `hostBinaries` and `archive` is given.
   *
   * Changing this replaces the RootFs, unless programs are only added and `overlay` is not set: then they are copied in.
   */
  readonly hostBinaries?: pulumi.Input<string[]> | undefined;
  /**
   * An image with layers, mounted as an overlay: `docker.io/library/nginx:1.27`, `nginx@sha256:…` or whatever names one in a
   * registry; `oci:PATH:TAG` for an image layout on the node; `archive:PATH` for what `docker save` writes, an OCI archive or
   * the tar of a root file system, on the node. Layers lie below /var/lib/barepod/images/layers, once for all that use them;
   * the last one takes them along. Owners, modes, set-user-id bits and capabilities of files are kept; device nodes are left
   * out. Changing this replaces the RootFs.
   */
  readonly image?: pulumi.Input<string> | undefined;
  /**
   * The digest that `image` is to have: `sha256:…`. Another one replaces the RootFs; when it is left out again, the old one
   * stays.
   * @defaultValue what the reference stands for when the RootFs is made
   */
  readonly digest?: pulumi.Input<string | undefined> | undefined;
  /**
   * Whether the registry is asked what the reference stands for (`Always`), or only if nothing on the node is made of it
   * (`IfNotPresent`); with `Never` the image has to be on the node. Changes in place.
   * @defaultValue `Always` for a tag `latest` or none, else `IfNotPresent`
   */
  readonly pullPolicy?: pulumi.Input<"Always" | "IfNotPresent" | "Never"> | undefined;
  /**
   * Texts of `kubernetes.io/dockerconfigjson` Secrets with logins, which come before the operator's own (of docker and
   * podman). They are secret, and never get to the node's disk. Changes in place.
   */
  readonly pullSecrets?: pulumi.Input<pulumi.Input<string>[]> | undefined;
  /**
   * A tar archive of a root file system that lies on the node: an absolute path; compressed with gzip, or with what else
   * the node's tar can read. Owners (by number), modes and set-user-id bits are kept; device nodes are left out.
   * Changing this replaces the RootFs.
   */
  readonly archive?: pulumi.Input<string> | undefined;
  /** The archive's SHA-256, in hexadecimal: another archive is refused. Changing this replaces the RootFs. */
  readonly archiveSha256?: pulumi.Input<string> | undefined;
  /**
   * Mounts an overlay at `path` instead of filling the folder: all overlays of the same content share one copy of it,
   * below /var/lib/barepod/images, and each keeps only what was changed in it. Changing this replaces the RootFs.
   * @defaultValue false; an image is always one
   */
  readonly overlay?: pulumi.Input<boolean> | undefined;
}

/** @internal */
export interface RootFsInputs extends NodeInputs {
  readonly path: string;
  readonly hostBinaries?: readonly string[];
  readonly archive?: string;
  readonly archiveSha256?: string;
  readonly image?: string;
  readonly digest?: string;
  readonly pullPolicy?: "Always" | "IfNotPresent" | "Never";
  readonly pullSecrets?: readonly string[];
  /** How the node's registries are reached: a Node's `registries`. */
  readonly registries?: NodeRegistries;
  readonly overlay?: boolean;
  /** Always true: `read` says false of one that was begun only, was removed, or is not mounted. */
  readonly whole?: boolean;
  /** What `image` has turned out to be; in a plan only. */
  readonly record?: ImageRecord;
}
