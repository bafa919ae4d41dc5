# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a node for as long as somebody talks to it: commands come as lines of JSON, one at a
time, and what came of each goes back as one line.  See served.py."""
import json
import subprocess
import sys


def done(command, timeout, text):
    try:
        result = subprocess.run(command, input=text, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, errors="replace",
                                timeout=timeout)
        return [result.returncode, result.stdout, result.stderr]
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        return [127, "", str(error)]


for line in sys.stdin:
    print(json.dumps(done(*json.loads(line))), flush=True)
