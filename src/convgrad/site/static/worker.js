"use strict";
/* Python in a worker. It is begun with Pyodide's programs in front of it and gets all other files in its first message, so
   that nothing that has not been checked is run, and nothing is loaded here. */
(() => {
  const HOME = "https://python.invalid/";
  const KINDS = { wasm: "application/wasm", json: "application/json" };
  let answer;

  /** What Pyodide asks the network for: the files that it was given, and nothing else. */
  const giveFrom = (files) => {
    self.fetch = async (asked) => {
      const name = String(asked.url || asked).replace(HOME, "");
      if (!(name in files)) throw new TypeError(`${name} can't be loaded: a program in this page reaches no network.`);
      const type = KINDS[name.split(".").pop()] || "application/octet-stream";
      return new Response(files[name], { headers: { "Content-Type": type } });
    };
  };

  const begin = async ({ files, wheels, lock }) => {
    const quiet = () => {};
    giveFrom({ ...files, "pyodide-lock.json": JSON.stringify(lock) });
    const python = await loadPyodide({ indexURL: HOME, stdout: quiet, stderr: quiet });
    postMessage({ told: "unpacking" });
    for (const wheel of wheels) python.unpackArchive(wheel, "wheel");
    postMessage({ told: "importing" });
    answer = python.pyimport("convgrad.site.in_browser").answer;
    postMessage({ told: "ready" });
  };

  self.onmessage = async ({ data }) => {
    try {
      if (data.begin) await begin(data.begin);
      else {
        const found = answer(data.path, data.body);
        const [status, content] = found.toJs();
        found.destroy();
        postMessage({ id: data.id, status, content });
      }
    } catch (error) {
      postMessage({ failed: String((error && error.message) || error).slice(-2000) });
    }
  };
})();
