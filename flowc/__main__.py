"""`python -m flowc` is `flowc`."""

import os
import sys
from contextlib import suppress

if __name__ == "__main__":
    # `-m` has modules of the working folder go before all others, which the command of the same name does not.
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with suppress(FileNotFoundError):  # of a folder that was removed
        if not sys.flags.safe_path and sys.path[0] == os.getcwd() != own:
            del sys.path[0]
    from flowc.cli.main import main

    main()
