/* naive.c - the executable specification of ticket's arithmetic: forward, loss, every gradient, the optimisers and
 * the training loop as textbook loops over [image][unit], slow and plain. test/unit.c compares nn.c with it bit by bit.
 *
 * It shares no code with nn.c, not even the functions: a square root in integers, powers of two by ldexp and frexp.
 * The contract (DESIGN.md 3): every operation rounds once to binary32, so every one has a line of its own and its
 * result goes into a float; every sum starts at +0 and has one order; masked weights are skipped, not added as zeros;
 * a sum over a batch has 16 lanes, lane = image mod 16. SPDX-License-Identifier: MIT */
#include "naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ==== functions ============================================================================= */

static float number(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float infinity(void) { return number(0x7f800000u); } /* some compilers lack math.h's */

/* The binary32 nearest to the root, in integers. x = n 2^(2h) with n in [2^48, 2^50), so the root of n, cut off, has 25
 * bits: 24 and one that says how to round. A tie cannot be: n is even, and the square of an odd number is not. */
float naive_square_root(float x)
{
  int exponent;
  uint64_t n, root = 0, bit;
  double fraction;
  if (x < 0) return number(0x7fc00000u);
  if (!(x > 0) || x == infinity()) return x; /* zeros, infinity and NaN are their own roots */
  fraction = frexp((double)x, &exponent);                           /* x = fraction 2^exponent, 1/2 <= fraction < 1 */
  n = (uint64_t)ldexp(fraction, 49);                                /* exact: the fraction has 24 bits */
  exponent -= 49;
  if (exponent % 2 != 0) {
    n *= 2;
    exponent--;
  }
  for (bit = (uint64_t)1 << 24; bit > 0; bit /= 2)
    if ((root + bit) * (root + bit) <= n) root += bit;
  root = (root + 1) / 2;
  return (float)ldexp((double)root, exponent / 2 + 1);
}

/* k = x / ln 2 rounded, halves away from zero; r = x - k ln 2 (ln 2 in two parts);
 * e^r = 1 + r/1 (1 + r/2 (1 + ... r/7)), each r/n as r times the rounded 1/n; e^x = 2^k e^r. */
float naive_exponential(float x)
{
  static const float log2_e = 1.44269504f, ln2_high = 0.693145751953125f, ln2_low = 1.42860677e-6f;
  static const float one = 1.0f, half = 0.5f, least = -104.0f, most = 88.8f;
  float t, r, sum = 1.0f;
  int k, n;
  if (x != x) return x;
  if (x < least) return 0.0f;
  if (x >= most) return infinity();
  t = x * log2_e;
  t = t < 0 ? t - half : t + half;
  k = (int)t;
  t = (float)k * ln2_high;
  r = x - t;
  t = (float)k * ln2_low;
  r = r - t;
  for (n = 7; n >= 1; n--) {
    float inverse = one / (float)n;
    t = r * inverse;
    t = t * sum;
    sum = one + t;
  }
  return (float)ldexp((double)sum, k); /* exact in double: one rounding, also where the result is subnormal */
}

/* x = 2^k m with m up to the float below sqrt 2, above half of it. f = m - 1, s = f / (2 + f), z = s^2,
 * p = 2 (z/3 + z^2/5 + z^3/7 + z^4/9); ln m = f - s (f - p); ln x = k high + ((k low - s (f - p)) + f). */
float naive_logarithm(float x)
{
  static const float ln2_high = 0.693145751953125f, ln2_low = 1.42860677e-6f, root_2 = 1.41421354f;
  static const float one = 1.0f, two = 2.0f, odd[4] = {3.0f, 5.0f, 7.0f, 9.0f};
  float m, f, s, z, p, t, high;
  int k, n;
  if (x != x || x == infinity()) return x;
  if (x <= 0) return -infinity();
  m = (float)(2.0 * frexp((double)x, &k)); /* 1 <= m < 2, exact */
  k--;
  if (m > root_2) {
    m = m / two;
    k++;
  }
  f = m - one;
  t = two + f;
  s = f / t;
  z = s * s;
  p = one / odd[3];
  for (n = 2; n >= 0; n--) {
    float inverse = one / odd[n];
    t = z * p;
    p = inverse + t;
  }
  t = z * p;
  p = two * t;
  t = f - p;
  p = s * t;
  t = (float)k * ln2_low;
  t = t - p;
  t = t + f;
  high = (float)k * ln2_high;
  return high + t;
}

/* u = q/4 + r, q = 4 u rounded, halves up. With x = 2 pi r and z = x^2:
 * even q: 1 - z (1/2! - z (1/4! - z (1/6! - z (1/8! - z/10!)))); odd q: x - x (z (1/3! - z (1/5! - z (1/7! - z/9!)))). */
float naive_cosine_turns(float u)
{
  static const float two_pi = 6.28318531f, quarter = 0.25f;
  static const float even[6] = {1.0f, 2.0f, 24.0f, 720.0f, 40320.0f, 3628800.0f};
  static const float odd[5] = {1.0f, 6.0f, 120.0f, 5040.0f, 362880.0f};
  static const float one = 1.0f;
  int q = (int)floor(4.0 * (double)u + 0.5), n; /* exact in double */
  float t = quarter * (float)q, r = u - t, x = r * two_pi, z = x * x, p;
  if (q % 2 == 0) {
    p = one / even[5];
    for (n = 4; n >= 0; n--) {
      float inverse = one / even[n];
      t = z * p;
      p = inverse - t;
    }
    return q == 2 ? -p : p;
  }
  p = one / odd[4];
  for (n = 3; n >= 1; n--) {
    float inverse = one / odd[n];
    t = z * p;
    p = inverse - t;
  }
  t = z * p;
  t = x * t;
  p = x - t;
  return q == 1 ? -p : p;
}

/* asin x = x (1 + z r_1 (1 + z r_2 (... (1 + z r_12)))), z = x^2, r_n = (2n-1)^2 / (2n (2n+1)). */
static float naive_arc_sine(float x)
{
  static const float one = 1.0f;
  float z = x * x, sum = 1.0f;
  int n;
  for (n = 12; n >= 1; n--) {
    float above = (float)((2 * n - 1) * (2 * n - 1)), below = (float)(2 * n * (2 * n + 1)), ratio = above / below, t;
    t = z * ratio;
    t = t * sum;
    sum = one + t;
  }
  return x * sum;
}

/* pi/2 - asin x for |x| <= 1/2; 2 asin sqrt((1 - |x|) / 2) above, and pi less that below. */
float naive_arc_cosine(float x)
{
  static const float one = 1.0f, half = 0.5f, two = 2.0f, pi = 3.14159265f, half_pi = 1.57079633f;
  float size = (float)fabs((double)x), t;
  if (size > one) size = one;
  if (size <= half) {
    t = naive_arc_sine(x);
    return half_pi - t;
  }
  t = one - size;
  t = t * half;
  t = naive_square_root(t);
  t = naive_arc_sine(t);
  t = two * t;
  return x < 0 ? pi - t : t;
}

/* ==== random numbers ======================================================================== */

/* Ten rounds: two counters are multiplied by constants, the halves of the products change places and take up the other
 * two counters and the key, which grows by a constant from round to round. */
void naive_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
  uint32_t c[4], k[2];
  int i;
  memcpy(c, counter, sizeof c);
  memcpy(k, key, sizeof k);
  for (i = 0; i < 10; i++) {
    uint64_t a = (uint64_t)c[0] * 0xd2511f53u, b = (uint64_t)c[2] * 0xcd9e8d57u;
    uint32_t next[4];
    next[0] = (uint32_t)(b / 0x100000000u) ^ c[1] ^ k[0];
    next[1] = (uint32_t)(b % 0x100000000u);
    next[2] = (uint32_t)(a / 0x100000000u) ^ c[3] ^ k[1];
    next[3] = (uint32_t)(a % 0x100000000u);
    memcpy(c, next, sizeof c);
    k[0] += 0x9e3779b9u;
    k[1] += 0xbb67ae85u;
  }
  memcpy(out, c, sizeof c);
}

