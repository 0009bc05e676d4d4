#!/bin/sh
# test/faults.sh - hostile input files, output that cannot be written, and runs that are killed.
# From the root of the repository: [SEED=N] [KILLS=N] sh test/faults.sh
# SPDX-License-Identifier: MIT
. test/lib.sh
cd "$room" || exit 1
seed=${SEED:-1} kills=${KILLS:-10}
echo "seed $seed, $kills kills (SEED=, KILLS=)"

zeros() { head -c "$1" /dev/zero; }
cannot() { refused 1 "$@"; }
no_trace() # PREFIX: a refused run has left nothing
{
  is 'files left behind' '' "$(ls -a | grep -e '\.tmp$' -e "^$1\.")"
}

# ==== IDX ====================================================================================
# A set of 3 training and 2 test images of 2 x 2 pixels.

images=train-images-idx3-ubyte labels=train-labels-idx1-ubyte test_images=t10k-images-idx3-ubyte test_labels=t10k-labels-idx1-ubyte
mkdir good
{ printf '\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\2'; printf '\1\2\3\4\5\6\7\10\11\12\13\14'; } >good/$images
printf '\0\0\10\1\0\0\0\3\0\1\11' >good/$labels
{ printf '\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2'; printf '\1\2\3\4\377\376\375\374'; } >good/$test_images
printf '\0\0\10\1\0\0\0\2\5\0' >good/$test_labels
tiny='--model lenet-3 --batch 2 --data mnist:good'

# A folder idx/ that is good but for FILE, which becomes what comes on stdin.
spoil() # FILE
{
  rm -rf idx
  cp -r good idx
  cat >idx/$1
}
hostile() # WHAT FILE WORDS: idx/FILE is wrong, and the message says so
{
  refused 1 "idx/$2: ...$3" train --model lenet-3 --data mnist:idx --steps 0it --out x
  refused 1 "idx/$2: ...$3" data --data mnist:idx
  group_name=$group group="$group, $1"
  no_trace x
  group=$group_name
}

group 'hostile IDX files'
works 'the good ones' train $tiny --steps 1ep --out ok
for file in $images $labels $test_images $test_labels; do
  size=$(wc -c <good/$file) header=16 magic='\0\0\10\3'
  case $file in *labels*) header=8 magic='\0\0\10\1' ;; esac
  rm -rf idx
  cp -r good idx
  rm idx/$file
  hostile missing $file 'cannot open'
  printf '\37\213\10\0' >idx/$file.gz
  hostile 'missing, with a .gz beside it' $file 'not there; run gunzip'
  spoil $file </dev/null
  hostile empty $file 'is empty'
  for n in 1 3 4 $((header - 1)) $header $((size - 1)); do
    head -c $n good/$file | spoil $file
    hostile "truncated to $n" $file ''
  done
  head -c $((size - 1)) good/$file | spoil $file
  hostile truncated $file truncated
  { cat good/$file; printf '\0'; } | spoil $file
  hostile over-long $file 'too long'
  { cat good/$file; zeros 100000; } | spoil $file
  hostile 'much over-long' $file 'too long'
  if command -v gzip >/dev/null; then gzip -c good/$file; else printf '\37\213\10\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0'; fi | spoil $file
  hostile gzip $file gzip
  for wrong in '\0\0\10\2' '\0\0\15\3' '\0\0\15\1' '\3\10\0\0' '\377\377\377\377' 'PNG!'; do
    { printf "$wrong"; tail -c +5 good/$file; } | spoil $file
    hostile "magic $wrong" $file ''
  done
  { printf "$magic"'\0\0\0\0'; zeros $((header - 8)); } | spoil $file
  hostile 'no images' $file 'holds no'
  for count in '\0\0\0\1' '\0\0\0\4' '\1\0\0\0' '\100\0\0\0' '\200\0\0\0' '\377\377\377\377'; do
    { printf "$magic$count"; tail -c +9 good/$file; } | spoil $file
    hostile "count $count" $file ''
  done
  rm -rf idx
  cp -r good idx
  rm idx/$file
  mkdir idx/$file
  hostile 'a folder' $file ''
  if [ "$(id -u)" != 0 ]; then
    spoil $file <good/$file
    chmod 0 idx/$file
    hostile 'not readable' $file 'cannot open'
  fi
