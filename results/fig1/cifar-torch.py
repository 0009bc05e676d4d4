#!/usr/bin/python3
"""cifar-torch.py resnet20|conv4 DIR SEED [WEIGHTS [MASK]]: the trainings of results/fig1/resnet20.tsv and results/fig13/conv4.tsv in PyTorch:
test error in percent after each epoch. DIR holds CIFAR-10's binary version. WEIGHTS is a safetensors file to start from
(PREFIX.rewind.safetensors), MASK one whose masks are kept (PREFIX.L03.safetensors); else PyTorch draws its own."""
import json, sys
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

name, folder, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
torch.manual_seed(seed)
torch.set_flush_denormal(True)


class Block(nn.Module):  # shortcut without weights: subsample and pad with zeros; batch norm without weights
    def __init__(self, inputs, outputs):
        super().__init__()
        self.grows = outputs != inputs
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, 1 + self.grows, 1, bias=False), nn.BatchNorm2d(outputs, affine=False)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs, affine=False)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.grows:
            c = x.shape[1] // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, c, c))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16, affine=False)
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.blocks = nn.Sequential(*[Block(a, b) for a, b in zip(widths, widths[1:])])
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


class ConvModule(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 1, 1)

    def forward(self, x):
        return F.relu(self.conv(x))


class Conv4(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(ConvModule(3, 64), ConvModule(64, 64), nn.MaxPool2d(2), ConvModule(64, 128), ConvModule(128, 128), nn.MaxPool2d(2))
        self.fc_layers = nn.ModuleList([nn.Linear(8192, 256), nn.Linear(256, 256)])
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = self.layers(x).flatten(1)
        for layer in self.fc_layers:
            x = F.relu(layer(x))
        return self.fc(x)


def split(files, n):
    raw = np.concatenate([np.fromfile(f'{folder}/{f}', np.uint8).reshape(-1, 3073) for f in files])[:n]
    return torch.tensor(raw[:, 1:].reshape(-1, 3, 32, 32)), torch.tensor(raw[:, 0].astype(np.int64))


def safetensors(path):
    data = open(path, 'rb').read()
    n = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + n])
    kinds = {'F32': '<f4', 'U8': 'u1'}
    return {k: torch.tensor(np.frombuffer(data[8 + n:][slice(*t['data_offsets'])], kinds[t['dtype']]).reshape(t['shape']).copy())
            for k, t in header.items() if k != '__metadata__'}


mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ([.485, .456, .406], [.229, .224, .225]))
(x, y), (xt, yt) = split([f'data_batch_{i}.bin' for i in range(1, 6)], 10000), split(['test_batch.bin'], 10000)
net = ResNet20() if name == 'resnet20' else Conv4()
for m in net.modules():
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(m.weight)
if len(sys.argv) > 4:
    net.load_state_dict({k: v for k, v in safetensors(sys.argv[4]).items() if not k.startswith('mask.')}, strict=False)
masks = {k[5:]: v.float() for k, v in safetensors(sys.argv[5]).items() if k.startswith('mask.')} if len(sys.argv) > 5 else {}
masked = [(p, masks[k]) for k, p in net.named_parameters() if k in masks]
net = net.to(memory_format=torch.channels_last)
epochs, lr = (10, 0.1) if name == 'resnet20' else (5, 0.01)
optimizer = torch.optim.SGD(net.parameters(), lr, momentum=0.9, weight_decay=1e-5)
steps, step = epochs * 79, 0
for epoch in range(epochs):
    net.train()
    for batch in torch.randperm(len(x)).split(128):
        rate = lr * (0.1 ** ((epoch >= 6) + (epoch >= 8)) if name == 'resnet20' else 0.5 * (1 + np.cos(np.pi * step / steps)))
        for group in optimizer.param_groups:
            group['lr'] = float(rate)
        images = F.pad(x[batch], (4, 4, 4, 4))
        crops = []
        for image in images:
            r, c = torch.randint(9, (2,)).tolist()
            image = image[:, r:r + 32, c:c + 32]
            crops.append(image.flip(2) if torch.rand(()) < 0.5 else image)
        images = ((torch.stack(crops).float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)
        for p, m in masked:
            p.data *= m
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), y[batch]).backward()
        optimizer.step()
        step += 1
    for p, m in masked:
        p.data *= m
    net.eval()
    with torch.no_grad():
        wrong = sum((net((xt[i:i + 500].float() / 255 - mean) / deviation).argmax(1) != yt[i:i + 500]).sum().item() for i in range(0, 10000, 500))
    print(epoch + 1, f'{wrong / 100:.2f}', flush=True)