uint32_t naive_bits(Stream s, uint64_t index)
{
  uint32_t counter[4], key[2], out[4];
  counter[0] = (uint32_t)(index / 4 % 0x100000000u);
  counter[1] = s.purpose;
  counter[2] = s.a;
  counter[3] = s.b;
  key[0] = (uint32_t)(s.seed % 0x100000000u);
  key[1] = (uint32_t)(s.seed / 0x100000000u);
  naive_philox(out, counter, key);
  return out[index % 4];
}

float naive_uniform(Stream s, uint64_t index) { return (float)ldexp((double)(naive_bits(s, index) / 256), -24); }

float naive_normal(Stream s, uint64_t index)
{
  static const float minus_two = -2.0f;
  float u = (float)ldexp((double)(naive_bits(s, 2 * index) / 256 + 1), -24), v = naive_uniform(s, 2 * index + 1), r, c;
  r = naive_logarithm(u);
  r = minus_two * r;
  r = naive_square_root(r);
  c = naive_cosine_turns(v);
  return r * c;
}

/* The draws x for which x bound has a low word of at least 2^32 mod bound are spread evenly over the high words. */
uint32_t naive_below(Stream s, uint64_t *index, uint32_t bound)
{
  uint64_t product;
  do {
    product = (uint64_t)naive_bits(s, *index) * bound;
    *index = *index + 1;
  } while (product % 0x100000000u < 0x100000000u % bound);
  return (uint32_t)(product / 0x100000000u);
}

