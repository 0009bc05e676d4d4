#!/bin/sh
# test/reference.sh - the contract in numpy against the program (test/reference.py), and results/README.md's session with an
# error put into a copy of it; where a python3 with numpy is installed. From the root of the repository, with ./ticket
# built. SPDX-License-Identifier: MIT
. test/lib.sh
for python in ${PYTHON:-/usr/bin/python3 python3}; do
  "$python" -c 'import numpy' >/dev/null 2>&1 || continue
  export PYTHONDONTWRITEBYTECODE=1
  "$python" test/reference.py "$ticket" >"$room/said" 2>&1
  grep -v '^same ' "$room/said" | grep -v '^[0-9]* passed'
  set -- $(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$room/said")
  group 'the contract in numpy'
  is 'last line' 2 $#
  passed=$((passed + ${1:-0})) failed=$((failed + ${2:-1}))
  group 'an error in a copy of it is found'
  awk '/python3 mine.py/ {shown = 1; next} shown && /^    / {print substr($0, 5); next} {shown = 0}' results/README.md >"$room/shown"
  sed "$(sed -n "s/^    sed '\(.*\)' test\/reference.py >mine.py$/\1/p" results/README.md)" test/reference.py >"$room/mine.py"
  "$python" "$room/mine.py" "$ticket" 'dump resnet8' 'trace resnet8' >"$room/out" 2>/dev/null
  tail -n "$(grep -c '' "$room/shown")" "$room/out" >"$room/last"
  same 'as results/README.md shows' "$room/shown" "$room/last"
  finish
done
skip 'the contract in numpy: no python3 with numpy (Debian: python3-numpy)'
printf '0 passed, 0 failed, 1 skipped\n'
