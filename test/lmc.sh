#!/bin/sh
# test/lmc.sh - lmc, stability, distance, probe, curve, and what imp measures: children, barriers, repellent loss.
# From the root of the repository, with ./ticket built. SPDX-License-Identifier: MIT
. test/lib.sh
cd "$room" || exit 1

small='--model lenet-12-9 --train-size 330 --batch 50 --steps 3ep'
column() # FILE LEVEL BRANCH NAME: a field of PREFIX.tsv
{
  awk -F '\t' -v l="$2" -v b="$3" -v n="$4" '/^level/ {for (i = 1; i <= NF; i++) if ($i == n) c = i} $1 == l && $2 == b {print $c}' "$1"
}
value() { sed -n "s/^# $1 = //p" out; } # of the run just made
# names of the layers without a weight, by the masks in the file
kept_layers()
{
  data_of "$1" | tail -c $((784 * 12 + 12 * 9 + 9 * 10)) | od -An -v -tu1 | tr -s ' ' '\n' | sed '/^$/d' |
    awk '{n[NR <= 9408 ? 0 : NR <= 9516 ? 1 : 2] += $1}
      END {if (!n[0]) t = "fc_layers.0.weight"; if (!n[1]) t = t (t ? "," : "") "fc_layers.1.weight"; if (!n[2]) t = t (t ? "," : "") "fc.weight"; print t ? t : "-"}'
}
place() { awk -F '\t' -v p="$1" -v c="$2" '$1 == p {print $c}' out; }

group 'imp: children and barriers'
works 'a run with children' imp $small --levels 3 --rate 0.5 --branches reinit,shuffle --children 2 --points 7 --quiet --out c
works 'the same without' imp $small --levels 3 --rate 0.5 --branches reinit,shuffle --quiet --out p
is 'files of children' 16 "$(ls c.*child*.safetensors | wc -l | tr -d ' ')"
is 'the networks are the same' "$(grep -v '^#' p.tsv | cut -f 1-9,17)" "$(grep -v '^#' c.tsv | cut -f 1-9,17)"
is 'nothing measured' '-' "$(grep '^[0-9]' p.tsv | cut -f 10-16 | tr '\t' '\n' | sort -u)"
is 'no barrier at the first level' '- -' "$(column c.tsv 0 ticket train_barrier) $(column c.tsv 1 shuffle test_barrier)"
[ "$(cksum <c.L01.child1.safetensors)" != "$(cksum <c.L01.child2.safetensors)" ] && good || bad 'children' 'different ones' 'equal files'
for branch in ticket reinit; do
  [ $branch = ticket ] && b= || b=.$branch
  works "lmc of $branch" lmc c.L01$b.safetensors c.L02$b.safetensors --points 7
  is "barriers of $branch" "$(column c.tsv 2 $branch train_barrier) $(column c.tsv 2 $branch test_barrier)" "$(value train_barrier) $(value test_barrier)"
  is "heights of $branch" "$(column c.tsv 2 $branch train_height) $(column c.tsv 2 $branch test_height)" "$(value train_height) $(value test_height)"
