// Playwright asks every browser for colours by WebDriver BiDi's emulation.setMediaFeaturesOverride, which Firefox ESR does
// not know; without an answer it opens no page. Tests set colours and motion by preferences (browser_support.py), so that
// the question can be left out. Loaded into Playwright's own process, by NODE_OPTIONS.
const Module = require("node:module");
const ASKS = /this\._(?:browser\._browserSession|session)\.send\("emulation\.setMediaFeaturesOverride",/g;
const compile = Module.prototype._compile;
Module.prototype._compile = function (source, file, ...rest) {
  const found = file.endsWith("coreBundle.js") ? source.replace(ASKS, "Promise.resolve(") : source;
  return compile.call(this, found, file, ...rest);
};
