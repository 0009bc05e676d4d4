/* nn.c - networks: kernels and their self-check, layers and their backward passes, models, initial
 * values, optimisers, learning-rate schedules, the training and evaluation loops.
 *
 * Not here: files (data.c), what is pruned and when (prune.c). The one rule: every sum has the
 * order that CONTRACT.md gives it, so a loop below may be blocked or vectorised but never
 * reassociated. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <stdlib.h>
#include <string.h>

/* ==== kernels ===============================================================================
 *
 * An activation lies as [tile][channel][row][column][image of the tile]: a pixel is 16 numbers, the
 * same place of 16 images, which no sum mixes before its end, so the innermost loops run over them.
 * With 2 rows and 3 columns, and a border of 1:
 *
 *     tile 0: images 0-15                              tile 1: images 16-31
 *     channel 0                 channel 1              channel 0
 *     (0,0) (0,1) (0,2) 0       (0,0) (0,1) (0,2) 0    (0,0) ...
 *     (1,0) (1,1) (1,2) 0       (1,0) (1,1) (1,2) 0
 *       0     0     0   0         0     0     0   0    each (r,c) and 0 is 16 numbers
 *
 * The zeros stand for what is outside the image, and those at the end of a row (plane) are also
 * to the left of the next row (above the next plane). Pixel (r,c) of image 37 in channel i is
 * value[2 C plane + i plane + r row + 16 c + 5], as 37 = 2 x 16 + 5. A dense layer is a 1x1
 * convolution, and what it reads and writes is flat, the images of a LeNet too: its channels are
 * its units, its plane is one row of L / 16 pixels without a border, L up to 128 images are a tile;
 * unit u of image b is value[(b / L C + u) L + b % L].
 *
 * A tap is a weight's index and the offset of what it multiplies, counted from the pixel that lies
 * `padding` rows above and columns left of the output's. Here row = 4 x 16, so a 3x3 kernel with
 * one input channel and padding 1 has
 *
 *     all weights:      index 0  1  2   3  4  5    6   7   8     own list of an output of which
 *                      offset 0 16 32  64 80 96  128 144 160     1, 4, 8 survive: 16 80 160
 *
 * A row here is all that one output channel (unit) has, or one input channel of the gradient.
 * Where more than a quarter of a layer's weights is masked each row has its own list of survivors
 * and masked weights are skipped; else all share one, a masked weight adds +0 x (list_taps) and
 * its gradient is made but not kept (put_gradients). Adding 0 changes no bit of a sum that began
 * at +0. Each pass is one of two sums; with a stride, x[p stride + k], and dx by phases:
 *
 *     pass                                sum over            taken together
 *     output                 y[o][p]      w[o][k] x[p + k]    4 taps of 2 rows that share a list
 *     gradient of the input dx[i][p]      w[k][i] dy[p - k]   or of one row with its own
 *     gradient of a weight  dW[o][k]      dy[o][p] x[p + k]   4 pixels of 2 outputs that share
 *                                                             a list or of one, by lanes */

/* ROWS rows that share a list read the same few pixels one after the other; PIXELS of a row at a
 * time, so that the sums of ROWS rows stay in a first-level cache. */
enum { ROWS = 8, PIXELS = 32 };

/* y0[p][l] += sum over k < taps ascending of w0[index[k]] x[offset[k]][p step][l] for p < pixels,
 * l < LANES, and y1 with w1, so that each x is read once for both; or if rows is 1 y0 alone, of
 * w0[k] x[...], from 0 if it begins. rows and taps, constants where this is called as `begins` is,
 * are 1 to 2 and 1 to 4: so many that the weights are in registers. */
static inline void some_taps(const int rows, const int taps, const int begins, float *restrict y0,
                             float *restrict y1, const float *x, size_t step,
                             const uint32_t *offset, const float *w0, const float *w1,
                             const uint32_t *index, size_t pixels)
{
  const int t1 = taps > 1 ? 1 : 0, t2 = taps > 2 ? 2 : 0, t3 = taps > 3 ? 3 : 0;
  const float *restrict xa = x + offset[0], *restrict xb = x + offset[t1];
  const float *restrict xc = x + offset[t2], *restrict xd = x + offset[t3];
  const size_t a = rows > 1 ? index[0] : 0, b = rows > 1 ? index[t1] : 1;
  const size_t c = rows > 1 ? index[t2] : 2, d = rows > 1 ? index[t3] : 3;
  const float a0 = w0[a], b0 = taps > 1 ? w0[b] : 0, c0 = taps > 2 ? w0[c] : 0;
  const float a1 = w1[a], b1 = taps > 1 ? w1[b] : 0, c1 = taps > 2 ? w1[c] : 0;
  const float d0 = taps > 3 ? w0[d] : 0, d1 = taps > 3 ? w1[d] : 0;
  size_t p;
  int l;
  for (p = 0; p < pixels; p++)
    for (l = 0; l < LANES; l++) {
      const size_t i = p * step + (size_t)l, j = p * LANES + (size_t)l;
      float s0 = begins ? 0 : y0[j], s1 = rows > 1 ? y1[j] : 0;
      s0 = s0 + (float)(a0 * xa[i]);
      if (rows > 1) s1 = s1 + (float)(a1 * xa[i]);
      if (taps > 1) s0 = s0 + (float)(b0 * xb[i]);
      if (taps > 1) s1 = s1 + (float)(b1 * xb[i]);
      if (taps > 2) s0 = s0 + (float)(c0 * xc[i]);
      if (taps > 2) s1 = s1 + (float)(c1 * xc[i]);
      if (taps > 3) s0 = s0 + (float)(d0 * xd[i]);
      if (taps > 3) s1 = s1 + (float)(d1 * xd[i]);
      y0[j] = s0;
      if (rows > 1) y1[j] = s1;
    }
}

/* sum[r][p][l] = sum over k < taps ascending of w[r][index[k]] x[offset[k]][p step][l] for ROWS
 * rows, or of w[0][k] x[offset[k]][p step][l] for 1. */
static inline void all_taps(size_t rows, float *sum, const float *x, size_t step,
                            const uint32_t *offset, const float *const w[ROWS],
                            const uint32_t *index, size_t taps, const size_t pixels)
{
  const size_t n = pixels * LANES;
  size_t k, r;
  if (rows == ROWS || taps == 0) memset(sum, 0, rows * n * sizeof *sum);
  if (rows == ROWS) {
    for (k = 0; k < taps % 4; k++)
      for (r = 0; r < ROWS; r += 2)
        some_taps(2, 1, 0, sum + r * n, sum + (r + 1) * n, x, step, offset + k, w[r], w[r + 1],
                  index + k, pixels);
    for (; k < taps; k += 4)
      for (r = 0; r < ROWS; r += 2)
        some_taps(2, 4, 0, sum + r * n, sum + (r + 1) * n, x, step, offset + k, w[r], w[r + 1],
                  index + k, pixels);
  } else {
    const float *own = w[0];
    k = (taps + 3) % 4 + 1; /* so many first, which begin the sums */
    if (k == 1) some_taps(1, 1, 1, sum, NULL, x, step, offset, own, own, NULL, pixels);
    if (k == 2) some_taps(1, 2, 1, sum, NULL, x, step, offset, own, own, NULL, pixels);
    if (k == 3) some_taps(1, 3, 1, sum, NULL, x, step, offset, own, own, NULL, pixels);
    if (k == 4 && taps > 0) some_taps(1, 4, 1, sum, NULL, x, step, offset, own, own, NULL, pixels);
    for (; k < taps; k += 4)
      some_taps(1, 4, 0, sum, NULL, x, step, offset + k, own + k, own + k, NULL, pixels);
  }
}

/* The same; a short row's pixels are a constant, so that there is no loop over them. */
static void add_taps(size_t rows, float *sum, const float *x, size_t step, const uint32_t *offset,
                     const float *const w[ROWS], const uint32_t *index, size_t taps, size_t pixels)
{
  if (pixels == 4) all_taps(rows, sum, x, step, offset, w, index, taps, 4);
  else if (pixels == 8) all_taps(rows, sum, x, step, offset, w, index, taps, 8);
  else all_taps(rows, sum, x, step, offset, w, index, taps, pixels);
}

/* sum[j][l] += sum over p < pixels ascending of d[p][l] x[offset[j]][p step][l] for j < taps,
 * l < LANES, and next with e, so that each x is read once for both; or if outputs is 1 sum alone.
 * From 0 if it begins. outputs and pixels, constants where this is called as `begins` is, are 1 to
 * 2 and 1, 2 or 4: so many that d and e are in registers. */
static inline void some_pixels(const int outputs, const int pixels, const int begins,
                               float *restrict sum, float *restrict next, const float *restrict d,
                               const float *restrict e, const float *restrict x, size_t step,
                               const uint32_t *offset, size_t taps)
{
  size_t j;
  int l;
  for (j = 0; j < taps; j++) {
    const float *restrict from = x + offset[j];
    for (l = 0; l < LANES; l++) {
      const size_t i = (size_t)l;
      float s = begins ? 0 : sum[j * LANES + i];
      float t = begins || outputs < 2 ? 0 : next[j * LANES + i];
      s = s + (float)(d[i] * from[i]);
      if (outputs > 1) t = t + (float)(e[i] * from[i]);
      if (pixels > 1) s = s + (float)(d[16 + i] * from[step + i]);
      if (outputs > 1 && pixels > 1) t = t + (float)(e[16 + i] * from[step + i]);
      if (pixels > 2) s = s + (float)(d[32 + i] * from[2 * step + i]);
      if (outputs > 1 && pixels > 2) t = t + (float)(e[32 + i] * from[2 * step + i]);
      if (pixels > 2) s = s + (float)(d[48 + i] * from[3 * step + i]);
      if (outputs > 1 && pixels > 2) t = t + (float)(e[48 + i] * from[3 * step + i]);
      sum[j * LANES + i] = s;
      if (outputs > 1) next[j * LANES + i] = t;
    }
  }
}

/* sum[o][j][l] += sum over rows and pixels p ascending of dy[o][p][l] x[offset[j]][p step][l] for
 * o < outputs, 1 or 2, j < taps, l < LANES, from 0 where sum is not begun: gradients of weights by
 * lanes. From one output to the next dy is dy_plane numbers further on, from one row to the next dy
 * is dy_row and x x_row. */
