#!/bin/sh
# test/report.sh - the page of figures: what it draws of which files, hostile contents, the commands it names.
# From the root of the repository, with ./ticket built. SPDX-License-Identifier: MIT
. test/lib.sh
cd "$room" || exit 1

small='--model lenet-12-9 --train-size 330 --batch 50 --steps 4ep --init-scheme kaiming-uniform'
figures() { sed '/^<figure>/{N;/Ten images/d;}' "$1" | grep -c '^<figure>'; } # but for the images of the data
has() { if grep -qF -e "$3" "$2"; then good; else bad "$1" "'$3' in $2" 'none'; fi; } # WHAT FILE TEXT
has_not() { if grep -qF -e "$3" "$2"; then bad "$1" "no '$3' in $2" "$(grep -F -e "$3" "$2" | head -n 1)"; else good; fi; }
if command -v tidy >/dev/null; then
  valid() { is "$1: tidy" '' "$(tidy -q -e "$1" 2>&1 | head -n 3)"; }
else
  skip 'pages are not validated: tidy is not installed'
  valid() { :; }
fi

group 'a run'
works 'imp' imp $small --levels 3 --rate 0.5 --branches reinit,shuffle --children 1 --points 3 --quiet --out one
works 'its report' report one
is 'names the page' 'one.html ' "$(tr '\n' ' ' <out)"
is 'figures: 10 over density, layers, masks, 3 of each branch over steps' 21 "$(figures one.html)"
for text in 'Test accuracy' 'Training accuracy' 'Overfitting: gap between' 'Pruning threshold' 'Barrier on the test set' 'Instability on the training set' \
  'Density by layer' 'What the first layer sees' 'Ten images of the training set: synth' 'Training loss: reinit' 'Training error: ticket' 'Test error: shuffle' "$(digest_in one.L02.safetensors)" 'prefers-color-scheme' '@media print'; do
  has 'figures and texts' one.html "$text"
done
grep -v '^<image [^<>]* href="data:image/bmp;base64,[A-Za-z0-9+/=]*"/>$' one.html >plain.html
for text in '<script' 'href=' 'src=' 'url(' '@import' 'unfinished' 'nan' 'inf '; do has_not 'nothing from elsewhere' plain.html "$text"; done
is 'a title for every point' 0 "$(grep -c '<path class="m [^>]*>$' one.html)"
valid one.html
cp one.html first.html
works 'again' report one.tsv
same 'the same page' first.html one.html
works '--out' report one --out other
is 'the file is named' 'other.html ' "$(tr '\n' ' ' <out)"
same 'and the same' first.html other.html
command=$(sed -n 's/.*<pre>ticket \(.*\) --out.*/\1/p' one.html)
works 'the command on the page' $command --quiet --out again
is 'repeats the run' "$(grep -v '^#' one.tsv)" "$(grep -v '^#' again.tsv)"

tail -n +2 one.tsv >bare.tsv # without its checksum, for the changes below
tail -n +2 one.epochs.tsv >bare.epochs.tsv

group 'what other commands print'
works 'train' train $small --quiet --out trained
works 'report of train' report trained
is 'figures' 9 "$(figures trained.html)"
"$ticket" lmc one.L01.safetensors one.L02.reinit.safetensors --points 5 >line.tsv
"$ticket" curve one.L01.safetensors one.L02.reinit.safetensors --points 5 --steps 5it --quiet >bend.tsv
"$ticket" distance one.L0?.safetensors one.rewind.safetensors >angle.tsv
"$ticket" distance one.L0?.safetensors --what cosine >cosine.tsv
"$ticket" probe one.L02.safetensors >probe.tsv
"$ticket" stability $small --points 3 --at 0,1ep,2ep --quiet >stable.tsv
works 'a plane' lmc one.L01.safetensors one.L02.safetensors one.L02.reinit.safetensors --points 6
grep -v '^# checksum' out >plane.tsv
works 'its page' report plane.tsv
is 'figures' 2 "$(figures plane.html)"
is 'cells' 72 "$(grep -c '^<rect.*<title>' plane.html)"
is 'the three networks' '6 A: ticket 1 B: ticket 2 C: reinit 2' "$(grep -c '<circle class="spot"' plane.html) $(sed -n 's/.*>\([ABC]: [^<]*\)<.*/\1/p' plane.html | head -n 3 | tr '\n' ' ' | sed 's/ $//')"
has 'lines' plane.html '<path class="bright" d="M'
valid plane.html
awk '/^-/ && !n++ {for (k = 0; k < 4225 - 36; k++) print} {print}' plane.tsv >wide.tsv
refused 1 'wide.tsv: a plane of three networks and 4225 places' report wide.tsv
sed '$d' plane.tsv >short.tsv
refused 1 'short.tsv: a plane of three networks and 35 places' report short.tsv
awk -F '\t' -v OFS='\t' '$1 == "-" {$2 = 1} {print}' plane.tsv >flat.tsv
refused 1 'flat.tsv: its places are no plane' report flat.tsv
for x in nan inf -1 0 1e9 9999999999 -9999999999; do # in one place
  awk -F '\t' -v OFS='\t' -v x=$x '$1 == "-" && !n++ {$4 = $7 = x} {print}' plane.tsv >odd.tsv
  [ $x = 1e9 ] && refused 1 'is not a number' report odd.tsv || works "a value of $x" report odd.tsv
