"""Is my derivation correct?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.errors import DataError
from convgrad.questions.reading import LONGEST_TEXT, PASTED
from convgrad.questions.rights import Rights


def derivation(asked: Mapping[str, Any], rights: Rights) -> dict[str, Any]:
    """{"text": a derivation (docs/checking.md)} -> its verdicts: {"verdict", "summary", "parts": [{"line", "what",
    "text", "mark", "words"}]}. Its programs are run only where the rights say so. Raises: ConvgradError.
    """
    text = asked.get("text")
    if not isinstance(text, str):
        raise DataError('A check of a derivation takes {"text": "..."}.')
    if len(text) > LONGEST_TEXT:
        raise DataError(f"The derivation has {len(text):,} characters; a page checks at most {LONGEST_TEXT:,}.")
    return check_text(text, str(PASTED), Options(run=rights.runs_programs)).to_json()