static void lanes_dot(size_t outputs, float *sum, int begun, const float *dy, size_t dy_plane,
                      size_t dy_row, const float *x, size_t x_row, size_t step,
                      const uint32_t *offset, size_t taps, size_t rows, size_t pixels)
{
  const int two = outputs > 1;
  float *next = two ? sum + taps * LANES : NULL;
  size_t r, p, n;
  for (r = 0; r < rows; r++)
    for (p = 0; p < pixels; p += n) {
      const float *d = dy + r * dy_row + p * LANES, *e = two ? d + dy_plane : NULL;
      const float *from = x + r * x_row + p * step;
      const int begins = !begun && r == 0 && p == 0;
      n = pixels - p >= 4 ? 4 : pixels - p >= 2 ? 2 : 1;
      if (two && begins) {
        if (n == 4) some_pixels(2, 4, 1, sum, next, d, e, from, step, offset, taps);
        else if (n == 2) some_pixels(2, 2, 1, sum, next, d, e, from, step, offset, taps);
        else some_pixels(2, 1, 1, sum, next, d, e, from, step, offset, taps);
      } else if (two) {
        if (n == 4) some_pixels(2, 4, 0, sum, next, d, e, from, step, offset, taps);
        else if (n == 2) some_pixels(2, 2, 0, sum, next, d, e, from, step, offset, taps);
        else some_pixels(2, 1, 0, sum, next, d, e, from, step, offset, taps);
      } else if (begins) {
        if (n == 4) some_pixels(1, 4, 1, sum, next, d, e, from, step, offset, taps);
        else if (n == 2) some_pixels(1, 2, 1, sum, next, d, e, from, step, offset, taps);
        else some_pixels(1, 1, 1, sum, next, d, e, from, step, offset, taps);
      } else {
        if (n == 4) some_pixels(1, 4, 0, sum, next, d, e, from, step, offset, taps);
        else if (n == 2) some_pixels(1, 2, 0, sum, next, d, e, from, step, offset, taps);
        else some_pixels(1, 1, 0, sum, next, d, e, from, step, offset, taps);
      }
    }
}

/* sum[l] += sum over pixels ascending of x[p][l] */
static void lanes_add(float *restrict sum, const float *restrict x, size_t pixels)
{
  size_t p;
  int l;
  for (p = 0; p < pixels; p++)
    for (l = 0; l < LANES; l++) sum[l] = sum[l] + x[p * LANES + (size_t)l];
}

/* ==== self-check ============================================================================ */

/* What is checked, by pointers that no compiler sees through: else it would make copies for the
 * values below, without the vectors of those that train. */
static volatile const struct {
  void (*add_taps)(size_t, float *, const float *, size_t, const uint32_t *, const float *const *,
                   const uint32_t *, size_t, size_t);
  void (*lanes_dot)(size_t, float *, int, const float *, size_t, size_t, const float *, size_t,
                    size_t, const uint32_t *, size_t, size_t, size_t);
  void (*lanes_add)(float *, const float *, size_t);
  float (*lanes_sum)(float *);
  void (*lanes_sums)(float *, float *, size_t);
  void (*optimizer_step)(Optimizer *, Net *, const Training *, float);
} used = {add_taps, lanes_dot, lanes_add, lanes_sum, lanes_sums, optimizer_step};

/* Whether all of x[0..n) are `expected`, bit for bit. */
static int all_are(float expected, const float *x, size_t n)
{
  size_t i;
  for (i = 0; i < n; i++)
    if (bits_of(x[i]) != bits_of(expected)) return 0;
  return 1;
}

/* y + a b + last, with other terms that are 0 around a b, through every kernel and every place in
 * it. Terms: y, then others of which one is a b, then last: 2 + 4 + 4 taps. */
static int kernels_give(float y, float a, float b, float last, float expected)
{
  enum { MOST = 10, N = 8 * LANES };
  static const size_t lengths[] = {3, 4, 8}; /* of a row: add_taps has a loop, or a constant */
  float x[MOST * N], w[MOST], out[(ROWS + 1) * N], wide[MOST * LANES], sum[7 * LANES];
  const float *rows[ROWS];
  uint32_t offset[MOST], index[MOST], none = 0;
  volatile float product = a * b;
  size_t terms, i, k, at, o;
  for (k = 0; k < ROWS; k++) rows[k] = w;
  for (terms = 3; terms <= MOST; terms++)
    for (at = 1; at + 1 < terms; at++) {
      for (k = 0; k < terms; k++) {
        offset[k] = (uint32_t)(k * N);
        index[k] = (uint32_t)k;
        w[k] = k == 0 || k + 1 == terms ? 1.0f : k == at ? a : 0.0f;
        for (i = 0; i < N; i++) x[k * N + i] = k == 0 ? y : k + 1 == terms ? last : b;
        for (i = 0; i < LANES; i++) wide[k * LANES + i] = w[k];
      }
      for (k = 0; k < 3; k++) {
        const size_t pixels = lengths[k], all = ROWS * pixels * LANES;
        used.add_taps(ROWS, out, x, LANES, offset, rows, index, terms, pixels);
        used.add_taps(1, out + all, x, LANES, offset, rows, index, terms, pixels);
        if (!all_are(expected, out, all + pixels * LANES)) return 0;
      }
      for (k = 0; k < terms; k++) /* the rows of x again, LANES apart */
        for (i = 0; i < LANES; i++) x[k * LANES + i] = k == 0 ? y : k + 1 == terms ? last : b;
      for (o = 1; o <= 2; o++) { /* all terms at once, and the first before the others */
        float *all = sum + (o - 1) * LANES, *rest = all + 3 * LANES;
        used.lanes_dot(o, all, 0, wide, 0, 0, x, 0, LANES, &none, 1, 1, terms);
        used.lanes_dot(o, rest, 0, wide, 0, 0, x, 0, LANES, &none, 1, 1, 1);
        used.lanes_dot(o, rest, 1, wide + LANES, 0, 0, x + LANES, 0, LANES, &none, 1, 1, terms - 1);
      }
      for (i = 0; i < (terms - 2) * LANES; i++) x[LANES + i] = i / LANES + 1 == at ? product : 0;
      memset(sum + 6 * LANES, 0, LANES * sizeof *sum);
      used.lanes_add(sum + 6 * LANES, x, terms);
      if (!all_are(expected, sum, 7 * LANES)) return 0;
    }
  return 1;
}

/* The order of the sum of lanes, of one and of 8, 4 and 1 together, in place. */
static int lanes_give(float lane0, float lane4, float lane8, float lane12, float expected)
{
  enum { N = 13 };
  float lane[N * LANES] = {0}, one;
  size_t j;
  for (j = 0; j < N; j++) {
    lane[j * LANES] = lane0;
    lane[j * LANES + 4] = lane4;
    lane[j * LANES + 8] = lane8;
    lane[j * LANES + 12] = lane12;
  }
  one = used.lanes_sum(lane);
  used.lanes_sums(lane, lane, N);
  return all_are(expected, &one, 1) && all_are(expected, lane, N);
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
  net.threads = 1;
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
  volatile float zero = 0, one = 1, big = 16777216, least = FLT_MIN; /* volatile: not folded */
  volatile float a = float_of(0x1c800800u), b = float_of(0x1d000800u), tiny = a * b;
  const float next = one + FLT_EPSILON, above = next / 4096, below = (one - FLT_EPSILON) / 4096;
  const float step = one + 1.0f / 4096.0f, square = one + 1.0f / 2048.0f;
  const float subnormal = float_of(1025);
  float values[5 * 64];
  int k;
#if defined __FAST_MATH__ || __FINITE_MATH_ONLY__
  return "it was built with -ffast-math, -Ofast or -ffinite-math-only, which reorder sums, flush "
         "small numbers or let no diverged network show; build without";
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
   * (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11 before it is added, or 2^-24 is left;
   * and a sum of -0 alone begins at +0, which it stays */
  if (!kernels_give(big, one, one, -big, 0.0f) || !kernels_give(-square, step, step, 0.0f, 0.0f) ||
      !optimizers_give(-square, step, step, 0.0f) || !lanes_give(big, -big, one, 0.0f, 0.0f) ||
      !lanes_give(big, -big, 0.0f, one, 1.0f) || !kernels_give(-zero, zero, -one, -zero, 0.0f))
    return "a sum is reordered, kept in a wider type or not rounded to nearest; build with "
           "-std=c99, on x86 with -msse2 -mfpmath=sse, and without -ffast-math, -Ofast, "
           "-fassociative-math and -fno-signed-zeros";
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

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

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

enum { CONV, NORM, MAX_POOL, AVERAGE_POOL, SUM, FLATTEN };

/* ---- convolutions and dense layers ----------------------------------------------------------- */

/* Of each tile the rows of outputs (inputs, backward) that are this thread's part of tiles x rows,
 * in whole groups of ROWS; 0 if there are none. */
static int rows_of_tile(const Net *net, size_t tiles, size_t t, size_t rows, int part,
                        size_t mine[2])
{
  const size_t groups = (rows + ROWS - 1) / ROWS, begin = t * groups, end = begin + groups;
  part_of(net, tiles * groups, part, mine);
  if (mine[1] <= begin || mine[0] >= end) return 0;
  mine[0] = mine[0] > begin ? ROWS * (mine[0] - begin) : 0;
  mine[1] = mine[1] < end ? ROWS * (mine[1] - begin) : rows;
  return 1;
}

/* The weights of rows' own lists side by side, in the order in which add_taps reads them. */
static void pack(Net *net, const Layer *layer, const Taps *taps, int part)
{
  const float *w = net->weight + net->tensor[layer->weight].offset;
  size_t j, mine[2];
  if (taps->step > 0) return;
  part_of(net, layer->survivors, part, mine);
  for (j = mine[0]; j < mine[1]; j++) net->packed[j] = w[taps->index[j]];
}

/* Where a pass writes: planes, rows and pixels of y are `plane`, `row` and `step` numbers apart. */
typedef struct {
  float *y;
  size_t plane, row, step;
  int adds;          /* to what is there */
  int relu;          /* max(y, 0) at the end */
  const float *bias; /* [plane], or NULL */
} Target;

/* y[p][l] = sum[p][l], plus what was there or the bias, for `pixels` pixels of a row of plane r. */
static void put(const Target *to, size_t r, float *restrict y, const float *restrict sum,
                size_t pixels)
{
  const float bias = to->bias ? to->bias[r] : 0;
  size_t p;
  int l;
  for (p = 0; p < pixels; p++)
    for (l = 0; l < LANES; l++) {
      const size_t i = p * to->step + (size_t)l, j = p * LANES + (size_t)l;
      float value = to->adds ? y[i] + sum[j] : sum[j];
      value = to->bias ? value + bias : value;
      y[i] = to->relu ? rectified(value) : value;
    }
}

/* y[r][u][p] = sum over the taps of row r of w x[u][p + offset], for the rows mine[0] <= r <
 * mine[1], u < high and `pixels` pixels p of one tile of images. `list` is the list of row 0, or
 * the one that all rows share; then a last group repeats its last row for those that it lacks. From
 * one u to the next x is x_row, from one p to the next x_step numbers further on. */
static void convolve(const Net *net, const Layer *layer, const Taps *taps, size_t list,
                     const size_t mine[2], const float *x, size_t x_row, size_t x_step,
                     const Target *to, size_t high, size_t pixels)
{
  const size_t together = taps->step ? ROWS : 1;
  const float *w[ROWS], *weight = net->weight + net->tensor[layer->weight].offset;
  float sum[ROWS * PIXELS * LANES];
  size_t u, p, r, j;
  for (u = 0; u < high; u++)
    for (p = 0; p < pixels; p += PIXELS)
      for (r = mine[0]; r < mine[1]; r += together) {
        const size_t l = taps->step ? list : list + r, first = taps->start[l];
        const size_t wide = pixels - p < PIXELS ? pixels - p : PIXELS;
        const size_t left = mine[1] - r < together ? mine[1] - r : together;
        for (j = 0; j < together; j++) w[j] = weight + (r + (j < left ? j : left - 1)) * taps->step;
        if (taps->step == 0) w[0] = net->packed + first;
        add_taps(together, sum, x + u * x_row + p * x_step, x_step, taps->offset + first, w,
                 taps->index + first, taps->start[l + 1] - first, wide);
        for (j = 0; j < left; j++)
          put(to, r + j, to->y + (r + j) * to->plane + u * to->row + p * to->step,
              sum + j * wide * LANES, wide);
      }
}

static void pack_forward(Net *net, const Layer *layer, int part)
{
  pack(net, layer, &layer->forward, part);
}

/* y[o][r][c] = sum over (i, kr, kc) of
 *              w[o][i][kr][kc] x[i][r stride + kr - padding][c stride + kc - padding], plus b[o] */
static void conv_forward(Net *net, const Layer *layer, int part)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t tiles = tiles_in_use(net, layer->out), s = layer->stride;
  size_t t, mine[2];
  Target to = {.plane = out->plane, .row = out->row, .step = LANES, .relu = layer->relu};
  if (layer->bias >= 0) to.bias = net->weight + net->tensor[layer->bias].offset;
  for (t = 0; t < tiles; t++) {
    const float *x = plane_of(net, layer->in, 0, t, 0) - layer->padding * (in->row + LANES);
    if (!rows_of_tile(net, tiles, t, layer->outputs, part, mine)) continue;
    to.y = plane_of(net, layer->out, 0, t, 0);
    convolve(net, layer, &layer->forward, 0, mine, x, s * in->row, s * LANES, &to, layer->rows,
             layer->columns);
  }
}

/* First dy goes backwards through the ReLU, in place, for the other gradients too. Then, if there
 * is a bias, db[o] = sum over images and pixels of dy[o], by lanes. */
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
  if (layer->in > 0) pack(net, layer, &layer->backward, part);
}

