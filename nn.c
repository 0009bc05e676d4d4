/* nn.c - networks: kernels and their self-check, layers and their backward passes, models, initial
 * values, optimisers, learning-rate schedules, the training and evaluation loops.
 *
 * Not here: files (data.c), what is pruned and when (prune.c). The one rule: every sum has the
 * order that CONTRACT.md gives it, so a loop below may be blocked or vectorised but never
 * reassociated. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ==== kernels ===============================================================================
 *
 * Activations lie as [tile][channel][row][column][image of the tile], so that 16 or more
 * neighbouring numbers are the same pixel of different images and independent of each other: the
 * innermost loops run over them. To the right of every row and below every plane there is a
 * border of zeros, which thereby also lies to the left of the next row and above the next plane.
 * A dense layer is a 1x1 convolution whose plane is one row of L / 16 "pixels" of 16 images,
 * without a border. Each pass of a layer is one of two sums, in which a tap is one weight and an
 * offset (ticket.h, Taps):
 *
 *     pass                                sum over taps, ascending       taken together
 *     output  y[o][p]                     w[o][i][k]   x[i][p + k]       ROWS rows o that share a list of taps, or 8 taps of one row
 *     gradient of the input dx[i][p]      w[o][i][k]  dy[o][p - k]       ROWS rows i that share a list of taps, or 8 taps of one row
 *     gradient of a weight dW[o][i][k]    dy[o][p] x[i][p + k]           4 weights of one o x 16 lanes, over pixels p
 *
 * A term that is 0 because it lies outside the image changes no bit of a sum that began at +0. */

/* of a block: so that its sums fit into the registers that most machines have */
enum { ROWS = 2, COLUMNS = 32 };

/* sum[r][l] = (more ? sum[r][l] : +0) + sum over k ascending of w[k][r] x[offset[k] + l] for r <
 * ROWS, l < COLUMNS: rows that have the same taps, so that every x that is loaded serves them
 * all. */
static void block(int more, float *restrict sum, const float *restrict x,
                  const uint32_t *restrict offset, const float *restrict w, size_t taps)
{
  float s[ROWS][COLUMNS];
  size_t r, k;
  int l;
  for (r = 0; r < ROWS; r++)
    for (l = 0; l < COLUMNS; l++) s[r][l] = more ? sum[r * COLUMNS + (size_t)l] : 0;
  for (k = 0; k < taps; k++)
    for (r = 0; r < ROWS; r++) {
      const float *restrict p = x + offset[k];
      const float v = w[ROWS * k + r];
      for (l = 0; l < COLUMNS; l++) s[r][l] = s[r][l] + (float)(v * p[l]);
    }
  for (r = 0; r < ROWS; r++)
    for (l = 0; l < COLUMNS; l++) sum[r * COLUMNS + (size_t)l] = s[r][l];
}

/* sum + w[0] x[offset[0] + l] + w[1] x[offset[1] + l] + ... */
static inline float with_taps(const size_t taps, float sum, const float *restrict x,
                              const uint32_t *restrict offset, const float *restrict w, size_t l)
{
  size_t k;
  for (k = 0; k < taps; k++) sum = sum + (float)(w[k] * x[offset[k] + l]);
  return sum;
}

/* y[l] = (more ? y[l] : +0) + sum over k ascending of w[k] x[offset[k] + l] for l < n; `taps` is
 * a constant where it is called. */
static inline void add_taps(const size_t taps, int more, float *restrict y, const float *restrict x,
                            const uint32_t *restrict offset, const float *restrict w, size_t n)
{
  size_t l;
  if (more)
    for (l = 0; l < n; l++) y[l] = with_taps(taps, y[l], x, offset, w, l);
  else
    for (l = 0; l < n; l++) y[l] = with_taps(taps, 0, x, offset, w, l);
}

/* y[l] = sum over k ascending of w[k] x[offset[k] + l] for l < n: a row with its own taps, 8 at
 * a time. */
static void row_of_taps(float *y, const float *x, const uint32_t *offset, const float *w,
                        size_t taps, size_t n)
{
  size_t k;
  for (k = 0; k == 0 || k < taps; k += 8) switch (taps - k) {
    case 0: memset(y, 0, n * sizeof *y); break;
    case 1: add_taps(1, k > 0, y, x, offset + k, w + k, n); break;
    case 2: add_taps(2, k > 0, y, x, offset + k, w + k, n); break;
    case 3: add_taps(3, k > 0, y, x, offset + k, w + k, n); break;
    case 4: add_taps(4, k > 0, y, x, offset + k, w + k, n); break;
    case 5: add_taps(5, k > 0, y, x, offset + k, w + k, n); break;
    case 6: add_taps(6, k > 0, y, x, offset + k, w + k, n); break;
    case 7: add_taps(7, k > 0, y, x, offset + k, w + k, n); break;
    default: add_taps(8, k > 0, y, x, offset + k, w + k, n);
    }
}

/* sum[w][l] += sum over rows and pixels ascending of dy[16 p + l] x[offset[w] + 16 p + l]: the
 * gradients of four weights of one output by lanes, sum[4][16]; each dy that is loaded serves
 * all. From one row to the next dy is d_step and x x_step further on. */
static void lanes_dot(float *restrict sum, const float *restrict dy, size_t d_step,
                      const float *restrict x, size_t x_step, const uint32_t *restrict offset,
                      size_t rows, size_t pixels)
{
  size_t r, left;
  int l;
  for (r = 0; r < rows; r++) {
    const float *restrict d = dy + r * d_step, *restrict x0 = x + r * x_step + offset[0],
                          *restrict x1 = x + r * x_step + offset[1];
    const float *restrict x2 = x + r * x_step + offset[2], *restrict x3 =
                                                               x + r * x_step + offset[3];
    for (left = pixels; left >= 4; left -= 4, d += 64, x0 += 64, x1 += 64, x2 += 64, x3 += 64)
      for (l = 0; l < LANES; l++) {
        const float d0 = d[l], d1 = d[l + 16], d2 = d[l + 32], d3 = d[l + 48];
        float s0 = sum[l], s1 = sum[l + 16], s2 = sum[l + 32], s3 = sum[l + 48];
        s0 = s0 + (float)(d0 * x0[l]), s1 = s1 + (float)(d0 * x1[l]), s2 = s2 + (float)(d0 * x2[l]),
        s3 = s3 + (float)(d0 * x3[l]);
        s0 = s0 + (float)(d1 * x0[l + 16]), s1 = s1 + (float)(d1 * x1[l + 16]),
        s2 = s2 + (float)(d1 * x2[l + 16]), s3 = s3 + (float)(d1 * x3[l + 16]);
        s0 = s0 + (float)(d2 * x0[l + 32]), s1 = s1 + (float)(d2 * x1[l + 32]),
        s2 = s2 + (float)(d2 * x2[l + 32]), s3 = s3 + (float)(d2 * x3[l + 32]);
        s0 = s0 + (float)(d3 * x0[l + 48]), s1 = s1 + (float)(d3 * x1[l + 48]),
        s2 = s2 + (float)(d3 * x2[l + 48]), s3 = s3 + (float)(d3 * x3[l + 48]);
        sum[l] = s0, sum[l + 16] = s1, sum[l + 32] = s2, sum[l + 48] = s3;
      }
    for (; left > 0; left--, d += LANES, x0 += LANES, x1 += LANES, x2 += LANES, x3 += LANES)
      for (l = 0; l < LANES; l++) {
        sum[l] = sum[l] + (float)(d[l] * x0[l]), sum[l + 16] = sum[l + 16] + (float)(d[l] * x1[l]);
        sum[l + 32] = sum[l + 32] + (float)(d[l] * x2[l]),
                sum[l + 48] = sum[l + 48] + (float)(d[l] * x3[l]);
      }
  }
}

/* sum[l] += sum over pixels ascending of x[16 p + l] */
static void lanes_add(float *restrict sum, const float *restrict x, size_t pixels)
{
  int l;
  for (; pixels >= 4; pixels -= 4, x += 4 * LANES)
    for (l = 0; l < LANES; l++) {
      float t = sum[l] + x[l];
      t = t + x[l + 16], t = t + x[l + 32], t = t + x[l + 48];
      sum[l] = t;
    }
  for (; pixels > 0; pixels--, x += LANES)
    for (l = 0; l < LANES; l++) sum[l] = sum[l] + x[l];
}

/* The same for n columns: out[i] = sum of v[l step + i]. */
static void lanes_sums(float *restrict out, const float *restrict v, size_t step, size_t n)
{
  const float *restrict u = v + 4 * step, *restrict s = v + 8 * step, *restrict r = v + 12 * step;
  const size_t a = step, b = 2 * step, c = 3 * step;
  size_t i;
  for (i = 0; i < n; i++) {
    float p0 = v[i] + s[i], p1 = v[a + i] + s[a + i], p2 = v[b + i] + s[b + i],
          p3 = v[c + i] + s[c + i];
    float q0 = u[i] + r[i], q1 = u[a + i] + r[a + i], q2 = u[b + i] + r[b + i],
          q3 = u[c + i] + r[c + i];
    p0 = p0 + q0, p1 = p1 + q1, p2 = p2 + q2, p3 = p3 + q3;
    p0 = p0 + p2, p1 = p1 + p3;
    out[i] = p0 + p1;
  }
}

/* ==== self-check ============================================================================ */

/* What is checked, by pointers that no compiler sees through: else it would make copies for the
 * values below, without the vectors of those that train. */
static volatile const struct {
  void (*row_of_taps)(float *, const float *, const uint32_t *, const float *, size_t, size_t);
  void (*block)(int, float *, const float *, const uint32_t *, const float *, size_t);
  void (*lanes_dot)(float *, const float *, size_t, const float *, size_t, const uint32_t *, size_t,
                    size_t);
  void (*lanes_add)(float *, const float *, size_t);
  float (*lanes_sum)(float *);
  void (*lanes_sums)(float *, const float *, size_t, size_t);
  void (*optimizer_step)(Optimizer *, Net *, const Training *, float);
} used = {row_of_taps, block, lanes_dot, lanes_add, lanes_sum, lanes_sums, optimizer_step};

/* Whether all of x[0..n) are `expected`, bit for bit. */
static int all_are(float expected, const float *x, size_t n)
{
  size_t i;
  for (i = 0; i < n; i++)
    if (bits_of(x[i]) != bits_of(expected)) return 0;
  return 1;
}

/* y + a b + last, with other terms that are 0 around a b, through every kernel and every place in
 * it. Terms: y, then others of which one is a b, then last: 8 + 2 taps, 4 + 4 + 2 pixels. */
static int kernels_give(float y, float a, float b, float last, float expected)
{
  enum { MOST = 10, N = 2 * COLUMNS, ALL = N + ROWS * COLUMNS };
  enum { ODD = N - 1 }; /* whole vectors and some numbers more */
  float x[MOST * N], w[MOST], together[MOST * ROWS], out[ALL], wide[MOST * LANES];
  uint32_t offset[MOST], same[4] = {0, 0, 0, 0};
  volatile float product = a * b;
  size_t terms, i, k, at;
  for (terms = 3; terms <= MOST; terms++)
    for (at = 1; at + 1 < terms; at++) {
      for (k = 0; k < terms; k++) {
        offset[k] = (uint32_t)(k * N);
        w[k] = k == 0 || k + 1 == terms ? 1.0f : k == at ? a : 0.0f;
        for (i = 0; i < N; i++) x[k * N + i] = k == 0 ? y : k + 1 == terms ? last : b;
        for (i = 0; i < ROWS; i++) together[ROWS * k + i] = w[k];
        for (i = 0; i < LANES; i++) wide[k * LANES + i] = w[k];
      }
      used.row_of_taps(out, x, offset, w, terms, N);
      used.block(0, out + N, x, offset, together, terms);
      if (!all_are(expected, out, ALL)) return 0;
      used.row_of_taps(out, x, offset, w, terms, ODD);
      if (!all_are(expected, out, ODD)) return 0;
      for (k = 0; k < terms; k++) /* the rows of x again, LANES apart */
        for (i = 0; i < LANES; i++) x[k * LANES + i] = k == 0 ? y : k + 1 == terms ? last : b;
      for (i = 0; i < 5 * LANES; i++) out[i] = 0;
      used.lanes_dot(out, wide, 0, x, 0, same, 1, terms);
      for (i = 0; i < (terms - 2) * LANES; i++) x[LANES + i] = i / LANES + 1 == at ? product : 0;
      used.lanes_add(out + 4 * LANES, x, terms);
      if (!all_are(expected, out, 5 * LANES)) return 0;
    }
  return 1;
}