void naive_order(uint32_t *order, size_t n, Stream s)
{
  uint64_t index = 0;
  size_t i;
  for (i = 0; i < n; i++) order[i] = (uint32_t)i;
  for (i = n; i-- > 1;) {
    uint32_t j = naive_below(s, &index, (uint32_t)(i + 1)), held = order[i];
    order[i] = order[j];
    order[j] = held;
  }
}

/* ==== the network =========================================================================== */

static void *room(size_t count, size_t size)
{
  void *memory = calloc(count > 0 ? count : 1, size);
  if (!memory) {
    fputs("naive: not enough memory\n", stderr);
    exit(1);
  }
  return memory;
}

/* Where the weights and biases of layer k begin in the flat vectors. */
static size_t weights_at(const Naive *n, size_t k)
{
  size_t at = 0, j;
  for (j = 0; j < k; j++) at += n->width[j + 1] * (n->width[j] + 1);
  return at;
}
static size_t biases_at(const Naive *n, size_t k) { return weights_at(n, k) + n->width[k + 1] * n->width[k]; }

void naive_create(Naive *n, const Dataset *data, const size_t *hidden, size_t count)
{
  size_t k;
  memset(n, 0, sizeof *n);
  n->layers = count + 1;
  n->width[0] = (size_t)(data->channels * data->height * data->width);
  for (k = 0; k < count; k++) n->width[k + 1] = hidden[k];
  n->width[count + 1] = (size_t)data->classes;
  n->size = weights_at(n, n->layers);
  n->weight = room(n->size, sizeof(float));
  n->gradient = room(n->size, sizeof(float));
  n->keep = room(n->size, 1);
  n->moment = room(n->size, sizeof(float));
  n->square = room(n->size, sizeof(float));
  memset(n->keep, 1, n->size);
}

void naive_free(Naive *n)
{
  free(n->weight);
  free(n->gradient);
  free(n->keep);
  free(n->moment);
  free(n->square);
}

void naive_mask(Naive *n, const unsigned char *keep)
{
  size_t j;
  for (j = 0; j < n->size; j++) {
    n->keep[j] = keep[j];
    if (!keep[j]) n->weight[j] = 0;
    n->gradient[j] = n->moment[j] = n->square[j] = 0;
  }
  n->correction1 = n->correction2 = 0;
}