/* Rows above and columns to the left of a pixel of dx at which the taps of dy begin. */
static size_t reach_back(const Layer *layer)
{
  return (layer->kernel - 1 - layer->padding) / layer->stride;
}

/* dx[i][h][w] = sum over (o, r, c) of
 *               w[o][i][h + padding - r stride][w + padding - c stride] dy[o][r][c]
 * With a stride, the pixels of dx of one phase (h mod stride, w mod stride) use the same taps:
 * each phase is a convolution of stride 1, whose result lies `stride` apart. */
static void conv_input_gradient(Net *net, const Layer *layer, int part)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t s = layer->stride, tiles = tiles_in_use(net, layer->out);
  size_t t, phase, mine[2];
  Target to = {.plane = in->plane, .row = s * in->row, .step = s * LANES, .adds = layer->adds};
  if (layer->in == 0) return;
  for (t = 0; t < tiles; t++) {
    const float *dy = plane_of(net, layer->out, 1, t, 0) - reach_back(layer) * (out->row + LANES);
    if (!rows_of_tile(net, tiles, t, layer->inputs, part, mine)) continue;
    for (phase = 0; phase < s * s; phase++) {
      const size_t h = phase / s, w = phase % s;
      if (h >= layer->height || w >= layer->width) continue;
      to.y = plane_of(net, layer->in, 1, t, 0) + h * in->row + w * LANES;
      convolve(net, layer, &layer->backward, layer->backward.step ? phase : phase * layer->inputs,
               mine, dy, out->row, LANES, &to, (layer->height - h + s - 1) / s,
               (layer->width - w + s - 1) / s);
    }
  }
}

/* numbers of the sums that a weight gradient works on at a time, and the pixels of dy */
enum { SUMS = 1 << 17, STRIP = 64 }; /* SUMS: a multiple of LANES */

/* Room for the sums of conv_weight_gradient: SUMS, but at least those of one input channel. */
static size_t sums_size(const Layer *layer)
{
  return larger(SUMS, layer->kernel * layer->kernel * layer->outputs * LANES);
}

/* The gradients of the survivors among the taps of output o from `begin` to `end`, whose sums by
 * lanes are in `sum`; they are put together there. */
static void put_gradients(Net *net, const Layer *layer, float *sum, size_t o, Cut begin, Cut end)
{
  const Tensor *w = &net->tensor[layer->weight];
  const size_t n = end.tap - begin.tap, first = w->offset + o * w->fan_in + begin.tap;
  const int all = n == end.place - begin.place; /* survive */
  size_t k;
  lanes_sums(all ? net->gradient + begin.place : sum, sum, n);
  if (all) return;
  for (k = begin.place; k < end.place; k++) net->gradient[k] = sum[net->survivor[k] - first];
}

/* dW[o][i][kr][kc] = sum over images and pixels of
 *                    dy[o][r][c] x[i][r stride + kr - padding][c stride + kc - padding]
 * by lanes; for this thread's outputs. In a lane (image mod 16) tiles, rows, columns ascending,
 * whatever is taken together, and the lanes are added at the end: a vector adds all 16 at once, and
 * neither blocks nor threads change an order. Where there is no image dy is 0. A chunk of input
 * channels at a time (cut_taps). */
static void conv_weight_gradient(Net *net, const Layer *layer, int part)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t s = layer->stride, tiles = tiles_in_use(net, layer->out);
  const size_t strip = (STRIP + layer->columns - 1) / layer->columns;
  const size_t strips = tiles * ((layer->rows + strip - 1) / strip);
  size_t chunk, t, o, u, k, together, done, mine[2];
  part_of(net, layer->outputs, part, mine);
  for (chunk = 0; chunk < layer->chunks; chunk++) {
    const Cut *begin = layer->cut + chunk * layer->outputs, *end = begin + layer->outputs;
    for (t = 0; t < tiles; t++) {
      const float *x = plane_of(net, layer->in, 0, t, 0) - layer->padding * (in->row + LANES);
      for (u = 0; u < layer->rows; u += strip) {
        const size_t high = smaller(layer->rows - u, strip);
        const int ends = t + 1 == tiles && u + high == layer->rows;
        float *sum = net->room + (size_t)part * net->room_size;
        for (o = mine[0]; o < mine[1]; o += together) {
          const size_t n = end[o].tap - begin[o].tap;
          together = layer->forward.step > 0 ? smaller(mine[1] - o, 2) : 1;
          lanes_dot(together, sum, t > 0 || u > 0,
                    plane_of(net, layer->out, 1, t, o) + u * out->row, out->plane, out->row,
                    x + u * s * in->row, s * in->row, s * LANES,
                    layer->forward.offset + begin[o].tap, n, high, layer->columns);
          done = ends ? together : 0;
          for (k = 0; k < done; k++)
            put_gradients(net, layer, sum + k * n * LANES, o + k, begin[o + k], end[o + k]);
          if (strips > 1) sum += together * n * LANES; /* else they are no longer needed */
        }
      }
    }
  }
}

/* to[k to_step] = from[k from_step] for the pixels k < n of a row, or adds it to what is there. */
static void put_pixels(float *restrict to, size_t to_step, const float *restrict from,
                       size_t from_step, size_t n, int adds)
{
  size_t k;
  int l;
  for (k = 0; k < n; k++)
    for (l = 0; l < LANES; l++) {
      const size_t i = k * to_step * LANES + (size_t)l, j = k * from_step * LANES + (size_t)l;
      to[i] = adds ? to[i] + from[j] : from[j];
    }
}

/* ---- batch norm (Ioffe and Szegedy 2015), as PyTorch's BatchNorm2d ---------------------------
 *
 * x, y and their gradients: [T][C][H][W][L], L = LANES. Each thread takes some channels. A sum over
 * a batch goes by lanes, tiles then pixels ascending, and leaves out slots without an image. */

/* A channel's normalisation. The backward pass computes `normal` and y again of x rather than read
 * them; d is dy where y passes the ReLU, that is, is more than `least`: 0, or -infinity without. */
typedef struct {
  float mean, inverse, gamma, beta, least;
} Norm;

/* normal = (x - mean) inverse */
static float normal_of(Norm norm, float x)
{
  float normal = x - norm.mean;
  normal = normal * norm.inverse;
  return normal;
}

/* y = gamma normal + beta, before the ReLU */
static float output_of(Norm norm, float normal)
{
  float y = normal * norm.gamma;
  y = y + norm.beta;
  return y;
}

/* Sums over the channel's pixels: of x - mean and its square; backward, of d and d normal. */
static inline void channel_sums(const Net *net, const Layer *layer, size_t c, Norm norm,
                                const int backward, float sum[2])
{
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in), n = a->width * LANES;
  float all[2][LANES] = {{0}};
  size_t t, r, i;
  int l;
  for (t = 0; t < tiles; t++) {
    float lane[2][LANES];
    memcpy(lane, all, sizeof lane);
    for (r = 0; r < a->height; r++) {
      const float *restrict x = plane_of(net, layer->in, 0, t, c) + r * a->row;
      const float *restrict dy = plane_of(net, layer->out, backward, t, c) + r * a->row;
      for (i = 0; i < n; i += LANES)
        for (l = 0; l < LANES; l++) {
          const size_t j = i + (size_t)l;
          const float normal = normal_of(norm, x[j]), difference = x[j] - norm.mean;
          const float d = output_of(norm, normal) > norm.least ? dy[j] : 0;
          const float term = backward ? d : difference;
          const float product = term * (backward ? normal : difference);
          lane[0][l] = lane[0][l] + term;
          lane[1][l] = lane[1][l] + product;
        }
    }
    for (l = 0; l < LANES; l++) {
      if (t * LANES + (size_t)l >= net->images) break;
      all[0][l] = lane[0][l];
      all[1][l] = lane[1][l];
    }
  }
  sum[0] = lanes_sum(all[0]);
  sum[1] = lanes_sum(all[1]);
}

/* Mean and 1 / sqrt(variance + eps) of channel c, to layer->moments: those of the batch in
 * training, when the running ones go towards them, with the variance of n - 1; else the running. */
