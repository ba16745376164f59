/** The scheduling part of the Pod types; see `types.ts`. Refused as a whole: `on` names the node. */
import type { Input } from "@pulumi/pulumi";
import type { StringMap } from "./container-types";

/** Refused as a whole. */
export interface Affinity {
  nodeAffinity?: Input<NodeAffinity | undefined>;
  podAffinity?: Input<PodAffinity | undefined>;
  podAntiAffinity?: Input<PodAntiAffinity | undefined>;
}

/** Refused as a whole. */
export interface PodSchedulingGate {
  name: Input<string>;
}

/** Refused as a whole. */
export interface PodSchedulingGroup {
  podGroupName?: Input<string | undefined>;
}

/** What a pod puts up with. */
export interface Toleration {
  /** Any. */
  effect?: Input<string | undefined>;
  /** Any. */
  key?: Input<string | undefined>;
  /** Any. */
  operator?: Input<string | undefined>;
  /** Any: no taint ever comes. */
  tolerationSeconds?: Input<number | undefined>;
  /** Any. */
  value?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface TopologySpreadConstraint {
  labelSelector?: Input<LabelSelector | undefined>;
  matchLabelKeys?: Input<Input<string>[] | undefined>;
  maxSkew: Input<number>;
  minDomains?: Input<number | undefined>;
  nodeAffinityPolicy?: Input<string | undefined>;
  nodeTaintsPolicy?: Input<string | undefined>;
  topologyKey: Input<string>;
  whenUnsatisfiable: Input<string>;
}

/** Refused as a whole. */
export interface WorkloadReference {
  name: Input<string>;
  podGroup: Input<string>;
  podGroupReplicaKey?: Input<string | undefined>;
}

/** Refused as a whole. */
export interface NodeAffinity {
  preferredDuringSchedulingIgnoredDuringExecution?: Input<Input<PreferredSchedulingTerm>[] | undefined>;
  requiredDuringSchedulingIgnoredDuringExecution?: Input<NodeSelector | undefined>;
}

/** Refused as a whole. */
export interface PodAffinity {
  preferredDuringSchedulingIgnoredDuringExecution?: Input<Input<WeightedPodAffinityTerm>[] | undefined>;
  requiredDuringSchedulingIgnoredDuringExecution?: Input<Input<PodAffinityTerm>[] | undefined>;
}

/** Refused as a whole. */
export interface PodAntiAffinity {
  preferredDuringSchedulingIgnoredDuringExecution?: Input<Input<WeightedPodAffinityTerm>[] | undefined>;
  requiredDuringSchedulingIgnoredDuringExecution?: Input<Input<PodAffinityTerm>[] | undefined>;
}

/** Refused as a whole. */
export interface LabelSelector {
  matchExpressions?: Input<Input<LabelSelectorRequirement>[] | undefined>;
  matchLabels?: Input<StringMap | undefined>;
}

/** Refused as a whole. */
export interface PreferredSchedulingTerm {
  preference: Input<NodeSelectorTerm>;
  weight: Input<number>;
}

/** Refused as a whole. */
export interface NodeSelector {
  nodeSelectorTerms: Input<Input<NodeSelectorTerm>[]>;
}

/** Refused as a whole. */
export interface WeightedPodAffinityTerm {
  podAffinityTerm: Input<PodAffinityTerm>;
  weight: Input<number>;
}

/** Refused as a whole. */
export interface PodAffinityTerm {
  labelSelector?: Input<LabelSelector | undefined>;
  matchLabelKeys?: Input<Input<string>[] | undefined>;
  mismatchLabelKeys?: Input<Input<string>[] | undefined>;
  namespaceSelector?: Input<LabelSelector | undefined>;
  namespaces?: Input<Input<string>[] | undefined>;
  topologyKey: Input<string>;
}

/** Refused as a whole. */
export interface LabelSelectorRequirement {
  key: Input<string>;
  operator: Input<string>;
  values?: Input<Input<string>[] | undefined>;
}

/** Refused as a whole. */
export interface NodeSelectorTerm {
  matchExpressions?: Input<Input<NodeSelectorRequirement>[] | undefined>;
  matchFields?: Input<Input<NodeSelectorRequirement>[] | undefined>;
}

/** Refused as a whole. */
export interface NodeSelectorRequirement {
  key: Input<string>;
  operator: Input<string>;
  values?: Input<Input<string>[] | undefined>;
}
