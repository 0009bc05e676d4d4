#!/bin/sh
# test/portability.sh - the same bits from every compiler and processor at hand: builds ticket for each, runs `verify` and
# three small experiments with measurements, and compares every result file with gcc -O2's. Then builds that must refuse to start.
# From the root of the repository: [JOBS=N] sh test/portability.sh
# Debian: the first package list of .ci/run. What is not installed is skipped with a line. SPDX-License-Identifier: MIT
. test/lib.sh
sources='ticket.c arithmetic.c nn.c prune.c lmc.c report.c data.c'
jobs=${JOBS:-2}
PATH=$PATH:/usr/lib/wine WINEDEBUG=-all WINEPREFIX=$room/wine WINEDLLOVERRIDES='mscoree,mshtml='
export PATH WINEDEBUG WINEPREFIX WINEDLLOVERRIDES

# The first run has Adam; the second what the first has not: 4 layers, own images (set), Nesterov, weight decay, warm-up, cosine, rewinding,
# layer-wise pruning, partial tiles; in the third weights become subnormal. Small, because emulators are slow: s390x and
# powerpc take minutes for `verify`.
experiments() # PROGRAM: in the current folder
{
  "$@" imp --model lenet-11-6 --train-size 320 --batch 60 --steps 15it --levels 3 --rate 0.5 --init-scheme kaiming-uniform \
    --branches reinit,shuffle --quiet --out one >one.table &&
    "$@" imp --data idx:set --model lenet-17-9-10 --batch 130 --steps 8it --levels 3 --rate 0.7 --scope layer --output-rate 0.2 \
      --optimizer sgd --lr 0.1 --nesterov --weight-decay 0.001 --warmup 3it --schedule cosine --rewind 2it --branches reinit-fresh,random \
      --children 1 --points 3 --repel 2 --quiet --out two >two.table &&
    "$@" train --train-size 120 --model lenet-9 --optimizer sgd --lr 0.001 --weight-decay 999 --momentum 0 --steps 14it --batch 60 \
      --quiet --out three >three.table &&
    "$@" lmc one.L01.safetensors one.L02.reinit.safetensors --points 3 --from -0.3 --to 1.1 >lmc.tsv &&
    "$@" distance one.L00.safetensors one.L02.safetensors one.L02.reinit.safetensors one.rewind.safetensors --what angle >angle.tsv &&
    "$@" distance one.L00.safetensors one.L02.reinit.safetensors --what js >js.tsv &&
    "$@" probe two.L01.safetensors --data idx:set --batch 70 >probe.tsv &&
    "$@" curve one.L02.safetensors one.L02.reinit.safetensors --steps 6it --points 3 >curve.tsv &&
    "$@" stability --data idx:set --model lenet-9 --steps 6it --points 3 --at 0,3it >stability.tsv &&
    "$@" report one two lmc angle js probe curve stability --out page >/dev/null
}

# A set of IDX files: 140 and 60 images of 3 x 6 x 5 whose blobs say which of 4 classes they are of.
write_set() # FOLDER
{
  mkdir "$1" || exit
  for split in train:140 t10k:60; do
    awk -v n=${split##*:} 'function word(v) { return sprintf("\\000\\000\\000\\%03o", v) }
      BEGIN {
        printf "\\000\\000\\010\\004%s%s%s%s", word(n), word(3), word(6), word(5)
        for (i = 0; i < n; i++)
          for (p = 0; p < 90; p++) {
            bright = (p % 30 < 15) == (i % 4 < 2)
            printf "\\%03o", bright ? 200 - (i * 7 + p * 13) % 50 : (i * 11 + p * p * 5 + (i % 2) * p) % 90
          }
      }' >"$room/images"
    awk -v n=${split##*:} 'BEGIN {
      printf "\\000\\000\\010\\001\\000\\000\\000\\%03o", n
      for (i = 0; i < n; i++) printf "\\%03o", i % 4
    }' >"$room/labels"
    printf "$(cat "$room/images")" >"$1/${split%%:*}-images-idx3-ubyte"
    printf "$(cat "$room/labels")" >"$1/${split%%:*}-labels-idx1-ubyte"
  done
}

build() # PROGRAM "COMPILER AND FLAGS": or says why not
{
  if ! command -v ${2%% *} >/dev/null; then
    echo "skip $2: ${2%% *} is not installed"
    return 1
  fi
  $2 -o "$1" $sources -lm >"$1.build" 2>&1 && return
  case $(cat "$1.build") in
  *"cannot find crt"* | *"cannot find -l"* | *"stdlib.h: No such"* | *" file not found"* | *"doesn't exist"* | *"cannot open"*)
    echo "skip $2: its C library or linker is not installed" ;;
  *ffast-math* | *fp-contract*) echo "refuses $2: does not compile: $(grep -m 1 error "$1.build")" ;;
  *) echo "FAIL $2: expected a program, found $(head -c 300 "$1.build" | tr '\n' '|')" ;;
  esac
  return 1
}

