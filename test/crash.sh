#!/bin/sh
# test/crash.sh - runs that are killed at any file call, whose calls fail, that are started twice at once, whose files are
# damaged. From the root of the repository; a sample of each in two minutes, all of it with
#   KILLS=2000 FAILURES=1000 ROUNDS=200 PLACES=500 [SEED=N] sh test/crash.sh
# SPDX-License-Identifier: MIT
. test/lib.sh
compiler=${CC:-cc}
echo "seed ${SEED:-1} (SEED=, KILLS=, FAILURES=, ROUNDS=, PLACES=; ONLY=N: trial N of each group)"
if ! $compiler -O1 -shared -fPIC -o "$room/fault.so" test/fault.c -ldl 2>"$room/err" ||
  ! $compiler -O1 -o "$room/crash" test/crash.c 2>"$room/err"; then
  skip "killed, failing, doubled and damaged runs: need Linux with glibc: $(head -n 1 "$room/err")"
elif ! FAULT_LOG="$room/log" LD_PRELOAD="$room/fault.so" "$ticket" data >/dev/null 2>"$room/err" || [ ! -f "$room/log" ]; then
  skip "killed, failing, doubled and damaged runs: no library can be put before $ticket"
else
  cd "$room" && ./crash "$ticket" "$room/fault.so"
  exit
fi
printf '0 passed, 0 failed, 1 skipped\n'
