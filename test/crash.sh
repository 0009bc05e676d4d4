#!/bin/sh
# test/crash.sh - runs that are killed at any file call, whose calls fail, that are started twice at
# once, whose files are damaged. From the root of the repository: a sample takes a minute, and
#   KILLS=2000 FAILURES=1000 ROUNDS=200 PLACES=500 [SEED=N] sh test/crash.sh
# ten. KILLS=0 kills before, halfway through and after every call of every kind of run.
# SPDX-License-Identifier: MIT
. test/lib.sh
compiler=${CC:-cc}
echo "seed ${SEED:-1} (SEED=, KILLS=, FAILURES=, ROUNDS=, PLACES=; ONLY=N: trial N of each group)"
what='killed, failing, doubled and damaged runs' library=$room/fault.so
if ! $compiler -O1 -shared -fPIC -o "$library" test/fault.c -ldl 2>"$room/err" ||
  ! $compiler -O1 -o "$room/crash" test/crash.c 2>"$room/err"; then
  skip "$what: need Linux with glibc: $(head -n 1 "$room/err")"
elif FAULT_LOG=$room/log LD_PRELOAD=$library "$ticket" data >"$room/out" 2>&1 &&
  [ -f "$room/log" ]; then
  cd "$room" && ./crash "$ticket" "$library"
  exit
else
  skip "$what: no library can be put before $ticket"
fi
echo '0 passed, 0 failed, 1 skipped'
