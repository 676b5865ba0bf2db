"""Run a worker process: `python -m workers KIND [KIND …]`, with the kinds of task queue to serve.

A worker ends cleanly on SIGTERM: it takes no new work and finishes or hands back what it has.
"""

import sys


def main() -> None:
    """Run the workers named on the command line."""
    # Imported here: the processes that read mails start by importing this module, and need none.
    from workers.run import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