/* Draw j of stream (purpose RANDOM_INIT, tensor, variant) belongs to value j of the tensor, masked or not. */
void naive_init(Naive *n, int scheme, uint64_t seed, uint32_t variant)
{
  static const float one = 1.0f, two = 2.0f, six = 6.0f;
  Stream s = {0, RANDOM_INIT, 0, 0};
  size_t k, o, i, j;
  s.seed = seed;
  s.b = variant;
  for (k = 0; k < n->layers; k++) {
    size_t inputs = n->width[k], outputs = n->width[k + 1];
    float *w = n->weight + weights_at(n, k), *b = n->weight + biases_at(n, k), t, width;
    const unsigned char *keep = n->keep + weights_at(n, k);
    for (o = 0; o < outputs; o++) {
      size_t fan = inputs;
      if (scheme == GLOROT_NORMAL) fan = inputs + outputs;
      if (scheme == SPARSE_AWARE)
        for (fan = 0, i = 0; i < inputs; i++) fan += keep[o * inputs + i];
      for (i = 0; i < inputs; i++) {
        j = o * inputs + i;
        w[j] = 0;
        if (!keep[j]) continue;
        s.a = (uint32_t)(2 * k);
        if (scheme == KAIMING_UNIFORM) {
          t = six / (float)fan;
          width = naive_square_root(t);
          t = two * naive_uniform(s, j);
          t = t - one;
          w[j] = t * width;
        } else {
          t = two / (float)fan;
          width = naive_square_root(t);
          w[j] = width * naive_normal(s, j);
        }
      }
      s.a = (uint32_t)(2 * k + 1);
      t = naive_square_root((float)inputs);
      width = one / t;
      t = two * naive_uniform(s, o);
      t = t - one;
      b[o] = t * width;
    }
  }
}

/* FNV-1a: hash = (hash xor byte) times the prime, over the little-endian bytes. */
uint64_t naive_digest(const Naive *n)
{
  uint64_t hash = 14695981039346656037u;
  size_t j;
  int k;
  for (j = 0; j < n->size; j++) {
    uint32_t u;
    memcpy(&u, &n->weight[j], sizeof u);
    for (k = 0; k < 4; k++) {
      hash = (hash ^ u % 256) * 1099511628211u;
      u /= 256;
    }
  }
  return hash;
}

/* (p / 255 - mean) / deviation */
void naive_pixels(float *x, const Dataset *data, const Split *split, const uint32_t *index, size_t first, size_t images)
{
  static const float full = 255.0f;
  const size_t plane = (size_t)(data->height * data->width), all = plane * (size_t)data->channels;
  size_t b, i;
  for (b = 0; b < images; b++)
    for (i = 0; i < all; i++) {
      size_t image = index ? index[b] : first + b;
      float p = (float)split->pixel[image * all + i] / full;
      p = p - data->mean[i / plane];
      x[b * all + i] = p / data->deviation[i / plane];
    }
}

float naive_lanes(const float lane[LANES])
{
  float sum[LANES];
  int half, l;
  memcpy(sum, lane, sizeof sum);
  for (half = 8; half >= 1; half /= 2)
    for (l = 0; l < half; l++) sum[l] = sum[l] + sum[l + half];
  return sum[0];
}

/* y[o] = (sum over i of w[o][i] x[i]) + b[o] */
static void forward(float *y, const float *x, const float *w, const float *b, const unsigned char *keep, size_t outputs,
                    size_t inputs)
{
  size_t o, i;
  for (o = 0; o < outputs; o++) {
    float sum = 0, product;
    for (i = 0; i < inputs; i++)
      if (keep[o * inputs + i]) {
        product = w[o * inputs + i] * x[i];
        sum = sum + product;
      }
    y[o] = sum + b[o];
  }
}

/* dx[i] = sum over o of w[o][i] dy[o] */
static void input_gradient(float *dx, const float *dy, const float *w, const unsigned char *keep, size_t outputs, size_t inputs)
{
  size_t o, i;
  for (i = 0; i < inputs; i++) {
    float sum = 0, product;
    for (o = 0; o < outputs; o++)
      if (keep[o * inputs + i]) {
        product = w[o * inputs + i] * dy[o];
        sum = sum + product;
      }
    dx[i] = sum;
  }
}