done
works 'report of tables' report line.tsv bend.tsv angle.tsv cosine.tsv probe.tsv stable.tsv --out tables
is 'figures' 13 "$(figures tables.html)"
for text in 'Test error on the way' 'curve, ticket 1 to reinit 2<' 'straight line, ticket 1 to reinit 2<' 'Angles: ticket' 'Cosines: ticket' 'Weights by value' 'Instability on the test set' 'train_barrier ='; do
  has 'tables' tables.html "$text"
done
is 'cells of the first matrix' 16 "$(sed '1,/Angles: /d;/Cosines: /,$d' tables.html | grep -c '^<rect.*<title>\|^<rect[^/]*>$')"
valid tables.html
for table in line bend angle probe stable; do
  works "report $table" report $table
  command=$(sed -n "s/.*<pre>ticket \(.*\) &gt;.*/\1/p" $table.html)
  run $command
  same "the command on the page repeats $table" $table.tsv out
done

group 'several runs'
works 'a second seed, fewer levels' imp $small --levels 2 --rate 0.5 --branches reinit --children 1 --points 3 --seed 2 --quiet --out two
works 'averaged' report one two --out both
has 'seeds' both.html 'seed 1, 2; points are means'
has 'mean' both.html 'mean of 2 runs, from'
is 'a line per branch' 3 "$(sed '/Training accuracy/,$d' both.html | grep -c '<polyline')"
valid both.html
refused 1 'two.tsv...the same run as' report two one two.tsv ./two.tsv
works 'a file named twice' report one one.tsv --out twice
same 'counts once' first.html twice.html
works 'other settings' imp $small --levels 2 --rate 0.4 --lr 0.01 --quiet --out three
works 'drawn apart' report one three --out apart
has 'what differs' apart.html 'ticket, lr = 0.01, rate = 0.4'
is 'lines' 4 "$(sed '/Training accuracy/,$d' apart.html | grep -c '<polyline')"
valid apart.html
sed '$d' bare.tsv >cut.tsv
works 'an unfinished run' report cut
has 'says so' cut.html 'cut.tsv is unfinished: 7 of 8 networks'
grep -v '^[0-9]' bare.tsv >begun.tsv
works 'a run just begun' report begun
is 'has no figures' 0 "$(figures begun.html)"
valid begun.html
grep -v '^1' bare.tsv >gap.tsv
works 'a missing level' report gap
is 'figures without networks' 10 "$(figures gap.html)"
valid gap.html

figure() { sed -n "/<h3>$2/,/<\/figure>/p" "$1"; } # FILE TITLE

group 'heights'
cp bare.tsv high.tsv
# as 0.1.0 wrote it
awk -F '\t' -v OFS='\t' '/^# ticket = / {print "# ticket = 0.1.0"; next} /^#/ {print; next} {digest = $NF; NF = 14; $14 = digest; print}' bare.tsv >old.tsv
works 'a table of 0.1.0' report old
is 'has no heights' 8 "$(figures old.html)"
works 'a table of 0.2.0' report high
is 'two figures more, none of steps or layers' 10 "$(figures high.html)"
has 'in words' high.html 'Ends of unequal error give a barrier without any hill'
has 'in words' high.html '0 where there is no hill'
has_not 'no claim that the barrier has no hill' high.html 'minus the mean of its ends; if tickets win it stays near 0'
wanted=$(awk -F '\t' '/^2\tticket/ {printf "%g", $14}' high.tsv)
has 'the height of level 2' high.html "points of error: $wanted<"
valid high.html
cp stable.tsv stable2.tsv
works 'stability of 0.2.0' report stable2
is 'its figures' 4 "$(figures stable2.html)"
has 'its height' stable2.html "points of error: $(awk -F '\t' '/^0/ {printf "%g", $7}' stable2.tsv)<"

