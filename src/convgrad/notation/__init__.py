"""Text to immutable terms and back: the language that every layer is written in (`docs/notation.md`)."""