/* The order of the sum of lanes, as one number and as a row of them. */
static int lanes_give(float lane0, float lane4, float lane8, float lane12, float expected)
{
  enum { N = LANES + 3 };
  float all[LANES * N], one[LANES] = {0}, sum[N + 1];
  size_t i;
  one[0] = lane0;
  one[4] = lane4;
  one[8] = lane8;
  one[12] = lane12;
  for (i = 0; i < LANES * N; i++) all[i] = one[i / N];
  used.lanes_sums(sum, all, N, N);
  sum[N] = used.lanes_sum(one);
  return all_are(expected, sum, N + 1);
}

/* The optimisers' gradient y + a b: sgd's velocity, and ten times Adam's. */
static int optimizers_give(float y, float a, float b, float expected)
{
  enum { N = 61 };
  float weight[N], gradient[N], velocity[N], square[N];
  volatile float tenth = 0.1f, of_adam = tenth * expected;
  Training how = {0};
  Optimizer o = {0};
  Net net = {0};
  int adam, i;
  net.weight = weight;
  net.gradient = gradient;
  net.survivors = net.size = N;
  o.velocity = velocity;
  o.square = square;
  how.weight_decay = a;
  for (adam = 0; adam < 2; adam++) {
    for (i = 0; i < N; i++) {
      weight[i] = b;
      gradient[i] = y;
      velocity[i] = square[i] = 0;
    }
    how.optimizer = adam ? ADAM : SGD;
    used.optimizer_step(&o, &net, &how, 1.0f);
    if (!all_are(adam ? of_adam : expected, velocity, N)) return 0;
  }
  return 1;
}

const char *self_check(void)
{
  volatile float one = 1.0f, big = 16777216.0f, least = FLT_MIN; /* volatile: nothing is folded */
  volatile float a = float_of(0x1c800800u), b = float_of(0x1d000800u), tiny = a * b;
  const float next = one + FLT_EPSILON, above = next / 4096, below = (one - FLT_EPSILON) / 4096;
  const float step = one + 1.0f / 4096.0f, square = one + 1.0f / 2048.0f;
  const float subnormal = float_of(1025);
  float values[5 * 64];
  int k;
#ifdef __FAST_MATH__
  return "it was built with -ffast-math or -Ofast, which reorder sums and flush small numbers; "
         "build without";
#endif
  if (sizeof(float) != 4 || bits_of(one) != 0x3f800000u)
    return "float is not IEEE-754 binary32 here; no flag mends that";
  if (bits_of(least * 0.5f) != 0x00400000u ||
      bits_of(float_of(bits_of(least) / 2) * (one + one)) != bits_of(least))
    return "subnormal numbers are flushed to zero; build without -ffast-math, -Ofast and "
           "flush-to-zero options";
  /* (2^-70 + 2^-82) (2^-69 + 2^-81) = (1024.5 + 2^-14) 2^-149 rounds to 1025 2^-149; by way of 24
   * bits, to 1024.5 2^-149 and then to 1024 2^-149 */
  if (bits_of(tiny) != bits_of(subnormal))
    return "subnormal products are rounded twice; build without -mpc32 or with -msse2 -mfpmath=sse";
  /* 1 + 2^-23 + 2^-24 (1 - 2^-46) is just below the middle of two floats; the product rounded to
   * float, or the sum to 53 or 64 bits, makes it the middle, which goes up to 1 + 2^-22 */
  if (!kernels_give(next, above, below, 0.0f, next + FLT_EPSILON))
    return "a product is not rounded before it is added (fused multiply-add); build with "
           "-ffp-contract=off";
  /* 2^24 + 1 rounds to 2^24 before 2^24 is subtracted, or 1 is left; and
   * (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11 before it is added, or 2^-24 is left */
  if (!kernels_give(big, one, one, -big, 0.0f) || !kernels_give(-square, step, step, 0.0f, 0.0f) ||
      !optimizers_give(-square, step, step, 0.0f) || !lanes_give(big, -big, one, 0.0f, 0.0f) ||
      !lanes_give(big, -big, 0.0f, one, 1.0f))
    return "a sum is reordered, kept in a wider type or not rounded to nearest; build with "
           "-std=c99, on x86 with -msse2 -mfpmath=sse, and without -ffast-math, -Ofast and "
           "-fassociative-math";
  if (!kernels_give(0.0f, a, b, 0.0f, subnormal) || !optimizers_give(0.0f, a, b, subnormal) ||
      !kernels_give(tiny, 0.0f, one, tiny, float_of(2050)) ||
      !lanes_give(tiny, tiny, tiny, tiny, float_of(4100)))
    return "vectors flush subnormal numbers to zero; build with -fno-tree-vectorize (gcc), "
           "-fno-vectorize -fno-slp-vectorize (clang)";
  for (k = 0; k < 64; k++) values[k] = (float)(3 * k + 1) * one;
  for (k = 0; k < 64; k++) {
    values[64 + k] = values[k] / values[63 - k];
    values[128 + k] = square_root(values[k]);
    values[192 + k] = exponential(values[k] / -7.0f) + cosine_turns((float)k / 64.0f);
    values[256 + k] = logarithm(values[k]) + arc_cosine((float)k / 64.0f);
  }
  if (digest_floats(values, 5 * 64) != 0x72a69ece331cd4bfu)
    return "division, square root, exp or log differ in their last bit; build with -std=c99 and "
           "without -ffast-math, -Ofast and -freciprocal-math";
  return NULL;
}

/* ==== layers: each forward beside its backward ============================================== */

static size_t activation_size(const Activation *a) { return a->channels * a->height * a->width; }
static size_t tiles_in_use(const Net *net, int a)
{
  return (net->images + net->activation[a].tile - 1) / net->activation[a].tile;
}

/* One thread's part of n equal things: first[0] to first[1]. */
static void part_of(const Net *net, size_t n, int part, size_t first[2])
{
  first[0] = n * (size_t)part / (size_t)net->threads;
  first[1] = n * (size_t)(part + 1) / (size_t)net->threads;
}

/* Channel c of tile t of an activation's values, or gradients. */
static float *plane_of(const Net *net, int activation, int gradient, size_t t, size_t c)
{
  const Activation *a = &net->activation[activation];
  return (gradient ? a->gradient : a->value) + (t * a->channels + c) * a->plane;
}

/* y = max(x, 0); NaN stays NaN, so that a diverged network shows. */
static float rectified(float x) { return x < 0 ? 0 : x; }

/* Backwards through max(x, 0): dy[i] = y[i] > 0 ? dy[i] : 0 */
static void rectify_gradient(float *restrict dy, const float *restrict y, size_t n)
{
  size_t i;
  for (i = 0; i < n; i++) dy[i] = y[i] > 0 ? dy[i] : 0;
}

/* ---- convolutions and dense layers ----------------------------------------------------------- */

enum { STRIP = 1 << 17 }; /* numbers of a strip: 512 KiB, half of a usual second-level cache */

/* What a pass reads of all channels at a time: so many rows as make `high` rows of what is
 * computed from it, from `before` rows above and columns to the left. x for the output and dW,
 * dy for dx. */
typedef struct {
  const Activation *from;
  /* output row u needs rows u step ... u step + span - 1 */
  size_t channels, before, high, step, span;
  size_t row, plane; /* numbers from one row, one channel, to the next */
} Strip;

static Strip strip_of(const Net *net, const Layer *layer, int backward)
{
  const Activation *a = &net->activation[backward ? layer->out : layer->in];
  Strip s;
  s.from = a;
  s.channels = backward ? layer->outputs : layer->inputs;
  s.step = backward ? 1 : layer->stride;
  s.before = backward ? (layer->kernel - 1 - layer->padding) / layer->stride : layer->padding;
  s.span = backward ? s.before + (layer->stride - 1 + layer->padding) / layer->stride + 1
                    : layer->kernel;
  s.row = s.step == 1 ? a->row
                      : (layer->width + 2 * layer->padding + s.step - 1) / s.step * s.step * LANES;
  s.high = backward ? (layer->height + layer->stride - 1) / layer->stride : layer->rows;
  while (s.high > 2 && layer->kernel > 1 &&
         ((s.high - 1) * s.step + s.span) * s.row * s.channels > STRIP)
    s.high = (s.high + 1) / 2;
  s.plane = s.step == 1 ? a->plane : ((s.high - 1) * s.step + s.span) * s.row;
  return s;
}

/* Channel 0 of the strip for output rows u ... u + high - 1 of tile t, of which only channels
 * from ... to - 1 are used. With a stride it is a copy in which a row comes as its every step-th
 * pixel, then those that follow them, and so on; else the activation itself. */
static const float *strip(const Strip *s, float *room, const float *x, size_t t, size_t from,
                          size_t to, size_t u, size_t high)
{
  const Activation *a = s->from;
  const size_t each = s->row / LANES / s->step, rows = (high - 1) * s->step + s->span;
  const float *first = x + t * s->channels * a->plane - s->before * (a->row + LANES);
  size_t c, r, q, j;
  if (s->step == 1) return first + u * a->row;
  for (c = from; c < to; c++)
    for (r = 0; r < rows; r++)
      for (j = 0; j < each; j++)
        for (q = 0; q < s->step; q++)
          memcpy(room + (c - from) * s->plane + r * s->row + (q * each + j) * LANES,
                 first + c * a->plane + (u * s->step + r) * a->row + (j * s->step + q) * LANES,
                 LANES * sizeof(float));
  return room - from * s->plane;
}

enum { CONV, NORM, MAX_POOL, AVERAGE_POOL, SUM, FLATTEN };
/* pixels and partial sums that a weight gradient works on at a time */
enum { PIXELS = 128, SUMS = 1 << 17 };

/* So many rows of pixels does the dense weight gradient take at once. */
static size_t rows_at_once(const Layer *layer)
{
  const size_t rows = (PIXELS + layer->columns - 1) / layer->columns;
  return rows < layer->rows ? rows : layer->rows;
}

/* The weights in the order of the taps: [block of rows][tap][ROWS] where rows share a list, else
 * [tap]. */
static void pack(Net *net, const Layer *layer, const Taps *taps, size_t lists, size_t rows,
                 int part)
{
  const float *w = net->weight + net->tensor[layer->weight].offset;
  const size_t blocks = (rows + ROWS - 1) / ROWS;
  size_t list, r, k, j, mine[2];
  if (taps->step == 0) {
    part_of(net, taps->start[lists], part, mine);
    for (j = mine[0]; j < mine[1]; j++) net->packed[j] = w[taps->index[j]];
    return;
  }
  part_of(net, blocks, part, mine);
  for (list = 0; list < lists; list++) {
    const size_t first = taps->start[list], n = taps->start[list + 1] - first;
    for (r = mine[0]; r < mine[1]; r++) {
      float *to = net->packed + ROWS * (first * blocks + r * n);
      for (k = 0; k < n; k++)
        for (j = 0; j < ROWS; j++)
          to[ROWS * k + j] =
              ROWS * r + j < rows ? w[taps->index[first + k] + (ROWS * r + j) * taps->step] : 0;
    }
  }
}

/* Where the rows of sums go: the rows of a plane are `row` apart, planes `plane` and pixels
 * `step`. */
typedef struct {
  float *y;
  size_t plane, row, step;
  int adds, relu;    /* to what is there; max(y, 0) at the end */
  const float *bias; /* or NULL */
} Target;

/* n sums of row r to y, where they belong in it, or from where they are already; there the bias
 * is added and the ReLU applied. */
static void put(const Target *to, size_t r, float *y, const float *sum, size_t n)
{
  const size_t run = to->step == LANES ? n : LANES;
  size_t p, i;
  for (p = 0; sum != y && p < n; p += run) {
    float *restrict at = y + p / LANES * to->step;
    const float *restrict from = sum + p;
    if (to->adds)
      for (i = 0; i < run; i++) at[i] = at[i] + from[i];
    else
      for (i = 0; i < run; i++) at[i] = from[i];
  }
  for (i = 0; to->bias && i < n; i++) y[i] = y[i] + to->bias[r];
  for (i = 0; to->relu && i < n; i++) y[i] = rectified(y[i]);
}

/* rows and terms of blocks taken together: their x, weights and sums stay in a first-level cache */
enum { TOGETHER = 64, TERMS = 128 };

