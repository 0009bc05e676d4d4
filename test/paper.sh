#!/bin/sh
# test/paper.sh - results/paper.mk with tiny runs on built-in data: every figure's page and values, a killed run, the array, the
# plan; then the commands of results/README.md. From the root of the repository, with ./ticket built. SPDX-License-Identifier: MIT
. test/lib.sh
here=$PWD paper=$PWD/results/paper.mk
TICKET=$ticket SCALE=test DATA=$room/DIR
export TICKET SCALE DATA
unset OUT NETWORK BATCHES SEEDS ROUNDS MAKEFLAGS MAKELEVEL MFLAGS
mkdir "$room/once" "$room/array" "$room/readme" "$DATA" "$DATA/mnist" "$DATA/cifar10"
"$ticket" data --train-size 120 --out "$DATA/mnist" >/dev/null
"$ticket" data --data synth-rgb --train-size 64 --out "$DATA/cifar10" >/dev/null
head -c 307300 "$DATA/cifar10/test_batch.bin" >"$room/small" && mv "$room/small" "$DATA/cifar10/test_batch.bin" # 100 images
cd "$room/once" || exit 1
paper() { make -f "$paper" "$@" >out 2>err; }

group 'make -f results/paper.mk all'
paper -j2 all && good || bad 'all figures' 'exit status 0' "$(cat err)"
for figure in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do
  page=paper-test/fig$figure
  tail -c 8 $page.html | grep -q '</html>' && good || bad "$page.html" 'a whole page' "$(ls $page* 2>&1)"
  grep -q '<figure>' $page.html && grep -q '<strong>scale:</strong> test; changed: everything' $page.html && good ||
    bad "$page.html" 'figures, and what was changed' "$(head -n 12 $page.html)"
  [ "$(grep -cv '^#' "$here/results/paper/fig$figure.tsv")" -gt 0 ] && [ -s $page.values.tsv ] && good || bad "$page.values.tsv" 'a table' 'none'
done
for figure in 1 3 4 8 12 13 14 17 18 20 21 23; do
  grep -q 'published: ' paper-test/fig$figure.values.tsv && grep -q '<path class="o ' paper-test/fig$figure.html && good ||
    bad "figure $figure" "the paper's values" 'none'
done
awk -F '\t' '$7 != "-" && $8 != "-" {n++} END {exit n < 5}' paper-test/fig18.values.tsv && good || # places that the paper has too
  bad "fig18.values.tsv" "values beside the paper's" "$(head -n 3 paper-test/fig18.values.tsv)"
is "a level of the paper is where ours has as many weights" 'published: conv4.s1.angle 2.184' "$(
  awk -F '\t' '/^Angle to the next/ && $2 == "published: conv4.s1.angle" {print $2, $3}' paper-test/fig21.values.tsv | sed -n 5p)"
paper NETWORK=conv4 OUT=conv4 fig3 fig8 && [ -s conv4/conv4.b16.decay.attract.s1.tsv ] && grep -q 'Conv-4 instead of ResNet-20' conv4/fig3.html &&
  [ -s conv4/conv4.s1.barrier.tsv ] && ! ls conv4/b*.tsv >out 2>&1 && good || bad 'NETWORK=conv4' 'pages of Conv-4' "$(cat err out)"
is 'runs of figure 1' 'b16.s1 b16.warm.s1 b64.s1 b64.warm.s1' "$(make -s -f "$paper" fig1.runs | tr '\n' ' ' | sed 's/ $//')"
is 'and at full scale' 36 "$(SCALE=full make -s -f "$paper" fig1.runs | wc -l | tr -d ' ')"
for scale in small full; do
  SCALE=$scale make -n -f "$paper" all >out && sh -n ./out 2>err && good || bad "the commands of SCALE=$scale" 'commands of a shell' "$(cat err)"
done
"$ticket" imp --preset resnet20-large-batch --data "cifar10:$DATA/cifar10" --train-size 64 --model resnet8-2 --augment none --steps 2ep --milestones 1ep \
  --batch 64 --levels 3 --rate 0.4 --branches reinit --points 20 --quiet --out points >out
grep -v '^# checksum' points.tsv >wanted
same 'the barriers are those of imp --points 20' wanted paper-test/b64.s1.barrier.tsv
rm -f points.* wanted out err
sums paper-test >../before
paper fig4 fig8 && good || bad 'again' 'exit status 0' "$(cat err)"
sums paper-test >../after
same 'it changes nothing' ../before ../after

