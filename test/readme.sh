#!/bin/sh
# test/readme.sh - every command in README.md and then in results/README.md from `# Further results` on runs (those before
# it: test/paper.sh), and its shown output is what it prints; the files and options that it names exist. From the root of
# the repository, with ./ticket built. SPDX-License-Identifier: MIT
#
# A command is a line of an indented block that begins as one (the pattern `begins`), or such a span between backticks in the
# text; the other lines of indented blocks are what the command before them prints last, tabs as a terminal shows them. All
# run in one folder, in the order of the README, so each finds the files of those before it. DIR holds the built-in sets as
# IDX and CIFAR files, and commands that read DIR are shortened by options put behind them (`short` below).
. test/lib.sh
here=$PWD
cp -R ./*.c ticket.h Makefile README.md CHANGELOG.md CONTRACT.md results test "$room" && cd "$room" || exit 1
unset TICKET MAKEFLAGS MAKELEVEL MFLAGS
TESTED=$ticket DESTDIR=$room/installed
export TESTED DESTDIR
begins='\./|python3 |grep |make( |$)|sh |sed |cc |for |man |sbatch |export |[A-Z_]+=[^ ]+ [a-z./]'

# Not run: PATTERN and the reason, in two lines.
left_out="make CC=*
another compiler: .ci/run
make clean
removes the ticket
make OPENMP=1
builds: test/all.sh tests it where the compiler has OpenMP
make test*
this is a part of it
make web
builds a page: test/web.sh
python3 -m http.server *
serves until it is stopped: test/web.sh
make check
the same
cc -std=c99 -O2 ?.c -lm
builds: .ci/run
./a.out verify
what that builds: .ci/run
sh test/portability.sh*
minutes, and other compilers: .ci/run
LD_PRELOAD=* python3 test/torch_speed.py *
needs PyTorch and a quiet machine
LD_PRELOAD=* python3 test/torch_experiment.py *
needs PyTorch and minutes
python3 results/fig1/cifar-torch.py *
needs PyTorch and minutes
python3 test/reference.py *
needs numpy: test/reference.sh
python3 mine.py *
needs numpy: test/reference.sh
sh test/torch.sh
needs PyTorch: test/all.sh runs it
sbatch *
needs Slurm: test/sweep.sh"

# ==== commands and outputs as files NNN.command, NNN.output ==================================

mkdir shown
awk -v begins="^($begins)" '
function put(kind, line) {
  if (kind == "command" && !more) name = sprintf("shown/%03d.", ++n)
  print line >>(name kind)
  close(name kind)
}
function spans(k, span, last) {
  last = split(text, span, "`")
  for (k = 2; k <= last; k += 2)
    if (span[k] !~ begins) continue
    else if (ran[span[k]]++) name = "" # once is enough
    else put("command", span[k])
  text = ""
}
FNR == 1 {further = FNR == NR}
/^# Further results/ {further = 1}
!further {next}
/^```/ {fence = !fence; next}
fence {next}
!/^    / {text = text " " $0; next}
text {spans()}
{line = substr($0, 5)}
more || line ~ begins {
  put("command", line)
  more = line ~ /\\$/
  next
}
name {put("output", line)}
END {spans()}' README.md results/README.md

small() # FILE HEADER IMAGE: the first 100 images or labels of an IDX file
{
  { head -c 4 "$1"; printf '\0\0\0\144'; tail -c +9 "$1" | head -c $(($2 - 8 + 100 * $3)); } >small && mv small "$1"
}
mkdir DIR
"$ticket" data --train-size 120 --out DIR >/dev/null
small DIR/t10k-images-idx3-ubyte 16 784
small DIR/t10k-labels-idx1-ubyte 8 1
"$ticket" data --data synth-rgb --train-size 120 --out DIR >/dev/null
head -c 307300 DIR/test_batch.bin >small && mv small DIR/test_batch.bin # 100 images
cat >ticket <<'END'
#!/bin/sh
case $*: in
imp*lenet*:DIR*) short='--train-size 120 --steps 6it --points 2 --levels 11' ;;
imp*:DIR*) short='--train-size 40 --steps 1it --levels 2' ;;
curve*:DIR*) short='--steps 3it --points 3' ;;
*) short= ;;
esac
exec "$TESTED" "$@" $short
END
chmod +x ticket

# ==== run them ===============================================================================

group 'every command runs and prints what is shown'
for file in shown/*.command; do
  command=$(sed 's/ *# .*//' "$file") output=${file%.command}.output
  reason=
  while read -r pattern && read -r why; do
    case $command in $pattern) reason=$why; printf '%s\n' "$pattern" >>used ;; esac
  done <<END
