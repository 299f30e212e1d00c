"""Bring CodeMirror, the editor for pasted code, into the package: `python tools/vendor_codemirror.py`. Needs npm.

One file is built from what the page uses, with esbuild, and its licenses in front; it defines `convgradEditor`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = {
    "@codemirror/autocomplete": "6.20.4",
    "@codemirror/commands": "6.11.1",
    "@codemirror/lang-python": "6.2.1",
    "@codemirror/language": "6.13.1",
    "@codemirror/state": "6.7.6",
    "@codemirror/view": "6.43.15",
    "@lezer/common": "1.5.5",
    "@lezer/highlight": "1.2.5",
    "@lezer/lr": "1.4.12",
    "@lezer/python": "1.1.19",
}
"""Bundled, with what they need; its versions are told in the file that is built."""
ESBUILD = "0.28.2"
FOLDER = Path(__file__).parents[1] / "src/convgrad/explain/page/static/codemirror"
ENTRY = r"""
import { EditorState } from "@codemirror/state";
import {
  EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder,
} from "@codemirror/view";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { pythonLanguage } from "@codemirror/lang-python";
import { tags } from "@lezer/highlight";

/* Colours are the page's, as variables, so that dark and light need nothing here. */
const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--mark-a)" },
  { tag: tags.comment, color: "var(--soft)" },
  { tag: [tags.definition(tags.variableName), tags.definition(tags.function(tags.variableName))], fontWeight: "600" },
]);

/* An editor of Python in an element, in a shadow tree: there its styles need no permission to stand in the page. */
export const make = (element, { text, label, hint, changed }) => {
  const root = element.shadowRoot || element.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), history(), drawSelection(), highlightActiveLine(), bracketMatching(), indentOnInput(),
        indentUnit.of("    "), pythonLanguage, syntaxHighlighting(colors), placeholder(hint),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
        EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
        EditorView.theme({
          "&": { height: "100%", color: "inherit" },
          ".cm-scroller": { fontFamily: "ui-monospace, monospace", overflow: "auto" },
          ".cm-gutters": { background: "transparent", color: "inherit", border: "none", opacity: "0.6" },
          ".cm-activeLine": { backgroundColor: "color-mix(in srgb, currentColor 5%, transparent)" },
          ".cm-cursor": { borderLeftColor: "currentColor" },
          "&.cm-focused": { outline: "2px solid var(--accent)" },
        }),
      ],
    }),
  });
  return {
    get text() { return view.state.doc.toString(); },
    set text(value) { view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } }); },
    focus() { view.focus(); },
    /* The n-th line, from 1, selected and in sight. */
    select(n) {
      const line = view.state.doc.line(Math.max(1, Math.min(n, view.state.doc.lines)));
      view.dispatch({ selection: { anchor: line.from, head: line.to }, scrollIntoView: true });
      view.focus();
    },
  };
};
"""


def main() -> None:
    """Fetch the packages, build the file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = {"private": True, "dependencies": PACKAGES, "devDependencies": {"esbuild": ESBUILD}}
        (folder / "package.json").write_text(json.dumps(content), encoding="utf-8")
        (folder / "entry.js").write_text(ENTRY, encoding="utf-8")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
        made = folder / "made.js"
        build = ["npx", "--no-install", "esbuild", "entry.js", "--bundle", "--minify", "--format=iife"]
        subprocess.run(
            [*build, "--global-name=convgradEditor", "--target=es2020", "--legal-comments=none", f"--outfile={made}"],
            cwd=folder,
            check=True,
        )
        used = sorted(p.parent for p in (folder / "node_modules").glob("**/package.json") if _is_bundled(p.parent))
        licenses = {(p / "LICENSE").read_text(encoding="utf-8").strip() for p in used}
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        told = ", ".join(f"{data['name']} {data['version']}" for p in used for data in [_package(p)])
        text = "\n\n".join(sorted(licenses))
        (FOLDER / "LICENSE").write_text(f"{told}\n\n{text}\n", encoding="utf-8")
        banner = f"/*!\n{told}\n\n{re.sub(r'[*]/', '* /', text)}\n*/\n"
        (FOLDER / "codemirror.min.js").write_text(banner + made.read_text(encoding="utf-8"), encoding="utf-8")
    for file in FOLDER.rglob("*"):
        file.chmod(0o644)


def _is_bundled(folder: Path) -> bool:
    return "esbuild" not in str(folder.relative_to(folder.anchor)) and (folder / "LICENSE").exists()


def _package(folder: Path) -> dict[str, str]:
    return dict(json.loads((folder / "package.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