done
for file in $images $test_images; do
  count='\0\0\0\3'
  for sides in '\0\0\0\0\0\0\0\2' '\0\0\0\2\0\0\0\0' '\0\0\4\1\0\0\0\2' '\0\1\0\0\0\1\0\0' '\100\0\0\0\0\0\0\4' '\200\0\0\0\200\0\0\0' '\377\377\377\377\377\377\377\377'; do
    { printf '\0\0\10\3'"$count$sides"; tail -c +17 good/$file; } | spoil $file
    hostile "sides $sides" $file 'images of'
  done
  # 2^32 - 1 images of 1024 x 1024, and counts whose product is 0 or 12 modulo 2^32
  for all in '\377\377\377\377\0\0\4\0\0\0\4\0' '\0\0\20\0\0\0\4\0\0\0\4\0' '\100\0\0\3\0\0\0\2\0\0\0\2' '\125\125\125\125\0\0\0\3\0\0\0\1'; do
    { printf '\0\0\10\3'"$all"; tail -c +17 good/$file; } | spoil $file
    hostile "dimensions $all" $file truncated
  done
done
for file in $labels $test_labels; do
  for label in '\12' '\377'; do
    { head -c 9 good/$file; printf "$label"; tail -c +11 good/$file; } | spoil $file
    hostile "label $label" $file 'label 1 is'
  done
done
printf '\0\0\10\1\0\0\0\2\0\1' | spoil $labels
hostile 'fewer labels than images' $labels "2 labels, but idx/$images has 3"
printf '\0\0\10\1\0\0\0\3\0\1\2' | spoil $test_labels
hostile 'more labels than images' $test_labels "3 labels, but idx/$test_images has 2"
{ printf '\0\0\10\3\0\0\0\2\0\0\0\4\0\0\0\1'; tail -c +17 good/$test_images; } | spoil $test_images
hostile 'test images of another shape' $test_images 'but the training images have 2 x 2'
refused 1 "good/$images/$images" data --data mnist:good/$images

# ==== CIFAR ==================================================================================
# 3 images in each of the files; CIFAR-100 has two labels, coarse and fine.

group 'hostile CIFAR files'
mkdir cifar
for file in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
  for label in '\0' '\4' '\11'; do printf "$label"; zeros 3072; done >cifar/$file.bin
done
for file in train test; do
  for label in '\0\143' '\4\0' '\23\12'; do printf "$label"; zeros 3072; done >cifar/$file.bin
done
works 'CIFAR-10' data --data cifar10:cifar
is 'CIFAR-10, images' 1 "$(grep -c '^train	15 images' "$room/out")"
works 'CIFAR-100' data --data cifar100:cifar
is 'CIFAR-100, classes' 1 "$(grep -c '^classes	100' "$room/out")"
works 'CIFAR-100, coarse' data --data cifar100-coarse:cifar
is 'CIFAR-100, coarse, classes' 1 "$(grep -c '^classes	20' "$room/out")"
mv cifar kept
wrong_cifar() # SET FILE WORDS: cifar/FILE is wrong, and the message says so
{
  refused 1 "cifar/$2: ...$3" data --data $1:cifar
  rm -rf cifar
}
for set in 'cifar10 data_batch_1.bin 3073' 'cifar10 data_batch_5.bin 3073' 'cifar10 test_batch.bin 3073' 'cifar100 train.bin 3074' 'cifar100 test.bin 3074'; do
  read -r name file record <<EOF
$set
EOF
  rm -rf cifar
  cp -r kept cifar; rm cifar/$file; wrong_cifar $name $file ''
  cp -r kept cifar; : >cifar/$file; wrong_cifar $name $file empty
  for n in 1 3072 $((3 * record - 1)); do cp -r kept cifar; head -c $n kept/$file >cifar/$file; wrong_cifar $name $file 'whole number'; done
  cp -r kept cifar; zeros 1 >>cifar/$file; wrong_cifar $name $file 'whole number'
  cp -r kept cifar; { head -c $record kept/$file; printf '\377\377'; tail -c +$((record + 3)) kept/$file; } >cifar/$file; wrong_cifar $name $file 'label of image 1 is 255'
  cp -r kept cifar; printf '\37\213\10\0' >cifar/$file; wrong_cifar $name $file gzip
  cp -r kept cifar; rm cifar/$file; mkdir cifar/$file; wrong_cifar $name $file ''
done
cp -r kept cifar; { printf '\12'; tail -c +2 kept/test_batch.bin; } >cifar/test_batch.bin; wrong_cifar cifar10 test_batch.bin 'label of image 0 is 10'
cp -r kept cifar; { printf '\0\144'; tail -c +3 kept/train.bin; } >cifar/train.bin; wrong_cifar cifar100 train.bin 'label of image 0 is 100'
cp -r kept cifar; { printf '\24'; tail -c +2 kept/train.bin; } >cifar/train.bin; wrong_cifar cifar100-coarse train.bin 'label of image 0 is 20'