/* y[r][u][p] = sum over the taps of row r of w x[u][offset + p], for rows mine[0] <= r < mine[1]
 * of `rows`, u < high, and n numbers p: a strip of one tile of images. `list` is the first row's
 * list, or the one that all share. */
static void convolve(const Net *net, const Taps *taps, size_t list, size_t rows,
                     const size_t mine[2], const float *x, size_t x_step, const Target *to,
                     size_t high, size_t n, float *room)
{
  const size_t together = taps->step ? TOGETHER : 1;
  size_t r, u, c, j, k;
  for (r = mine[0]; r < mine[1]; r += together) {
    const size_t its = taps->step ? list : list + r, first = taps->start[its],
                 all = taps->start[its + 1] - first;
    const size_t some = mine[1] - r < together ? mine[1] - r : together;
    const float *w =
        net->packed + (taps->step ? ROWS * first * ((rows + ROWS - 1) / ROWS) + r * all : first);
    for (u = 0; u < high; u++) {
      float *y = to->y + r * to->plane + u * to->row;
      if (together == 1) {
        float *sums = to->step == LANES && !to->adds ? y : room;
        row_of_taps(sums, x + u * x_step, taps->offset + first, w, all, n);
        put(to, r, y, sums, n);
        continue;
      }
      for (c = 0; c < n; c += COLUMNS) {
        for (k = 0; k == 0 || k < all; k += TERMS)
          for (j = 0; j < some; j += ROWS)
            block(k > 0, room + j * COLUMNS, x + u * x_step + c, taps->offset + first + k,
                  w + j * all + ROWS * k, all - k < TERMS ? all - k : TERMS);
        for (j = 0; j < some; j++)
          put(to, r + j, y + j * to->plane + c / LANES * to->step, room + j * COLUMNS,
              n - c < COLUMNS ? n - c : COLUMNS);
      }
    }
  }
}

/* Of tiles x rows, in blocks of ROWS rows, the rows of tile t that are this thread's part; 0 if
 * there are none. */
static int rows_of_tile(const Net *net, size_t tiles, size_t t, size_t rows, int part,
                        size_t mine[2])
{
  const size_t blocks = (rows + ROWS - 1) / ROWS, begin = t * blocks, end = begin + blocks;
  part_of(net, tiles * blocks, part, mine);
  if (mine[1] <= begin || mine[0] >= end) return 0;
  mine[0] = mine[0] > begin ? ROWS * (mine[0] - begin) : 0;
  mine[1] = mine[1] < end ? ROWS * (mine[1] - begin) : rows;
  return 1;
}

static void pack_forward(Net *net, const Layer *layer, int part)
{
  pack(net, layer, &layer->forward, layer->forward.step ? 1 : layer->outputs, layer->outputs, part);
}

/* y[o][r][c] = sum over (i, kr, kc) of w[o][i][kr][kc] x[i][r stride + kr - padding][c stride +
 * kc - padding], plus b[o] */
static void conv_forward(Net *net, const Layer *layer, int part)
{
  const Strip s = strip_of(net, layer, 0);
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t tiles = tiles_in_use(net, layer->out);
  float *room = net->room + (size_t)part * net->room_size,
        *sums = room + s.channels * (s.step > 1 ? s.plane : 0);
  size_t t, u, mine[2];
  Target to = {NULL, 0, 0, LANES, 0, 0, NULL};
  to.plane = out->plane, to.row = out->row, to.relu = layer->relu;
  if (layer->bias >= 0) to.bias = net->weight + net->tensor[layer->bias].offset;
  for (t = 0; t < tiles; t++) {
    if (!rows_of_tile(net, tiles, t, layer->outputs, part, mine)) continue;
    for (u = 0; u < layer->rows; u += s.high) {
      const size_t high = layer->rows - u < s.high ? layer->rows - u : s.high;
      const float *x = strip(&s, room, in->value, t, 0, layer->inputs, u, high);
      to.y = plane_of(net, layer->out, 0, t, 0) + u * out->row;
      convolve(net, &layer->forward, 0, layer->outputs, mine, x, s.step * s.row, &to, high,
               layer->columns * LANES, sums);
    }
  }
}

/* db[o] = sum over images and pixels of dy[o], by lanes; dy first goes backwards through the
 * ReLU. */
static void conv_bias_gradient(Net *net, const Layer *layer, int part)
{
  const size_t tiles = tiles_in_use(net, layer->out), n = net->activation[layer->out].plane;
  size_t t, o, mine[2];
  part_of(net, layer->outputs, part, mine);
  for (o = mine[0]; o < mine[1]; o++) {
    float sum[LANES] = {0};
    for (t = 0; t < tiles; t++) {
      float *dy = plane_of(net, layer->out, 1, t, o);
      if (layer->relu) rectify_gradient(dy, plane_of(net, layer->out, 0, t, o), n);
      if (layer->bias >= 0) lanes_add(sum, dy, n / LANES);
    }
    if (layer->bias >= 0) net->gradient[net->tensor[layer->bias].rank + o] = lanes_sum(sum);
  }
}

static void pack_backward(Net *net, const Layer *layer, int part)
{
  const size_t phases = layer->stride * layer->stride;
  if (layer->in > 0)
    pack(net, layer, &layer->backward, layer->backward.step ? phases : phases * layer->inputs,
         layer->inputs, part);
}

/* dx[i][h][w] = sum over (o, r, c) of w[o][i][h + padding - r stride][w + padding - c stride]
 * dy[o][r][c]. With a stride, the pixels of dx of one phase (h mod stride, w mod stride) use the
 * same taps: each phase is a convolution of stride 1. */
static void conv_input_gradient(Net *net, const Layer *layer, int part)
{
  const Strip from = strip_of(net, layer, 1);
  const Activation *in = &net->activation[layer->in];
  const size_t s = layer->stride, tiles = tiles_in_use(net, layer->out);
  size_t t, p, u, mine[2];
  Target to = {NULL, 0, 0, 0, 0, 0, NULL};
  to.plane = in->plane, to.row = s * in->row, to.step = s * LANES, to.adds = layer->adds;
  for (t = 0; layer->in > 0 && t < tiles; t++) {
    if (!rows_of_tile(net, tiles, t, layer->inputs, part, mine)) continue;
    for (u = 0; u * s < layer->height; u += from.high) {
      const float *dy = strip(&from, NULL, net->activation[layer->out].gradient, t, 0,
                              layer->outputs, u, from.high);
      for (p = 0; p < s * s; p++) {
        const size_t h = p / s + u * s, w = p % s, left = (layer->height - h + s - 1) / s,
                     high = left < from.high ? left : from.high;
        if (h >= layer->height || w >= layer->width) continue;
        to.y = plane_of(net, layer->in, 1, t, 0) + h * in->row + w * LANES;
        convolve(net, &layer->backward, layer->backward.step ? p : p * layer->inputs, layer->inputs,
                 mine, dy, from.row, &to, high, (layer->width - w + s - 1) / s * LANES,
                 net->room + (size_t)part * net->room_size);
      }
    }
  }
}

/* Room for the sums of conv_weight_gradient: SUMS, but at least those of one input channel. */
static size_t sums_size(const Layer *layer)
{
  const size_t all = (layer->kernel * layer->kernel + 3) / 4 * 4 * layer->outputs * LANES;
  return all > SUMS ? all : SUMS;
}

/* dW[o][i][kr][kc] = sum over images and pixels of dy[o][r][c] x[i][r stride + kr - padding][c
 * stride + kc - padding], by lanes; for this thread's outputs. So many input channels at a time
 * that most weights come in fours and their sums fit. */
static void conv_weight_gradient(Net *net, const Layer *layer, int part)
{
  const Strip s = strip_of(net, layer, 0);
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const Taps *taps = &layer->forward;
  const Tensor *w = &net->tensor[layer->weight];
  const size_t area = layer->kernel * layer->kernel, K = layer->inputs * area,
               tiles = tiles_in_use(net, layer->out);
  const int masked = layer->survivors < layer->outputs * K;
  /* dense but masked: `compact` picks the survivors */
  float *to = taps->step && masked ? net->packed : net->gradient + w->rank;
  float *sums = net->room + (size_t)part * net->room_size, *room = sums + sums_size(layer);
  size_t first, last, channels, some, t, o, u, j, q, mine[2];
  part_of(net, layer->outputs, part, mine);
  if (mine[0] == mine[1]) return;
  for (channels = 4; channels < layer->inputs &&
                     channels * layer->survivors < 16 * layer->inputs * layer->outputs;
       channels *= 2)
    continue; /* about 16 taps of each output at least */
  for (o = mine[0]; o < mine[1]; o++) net->range[2 * o] = taps->start[taps->step ? 0 : o];
  for (first = 0; first < layer->inputs; first = last) {
    float *sum;
    /* fewer where more of them survive than on average */
    for (some = channels;; some = (some + 1) / 2) {
      last = first + some < layer->inputs ? first + some : layer->inputs;
      /* taps range[2 o] to range[2 o + 1] of output o belong to these channels */
      for (sum = sums, o = mine[0]; o < mine[1]; o++) {
        const size_t end = taps->start[taps->step ? 1 : o + 1];
        for (j = net->range[2 * o];
             j < end && taps->index[j] - (taps->step ? 0 : o * K) < last * area; j++)
          continue;
        net->range[2 * o + 1] = (uint32_t)j;
        sum += (j - net->range[2 * o] + 3) / 4 * 4 * LANES;
      }
      if ((size_t)(sum - sums) <= sums_size(layer)) break;
    }
    memset(sums, 0, (size_t)(sum - sums) * sizeof *sum);
    for (t = 0; t < tiles; t++)
      for (u = 0; u < layer->rows; u += s.high) {
        const size_t high = layer->rows - u < s.high ? layer->rows - u : s.high;
        const float *x = strip(&s, room, in->value, t, first, last, u, high);
        for (sum = sums, o = mine[0]; o < mine[1]; o++) {
          const float *dy = plane_of(net, layer->out, 1, t, o) + u * out->row;
          for (j = net->range[2 * o]; j < net->range[2 * o + 1]; j += 4, sum += 4 * LANES) {
            /* the last weights of an output may be fewer than 4: then some are computed for
             * nothing */
            uint32_t offset[4];
            for (q = 0; q < 4; q++)
              offset[q] = taps->offset[j + q < net->range[2 * o + 1] ? j + q : j];
            lanes_dot(sum, dy, out->row, x, s.step * s.row, offset, high, layer->columns);
          }
        }
      }
    for (sum = sums, o = mine[0]; o < mine[1]; o++) {
      const size_t begin = net->range[2 * o], end = net->range[2 * o + 1];
      for (j = begin; j < end; j++)
        to[(taps->step ? o * K : 0) + j] = lanes_sum(sum + (j - begin) * LANES);
      sum += (end - begin + 3) / 4 * 4 * LANES;
      net->range[2 * o] = (uint32_t)end;
    }
  }
}

/* Gradients of survivors side by side, where the pass above made those of all weights. */
static void compact(Net *net, const Layer *layer, int part)
{
  const Tensor *w = &net->tensor[layer->weight];
  size_t j, mine[2];
  part_of(net, layer->survivors, part, mine);
  for (j = mine[0]; layer->forward.step && layer->survivors < w->size && j < mine[1]; j++)
    net->gradient[w->rank + j] = net->packed[net->survivor[w->rank + j] - w->offset];
}

/* The same where few weights are masked and there are COLUMNS input channels or more, image by
 * image, as blocks: the pixels of an image with COLUMNS channels side by side are rows
 * x[pixel][channel], and dW[o][channel] of ROWS o is a sum over pixels of dy[o][pixel] times
 * such a row. For every lane, for some channels and some rows of pixels at a time. */
