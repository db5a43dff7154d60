#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""compile_commands.py COMMAND FILE...: print compile_commands.json for the hypervisor's C files."""

import json
import os
import sys

command, *files = sys.argv[1:]
entries = [{"directory": os.getcwd(), "file": f, "command": f"{command} -c {f}"} for f in files]
json.dump(entries, sys.stdout, indent=1)
print()
