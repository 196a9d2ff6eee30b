"""The tests of panics with two of their messages: the others take ten minutes here and run no other code."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
import test_panics

test_panics.MESSAGES = {name: test_panics.MESSAGES[name] for name in ("plain", "NUL and escapes")}
unittest.main(test_panics)
