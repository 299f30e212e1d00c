"use strict";
/* Who answers what the page asks of Python. `page.ask` is the one way to ask; a page with another carrier sets
   `page.carrier` to an object with the same methods. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  page.OFFLINE =
    "This file works on its own. `convgrad explain --serve` opens the same page with all examples, where you can build " +
    "your own network, and check your own numbers, derivation or code.";

  /** The server's token, from the address. */
  const token = new URLSearchParams(location.search).get("token");

  /** The server on this machine. */
  page.Server = class {
    async ask(path, body) {
      const headers = token ? { Authorization: `token ${token}` } : {};
      const options =
        body === undefined
          ? { headers }
          : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
      let response;
      try {
        response = await fetch(path, options);
      } catch {
        throw new Error("The local server does not answer. Is `convgrad explain --serve` still running?");
      }
      const content = await response
        .json()
        .catch(() => ({ error: `The server answered with status ${response.status}.` }));
      if (!response.ok || (content && content.error))
        throw new Error(content.error || `The server answered with status ${response.status}.`);
      return content;
    }

    /** The token leaves the address; a cookie has it for a reload. */
    opened() {
      if (token) history.replaceState(null, "", location.pathname + location.hash);
    }
  };

  page.carrier = new page.Server();

  /** JSON as an answer to a path, and to a body where one is given; an Error with its sentence where there is none. */
  page.ask = (path, body) => page.carrier.ask(path, body);
})();
