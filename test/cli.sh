#!/bin/sh
# test/cli.sh - the command line and its files, on built-in data; on real data too where TICKET_DATA names a folder
# with mnist/ (fashion/, kmnist/) in it. From the root of the repository: sh test/cli.sh
# SPDX-License-Identifier: MIT
. test/lib.sh
cd "$room" || exit 1

# ==== help, unknown commands and options =====================================================

group 'help'
works 'ticket help' help
for command in train imp batches data bench verify help; do
  grep -q "^  $command " out && good || bad 'ticket help' "a line on $command" "$(cat out)"
done
for command in train imp batches data bench verify help; do
  works "help $command" help $command
  is "help $command, first words" "ticket $command - " "$(head -n 1 out | cut -c 1-$((${#command} + 10)))"
  is "help $command, stderr" '' "$(cat err)"
  cp out help.$command
  [ $command = help ] && continue
  works "$command --help" $command --help
  same "$command --help and help $command" out help.$command
done
for option in data train-size model init-scheme init epochs steps batch optimizer lr momentum nesterov weight-decay warmup \
  schedule milestones gamma seed order-seed levels rate scope output-rate rewind retrain one-shot branches preset out quiet; do
  grep -q -e "^  --$option " help.imp && good || bad 'help imp' "--$option" 'none'
done
works 'help presets' help presets
cp out help.presets
for preset in lenet-mnist lenet-mnist-lmc lenet-mnist-lth lenet-mnist-openlth; do
  grep -q "^  $preset " help.presets && good || bad 'help presets' "preset $preset and its source" 'none'
done
grep -q 'ticket help presets' help.imp && good || bad 'help imp' 'where the presets are' 'none'
for section in files data model training pruning 'for example'; do
  grep -q "^$section:\$" help.imp && good || bad 'help imp' "a section '$section:'" 'none'
done
is 'no line of help is over 92 columns' '' "$(cat help.* | grep '.\{93\}')"
works 'a run' train --model lenet-3 --train-size 20 --steps 1it --quiet --out columns
for column in $(grep '^level' columns.tsv); do
  grep -q -e "^  \(.*, \)*$column[ ,]" -e "^  \(.*, \)*\*_${column#*_}[ ,]" help.imp && good || bad 'help imp' "the column $column" 'none'
done
works --version --version
cp out version
works -V -V
same '-V is --version' version out
works --help --help

group 'the manual and the completion'
works 'help --man' help --man
cp out ticket.1
for word in $(sed -n 's/^  --\([^ ]*\) .*/\\-\\-\1/p; s/^  \([a-z][a-z0-9-]*\) .*/\1/p' help.* | sed 's/\([a-z0-9]\)-/\1\\-/g' | sort -u); do
  grep -qF -e ".B $word" ticket.1 && good || bad 'the manual' "an entry '.B $word'" 'none'
done
if command -v groff >/dev/null; then is 'groff has no warnings' '' "$(groff -man -ww -Tascii ticket.1 2>&1 >/dev/null)"
else skip 'groff -ww: there is no groff'; fi
if command -v mandoc >/dev/null; then is 'mandoc has no warnings' '' "$(mandoc -T lint ticket.1 2>&1)"
else skip 'mandoc -T lint: there is no mandoc'; fi
works 'help --completion' help --completion
cp out completion
complete() # WORD...: what bash offers for the last of them
{
  bash -c '. ./completion && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _ticket && echo ${COMPREPLY[*]}' bash "$@" 2>&1
}
if command -v bash >/dev/null; then
  is 'a command' 'bench' "$(complete ticket be)"
  is 'help of a command' 'probe presets' "$(complete ticket help pr)"
  is 'presets is no command' 'probe' "$(complete ticket pr)"
  is 'an option' '--repel --repel-set' "$(complete ticket imp --quiet --rep)"
  is 'of that command' '' "$(complete ticket train --out x --rep)"
  is 'a choice' 'kaiming-normal kaiming-uniform' "$(complete ticket train --init-scheme k)"
  is 'a preset' 'vgg16-cifar10 vgg16-low vgg16-warmup vgg16-openlth' "$(complete ticket imp --preset vgg16)"
  is 'a data set' 'mnist:' "$(complete ticket imp --data mn)"
  is 'a model' 'vgg16 vgg19' "$(complete ticket imp --model vgg1 | tr ' ' '\n' | grep '[69]' | tr '\n' ' ' | sed 's/ $//')"
  is 'a control' 'shuffle' "$(complete ticket imp --branches sh)"
  mkdir names && cd names && : >a.L00.safetensors && : >a.tsv
  cp ../completion .
  is 'a checkpoint' 'a.L00.safetensors' "$(complete ticket lmc a)"
  is 'another' 'a.L00.safetensors' "$(complete ticket lmc a.L00.safetensors a)"
  is 'of --init' 'a.L00.safetensors' "$(complete ticket imp --init a)"
  is 'a table' 'a.tsv' "$(complete ticket report a)"
  is 'other files: left to bash' '' "$(complete ticket imp --out a)"
  cd ..
else skip 'completion: there is no bash'; fi

group 'unknown commands and options name the nearest'
refused 2 'ticket COMMAND'
refused 2 'did you mean imp' ipm
refused 2 'did you mean train' trian --out x
refused 2 'did you mean verify' verfiy
refused 2 "there is no help on 'no'" help no
refused 2 'did you mean ticket help report' help reprot
refused 2 'did you mean ticket help presets' help preset
refused 2 'did you mean --levels' imp --lev 3 --out x
refused 2 'did you mean verify' ver
refused 2 'did you mean resnet20-large-batch' imp --preset resnet20-large --out x
refused 2 'did you mean lenet-mnist?' imp --preset lenet-mnits --out x
refused 2 'did you mean --levels' imp --level 3 --out x
refused 2 'did you mean --branches' imp --branchs reinit --out x
refused 2 'did you mean --weight-decay' train --wieght-decay 0 --out x
refused 2 'did you mean --momentum' train --momentun=0.5 --out x
refused 2 'did you mean --train-size' data --trainsize 600
refused 2 'takes no option --levels' train --levels 3 --out x
refused 2 'takes no option --lr' data --lr 1
refused 2 'takes no option --seed' verify --seed 1
refused 2 'not an option' imp out x
refused 2 'not an option' imp -o x
refused 2 'not an option' imp --
refused 2 'not an option' imp ''
refused 2 'takes no value' imp --nesterov=on --out x
refused 2 'needs a value' imp --out
refused 2 'needs a value' imp --out x --lr
refused 2 '--out' imp
refused 2 '--out' train

