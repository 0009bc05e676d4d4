/* naive.c - the executable specification of ticket's arithmetic: forward, loss, every gradient,
 * the optimisers and the training loop as textbook loops over [image][channel][row][column],
 * slow and plain. test/unit.c compares nn.c with it bit by bit.
 *
 * It shares no code with nn.c, not even the functions: a square root in integers, powers of two
 * by ldexp and frexp. The contract (CONTRACT.md 1): every operation rounds once to binary32, so
 * every one has a line of its own and its result goes into a float; every sum starts at +0 and
 * has one order; masked weights are skipped, not added as zeros; a sum over a batch has 16
 * lanes, lane = image mod 16. SPDX-License-Identifier: MIT */
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

/* The binary32 nearest to the root, in integers. x = n 2^(2h) with n in [2^48, 2^50), so the
 * root of n, cut off, has 25 bits: 24 and one that says how to round. A tie cannot be: n is
 * even, and the square of an odd number is not. */
float naive_square_root(float x)
{
  int exponent;
  uint64_t n, root = 0, bit;
  double fraction;
  if (x < 0) return number(0x7fc00000u);
  if (!(x > 0) || x == infinity()) return x; /* zeros, infinity and NaN are their own roots */
  /* x = fraction 2^exponent, 1/2 <= fraction < 1 */
  fraction = frexp((double)x, &exponent);
  /* exact: the fraction has 24 bits */
  n = (uint64_t)ldexp(fraction, 49);
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
  /* exact in double: one rounding, also where the result is subnormal */
  return (float)ldexp((double)sum, k);
}

/* x = 2^k m with m up to the float below sqrt 2, above half of it. f = m - 1, s = f / (2 + f), z
 * = s^2, p = 2 (z/3 + z^2/5 + z^3/7 + z^4/9); ln m = f - s (f - p); ln x = k high + ((k low - s
 * (f - p)) + f). */
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

/* u = q/4 + r, q = 4 u rounded, halves up. With x = 2 pi r and z = x^2: even q: 1 - z (1/2! - z
 * (1/4! - z (1/6! - z (1/8! - z/10!)))); odd q: x - x (z (1/3! - z (1/5! - z (1/7! - z/9!)))). */
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
    float above = (float)((2 * n - 1) * (2 * n - 1)), below = (float)(2 * n * (2 * n + 1)),
          ratio = above / below, t;
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

/* Ten rounds: two counters are multiplied by constants, the halves of the products change places
 * and take up the other two counters and the key, which grows by a constant from round to round. */
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

float naive_uniform(Stream s, uint64_t index)
{
  return (float)ldexp((double)(naive_bits(s, index) / 256), -24);
}

float naive_normal(Stream s, uint64_t index)
{
  static const float minus_two = -2.0f;
  float u = (float)ldexp((double)(naive_bits(s, 2 * index) / 256 + 1), -24),
        v = naive_uniform(s, 2 * index + 1), r, c;
  r = naive_logarithm(u);
  r = minus_two * r;
  r = naive_square_root(r);
  c = naive_cosine_turns(v);
  return r * c;
}

/* The draws x for which x bound has a low word of at least 2^32 mod bound are spread evenly over
 * the high words. */
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

static size_t pixels(const NaiveActivation *a) { return a->height * a->width; }
static size_t numbers(const NaiveActivation *a) { return a->channels * pixels(a); } /* per image */

void naive_open(Naive *n, const Dataset *data)
{
  memset(n, 0, sizeof *n);
  n->classes = (size_t)data->classes;
  n->activation[0].channels = (size_t)data->channels;
  n->activation[0].height = (size_t)data->height;
  n->activation[0].width = (size_t)data->width;
  n->inputs = numbers(&n->activation[0]);
  n->activations = 1;
}

static int add_tensor(Naive *n, const char *name, const char *what, int kind, size_t size)
{
  NaiveTensor *t = &n->tensor[n->tensors];
  strcpy(t->name, name);
  strcat(strcat(t->name, "."), what);
  t->kind = kind;
  t->size = size;
  t->offset = n->size;
  n->size += size;
  return n->tensors++;
}

/* A layer that writes C x H x W numbers. */
static NaiveLayer *add_layer(Naive *n, int kind, int in, size_t channels, size_t height,
                             size_t width)
{
  NaiveLayer *l = &n->layer[n->layers++];
  NaiveActivation *a = &n->activation[n->activations];
  l->kind = kind;
  l->in = in;
  l->out = n->activations++;
  l->shortcut = l->weight = l->bias = l->mean = l->variance = -1;
  a->channels = channels;
  a->height = height;
  a->width = width;
  return l;
}

/* outputs x inputs weights, maybe a bias for each output */
static void add_weights(Naive *n, NaiveLayer *l, size_t outputs, size_t inputs, size_t fan_out,
                        int bias)
{
  int t;
  l->weight = add_tensor(n, l->name, "weight", NAIVE_WEIGHT, outputs * inputs);
  if (bias) l->bias = add_tensor(n, l->name, "bias", NAIVE_BIAS, outputs);
  for (t = l->weight; t < n->tensors; t++) {
    n->tensor[t].outputs = outputs;
    n->tensor[t].inputs = inputs;
    n->tensor[t].fan_in = inputs;
    n->tensor[t].conv = l->kind == NAIVE_CONV;
    n->tensor[t].fan_out = fan_out;
  }
}

int naive_conv(Naive *n, int in, const char *name, size_t outputs, size_t kernel, size_t stride,
               size_t padding, int bias)
{
  const NaiveActivation *x = &n->activation[in];
  NaiveLayer *l =
      add_layer(n, NAIVE_CONV, in, outputs, (x->height + 2 * padding - kernel) / stride + 1,
                (x->width + 2 * padding - kernel) / stride + 1);
  strcpy(l->name, name);
  l->kernel = kernel;
  l->stride = stride;
  l->padding = padding;
  add_weights(n, l, outputs, x->channels * kernel * kernel, outputs * kernel * kernel, bias);
  return l->out;
}