done
works 'one child' imp $small --levels 1 --children 1 --points 7 --quiet --out o
works 'lmc of a network and its child' lmc o.L00.safetensors o.L00.child1.safetensors --points 7
is 'instability' "$(column o.tsv 0 ticket train_instability) $(column o.tsv 0 ticket test_instability)" "$(value train_barrier) $(value test_barrier)"
works 'stability' stability $small --points 7 --at 0,1ep,3ep
is 'from step 0' "$(column o.tsv 0 ticket train_instability) $(digest_in o.L00.child1.safetensors)" "$(awk -F '\t' '$1 == "0" {print $2, $8}' out)"
is 'from the end' "0.0000 $(digest_in o.L00.safetensors)" "$(awk -F '\t' '$1 == "21" {print $2, $8}' out)"
is 'heights are not above the instability' '' "$(awk -F '\t' '/^[0-9]/ && ($6 > $2 || $7 > $3) {print}' out)"
works 'rewound to 1ep' imp $small --optimizer sgd --lr 0.1 --rewind 1ep --levels 1 --children 1 --points 3 --quiet --out w
works 'stability from 1ep' stability $small --optimizer sgd --lr 0.1 --at 1ep --points 3
is 'a copy of level 0 is that of stability' "$(digest_in w.L00.child1.safetensors)" "$(awk -F '\t' '$1 == "7" {print $8}' out)"
for what in 'stability' 'imp --levels 1 --out y'; do
  refused 1 'diverged' $what --train-size 60 --model lenet-5 --batch 16 --steps 3it --optimizer sgd --lr 1e3 --weight-decay 1e6 --quiet
done
rm -f y.*
works 'a ticket' stability $small --points 7 --ticket c.L01.safetensors --children 2
is 'its rows' 1 "$(grep -c '^[0-9]' out)"
works 'stability from a file' stability $small --points 3 --init c.L02.safetensors

group 'imp: killed with children'
killed='imp --model lenet-80-40 --batch 50 --steps 12ep --train-size 1000 --levels 2 --rate 0.5 --branches reinit --children 2 --points 3 --quiet'
mkdir once often
works 'the uninterrupted run' $killed --out once/k
mv out once.out
for file in k.L00.child1 k.L00.reinit k.L00.reinit.child1 k.L01.child1; do # killed when the file appears
  "$ticket" $killed --out often/k >out 2>err &
  process=$!
  while [ ! -f often/$file.safetensors ] && kill -0 $process 2>/dev/null; do sleep 0.02; done
  kill -9 $process 2>/dev/null
  wait $process 2>/dev/null
done
works 'the last restart' $killed --out often/k
same 'the table' once.out out
(cd once && sums .) >before
(cd often && sums .) >after
same 'files' before after

group 'imp: repellent loss'
works 'repel' imp $small --levels 3 --rate 0.5 --branches reinit --repel 2 --quiet --out r
works 'repel the last' imp $small --levels 3 --rate 0.5 --branches reinit --repel 2 --repel-set last --quiet --out l
works 'attract' imp $small --levels 3 --rate 0.5 --branches reinit --repel -1 --quiet --out n
is 'nothing to repel from at level 0' "$(digest_in p.L00.safetensors) $(digest_in p.L00.reinit.safetensors)" "$(digest_in r.L00.safetensors) $(digest_in r.L00.reinit.safetensors)"
is 'one and the last are the same' "$(digest_in r.L01.safetensors) $(digest_in r.L01.reinit.safetensors)" "$(digest_in l.L01.safetensors) $(digest_in l.L01.reinit.safetensors)"
[ "$(digest_in r.L02.safetensors)" != "$(digest_in l.L02.safetensors)" ] && good || bad 'two and the last' 'different' 'the same digest'
angle() # A B
{
  run distance "$1" "$2"
  awk -F '\t' '/^network/ {next} /^#/ {next} {print $3; exit}' out
}
a=$(angle n.L01.safetensors n.L00.safetensors) b=$(angle p.L01.safetensors p.L00.safetensors) c=$(angle r.L01.safetensors r.L00.safetensors)
[ "$(echo "$a $b $c" | awk '{print ($1 < $2 && $2 < $3)}')" = 1 ] && good || bad 'angles of attracted, plain, repelled' 'rising' "$a $b $c"

group 'lmc'
works 'with positions outside' lmc c.L00.safetensors c.L02.reinit.safetensors --points 5 --from -0.5 --to 1.5
is 'the ends' "$(column c.tsv 0 ticket train_loss) $(column c.tsv 0 ticket train_error) $(column c.tsv 0 ticket test_loss) $(column c.tsv 0 ticket test_error)" \
  "$(place 0.000000 2) $(place 0.000000 3) $(place 0.000000 4) $(place 0.000000 5)"
