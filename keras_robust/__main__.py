"""`python -m keras_robust` is the command `keras-robust`."""

import sys

from keras_robust.cli import main

sys.exit(main())
