#!/usr/bin/python3
"""torch_speed.py [ROUNDS]: a training step of lenet-300-100 here and in PyTorch, one thread each, side by side.

Runs ./ticket bench and PyTorch in turn, ROUNDS times (5), and prints the median of each and their ratio: how many times as
fast ticket is. PyTorch's step is forward, cross-entropy, backward, SGD with momentum 0.9; below 100% density the weights are
multiplied by their masks first, which is how masked networks are trained there. Its fastest settings of those tried are used:
gradients set to None, the optimiser over all tensors at once, subnormals flushed. Data loading is not in PyTorch's time, but in
ours. Needs python3-torch and a BLAS that is not the reference one (Debian: libopenblas0-pthread)."""
import os, statistics, subprocess, sys, time
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[name] = '1'
import torch
torch.set_num_threads(1)
torch.set_flush_denormal(True)


def torch_ms(batch, density, seconds=1.0):
    torch.manual_seed(1)
    nn = torch.nn
    net = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    weights = [layer.weight.data for layer in net if isinstance(layer, nn.Linear)]
    masks = [(torch.rand_like(w) < density).float() for w in weights]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, foreach=True)
    x, y = torch.randn(batch, 784), torch.randint(10, (batch,))
    times = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        if density < 1:
            torch._foreach_mul_(weights, masks)
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def ticket_ms(batch):
    lines = subprocess.run(['./ticket', 'bench', '--batch', str(batch)], check=True, capture_output=True, text=True).stdout.split('\n')
    return {int(line.split('\t')[0]): float(line.split('\t')[1]) for line in lines[1:] if line}


rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
print('batch\tdensity\tticket_ms\ttorch_ms\ttimes_as_fast\tof_own_dense')
for batch in (60, 128, 1024):
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(ticket_ms(batch))
        theirs.append({density: torch_ms(batch, density / 100) for density in (100, 20, 5)})
    for density in (100, 20, 5):
        mine = statistics.median(o[density] for o in ours)
        other = statistics.median(t[density] for t in theirs)
        ratio = statistics.median(t[density] / o[density] for o, t in zip(ours, theirs))
        own = statistics.median(o[density] / o[100] for o in ours)
        print(f'{batch}\t{density}\t{mine:.3f}\t{other:.3f}\t{ratio:.2f}\t{own:.2f}', flush=True)
