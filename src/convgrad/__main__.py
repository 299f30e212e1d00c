"""`python -m convgrad` is the command `convgrad`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while all is imported, Ctrl-C ends the process without a word


def main() -> None:
    """Entry point of the command `convgrad`."""
    from convgrad.commands.cli import main  # not before the line above

    main()


if __name__ == "__main__":
    main()
