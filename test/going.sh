#!/bin/sh
# test/going.sh - runs that go on with more levels, branches, copies or points, to the very files of a run that had them
# from the start; killed in between too, where a library can be put before ticket (Linux, glibc). From the root of the
# repository: [STEPS=N] sh test/going.sh; a kill at every N-th file call. SPDX-License-Identifier: MIT
. test/lib.sh
compiler=${CC:-cc}
$compiler -O1 -shared -fPIC -o "$room/fault.so" test/fault.c -ldl 2>"$room/err" || rm -f "$room/fault.so"
cd "$room" || exit 1
step=${STEPS:-29}
works 'images' data --train-size 90 --out .
tiny='imp --data mnist:. --model lenet-6 --train-size 90 --batch 20 --epochs 2 --rewind 3it --rate 0.5 --quiet'

kill_at() # CALL ARGUMENT...: killed before that file call
{
  call=$1
  shift
  FAULT_AT=$call FAULT_DO=before LD_PRELOAD=$room/fault.so run "$@"
}
as_whole() # WHAT
{
  sums folder >found
  same "$1" whole found
}
begin() { rm -rf folder && mkdir folder; }

goes_on() # WHAT FIRST THEN: options
{
  group "a run goes on: $1"
  begin
  works 'whole' $tiny $3 --out folder/k
  sums folder >whole
  begin
  works 'first' $tiny $2 --out folder/k
  cp -r folder first
  works 'then' $tiny $3 --out folder/k
  as_whole 'finished, then prolonged'
  works 'again' $tiny $3 --out folder/k
  as_whole 'and again'
  run $tiny $2 --out folder/k
  said 'back again' 1 'holds another run'
  as_whole 'refused'
  if FAULT_LOG=$room/log LD_PRELOAD=$room/fault.so "$ticket" help >out 2>&1 && [ -f log ]; then
    begin
    FAULT_LOG=$room/log LD_PRELOAD=$room/fault.so run $tiny $2 --out folder/k
    kill=3 calls=$(wc -c <log)
    while [ $kill -lt $calls ]; do
      begin
      kill_at $kill $tiny $2 --out folder/k
      works "killed at $kill, then prolonged" $tiny $3 --out folder/k
      as_whole "first killed at $kill"
      kill=$((kill + 4 * step))
    done
    rm -rf folder && cp -r first folder
    FAULT_LOG=$room/log LD_PRELOAD=$room/fault.so run $tiny $3 --out folder/k
    kill=3 calls=$(wc -c <log)
    while [ $kill -lt $calls ]; do
      rm -rf folder && cp -r first folder
      kill_at $kill $tiny $3 --out folder/k
      is "killed at $kill" 137 $status
      works "and again" $tiny $3 --out folder/k
      as_whole "killed at $kill of the second"
      kill=$((kill + step))
    done
  fi
  rm -rf first
}

if [ ! -f fault.so ]; then skip 'killed in between: no library can be put before ticket'; fi
goes_on 'levels' '--levels 2' '--levels 3'
goes_on 'branches' '--levels 2 --branches reinit' '--levels 2 --branches random,reinit,shuffle'
goes_on 'children' '--levels 2' '--levels 2 --children 1'
goes_on 'points' '--levels 2 --points 3' '--levels 2 --points 5'
goes_on 'all at once' '--levels 2 --branches reinit --points 2' '--levels 3 --branches reinit,random --children 2 --points 3'
goes_on 'where it had ended' '--levels 3 --rate 1' '--levels 4 --rate 1'

group 'what changes earlier bits'
begin
works 'first' $tiny --levels 2 --branches reinit,shuffle --children 1 --out folder/k
sums folder >whole
for other in '--levels 2 --seed 2' '--levels 3 --lr 0.1' '--levels 2 --branches shuffle,reinit --children 1' '--levels 3 --branches reinit --children 1' \
  '--levels 3 --branches reinit,shuffle' '--levels 3 --rate 0.4'; do
  refused 1 'folder/k.tsv: holds another run' $tiny $other --out folder/k
  as_whole "$other: files"
done

group 'a run without a row'
begin
works 'whole' $tiny --levels 2 --lr 0.01 --out folder/k
sums folder >whole
begin
works 'another' $tiny --levels 1 --children 1 --out folder/k
header=$(grep -c '^#' folder/k.tsv)
head -n $((header + 1)) folder/k.tsv >cut && mv cut folder/k.tsv && sign folder/k.tsv
cp -r folder begun
works 'replaced' $tiny --levels 2 --lr 0.01 --out folder/k
is 'said' 1 "$(grep -c '^ticket: folder/k.tsv: another run has begun here and has no row yet' err)"
as_whole 'begun with other options'
rm -rf folder && mv begun folder
works 'a third' $tiny --levels 1 --seed 3 --out third
cp third.L00.safetensors folder/k.L00.safetensors
cp folder/k.L00.safetensors kept
refused_by() { run "$@"; is "$*" 1 $status; is 'named' 1 "$(grep -c 'folder/k.L00.safetensors: is of another run' err)"; }
refused_by $tiny --levels 2 --lr 0.01 --out folder/k
same 'a network of a third run' kept folder/k.L00.safetensors
finish
