"use strict";
/* Python in the browser: loaded when it is needed first, ended where an answer takes too long or its worker fails, and
   started anew with the next question. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const STEPS = { unpacking: "Starting Python: unpacking", importing: "Starting Python: reading convgrad" };
  const PROGRAMS = ["pyodide.js", "pyodide.asm.js"];
  const MB = 1e6;

  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));

  /** The bytes of a file, once they are those that this page was built with. told: called with the bytes so far. */
  const fetched = async (url, { bytes, sha384 }, told) => {
    const name = url.split("/").pop();
    const host = new URL(url, document.baseURI).host || "this folder";
    const hashes = Boolean(globalThis.crypto?.subtle); // elsewhere than on https and localhost, the browser compares
    let response;
    try {
      response = await fetch(url, {
        credentials: "omit",
        referrerPolicy: "no-referrer",
        ...(hashes ? {} : { integrity: `sha384-${sha384}` }),
      });
    } catch {
      throw new Error(`${name} could not be loaded from ${host}`);
    }
    if (!response.ok) throw new Error(`${host} answers with status ${response.status} for ${name}`);
    const content = new Uint8Array(bytes);
    const reader = response.body.getReader();
    let have = 0;
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new Error(`the connection to ${host} broke while ${name} was loaded`);
      });
      if (done) break;
      if (have + value.length <= bytes) content.set(value, have);
      have += value.length;
      told(Math.min(have, bytes));
    }
    const right = have === bytes && (!hashes || base64(await crypto.subtle.digest("SHA-384", content)) === sha384);
    if (!right) throw new Error(`${name} from ${host} is not the file that this page was built with, so it is not run`);
    return content.buffer;
  };

  page.Python = class {
    /** settings: see convgrad/site/build.py. progress: called with words, and a share from 0 to 1 or null; without
     * words when it is over. */
    constructor(settings, progress) {
      this.settings = settings;
      this.progress = progress;
      this.files = new Map(); // URL -> promise of its bytes
      this.queue = Promise.resolve();
    }

    /** The answer to one question after the other: {status, content}. */
    ask(path, body) {
      const answer = this.queue.then(() => this._ask(path, body));
      this.queue = answer.catch(() => {});
      return answer;
    }

    async _ask(path, body) {
      if (!this.settings.python)
        throw new Error(
          "This site was built without Python, which answers that. Install convgrad and start " +
            "`convgrad explain --serve`; all else on this page works.",
        );
      try {
        if (!this.worker) await this._start();
      } catch (error) {
        this._end();
        throw new Error(`Python can't be started: ${error.message}. Ask again to try once more; all else works.`);
      } finally {
        this.progress(null);
      }
      const { seconds } = this.settings;
      const late = Symbol("late");
      try {
        const found = await this._within(seconds, this._told({ path, body: body ?? null }), late);
        if (found !== late) return found;
      } catch (error) {
        this._end();
        throw new Error(`Python ended instead of answering: ${error.message}. The next question starts it anew.`);
      }
      this._end();
      const advice = path === "/api/function" ? "Does a loop of the program never end?" : "Make what is computed smaller.";
      throw new Error(`This takes longer than ${seconds} seconds, so it was stopped. ${advice}`);
    }

    _within(seconds, promise, otherwise) {
      let timer;
      const late = new Promise((resolve) => {
        timer = setTimeout(() => resolve(otherwise), 1000 * seconds);
      });
      return Promise.race([promise, late]).finally(() => clearTimeout(timer));
    }

    _end() {
      this.worker?.terminate();
      this.worker = null;
    }

    /** The worker's answer to a message. */
    _told(message) {
      return new Promise((resolve, reject) => {
        this.worker.onmessage = ({ data }) => {
          if (data.failed !== undefined) reject(new Error(data.failed.trim().split("\n").pop()));
          else if (data.told in STEPS) this.progress(STEPS[data.told], null);
          else resolve(data);
        };
        this.worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message || "its worker can't be started"));
        };
        this.worker.postMessage(message);
      });
    }

    async _start() {
      const { base, files, numpy, lock } = this.settings.python;
      const { wheel, worker } = this.settings;
      const all = [...Object.entries(files).map(([name, file]) => ({ name, url: base + name, ...file })), wheel, worker];
      const found = await this._loaded(all);
      const texts = [...PROGRAMS, worker.name].map((name) => found.get(name));
      const url = URL.createObjectURL(new Blob(texts.flatMap((text) => [text, "\n"]), { type: "text/javascript" }));
      this.progress("Starting Python", null);
      this.worker = new Worker(url);
      try {
        const own = Object.keys(files).filter((name) => !PROGRAMS.includes(name) && name !== numpy);
        await this._told({
          begin: {
            files: Object.fromEntries(own.map((name) => [name, found.get(name)])),
            wheels: [found.get(numpy), found.get(wheel.name)],
            lock,
          },
        });
      } finally {
        URL.revokeObjectURL(url);
      }
    }

    /** All files by name; those that came before are not loaded again, those that failed are. */
    async _loaded(all) {
      const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
      const have = new Map();
      const told = () => {
        const sum = [...have.values()].reduce((a, b) => a + b, 0);
        this.progress(`Loading Python: ${(sum / MB).toFixed(1)} of ${(total / MB).toFixed(1)} MB`, sum / total);
      };
      const loading = all.map(({ name, url, ...file }) => {
        if (!this.files.has(name)) {
          const content = fetched(url, file, (bytes) => {
            have.set(name, bytes);
            told();
          });
          this.files.set(name, content);
          content.catch(() => this.files.delete(name));
        }
        return this.files.get(name).then((content) => [name, content]);
      });
      return new Map(await Promise.all(loading));
    }
  };
})();