static void dense_weight_gradient(Net *net, const Layer *layer, int part)
{
  const Tensor *w = &net->tensor[layer->weight];
  const size_t k = layer->kernel, K = layer->inputs * k * k, O = layer->outputs, s = layer->stride,
               tiles = tiles_in_use(net, layer->out);
  const size_t high = rows_at_once(layer), width = layer->width + 2 * layer->padding,
               pixels = high * layer->columns;
  const size_t image = ((high - 1) * s + k) * width * COLUMNS;
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  /* x and dy fit whole: then ROWS o at a time, whose sums stay in the cache */
  const int single = tiles == 1 && high == layer->rows;
  float *to = layer->survivors < O * K ? net->packed : net->gradient + w->rank;
  float *x = net->room + (size_t)part * net->room_size, *dy = x + LANES * image, *sums;
  uint32_t *pixel = net->pixel + (size_t)part * pixels;
  size_t first, g, t, u, r, c, j, p, q, l, o, mine[2], blocks, all, dy_lane, lane_size;
  part_of(net, (O + ROWS - 1) / ROWS, part, mine);
  all = mine[1] - mine[0];
  blocks = single ? 1 : all;
  /* lanes whose distance is a power of 2 would share few places of a cache */
  dy_lane = all * pixels * ROWS + LANES;
  sums = dy + LANES * dy_lane;
  lane_size = blocks * k * k * ROWS * COLUMNS; /* sums[lane][block of o][kr kc][ROWS][COLUMNS] */
  for (p = 0; p < pixels; p++)
    pixel[p] = (uint32_t)((p / layer->columns * s * width + p % layer->columns * s) * COLUMNS);
  for (first = 0; first < layer->inputs; first += COLUMNS)
    for (g = mine[0]; g < mine[1]; g += blocks) {
      const size_t channels = layer->inputs - first < COLUMNS ? layer->inputs - first : COLUMNS;
      memset(sums, 0, LANES * lane_size * sizeof *sums);
      for (t = 0; t < tiles; t++)
        for (u = 0; u < layer->rows; u += high) {
          const size_t rows = layer->rows - u < high ? layer->rows - u : high;
          /* x[lane][row][column][channel] */
          for (r = 0; r < (rows - 1) * s + k && (g == mine[0] || !single); r++)
            for (c = 0; c < width; c++) {
              const float *from = plane_of(net, layer->in, 0, t, first) + (u * s + r) * in->row +
                                  c * LANES - layer->padding * (in->row + LANES);
              for (j = 0; j < channels; j++)
                for (l = 0; l < LANES; l++)
                  x[l * image + (r * width + c) * COLUMNS + j] = from[j * in->plane + l];
            }
          /* dy[lane][block of o][pixel][ROWS] */
          for (o = mine[0]; o < mine[1] && ((first == 0 && g == mine[0]) || !single); o++)
            for (p = r = 0; r < rows; r++)
              for (c = 0; c < layer->columns; c++, p++)
                for (j = 0; j < ROWS; j++) {
                  const float *from =
                      plane_of(net, layer->out, 1, t, ROWS * o + j < O ? ROWS * o + j : 0) +
                      (u + r) * out->row + c * LANES;
                  for (l = 0; l < LANES; l++)
                    dy[l * dy_lane + ((o - mine[0]) * pixels + p) * ROWS + j] =
                        ROWS * o + j < O ? from[l] : 0;
                }
          for (l = 0; l < LANES; l++)
            for (q = 0; q < k * k; q++)
              for (o = 0; o < blocks; o++)
                block(1, sums + l * lane_size + (o * k * k + q) * ROWS * COLUMNS,
                      x + l * image + (q / k * width + q % k) * COLUMNS, pixel,
                      dy + l * dy_lane + (g - mine[0] + o) * pixels * ROWS, rows * layer->columns);
        }
      for (o = ROWS * g; o < ROWS * (g + blocks) && o < O; o++)
        for (q = 0; q < k * k; q++) {
          float sum[COLUMNS];
          lanes_sums(sum, sums + (((o / ROWS - g) * k * k + q) * ROWS + o % ROWS) * COLUMNS,
                     lane_size, COLUMNS);
          for (j = 0; j < channels; j++) to[o * K + (first + j) * k * k + q] = sum[j];
        }
    }
}

static void weight_gradient(Net *net, const Layer *layer, int part)
{
  if (layer->forward.step && layer->inputs >= COLUMNS) dense_weight_gradient(net, layer, part);
  else conv_weight_gradient(net, layer, part);
}

/* ---- batch norm (Ioffe and Szegedy 2015), as PyTorch's BatchNorm2d; each thread takes some channels ---- */

/* The lanes of tile t that hold no image get back what they were before. */
static void keep_empty(const Net *net, size_t t, float sum[LANES], const float before[LANES])
{
  size_t l;
  for (l = 0; l < LANES; l++)
    if (t * LANES + l >= net->images) sum[l] = before[l];
}

/* sum[l] += sum of x - mean, or of its square if `squares`, over the channel's pixels; empty
 * slots of the last tile are left out. */
static void channel_sum(const Net *net, const Layer *layer, size_t c, int squares, float mean,
                        float sum[LANES])
{
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in), n = a->width * LANES;
  size_t t, r, i;
  int l;
  for (t = 0; t < tiles; t++) {
    const float *restrict x = plane_of(net, layer->in, 0, t, c);
    float some[LANES];
    memcpy(some, sum, sizeof some);
    for (r = 0; r < a->height; r++, x += a->row)
      for (i = 0; i < n; i += LANES)
        for (l = 0; l < LANES; l++) {
          float term = x[i + (size_t)l] - mean;
          term = squares ? term * term : term;
          some[l] = some[l] + term;
        }
    keep_empty(net, t, some, sum);
    memcpy(sum, some, sizeof some);
  }
}

/* What the backward pass computes again of a number rather than read it: normal = (x - mean)
 * inverse, and d, which is dy where gamma normal + beta passes the ReLU, that is, is more than
 * `least`: 0, or -infinity without one. */
typedef struct {
  float mean, inverse, gamma, beta, least;
} Norm;

/* sum[l] += sum of d, product[l] += sum of d normal, over the channel's pixels but for the empty
 * slots of the last tile. */
static void channel_gradient(const Net *net, const Layer *layer, size_t c, Norm norm,
                             float sum[LANES], float product[LANES])
{
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in), n = a->width * LANES;
  size_t t, r, i;
  int l;
  for (t = 0; t < tiles; t++) {
    const float *restrict x = plane_of(net, layer->in, 0, t, c), *restrict dy = plane_of(
                                                                     net, layer->out, 1, t, c);
    float some[2][LANES];
    memcpy(some[0], sum, sizeof some[0]);
    memcpy(some[1], product, sizeof some[1]);
    for (r = 0; r < a->height; r++, x += a->row, dy += a->row)
      for (i = 0; i < n; i += LANES)
        for (l = 0; l < LANES; l++) {
          float normal = x[i + (size_t)l] - norm.mean, y, d;
          normal = normal * norm.inverse;
          y = normal * norm.gamma;
          y = y + norm.beta;
          d = y > norm.least ? dy[i + (size_t)l] : 0;
          some[0][l] = some[0][l] + d, some[1][l] = some[1][l] + (float)(d * normal);
        }
    keep_empty(net, t, some[0], sum);
    keep_empty(net, t, some[1], product);
    memcpy(sum, some[0], sizeof some[0]);
    memcpy(product, some[1], sizeof some[1]);
  }
}

/* In training mean and variance of the batch, and the running ones go towards them; else the
 * running ones:
 *     normal = (x - mean) inverse    inverse = 1 / sqrt(variance + eps)    y = gamma normal + beta */
static void norm_forward(Net *net, const Layer *layer, int part)
{
  static const float epsilon = 1e-5f;
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in), pixels = net->images * a->height * a->width;
  const int relu = layer->relu;
  size_t t, c, r, i, mine[2];
  part_of(net, a->channels, part, mine);
  for (c = mine[0]; c < mine[1]; c++) {
    float *running_mean = net->weight + net->tensor[layer->mean].offset + c;
    float *running_variance = net->weight + net->tensor[layer->variance].offset + c;
    float mean = *running_mean, variance = *running_variance, inverse, gamma = 1, beta = 0;
    if (net->training) {
      const float rest = 1.0f - net->momentum;
      float sum[LANES] = {0}, squares[LANES] = {0}, all, unbiased;
      channel_sum(net, layer, c, 0, 0, sum);
      mean = lanes_sum(sum) / (float)pixels;
      channel_sum(net, layer, c, 1, mean, squares);
      all = lanes_sum(squares);
      variance = all / (float)pixels;
      unbiased = all / (float)(pixels > 1 ? pixels - 1 : 1);
      *running_mean = (float)(rest * *running_mean) + (float)(net->momentum * mean);
      *running_variance = (float)(rest * *running_variance) + (float)(net->momentum * unbiased);
    }
    inverse = variance + epsilon;
    inverse = 1.0f / square_root(inverse);
    layer->moments[c] = mean;
    layer->moments[a->channels + c] = inverse;
    if (layer->weight >= 0)
      gamma = net->weight[net->tensor[layer->weight].offset + c],
      beta = net->weight[net->tensor[layer->bias].offset + c];
    for (t = 0; t < tiles; t++) {
      const float *restrict x = plane_of(net, layer->in, 0, t, c);
      float *restrict y = plane_of(net, layer->out, 0, t, c);
      for (r = 0; r < a->height; r++, x += a->row, y += a->row)
        for (i = 0; i < a->width * LANES; i++) {
          float normal = x[i] - mean;
          normal = normal * inverse;
          normal = normal * gamma;
          normal = normal + beta;
          y[i] = relu ? rectified(normal) : normal;
        }
    }
  }
}

/* dbeta = sum of dy, dgamma = sum of dy normal, over the N pixels of the batch; since mean and
 * variance depend on x too,
 *     dx = gamma inverse ((dy - dbeta / N) - normal (dgamma / N)) */
static void norm_backward(Net *net, const Layer *layer, int part)
{
  enum { CHUNK = 32 * LANES };
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in), pixels = net->images * a->height * a->width,
               n = a->width * LANES;
  const float infinity = float_of(0x7f800000u);
  const int adds = layer->adds;
  size_t t, c, r, i, first, mine[2];
  int l;
  part_of(net, a->channels, part, mine);
  for (c = mine[0]; c < mine[1]; c++) {
    float sum[LANES] = {0}, product[LANES] = {0}, dbeta, dgamma, slope;
    Norm norm;
    norm.mean = layer->moments[c], norm.inverse = layer->moments[a->channels + c],
    norm.least = layer->relu ? 0 : -infinity;
    norm.gamma = layer->weight < 0 ? 1 : net->weight[net->tensor[layer->weight].offset + c];
    norm.beta = layer->weight < 0 ? 0 : net->weight[net->tensor[layer->bias].offset + c];
    slope = norm.gamma * norm.inverse;
    channel_gradient(net, layer, c, norm, sum, product);
    dbeta = lanes_sum(sum);
    dgamma = lanes_sum(product);
    if (layer->weight >= 0) {
      net->gradient[net->tensor[layer->weight].rank + c] = dgamma;
      net->gradient[net->tensor[layer->bias].rank + c] = dbeta;
    }
    dbeta = dbeta / (float)pixels;
    dgamma = dgamma / (float)pixels;
    for (t = 0; layer->in > 0 && t < tiles; t++) {
      const float *x = plane_of(net, layer->in, 0, t, c), *dy = plane_of(net, layer->out, 1, t, c);
      float *dx = plane_of(net, layer->in, 1, t, c); /* may be dy */
      for (r = 0; r < a->height; r++, x += a->row, dy += a->row, dx += a->row) {
        /* through d: a compiler need not find out whether dx is dy */
        for (first = 0; first < n; first += CHUNK) {
          const size_t m = n - first < CHUNK ? n - first : CHUNK;
          float d[CHUNK];
          for (i = 0; i < m; i++) {
            float normal = x[first + i] - norm.mean, rest;
            normal = normal * norm.inverse;
            rest = normal * norm.gamma;
            rest = rest + norm.beta;
            rest = rest > norm.least ? dy[first + i] : 0;
            rest = rest - dbeta;
            normal = normal * dgamma;
            rest = rest - normal;
            d[i] = slope * rest;
          }
          for (i = 0; i < m; i++) dx[first + i] = adds ? dx[first + i] + d[i] : d[i];
        }
        /* empty slots have no gradient */
        for (i = 0; (t + 1) * LANES > net->images && i < n; i += LANES)
          for (l = 0; l < LANES; l++)
            if (t * LANES + (size_t)l >= net->images) dx[i + (size_t)l] = 0;
      }
    }
  }
}

/* ---- pools: y[r][c] of window x window pixels, without overlap ------------------------------- */

/* Pixel q of the window of output pixel (r, k), in a plane whose rows are `row` apart. */
static size_t in_window(const Layer *layer, size_t row, size_t r, size_t k, size_t q)
{
  return (r * layer->kernel + q / layer->kernel) * row +
         (k * layer->kernel + q % layer->kernel) * LANES;
}

