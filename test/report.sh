#!/bin/sh
# test/report.sh - the page of figures: what it draws of which files, hostile contents, the commands it names.
# From the root of the repository, with ./ticket built. SPDX-License-Identifier: MIT
. test/lib.sh
cd "$room" || exit 1

small='--model lenet-12-9 --train-size 330 --batch 50 --steps 4ep --init-scheme kaiming-uniform'
figures() { grep -c '<figure>' "$1"; }
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
is 'figures: 8 over density, layers, 2 of each branch over steps' 15 "$(figures one.html)"
for text in 'Test accuracy' 'Training accuracy' 'Gap between' 'Pruning threshold' 'Barrier on the test set' 'Instability on the training set' \
  'Density by layer' 'Training loss: reinit' 'Test error: shuffle' "$(digest_in one.L02.safetensors)" 'prefers-color-scheme' '@media print'; do
  has 'figures and texts' one.html "$text"
done
for text in '<script' 'href=' 'src=' 'url(' '@import' 'unfinished' 'nan' 'inf '; do has_not 'nothing from elsewhere' one.html "$text"; done
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

group 'what other commands print'
works 'train' train $small --quiet --out trained
works 'report of train' report trained
is 'figures' 7 "$(figures trained.html)"
"$ticket" lmc one.L01.safetensors one.L02.reinit.safetensors --points 5 >line.tsv
"$ticket" curve one.L01.safetensors one.L02.reinit.safetensors --points 5 --steps 5it >bend.tsv
"$ticket" distance one.L0?.safetensors one.rewind.safetensors >angle.tsv
"$ticket" distance one.L0?.safetensors --what cosine >cosine.tsv
"$ticket" probe one.L02.safetensors >probe.tsv
"$ticket" stability $small --points 3 --at 0,1ep,2ep >stable.tsv
works 'report of tables' report line.tsv bend.tsv angle.tsv cosine.tsv probe.tsv stable.tsv --out tables
is 'figures' 9 "$(figures tables.html)"
for text in 'Test error on the way' 'curve, one.L01 to one.L02.reinit (bend)' 'straight line, one.L01 to one.L02.reinit (line)' 'Distances: angle' 'Distances: cosine' 'Weights by value' 'Instability on the test set' 'train_barrier ='; do
  has 'tables' tables.html "$text"
done
is 'cells of the first matrix' 16 "$(sed '/Distances: cosine/,$d' tables.html | grep -c '^<rect.*<title>\|^<rect[^/]*>$')"
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
sed '$d' one.tsv >cut.tsv
works 'an unfinished run' report cut
has 'says so' cut.html 'cut.tsv is unfinished: 7 of 8 networks'
grep -v '^[0-9]' one.tsv >begun.tsv
works 'a run just begun' report begun
is 'has no figures' 0 "$(figures begun.html)"
valid begun.html
grep -v '^1' one.tsv >gap.tsv
works 'a missing level' report gap
is 'figures without networks' 8 "$(figures gap.html)"
valid gap.html

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
sed "s|^# model = .*|# model = </title><b onload=x>|;s/ticket/<u>\&lt;/" one.tsv >markup.tsv
works 'markup in settings and cells' report markup
has_not 'is escaped' markup.html '<b '
has_not 'is escaped' markup.html '<u>'
valid markup.html
printf '# model = \303\251 \342\202\254 \377\376 \300\200 \355\240\200 \033\n' | cat - one.tsv >utf.tsv
works 'bytes that are no UTF-8' report utf
has 'become question marks' utf.html "model = $(printf '\303\251 \342\202\254') ?? ?? ??? ?"
valid utf.html
for x in nan -nan inf -inf NaN 1e999 99999999999999999999999999 -99999999999999 10000000000 -10000000000 0 -0 0.0000001 9999999999.9999999; do
  for c in 4 5 9; do
    awk -F '\t' -v OFS='\t' -v x=$x -v c=$c '/^1/ {$c = x} {print}' one.tsv >number.tsv
    if [ $x = 1e999 ]; then
      refused 1 "number.tsv: row...is not a number" report number
      continue
    fi
    works "$x in column $c" report number
    is "$x in column $c: coordinates" 0 "$(grep -c 'points="[^"]*-' number.html)"
    is "$x: figures" 8 "$(figures number.html)"
  done
  valid number.html
done
awk -F '\t' -v OFS='\t' '/^[0-9]/ {$4 = 0; $6 = $7 = $8 = $9 = $5 = "0.000000"} {print}' one.tsv >zero.tsv
works 'nothing but zeros' report zero
valid zero.html
sed '/^[0-9]/s/	[0-9.]*/	nan/g' line.tsv >nan.tsv
works 'no finite number' report nan
is 'is not drawn' 0 "$(figures nan.html)"
head -c 1500 one.tsv >short.tsv
refused 1 'short.tsv: was cut short' report short
printf 'level\tbranch\tweights\n0\tticket\n' >fields.tsv
refused 1 'fields.tsv: is not a table' report fields
printf 'level\tbranch\tweights\tdensity\n0\tticket\t3\n' >fields.tsv
refused 1 'fields.tsv: row 1 does not have 4 fields' report fields
printf 'level\tbranch\tweights\tdensity\n0\tticket\t3\t4\t5\t6\n' >fields.tsv
refused 1 'fields.tsv: row 1 does not have 4 fields' report fields
sed 's/^1.*/1\treinit\tmany/' one.tsv >fields.tsv
refused 1 'fields.tsv: row' report fields
sed 's/^\(1	ticket	[0-9]*	\)[0-9]*/\1x/' one.tsv >word.tsv
refused 1 "word.tsv: row 3: 'x" report word
: >empty.tsv
refused 1 'empty.tsv: has no table' report empty
printf '# a = b\n' >empty.tsv
refused 1 'empty.tsv: has no table' report empty
printf 'hello\n' >text.tsv
refused 1 "text.tsv: is not a table of imp" report text
printf '# hello\n' | cat - one.tsv >comment.tsv
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
awk '/^#/; /^level/; END {for (i = 0; i < 20000; i++) print i "\tb" i % 300 "\t1\t" i ".5\t1\t1\t1\t1\t" i "\t-\t-\t-\t-\t-"}' one.tsv >long.tsv
refused 1 'lines or more' report long
awk '/^#/; /^level/; END {for (i = 0; i < 20000; i++) print i "\tticket\t1\t" i ".5\t1\t1\t1\t1\t" i "\t-\t-\t-\t-\t-"}' one.tsv >long.tsv
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
