"""Runs an example of the SDK in this process, against the engine of LOGIN: run_example.py EXAMPLE [ARGUMENTS].

The examples name an engine of their own; here every connection goes to the lab's, and long waits are cut short.
"""

import json
import os
import runpy
import sys
import time
from pathlib import Path

import ovirtsdk4

LONGEST_WAIT = 0.3

_connect = ovirtsdk4.Connection.__init__
_sleep = time.sleep


def connect(self, **arguments):
    arguments.pop("log", None)
    _connect(self, **{**arguments, "debug": False, **json.loads(os.environ["LOGIN"])})


ovirtsdk4.Connection.__init__ = connect
time.sleep = lambda seconds: _sleep(min(seconds, LONGEST_WAIT))
sys.argv = sys.argv[1:]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