static void channel_moments(Net *net, const Layer *layer, size_t c)
{
  static const float epsilon = 1e-5f;
  const Activation *a = &net->activation[layer->in];
  const size_t pixels = net->images * a->height * a->width;
  float *running_mean = net->weight + net->tensor[layer->mean].offset + c;
  float *running_variance = net->weight + net->tensor[layer->variance].offset + c;
  float mean = *running_mean, variance = *running_variance, inverse;
  if (net->training) {
    const float rest = 1.0f - net->momentum;
    Norm about = {0};
    float sum[2], unbiased;
    channel_sums(net, layer, c, about, 0, sum);
    mean = sum[0] / (float)pixels;
    about.mean = mean;
    channel_sums(net, layer, c, about, 0, sum);
    variance = sum[1] / (float)pixels;
    unbiased = sum[1] / (float)(pixels > 1 ? pixels - 1 : 1);
    *running_mean = (float)(rest * *running_mean) + (float)(net->momentum * mean);
    *running_variance = (float)(rest * *running_variance) + (float)(net->momentum * unbiased);
  }
  inverse = variance + epsilon;
  layer->moments[c] = mean;
  layer->moments[layer->inputs + c] = 1.0f / square_root(inverse);
}

/* Of channel c, after its moments are known. */
static Norm norm_of(const Net *net, const Layer *layer, size_t c)
{
  const float *moment = layer->moments + c;
  Norm norm = {.mean = moment[0], .inverse = moment[layer->inputs], .gamma = 1};
  if (layer->weight >= 0) {
    norm.gamma = net->weight[net->tensor[layer->weight].offset + c];
    norm.beta = net->weight[net->tensor[layer->bias].offset + c];
  }
  if (!layer->relu) norm.least = float_of(0xff800000u);
  return norm;
}

static void norm_forward(Net *net, const Layer *layer, int part)
{
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in), n = a->width * LANES;
  const int relu = layer->relu;
  size_t t, c, r, i, bound[2];
  part_of(net, layer->inputs, part, bound);
  for (c = bound[0]; c < bound[1]; c++) {
    Norm norm;
    channel_moments(net, layer, c);
    norm = norm_of(net, layer, c);
    for (t = 0; t < tiles; t++)
      for (r = 0; r < a->height; r++) {
        const float *restrict x = plane_of(net, layer->in, 0, t, c) + r * a->row;
        float *restrict y = plane_of(net, layer->out, 0, t, c) + r * a->row;
        for (i = 0; i < n; i++) {
          const float value = output_of(norm, normal_of(norm, x[i]));
          y[i] = relu ? rectified(value) : value;
        }
      }
  }
}

/* dy of n numbers of a row, of a tile with so many images, becomes dx: mean_d = dbeta / N,
 * mean_product = dgamma / N. */
static void norm_row_gradient(float *restrict dy, const float *restrict x, size_t n, size_t images,
                              Norm norm, float mean_d, float mean_product)
{
  const float slope = norm.gamma * norm.inverse;
  size_t i;
  for (i = 0; i < n; i++) {
    float normal = normal_of(norm, x[i]);
    float d = output_of(norm, normal) > norm.least ? dy[i] : 0;
    d = d - mean_d;
    normal = normal * mean_product;
    d = d - normal;
    dy[i] = slope * d;
  }
  if (images < LANES) /* where there is no image there is no gradient */
    for (i = 0; i < n; i++) dy[i] = i % LANES < images ? dy[i] : 0;
}

/* dbeta = sum of d, dgamma = sum of d normal, over the N pixels of the batch; since mean and
 * variance depend on x too,
 *     dx = gamma inverse ((d - dbeta / N) - normal (dgamma / N))
 * After norm_forward in training: it reads layer->moments. */
static void norm_backward(Net *net, const Layer *layer, int part)
{
  const Activation *a = &net->activation[layer->in];
  const size_t tiles = tiles_in_use(net, layer->in);
  const float pixels = (float)(net->images * a->height * a->width);
  size_t t, c, r, bound[2];
  part_of(net, layer->inputs, part, bound);
  for (c = bound[0]; c < bound[1]; c++) {
    const Norm norm = norm_of(net, layer, c);
    float sum[2];
    channel_sums(net, layer, c, norm, 1, sum);
    if (layer->weight >= 0) {
      net->gradient[net->tensor[layer->weight].rank + c] = sum[1];
      net->gradient[net->tensor[layer->bias].rank + c] = sum[0];
    }
    if (layer->in == 0) continue; /* the images have no gradient */
    for (t = 0; t < tiles; t++)
      for (r = 0; r < a->height; r++) {
        const float *x = plane_of(net, layer->in, 0, t, c) + r * a->row;
        float *dx = plane_of(net, layer->in, 1, t, c) + r * a->row;
        float *dy = plane_of(net, layer->out, 1, t, c) + r * a->row;
        norm_row_gradient(dy, x, a->width * LANES, net->images - t * LANES, norm, sum[0] / pixels,
                          sum[1] / pixels);
        if (dx != dy) put_pixels(dx, 1, dy, 1, a->width, layer->adds);
      }
  }
}

/* ---- pools ------------------------------------------------------------------------------------
 *
 * x: [T][C][H][W][L], y: [T][C][H / window][W / window][L], L = LANES: windows of window x window
 * pixels without overlap. Each thread takes some of the T C planes. */

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
  const size_t window = layer->kernel * layer->kernel;
  const int average = layer->kind == AVERAGE_POOL;
  size_t p, r, k, q, l, mine[2];
  part_of(net, tiles_in_use(net, layer->in) * layer->inputs, part, mine);
  for (p = mine[0]; p < mine[1]; p++)
    for (r = 0; r < layer->rows; r++)
      for (k = 0; k < layer->columns; k++) {
        float *restrict y = out->value + p * out->plane + r * out->row + k * LANES;
        float v[LANES] = {0};
        for (q = 0; q < window; q++) {
          const float *restrict x = in->value + p * in->plane + in_window(layer, in->row, r, k, q);
          for (l = 0; l < LANES; l++) {
            const float sum = v[l] + x[l], largest = q == 0 || x[l] > v[l] ? x[l] : v[l];
            v[l] = average ? sum : largest;
          }
        }
        for (l = 0; l < LANES; l++) y[l] = average ? v[l] / (float)window : v[l];
      }
}

/* MAX_POOL: dx = dy at the first x that equals y. AVERAGE_POOL: dx = dy / window^2. Elsewhere 0. */
static void pool_backward(Net *net, const Layer *layer, int part)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t window = layer->kernel * layer->kernel;
  const int average = layer->kind == AVERAGE_POOL, adds = layer->adds;
  const int all = layer->rows * layer->kernel >= in->height &&
                  layer->columns * layer->kernel >= in->width; /* windows cover all pixels */
  size_t p, r, k, q, l, mine[2];
  if (layer->in == 0) return;
  part_of(net, tiles_in_use(net, layer->in) * layer->inputs, part, mine);
  for (p = mine[0]; p < mine[1]; p++) {
    if (!adds && !all) memset(in->gradient + p * in->plane, 0, in->plane * sizeof(float));
    for (r = 0; r < layer->rows; r++)
      for (k = 0; k < layer->columns; k++) {
        const size_t at = p * out->plane + r * out->row + k * LANES;
        const float *restrict y = out->value + at, *restrict dy = out->gradient + at;
        float d[LANES];
        for (l = 0; l < LANES; l++) d[l] = average ? dy[l] / (float)window : dy[l];
        for (q = 0; q < window; q++) {
          const size_t from = p * in->plane + in_window(layer, in->row, r, k, q);
          const float *restrict x = in->value + from;
          float *restrict dx = in->gradient + from;
          for (l = 0; l < LANES; l++) {
            const float base = adds ? dx[l] : 0, sum = base + d[l];
            const int here = average || x[l] == y[l];
            dx[l] = here ? sum : base;
            d[l] = !average && here ? 0 : d[l];
          }
        }
      }
  }
}

/* ---- sums and flattening ----------------------------------------------------------------------
 *
 * SUM: in, y: [T][C][H][W][L], shortcut s: [T][C'][H'][W'][L]. With C' < C or H' > H it is taken at
 * every stride-th row and column and added to channels shift ... shift + C' - 1; other channels y =
 * in. Each thread takes some of the T C planes. */

/* The plane of the shortcut's values, or gradients, that belongs to plane p of the sum, or NULL. */
static float *shortcut_plane(const Net *net, const Layer *layer, int gradient, size_t p)
{
  const size_t C = net->activation[layer->out].channels;
  const size_t channels = net->activation[layer->shortcut].channels;
  const size_t shift = (C - channels) / 2, c = p % C;
  if (c < shift || c - shift >= channels) return NULL;
  return plane_of(net, layer->shortcut, gradient, p / C, c - shift);
}

/* y[c][r][k] = in[c][r][k] + s[c - shift][r stride][k stride], then the ReLU. y may be in. */
static void sum_forward(Net *net, const Layer *layer, int part)
{
  const Activation *a = &net->activation[layer->out], *b = &net->activation[layer->shortcut];
  const size_t pixels = a->width * a->tile / LANES, stride = layer->stride;
  size_t p, r, i, mine[2];
  part_of(net, tiles_in_use(net, layer->out) * a->channels, part, mine);
  for (p = mine[0]; p < mine[1]; p++)
    for (r = 0; r < a->height; r++) {
      const float *x = net->activation[layer->in].value + p * a->plane + r * a->row;
      const float *s = shortcut_plane(net, layer, 0, p);
      float *y = a->value + p * a->plane + r * a->row;
      if (x != y) put_pixels(y, 1, x, 1, pixels, 0);
      if (s) put_pixels(y, 1, s + r * stride * b->row, stride, pixels, 1);
      if (layer->relu)
        for (i = 0; i < pixels * LANES; i++) y[i] = rectified(y[i]);
    }
}

/* d in = d, ds[c - shift][r stride][k stride] = d[c][r][k], elsewhere 0, with d = dy where y passes
 * the ReLU. d in may be dy; where a gradient was begun by a later layer, this one adds to it. */
static void sum_backward(Net *net, const Layer *layer, int part)
{
  const Activation *a = &net->activation[layer->out], *b = &net->activation[layer->shortcut];
  const size_t pixels = a->width * a->tile / LANES, stride = layer->stride;
  size_t p, r, mine[2];
  part_of(net, tiles_in_use(net, layer->out) * a->channels, part, mine);
  for (p = mine[0]; p < mine[1]; p++) {
    float *ds = layer->shortcut > 0 ? shortcut_plane(net, layer, 1, p) : NULL;
    const int begun = stride > 1 || layer->adds_shortcut;
    if (ds && stride > 1 && !layer->adds_shortcut) memset(ds, 0, b->plane * sizeof *ds);
    for (r = 0; r < a->height; r++) {
      const size_t at = p * a->plane + r * a->row;
      float *dy = a->gradient + at, *dx = net->activation[layer->in].gradient + at;
      if (layer->relu) rectify_gradient(dy, a->value + at, pixels * LANES);
      if (dx != dy) put_pixels(dx, 1, dy, 1, pixels, layer->adds);
      if (ds) put_pixels(ds + r * stride * b->row, stride, dy, 1, pixels, begun);
    }
  }
}

