#!/bin/sh
# test/web.sh - the page of `make web` in a headless Chromium: its digests, tables, networks and report are those of ./ticket.
# From the root of the repository, with ./ticket built: [CHROMIUM=PROGRAM] sh test/web.sh
# Debian: chromium nodejs python3, and what web/make.sh needs. SPDX-License-Identifier: MIT
. test/lib.sh
root=$PWD
cp -R ./*.c ticket.h Makefile web "$room" && cd "$room" || exit 1
unset MAKEFLAGS MAKELEVEL MFLAGS WASM_CC

group 'make web says what is wrong'
shim=$(sed -n 's/.* file=//p' web/make.sh)
refuses() # WORDS: the build just made
{
  [ $status -ne 0 ] && [ "$(wc -l <err | tr -d ' ')" = 1 ] && grep -q "^make web: .*$1" err && good || bad "$1" 'a line that says so' "$status: $(cat err)"
}
status=0
WASM_CC=/nowhere/clang sh web/make.sh >out 2>err || status=$?
refuses 'there is no /nowhere/clang'
status=0
mkdir torn
cp -R web torn && echo torn >"torn/web/$shim"
WASM_CC=true sh torn/web/make.sh >out 2>err || status=$?
refuses "web/$shim is not the shim"

lacks() # WHAT: the rest is skipped
{
  skip "the page: $1"
  finish
}
for program in "${CHROMIUM:=chromium}" node python3; do
  command -v "$program" >/dev/null || lacks "$program is not installed (Debian: chromium nodejs python3)"
done
echo 'int main(void) {return 0;}' >program.c
clang --target=wasm32-wasi -o program.wasm program.c >out 2>&1 || lacks 'no clang with wasi-libc (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32)'
rm program.c

group 'make web'
status=0
make -s web >out 2>err || status=$?
case $(cat err) in *'cannot fetch'*) lacks "$(head -n 1 err)" ;; esac
is 'it builds' 0: "$status:$(cat err)"
: >served
python3 -u -m http.server 0 --bind 127.0.0.1 -d web/build >served 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$room"' EXIT
port=
for wait in 1 2 3 4 5 6 7 8 9 10; do
  port=$(sed -n 's/.* port \([0-9]*\).*/\1/p' served)
  [ "$port" ] && break
  sleep 1
done
page() # FOLDER FIELD=VALUE...: fills in the form, puts into FOLDER what comes of it
{
  mkdir "$1"
  node "$root/test/web.mjs" "$CHROMIUM" "http://127.0.0.1:$port/" "$@" 2>err && good || bad "$*" 'a page that comes to an end' "$(cat err served)"
}

group 'a run in the browser is the run of the command line'
page there model=lenet-12-9 levels=3 rate=0.4 epochs=2 seed=7
mkdir here && cd here || exit 1
command=$(sed -n 's/^\.\/ticket //p' ../there/page.txt)
is 'the command that is shown' 'imp --data synth --init-scheme kaiming-uniform --model lenet-12-9 --levels 3 --rate 0.4 --epochs 2 --seed 7 --branches reinit --out run' "$command"
works 'it' $command
works 'its report' report run
cd ..
is 'files' "$(ls here)" "$(ls there | grep '^run\.')"
for file in here/*; do same "$file" "$file" "there/${file#here/}"; done
same 'the report in the page' here/run.html there/frame.html
for level in 0 2; do
  digest=$(awk -F '\t' -v l=$level '$1 == l && $2 == "ticket" {print $NF}' here/run.tsv)
  is "the digest of level $level" "$digest" "$(awk -F '\t' -v l=$level '$1 == l {print $5}' there/page.txt)"
  is "that of the network of level $level" "$digest" "$(digest_in there/run.L0$level.safetensors)"
done

group 'wrong values'
for field in rate=1.5 model=lenet-0 seed= "model=a b'c"; do
  rm -rf wrong
  page wrong "$field"
  run imp "--${field%%=*}" "${field#*=}" --out x
  is "$field" "$(cat err)" "$(grep '^ticket: ' wrong/page.txt)"
  is "$field: nothing but that" 1:2 "$(grep -c '^ticket: ' wrong/page.txt):$(ls wrong | wc -l | tr -d ' ')"
done
finish