/* dw[o][i] = sum over images of dy[o] x[i], db[o] = sum over images of dy[o], both by lanes */
static void weight_gradient(float *dw, float *db, const float *dy, const float *x, const unsigned char *keep, size_t outputs,
                            size_t inputs, size_t images)
{
  size_t o, i, b;
  for (o = 0; o < outputs; o++) {
    float lane[LANES] = {0};
    for (b = 0; b < images; b++) lane[b % LANES] = lane[b % LANES] + dy[b * outputs + o];
    db[o] = naive_lanes(lane);
    for (i = 0; i < inputs; i++) {
      float sum[LANES] = {0}, product;
      dw[o * inputs + i] = 0;
      if (!keep[o * inputs + i]) continue;
      for (b = 0; b < images; b++) {
        product = dy[b * outputs + o] * x[b * inputs + i];
        sum[b % LANES] = sum[b % LANES] + product;
      }
      dw[o * inputs + i] = naive_lanes(sum);
    }
  }
}

/* m = the largest logit, e[c] = exp(z[c] - m), s = sum of e, p[c] = e[c] / s:
 * loss = ln s - (z[label] - m),  dz[c] = (p[c] - [c = label]) / images. Returns 1 if the first largest is not the label. */
static int softmax_loss(float *dz, float *loss, const float *z, size_t classes, size_t label, size_t images)
{
  float m = z[0], s = 0, p, t;
  size_t c, best = 0;
  for (c = 1; c < classes; c++)
    if (z[c] > m) {
      m = z[c];
      best = c;
    }
  for (c = 0; c < classes; c++) {
    t = z[c] - m;
    dz[c] = naive_exponential(t);
    s = s + dz[c];
  }
  for (c = 0; c < classes; c++) {
    p = dz[c] / s;
    if (c == label) p = p - 1;
    dz[c] = p / (float)images;
  }
  t = z[label] - m;
  *loss = naive_logarithm(s) - t;
  return best != label;
}

void naive_batch(Naive *n, const float *x, const unsigned char *label, size_t images, float *logits, float *loss,
                 float lane[LANES], size_t *wrong)
{
  float *value[NAIVE_LAYERS + 1], *gradient[NAIVE_LAYERS + 1]; /* [image][unit]; those of layer k's inputs are number k */
  const size_t last = n->layers;
  size_t k, b, i;
  for (k = 0; k <= last; k++) {
    value[k] = room(images * n->width[k], sizeof(float));
    gradient[k] = room(images * n->width[k], sizeof(float));
  }
  memcpy(value[0], x, images * n->width[0] * sizeof *x);
  for (k = 0; k < last; k++)
    for (b = 0; b < images; b++) {
      float *y = value[k + 1] + b * n->width[k + 1];
      forward(y, value[k] + b * n->width[k], n->weight + weights_at(n, k), n->weight + biases_at(n, k),
              n->keep + weights_at(n, k), n->width[k + 1], n->width[k]);
      for (i = 0; i < n->width[k + 1] && k + 1 < last; i++) /* ReLU, except after the last layer */
        if (y[i] < 0) y[i] = 0;
    }
  for (b = 0; b < images; b++) {
    size_t at = b * n->width[last];
    *wrong += (size_t)softmax_loss(gradient[last] + at, &loss[b], value[last] + at, n->width[last], label[b], images);
    lane[b % LANES] = lane[b % LANES] + loss[b];
  }
  for (k = last; k-- > 0;) {
    for (b = 0; b < images && k > 0; b++) {
      float *dx = gradient[k] + b * n->width[k], *relu = value[k] + b * n->width[k];
      input_gradient(dx, gradient[k + 1] + b * n->width[k + 1], n->weight + weights_at(n, k), n->keep + weights_at(n, k),
                     n->width[k + 1], n->width[k]);
      for (i = 0; i < n->width[k]; i++)
        if (!(relu[i] > 0)) dx[i] = 0;
    }
    weight_gradient(n->gradient + weights_at(n, k), n->gradient + biases_at(n, k), gradient[k + 1], value[k],
                    n->keep + weights_at(n, k), n->width[k + 1], n->width[k], images);
  }
  memcpy(logits, value[last], images * n->width[last] * sizeof *logits);
  for (k = 0; k <= last; k++) {
    free(value[k]);
    free(gradient[k]);
  }
}

