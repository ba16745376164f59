/** Resources of the provider half that is measured, without an engine: `await open("Mount", { … })`. */
export async function resourcesOf(engine, node) {
  const provider = await engine.load("provider/provider.js");
  return async (type, more) => {
    const owner = `bench/urn:pulumi:bench::bench::pulumi-nodejs:dynamic/barepod:${type}::${more.path ?? "bench"}`;
    const given = { node: "bench", connection: node.connection, owner, ...more };
    const { inputs } = await provider[type].check({}, given);
    let outs;
    return {
      create: async () => {
        ({ outs } = await provider[type].create(inputs));
      },
      delete: () => provider[type].delete("", outs),
    };
  };
}
