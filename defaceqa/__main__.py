"""``python -m defaceqa``: the same command line as ``defaceqa``."""

from defaceqa.cli import main

main()