# What runs PROGRAM here, in $runner: nothing if this machine does itself.
find_runner() # PROGRAM "COMPILER AND FLAGS" [RUNNER]: or says why not
{
  runner=
  [ "$3" ] || return 0
  "$1" help >/dev/null 2>&1 && return
  for runner in "$3" "$3-static"; do command -v ${runner%% *} >/dev/null && return; done
  echo "skip $2: ${3%% *} is not installed"
  return 1
}

# Builds and runs one platform in a folder of its own; what came of it in FOLDER/verdict.
platform() # FOLDER "COMPILER AND FLAGS" [RUNNER]
{
  mkdir -p "$room/$1"
  (
    begun=$(now)
    out=$room/$1
    build "$out/ticket.exe" "$2" && find_runner "$out/ticket.exe" "$2" "$3" || exit
    what="$2${runner:+, ${runner%% *}}"
    mkdir "$out/files"
    cd "$out/files" || exit
    if ! $runner "$out/ticket.exe" verify >"$out/verify" 2>"$out/err" || grep -q FAIL "$out/verify"; then
      echo "DIFFERS $what: verify: $(grep FAIL "$out/verify" | tr '\t\n' ' |') $(cat "$out/err")"
      exit
    fi
    cp -R "$room/set" . # WebAssembly sees only the current folder
    if ! experiments $runner "$out/ticket.exe" 2>"$out/err"; then
      echo "FAIL $what: expected three finished runs, found $(cat "$out/err")"
      exit
    fi
    rm -r set
    differing=$(for file in * ../../reference/files/*; do cmp -s "${file##*/}" "../../reference/files/${file##*/}" || echo "${file##*/}"; done | sort -u | tr '\n' ' ')
    if [ "$differing" ]; then echo "DIFFERS $what: $differing"
    else echo "same   $what ($(ls | wc -l | tr -d ' ') files, verify; $((($(now) - begun + 500) / 1000)) s)"; fi
  ) >"$room/$1/verdict" 2>&1
}

verdict() # FOLDER EXPECTED
{
  cat "$room/$1/verdict"
  case $(cat "$room/$1/verdict") in
  "$2 "*) passed=$((passed + 1)) ;;
  skip*) skipped=$((skipped + 1)) ;;
  *) failed=$((failed + 1)) ;;
  esac
}

# ==== the same bits ==========================================================================

write_set "$room/set"
if command -v gcc >/dev/null; then reference='gcc -std=c99 -O2'; else reference='cc -std=c99 -O2'; fi
platform reference "$reference"
verdict reference same
[ $failed = 0 ] && [ $passed = 1 ] || finish
group 'the runs'
is 'files' 44 "$(ls "$room/reference/files" | wc -l | tr -d ' ')"
is 'rows' '8 8' "$(cd "$room/reference/files" && echo $(grep -c '^[0-9]' one.tsv) $(grep -c '^[0-9]' two.tsv))"
close_group