/* [T][C][H][W][LANES] to [T'][C H W][L] or back: L / LANES tiles of images side by side for the
 * dense layers; slots without an image are +0. */
static void flatten(const Net *net, const Layer *layer, int part, int back)
{
  const Activation *in = &net->activation[layer->in], *out = &net->activation[layer->out];
  const size_t I = out->channels, L = out->tile, slots = tiles_in_use(net, layer->out) * L,
               area = in->height * in->width;
  size_t b, i, bound[2];
  part_of(net, I, part, bound);
  for (b = 0; b < slots; b += LANES)
    for (i = bound[0]; i < bound[1]; i++) {
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
    [CONV] = {{pack_forward, conv_forward},
              {conv_bias_gradient, pack_backward, conv_input_gradient, conv_weight_gradient}},
    [NORM] = {{norm_forward}, {norm_backward}},
    [MAX_POOL] = {{pool_forward}, {pool_backward}},
    [AVERAGE_POOL] = {{pool_forward}, {pool_backward}},
    [SUM] = {{sum_forward}, {sum_backward}},
    [FLATTEN] = {{flatten_forward}, {flatten_backward}},
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
  const size_t C = net->classes, L = logits->tile;
  const size_t slots = tiles_in_use(net, net->activations - 1) * L;
  size_t b, errors = 0;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) reduction(+ : errors)
#endif
  for (b = 0; b < slots; b++) {
    const float *z = logits->value + b / L * C * L + b % L;
    float *dz = logits->gradient + b / L * C * L + b % L, m = z[0], s = 0;
    const size_t y = net->label[b];
    const int empty = b >= net->images; /* a place of the last tile */
    size_t best = 0, c;
    for (c = 1; c < C; c++)
      if (z[c * L] > m) {
        m = z[c * L];
        best = c;
      }
    for (c = 0; c < C; c++) {
      dz[c * L] = exponential(z[c * L] - m);
      s = s + dz[c * L];
    }
    for (c = 0; c < C; c++) {
      float p = dz[c * L] / s;
      p = p - (c == y ? 1.0f : 0.0f);
      dz[c * L] = empty ? 0 : p / (float)net->images;
    }
    net->loss[b] = logarithm(s) - (float)(z[y * L] - m);
    errors += !empty && best != y;
  }
  for (b = 0; b < net->images; b++) lane[b % LANES] = lane[b % LANES] + net->loss[b];
  *wrong += errors;
}

/* ==== networks ============================================================================== */

enum { MOST_LAYERS = 1024, WIDEST = 65536, LONGEST_NAME = 40 };

/* count * size zeroed bytes of the net's, from a whole cache line on: a vector that straddles two
 * costs two loads. Before them stands where what was allocated before begins. */
static void *own(Net *net, size_t count, size_t size, const char *what)
{
  enum { LINE = LANES * sizeof(float) };
  char *block = allocate(count + (LINE + sizeof(void *)) / size + 1, size, what), *at = block;
  *(void **)(void *)block = net->owned;
  net->owned = block;
  at += sizeof(void *);
  while ((uintptr_t)at % LINE != 0) at++;
  return at;
}

void net_free(Net *net)
{
  int k;
  for (k = 0; k < net->layers; k++) {
    free(net->layer[k].forward.start);
    free(net->layer[k].backward.start);
  }
  while (net->owned) {
    void *next = *(void **)net->owned;
    free(net->owned);
    net->owned = next;
  }
}

/* Appends a tensor of the layer called `name`; returns its number. */
static int add_tensor(Net *net, const char *name, const char *suffix, int dims, size_t outputs,
                      size_t inputs, size_t kernel)
{
  Tensor *t = &net->tensor[net->tensors];
  const size_t area = kernel * kernel;
  const double wide = dims == 1 ? 1 : (double)inputs * (double)kernel * (double)kernel;
  if ((double)outputs * wide > (double)(0xffffffffu - net->size)) /* a tap cannot name more */
    fail_usage("--model: has more than 2^32 parameters");
  sprintf(t->name, "%.*s.%s", LONGEST_NAME, name, suffix);
  t->dims = dims;
  t->shape[0] = outputs;
  t->shape[1] = inputs;
  t->shape[2] = t->shape[3] = kernel;
  t->fan_in = inputs * area;
  t->fan_out = outputs * area;
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
  if ((double)channels * (double)height * (double)width > 0xffffffffu)
    fail_usage("--model: these images are too large for this model");
  a->channels = channels;
  a->height = height;
  a->width = width;
  a->flat = flat;
  a->tile = flat ? net->tile : LANES;
  return net->activations++;
}

/* What a call of a hand-built network asks for: fails, naming the call and the value, unless it is
 * between least and most. */
static void check_value(const char *call, const char *what, size_t value, size_t least, size_t most)
{
  if (value < least || value > most)
    fail("%s: %s is %zu; it must be %zu to %zu", call, what, value, least, most);
}

/* The newest layer, of activation `in`. */
static Layer *add_layer(Net *net, const char *call, int kind, int in, const char *name)
{
  Layer *layer = &net->layer[net->layers];
  const Activation *a = &net->activation[in < 0 || in >= net->activations ? 0 : in];
  if (in < 0 || in >= net->activations)
    fail("%s: activation %d is not there; there are 0 to %d", call, in, net->activations - 1);
  if (a->flat && kind != CONV && kind != SUM)
    fail("%s: activation %d is a dense layer's; only images are provided for", call, in);
  if (strlen(name) > LONGEST_NAME)
    fail("%s: the name %.60s has more than %d characters", call, name, LONGEST_NAME);
  if (++net->layers == MOST_LAYERS) fail_usage("--model: has more than %d layers", MOST_LAYERS - 1);
  layer->kind = kind;
  strcpy(layer->name, name);
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
  Layer *layer = add_layer(net, "add_conv", CONV, in, name);
  const size_t H = layer->height, W = layer->width;
  if (net->activation[in].flat)
    fail("add_conv: activation %d is a dense layer's; only images are provided for", in);
  check_value("add_conv", "outputs", outputs, 1, WIDEST);
  check_value("add_conv", "kernel", kernel, 1, WIDEST);
  check_value("add_conv", "stride", stride, 1, WIDEST);
  check_value("add_conv", "padding", padding, 0, kernel - 1);
  check_value("add_conv", "kernel", kernel, 1, smaller(H, W) + 2 * padding);
  layer->outputs = outputs;
  layer->kernel = kernel;
  layer->stride = stride;
  layer->padding = padding;
  layer->rows = (H + 2 * padding - kernel) / stride + 1;
  layer->columns = (W + 2 * padding - kernel) / stride + 1;
  layer->weight = add_tensor(net, name, "weight", 4, outputs, layer->inputs, kernel);
  if (bias) layer->bias = add_tensor(net, name, "bias", 1, outputs, layer->inputs, kernel);
  return layer->out = add_activation(net, outputs, layer->rows, layer->columns, 0);
}

int add_dense(Net *net, int in, const char *name, size_t outputs)
{
  const Activation *a = &net->activation[in < 0 || in >= net->activations ? 0 : in];
  const size_t inputs = activation_size(a);
  Layer *layer;
  check_value("add_dense", "outputs", outputs, 1, WIDEST);
  if (in == 0 && net->layers == 0) { /* the images, anew: loaded flat */
    net->activations = 0;
    add_activation(net, inputs, 1, 1, 1);
  }
  if (!a->flat) {
    layer = add_layer(net, "add_dense", FLATTEN, in, "");
    in = layer->out = add_activation(net, inputs, 1, 1, 1);
  }
  layer = add_layer(net, "add_dense", CONV, in, name);
  layer->outputs = outputs;
  layer->height = layer->rows = 1;
  layer->width = layer->columns = net->tile / LANES;
  layer->weight = add_tensor(net, name, "weight", 2, outputs, layer->inputs, 1);
  layer->bias = add_tensor(net, name, "bias", 1, outputs, layer->inputs, 1);
  return layer->out = add_activation(net, outputs, 1, 1, 1);
}

int add_norm(Net *net, int in, const char *name, int affine)
{
  Layer *layer = add_layer(net, "add_norm", NORM, in, name);
  const size_t C = layer->inputs;
  if (affine) {
    layer->weight = add_tensor(net, name, "weight", 1, C, 1, 1);
    layer->bias = add_tensor(net, name, "bias", 1, C, 1, 1);
    net->tensor[layer->weight].norm = net->tensor[layer->bias].norm = 1;
  }
  layer->moments = own(net, 2 * C, sizeof(float), "batch norm");
  return layer->out = add_activation(net, C, layer->height, layer->width, 0);
}

int add_relu(Net *net, int in)
{
  Layer *layer = &net->layer[net->layers > 0 ? net->layers - 1 : 0];
  const int has_relu = layer->kind == CONV || layer->kind == NORM || layer->kind == SUM;
  if (net->layers == 0 || layer->out != in || !has_relu)
    fail("add_relu: activation %d is not the newest layer's, or a pool's", in);
  layer->relu = 1;
  return in;
}

static int add_pool(Net *net, const char *call, int kind, int in, size_t window)
{
  Layer *layer = add_layer(net, call, kind, in, "");
  check_value(call, "window", window, 1, WIDEST);
  layer->kernel = window;
  layer->rows = layer->height / window;
  layer->columns = layer->width / window;
  return layer->out = add_activation(net, layer->inputs, layer->rows, layer->columns, 0);
}

int add_max_pool(Net *net, int in, size_t window)
{
  return add_pool(net, "add_max_pool", MAX_POOL, in, window);
}
int add_average_pool(Net *net, int in, size_t window)
{
  return add_pool(net, "add_average_pool", AVERAGE_POOL, in, window);
}

/* In place, unless the layer before needs what it wrote, for its ReLU or to find the largest. */
int add_sum(Net *net, int in, int shortcut)
{
  const Layer *newest = &net->layer[net->layers > 0 ? net->layers - 1 : 0];
  const int in_place = newest->out == in && !newest->relu && newest->kind != MAX_POOL;
  Layer *layer = add_layer(net, "add_sum", SUM, in, "");
  const Activation *a = &net->activation[in], *s;
  if (in == 0) fail("add_sum: activation 0 is the images; they can be the shortcut only");
  if (shortcut < 0 || shortcut >= net->activations || shortcut == in)
    fail("add_sum: the shortcut is activation %d; it must be another one that is there", shortcut);
  s = &net->activation[shortcut];
  layer->shortcut = shortcut;
  layer->stride = (s->height + a->height - 1) / a->height;
  if (s->channels > a->channels || s->flat != a->flat ||
      (s->width + a->width - 1) / a->width != layer->stride ||
      (a->height - 1) * layer->stride >= s->height || (a->width - 1) * layer->stride >= s->width)
    fail("add_sum: a shortcut of %zux%zux%zu cannot be added to %zux%zux%zu", s->channels,
         s->height, s->width, a->channels, a->height, a->width);
  layer->out = in;
  if (!in_place)
    layer->out = add_activation(net, layer->inputs, layer->height, layer->width, a->flat);
  return layer->out;
}