/* MAX_POOL: y = max of x. AVERAGE_POOL: y = sum of x / window^2, rows then columns ascending. */
static void pool_forward(Net *net, const Layer *layer, int part)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t window = layer->kernel * layer->kernel, tiles = tiles_in_use(net, layer->in);
  const int average = layer->kind == AVERAGE_POOL;
  size_t t, c, r, k, q, mine[2];
  int l;
  part_of(net, layer->inputs, part, mine);
  for (t = 0; t < tiles; t++)
    for (c = mine[0]; c < mine[1]; c++)
      for (r = 0; r < layer->rows; r++)
        for (k = 0; k < layer->columns; k++) {
          float *y = plane_of(net, layer->out, 0, t, c) + r * out->row + k * LANES, v[LANES] = {0};
          for (q = 0; q < window; q++) {
            const float *restrict from =
                plane_of(net, layer->in, 0, t, c) + in_window(layer, in->row, r, k, q);
            if (average)
              for (l = 0; l < LANES; l++) v[l] = v[l] + from[l];
            else
              for (l = 0; l < LANES; l++) v[l] = q == 0 || from[l] > v[l] ? from[l] : v[l];
          }
          for (l = 0; l < LANES; l++) y[l] = average ? v[l] / (float)window : v[l];
        }
}

/* MAX_POOL: dx = dy at the first x that equals y. AVERAGE_POOL: dx = dy / window^2. Elsewhere 0. */
static void pool_backward(Net *net, const Layer *layer, int part)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t window = layer->kernel * layer->kernel, tiles = tiles_in_use(net, layer->in);
  const int average = layer->kind == AVERAGE_POOL, adds = layer->adds;
  size_t t, c, r, k, q, mine[2];
  int l;
  if (layer->in == 0) return;
  part_of(net, layer->inputs, part, mine);
  for (t = 0; t < tiles; t++)
    for (c = mine[0]; c < mine[1]; c++) {
      const float *x = plane_of(net, layer->in, 0, t, c);
      float *dx = plane_of(net, layer->in, 1, t, c);
      if (!adds &&
          (layer->rows * layer->kernel < in->height || layer->columns * layer->kernel < in->width))
        memset(dx, 0, in->plane * sizeof *dx);
      for (r = 0; r < layer->rows; r++)
        for (k = 0; k < layer->columns; k++) {
          const size_t p = r * out->row + k * LANES;
          const float *restrict best = plane_of(net, layer->out, 0, t, c) + p,
                                *restrict dy = plane_of(net, layer->out, 1, t, c) + p;
          float d[LANES];
          for (l = 0; l < LANES; l++) d[l] = average ? dy[l] / (float)window : dy[l];
          for (q = 0; q < window; q++) {
            const float *restrict from = x + in_window(layer, in->row, r, k, q);
            float *restrict to = dx + in_window(layer, in->row, r, k, q);
            for (l = 0; l < LANES; l++) {
              const float base = adds ? to[l] : 0, sum = base + d[l];
              to[l] = average || from[l] == best[l] ? sum : base;
              d[l] = !average && from[l] == best[l] ? 0 : d[l];
            }
          }
        }
    }
}

/* ---- sums and flattening --------------------------------------------------------------------- */

/* Where SUM takes the shortcut from: channel c + shift of the output is channel c of the
 * shortcut at every s-th row and column. */
static void shortcut_of(const Net *net, const Layer *layer, size_t *stride, size_t *shift)
{
  const Activation *a = &net->activation[layer->out], *s = &net->activation[layer->shortcut];
  *stride = (s->height + a->height - 1) / a->height;
  *shift = (a->channels - s->channels) / 2;
}

/* y[i] = y[i] + x[i], then the ReLU if asked for */
static void add(float *restrict y, const float *restrict x, size_t n, int relu)
{
  size_t i;
  for (i = 0; i < n; i++) {
    const float sum = y[i] + x[i];
    y[i] = relu ? rectified(sum) : sum;
  }
}

/* y[c + shift][r][k] = in[c + shift][r][k] + shortcut[c][r stride][k stride]; other channels y =
 * in */
static void sum_forward(Net *net, const Layer *layer, int part)
{
  const Activation *a = &net->activation[layer->out], *s = &net->activation[layer->shortcut];
  const size_t tiles = tiles_in_use(net, layer->out), n = a->plane;
  size_t t, c, i, r, k, mine[2], stride, shift;
  int l;
  shortcut_of(net, layer, &stride, &shift);
  part_of(net, a->channels, part, mine);
  for (t = 0; t < tiles; t++)
    for (c = mine[0]; c < mine[1]; c++) {
      const float *x = plane_of(net, layer->in, 0, t, c), *from = NULL;
      float *y = plane_of(net, layer->out, 0, t, c); /* may be x */
      if (x != y) memcpy(y, x, n * sizeof *y);
      if (c >= shift && c - shift < s->channels)
        from = plane_of(net, layer->shortcut, 0, t, c - shift);
      if (from && stride == 1) {
        add(y, from, n, layer->relu);
        continue;
      }
      for (r = 0; from && r < a->height; r++)
        for (k = 0; k < a->width; k++) {
          float *restrict to = y + r * a->row + k * LANES;
          const float *restrict other = from + r * stride * s->row + k * stride * LANES;
          for (l = 0; l < LANES; l++) to[l] = to[l] + other[l];
        }
      for (i = 0; layer->relu && i < n; i++) y[i] = rectified(y[i]);
    }
}

/* d in = dy, d shortcut[c][r stride][k stride] = dy[c + shift][r][k], elsewhere 0 */
static void sum_backward(Net *net, const Layer *layer, int part)
{
  const Activation *a = &net->activation[layer->out], *s = &net->activation[layer->shortcut];
  const size_t tiles = tiles_in_use(net, layer->out), n = a->plane;
  size_t t, c, i, r, k, mine[2], stride, shift;
  int l;
  shortcut_of(net, layer, &stride, &shift);
  part_of(net, a->channels, part, mine);
  for (t = 0; t < tiles; t++)
    for (c = mine[0]; c < mine[1]; c++) {
      float *dy = plane_of(net, layer->out, 1, t, c), *dx = plane_of(net, layer->in, 1, t, c), *to;
      const float *y = layer->relu ? plane_of(net, layer->out, 0, t, c) : NULL;
      to = layer->shortcut == 0 || c < shift || c - shift >= s->channels
               ? NULL
               : plane_of(net, layer->shortcut, 1, t, c - shift);
      for (i = 0; i < n; i++) {
        const float d = !y || y[i] > 0 ? dy[i] : 0;
        dy[i] = d;
        if (to && stride == 1) to[i] = layer->adds_shortcut ? to[i] + d : d;
      }
      for (i = 0; dx != dy && i < n; i++) dx[i] = layer->adds ? dx[i] + dy[i] : dy[i];
      if (!to || stride == 1) continue;
      if (!layer->adds_shortcut) memset(to, 0, s->plane * sizeof *to);
      for (r = 0; r < a->height; r++)
        for (k = 0; k < a->width; k++) {
          float *restrict at = to + r * stride * s->row + k * stride * LANES;
          const float *restrict from = dy + r * a->row + k * LANES;
          for (l = 0; l < LANES; l++) at[l] = at[l] + from[l];
        }
    }
}

/* [T][C][H][W][LANES] to [T][C H W][L] or back: images of several tiles side by side for the
 * dense layers. */
static void flatten(const Net *net, const Layer *layer, int part, int back)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t I = out->channels, L = out->tile, slots = tiles_in_use(net, layer->out) * L,
               area = in->height * in->width;
  size_t b, i, mine[2];
  part_of(net, I, part, mine);
  for (b = 0; b < slots; b += LANES)
    for (i = mine[0]; i < mine[1]; i++) {
      float *flat = (back ? out->gradient : out->value) + (b / L * I + i) * L + b % L;
      float *image = plane_of(net, layer->in, back, b / LANES, i / area) +
                     i % area / in->width * in->row + i % in->width * LANES;
      int l;
      if (!back && b >= net->images) memset(flat, 0, LANES * sizeof *flat);
      else if (!back) memcpy(flat, image, LANES * sizeof *flat);
      else if (b < net->images)
        for (l = 0; l < LANES; l++) image[l] = layer->adds ? image[l] + flat[l] : flat[l];
    }
}

static void flatten_forward(Net *net, const Layer *layer, int part)
{
  flatten(net, layer, part, 0);
}
static void flatten_backward(Net *net, const Layer *layer, int part)
{
  if (layer->in > 0) flatten(net, layer, part, 1);
}

/* ---- all kinds: their passes in order; within a pass threads share the work and write nothing
 * that another reads or writes */

typedef void Pass(Net *net, const Layer *layer, int part);
static const struct {
  Pass *forward[3], *backward[6];
} layer_kinds[] = {
    /* CONV */ {{pack_forward, conv_forward},
                {conv_bias_gradient, pack_backward, conv_input_gradient, weight_gradient, compact}},
    /* NORM */ {{norm_forward}, {norm_backward}},
    /* MAX_POOL */ {{pool_forward}, {pool_backward}},
    /* AVERAGE_POOL */ {{pool_forward}, {pool_backward}},
    /* SUM */ {{sum_forward}, {sum_backward}},
    /* FLATTEN */ {{flatten_forward}, {flatten_backward}},
};

static void in_parts(Net *net, const Layer *layer, Pass *const *pass)
{
  for (; *pass; pass++) {
    int part;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static, 1)
#endif
    for (part = 0; part < net->threads; part++) (*pass)(net, layer, part);
  }
}

void net_forward(Net *net, int training)
{
  int k;
  net->training = training;
  for (k = 0; k < net->layers; k++) {
    in_parts(net, &net->layer[k], layer_kinds[net->layer[k].kind].forward);
    if (net->observe) net->observe(net->observer, net, k, 0);
  }
}

void net_backward(Net *net)
{
  int k;
  for (k = net->layers - 1; k >= 0; k--) {
    if (net->observe) net->observe(net->observer, net, k, 1);
    in_parts(net, &net->layer[k], layer_kinds[net->layer[k].kind].backward);
  }
}

void net_read(const Net *net, int activation, int gradient, float *to)
{
  const Activation *a = &net->activation[activation];
  const size_t L = a->tile;
  size_t b, c, h, w;
  for (b = 0; b < net->images; b++)
    for (c = 0; c < a->channels; c++)
      for (h = 0; h < a->height; h++)
        for (w = 0; w < a->width; w++)
          *to++ = plane_of(net, activation, gradient, b / L, c)[h * a->row + w * L + b % L];
}

/* Softmax and cross-entropy of one image with logits z[c]:
 *     m = max z    e[c] = exp(z[c] - m)    s = sum of e    loss = ln s - (z[y] - m)
 *     dz[c] = (e[c]/s - [c = y]) / B       for the mean over B images
 * z, dz: [T][classes][L] */
void net_loss(Net *net, float lane[LANES], size_t *wrong)
{
  const Activation *logits = &net->activation[net->activations - 1];
  const size_t C = net->classes, L = logits->tile,
               slots = tiles_in_use(net, net->activations - 1) * L;
  size_t b, c;
  for (b = 0; b < slots; b++) {
    const float *z = logits->value + b / L * C * L + b % L;
    float *dz = logits->gradient + b / L * C * L + b % L;
    float m = z[0], s = 0, target;
    size_t best = 0, y;
    if (b >= net->images) { /* an empty slot of the last tile */
      for (c = 0; c < C; c++) dz[c * L] = 0;
      continue;
    }
    y = net->label[b];
    for (c = 1; c < C; c++)
      if (z[c * L] > m) m = z[c * L], best = c;
    for (c = 0; c < C; c++) {
      dz[c * L] = exponential(z[c * L] - m);
      s = s + dz[c * L];
    }
    for (c = 0; c < C; c++) {
      float p = dz[c * L] / s;
      p = p - (c == y ? 1.0f : 0.0f);
      dz[c * L] = p / (float)net->images;
    }
    target = z[y * L] - m;
    net->loss[b] = logarithm(s) - target;
    lane[b % LANES] = lane[b % LANES] + net->loss[b];
    *wrong += best != y;
  }
}

/* ==== networks ============================================================================== */

enum { MOST_LAYERS = 1024, WIDEST = 65536 };

