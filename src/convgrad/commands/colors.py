"""Colours and weight for what commands print. The characters stay what they are: without colours, nothing is lost."""

from __future__ import annotations

import re

from rich.text import Text

STRONG, FAINT, GOOD, BAD, OPEN, NAMED = "bold", "dim", "green", "red", "yellow", "cyan"

RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # verdicts, marks, and the numbers that they are about
    (r"^(RIGHT)\b", (f"{STRONG} {GOOD}",)),
    (r"^(WRONG)\b", (f"{STRONG} {BAD}",)),
    (r"^(NOT CHECKED)\b", (f"{STRONG} {OPEN}",)),
    (r"^[^\s:][^:\n]*: (right\b[^:\n]*)$", (GOOD,)),
    (r"^[^\s:][^:\n]*: (wrong\b[^:\n]*)$", (BAD,)),
    (r"^[^\s:][^:\n]*: ((?:still to be entered|not understood|follows)\b[^:\n]*)$", (OPEN,)),
    (r"\bexpected (\S+), got (\S+)$", (GOOD, BAD)),
    (r"^ *(\^+)$", (f"{STRONG} {BAD}",)),
    (r"^ *(Cause(?: \d+)?|Change|Proof|Note|Fault|Reason|Derived|The smallest input that still fails):", (STRONG,)),
    # a step and its numbers
    (r"^(\S.*)\n(=+|-+)$", (STRONG, FAINT)),
    (r"^ *(equation|indices|numbers|made of)  +", (NAMED,)),
    (r"^.*   (\((?:given|pinned|a delta that was given)\))$", (FAINT,)),
    (r"  (given|computed)$", (FAINT,)),
    (r"  (pinned|a delta that was given)$", (OPEN,)),
    # derivations
    (r"^(\d+\. .*)$", (STRONG,)),
    (r"^(Result)$", (STRONG,)),
    # errors
    (r"\A(\w+(?:Error|Name|Diverged)):", (f"{STRONG} {BAD}",)),
    (r"\A(Warning|Note):", (f"{STRONG} {OPEN}",)),
)
"""Expression -> a style for each of its groups. Later ones win."""
FORMS = tuple((re.compile(pattern, re.MULTILINE), styles) for pattern, styles in RULES)


def painted(text: str) -> Text:
    """The text with its verdicts, headings, labels and carets made to be seen."""
    found = Text(text)
    for form, styles in FORMS:
        for match in form.finditer(text):
            for group, style in enumerate(styles, 1):
                found.stylize(style, *match.span(group))
    return found
