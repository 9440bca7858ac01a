#!/usr/bin/env python3
"""Prints how many tests were skipped and why, from the JUnit XML results of all runs: Deploy/say-skipped.py FOLDER"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

results = [ElementTree.parse(file).getroot() for file in sorted(Path(sys.argv[1]).glob("*.xml"))]
tests = sum(1 for result in results for _ in result.iter("testcase"))
if not tests:
    sys.exit(f"say-skipped: {sys.argv[1]} contains no test results.")
reasons = Counter(
    # pytest writes the reason to an attribute, Swift Testing to the text.
    skipped.get("message") or (skipped.text or "").strip() or "no reason given"
    for result in results
    for skipped in result.iter("skipped")
)
skipped = sum(reasons.values())
failed = sum(1 for result in results for kind in ("failure", "error") for _ in result.iter(kind))
passed = tests - skipped - failed
print(f"\n{tests} tests: {passed} passed, {skipped or 'none'} skipped{f', {failed} failed' if failed else ''}.")
for reason, times in reasons.most_common():
    print(f"  {times} skipped: {reason}")