group 'a run that was killed'
rm paper-test/lenet.s1.* paper-test/fig18.*
cat >noting <<'END'
#!/bin/sh
for prefix; do :; done
[ "$1" = imp ] && echo $$ >"$prefix.pid"
exec "$ticket" "$@"
END
ticket=$ticket TICKET='sh ./noting' make -f "$paper" fig18 >out 2>err &
while [ ! -f paper-test/lenet.s1.L00.safetensors ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -9 "$(cat paper-test/lenet.s1.pid)"
wait $! && bad 'it was killed' 'a failure' 'none' || good
[ -f paper-test/fig18.html ] && bad 'fig18.html' 'none' 'a page without that run' || good
rm -f paper-test/*.pid
paper fig18 fig19 further && good || bad 'the same again' 'exit status 0' "$(cat err)"
sums paper-test >../after
same 'it goes on to the same files' ../before ../after

group 'results/paper.sbatch'
cd ../array || exit 1
LIST=fig1.runs PAPER=$paper
export LIST PAPER
for task in 0 1 2 3; do
  SLURM_ARRAY_TASK_ID=$task sh "$here/results/paper.sbatch" >out 2>err && good || bad "task $task" 'exit status 0' "$(cat err)"
done
SLURM_ARRAY_TASK_ID=4 sh "$here/results/paper.sbatch" >out 2>err && bad 'a task too many' 'a failure' 'none' || good
(cd ../once && sums paper-test) | grep -E '\./b[0-9]+(\.warm)?\.s1\.(L|ep|rew|tsv)' | grep -v 'L0[0-9]\..*tsv' >../tasks
sums paper-test >../after
same 'the tasks make the same runs' ../tasks ../after
if sinfo >/dev/null 2>&1; then
  rm -r paper-test
  sbatch --wait --array=0-3 --mem=0 "$here/results/paper.sbatch" >out 2>&1 && good || bad 'sbatch' 'exit status 0' "$(cat out ./*.log)"
  sums paper-test >../after
  same 'so does Slurm' ../tasks ../after
else skip 'sbatch: Slurm does not run here'; fi

group 'results/plan.sh'
cd ../once || exit 1
# 1 s for an image when dense, 2 at half the weights, so 1.5 at 75%
printf 'model lenet-12-9\n# activations, their gradients and workspace: 1048576 bytes an image\ndensity\tms\timages_per_s\tgflops\tbytes\n' >bench
printf '%s\t0\t%s\t0\t0\n' 100 1 50 0.5 20 0.5 >>bench
printf 'x imp --preset lenet-mnist --data synth --train-size 90 --model lenet-12-9 --steps 4ep --levels 2 --rate 0.25 --branches reinit --out a/b\n' >commands
printf 'x stability --preset lenet-mnist --data mnist:DIR --model lenet-12-9 --steps 10it --ticket a/b.L01.safetensors --quiet\n' >>commands
is 'by hand' "run	trainings	steps	core-hours	MiB
b	4	32	0.50	60
b.L01	2	20	0.50	60
2 commands	6	52	1.00" "$(BENCH=bench sh "$here/results/plan.sh" <commands)"
is 'figure 1 at full scale' '36 commands	1800	39295500' "$(sed 's/lenet-12-9/resnet20/' bench >bench20
  SCALE=full make -n -f "$paper" fig1 | BENCH=bench20 sh "$here/results/plan.sh" | tail -n 1 | cut -f 1-3)"
{ echo model lenet-12-9; "$ticket" bench --model lenet-12-9 --batch 128 | head -n 4; } >bench # two densities
sed -i.old 's/10it/6000000it/' commands
is 'by bench, at 75%' "$(awk 'NR > 3 {sum += 1 / $3} END {printf "%.2f", 2 * 6000000 * 60 / 3600 * sum / 2}' bench)" "$(
  BENCH=bench sh "$here/results/plan.sh" <commands | awk -F '\t' '/^b.L01/ {print $4}')"

group 'results/README.md: figure by figure' # the rest: test/readme.sh
# A command is a line of an indented block that begins as one; the lines after it are what it prints, tabs as a terminal shows them.
cp -R "$here/results" "$here/test" "$room/readme" && cd "$room/readme" || exit 1
ln -s "$ticket" ticket
ln -s "$DATA" DIR
mv ../once/paper-test .
TICKET=./ticket
awk '/^# Further results/ {exit}
  /^    / {line = substr($0, 5)
  if (line ~ /^(\.\/|make |sh |awk )/) print line >(name = sprintf("%03d.command", ++n)); else if (name) print line >(substr(name, 1, 3) ".output")
  next} {name = ""}' results/README.md
[ "$(ls ./*.command | wc -l)" -gt 10 ] && good || bad 'commands' 'more than 10' "$(ls)"
for file in *.command; do
  status=0
  sed 's/  *  # .*//' "$file" >command
  sh ./command >out 2>err || status=$?
  is "$(cat "$file")" 0 "$status$([ $status = 0 ] || tail -n 2 err)"
  output=${file%.command}.output
  [ -f "$output" ] || continue
  expand out >last
  cmp -s last "$output" && good || bad "the output of $(cat "$file")" "$(cat "$output")" "$(cat last)"
done
for name in $(grep -o ']([^)#:]*)' results/README.md | tr -d ']()' | sort -u); do
  [ -e "results/$name" ] && good || bad "the link to $name" 'a file' 'none'
done
finish
