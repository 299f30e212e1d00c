"""Statements of a document with subscripts that are parts of names marked as such."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.derivations.labels import marked
from convgrad.check.documents.ledger import Ledger
from convgrad.check.documents.statements import Statement


def with_labels(statement: Statement, ledger: Ledger) -> Statement:
    """The statement with what is known to be a label marked as one."""
    left, right = (marked(text, ledger.labels) for text in (statement.left, statement.right))
    return (
        replace(statement, left=left, right=right) if (left, right) != (statement.left, statement.right) else statement
    )