# ==== values that make no sense ==============================================================

group 'nonsense, negative, NaN, infinite, hexadecimal and out-of-range values'
for option in train-size batch seed order-seed levels epochs; do
  for bad_value in -1 nan NaN inf 0x10 1.5 1e3 ten '' ' 5' +5 5x 5,6 99999999999999999999 --out; do
    refused 2 "--$option" imp --out x --$option "$bad_value"
  done
done
for option in lr momentum weight-decay gamma rate output-rate one-shot; do
  for bad_value in -0.1 nan NAN -nan 'nan(1)' inf -inf infinity 0x1p-3 0x1 1e999 -1e-9 1000001 abc '' . e5 ' 1' 0.1x 0,1 0.1.2 --out; do
    refused 2 "--$option" imp --out x --$option "$bad_value"
  done
done
for option in momentum rate output-rate one-shot; do refused 2 "--$option" imp --out x --$option 1.000001; done
for option in steps rewind warmup milestones; do
  for bad_value in -5it 5 it ep 5xx 5i 0x5it nanit infep 1.5ep 1e3it 5it5 '5 it' ' 5it' '' 1000000001it 99999999999999999999ep \
    999999999999999999999999999it; do
    refused 2 "--$option" imp --out x --$option "$bad_value"
  done
done
for bad_value in , 5it, ,5it 5it,,6it '5it;6it'; do refused 2 --milestones imp --out x --milestones "$bad_value"; done
for bad_value in sgdd SGD 'sgd|adam' '' 0; do refused 2 --optimizer imp --out x --optimizer "$bad_value"; done
for option in init-scheme schedule scope retrain preset; do
  for bad_value in foo '' 1; do refused 2 "--$option" imp --out x --$option "$bad_value"; done
done
for bad_value in foo ticket '' , reinit, ,reinit 'reinit shuffle' reinit,foo reinit,reinit shuffle,random,shuffle; do
  refused 2 --branches imp --out x --branches "$bad_value"
done
for bad_value in levels train-size batch; do refused 2 "--$bad_value" imp --out x --$bad_value 0; done
refused 2 --levels imp --out x --levels 100
refused 2 --batch imp --out x --batch 65537
refused 2 --epochs imp --out x --epochs 1000001
refused 2 'more than' imp --out x --steps 1000000000ep
for bad_value in lenet lenet- lenet-0 lenet-x lenet-10- lenet--10 lenet-65537 lenet-99999999999999999999 LENET-10 lenet-10x resnet20x \
  lenet-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1; do
  refused 2 --model train --out x --model "$bad_value"
done
for bad_value in foo mnist mnist: synth: synth:x synth-rgb:x SYNTH; do refused 2 "$bad_value" train --out x --data "$bad_value"; done
refused 2 --rewind imp --out x --steps 50it --rewind 51it
refused 2 --schedule train --out x --schedule step
refused 2 --milestones train --out x --schedule step --milestones 1it,2it,3it,4it,5it,6it,7it,8it,9it
refused 2 --out train --out "$(printf 'a\nb')"
refused 2 --out train --out "$(printf 'a\tb')"
refused 2 --out train --out "$(awk 'BEGIN {for (i = 0; i < 600; i++) printf "x"}')"
refused 1 6000 train --out x --train-size 6001
is 'files left behind' '' "$(ls | grep '^x')"

# ==== presets, --option=value ================================================================

column() { awk -F'\t' -v c="$2" -v b="${3:-ticket}" '!/^#/ && $2 == b {print $c}' "$1" | tr '\n' ' ' | sed 's/ $//'; }
config() { sed -n "s/^# $2 = //p" "$1"; }

group 'presets, overrides and --option=value'
refused 2 '--lr 0.5 stands before --preset lenet-mnist-lmc, which sets it to 0.0012' imp --lr 0.5 --preset lenet-mnist-lmc --steps 0it --out p
works 'preset' imp --preset lenet-mnist-lmc --steps 0it --levels=1 --seed=7 --model=lenet-5 --train-size 100 --out p
is 'of the preset: lr' 0.0012 "$(config p.tsv lr)"
is 'option after the preset' 0it "$(config p.tsv steps)"
is 'of the preset: init-scheme' glorot-normal "$(config p.tsv init-scheme)"
is 'of the preset: scope' layer "$(config p.tsv scope)"
is 'of the preset: output-rate' 0.1 "$(config p.tsv output-rate)"
is '--levels=1' 1 "$(config p.tsv levels)"
is '--seed=7' 7 "$(config p.tsv seed)"
is '--model=lenet-5' lenet-5 "$(config p.tsv model)"
for preset in lenet-mnist lenet-mnist-lth lenet-mnist-openlth; do
  for command in train imp; do
    works "$command --preset $preset" $command --preset $preset --steps 0it --train-size 50 --model lenet-5 --out p.$command.$preset
  done
done
works '--epochs 0' train --epochs 0 --train-size 50 --model lenet-5 --out p.zero
is '--epochs 0 is recorded as' 0ep "$(config p.zero.tsv steps)"