/* ---- models: names and shapes as OpenLTH's -------------------------------------------------- */

/* In a plan a number is a convolution 3x3 of so many channels with ReLU, in VGG with batch norm; M
 * is a max pool 2, A an average pool 2, -N a dense layer of N units with ReLU; an output layer
 * follows. lenet-N1-N2-... says its plan itself; the others are from Frankle and Carbin 2019
 * (Conv-N) and OpenLTH (VGG). NAME-W: W channels in the first layer, not 64, and all others in
 * proportion. */
static int build_plain(Net *net, const Model *model)
{
  static const struct {
    const char *name, *plan;
  } plans[] = {
      {"lenet", NULL},
      {"conv2", "64 64 M-256-256"},
      {"conv4", "64 64 M 128 128 M-256-256"},
      {"conv6", "64 64 M 128 128 M 256 256 M-256-256"},
      {"vgg11", "64 M 128 M 256 256 M 512 512 M 512 512 A"},
      {"vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512 A"},
      {"vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 A"},
      {"vgg19", "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 A"}};
  const size_t length = strcspn(model->name, "-");
  const char *at = NULL, *suffix = model->name + length;
  char name[NAME_SIZE], *end = (char *)suffix;
  unsigned long width = 64;
  int k, a = 0, number, dense = 0;
  for (k = 0; k < (int)(sizeof plans / sizeof *plans); k++)
    if (strlen(plans[k].name) == length && !strncmp(model->name, plans[k].name, length))
      at = plans[k].plan ? plans[k].plan : suffix;
  if (!at || !*at || suffix[strspn(suffix, "-0123456789")]) return 0;
  if (at != suffix && *suffix) width = strtoul(suffix + 1, &end, 10);
  if ((at != suffix && *end) || width < 1 || width > 1024) return 0;
  for (number = 0; *at; number++) {
    unsigned long n;
    at += strspn(at, " ");
    if (*at == 'M' || *at == 'A') {
      a = *at++ == 'M' ? add_max_pool(net, a, 2) : add_average_pool(net, a, 2);
      continue;
    }
    if (*at == '-' && (at[1] < '1' || at[1] > '9')) return 0;
    n = strtoul(*at == '-' ? at + 1 : at, &end, 10);
    if (n > WIDEST) return 0;
    n = n * width / 64;
    if (*at == '-') {
      sprintf(name, "fc_layers.%d", dense++);
      a = add_dense(net, a, name, n);
    } else {
      sprintf(name, "layers.%d.conv", number);
      a = add_conv(net, a, name, n, 3, 1, 1, 1);
      sprintf(name, "layers.%d.bn", number);
      if (model->name[0] == 'v') a = add_norm(net, a, name, model->affine);
    }
    add_relu(net, a);
    at = end;
  }
  add_dense(net, a, "fc", net->classes);
  return 1;
}

/* A convolution and its batch norm, of the block's names `conv` and `norm`. */
static int add_conv_norm(Net *net, int in, const Model *model, unsigned long block,
                         const char *conv, const char *norm, size_t outputs, size_t kernel,
                         size_t stride)
{
  char name[NAME_SIZE];
  int a;
  sprintf(name, "blocks.%lu.%s", block, conv);
  a = add_conv(net, in, name, outputs, kernel, stride, kernel / 2, 0);
  sprintf(name, "blocks.%lu.%s", block, norm);
  return add_norm(net, a, name, model->affine);
}

/* resnetN-W (He 2016, section 4.2): a 3x3 convolution of W channels, three segments of (N - 2)/6
 * blocks with W, 2 W, 4 W channels, each block y = relu(shortcut(x) + bn2(conv2(relu(bn1(conv1
 * x))))), average pool, dense. */
static int build_resnet(Net *net, const Model *model)
{
  char *end;
  const unsigned long depth = strtoul(model->name + 6, &end, 10),
                      width = *end == '-' ? strtoul(end + 1, &end, 10) : 16;
  const unsigned long blocks = (depth - 2) / 6;
  unsigned long k;
  int a;
  if (*end || depth % 6 != 2 || depth < 8 || depth > 326 || width < 1 || width > 1024) return 0;
  a = add_conv(net, 0, "conv", width, 3, 1, 1, 0);
  a = add_relu(net, add_norm(net, a, "bn", model->affine));
  for (k = 0; k < 3 * blocks; k++) {
    const int shrinks = k == blocks || k == 2 * blocks;
    const size_t outputs = width << k / blocks;
    int shortcut = a;
    a = add_conv_norm(net, a, model, k, "conv1", "bn1", outputs, 3, shrinks ? 2 : 1);
    a = add_conv_norm(net, add_relu(net, a), model, k, "conv2", "bn2", outputs, 3, 1);
    if (shrinks && !model->pad_shortcut)
      shortcut = add_conv_norm(net, shortcut, model, k, "shortcut.0", "shortcut.1", outputs, 1, 2);
    a = add_relu(net, add_sum(net, a, shortcut));
  }
  a = add_average_pool(net, a, net->activation[a].height);
  add_dense(net, a, "fc", net->classes);
  return 1;
}