group 'means are between runs'
row() { printf '%s\t%s\t9\t%s\t0.1\t0.1\t%s\t0.1\t%s\t-\t-\t-\t-\t-\t-\t-\td\n' "$1" ticket "$2" "$3" "$3"; } # LEVEL DENSITY ERROR
head_of() { printf '# ticket = 0.1.0\n# command = imp\n# seed = %s\n' "$1"; grep '^level' one.tsv; }
{ head_of 1; row 0 100.0000 10; row 1 50.0000 20; row 2 50.0000 30; } >mean1.tsv
{ head_of 2; row 0 100.0000 14; row 1 50.0000 22; row 2 49.0000 36; } >mean2.tsv
works 'one run with a density twice' report mean1
has_not 'no mean' mean1.html 'runs, from'
is 'three points' 3 "$(figure mean1.html 'Test accuracy' | grep -c '<title>')"
points=$(figure mean1.html 'Test accuracy' | sed -n 's/.* points="\([^"]*\)".*/\1/p')
is 'two at one place' 2 "$(printf '%s\n' $points | cut -d , -f 1 | sort | uniq | wc -l | tr -d ' ')"
works 'two runs' report mean1 mean2 --out means
is 'three means' 3 "$(figure means.html 'Test accuracy' | grep -c 'mean of 2 runs')"
is 'of equal levels: sparse first' '67 79 88 ' "$(figure means.html 'Test accuracy' | sed -n 's/^accuracy (%): //p' | tr '\n' ' ')"
is 'densities too' '49.5 50 100 ' "$(figure means.html 'Test accuracy' | sed -n 's/^weights that remain (%): //p' | tr '\n' ' ')"
has 'from the lowest' means.html 'mean of 2 runs, from 64 to 70'
sed 's/^# seed = .*/# seed = 3/;/^1/d' mean2.tsv >mean3.tsv
works 'three runs, a level in two' report mean1 mean2 mean3 --out means
is 'as many as have it' '3 2 3 ' "$(figure means.html 'Test accuracy' | sed -n 's/^mean of \([0-9]*\) .*/\1/p' | tr '\n' ' ')"
sed '/^0/d' stable.tsv | sed -n '/^step/,$!p' >steps1.tsv
printf 'step\ttrain_instability\ttest_instability\ttrain_error\ttest_error\tdigest\n5\t1\t2\t0\t0\td\n5\t3\t4\t0\t0\td\n' >>steps1.tsv
works 'a step twice' report steps1
has_not 'no mean' steps1.html 'runs, from'

group 'instability over batch size, angles along a matrix'
for batch in 20 50; do # as results/paper.mk makes them
  for seed in 1 2; do
    { echo '# density = 100.0'; "$ticket" stability $small --batch $batch --seed $seed --points 3; } >b$batch.$seed.tsv
  done
done
works 'two batch sizes, two seeds' report b20.1 b20.2 b50.1 b50.2 --values --out batches
is 'figures: training and test set' 2 "$(figures batches.html)"
has 'means' batches.html 'mean of 2 runs, from'
column() { awk -F '\t' '/^0/ {print $'$2'}' "$1"; } # FILE NUMBER
is 'of the tables' "$(for batch in 20 50; do
  echo "$(column b$batch.1.tsv 2) $(column b$batch.2.tsv 2)" | awk '{printf "%.4f\n", ($1 + $2) / 2}'
done)" "$(awk -F '\t' '/by batch size, training/ {printf "%.4f\n", $4}' batches.values.tsv)"
works 'one batch size' report b20.1 b20.2 --out batch
is 'over steps' 4 "$(figures batch.html)"
works 'a matrix' report angle --values
is 'to the next network, the last apart; to the last' "$(awk -F '\t' '/^one/ {row[++n] = $0} END {
  for (i = 1; i < n - 1; i++) {split(row[i], v, "\t"); printf "%g\n", v[i + 2]}
  for (i = 1; i < n; i++) {split(row[i], v, "\t"); printf "%g\n", v[n + 1]}}' angle.tsv)" "$(awk -F '\t' '/^Angle/ {printf "%g\n", $4}' angle.values.tsv)"