group 'options that have no effect under the others'
none='--data synth --train-size 50 --model lenet-5 --steps 2it --batch 30'
idle() # WORDS COMMAND...: refused, naming both
{
  words=$1
  shift
  refused 2 "$words" "$@" --out idle
}
idle '--milestones 1it has no effect with --schedule constant' train $none --milestones 1it
idle '--gamma 0.5 has no effect with --schedule cosine' train $none --schedule cosine --gamma 0.5
idle '--momentum 0.5 has no effect with --optimizer adam' train $none --momentum 0.5
idle '--nesterov has no effect with --optimizer adam' train $none --nesterov
idle '--nesterov has no effect with --momentum 0' train $none --optimizer sgd --nesterov --momentum 0
idle '--conv-rate 0.1 has no effect with --model lenet-5' imp $none --conv-rate 0.1
idle '--shortcut pad has no effect with --model lenet-5' train $none --shortcut pad
idle '--bn-affine off has no effect with --model conv2-4' train $none --model conv2-4 --bn-affine off
idle '--levels 3 has no effect with --one-shot 0.5' imp $none --one-shot 0.5 --levels 3
idle '--rate 0.5 has no effect with --one-shot 0.5' imp $none --one-shot 0.5 --rate 0.5
idle '--one-shot 0.5 and --output-rate 0.1 contradict each other' imp $none --one-shot 0.5 --output-rate 0.1
idle '--one-shot 0.5 and --output-rate 0.1 of the preset contradict each other' imp --preset lenet-mnist-lth --steps 2it --train-size 50 --one-shot 0.5
idle '--repel-set last has no effect with --repel 0' imp $none --repel-set last
idle '--repel 2 has no effect with --levels 1' imp $none --levels 1 --repel 2
idle '--retrain lr has no effect with --levels 1' imp $none --levels 1 --retrain lr
idle '--points 5 has no effect with --levels 1' imp $none --levels 1 --points 5
idle 'shuffle is trained from level 1 on, but --levels is 1' imp $none --levels 1 --branches shuffle
idle '--lr 0.1 stands before --preset lenet-mnist' imp --lr 0.1 --preset lenet-mnist --steps 2it
idle '--rate 0.9999999: has more than 6 decimals; write 1.000000' imp $none --rate 0.9999999
refused 2 '--out idle/: names a folder' train $none --out idle/
refused 2 '--seed 2 has no effect with --order-seed 3' batches --data synth --train-size 50 --steps 1it --seed 2 --order-seed 3
works 'a start' train $none --steps 0it --out idle
refused 2 '--init-scheme glorot-normal has no effect with --init idle.L00.safetensors' train $none --init idle.L00.safetensors --init-scheme glorot-normal --out idle2
works 'which reinit needs' imp $none --init idle.L00.safetensors --init-scheme glorot-normal --branches reinit --levels 1 --out idle2
if "$ticket" bench --model lenet-3 --threads 2 >out 2>err; then
  is 'bench, two threads: numbers' 0 "$(grep -c 'inf\|nan\|	0\.000' out)"
  is 'bench, two threads: rows' 6 "$(grep -c '^[0-9]' out)"
else is 'threads' 'ticket: --threads 2 has no effect: this build has no threads; build with make OPENMP=1, or leave it out' "$(cat err)"; fi

group 'trace: train, step by step'
for how in '--model lenet-5' '--model resnet8-2 --data synth-rgb --optimizer sgd --lr 0.1 --augment crop-flip' '--model conv2-4 --data synth-rgb --init-scheme glorot-normal'; do
  how="$how --train-size 100 --batch 16 --steps"
  rm -f traced.*
  works "$how" trace $how 9it --dump 4it --out traced # its second epoch begins at step 7
  mv out rows
  is "$how: rows" '0 1 2 3 4 5 6 7 8' "$(awk -F '\t' '/^[0-9]/ {printf "%s%s", s, $1; s = " "}' rows)"
  works "train $how" train $how 9it --quiet --out traced.whole
  is "$how: the last digest is that of train" "$(column traced.whole.tsv 17)" "$(tail -n 1 rows | cut -f 8)"
  is "$how: wrong images of the epochs" "$(awk -F '\t' '/^0/ {print $9}' traced.whole.epochs.tsv)" \
    "$(awk -F '\t' '/^[0-9]/ {wrong += $5; if ($1 == 6 || $1 == 8) {printf "%.4f\n", 100 * wrong / ($1 == 6 ? 100 : 32); wrong = 0}}' rows)"
  for steps in 4 5; do works "train to step $steps" train $how ${steps}it --quiet --out traced.$steps; done
  is "$how: digest of step 4" "$(digest_in traced.5.L00.safetensors)" "$(awk -F '\t' '$1 == "4" {print $8}' rows)"
  data_of traced.dump.safetensors >dumped
  for steps in 4 5; do # the dump begins with the weights before and ends with those after
    data_of traced.$steps.L00.safetensors | head -c $(($(header_of traced.$steps.L00.safetensors | sed 's/"mask.*//' | grep -o 'offsets":\[[0-9]*,[0-9]*' | sed 's/.*,//' | sort -n | tail -n 1))) >weights
    size=$(wc -c <weights)
    if [ $steps = 4 ]; then head -c $size dumped >found; else tail -c $size dumped >found; fi
    same "$how: weights of step $steps" weights found
  done
done
refused 2 '--dump 9it: is not before the end' trace --data synth --train-size 50 --model lenet-5 --steps 9it --dump 9it --out x
refused 2 '--out PREFIX is needed' trace --data synth --train-size 50 --model lenet-5 --steps 9it --dump 1it
refused 2 '--out x has no effect without --dump' trace --data synth --train-size 50 --model lenet-5 --steps 9it --out x
refused 1 'diverged' trace --data synth --train-size 60 --model lenet-5 --batch 16 --steps 30it --optimizer sgd --lr 1e4 --weight-decay 1e6