void net_open(Net *net, const Dataset *data, size_t batch, int threads)
{
  const size_t tiles = (batch + TILE - 1) / TILE;
  size_t c, p;
  check_value("net_open", "batch", batch, 1, WIDEST);
  check_value("net_open", "threads", (size_t)threads, 1, 256);
  check_value("net_open", "classes", (size_t)data->classes, 1, 256);
  check_value("net_open", "channels", (size_t)data->channels, 1, 3);
  memset(net, 0, sizeof *net);
  net->classes = (size_t)data->classes;
  net->batch = batch;
  net->tile = ((batch + tiles - 1) / tiles + LANES - 1) / LANES * LANES;
  net->slots = net->tile * tiles;
  net->threads = threads;
  net->momentum = 0.1f;
  net->tensor = own(net, 5 * MOST_LAYERS, sizeof *net->tensor, "tensors");
  net->layer = own(net, MOST_LAYERS, sizeof *net->layer, "layers");
  net->activation = own(net, 2 * MOST_LAYERS, sizeof *net->activation, "activations");
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

/* The border, as far as any pass reaches over an edge, and with it rows and planes. */
static void measure_planes(Net *net)
{
  int k;
  for (k = 0; k < net->layers; k++) {
    const Layer *layer = &net->layer[k];
    const size_t s = layer->stride, p = layer->padding;
    if (layer->kind != CONV) continue;
    net->border = larger(net->border, larger(p, reach_back(layer)));
    net->border = larger(net->border, (layer->height - 1 + p) / s + 1 - layer->rows);
    net->border = larger(net->border, (layer->width - 1 + p) / s + 1 - layer->columns);
  }
  for (k = 0; k < net->activations; k++) {
    Activation *a = &net->activation[k];
    const size_t border = a->flat ? 0 : net->border, most = 0xffffffffu; /* of an offset of Taps */
    a->row = (a->width + border) * a->tile;
    if (a->channels > most / (a->height + border) / a->row)
      fail_usage("--model: these images are too large for this model");
    a->plane = (a->height + border) * a->row;
  }
}

/* Running statistics, behind all parameters, and the room of each layer's passes. */
static void measure_layers(Net *net)
{
  size_t packed = 0;
  int k;
  net->parameters = net->size;
  for (k = 0; k < net->layers; k++) {
    Layer *layer = &net->layer[k];
    const size_t I = layer->inputs, O = layer->outputs, area = layer->kernel * layer->kernel;
    if (layer->kind == NORM) {
      layer->mean = add_tensor(net, layer->name, "running_mean", 1, I, 1, 1);
      layer->variance = add_tensor(net, layer->name, "running_var", 1, I, 1, 1);
    }
    if (layer->kind != CONV) continue;
    layer->cut = own(net, (I + 1) * O, sizeof *layer->cut, "tap lists");
    packed = larger(packed, O * I * area);
    net->room_size = larger(net->room_size, sums_size(layer));
  }
  net->packed = own(net, packed, sizeof(float), "packed weights");
  net->room = own(net, (size_t)net->threads * net->room_size, sizeof(float), "sums");
}

/* Room for an activation and a border above and left of plane 0; returns its first pixel. */
static float *own_planes(Net *net, const Activation *a)
{
  const size_t lead = a->flat ? 0 : net->border * (a->row + LANES);
  const size_t tiles = net->slots / a->tile, n = a->channels * a->plane;
  if (n > (SIZE_MAX / 32 - lead) / tiles)
    fail_usage("--batch %zu: needs more bytes than this machine can address; take a smaller one",
               net->batch);
  net->bytes += (tiles * n + lead) * sizeof(float);
  return (float *)own(net, tiles * n + lead, sizeof(float),
                      "activations (a smaller --batch needs less)") +
         lead;
}

/* Gradients share rooms: one is taken when the backward pass first writes it and given back when
 * its layer has passed it on. Planes of other shapes have other rooms, so that nothing ever writes
 * where the borders are. */
typedef struct {
  const Activation *largest; /* that uses it; NULL behind the last room */
  int taken;
} Room;

/* Whether a later layer begins the gradient of activation k; else takes a room for it. Neither for
 * the images (0) and no activation (-1). */
static int take_room(const Net *net, Room *rooms, int *room_of, int k)
{
  const Activation *a = &net->activation[k > 0 ? k : 0];
  Room *room = rooms;
  if (k <= 0) return 0;
  if (room_of[k] >= 0) return 1;
  for (; room->largest; room++) {
    const Activation *b = room->largest;
    if (!room->taken && b->plane == a->plane && b->row == a->row && b->tile == a->tile) break;
  }
  if (!room->largest || a->channels > room->largest->channels) room->largest = a;
  room->taken = 1;
  room_of[k] = (int)(room - rooms);
  return 0;
}

/* A layer that reads what it writes, number by number, may pass its gradient on in one room. */
static void place_gradients(Net *net)
{
  const size_t n = (size_t)net->activations;
  int *room_of = allocate(n, sizeof *room_of, "the plan of gradients"), k, r;
  Room *rooms = allocate(n + 1, sizeof *rooms, "the plan of gradients");
  for (k = 0; k < net->activations; k++) room_of[k] = -1;
  take_room(net, rooms, room_of, net->activations - 1); /* the logits */
  for (k = net->layers - 1; k >= 0; k--) {
    Layer *layer = &net->layer[k];
    const int in = layer->in, out = layer->out;
    const int same_room = layer->kind == NORM || layer->kind == SUM;
    if (room_of[out] < 0) fail("net_close: no layer reads activation %d", out);
    if (same_room && in > 0 && room_of[in] < 0) room_of[in] = room_of[out];
    else layer->adds = take_room(net, rooms, room_of, in);
    layer->adds_shortcut = take_room(net, rooms, room_of, layer->shortcut);
    if (in != out && room_of[in] != room_of[out]) rooms[room_of[out]].taken = 0;
  }
  for (r = 0; rooms[r].largest; r++) {
    float *room = own_planes(net, rooms[r].largest);
    for (k = 0; k < net->activations; k++)
      if (room_of[k] == r) net->activation[k].gradient = room;
  }
  free(room_of);
  free(rooms);
}

/* Layers that fit each other one by one may still not be a network. */
void net_close(Net *net)
{
  const Layer *last = &net->layer[net->layers > 0 ? net->layers - 1 : 0];
  int k;
  if (net->layers == 0) fail("net_close: there is no layer");
  if (last->kind != CONV || !net->activation[last->out].flat || last->relu)
    fail("net_close: layer %d must be add_dense without a ReLU, since it is the last",
         net->layers - 1);
  if (last->outputs != net->classes)
    fail("net_close: the last layer has %zu outputs for %zu classes", last->outputs, net->classes);
  measure_planes(net);
  measure_layers(net);
  for (k = 0; k < net->activations; k++)
    net->activation[k].value = own_planes(net, &net->activation[k]);
  place_gradients(net);
  net->tensor[last->weight].output = net->tensor[last->bias].output = 1;
  net->weight = own(net, net->size, sizeof(float), "weights");
  net->gradient = own(net, net->size, sizeof(float), "gradients");
  net->mask = own(net, net->size, 1, "the mask");
  net->survivor = own(net, net->size, sizeof(uint32_t), "the list of surviving weights");
  net->loss = own(net, net->slots, sizeof(float), "losses");
  net->label = own(net, net->slots, 1, "labels");
  net->view = own(net, net->slots, sizeof *net->view, "labels");
  net_set_mask(net, NULL);
}

void net_create(Net *net, const Model *model, const Dataset *data, size_t batch, int threads)
{
  int built = strlen(model->name) < NAME_SIZE;
  net_open(net, data, batch, threads);
  if (built && model->build) model->build(net);
  else if (built)
    built = (strncmp(model->name, "resnet", 6) ? build_plain : build_resnet)(net, model);
  if (!built)
    fail_usage(
        "--model %s: no such model; there are lenet-N1-N2-... (units up to %d), conv2, conv4, "
        "conv6, vgg11, vgg13, vgg16, vgg19, "
        "resnet20, 32, 44, 56, 110, and with other widths conv4-WIDTH, vgg16-WIDTH, resnet20-WIDTH",
        model->name, WIDEST);
  strcpy(net->model, model->name);
  net_close(net);
}

/* The tap lists of a layer, each in the order of its sum: forward (i, kr, kc) ascending;
 * backward, for each phase of the input's pixels, (o, output row, output column) ascending, that
 * is kr and kc descending. Backward, weight (kr, kc) meets pixels of a phase only where their
 * distance from it is a multiple of the stride (down % s): of a 3x3 kernel with stride 2 and
 * padding 1 the four phases have 1, 2, 2 and 4 weights. down / s - k and across / s - k are the row
 * and column of a tap from where x (dy) begins; + s k keeps unsigned numbers above 0, lead is
 * where dy begins. */
static void list_taps(const Net *net, const Layer *layer, Taps *taps, int backward, int own)
{
  const unsigned char *mask = net->mask + net->tensor[layer->weight].offset;
  const Activation *from = &net->activation[backward ? layer->out : layer->in];
  const size_t k = layer->kernel, area = k * k, I = layer->inputs, O = layer->outputs;
  const size_t s = backward ? layer->stride : 1, rows = own ? (backward ? I : O) : 1;
  const size_t channels = backward ? O : I, most = own ? layer->survivors : channels * area;
  const size_t lead = reach_back(layer) * s + layer->padding;
  size_t n = 0, lists = 0, phase, r, c, q;
  taps->step = own ? 0 : backward ? area : I * area;
  free(taps->start);
  taps->start = allocate(s * s * rows + 1 + 2 * most, sizeof(uint32_t), "tap lists");
  taps->offset = taps->start + s * s * rows + 1;
  taps->index = taps->offset + most;
  for (phase = 0; phase < s * s; phase++)
    for (r = 0; r < rows; r++) {
      for (c = 0; c < channels; c++)
        for (q = 0; q < area; q++) {
          const size_t place = backward ? area - 1 - q : q, kr = place / k, kc = place % k;
          const size_t index = (backward ? c * I + r : r * I + c) * area + place;
          const size_t down = backward ? lead + phase / s + s * k - kr : s * k + kr;
          const size_t across = backward ? lead + phase % s + s * k - kc : s * k + kc;
          if (own && !mask[index]) continue;
          if (down % s != 0 || across % s != 0) continue;
          taps->index[n] = (uint32_t)index;
          taps->offset[n] =
              (uint32_t)(c * from->plane + (down / s - k) * from->row + (across / s - k) * LANES);
          n++;
        }
      taps->start[++lists] = (uint32_t)n;
    }
}

/* Cuts the forward lists into chunks of input channels: so many that lanes_dot is worth its call,
 * about 16 taps of each output at least; fewer where the sums of all would not fit the room of
 * conv_weight_gradient. The places of the first chunk are there. */
static void cut_taps(const Net *net, Layer *layer)
{
  const Taps *taps = &layer->forward;
  const size_t I = layer->inputs, O = layer->outputs, area = layer->kernel * layer->kernel;
  const unsigned char *mask = net->mask + net->tensor[layer->weight].offset;
  size_t channels = 8, first, last, o;
  Cut *cut = layer->cut;
  while (channels < I && channels * layer->survivors < 16 * I * O) channels *= 2;
  for (o = 0; o < O; o++) cut[o].tap = taps->start[taps->step ? 0 : o];
  for (first = 0; first < I; first = last) {
    size_t some = channels, room;
    do {
      last = smaller(first + some, I);
      some = (some + 1) / 2;
      room = 0;
      for (o = 0; o < O; o++) {
        const size_t row = o * I * area, list = taps->step ? 0 : row; /* indices begin at `list` */
        const uint32_t end = taps->start[taps->step ? 1 : o + 1];
        Cut at = cut[o];
        while (at.tap < end && taps->index[at.tap] - list < last * area) {
          at.place += mask[taps->index[at.tap] - list + row];
          at.tap++;
        }
        room += (at.tap - cut[o].tap) * LANES;
        cut[O + o] = at;
      }
    } while (room > sums_size(layer));
    cut += O;
  }
  layer->chunks = (size_t)(cut - layer->cut) / O;
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
    for (j = 0; j < t->size; j++) {
      if (j % t->fan_in == 0)
        layer->cut[j / t->fan_in].place = (uint32_t)(t->rank + layer->survivors);
      layer->survivors += net->mask[t->offset + j];
    }
    /* with more left the dense kernels are faster; the bits are the same */
    sparse = layer->survivors < t->size / 4 * 3;
    list_taps(net, layer, &layer->forward, 0, sparse);
    list_taps(net, layer, &layer->backward, 1, sparse);
    cut_taps(net, layer);
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
    const int sparse_aware = t->prunable && scheme == SPARSE_AWARE;
    const Stream s = {seed, RANDOM_INIT, (uint32_t)k, variant};
    size_t i, j;
    for (j = 0; j < t->size; j++) {
      if (sparse_aware && j % t->fan_in == 0) { /* those of this output that are not masked */
        fan = 0;
        for (i = j; i < j + t->fan_in; i++) fan = fan + (float)mask[i];
      }
      if (!mask[j] || !strcmp(suffix, "running_mean")) w[j] = 0;
      else if (!strcmp(suffix, "running_var")) w[j] = 1;
      else if (t->norm) w[j] = strcmp(suffix, "weight") ? 0 : random_uniform(s, j);
      else if (!t->prunable || scheme == KAIMING_UNIFORM) { /* (2 u - 1) width: 2 u - 1 is exact */
        width = t->prunable ? square_root(6.0f / fan) : 1.0f / square_root(fan);
        w[j] = (float)(2.0f * random_uniform(s, j) - 1.0f) * width;
      } else {
        const float fans = scheme == GLOROT_NORMAL ? (float)(t->fan_in + t->fan_out) : fan;
        width = square_root(2.0f / fans);
        w[j] = width * random_normal(s, j);
      }
    }
  }
}

size_t net_prunable(const Net *net, int surviving)
{
  size_t n = 0, j;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    if (!t->prunable) continue;
    for (j = t->offset; j < t->offset + t->size; j++) n += surviving ? net->mask[j] : 1;
  }
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

/* The normalised pixel (c, h, w) of an image that augmentation has moved; a black one stands for
 * what is outside the image. */
static float moved_pixel(const Net *net, const View *view, size_t c, size_t h, size_t w)
{
  const size_t H = net->height, W = net->width;
  const size_t row = h + view->crop[0] - CROP; /* above the image it wraps to a large number */
  const size_t column = (view->crop[2] ? W - 1 - w : w) + view->crop[1] - CROP;
  return net->value[c][row < H && column < W ? view->pixel[(c * H + row) * W + column] : 0];
}

/* x[c][h][w][b] = normalised pixel of image b, +0 where there is no image. A thread takes some rows
 * h of all tiles and channels, and LANES images at a time, so that it reads each row after row. */
static void load_rows(Net *net, const Layer *none, int part)
{
  const Activation *input = &net->activation[0];
  const size_t H = net->height, W = net->width, L = input->tile, tiles = tiles_in_use(net, 0);
  const size_t C = activation_size(input) / (H * W);
  size_t b, r, w, l, mine[2];
  (void)none;
  part_of(net, tiles * C * H, part, mine);
  for (b = 0; b < L; b += LANES)
    for (r = mine[0]; r < mine[1]; r++) {
      const size_t t = r / (C * H), c = r / H % C, h = r % H;
      const View *view = &net->view[t * L + b];
      const float *value = net->value[c];
      float *x = b + (input->flat ? plane_of(net, 0, 0, t, r % (C * H) * W)
                                  : plane_of(net, 0, 0, t, c) + h * input->row);
      const unsigned char *from[LANES];
      int moved = 0;
      for (l = 0; l < LANES; l++) {
        from[l] = view[l].pixel + (c * H + h) * W;
        moved = moved || view[l].crop[0] != CROP || view[l].crop[1] != CROP || view[l].crop[2];
      }
      for (w = 0; w < W; w++)
        for (l = 0; l < LANES; l++)
          x[w * L + l] = moved ? moved_pixel(net, &view[l], c, h, w) : value[from[l][w]];
      for (l = 0; l < LANES; l++)
        if (t * L + b + l >= net->images)
          for (w = 0; w < W; w++) x[w * L + l] = 0;
    }
}