int naive_dense(Naive *n, int in, const char *name, size_t outputs)
{
  NaiveLayer *l = add_layer(n, NAIVE_DENSE, in, outputs, 1, 1);
  strcpy(l->name, name);
  add_weights(n, l, outputs, numbers(&n->activation[in]), outputs, 1);
  return l->out;
}

int naive_norm(Naive *n, int in, const char *name, int affine)
{
  const NaiveActivation *x = &n->activation[in];
  NaiveLayer *l = add_layer(n, NAIVE_NORM, in, x->channels, x->height, x->width);
  strcpy(l->name, name);
  if (affine) {
    l->weight = add_tensor(n, name, "weight", NAIVE_GAMMA, x->channels);
    l->bias = add_tensor(n, name, "bias", NAIVE_BETA, x->channels);
  }
  return l->out;
}

int naive_relu(Naive *n, int in)
{
  const NaiveActivation *x = &n->activation[in];
  return add_layer(n, NAIVE_RELU, in, x->channels, x->height, x->width)->out;
}

static int add_pool(Naive *n, int kind, int in, size_t window)
{
  const NaiveActivation *x = &n->activation[in];
  NaiveLayer *l = add_layer(n, kind, in, x->channels, x->height / window, x->width / window);
  l->kernel = window;
  return l->out;
}
int naive_max_pool(Naive *n, int in, size_t window)
{
  return add_pool(n, NAIVE_MAX_POOL, in, window);
}
int naive_average_pool(Naive *n, int in, size_t window)
{
  return add_pool(n, NAIVE_AVERAGE_POOL, in, window);
}

int naive_sum(Naive *n, int in, int shortcut)
{
  const NaiveActivation *x = &n->activation[in], *s = &n->activation[shortcut];
  NaiveLayer *l = add_layer(n, NAIVE_SUM, in, x->channels, x->height, x->width);
  l->shortcut = shortcut;
  l->stride = (s->height + x->height - 1) / x->height;
  return l->out;
}

/* The statistics of all norms come last in the flat vectors. */
void naive_close(Naive *n)
{
  int k;
  n->trained = n->size;
  for (k = 0; k < n->layers; k++) {
    NaiveLayer *l = &n->layer[k];
    if (l->kind != NAIVE_NORM) continue;
    l->mean = add_tensor(n, l->name, "running_mean", NAIVE_MEAN, n->activation[l->in].channels);
    l->variance =
        add_tensor(n, l->name, "running_var", NAIVE_VARIANCE, n->activation[l->in].channels);
  }
  n->tensor[n->layer[n->layers - 1].weight].output =
      n->tensor[n->layer[n->layers - 1].bias].output = 1;
  n->weight = room(n->size, sizeof(float));
  n->gradient = room(n->size, sizeof(float));
  n->keep = room(n->size, 1);
  n->moment = room(n->size, sizeof(float));
  n->square = room(n->size, sizeof(float));
  memset(n->keep, 1, n->size);
}

void naive_create(Naive *n, const Dataset *data, const size_t *hidden, size_t count)
{
  char name[NAME_SIZE];
  size_t k;
  int at = 0;
  naive_open(n, data);
  for (k = 0; k < count; k++) {
    sprintf(name, "fc_layers.%lu", (unsigned long)k);
    at = naive_relu(n, naive_dense(n, at, name, hidden[k]));
  }
  naive_dense(n, at, "fc", n->classes);
  naive_close(n);
}

/* ---- models: the modules of OpenLTH by their names ---- */

/* Numbers are convolutions of so many channels, 3x3, padding 1; M is a 2x2 max pool. */
static int naive_plan(Naive *n, const char *plan, int with_norm, int affine)
{
  char name[NAME_SIZE];
  int at = 0, k;
  for (k = 0; *plan; k++) {
    if (*plan == 'M') at = naive_max_pool(n, at, 2);
    else {
      sprintf(name, "layers.%d%s", k, ".conv");
      at = naive_conv(n, at, name, (size_t)strtoul(plan, NULL, 10), 3, 1, 1, 1);
      sprintf(name, "layers.%d%s", k, ".bn");
      if (with_norm) at = naive_norm(n, at, name, affine);
      at = naive_relu(n, at);
    }
    plan += strcspn(plan, " ");
    plan += strspn(plan, " ");
  }
  return at;
}

static int naive_block(Naive *n, int in, int number, size_t channels, size_t stride, const Model *m)
{
  char name[6][NAME_SIZE];
  static const char *const parts[6] = {"conv1", "bn1", "conv2", "bn2", "shortcut.0", "shortcut.1"};
  int at, shortcut = in, k;
  for (k = 0; k < 6; k++) sprintf(name[k], "blocks.%d.%s", number, parts[k]);
  at = naive_conv(n, in, name[0], channels, 3, stride, 1, 0);
  at = naive_relu(n, naive_norm(n, at, name[1], m->affine));
  at = naive_conv(n, at, name[2], channels, 3, 1, 1, 0);
  at = naive_norm(n, at, name[3], m->affine);
  if (stride > 1 && !m->pad_shortcut)
    shortcut =
        naive_norm(n, naive_conv(n, in, name[4], channels, 1, stride, 0, 0), name[5], m->affine);
  return naive_relu(n, naive_sum(n, at, shortcut));
}

void naive_model(Naive *n, const Model *m, const Dataset *data)
{
  static const struct {
    const char *name, *plan;
  } plans[] = {
      {"conv2", "64 64 M"},
      {"conv4", "64 64 M 128 128 M"},
      {"conv6", "64 64 M 128 128 M 256 256 M"},
      {"vgg11", "64 M 128 M 256 256 M 512 512 M 512 512"},
      {"vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512"},
      {"vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512"},
      {"vgg19", "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512"},
  };
  size_t k;
  int at = 0;
  naive_open(n, data);
  for (k = 0; k < sizeof plans / sizeof *plans; k++) {
    if (strcmp(m->name, plans[k].name) != 0) continue;
    at = naive_plan(n, plans[k].plan, *m->name == 'v', m->affine);
    if (*m->name == 'v') at = naive_average_pool(n, at, 2);
    else {
      at = naive_relu(n, naive_dense(n, at, "fc_layers.0", 256));
      at = naive_relu(n, naive_dense(n, at, "fc_layers.1", 256));
    }
  }
  if (strncmp(m->name, "resnet", 6) == 0) {
    const int depth = (int)strtol(m->name + 6, NULL, 10), blocks = (depth - 2) / 6;
    const char *dash = strchr(m->name, '-');
    size_t width = dash ? (size_t)strtoul(dash + 1, NULL, 10) : 16;
    int segment, block;
    at = naive_conv(n, 0, "conv", width, 3, 1, 1, 0);
    at = naive_relu(n, naive_norm(n, at, "bn", m->affine));
    for (segment = 0; segment < 3; segment++, width *= 2)
      for (block = 0; block < blocks; block++)
        at = naive_block(n, at, segment * blocks + block, width, segment > 0 && block == 0 ? 2 : 1,
                         m);
    at = naive_average_pool(n, at, n->activation[at].height);
  }
  naive_dense(n, at, "fc", n->classes);
  naive_close(n);
}

