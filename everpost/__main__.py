"""The `everpost` command as a module: `python -m everpost`."""

from everpost.cli.main import app

if __name__ == "__main__":
    app()