void naive_evaluate(Naive *n, const Dataset *data, const Split *split, float *loss, size_t *wrong)
{
  float *x = room(split->n * n->width[0], sizeof *x), *logits = room(split->n * n->width[n->layers], sizeof *logits);
  float *each = room(split->n, sizeof *each), lane[LANES] = {0}, sum;
  *wrong = 0;
  naive_pixels(x, data, split, NULL, 0, split->n);
  naive_batch(n, x, split->label, split->n, logits, each, lane, wrong);
  sum = naive_lanes(lane);
  *loss = sum / (float)split->n;
  free(x);
  free(logits);
  free(each);
}

/* ==== training ============================================================================== */

/* The factors come in this order: schedule, then warm-up. */
float naive_learning_rate(const Training *how, long step)
{
  static const float one = 1.0f, half = 0.5f;
  float lr = how->lr, t;
  int k;
  for (k = 0; k < how->milestones && how->schedule == STEP; k++)
    if (how->milestone[k] <= step) lr = lr * how->gamma;
  if (how->schedule == COSINE) {
    float above = (float)step, below = (float)(how->steps * 2);
    t = above / below;
    t = one + naive_cosine_turns(t);
    t = half * t;
    lr = lr * t;
  }
  if (step < how->warmup) {
    float above = (float)step, below = (float)how->warmup;
    t = above / below;
    lr = lr * t;
  }
  return lr;
}

/* SGD as PyTorch writes it: g = dW + wd w, v = mu v + g, w = w - lr v; Nesterov: w - lr (g + mu v). */
static void naive_sgd(Naive *n, const Training *how, float lr)
{
  size_t j;
  for (j = 0; j < n->size; j++) {
    float t, g, v;
    if (!n->keep[j]) continue;
    t = how->weight_decay * n->weight[j];
    g = n->gradient[j] + t;
    t = how->momentum * n->moment[j];
    v = t + g;
    n->moment[j] = v;
    if (how->nesterov) {
      t = how->momentum * v;
      v = g + t;
    }
    t = lr * v;
    n->weight[j] = n->weight[j] - t;
  }
}

/* Adam as PyTorch writes it: g = dW + wd w, m = 0.9 m + 0.1 g, s = 0.999 s + (0.001 g) g,
 * w = w - ((lr / c1) m) / (sqrt s / sqrt c2 + 1e-8), with c = 1 - beta^t kept as c = c + (1 - beta)(1 - c). */
static void naive_adam(Naive *n, const Training *how, float lr)
{
  static const float one = 1.0f, beta1 = 0.9f, rest1 = 0.1f, beta2 = 0.999f, rest2 = 0.001f, epsilon = 1e-8f;
  float t, rate, root;
  size_t j;
  t = one - n->correction1;
  t = rest1 * t;
  n->correction1 = n->correction1 + t;
  t = one - n->correction2;
  t = rest2 * t;
  n->correction2 = n->correction2 + t;
  rate = lr / n->correction1;
  root = naive_square_root(n->correction2);
  for (j = 0; j < n->size; j++) {
    float g, above, below;
    if (!n->keep[j]) continue;
    t = how->weight_decay * n->weight[j];
    g = n->gradient[j] + t;
    t = beta1 * n->moment[j];
    above = rest1 * g;
    n->moment[j] = t + above;
    t = rest2 * g;
    t = t * g;
    below = beta2 * n->square[j];
    n->square[j] = below + t;
    below = naive_square_root(n->square[j]);
    below = below / root;
    below = below + epsilon;
    above = rate * n->moment[j];
    t = above / below;
    n->weight[j] = n->weight[j] - t;
  }
}

