"use strict";
/* What a person takes along: an explanation as LaTeX and Markdown, texts and pictures to the clipboard or a file. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  /** An explanation to be put into a LaTeX document (with amsmath). */
  page.asLatex = (explanation) => `\\[\n${explanation.latex}\n\\]\n`;

  /** A derivation with its sentences as remarks, as `convgrad derive --latex` writes it. */
  page.derivationAsLatex = ({ steps }) =>
    steps
      .map(({ rule, sentence, latex }, n) => {
        const remark = [`${n + 1}. ${rule}`, sentence].filter(Boolean).join(": ");
        return `% ${remark.replace(/\s+/g, " ")}\n\\[\n${latex}\n\\]\n`;
      })
      .join("");

  page.NOT_COPIED = "The browser does not let the page copy. The text is selected: copy it with Ctrl+C.";

  /** An explanation as Markdown with a formula, as notebooks, forums and GitHub show it. */
  page.asMarkdown = (explanation, link) => {
    const notes = explanation.notes.map(({ text }) => `- ${escaped(text)}`);
    const sources = explanation.madeFrom.map(({ element, written }) => `\`${element}\` = ${written}`);
    const parts = [
      `**\`${explanation.element}\` = ${explanation.written}**, ${explanation.status}`,
      `$$\n${explanation.latex}\n$$`,
      notes.join("\n"),
      sources.length ? `Made from ${sources.join(", ")}.` : "",
      link ? `[Every number of it](<${link}>)` : "",
    ];
    return `${parts.filter(Boolean).join("\n\n")}\n`;
  };

  const escaped = (text) => text.replace(/([\\`*_[\]<>$])/g, "\\$1");

  /** Whether a text came onto the clipboard: browsers deny that here and there. */
  page.copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  };

  page.copyPicture = async (blob) => {
    try {
      await navigator.clipboard.write([new ClipboardItem({ [blob.type]: blob })]);
      return true;
    } catch {
      return false;
    }
  };

  page.save = (blob, name) => {
    const address = URL.createObjectURL(blob);
    const link = h("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
})();
