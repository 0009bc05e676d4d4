"""test/conv_parity.py TICKET PARITY FOLDER - the convolutional models in PyTorch, written here from OpenLTH's definitions, and
in ticket (test/parity.c, the program PARITY) from the same weights on the same batch: logits, losses, every gradient, running
statistics, ten steps of SGD, evaluation. Run by test/torch.sh. SPDX-License-Identifier: MIT

Both sides compute in binary32 but add in other orders; PyTorch in binary64 says how much is due to rounding alone. Where the
input of a ReLU is within rounding of 0, or the two largest of a max pool of each other, rounding decides where the gradient goes,
in any program: of 6 million ReLUs (resnet20, 32 images) a handful, each worth up to 1e-2 of a gradient. So the batch is of 4
images and the weights are redrawn until the first pass in binary64 is far from such kinks; the ten steps after it meet some.
Largest differences of a number, relative to the largest of its tensor, over all networks below, measured with Debian's PyTorch
1.13 and one thread:
                                        ticket - torch64   torch32 - torch64   ticket - torch32   tolerance
    logits                                   2.9e-6             9.4e-7              2.9e-6          1e-5
    loss of each image                       1.4e-6             5.7e-7              1.4e-6          1e-5
    gradients                                4.1e-5             3.4e-5              4.0e-5          2e-4
    gradients that are 0 (below)             1.1e-6             2.1e-6              2.4e-6          1e-5
    running statistics, one step             4.7e-6             1.6e-7              4.7e-6          2e-5
    ten steps, of the weights' movement      1.9e-2             1.5e-2              2.1e-2          0.05
    loss then, by running statistics         1.2e-3             1.7e-3              5.7e-4          5e-3
Without a kink on the way ten steps agree within 1e-5 of the movement (conv2, conv4 at 20%). The statistics of ticket err more
because its sums are plain ones, 16 partial sums of many terms each, where PyTorch adds in pairs or in binary64.
"""
import json
import struct
import subprocess
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

ticket, parity, folder = sys.argv[1:4]
torch.set_num_threads(1)
passed = failed = 0
IMAGES, STEPS, DRAWS = 4, 10, 20
FAR = 2e-6  # from kinks: the first pass in binary64 is to be so far from them; else another draw of the weights, at most DRAWS


def check(name, good, expected, found):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"ok   {name}: {found}" if good else f"FAIL {name}: expected {expected}, found {found}", flush=True)


def read(path):  # a safetensors file
    with open(path, "rb") as file:
        (n,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(n)), file.read()
    header.pop("__metadata__", {})
    kinds = {"F32": "<f4", "U8": "u1"}
    return {k: np.frombuffer(data[slice(*t["data_offsets"])], kinds[t["dtype"]]).reshape(t["shape"]) for k, t in header.items()}


def write(path, tensors):
    header, data, at = {}, [], 0
    for name, t in tensors.items():
        kind = "U8" if t.dtype == np.uint8 else "F32"
        data.append(t.astype("u1" if kind == "U8" else "<f4").tobytes())
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + len(data[-1])]}
        at += len(data[-1])
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


# ---- kinks: how near the input of a ReLU is to 0, or the two largest of a max pool to each other -------------------------

nearest = 1.0


def relu(x):
    global nearest
    size = x.detach().abs()
    nearest = min(nearest, size[size > 1e-12].min().item())  # not the 0 that a norm makes of a channel that is constant
    return F.relu(x)


class MaxPool(nn.Module):
    def forward(self, x):
        global nearest
        n, c, h, w = x.shape
        two = x.detach().reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(-1, 4).topk(2).values
        gap = two[:, 0] - two[:, 1]
        nearest = min(nearest, gap[gap > 1e-12].min().item())  # equal ones stay equal: the first is taken by both
        return F.max_pool2d(x, 2)


# ---- OpenLTH's models (Frankle, MIT licence): the same modules under the same names -----------------------------------

class Conv(nn.Module):  # conv2, conv4, conv6
    def __init__(self, plan):
        super().__init__()
        layers, channels, size = [], 3, 32
        for spec in plan:
            if spec == "M":
                layers.append(MaxPool())
                size //= 2
                continue
            module = nn.Module()
            module.conv = nn.Conv2d(channels, spec, 3, padding=1)
            module.forward = lambda x, m=module: relu(m.conv(x))
            layers.append(module)
            channels = spec
        self.layers = nn.Sequential(*layers)
        self.fc_layers = nn.ModuleList([nn.Linear(channels * size * size, 256), nn.Linear(256, 256)])
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = self.layers(x).flatten(1)
        for layer in self.fc_layers:
            x = relu(layer(x))
        return self.fc(x)