$left_out
END
  if [ "$reason" ]; then
    printf '     not run: %s: %s\n' "$reason" "$command"
    continue
  fi
  case $command in export\ *) eval "$command" ;; esac # for those after it
  status=0
  sed 's/--model NAME/--model lenet-20/; s/--batch N/--batch 60/; s/PREFIX/run/g' "$file" >command
  sh command >out 2>&1 </dev/null || status=$?
  wanted=0
  grep -q '^ticket: ' "$output" 2>/dev/null && wanted=1
  case $command in *-ffp-contract=fast*)
    if ! grep -q '^ticket: ' out; then
      skip "$command: this compiler or machine does not fuse"
      continue
    fi ;;
  esac
  is "$command" "exit status $wanted" "exit status $status$([ $status = $wanted ] || { printf ': '; tail -n 3 out; })"
  [ -f "$output" ] || continue
  tail -n "$(grep -c '' "$output")" out | expand >last
  cmp -s last "$output" && good || bad "the output of $command" "$(cat "$output")" "$(cat last)"
done
is 'reasons for commands that are not there' '' "$(printf '%s\n' "$left_out" | sed -n 'p;n' | grep -vxF -f used)"

group 'what the README names'
for page in README.md results/README.md; do
  for name in $(grep -o ']([^)#:]*)' $page | tr -d ']()' | sort -u); do
    [ -e "$(dirname $page)/$name" ] && good || bad "the link of $page to $name" 'a file' 'none'
  done
done
is 'README.md: at most 250 lines' '' "$(tail -n +251 README.md)"
is 'README.md: at most 110 columns' '' "$(grep '.\{111\}' README.md)"
for command in $("$ticket" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do "$ticket" help $command; done >help
for option in $(grep -oh -e '--[a-z][a-z-]*' README.md results/README.md | sort -u); do
  case $option in --array | --mem | --target) continue ;; esac # Slurm's, clang's
  grep -q -e "$option\\( \\|\$\\)" help && good || bad "the option $option" 'an option of a command' 'none'
done
for figure in results/*.svg results/*/*.svg; do same "$figure as its command makes it" "$figure" "$here/$figure"; done
for table in results/*/*.table.tsv; do
  sh results/table.sh "${table%.table.tsv}".seed?.tsv >out
  same "$table and the files that it is made of" out "$table"
done

group 'make install and the Python function'
[ -x "$DESTDIR/usr/local/bin/ticket" ] && grep -q '^\.TH TICKET 1' "$DESTDIR/usr/local/share/man/man1/ticket.1" && good ||
  bad 'make install' 'a program and a manual' "$(find "$DESTDIR" -type f)"
sed -n '/^```python/,/^```/p' README.md | grep -v '^```' >load.py
sed -n 's/^print.* # *//p' load.py >says
echo "print(*load('run.L01.safetensors'))" >>load.py
for python in "$PYTHON" /usr/bin/python3 python3; do
  [ "$python" ] && "$python" -c 'import numpy' >/dev/null 2>&1 && break
  python=
done
if [ "$python" ]; then
  is 'what it prints' "$(cat says)" "$("$python" load.py 2>&1 | head -n 1)"
  is 'what it reads' "$(header_of run.L01.safetensors | grep -o '"[a-z_0-9.]*":{"dtype"' | cut -d '"' -f 2)" "$("$python" load.py 2>&1 | tail -n 1 | tr ' ' '\n')"
else skip 'the Python function: there is no python3 with numpy'; fi
finish