void net_load(Net *net, const Split *split, const uint32_t *index, size_t first, size_t n,
              const Stream *augment)
{
  static Pass *const load[] = {load_rows, NULL};
  const size_t I = activation_size(&net->activation[0]);
  size_t b;
  check_value("net_load", "images", n, 1, net->slots);
  if (!index) check_value("net_load", "first + images", first + n, 1, split->n);
  net->images = n;
  for (b = 0; b < net->slots; b++) {
    const size_t which = b < n ? (index ? index[b] : first + b) : 0;
    View *view = &net->view[b];
    view->pixel = split->pixel + which * I;
    view->crop[0] = view->crop[1] = CROP;
    view->crop[2] = 0;
    net->label[b] = split->label[which];
    if (augment && b < n) crop_flip(*augment, (uint32_t)which, view->crop);
  }
  in_parts(net, NULL, load);
}

/* The average over whole batches of one pass over the images, each batch counting alike:
 * momentum 1, 1/2, 1/3 ... */
void net_recompute(Net *net, const Split *split)
{
  size_t first, batches = 0;
  for (first = 0; first < split->n; first += net->batch) {
    net->momentum = 1.0f / (float)++batches;
    net_load(net, split, NULL, first, smaller(split->n - first, net->batch), NULL);
    net_forward(net, 1);
  }
  net->momentum = 0.1f;
}

int net_forward_from(Net *net, const Split *split, size_t first)
{
  if (first >= split->n) return 0;
  net_load(net, split, NULL, first, smaller(split->n - first, net->slots), NULL);
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
  o->correction[0] = o->correction[1] = 0;
}

void optimizer_clear(Optimizer *o, const Net *net)
{
  memset(o->velocity, 0, net->size * sizeof(float));
  memset(o->square, 0, net->size * sizeof(float));
  o->correction[0] = o->correction[1] = 0;
}

void optimizer_free(Optimizer *o)
{
  free(o->velocity);
  free(o->square);
  free(o->weight);
}

/* g = dW + wd w,  v = mu v + g,  w = w - lr v  (Nesterov: w - lr (g + mu v)), as PyTorch's SGD */
static void sgd(const Net *net, float *restrict w, float *restrict v, const Training *how, float lr)
{
  const float mu = how->momentum, decay = how->weight_decay;
  const int nesterov = how->nesterov;
  const float *restrict gradient = net->gradient;
  const size_t n = net->survivors;
  size_t j;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads)
#endif
  for (j = 0; j < n; j++) {
    float g = gradient[j] + (float)(decay * w[j]);
    float speed = (float)(mu * v[j]) + g, ahead;
    v[j] = speed;
    ahead = g + (float)(mu * speed);
    speed = nesterov ? ahead : speed;
    w[j] = w[j] - (float)(lr * speed);
  }
}

/* g = dW + wd w,  m = 0.9 m + 0.1 g,  v = 0.999 v + (0.001 g) g,  c = 1 - beta^t,
 * w = w - ((lr / c[0]) m) / (sqrt v / sqrt c[1] + eps), as PyTorch's Adam (Kingma and Ba 2015) */
static void adam(const Net *net, float *restrict w, float *restrict m, float *restrict v,
                 float c[2], float decay, float lr)
{
  static const float beta1 = 0.9f, rest1 = 0.1f, beta2 = 0.999f, rest2 = 0.001f, epsilon = 1e-8f;
  const float *restrict gradient = net->gradient;
  const size_t n = net->survivors;
  float rate, root;
  size_t j;
  c[0] = c[0] + (float)(rest1 * (float)(1.0f - c[0]));
  c[1] = c[1] + (float)(rest2 * (float)(1.0f - c[1]));
  rate = lr / c[0];
  root = square_root(c[1]);
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads)
#endif
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
  const size_t n = net->survivors;
  /* survivors side by side, as their gradients are */
  float *w = n == net->size ? net->weight : o->weight;
  size_t j;
  if (w != net->weight)
    for (j = 0; j < n; j++) w[j] = net->weight[net->survivor[j]];
  if (how->optimizer == SGD) sgd(net, w, o->velocity, how, lr);
  else adam(net, w, o->velocity, o->square, o->correction, how->weight_decay, lr);
  if (w != net->weight)
    for (j = 0; j < n; j++) net->weight[net->survivor[j]] = w[j];
}

void data_order(uint32_t *order, size_t n, uint64_t order_seed, uint32_t level, uint32_t epoch)
{
  const Stream s = {order_seed, RANDOM_ORDER, level, epoch};
  random_order(order, n, s);
}

void train(Net *net, Optimizer *o, const Dataset *data, const Training *how, uint32_t level,
           long from, long to, float lr, Watch *watch, void *context)
{
  const size_t n = data->train.n, batch = net->batch;
  const long per_epoch = (long)((n + batch - 1) / batch);
  uint32_t *order = allocate(n, sizeof *order, "the data order");
  Progress p = {.step = from, .epochs = (how->steps + per_epoch - 1) / per_epoch};
  Stream crops = {how->order_seed, RANDOM_AUGMENT, level, 0};
  while (p.step < to) {
    const size_t first = (size_t)(p.step % per_epoch) * batch, size = smaller(n - first, batch);
    float lane[LANES] = {0}, loss;
    p.epoch = p.step / per_epoch;
    if (first == 0 || p.step == from) {
      data_order(order, n, how->order_seed, level, (uint32_t)p.epoch);
      crops.b = (uint32_t)p.epoch;
      p.seen = p.wrong = 0;
      p.loss = 0;
    }
    if (how->hook) how->hook(how->context, net, p.step, 0);
    net_load(net, &data->train, order + first, 0, size, how->augment ? &crops : NULL);
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

/* ==== checkpoints =========================================================================== */

static const char *const memory_names[3] = {"optimizer.velocity", "optimizer.square",
                                            "optimizer.correction"};

void checkpoint_write(const Net *net, const Optimizer *o, int pairs, const char *const *key,
                      const char *const *value, const char *path)
{
  const size_t two = 2;
  char digest[17];
  Safetensors s = {0};
  int k;
  s.entry = allocate((size_t)(2 * net->tensors + 3), sizeof *s.entry, "the checkpoint");
  s.key = allocate((size_t)pairs + 1, sizeof *s.key, "the checkpoint");
  s.value = allocate((size_t)pairs + 1, sizeof *s.value, "the checkpoint");
  for (k = 0; k < 2 * net->tensors; k++) {
    const Tensor *t = &net->tensor[k % net->tensors];
    if (k < net->tensors)
      safetensors_add(&s, "", t->name, 'F', t->dims, t->shape, net->weight + t->offset);
    else if (t->prunable)
      safetensors_add(&s, "mask.", t->name, 'U', t->dims, t->shape, net->mask + t->offset);
  }
  if (o) {
    safetensors_add(&s, "", memory_names[0], 'F', 1, &net->survivors, o->velocity);
    safetensors_add(&s, "", memory_names[1], 'F', 1, &net->survivors, o->square);
    safetensors_add(&s, "", memory_names[2], 'F', 1, &two, (void *)o->correction);
  }
  for (k = 0; k <= pairs; k++) {
    s.key[k] = (char *)(k < pairs ? key[k] : "digest");
    s.value[k] = (char *)(k < pairs ? value[k] : digest_text(digest, net_digest(net)));
  }
  s.pairs = pairs + 1;
  safetensors_write(&s, path);
  free(s.entry);
  free(s.key);
  free(s.value);
}

/* Takes over a tensor's values and, where the file has one, its mask. */
static void apply_tensor(Net *net, const Tensor *t, unsigned char *mask, const Safetensors *s,
                         const char *path)
{
  const Entry *values = safetensors_find(s, t->name), *kept = NULL;
  const int variance = strstr(t->name, ".running_var") != NULL;
  const unsigned char *keeps;
  char name[2 * NAME_SIZE];
  size_t j;
  sprintf(name, "mask.%s", t->name);
  if (t->prunable) kept = safetensors_find(s, name);
  if (!values)
    fail("%s: has no tensor %s, but %s; it is not a checkpoint of %s", path, t->name,
         s->entries > 0 ? s->entry[0].name : "none", net->model);
  safetensors_expect(values, 'F', t->dims, t->shape, path);
  if (kept) safetensors_expect(kept, 'U', t->dims, t->shape, path);
  memcpy(net->weight + t->offset, values->data, t->size * sizeof(float));
  keeps = kept ? kept->data : NULL;
  for (j = 0; j < t->size; j++) {
    const float w = net->weight[t->offset + j];
    if (!is_finite(w)) fail("%s: value %zu of tensor %s is not finite", path, j, t->name);
    if (w < 0 && variance)
      fail("%s: value %zu of tensor %s is a variance below 0", path, j, t->name);
    if (keeps && keeps[j] > 1) fail("%s: tensor %s holds other values than 0 and 1", path, name);
    mask[t->offset + j] = keeps ? keeps[j] : 1;
    if (!mask[t->offset + j] && w != 0)
      fail("%s: value %zu of tensor %s is masked but not 0", path, j, t->name);
  }
}

/* Whether the net has what a file calls so: a tensor, or the mask of a prunable one. */
static int has_tensor(const Net *net, const char *name)
{
  const int mask = strncmp(name, "mask.", 5) == 0;
  int k;
  for (k = 0; k < net->tensors; k++)
    if (strcmp(net->tensor[k].name, mask ? name + 5 : name) == 0)
      return !mask || net->tensor[k].prunable;
  return 0;
}

void checkpoint_apply(Net *net, const Safetensors *s, const char *path)
{
  unsigned char *mask = allocate(net->size, 1, "the mask");
  const char *claimed = safetensors_value(s, "digest");
  char digest[17];
  int k;
  for (k = 0; k < net->tensors; k++) apply_tensor(net, &net->tensor[k], mask, s, path);
  for (k = 0; k < s->entries; k++)
    if (strncmp(s->entry[k].name, "optimizer.", 10) != 0 && !has_tensor(net, s->entry[k].name))
      fail("%s: holds a tensor %s, which %s does not have", path, s->entry[k].name, net->model);
  net_set_mask(net, mask);
  digest_text(digest, net_digest(net));
  if (claimed && strcmp(claimed, digest) != 0)
    fail("%s: its values have digest %s, but it says %s; the file was changed or damaged", path,
         digest, claimed);
  free(mask);
}

void checkpoint_memory(const Net *net, Optimizer *o, const Safetensors *s, const char *path)
{
  float *const to[3] = {o->velocity, o->square, o->correction};
  int k, found = 0, fitting = 0;
  optimizer_clear(o, net);
  for (k = 0; k < 3; k++) {
    const Entry *memory = safetensors_find(s, memory_names[k]);
    const size_t n = k < 2 ? net->survivors : 2;
    found += memory != NULL;
    if (!memory || memory->type != 'F' || memory->size != n) continue;
    memcpy(to[k], memory->data, n * sizeof(float));
    fitting++;
  }
  if (fitting != found || found % 3 != 0)
    fail("%s: is damaged: the optimiser's memory does not fit", path);
}