void naive_step(Naive *n, const Training *how, float lr)
{
  if (how->optimizer == ADAM) naive_adam(n, how, lr);
  else naive_sgd(n, how, lr);
}

/* Step s is batch s mod (batches per epoch) of epoch s / (batches per epoch); an epoch's last batch may be smaller. */
void naive_train(Naive *n, const Dataset *data, const Training *how, uint32_t level, long from, long to, float lr, size_t batch)
{
  const Split *split = &data->train;
  const size_t per_epoch = (split->n + batch - 1) / batch;
  uint32_t *order = room(split->n, sizeof *order);
  unsigned char *label = room(batch, 1);
  float *x = room(batch * n->width[0], sizeof *x), *logits = room(batch * n->width[n->layers], sizeof *logits);
  float *loss = room(batch, sizeof *loss);
  long step;
  for (step = from; step < to; step++) {
    Stream s = {0, RANDOM_ORDER, 0, 0};
    size_t first = (size_t)step % per_epoch * batch, images = first + batch > split->n ? split->n - first : batch, b, wrong = 0;
    float lane[LANES] = {0};
    s.seed = how->order_seed;
    s.a = level;
    s.b = (uint32_t)((size_t)step / per_epoch);
    naive_order(order, split->n, s);
    naive_pixels(x, data, split, order + first, 0, images);
    for (b = 0; b < images; b++) label[b] = split->label[order[first + b]];
    naive_batch(n, x, label, images, logits, loss, lane, &wrong);
    naive_step(n, how, lr > 0 ? lr : naive_learning_rate(how, step));
  }
  free(order);
  free(label);
  free(x);
  free(logits);
  free(loss);
}

/* ==== pruning =============================================================================== */

/* Are weights i and j ranked together? */
static int one_group(const Naive *n, const Pruning *how, size_t i, size_t j)
{
  const size_t output = weights_at(n, n->layers - 1);
  if (how->scope == LAYER) {
    size_t k;
    for (k = 0; k < n->layers; k++)
      if ((i >= weights_at(n, k)) != (j >= weights_at(n, k))) return 0;
    return 1;
  }
  return how->output_rate < 0 || (i >= output) == (j >= output);
}

static int is_weight(const Naive *n, size_t j)
{
  size_t k;
  for (k = 0; k < n->layers; k++)
    if (j >= weights_at(n, k) && j < biases_at(n, k)) return 1;
  return 0;
}

/* Of a group of `all` weights of which `left` survive, those with fewer than `pruned` survivors before them are masked;
 * i comes before j if |i| < |j|, or they are equal and i < j. round(n x): halves up. */
float naive_prune(const Naive *n, unsigned char *keep, const Pruning *how)
{
  unsigned char *old = room(n->size, 1);
  float threshold = 0;
  size_t i, j;
  memcpy(old, keep, n->size);
  for (j = 0; j < n->size; j++) {
    const float w = (float)fabs((double)n->weight[j]);
    uint64_t all = 0, left = 0, before = 0, pruned;
    if (!is_weight(n, j) || !old[j]) continue;
    for (i = 0; i < n->size; i++)
      if (is_weight(n, i) && one_group(n, how, i, j)) {
        const float v = (float)fabs((double)n->weight[i]);
        all++;
        left += old[i];
        before += old[i] && (v < w || (v == w && i < j));
      }
    if (how->density >= 0) {
      uint64_t kept = (2 * all * (uint64_t)how->density + MILLION) / (2 * MILLION);
      pruned = left > kept ? left - kept : 0;
    } else {
      const long rate = how->output_rate >= 0 && j >= weights_at(n, n->layers - 1) ? how->output_rate : how->rate;
      pruned = (2 * left * (uint64_t)rate + MILLION) / (2 * MILLION);
    }
    if (before >= pruned) continue;
    keep[j] = 0;
    if (w > threshold) threshold = w;
  }
  free(old);
  return threshold;
}