native=-march=native
gcc -std=c99 -march=native -E -x c /dev/null >/dev/null 2>&1 || native=-mcpu=native
number=0 waiting=
next() # COMPILER-AND-FLAGS [RUNNER]: $jobs at a time
{
  number=$((number + 1))
  platform p$number "$@" &
  waiting="$waiting p$number:$!"
  set -- $waiting
  [ $# -lt "$jobs" ] || settle
}
settle() # waits for the oldest
{
  set -- $waiting
  [ $# -gt 0 ] || return 0
  wait ${1##*:}
  verdict ${1%%:*} same
  shift
  waiting=$*
}
# the slow ones first
next 'mipsel-linux-gnu-gcc -std=c99 -O2 -static' qemu-mipsel
next 'arm-linux-gnueabihf-gcc -std=c99 -O2 -static' qemu-arm
next 's390x-linux-gnu-gcc -std=c99 -O2 -static' qemu-s390x
next 'powerpc-linux-gnu-gcc -std=c99 -O2 -static' qemu-ppc
next 'riscv64-linux-gnu-gcc -std=c99 -O2 -static' qemu-riscv64
next 'aarch64-linux-gnu-gcc -std=c99 -O3 -ffp-contract=off -static' qemu-aarch64
next 'i686-linux-gnu-gcc -std=c99 -O2 -mfpmath=387 -static' qemu-i386
next 'i686-linux-gnu-gcc -std=c99 -O2 -msse2 -mfpmath=sse -static' qemu-i386
next 'gcc -std=c99 -O0'
next "gcc -std=c99 -O3 $native"
next "gcc -std=gnu99 -O3 $native -ffp-contract=off"
next "gcc -std=c99 -O3 $native -ffp-contract=off -fno-math-errno -fno-trapping-math -fopenmp"
next "clang -std=c99 -O0"
next "clang -std=c99 -O3 $native -ffp-contract=off"
next "clang -std=c99 -O3 $native"
next 'x86_64-w64-mingw32-gcc -std=c99 -O2' wine64
next 'clang --target=wasm32-wasi -std=c99 -O2 -D_WASI_EMULATED_PROCESS_CLOCKS -lwasi-emulated-process-clocks' "node --no-warnings --experimental-wasi-unstable-preview1 $PWD/test/wasi.mjs"
next 'musl-gcc -std=c99 -O2 -static'
next 'tcc -std=c99'
next 'pcc -std=c99 -O1'
while [ "$waiting" ]; do settle; done

# ==== builds that must refuse ================================================================

refuses() # "COMPILER AND FLAGS" [RUNNER]
{
  mkdir "$room/broken" || exit
  (
    build "$room/broken/ticket.exe" "$1" && find_runner "$room/broken/ticket.exe" "$1" "$2" || exit
    cd "$room/broken" || exit
    status=0
    $runner ./ticket.exe train --train-size 100 --steps 1it --out out >out 2>err || status=$?
    if [ $status = 1 ] && [ ! -f out.tsv ] && [ "$(wc -l <err | tr -d ' ')" = 1 ] &&
      grep -q '^ticket: this build would not give the same bits.*build with' err; then
      echo "refuses $1${runner:+, ${runner%% *}}: $(sed 's/^ticket: [^:]*: //' err)"
    else
      echo "FAIL $1: expected exit status 1 and a line that says why, found $status: $(head -c 300 err | tr '\n' '|')"
    fi
  ) >"$room/verdict"
  mv "$room/verdict" "$room/broken/verdict"
  verdict broken refuses
  rm -r "$room/broken"
}
fma=
case $(uname -m) in
x86_64 | i?86)
  if grep -q -m 1 -w fma /proc/cpuinfo 2>/dev/null; then fma=-march=native; fi ;;
aarch64 | arm64 | riscv64 | s390x | ppc*) fma=-O3 ;;
esac
refuses 'gcc -std=c99 -Ofast'
refuses 'gcc -std=c99 -O3 -ffast-math'
refuses "gcc -std=c99 -Ofast $native"
refuses 'gcc -std=c99 -O3 -fassociative-math -fno-signed-zeros -fno-trapping-math'
refuses 'gcc -std=c99 -O2 -fno-signed-zeros'
refuses 'gcc -std=c99 -O2 -ffinite-math-only'
refuses 'clang -std=c99 -O2 -fno-signed-zeros'
refuses 'clang -std=c99 -Ofast'
refuses 'clang -std=c99 -O3 -ffast-math'
refuses "clang -std=c99 -O3 -ffast-math $native"
refuses 'clang --target=arm-linux-gnueabihf -std=c99 -O2 -mfpu=neon -static' qemu-arm
refuses 'powerpc64-linux-gnu-gcc -std=c99 -O3 -mcpu=970 -static' qemu-ppc64
refuses 'i686-linux-gnu-gcc -std=c99 -O2 -mfpmath=387 -mpc32 -static' qemu-i386
if [ "$fma" ]; then
  refuses "gcc -std=c99 -O3 -ffp-contract=fast $fma"
  refuses "gcc -std=c99 -O2 -ffp-contract=fast $fma"
  refuses "gcc -std=gnu99 -O3 $fma" # what gcc does without being asked
  refuses "clang -std=c99 -O3 -ffp-contract=fast $fma"
else
  skip '-ffp-contract=fast: this processor has no fused multiply-add'
fi
finish