class VGG(nn.Module):
    def __init__(self, plan, affine):
        super().__init__()
        layers, channels = [], 3
        for spec in plan:
            if spec == "M":
                layers.append(MaxPool())
                continue
            module = nn.Module()
            module.conv = nn.Conv2d(channels, spec, 3, padding=1)
            module.bn = nn.BatchNorm2d(spec, affine=affine)
            module.forward = lambda x, m=module: relu(m.bn(m.conv(x)))
            layers.append(module)
            channels = spec
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        return self.fc(F.avg_pool2d(self.layers(x), 2).flatten(1))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, pad, affine):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs, affine=affine)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, affine=affine)
        self.shortcut = nn.Sequential()
        self.padding = (outputs - inputs) // 2 if pad else None
        if stride > 1 and not pad:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs, affine=affine))
        self.stride = stride

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.padding is not None and self.stride > 1:  # He et al.: subsampled, zeros for the new channels
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))
        return relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, depth, width, pad, affine):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(width, affine=affine)
        blocks, channels = [], width
        for segment in range(3):
            for block in range((depth - 2) // 6):
                blocks.append(Block(channels, width << segment, 2 if segment and not block else 1, pad, affine))
                channels = width << segment
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.blocks(relu(self.bn(self.conv(x))))
        return self.fc(F.avg_pool2d(x, x.shape[3]).flatten(1))


def model_of(name, pad, affine):
    if name.startswith("resnet"):
        depth, _, width = name[6:].partition("-")
        return ResNet(int(depth), int(width or 16), pad, affine)
    if name.startswith("vgg"):
        return VGG({"vgg11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512]}[name], affine)
    return Conv([64, 64, "M", 128, 128, "M", 256, 256, "M"][:3 * int(name[4:]) // 2])


# ---- data and weights --------------------------------------------------------------------------------------------------

def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{program} {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


subprocess.run(["mkdir", "-p", f"{folder}/rgb"], check=True)
run(ticket, "data", "--data", "synth-rgb", "--train-size", 1000, "--out", "rgb")
said = [line.split("normalised with ")[1].split(" and ") for line in run(ticket, "data", "--data", "synth-rgb").split("\n") if line.startswith("channel")]
mean, deviation = (np.array(column, np.float32).reshape(1, 3, 1, 1) for column in zip(*said))
records = np.fromfile(f"{folder}/rgb/data_batch_1.bin", "u1").reshape(-1, 3073)[:IMAGES]
records.tofile(f"{folder}/batch.bin")
x_all = (records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(255) - mean) / deviation
y_all = records[:, 0].astype(np.int64)


def start_of(net, density, generator):  # Kaiming-normal weights, U(0,1) scales, biases and running means that are not 0, masks
    tensors = {}
    for name, t in net.state_dict().items():
        shape = tuple(t.shape)
        if name.endswith("num_batches_tracked"):
            continue
        if len(shape) > 1:
            v = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
            if density < 1:
                mask = (generator.random(shape) < density).astype(np.uint8)
                v = v * mask / np.sqrt(density)
                tensors["mask." + name] = mask
        elif name.endswith("weight") or name.endswith("running_var"):
            v = generator.random(shape) + (0.5 if name.endswith("running_var") else 0)
        else:
            v = 0.1 * generator.standard_normal(shape)
        tensors[name] = v.astype(np.float32)
    return tensors


def load(net, start):
    net.load_state_dict({k: torch.tensor(v.copy()) for k, v in start.items() if not k.startswith("mask.")}, strict=False)
    return net


def torch_run(net, start, kind):  # what parity.c does
    net = load(net.to(kind), start)
    x, y = torch.tensor(x_all, dtype=kind), torch.tensor(y_all)
    masks = [(p, torch.tensor(start["mask." + k].astype(np.float32), dtype=kind)) for k, p in net.named_parameters() if "mask." + k in start]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    out = {}
    net.train()
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = net(x)
        loss = F.cross_entropy(logits, y, reduction="none")
        loss.mean().backward()
        for p, m in masks:
            p.grad.mul_(m)
        if step == 0:
            out["logits"], out["loss"] = logits, loss
            out.update({"grad." + k: p.grad.clone() for k, p in net.named_parameters()})
            out.update({"stat." + k: t.clone() for k, t in net.state_dict().items() if "running" in k})
        optimizer.step()
    out.update({k: t for k, t in net.state_dict().items() if not k.endswith("num_batches_tracked")})
    net.eval()
    out["evaluated"] = F.cross_entropy(net(x), y).reshape(1)
    return {k: t.detach().numpy().astype(np.float64) for k, t in out.items()}


# ---- comparison --------------------------------------------------------------------------------------------------------

def group_of(name):
    if name in ("logits", "loss", "evaluated"):
        return name
    if name.startswith("grad."):
        return "gradients" if is_needed(name) else "gradients that are 0"
    return "statistics" if name.startswith("stat.") else "after 10 steps"


def is_needed(name):  # the bias of a convolution before a norm changes nothing: the norm takes the mean away
    return not (name.endswith("conv.bias") and name.replace("conv.bias", "bn.running_mean").replace("grad.", "stat.") in double)


def distance(a, b):
    """By group: the largest difference of a number, relative to the largest of its tensor; of a gradient that is 0, to the
    largest of all gradients; after ten steps the norm of the difference of all weights relative to that of their change."""
    worst = {}
    for name in double:
        group = group_of(name)
        size = gradients if group == "gradients that are 0" else max(np.abs(double[name]).max(), 1e-3)
        if group != "after 10 steps":
            worst[group] = max(worst.get(group, (0, "")), (float(np.abs(a[name] - b[name]).max() / size), name))
    names = [k for k in start if k in double and "running" not in k]
    apart, moved = (np.sqrt(sum(((p[k] - q[k]) ** 2).sum() for k in names)) for p, q in ((a, b), (double, start)))
    worst["after 10 steps"] = (float(apart / moved), f"moved {moved:.2g}")
    return worst


TOLERANCE = {"logits": 1e-5, "loss": 1e-5, "gradients": 2e-4, "gradients that are 0": 1e-5, "statistics": 2e-5, "after 10 steps": 0.05, "evaluated": 5e-3}
summary = {}
for name, shortcut, affine, density in (
        ("conv2", "conv", "on", 1), ("conv4", "conv", "on", 1), ("conv4", "conv", "on", 0.2), ("vgg11", "conv", "on", 1),
        ("resnet20", "conv", "on", 1), ("resnet20", "conv", "off", 1), ("resnet20", "pad", "on", 1), ("resnet20", "pad", "off", 1),
        ("resnet20", "conv", "on", 0.2), ("resnet20", "pad", "off", 0.05)):
    title = f"{name}, shortcut {shortcut}, affine {affine}, {density:.0%} of the weights"
    best = 0
    for draw in range(DRAWS):
        net = model_of(name, shortcut == "pad", affine == "on")
        drawn = start_of(net, density, np.random.default_rng(draw))
        nearest = 1.0
        with torch.no_grad():
            load(net.double(), drawn).train()(torch.tensor(x_all, dtype=torch.float64))
        if nearest > best:
            start, best = drawn, nearest
        if best > FAR:
            break
    write(f"{folder}/init.safetensors", start)
    run(parity, name, shortcut, affine, "init.safetensors", "batch.bin", "out.safetensors")
    ours = {k: t.astype(np.float64) for k, t in read(f"{folder}/out.safetensors").items()}
    single, double = (torch_run(model_of(name, shortcut == "pad", affine == "on"), start, kind) for kind in (torch.float32, torch.float64))
    check(f"{title}: tensors", sorted(ours) == sorted(double), sorted(double), f"{len(ours)} (nearest kink {best:.1e})")
    gradients = max(np.abs(t).max() for k, t in double.items() if k.startswith("grad."))
    found, rounding, both = distance(ours, double), distance(single, double), distance(ours, single)
    for group, tolerance in TOLERANCE.items():
        if group not in found:
            continue
        check(f"{title}: {group}", found[group][0] <= tolerance, f"within {tolerance:g} of PyTorch in binary64",
              f"{found[group][0]:.1e} ({found[group][1]}; PyTorch in binary32 {rounding[group][0]:.1e}, from it {both[group][0]:.1e})")
        summary[group] = np.maximum(summary.get(group, 0), (found[group][0], rounding[group][0], both[group][0]))
    alive = sum(int(np.count_nonzero(ours[k[5:]][m == 0])) + int(np.count_nonzero(ours["grad." + k[5:]][m == 0])) for k, m in start.items() if k.startswith("mask."))
    check(f"{title}: masked weights and gradients that are not 0", alive == 0, 0, alive)
for group, (found, rounding, both) in summary.items():
    print(f"largest difference, {group}: ticket - torch64 {found:.1e}, torch32 - torch64 {rounding:.1e}, ticket - torch32 {both:.1e}")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
