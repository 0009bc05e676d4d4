#!/usr/bin/python3
"""lenet-mnist-torch.py DIR SEED constant|cosine: the dense network of the presets lenet-mnist and lenet-mnist-constant in
PyTorch (one thread): test accuracy in percent after each of 25 epochs. DIR holds MNIST's four IDX files."""
import sys
import numpy as np
import torch

folder, seed, schedule = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
torch.manual_seed(seed)


def split(prefix):
    pixels = np.fromfile(f'{folder}/{prefix}-images-idx3-ubyte', np.uint8, offset=16).reshape(-1, 784)
    labels = np.fromfile(f'{folder}/{prefix}-labels-idx1-ubyte', np.uint8, offset=8)
    return torch.tensor((pixels / 255 - 0.1307) / 0.3081, dtype=torch.float32), torch.tensor(labels.astype(np.int64))


(x, y), (xt, yt) = split('train'), split('t10k')
layers = [torch.nn.Linear(784, 300), torch.nn.Linear(300, 100), torch.nn.Linear(100, 10)]
for layer in layers:
    torch.nn.init.kaiming_uniform_(layer.weight)
net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
optimizer = torch.optim.Adam(net.parameters(), lr=1.2e-3)
steps = 25 * 1000
decay = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda step: 1 if schedule == 'constant' else 0.5 * (1 + np.cos(np.pi * step / steps)))
for epoch in range(25):
    order = torch.randperm(len(x))
    for batch in order.split(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        optimizer.step()
        decay.step()
    with torch.no_grad():
        print(epoch + 1, f'{(net(xt).argmax(1) == yt).float().mean().item() * 100:.2f}', flush=True)