group 'schedules that do not come to their end'
told() # WORDS OPTION...: trained, and said in one line
{
  words=$1
  shift
  rm -f told.*
  works "$*" train $none --quiet "$@" --out told
  is "$*: lines" 1 "$(wc -l <"$room/err" | tr -d ' ')"
  grep -qF -e "$words" "$room/err" && good || bad "$*" "a line with '$words'" "$(cat "$room/err")"
}
told '--warmup 30000it: the training, --steps 2it (2 steps), ends inside it and never reaches --lr 0.0012' --warmup 30000it
told 'does not reach the last of them, where the learning rate would fall; for example --milestones 10it,15it' --steps 10ep --schedule step --milestones 40ep,60ep
told 'does not reach the last of them' --steps 10ep --schedule step --milestones 4ep,10ep
rm -f told.*
works 'a preset cut short' train --preset resnet20-large-batch --data synth-rgb --train-size 40 --batch 20 --model resnet8-2 --epochs 1 --quiet --out told
is 'a preset cut short: said' 'ticket: --milestones 56ep,71ep: the training, --steps 1ep (2 steps), does not reach the last of them, where the learning rate would fall; for example --milestones 1it,1it' "$(cat err)"
rm -f told.*
works 'one that does' train $none --quiet --steps 10ep --schedule step --milestones 4ep,9ep --warmup 3it --out told
is 'one that does: said' '' "$(cat err)"

# ==== imp ====================================================================================

tiny='--model lenet-20-10 --train-size 600 --steps 30it'
# lenet-20-10 on 28x28: 15,680 + 200 + 100 weights, 40 biases
floats=16020 masks=15980
mask_of() { tail -c $masks "$1" | od -An -v -tu1 | tr -s ' ' '\n' | sed '/^$/d'; } # a value per line
kept() { mask_of "$1" | awk '{n[NR <= 15680 ? 0 : NR <= 15880 ? 1 : 2] += $1} END {print n[0] + 0, n[1] + 0, n[2] + 0}'; }
# "N masked weights that are not +0, N values in the mask that are not 0 or 1": four bytes and a mask value a line
revived()
{
  data_of "$1" | head -c $((4 * floats)) | od -An -v -tu1 | tr -s ' ' '\n' | sed '/^$/d' | paste -d' ' - - - - |
    awk 'NR <= 15680 || NR > 15700 && NR <= 15900 || NR > 15910 && NR <= 16010' >weights
  mask_of "$1" | paste -d' ' - weights | awk '$1 > 1 || NF != 5 {odd++} $1 == 0 && $2 + $3 + $4 + $5 > 0 {n++} END {print n + 0, odd + 0, NR}'
}

group 'imp with every branch'
mkdir a
works 'imp' imp $tiny --levels 3 --branches reinit,reinit-fresh,shuffle,random --out a/a
cp out table
is 'header of a.tsv' 'level branch weights density threshold train_loss train_error test_loss test_error train_barrier test_barrier train_instability test_instability train_height test_height collapsed digest' \
  "$(grep '^level' a/a.tsv | tr '\t' ' ')"
is 'rows' '0 ticket,0 reinit,0 reinit-fresh,1 ticket,1 reinit,1 reinit-fresh,1 shuffle,1 random,2 ticket,2 reinit,2 reinit-fresh,2 shuffle,2 random,' \
  "$(awk -F'\t' '/^[0-9]/ {printf "%s %s,", $1, $2}' a/a.tsv)"
is 'fields in a row' 17 "$(awk -F'\t' '/^[0-9l]/ {print NF}' a/a.tsv | sort -u)"
for branch in ticket reinit reinit-fresh; do
  is "weights of $branch" '15980 12784 10227' "$(column a/a.tsv 3 $branch)"
  is "density of $branch" '100.0000 80.0000 63.9987' "$(column a/a.tsv 4 $branch)"
done
for branch in shuffle random; do is "weights of $branch" '12784 10227' "$(column a/a.tsv 3 $branch)"; done
is 'digests' 13 "$(awk -F'\t' '/^[0-9]/ {print $17}' a/a.tsv | grep -c '^[0-9a-f]\{16\}$')"
is 'different digests' 13 "$(awk -F'\t' '/^[0-9]/ {print $17}' a/a.tsv | sort -u | wc -l | tr -d ' ')"
awk -F'\t' '/^[0-9]/ {e[$1, $2] = $9; d[$1] = $4; if ($1 > n) n = $1}
  function cell(l, b) {return (l, b) in e ? e[l, b] : "-"}
  END {print "level\tdensity\tticket\treinit\treinit-fresh\tshuffle\trandom"
    for (l = 0; l <= n; l++) print l "\t" substr(d[l], 1, 7) "\t" cell(l, "ticket") "\t" cell(l, "reinit") "\t" cell(l, "reinit-fresh") "\t" cell(l, "shuffle") "\t" cell(l, "random")}' \
  a/a.tsv >expected
same 'the table on stdout and a.tsv' table expected
is 'recorded data digest' "$("$ticket" data --train-size 600 | sed -n 's/^digest.//p')" "$(config a/a.tsv data-digest)"
for key in 'data = synth' 'train-size = 600' 'model = lenet-20-10' 'steps = 30it' 'optimizer = adam' 'seed = 1' 'branches = reinit,reinit-fresh,shuffle,random'; do
  grep -qx "# $key" a/a.tsv && good || bad 'a.tsv' "# $key" 'none'