/* Appends a tensor of the layer called `name`; returns its number. */
static int add_tensor(Net *net, const char *name, const char *suffix, int dims, size_t outputs,
                      size_t inputs, size_t kernel)
{
  Tensor *t = &net->tensor[net->tensors];
  sprintf(t->name, "%.40s.%s", name, suffix);
  t->dims = dims;
  t->shape[0] = outputs;
  t->shape[1] = inputs;
  t->shape[2] = t->shape[3] = kernel;
  t->fan_in = inputs * kernel * kernel;
  t->fan_out = outputs * kernel * kernel;
  t->size = dims == 1 ? outputs : outputs * t->fan_in;
  t->offset = net->size;
  t->prunable = dims > 1;
  net->size += t->size;
  return net->tensors++;
}

static int add_activation(Net *net, size_t channels, size_t height, size_t width, int flat)
{
  Activation *a = &net->activation[net->activations];
  if (height < 1 || width < 1 || height > WIDEST || width > WIDEST)
    fail_usage("--model: these images are too small for this model");
  a->channels = channels;
  a->height = height;
  a->width = width;
  a->flat = flat;
  a->tile = flat ? net->tile : LANES;
  return net->activations++;
}

/* The newest layer, of activation `in`; an earlier layer that reads `in` will find its gradient
 * begun by this one. */
static Layer *add_layer(Net *net, int kind, int in, const char *name)
{
  Layer *layer = &net->layer[net->layers++];
  const Activation *a = &net->activation[in];
  int k;
  if (net->layers == MOST_LAYERS) fail_usage("--model: has more than %d layers", MOST_LAYERS - 1);
  for (k = 0; k + 1 < net->layers; k++) {
    if (net->layer[k].in == in) net->layer[k].adds = 1;
    if (net->layer[k].kind == SUM && net->layer[k].shortcut == in) net->layer[k].adds_shortcut = 1;
  }
  layer->kind = kind;
  sprintf(layer->name, "%.40s", name);
  layer->in = in;
  layer->weight = layer->bias = layer->mean = layer->variance = layer->shortcut = -1;
  layer->inputs = layer->outputs = a->channels;
  layer->height = a->height;
  layer->width = a->width;
  layer->kernel = layer->stride = 1;
  return layer;
}

int add_conv(Net *net, int in, const char *name, size_t outputs, size_t kernel, size_t stride,
             size_t padding, int bias)
{
  Layer *layer = add_layer(net, CONV, in, name);
  layer->outputs = outputs;
  layer->kernel = kernel;
  layer->stride = stride;
  layer->padding = padding;
  layer->rows = (layer->height + 2 * padding - kernel) / stride + 1;
  layer->columns = (layer->width + 2 * padding - kernel) / stride + 1;
  layer->weight = add_tensor(net, name, "weight", 4, outputs, layer->inputs, kernel);
  if (bias) layer->bias = add_tensor(net, name, "bias", 1, outputs, layer->inputs, kernel);
  return layer->out = add_activation(net, outputs, layer->rows, layer->columns, 0);
}

int add_dense(Net *net, int in, const char *name, size_t outputs)
{
  Activation *a = &net->activation[in];
  Layer *layer;
  if (in == 0 && net->layers == 0)
    net->activations = 0, add_activation(net, activation_size(a), 1, 1, 1);
  if (!a->flat) {
    layer = add_layer(net, FLATTEN, in, "");
    in = layer->out = add_activation(net, activation_size(a), 1, 1, 1);
  }
  layer = add_layer(net, CONV, in, name);
  layer->outputs = outputs;
  layer->height = layer->rows = 1;
  layer->width = layer->columns = net->tile / LANES;
  layer->weight = add_tensor(net, name, "weight", 2, outputs, layer->inputs, 1);
  layer->bias = add_tensor(net, name, "bias", 1, outputs, layer->inputs, 1);
  return layer->out = add_activation(net, outputs, 1, 1, 1);
}

int add_norm(Net *net, int in, const char *name, int affine)
{
  Layer *layer = add_layer(net, NORM, in, name);
  const size_t C = layer->inputs;
  if (net->activation[in].flat) fail("add_norm: of a dense layer's outputs is not provided");
  if (affine) {
    layer->weight = add_tensor(net, name, "weight", 1, C, 1, 1);
    layer->bias = add_tensor(net, name, "bias", 1, C, 1, 1);
    net->tensor[layer->weight].norm = net->tensor[layer->bias].norm = 1;
  }
  layer->moments = allocate(2 * C, sizeof(float), "batch norm");
  return layer->out = add_activation(net, C, layer->height, layer->width, 0);
}

int add_relu(Net *net, int in)
{
  Layer *layer = &net->layer[net->layers - 1];
  if (layer->out != in || (layer->kind != CONV && layer->kind != NORM && layer->kind != SUM))
    fail("add_relu: not the newest layer, or a pool");
  layer->relu = 1;
  return in;
}

static int add_pool(Net *net, int kind, int in, size_t window)
{
  Layer *layer = add_layer(net, kind, in, "");
  layer->kernel = layer->stride = window;
  layer->rows = layer->height / window;
  layer->columns = layer->width / window;
  return layer->out = add_activation(net, layer->inputs, layer->rows, layer->columns, 0);
}

int add_max_pool(Net *net, int in, size_t window) { return add_pool(net, MAX_POOL, in, window); }
int add_average_pool(Net *net, int in, size_t window)
{
  return add_pool(net, AVERAGE_POOL, in, window);
}

/* In place, unless the layer before needs what it wrote for its ReLU's gradient. */
int add_sum(Net *net, int in, int shortcut)
{
  const int in_place = !net->layer[net->layers - 1].relu && net->layer[net->layers - 1].out == in;
  Layer *layer = add_layer(net, SUM, in, "");
  int k;
  for (k = 0; k + 1 < net->layers; k++)
    if (net->layer[k].in == shortcut) net->layer[k].adds = 1;
  layer->shortcut = shortcut;
  return layer->out = in_place ? in
                               : add_activation(net, layer->inputs, layer->height, layer->width,
                                                net->activation[in].flat);
}

/* ---- models: names and shapes as OpenLTH's -------------------------------------------------- */

/* lenet-N1-N2-...: dense layers of N1, N2, ... units with ReLU, and an output layer. */
static int build_lenet(Net *net, const Model *model)
{
  const char *widths = model->name + 5;
  char name[NAME_SIZE];
  int depth = 0, at = 0;
  while (*widths == '-') {
    char *end;
    unsigned long n = strtoul(widths + 1, &end, 10);
    if (widths[1] < '1' || widths[1] > '9' || n > WIDEST || depth > 99) return 0;
    sprintf(name, "fc_layers.%d", depth++);
    at = add_relu(net, add_dense(net, at, name, n));
    widths = end;
  }
  add_dense(net, at, "fc", net->classes);
  return depth > 0 && *widths == 0;
}

/* Convolutions 3x3 of so many channels with ReLU, M: max pool 2; from Frankle and Carbin 2019
 * (Conv-N, without batch norm, then two dense layers) and OpenLTH (VGG, then an average pool).
 * NAME-W: W channels in the first layer, not 64, and all others in proportion. */
static int build_plain(Net *net, const Model *model)
{
  static const struct {
    const char *name, *plan;
  } plans[] = {{"conv2", "64 64 M"},
               {"conv4", "64 64 M 128 128 M"},
               {"conv6", "64 64 M 128 128 M 256 256 M"},
               {"vgg11", "64 M 128 M 256 256 M 512 512 M 512 512"},
               {"vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512"},
               {"vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512"},
               {"vgg19", "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512"}};
  const int vgg = model->name[0] == 'v';
  const size_t length = strcspn(model->name, "-");
  const char *at = NULL;
  char name[NAME_SIZE], *end = (char *)"";
  const unsigned long width =
      model->name[length] ? strtoul(model->name + length + 1, &end, 10) : 64;
  int k, a = 0, number;
  for (k = 0; k < 7; k++)
    if (strlen(plans[k].name) == length && !strncmp(model->name, plans[k].name, length))
      at = plans[k].plan;
  if (!at || *end || width < 1 || width > 1024) return 0;
  for (number = 0; *at; number++, at += strspn(at, " ")) {
    if (*at == 'M') {
      a = add_max_pool(net, a, 2);
      at++;
      continue;
    }
    sprintf(name, "layers.%d.conv", number);
    a = add_conv(net, a, name, strtoul(at, (char **)&at, 10) * width / 64, 3, 1, 1, 1);
    sprintf(name, "layers.%d.bn", number);
    if (vgg) a = add_norm(net, a, name, model->affine);
    add_relu(net, a);
  }
  if (vgg) a = add_average_pool(net, a, 2);
  else
    for (k = 0; k < 2; k++) {
      sprintf(name, "fc_layers.%d", k);
      a = add_relu(net, add_dense(net, a, name, 4 * width));
    }
  add_dense(net, a, "fc", net->classes);
  return 1;
}

/* resnetN-W (He 2016, section 4.2): a 3x3 convolution of W channels, three segments of (N - 2)/6
 * blocks with W, 2 W, 4 W channels, each block y = relu(shortcut(x) + bn2(conv2(relu(bn1(conv1
 * x))))), average pool, dense. */
static int build_resnet(Net *net, const Model *model)
{
  char *end, name[NAME_SIZE];
  const unsigned long depth = strtoul(model->name + 6, &end, 10),
                      width = *end == '-' ? strtoul(end + 1, &end, 10) : 16;
  const unsigned long blocks = (depth - 2) / 6;
  unsigned long k;
  int a;
  if (*end || depth % 6 != 2 || depth < 8 || depth > 326 || width < 1 || width > 1024 ||
      net->activation[0].height < 4)
    return 0;
  a = add_conv(net, 0, "conv", width, 3, 1, 1, 0);
  a = add_relu(net, add_norm(net, a, "bn", model->affine));
  for (k = 0; k < 3 * blocks; k++) {
    const int shrinks = k == blocks || k == 2 * blocks;
    int in = a, at = sprintf(name, "blocks.%lu.", k);
    strcpy(name + at, "conv1"),
        a = add_conv(net, in, name, width << k / blocks, 3, shrinks ? 2 : 1, 1, 0);
    strcpy(name + at, "bn1"), a = add_relu(net, add_norm(net, a, name, model->affine));
    strcpy(name + at, "conv2"), a = add_conv(net, a, name, width << k / blocks, 3, 1, 1, 0);
    strcpy(name + at, "bn2"), a = add_norm(net, a, name, model->affine);
    if (shrinks && !model->pad_shortcut) {
      const int residue = a;
      strcpy(name + at, "shortcut.0"),
          in = add_conv(net, in, name, width << k / blocks, 1, 2, 0, 0);
      strcpy(name + at, "shortcut.1"), in = add_norm(net, in, name, model->affine);
      a = residue;
    }
    a = add_relu(net, add_sum(net, a, in));
  }
  a = add_average_pool(net, a, net->activation[a].height);
  add_dense(net, a, "fc", net->classes);
  return 1;
}

void net_open(Net *net, const Dataset *data, size_t batch, int threads)
{
  const size_t tiles = (batch + TILE - 1) / TILE;
  size_t c, p;
  memset(net, 0, sizeof *net);
  net->classes = (size_t)data->classes;
  net->batch = batch;
  net->tile = ((batch + tiles - 1) / tiles + LANES - 1) / LANES * LANES;
  net->slots = net->tile * tiles;
  net->threads = threads;
  net->momentum = 0.1f;
  net->tensor = allocate(5 * MOST_LAYERS, sizeof *net->tensor, "tensors");
  net->layer = allocate(MOST_LAYERS, sizeof *net->layer, "layers");
  net->activation = allocate(2 * MOST_LAYERS, sizeof *net->activation, "activations");
  net->height = (size_t)data->height;
  net->width = (size_t)data->width;
  add_activation(net, (size_t)data->channels, net->height, net->width, 0);
  for (c = 0; c < (size_t)data->channels; c++)
    for (p = 0; p < 256; p++) {
      float pixel = (float)p / 255.0f;
      pixel = pixel - data->mean[c];
      net->value[c][p] = pixel / data->deviation[c];
    }
}

/* Gradients share rooms: one is taken when the backward pass first writes it and given back when
 * its layer has passed it on. Returns each activation's room in room_of (-1: none), for each
 * room the activation that needs most of it in largest, and how many there are. A layer that
 * reads what it writes, number by number, may pass its gradient on in the same room. Planes of
 * other shapes have other rooms, so that nothing ever writes where the borders are. */
