"""`python -m flowc` is `flowc`."""

from flowc.cli.main import main

if __name__ == "__main__":
    main()