done
cat a/* | grep -qaF "$room" && bad 'result files' 'nothing of this machine' "$room" || good
is 'files' 'a.L00.reinit-fresh.safetensors a.L00.reinit.safetensors a.L00.safetensors a.L01.random.safetensors a.L01.reinit-fresh.safetensors a.L01.reinit.safetensors a.L01.safetensors a.L01.shuffle.safetensors a.L02.random.safetensors a.L02.reinit-fresh.safetensors a.L02.reinit.safetensors a.L02.safetensors a.L02.shuffle.safetensors a.epochs.tsv a.rewind.safetensors a.tsv' \
  "$(ls a | tr '\n' ' ' | sed 's/ $//')"
for row in $(awk -F'\t' '/^[0-9]/ {print $1 ":" ($2 == "ticket" ? "" : "." $2) ":" $17}' a/a.tsv); do
  level=${row%%:*} branch=${row#*:} digest=${row##*:}
  branch=${branch%:*}
  is "digest in a.L0$level$branch.safetensors" "$digest" "$(digest_in a/a.L0$level$branch.safetensors)"
done

group 'masks: nested, shared by controls, shuffled within or over layers; masked weights are +0'
for level in 0 1 2; do mask_of a/a.L0$level.safetensors >mask$level; done
is 'dense' '15680 200 100' "$(kept a/a.L00.safetensors)"
is 'in mask 1 but not in mask 0, in mask 2 but not in mask 1' '0 0' \
  "$(paste -d' ' mask0 mask1 mask2 | awk '$2 > $1 {a++} $3 > $2 {b++} END {print a + 0, b + 0}')"
for level in 1 2; do
  for branch in reinit reinit-fresh shuffle random; do mask_of a/a.L0$level.$branch.safetensors >mask.$branch; done
  same 'reinit has the mask of the ticket' mask$level mask.reinit
  same 'reinit-fresh has the mask of the ticket' mask$level mask.reinit-fresh
  is 'shuffle keeps the counts of the layers' "$(kept a/a.L0$level.safetensors)" "$(kept a/a.L0$level.shuffle.safetensors)"
  cmp -s mask$level mask.shuffle && bad 'shuffle' 'another mask' 'the same' || good
  cmp -s mask$level mask.random && bad 'random' 'another mask' 'the same' || good
  is 'random keeps the total' "$(grep -c 1 mask$level)" "$(grep -c 1 mask.random)"
  [ "$(kept a/a.L0$level.safetensors)" != "$(kept a/a.L0$level.random.safetensors)" ] && good || bad 'random' 'other counts of the layers' 'the same'
done
for file in a/*.safetensors; do is "revived, odd mask values, weights: $file" '0 0 15980' "$(revived $file)"; done
# of the masked ones, the largest |w| before is the threshold of that row, and none that stays is smaller
works 'train --init of the network before' train --init a/a.L00.safetensors $tiny --steps 0it --out b0
is 'weights' 15980 "$(column b0.tsv 3)"

group 'the same command again prints the same table and changes nothing'
sums a >before
works 'again' imp $tiny --levels 3 --branches reinit,reinit-fresh,shuffle,random --out a/a
same 'table' table out
is 'progress' '' "$(cat err)"
sums a >after
same 'files' before after
works 'again, --quiet' imp $tiny --levels 3 --branches reinit,reinit-fresh,shuffle,random --out a/a --quiet
sums a >after
same 'files' before after

group 'another command with the same --out is refused and changes nothing'
for other in '--lr 0.0013' '--seed 2' '--order-seed 1' '--levels 2' '--rate 0.3' '--branches reinit' '--steps 31it' '--train-size 660' \
  '--batch 61' '--optimizer sgd' '--scope layer' '--rewind 1it' '--data synth-rgb' '--model lenet-20-11' '--retrain lr' \
  '--output-rate 0.2' '--init-scheme glorot-normal' '--optimizer sgd --nesterov' '--warmup 1it' '--init a/a.L00.safetensors'; do
  refused 1 a/a.tsv imp $tiny --levels 3 --branches reinit,reinit-fresh,shuffle,random $other --out a/a
done
refused 1 a/a.tsv train $tiny --out a/a
sums a >after
same 'files' before after

group 'a run continues after its last finished network'
mkdir part
cp a/* part
for rows in 0 4 11; do # as if it had been stopped there, with later checkpoints half done
  awk -F'\t' -v rows=$rows '!/^[0-9]/ || n++ < rows' a/a.tsv >part/a.tsv
  sign part/a.tsv
  [ $rows = 0 ] && rm part/*.safetensors
  [ $rows = 4 ] && rm part/*.L02* part/*.L01.random*
  (cd part && "$ticket" imp $tiny --levels 3 --branches reinit,reinit-fresh,shuffle,random --out a --quiet >../out 2>../err)
  is "exit status from row $rows" 0 $?
  sums part >after
  same "files from row $rows" before after
  same "table from row $rows" table out
done

group 'PREFIX.epochs.tsv: a row per epoch'
works 'imp' imp --model lenet-12-9 --train-size 330 --batch 50 --steps 17it --rewind 10it --levels 2 --rate 0.5 --branches reinit --children 1 \
  --schedule cosine --quiet --out ep # 7 steps an epoch
is 'configuration' "$(grep '^#' ep.tsv | tail -n +2)" "$(grep '^#' ep.epochs.tsv | tail -n +2)"
is 'a ticket begins in the middle of epoch 2, its end is in that of epoch 3' '0:1:7 0:2:14 0:3:17 1:2:14 1:3:17' \
  "$(awk -F '\t' '$2 == "ticket" && $3 == 0 {printf "%s%s:%s:%s", s, $1, $5, $6; s = " "}' ep.epochs.tsv)"
is 'copies' '0:0:3 0:1:2 1:0:2 1:1:2' "$(awk -F '\t' '$2 == "ticket" {n[$1 ":" $3]++} END {for (k in n) print k ":" n[k]}' ep.epochs.tsv | sort | tr '\n' ' ' | sed 's/ $//')"
is 'the last test errors are those of the table' "$(awk -F '\t' '/^[0-9]/ {print $1, $2, $4, $8, $9}' ep.tsv)" \
  "$(awk -F '\t' '$3 == 0 && $6 == 17 {print $1, $2, $4, $10, $11}' ep.epochs.tsv)"
works 'a constant schedule' train $tiny --epochs 1 --quiet --out ec
is 'learning rate of the last step of an epoch' 0.0012 "$(awk -F '\t' '/^0/ {print $7}' ec.epochs.tsv)"
works 'no training' train $tiny --epochs 0 --quiet --out en
is 'has no rows' 0 "$(grep -c '^[0-9]' en.epochs.tsv)"

group 'rates, scope and one-shot: exact counts'
small="$tiny --steps 5it --quiet"
counts() # WHAT LEVELS EXPECTED-WEIGHTS EXPECTED-LAST-LAYERS OPTION...
{
  what=$1 last=$2 weights=$3 layers=$4
  shift 4
  rm -f c.*
  works "$what" imp $small "$@" --out c
  is "weights with $*" "$weights" "$(column c.tsv 3)"
  is "weights of the layers with $*" "$layers" "$(kept c.L0$last.safetensors)"
  is "revived with $*" '0 0 15980' "$(revived c.L0$last.safetensors)"
}
counts one-shot 1 '15980 1598' "$(rm -f c.*; "$ticket" imp $small --one-shot 0.1 --out c >/dev/null && kept c.L01.safetensors)" --one-shot 0.1
counts 'one-shot, layer' 1 '15980 1598' '1568 20 10' --one-shot 0.1 --scope layer
counts 'one-shot, output layer whole' 1 '15980 1688' "$(rm -f c.*; "$ticket" imp $small --one-shot 0.1 --output-rate 0 --out c >/dev/null && kept c.L01.safetensors | sed 's/ [0-9]*$/ 100/')" --one-shot 0.1 --output-rate 0
counts 'one-shot 1' 1 '15980 15980' '15680 200 100' --one-shot 1
counts layer 2 '15980 12784 10227' '10035 128 64' --scope layer --levels 3
counts 'layer 0.333' 2 '15980 10659 7110' '6976 89 45' --scope layer --levels 3 --rate 0.333
counts 'output rate, layer' 2 '15980 12794 10244' '10035 128 81' --scope layer --output-rate 0.1 --levels 3
counts 'output rate 0, layer' 2 '15980 12804 10263' '10035 128 100' --scope layer --output-rate 0 --levels 3
counts 'rate 0' 1 '15980 15980' '15680 200 100' --rate 0 --levels 2
rm -f c.*
for all in '1 --levels 2:no weight survives pruning; the run ends with level 0' '0.000001 --levels 2:nothing is left to prune; the run ends with level 0'; do
  works "rate ${all%%:*}" imp $small --rate ${all%%:*} --out c
  is "rate ${all%%:*}: said" "ticket: level 1: ${all#*:}" "$(cat err)"
  is "rate ${all%%:*}: levels" 15980 "$(column c.tsv 3)"
  is "rate ${all%%:*}: files" 'c.L00.safetensors c.epochs.tsv c.rewind.safetensors c.tsv' "$(ls c.* | tr '\n' ' ' | sed 's/ $//')"
  sums . | grep '/c\.' >ended
  works "rate ${all%%:*}, again" imp $small --rate ${all%%:*} --out c
  sums . | grep '/c\.' >again
  same "rate ${all%%:*}, again: files" ended again
  rm -f c.*
done
rm -f c.*
works 'output rate, global' imp $small --output-rate 0.1 --levels 3 --out c
is 'weights with --output-rate 0.1' '15980 12794 10244' "$(column c.tsv 3)"
is 'weights of the output layer' 81 "$(kept c.L02.safetensors | cut -d' ' -f 3)"

group 'rewinding and retraining'
works '--rewind 10it' imp $tiny --levels 2 --rewind 10it --out r
works 'train 10it' train $tiny --steps 10it --out r10
is 'weights' '15980 12784' "$(column r.tsv 3)"
data_of r.rewind.safetensors | head -c $((4 * floats)) >r.data # then the optimiser's memory
data_of r10.L00.safetensors | head -c $((4 * floats)) >r10.data
same 'the rewind point is the network of step 10' r.data r10.data
header_of r.rewind.safetensors | grep -q '"step":"10"' && good || bad 'rewind file' '"step":"10"' "$(header_of r.rewind.safetensors)"
works 'train 30it' train $tiny --out r30
is 'level 0 is as without rewinding' "$(column r30.tsv 17)" "$(column r.tsv 17 | cut -d' ' -f 1)"
is 'rewinding to 0 differs' 1 "$([ "$(column r.tsv 17 | cut -d' ' -f 2)" != "$(column a/a.tsv 17 | cut -d' ' -f 2)" ] && echo 1)"
for retrain in weights lr finetune; do # from the last step no training is left: the pruned network itself
  works "--retrain $retrain from the end" imp $tiny --levels 3 --retrain $retrain --rewind 30it --out e.$retrain
  is "weights, --retrain $retrain" '15980 12784 10227' "$(column e.$retrain.tsv 3)"
  is "digests, --retrain $retrain" "$(column e.weights.tsv 17)" "$(column e.$retrain.tsv 17)"
done
for retrain in weights lr finetune; do
  works "--retrain $retrain" imp $tiny --levels 3 --retrain $retrain --out f.$retrain
  works "--retrain $retrain, cosine" imp $tiny --levels 3 --retrain $retrain --schedule cosine --out g.$retrain
  is "weights, --retrain $retrain" '15980 12784 10227' "$(column f.$retrain.tsv 3)"
done
is 'finetune is lr under a constant schedule' "$(column f.lr.tsv 17)" "$(column f.finetune.tsv 17)"
is 'three different networks under cosine' 3 "$(for retrain in weights lr finetune; do column g.$retrain.tsv 17 | cut -d' ' -f 2; done | sort -u | wc -l | tr -d ' ')"

group 'no optimiser revives a masked weight'
number=0
for how in '--optimizer sgd --lr 0.05 --weight-decay 0.01' '--optimizer sgd --lr 0.05 --nesterov --weight-decay 0.01 --schedule cosine' \
  '--optimizer sgd --lr 0.05 --momentum 0.9 --retrain lr' '--weight-decay 0.01' '--weight-decay 0.01 --retrain finetune --rewind 7it'; do
  number=$((number + 1))
  works "$how" imp $tiny --levels 4 --rate 0.6 --branches reinit,shuffle,random $how --out w$number --quiet
  is "weights with $how" '15980 6392 2557 1023' "$(column w$number.tsv 3)"
  for file in w$number.L0[123]*.safetensors; do is "revived with $how: $file" '0 0 15980' "$(revived $file)"; done
  [ "$(column w$number.tsv 17 | cut -d' ' -f 4)" != "$(digest_in w$number.rewind.safetensors)" ] && good || bad "$how" 'training' 'none'
done

# ==== train, --init, batches, data ===========================================================

group 'train and --init'
works '--steps 0it' train $tiny --steps 0it --out i
data_of i.L00.safetensors >i.data
data_of a/a.rewind.safetensors >a.data
same 'train --steps 0it writes the initialisation' i.data a.data
works '--init of the initialisation' train $tiny --init i.L00.safetensors --out j
is 'training from it' "$(column a/a.tsv 17 | cut -d' ' -f 1)" "$(column j.tsv 17)"
is 'init-digest: hexadecimal digits' 16 "$(config j.tsv init-digest | tr -dc 0-9a-f | wc -c | tr -d ' ')"
works '--init of a ticket' train $tiny --steps 0it --init a/a.L02.safetensors --out k
is 'weights' 10227 "$(column k.tsv 3)"
data_of k.L00.safetensors >k.data
data_of a/a.L02.safetensors >a.data
same 'values and mask' k.data a.data
for field in 6 7 8 9; do is "field $field" "$(column a/a.tsv $field | cut -d' ' -f 3)" "$(column k.tsv $field)"; done
works 'training under the mask' train $tiny --init a/a.L02.safetensors --optimizer sgd --weight-decay 0.01 --out l
is 'weights' 10227 "$(column l.tsv 3)"
is 'revived' '0 0 15980' "$(revived l.L00.safetensors)"
works 'imp --init' imp $tiny --levels 2 --branches reinit,shuffle --init a/a.L02.safetensors --out m
is 'weights' '10227 8182' "$(column m.tsv 3)"
is 'weights of reinit' '10227 8182' "$(column m.tsv 3 reinit)"
works 'controls under a masked --init' imp $tiny --steps 0it --levels 2 --branches shuffle,random --init a/a.L02.safetensors --out ms
for branch in '' .shuffle .random; do # none of their connections is one that --init has masked
  is "connections that start at 0${branch:+, $branch}" '8182 0' "$(mask_of ms.L01$branch.safetensors >kept_places
    data_of ms.L01$branch.safetensors | head -c $((4 * floats)) | od -An -v -tu1 | tr -s ' ' '\n' | sed '/^$/d' | paste -d' ' - - - - |
      awk 'NR <= 15680 || NR > 15700 && NR <= 15900 || NR > 15910 && NR <= 16010' |
      paste -d' ' kept_places - | awk '$1 {n++; zeros += $2 + $3 + $4 + $5 == 0} END {print n, zeros + 0}')"
done
refused 1 a/a.L02.safetensors train --init a/a.L02.safetensors --model lenet-20-11 --out n
refused 1 a/a.L02.safetensors train --init a/a.L02.safetensors --model lenet-20 --out n
refused 1 a/a.L02.safetensors train --init a/a.L02.safetensors --model lenet-20-10 --data synth-rgb --out n
refused 1 no.safetensors train --init no.safetensors --out n
is 'files left behind' '' "$(ls | grep '^n\.')"
for option in '--seed 2' '--init-scheme kaiming-uniform' '--init-scheme glorot-normal'; do
  rm -f o.*
  works "$option" train $tiny --steps 0it $option --out o
  [ "$(column o.tsv 17)" != "$(column i.tsv 17 2>/dev/null)" ] && good || bad "$option" 'another initialisation' 'the same'
done
rm -f o.*
works '--order-seed 2' train $tiny --order-seed 2 --out o
[ "$(column o.tsv 17)" != "$(column j.tsv 17)" ] && good || bad '--order-seed 2' 'another network' 'the same'

group 'batches: every image once an epoch'
works 'batches' batches --train-size 600 --batch 64 --steps 2ep --levels 2
is 'header' 'level epoch step place image' "$(head -n 1 out | tr '\t' ' ')"
is 'level, epoch: images, different ones, from, to' '0 0: 600 600 0 599,0 1: 600 600 0 599,1 0: 600 600 0 599,1 1: 600 600 0 599,' \
  "$(awk 'NR > 1 {k = $1 " " $2; n[k]++; seen[k, $5]; if (!(k in low) || $5 < low[k]) low[k] = $5; if ($5 > high[k]) high[k] = $5}
    END {for (k in n) {c = 0; for (i = 0; i < 600; i++) c += (k, i) in seen; print k ": " n[k], c, low[k] + 0, high[k]}}' out | sort | tr '\n' ',')"
is 'steps of a level' '0-19' "$(awk 'NR > 1 && $1 == 1 {if (!n++) a = $3; b = $3} END {print a "-" b}' out)"
is 'sizes of batches' '24 64' "$(awk 'NR > 1 {n[$1, $3]++} END {for (k in n) print n[k]}' out | sort -u | tr '\n' ' ' | sed 's/ $//')"
is 'different orders' 4 "$(awk 'NR > 1 {s[$1, $2] = s[$1, $2] "," $5} END {for (k in s) print s[k]}' out | sort -u | wc -l | tr -d ' ')"
cp out batches1
works 'batches --steps 7it' batches --train-size 600 --batch 64 --steps 7it --levels 1
is 'first batches' "$(head -n $((1 + 7 * 64)) batches1 | cksum)" "$(cksum <out)"
works 'batches --seed 5' batches --train-size 600 --steps 1ep --levels 1 --seed 5
cp out batches5
works 'batches --order-seed 5' batches --train-size 600 --steps 1ep --levels 1 --order-seed 5
same '--seed 5 and --order-seed 5' out batches5
cmp -s batches1 batches5 && bad 'other seeds' 'another order' 'the same' || good

group 'data: described, written, read back'
works 'data' data
cp out synth
grep -qx 'shape.1x28x28' out && good || bad data 'shape 1x28x28' "$(cat out)"
mkdir idx cifar
works 'data --out' data --out idx
same 'what data prints with --out' synth out
is 'files' 't10k-images-idx3-ubyte t10k-labels-idx1-ubyte train-images-idx3-ubyte train-labels-idx1-ubyte' "$(ls idx | tr '\n' ' ' | sed 's/ $//')"
works 'data mnist:' data --data mnist:idx
is 'digest of what is read back' "$(grep '^digest' synth)" "$(grep '^digest' out)"
is 'classes of what is read back' "$(grep '^t' synth | tr '\n' ' ')" "$(grep '^t' out | tr '\n' ' ')"
works 'train on mnist:' train $tiny --data mnist:idx --out t
is 'data' mnist "$(config t.tsv data)"
is 'recorded data digest' "$(config a/a.tsv data-digest)" "$(config t.tsv data-digest)"
works 'data synth-rgb' data --data synth-rgb --train-size 500 --out cifar
cp out rgb
is 'files' 'data_batch_1.bin 307300,data_batch_2.bin 307300,data_batch_3.bin 307300,data_batch_4.bin 307300,data_batch_5.bin 307300,test_batch.bin 6146000,' \
  "$(cd cifar && for f in *; do printf '%s %d,' $f "$(wc -c <$f)"; done)"
cat cifar/data_batch_?.bin | od -An -v -tu1 | awk '{for (i = 1; i <= NF; i++) {p = k++ % 3073
    if (p == 0) label[$i]++; else {c = int((p - 1) / 1024); s[c] += $i; q[c] += $i * $i}}}
  END {printf "train\t500 images, of each class"; for (i = 0; i < 10; i++) printf " %d", label[i]; print ""
    for (c = 0; c < 3; c++) {m = s[c] / 512000; printf "channel %d\tmean %.4f deviation %.4f\n", c, m / 255, sqrt(q[c] / 512000 - m * m) / 255}}' >expected
sed -n -e '/^train/p' -e '/^channel/s/,.*//p' rgb >found
same 'labels and colours in the CIFAR files' expected found
refused 1 nowhere/train-images-idx3-ubyte data --out nowhere