sed '$d' angle.tsv >oblong.tsv
works 'a matrix that is not square' report oblong
has_not 'has no such line' oblong.html 'Angle to the'

group 'published values'
{
  printf '# claim = tickets <win>\nchart\tline\tx\ty\tlow\thigh\n'
  printf 'Test accuracy\tticket\t%s\n' '100.5	98	97	99' '50	97	-	-'
  printf 'Test accuracy\tother\t100\t90\t-\t-\nNo such chart\tticket\t1\t2\t-\t-\n'
} >paper.tsv
works 'a run beside them' report one paper --values --out marks
figure marks.html 'Test accuracy' >marked
is 'hollow marks and their legend' 5 "$(grep -o '<path class="o s' marked | wc -l | tr -d ' ')"
is 'of one line in the style of ours' 3 "$(grep -o '<path class="o s0"' marked | wc -l | tr -d ' ')"
is 'no lines more' "$(figure one.html 'Test accuracy' | grep -c '<polyline')" "$(grep -c '<polyline' marked)"
has 'their range' marked 'published: ticket'
has 'what they say, escaped' marks.html '<strong>claim:</strong> tickets &#60;win&#62;'
is 'as many charts as without' "$(figures one.html)" "$(figures marks.html)"
is 'the values' "$(printf '50.0000 97\n100.0000 98')" "$(awk -F '\t' '$1 == "Test accuracy" && $2 == "ticket" && $7 != "-" {printf "%.4f %s\n", $3, $7}' marks.values.tsv)"
is 'accuracies' "$(awk -F '\t' '$2 == "shuffle" {printf "%g\n", 100 - $9}' one.tsv | sort)" "$(awk -F '\t' '$1 == "Test accuracy" && $2 == "shuffle" {printf "%g\n", $4}' marks.values.tsv | sort)"
is 'and all published ones' 3 "$(grep -c 'published: ' marks.values.tsv)"
valid marks.html
works 'values of another page are such a table' report one marks.values --out again
has 'as marks' again.html 'published: shuffle'
sed 's/	98	/	x	/' paper.tsv >word.tsv
refused 1 'word.tsv: row 1...is not a number' report one word
works 'published values alone' report paper
is 'are no figure' 0 "$(figures paper.html)"

group 'one colour per branch, one scale per unit'
works 'branches in another order' imp $small --levels 2 --rate 0.5 --branches shuffle,reinit --quiet --out order
works 'its report' report order
for page in one order; do
  figure $page.html 'Test accuracy' >drawn
  for branch in ticket:0 reinit:1 shuffle:3; do
    is "$page: the style of ${branch%:*}" "${branch#*:}" "$(grep -B 1 ">${branch%:*}</text>" drawn | sed -n 's/.*class="l s\([0-9]\) .*/\1/p' | tail -n 1)"
  done
