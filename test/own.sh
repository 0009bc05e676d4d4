#!/bin/sh
# test/own.sh - what a user brings along: images, checkpoints, tickets, networks. Where a python3 with numpy is
# installed: the README's functions make the files. From the root of the repository, with ./ticket built:
# sh test/own.sh [COMPILER-AND-FLAGS]. SPDX-License-Identifier: MIT
. test/lib.sh
here=$PWD compiler=${1:-cc -std=c99 -O1}
for python in "$PYTHON" /usr/bin/python3 python3; do
  [ "$python" ] && "$python" -c 'import numpy' >/dev/null 2>&1 && break
  python=
done
cd "$room" || exit 1
sed -n '/^```python/,/^```/p' "$here/README.md" | grep -v -e '^```' -e '^print' >readme.py
digest() { tail -n 1 "$1" | awk '{print $NF}'; } # of the last network of a table
setting() { sed -n "s/^# $2 = //p" "$1"; }       # FILE NAME

# ==== images =================================================================================

if [ "$python" ]; then
  cat readme.py - >sets.py <<'END'
import os
def images(folder, labels, n, *shape):
    k = numpy.arange(n)
    y = numpy.asarray(labels)[k * 7 % len(labels)]
    x = (numpy.arange(n * numpy.prod(shape)) * 37 % 101).reshape(n, *shape) + 2 * y.reshape(n, *[1] * len(shape))
    os.makedirs(folder, exist_ok=True)
    write_set(folder, (x % 256, y), (x[: n // 3] % 256, y[: n // 3]))
images('balanced', range(47), 150, 28, 28)
images('letters', range(1, 27), 150, 28, 28)
images('rgb', range(5), 90, 3, 20, 24)
images('one', [0], 60, 9, 7)
images('many', range(256), 300, 6, 6)
END
  "$python" sets.py || exit 1
  group "own images: sets that the README's numpy function writes"
  mkdir emnist
  for f in letters/*; do cp $f "emnist/emnist-letters-$(basename $f | sed s/t10k/test/)"; done
  while read -r set classes model mean deviation end; do
    works "data idx:$set" data --data "idx:$set"
    is "$set, classes" "$classes" "$(sed -n 's/^classes	//p' out)"
    works "imp idx:$set" imp --data "idx:$set" --model $model --batch 30 --epochs 2 --levels 2 --rate 0.5 --branches reinit --quiet --out o
    is "$set, normalised with" "$mean $deviation" "$(setting o.tsv mean) $(setting o.tsv deviation)"
    is "$set, $model" "$end" "$(digest o.tsv)"
    works "distance, $set" distance --data "idx:$set" o.L00.safetensors o.L01.safetensors
    rm o.*
  done <<'END'
balanced 47 lenet-20-10 0.373908 0.156661 fc8f2a754711870d
letters 27 lenet-20-10 0.301333 0.128700 071706e488456a22
emnist/emnist-letters 27 lenet-20-10 0.301333 0.128700 071706e488456a22
rgb 5 conv2-4 0.211750,0.211772,0.211767 0.114865,0.114874,0.114868 79e8d224f5a73e62
rgb 5 resnet8-4 0.211750,0.211772,0.211767 0.114865,0.114874,0.114868 d658a4be23a69e42
one 1 lenet-20-10 0.196028 0.114349 a768319c18699545
many 256 lenet-20-10 0.498494 0.287933 ed9d598509eda45d
END
  mkdir copy
  works 'written' data --data idx:rgb --out copy
  sed -n 's/^digest//p' out >first
  works 'and read back' data --data idx:copy
  is 'digest' "$(cat first)" "$(sed -n 's/^digest//p' out)"
  works '--train-size' train --data idx:rgb --train-size 40 --model lenet-5 --steps 0it --quiet --out few
  works 'its network' probe --data idx:rgb few.L00.safetensors
  [ "$(setting few.tsv mean)" != "$(sed -n 's/# mean = //p' out)" ] && bad 'mean of the images kept' "$(setting few.tsv mean)" "$(setting out mean)" || good
  works 'report' report few
  is 'the command of the page' 1 "$(grep -c '^<pre>ticket train --data idx:DIR --train-size 40 --model lenet-5 --steps 0it --out few</pre>' few.html)"
else skip 'own images: there is no python3 with numpy'
fi

group 'own images that are malformed'
tiny() # FILES: 2 images of 1 x 2 pixels in idx/ but for what comes on stdin
{
  rm -rf idx && mkdir idx
  for s in train t10k; do
    printf '\0\0\10\3\0\0\0\2\0\0\0\1\0\0\0\2\1\2\3\4' >idx/$s-images-idx3-ubyte
    printf '\0\0\10\1\0\0\0\2\0\377' >idx/$s-labels-idx1-ubyte
  done
  cat >idx/$1
}
hostile() # FILE WORDS
{
  refused 1 "idx/$1: ...$2" data --data idx:idx
  refused 1 "idx/$1: ...$2" train --data idx:idx --model lenet-3 --steps 0it --out x
}
printf '\0\0\10\4\0\0\0\2\0\0\0\3\0\0\0\1\0\0\0\2\5\5\1\2\3\4\5\5\7\7\7\10' | tiny train-images-idx3-ubyte
cp idx/train-images-idx3-ubyte idx/t10k-images-idx3-ubyte
works 'a channel that is the same everywhere' train --data idx:idx --model lenet-3 --epochs 1 --quiet --out x
is 'its normalisation' '0.019608 1.000000' "$(setting x.tsv mean | cut -d , -f 1) $(setting x.tsv deviation | cut -d , -f 1)"
rm x.*
printf '\0\0\10\3\0\0\0\2\0\0\0\1\0\0\0\2\5\5\5\5' | tiny train-images-idx3-ubyte
refused 1 'every pixel of its training images is the same' train --data idx:idx --model lenet-3 --epochs 1 --quiet --out x
printf '\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\1\5\5\5\5' | tiny t10k-images-idx3-ubyte; hostile t10k-images-idx3-ubyte 'images of 2 x 1 pixels, but the training images have 1 x 2'
printf '\0\0\10\4\0\0\0\2\0\0\0\3\0\0\0\1\0\0\0\2aaaaaaaaaaaa' | tiny t10k-images-idx3-ubyte; hostile t10k-images-idx3-ubyte 'images of 3 channels, but the training images have 1'
printf '\0\0\10\4\0\0\0\2\0\0\0\2\0\0\0\1\0\0\0\1aaaa' | tiny train-images-idx3-ubyte; hostile train-images-idx3-ubyte 'images of 2 channels'
printf '\0\0\10\4\0\0\0\2\0\0\0\1\0\0\4\1\0\0\0\1aaaa' | tiny train-images-idx3-ubyte; hostile train-images-idx3-ubyte 'images of 1025 x 1'
printf '\0\0\10\4\0\0\0\2\0\0\0\3\0\0\0\1' | tiny train-images-idx3-ubyte; hostile train-images-idx3-ubyte 'an IDX header has 20'
printf '\0\0\10\4\0\0\0\2\0\0\0\3\0\0\0\1\0\0\0\2aaaaaaaaaaa' | tiny train-images-idx3-ubyte; hostile train-images-idx3-ubyte 'truncated'
printf '\0\0\10\4\0\0\0\2\0\0\0\3\0\0\0\1\0\0\0\2aaaaaaaaaaaaa' | tiny train-images-idx3-ubyte; hostile train-images-idx3-ubyte 'too long'
for magic in '\0\0\15\3' '\0\0\10\5' '\0\0\10\2' '\0\0\10\1' '\223NUM'; do
  { printf "$magic"; printf '\0\0\0\2\0\0\0\1\0\0\0\2\1\2\3\4'; } | tiny train-images-idx3-ubyte; hostile train-images-idx3-ubyte 'not an IDX file of images'
done
printf '\0\0\10\2\0\0\0\2\0\0\0\1\0\1' | tiny train-labels-idx1-ubyte; hostile train-labels-idx1-ubyte 'not an IDX file of labels'
printf '\0\0\10\1\0\0\0\3\0\1\2' | tiny t10k-labels-idx1-ubyte; hostile t10k-labels-idx1-ubyte '3 labels, but idx/t10k-images-idx3-ubyte has 2'
printf '\0\0\10\1\0\0\0\0' | tiny t10k-labels-idx1-ubyte; hostile t10k-labels-idx1-ubyte 'holds no labels'
printf '\0\0\10\1\0\0\0\2\0\1' | tiny train-labels-idx1-ubyte; refused 2 'too small' train --data idx:idx --model conv2 --steps 0it --out x

group 'names and folders under which people have sets'
mkdir set dots bins
works 'images' data --train-size 100 --out set
works 'colours' data --data synth-rgb --train-size 100 --out bins
works 'as they are' data --data mnist:set
cp out expected
for f in set/*; do cp $f "dots/$(basename $f | sed 's/-idx/.idx/')"; done
works 'dots' data --data mnist:dots
same 'dots' expected out
for folder in raw MNIST/raw FashionMNIST/raw; do
  mkdir -p up/$folder && cp dots/* up/$folder
  set=mnist; case $folder in F*) set=fashion ;; esac
  works "a folder above $folder" data --data $set:up
  is "$folder" "$(sed -n 's/^digest//p' expected)" "$(sed -n 's/^digest//p' out)"
  rm -r up
done
mkdir -p up/MNIST/raw && for f in set/*; do cp $f up/MNIST/raw/$(basename $f).gz; done
refused 1 'up/MNIST/raw/train-images-idx3-ubyte: not there; run gunzip on up/MNIST/raw/train-images-idx3-ubyte.gz' data --data mnist:up
works 'CIFAR' data --data cifar10:bins
cp out expected
mkdir above && mv bins above/cifar-10-batches-bin
works 'a folder above cifar-10-batches-bin' data --data cifar10:above
same 'CIFAR' expected out
mkdir -p python/cifar-10-batches-py && echo pickle >python/cifar-10-batches-py/data_batch_1
for folder in python python/cifar-10-batches-py; do
  refused 1 "cifar-10-batches-py/data_batch_1: is of CIFAR's version for Python...binary version" data --data cifar10:$folder
done
mkdir tar && : >tar/cifar-10-binary.tar.gz && echo x >tar/cifar-10-binary.tar.gz
refused 1 'tar/cifar-10-binary.tar.gz: is packed...tar xzf' data --data cifar10:tar
refused 2 'write mnist:$HOME/x' data --data 'mnist:~/x'

# ==== tickets ================================================================================

group 'a ticket elsewhere'
lenet='--model lenet-20-10 --train-size 300 --epochs 1 --quiet'
works 'ticket' imp $lenet --levels 2 --rate 0.8 --out found
works 'another set of its shape' data --data synth --train-size 500 --out set
for word in 'ticket:--ticket found.L01.safetensors' 'init:--ticket found.L01.safetensors --init found.rewind.safetensors' 'seed:--ticket found.L01.safetensors --seed 2'; do
  name=${word%%:*}
  works "$name" imp $lenet ${word#*:} --data fashion:set --levels 2 --rate 0.5 --branches reinit,shuffle --out $name
done
mask() { data_of "$1" | tail -c $((784 * 20 + 20 * 10 + 10 * 10)) | cksum; }
for name in ticket init seed; do
  is "$name, its mask" "$(mask found.L01.safetensors)" "$(mask $name.L00.safetensors)"
  is "$name, recorded" 1 "$(grep -c '^# ticket-digest = [0-9a-f]*$' $name.tsv)"
done
is 'digests' '8524da9ad9a9316b 8524da9ad9a9316b 35a0ae21b8ce8fe9' "$(digest ticket.tsv) $(digest init.tsv) $(digest seed.tsv)"
works 'and back' train $lenet --ticket ticket.L01.safetensors --out back
is 'digest' 4390733c632ad500 "$(digest back.tsv)"
is 'weights' 1598 "$(tail -n 1 back.tsv | cut -f 3)"
refused 1 'tensor fc_layers.0.weight' train $lenet --model lenet-21-10 --ticket found.L01.safetensors --out x
refused 1 'none.safetensors: cannot open' train $lenet --ticket none.safetensors --out x
refused 1 'found.L00.safetensors: masks no weight, so it is no ticket' train $lenet --ticket found.L00.safetensors --out x
printf 'PK\3\4 what torch.save writes' >state.pt
refused 1 'state.pt: is a file of torch.save; write it anew' train $lenet --init state.pt --out x
printf '\200\2 what it wrote before' >old.pt
refused 1 'old.pt: is a file of torch.save' lmc old.pt old.pt
printf '\037\213\10\0 and so on' >packed.safetensors
refused 1 'packed.safetensors: is compressed; gunzip it' probe packed.safetensors

# ==== networks ===============================================================================

group 'a network of one'"'"'s own, in a program of one'"'"'s own'
printf '%s\n' "$compiler" 'gcc -std=c99 -O1' 'clang -std=c99 -O1 -ffp-contract=off' 'tcc -std=c99' \
  'gcc -std=c99 -O1 -fsanitize=address,undefined -fno-sanitize-recover=all' >compilers
while read -r cc; do
  command -v ${cc%% *} >/dev/null || { skip "${cc%% *}: is not installed"; continue; }
  rm -f o.*
  if ! (cd "$here" && $cc -I. -o "$room/own" test/own_network.c arithmetic.c nn.c prune.c lmc.c data.c -lm) 2>err; then
    case $cc in *sanitize*) skip 'AddressSanitizer: there is none' ;; *) bad "$cc" compiles "$(cat err)" ;; esac
    continue
  fi
  is "$cc" 'o.L03.safetensors 46622a673f262697' "$(./own o 2>err | tail -n 1)"
  head -c 2000 o.L03.safetensors >cut && mv cut o.L03.safetensors
  is "$cc, a failure" 'caught: o.L03.safetensors: truncated, 3' "$(./own o 2>err | cut -d ' ' -f 1-3) $(./own o >out 2>err || echo $?)"
  is "$cc, on stderr" '' "$(cat err)"
done <compilers
finish
