#!/bin/sh
# test/torch.sh - the same trainings as PyTorch, and safetensors files exchanged with it (test/torch_parity.py, test/torch_files.py); the same
# passes through convolutional networks (test/conv_parity.py, with test/parity.c); where a python3 with torch and numpy is
# installed. On synthetic images, or for the first on real MNIST where TICKET_DATA names a folder with mnist/.
# From the root of the repository: [PYTHON=PROGRAM] sh test/torch.sh [COMPILER-AND-FLAGS]
# SPDX-License-Identifier: MIT
. test/lib.sh
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS

add_up() # shows and counts what a program has said; it ends in `N passed, N failed`
{
  cat "$room/said"
  set -- $(tail -n 1 "$room/said" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
  if [ $# = 2 ]; then passed=$((passed + $1)) failed=$((failed + $2))
  else
    failed=$((failed + 1))
    echo 'FAIL PyTorch parity: expected a last line of counts, found another end'
  fi
}

for python in ${PYTHON:-/usr/bin/python3 python3}; do
  "$python" -c 'import torch, numpy' >/dev/null 2>&1 || continue
  export PYTHONDONTWRITEBYTECODE=1
  "$python" test/torch_parity.py "$ticket" "$room" ${TICKET_DATA:+"$TICKET_DATA/mnist"} >"$room/said" 2>&1
  add_up
  "$python" test/torch_files.py "$ticket" "$room" >"$room/said" 2>&1
  add_up
  if ${1:-cc -std=c99 -O2} -I. -o "$room/parity" test/parity.c arithmetic.c nn.c prune.c lmc.c data.c -lm >"$room/said" 2>&1; then
    "$python" test/conv_parity.py "$ticket" "$room/parity" "$room" >"$room/said" 2>&1
  fi
  add_up
  finish
done
skip 'PyTorch parity: no python3 with torch and numpy (Debian: python3-torch)'
printf '0 passed, 0 failed, 1 skipped\n'