# ==== checkpoints ============================================================================
# The network 4-3-10 of the set above: 3 x 4 + 3 + 10 x 3 + 10 = 55 floats and 12 + 30 mask values.

group 'hostile checkpoints'
works 'the initialisation' train $tiny --steps 0it --out c
works 'the mask' imp $tiny --steps 1ep --levels 2 --rate 0.5 --out c2
good=c2.L01.safetensors
header=$(header_of $good)
data_of $good >data
bytes8() { awk -v n="$1" 'BEGIN {for (i = 0; i < 8; i++) {printf "\\%03o", n % 256; n = int(n / 256)}}'; }
pack() { printf "$(bytes8 ${#2})"; printf '%s' "$2"; cat "$1"; } # DATA HEADER
bare=$(printf '%s' "$header" | sed 's/"__metadata__":{[^}]*},//')
damaged() # WHAT WORDS: z.safetensors is wrong, and the message says so
{
  refused 1 "z.safetensors: ...$2" train $tiny --init z.safetensors --steps 1it --out x
  group_name=$group group="$group, $1"
  no_trace x
  group=$group_name
}
sane() # WHAT: z.safetensors is right
{
  rm -f y.*
  works "$1" train $tiny --init z.safetensors --steps 0it --out y
  is "$1, digest" "$(digest_in $good)" "$(sed -n '$s/.*\t//p' y.tsv | tr -d '\t')"
}
change() # SED-COMMAND: the header changed so
{
  changed=$(printf '%s' "$header" | sed "$1")
  [ "$changed" != "$header" ] || bad "$1" 'a change' none
  pack data "$changed" >z.safetensors
}
change_bare() # the same without metadata, so that no digest tells
{
  changed=$(printf '%s' "$bare" | sed "$1")
  [ "$changed" != "$bare" ] || bad "$1" 'a change' none
  pack data "$changed" >z.safetensors
}

# right ones first, so that what is refused below is refused for its fault
pack data "$header" >z.safetensors
same 'pack' z.safetensors $good
sane 'as it was'
pack data "$bare" >z.safetensors
sane 'no metadata'
pack data "$bare                    " >z.safetensors
sane 'spaces after the header'
change_bare 's/{/ {\n\t/g; s/:/ : /g; s/,/ ,\r/g'
sane 'white space'
change_bare 's/\("dtype":"[A-Z0-9]*"\),\("shape":[^]]*\]\),/\2,\1,/g'
sane 'properties in another order'
change_bare 's/fc\.bias/\\u0066c.\\u0062ias/'
sane 'escapes'
change 's/"__metadata__":{/&"\\u00e9\\ud83d\\ude00\\n\\\\":"\\"",/'
sane 'escapes in the metadata'
size=$(wc -c <$good) head_size=$((8 + $(header_bytes $good)))
{ cat data; zeros 8; } >longer
pack longer "$(printf '%s' "$bare" | sed 's/^{/{"optimizer.x":{"dtype":"F32","shape":[2],"data_offsets":[262,270]},/')" >z.safetensors
sane "the optimiser's memory is passed over"

# the same values without the mask are another start, though their digest is the same
rm -f y.*
head -c 220 data >unmasked
pack unmasked "$(printf '%s' "$bare" | sed 's/,"mask[^}]*}//g')" >z.safetensors
works 'under a mask' train $tiny --init $good --steps 0it --out y
run train $tiny --init z.safetensors --steps 0it --out y
is 'the zeros are said' 'ticket: z.safetensors: 21 weights are 0 but not masked, so they are trained like the others' "$(head -n 1 "$room/err")"
sed -i 1d "$room/err"
said 'another start' 1 'y.tsv: holds another run'

for n in 0 1 7 8 9 50 $((head_size - 1)) $head_size $((head_size + 1)) $((head_size + 219)) $((size - 43)) $((size - 42)) $((size - 1)); do
  head -c $n $good >z.safetensors
  damaged "truncated to $n bytes" ''