/* Place i of the tensor (of all tensors' weights one after the other) gets the mask that place order[i] had. */
void naive_shuffle(const Naive *n, unsigned char *keep, uint64_t seed, uint32_t level, int together)
{
  unsigned char *old = room(n->size, 1);
  size_t *place = room(n->size, sizeof *place), k, i, j, count = 0;
  uint32_t *order = room(n->size, sizeof *order);
  Stream s = {0, RANDOM_MASK, 0, 0};
  s.seed = seed;
  s.a = level;
  memcpy(old, keep, n->size);
  for (k = 0; k < n->layers; k++) {
    for (j = weights_at(n, k); j < biases_at(n, k); j++) place[count++] = j;
    if (together && k + 1 < n->layers) continue;
    s.b = together ? 0xffffffffu : (uint32_t)(2 * k);
    naive_order(order, count, s);
    for (i = 0; i < count; i++) keep[place[i]] = old[place[order[i]]];
    count = 0;
  }
  free(old);
  free(place);
  free(order);
}

/* Level 0 trains from 0 to T and passes step k on its way; a reinit trains from 0 to T; all others from k to T, with
 * an optimiser as new. The data order is the level's; fine-tuning keeps the schedule's last rate. */
void naive_level(Naive *n, const Experiment *e, int level, int branch, const float *start, float *rewind)
{
  unsigned char *keep = room(n->size, 1);
  const long k = e->rewind, T = e->how.steps;
  memcpy(keep, n->keep, n->size);
  if (branch == TICKET && level == 0) {
    naive_init(n, e->scheme, e->seed, 0);
    naive_mask(n, keep);
    naive_train(n, e->data, &e->how, 0, 0, k, 0, e->batch);
    memcpy(rewind, n->weight, n->size * sizeof *rewind);
    naive_train(n, e->data, &e->how, 0, k, T, 0, e->batch);
  } else if (branch == REINIT || branch == REINIT_FRESH) {
    naive_init(n, e->scheme, e->seed, branch == REINIT ? 1 : 2 + (uint32_t)level);
    naive_mask(n, keep);
    naive_train(n, e->data, &e->how, (uint32_t)level, 0, T, 0, e->batch);
  } else {
    memcpy(n->weight, start, n->size * sizeof *start);
    naive_mask(n, keep);
    naive_train(n, e->data, &e->how, (uint32_t)level, k, T,
                branch == TICKET && e->retrain == FINETUNE ? naive_learning_rate(&e->how, T - 1) : 0, e->batch);
  }
  free(keep);
}

/* ==== the loss in double ==================================================================== */

double naive_loss_in_double(const Naive *n, const float *x, const unsigned char *label, size_t images, size_t moved, double by,
                            double *nearest)
{
  double *in, *out, sum = 0, *swap;
  size_t widest = 0, b, k, o, i;
  for (k = 0; k <= n->layers; k++)
    if (n->width[k] > widest) widest = n->width[k];
  in = room(widest, sizeof *in);
  out = room(widest, sizeof *out);
  for (b = 0; b < images; b++) {
    double most, below = 0;
    for (i = 0; i < n->width[0]; i++) in[i] = (double)x[b * n->width[0] + i];
    for (k = 0; k < n->layers; k++) {
      for (o = 0; o < n->width[k + 1]; o++) {
        size_t bias = biases_at(n, k) + o, w = weights_at(n, k) + o * n->width[k];
        out[o] = (double)n->weight[bias] + (bias == moved ? by : 0);
        for (i = 0; i < n->width[k]; i++)
          if (n->keep[w + i]) out[o] += ((double)n->weight[w + i] + (w + i == moved ? by : 0)) * in[i];
        if (k + 1 == n->layers) continue;
        if (fabs(out[o]) < *nearest) *nearest = fabs(out[o]);
        if (out[o] < 0) out[o] = 0;
      }
      swap = in;
      in = out;
      out = swap;
    }
    for (most = in[0], i = 1; i < n->width[n->layers]; i++)
      if (in[i] > most) most = in[i];
    for (i = 0; i < n->width[n->layers]; i++) below += exp(in[i] - most);
    sum += log(below) - (in[label[b]] - most);
  }
  free(in);
  free(out);
  return sum / (double)images;
}