static int plan_gradients(const Net *net, int *room_of, const Activation **largest)
{
  char *taken = allocate((size_t)net->activations, 1, "the plan of gradients");
  int rooms = 0, k, j;
  for (k = 0; k < net->activations; k++) room_of[k] = -1;
  /* at k: the activations that layer k writes gradients of; at layers: the logits */
  for (k = net->layers; k >= 0; k--) {
    int wants[2] = {-1, -1};
    const Layer *layer = &net->layer[k < net->layers ? k : 0];
    if (k == net->layers) wants[0] = net->activations - 1;
    else wants[0] = layer->in, wants[1] = layer->kind == SUM ? layer->shortcut : -1;
    if (k < net->layers && (layer->kind == NORM || layer->kind == SUM) && layer->in > 0 &&
        room_of[layer->in] < 0) {
      room_of[layer->in] = room_of[layer->out];
      wants[0] = -1;
    }
    for (j = 0; j < 2; j++) {
      const Activation *a = &net->activation[wants[j] > 0 ? wants[j] : 0];
      int room = 0;
      if (wants[j] <= 0 || room_of[wants[j]] >= 0) continue;
      while (room < rooms &&
             (taken[room] || largest[room]->plane != a->plane || largest[room]->row != a->row))
        room++;
      if (room == rooms) largest[rooms++] = a;
      taken[room] = 1;
      room_of[wants[j]] = room;
      if (a->channels > largest[room]->channels) largest[room] = a;
    }
    if (k < net->layers && layer->in != layer->out && room_of[layer->in] != room_of[layer->out])
      taken[room_of[layer->out]] = 0;
  }
  free(taken);
  return rooms;
}

/* Numbers of workspace for a strip, if it is a copy, and for the sums of `convolve`. */
static size_t strip_size(const Net *net, const Layer *layer, int backward)
{
  const Strip s = strip_of(net, layer, backward);
  return (s.step > 1 ? s.channels * s.plane : 0) + TOGETHER * COLUMNS +
         (backward ? layer->width : layer->columns) * LANES;
}

/* *total += count each, refusing sizes that no memory has. */
static size_t more(size_t *total, size_t count, size_t each, size_t batch)
{
  const size_t before = *total;
  if (each > 0 && count > (SIZE_MAX / 32 - before) / each)
    fail_usage("--batch %lu: needs more bytes than this machine can address; take a smaller one",
               (unsigned long)batch);
  *total += count * each;
  return before;
}

/* Room for an activation, the border above and to the left of its first plane, and what a block
 * reads but does not use past its last row; returns where its first pixel is. */
static size_t more_planes(const Net *net, size_t *total, const Activation *a)
{
  const size_t lead = a->flat ? 0 : net->border * (a->row + LANES),
               at = more(total, 1, lead, net->batch) + lead;
  more(total, net->slots / a->tile, a->channels * a->plane, net->batch);
  more(total, 1, 4 * COLUMNS, net->batch);
  return at;
}

void net_close(Net *net)
{
  int *room_of = allocate((size_t)net->activations, sizeof *room_of, "the plan of gradients"),
      rooms, k;
  const Activation **largest =
      allocate((size_t)net->activations, sizeof *largest, "the plan of gradients");
  size_t all = 0, packed = 0, widest = 0, pixels = 0, *at;
  float *memory;
  net->parameters = net->size;
  for (k = 0; k < net->layers; k++) { /* as far as any pass reaches over an edge */
    const Layer *layer = &net->layer[k];
    size_t reach[4], j;
    reach[0] = layer->padding;
    reach[1] = (layer->kernel - 1 - layer->padding) / layer->stride;
    reach[2] = (layer->height - 1 + layer->padding) / layer->stride + 1 - layer->rows;
    reach[3] = (layer->width - 1 + layer->padding) / layer->stride + 1 - layer->columns;
    for (j = 0; layer->kind == CONV && j < 4; j++)
      net->border = reach[j] > net->border ? reach[j] : net->border;
  }
  for (k = 0; k < net->activations; k++) {
    Activation *a = &net->activation[k];
    /* numbers of a tile: Taps count in 32 bits */
    const size_t border = a->flat ? 0 : net->border, most = 0xffffffffu;
    a->row = (a->width + border) * a->tile;
    if (a->height + border > most / a->row || a->channels > most / (a->height + border) / a->row)
      fail_usage("--model: these images are too large for this model");
    a->plane = (a->height + border) * a->row;
  }
  for (k = 0; k < net->layers; k++) {
    Layer *layer = &net->layer[k];
    if (layer->kind == NORM) {
      layer->mean = add_tensor(net, layer->name, "running_mean", 1, layer->inputs, 1, 1);
      layer->variance = add_tensor(net, layer->name, "running_var", 1, layer->inputs, 1, 1);
    }
    if (layer->kind == CONV) {
      const size_t area = layer->kernel * layer->kernel, forward = strip_size(net, layer, 0),
                   backward = strip_size(net, layer, 1);
      const size_t weights = sums_size(layer) + forward;
      const size_t high = rows_at_once(layer),
                   blocks = LANES * COLUMNS *
                                (((high - 1) * layer->stride + layer->kernel) *
                                     (layer->width + 2 * layer->padding) +
                                 /* x, sums, dy */
                                 (layer->outputs + ROWS) * area) +
                            LANES * (high * layer->columns * (layer->outputs + ROWS) + LANES);
      const size_t a = (layer->outputs + ROWS) * layer->inputs * area,
                   b = (layer->inputs + ROWS) * layer->outputs * area;
      if (backward > net->room_size) net->room_size = backward;
      if (weights > net->room_size) net->room_size = weights;
      if (layer->inputs >= COLUMNS && blocks > net->room_size) net->room_size = blocks;
      pixels = high * layer->columns > pixels ? high * layer->columns : pixels;
      packed = a > packed ? a : packed;
      packed = b > packed ? b : packed;
      widest = layer->outputs > widest ? layer->outputs : widest;
    }
  }
  net->tensor[net->layer[net->layers - 1].weight].output =
      net->tensor[net->layer[net->layers - 1].bias].output = 1;
  net->room_size = (net->room_size + LANES - 1) / LANES * LANES;
  packed = (packed + LANES - 1) / LANES * LANES;
  if (net->size > 0xffffffffu || net->room_size > 0xffffffffu)
    fail_usage("--model: has more than 2^32 parameters");
  rooms = plan_gradients(net, room_of, largest);
  at = allocate((size_t)(net->activations + rooms) + 2, sizeof *at, "the plan of activations");
  for (k = 0; k < net->activations; k++) at[k] = more_planes(net, &all, &net->activation[k]);
  for (k = 0; k < rooms; k++) at[net->activations + k] = more_planes(net, &all, largest[k]);
  at[net->activations + rooms] = more(&all, 1, packed + 4 * COLUMNS, net->batch);
  at[net->activations + rooms + 1] = more(&all, (size_t)net->threads, net->room_size, net->batch);
  net->bytes = (all + LANES) * sizeof(float);
  memory = net->memory =
      allocate(all + LANES, sizeof(float), "activations (a smaller --batch needs less)");
  /* a vector that straddles two cache lines costs two loads */
  while ((uintptr_t)memory % (LANES * sizeof(float)) != 0) memory++;
  for (k = 0; k < net->activations; k++) {
    net->activation[k].value = memory + at[k];
    if (room_of[k] >= 0) net->activation[k].gradient = memory + at[net->activations + room_of[k]];
  }
  net->packed = memory + at[net->activations + rooms];
  net->room = memory + at[net->activations + rooms + 1];
  free(at);
  free(room_of);
  free(largest);
  net->weight = allocate(net->size, sizeof(float), "weights");
  net->gradient = allocate(net->size, sizeof(float), "gradients");
  net->mask = allocate(net->size, 1, "the mask");
  net->survivor = allocate(net->size, sizeof(uint32_t), "the list of surviving weights");
  net->range = allocate(2 * widest, sizeof(uint32_t), "ranges of taps");
  net->pixel = allocate((size_t)net->threads * pixels, sizeof(uint32_t), "pixels");
  net->loss = allocate(net->slots, sizeof(float), "losses");
  net->label = allocate(net->slots, 1, "labels");
  net_set_mask(net, NULL);
}

void net_create(Net *net, const Model *model, const Dataset *data, size_t batch, int threads)
{
  static const struct {
    const char *prefix;
    int (*build)(Net *net, const Model *model);
  } models[] = {{"lenet", build_lenet},
                {"conv", build_plain},
                {"vgg", build_plain},
                {"resnet", build_resnet}};
  int k, built = 0;
  net_open(net, data, batch, threads);
  for (k = 0; k < 4 && !built; k++)
    built = !strncmp(model->name, models[k].prefix, strlen(models[k].prefix)) &&
            models[k].build(net, model);
  if (strlen(model->name) >= NAME_SIZE || !built)
    fail_usage(
        "--model %s: no such model; there are lenet-N1-N2-... (units up to %d), conv2, conv4, "
        "conv6, vgg11, vgg13, vgg16, vgg19, "
        "resnet20, 32, 44, 56, 110, and with other widths conv4-WIDTH, vgg16-WIDTH, resnet20-WIDTH",
        model->name, WIDEST);
  strcpy(net->model, model->name);
  net_close(net);
}

static void free_taps(Taps *taps)
{
  free(taps->start);
  free(taps->offset);
  free(taps->index);
  memset(taps, 0, sizeof *taps);
}

void net_free(Net *net)
{
  int k;
  for (k = 0; k < net->layers; k++) {
    free_taps(&net->layer[k].forward);
    free_taps(&net->layer[k].backward);
    free(net->layer[k].moments);
  }
  free(net->memory);
  free(net->tensor);
  free(net->layer);
  free(net->activation);
  free(net->weight);
  free(net->gradient);
  free(net->mask);
  free(net->survivor);
  free(net->range);
  free(net->pixel);
  free(net->loss);
  free(net->label);
  memset(net, 0, sizeof *net);
}

/* The tap lists of a layer, each in the order of its sum: forward (i, kr, kc) ascending;
 * backward, for each phase of the input's pixels, (o, output row, output column) ascending, that
 * is kr and kc descending. */
static void list_taps(const Net *net, const Layer *layer, Taps *taps, int backward, int sparse)
{
  const unsigned char *mask = net->mask + net->tensor[layer->weight].offset;
  const Strip strip = strip_of(net, layer, backward);
  const size_t k = layer->kernel, area = k * k, s = layer->stride, p = layer->padding,
               I = layer->inputs;
  const size_t rows = sparse ? backward ? I : layer->outputs : 1, phases = backward ? s * s : 1,
               sums = backward ? layer->outputs : I;
  size_t n = 0, phase, r, c, q, list = 0;
  taps->step = sparse ? 0 : backward ? area : I * area;
  taps->start = allocate(phases * rows + 1, sizeof(uint32_t), "tap lists");
  taps->offset = allocate(sparse ? layer->survivors : sums * area, sizeof(uint32_t), "tap lists");
  taps->index = allocate(sparse ? layer->survivors : sums * area, sizeof(uint32_t), "tap lists");
  for (phase = 0; phase < phases; phase++)
    for (r = 0; r < rows; r++) {
      for (c = 0; c < sums; c++)
        for (q = 0; q < area; q++) {
          const size_t kr = (backward ? area - 1 - q : q) / k,
                       kc = (backward ? area - 1 - q : q) % k;
          const size_t index = (backward ? c * I + r : r * I + c) * area + kr * k + kc;
          if (sparse && !mask[index]) continue;
          if (backward &&
              ((phase / s + p + s * k - kr) % s != 0 || (phase % s + p + s * k - kc) % s != 0))
            continue;
          taps->index[n] = (uint32_t)index;
          taps->offset[n++] =
              (uint32_t)(c * strip.plane +
                         (backward ? ((strip.before * s + phase / s + p - kr) / s) * strip.row +
                                         ((strip.before * s + phase % s + p - kc) / s) * LANES
                                   : kr * strip.row + (kc % s) * (strip.row / s) + kc / s * LANES));
        }
      taps->start[++list] = (uint32_t)n;
    }
}