done
{ cat $good; printf '\0'; } >z.safetensors
damaged 'a byte too long' 'left over'
rm z.safetensors
damaged missing 'cannot open'
mkdir z.safetensors
damaged 'a folder' ''
rmdir z.safetensors
echo hello, this is text and no checkpoint >z.safetensors
damaged text 'not a safetensors file'
for length in '\377\377\377\377\377\377\377\377' '\0\0\0\0\0\0\0\200' '\370\377\377\377\377\377\377\377' '\1\341\365\5\0\0\0\0' '\0\0\0\1\0\0\0\0' \
  "$(bytes8 $((size - 7)))" "$(bytes8 $size)" "$(bytes8 0)" "$(bytes8 1)" "$(bytes8 $((head_size - 9)))" "$(bytes8 $((head_size - 7)))"; do
  { printf "$length"; tail -c +9 $good; } >z.safetensors
  damaged "header length $length" ''
done
for json in '' '{' '}' '[]' 'null' '"x"' '{"' '{"a' '{"a"' '{"a":' '{"a":}' '{"a":1}' '{"a":{}}' '{"a":null}' '{a:1}' '{,}' '{}' '{}{}' '{"__metadata__":{}}' \
  '{"__metadata__":1}' '{"__metadata__":{"a":1}}' '{"__metadata__":{"a":"b"' '{"__metadata__":{"a":"b",}}' '{"\' '{"\u' '{"\u12' '{"\ud800":{}}' '{"\udc00":{}}' \
  '{"\u0000":{}}' '{"\x":{}}' '{"a":{"dtype":"F32"}}' '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}'; do
  pack data "$json" >z.safetensors
  damaged "header $json" ''
  printf "$(bytes8 ${#json})%s" "$(printf '%s' "$json" | sed 's/\\/\\\\/g')" >z.safetensors # and nothing after it
  damaged "header $json and no data" ''
done
pack data "$(awk 'BEGIN {for (i = 0; i < 100000; i++) printf "{\"a\":"}')" >z.safetensors
damaged 'nested 100,000 deep' ''
pack data "$(awk 'BEGIN {printf "{\""; for (i = 0; i < 100000; i++) printf "a"; printf "\":{}}"}')" >z.safetensors
damaged 'a name of 100,000 characters' ''
pack data "$(awk 'BEGIN {printf "{"; for (i = 0; i < 5000; i++) printf "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i; printf "}"}')" >z.safetensors
damaged '5,000 tensors' ''
change 's/} *$/},/' && damaged 'a comma too many' ''
change 's/} *$//' && damaged 'no closing brace' ''
change 's/"dtype":"F32"/"dtype":"F32","dtype":"F32"/' && damaged 'dtype twice' ''
change 's/"fc.bias":{/"fc.weight":{/' && damaged 'a tensor twice' fc.weight
change 's/"fc.bias":{/"fc\x01.bias":{/' && damaged 'a control character' ''
for type in F64 F16 BF16 I32 I64 BOOL f32 '' F320; do
  change_bare "s/\"dtype\":\"F32\"/\"dtype\":\"$type\"/" && damaged "dtype $type" ''
done
change_bare 's/"fc.bias":{"dtype":"F32","shape":\[10\]/"fc.bias":{"dtype":"U8","shape":[40]/' && damaged 'bytes for floats' fc.bias
change_bare 's/"mask.fc.weight":{"dtype":"U8","shape":\[10,3\]/"mask.fc.weight":{"dtype":"U8","shape":[30]/'
refusal='shape of a mask'
run train $tiny --init z.safetensors --steps 0it --out y1 # the same 30 values: taken or refused, but not half
[ $status = 0 ] && good || said "$refusal" 1 z.safetensors
rm -f y1.*
for shape in '[4,3]' '[12]' '[3,2,2]' '[3,4,1]' '[1,3,4]' '[3,5]' '[]' '[0]' '[-3,-4]' '[3.0,4]' '[3e0,4]' '[03,4]' '[3,4,1,1,1]' '[4294967299,4]' \
  '[18446744073709551619,4]' '[4294967296,4294967296]' '[9223372036854775808,2,12]' '[99999999999999999999999]' '12' '"[3,4]"' '[3 4]' '[3,4' 'null'; do
  change_bare "s/\"shape\":\\[3,4\\]/\"shape\":$shape/" && damaged "shape $shape" ''
done
for offsets in '[0]' '[0,48,96]' '[48,0]' '[0,47]' '[0,49]' '[1,49]' '[4,52]' '[0,52]' '[0,48000]' '[-1,47]' '[18446744073709551600,18446744073709551648]' \
  '[18446744073709551568,0]' '[0,18446744073709551615]' '[4294967296,4294967344]' '[0.0,48]' '[]' '{}'; do
  change_bare "s/\"data_offsets\":\\[0,48\\]/\"data_offsets\":$offsets/" && damaged "offsets $offsets" ''