# ==== divergence =============================================================================

group 'a run that goes on says from where'
works 'a run' imp $tiny --levels 2 --out on
cp err begun
rm on.L01.safetensors
works 'again' imp $tiny --levels 2 --out on
is 'at first nothing' 0 "$(grep -c 'goes on' begun)"
is 'networks that are there' 1 "$(tr '\r' '\n' <err | grep -c '^on goes on: 1 of 2 networks are there$')"
rm on.L01.safetensors
works '--quiet' imp $tiny --levels 2 --out on --quiet
is 'nothing' '' "$(cat err)"

group 'a learning rate that diverges stops the run'
refused 1 'level 0, epoch 1, step' train $tiny --optimizer sgd --lr 1e6 --out d --quiet
refused 1 'level 0, epoch 1' imp $tiny --levels 2 --branches reinit --optimizer sgd --lr 1e6 --out d2 --quiet
is 'networks written' '' "$(ls | grep '^d2*\.L')"
is 'rows written' 0 "$(grep -c '^[0-9]' d.tsv)"
for steps in 1 2 3 4 5 6; do # the last update can be the one that diverges: then no inf or nan may be written
  run train $tiny --model lenet-20 --steps ${steps}it --optimizer sgd --lr 1e6 --out d.$steps --quiet
  if [ $status -eq 1 ]; then said "--steps ${steps}it" 1 'not finite'
  else is "rows with inf or nan after $steps steps, exit status" '0 0' "$(grep -c -i -e '[^a-z]inf' -e 'nan' d.$steps.tsv) $status"; fi
