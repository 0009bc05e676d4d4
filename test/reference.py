#!/usr/bin/env python3
"""The contract (../CONTRACT.md) as a program: a function per section, float32 one operation at a time, vectorised over
independent outputs only. Needs python3-numpy, nothing else.

    python3 test/reference.py ./ticket              compares everything with the program; a line per case
    python3 test/reference.py ./ticket imp lmc      only cases whose names hold one of these words
    python3 test/reference.py "qemu-s390x ./ticket-s390x" -synth -rgb     without cases whose names hold these: an emulator
                                                                         is slow at 2,000 test images
    python3 test/reference.py --answers             writes the known answers in CONTRACT.md

Exit status 0 if every case is the same. Arrays of images are [channel][row][column][image]: the vectorised axis is
the last one. SPDX-License-Identifier: MIT"""
import json
import os
import re
import resource
import shlex
import struct
import subprocess
import sys
import tempfile

import numpy as np

F = np.float32
LANES = 16
np.seterr(all='ignore')


def c(text):
    """A constant, written as in CONTRACT.md: the nearest float."""
    return F(float.fromhex(text)) if '0x' in text else F(float(text))


def hexadecimal(x):
    """A float as CONTRACT.md writes it."""
    mantissa, exponent = float(x).hex().split('p')
    return (mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa) + 'p' + exponent


# ==== 1. Arithmetic ==============================================================================

LN2_HIGH, LN2_LOW, LOG2_E = c('0x1.62e4p-1'), c('0x1.7f7d1cp-20'), c('0x1.715476p+0')
ONE, TWO, HALF, ZERO = F(1), F(2), F(0.5), F(0)


def exp(x):
    """1.2"""
    inverse = [c(t) for t in '0 1 0x1p-1 0x1.555556p-2 0x1p-2 0x1.99999ap-3 0x1.555556p-3 0x1.24924ap-3'.split()]
    x = np.asarray(x, F)
    inside = np.where((x >= F(-104)) & (x <= c('0x1.633334p+6')), x, ZERO)
    t = inside * LOG2_E
    k = np.trunc(t + np.where(t < 0, -HALF, HALF))
    r = (inside - k * LN2_HIGH) - k * LN2_LOW
    p = np.full_like(r, 1)
    for n in range(7, 0, -1):
        p = ONE + (r * inverse[n]) * p
    k = k.astype(np.int32)
    h = np.trunc(k / 2).astype(np.int32)
    p = (p * np.ldexp(ONE, h)) * np.ldexp(ONE, k - h)
    return np.where(np.isnan(x), x, np.where(x < F(-104), ZERO, np.where(x > c('0x1.633334p+6'), F(np.inf), p)))


def log(x):
    """1.3"""
    x = np.asarray(x, F)
    tiny = x < F(2.0 ** -126)
    m, e = np.frexp(np.where(tiny, x * F(2.0 ** 25), x))  # m in [1/2, 1)
    m, k = m * TWO, e - 1 - np.where(tiny, 25, 0)
    large = m > c('0x1.6a09e6p+0')
    m, k = np.where(large, m * HALF, m).astype(F), np.where(large, k + 1, k).astype(F)
    f = m - ONE
    s = f / (TWO + f)
    z = s * s
    p = c('0x1.24924ap-3') + z * c('0x1.c71c72p-4')
    p = c('0x1.99999ap-3') + z * p
    p = c('0x1.555556p-2') + z * p
    p = TWO * (z * p)
    p = s * (f - p)
    y = k * LN2_HIGH + ((k * LN2_LOW - p) + f)
    return np.where(tiny & ~(x > 0), F(-np.inf), np.where(np.isfinite(x), y, x))


def cos_turns(u):
    """1.4"""
    u = np.asarray(u, F)
    q = np.trunc(F(4) * u + HALF)
    r = (u - F(0.25) * q) * c('0x1.921fb6p+2')
    z = r * r
    p = c('0x1.a01a02p-16') - z * c('0x1.27e4fcp-22')
    for t in ('0x1.6c16c2p-10', '0x1.555556p-5', '0x1p-1', '1'):
        p = c(t) - z * p
    s = c('0x1.a01a02p-13') - z * c('0x1.71de3ap-19')
    for t in ('0x1.111112p-7', '0x1.555556p-3'):
        s = c(t) - z * s
    s = z * s
    s = r - r * s
    q = q.astype(np.int64) % 4
    return np.where(q == 0, p, np.where(q == 2, -p, np.where(q == 1, -s, s)))


def acos(x):
    """1.5"""
    def asin(y):
        z, p = y * y, ONE
        for n in range(12, 0, -1):
            p = ONE + (z * (F((2 * n - 1) ** 2) / F(2 * n * (2 * n + 1)))) * p
        return y * p
    x = min(max(F(x), F(-1)), ONE)
    if abs(x) <= HALF:
        return c('0x1.921fb6p+0') - asin(x)
    y = TWO * asin(np.sqrt(HALF * (ONE - abs(x))))
    return c('0x1.921fb6p+1') - y if x < 0 else y


def lanes_total(lane):
    """1.6, the end: adds the 16 lanes of the last axis."""
    for s in (8, 4, 2, 1):
        lane = lane[..., :s] + lane[..., s:2 * s]
    return lane[..., 0]


def image_lanes(t):
    """1.6 of terms [channel][row][column][image] in the order image, row, column; lane = image mod 16: [channel].
    Places of the last 16 images that are empty add +0, which changes nothing."""
    channels, rows, columns, n = t.shape
    lane = np.zeros((channels, LANES), F)
    for first in range(0, n, LANES):
        some = t[..., first:first + LANES]
        for r in range(rows):
            for k in range(columns):
                lane[:, :some.shape[-1]] = lane[:, :some.shape[-1]] + some[:, r, k]
    return lanes_total(lane)


def lanes_sum(t):
    """1.6 of terms [j]; lane = j mod 16."""
    return image_lanes(np.asarray(t, F).reshape(1, 1, 1, -1))[0]


def dot(a, b):
    """1.6"""
    return lanes_sum(a * b)


def fnv(data, h=0xcbf29ce484222325):
    """1.7"""
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def digest(weight):
    """1.7, of floats."""
    return '%016x' % fnv(weight.astype('<f4').tobytes())


def millionths(text):
    """1.8"""
    return int(float(text) * 1e6 + 0.5) if text else None


# ==== 2. Random numbers ==========================================================================


def philox(counter, key):
    """2.1, of counters that are arrays."""
    c0, c1, c2, c3 = (np.asarray(x, np.uint64) for x in counter)
    k0, k1 = key
    low, shift = np.uint64(0xffffffff), np.uint64(32)
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (q >> shift) ^ c1 ^ np.uint64(k0), q & low, (p >> shift) ^ c3 ^ np.uint64(k1), p & low
        k0, k1 = k0 + 0x9E3779B9 & 0xffffffff, k1 + 0xBB67AE85 & 0xffffffff
    return c0, c1, c2, c3


