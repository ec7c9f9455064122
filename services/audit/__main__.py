"""`python -m services.audit`: runs the service; `--roles api,worker,relay,projector` splits it."""

import sys

from services.audit.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