void net_set_mask(Net *net, const unsigned char *mask)
{
  size_t j;
  int k;
  net->survivors = 0;
  for (k = 0; k < net->tensors; k++) {
    Tensor *t = &net->tensor[k];
    t->rank = net->survivors;
    for (j = t->offset; j < t->offset + t->size; j++) {
      net->mask[j] = mask ? mask[j] : 1;
      if (!net->mask[j]) net->weight[j] = 0;
      else if (j < net->parameters) net->survivor[net->survivors++] = (uint32_t)j;
    }
  }
  for (k = 0; k < net->layers; k++) {
    Layer *layer = &net->layer[k];
    const Tensor *t = &net->tensor[layer->weight < 0 ? 0 : layer->weight];
    int sparse;
    if (layer->kind != CONV) continue;
    layer->survivors = 0;
    for (j = 0; j < t->size; j++) layer->survivors += net->mask[t->offset + j];
    /* above, the dense kernels are faster; the bits are the same */
    sparse = layer->survivors < t->size / 2;
    free_taps(&layer->forward);
    free_taps(&layer->backward);
    list_taps(net, layer, &layer->forward, 0, sparse);
    list_taps(net, layer, &layer->backward, 1, sparse);
  }
}

void net_init(Net *net, int scheme, uint64_t seed, uint32_t variant)
{
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    float *w = net->weight + t->offset, fan = (float)t->fan_in, width;
    const unsigned char *mask = net->mask + t->offset;
    const char *suffix = strrchr(t->name, '.') + 1;
    Stream s = {0, RANDOM_INIT, 0, 0};
    size_t j, i;
    s.seed = seed;
    s.a = (uint32_t)k;
    s.b = variant;
    for (j = 0; j < t->size; j++) {
      if (t->prunable && scheme == SPARSE_AWARE && j % t->fan_in == 0)
        for (fan = 0, i = 0; i < t->fan_in; i++) fan = fan + (float)mask[j + i];
      if (!mask[j] || !strcmp(suffix, "running_mean")) w[j] = 0;
      else if (!strcmp(suffix, "running_var")) w[j] = 1;
      /* gamma, beta */
      else if (t->norm) w[j] = strcmp(suffix, "weight") ? 0 : random_uniform(s, j);
      else if (!t->prunable || scheme == KAIMING_UNIFORM) { /* (2 u - 1) width: 2 u - 1 is exact */
        width = t->prunable ? square_root(6.0f / fan) : 1.0f / square_root(fan);
        w[j] = (float)(2.0f * random_uniform(s, j) - 1.0f) * width;
      } else {
        width =
            square_root(2.0f / (scheme == GLOROT_NORMAL ? (float)(t->fan_in + t->fan_out) : fan));
        w[j] = width * random_normal(s, j);
      }
    }
  }
}

size_t net_prunable(const Net *net, int surviving)
{
  size_t n = 0, j;
  int k;
  for (k = 0; k < net->tensors; k++)
    for (j = 0; j < net->tensor[k].size && net->tensor[k].prunable; j++)
      n += surviving ? net->mask[net->tensor[k].offset + j] : 1;
  return n;
}

double net_operations(const Net *net)
{
  double n = 0;
  int k;
  for (k = 0; k < net->layers; k++) {
    const Layer *layer = &net->layer[k];
    const Activation *out = &net->activation[layer->out];
    if (layer->kind == CONV)
      n += 2.0 * (double)layer->survivors * (double)(out->height * out->width) *
           (double)net->images * (layer->in == 0 ? 2 : 3);
  }
  return n;
}

uint64_t net_digest(const Net *net) { return digest_floats(net->weight, net->size); }

void crop_flip(Stream s, uint32_t image, uint32_t crop[3])
{
  uint64_t index = (uint64_t)image * 64; /* room for redraws */
  crop[0] = random_below(s, &index, 2 * CROP + 1);
  crop[1] = random_below(s, &index, 2 * CROP + 1);
  crop[2] = random_below(s, &index, 2);
}

/* x[c][h][w][b] = normalised pixel of image b, which augmentation may have moved; the last
 * tile's empty slots are +0. */
void net_load_augmented(Net *net, const Split *split, const uint32_t *index, size_t first, size_t n,
                        const Stream *augment)
{
  const Activation *input = &net->activation[0];
  const size_t I = activation_size(input), H = net->height, W = net->width, L = input->tile,
               border = input->flat ? 0 : net->border;
  size_t b, c, h, w;
  net->images = n;
  for (b = 0; b < tiles_in_use(net, 0) * L; b++) {
    const size_t which = b < n ? (index ? index[b] : first + b) : 0;
    float *x = plane_of(net, 0, 0, b / L, 0) + b % L;
    uint32_t crop[3] = {CROP, CROP, 0};
    net->label[b] = split->label[which];
    if (augment) crop_flip(*augment, (uint32_t)which, crop);
    for (c = 0; c < I / (H * W); c++, x += border * input->row)
      for (h = 0; h < H; h++, x += border * L) {
        const size_t row = h + crop[0] - CROP; /* above the image it wraps to a large number */
        const unsigned char *from = split->pixel + which * I + (c * H + (row < H ? row : 0)) * W;
        for (w = 0; w < W; w++, x += L) {
          const size_t column = (crop[2] ? W - 1 - w : w) + crop[1] - CROP;
          *x = b >= n ? 0 : net->value[c][row < H && column < W ? from[column] : 0];
        }
      }
  }
}

void net_load(Net *net, const Split *split, const uint32_t *index, size_t first, size_t n)
{
  net_load_augmented(net, split, index, first, n, NULL);
}

/* The average over whole batches of one pass over the images, each batch counting alike:
 * momentum 1, 1/2, 1/3 ... */
void net_recompute(Net *net, const Split *split)
{
  size_t first, batches = 0;
  for (first = 0; first < split->n; first += net->batch) {
    net->momentum = 1.0f / (float)++batches;
    net_load(net, split, NULL, first,
             split->n - first < net->batch ? split->n - first : net->batch);
    net_forward(net, 1);
  }
  net->momentum = 0.1f;
}

int net_forward_from(Net *net, const Split *split, size_t first)
{
  if (first >= split->n) return 0;
  net_load(net, split, NULL, first, split->n - first < net->slots ? split->n - first : net->slots);
  net_forward(net, 0);
  return 1;
}

void net_evaluate(Net *net, const Split *split, float *loss, size_t *wrong)
{
  float lane[LANES] = {0};
  size_t first;
  *wrong = 0;
  /* a multiple of LANES, so that lanes run on */
  for (first = 0; net_forward_from(net, split, first); first += net->slots)
    net_loss(net, lane, wrong);
  *loss = lanes_sum(lane) / (float)split->n;
}

/* ==== optimiser, schedule, training ========================================================= */

float learning_rate(const Training *how, long step)
{
  float lr = how->lr;
  int k;
  if (how->schedule == STEP)
    for (k = 0; k < how->milestones; k++)
      if (step >= how->milestone[k]) lr = lr * how->gamma;
  if (how->schedule == COSINE) {
    float wave = 1.0f + cosine_turns((float)step / (float)(2 * how->steps));
    wave = 0.5f * wave;
    lr = lr * wave;
  }
  if (step < how->warmup) lr = lr * (float)((float)step / (float)how->warmup);
  return lr;
}

void optimizer_create(Optimizer *o, const Net *net)
{
  o->velocity = allocate(net->size, sizeof(float), "the optimiser");
  o->square = allocate(net->size, sizeof(float), "the optimiser");
  o->weight = allocate(net->size, sizeof(float), "the optimiser");
  o->correction1 = o->correction2 = 0;
}

void optimizer_clear(Optimizer *o, const Net *net)
{
  size_t j;
  for (j = 0; j < net->size; j++) o->velocity[j] = o->square[j] = 0;
  o->correction1 = o->correction2 = 0;
}

void optimizer_free(Optimizer *o)
{
  free(o->velocity);
  free(o->square);
  free(o->weight);
}

/* g = dW + wd w,  v = mu v + g,  w = w - lr v  (Nesterov: w - lr (g + mu v)), as PyTorch's SGD */
static void sgd(float *restrict w, float *restrict v, const float *restrict gradient, size_t n,
                const Training *how, float lr)
{
  const float mu = how->momentum, decay = how->weight_decay;
  const int nesterov = how->nesterov;
  size_t j;
  for (j = 0; j < n; j++) {
    float g = gradient[j] + (float)(decay * w[j]);
    float speed = (float)(mu * v[j]) + g, ahead;
    v[j] = speed;
    ahead = g + (float)(mu * speed);
    speed = nesterov ? ahead : speed;
    w[j] = w[j] - (float)(lr * speed);
  }
}

/* g = dW + wd w,  m = 0.9 m + 0.1 g,  v = 0.999 v + (0.001 g) g, w = w - ((lr / c1) m) / (sqrt v
 * / sqrt c2 + eps),  c = 1 - beta^t, as PyTorch's Adam (Kingma and Ba 2015) */
static void adam(float *restrict w, float *restrict m, float *restrict v,
                 const float *restrict gradient, size_t n, float decay, float rate, float root)
{
  static const float beta1 = 0.9f, rest1 = 0.1f, beta2 = 0.999f, rest2 = 0.001f, epsilon = 1e-8f;
  size_t j;
  for (j = 0; j < n; j++) {
    float g = gradient[j] + (float)(decay * w[j]);
    float first = (float)(beta1 * m[j]) + (float)(rest1 * g);
    float square = (float)(rest2 * g) * g;
    float second = (float)(beta2 * v[j]) + square;
    float below = square_root(second) / root;
    float step = rate * first;
    below = below + epsilon;
    m[j] = first;
    v[j] = second;
    step = step / below;
    w[j] = w[j] - step;
  }
}

void optimizer_step(Optimizer *o, Net *net, const Training *how, float lr)
{
  static const float rest1 = 0.1f, rest2 = 0.001f;
  const size_t n = net->survivors;
  /* survivors side by side, as their gradients are */
  float *w = n == net->size ? net->weight : o->weight;
  size_t j;
  if (w != net->weight)
    for (j = 0; j < n; j++) w[j] = net->weight[net->survivor[j]];
  if (how->optimizer == SGD) sgd(w, o->velocity, net->gradient, n, how, lr);
  else {
    o->correction1 = o->correction1 + (float)(rest1 * (float)(1.0f - o->correction1));
    o->correction2 = o->correction2 + (float)(rest2 * (float)(1.0f - o->correction2));
    adam(w, o->velocity, o->square, net->gradient, n, how->weight_decay, lr / o->correction1,
         square_root(o->correction2));
  }
  if (w != net->weight)
    for (j = 0; j < n; j++) net->weight[net->survivor[j]] = w[j];
}

void data_order(uint32_t *order, size_t n, uint64_t order_seed, uint32_t level, uint32_t epoch)
{
  Stream s = {0, RANDOM_ORDER, 0, 0};
  s.seed = order_seed;
  s.a = level;
  s.b = epoch;
  random_order(order, n, s);
}

void train(Net *net, Optimizer *o, const Dataset *data, const Training *how, uint32_t level,
           long from, long to, float lr, Watch *watch, void *context)
{
  const size_t n = data->train.n, batch = net->batch;
  const long per_epoch = (long)((n + batch - 1) / batch);
  uint32_t *order = allocate(n, sizeof *order, "the data order");
  Progress p = {0, 0, 0, 0, 0, 0, 0};
  Stream crops = {0, RANDOM_AUGMENT, 0, 0};
  long ordered = -1;
  p.epochs = (how->steps + per_epoch - 1) / per_epoch;
  for (p.step = from; p.step < to;) {
    size_t first = (size_t)(p.step % per_epoch) * batch,
           size = n - first < batch ? n - first : batch;
    float lane[LANES] = {0}, loss;
    p.epoch = p.step / per_epoch;
    if (p.epoch != ordered) {
      data_order(order, n, how->order_seed, level, (uint32_t)p.epoch);
      ordered = p.epoch;
      p.seen = p.wrong = 0;
      p.loss = 0;
    }
    crops.seed = how->order_seed, crops.a = level, crops.b = (uint32_t)p.epoch;
    if (how->hook) how->hook(how->context, net, p.step, 0);
    net_load_augmented(net, &data->train, order + first, 0, size, how->augment ? &crops : NULL);
    net_forward(net, 1);
    net_loss(net, lane, &p.wrong);
    loss = lanes_sum(lane);
    if (!is_finite(loss))
      fail("training diverged: the loss is not finite at level %u, epoch %ld, step %ld; try a "
           "lower --lr or a --warmup",
           (unsigned)(level % CHILD), p.epoch + 1, p.step);
    net_backward(net);
    if (how->hook) how->hook(how->context, net, p.step, 1);
    optimizer_step(o, net, how, lr > 0 ? lr : learning_rate(how, p.step));
    p.loss = p.loss + loss;
    p.seen += size;
    p.step++;
    p.epoch_done = p.step % per_epoch == 0;
    if (watch) watch(context, &p);
  }
  free(order);
}
