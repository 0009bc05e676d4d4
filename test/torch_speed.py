#!/usr/bin/python3
"""test/torch_speed.py [ROUNDS [MODEL:BATCH]...]: a training step of ticket and of PyTorch, one thread each, in turn in one run, and
their ratio: how many times as fast ticket is; MODEL is lenet-300-100, conv4 or resnet20. PyTorch's step is forward, cross-entropy,
backward, SGD with momentum 0.9; below 100% density the weights are multiplied by their masks first, which is how masked networks are
trained there. Its fastest settings of those tried are used: images channels_last, gradients set to None, the optimiser over all tensors
at once, subnormals flushed. Data loading is not in PyTorch's time, but in ours. Needs python3-torch and a BLAS that is not the
reference one (Debian: libopenblas0-pthread); LD_PRELOAD of a faster malloc (libjemalloc.so.2) helps PyTorch's convolutions."""
import os, statistics, subprocess, sys, time
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[name] = '1'
import torch
from torch import nn
import torch.nn.functional as F
torch.set_num_threads(1)
torch.set_flush_denormal(True)


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 + (outputs != inputs)
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential() if stride == 1 else nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


def network(model):
    if model == 'lenet-300-100':
        return nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)), (784,)
    if model == 'conv4':
        layers = []
        for i, o in ((3, 64), (64, 64), (64, 128), (128, 128)):
            layers += [nn.Conv2d(i, o, 3, 1, 1), nn.ReLU()] + [nn.MaxPool2d(2)] * (i == o)
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8192, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)), (3, 32, 32)
    widths = [16] * 4 + [32] * 3 + [64] * 3
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *[Block(a, b) for a, b in zip(widths, widths[1:])],
                         nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10)), (3, 32, 32)


def torch_ms(model, batch, density, seconds):
    torch.manual_seed(1)
    net, shape = network(model)
    x, y = torch.randn(batch, *shape), torch.randint(10, (batch,))
    if len(shape) == 3:
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    weights = [m.weight.data for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    masks = [(torch.empty_like(w).uniform_() < density).float() for w in weights]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, foreach=True)
    times = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        if density < 1:
            torch._foreach_mul_(weights, masks)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def ticket_ms(model, batch):
    data = 'synth' if model.startswith('lenet') else 'synth-rgb'
    lines = subprocess.run(['./ticket', 'bench', '--model', model, '--data', data, '--batch', str(batch)], check=True, capture_output=True,
                           text=True).stdout.split('\n')
    return {int(line.split('\t')[0]): float(line.split('\t')[1]) for line in lines if line[:1].isdigit()}


rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
cases = sys.argv[2:] or ['lenet-300-100:60', 'lenet-300-100:128', 'lenet-300-100:1024', 'resnet20:128', 'conv4:128']
print('model\tbatch\tdensity\tticket_ms\ttorch_ms\ttimes_as_fast\tof_own_dense')
for model, batch in (case.split(':') for case in cases):
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(ticket_ms(model, int(batch)))
        theirs.append({density: torch_ms(model, int(batch), density / 100, 1.0) for density in (100, 20, 5)})
    for density in (100, 20, 5):
        mine = statistics.median(o[density] for o in ours)
        other = statistics.median(t[density] for t in theirs)
        ratio = statistics.median(t[density] / o[density] for o, t in zip(ours, theirs))
        own = statistics.median(o[density] / o[100] for o in ours)
        print(f'{model}\t{batch}\t{density}\t{mine:.3f}\t{other:.3f}\t{ratio:.2f}\t{own:.2f}', flush=True)
