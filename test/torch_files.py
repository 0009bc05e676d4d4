"""test/torch_files.py TICKET FOLDER - checkpoints that PyTorch writes, in the forms in which people have them, give the loss and
the error that PyTorch computes; ours load into the same modules, by the README's functions. Run by test/torch.sh.
SPDX-License-Identifier: MIT"""
import json
import subprocess
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

ticket, folder = sys.argv[1:3]
torch.set_num_threads(1)
torch.manual_seed(1)
passed = failed = 0
code, inside = [], False
for line in open('README.md'):
    if line.startswith('```'):
        inside = line.startswith('```python')
    elif inside and not line.startswith('print'):
        code.append(line)
exec(''.join(code))  # load, write_set, load_module


def check(name, good, expected, found):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f'ok   {name}: {found}' if good else f'FAIL {name}: expected {expected}, found {found}', flush=True)


TYPES = {torch.float32: 'F32', torch.float16: 'F16', torch.float64: 'F64', torch.bool: 'BOOL', torch.uint8: 'U8', torch.int64: 'I64', torch.bfloat16: 'BF16'}


def save(path, state):  # as safetensors.torch.save_file does
    header, data = {'__metadata__': {'format': 'pt'}}, b''
    for name, t in state.items():
        raw = (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).contiguous().numpy().tobytes()
        header[name] = {'dtype': TYPES[t.dtype], 'shape': list(t.shape), 'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, 'wb') as file:
        file.write(len(text).to_bytes(8, 'little') + text + data)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc_layers = nn.ModuleList([nn.Linear(784, 300), nn.Linear(300, 100)])
        self.fc = nn.Linear(100, 10)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.fc_layers:
            x = F.relu(layer(x))
        return self.fc(x)


class Named(nn.Module):
    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


class Conv4(nn.Module):
    def __init__(self):
        super().__init__()
        plan = [(3, 64), (64, 64), None, (64, 128), (128, 128), None]
        self.layers = nn.ModuleList(Named(conv=nn.Conv2d(*p, 3, padding=1)) if p else nn.MaxPool2d(2) for p in plan)
        self.fc_layers = nn.ModuleList([nn.Linear(8192, 256), nn.Linear(256, 256)])
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x) if isinstance(layer, nn.MaxPool2d) else F.relu(layer.conv(x))
        x = x.flatten(1)
        for layer in self.fc_layers:
            x = F.relu(layer(x))
        return self.fc(x)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        conv = lambda i, o, k, s: nn.Conv2d(i, o, k, s, k // 2, bias=False)
        self.conv, self.bn, self.blocks, i = conv(3, 16, 3, 1), nn.BatchNorm2d(16), nn.ModuleList(), 16
        for k in range(9):
            o, s = 16 << k // 3, 2 if k in (3, 6) else 1
            shortcut = nn.Sequential(conv(i, o, 1, 2), nn.BatchNorm2d(o)) if s == 2 else nn.Sequential()
            self.blocks.append(Named(conv1=conv(i, o, 3, s), bn1=nn.BatchNorm2d(o), conv2=conv(o, o, 3, 1), bn2=nn.BatchNorm2d(o), shortcut=shortcut))
            i = o
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        for b in self.blocks:
            x = F.relu(b.bn2(b.conv2(F.relu(b.bn1(b.conv1(x))))) + b.shortcut(x))
        return self.fc(F.avg_pool2d(x, x.shape[2]).flatten(1))


def run(*arguments):
    done = subprocess.run([ticket, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout + done.stderr


def masks_of(net):  # half of every prunable weight
    return {k: t.abs() > t.abs().flatten().kthvalue(t.numel() // 2).values for k, t in net.state_dict().items() if t.dim() > 1}


def pruned(net, masks):
    for name, mask in masks.items():
        prune.custom_from_mask(net.get_submodule(name[:-7]), 'weight', mask)
    return net


for model, make, shape in (('lenet-300-100', LeNet, (28, 28)), ('conv4', Conv4, (3, 32, 32)), ('resnet20', ResNet20, (3, 32, 32))):
    images = lambda n: (numpy.random.default_rng(n).integers(0, 256, (n, *shape)), numpy.random.default_rng(n + 1).integers(0, 10, n))
    sets = (images(80), images(40)) if make is LeNet else (images(16), images(8))
    subprocess.run(['mkdir', '-p', f'{folder}/{model}.set'], check=True)
    write_set(f'{folder}/{model}.set', *sets)
    data = ['--data', f'idx:{model}.set']
    words = run('data', *data)[1].split('normalised with ')[1:]
    mean, deviation = (torch.tensor([float(w.split('\n')[0].split(' and ')[k]) for w in words]).view(1, -1, 1, 1) for k in (0, 1))
    x = [(torch.tensor(s[0]).float().view(len(s[0]), -1, *shape[-2:]) / 255 - mean) / deviation for s in sets]
    y = [torch.tensor(s[1]) for s in sets]
    net = make()
    with torch.no_grad():
        net(x[0])  # running statistics other than 0 and 1
    net.eval()
    masks = masks_of(net)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    masked = {k: v * masks[k] if k in masks else v for k, v in state.items()}
    half = {k: v.half() if v.dtype == torch.float32 else v for k, v in state.items()}
    rounded = lambda kind: {k: v.to(kind).float() if v.dtype == torch.float32 else v for k, v in state.items()}
    as_pruned = pruned(make().eval(), masks)
    as_pruned.load_state_dict({**{k + '_orig' if k in masks else k: v for k, v in state.items()}, **{k + '_mask': m.float() for k, m in masks.items()}})
    forms = {  # what is in the file, and the weights that it stands for
        'plain': (state, state),
        'pruned by torch.nn.utils.prune': (as_pruned.state_dict(), masked),
        'in DataParallel': (nn.DataParallel(net).state_dict(), state),
        'compiled': ({'_orig_mod.module.' + k: v for k, v in state.items()}, state),
        'pruned, in DataParallel': (nn.DataParallel(as_pruned).state_dict(), masked),
        'with bool masks': ({**masked, **{'mask.' + k: m for k, m in masks.items()}}, masked),
        'with F32 masks': ({**masked, **{'mask.' + k: m.float() for k, m in masks.items()}}, masked),
        'F16': (half, rounded(torch.float16)),
        'BF16': ({k: v.bfloat16() if v.dtype == torch.float32 else v for k, v in state.items()}, rounded(torch.bfloat16)),
        'F64': ({k: v.double() if v.dtype == torch.float32 else v for k, v in state.items()}, state),
    }
    forms = {form: ({k: v.clone() for k, v in written.items()}, meant) for form, (written, meant) in forms.items()}  # net changes below
    for n, (form, (written, meant)) in enumerate(forms.items()):
        out = f'{model}.{n}'
        save(f'{folder}/f.safetensors', written)
        net.load_state_dict(meant)
        with torch.no_grad():
            logits = [net(t).double() for t in x]
        loss = [F.cross_entropy(z, t).item() for z, t in zip(logits, y)]
        error = ['%.4f' % (100 * (z.argmax(1) != t).double().mean().item()) for z, t in zip(logits, y)]
        status, said = run('train', *data, '--model', model, '--init', 'f.safetensors', '--steps', '0it', '--quiet', '--out', out)
        row = open(f'{folder}/{out}.tsv').read().split('\n')[-2].split('\t') if status == 0 else []
        good = row and all(abs(float(row[5 + 2 * k]) / loss[k] - 1) < 1e-6 and row[6 + 2 * k] == error[k] for k in (0, 1))
        density = '50' if meant is masked else '100'
        check(f'{model}, {form}', good and row[3].startswith(density), f'{loss} {error} {density}', row[3:9] if row else said)
        if not row or (make is not LeNet and 'pruned' not in form):
            continue
        status, said = run('lmc', *data, '--model', model, '--points', '2', 'f.safetensors', f'{out}.L00.safetensors')
        at = [line.split('\t') for line in said.split('\n') if line.startswith(('0.0', '1.0'))]
        check(f'{model}, {form}, lmc to ours', status == 0 and len(at) == 2 and at[0][1:] == at[1][1:] == row[5:9], row[5:9], said[-200:] if status else at)
    fresh = make().eval()
    load_module(fresh, f'{folder}/{out}.L00.safetensors')
    with torch.no_grad():
        same = all(torch.equal(fresh(t), z) for t, z in zip(x, [net(t) for t in x]))
    check(f'{model}, ours loaded by the README', same, 'the same logits', same)
    save(f'{folder}/f.safetensors', {k: v.double() + 1e-12 if v.dtype == torch.float32 else v for k, v in state.items()})
    status, said = run('train', *data, '--model', model, '--init', 'f.safetensors', '--steps', '0it', '--quiet', '--out', 'x')
    check(f'{model}, F64 that is not exact', status == 1 and 'that no F32 equals' in said, 'refused', said.strip()[:90])
    save(f'{folder}/f.safetensors', {**state, 'head.weight': torch.ones(2)})
    status, said = run('train', *data, '--model', model, '--init', 'f.safetensors', '--steps', '0it', '--quiet', '--out', 'x')
    check(f'{model}, a tensor too many', status == 1 and 'head.weight' in said, 'refused by its name', said.strip()[:90])
    save(f'{folder}/f.safetensors', masked)
    status, said = run('probe', *data, '--model', model, 'f.safetensors')
    check(f'{model}, zeros without a mask', status == 0 and 'are 0 but not masked' in said, 'said', said.strip()[-90:] if status else 'said')
    status, said = run('probe', *data, 'f.safetensors')
    check(f'{model}, probe without --model', status == 1 and '--model NAME' in said, 'the way out', said.strip()[:90])

print(f'{passed} passed, {failed} failed')
sys.exit(failed > 0)
