/* nn.c - everything that computes: arithmetic, random numbers, layers and their backward passes,
 * models, optimisers, learning-rate schedules, the training and evaluation loops.
 *
 * Not here: files (data.c), what is pruned and when (prune.c).
 * The one rule: every sum has the order that README's arithmetic contract gives it, so a loop below may be
 * blocked or vectorised but never reassociated. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ==== arithmetic ============================================================================ */

static uint32_t bits_of(float x)
{
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static float float_of(uint32_t u)
{
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* 64-bit FNV-1a over the little-endian bytes of x[0..n). */
static uint64_t digest(const float *x, size_t n)
{
  uint64_t hash = 0xcbf29ce484222325u;
  size_t j;
  int shift;
  for (j = 0; j < n; j++)
    for (shift = 0; shift < 32; shift += 8) hash = (hash ^ (bits_of(x[j]) >> shift & 255)) * 0x100000001b3u;
  return hash;
}

int is_finite(float x) { return (bits_of(x) & 0x7f800000u) != 0x7f800000u; }

float square_root(float x)
{
#if FLT_EVAL_METHOD == 0
  return sqrtf(x);
#else
  volatile float rounded = sqrtf(x); /* through memory: a cast alone leaves x87's extra digits */
  return rounded;
#endif
}

/* ln 2 in two parts; the high one has 9 trailing zero bits, so k * LN2_HIGH is exact for |k| < 512. */
static const float LN2_HIGH = 0.693145751953125f, LN2_LOW = 1.42860677e-6f, LOG2_E = 1.44269504f;

/* 2^k x for the k that exponential needs, in two exact steps so that 2^k itself may be subnormal. */
static float scale(float x, int k)
{
  int half = k / 2;
  float y = x * float_of((uint32_t)(half + 127) << 23);
  return y * float_of((uint32_t)(k - half + 127) << 23);
}

/* e^x = 2^k e^r with k = round(x / ln 2), r = x - k ln 2, and the Taylor series of e^r, |r| <= 0.35. */
float exponential(float x)
{
  static const float inverse[] = {1.0f, 1.0f, 0.5f, 0.333333333f, 0.25f, 0.2f, 0.166666667f, 0.142857143f}; /* 1/n */
  float t, r, p = 1.0f;
  int k, n;
  if (!is_finite(x)) return bits_of(x) == 0xff800000u ? 0.0f : x;
  if (x < -104.0f) return 0.0f;
  if (x > 88.8f) return float_of(0x7f800000u);
  t = x * LOG2_E;
  k = (int)(float)(t + (t < 0 ? -0.5f : 0.5f));
  r = x - (float)((float)k * LN2_HIGH);
  r = r - (float)((float)k * LN2_LOW);
  for (n = 7; n > 0; n--) { /* p = 1 + r/n p: Horner's rule for sum of r^n / n! */
    float q = r * inverse[n];
    p = 1.0f + (float)(q * p);
  }
  return scale(p, k);
}

/* ln x = k ln 2 + ln m with m in [sqrt 1/2, sqrt 2), and ln m = 2 atanh s = 2 s (1 + s^2/3 + s^4/5 + ...)
 * with s = (m - 1) / (m + 1), |s| <= 0.172. */
float logarithm(float x)
{
  static const float third = 0.333333333f, fifth = 0.2f, seventh = 0.142857143f, ninth = 0.111111111f;
  uint32_t u;
  int k = 0;
  float f, s, z, p, high;
  if (x < FLT_MIN) {
    if (!(x > 0)) return float_of(0xff800000u);
    x = x * 33554432.0f; /* 2^25 lifts a subnormal */
    k = -25;
  }
  u = bits_of(x);
  if (u >= 0x7f800000u) return x;
  k += (int)(u >> 23) - 127;
  u = (u & 0x007fffffu) | 0x3f800000u;
  if (u > 0x3fb504f3u) { /* m > sqrt 2 */
    u -= 0x00800000u;
    k++;
  }
  f = float_of(u) - 1.0f;
  s = f / (float)(2.0f + f);
  z = s * s;
  p = seventh + (float)(z * ninth);
  p = fifth + (float)(z * p);
  p = third + (float)(z * p);
  /* ln m = f - s (f - 2 z p): the correction is small, so f's own digits are kept */
  p = 2.0f * (float)(z * p);
  p = s * (float)(f - p);
  high = (float)k * LN2_HIGH;
  p = (float)((float)k * LN2_LOW) - p;
  p = p + f;
  return high + p;
}

/* cos(2 pi u): u = q/4 + r with |r| <= 1/8, then the Taylor series of cosine or sine at 2 pi r. */
float cosine_turns(float u)
{
  static const float two_pi = 6.28318531f, pi_half_sixth = 0.166666667f;
  static const float c4 = 0.0416666667f, c6 = 0.00138888889f, c8 = 2.48015873e-5f, c10 = 2.75573192e-7f;
  static const float s5 = 0.00833333333f, s7 = 0.000198412698f, s9 = 2.75573192e-6f;
  float r, z, p;
  int q = (int)(float)(4.0f * u + 0.5f);
  r = u - (float)(0.25f * (float)q);
  r = r * two_pi;
  z = r * r;
  if (q % 2 == 0) { /* 1 - z/2 + z^2/4! - z^3/6! + z^4/8! - z^5/10! */
    p = c8 - (float)(z * c10);
    p = c6 - (float)(z * p);
    p = c4 - (float)(z * p);
    p = 0.5f - (float)(z * p);
    p = 1.0f - (float)(z * p);
    return q % 4 == 2 ? -p : p;
  } /* r - r z (1/3! - z/5! + z^2/7! - z^3/9!) */
  p = s7 - (float)(z * s9);
  p = s5 - (float)(z * p);
  p = pi_half_sixth - (float)(z * p);
  p = z * p;
  p = r - (float)(r * p);
  return q % 4 == 1 ? -p : p;
}

/* asin x = x (1 + z r_1 (1 + z r_2 (...))), z = x^2, r_n = (2n-1)^2 / (2n (2n+1)), for |x| <= 1/2. */
static float arc_sine(float x)
{
  float z = x * x, p = 1.0f;
  int n;
  for (n = 12; n > 0; n--) {
    float ratio = (float)((2 * n - 1) * (2 * n - 1)) / (float)(2 * n * (2 * n + 1));
    float q = z * ratio;
    p = 1.0f + (float)(q * p);
  }
  return x * p;
}

/* acos x = pi/2 - asin x near 0, else by acos x = 2 asin sqrt((1 - x)/2) and acos(-x) = pi - acos x. */
float arc_cosine(float x)
{
  static const float pi = 3.14159265f, half_pi = 1.57079633f;
  float y, half;
  if (x > 1.0f) x = 1.0f; /* a cosine computed from sums may overshoot by a rounding */
  if (x < -1.0f) x = -1.0f;
  if (x <= 0.5f && x >= -0.5f) return half_pi - arc_sine(x);
  half = 1.0f - (x < 0 ? -x : x);
  half = 0.5f * half;
  y = 2.0f * arc_sine(square_root(half));
  return x < 0 ? pi - y : y;
}

/* ---- random numbers ------------------------------------------------------------------------ */

void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  int round;
  for (round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)(q & 0xffffffffu);
    c3 = (uint32_t)(p & 0xffffffffu);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

uint32_t random_bits(Stream s, uint64_t index)
{
  uint32_t counter[4], key[2], out[4];
  counter[0] = (uint32_t)(index / 4 & 0xffffffffu);
  counter[1] = s.purpose;
  counter[2] = s.a;
  counter[3] = s.b;
  key[0] = (uint32_t)(s.seed & 0xffffffffu);
  key[1] = (uint32_t)(s.seed >> 32);
  philox(out, counter, key);
  return out[index % 4];
}

static const float TWO_TO_MINUS_24 = 5.9604644775390625e-8f;

float random_uniform(Stream s, uint64_t index) { return (float)(random_bits(s, index) >> 8) * TWO_TO_MINUS_24; }

float random_normal(Stream s, uint64_t index)
{
  float u = (float)((random_bits(s, 2 * index) >> 8) + 1) * TWO_TO_MINUS_24; /* in (0, 1] */
  float r = square_root(-2.0f * logarithm(u));
  return r * cosine_turns(random_uniform(s, 2 * index + 1));
}

uint32_t random_below(Stream s, uint64_t *index, uint32_t bound)
{
  uint32_t least = (0u - bound) % bound; /* 2^32 mod bound */
  for (;;) {
    uint64_t product = (uint64_t)random_bits(s, (*index)++) * bound;
    if ((uint32_t)(product & 0xffffffffu) >= least) return (uint32_t)(product >> 32);
  }
}

void random_order(uint32_t *order, size_t n, Stream s)
{
  uint64_t index = 0;
  size_t i;
  for (i = 0; i < n; i++) order[i] = (uint32_t)i;
  for (i = n; i > 1; i--) {
    size_t j = random_below(s, &index, (uint32_t)i);
    uint32_t held = order[i - 1];
    order[i - 1] = order[j];
    order[j] = held;
  }
}

/* ==== kernels ===============================================================================
 *
 * All three passes of a dense layer are one operation: rows of y, each a sum over k of a number w times a
 * row of x, where the columns of a row are independent of each other.
 *
 *                y[r][i] += sum over k ascending of w[r][k] x[k][i]
 *
 *     pass             row r      sum over k           column i    w
 *     output y         output     input                image       weight
 *     gradient dx      input      output               image       weight, transposed
 *     gradient dW      output     image of one lane    input       dy
 */

/* 4 rows by 4 terms: each x[i] that is loaded serves four rows, each y[i] takes four terms. `fresh`: y begins at +0. */
static void rows_4x4(int fresh, float *restrict y0, float *restrict y1, float *restrict y2, float *restrict y3,
                     const float *restrict x, size_t x_step, const float *restrict w, size_t w_row, size_t w_step, size_t n)
{
  const float *restrict x0 = x, *restrict x1 = x + x_step, *restrict x2 = x + 2 * x_step, *restrict x3 = x + 3 * x_step;
  const float *v = w + w_row, *u = v + w_row, *s = u + w_row;
  const float a0 = w[0], a1 = w[w_step], a2 = w[2 * w_step], a3 = w[3 * w_step];
  const float b0 = v[0], b1 = v[w_step], b2 = v[2 * w_step], b3 = v[3 * w_step];
  const float c0 = u[0], c1 = u[w_step], c2 = u[2 * w_step], c3 = u[3 * w_step];
  const float d0 = s[0], d1 = s[w_step], d2 = s[2 * w_step], d3 = s[3 * w_step];
  size_t i;
  for (i = 0; i < n; i++) {
    float t0 = fresh ? 0 : y0[i], t1 = fresh ? 0 : y1[i], t2 = fresh ? 0 : y2[i], t3 = fresh ? 0 : y3[i], p;
    p = x0[i], t0 = t0 + (float)(a0 * p), t1 = t1 + (float)(b0 * p), t2 = t2 + (float)(c0 * p), t3 = t3 + (float)(d0 * p);
    p = x1[i], t0 = t0 + (float)(a1 * p), t1 = t1 + (float)(b1 * p), t2 = t2 + (float)(c1 * p), t3 = t3 + (float)(d1 * p);
    p = x2[i], t0 = t0 + (float)(a2 * p), t1 = t1 + (float)(b2 * p), t2 = t2 + (float)(c2 * p), t3 = t3 + (float)(d2 * p);
    p = x3[i], t0 = t0 + (float)(a3 * p), t1 = t1 + (float)(b3 * p), t2 = t2 + (float)(c3 * p), t3 = t3 + (float)(d3 * p);
    y0[i] = t0, y1[i] = t1, y2[i] = t2, y3[i] = t3;
  }
}

/* 1 row, 1 term. */
static void row_1(int fresh, float *restrict y, const float *restrict x, float w, size_t n)
{
  size_t i;
  for (i = 0; i < n; i++) y[i] = (fresh ? 0 : y[i]) + (float)(w * x[i]);
}

/* y[r][i] = (fresh ? +0 : y[r][i]) + sum over k of w[r][k] x[k][i] for r < R, k < K, i < n; rows y_step and x_step
 * apart, w[r][k] at w[r w_row + k w_step]. K is cut so that the rows of x in use stay in the first-level cache. */
static void rows_add(int fresh, float *y, size_t y_step, size_t R, const float *x, size_t x_step, size_t K,
                     const float *w, size_t w_row, size_t w_step, size_t n)
{
  enum { BLOCK = 6144 }; /* numbers of x: 24 KiB */
  size_t block = 4 + BLOCK / (n + 1) / 4 * 4, k, r, first;
  for (first = 0; first < K; first += block) {
    size_t last = first + block < K ? first + block : K, last4 = last - (last - first) % 4;
    for (r = 0; r + 4 <= R; r += 4)
      for (k = first; k < last4; k += 4) {
        float *y0 = y + r * y_step, *y1 = y0 + y_step, *y2 = y1 + y_step, *y3 = y2 + y_step;
        const float *v = w + r * w_row + k * w_step;
        if (fresh && k == 0) rows_4x4(1, y0, y1, y2, y3, x, x_step, v, w_row, w_step, n);
        else rows_4x4(0, y0, y1, y2, y3, x + k * x_step, x_step, v, w_row, w_step, n);
      }
    for (r = 0; r < R; r++)
      for (k = r < R - R % 4 ? last4 : first; k < last; k++)
        row_1(fresh && k == 0, y + r * y_step, x + k * x_step, w[r * w_row + k * w_step], n);
  }
}

/* One row whose surviving terms are k = column[0], column[1] ... in ascending order, eight, four and one at a time. */
static void row_of_taps(float *restrict y, const float *restrict x, size_t x_step, const float *restrict w, size_t w_step,
                        const uint32_t *restrict column, size_t taps, size_t n)
{
  size_t i;
  for (; taps >= 8; taps -= 8, column += 8) {
    const float *restrict x0 = x + column[0] * x_step, *restrict x1 = x + column[1] * x_step;
    const float *restrict x2 = x + column[2] * x_step, *restrict x3 = x + column[3] * x_step;
    const float *restrict x4 = x + column[4] * x_step, *restrict x5 = x + column[5] * x_step;
    const float *restrict x6 = x + column[6] * x_step, *restrict x7 = x + column[7] * x_step;
    const float w0 = w[column[0] * w_step], w1 = w[column[1] * w_step], w2 = w[column[2] * w_step], w3 = w[column[3] * w_step];
    const float w4 = w[column[4] * w_step], w5 = w[column[5] * w_step], w6 = w[column[6] * w_step], w7 = w[column[7] * w_step];
    for (i = 0; i < n; i++) {
      float t = y[i];
      t = t + (float)(w0 * x0[i]), t = t + (float)(w1 * x1[i]), t = t + (float)(w2 * x2[i]), t = t + (float)(w3 * x3[i]);
      t = t + (float)(w4 * x4[i]), t = t + (float)(w5 * x5[i]), t = t + (float)(w6 * x6[i]), t = t + (float)(w7 * x7[i]);
      y[i] = t;
    }
  }
  for (; taps >= 4; taps -= 4, column += 4) {
    const float *restrict x0 = x + column[0] * x_step, *restrict x1 = x + column[1] * x_step;
    const float *restrict x2 = x + column[2] * x_step, *restrict x3 = x + column[3] * x_step;
    const float w0 = w[column[0] * w_step], w1 = w[column[1] * w_step], w2 = w[column[2] * w_step], w3 = w[column[3] * w_step];
    for (i = 0; i < n; i++) {
      float t = y[i];
      t = t + (float)(w0 * x0[i]), t = t + (float)(w1 * x1[i]), t = t + (float)(w2 * x2[i]), t = t + (float)(w3 * x3[i]);
      y[i] = t;
    }
  }
  for (; taps > 0; taps--, column++) row_1(0, y, x + *column * x_step, w[*column * w_step], n);
}

/* sum[l] += sum over g ascending of a[16 g + l] b[16 g + l], four g at a time: a sum over images by lanes. */
static void lanes_dot(float *restrict sum, const float *restrict a, const float *restrict b, size_t groups)
{
  int l;
  for (; groups >= 4; groups -= 4, a += 4 * LANES, b += 4 * LANES)
    for (l = 0; l < LANES; l++) {
      float t = sum[l];
      t = t + (float)(a[l] * b[l]), t = t + (float)(a[l + 16] * b[l + 16]);
      t = t + (float)(a[l + 32] * b[l + 32]), t = t + (float)(a[l + 48] * b[l + 48]);
      sum[l] = t;
    }
  for (; groups > 0; groups--, a += LANES, b += LANES)
    for (l = 0; l < LANES; l++) sum[l] = sum[l] + (float)(a[l] * b[l]);
}

/* The sum of 16 lanes: l and l+8, then l+4, l+2, l+1; the lanes are lost. */
static float lanes_sum(float *lane)
{
  float even, odd;
  int half, l;
  for (half = 8; half >= 4; half /= 2)
    for (l = 0; l < half; l++) lane[l] = lane[l] + lane[l + half];
  even = lane[0] + lane[2];
  odd = lane[1] + lane[3];
  return even + odd;
}

/* The same for n columns: out[i] = sum of v[l step + i]. */
static void lanes_sums(float *restrict out, const float *restrict v, size_t step, size_t n)
{
  const float *restrict u = v + 4 * step, *restrict s = v + 8 * step, *restrict r = v + 12 * step;
  const size_t a = step, b = 2 * step, c = 3 * step;
  size_t i;
  for (i = 0; i < n; i++) {
    float p0 = v[i] + s[i], p1 = v[a + i] + s[a + i], p2 = v[b + i] + s[b + i], p3 = v[c + i] + s[c + i];
    float q0 = u[i] + r[i], q1 = u[a + i] + r[a + i], q2 = u[b + i] + r[b + i], q3 = u[c + i] + r[c + i];
    p0 = p0 + q0, p1 = p1 + q1, p2 = p2 + q2, p3 = p3 + q3;
    p0 = p0 + p2, p1 = p1 + p3;
    out[i] = p0 + p1;
  }
}

/* ==== self-check ============================================================================ */

/* y + a b + last, with other terms that are 0 around a b, through every kernel and every place in it. */
static int kernels_give(float y, float a, float b, float last, float expected)
{
  enum { K = 15, R = 5, N = 3 * LANES + 5 }; /* 15 terms are 8, 4 and 3; also 4, 4, 4 and 3 */
  float x[K * N], w[R * K], wide[K * LANES], out[R * N];
  uint32_t column[K];
  size_t i, k, at;
  for (at = 0; at + 1 < K; at++) {
    for (k = 0; k < K; k++) {
      column[k] = (uint32_t)k;
      for (i = 0; i < N; i++) x[k * N + i] = k + 1 == K ? last : b;
      for (i = 0; i < R; i++) w[i * K + k] = k + 1 == K ? 1.0f : k == at ? a : 0.0f;
      for (i = 0; i < LANES; i++) wide[k * LANES + i] = w[k];
    }
    for (i = 0; i < R * N; i++) out[i] = y;
    rows_add(0, out, N, R, x, N, K, w, K, 1, N);
    for (i = 0; i < R * N; i++)
      if (bits_of(out[i]) != bits_of(expected)) return 0;
    for (i = 0; i < N; i++) out[i] = y;
    row_of_taps(out, x, N, w, 1, column, K, N);
    for (i = 0; i < N; i++)
      if (bits_of(out[i]) != bits_of(expected)) return 0;
    for (i = 0; i < LANES; i++) out[i] = y;
    for (k = 0; k < K; k++) /* the rows of x again, LANES apart */
      for (i = 0; i < LANES; i++) x[k * LANES + i] = k + 1 == K ? last : b;
    lanes_dot(out, wide, x, K);
    for (i = 0; i < LANES; i++)
      if (bits_of(out[i]) != bits_of(expected)) return 0;
  }
  return 1;
}

/* The order of the sum of lanes, as one number and as a row of them. */
static int lanes_give(float lane0, float lane4, float lane8, float lane12, float expected)
{
  enum { N = LANES + 3 };
  float all[LANES * N], one[LANES] = {0}, sum[N];
  size_t i;
  one[0] = lane0, one[4] = lane4, one[8] = lane8, one[12] = lane12;
  for (i = 0; i < LANES * N; i++) all[i] = one[i / N];
  lanes_sums(sum, all, N, N);
  for (i = 0; i < N; i++)
    if (bits_of(sum[i]) != bits_of(expected)) return 0;
  return bits_of(lanes_sum(one)) == bits_of(expected);
}

const char *self_check(void)
{
  volatile float one = 1.0f, big = 16777216.0f, least = FLT_MIN; /* volatile: nothing below is folded */
  float step = one + 1.0f / 4096.0f, values[5 * 64];
  int k;
#ifdef __FAST_MATH__
  return "it was built with -ffast-math or -Ofast, which reorder sums and flush small numbers; build without";
#endif
  if (sizeof(float) != 4 || bits_of(one) != 0x3f800000u) return "float is not IEEE-754 binary32 here; no flag mends that";
  if (bits_of(least * 0.5f) != 0x00400000u || bits_of(float_of(bits_of(least) / 2) * (one + one)) != bits_of(least))
    return "subnormal numbers are flushed to zero; build without -ffast-math, -Ofast and flush-to-zero options";
  /* (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11 before it is added, or 2^-24 is left */
  if (!kernels_give(-(one + 1.0f / 2048.0f), step, step, 0.0f, 0.0f))
    return "a product is not rounded before it is added (fused multiply-add); build with -ffp-contract=off";
  /* 2^24 + 1 rounds to 2^24 before 2^24 is subtracted, or 1 is left */
  if (!kernels_give(big, one, one, -big, 0.0f))
    return "a sum is reordered, kept in a wider type or not rounded to nearest; build with -std=c99 and without "
           "-ffast-math, -Ofast and -fassociative-math";
  if (!lanes_give(big, -big, one, 0.0f, 0.0f) || !lanes_give(big, -big, 0.0f, one, 1.0f))
    return "the sum of lanes is reordered; build without -ffast-math, -Ofast and -fassociative-math";
  for (k = 0; k < 64; k++) values[k] = (float)(3 * k + 1) * one;
  for (k = 0; k < 64; k++) {
    values[64 + k] = values[k] / values[63 - k];
    values[128 + k] = square_root(values[k]);
    values[192 + k] = exponential(values[k] / -7.0f) + cosine_turns((float)k / 64.0f);
    values[256 + k] = logarithm(values[k]) + arc_cosine((float)k / 64.0f);
  }
  if (digest(values, 5 * 64) != 0x72a69ece331cd4bfu)
    return "division, square root, exp or log differ in their last bit; build with -std=c99 and without -ffast-math, -Ofast "
           "and -freciprocal-math";
  return NULL;
}

/* ==== layers: each forward beside its backward ============================================== */

static size_t activation_size(const Activation *a) { return a->channels * a->height * a->width; }
static size_t tiles_in_use(const Net *net) { return (net->images + net->activation[0].tile - 1) / net->activation[0].tile; }

/* y[o] = sum over i of w[o][i] x[i], plus b[o].     x: [T][I][L]   w: [O][I]   b: [O]   y: [T][O][L] */
static void dense_forward(Net *net, const Layer *layer)
{
  const size_t I = activation_size(&net->activation[layer->in]), O = activation_size(&net->activation[layer->out]), L = net->activation[0].tile;
  const float *w = net->weight + net->tensor[layer->weight].offset, *b = net->weight + net->tensor[layer->bias].offset;
  size_t t, o, l;
  for (t = 0; t < tiles_in_use(net); t++) {
    const float *x = net->activation[layer->in].value + t * I * L;
    float *y = net->activation[layer->out].value + t * O * L;
    if (layer->sparse)
      for (o = 0; o < O; o++) {
        const uint32_t *start = layer->by_out.start + o;
        for (l = 0; l < L; l++) y[o * L + l] = 0;
        row_of_taps(y + o * L, x, L, w + o * I, 1, layer->by_out.column + start[0], start[1] - start[0], L);
      }
    else
      rows_add(1, y, L, O, x, L, I, w, I, 1, L);
    for (o = 0; o < O; o++)
      for (l = 0; l < L; l++) y[o * L + l] = y[o * L + l] + b[o];
  }
}

/* y = sum w x + b, so  dx[i] = sum over o of w[o][i] dy[o]     dy: [T][O][L]   dx: [T][I][L] */
static void dense_input_gradient(Net *net, const Layer *layer)
{
  const size_t I = activation_size(&net->activation[layer->in]), O = activation_size(&net->activation[layer->out]), L = net->activation[0].tile;
  const float *w = net->weight + net->tensor[layer->weight].offset;
  size_t t, i, l;
  for (t = 0; t < tiles_in_use(net); t++) {
    const float *dy = net->activation[layer->out].gradient + t * O * L;
    float *dx = net->activation[layer->in].gradient + t * I * L;
    if (layer->sparse)
      for (i = 0; i < I; i++) {
        const uint32_t *start = layer->by_in.start + i;
        for (l = 0; l < L; l++) dx[i * L + l] = 0;
        row_of_taps(dx + i * L, dy, L, w + i, I, layer->by_in.column + start[0], start[1] - start[0], L);
      }
    else
      rows_add(1, dx, L, I, dy, L, O, w, 1, I, L);
  }
}

enum { INPUTS = 128, OUTPUTS = 4 }; /* block of the dense weight gradient: 16 x 4 x 128 sums are 32 KiB */

/* dW[o][i] = sum over images of dy[o] x[i], by lanes. */
static void dense_weight_gradient(Net *net, const Layer *layer)
{
  const size_t I = activation_size(&net->activation[layer->in]), O = activation_size(&net->activation[layer->out]), L = net->activation[0].tile;
  const size_t tiles = tiles_in_use(net), room_step = (I + LANES - 1) / LANES * LANES;
  const float *x = net->activation[layer->in].value, *dy = net->activation[layer->out].gradient;
  const Tensor *w = &net->tensor[layer->weight];
  float *survivors = net->gradient + w->rank;
  float *sums = net->room, *image = sums + LANES * OUTPUTS * INPUTS; /* image: [T L][I], x image by image */
  float *dw = layer->survivors < O * I ? image + tiles * L * room_step : survivors; /* [O][I] */
  size_t t, o, i, j, l, g;
  if (layer->sparse) {
    for (o = 0; o < O; o++)
      for (j = layer->by_out.start[o]; j < layer->by_out.start[o + 1]; j++) {
        i = layer->by_out.column[j];
        for (l = 0; l < LANES; l++) sums[l] = 0;
        for (t = 0; t < tiles; t++) lanes_dot(sums, dy + (t * O + o) * L, x + (t * I + i) * L, L / LANES);
        *survivors++ = lanes_sum(sums);
      }
    return;
  }
  for (l = 0; l < tiles * L; l += LANES) /* in squares, so that both sides stay in the cache */
    for (i = 0; i < I; i += LANES)
      for (g = l; g < l + LANES; g++)
        for (j = i; j < I && j < i + LANES; j++) image[g * room_step + j] = x[(g / L * I + j) * L + g % L];
  for (i = 0; i < I; i += INPUTS) {
    size_t n = I - i < INPUTS ? I - i : INPUTS;
    for (o = 0; o < O; o += OUTPUTS) {
      size_t rows = O - o < OUTPUTS ? O - o : OUTPUTS;
      for (t = 0; t < tiles; t++)
        for (l = 0; l < LANES; l++)
          rows_add(t == 0, sums + l * INPUTS, LANES * INPUTS, rows, image + (t * L + l) * room_step + i, LANES * room_step, L / LANES,
                   dy + (t * O + o) * L + l, L, LANES, n);
      for (g = 0; g < rows; g++) lanes_sums(dw + (o + g) * I + i, sums + g * LANES * INPUTS, INPUTS, n);
    }
  }
  for (j = 0; dw != survivors && j < layer->survivors; j++) survivors[j] = dw[net->survivor[w->rank + j] - w->offset];
}

/* db[o] = sum over images of dy[o], by lanes. */
static void dense_backward(Net *net, const Layer *layer)
{
  const size_t O = activation_size(&net->activation[layer->out]), L = net->activation[0].tile;
  const float *dy = net->activation[layer->out].gradient;
  float *db = net->gradient + net->tensor[layer->bias].rank;
  size_t t, o, g, l;
  if (layer->in != 0) dense_input_gradient(net, layer);
  dense_weight_gradient(net, layer);
  for (o = 0; o < O; o++) {
    float sum[LANES] = {0};
    for (t = 0; t < tiles_in_use(net); t++)
      for (g = 0; g < L; g += LANES)
        for (l = 0; l < LANES; l++) sum[l] = sum[l] + dy[(t * O + o) * L + g + l];
    db[o] = lanes_sum(sum);
  }
}

/* y = max(x, 0), in place; NaN stays NaN, so that a diverged network shows. */
static void relu_forward(Net *net, const Layer *layer)
{
  float *y = net->activation[layer->out].value;
  size_t n = tiles_in_use(net) * net->activation[0].tile * activation_size(&net->activation[layer->out]), i;
  for (i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
}

/* dx = dy where y > 0, else 0 */
static void relu_backward(Net *net, const Layer *layer)
{
  const float *y = net->activation[layer->out].value;
  float *dy = net->activation[layer->out].gradient;
  size_t n = tiles_in_use(net) * net->activation[0].tile * activation_size(&net->activation[layer->out]), i;
  for (i = 0; i < n; i++) dy[i] = y[i] > 0 ? dy[i] : 0;
}

enum { DENSE, RELU };
static const struct {
  void (*forward)(Net *net, const Layer *layer);
  void (*backward)(Net *net, const Layer *layer);
} layer_kinds[] = {{dense_forward, dense_backward}, {relu_forward, relu_backward}};

void net_forward(Net *net, int training)
{
  int k;
  (void)training;
  for (k = 0; k < net->layers; k++) layer_kinds[net->layer[k].kind].forward(net, &net->layer[k]);
}

void net_backward(Net *net)
{
  int k;
  for (k = net->layers; k-- > 0;) layer_kinds[net->layer[k].kind].backward(net, &net->layer[k]);
}

/* Softmax and cross-entropy of one image with logits z[c]:
 *     m = max z    e[c] = exp(z[c] - m)    s = sum of e    loss = ln s - (z[y] - m)
 *     dz[c] = (e[c]/s - [c = y]) / B       for the mean over B images
 * z, dz: [T][classes][L] */
void net_loss(Net *net, float lane[LANES], size_t *wrong)
{
  const Activation *logits = &net->activation[net->activations - 1];
  const size_t C = net->classes, L = net->activation[0].tile, slots = tiles_in_use(net) * L;
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

/* Appends a tensor of the layer called `name`; returns its number. */
static int add_tensor(Net *net, const char *name, const char *suffix, size_t outputs, size_t inputs, int output)
{
  const int bias = !strcmp(suffix, "bias");
  Tensor *t = &net->tensor[net->tensors];
  sprintf(t->name, "%s.%s", name, suffix);
  t->dims = bias ? 1 : 2;
  t->shape[0] = outputs;
  t->shape[1] = inputs;
  t->size = bias ? outputs : outputs * inputs;
  t->offset = net->size;
  t->fan_in = inputs;
  t->fan_out = outputs;
  t->prunable = !bias;
  t->output = output;
  net->size += t->size;
  return net->tensors++;
}

static int add_activation(Net *net, size_t channels, size_t height, size_t width)
{
  Activation *a = &net->activation[net->activations];
  a->channels = channels;
  a->height = height;
  a->width = width;
  return net->activations++;
}

static void add_layer(Net *net, int kind, int in, int out, int weight, int bias)
{
  Layer *layer = &net->layer[net->layers++];
  layer->kind = kind;
  layer->in = in;
  layer->out = out;
  layer->weight = weight;
  layer->bias = bias;
}

static void append_dense(Net *net, const char *name, size_t outputs, int output)
{
  int in = net->activations - 1, out = add_activation(net, outputs, 1, 1);
  size_t inputs = activation_size(&net->activation[in]);
  int weight = add_tensor(net, name, "weight", outputs, inputs, output);
  add_layer(net, DENSE, in, out, weight, add_tensor(net, name, "bias", outputs, inputs, output));
}

static void append_relu(Net *net) { add_layer(net, RELU, net->activations - 1, net->activations - 1, -1, -1); }

enum { MOST_LAYERS = 256, WIDEST = 65536 };

/* lenet-N1-N2-...: dense layers of N1, N2, ... units with ReLU, and an output layer. */
static int build_lenet(Net *net, const char *widths)
{
  char name[NAME_SIZE];
  int depth = 0;
  while (*widths == '-') {
    char *end;
    unsigned long n = strtoul(widths + 1, &end, 10);
    if (widths[1] < '1' || widths[1] > '9' || n > WIDEST || 2 * depth + 3 > MOST_LAYERS) return 0;
    sprintf(name, "fc_layers.%d", depth++);
    append_dense(net, name, n, 0);
    append_relu(net);
    widths = end;
  }
  append_dense(net, "fc", net->classes, 1);
  return depth > 0 && *widths == 0;
}

static int build(Net *net, const char *model)
{
  if (!strncmp(model, "lenet", 5)) return build_lenet(net, model + 5);
  return 0;
}

void net_create(Net *net, const Model *model, const Dataset *data, size_t batch, int threads)
{
  size_t c, p, most = 0, all = 0, largest = 0, slots, tile, tiles;
  float *at;
  int k;
  memset(net, 0, sizeof *net);
  net->classes = (size_t)data->classes;
  net->batch = batch;
  tiles = (batch + TILE - 1) / TILE;
  tile = ((batch + tiles - 1) / tiles + LANES - 1) / LANES * LANES;
  slots = net->slots = tile * tiles;
  net->threads = threads;
  net->tensor = allocate(2 * MOST_LAYERS, sizeof *net->tensor, "tensors");
  net->layer = allocate(MOST_LAYERS, sizeof *net->layer, "layers");
  net->activation = allocate(MOST_LAYERS, sizeof *net->activation, "activations");
  add_activation(net, (size_t)data->channels, (size_t)data->height, (size_t)data->width);
  if (strlen(model->name) >= NAME_SIZE || !build(net, model->name))
    fail_usage("--model %s: no such model; try lenet-300-100 (or any lenet-N1-N2-... up to %d units a layer)", model->name, WIDEST);
  if (net->size > 0xffffffffu) fail_usage("--model %s: has more than 2^32 parameters", model->name);
  strcpy(net->model, model->name);
  net->parameters = net->size;
  net->weight = allocate(net->size, sizeof(float), "weights");
  net->gradient = allocate(net->size, sizeof(float), "gradients");
  net->mask = allocate(net->size, 1, "the mask");
  net->survivor = allocate(net->size, sizeof(uint32_t), "the list of surviving weights");
  for (k = 0; k < net->activations; k++) {
    size_t size = activation_size(&net->activation[k]);
    all += (k > 0 ? 2 : 1) * slots * size;
    if (k + 1 < net->activations && size > most) most = size;
  }
  for (k = 0; k < net->tensors; k++)
    if (net->tensor[k].size > largest) largest = net->tensor[k].size;
  most = LANES * OUTPUTS * INPUTS + slots * ((most + LANES - 1) / LANES * LANES) + largest;
  net->bytes = (all + most + LANES) * sizeof(float);
  at = net->memory = allocate(all + most + LANES, sizeof(float), "activations");
  while ((uintptr_t)at % (LANES * sizeof(float)) != 0) at++; /* a vector that straddles two cache lines costs two loads */
  for (k = 0; k < net->activations; k++) {
    Activation *a = &net->activation[k];
    a->value = at;
    a->tile = tile;
    at += slots * activation_size(a);
    if (k == 0) continue;
    a->gradient = at;
    at += slots * activation_size(a);
  }
  net->room = at;
  net->loss = allocate(slots, sizeof(float), "losses");
  net->label = allocate(slots, 1, "labels");
  for (c = 0; c < (size_t)data->channels; c++)
    for (p = 0; p < 256; p++) {
      float pixel = (float)p / 255.0f;
      pixel = pixel - data->mean[c];
      net->value[c][p] = pixel / data->deviation[c];
    }
  net_set_mask(net, NULL);
}

static void free_taps(Layer *layer)
{
  free(layer->by_out.start);
  free(layer->by_out.column);
  free(layer->by_in.start);
  free(layer->by_in.column);
  memset(&layer->by_out, 0, sizeof layer->by_out);
  memset(&layer->by_in, 0, sizeof layer->by_in);
}

void net_free(Net *net)
{
  int k;
  for (k = 0; k < net->layers; k++) free_taps(&net->layer[k]);
  free(net->memory);
  free(net->tensor);
  free(net->layer);
  free(net->activation);
  free(net->weight);
  free(net->gradient);
  free(net->mask);
  free(net->survivor);
  free(net->loss);
  free(net->label);
  memset(net, 0, sizeof *net);
}

/* The positions of a rows x columns mask that are kept, row by row; element (r, c) at mask[r row_step + c column_step]. */
static void list_taps(Taps *taps, const unsigned char *mask, size_t rows, size_t columns, size_t row_step, size_t column_step,
                      size_t survivors)
{
  size_t r, c, n = 0;
  taps->start = allocate(rows + 1, sizeof(uint32_t), "tap lists");
  taps->column = allocate(survivors, sizeof(uint32_t), "tap lists");
  for (r = 0; r < rows; r++) {
    for (c = 0; c < columns; c++)
      if (mask[r * row_step + c * column_step]) taps->column[n++] = (uint32_t)c;
    taps->start[r + 1] = (uint32_t)n;
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
      if (net->mask[j]) net->survivor[net->survivors++] = (uint32_t)j;
      else net->weight[j] = 0;
    }
  }
  for (k = 0; k < net->layers; k++) {
    Layer *layer = &net->layer[k];
    const Tensor *t = &net->tensor[layer->weight < 0 ? 0 : layer->weight];
    free_taps(layer);
    if (layer->weight < 0) continue;
    layer->survivors = 0;
    for (j = 0; j < t->size; j++) layer->survivors += net->mask[t->offset + j];
    layer->sparse = layer->survivors < t->size / 2; /* above, the dense kernels are faster; the bits are the same */
    if (!layer->sparse) continue;
    list_taps(&layer->by_out, net->mask + t->offset, t->shape[0], t->shape[1], t->shape[1], 1, layer->survivors);
    list_taps(&layer->by_in, net->mask + t->offset, t->shape[1], t->shape[0], 1, t->shape[1], layer->survivors);
  }
}

void net_init(Net *net, int scheme, uint64_t seed, uint32_t variant)
{
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    float *w = net->weight + t->offset, fan = (float)t->fan_in, width;
    const unsigned char *mask = net->mask + t->offset;
    Stream s = {0, RANDOM_INIT, 0, 0};
    size_t j, i;
    s.seed = seed;
    s.a = (uint32_t)k;
    s.b = variant;
    for (j = 0; j < t->size; j++) {
      if (t->prunable && scheme == SPARSE_AWARE && j % t->fan_in == 0)
        for (fan = 0, i = 0; i < t->fan_in; i++) fan = fan + (float)mask[j + i];
      if (!mask[j]) w[j] = 0;
      else if (!t->prunable || scheme == KAIMING_UNIFORM) { /* (2 u - 1) width: 2 u - 1 is exact */
        width = t->prunable ? square_root(6.0f / fan) : 1.0f / square_root(fan);
        w[j] = (float)(2.0f * random_uniform(s, j) - 1.0f) * width;
      } else {
        width = square_root(2.0f / (scheme == GLOROT_NORMAL ? (float)(t->fan_in + t->fan_out) : fan));
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
    for (j = 0; j < net->tensor[k].size && net->tensor[k].prunable; j++) n += surviving ? net->mask[net->tensor[k].offset + j] : 1;
  return n;
}

double net_operations(const Net *net)
{
  double n = 0;
  int k;
  for (k = 0; k < net->layers; k++)
    if (net->layer[k].kind == DENSE) n += 2.0 * (double)net->layer[k].survivors * (double)net->images * (net->layer[k].in == 0 ? 2 : 3);
  return n;
}

uint64_t net_digest(const Net *net) { return digest(net->weight, net->size); }

/* x[c][h][w][b] = normalised pixel of image b; the last tile's empty slots are +0. */
void net_load(Net *net, const Split *split, const uint32_t *index, size_t first, size_t n)
{
  const Activation *input = &net->activation[0];
  const size_t I = activation_size(input), plane = input->height * input->width, L = net->activation[0].tile;
  const unsigned char *image[LANES];
  size_t b, l, i;
  net->images = n;
  for (b = 0; b < tiles_in_use(net) * L; b += LANES) { /* 16 images side by side */
    float *x = input->value + b / L * I * L + b % L;
    for (l = 0; l < LANES; l++) {
      size_t which = b + l < n ? (index ? index[b + l] : first + b + l) : 0;
      image[l] = split->pixel + which * I;
      net->label[b + l] = split->label[which];
    }
    for (i = 0; i < I; i++) {
      const float *value = net->value[i / plane];
      for (l = 0; l < LANES; l++) x[i * L + l] = value[image[l][i]];
    }
    for (l = b < n ? n - b : 0; l < LANES; l++)
      for (i = 0; i < I; i++) x[i * L + l] = 0;
  }
}

void net_evaluate(Net *net, const Split *split, float *loss, size_t *wrong)
{
  const size_t chunk = net->slots; /* a multiple of LANES, so that lanes run on from chunk to chunk */
  float lane[LANES] = {0};
  size_t first;
  *wrong = 0;
  for (first = 0; first < split->n; first += chunk) {
    net_load(net, split, NULL, first, split->n - first < chunk ? split->n - first : chunk);
    net_forward(net, 0);
    net_loss(net, lane, wrong);
  }
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
static void sgd(float *restrict w, float *restrict v, const float *restrict gradient, size_t n, const Training *how, float lr)
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

/* g = dW + wd w,  m = 0.9 m + 0.1 g,  v = 0.999 v + (0.001 g) g,
 * w = w - ((lr / c1) m) / (sqrt v / sqrt c2 + eps),  c = 1 - beta^t, as PyTorch's Adam (Kingma and Ba 2015) */
static void adam(float *restrict w, float *restrict m, float *restrict v, const float *restrict gradient, size_t n,
                 float decay, float rate, float root)
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
  float *w = n == net->size ? net->weight : o->weight; /* survivors side by side, as their gradients are */
  size_t j;
  if (w != net->weight)
    for (j = 0; j < n; j++) w[j] = net->weight[net->survivor[j]];
  if (how->optimizer == SGD) sgd(w, o->velocity, net->gradient, n, how, lr);
  else {
    o->correction1 = o->correction1 + (float)(rest1 * (float)(1.0f - o->correction1));
    o->correction2 = o->correction2 + (float)(rest2 * (float)(1.0f - o->correction2));
    adam(w, o->velocity, o->square, net->gradient, n, how->weight_decay, lr / o->correction1, square_root(o->correction2));
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

void train(Net *net, Optimizer *o, const Dataset *data, const Training *how, uint32_t level, long from, long to, float lr,
           Watch *watch, void *context)
{
  const size_t n = data->train.n, batch = net->batch;
  const long per_epoch = (long)((n + batch - 1) / batch);
  uint32_t *order = allocate(n, sizeof *order, "the data order");
  Progress p = {0, 0, 0, 0, 0, 0, 0};
  long ordered = -1;
  p.epochs = (how->steps + per_epoch - 1) / per_epoch;
  for (p.step = from; p.step < to;) {
    size_t first = (size_t)(p.step % per_epoch) * batch, size = n - first < batch ? n - first : batch;
    float lane[LANES] = {0}, loss;
    p.epoch = p.step / per_epoch;
    if (p.epoch != ordered) {
      data_order(order, n, how->order_seed, level, (uint32_t)p.epoch);
      ordered = p.epoch;
      p.seen = p.wrong = 0;
      p.loss = 0;
    }
    net_load(net, &data->train, order + first, 0, size);
    net_forward(net, 1);
    net_loss(net, lane, &p.wrong);
    loss = lanes_sum(lane);
    if (!is_finite(loss))
      fail("training diverged: the loss is not finite at level %u, epoch %ld, step %ld; try a lower --lr or a --warmup",
           (unsigned)level, p.epoch, p.step);
    net_backward(net);
    optimizer_step(o, net, how, lr > 0 ? lr : learning_rate(how, p.step));
    p.loss = p.loss + loss;
    p.seen += size;
    p.step++;
    p.epoch_done = p.step % per_epoch == 0;
    if (watch) watch(context, &p);
  }
  free(order);
}
