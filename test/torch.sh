#!/bin/sh
# test/torch.sh - the same trainings as PyTorch, and safetensors files exchanged with it (test/torch_parity.py), where
# a python3 with torch and numpy is installed. On synth, or real MNIST where TICKET_DATA names a folder with mnist/.
# From the root of the repository: sh test/torch.sh
# SPDX-License-Identifier: MIT
. test/lib.sh
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
for python in "$PYTHON" /usr/bin/python3 python3; do
  [ "$python" ] && "$python" -c 'import torch, numpy' >/dev/null 2>&1 || continue
  PYTHONDONTWRITEBYTECODE=1 "$python" test/torch_parity.py "$ticket" "$room" ${TICKET_DATA:+"$TICKET_DATA/mnist"}
  exit
done
skip 'PyTorch parity: no python3 with torch and numpy (Debian: python3-torch)'
printf '0 passed, 0 failed, 1 skipped\n'