done
ticks() { figure "$1" "$2" | sed -n 's/.*<text class="e" [^>]*>\(.*\)<\/text>/\1/p' | tr '\n' ' '; } # FILE TITLE: of the y axis
for pair in 'Test accuracy:Training accuracy' 'Barrier on the test set:Height of the barrier on the training set' 'Training loss. ticket:Training loss. shuffle'; do
  is "axes of $pair" "$(ticks one.html "${pair%:*}")" "$(ticks one.html "${pair#*:}")"
done
# a histogram's axis ends where its tail is below a fiftieth of the peak, and the line with it
{ printf '# command = probe\n# model = x\n# network = a.L01.safetensors 0123456789abcdef\nquantity\twhere\tvalue\n'
  awk 'BEGIN {for (k = -95; k < 100; k += 10) printf "histogram\t%.2f\t%d\n", k / 100, (k * k > 400 ? 1 : 500)}'; } >tail.tsv
works 'a tail' report tail.tsv --values --out tail
is 'its axis' '-0.2 -0.1 0 0.1 0.2 ' "$(figure tail.html 'Weights by value' | sed -n 's/.*<text class="c" [^>]*>\([-0-9.]*\)<\/text>/\1/p' | tr '\n' ' ')"
is 'its line' 4 "$(figure tail.html 'Weights by value' | sed -n 's/.*points="\([^"]*\)".*/\1/p' | wc -w | tr -d ' ')"
is 'its values' 20 "$(grep -c '^Weights by value' tail.values.tsv)"
"$ticket" distance one.L0?.reinit.safetensors >angle2.tsv
"$ticket" distance --what l2 one.L0?.reinit.safetensors >far.tsv
"$ticket" distance --what l2 one.L00.safetensors one.rewind.safetensors >near.tsv
works 'matrices' report angle.tsv angle2.tsv far.tsv near.tsv --out scales
scale() { figure scales.html "$1" | sed -n 's/.*<text class="" x="3620" [^>]*>\(.*\)<\/text>/\1/p' | tr '\n' ' '; }
is 'angles' '0 0.2 0.4 0.6 0.8 1 ' "$(scale 'Angles: ticket')"
is 'of a control' '0 0.2 0.4 0.6 0.8 1 ' "$(scale 'Angles: reinit')"
is 'l2' "$(scale 'Euclidean distances: ticket')" "$(scale 'Euclidean distances: reinit')"
for page in one scales tables; do
  is "no caption twice on $page.html" '' "$(sed -n 's/^<figcaption>\([^ ].*\)<.*/\1/p' $page.html | sort | uniq -d | head -n 1)"
done
{ printf '# model = %s\n' "$(printf 'long %.0s' 1 2 3 4 5 6 7 8)long"; head_of 1; row 0 100.0000 10; } >long1.tsv
sed 's/long/longer/' long1.tsv >long2.tsv
works 'long names' report long1 long2 --out long
is 'go on in another line' 'ticket, model = longer long long long long long long|long long|' \
  "$(figure long.html 'Test accuracy' | sed -n 's/.*<text class="" x="450" [^>]*>\(.*\)<\/text>/\1/p' | tail -n 2 | sed 's/^ *//;s/ *$//' | tr '\n' '|')"

group 'pictures'
# inputs without a connection, from the checkpoint: the mask of fc_layers.0 is the first of the masks, 12 x 784
cut_off() { data_of "$1" | od -An -v -tu1 | tr -s ' ' '\n' | grep . | tail -n "$(header_of "$1" | sed 's/.*"mask.fc.weight":[^]]*\][^]]*,\([0-9]*\)\].*/\1/' | awk '{print 12 * 784 + 9 * 12 + 10 * 9}')" | head -n $((12 * 784)) | awk '{n[NR % 784] += $1} END {for (i = 0; i < 784; i++) c += n[i] == 0; print c}'; }
works 'a sparse run' imp $small --levels 3 --rate 0.8 --branches shuffle --quiet --out few
works 'its report' report few
is 'inputs that are cut off' "$(for f in few.L00 few.L01 few.L02 few.L01.shuffle few.L02.shuffle; do cut_off $f.safetensors; done | tr '\n' ' ')" "$(figure few.html 'What the first layer sees' | sed -n 's/.*>\([0-9]*\) cut off<.*/\1/p' | tr '\n' ' ')"
has_not 'controls with masks of their own' few.html '>as many at random<'
works 'a run without' report two
has 'as many connections are drawn' two.html 'as many at random'
works 'a convolution' imp --data synth-rgb --model conv2-8 --train-size 100 --steps 2it --levels 2 --rate 0.9 --quiet --out kernels
works 'its report' report kernels
has 'kernels' kernels.html ' empty</text>'
valid kernels.html
works 'no picture of inputs that are no square' report few.tsv
mkdir -p files
works 'the set as files' data --train-size 330 --out files
if command -v base64 >/dev/null; then
  sed -n '/<h3>Ten images/,/<.svg>/s/.*base64,\([^"]*\)".*/\1/p' few.html | base64 -d >images.bmp
  is 'a BMP file of its own size' "BM $(wc -c <images.bmp | tr -d ' ')" "$(head -c 2 images.bmp) $(od -An -tu4 -j 2 -N 4 images.bmp | tr -d ' ')"
  first=$(tail -n +1 files/train-labels-idx1-ubyte | tail -c +9 | od -An -v -tu1 | tr -s ' ' '\n' | grep . | grep -nx 0 | head -n 1 | cut -d : -f 1)
  tail -c +$((17 + 784 * (first - 1))) files/train-images-idx3-ubyte | head -c 784 >class0
  # rows from the bottom: image 0 fills the left of the upper half, rows 0 to 27 of 57; a row is 144 bytes after 1078
  for row in 0 13 27; do
    is "row $row of class 0" "$(tail -c +$((1 + 28 * row)) class0 | head -c 28 | cksum)" "$(tail -c +$((1079 + 144 * (56 - row))) images.bmp | head -c 28 | cksum)"
  done
else skip 'images are not decoded: there is no base64'; fi
works 'another set' imp $small --data mnist:files --levels 1 --quiet --out other
works 'without --data' report other
has 'says how to see it' other.html 'ticket report --data mnist:DIR'
works 'with --data' report --data mnist:files other
has 'shows it' other.html 'Ten images of the training set: mnist'
is 'the same images' "$(sed -n '/<h3>Ten images/,/<.svg>/s/.*base64,//p' few.html)" "$(sed -n '/<h3>Ten images/,/<.svg>/s/.*base64,//p' other.html)"
sed 's/^# data-digest = ./&0/;/^# checksum/d' other.tsv >false.tsv
refused 1 'its digest is' report --data mnist:files false

group 'in words'
has 'a sentence of result' few.html "the ticket errs on $(awk '/^2\tticket/ {printf "%g", $9}' few.tsv)%, its shuffle on $(awk '/^2\tshuffle/ {printf "%g", $9}' few.tsv)%"
has 'title' few.html '<title>Lottery tickets: lenet-12-9 on synth</title>'
for word in level mask ticket reinit; do has 'definitions' few.html "<dt>$word</dt>"; done
cp few.tsv run2.tsv
cp few.L00.safetensors copy.L00.safetensors
"$ticket" lmc few.L00.safetensors copy.L00.safetensors >two-runs.tsv
works 'two runs' report two-runs
has 'are named' two-runs.html 'straight line, few ticket 0 to copy ticket 0<'
mkdir -p A B
"$ticket" probe few.L00.safetensors >A/same.tsv
"$ticket" probe few.L01.safetensors >B/same.tsv
"$ticket" distance few.L0?.safetensors >A/matrix.tsv
"$ticket" distance few.L0?.shuffle.safetensors >B/matrix.tsv
sed 's/^# checksum.*/# note = 2/' A/matrix.tsv >B/twin.tsv
cp B/twin.tsv A/twin.tsv
works 'one name in two folders' report A/same A/twin A/matrix B/same B/twin B/matrix --values --out folders
is 'a line each' 'A/matrix A/twin B/twin shuffle' "$(awk -F '\t' '/^Angle to the next/ {print $2}' folders.values.tsv | sed 's/.*(\(.*\))/\1/' | sort -u | tr '\n' ' ' | sed 's/ $//')"

group 'what an axis cannot show'
{ head_of 1; row 0 100.0000 10; row 1 10.0000 20; row 2 0.0000 90; } >none.tsv
works 'a density of 0' report none
is 'is not drawn' 2 "$(figure none.html 'Test accuracy' | grep -c '<title>')"
has 'but said' none.html 'What is not above 0 is left out'
is 'in every figure over density' "$(figures none.html)" "$(grep -c 'What is not above 0 is left out' none.html)"
has_not 'and only there' mean1.html 'left out'
awk -F '\t' -v OFS='\t' 'NR == FNR {print >"zeros.tsv"; next} /^1\tticket/ && !done {$8 = "0.000000"; done = 1} {print >"zeros.epochs.tsv"}' bare.tsv bare.epochs.tsv
works 'a loss of 0' report zeros
has 'is left out' zeros.html 'What is not above 0 is left out'
valid zeros.html

group 'what was not measured'
awk -F '\t' -v OFS='\t' '/^one.L00/ {$4 = "-"} {print}' angle.tsv >apart.tsv
works 'networks without a common weight' report apart
is 'a grey cell' 1 "$(grep -c '^<rect[^>]*class="none"' apart.html)"
has 'in words' apart.html 'Grey cells: not measured'
has 'its title' apart.html 'not measured</title>'
sed '/^one/s/	.*/	-	-	-	-/' angle.tsv >nothing.tsv
works 'none has any' report nothing
is 'all grey' 16 "$(grep -c 'class="none"' nothing.html)"
valid nothing.html
has_not 'nothing grey where all is measured' angle.html 'not measured'
sed '/^2/s/	[^	]*	\([^	]*	[^	]*\)$/	-	\1/' bare.tsv >partly.tsv
works 'a table with gaps' report partly
has 'in the table' partly.html '<td>not measured</td>'
has_not 'no bare minus' partly.html '<td>-</td>'
has 'empty columns' mean1.html '<p>Not measured: train_barrier, test_barrier, train_instability, test_instability, train_height, test_height.</p>'

group 'a layer without weights'
awk -F '\t' -v OFS='\t' '/^2\treinit/ {$(NF - 1) = "fc_layers.0.weight,fc.<b>"} {print}' high.tsv >gone.tsv
works 'collapsed' report gone
has 'in words' gone.html 'gone.tsv, level 2, branch reinit: no weight is left in fc_layers.0.weight,fc.&#60;b&#62;<'
is 'one row is shaded' 1 "$(grep -c '<tr style=' gone.html)"
is 'one point of an accuracy has a ring' 1 "$(figure gone.html 'Test accuracy' | grep -c 'a64 64')"
has 'which is explained' gone.html 'Ringed: a layer has no weight left there.'
has 'none elsewhere' gone.html '<td>none</td>'
has_not 'nor where nothing is lost' high.html 'Ringed'
valid gone.html

group 'checksums'
{ printf '# checksum = 8b9c91a4e3f8ddd5\n'; cat mean1.tsv; } >sum.tsv
refused 1 'sum.tsv: was changed or damaged: its checksum does not fit' report sum
printf '# checksum = %s\nlevel\tbranch\tweights\tdensity\n' 0000000000000000 >sum.tsv
printf 'level\tbranch\tweights\tdensity\n' >body
sum=$(od -An -v -tu1 body | awk '{for (i = 1; i <= NF; i++) byte[n++] = $i} END {
  # 64-bit FNV-1a in four limbs of 16 bits; the prime is 2^40 + 0x1b3
  h[3] = 52210; h[2] = 40164; h[1] = 33826; h[0] = 8997
  for (i = 0; i < n; i++) {
    a = h[0] % 256; b = byte[i]; x = 0
    for (k = 1; k < 256; k *= 2) x += k * ((int(a / k) + int(b / k)) % 2)
    h[0] += x - a
    c[0] = h[0] * 435; c[1] = h[1] * 435; c[2] = h[2] * 435 + h[0] * 256; c[3] = h[3] * 435 + h[1] * 256
    for (k = rest = 0; k < 4; k++) {c[k] += rest; rest = int(c[k] / 65536); h[k] = c[k] % 65536}
  }
  printf "%04x%04x%04x%04x", h[3], h[2], h[1], h[0]}')
{ printf '# checksum = %s\n' "$sum"; cat body; } >sum.tsv
works 'one that fits' report sum
sed 's/density$/densitx/' sum.tsv >sum2.tsv
refused 1 'sum2.tsv: was changed or damaged' report sum2

group 'hostile contents'
evil='<script>alert(1)&amp;"'"'"
mkdir "$evil"; mkdir "$evil/<b>"
cp one.tsv "$evil/<b>/<i>.tsv" # a slash ends a name
works 'angle brackets in a prefix' report "$evil/<b>/<i>"
mv "$evil/<b>/<i>.html" evil.html
has_not 'are escaped' evil.html '<i>'
has_not 'are escaped' evil.html '<b>'
has 'in quotes for the shell' evil.html "'\\''"
valid evil.html
sed "s|^# model = .*|# model = </title><b onload=x>|;s/ticket/<u>\&lt;/" bare.tsv >markup.tsv
works 'markup in settings and cells' report markup
has_not 'is escaped' markup.html '<b '
has_not 'is escaped' markup.html '<u>'
valid markup.html
printf '# model = \303\251 \342\202\254 \377\376 \300\200 \355\240\200 \033\n' | cat - bare.tsv >utf.tsv
works 'bytes that are no UTF-8' report utf
has 'become question marks' utf.html "model = $(printf '\303\251 \342\202\254') ?? ?? ??? ?"
valid utf.html
for x in nan -nan inf -inf NaN 1e999 99999999999999999999999999 -99999999999999 10000000000 -10000000000 0 -0 0.0000001 9999999999.9999999; do
  for c in 4 5 9; do
    awk -F '\t' -v OFS='\t' -v x=$x -v c=$c '/^1/ {$c = x} {print}' bare.tsv >number.tsv
    if [ $x = 1e999 ]; then
      refused 1 "number.tsv: row...is not a number" report number
      continue
    fi
    works "$x in column $c" report number
    is "$x in column $c: coordinates" 0 "$(grep -c 'points="[^"]*-' number.html)"
    is "$x: figures" 10 "$(figures number.html)"
  done
  valid number.html
done
awk -F '\t' -v OFS='\t' '/^[0-9]/ {$4 = 0; $6 = $7 = $8 = $9 = $5 = "0.000000"} {print}' bare.tsv >zero.tsv
works 'nothing but zeros' report zero
valid zero.html
sed '/^[0-9]/s/	[0-9.]*/	nan/g' line.tsv >nan.tsv
works 'no finite number' report nan
is 'is not drawn' 0 "$(figures nan.html)"
head -c 1500 bare.tsv >short.tsv
refused 1 'short.tsv: was cut short' report short
printf 'level\tbranch\tweights\n0\tticket\n' >fields.tsv
refused 1 'fields.tsv: is not a table' report fields
printf 'level\tbranch\tweights\tdensity\n0\tticket\t3\n' >fields.tsv
refused 1 'fields.tsv: row 1 does not have 4 fields' report fields
printf 'level\tbranch\tweights\tdensity\n0\tticket\t3\t4\t5\t6\n' >fields.tsv
refused 1 'fields.tsv: row 1 does not have 4 fields' report fields
sed 's/^1.*/1\treinit\tmany/' bare.tsv >fields.tsv
refused 1 'fields.tsv: row' report fields
sed 's/^\(1	ticket	[0-9]*	\)[0-9]*/\1x/' bare.tsv >word.tsv
refused 1 "word.tsv: row 3: 'x" report word
: >empty.tsv
refused 1 'empty.tsv: has no table' report empty
printf '# a = b\n' >empty.tsv
refused 1 'empty.tsv: has no table' report empty
printf 'hello\n' >text.tsv
refused 1 "text.tsv: is not a table of imp" report text
printf '# hello\n' | cat - bare.tsv >comment.tsv
refused 1 "comment.tsv: its line '# hello'" report comment
cp one.L00.safetensors binary.tsv
refused 1 'binary.tsv: is not a table' report binary
refused 1 'nothere.tsv: cannot open' report nothere
refused 2 'report takes' report
refused 1 'nothere/page.html: cannot be created' report one --out nothere/page
awk 'BEGIN {printf "network"; for (i = 0; i < 3000; i++) printf "\tn" i; print ""; printf "n"; for (i = 0; i < 3000; i++) printf "\t1"; print ""}' >wide.tsv
refused 1 'wide.tsv: a matrix of 1 x 3000' report wide
awk 'BEGIN {printf "level\tbranch\tweights\tdensity"; for (i = 0; i < 3000; i++) printf "\tn" i; print ""; printf "0\tticket\t1\t1"; for (i = 0; i < 3000; i++) printf "\t-"; print ""}' >wide.tsv
works 'thousands of columns' report wide
awk '/^#/; /^level/; END {for (i = 0; i < 20000; i++) print i "\tb" i % 300 "\t1\t" i ".5\t1\t1\t1\t1\t" i "\t-\t-\t-\t-\t-\t-\t-\t-"}' bare.tsv >long.tsv
refused 1 'lines or more' report long
awk '/^#/; /^level/; END {for (i = 0; i < 20000; i++) print i "\tticket\t1\t" i ".5\t1\t1\t1\t1\t" i "\t-\t-\t-\t-\t-\t-\t-\t-"}' bare.tsv >long.tsv
works 'thousands of rows' report long
cp one.tsv moved.tsv
cp one.L00.safetensors moved.L01.safetensors
refused 1 'moved.L01.safetensors: is not the network of level 1' report moved
head -c 3000 one.L01.safetensors >moved.L01.safetensors
refused 1 'moved.L01.safetensors' report moved
is 'left behind' '' "$(ls | grep '\.tmp$')"
sed 's/$/\r/' one.tsv >windows.tsv
works 'lines that end in CR LF' report windows
printf 'old' >kept.html
refused 1 'cut short' report short --out kept
is 'an old page stays' old "$(cat kept.html)"
finish
