/**
 * What Kubernetes' own tests say of `$(NAME)` (third_party/forked/golang/expansion/expand_test.go), and what they leave open.
 * Both that replace references are held against it: the program (expand.ts) and the launcher (expand.c).
 */

/** The variables that the texts of {@link expansions} refer to. */
export const variables: readonly { readonly name: string; readonly value: string }[] = [
  { name: "A", value: "alpha" },
  { name: "B", value: "beta" },
  { name: "C", value: "gamma" },
  // Doubled, because a variable's own value is replaced too: what comes out is `$(A)`.
  { name: "REF", value: "$$(A)" },
  { name: "EMPTY", value: "" },
  { name: "with space", value: "yes" },
];

/** Texts, and what they become. */
export const expansions: readonly (readonly [text: string, expected: string])[] = [
  ["", ""],
  ["plain", "plain"],
  ["\n", "\n"],
  // A reference anywhere, and several.
  ["$(A)", "alpha"],
  ["$(A)-$(A)", "alpha-alpha"],
  ["$(A)-1", "alpha-1"],
  ["___$(B)___", "___beta___"],
  ["___$(C)", "___gamma"],
  ["$(A)$(B)_$(C)", "alphabeta_gamma"],
  ["x$(EMPTY)y", "xy"],
  ["$(with space)", "yes"],
  // What was put in is not looked at again.
  ["$(REF)", "$(A)"],
  ["%%$(REF)--$(REF)%%", "%%$(A)--$(A)%%"],
  // What is not defined stays.
  ["$(UNKNOWN)", "$(UNKNOWN)"],
  ["$()", "$()"],
  // Doubled.
  ["$$(B)_$(A)", "$(B)_alpha"],
  ["$$(A)_$$(B)", "$(A)_$(B)"],
  ["$$", "$"],
  ["$$$", "$$"],
  ["$$$(A)", "$alpha"],
  ["$$$$(A)", "$$(A)"],
  ["f-$$A", "f-$A"],
  ["$$$$$$(UNKNOWN)", "$$$(UNKNOWN)"],
  ["$$$$$$(A)", "$$$(A)"],
  ["$$$$$$$(UNKNOWN)", "$$$$(UNKNOWN)"],
  ["$$$$$$$(A)", "$$$alpha"],
  // A backslash is a letter like others.
  ["foo\\$(C)bar", "foo\\gammabar"],
  ["foo\\\\$(C)bar", "foo\\\\gammabar"],
  ["foo\\\\\\\\$(A)bar", "foo\\\\\\\\alphabar"],
  ["foo-\\$(A", "foo-\\$(A"],
  // A name goes to the next bracket that closes, whatever is in it.
  ["$(A$(B))", "$(A$(B))"],
  ["$(A$(B)", "$(A$(B)"],
  ["$($(A)", "$($(A)"],
  ["$(x$$y)", "$(x$$y)"],
  // No reference: it does not close, or is none.
  ["foo$(Awhoops!", "foo$(Awhoops!"],
  ["$(A", "$(A"],
  ["$(", "$("],
  ["$(B)___$(A", "beta___$(A"],
  ["$(C)___$(", "gamma___$("],
  ["--$($($($($--", "--$($($($($--"],
  ["$($($($($--foo$(", "$($($($($--foo$("],
  ["foo0--$($($($(", "foo0--$($($($("],
  ["f__(A)__", "f__(A)__"],
  ["$?_boo_$!", "$?_boo_$!"],
  ["$", "$"],
  ["a$", "a$"],
  ["$(A)foobar$", "alphafoobar$"],
  ["$A", "$A"],
  ["$A)", "$A)"],
  ["${A}", "${A}"],
  ["$ (A)", "$ (A)"],
  ["$\n(A)", "$\n(A)"],
];