def bits(stream, index):
    """2.2: stream = (seed, purpose, a, b); a and index may be arrays."""
    seed, purpose, a, b = stream
    index, a = np.broadcast_arrays(np.asarray(index, np.int64), np.asarray(a, np.int64))
    words = philox((index // 4 & 0xffffffff, np.full(index.shape, purpose), a, np.full(index.shape, b)), (seed & 0xffffffff, seed >> 32))
    return np.choose(index % 4, words).astype(np.int64)


def uniform(stream, index):
    """2.3"""
    return (bits(stream, index) >> 8).astype(F) * F(2.0 ** -24)


def normal(stream, index):
    """2.3"""
    index = np.asarray(index, np.int64)
    u = ((bits(stream, 2 * index) >> 8) + 1).astype(F) * F(2.0 ** -24)
    return np.sqrt(F(-2) * log(u)) * cos_turns(uniform(stream, 2 * index + 1))


def below(stream, index, n):
    """2.4: the number and the index after it."""
    while True:
        product = int(bits(stream, index)) * n
        index += 1
        if (product & 0xffffffff) >= 2 ** 32 % n:
            return product >> 32, index


def order(stream, n):
    """2.4"""
    result, index = list(range(n)), 0
    words = bits(stream, np.arange(n + 64)).tolist()
    for i in range(n - 1, 0, -1):
        while True:
            product = words[index] * (i + 1)
            index += 1
            if (product & 0xffffffff) >= 2 ** 32 % (i + 1):
                break
        j = product >> 32
        result[i], result[j] = result[j], result[i]
    return result


# ==== 3. Data sets ===============================================================================


class Split:
    """Images: pixel bytes [n][C][H][W], labels [n]."""

    def __init__(self, pixel, label):
        self.pixel, self.label, self.n = pixel, label, len(label)


class Data:
    def __init__(self, name, classes, mean, deviation, train, test):
        self.name, self.classes, self.train, self.test = name, classes, train, test
        self.mean, self.deviation = [F(x) for x in mean], [F(x) for x in deviation]
        self.shape = train.pixel.shape[1:]
        if name == 'idx':
            millionths = np.array([normalisation(channel) for channel in train.pixel.transpose(1, 0, 2, 3)])
            self.mean, self.deviation = millionths.T.astype(F) / F(1000000)
            self.recorded = [(k, ','.join('%d.%06d' % divmod(x, 1000000) for x in v)) for k, v in zip(('mean', 'deviation'), millionths.T)]

    def first(self, n):
        """--train-size"""
        return Data(self.name, self.classes, self.mean, self.deviation, Split(self.train.pixel[:n], self.train.label[:n]), self.test)


def normalisation(pixels):
    """3.3: mean and deviation of a channel of idx in millionths."""
    pixels = pixels.astype(np.uint64)
    n, s, q = pixels.size, int(pixels.sum()), int((pixels * pixels).sum())
    w, r = s // n, (s % n << 32) // n
    d = q + w * w * n - 2 * w * s
    v = (d // n << 32) + (d % n << 32) // n - (r * r >> 32)
    root = 0
    for k in range(31, -1, -1):
        root |= (1 << k) if (root | 1 << k) ** 2 <= v << 16 else 0
    return (2000000 * s + 255 * n) // (510 * n), (1000000 * root + (255 << 23)) // (255 << 24) or 1000000


KINDS = {  # 3.3
    'synth': (10, [.2023], [.2975]),
    'synth-rgb': (10, [.5560, .5533, .5487], [.2754, .2758, .2755]),
    'mnist': (10, [.1307], [.3081]),
    'fashion': (10, [.2860], [.3530]),
    'kmnist': (10, [.1918], [.3483]),
    'idx': (None, [], []),
    'cifar10': (10, [.485, .456, .406], [.229, .224, .225]),
    'cifar100': (100, [.485, .456, .406], [.229, .224, .225]),
    'cifar100-coarse': (20, [.485, .456, .406], [.229, .224, .225]),
}


def read_idx(path):
    """3.1"""
    with open(path, 'rb') as file:
        data = file.read()
    shape = struct.unpack('>%dI' % data[3], data[4:4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def read_images(path):
    """3.1"""
    images = read_idx(path)
    return images if images.ndim == 4 else images[:, None]


def write_idx(path, values):
    """3.1"""
    with open(path, 'wb') as file:
        file.write(struct.pack('>%dI' % (1 + values.ndim), 0x800 + values.ndim, *values.shape) + values.astype(np.uint8).tobytes())


def read_cifar(paths, labels, which):
    """3.2"""
    parts = [np.fromfile(path, np.uint8).reshape(-1, labels + 3072) for path in paths]
    record = np.concatenate(parts)
    return Split(record[:, labels:].reshape(-1, 3, 32, 32), record[:, which])


FIGURES = ('41 21 12 16 27 67 76 72 61 41|41 17 17 77 77 41 41|72 61 21 13 44 75 67 27 16|11 11 71 71 17 17 17 77 77|11 77, 71 17|'
           '11 71, 41 47|11 44, 71 44, 44 47|11 17, 71 77, 14 74|21 27, 21 61 72 73 64 24|11 16 27 67 76 71').split('|')


def synth(colour_set, test, n):
    """3.4: the first n images of synth or synth-rgb; images of the same figure together."""
    channels, side = (3, 32) if colour_set else (1, 28)
    set_number = 2 * colour_set + test
    pixel, label = np.zeros((n, channels, side, side), np.uint8), np.zeros(n, np.uint8)
    following = np.zeros(n, np.int64)
    for i in range(n):
        label[i], following[i] = below((0, 5, i, set_number), 0, 10)
    for figure in range(10):
        image = np.flatnonzero(label == figure)
        if len(image):
            pixel[image] = synth_figure(FIGURES[figure], image, following[image], channels, side, set_number)
    return Split(pixel, label)


def synth_figure(figure, image, index, channels, side, set_number):
    """3.4, steps 2 to 8, for images of one figure, whose next draws are at index."""
    stream = (0, 5, image, set_number)
    middle, S, n = F(side - 1) / TWO, F(side), len(image)
    index = index.copy()
    ink = np.zeros((n, side, side), F)

    def draw(low, high):
        value = low + (high - low) * uniform(stream, index)
        index[:] += 1
        return value

    def at(v):
        return np.where(v < 0, 0, np.where(v > F(side - 1), side - 1, np.trunc(v))).astype(np.int64)

    def line(a, b, some):
        reach = half + ONE
        d = (b[0] - a[0], b[1] - a[1])
        q = d[0] * d[0] + d[1] * d[1]
        y, x = np.mgrid[0:side, 0:side]
        box = np.ones((n, side, side), bool)
        for axis, place in ((0, x), (1, y)):
            low, high = at(np.where(a[axis] < b[axis], a[axis], b[axis]) - reach), at(np.where(a[axis] < b[axis], b[axis], a[axis]) + reach)
            box &= (place >= low[:, None, None]) & (place <= high[:, None, None])
        a, d, q = [v[:, None, None] for v in a], [v[:, None, None] for v in d], q[:, None, None]
        ex, ey = x.astype(F) - a[0], y.astype(F) - a[1]
        t = np.where(q > 0, (ex * d[0] + ey * d[1]) / q, ZERO)
        t = np.where(t < 0, ZERO, np.where(t > 1, ONE, t))
        ex, ey = ex - t * d[0], ey - t * d[1]
        value = np.minimum(ONE, reach[:, None, None] - np.sqrt(ex * ex + ey * ey))
        ink[:] = np.where(box & some[:, None, None], np.maximum(ink, value), ink)

    u = draw(F(-0.1), F(0.1))
    cosine = cos_turns(np.where(u < 0, u + ONE, u))
    v = u + F(0.75)
    sine = cos_turns(np.where(v > 1, v - ONE, v))
    scale = [middle * draw(F(0.6), ONE), middle * draw(F(0.6), ONE)]
    shear = draw(F(-0.3), F(0.3))
    shift = [middle + S * draw(F(-0.15), F(0.15)), middle + S * draw(F(-0.15), F(0.15))]
    half, strength = draw(F(0.5), F(1.2)), draw(F(0.7), ONE)
    lines = bits(stream, index) * 2 >> 32  # below(2) never draws again
    index += 1
    every = np.ones(n, bool)
    for stroke in figure.split(','):
        points = []
        for g, h in stroke.split():
            x = F(int(g) - 4) / F(4) + draw(F(-0.06), F(0.06))
            y = F(int(h) - 4) / F(4) + draw(F(-0.06), F(0.06))
            x = x + shear * y
            x, y = scale[0] * x, scale[1] * y
            points.append((shift[0] + (cosine * x - sine * y), shift[1] + (sine * x + cosine * y)))
        for _ in range(2):
            cut = [points[0]]
            for a, b in zip(points, points[1:]):
                step = [F(0.25) * (b[0] - a[0]), F(0.25) * (b[1] - a[1])]
                cut += [(a[0] + step[0], a[1] + step[1]), (b[0] - step[0], b[1] - step[1])]
            points = cut + [points[-1]]
        for a, b in zip(points, points[1:]):
            line(a, b, every)
    index_without, one = index.copy(), lines == 1
    a = (draw(ZERO, S), draw(ZERO, S))
    b = (a[0] + draw(-(middle / TWO), middle / TWO), a[1] + draw(-(middle / TWO), middle / TWO))
    line(a, b, one)
    index = np.where(one, index, index_without)
    k = np.arange(side * side)
    result = np.zeros((n, channels, side, side), np.uint8)
    colour, change = np.zeros((channels, n), np.int64), np.full((channels, n), 255)
    if channels == 3:
        for j in range(3):
            colour[j] = bits(stream, index) >> 24
            change[j] = (colour[j] + 96 + (bits(stream, index + 1) >> 26)) % 256 - colour[j]
            index = index + 2
    for j in range(channels):
        number = j * side * side + k
        word = bits((0, 5, image[:, None], set_number), index[:, None] + number // 4)
        noise = (word >> 8 * (number % 4)) & 255
        part = (strength[:, None] * ink.reshape(n, -1)) * change[j][:, None].astype(F)
        value = colour[j][:, None] + np.trunc(part).astype(np.int64) + noise * 30 // 256
        result[:, j] = np.clip(value, 0, 255).reshape(n, side, side)
    return result


BUILT_IN = {}


def load(spec, train_size):
    """3: the set named by --data; of the built-in ones only the training images asked for are drawn."""
    name, _, folder = spec.partition(':')
    classes, mean, deviation = KINDS[name]
    if not folder:
        size = train_size or 6000
        if (name, size) not in BUILT_IN:
            if (name, 'test') not in BUILT_IN:
                BUILT_IN[name, 'test'] = synth(name == 'synth-rgb', 1, 2000)
            BUILT_IN[name, size] = Data(name, classes, mean, deviation, synth(name == 'synth-rgb', 0, size), BUILT_IN[name, 'test'])
        return BUILT_IN[name, size]
    path = lambda file: os.path.join(folder, file)
    if name.startswith('cifar'):
        labels, which = (2, 1 if name == 'cifar100' else 0) if classes != 10 else (1, 0)
        files = ['data_batch_%d.bin' % i for i in range(1, 6)] + ['test_batch.bin'] if classes == 10 else ['train.bin', 'test.bin']
        train, test = read_cifar([path(f) for f in files[:-1]], labels, which), read_cifar([path(files[-1])], labels, which)
    else:
        train, test = (Split(read_images(path(p + '-images-idx3-ubyte')), read_idx(path(p + '-labels-idx1-ubyte'))) for p in ('train', 't10k'))
        classes = classes or 1 + max(int(s.label.max()) for s in (train, test))
    data = Data(name, classes, mean, deviation, train, test)
    return data.first(train_size) if train_size else data


def data_digest(data):
    """3.5"""
    if not hasattr(data, 'digest'):
        h = fnv(data.train.pixel.tobytes())
        h = fnv(data.train.label.tobytes(), h)
        h = fnv(data.test.pixel.tobytes(), h)
        data.digest = '%016x' % fnv(data.test.label.tobytes(), h)
    return data.digest


def crop_flip(stream, image):
    """3.6: row and column of the crop in the image with a border of 4, whether it is mirrored."""
    top, index = below(stream, 64 * image, 9)
    left, index = below(stream, index, 9)
    return top, left, below(stream, index, 2)[0]


def images(data, split, which, crops=None):
    """3.3, 3.6: the images `which` of a split as the network reads them, [C][H][W][image]."""
    pixel = split.pixel[which]
    if crops:
        H, W = pixel.shape[2:]
        for b, i in enumerate(which):
            top, left, flip = crop_flip(crops, int(i))
            wide = np.zeros((pixel.shape[1], H + 8, W + 8), np.uint8)
            wide[:, 4:H + 4, 4:W + 4] = split.pixel[i]
            cut = wide[:, top:top + H, left:left + W]
            pixel[b] = cut[:, :, ::-1] if flip else cut
    x = pixel.transpose(1, 2, 3, 0).astype(F) / F(255)
    return np.stack([(x[k] - data.mean[k]) / data.deviation[k] for k in range(len(x))])


# ==== 4. Models ==================================================================================

PLANS = {
    'conv2': '64 64 M', 'conv4': '64 64 M 128 128 M', 'conv6': '64 64 M 128 128 M 256 256 M',
    'vgg11': '64 M 128 M 256 256 M 512 512 M 512 512', 'vgg13': '64 64 M 128 128 M 256 256 M 512 512 M 512 512',
    'vgg16': '64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512',
    'vgg19': '64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512',
}


class Tensor:
    def __init__(self, name, shape, fan_in, fan_out, norm=False):
        self.name, self.shape, self.fan_in, self.fan_out, self.norm = name, shape, fan_in, fan_out, norm
        self.size, self.prunable = int(np.prod(shape)), len(shape) > 1


class Layer:
    """kind: conv, norm, max, average, sum or flatten; reads activation `source`, writes `out`."""

    def __init__(self, kind, name, source, out, **more):
        self.kind, self.name, self.source, self.out, self.relu = kind, name, source, out, False
        self.weight = self.bias = None
        self.__dict__.update(more)


class Net:
    """4: layers, tensors, the flat vector and its mask."""

    def __init__(self, model, data, shortcut='conv', affine=True):
        self.model, self.affine, self.classes = model, affine, data.classes
        self.layers, self.tensors, self.shapes = [], [], [data.shape]
        if model.startswith('lenet'):
            self.lenet(model)
        elif model.startswith('resnet'):
            self.resnet(model, shortcut)
        else:
            self.plain(model)
        self.parameters = sum(t.size for t in self.tensors)
        for layer in self.layers:
            if layer.kind == 'norm':
                layer.mean, layer.variance = (self.tensor(layer.name + s, (self.shapes[layer.out][0],), 1, 1) for s in ('.running_mean', '.running_var'))
        self.output = next(t for t in self.tensors if t.name == 'fc.weight')
        self.size = 0
        for number, t in enumerate(self.tensors):
            t.number, t.offset, t.place = number, self.size, slice(self.size, self.size + t.size)
            self.size += t.size
        self.weight, self.mask = np.zeros(self.size, F), np.ones(self.size, np.uint8)
        self.prunable = np.zeros(self.size, bool)
        for t in self.tensors:
            self.prunable[t.place] = t.prunable

    # ---- 4.1: building

    def tensor(self, name, shape, fan_in, fan_out, norm=False):
        self.tensors.append(Tensor(name, shape, fan_in, fan_out, norm))
        return self.tensors[-1]

    def layer(self, kind, name, source, shape, **more):
        self.shapes.append(shape)
        self.layers.append(Layer(kind, name, source, len(self.shapes) - 1, **more))
        return len(self.shapes) - 1

    def conv(self, source, name, outputs, k, stride, padding, bias, dense=False):
        inputs, H, W = self.shapes[source]
        out = self.layer('conv', name, source, (outputs, (H + 2 * padding - k) // stride + 1, (W + 2 * padding - k) // stride + 1),
                         stride=stride, padding=padding, k=k)
        fans = inputs * k * k, outputs * k * k
        self.layers[-1].weight = self.tensor(name + '.weight', (outputs, inputs) if dense else (outputs, inputs, k, k), *fans)
        if bias:
            self.layers[-1].bias = self.tensor(name + '.bias', (outputs,), *fans)
        return out

    def dense(self, source, name, outputs):
        C, H, W = self.shapes[source]
        if source == 0 and not self.layers:
            self.shapes[0] = (C * H * W, 1, 1)
        elif H * W > 1 or self.layers[-1].kind != 'conv' or self.layers[-1].weight.shape[2:]:
            source = self.layer('flatten', '', source, (C * H * W, 1, 1))
        return self.conv(source, name, outputs, 1, 1, 0, True, dense=True)

    def norm(self, source, name):
        out = self.layer('norm', name, source, self.shapes[source])
        if self.affine:
            C = self.shapes[source][0]
            self.layers[-1].weight, self.layers[-1].bias = (self.tensor(name + s, (C,), 1, 1, True) for s in ('.weight', '.bias'))
        return out

    def relu(self):
        self.layers[-1].relu = True
        return self.layers[-1].out

    def pool(self, kind, source, k):
        C, H, W = self.shapes[source]
        return self.layer(kind, '', source, (C, H // k, W // k), k=k)

    def lenet(self, model):
        a = 0
        for k, units in enumerate(model.split('-')[1:]):
            self.dense(a, 'fc_layers.%d' % k, int(units))
            a = self.relu()
        self.dense(a, 'fc', self.classes)

    def plain(self, model):
        name, _, width = model.partition('-')
        width, a = int(width or 64), 0
        for n, item in enumerate(PLANS[name].split()):
            if item == 'M':
                a = self.pool('max', a, 2)
                continue
            a = self.conv(a, 'layers.%d.conv' % n, int(item) * width // 64, 3, 1, 1, True)
            if name[0] == 'v':
                a = self.norm(a, 'layers.%d.bn' % n)
            self.relu()
        if name[0] == 'v':
            a = self.pool('average', a, 2)
        else:
            for k in range(2):
                self.dense(a, 'fc_layers.%d' % k, 4 * width)
                a = self.relu()
        self.dense(a, 'fc', self.classes)

    def resnet(self, model, shortcut):
        depth, _, width = model[6:].partition('-')
        B, width = (int(depth) - 2) // 6, int(width or 16)
        self.norm(self.conv(0, 'conv', width, 3, 1, 1, False), 'bn')
        a = self.relu()
        for k in range(3 * B):
            name, O, stride, start = 'blocks.%d.' % k, width * 2 ** (k // B), 2 if k in (B, 2 * B) else 1, a
            self.norm(self.conv(a, name + 'conv1', O, 3, stride, 1, False), name + 'bn1')
            a = self.norm(self.conv(self.relu(), name + 'conv2', O, 3, 1, 1, False), name + 'bn2')
            if stride == 2 and shortcut == 'conv':
                start = self.norm(self.conv(start, name + 'shortcut.0', O, 1, 2, 0, False), name + 'shortcut.1')
            self.layer('sum', '', a, self.shapes[a], shortcut=start)
            a = self.relu()
        self.dense(self.pool('average', a, self.shapes[a][1]), 'fc', self.classes)

    # ---- use

    def values(self, t):
        return self.weight[t.place].reshape(t.shape)

    def set_mask(self, mask):
        """4.2: masked values are +0."""
        self.mask = mask.astype(np.uint8)
        self.weight[self.mask == 0] = 0

    def put(self, solution):
        """A pair of flat vector and mask."""
        self.weight = solution[0].copy()
        self.mask = solution[1].copy()

    def take(self):
        return self.weight.copy(), self.mask.copy()

    def survivors(self):
        return int(self.mask[self.prunable].sum())


# ==== 5. Initial values ==========================================================================


def initial_values(net, scheme, seed, variant):
    """5"""
    for t in net.tensors:
        j = np.arange(t.size)
        stream = (seed, 1, t.number, variant)
        if t.name.endswith('.running_mean'):
            w = np.zeros(t.size, F)
        elif t.name.endswith('.running_var'):
            w = np.ones(t.size, F)
        elif t.norm:
            w = uniform(stream, j) if t.name.endswith('.weight') else np.zeros(t.size, F)
        elif not t.prunable:
            w = (TWO * uniform(stream, j) - ONE) * (ONE / np.sqrt(F(t.fan_in)))
        elif scheme == 'kaiming-uniform':
            w = (TWO * uniform(stream, j) - ONE) * np.sqrt(F(6) / F(t.fan_in))
        else:
            fan = np.full(t.size, t.fan_in)
            if scheme == 'glorot-normal':
                fan += t.fan_out
            if scheme == 'sparse-aware':
                fan = np.repeat(net.mask[t.place].reshape(-1, t.fan_in).sum(1), t.fan_in)
            w = np.sqrt(TWO / fan.astype(F)) * normal(stream, j)
        net.weight[t.place] = np.where(net.mask[t.place] == 1, w, ZERO)


# ==== 6. Forward =================================================================================


def bordered(x, padding):
    """Zeros around every plane: they stand for places outside the image, and add nothing."""
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def conv_forward(x, w, stride, padding, rows, columns):
    """6.1, without the bias."""
    outputs, inputs, k, _ = w.shape
    x = bordered(x, padding)
    y = np.zeros((outputs, rows, columns, x.shape[-1]), F)
    for i in range(inputs):
        for kr in range(k):
            for kc in range(k):
                some = x[i, kr:kr + stride * (rows - 1) + 1:stride, kc:kc + stride * (columns - 1) + 1:stride]
                y = y + w[:, i, kr, kc][:, None, None, None] * some
    return y


def relu(x):
    """6.2"""
    return np.where(x < 0, ZERO, x)


def per_channel(v):
    return np.asarray(v, F)[:, None, None, None]


def norm_forward(net, layer, x, training, m):
    """6.3"""
    mean, variance = net.values(layer.mean), net.values(layer.variance)
    if training:
        N = x[0].size
        batch_mean = image_lanes(x) / F(N)
        Q = image_lanes((x - per_channel(batch_mean)) * (x - per_channel(batch_mean)))
        net.weight[layer.mean.place] = (ONE - m) * mean + m * batch_mean
        net.weight[layer.variance.place] = (ONE - m) * variance + m * (Q / F(max(N - 1, 1)))
        mean, variance = batch_mean, Q / F(N)
    layer.moments = mean.copy(), ONE / np.sqrt(variance + c('0x1.4f8b58p-17'))
    gamma, beta = affine(net, layer)
    return ((x - per_channel(mean)) * per_channel(layer.moments[1])) * per_channel(gamma) + per_channel(beta)


def affine(net, layer):
    if layer.weight:
        return net.values(layer.weight), net.values(layer.bias)
    return np.ones(net.shapes[layer.out][0], F), np.zeros(net.shapes[layer.out][0], F)


def windows(x, k):
    """The places of all windows k x k, rows then columns: k^2 arrays [C][rows][columns][image]."""
    rows, columns = x.shape[1] // k * k, x.shape[2] // k * k
    return [x[:, r:rows:k, q:columns:k] for r in range(k) for q in range(k)]


def pool_forward(x, k, kind):
    """6.4"""
    places = windows(x, k)
    y = np.zeros_like(places[0]) if kind == 'average' else places[0]
    for place in places:
        y = y + place if kind == 'average' else np.where(place > y, place, y)
    return y / F(k * k) if kind == 'average' else y


def shortcut_of(x, s):
    """6.5: stride and shift."""
    return -(-s.shape[1] // x.shape[1]), (x.shape[0] - s.shape[0]) // 2


def sum_forward(x, s):
    """6.5"""
    stride, shift = shortcut_of(x, s)
    y = x.copy()
    y[shift:shift + len(s)] = y[shift:shift + len(s)] + s[:, ::stride, ::stride]
    return y


def forward(net, x, training=False, m=c('0x1.99999ap-4')):
    """6: all activations; the last one is the logits [class][1][1][image]."""
    a = [None] * len(net.shapes)
    a[0] = x.reshape(net.shapes[0] + (x.shape[-1],))
    for layer in net.layers:
        x, shape = a[layer.source], net.shapes[layer.out]
        if layer.kind == 'conv':
            w = net.values(layer.weight).reshape(shape[0], -1, layer.k, layer.k)
            y = conv_forward(x, w, layer.stride, layer.padding, shape[1], shape[2])
            if layer.bias:
                y = y + per_channel(net.values(layer.bias))
        elif layer.kind == 'norm':
            y = norm_forward(net, layer, x, training, m)
        elif layer.kind == 'sum':
            y = sum_forward(x, a[layer.shortcut])
        elif layer.kind == 'flatten':
            y = x.reshape(shape + (x.shape[-1],))
        else:
            y = pool_forward(x, layer.k, layer.kind)
        a[layer.out] = relu(y) if layer.relu else y
    return a


# ==== 7. Loss ====================================================================================


def loss_of(logits, label):
    """7: the loss of each image, their gradient [class][1][1][image], the images predicted wrong."""
    z = logits.reshape(logits.shape[0], -1)
    n = z.shape[1]
    m = z.max(0)
    e = exp(z - m)
    s = np.zeros(n, F)
    for row in e:
        s = s + row
    loss = log(s) - (z[label, np.arange(n)] - m)
    right = (np.arange(len(z))[:, None] == label).astype(F)
    return loss, ((e / s - right) / F(n)).reshape(logits.shape), int((z.argmax(0) != label).sum())


# ==== 8. Backward ================================================================================


def conv_weight_gradient(x, dy, k, stride, padding):
    """8.2: dw [O][I][k][k]"""
    x = bordered(x, padding)
    outputs, rows, columns, n = dy.shape
    lane = np.zeros((outputs, x.shape[0], k, k, LANES), F)
    for first in range(0, n, LANES):
        used = min(LANES, n - first)
        for r in range(rows):
            for q in range(columns):
                d = dy[:, r, q, first:first + used][:, None, None, None]
                some = x[:, r * stride:r * stride + k, q * stride:q * stride + k, first:first + used]
                lane[..., :used] = lane[..., :used] + d * some
    return lanes_total(lane)


def conv_input_gradient(w, dy, stride, padding, shape):
    """8.2: dx"""
    outputs, inputs, k, _ = w.shape
    _, rows, columns, n = dy.shape
    dx = np.zeros((inputs, shape[1] + 2 * padding, shape[2] + 2 * padding, n), F)
    for o in range(outputs):
        for kr in range(k - 1, -1, -1):
            for kc in range(k - 1, -1, -1):
                place = np.s_[:, kr:kr + stride * (rows - 1) + 1:stride, kc:kc + stride * (columns - 1) + 1:stride]
                dx[place] = dx[place] + w[o, :, kr, kc][:, None, None, None] * dy[o]
    return dx[:, padding:padding + shape[1], padding:padding + shape[2]]


def norm_backward(net, layer, x, dy, gradient):
    """8.3"""
    mean, inverse = layer.moments
    gamma, _ = affine(net, layer)
    normal_x = (x - per_channel(mean)) * per_channel(inverse)
    B, G, N = image_lanes(dy), image_lanes(dy * normal_x), F(x[0].size)
    if layer.weight:
        gradient[layer.weight.place], gradient[layer.bias.place] = G, B
    return per_channel(gamma * inverse) * ((dy - per_channel(B / N)) - normal_x * per_channel(G / N))


def pool_backward(x, y, dy, k, kind):
    """8.4"""
    dx = np.zeros_like(x)
    left = np.ones_like(y, bool)  # windows whose largest has not been met
    for place, to in zip(windows(x, k), windows(dx, k)):
        here = left & (place == y)
        to[:] = dy / F(k * k) if kind == 'average' else np.where(here, dy, ZERO)
        left &= ~here
    return dx


def backward(net, a, dlogits):
    """8: the gradient as a flat vector, 0 where masked."""
    gradient = np.zeros(net.parameters, F)
    da = {len(a) - 1: dlogits}
    net.seen = [(layer, a[layer.out]) for layer in net.layers], []  # for 10.4

    def give(activation, d):
        if activation > 0:
            da[activation] = da[activation] + d if activation in da else d

    for layer in reversed(net.layers):
        x, y, dy = a[layer.source], a[layer.out], da.pop(layer.out)
        net.seen[1].append((layer, dy))
        if layer.relu:
            dy = np.where(y > 0, dy, ZERO)
        if layer.kind == 'conv':
            w = net.values(layer.weight).reshape(y.shape[0], -1, layer.k, layer.k)
            gradient[layer.weight.place] = conv_weight_gradient(x, dy, layer.k, layer.stride, layer.padding).ravel()
            if layer.bias:
                gradient[layer.bias.place] = image_lanes(dy)
            if layer.source > 0:
                give(layer.source, conv_input_gradient(w, dy, layer.stride, layer.padding, x.shape))
        elif layer.kind == 'norm':
            give(layer.source, norm_backward(net, layer, x, dy, gradient))
        elif layer.kind == 'sum':
            stride, shift = shortcut_of(x, a[layer.shortcut])
            d = np.zeros_like(a[layer.shortcut])
            d[:, ::stride, ::stride] = dy[shift:shift + len(d)]
            give(layer.source, dy)
            give(layer.shortcut, d)
        elif layer.kind == 'flatten':
            give(layer.source, dy.reshape(x.shape))
        else:
            give(layer.source, pool_backward(x, y, dy, layer.k, layer.kind))
    gradient[net.mask[:net.parameters] == 0] = 0
    return gradient


# ==== 9. Optimisers and schedules ================================================================


class Memory:
    """The optimiser's memory: v of SGD or m of Adam, v of Adam, the corrections."""

    def __init__(self, net):
        self.velocity, self.square = np.zeros(net.parameters, F), np.zeros(net.parameters, F)
        self.c1 = self.c2 = ZERO

    def copy(self):
        other = object.__new__(Memory)
        other.velocity, other.square, other.c1, other.c2 = self.velocity.copy(), self.square.copy(), self.c1, self.c2
        return other


def update(net, memory, gradient, o, lr):
    """9.1"""
    keep = np.flatnonzero(net.mask[:net.parameters])
    w, v = net.weight[keep], memory.velocity[keep]
    g = gradient[keep] + o.weight_decay * w
    if o.optimizer == 'sgd':
        v = o.momentum * v + g
        w = w - lr * (g + o.momentum * v if o.nesterov else v)
    else:
        one_tenth, thousandth, square = c('0x1.99999ap-4'), c('0x1.0624dep-10'), memory.square[keep]
        memory.c1 = memory.c1 + one_tenth * (ONE - memory.c1)
        memory.c2 = memory.c2 + thousandth * (ONE - memory.c2)
        v = c('0x1.ccccccp-1') * v + one_tenth * g
        square = c('0x1.ff7ceep-1') * square + (thousandth * g) * g
        w = w - ((lr / memory.c1) * v) / (np.sqrt(square) / np.sqrt(memory.c2) + c('0x1.5798eep-27'))
        memory.square[keep] = square
    memory.velocity[keep], net.weight[keep] = v, w


def learning_rate(o, t):
    """9.2"""
    lr = o.lr
    if o.schedule == 'step':
        for milestone in o.milestones:
            if t >= milestone:
                lr = lr * o.gamma
    if o.schedule == 'cosine':
        lr = lr * (HALF * (ONE + cos_turns(F(t) / F(2 * o.steps))))
    return F(lr * (F(t) / F(o.warmup)) if t < o.warmup else lr)


# ==== 10. Training ===============================================================================


def train(net, memory, data, o, level, first, last, lr=None, before=None, after=None, epoch_end=None, step_end=None):
    """10: steps first ... last - 1 with the data of `level` (level + 65536 child); lr replaces the schedule."""
    n = data.train.n
    E, epoch = -(-n // o.batch), -1
    for t in range(first, last):
        if t // E != epoch:
            epoch, loss, wrong, seen = t // E, ZERO, 0, 0
            places = np.array(order((o.order_seed, 2, level, epoch), n))
        which = places[t % E * o.batch:][:o.batch]
        if before:
            before(t)
        x = images(data, data.train, which, (o.order_seed, 3, level, epoch) if o.augment == 'crop-flip' else None)
        a = forward(net, x, training=True)
        losses, d, bad = loss_of(a[-1], data.train.label[which])
        gradient = backward(net, a, d)
        if after:
            gradient = after(t, gradient)
        rate = lr if lr is not None else learning_rate(o, t)
        update(net, memory, gradient, o, rate)
        loss, wrong, seen = loss + lanes_sum(losses), wrong + bad, seen + len(which)
        if step_end:
            step_end(t, rate, lanes_sum(losses) / F(len(which)), bad, x, gradient, losses, data.train.label[which])
        if epoch_end and ((t + 1) % E == 0 or t + 1 == o.steps):
            epoch_end(t + 1, epoch + 1, rate, loss / F(seen), wrong, seen)


# ==== 11. Evaluation =============================================================================


def logits_of(net, data, split):
    """6, of a whole set by the running statistics."""
    if not hasattr(split, 'input'):
        split.input = images(data, split, np.arange(split.n))
    return forward(net, split.input)[-1]


def trace(o, data):
    """10.3: rows."""
    net, rows = Net(o.model, data, o.shortcut, o.affine), []
    initial_values(net, o.init_scheme, o.seed, 0)

    def step_end(t, rate, loss, wrong, x, gradient, *_):
        rows.append(dict(zip(TRACE, (str(t), '%.9g' % rate, '%.9g' % loss, six_digits(loss), str(wrong), digest(x.transpose(3, 0, 1, 2)),
                                     digest(gradient), digest(net.weight)))))

    train(net, Memory(net), data, o, 0, 0, o.steps, step_end=step_end)
    return rows


def dump(o, data, step):
    """10.4: what takes part in a step, names and arrays in PyTorch's shapes, in the order in which they come about."""
    net, found = Net(o.model, data, o.shortcut, o.affine), {}
    initial_values(net, o.init_scheme, o.seed, 0)
    memory = Memory(net)

    def parameters(prefix, values):
        found.update(('%s.%s' % (prefix, t.name), values[t.place].reshape(t.shape)) for t in net.tensors if t.place.stop <= len(values))

    def outputs(prefix, seen):
        for layer, value in seen:
            value = value.transpose(3, 0, 1, 2)
            flat = layer.kind == 'flatten' or (layer.weight and layer.name.startswith('fc'))
            found['%s.%s' % (prefix, layer.name or 'layer%d' % net.layers.index(layer))] = value.reshape(len(value), -1) if flat else value

    def step_end(t, rate, loss, wrong, x, gradient, losses, label):
        found['batch.images'] = x.transpose(3, 0, 1, 2)
        found['batch.labels'] = label.astype(F)
        outputs('output', net.seen[0])
        found['batch.losses'], found['batch.loss'] = losses, np.asarray(loss)
        outputs('gradient', net.seen[1])
        parameters('dW', gradient)

    train(net, memory, data, o, 0, 0, step)
    parameters('before', net.weight.copy())
    train(net, memory, data, o, 0, step, step + 1, step_end=step_end)
    parameters('after', net.weight)
    return found


def six_digits(x):
    """10.3: a number as trace writes it."""
    mantissa, exponent = float(x).hex().split('p')
    return '0x0.000000p+0' if x == 0 else mantissa[:mantissa.index('.') + 7] + 'p' + exponent


def evaluate(net, data, split):
    """11: mean loss, images wrong."""
    losses, _, wrong = loss_of(logits_of(net, data, split), split.label)
    return lanes_sum(losses) / F(split.n), wrong


def percent(a, b):
    """11"""
    share = (a * 10 ** 6 + b // 2) // b
    return '%d.%04d' % (share // 10000, share % 10000)


def recompute(net, data, batch):
    """11, recomputed statistics."""
    for k, first in enumerate(range(0, data.train.n, batch)):
        forward(net, images(data, data.train, np.arange(first, min(first + batch, data.train.n))), True, ONE / F(k + 1))


# ==== 12. Pruning ================================================================================


def share_of(n, rate):
    """12.1"""
    return (n * rate + 500000) // 1000000


def prune(net, o):
    """12.2, 12.3: the new mask and the threshold."""
    mask, threshold, rankings = net.mask.copy(), ZERO, {}
    for t in net.tensors:
        if not t.prunable:
            continue
        kind, rate = 'others', o.rate
        if len(t.shape) == 4 and o.conv_rate is not None:
            kind, rate = 'conv', o.conv_rate
        if t is net.output and o.output_rate is not None:
            kind, rate = 'output', o.output_rate
        kind, rate = next(((part, own) for part, own in o.rate_of if part in t.name), (kind, rate))
        rankings.setdefault(t.number if o.scope == 'layer' else kind, (rate, []))[1].append(np.arange(t.offset, t.offset + t.size))
    for rate, places in rankings.values():
        place = np.concatenate(places)
        left = place[mask[place] == 1]
        left = left[np.argsort(np.abs(net.weight[left]), kind='stable')]  # ties by index: left is ascending
        gone = share_of(len(left), rate)
        if o.one_shot is not None:
            gone = 0 if rate == 0 else max(len(left) - share_of(len(place), o.one_shot), 0)
        survivors = [np.count_nonzero(mask[t.place]) for t in net.tensors]
        for j in left:
            k = next(k for k, t in enumerate(net.tensors) if j < t.offset + t.size)
            if gone > 0 and survivors[k] > o.keep:
                mask[j], threshold = 0, max(threshold, abs(net.weight[j]))
                gone, survivors[k] = gone - 1, survivors[k] - 1
    return mask, threshold


def permute(net, mask, start, seed, level, over_all):
    """12.4; start: the mask of step 0."""
    new = mask.copy()
    groups = [(t.number, np.flatnonzero(start[t.place]) + t.offset) for t in net.tensors if t.prunable]
    if over_all:
        groups = [(2 ** 32 - 1, np.concatenate([places for _, places in groups]))]
    for number, places in groups:
        new[places] = mask[places[order((seed, 4, level, number), len(places))]]
    return new


# ==== 13. imp ====================================================================================


class Repel:
    """13, Repel: what is added to the gradient."""

    def __init__(self, net, strength, optima):
        self.net, self.strength = net, strength
        self.place = np.flatnonzero((net.mask == 1) & net.prunable)
        self.optima = [weight[self.place] for weight in optima]

    def __call__(self, step, gradient):
        s = (TWO * self.strength) / F(len(self.optima))
        a, g, own = self.net.weight[self.place], gradient[self.place], ZERO
        A = dot(a, a)
        for b in self.optima:
            norms = np.sqrt(A * dot(b, b))
            cosine = dot(a, b) / norms if norms > 0 else ZERO
            u = s * cosine
            toward = u / norms if norms > 0 else ZERO
            if A > 0:
                own = own + (u * cosine) / A
            g = g + toward * b
        gradient[self.place] = g - own * a
        return gradient


class Run:
    """13: rows of both tables, networks by (level, branch, child) and 'rewind' with (solution, memory)."""

    def __init__(self, o, data, init=None, ticket=None):
        self.o, self.data, self.init, self.ticket = o, data, init, ticket
        self.net = Net(o.model, data, o.shortcut, o.affine)
        self.rows, self.epochs, self.networks = [], [], {}
        for level in range(o.levels):
            for branch in ['ticket'] + o.branches:
                if level == 0 and branch in ('shuffle', 'random'):
                    continue
                if branch == 'ticket' and level > 0 and self.ends(level):
                    return
                for child in range(o.children + 1):
                    self.one(level, branch, child)
                self.row(level, branch)

    def ends(self, level):
        """No weight would survive, or pruning changes nothing though a rate is above 0."""
        self.net.put(self.networks[level - 1, 'ticket', 0])
        mask = prune(self.net, self.o)[0]
        wanted = max(self.o.rate, self.o.output_rate or 0, self.o.conv_rate or 0, *(own for _, own in self.o.rate_of)) > 0
        if self.o.one_shot is not None:
            wanted = self.o.one_shot < 1000000
        return not mask[self.net.prunable].any() or (wanted and (mask == self.net.mask).all())

    def one(self, level, branch, child):
        """A training: where it starts, by the table of 13."""
        o, net, memory, lr, T = self.o, self.net, Memory(self.net), None, self.o.steps
        first = o.rewind
        if level == 0 and branch == 'ticket':
            if child > 0:
                net.put(self.networks['rewind'])
                memory = self.memory.copy()
            else:
                first = 0
                net.set_mask(np.ones(net.size))
                if self.init:
                    net.put(self.init)
                if self.ticket is not None:
                    net.set_mask(self.ticket)
                if not self.init:
                    initial_values(net, o.init_scheme, o.seed, 0)
        else:
            net.put(self.networks[level - 1 if branch == 'ticket' else level, 'ticket', 0])
            mask = net.mask
            if branch == 'ticket':
                mask = prune(net, o)[0]
                if o.retrain == 'finetune':
                    lr = learning_rate(o, T - 1)
            if branch in ('shuffle', 'random'):
                mask = permute(net, mask, self.networks['rewind'][1], o.seed, level, branch == 'random')
            if branch in ('reinit', 'reinit-fresh'):
                net.set_mask(mask)
                initial_values(net, o.init_scheme, o.seed, 1 if branch == 'reinit' else 2 + level)
                first = 0
            elif branch != 'ticket' or o.retrain == 'weights':
                net.put(self.networks['rewind'])
            net.set_mask(mask)
        previous = [self.networks[l, branch, 0][0] for l in range(level) if (l, branch, 0) in self.networks]
        if o.repel_set == 'last':
            previous = [self.networks[level - 1, branch, 0][0]] if (level - 1, branch, 0) in self.networks else []
        after = Repel(net, o.repel, previous) if o.repel != 0 and previous else None

        def epoch_end(step, epoch, rate, loss, wrong, seen):
            """13, Epochs"""
            n = self.data.train.n
            tested = ['-', '-']
            if self.data.test and (step == T or epoch % -(-5 * self.data.test.n // n) == 0):
                test_loss, test_wrong = evaluate(net, self.data, self.data.test)
                tested = [number(test_loss), percent(test_wrong, self.data.test.n)]
            self.epochs.append(dict(zip(EPOCHS, [str(level), branch, str(child), percent(net.survivors(), int(net.prunable.sum())), str(epoch), str(step),
                                                 '%.6g' % rate, '%.6f' % loss, percent(wrong, seen)] + tested)))

        start = first
        if level == 0 and branch == 'ticket' and child == 0:
            train(net, memory, self.data, o, 0, 0, o.rewind, None, epoch_end=epoch_end)
            self.networks['rewind'], self.memory, start = net.take(), memory.copy(), o.rewind
        train(net, memory, self.data, o, level + 65536 * child, start, T, lr, after=after, epoch_end=epoch_end)
        self.networks[level, branch, child] = net.take()

    def row(self, level, branch):
        """13, Rows"""
        o, net, data = self.o, self.net, self.data
        own = self.networks[level, branch, 0]
        net.put(own)
        row = dict.fromkeys(RESULTS, '-')
        row.update(level=str(level), branch=branch, weights=str(net.survivors()), density=percent(net.survivors(), int(net.prunable.sum())))
        row.update(digest=digest(net.weight), threshold='%.6f' % prune(net, o)[1])
        row['collapsed'] = ','.join(t.name for t in net.tensors if t.prunable and not net.mask[t.place].any()) or '-'
        for name, split in (('train', data.train), ('test', data.test)):
            if split:
                loss, wrong = evaluate(net, data, split)
                row[name + '_loss'], row[name + '_error'] = '%.6f' % loss, percent(wrong, split.n)
        if o.points:
            copies = [self.networks[level, branch, child] for child in range(o.children + 1)]
            if len(copies) > 1:
                row['train_instability'], row['test_instability'] = barriers(net, data, copies, o.points)[0]
            if (level - 1, branch, 0) in self.networks:
                barrier, height = barriers(net, data, [own, self.networks[level - 1, branch, 0]], o.points)
                row['train_barrier'], row['test_barrier'] = barrier
                row['train_height'], row['test_height'] = height
        self.rows.append(row)

    def table(self):
        """20.1: standard output."""
        branches = ['ticket'] + self.o.branches
        lines = ['\t'.join(['level', 'density'] + branches)]
        for level in range(1 + max(int(r['level']) for r in self.rows)):
            of = {r['branch']: r for r in self.rows if int(r['level']) == level}
            lines.append('\t'.join([str(level), of['ticket']['density'][:7]] + [of[b]['test_error'][:7] if b in of else '-' for b in branches]))
        return '\n'.join(lines) + '\n'


# ==== 14. Lines between networks =================================================================


def common_mask(a, b, which):
    """14.1"""
    return {'union': a[1] | b[1], 'first': a[1], 'second': b[1], 'intersection': a[1] & b[1]}[which]


def place_on(net, a, b, t, bend=None):
    """14.1, 19: the network goes to the place t."""
    rest = ONE - t
    if bend is not None:
        w = (rest * rest) * a[0] + (TWO * (t * rest)) * bend
        w = w + (t * t) * b[0]
    else:
        w = a[0] + t * (b[0] - a[0]) if t < HALF else b[0] + rest * (a[0] - b[0])
    net.weight = np.where(net.mask == 1, w, ZERO)


def place_at(first, last, k, points):
    """14.1"""
    return last if k == points - 1 else first + (last - first) * (F(k) / F(points - 1))


def line(net, data, a, b, first, last, points, which='union', bend=None, recompute_batch=None):
    """14.1: (at, ((train loss, wrong), (test loss, wrong))) of each place."""
    net.set_mask(common_mask(a, b, which))
    places = []
    for k in range(points):
        at = place_at(first, last, k, points)
        place_on(net, a, b, at, bend)
        if recompute_batch and net.size > net.parameters:
            recompute(net, data, recompute_batch)
        places.append((at, (evaluate(net, data, data.train), evaluate(net, data, data.test))))
    return places


def barrier_of(places, ends, s):
    """14.2: the barrier in half images and the height in images, of set s."""
    a, b = ends[0][1][s][1], ends[1][1][s][1]
    most, height = max(a, b), ZERO
    if not all(np.isfinite(found[s][0]) for at, found in places if 0 <= at <= 1):
        return None, None
    for at, found in places:
        if 0 <= at <= 1:
            most = max(most, found[s][1])
            height = max(height, F(found[s][1]) - (F(a) + at * (F(b) - F(a))))
    return 2 * most - a - b, height


def barrier_text(barrier, n):
    """14.2; n: half images."""
    return '-' if barrier is None else percent(barrier, n)


def height_text(height, n):
    """14.2"""
    return '-' if height is None else '%.4f' % ((F(100) * height) / F(n))


def barriers(net, data, solutions, points):
    """14.3: ((train, test) barriers, (train, test) heights), printed."""
    twice, heights, pairs = [0, 0], [ZERO, ZERO], 0
    for i in range(len(solutions)):
        for j in range(i + 1, len(solutions)):
            places = line(net, data, solutions[i], solutions[j], ZERO, ONE, points)
            pairs += 1
            for s in range(2):
                barrier, height = barrier_of(places, (places[0], places[-1]), s)
                twice[s] = None if barrier is None or twice[s] is None else twice[s] + barrier
                heights[s] = None if height is None or heights[s] is None else heights[s] + height
    sizes = data.train.n, data.test.n
    heights = [None if h is None else h / F(pairs) for h in heights]
    return [barrier_text(twice[s], 2 * pairs * sizes[s]) for s in range(2)], [height_text(heights[s], sizes[s]) for s in range(2)]


# ==== 15. lmc ====================================================================================


def lmc(net, data, a, b, o, bend=None):
    """15: what is printed."""
    batch = o.batch if bend is not None or o.bn == 'recompute' else None
    ends = line(net, data, a, b, ZERO, ONE, 2, o.mask, bend, batch)
    places = line(net, data, a, b, o.first, o.last, o.points, o.mask, bend, batch)
    out = ['at\ttrain_loss\ttrain_error\ttest_loss\ttest_error']
    sizes = data.train.n, data.test.n
    for at, found in places:
        out.append('\t'.join([number(at)] + [text for s in range(2) for text in (number(found[s][0]), percent(found[s][1], sizes[s]) if np.isfinite(found[s][0]) else '-')]))
    for s, name in enumerate(('train', 'test')):
        barrier, height = barrier_of(places, ends, s)
        highest = max([p[1][s][0] for p in ends] + [p[1][s][0] for p in places if 0 <= p[0] <= 1])
        out += ['# %s_barrier = %s' % (name, barrier_text(barrier, 2 * sizes[s])), '# %s_height = %s' % (name, height_text(height, sizes[s])),
                '# %s_highest_loss = %s' % (name, '-' if barrier is None else number(highest))]
    return '\n'.join(out) + '\n'


def plane(net, data, a, b, c, o):
    """15, a plane: what is printed."""
    count = slice(0, net.parameters)
    u, v = b[0] - a[0], c[0] - a[0]
    uu = dot(u[count], u[count])
    share = dot(u[count], v[count]) / uu
    v = v - share * u
    width, height = np.sqrt(uu), np.sqrt(dot(v[count], v[count]))
    side = share * width
    net.set_mask(a[1] | b[1] | c[1])
    out = ['network\tx\ty\ttrain_loss\ttrain_error\ttest_loss\ttest_error']

    def row(name, x, y):
        if o.bn == 'recompute' and net.size > net.parameters:
            recompute(net, data, o.batch)
        words = [name, number(x), number(y)]
        for split in (data.train, data.test):
            loss, wrong = evaluate(net, data, split)
            words += [number(loss), percent(wrong, split.n) if np.isfinite(loss) else '-']
        out.append('\t'.join(words))

    for name, solution, x, y in (('A', a, ZERO, ZERO), ('B', b, width, ZERO), ('C', c, side, height)):
        net.weight = solution[0].copy()
        row(name, x, y)
    low, high = min(ZERO, side), max(width, side)
    at = [place_at(o.first, o.last, k, o.points) for k in range(o.points)]
    for y in [height * f for f in at]:
        for x in [low + (high - low) * f for f in at]:
            net.weight = np.where(net.mask == 1, a[0] + ((x / width) * u + (y / height) * v), ZERO)
            row('-', x, y)
    return '\n'.join(out) + '\n'


# ==== 16. stability ==============================================================================


def stability(o, data, init=None, ticket=None):
    """16: rows."""
    net = Net(o.model, data, o.shortcut, o.affine)
    if init:
        net.put(init)
    if ticket is not None:
        net.set_mask(ticket)
    if not init:
        initial_values(net, o.init_scheme, o.seed, 0)
    memory, starts, done, rows = Memory(net), [], 0, []
    for step in o.at:
        train(net, memory, data, o, 0, done, step)
        starts.append((net.take(), memory.copy()))
        done = step
    train(net, memory, data, o, 0, done, o.steps)
    original = net.take()
    for step, (start, of_start) in zip(o.at, starts):
        copies = [original]
        for child in range(1, o.children + 1):
            net.put(start)
            train(net, of_start.copy(), data, o, 65536 * child, step, o.steps)
            copies.append(net.take())
        row = dict(step=str(step), digest=digest(net.weight))
        for name, split in (('train', data.train), ('test', data.test)):
            row[name + '_error'] = percent(evaluate(net, data, split)[1], split.n)
        instability, heights = barriers(net, data, copies, o.points)
        row['train_instability'], row['test_instability'] = instability
        row['train_height'], row['test_height'] = heights
        rows.append(row)
    return rows


# ==== 17. distance ===============================================================================


def weight_distance(net, p, q, what):
    """17: a float, or None."""
    both = net.prunable & (p[1] == 1) & (q[1] == 1)
    u, v = p[0][both], q[0][both]
    if not len(u):
        return None
    if what == 'l2':
        return np.sqrt(dot(u - v, u - v))
    if what == 'l1':
        return lanes_sum(np.abs(u - v)) / F(len(u))
    norms = np.sqrt(dot(u, u) * dot(v, v))
    if not norms > 0 or not np.isfinite(norms):
        return None
    cosine = dot(u, v) / norms
    return c('0x1.45f306p-1') * acos(cosine) if what == 'angle' else cosine


def log_probabilities(z):
    """17: [class][image]"""
    m = z.max(0)
    s = np.zeros(z.shape[1], F)
    for row in exp(z - m):
        s = s + row
    return (z - m) - log(s)


def divergence(p, q):
    """17: KL of each image."""
    total = np.zeros(p.shape[1], F)
    for k in range(len(p)):
        total = total + exp(p[k]) * (p[k] - q[k])
    return total


def distances(net, data, solutions, names, what):
    """17: what is printed."""
    predicted, n = [], data.test.n
    if what in ('disagreement', 'kl', 'js'):
        for s in solutions:
            net.put(s)
            predicted.append(logits_of(net, data, data.test).reshape(data.classes, -1))
    out = ['\t'.join(['network'] + names)]
    for i, name in enumerate(names):
        row = [name]
        for j in range(len(names)):
            if predicted and not (np.isfinite(predicted[i]).all() and np.isfinite(predicted[j]).all()):
                row.append('-')
                continue
            if what == 'disagreement':
                row.append(percent(int((predicted[i].argmax(0) != predicted[j].argmax(0)).sum()), n))
                continue
            if what in ('kl', 'js'):
                p, q = log_probabilities(predicted[i]), log_probabilities(predicted[j])
                if what == 'kl':
                    value = divergence(p, q)
                else:
                    h = HALF * (exp(p) + exp(q))
                    h = np.where(h > 0, log(h), p)
                    value = HALF * (divergence(p, h) + divergence(q, h))
                value = lanes_sum(np.where(value < 0, ZERO, value)) / F(n)
            else:
                value = weight_distance(net, solutions[i], solutions[j], what)
            row.append('-' if value is None else number(value))
        out.append('\t'.join(row))
    return '\n'.join(out) + '\n'


# ==== 18. probe ==================================================================================


def probe(net, data, o):
    """18: what is printed."""
    out, start, n = ['quantity\twhere\tvalue'], net.take(), data.train.n
    keep = np.flatnonzero(net.mask[:net.parameters])
    places, gradients, whole = np.array(order((o.order_seed, 2, 0, 0), n)), [], np.zeros(len(keep), F)
    for first in range(0, n, o.batch):
        which = places[first:first + o.batch]
        a = forward(net, images(data, data.train, which), training=True)
        g = backward(net, a, loss_of(a[-1], data.train.label[which])[1])[keep]
        gradients.append(g)
        whole = whole + (F(len(which)) / F(n)) * g
    net.put(start)
    angles, norms, A = ZERO, ZERO, dot(whole, whole)
    for g in gradients:
        root = np.sqrt(A * dot(g, g))
        angles = angles + (acos(dot(whole, g) / root) if root > 0 and np.isfinite(root) else F(np.nan))
        norms = norms + np.sqrt(dot(g, g))
    short = lambda x: '%.6g' % x if np.isfinite(x) else '-'
    out += ['gradient\tangle\t' + number(angles / F(len(gradients))), 'gradient\tnorm\t' + short(np.sqrt(A)),
            'gradient\tbatch-norm\t' + short(norms / F(len(gradients)))]
    for t in net.tensors:
        if t.prunable:
            rows = net.mask[t.place].reshape(t.shape[0], -1)
            out += ['weights\t%s\t%d' % (t.name, rows.sum()), 'density\t%s\t%s' % (t.name, percent(int(rows.sum()), t.size)),
                    'units\t%s\t%d' % (t.name, t.shape[0]), 'units with inputs\t%s\t%d' % (t.name, rows.any(1).sum())]
    a = forward(net, images(data, data.train, np.arange(n)))
    for k, layer in enumerate(net.layers):
        if layer.relu:
            out.append('dead\t%s\t%d' % (layer.name or 'sum %d' % k, (~(a[layer.out] != 0).any((1, 2, 3))).sum()))
    w = net.weight[(net.mask == 1) & net.prunable]
    most = np.abs(net.weight[net.prunable]).max()
    width, bins = (TWO * most) / F(100), [0] * 100
    for x in w:
        place = (x + most) / width if width > 0 else ZERO
        bins[int(place) if place < 100 else 99] += 1
    return '\n'.join(out + ['histogram\t%.6f\t%d' % (width * (F(k) + HALF) - most, bins[k]) for k in range(100)]) + '\n'


# ==== 19. curve ==================================================================================


def curve(net, data, a, b, o):
    """19: the bend."""
    net.set_mask(common_mask(a, b, 'union'))
    place_on(net, a, b, HALF)
    bend = [None]
    at = lambda step: uniform((o.seed, 7, 0, 0), step)

    def before(step):
        bend[0] = net.weight.copy()
        place_on(net, a, b, at(step), bend[0])

    def after(step, gradient):
        net.weight = bend[0]
        u = at(step)
        return (TWO * (u * (ONE - u))) * gradient

    train(net, Memory(net), data, o, 0, 0, o.steps, before=before, after=after)
    return net.weight.copy()


# ==== 20. Files ==================================================================================

RESULTS = ('level branch weights density threshold train_loss train_error test_loss test_error train_barrier test_barrier '
           'train_instability test_instability train_height test_height collapsed digest').split()
EPOCHS = 'level branch copy density epoch step lr train_loss train_error test_loss test_error'.split()
TRACE = 'step lr loss loss_hexadecimal wrong images gradient weights'.split()
STABILITY = 'step train_instability test_instability train_error test_error train_height test_height digest'.split()


def number(x):
    """20.1"""
    return '%.6f' % x if np.isfinite(x) else '-'


def table_file(pairs, header, rows):
    """20.1, 20.4"""
    body = ''.join('# %s = %s\n' % pair for pair in pairs) + '\t'.join(header) + '\n'
    body = (body + ''.join('\t'.join(row[name] for name in header) + '\n' for row in rows)).encode()
    return b'# checksum = %016x\n' % fnv(body) + body


def network_file(net, solution, pairs, memory=None):
    """20.2, 20.4"""
    weight, mask = solution
    entries = [(t.name, 'F32', t.shape, weight[t.place].astype('<f4').tobytes()) for t in net.tensors]
    entries += [('mask.' + t.name, 'U8', t.shape, mask[t.place].tobytes()) for t in net.tensors if t.prunable]
    if memory:
        keep = np.flatnonzero(mask[:net.parameters])
        for name, value in (('velocity', memory.velocity[keep]), ('square', memory.square[keep]), ('correction', np.array([memory.c1, memory.c2]))):
            entries.append(('optimizer.' + name, 'F32', value.shape, value.astype('<f4').tobytes()))
    at = {'F32': 0, 'U8': sum(len(e[3]) for e in entries if e[1] == 'F32')}
    header = {'__metadata__': dict([('checksum', '0' * 16)] + pairs)}
    for name, kind, shape, values in entries:
        header[name] = {'dtype': kind, 'shape': list(shape), 'data_offsets': [at[kind], at[kind] + len(values)]}
        at[kind] += len(values)
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    text += b' ' * (-len(text) % 8)
    data = struct.pack('<Q', len(text)) + text + b''.join(e[3] for kind in ('F32', 'U8') for e in entries if e[1] == kind)
    place = data.index(b'0' * 16)
    return data[:place] + b'%016x' % fnv(data[:place] + data[place + 16:]) + data[place + 16:]


def read_network(path):
    """20.2: metadata, tensors by name in the order of the header."""
    with open(path, 'rb') as file:
        data = file.read()
    n = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + n])
    pairs = header.pop('__metadata__', {})
    kinds = {'F32': '<f4', 'U8': 'u1'}
    return pairs, {name: np.frombuffer(data[8 + n:][slice(*t['data_offsets'])], kinds[t['dtype']]).reshape(t['shape']) for name, t in header.items()}


def solution_of(net, path):
    """A network's flat vector and mask."""
    _, tensors = read_network(path)
    weight, mask = np.zeros(net.size, F), np.ones(net.size, np.uint8)
    for t in net.tensors:
        weight[t.place] = tensors[t.name].ravel()
        if 'mask.' + t.name in tensors:
            mask[t.place] = tensors['mask.' + t.name].ravel()
    return weight, mask


DEFAULTS = dict(line.split('=') for line in '''train-size=- augment=none model=lenet-300-100 shortcut=conv bn-affine=on init-scheme=kaiming-normal steps=10ep
batch=60 optimizer=adam lr=0.0012 momentum=0.9 nesterov=off weight-decay=0 warmup=0 schedule=constant milestones=- gamma=0.1 seed=1
order-seed=- levels=10 rate=0.2 scope=global output-rate=- conv-rate=- rate-of=- keep=- rewind=0 retrain=weights one-shot=- branches=- children=-
points=- repel=0 repel-set=all at=0 from=0 to=1 bn=average mask=union what=angle'''.split())
TRAIN = list(DEFAULTS)[:list(DEFAULTS).index('levels')]
RECORDED = {  # 20.3
    'train': TRAIN,
    'imp': list(DEFAULTS)[:list(DEFAULTS).index('at')],
    'trace': TRAIN,
    'stability': TRAIN + ['children', 'points', 'at'],
    'lmc': ['batch', 'points', 'from', 'to', 'bn', 'mask'],
    'distance': ['batch', 'what'],
    'probe': ['batch', 'seed', 'order-seed'],
    'curve': ['augment'] + TRAIN[TRAIN.index('steps'):] + ['points'],
}


class Options:
    """The words of a command line, their meaning (1.8) and how they are recorded (20.3)."""

    def __init__(self, command, words, data=None, test=True):
        given = dict(zip([w[2:] for w in words[::2]], words[1::2]))
        if 'epochs' in given:
            given['steps'] = given.pop('epochs') + 'ep'
        spec = given.pop('data', 'synth')
        text = dict(DEFAULTS, **{k: v for k, v in given.items() if k in DEFAULTS})
        value = {k: '' if v == '-' else v for k, v in text.items()}
        if data is None:
            data = load(spec, int(value['train-size'] or 0))
        self.data, self.command, self.text = data, command, text
        self.batch = int(value['batch'])
        E = -(-data.train.n // self.batch)
        steps = lambda s: int(re.match(r'\d+', s).group()) * (E if s.endswith('ep') else 1)
        real = lambda k: F(float(value[k]))
        self.model, self.shortcut, self.affine, self.augment = value['model'], value['shortcut'], value['bn-affine'] == 'on', value['augment']
        self.init_scheme, self.optimizer, self.nesterov, self.schedule = value['init-scheme'], value['optimizer'], value['nesterov'] == 'on', value['schedule']
        self.lr, self.momentum, self.weight_decay, self.gamma = real('lr'), real('momentum'), real('weight-decay'), real('gamma')
        self.steps, self.warmup, self.rewind = steps(value['steps']), steps(value['warmup']), steps(value['rewind'])
        self.milestones = [steps(s) for s in value['milestones'].split(',') if s]
        self.seed = int(value['seed'])
        self.order_seed = int(value['order-seed'] or value['seed'])
        self.rate_of = [(part, millionths(own)) for part, own in (of.split('=') for of in value['rate-of'].split(',') if of)]
        self.keep = int(value['keep'] or 0)
        self.rate, self.output_rate, self.conv_rate, self.one_shot = (millionths(value[k]) for k in ('rate', 'output-rate', 'conv-rate', 'one-shot'))
        self.scope, self.retrain, self.repel, self.repel_set = value['scope'], value['retrain'], real('repel'), value['repel-set']
        self.branches = [b for b in value['branches'].split(',') if b]
        self.levels = 1 if command != 'imp' else 2 if self.one_shot is not None else int(value['levels'])
        self.children = int(value['children'] or (command == 'stability'))
        usual = 31 if command in ('lmc', 'curve') else 20 if self.children else 0
        self.points = int(value['points'] or usual)
        self.at = [steps(s) for s in value['at'].split(',')]
        self.first, self.last, self.bn, self.mask, self.what = real('from'), real('to'), value['bn'], value['mask'], value['what']

    def pairs(self, more=()):
        """20.3"""
        first = [('ticket', VERSION), ('command', self.command), ('data', self.data.name), ('data-digest', data_digest(self.data))]
        first += self.data.recorded if self.data.name == 'idx' else []
        kept = [k for k in RECORDED[self.command] if k not in ('rate-of', 'keep') or self.text[k] != '-']
        return first + [(k, self.text[k]) for k in kept] + list(more)


# ==== known answers ==============================================================================

ONE_STEP = [  # a network of each family before and after one step
    ('lenet-12-8', 'synth', '--optimizer sgd --lr 0.1'),
    ('lenet-12-8', 'synth', '--optimizer sgd --lr 0.1 --nesterov --weight-decay 0.01'),
    ('lenet-12-8', 'synth', '--init-scheme kaiming-uniform'),
    ('lenet-12-8', 'synth', '--optimizer adam --init-scheme glorot-normal --augment crop-flip'),
    ('lenet-12-8', 'synth', '--optimizer adam --init-scheme sparse-aware --order-seed 2'),
    ('conv2-4', 'synth-rgb', '--optimizer sgd --lr 0.1'),
    ('vgg11-2', 'synth-rgb', '--optimizer sgd --lr 0.1'),
    ('vgg11-2', 'synth-rgb', '--optimizer sgd --lr 0.1 --bn-affine off'),
    ('resnet8-2', 'synth-rgb', '--optimizer sgd --lr 0.1'),
    ('resnet8-2', 'synth-rgb', '--optimizer sgd --lr 0.1 --shortcut pad'),
]
FIRST = {}


def first_images(name):
    """20 training images of a built-in set, without a test set."""
    if name not in FIRST:
        FIRST[name] = Data(name, *KINDS[name], synth(name == 'synth-rgb', 0, 20), None)
    return FIRST[name]


def words(text):
    """A command line, flags with a value of their own."""
    return text.replace('--nesterov', '--nesterov on').split()


def one_step(model, data, options):
    """The digest of the initial values; the loss of the first batch; the digest after its update."""
    o = Options('train', words('--model %s --train-size 20 --batch 20 --steps 1it ' % model + options), first_images(data))
    net = Net(o.model, o.data, o.shortcut, o.affine)
    initial_values(net, o.init_scheme, o.seed, 0)
    before, loss = digest(net.weight), []
    train(net, Memory(net), o.data, o, 0, 0, 1, epoch_end=lambda step, epoch, rate, mean, wrong, seen: loss.append(mean))
    return before, loss[0], digest(net.weight)


def answers():
    """Lines by section."""
    h = hexadecimal
    many = lambda f, xs: ' '.join(h(f(c(x))) for x in xs.split())
    some = lambda xs: ' '.join(h(x) for x in np.asarray(xs).ravel())
    v = lambda first, n: TWO * uniform((7, 9, 0, 0), np.arange(first, first + n)) - ONE
    out = {k: [] for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 19, 20)}
    for f, name, xs in ((exp, 'exp', '-1 0.5 10 -100 88'), (log, 'log', '2 0.1 1e-40 3e38'), (cos_turns, 'cos_turns', '0.1 0.3 0.6 0.9'),
                        (acos, 'acos', '0.3 -0.9 0.7 -0.5'), (np.sqrt, 'sqrt', '2 0.1')):
        out[1].append('%s of %s: %s' % (name, xs, many(f, xs)))
    out[1].append('sum in lanes of 1/1 ... 1/50, lane j mod 16: %s' % h(lanes_sum(ONE / np.arange(1, 51).astype(F))))
    out[1].append('digest of the floats 1, -0.5: %s' % digest(np.array([1, -0.5], F)))
    out[2].append('philox of counter 0 0 0 0, key 0 0: %s' % ' '.join('%08x' % int(w) for w in philox((0, 0, 0, 0), (0, 0))))
    stream, j = (1, 1, 0, 0), np.arange(4)
    out[2] += ['stream (1, 1, 0, 0), i = 0 ... 3: bits %s' % ' '.join('%08x' % w for w in bits(stream, j)),
               '  uniform %s' % ' '.join(map(h, uniform(stream, j))), '  normal %s' % ' '.join(map(h, normal(stream, j))),
               'stream (2^40 + 7, 2, 65539, 5), index 2^35 + 1: bits %08x' % bits((2 ** 40 + 7, 2, 65539, 5), 2 ** 35 + 1),
               'order(12) of (1, 2, 0, 0): %s' % ' '.join(map(str, order((1, 2, 0, 0), 12)))]
    for name in ('synth', 'synth-rgb'):
        d = first_images(name).train
        out[3].append('%s, training images 0 ... 19: labels %s' % (name, ' '.join(map(str, d.label))))
        out[3].append('  bytes 400 ... 407 of image 0: %s; 1.7 of the 20: %016x' % (' '.join(map(str, d.pixel[0].ravel()[400:408])), fnv(d.pixel.tobytes())))
    x = images(first_images('synth-rgb'), first_images('synth-rgb').train, np.arange(1))
    out[3].append('synth-rgb, image 0 as it enters, row 0, column 0: %s' % ' '.join(h(x[k, 0, 0, 0]) for k in range(3)))
    out[3].append('crop-flip of images 0, 1, 2 in (1, 3, 0, 0): %s' % ', '.join('%d %d %d' % crop_flip((1, 3, 0, 0), i) for i in range(3)))
    for scheme in ('kaiming-normal', 'kaiming-uniform', 'glorot-normal'):
        out[5].append('lenet-12-8, images of synth, %s: %s' % (scheme, one_step('lenet-12-8', 'synth', '--init-scheme ' + scheme)[0]))
    for model, options in (('conv2-4', ''), ('vgg11-2', ''), ('vgg11-2', '--bn-affine off'), ('resnet8-2', ''), ('resnet8-2', '--shortcut pad')):
        out[5].append(' '.join(('%s %s, images of synth-rgb: %s' % (model, options, one_step(model, 'synth-rgb', options)[0])).split()).replace(' ,', ','))
    for model, data, options in ONE_STEP:
        before, loss, after = one_step(model, data, options)
        out[10] += ['--model %s --data %s %s' % (model, data, options), '    %s, %s, %s' % (before, h(loss), after)]
    net = Net('resnet8-2', first_images('synth-rgb'))
    out[4].append('resnet8-2, 3 x 32 x 32, 10 classes: %d tensors, %d parameters, %d values, %d prunable' %
                  (len(net.tensors), net.parameters, net.size, net.prunable.sum()))
    for k in (15, 17, 30, len(net.tensors) - 1):
        t = net.tensors[k]
        out[4].append('  tensor %d: %s [%s] from %d' % (k, t.name, ']['.join(map(str, t.shape)), t.offset))
    x, w, dy = v(0, 18).reshape(2, 3, 3, 1), v(18, 36).reshape(2, 2, 3, 3), v(54, 8).reshape(2, 2, 2, 1)
    out[6].append('x = v[0 ... 17] of 2 x 3 x 3, w = v[18 ... 53] of 2 x 2 x 3 x 3, stride 2, padding 1: y =')
    out[6] += ['  ' + some(row) for row in conv_forward(x, w, 2, 1, 2, 2)]
    out[8].append('there with dy = v[54 ... 61]: dx =')
    out[8] += ['  ' + some(row) for row in conv_input_gradient(w, dy, 2, 1, x.shape).reshape(6, 3)]
    out[8].append('  digest of dw %s' % digest(conv_weight_gradient(x, dy, 3, 2, 1).ravel()))
    net = Net('resnet8-1', first_images('synth'))
    layer = net.layers[1]
    net.weight[layer.weight.place], net.weight[layer.variance.place] = F(0.75), ONE
    net.shapes[layer.source] = net.shapes[layer.out] = (1, 3, 3)
    x = v(0, 180).reshape(20, 1, 3, 3).transpose(1, 2, 3, 0)
    y = norm_forward(net, layer, x, True, c('0x1.99999ap-4'))
    out[6].append('x = v[0 ... 179], 20 images of 1 x 3 x 3, gamma 0.75: batch norm gives y[0 ... 2] of image 0 =')
    out[6] += ['  ' + some(y[0, 0, :, 0]), '  running_mean %s, running_var %s' % (some(net.values(layer.mean)), some(net.values(layer.variance)))]
    gradient = np.zeros(net.parameters, F)
    dx = norm_backward(net, layer, x, v(180, 180).reshape(20, 1, 3, 3).transpose(1, 2, 3, 0), gradient)
    out[8] += ['batch norm of 6 with dy = v[180 ... 359]: dx[0 ... 2] of image 0 =', '  ' + some(dx[0, 0, :, 0]),
               '  dgamma %s, dbeta %s' % (some(gradient[layer.weight.place]), some(gradient[layer.bias.place]))]
    z = np.array([1, 2, 0.5], F).reshape(3, 1, 1, 1)
    loss, d, _ = loss_of(z, np.array([2]))
    out[7].append('logits 1 2 0.5, label 2, one image: loss %s, gradient %s' % (some(loss), some(d)))
    for text in ('--optimizer sgd --lr 0.1', '--optimizer sgd --lr 0.1 --nesterov --weight-decay 0.01', '--optimizer adam --lr 0.1'):
        o, net = Options('train', words(text), first_images('synth')), Net('lenet-1', first_images('synth'))
        memory = Memory(net)
        net.weight[0] = HALF
        for g in ('0.1', '-0.3', '0.2'):
            update(net, memory, np.full(net.parameters, c(g)), o, o.lr)
        out[9].append('%s: w = 0.5 after gradients 0.1 -0.3 0.2: %s' % (text, h(net.weight[0])))
    for text in ('--schedule cosine --steps 10it --warmup 3it', '--schedule step --steps 10it --milestones 2it,5it --warmup 1it'):
        o = Options('train', words('--lr 0.1 ' + text), first_images('synth'))
        out[9] += ['--lr 0.1 %s, lr of steps 2, 5, 9:' % text, '  ' + some([learning_rate(o, t) for t in (2, 5, 9)])]
    out[12].append('share(7, 500000) = %d, share(1000, 2499) = %d' % (share_of(7, 500000), share_of(1000, 2499)))
    old = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 1])
    out[12].append('mask %s permuted with (1, 4, 1, 0): %s' % (' '.join(map(str, old)), ' '.join(map(str, old[order((1, 4, 1, 0), 10)]))))
    base, three = '--model lenet-12-8 --train-size 20 --batch 8 --steps 6it ', '--levels 3 --rate 0.5 '
    out[13].append('all: --data synth ' + base.strip())
    runs = [three + '--optimizer sgd --lr 0.1 --rewind 2it --children 1 --branches reinit,reinit-fresh,shuffle,random',
            three + '--optimizer adam --rewind 2it --children 1', three + '--retrain lr --rewind 4it --scope layer --output-rate 0.1',
            three + '--retrain finetune --schedule step --milestones 4it', three + '--init-scheme sparse-aware --branches reinit',
            '--one-shot 0.2 --repel 2 --children 1', three + '--repel -1 --repel-set last']
    for text in runs:
        o = Options('imp', words(base + text), first_images('synth'))
        o.points = 0
        run = Run(o, o.data)
        out[13].append(text)
        for key, solution in run.networks.items():
            if key == 'rewind':
                out[13].append('  rewind: %s' % digest(solution[0]))
            elif text == runs[0] or text == runs[1] and key[2] or key[0] == o.levels - 1:
                level, branch, child = key
                kept = sum(int(solution[1][t.place].sum()) for t in run.net.tensors if t.prunable)
                out[13].append('  level %d %s%s: %s, %d weights' % (level, branch, ', copy %d' % child if child else '', digest(solution[0]), kept))
    net = Net('lenet-12-8', first_images('synth'))
    ends = []
    for variant in (0, 1):
        initial_values(net, 'kaiming-normal', 1, variant)
        ends.append(net.take())
    out[14].append('lenet-12-8 of synth, from variant 0 to variant 1 of 5 (seed 1):')
    for k in (1, 2):
        place_on(net, ends[0], ends[1], F(k) / F(3))
        out[14].append('  place %d / 3: %s' % (k, digest(net.weight)))
    few = first_images('synth')
    both = Data('synth', few.classes, few.mean, few.deviation, few.train, few.train)
    net.put(ends[0])
    loss, wrong = evaluate(net, both, both.train)
    out[11].append('lenet-12-8 of the 20 images of synth, variant 0 of 5: loss %s, wrong %d, %s percent' % (h(loss), wrong, percent(wrong, 20)))
    tested = Net('resnet8-2', first_images('synth-rgb'))
    initial_values(tested, 'kaiming-normal', 1, 0)
    recompute(tested, first_images('synth-rgb'), 8)
    loss, wrong = evaluate(tested, first_images('synth-rgb'), first_images('synth-rgb').train)
    out[11].append('resnet8-2 of the 20 of synth-rgb, statistics recomputed in batches of 8: loss %s, wrong %d, %s' % (h(loss), wrong, digest(tested.weight)))
    ends.append((-ends[0][0], ends[0][1]))
    barrier, height = barriers(net, both, ends, 4)
    out[14].append('these two and the negative of the first, 4 places a line, on the 20 images: instability %s, height %s' % (barrier[0], height[0]))
    p, q = (v(0, 20), np.ones(20)), (v(20, 20), np.ones(20))
    net.prunable = np.ones(20, bool)
    out[17] += ['p = v[0 ... 19], q = v[20 ... 39]:', '  ' + ', '.join('%s %s' % (what, h(weight_distance(net, p, q, what))) for what in 'cosine angle l2 l1'.split())]
    p, q = log_probabilities(z.reshape(3, 1)), log_probabilities(np.array([[0], [1], [3]], F))
    out[17].append('logits 1 2 0.5 and 0 1 3: kl %s' % some(divergence(p, q)))
    middle = log(HALF * (exp(p) + exp(q)))
    out[17].append('  js %s' % some(HALF * (divergence(p, middle) + divergence(q, middle))))
    net = Net('lenet-12-8', first_images('synth'))
    o = Options('curve', words('--train-size 20 --batch 8 --steps 4it --optimizer sgd --lr 0.1'), first_images('synth'))
    out[19].append('between the ends of 14, --data synth --train-size 20 --batch 8 --steps 4it --optimizer sgd --lr 0.1:')
    out[19].append('  bend %s' % digest(curve(net, o.data, ends[0], ends[1], o)))
    out[20].append('table of the lines "level<tab>digest" and "0<tab>-": %s' % table_file([], ['level', 'digest'], [{'level': '0', 'digest': '-'}]).split(b'\n')[0].decode())
    return out


CONTRACT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'CONTRACT.md')


def write_answers():
    """Puts the known answers into CONTRACT.md."""
    text = text_of(CONTRACT)
    for section, lines in answers().items():
        block = '```answers %d\n%s\n```' % (section, '\n'.join(lines))
        text = re.sub(r'```answers %d\n.*?```' % section, lambda found: block, text, flags=re.S)
    with open(CONTRACT, 'w', encoding='utf-8') as file:
        file.write(text)


def answers_of_document():
    """Lines by section, of CONTRACT.md."""
    text = text_of(CONTRACT)
    return {int(n): block.strip('\n').split('\n') for n, block in re.findall(r'```answers (\d+)\n(.*?)```', text, re.S)}


# ==== comparison =================================================================================

PROGRAM, FOLDER, VERSION = [], '', '0.2.0'


class Differs(Exception):
    pass


def program(*arguments):
    """Standard output of the program."""
    try:
        done = subprocess.run(PROGRAM + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=900)
    except subprocess.TimeoutExpired:
        raise Differs('%s does not end' % ' '.join(arguments))
    if done.returncode:
        raise Differs('exit status %d: %s' % (done.returncode, done.stderr.strip()[-300:]))
    return done.stdout


def same(where, found, expected):
    if found != expected:
        raise Differs('%s: program %r, reference %r' % (where, found, expected))


def same_lines(where, found, expected):
    found, expected = found.split('\n'), expected.split('\n')
    for k, (f, e) in enumerate(zip(found, expected)):
        same('%s, line %d' % (where, k + 1), f, e)
    same(where + ', lines', len(found), len(expected))


def parse(text):
    """Comment lines, header, rows as dictionaries."""
    lines = text.rstrip('\n').split('\n')
    comments = [l for l in lines if l.startswith('#')]
    rows = [l.split('\t') for l in lines if not l.startswith('#')]
    return comments, rows[0], [dict(zip(rows[0], r)) for r in rows[1:]]


def same_rows(where, text, header, rows, key, only=None):
    """A table, column by column; before 0.2.0 it may lack columns."""
    _, found_header, found = parse(text)
    if VERSION != '0.1.0':
        same(where + ', header', found_header, header)
    for k, (f, e) in enumerate(zip(found, rows)):
        for name in found_header:
            if only is None or name in only:
                same('%s, row %d (%s), %s' % (where, k + 1, ' '.join(f[n] for n in key), name), f[name], e[name])
    same(where + ', rows', len(found), len(rows))


def text_of(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def same_network(path, net, solution, pairs, memory=None):
    """Tensors of a file; from 0.2.0 all of its bytes."""
    found = solution_of(net, path)
    for t in net.tensors:
        for what, f, e in (('tensor', found[0], solution[0]), ('mask', found[1], solution[1])):
            f, e = f[t.place], e[t.place]
            bad = np.flatnonzero(f.view('i4') != e.view('i4')) if what == 'tensor' else np.flatnonzero(f != e)
            if len(bad):
                raise Differs('%s, %s %s: %d of %d values, the first at %d: program %s, reference %s' %
                              (os.path.basename(path), what, t.name, len(bad), t.size, bad[0], f[bad[0]], e[bad[0]]))
    if VERSION != '0.1.0':
        with open(path, 'rb') as file:
            found = file.read()
        expected = network_file(net, solution, pairs, memory)
        same(os.path.basename(path) + ', header', found[:found.index(b'}}') + 2], expected[:expected.index(b'}}') + 2])
        same(os.path.basename(path) + ', all bytes', found == expected, True)


RUNS = {}


def digests_of(net, files):
    """20.3: pairs of --init and --ticket."""
    solutions = [(key, solution_of(net, path)) for key, path in files if path]
    return [(key + '-digest', '%016x' % fnv(s[1].tobytes(), int(digest(s[0]), 16))) for key, s in solutions]


def run_case(name, command, options, init=None, only=None, data=None, ticket=None):
    """train or imp: tables, standard output, networks."""
    out = os.path.join(FOLDER, name.replace(' ', '_'))
    files = [(key, path) for key, path in (('init', init), ('ticket', ticket)) if path]
    shown = program(command, '--quiet', '--out', out, *(options.split() + [word for key, path in files for word in ('--' + key, path)]))
    o = Options(command, words(options), data)
    net = Net(o.model, o.data, o.shortcut, o.affine)
    start = solution_of(net, init) if init else None
    run = Run(o, o.data, start, ticket and solution_of(net, ticket)[1])
    RUNS[name] = out, run
    same_rows('PREFIX.epochs.tsv', text_of(out + '.epochs.tsv'), EPOCHS, run.epochs, ('level', 'branch', 'copy', 'step'), only)
    same_rows('PREFIX.tsv', text_of(out + '.tsv'), RESULTS, run.rows, ('level', 'branch'), only)
    if only:
        return
    same_lines('standard output', shown, run.table())
    pairs = o.pairs(digests_of(net, files))
    if VERSION != '0.1.0':
        for kind, header, rows in (('.tsv', RESULTS, run.rows), ('.epochs.tsv', EPOCHS, run.epochs)):
            same_lines('PREFIX' + kind, text_of(out + kind), table_file(pairs, header, rows).decode())
    else:
        same('PREFIX.tsv, configuration', parse(text_of(out + '.tsv'))[0], ['# %s = %s' % pair for pair in pairs])
    for key, solution in run.networks.items():
        level, branch, child, step, suffix, memory = 0, 'ticket', 0, o.rewind, '.rewind', run.memory if o.rewind > 0 else None
        if key != 'rewind':
            level, branch, child = key
            step, memory = o.steps, None
            suffix = '.L%02d%s%s' % (level, '' if branch == 'ticket' else '.' + branch, '.child%d' % child if child else '')
        metadata = [pair for pair in pairs if pair[0] not in ('levels', 'branches', 'children', 'points')] + [('level', str(level)), ('branch', branch), ('child', str(child)), ('step', str(step)), ('digest', digest(solution[0]))]
        same_network(out + suffix + '.safetensors', run.net, solution, metadata, memory)


def made(name, like, spec, change):
    """Writes a network of a spec as `train` would: initial values, changed by a function of the network."""
    path = os.path.join(FOLDER, 'made.%s' % name)
    o = Options('train', words('%s --data %s' % (like, spec)))
    net = Net(o.model, o.data, o.shortcut, o.affine)
    initial_values(net, o.init_scheme, len(name), 0)
    change(net)
    net.set_mask(net.mask)
    pairs = o.pairs() + [('level', '0'), ('branch', 'ticket'), ('child', '0'), ('step', str(o.steps)), ('digest', digest(net.weight))]
    with open(path + '.safetensors', 'wb') as file:
        file.write(network_file(net, net.take(), pairs))
    return path


def measure_case(command, options, names, spec, like):
    """lmc, distance, probe, curve of networks that the program wrote, or that are made; `like`: model options."""
    paths = [(RUNS[name[0]][0] + name[1] if isinstance(name, tuple) else made(name, like, spec, CHANGES[name])) + '.safetensors' for name in names]
    shown = program(command, *(['--data', spec] + options.split() + (['--quiet'] if command == 'curve' else []) + paths))
    if command == 'lmc' and len(names) == 3:
        options = '--from -0.2 --to 1.2 ' + options
    o = Options(command, words('%s %s --data %s' % (like, options, spec)))
    net = Net(o.model, o.data, o.shortcut, o.affine)
    solutions = [solution_of(net, path) for path in paths]
    expected = ['# %s = %s' % pair for pair in o.pairs()]
    if command == 'curve' and net.size > net.parameters and VERSION != '0.1.0':
        expected.append('# bn = recompute')
    expected.append('# model = ' + o.model)
    expected += ['# network = %s %s' % (path, digest(s[0])) for path, s in zip(paths, solutions)]
    net.put(solutions[-1])
    if command == 'lmc' and len(names) == 3:
        body = plane(net, o.data, *solutions, o)
    elif command == 'lmc':
        body = lmc(net, o.data, solutions[0], solutions[1], o)
    if command == 'curve':
        body = lmc(net, o.data, solutions[0], solutions[1], o, curve(net, o.data, solutions[0], solutions[1], o))
    if command == 'probe':
        body = probe(net, o.data, o)
    if command == 'distance':
        body = distances(net, o.data, solutions, paths, o.what)
    same_lines('standard output', shown, '\n'.join(expected) + '\n' + body)


def loud(net):
    """Weights so large that every bit of a loss shows in 6 decimals."""
    net.weight[:net.parameters] = net.weight[:net.parameters] * F(6)


def mask_some(net, keeps):
    net.mask = np.where(net.prunable, keeps(np.arange(net.size)), 1).astype(np.uint8)


CHANGES = {
    'loud': loud,
    'also loud': loud,
    'odd': lambda net: mask_some(net, lambda j: j % 2),
    'even one': lambda net: mask_some(net, lambda j: 1 - j % 2),
    'third': lambda net: mask_some(net, lambda j: j % 3 == 0),
    'zero': lambda net: net.weight.__setitem__(slice(None), ZERO),
    'enormous': lambda net: net.weight.__imul__(F(1e30)),
}


def trace_case(options, data=None):
    shown = program('trace', *options.split())
    o = Options('trace', words(options), data)
    same_rows('standard output', shown, TRACE, trace(o, o.data), ('step',))
    if data is None:
        same('standard output, configuration', parse(shown)[0], ['# %s = %s' % pair for pair in o.pairs()])


def dump_case(options, step):
    """The first tensor that differs is where to look."""
    out = os.path.join(FOLDER, 'dumped')
    program('trace', '--dump', '%dit' % step, '--out', out, *options.split())
    data = open(out + '.dump.safetensors', 'rb').read()
    begin = 8 + int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:begin])
    header.pop('__metadata__')
    o = Options('trace', words(options))
    expected = dump(o, o.data, step)
    same('names', sorted(header), sorted(expected))
    for name, value in expected.items():
        at = header[name]['data_offsets']
        found = np.frombuffer(data[begin + at[0]:begin + at[1]], '<f4').reshape(header[name]['shape'])
        same('step %d, shape of %s' % (step, name), found.shape, value.shape)
        if found.tobytes() != value.astype('<f4').tobytes():
            off = np.abs(found.astype(float) - value)
            raise Differs('step %d, %s is the first: %d of %d values, at most by %.2g of %.2g' %
                          (step, name, np.count_nonzero(off), off.size, off.max(), np.abs(found).max()))


def one_step_case(options, data, k):
    """The digests and losses of answers 10, in the program."""
    if VERSION != '0.1.0':
        trace_case(options, data)
    else:
        run_case('step%d' % k, 'train', options, only=('train_loss', 'train_error', 'digest', 'weights', 'threshold', 'lr'), data=data)


def stability_case(options, init=None, ticket=None):
    files = (['--init', init] if init else []) + (['--ticket', ticket] if ticket else [])
    shown = program('stability', '--quiet', *(options.split() + files))
    o = Options('stability', words(options))
    net = Net(o.model, o.data, o.shortcut, o.affine)
    same_rows('standard output', shown, STABILITY, stability(o, o.data, init and solution_of(net, init), ticket and solution_of(net, ticket)[1]), ('step',))
    more = digests_of(net, (('init', init), ('ticket', ticket)))
    same('standard output, configuration', parse(shown)[0], ['# %s = %s' % pair for pair in o.pairs(more)])


def answers_case(section, computed):
    found = answers_of_document().get(section)
    for k, (f, e) in enumerate(zip(found or [], computed)):
        if f != e:
            raise Differs('CONTRACT.md, answers %d, line %d: document %r, reference %r' % (section, k + 1, f, e))
    same('CONTRACT.md, answers %d, lines' % section, len(found or []), len(computed))


def data_case(name, train_size):
    """data-digest of a built-in set; the files that data --out writes."""
    folder = os.path.join(FOLDER, name)
    os.mkdir(folder)
    size = ['--train-size', str(train_size)] if train_size else []
    shown = program('data', '--data', name, '--out', folder, *size)
    data = load(name, train_size)
    same('digest', shown.split('digest\t')[1].strip(), data_digest(data))
    back = load(('mnist:' if name == 'synth' else 'cifar10:') + folder, None)
    same('digest of the files written', data_digest(back), data_digest(data))


def batches_case(options, augment):
    shown = program('batches', *options.split())
    o = Options('train', words(options))
    out = ['level\tepoch\tstep\tplace\timage' + ('\trow\tcolumn\tmirrored' if augment else '')]
    n = o.data.train.n
    for level in range(2):
        for t in range(o.steps):
            epoch, first = t // -(-n // o.batch), t % -(-n // o.batch) * o.batch
            for place, image in enumerate(order((o.order_seed, 2, level, epoch), n)[first:first + o.batch]):
                crop = crop_flip((o.order_seed, 3, level, epoch), image) if augment else ()
                out.append('\t'.join(map(str, (level, epoch, t, place, image) + tuple(crop))))
    same_lines('standard output', shown, '\n'.join(out) + '\n')


def write_sets():
    """Small sets of files in FOLDER/small (IDX, 11 x 11) and FOLDER/cifar, made of the built-in images."""
    grey, colour = synth(0, 0, 120), synth(1, 0, 64)
    small, cifar = os.path.join(FOLDER, 'small'), os.path.join(FOLDER, 'cifar')
    os.mkdir(small)
    os.mkdir(cifar)
    pixel = grey.pixel[:, 0, 3:25:2, 3:25:2]
    for prefix, some in (('train', slice(0, 70)), ('t10k', slice(70, 115))):
        write_idx(os.path.join(small, prefix + '-images-idx3-ubyte'), pixel[some])
        write_idx(os.path.join(small, prefix + '-labels-idx1-ubyte'), grey.label[some])
    own = os.path.join(FOLDER, 'own')  # 3 x 20 x 24, labels 1 ... 26, a channel that is empty
    os.mkdir(own)
    pixel = colour.pixel[:, :, 5:25, 3:27].copy()
    pixel[:, 1] = 7
    for prefix, some in (('train', slice(0, 44)), ('t10k', slice(44, 64))):
        write_idx(os.path.join(own, prefix + '-images-idx3-ubyte'), pixel[some])
        write_idx(os.path.join(own, prefix + '-labels-idx1-ubyte'), 1 + np.arange(64)[some] * 11 % 26)
    for k in range(6):
        with open(os.path.join(cifar, 'data_batch_%d.bin' % (k + 1) if k < 5 else 'test_batch.bin'), 'wb') as file:
            for i in range(6 * k, 6 * k + 6 if k < 5 else 45):
                file.write(bytes([colour.label[i]]) + colour.pixel[i].tobytes())
    for name, some in (('train.bin', range(30)), ('test.bin', range(30, 45))):
        with open(os.path.join(cifar, name), 'wb') as file:
            for i in some:
                file.write(bytes([colour.label[i], 10 * colour.label[i] + i % 7]) + colour.pixel[i].tobytes())
    return 'mnist:' + small, 'cifar10:' + cifar


def cases(small, cifar):
    """(name, function of no arguments) of all comparisons, in order: some use the networks of earlier ones."""
    computed = answers()
    result = [('answers %d' % k, lambda k=k: answers_case(k, computed[k])) for k in computed]
    for k, (model, data, options) in enumerate(ONE_STEP):
        line = '--data %s --model %s --train-size 20 --batch 20 --steps 1it %s' % (data, model, options)
        result.append(('one step %d %s, %s' % (k, model, data), lambda line=line, data=data, k=k: one_step_case(line, first_images(data), k)))
    result += [('data synth', lambda: data_case('synth', 0)), ('data synth-rgb', lambda: data_case('synth-rgb', 10)),
               ('batches', lambda: batches_case('--data %s --batch 32 --steps 5it --levels 2 --order-seed 3' % small, False)),
               ('batches crop-flip', lambda: batches_case('--data %s --batch 32 --steps 2it --levels 2 --augment crop-flip' % small, True))]

    def run(name, command, options, spec=small, init=None, ticket=None):
        path = lambda of: of and RUNS[of][0] + '.L01.safetensors'
        result.append(('%s %s' % (command, name), lambda: run_case(name, command, '--data %s %s' % (spec, options), path(init), ticket=path(ticket))))

    def traced(name, options, spec=small):
        if VERSION != '0.1.0':
            result.append(('trace %s' % name, lambda: trace_case('--data %s %s' % (spec, options))))

    lenet = '--model lenet-9-7 --batch 20 '
    sgd = '--optimizer sgd --lr 0.1 '
    run('synth', 'train', '--model lenet-12-8 --train-size 100 --batch 32 --steps 6it --optimizer adam', 'synth')
    run('sgd', 'train', lenet + sgd + '--steps 3ep')
    run('nesterov step warmup', 'train', lenet + sgd + '--nesterov --steps 10it --schedule step --milestones 4it,2ep --gamma 0.3 --warmup 3it --weight-decay 0.01 --init-scheme kaiming-uniform')
    run('adam cosine', 'train', lenet + '--optimizer adam --lr 0.01 --steps 10it --schedule cosine --warmup 7it --weight-decay 0.001 --init-scheme glorot-normal --seed 1099511627777 --order-seed 5')
    run('crop-flip', 'train', lenet + sgd + '--momentum 0.5 --steps 6it --augment crop-flip --init-scheme sparse-aware --batch 33')
    run('kmnist', 'train', lenet + '--steps 2it', small.replace('mnist', 'kmnist'))
    run('fashion', 'train', lenet + '--steps 2it --batch 1', small.replace('mnist', 'fashion'))
    run('cifar100', 'train', '--model lenet-5 --batch 15 --steps 3it', cifar.replace('cifar10', 'cifar100'))
    run('cifar100-coarse', 'train', '--model conv2-2 --batch 15 --steps 1it', cifar.replace('cifar10', 'cifar100-coarse'))
    own = small.replace('mnist:', 'idx:')
    run('idx', 'imp', lenet + '--levels 2 --rate 0.5 --steps 2ep', own)
    run('idx train-size', 'train', lenet + '--steps 2ep --train-size 33', own)
    own = os.path.join(os.path.dirname(own), 'own')
    run('idx conv2', 'imp', '--model conv2-2 --batch 15 --steps 2it --augment crop-flip --branches reinit --levels 2 ' + sgd, own)
    run('idx resnet8', 'train', '--model resnet8-2 --batch 15 --steps 2it', own)
    run('conv2', 'train', '--model conv2-5 --batch 20 --steps 5it --optimizer adam --lr 0.01')
    run('conv4', 'train', '--model conv4-3 --batch 33 --steps 4it --augment crop-flip ' + sgd)
    run('conv6', 'train', '--model conv6-2 --batch 20 --steps 2it --init-scheme glorot-normal ' + sgd)
    run('vgg11', 'train', '--model vgg11-2 --batch 20 --steps 3it --optimizer adam --lr 0.01 --augment crop-flip', cifar)
    run('vgg13 affine off', 'train', '--model vgg13-1 --batch 30 --steps 1it --bn-affine off ' + sgd, cifar)
    run('vgg16', 'train', '--model vgg16-1 --batch 30 --steps 1it ' + sgd, cifar)
    run('vgg19', 'train', '--model vgg19-1 --batch 30 --steps 1it ' + sgd, cifar)
    run('resnet8', 'train', '--model resnet8-3 --batch 20 --steps 5it --augment crop-flip --weight-decay 0.001 ' + sgd)
    run('resnet8 pad affine off', 'train', '--model resnet8-3 --batch 33 --steps 4it --shortcut pad --bn-affine off --nesterov ' + sgd)
    run('resnet14', 'train', '--model resnet14-2 --batch 30 --steps 2it --shortcut pad ' + sgd, cifar)
    run('resnet20', 'train', '--model resnet20-2 --batch 40 --steps 2it --optimizer adam --lr 0.01')

    short = lenet + sgd + '--steps 6it '
    traced('sgd', short + '--augment crop-flip --warmup 7it --lr 0.0123 --seed 2 --order-seed 5')
    def dumped(name, options, step, spec=small):
        if VERSION != '0.1.0':
            result.append(('dump %s' % name, lambda: dump_case('--data %s %s' % (spec, options), step)))

    dumped('lenet', lenet + '--steps 6it --schedule cosine', 3)
    dumped('conv2', '--model conv2-3 --batch 33 --steps 2it --nesterov ' + sgd, 1)
    dumped('vgg11', '--model vgg11-2 --batch 30 --steps 2it', 1, cifar)
    dumped('resnet8', '--model resnet8-2 --batch 33 --steps 3it ' + sgd, 2)
    dumped('resnet8 pad', '--model resnet8-2 --batch 17 --steps 2it --shortcut pad --augment crop-flip ' + sgd, 0)
    traced('adam', lenet + '--steps 6it --schedule cosine')
    traced('conv2', '--model conv2-3 --batch 33 --steps 3it --nesterov --weight-decay 0.01 ' + sgd)
    traced('vgg11', '--model vgg11-2 --batch 30 --steps 2it', cifar)
    traced('resnet8', '--model resnet8-2 --batch 33 --steps 3it ' + sgd)
    run('all branches', 'imp', short + '--levels 3 --rate 0.4 --branches shuffle,reinit,random,reinit-fresh --points 5')
    run('layer', 'imp', short + '--levels 4 --rate 0.35 --scope layer --output-rate 0.1 --init-scheme kaiming-uniform --children 1 --points 4')
    run('layer conv-rate', 'imp', '--model conv2-3 --batch 35 --steps 3it --levels 3 --rate 0.5 --scope layer --conv-rate 0.25 --output-rate 0 ' + sgd)
    run('conv-rate', 'imp', '--model conv2-3 --batch 35 --steps 3it --levels 3 --rate 0.5 --conv-rate 0.25 --branches random ' + sgd)
    run('output-rate', 'imp', short + '--levels 3 --rate 0.5 --output-rate 0.2 --branches shuffle')
    run('rate-of', 'imp', short + '--levels 3 --rate 0.5 --output-rate 0.2 --rate-of layers.0=0.7,fc_=0.1')
    run('rate-of layer', 'imp', short + '--levels 2 --rate 0 --scope layer --rate-of fc=0.3')
    run('keep', 'imp', short + '--levels 4 --rate 0.8 --keep 11 --branches random')
    run('keep one-shot', 'imp', short + '--one-shot 0.01 --keep 30 --rate-of fc.weight=0')
    run('rewind', 'imp', short + '--steps 3ep --levels 3 --rate 0.5 --rewind 5it --branches reinit,shuffle,random,reinit-fresh --schedule cosine')
    run('rewind epoch', 'imp', lenet + '--steps 10it --levels 2 --rate 0.5 --rewind 1ep --augment crop-flip --points 3')
    run('rewind children sgd', 'imp', short + '--levels 2 --rate 0.5 --rewind 2it --children 2 --points 3 --branches reinit')
    run('rewind children adam', 'imp', lenet + '--steps 6it --levels 2 --rate 0.5 --rewind 3it --children 1')
    run('retrain lr', 'imp', short + '--levels 3 --rate 0.5 --rewind 2it --retrain lr --branches shuffle,random,reinit --schedule step --milestones 4it')
    run('retrain finetune', 'imp', short + '--levels 3 --rate 0.5 --rewind 3it --retrain finetune --branches shuffle,reinit --schedule step --milestones 2it,5it --children 1 --points 3')
    run('one-shot', 'imp', short + '--one-shot 0.15 --branches random')
    run('one-shot layer', 'imp', short + '--one-shot 0.15 --scope layer')
    run('one-shot output-rate 0', 'imp', short + '--one-shot 0.15 --output-rate 0')
    run('one-shot conv-rate 0', 'imp', '--model conv2-3 --batch 35 --steps 2it --one-shot 0.3 --scope layer --conv-rate 0 ' + sgd)
    run('one-shot 1', 'imp', short + '--one-shot 1')
    run('repel all', 'imp', short + '--levels 4 --rate 0.4 --repel 2 --branches reinit,shuffle')
    run('repel last', 'imp', short + '--levels 4 --rate 0.4 --repel -1 --repel-set last --branches reinit-fresh --children 1 --points 2 --optimizer adam')
    run('resnet', 'imp', '--model resnet8-2 --batch 35 --steps 4it --levels 2 --rate 0.6 --rewind 1it --points 3 --branches reinit --output-rate 0 ' + sgd)
    run('sparse-aware', 'imp', short + '--levels 3 --rate 0.6 --init-scheme sparse-aware --branches reinit,reinit-fresh')
    run('init under a mask', 'imp', short + '--levels 3 --rate 0.3 --branches shuffle,random,reinit', init='output-rate')
    run('all pruned', 'imp', short + '--levels 6 --rate 0.99 --branches reinit')
    run('nothing pruned', 'imp', '--model lenet-1 --batch 35 --steps 2it --levels 9 --rate 0.5 --scope layer ' + sgd)
    run('rate 0', 'imp', short + '--levels 3 --rate 0')
    run('train under a mask', 'train', short, init='output-rate')
    run('ticket', 'imp', short + '--levels 2 --rate 0.3 --branches shuffle,reinit --seed 3', ticket='output-rate')
    run('ticket sparse-aware', 'train', short + '--init-scheme sparse-aware', small.replace('mnist', 'idx'), ticket='output-rate')
    run('ticket and init', 'train', short, init='all branches', ticket='output-rate')

    def measure(name, command, options, networks, like, spec=small):
        result.append(('%s %s' % (command, name), lambda: measure_case(command, options, networks, spec, like)))

    two = [('all branches', '.L01'), ('all branches', '.L02.reinit')]
    like = '--model lenet-9-7'
    measure('union', 'lmc', '--points 4', two, like)
    measure('first beyond', 'lmc', '--points 6 --from -0.5 --to 1.3 --mask first', two, like)
    measure('second', 'lmc', '--points 3 --mask second', two, like)
    measure('intersection', 'lmc', '--points 7 --from 0.3 --to 1 --mask intersection', two, like)
    three = two + [('all branches', '.L02')]
    measure('plane', 'lmc', '--points 3', three, like)
    measure('plane beyond', 'lmc', '--points 4 --from -0.7 --to 1', three[::-1], like)
    measure('end', 'lmc', '--points 5 --from -2.3 --to 1', two, like)
    residual = [('resnet', '.L00'), ('resnet', '.L01')]
    measure('resnet', 'lmc', '--points 3', residual, '--model resnet8-2')
    ours = residual + [('resnet', '.L01.reinit')]
    measure('resnet plane', 'lmc', '--points 2', ours, '--model resnet8-2')
    measure('resnet plane recompute', 'lmc', '--points 2 --bn recompute --batch 33', ours, '--model resnet8-2')
    measure('resnet recompute', 'lmc', '--points 3 --bn recompute --batch 33', residual, '--model resnet8-2')
    four = [('all branches', s) for s in ('.L00', '.L01', '.L02.reinit', '.rewind')]
    for what in 'angle cosine l2 l1 disagreement kl js'.split():
        measure(what, 'distance', '--what ' + what, four, like)
        measure('%s of made networks' % what, 'distance', '--what ' + what, ['odd', 'even one', 'third', 'zero', 'enormous', 'loud', 'also loud'], like)
    measure('resnet js', 'distance', '--what js', residual, '--model resnet8-2')
    measure('loud', 'lmc', '--points 31', ['loud', 'also loud'], like)
    measure('loud beyond', 'lmc', '--points 23 --from -1.9 --to 1', ['loud', 'also loud'], like)
    measure('loud resnet recompute', 'lmc', '--points 4 --bn recompute --batch 33', ['loud', 'also loud'], '--model resnet8-2')
    measure('loud', 'probe', '--batch 33', ['loud'], like)
    measure('loud', 'curve', '--steps 5it --points 9 --batch 33 --optimizer sgd --lr 0.01', ['loud', 'also loud'], like)
    measure('lenet', 'probe', '--batch 20', [('all branches', '.L02')], like)
    measure('conv', 'probe', '--batch 35 --order-seed 4', [('conv-rate', '.L02')], '--model conv2-3')
    measure('resnet', 'probe', '--batch 70', [('resnet', '.L01')], '--model resnet8-2')
    measure('lenet', 'curve', '--steps 5it --points 4 --batch 20 --optimizer adam --lr 0.01', two, like)
    measure('resnet', 'curve', '--steps 3it --points 3 --batch 35 --optimizer sgd --lr 0.1 --augment crop-flip --seed 3', residual, '--model resnet8-2')
    result.append(('stability', lambda: stability_case('--data %s %s --at 0,2it,6it --children 2 --points 4' % (small, short))))
    result.append(('stability adam', lambda: stability_case('--data %s %s --steps 6it --at 1ep --points 3' % (small, lenet))))
    result.append(('stability ticket', lambda: stability_case('--data %s %s --at 1it' % (small, short), ticket=RUNS['all branches'][0] + '.L01.safetensors')))
    result.append(('stability init', lambda: stability_case('--data %s %s --at 1it' % (small, short), init=RUNS['output-rate'][0] + '.L01.safetensors')))
    return result


def main(arguments):
    global PROGRAM, FOLDER, VERSION
    if arguments[:1] == ['--answers']:
        write_answers()
        return 0
    if not arguments:
        print(__doc__)
        return 2
    PROGRAM = shlex.split(arguments[0])
    without, only = [w for w in arguments[1:] if w[0] == '-'], [w for w in arguments[1:] if w[0] != '-']
    counts = [0, 0]
    try:
        VERSION = program('--version').split()[1]
    except (OSError, Differs, IndexError) as problem:
        print('differs program: %s cannot be run: %s' % (arguments[0], problem))
        return 1
    with tempfile.TemporaryDirectory(prefix='reference.') as FOLDER:
        for name, case in cases(*write_sets()):
            if any(word[1:] in name for word in without) or (only and not any(word in name for word in only)):
                continue
            try:
                case()
                print('same %s' % name, flush=True)
                counts[0] += 1
            except Differs as where:
                print('differs %s: %s' % (name, where), flush=True)
                counts[1] += 1
            except Exception as problem:  # of the reference or of a file that the program wrote
                print('differs %s: %s: %s' % (name, type(problem).__name__, problem), flush=True)
                counts[1] += 1
    if not any(counts):
        print('differs %s: there is no such case' % ' '.join(only))
        counts[1] += 1
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print('%d passed, %d failed' % tuple(counts), flush=True)
    print('ticket %s; %.0f s of CPU, %.0f of them the program' % (VERSION, sum(u.ru_utime + u.ru_stime for u in used), used[1].ru_utime + used[1].ru_stime), file=sys.stderr)
    return 1 if counts[1] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