is 'the other end' "$(column c.tsv 2 reinit train_loss) $(column c.tsv 2 reinit test_error)" "$(place 1.000000 2) $(place 1.000000 5)"
is 'rows' '-0.500000 0.000000 0.500000 1.000000 1.500000' "$(awk -F '\t' '!/^#/ && !/^at/ {printf "%s%s", s, $1; s = " "}' out)"
works 'a network and itself' lmc c.L01.safetensors c.L01.safetensors --points 9
is 'no barrier' '0.0000 0.0000' "$(value train_barrier) $(value test_height)"
works 'under the first mask' lmc c.L02.safetensors c.L00.safetensors --points 3 --mask first
is 'the first end' "$(column c.tsv 2 ticket train_loss)" "$(place 0.000000 2)"
[ "$(place 1.000000 2)" != "$(column c.tsv 0 ticket train_loss)" ] && good || bad 'the second end' 'pruned' "$(place 1.000000 2)"
refused 2 '--bn recompute has no effect with --model lenet-12-9' lmc c.L00.safetensors c.L01.safetensors --points 4 --bn recompute
for from in -0.7 0.3 -2.9 0.77; do # the last place is the second network, not one nearly there
  works "from $from" lmc c.L00.safetensors c.L02.reinit.safetensors --points 3 --from $from
  is "the end of a line from $from" "$(column c.tsv 2 reinit train_loss) $(column c.tsv 2 reinit test_error)" "$(place 1.000000 2) $(place 1.000000 5)"
done

