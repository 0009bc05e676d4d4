#!/bin/sh
# test/all.sh COMPILER-AND-FLAGS [check] - all tests, `make test`; with `check` only those that take a minute, `make
# check`. From the root of the repository, with ./ticket built by the same compiler. Not here: test/portability.sh.
# SPDX-License-Identifier: MIT
#
# Each test program ends in a line `N passed, N failed`, maybe with `, N skipped`; so does this.
compiler=${1:-cc -std=c99 -O2} only=${2:-}
# What the loop that test/unit calls prints for its user: the table of test errors.
table=$(printf '^level\tdensity\|^[0-9][0-9]*\t[0-9][0-9.]*\t')
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0 skipped=0

add() # STATUS: counts what the program whose output is in $out says in its last line
{
  last=$(tail -n 1 "$out")
  numbers=$(printf '%s\n' "$last" | sed -n 's/^\([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed\(, \([0-9][0-9]*\) skipped\)*$/\1 \2 \4/p')
  set -- "$1" $numbers
  if [ $# -lt 3 ]; then
    echo "FAIL $name: expected a last line 'N passed, N failed', found exit status $1 and '$last'"
    failed=$((failed + 1))
    return
  fi
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + ${4:-0}))
  case $1:$3 in
  0:0 | [1-9]*:[1-9]*) return ;;
  esac
  echo "FAIL $name: expected an exit status that fits '$last', found $1"
  failed=$((failed + 1))
}

run() # NAME COMMAND...
{
  name=$1
  shift
  printf '== %s\n' "$name"
  { "$@" 2>&1; echo $? >"$out.status"; } | grep -v "$table" | tee "$out"
  add "$(cat "$out.status")"
  rm -f "$out.status"
}

# the sources that are tested, compiled once
objects=$(mktemp -d) || exit 1
trap 'rm -rf "$out" "$objects"' EXIT
for name in arithmetic nn prune lmc data; do $compiler -c -o "$objects/$name.o" $name.c || exit 1; done
unit() # PROGRAM SOURCE...
{
  if $compiler -I. -o "$@" "$objects"/*.o -lm; then run $1 $1 1 ${only:+8}
  else
    echo "FAIL $1: does not compile"
    failed=$((failed + 1))
  fi
}
unit test/unit test/unit.c test/naive.c
unit test/unit_lmc test/unit_lmc.c
verify()
{
  ./ticket verify | awk '{print} /^PASS/ {p++} !/^PASS/ {f++} END {printf "%d passed, %d failed\n", p, f; exit f > 0 || p == 0}'
}
run './ticket verify' verify
sum_up()
{
  if [ $skipped -gt 0 ]; then printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
  else printf '%d passed, %d failed\n' $passed $failed; fi
  [ $failed -eq 0 ] && [ $passed -gt 0 ]
  exit
}
if [ "$only" ]; then
  run test/report.sh sh test/report.sh
  sum_up
fi
# The networks are made for 1, 2 or 3 threads; with OpenMP they really have them.
if $compiler -fopenmp -I. -o test/unit-threads test/unit.c test/naive.c arithmetic.c nn.c prune.c lmc.c data.c -lm 2>/dev/null; then
  run 'test/unit-threads (OpenMP)' env OMP_WAIT_POLICY=passive test/unit-threads 2 25
  rm -f test/unit-threads
else
  echo 'skip test/unit-threads: the compiler has no OpenMP'
  skipped=$((skipped + 1))
fi
run test/text.sh sh test/text.sh "$compiler"
run test/hand.sh sh test/hand.sh "$compiler"
run test/cli.sh sh test/cli.sh
run test/lmc.sh sh test/lmc.sh
run test/report.sh sh test/report.sh
run test/own.sh sh test/own.sh "$compiler"
run test/going.sh sh test/going.sh
run test/faults.sh sh test/faults.sh
run test/crash.sh sh test/crash.sh
if [ -z "${LESS:-}" ]; then # what another compiler's tests need not run again: commands of the documents
  run test/sweep.sh sh test/sweep.sh
  run test/paper.sh sh test/paper.sh
  run test/readme.sh sh test/readme.sh
  run test/web.sh sh test/web.sh
fi
run test/reference.sh sh test/reference.sh
run test/torch.sh sh test/torch.sh "$compiler"
sum_up
