#!/bin/sh
# test/hand.sh [COMPILER-AND-FLAGS] - networks built by hand: what does not fit is refused, naming the call and the
# value; what fits is trained. From the root of the repository. SPDX-License-Identifier: MIT
. test/lib.sh
compiler=${1:-cc -std=c99 -O1}
hand=$room/hand
if ! $compiler -I. -o "$hand" test/hand.c arithmetic.c nn.c data.c -lm 2>"$room/err"; then
  group 'networks built by hand'
  bad 'test/hand.c' 'compiles' "$(cat "$room/err")"
  finish
fi
# with every access checked, where the compiler can
if $compiler -fsanitize=address,undefined -fno-sanitize-recover=all -I. -o "$room/checked" test/hand.c arithmetic.c nn.c data.c -lm \
  2>/dev/null && ASAN_OPTIONS=detect_leaks=0 "$room/checked" 4 4 'dense 0 10' >/dev/null 2>&1; then hand=$room/checked
else skip 'AddressSanitizer: there is none'; fi

build() # BATCH IMAGES CALL...
{
  status=0
  ASAN_OPTIONS=detect_leaks=0 "$hand" "$@" >"$room/out" 2>"$room/err" || status=$?
}

fits() # ACTIVATIONS CALL...: those that the calls return
{
  wanted=$1
  shift
  build 20 20 "$@"
  if [ $status -eq 0 ]; then is "$*" "$wanted" "$(sed 's/ [0-9a-f]*$//' "$room/out")"; else bad "$*" 'exit status 0' "$(cat "$room/err")"; fi
}

wrong() # WORDS CALL...
{
  words=$1
  shift
  build 20 20 "$@"
  said "$*" 1 "$words"
}

group 'networks that fit'
fits '1 2' 'dense 0 5' 'dense 1 10'
fits '1' 'dense 0 10'
fits '1 2 2 4' 'conv 0 3 3 1 1' 'norm 1' 'relu 2' 'dense 2 10'
fits '1 2 4' 'conv 0 3 7 1 6' 'max 1 5' 'dense 2 10'
fits '1 1 2 2 3 5' 'conv 0 4 3 1 1' 'relu 1' 'conv 1 4 3 1 1' 'sum 2 1' 'average 2 3' 'dense 3 10'
fits '1 2 3 5' 'conv 0 4 3 2 1' 'max 1 1' 'sum 2 1' 'dense 3 10' # not in place: the pool needs what it wrote
fits '1 2 2 4' 'conv 0 3 3 1 1' 'conv 1 5 3 2 1' 'sum 2 0' 'dense 2 10'

group 'layers that do not fit'
wrong 'add_conv: padding is 3; it must be 0 to 2' 'conv 0 4 3 1 3' 'dense 1 10'
wrong 'add_conv: padding is 18446744073709551615...it must be' 'conv 0 4 3 1 -1' 'dense 1 10'
wrong 'add_conv: stride is 0' 'conv 0 4 3 0 1' 'dense 1 10'
wrong 'add_conv: kernel is 0' 'conv 0 4 0 1 0' 'dense 1 10'
wrong 'add_conv: kernel is 7; it must be 1 to 6' 'conv 0 4 7 1 0' 'dense 1 10'
wrong 'add_conv: outputs is 0' 'conv 0 0 3 1 1' 'dense 1 10'
wrong 'add_conv: activation 1 is a dense' 'dense 0 16' 'conv 1 4 1 1 0' 'dense 2 10'
wrong 'add_conv: activation 0 is a dense' 'dense 0 16' 'conv 0 4 1 1 0' 'dense 2 10'
wrong 'add_conv: activation 2 is not there' 'conv 0 4 3 1 1' 'conv 2 4 3 1 1' 'dense 1 10'
wrong 'add_conv: activation -1 is not there' 'conv -1 4 3 1 1' 'dense 1 10'
wrong 'add_conv: the name xxx...more than 40 characters' 'long' 'dense 1 10'
wrong 'add_dense: outputs is 0' 'dense 0 0'
wrong 'add_dense: activation 9 is not there' 'dense 9 10'
wrong 'add_norm: activation 1 is a dense' 'dense 0 8' 'norm 1' 'dense 2 10'
wrong 'add_relu: activation 0' 'relu 0' 'dense 0 10'
wrong 'add_relu: activation 2' 'conv 0 4 3 1 1' 'max 1 2' 'relu 2' 'dense 2 10'
wrong 'add_relu: activation 1' 'conv 0 4 3 1 1' 'conv 1 4 3 1 1' 'relu 1' 'dense 2 10'
wrong 'add_max_pool: window is 0' 'conv 0 4 3 1 1' 'max 1 0' 'dense 2 10'
wrong 'add_average_pool: activation 1 is a dense' 'dense 0 8' 'average 1 1' 'dense 2 10'
wrong 'add_sum: activation 0 is the images' 'sum 0 0' 'dense 0 10'
wrong 'add_sum: the shortcut is activation 1' 'conv 0 4 3 1 1' 'sum 1 1' 'dense 1 10'
wrong 'add_sum: the shortcut is activation 5' 'conv 0 4 3 1 1' 'sum 1 5' 'dense 1 10'
wrong 'add_sum: a shortcut of 4x7x6 cannot be added to 3x7x6' 'conv 0 4 3 1 1' 'conv 1 3 3 1 1' 'sum 2 1' 'dense 2 10'
wrong 'add_sum: a shortcut of 4x4x3 cannot be added to 4x7x6' 'conv 0 4 3 1 1' 'conv 0 4 3 2 1' 'conv 1 4 1 1 0' 'sum 3 2' 'dense 3 10'
wrong 'add_sum: a shortcut of 8x1x1 cannot' 'dense 0 8' 'dense 1 6' 'sum 2 1' 'dense 2 10'

group 'networks that are none'
wrong 'net_close: there is no layer'
wrong 'net_close: layer 1 must be add_dense' 'conv 0 4 3 1 1' 'max 1 2'
wrong 'net_close: layer 0 must be add_dense...without a ReLU' 'dense 0 10' 'relu 1'
wrong 'net_close: the last layer has 7 outputs for 10 classes' 'dense 0 7'
wrong 'net_close: no layer reads activation 1' 'conv 0 4 3 1 1' 'conv 0 4 3 1 1' 'dense 2 10'
wrong 'net_close: no layer reads activation 2' 'conv 0 4 3 1 1' 'conv 0 4 3 1 1' 'sum 2 1' 'dense 1 10' # a sum in place

group 'batches'
build 20 33 'dense 0 10'
said '33 images, batches of 20' 1 'net_load: images is 33; it must be 1 to 32'
build 20 0 'dense 0 10'
said 'no image' 1 'net_load: images is 0'
build 60 51 'dense 0 10'
said 'more images than there are' 1 'net_load: first + images is 51; it must be 1 to 50'
build 0 1 'dense 0 10'
said 'batches of 0' 1 'net_open: batch is 0'
finish