group 'lmc of three: a plane'
works 'ticket, next ticket, reinit' lmc c.L01.safetensors c.L02.safetensors c.L02.reinit.safetensors --points 5
is 'rows' '28 A 0.000000 0.000000 B 0.000000 C -' "$(grep -c "^[ABC-]$tab" out) $(awk -F '\t' '$1 == "A" {print "A", $2, $3} $1 == "B" {print "B", $3} $1 == "C" {print "C -"}' out | tr '\n' ' ' | sed 's/ $//')"
for of in A:1:ticket B:2:ticket C:2:reinit; do # the networks as they are
  level=${of#*:} branch=${of##*:} of=${of%%:*}
  is "network $of" "$(column c.tsv ${level%:*} $branch train_loss) $(column c.tsv ${level%:*} $branch train_error) $(column c.tsv ${level%:*} $branch test_loss) $(column c.tsv ${level%:*} $branch test_error)" \
    "$(awk -F '\t' -v n=$of '$1 == n {print $4, $5, $6, $7}' out)"
done
b_at=$(awk -F '\t' '$1 == "B" {print $2}' out) c_at=$(awk -F '\t' '$1 == "C" {print $2, $3}' out)
"$ticket" distance c.L01.safetensors c.L02.safetensors c.L02.reinit.safetensors --what l2 >l2.tsv # of common prunable weights
awk -v b="$b_at" -v c="$c_at" 'BEGIN {split(c, x, " "); exit !(b > 0 && x[2] > 0 && x[1] > -2 * b)}' && good || bad 'distances' 'above 0' "$b_at $c_at"
is 'rows of the rectangle' '5 5' "$(awk -F '\t' '$1 == "-" {print $2}' out | sort -u | wc -l | tr -d ' ') $(awk -F '\t' '$1 == "-" {print $3}' out | sort -u | wc -l | tr -d ' ')"
works 'its corners' lmc c.L01.safetensors c.L02.safetensors c.L02.reinit.safetensors --points 3 --from 0 --to 1
cp out plane
works 'the line A B' lmc c.L01.safetensors c.L02.safetensors --points 3
is 'a row of the plane is the line' "$(grep '^[01]' out | cut -f 3,5 | head -n 2)" "$(awk -F '\t' -v x="$b_at" '$1 == "-" && $3 == 0 && $2 >= 0 && $2 < 0.9 * x {print $5 "\t" $7}' plane | head -n 2)"
refused 1 'lie on one line' lmc c.L01.safetensors c.L02.safetensors c.L02.safetensors
refused 1 'lie on one line' lmc c.L01.safetensors c.L02.safetensors c.L01.safetensors
refused 1 'lie on one line' lmc c.L01.safetensors c.L01.safetensors c.L02.safetensors
refused 2 '--mask first: is of lines' lmc c.L01.safetensors c.L02.safetensors c.L02.reinit.safetensors --mask first
refused 2 'two checkpoints, or three for a plane, but 4 are given' lmc c.L00.safetensors c.L01.safetensors c.L02.safetensors c.L02.safetensors
refused 2 'curve takes two checkpoints, but 3 are given' curve c.L00.safetensors c.L01.safetensors c.L02.safetensors

group 'rates per layer, a floor of survivors'
left_in() { "$ticket" probe "$1" | awk -F '\t' '$1 == "weights" {printf "%s%s", s, $3; s = " "}'; }
works 'rates by name' imp $small --levels 3 --rate 0.5 --rate-of layers.1=0.25,fc.weight=0 --quiet --out by
is 'survivors' '9408 108 90; 4704 81 90; 2352 61 90' "$(left_in by.L00.safetensors); $(left_in by.L01.safetensors); $(left_in by.L02.safetensors)"
is 'recorded' '# rate-of = layers.1=0.25,fc.weight=0' "$(grep rate-of by.tsv)"
is 'not recorded where not given' '' "$(grep -e 'rate-of' -e keep p.tsv)"
works 'the first that fits' imp $small --levels 2 --rate 0 --rate-of fc.w=0.5,fc=0.25 --quiet --out by2
is 'survivors' '45' "$(left_in by2.L01.safetensors | cut -d ' ' -f 3)"
is 'ranked together' '7137' "$(left_in by2.L01.safetensors | awk '{print $1 + $2}')"
works 'before the others' imp $small --levels 2 --rate 0.5 --output-rate 0.9 --rate-of fc.w=0.1 --quiet --out by3
is 'survivors' '81' "$(left_in by3.L01.safetensors | cut -d ' ' -f 3)"
works 'in scope layer' imp $small --levels 2 --rate 0.5 --scope layer --rate-of fc=0.25 --quiet --out by4
is 'survivors' '7056 81 67' "$(left_in by4.L01.safetensors)"
refused 2 '--rate-of conv=...: no weights of lenet-12-9' imp $small --rate-of conv=0.1 --quiet --out no
refused 2 "'fc' is no PART=X" imp $small --rate-of fc --quiet --out no
refused 2 "'=0.1' is no PART=X" imp $small --rate-of fc=0.1,=0.1 --quiet --out no
refused 2 'must be a number from 0 to 1' imp $small --rate-of fc=1.5 --quiet --out no
refused 2 'has more than 6 decimals' imp $small --rate-of fc=0.1234567 --quiet --out no
refused 2 'contradict each other' imp $small --one-shot 0.1 --rate-of fc=0.1 --quiet --out no
works 'a floor' imp $small --levels 4 --rate 0.8 --quiet --keep 40 --branches random --out floor
works 'without' imp $small --levels 4 --rate 0.8 --quiet --out flat
is 'as many, as long as there are' '9606 1921 384 120, 9606 1921 384 77' "$(echo $(awk -F '\t' '$2 == "ticket" {print $3}' floor.tsv), $(awk -F '\t' '$2 == "ticket" {print $3}' flat.tsv))"
is 'none has fewer' '40' "$(left_in floor.L03.safetensors | tr ' ' '\n' | sort -n | head -n 1)"
[ "$(left_in flat.L03.safetensors | tr ' ' '\n' | sort -n | head -n 1)" -lt 40 ] && good || bad 'without a floor' 'fewer than 40' "$(left_in flat.L03.safetensors)"
works 'a floor above all' imp $small --levels 3 --rate 0.8 --quiet --keep 99999 --out full
is 'ends the run' 'ticket: level 1: nothing is left to prune; the run ends with level 0' "$(cat err)"
works 'one-shot' imp $small --one-shot 0.01 --keep 40 --rate-of fc.w=0 --quiet --out shot
is 'survivors' '40 55 90' "$(left_in shot.L01.safetensors)"
refused 1 'holds another run...keep' imp $small --levels 4 --rate 0.8 --quiet --keep 41 --branches random --out floor

group 'distance, probe, curve'
for what in angle cosine l2 l1 overlap hamming sign disagreement js; do
  works "$what" distance c.L00.safetensors c.L01.safetensors c.L02.reinit.safetensors c.rewind.safetensors --what $what
  is "$what is symmetrical" '' "$(awk -F '\t' '/^#|^network/ {next} {n++; for (i = 1; i <= 4; i++) m[n, i] = $(i + 1)}
    END {if (n != 4) print n " rows"; for (i = 1; i <= 4; i++) for (k = 1; k <= 4; k++) if (m[i, k] != m[k, i]) print i, k, m[i, k], m[k, i]}' out)"
done
works 'one file' distance c.L00.safetensors
works 'almost nothing is left' imp $small --rate 0.9 --levels 4 --branches shuffle --quiet --out z
is 'layers that lost all' "$(kept_layers z.L03.shuffle.safetensors)" "$(column z.tsv 3 shuffle collapsed)"
is 'that is said' 1 "$(grep -c '^ticket: level [0-9], shuffle: no weight is left in ' "$room/err")"
for what in angle cosine l2 l1 sign; do
  works "$what of networks without a common weight" distance z.L03.safetensors z.L03.shuffle.safetensors --what $what
  is "$what has no value" - "$(awk -F '\t' '/^z.L03.safetensors/ {print $3}' out)"
done
works 'probe' probe c.L02.safetensors --batch 330
is 'one batch is the whole set' '0.000000' "$(awk -F '\t' '$1 == "gradient" && $2 == "angle" {print $3}' out)"
is 'weights' "$(column c.tsv 2 ticket weights)" "$(awk -F '\t' '$1 == "weights" {n += $3} END {print n}' out)"
is 'histogram' "$(column c.tsv 2 ticket weights)" "$(awk -F '\t' '$1 == "histogram" {n += $3} END {print n}' out)"
works 'curve' curve c.L02.safetensors c.L02.reinit.safetensors --steps 20ep --points 5
is 'the ends' "$(column c.tsv 2 ticket train_loss) $(column c.tsv 2 reinit train_loss)" "$(place 0.000000 2) $(place 1.000000 2)"
curved=$(value train_highest_loss)
works 'straight' lmc c.L02.safetensors c.L02.reinit.safetensors --points 5
[ "$(echo "$curved $(value train_highest_loss)" | awk '{print ($1 <= $2)}')" = 1 ] && good || bad 'highest loss of the curve' "at most $(value train_highest_loss)" "$curved"
run probe c.L01.safetensors
mv out first
works 'again' probe c.L01.safetensors
same 'the same bytes' first out

group 'batch norm'
works 'a ResNet' imp --model resnet20-4 --data synth-rgb --train-size 96 --batch 48 --steps 3it --optimizer sgd --lr 0.05 --levels 2 --rate 0.5 --children 1 --points 3 --quiet --out b
for bn in average recompute; do
  works "lmc $bn" lmc --data synth-rgb b.L00.safetensors b.L01.safetensors --points 2 --batch 48 --bn $bn
  grep -v '^#' out >$bn
done
is 'the ends, average' "$(column b.tsv 0 ticket train_loss) $(column b.tsv 1 ticket test_loss)" "$(awk -F '\t' '/^0/ {a = $2} /^1/ {print a, $4}' average)"
if cmp -s average recompute; then bad 'recomputed' 'other numbers' 'the same'; else good; fi
works 'probe' probe --data synth-rgb b.L01.safetensors --batch 48
is 'layers with ReLU' 19 "$(grep -c '^dead' out)"

group 'hostile input'
works 'another model' train --model lenet-12-8 --train-size 330 --steps 1it --quiet --out m
works 'other data' train --model lenet-12-9 --data synth-rgb --train-size 330 --steps 1it --quiet --out d
works 'fewer images' train --model lenet-12-9 --train-size 329 --steps 1it --quiet --out f
for command in lmc distance curve; do
  refused 1 'm.L00.safetensors: its model is lenet-12-8, but lenet-12-9 in c.L00.safetensors' $command c.L00.safetensors m.L00.safetensors
  refused 1 'd.L00.safetensors: its data is synth-rgb, but synth in' $command c.L00.safetensors d.L00.safetensors
  refused 1 'f.L00.safetensors: its data-digest is' $command c.L00.safetensors f.L00.safetensors
done
refused 1 'd.L00.safetensors: was trained on synth-rgb, but this is synth; give its --data' probe d.L00.safetensors
refused 1 'nowhere.safetensors' probe nowhere.safetensors
head -c 5000 c.L00.safetensors >short.safetensors
refused 1 'short.safetensors: ' lmc c.L00.safetensors short.safetensors
cp c.L00.safetensors bit.safetensors
printf '\1' | dd of=bit.safetensors bs=1 seek=$((8 + $(header_bytes bit.safetensors) + 100)) conv=notrunc 2>/dev/null
refused 1 'bit.safetensors: was changed or damaged' distance bit.safetensors c.L00.safetensors
sed 's/"model"/"mosel"/' c.L00.safetensors >anonymous.safetensors
refused 1 'anonymous.safetensors: was changed or damaged' probe anonymous.safetensors
sed 's/"checksum"/"checkers"/; s/"model"/"mosel"/' c.L00.safetensors >anonymous.safetensors
refused 1 'anonymous.safetensors: does not say its model' probe anonymous.safetensors
sed 's/"checksum"/"checkers"/; s/"model"/"mosel"/; s/"data"/"dato"/; s/"data-digest"/"data-digess"/; s/"train-size"/"train-sise"/' c.L00.safetensors >torch.safetensors
digest=$("$ticket" probe c.L00.safetensors | grep '^# data-digest')
for files in 'torch.safetensors c.L01.safetensors' 'c.L01.safetensors torch.safetensors'; do
  works "measured on the images of the other: $files" lmc $files --model lenet-12-9 --data synth --points 3
  is 'which it says' "$digest" "$(grep '^# data-digest' out)"
done
sed 's/"model":"lenet-12-9"/"model":"lenet-12-8"/' c.L00.safetensors >false.safetensors
refused 1 'false.safetensors: ' probe false.safetensors
refused 2 'lmc takes two checkpoints, or three for a plane, but 1 is given' lmc c.L00.safetensors
refused 2 'but 3 are given' curve c.L00.safetensors c.L00.safetensors c.L00.safetensors
refused 2 'probe takes one checkpoint' probe
refused 2 'distance takes checkpoints' distance
refused 2 "'c.L00.safetensors' is not an option of train" train c.L00.safetensors
refused 2 '--points' lmc c.L00.safetensors c.L00.safetensors --points 1
refused 2 '--what' distance c.L00.safetensors --what far
refused 2 '--at 2ep,1ep: must ascend' stability $small --at 2ep,1ep
refused 2 '--at 4ep' stability $small --at 4ep
refused 2 '--children 0' stability $small --children 0
refused 1 'm.L00.safetensors' stability $small --ticket m.L00.safetensors
finish
