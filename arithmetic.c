/* arithmetic.c - what must be the same bits everywhere and belongs to no network: functions of one
 * number, random numbers and orders, sums of lanes, digests. It calls nobody.
 *
 * Contract (CONTRACT.md, sections 1 and 2): binary32, every + - * / sqrt rounds once; a product
 * used in a sum is cast, so that it rounds where the compiler computes in a wider type.
 * SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <string.h>

/* ==== functions ============================================================================= */

uint32_t bits_of(float x)
{
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

float float_of(uint32_t u)
{
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

int is_finite(float x) { return (bits_of(x) & 0x7f800000u) != 0x7f800000u; }

/* ln 2 in two parts; the high one has 9 trailing zero bits: k LN2_HIGH is exact for |k| < 512. */
static const float LN2_HIGH = 0.693145751953125f, LN2_LOW = 1.42860677e-6f, LOG2_E = 1.44269504f;

/* 2^k x for the k that exponential needs, in two exact steps: 2^k itself may be subnormal. */
static float scale(float x, int k)
{
  int half = k / 2;
  float y = x * float_of((uint32_t)(half + 127) << 23);
  return y * float_of((uint32_t)(k - half + 127) << 23);
}

/* e^x = 2^k e^r, k = round(x / ln 2), r = x - k ln 2; e^r by its Taylor series, |r| <= 0.35. */
float exponential(float x)
{
  /* 1/n */
  static const float inverse[] = {1.0f,  1.0f, 0.5f,         0.333333333f,
                                  0.25f, 0.2f, 0.166666667f, 0.142857143f};
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

/* ln x = k ln 2 + ln m with m in [sqrt 1/2, sqrt 2), and ln m = 2 atanh s = 2 s (1 + s^2/3 +
 * s^4/5 + ...) with s = (m - 1) / (m + 1), |s| <= 0.172. */
float logarithm(float x)
{
  static const float third = 0.333333333f, fifth = 0.2f, seventh = 0.142857143f,
                     ninth = 0.111111111f;
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
  static const float two_pi = 6.28318531f, s3 = 0.166666667f;
  static const float c4 = 0.0416666667f, c6 = 0.00138888889f, c8 = 2.48015873e-5f,
                     c10 = 2.75573192e-7f;
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
  p = s3 - (float)(z * p);
  p = z * p;
  p = r - (float)(r * p);
  return q % 4 == 1 ? -p : p;
}

/* asin x = x (1 + z r_1 (1 + z r_2 (...))), z = x^2, r_n = (2n-1)^2 / (2n (2n+1)), |x| <= 1/2. */
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

/* acos x = pi/2 - asin x near 0, else 2 asin sqrt((1 - x)/2), and acos(-x) = pi - acos x. */
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

/* ==== random numbers ======================================================================== */

void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0],
           k1 = key[1];
  int round;
  for (round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)q;
    c3 = (uint32_t)p;
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
  const uint32_t counter[4] = {(uint32_t)(index / 4), s.purpose, s.a, s.b};
  const uint32_t key[2] = {(uint32_t)s.seed, (uint32_t)(s.seed >> 32)};
  uint32_t out[4];
  philox(out, counter, key);
  return out[index % 4];
}

static const float TWO_TO_MINUS_24 = 5.9604644775390625e-8f;

float random_uniform(Stream s, uint64_t index)
{
  return (float)(random_bits(s, index) >> 8) * TWO_TO_MINUS_24;
}

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
    if ((uint32_t)product >= least) return (uint32_t)(product >> 32);
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

/* ==== sums of lanes ========================================================================= */

/* Lanes l and l+8, then l+4, l+2, l+1; of n sums together, step by step, which become vectors where
 * n is a constant. */
static inline void some_sums(float *out, const float *lane, const size_t n)
{
  float eight[8 * 8], four[8 * 4];
  size_t k, l;
  for (k = 0; k < n; k++)
    for (l = 0; l < 8; l++) eight[8 * k + l] = lane[LANES * k + l] + lane[LANES * k + l + 8];
  for (k = 0; k < n; k++)
    for (l = 0; l < 4; l++) four[4 * k + l] = eight[8 * k + l] + eight[8 * k + l + 4];
  for (k = 0; k < n; k++) {
    const float even = four[4 * k] + four[4 * k + 2], odd = four[4 * k + 1] + four[4 * k + 3];
    out[k] = even + odd;
  }
}

void lanes_sums(float *out, float *sum, size_t n)
{
  size_t j = 0;
  for (; j + 8 <= n; j += 8) some_sums(out + j, sum + j * LANES, 8);
  for (; j + 4 <= n; j += 4) some_sums(out + j, sum + j * LANES, 4);
  for (; j < n; j++) some_sums(out + j, sum + j * LANES, 1);
}

float lanes_sum(float lane[LANES])
{
  float sum;
  lanes_sums(&sum, lane, 1);
  return sum;
}

/* ==== digests =============================================================================== */

uint64_t fnv1a(uint64_t hash, const void *bytes, size_t n)
{
  const unsigned char *b = bytes;
  size_t j;
  for (j = 0; j < n; j++) hash = (hash ^ b[j]) * 0x100000001b3u;
  return hash;
}

const char *digest_text(char digits[17], uint64_t digest)
{
  sprintf(digits, "%08lx%08lx", (unsigned long)(digest >> 32),
          (unsigned long)(digest & 0xffffffffu));
  return digits;
}

uint64_t digest_floats(const float *x, size_t n)
{
  uint64_t hash = FNV_START;
  size_t j;
  int k;
  for (j = 0; j < n; j++) {
    unsigned char little[4];
    for (k = 0; k < 4; k++) little[k] = (unsigned char)(bits_of(x[j]) >> 8 * k & 255);
    hash = fnv1a(hash, little, 4);
  }
  return hash;
}
