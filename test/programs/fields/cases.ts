/** All cases of fields; a test of support.ts's table looks for what is missing. */
import type { FieldCase, Place } from "./case";
import { nameCases } from "./names";
import { probeCases } from "./probes";
import { processCases } from "./process";
import { volumeCases } from "./volumes";

export const fieldCases = (place: Place): FieldCase[] => [
  ...processCases,
  ...nameCases,
  ...volumeCases,
  ...probeCases(place),
];
