#!/bin/sh
# web/make.sh - `make web`: ticket.wasm, the page and the shim between WebAssembly and browsers, in web/build, a folder
# for any web server. Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32, and npm or curl for the shim, which is kept
# beside this file. WASM_CC names another clang, such as wasi-sdk's. SPDX-License-Identifier: MIT
cd "$(dirname "$0")" || exit 1
shim=browser_wasi_shim-0.4.2 file=bjorn3-browser_wasi_shim-0.4.2.tgz
sum=9c0281520d0e99f027ec7c1c79b4036c0f8168ed9bf98aba19db4737a1333782
url=https://registry.npmjs.org/@bjorn3/browser_wasi_shim/-/$shim.tgz
cc=${WASM_CC:-clang}

fail()
{
  echo "make web: $1" >&2
  exit 1
}

sha256() { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; }

command -v "$cc" >/dev/null || fail "there is no $cc (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32)"
[ -f $file ] || npm pack --silent "@bjorn3/browser_wasi_shim@${shim##*-}" >/dev/null 2>&1 || curl -fsSLo $file $url 2>/dev/null ||
  fail "cannot fetch $url by npm or curl: save it as web/$file"
case $(sha256 $file) in
$sum*) ;;
*) fail "web/$file is not the shim of that version: remove it" ;;
esac
rm -rf build
mkdir -p build/shim || fail 'cannot write web/build'
# -msimd128, which all browsers have since 2023: a third of the time, the same bits
said=$("$cc" --target=wasm32-wasi -std=c99 -O3 -msimd128 -D_WASI_EMULATED_PROCESS_CLOCKS -o build/ticket.wasm ../*.c \
  -lwasi-emulated-process-clocks -lm 2>&1) ||
  fail "$cc cannot build for WebAssembly (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32): $(printf '%s\n' "$said" | grep -m 1 error)"
tar -xzf $file && mv package/dist/*.js package/LICENSE-MIT build/shim || fail "cannot unpack web/$file"
rm -r package
cp index.html worker.js build