done
run train $tiny --optimizer sgd --lr 1e6 --out d.progress # not quiet
is 'the message has a line of its own' 1 "$(grep -c '^ticket: training diverged' err)"

# ==== real data ==============================================================================

if [ -z "$TICKET_DATA" ]; then
  skip 'real data: TICKET_DATA does not name a folder with mnist/ in it'
else
  group 'real data'
  case $TICKET_DATA in /*) ;; *) TICKET_DATA=$OLDPWD/$TICKET_DATA ;; esac
  for set in mnist fashion kmnist; do
    if [ ! -d "$TICKET_DATA/$set" ]; then
      skip "$set: no folder $set in TICKET_DATA"
      continue
    fi
    works "data $set" data --data $set:"$TICKET_DATA/$set"
    is "$set, images" '60000 10000' "$(sed -n 's/^t[a-z]*.\([0-9]*\) images.*/\1/p' out | tr '\n' ' ' | sed 's/ $//')"
    awk '/^channel/ {d = $4 - $9; e = $6 - $11; exit !(d < 0.0002 && d > -0.0002 && e < 0.0002 && e > -0.0002)}' FS='[ \t,]+' out && good ||
      bad "$set" 'mean and deviation that it is normalised with' "$(grep channel out)"
  done
  if [ -d "$TICKET_DATA/mnist" ]; then
    run data --data mnist:"$TICKET_DATA/mnist"
    is 'labels of mnist' '5923 6742 5958 6131 5842 5421 5918 6265 5851 5949' "$(sed -n 's/^train.*class //p' out)"
    works 'an epoch' train --preset lenet-mnist --data mnist:"$TICKET_DATA/mnist" --epochs 1 --out real --quiet
    awk -v e="$(column real.tsv 9)" 'BEGIN {exit !(e > 0 && e < 6)}' && good || bad 'test error after an epoch' 'below 6' "$(column real.tsv 9)"
  fi
fi
finish
