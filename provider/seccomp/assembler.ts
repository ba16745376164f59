/**
 * Writes a classic BPF program from its end to its start: every jump goes forward, so where it leads is always known.
 * A label is the number of instructions from there to the end.
 */

/** Opcodes. @see include/uapi/linux/filter.h, bpf_common.h */
export const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
export const IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const IF_NOT_LESS = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

/** The kernel's BPF_MAXINSNS. */
const MOST = 4096;
/** A conditional jump skips at most this many instructions. */
const FARTHEST = 255;

export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export type Label = number;

export class Assembler {
  /** From the last instruction to the first. */
  readonly #reversed: Instruction[] = [];
  /** The nearest instruction that does nothing but return this, or go there. */
  readonly #returns = new Map<number, Label>();
  readonly #jumps = new Map<Label, Label>();

  /** An instruction that does not jump; goes on with `next`. */
  step(code: number, k: number, next: Label): Label {
    if (next !== this.#reversed.length) this.#emit(JUMP, 0, 0, this.#reversed.length - next);
    return this.#emit(code, 0, 0, k);
  }

  result(value: number): Label {
    const known = this.#returns.get(value);
    // An own instruction costs no more than a jump to a far one.
    if (known !== undefined && this.#reversed.length - known < FARTHEST - 2) return known;
    const label = this.#emit(RETURN, 0, 0, value);
    this.#returns.set(value, label);
    return label;
  }

  /** Compares the accumulator with `k`. */
  branch(code: number, k: number, then: Label, otherwise: Label): Label {
    if (then === otherwise) return then;
    const [a, b] = [this.#near(then), this.#near(otherwise)];
    const here = this.#reversed.length;
    return this.#emit(code, here - a, here - b, k);
  }

  instructions(): Instruction[] {
    if (this.#reversed.length > MOST)
      throw new RangeError(`the filter has ${this.#reversed.length} instructions; the kernel takes ${MOST}`);
    return [...this.#reversed].reverse();
  }

  /** The label, or a jump to it within reach, with room for one more. */
  #near(label: Label): Label {
    const isNear = (other: Label) => this.#reversed.length - other < FARTHEST;
    if (isNear(label)) return label;
    const known = this.#jumps.get(label);
    if (known !== undefined && isNear(known)) return known;
    const jump = this.#emit(JUMP, 0, 0, this.#reversed.length - label);
    this.#jumps.set(label, jump);
    return jump;
  }

  #emit(code: number, jt: number, jf: number, k: number): Label {
    this.#reversed.push({ code, jt, jf, k: k >>> 0 });
    return this.#reversed.length;
  }
}
