#!/usr/bin/python3
"""test/torch_experiment.py DIR [ROUNDS [LEVELS]]: the experiment of `imp --preset lenet-mnist`, 25 levels of one epoch each,
in ticket and in PyTorch with masks, one thread each, in turn in one run: seconds of whole processes, their ratio, and the
test error of the last level, which says that both did the same. DIR holds MNIST's four IDX files. PyTorch's side keeps the
images as floats in memory, multiplies weights by their masks in the forward pass (torch.nn.utils.prune's way, without its
hooks), uses Adam's fastest form, evaluates both sets after every level and writes no files. Needs python3-torch and a BLAS
that is not the reference one (Debian: libopenblas0-pthread)."""
import os, statistics, subprocess, sys, tempfile, time
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[name] = '1'


def torch_experiment(folder, levels):
    """Prints the test error of the last level in percent."""
    import numpy as np
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)

    def split(name):
        pixels = np.fromfile(f'{folder}/{name}-images-idx3-ubyte', np.uint8, offset=16).reshape(-1, 784)
        labels = np.fromfile(f'{folder}/{name}-labels-idx1-ubyte', np.uint8, offset=8)
        return torch.tensor((pixels / 255 - 0.1307) / 0.3081, dtype=torch.float32), torch.tensor(labels.astype(np.int64))

    sets = [split('train'), split('t10k')]
    x, y = sets[0]
    shapes = [(300, 784), (100, 300), (10, 100)]
    weights = [torch.nn.init.kaiming_uniform_(torch.empty(shape)).requires_grad_() for shape in shapes]
    biases = [(torch.rand(o) * 2 - 1).div_(i ** 0.5).requires_grad_() for o, i in shapes]
    first = [t.detach().clone() for t in weights + biases]
    masks = [torch.ones(shape) for shape in shapes]

    def forward(x):
        for k, (w, b, m) in enumerate(zip(weights, biases, masks)):
            x = F.linear(x, w * m if levels_done else w, b)
            x = F.relu(x) if k < 2 else x
        return x

    for levels_done in range(levels):
        with torch.no_grad():
            for t, start in zip(weights + biases, first):
                t.copy_(start)
        optimizer = torch.optim.Adam(weights + biases, lr=1.2e-3, foreach=True)
        for batch in torch.randperm(len(x)).split(60):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(forward(x[batch]), y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            for images, labels in sets:
                z = torch.cat([forward(part) for part in images.split(1000)])
                loss, error = F.cross_entropy(z, labels), 100 * (z.argmax(1) != labels).float().mean()
            survivors = torch.cat([w.abs()[m > 0] for w, m in zip(weights, masks)])
            cut = survivors.kthvalue(round(len(survivors) * 0.2)).values
            masks = [m * (w.abs() > cut) for w, m in zip(weights, masks)]
    print(f'{error:.2f}')


def seconds(command):
    start = time.perf_counter()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, out.split('\n')


if sys.argv[1] == '--torch':
    torch_experiment(sys.argv[2], int(sys.argv[3]))
    sys.exit()
folder, rounds, levels = sys.argv[1], int((sys.argv[2:] or ['3'])[0]), (sys.argv[3:] or ['25'])[0]
ours, theirs = [], []
for _ in range(rounds):
    with tempfile.TemporaryDirectory() as room:
        took, table = seconds(['./ticket', 'imp', '--preset', 'lenet-mnist', '--data', f'mnist:{folder}', '--steps', '1ep',
                               '--levels', levels, '--quiet', '--out', f'{room}/run'])
        ours.append(took)
        mine = [line.split()[2] for line in table if line[:1].isdigit()][-1]
    took, table = seconds([sys.executable, __file__, '--torch', folder, levels])
    theirs.append(took)
print('ticket_s\ttorch_s\ttimes_as_fast\tticket_error\ttorch_error')
print(f'{statistics.median(ours):.1f}\t{statistics.median(theirs):.1f}\t'
      f'{statistics.median(t / o for o, t in zip(ours, theirs)):.2f}\t{mine}\t{table[0]}')
