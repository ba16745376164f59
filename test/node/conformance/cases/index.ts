import type { Case } from "../case";
import { binaryFile, file } from "./file";
import { bindMount, fileMount, inheritingMount, mount } from "./mount";
import { node } from "./node";

/** Every resource there is; some twice, where two kinds of object hide behind one class. */
export const cases: readonly Case[] = [node, mount, bindMount, inheritingMount, fileMount, file, binaryFile];