done
change_bare 's/"fc.bias":{[^}]*},//' && damaged 'a tensor missing, its bytes left over' ''
# the last tensors of the header and of the data go together: mask.fc.weight, 30 bytes
head -c $(($(wc -c <data) - 30)) data >shorter
pack shorter "$(printf '%s' "$bare" | sed 's/,"mask.fc.weight":{[^}]*}//')" >z.safetensors
run train $tiny --init z.safetensors --steps 0it --out y1 # one mask of two: zeros are then weights
is 'only one layer has a mask' 0 $status
rm -f y1.*
change_bare 's/fc_layers.0.bias/fc_layers.1.bias/' && damaged 'a tensor of another name' fc_layers.0.bias
change_bare 's/"mask.fc.weight"/"mask.fc.bias"/' && damaged 'a mask for a bias' ''
{ cat data; zeros 4; } >longer
for extra in conv.weight mask.x fc_layers.00.weight optimizer; do
  pack longer "$(printf '%s' "$bare" | sed "s/^{/{\"$extra\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[262,266]},/")" >z.safetensors
  damaged "an extra tensor $extra" ''
done
pack data "$(printf '%s' "$header" | sed 's/"digest":"[0-9a-f]*"/"digest":"0123456789abcdef"/')" >z.safetensors
damaged 'another digest' 'its checksum does not fit'
pack data "$(printf '%s' "$header" | sed 's/"checksum":"[0-9a-f]*",//; s/"digest":"[0-9a-f]*"/"digest":"0123456789abcdef"/')" >z.safetensors
damaged 'another digest without a checksum' 'its values have digest'
for at in 0 3 100 219; do # a bit of the weights
  cp $good z.safetensors
  old=$(od -An -v -tu1 -j $((head_size + at)) -N1 $good | tr -d ' ')
  printf "\\$(printf %03o $((old ^ 1)))" | dd of=z.safetensors bs=1 seek=$((head_size + at)) conv=notrunc 2>/dev/null
  damaged "a bit changed in byte $at" 'its checksum does not fit'
done
for value in '\0\0\300\177' '\0\0\300\377' '\1\0\200\177' '\0\0\200\177' '\0\0\200\377'; do # NaNs, infinities
  for at in 48 180 216; do # biases, that no mask covers
    pack data "$bare" >z.safetensors
    printf "$value" | dd of=z.safetensors bs=1 seek=$((8 + ${#bare} + at)) conv=notrunc 2>/dev/null
    damaged "$value at $at" 'is not finite'
  done
done
for value in '\2' '\377'; do
  pack data "$bare" >z.safetensors
  printf "$value" | dd of=z.safetensors bs=1 seek=$((8 + ${#bare} + 220)) conv=notrunc 2>/dev/null
  damaged "mask value $value" 'other values than 0 and 1'
done
{ head -c 220 data; zeros 42; } >masked
pack masked "$bare" >z.safetensors
damaged 'masked weights that are not 0' 'masked but not 0'
refused 1 'x.tsv' train $tiny --init $good --steps 0it --out nowhere/x

# ==== output =================================================================================

# c2 again, stopped after its first network: what it has must survive all failures to write the rest.
stopped() # FOLDER
{
  rm -rf $1
  mkdir $1
  cp c2.rewind.safetensors c2.L00.safetensors c2.epochs.tsv $1 # of the epochs more than it knows: killed while it trained
  grep -v '^1' c2.tsv >$1/c2.tsv
  sign $1/c2.tsv
  sums $1 >before
}
unchanged()
{
  sums $1 >after
  same "$2: files" before after
}
goes_on() { run imp $tiny --steps 1ep --levels 2 --rate 0.5 --out "$1" --quiet; }

group 'output that cannot be written'
refused 1 'nowhere/x.tsv: cannot be created' train $tiny --steps 0it --out nowhere/x
refused 1 'nowhere/x.tsv: cannot be created' imp $tiny --steps 0it --out nowhere/x
refused 1 "good/$images/x.tsv" train $tiny --steps 0it --out good/$images/x
refused 1 "nowhere/$images: cannot be created" data --out nowhere
refused 1 "nowhere/data_batch_1.bin: cannot be created" data --data synth-rgb --out nowhere
refused 1 "$(printf x%.0s 1 2 3 4 5 6 7 8 9 10)" train $tiny --steps 0it --out "$(awk 'BEGIN {for (i = 0; i < 400; i++) printf "x"}')"
is 'files left behind' '' "$(ls | grep -e '\.tmp$' -e '^xxx')"
for file in tsv epochs.tsv rewind.safetensors L00.safetensors L01.safetensors; do # a folder where a file should go
  stopped run
  [ $file = tsv ] && mv run/c2.tsv was
  rm -f run/c2.$file
  mkdir run/c2.$file
  [ $file = rewind.safetensors ] || [ $file = L00.safetensors ] && grep -v '^0' run/c2.tsv >was && mv was run/c2.tsv && sign run/c2.tsv
  goes_on run/c2
  said "a folder c2.$file" 1 "run/c2.$file"
  is "a folder c2.$file: left behind" '' "$(ls run | grep tmp)"
done
stopped run
goes_on run/c2
is 'the run goes on where nothing is wrong' 0 $status
(mkdir whole && cp c2.* whole)
sums whole >before
unchanged run 'the finished run'
# a file of another program under the result's name
stopped run
echo 'my diary' >run/c2.tsv
sums run >before
goes_on run/c2
said 'a foreign c2.tsv' 1 run/c2.tsv
unchanged run 'a foreign c2.tsv'
for signed in no yes; do # without a checksum that fits, and made to fit
  for spoiled in 's/^0.ticket/0\tother/' '$s/[0-9a-f]*$/0123456789abcdef/' '$s/[0-9a-f]\{6\}$//' '$d' 's/^# ticket.*/# ticket = 9.9.9/' '1d' '2d'; do
    stopped run
    if [ "$spoiled" = '$d' ]; then cp c2.tsv run/c2.tsv; fi
    sed -i "$spoiled" run/c2.tsv
    [ $signed = yes ] && sign run/c2.tsv
    sums run >before
    goes_on run/c2
    if [ "$spoiled" = '$d' ] && [ $signed = yes ]; then
      is 'a row less' 0 $status
      same 'a row less' run/c2.tsv c2.tsv
      continue
    fi
    said "c2.tsv changed by $spoiled" 1 run/c2
    unchanged run "c2.tsv changed by $spoiled"
  done
  for spoiled in '$s/^1.ticket/0\tother/' '$s/^/99999999999999/' '2d' '$s/$/\n0\tticket\t0/' 's/^level/table/' 's/^# seed = 1/# seed = 2/'; do
    stopped run
    sed "$spoiled" c2.epochs.tsv >run/c2.epochs.tsv
    [ $signed = yes ] && sign run/c2.epochs.tsv
    sums run >before
    goes_on run/c2
    said "c2.epochs.tsv changed by $spoiled" 1 run/c2.epochs.tsv
    unchanged run "c2.epochs.tsv changed by $spoiled"
    rm run/c2.epochs.tsv
    goes_on run/c2
    is 'and without it' 0 $status
    same "c2.epochs.tsv changed by $spoiled: made anew" c2.epochs.tsv run/c2.epochs.tsv
  done
done
stopped run
head -c $(($(wc -c <c2.tsv) - 20)) c2.tsv >run/c2.tsv
sums run >before
goes_on run/c2
said 'c2.tsv cut short' 1 'run/c2.tsv: was changed or damaged: its checksum does not fit; remove it'
unchanged run 'c2.tsv cut short'
stopped run
head -c 900 c2.L00.safetensors >run/c2.L00.safetensors
sums run >before
goes_on run/c2
said 'a finished network that is truncated' 1 'run/c2.L00.safetensors: ...remove it, and the same command makes it anew'
unchanged run 'a finished network that is truncated'
rm run/c2.L00.safetensors
goes_on run/c2
is 'and without it' 0 $status
for file in c2.*; do same "$file after a network was removed" $file run/$file; done
stopped run
works 'the same with another seed' imp $tiny --steps 1ep --levels 2 --rate 0.5 --seed 2 --out s2
for file in rewind.safetensors L00.safetensors epochs.tsv; do
  stopped run
  cp s2.$file run/c2.$file
  sums run >before
  goes_on run/c2
  said "$file of another seed" 1 "run/c2.$file: ...another run"
  unchanged run "$file of another seed"
done
rm s2.*
if [ "$(id -u)" != 0 ]; then as_user= user=yes
elif command -v setpriv >/dev/null && cp "$ticket" program && chmod 755 program good . && chmod 644 good/* &&
  setpriv --reuid=65534 --regid=65534 --clear-groups ./program help >/dev/null 2>&1; then
  as_user='setpriv --reuid=65534 --regid=65534 --clear-groups' user=yes
else user=
fi
if [ "$user" ]; then # what cannot be read is not what is not there
  for file in tsv epochs.tsv rewind.safetensors L00.safetensors; do
    stopped run
    chmod 777 run
    chmod 666 run/*
    chmod 0 run/c2.$file
    status=0
    $as_user ./program imp $tiny --steps 1ep --levels 2 --rate 0.5 --seed 2 --out run/c2 --quiet >out 2>err || status=$?
    chmod 644 run/*
    is "c2.$file cannot be read" 1 $status
    unchanged run "c2.$file cannot be read"
  done
else
  skip 'files that cannot be read: root can read everything, and there is no setpriv'
fi

group 'read-only folder'
stopped run
chmod a-w run run/*
chmod 755 . run # nobody may look in, but not write
chmod 555 run
if [ "$(id -u)" != 0 ]; then
  goes_on run/c2
  said 'read-only' 1 'run/c2.'
  unchanged run 'read-only'
elif command -v setpriv >/dev/null && cp "$ticket" program && chmod 755 program good && chmod 644 good/* &&
  setpriv --reuid=65534 --regid=65534 --clear-groups ./program help >/dev/null 2>&1; then
  status=0
  setpriv --reuid=65534 --regid=65534 --clear-groups ./program imp $tiny --steps 1ep --levels 2 --rate 0.5 --out run/c2 --quiet >out 2>err || status=$?
  said 'read-only' 1 'run/c2.'
  unchanged run 'read-only'
else
  skip 'read-only folder: root can write everywhere, and there is no setpriv'
fi
chmod 755 run

group 'full disk'
if [ -c /dev/full ]; then
  for command in "data" "batches --steps 1ep" "imp $tiny --steps 1ep --levels 2 --rate 0.5 --quiet --out c2" 'verify' 'help' 'help imp' 'help --man' 'help --completion' '--version'; do
    status=0
    "$ticket" $command >/dev/full 2>err || status=$?
    said "$command, stdout full" 1 'standard output'
  done
else
  skip 'full disk: no /dev/full here'
fi
mkdir small
big='--train-size 100 --steps 2it --quiet' # lenet-300-100: 1.3 MB a checkpoint
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=2m tmpfs small 2>/dev/null; then
  trap 'umount "$room/small"; rm -rf "$room"' EXIT
  refused 1 'small/x.' imp $big --levels 2 --out small/x
  is 'tmpfs: left behind' '' "$(ls small | grep tmp)"
  sums small >before
  refused 1 'small/x.' imp $big --levels 2 --out small/x
  sums small >after
  same 'tmpfs, again' before after
  is 'tmpfs: what is there is whole' 0 "$(cd small && for file in *.safetensors; do
    "$ticket" train $big --steps 0it --init "$file" --out ../tmpfs."$file" >/dev/null 2>&1 || echo "$file"
  done | wc -l | tr -d ' ')"
  refused 1 'small/train-images-idx3-ubyte' data --out small
  umount small
  trap 'rm -rf "$room"' EXIT
else
  skip 'full disk: cannot mount a small tmpfs'
fi
if (trap '' XFSZ && ulimit -f 1000) 2>/dev/null; then # blocks of 512 bytes
  status=0
  (trap '' XFSZ; ulimit -f 1000; exec "$ticket" imp $big --levels 2 --out f) >out 2>err || status=$?
  said 'a limit on file sizes' 1 'f.rewind.safetensors: cannot be written'
  is 'left behind' 'f.epochs.tsv f.tsv' "$(ls -d f.* | tr '\n' ' ' | sed 's/ $//')"
  "$ticket" imp $big --levels 2 --out f >/dev/null 2>&1
  is 'and then without the limit' 0 $?
else
  skip 'a limit on file sizes: the shell has no ulimit -f or no trap on XFSZ'
fi

# ==== SIGKILL ================================================================================

if [ "$kills" = 0 ]; then
  skip 'killed runs: KILLS=0'
  finish
fi
group 'killed runs'
# So many epochs that a network takes above 3 seconds, as resume files are written every 2 seconds.
lenet='--model lenet-100-50 --optimizer sgd --lr 0.02 --weight-decay 0.0001 --schedule cosine'
"$ticket" train $lenet --epochs 1 --out speed >/dev/null 2>&1
begun=$(now)
"$ticket" train $lenet --epochs 21 --out speed2 >/dev/null 2>&1
took=$(($(now) - begun + 1))
epochs=$((20 * 3500 / took))
[ $epochs -lt 4 ] && epochs=4
killed="imp $lenet --epochs $epochs --levels 3 --rate 0.5 --rewind 70it --branches reinit"
mkdir once often
begun=$(now)
works 'the uninterrupted run' $killed --out once/k --quiet
echo "$epochs epochs a network; uninterrupted $(($(now) - begun)) ms; 21 epochs $took ms"
sums once >before
cp out table
count=0 seen=0 continued=0 early=0 moments= snapshot=
awk -v s="$seed" -v n=$((kills + 21)) 'BEGIN {srand(s); while (n-- > 0) printf "%.2f\n", 0.1 + 4.4 * rand()}' >random
while [ $count -lt $kills ]; do
  moment=$(sed -n $((count + early + 1))p random)
  "$ticket" $killed --out often/k >out 2>err &
  process=$!
  sleep $moment
  if kill -9 $process 2>/dev/null; then
    wait $process 2>/dev/null
    count=$((count + 1)) moments="$moments $moment"
    # the first epoch it showed: above 1 if it took up a training in its middle
    [ "$(tr '\r' '\n' <err | sed -n 's/.*epoch \([0-9]*\)\/.*/\1/p' | head -n 1)" -gt 1 ] 2>/dev/null && continued=$((continued + 1))
    if [ -f often/k.resume.safetensors ]; then
      seen=$((seen + 1))
      # one whose networks all have their rows: a row that lacks is made before the resume file is looked at
      if [ "$(ls often/k.L* | wc -l)" -eq "$(grep -c '^[0-9]' often/k.tsv)" ]; then
        rm -rf snapshot
        cp -r often snapshot
        snapshot=yes
      fi
    fi
  else # finished before: compare, and begin anew
    wait $process 2>/dev/null
    early=$((early + 1))
    [ $early -gt 20 ] && break
    sums often >after
    same 'files of a run that was killed before' before after
    rm -rf often
    mkdir often
  fi
done
works 'the last restart' $killed --out often/k --quiet
echo "killed after seconds:$moments; $seen left a resume file, $continued had taken up a training in its middle, $early runs finished between"
is 'kills' "$kills" $count
sums often >after
same 'names, lengths and checksums of all files' before after
for file in once/*; do same "$file" "$file" often/"${file#once/}"; done
same 'table' table out
[ $seen -gt 0 ] && good || bad 'resume files seen' 'at least 1' 0
[ "$snapshot" ] && good || bad 'one of a run whose networks have their rows' 'at least 1' 0
[ $continued -gt 0 ] && good || bad 'trainings taken up in their middle' 'at least 1' 0

if [ "$snapshot" ]; then
  group 'resume files'
  # what a kill can leave: the resume file of a finished network, and half of a temporary file
  cp -r once stale
  cp snapshot/k.resume.safetensors stale
  works 'a finished run with leftovers' $killed --out stale/k --quiet
  sums stale >after
  same 'leftovers are removed' before after
  # damaged ones
  resume=k.resume.safetensors
  for damage in truncate garbage empty bit; do
    rm -rf stale
    cp -r snapshot stale
    case $damage in
    truncate) head -c 20000 snapshot/$resume >stale/$resume ;;
    garbage) echo garbage >stale/$resume ;;
    empty) : >stale/$resume ;;
    bit) printf '\100\100\100' | dd of=stale/$resume bs=1 seek=$((8 + $(header_bytes stale/$resume) + 1000)) conv=notrunc 2>/dev/null ;;
    esac
    sums stale >before_it
    refused 1 stale/$resume $killed --out stale/k --quiet
    sums stale >after
    same "$damage: files" before_it after
  done
  data_of snapshot/$resume >data
  header=$(header_of snapshot/$resume)
  for step in -7 99999999 '' x 5x 99999999999999999999; do
    rm -rf stale
    cp -r snapshot stale
    pack data "$(printf '%s' "$header" | sed "s/\"step\":\"[0-9]*\"/\"step\":\"$step\"/")" >stale/$resume
    refused 1 stale/$resume $killed --out stale/k --quiet
  done
  # of another run
  rm -rf stale
  cp -r snapshot stale
  data_of snapshot/$resume >data
  works 'another seed' $killed --seed 2 --out other --quiet
  cp other.L00.safetensors stale/$resume
  refused 1 "stale/$resume: is of another run (seed = 2, now 1)" $killed --out stale/k --quiet
  rm stale/$resume
  works 'and without it' $killed --out stale/k --quiet
  sums stale >after
  same 'without the resume file: files' before after
fi
finish
