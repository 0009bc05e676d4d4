#!/bin/sh
# test/sweep.sh - the sweeps, tiny: as a Makefile, as the tasks of a Slurm array run by hand, and as a real
# array where Slurm runs. From the root of the repository, with ./ticket built. SPDX-License-Identifier: MIT
. test/lib.sh
test=$PWD/test
TICKET=$ticket OPTIONS='--model lenet-30 --train-size 600 --epochs 15 --levels 3 --rate 0.5 --branches reinit' BATCHES='20 50' SEEDS='4 5 6'
export TICKET OPTIONS BATCHES SEEDS
mkdir "$room/make" "$room/array" "$room/slurm"
cd "$room/make" || exit 1

sweep() { make -f "$test/sweep.mk" -j2 >out 2>err; }
rows() { grep -c '^[0-9]' "$1" 2>/dev/null; }
of_run() { sed -n "s/^# $2 = //p" "$1"; }

group 'make -f test/sweep.mk -j2'
sweep && good || bad 'the sweep' 'exit status 0' "$(cat err)"
for batch in $BATCHES; do
  for seed in $SEEDS; do
    file=sweep-$batch-$seed.tsv
    is "$file" "$batch $seed 6" "$(of_run $file batch) $(of_run $file seed) $(rows $file)"
  done
done
tail -c 8 sweep.html | grep -q '</html>' && good || bad 'sweep.html' 'a whole report' "$(ls sweep.html 2>&1)"
rm out err
sums . >../before
sweep && good || bad 'the same again' 'exit status 0' "$(cat err)"
rm out err
sums . >../after
same 'it changes nothing' ../before ../after
rm sweep-50-5.* sweep-50-6.* sweep.html
cat >../noting <<'END'
#!/bin/sh
for prefix; do :; done
echo $$ >../$prefix.pid
exec "$ticket" "$@"
END
ticket=$ticket TICKET='sh ../noting' make -f "$test/sweep.mk" -j2 >out 2>err &
while [ ! -f sweep-50-5.L00.safetensors ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -9 "$(cat ../sweep-50-5.pid)"
wait $!
is 'a run was killed' 2 $?
[ -f sweep.html ] && bad 'sweep.html' 'none' 'a report without that run' || good
sweep && good || bad 'the same again' 'exit status 0' "$(cat err)"
rm out err
sums . >../after
same 'it goes on to the same files' ../before ../after

group 'test/sweep.sbatch'
cd ../array || exit 1
for task in 0 1 2 3 4 5; do
  SLURM_ARRAY_TASK_ID=$task sh "$test/sweep.sbatch" >out 2>err && good || bad "task $task" 'exit status 0' "$(cat err)"
done
rm out err
sums . >../after
grep -v sweep.html ../before >../tasks
same 'the tasks make the files of the Makefile' ../tasks ../after
if sinfo >/dev/null 2>&1; then
  cd ../slurm || exit 1
  sbatch --wait "$test/sweep.sbatch" >out 2>&1 && good || bad 'sbatch' 'exit status 0' "$(cat out ./*.log)"
  rm -f out sweep-*.log
  sums . >../after
  same 'Slurm makes the files of the Makefile' ../tasks ../after
else skip 'sbatch: Slurm does not run here'; fi
finish
