"use strict";
/* A state of the page as the text behind # in an address, and back. What comes from an address is anybody's: it is read
 * within bounds, and what can't be read is an Error with a sentence. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  /** Characters of a link; chats, forums and browsers cut longer ones off. */
  const LONGEST = 16_000;
  const LONGEST_DATA = 2_000_000;
  const LONGEST_WORD = 200;
  const MOST_ACTIONS = 5_000;
  const MOST_TOGETHER = 100;
  const MOST_STEPS = 5_000;
  const MOST_ELEMENTS = 100;
  const FEWEST_PIXELS = 64;
  const THEMES = ["light", "dark"];
  const PACKED = ["log", "network"];

  const refuse = (words) => {
    throw new Error(`This link can't be shown: ${words}`);
  };

  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const isWord = (value) => typeof value === "string" && value.length > 0 && value.length <= LONGEST_WORD;
  const isGiven = (value) =>
    isWord(value) ||
    typeof value === "boolean" ||
    Number.isFinite(value) ||
    (Array.isArray(value) && value.every(Number.isFinite));

  /** How many steps an action makes; refuses what is no action. */
  const stepsOf = (action, within = false) => {
    if (!Array.isArray(action) || !isWord(action[0])) refuse("what was done to its numbers can't be read.");
    const [method, ...given] = action;
    if (method === "together") {
      if (within || given.length > MOST_TOGETHER) refuse("what was done to its numbers can't be read.");
      return given.reduce((sum, each) => sum + stepsOf(each, true), 0);
    }
    if (!given.every(isGiven) || given.length > 3) refuse("what was done to its numbers can't be read.");
    if (method === "set" && !(Number.isInteger(given[1]) && Number.isFinite(given[2])))
      refuse("what was done to its numbers can't be read.");
    if (method === "setAll" && !Array.isArray(given[1])) refuse("what was done to its numbers can't be read.");
    if (method !== "step") return 0;
    if (!Number.isInteger(given[0]) || given[0] < 1) refuse("it makes a number of steps that is no whole number.");
    return given[0];
  };

  const CHECKS = {
    example: (value) => isWord(value) || refuse("the name of its example can't be read."),
    network: (value) => isObject(value) || refuse("its network can't be read."),
    lens: (value) => Object.hasOwn(page.LENSES, value) || refuse(`there is no lens \u201c${page.cut(value)}\u201d.`),
    layer: (value) => isWord(value) || refuse("the name of its layer can't be read."),
    theme: (value) => THEMES.includes(value) || refuse("its colours are neither light nor dark."),
    at: (value) =>
      (Array.isArray(value) && value.length <= MOST_ELEMENTS && value.every(isWord)) ||
      refuse("the numbers that it explains can't be read."),
    log: (value) => {
      if (!Array.isArray(value)) refuse("what was done to its numbers can't be read.");
      const steps = value.length <= MOST_ACTIONS ? value.reduce((sum, each) => sum + stepsOf(each), 0) : Infinity;
      if (steps > MOST_STEPS)
        refuse(`it changes numbers too often; a link holds ${MOST_STEPS} steps and ${MOST_ACTIONS} changes.`);
    },
  };

  /** A state with only what is known, or an Error. `more`: keys of short words that other parts remember. */
  page.checkedState = (state, more = []) => {
    for (const [key, value] of Object.entries(state)) {
      if (Object.hasOwn(CHECKS, key)) CHECKS[key](value);
      else if (!more.includes(key)) refuse(`this page does not know its part \u201c${page.cut(key)}\u201d.`);
      else if (!isWord(String(value))) refuse(`its part \u201c${key}\u201d can't be read.`);
    }
    return state;
  };

  const through = async (stream, bytes, most) => {
    const parts = [];
    let size = 0;
    const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > most) {
        await reader.cancel();
        refuse("it holds too much.");
      }
      parts.push(value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  };

  /** A picture's numbers, p / 255 as float32 has it, are written as bytes. */
  const ofPixel = (pixel) => Math.fround(pixel / 255);
  const shortly = (_, value) => {
    if (!Array.isArray(value) || value.length < FEWEST_PIXELS) return value;
    if (!value.every((number) => number === ofPixel(Math.round(255 * number)) && number >= 0 && number <= 1)) return value;
    return { pixels: btoa(value.map((number) => String.fromCharCode(Math.round(255 * number))).join("")) };
  };
  const fully = (_, value) =>
    isObject(value) && typeof value.pixels === "string" && Object.keys(value).length === 1
      ? Array.from(atob(value.pixels), (letter) => ofPixel(letter.charCodeAt(0)))
      : value;

  /** What was done, without numbers that were all written over by what came after. trace: whose numbers. */
  page.shortened = (log, trace) => {
    const kept = [];
    const later = new Set(); // tensors that are written whole before anything that follows from numbers is kept
    for (const action of log.toReversed()) {
      const parts = action[0] === "together" ? action.slice(1) : [action];
      const own = parts.toReversed().filter(([method, name]) => {
        const follows = method !== "setAll" && !(method === "set" && trace.tensor(name).given);
        if (follows) later.clear();
        const isOver = later.has(name) && !follows;
        if (method === "setAll") later.add(name);
        return !isOver;
      });
      if (own.length) kept.unshift(own.length === 1 ? own[0] : ["together", ...own.toReversed()]);
    }
    return kept;
  };

  const packed = async (data) => {
    const text = new TextEncoder().encode(JSON.stringify(data, shortly));
    const bytes = await through(new CompressionStream("deflate-raw"), text, LONGEST_DATA);
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const unpacked = async (text) => {
    try {
      const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
      const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
      const data = await through(new DecompressionStream("deflate-raw"), bytes, LONGEST_DATA);
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data), fully);
    } catch (error) {
      if (error.message.startsWith("This link")) throw error;
      return refuse("a part of it is missing or changed.");
    }
  };

  /** "#example=classic&lens=backward&at=conv1.dw[0,0]": words can be read; numbers and networks are packed. */
  page.hashOf = async (state) => {
    const parts = [];
    for (const [key, value] of Object.entries(state).filter(([, value]) => value !== undefined)) {
      const text = PACKED.includes(key) ? await packed(value) : key === "at" ? value.join(";") : String(value);
      parts.push(`${key}=${encodeURIComponent(text).replace(/%(5B|5D|2C|3B)/g, decodeURIComponent)}`);
    }
    return `#${parts.join("&")}`;
  };

  /** The state that an address means; null where it means none, an Error where it can't be read. */
  page.stateOf = async (hash, more = []) => {
    if (!hash.includes("=")) return null;
    if (hash.length > LONGEST) refuse(`it is longer than ${LONGEST} characters.`);
    const state = {};
    for (const [key, text] of new URLSearchParams(hash.slice(1).replace(/\+/g, "%2B"))) {
      if (Object.hasOwn(state, key)) refuse(`its part \u201c${page.cut(key)}\u201d stands there twice.`);
      const value = PACKED.includes(key) ? await unpacked(text) : key === "at" ? text.split(";") : text;
      Object.defineProperty(state, key, { value, enumerable: true });
    }
    return page.checkedState(state, more);
  };

  page.LONGEST_LINK = LONGEST;
})();