static void free_activations(Naive *n)
{
  int k;
  for (k = 0; k < n->activations; k++) {
    free(n->activation[k].value);
    free(n->activation[k].gradient);
    n->activation[k].value = n->activation[k].gradient = NULL;
  }
}

void naive_free(Naive *n)
{
  free_activations(n);
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

/* Draw j of a tensor's stream belongs to its value j, masked or not. U(+-width): (2 u - 1) width */
static float uniform_within(Stream s, uint64_t j, float width)
{
  static const float one = 1.0f, two = 2.0f;
  float t = two * naive_uniform(s, j);
  t = t - one;
  return t * width;
}

static void init_weights(float *w, const unsigned char *keep, const NaiveTensor *t, Stream s,
                         int scheme)
{
  static const float two = 2.0f, six = 6.0f;
  size_t o, i, j;
  for (o = 0; o < t->outputs; o++) {
    size_t fan = t->fan_in;
    if (scheme == GLOROT_NORMAL) fan = t->fan_in + t->fan_out;
    if (scheme == SPARSE_AWARE)
      for (fan = 0, i = 0; i < t->inputs; i++) fan += keep[o * t->inputs + i];
    for (i = 0; i < t->inputs; i++) {
      float width;
      j = o * t->inputs + i;
      w[j] = 0;
      if (!keep[j]) continue;
      width = scheme == KAIMING_UNIFORM ? six / (float)fan : two / (float)fan;
      width = naive_square_root(width);
      w[j] = scheme == KAIMING_UNIFORM ? uniform_within(s, j, width) : width * naive_normal(s, j);
    }
  }
}

/* Stream: (purpose RANDOM_INIT, tensor, variant) */
void naive_init(Naive *n, int scheme, uint64_t seed, uint32_t variant)
{
  static const float one = 1.0f;
  Stream s = {0, RANDOM_INIT, 0, 0};
  size_t j;
  int k;
  s.seed = seed;
  s.b = variant;
  for (k = 0; k < n->tensors; k++) {
    const NaiveTensor *t = &n->tensor[k];
    float *w = n->weight + t->offset, width;
    s.a = (uint32_t)k;
    if (t->kind == NAIVE_WEIGHT) {
      init_weights(w, n->keep + t->offset, t, s, scheme);
      continue;
    }
    width = naive_square_root((float)t->fan_in); /* only a bias's is used */
    width = one / width;
    for (j = 0; j < t->size; j++)
      w[j] = t->kind == NAIVE_BIAS       ? uniform_within(s, j, width)
             : t->kind == NAIVE_GAMMA    ? naive_uniform(s, j)
             : t->kind == NAIVE_VARIANCE ? one
                                         : 0;
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
void naive_pixels(float *x, const Dataset *data, const Split *split, const uint32_t *index,
                  size_t first, size_t images)
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

/* A layer in hand: what it reads and writes, and its parameters. */
typedef struct {
  const NaiveLayer *layer;
  const NaiveActivation *in, *out;
  const float *weight, *bias; /* NULL: has none */
  const unsigned char *keep;
  float *dweight, *dbias;
  size_t images;
} Job;

static Job job_of(Naive *n, int k, size_t images)
{
  const NaiveLayer *l = &n->layer[k];
  Job j;
  memset(&j, 0, sizeof j);
  j.layer = l;
  j.in = &n->activation[l->in];
  j.out = &n->activation[l->out];
  j.images = images;
  if (l->weight >= 0) {
    j.weight = n->weight + n->tensor[l->weight].offset;
    j.dweight = n->gradient + n->tensor[l->weight].offset;
    j.keep = n->keep + n->tensor[l->weight].offset;
  }
  if (l->bias >= 0) {
    j.bias = n->weight + n->tensor[l->bias].offset;
    j.dbias = n->gradient + n->tensor[l->bias].offset;
  }
  return j;
}

/* Where [image][channel][row][column] is. */
static size_t place(const NaiveActivation *a, size_t image, size_t channel, size_t row,
                    size_t column)
{
  return ((image * a->channels + channel) * a->height + row) * a->width + column;
}

/* The input row (column) that output row r reads through the kernel's row k: r s + k - p. Is it
 * inside [0, size)? */
static int inside(size_t *at, const NaiveLayer *l, size_t r, size_t k, size_t size)
{
  const size_t padded = r * l->stride + k;
  *at = padded - l->padding;
  return padded >= l->padding && *at < size;
}

/* db[c] = sum over images and pixels of dy, by lanes */
static void sum_of_gradients(float *db, const NaiveActivation *y, const float *dy, size_t images)
{
  size_t c, b, i;
  for (c = 0; c < y->channels; c++) {
    float lane[LANES] = {0};
    for (b = 0; b < images; b++)
      for (i = 0; i < pixels(y); i++) lane[b % LANES] = lane[b % LANES] + dy[place(y, b, c, 0, i)];
    db[c] = naive_lanes(lane);
  }
}

/* ---- convolution ------------------------------------------------------------------------------
 * y[o][r][c] = (sum over i, kr, kc of w[o][i][kr][kc] x[i][r s + kr - p][c s + kc - p]) + b[o] */

static void conv_forward(const Job *j)
{
  const NaiveLayer *l = j->layer;
  const NaiveActivation *x = j->in, *y = j->out;
  const size_t K = l->kernel;
  size_t b, o, r, c, i, kr, kc, row, column, w;
  for (b = 0; b < j->images; b++)
    for (o = 0; o < y->channels; o++)
      for (r = 0; r < y->height; r++)
        for (c = 0; c < y->width; c++) {
          float sum = 0, product;
          for (i = 0; i < x->channels; i++)
            for (kr = 0; kr < K; kr++)
              for (kc = 0; kc < K; kc++) {
                w = ((o * x->channels + i) * K + kr) * K + kc;
                if (!j->keep[w] || !inside(&row, l, r, kr, x->height) ||
                    !inside(&column, l, c, kc, x->width))
                  continue;
                product = j->weight[w] * x->value[place(x, b, i, row, column)];
                sum = sum + product;
              }
          if (j->bias) sum = sum + j->bias[o];
          y->value[place(y, b, o, r, c)] = sum;
        }
}

/* dx[i][row][column] = sum over o, r, c of w[o][i][kr][kc] dy[o][r][c] where r s + kr - p = row
 * and c s + kc - p = column. r ascends as kr descends, c as kc. */
static void conv_input_gradient(const Job *j, float *dx)
{
  const NaiveLayer *l = j->layer;
  const NaiveActivation *x = j->in, *y = j->out;
  const size_t K = l->kernel;
  size_t b, i, row, column, o, kr, kc, w, r, c;
  for (b = 0; b < j->images; b++)
    for (i = 0; i < x->channels; i++)
      for (row = 0; row < x->height; row++)
        for (column = 0; column < x->width; column++) {
          float sum = 0, product;
          for (o = 0; o < y->channels; o++)
            for (kr = K; kr-- > 0;)
              for (kc = K; kc-- > 0;) {
                w = ((o * x->channels + i) * K + kr) * K + kc;
                if (!j->keep[w] || row + l->padding < kr || column + l->padding < kc) continue;
                r = row + l->padding - kr;
                c = column + l->padding - kc;
                if (r % l->stride != 0 || c % l->stride != 0) continue;
                r = r / l->stride;
                c = c / l->stride;
                if (r >= y->height || c >= y->width) continue;
                product = j->weight[w] * y->gradient[place(y, b, o, r, c)];
                sum = sum + product;
              }
          dx[place(x, b, i, row, column)] = sum;
        }
}

/* dw[o][i][kr][kc] = sum over images, r, c of dy[o][r][c] x[i][r s + kr - p][c s + kc - p], by
 * lanes */
static void conv_weight_gradient(const Job *j)
{
  const NaiveLayer *l = j->layer;
  const NaiveActivation *x = j->in, *y = j->out;
  const size_t K = l->kernel;
  size_t b, o, r, c, i, kr, kc, row, column, w;
  for (o = 0; o < y->channels; o++)
    for (i = 0; i < x->channels; i++)
      for (kr = 0; kr < K; kr++)
        for (kc = 0; kc < K; kc++) {
          float lane[LANES] = {0}, product;
          w = ((o * x->channels + i) * K + kr) * K + kc;
          j->dweight[w] = 0;
          if (!j->keep[w]) continue;
          for (b = 0; b < j->images; b++)
            for (r = 0; r < y->height; r++)
              for (c = 0; c < y->width; c++) {
                if (!inside(&row, l, r, kr, x->height) || !inside(&column, l, c, kc, x->width))
                  continue;
                product = y->gradient[place(y, b, o, r, c)] * x->value[place(x, b, i, row, column)];
                lane[b % LANES] = lane[b % LANES] + product;
              }
          j->dweight[w] = naive_lanes(lane);
        }
}

/* ---- dense: y[o] = (sum over i of w[o][i] x[i]) + b[o] ---- */

static void dense_forward(const Job *j)
{
  const size_t outputs = numbers(j->out), inputs = numbers(j->in);
  size_t b, o, i;
  for (b = 0; b < j->images; b++)
    for (o = 0; o < outputs; o++) {
      float sum = 0, product;
      for (i = 0; i < inputs; i++)
        if (j->keep[o * inputs + i]) {
          product = j->weight[o * inputs + i] * j->in->value[b * inputs + i];
          sum = sum + product;
        }
      j->out->value[b * outputs + o] = sum + j->bias[o];
    }
}

/* dx[i] = sum over o of w[o][i] dy[o] */
static void dense_input_gradient(const Job *j, float *dx)
{
  const size_t outputs = numbers(j->out), inputs = numbers(j->in);
  size_t b, o, i;
  for (b = 0; b < j->images; b++)
    for (i = 0; i < inputs; i++) {
      float sum = 0, product;
      for (o = 0; o < outputs; o++)
        if (j->keep[o * inputs + i]) {
          product = j->weight[o * inputs + i] * j->out->gradient[b * outputs + o];
          sum = sum + product;
        }
      dx[b * inputs + i] = sum;
    }
}

/* dw[o][i] = sum over images of dy[o] x[i], by lanes */
static void dense_weight_gradient(const Job *j)
{
  const size_t outputs = numbers(j->out), inputs = numbers(j->in);
  size_t b, o, i;
  for (o = 0; o < outputs; o++)
    for (i = 0; i < inputs; i++) {
      float lane[LANES] = {0}, product;
      j->dweight[o * inputs + i] = 0;
      if (!j->keep[o * inputs + i]) continue;
      for (b = 0; b < j->images; b++) {
        product = j->out->gradient[b * outputs + o] * j->in->value[b * inputs + i];
        lane[b % LANES] = lane[b % LANES] + product;
      }
      j->dweight[o * inputs + i] = naive_lanes(lane);
    }
}

/* ---- batch norm -------------------------------------------------------------------------------
 * xhat = (x - mean) inv, inv = 1/sqrt(variance + 1e-5); y = xhat gamma + beta */

static float inverse_of(float variance)
{
  static const float one = 1.0f, epsilon = 1e-5f;
  float t = variance + epsilon;
  t = naive_square_root(t);
  return one / t;
}

/* mean and inv of channel c by the batch; *q = sum of (x - mean)^2. Both sums by lanes. */
static void batch_statistics(const Job *j, size_t c, float *mean, float *inv, float *q)
{
  const NaiveActivation *x = j->in;
  const float N = (float)(j->images * pixels(x));
  float lane[LANES] = {0}, square[LANES] = {0}, t;
  size_t b, i;
  for (b = 0; b < j->images; b++)
    for (i = 0; i < pixels(x); i++)
      lane[b % LANES] = lane[b % LANES] + x->value[place(x, b, c, 0, i)];
  t = naive_lanes(lane);
  *mean = t / N;
  for (b = 0; b < j->images; b++)
    for (i = 0; i < pixels(x); i++) {
      t = x->value[place(x, b, c, 0, i)] - *mean;
      t = t * t;
      square[b % LANES] = square[b % LANES] + t;
    }
  *q = naive_lanes(square);
  t = *q / N;
  *inv = inverse_of(t);
}

/* running = 0.9 running + 0.1 new */
static float follow(float running, float new_value)
{
  static const float old_share = 0.9f, new_share = 0.1f;
  float t = old_share * running, u = new_share * new_value;
  return t + u;
}

static void norm_forward(const Job *j, float *running_mean, float *running_variance, int training)
{
  const NaiveActivation *x = j->in, *y = j->out;
  const size_t N = j->images * pixels(x);
  size_t c, b, i;
  for (c = 0; c < x->channels; c++) {
    float mean = running_mean[c], inv = inverse_of(running_variance[c]), q, t;
    if (training) {
      batch_statistics(j, c, &mean, &inv, &q);
      running_mean[c] = follow(running_mean[c], mean);
      t = q / (float)(N > 1 ? N - 1 : 1); /* the unbiased estimate */
      running_variance[c] = follow(running_variance[c], t);
    }
    for (b = 0; b < j->images; b++)
      for (i = 0; i < pixels(x); i++) {
        t = x->value[place(x, b, c, 0, i)] - mean;
        t = t * inv;
        if (j->weight) {
          t = t * j->weight[c];
          t = t + j->bias[c];
        }
        y->value[place(y, b, c, 0, i)] = t;
      }
  }
}

/* dbeta = sum of dy, dgamma = sum of dy xhat, by lanes; dx = gamma inv ((dy - dbeta / N) - xhat
 * dgamma / N) */
static void norm_backward(const Job *j, float *dx)
{
  const NaiveActivation *x = j->in, *y = j->out;
  const float N = (float)(j->images * pixels(x));
  float *dbeta = room(x->channels, sizeof *dbeta);
  size_t c, b, i;
  sum_of_gradients(dbeta, y, y->gradient, j->images);
  for (c = 0; c < x->channels; c++) {
    float mean, inv, q, t, xhat, lane[LANES] = {0}, dgamma, mean_of_dy, mean_of_product, g;
    batch_statistics(j, c, &mean, &inv, &q);
    for (b = 0; b < j->images; b++)
      for (i = 0; i < pixels(x); i++) {
        xhat = x->value[place(x, b, c, 0, i)] - mean;
        xhat = xhat * inv;
        t = y->gradient[place(y, b, c, 0, i)] * xhat;
        lane[b % LANES] = lane[b % LANES] + t;
      }
    dgamma = naive_lanes(lane);
    if (j->weight) {
      j->dweight[c] = dgamma;
      j->dbias[c] = dbeta[c];
    }
    mean_of_dy = dbeta[c] / N;
    mean_of_product = dgamma / N;
    g = j->weight ? j->weight[c] * inv : inv;
    for (b = 0; b < j->images; b++)
      for (i = 0; i < pixels(x); i++) {
        xhat = x->value[place(x, b, c, 0, i)] - mean;
        xhat = xhat * inv;
        t = y->gradient[place(y, b, c, 0, i)] - mean_of_dy;
        xhat = xhat * mean_of_product;
        t = t - xhat;
        dx[place(x, b, c, 0, i)] = g * t;
      }
  }
  free(dbeta);
}

/* ---- ReLU, pools, sums ---- */

static void relu_forward(const Job *j)
{
  size_t i;
  for (i = 0; i < j->images * numbers(j->in); i++)
    j->out->value[i] = j->in->value[i] < 0 ? 0 : j->in->value[i];
}

static void relu_backward(const Job *j, float *dx)
{
  size_t i;
  for (i = 0; i < j->images * numbers(j->in); i++)
    dx[i] = j->out->value[i] > 0 ? j->out->gradient[i] : 0;
}

/* Forward where dx is NULL, else backward. dx of pixels in no window, and of those that are not
 * the largest, is +0. */
static void pool(const Job *j, float *dx)
{
  const NaiveActivation *x = j->in, *y = j->out;
  const size_t W = j->layer->kernel;
  const float places = (float)(W * W);
  size_t b, c, row, column, r, k;
  for (b = 0; b < j->images; b++)
    for (c = 0; c < y->channels; c++)
      for (row = 0; row < y->height; row++)
        for (column = 0; column < y->width; column++) {
          const size_t to = place(y, b, c, row, column);
          size_t largest = place(x, b, c, row * W, column * W);
          float sum = 0;
          for (r = 0; r < W; r++)
            for (k = 0; k < W; k++) {
              const size_t from = place(x, b, c, row * W + r, column * W + k);
              sum = sum + x->value[from];
              if (x->value[from] > x->value[largest]) largest = from;
              if (dx && j->layer->kind == NAIVE_AVERAGE_POOL) dx[from] = y->gradient[to] / places;
            }
          if (j->layer->kind == NAIVE_AVERAGE_POOL) {
            if (!dx) y->value[to] = sum / places;
          } else if (dx) dx[largest] = y->gradient[to];
          else y->value[to] = x->value[largest];
        }
}

/* y = x + shortcut, or dshortcut = dy: pixel (row, column) of the shortcut's channel c is added
 * to pixel (row / s, column / s) of channel c + (C - Cs) / 2 where s divides row and column. */
static void sum_with_shortcut(const Job *j, const NaiveActivation *shortcut, float *dshortcut)
{
  const NaiveActivation *y = j->out;
  const size_t s = j->layer->stride, before = (y->channels - shortcut->channels) / 2;
  size_t b, c, row, column;
  if (!dshortcut) memcpy(y->value, j->in->value, j->images * numbers(y) * sizeof *y->value);
  for (b = 0; b < j->images; b++)
    for (c = 0; c < shortcut->channels; c++)
      for (row = 0; row < shortcut->height; row += s)
        for (column = 0; column < shortcut->width; column += s) {
          const size_t from = place(shortcut, b, c, row, column),
                       to = place(y, b, c + before, row / s, column / s);
          if (row / s >= y->height || column / s >= y->width) continue;
          if (dshortcut) dshortcut[from] = y->gradient[to];
          else y->value[to] = j->in->value[to] + shortcut->value[from];
        }
}

/* ---- the whole network ---- */

void naive_forward(Naive *n, const float *x, size_t images, int training)
{
  int k;
  free_activations(n);
  for (k = 0; k < n->activations; k++) {
    NaiveActivation *a = &n->activation[k];
    a->value = room(images * numbers(a), sizeof(float));
    a->gradient = room(images * numbers(a), sizeof(float));
  }
  memcpy(n->activation[0].value, x, images * n->inputs * sizeof *x);
  for (k = 0; k < n->layers; k++) {
    const NaiveLayer *l = &n->layer[k];
    const Job j = job_of(n, k, images);
    if (l->kind == NAIVE_CONV) conv_forward(&j);
    if (l->kind == NAIVE_DENSE) dense_forward(&j);
    if (l->kind == NAIVE_NORM)
      norm_forward(&j, n->weight + n->tensor[l->mean].offset,
                   n->weight + n->tensor[l->variance].offset, training);
    if (l->kind == NAIVE_RELU) relu_forward(&j);
    if (l->kind == NAIVE_MAX_POOL || l->kind == NAIVE_AVERAGE_POOL) pool(&j, NULL);
    if (l->kind == NAIVE_SUM) sum_with_shortcut(&j, &n->activation[l->shortcut], NULL);
  }
}

/* The first contribution is the gradient, the second is added to it. */
static void contribute(NaiveActivation *a, const float *gradient, size_t images)
{
  size_t i;
  for (i = 0; i < images * numbers(a); i++)
    a->gradient[i] = a->given ? a->gradient[i] + gradient[i] : gradient[i];
  a->given++;
}

void naive_backward(Naive *n, size_t images)
{
  int k;
  for (k = 0; k < n->activations; k++) n->activation[k].given = 0;
  for (k = n->layers; k-- > 0;) {
    const NaiveLayer *l = &n->layer[k];
    const Job j = job_of(n, k, images);
    float *dx = room(images * numbers(j.in), sizeof *dx);
    if (l->kind == NAIVE_CONV) {
      conv_weight_gradient(&j);
      if (j.bias) sum_of_gradients(j.dbias, j.out, j.out->gradient, images);
      if (l->in > 0) conv_input_gradient(&j, dx);
    }
    if (l->kind == NAIVE_DENSE) {
      dense_weight_gradient(&j);
      sum_of_gradients(j.dbias, j.out, j.out->gradient, images);
      if (l->in > 0) dense_input_gradient(&j, dx);
    }
    if (l->kind == NAIVE_NORM) norm_backward(&j, dx);
    if (l->kind == NAIVE_RELU) relu_backward(&j, dx);
    if (l->kind == NAIVE_MAX_POOL || l->kind == NAIVE_AVERAGE_POOL) pool(&j, dx);
    if (l->kind == NAIVE_SUM) {
      NaiveActivation *shortcut = &n->activation[l->shortcut];
      float *dshortcut = room(images * numbers(shortcut), sizeof *dshortcut);
      sum_with_shortcut(&j, shortcut, dshortcut);
      contribute(shortcut, dshortcut, images);
      free(dshortcut);
      memcpy(dx, j.out->gradient, images * numbers(j.in) * sizeof *dx);
    }
    contribute(&n->activation[l->in], dx, images);
    free(dx);
  }
}

/* m = the largest logit, e[c] = exp(z[c] - m), s = sum of e, p[c] = e[c] / s: loss = ln s -
 * (z[label] - m),  dz[c] = (p[c] - [c = label]) / images. Returns 1 if the first largest is not
 * the label. */
static int softmax_loss(float *dz, float *loss, const float *z, size_t classes, size_t label,
                        size_t images)
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

void naive_loss(Naive *n, const unsigned char *label, size_t images, float *loss, float lane[LANES],
                size_t *wrong)
{
  const NaiveActivation *z = &n->activation[n->activations - 1];
  size_t b;
  for (b = 0; b < images; b++) {
    const size_t at = b * n->classes;
    *wrong += (size_t)softmax_loss(z->gradient + at, &loss[b], z->value + at, n->classes, label[b],
                                   images);
    lane[b % LANES] = lane[b % LANES] + loss[b];
  }
}

void naive_batch(Naive *n, const float *x, const unsigned char *label, size_t images, float *logits,
                 float *loss, float lane[LANES], size_t *wrong)
{
  naive_forward(n, x, images, 1);
  naive_loss(n, label, images, loss, lane, wrong);
  naive_backward(n, images);
  memcpy(logits, n->activation[n->activations - 1].value, images * n->classes * sizeof *logits);
}

void naive_evaluate(Naive *n, const Dataset *data, const Split *split, float *loss, size_t *wrong)
{
  float *x = room(split->n * n->inputs, sizeof *x), *each = room(split->n, sizeof *each),
        lane[LANES] = {0}, sum;
  *wrong = 0;
  naive_pixels(x, data, split, NULL, 0, split->n);
  naive_forward(n, x, split->n, 0);
  naive_loss(n, split->label, split->n, each, lane, wrong);
  sum = naive_lanes(lane);
  *loss = sum / (float)split->n;
  free(x);
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

/* SGD as PyTorch writes it: g = dW + wd w, v = mu v + g, w = w - lr v; Nesterov: w - lr (g + mu
 * v). */
static void naive_sgd(Naive *n, const Training *how, float lr)
{
  size_t j;
  for (j = 0; j < n->trained; j++) {
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

/* Adam as PyTorch writes it: g = dW + wd w, m = 0.9 m + 0.1 g, s = 0.999 s + (0.001 g) g, w = w
 * - ((lr / c1) m) / (sqrt s / sqrt c2 + 1e-8), with c = 1 - beta^t kept as c = c + (1 - beta)(1
 * - c). */
static void naive_adam(Naive *n, const Training *how, float lr)
{
  static const float one = 1.0f, beta1 = 0.9f, rest1 = 0.1f, beta2 = 0.999f, rest2 = 0.001f,
                     epsilon = 1e-8f;
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
  for (j = 0; j < n->trained; j++) {
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

/* Step s is batch s mod (batches per epoch) of epoch s / (batches per epoch); an epoch's last
 * batch may be smaller. */
void naive_train(Naive *n, const Dataset *data, const Training *how, uint32_t level, long from,
                 long to, float lr, size_t batch)
{
  const Split *split = &data->train;
  const size_t per_epoch = (split->n + batch - 1) / batch;
  uint32_t *order = room(split->n, sizeof *order);
  unsigned char *label = room(batch, 1);
  float *x = room(batch * n->inputs, sizeof *x), *logits = room(batch * n->classes, sizeof *logits);
  float *loss = room(batch, sizeof *loss);
  long step;
  for (step = from; step < to; step++) {
    Stream s = {0, RANDOM_ORDER, 0, 0};
    size_t first = (size_t)step % per_epoch * batch,
           images = first + batch > split->n ? split->n - first : batch, b, wrong = 0;
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

/* The tensor that value j belongs to. */
static int tensor_of(const Naive *n, size_t j)
{
  int k = 0;
  while (j >= n->tensor[k].offset + n->tensor[k].size) k++;
  return k;
}

/* The rate of weight j and the group it is ranked in: the output layer and the convolutions may
 * have their own. */
static long rate_of(const Naive *n, const Pruning *how, size_t j, int *group)
{
  const NaiveTensor *t = &n->tensor[tensor_of(n, j)];
  if (t->output && how->output_rate >= 0) {
    *group = 1;
    return how->output_rate;
  }
  *group = t->conv && how->conv_rate >= 0 ? 2 : 0;
  return *group ? how->conv_rate : how->rate;
}

/* Are weights i and j ranked together? */
static int one_group(const Naive *n, const Pruning *how, size_t i, size_t j)
{
  int a, b;
  rate_of(n, how, i, &a);
  rate_of(n, how, j, &b);
  return how->scope == LAYER ? tensor_of(n, i) == tensor_of(n, j) : a == b;
}

static int is_weight(const Naive *n, size_t j)
{
  return n->tensor[tensor_of(n, j)].kind == NAIVE_WEIGHT;
}

/* Of a group of `all` weights of which `left` survive, those with fewer than `pruned` survivors
 * before them are masked; i comes before j if |i| < |j|, or they are equal and i < j. round(n
 * x): halves up. */
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
    int group;
    const long rate = rate_of(n, how, j, &group);
    if (how->density >= 0) { /* a rate of 0 keeps the group whole */
      uint64_t kept = (2 * all * (uint64_t)how->density + MILLION) / (2 * MILLION);
      pruned = left > kept && rate > 0 ? left - kept : 0;
    } else pruned = (2 * left * (uint64_t)rate + MILLION) / (2 * MILLION);
    if (before >= pruned) continue;
    keep[j] = 0;
    if (w > threshold) threshold = w;
  }
  free(old);
  return threshold;
}

/* Place i of the tensor (of all tensors' weights one after the other) gets the mask that place
 * order[i] had. */
void naive_shuffle(const Naive *n, unsigned char *keep, uint64_t seed, uint32_t level, int together)
{
  unsigned char *old = room(n->size, 1);
  size_t *at = room(n->size, sizeof *at), i, j, count = 0;
  uint32_t *order = room(n->size, sizeof *order);
  Stream s = {0, RANDOM_MASK, 0, 0};
  int k;
  s.seed = seed;
  s.a = level;
  memcpy(old, keep, n->size);
  for (k = 0; k < n->tensors; k++) {
    const NaiveTensor *t = &n->tensor[k];
    if (t->kind != NAIVE_WEIGHT) continue;
    for (j = 0; j < t->size; j++) at[count++] = t->offset + j;
    if (together && !t->output) continue;
    s.b = together ? 0xffffffffu : (uint32_t)k;
    naive_order(order, count, s);
    for (i = 0; i < count; i++) keep[at[i]] = old[at[order[i]]];
    count = 0;
  }
  free(old);
  free(at);
  free(order);
}

/* Level 0 trains from 0 to T and passes step k on its way; a reinit trains from 0 to T; all
 * others from k to T, with an optimiser as new. The data order is the level's; fine-tuning keeps
 * the schedule's last rate. */
void naive_level(Naive *n, const Experiment *e, int level, int branch, const float *start,
                 float *rewind)
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
                branch == TICKET && e->retrain == FINETUNE ? naive_learning_rate(&e->how, T - 1)
                                                           : 0,
                e->batch);
  }
  free(keep);
}

/* ==== the loss in double ==================================================================== */

/* Parameter j as finite differences move it. */
typedef struct {
  const Naive *n;
  size_t moved;
  double by;
} Moved;
static double parameter(const Moved *m, size_t j)
{
  return (double)m->n->weight[j] + (j == m->moved ? m->by : 0);
}

static void note(double *nearest, double distance)
{
  if (distance < *nearest) *nearest = distance;
}

static void double_conv(double *out, const double *in, const Moved *m, const NaiveLayer *l,
                        size_t images)
{
  const NaiveActivation *x = &m->n->activation[l->in], *y = &m->n->activation[l->out];
  const size_t w = m->n->tensor[l->weight].offset, K = l->kernel;
  size_t b, o, r, c, i, kr, kc, row, column;
  for (b = 0; b < images; b++)
    for (o = 0; o < y->channels; o++)
      for (r = 0; r < y->height; r++)
        for (c = 0; c < y->width; c++) {
          double sum = l->bias >= 0 ? parameter(m, m->n->tensor[l->bias].offset + o) : 0;
          for (i = 0; i < x->channels; i++)
            for (kr = 0; kr < K; kr++)
              for (kc = 0; kc < K; kc++) {
                const size_t j = w + ((o * x->channels + i) * K + kr) * K + kc;
                if (m->n->keep[j] && inside(&row, l, r, kr, x->height) &&
                    inside(&column, l, c, kc, x->width))
                  sum += parameter(m, j) * in[place(x, b, i, row, column)];
              }
          out[place(y, b, o, r, c)] = sum;
        }
}

static void double_dense(double *out, const double *in, const Moved *m, const NaiveLayer *l,
                         size_t images)
{
  const size_t w = m->n->tensor[l->weight].offset, bias = m->n->tensor[l->bias].offset;
  const size_t outputs = numbers(&m->n->activation[l->out]),
               inputs = numbers(&m->n->activation[l->in]);
  size_t b, o, i;
  for (b = 0; b < images; b++)
    for (o = 0; o < outputs; o++) {
      double sum = parameter(m, bias + o);
      for (i = 0; i < inputs; i++)
        if (m->n->keep[w + o * inputs + i])
          sum += parameter(m, w + o * inputs + i) * in[b * inputs + i];
      out[b * outputs + o] = sum;
    }
}

static void double_norm(double *out, const double *in, const Moved *m, const NaiveLayer *l,
                        size_t images)
{
  const NaiveActivation *x = &m->n->activation[l->in];
  const double N = (double)(images * pixels(x));
  size_t c, b, i;
  for (c = 0; c < x->channels; c++) {
    double mean = 0, variance = 0, gamma = 1, beta = 0;
    if (l->weight >= 0) {
      gamma = parameter(m, m->n->tensor[l->weight].offset + c);
      beta = parameter(m, m->n->tensor[l->bias].offset + c);
    }
    for (b = 0; b < images; b++)
      for (i = 0; i < pixels(x); i++) mean += in[place(x, b, c, 0, i)] / N;
    for (b = 0; b < images; b++)
      for (i = 0; i < pixels(x); i++) variance += pow(in[place(x, b, c, 0, i)] - mean, 2) / N;
    for (b = 0; b < images; b++)
      for (i = 0; i < pixels(x); i++) {
        const size_t at = place(x, b, c, 0, i);
        out[at] = (in[at] - mean) / sqrt(variance + 1e-5) * gamma + beta;
      }
  }
}

static void double_pool(double *out, const double *in, const Moved *m, const NaiveLayer *l,
                        size_t images, double *nearest)
{
  const NaiveActivation *x = &m->n->activation[l->in], *y = &m->n->activation[l->out];
  const size_t W = l->kernel;
  size_t b, c, row, column, r, k;
  for (b = 0; b < images; b++)
    for (c = 0; c < y->channels; c++)
      for (row = 0; row < y->height; row++)
        for (column = 0; column < y->width; column++) {
          double sum = 0, most = in[place(x, b, c, row * W, column * W)];
          for (r = 0; r < W; r++)
            for (k = 0; k < W; k++) {
              const double v = in[place(x, b, c, row * W + r, column * W + k)];
              sum += v;
              /* equal ones move together */
              if (l->kind == NAIVE_MAX_POOL && fabs(v - most) > 0) note(nearest, fabs(v - most));
              if (v > most) most = v;
            }
          out[place(y, b, c, row, column)] =
              l->kind == NAIVE_MAX_POOL ? most : sum / (double)(W * W);
        }
}

static void double_sum(double *out, const double *in, const double *shortcut, const Moved *m,
                       const NaiveLayer *l, size_t images)
{
  const NaiveActivation *x = &m->n->activation[l->in], *s = &m->n->activation[l->shortcut];
  const size_t before = (x->channels - s->channels) / 2;
  size_t b, c, row, column;
  for (b = 0; b < images; b++)
    for (c = 0; c < x->channels; c++)
      for (row = 0; row < x->height; row++)
        for (column = 0; column < x->width; column++) {
          const int there = c >= before && c - before < s->channels &&
                            row * l->stride < s->height && column * l->stride < s->width;
          const size_t at = place(x, b, c, row, column);
          out[at] = in[at];
          if (there)
            out[at] += shortcut[place(s, b, c - before, row * l->stride, column * l->stride)];
        }
}

double naive_loss_in_double(const Naive *n, const float *x, const unsigned char *label,
                            size_t images, size_t moved, double by, double *nearest)
{
  double **value = room((size_t)n->activations, sizeof *value), sum = 0;
  size_t b, i;
  int k;
  Moved m;
  m.n = n;
  m.moved = moved;
  m.by = by;
  for (k = 0; k < n->activations; k++)
    value[k] = room(images * numbers(&n->activation[k]), sizeof **value);
  for (i = 0; i < images * n->inputs; i++) value[0][i] = (double)x[i];
  for (k = 0; k < n->layers; k++) {
    const NaiveLayer *l = &n->layer[k];
    const double *in = value[l->in];
    double *out = value[l->out];
    if (l->kind == NAIVE_CONV) double_conv(out, in, &m, l, images);
    if (l->kind == NAIVE_DENSE) double_dense(out, in, &m, l, images);
    if (l->kind == NAIVE_NORM) double_norm(out, in, &m, l, images);
    if (l->kind == NAIVE_MAX_POOL || l->kind == NAIVE_AVERAGE_POOL)
      double_pool(out, in, &m, l, images, nearest);
    if (l->kind == NAIVE_SUM) double_sum(out, in, value[l->shortcut], &m, l, images);
    for (i = 0; l->kind == NAIVE_RELU && i < images * numbers(&n->activation[l->out]); i++) {
      note(nearest, fabs(in[i]));
      out[i] = in[i] < 0 ? 0 : in[i];
    }
  }
  for (b = 0; b < images; b++) {
    const double *z = value[n->activations - 1] + b * n->classes;
    double most = z[0], below = 0;
    for (i = 1; i < n->classes; i++)
      if (z[i] > most) most = z[i];
    for (i = 0; i < n->classes; i++) below += exp(z[i] - most);
    sum += log(below) - (z[label[b]] - most);
  }
  for (k = 0; k < n->activations; k++) free(value[k]);
  free(value);
  return sum / (double)images;
}
