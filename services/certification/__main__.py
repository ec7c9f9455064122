"""`python -m services.certification`: runs the service; `--roles api,worker,relay,projector` splits it."""

import sys

from services.certification.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
