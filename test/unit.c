/* unit.c - the unit tests: nn.c, data.c and prune.c against independent answers, most of all
 * against the oracle in naive.c, bit by bit.
 *
 *     unit [SEED [CASES]]     the seed of all random cases (1), and how many networks to compare
 *                             (120; 20 for emulators)
 *
 * Prints a line per group of checks and `N passed, N failed`; exit status 1 if any failed. A
 * check passes by a comparison that is true, so NaN passes none. What is "frozen" below must not
 * change: published results depend on it. SPDX-License-Identifier: MIT */
#include "naive.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ==== checks ================================================================================ */

enum { MOST_SHOWN = 3 }; /* failures of a group that are printed in full */

static struct {
  const char *group;
  char where[320]; /* the case in hand */
  unsigned long passed, failed, group_passed, group_failed;
} tally;

static void begin(const char *group)
{
  tally.group = group;
  tally.where[0] = 0;
  tally.group_passed = tally.group_failed = 0;
}

static void end(void)
{
  if (tally.group_failed == 0) printf("ok   %s (%lu checks)\n", tally.group, tally.group_passed);
  else
    printf("FAIL %s: %lu of %lu checks\n", tally.group, tally.group_failed,
           tally.group_failed + tally.group_passed);
  fflush(stdout);
  tally.passed += tally.group_passed;
  tally.failed += tally.group_failed;
}

/* Says which case the next checks belong to. */
static void in_case(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  vsnprintf(tally.where, sizeof tally.where, format, args);
  va_end(args);
}

/* One check; the format describes what, what was expected and what was computed. */
static void check(int passes, const char *format, ...)
{
  va_list args;
  if (passes) {
    tally.group_passed++;
    return;
  }
  if (tally.group_failed++ >= MOST_SHOWN) return;
  printf("FAIL %s: %s%s", tally.group, tally.where, tally.where[0] ? ": " : "");
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  printf("\n");
}

static uint32_t bits(float x)
{
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static float from_bits(uint32_t u)
{
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

static int not_a_number(float x) { return (bits(x) & 0x7fffffffu) > 0x7f800000u; }

/* The same bits, or both NaN, whose bits no standard fixes. */
static int same_bits(float a, float b)
{
  return bits(a) == bits(b) || (not_a_number(a) && not_a_number(b));
}

/* a <= b, and neither is NaN or infinite. By their bits, for pcc takes !(NaN > b) for NaN <= b. */
static int at_most(double a, double b)
{
  uint64_t u, v;
  memcpy(&u, &a, sizeof u);
  memcpy(&v, &b, sizeof v);
  return (u >> 52 & 0x7ff) != 0x7ff && (v >> 52 & 0x7ff) != 0x7ff && a <= b;
}

static void check_float(const char *what, float expected, float computed)
{
  check(same_bits(expected, computed), "%s: expected %.9g (%08lx), computed %.9g (%08lx)", what,
        (double)expected, (unsigned long)bits(expected), (double)computed,
        (unsigned long)bits(computed));
}

/* n numbers, one check. Not even one NaN may be among them. */
static void check_floats(const char *what, const float *expected, const float *computed, size_t n)
{
  size_t i;
  for (i = 0; i < n; i++)
    if (bits(expected[i]) != bits(computed[i]) || not_a_number(computed[i])) break;
  check(i == n, "%s: number %lu of %lu: expected %.9g (%08lx), computed %.9g (%08lx)", what,
        (unsigned long)i, (unsigned long)n, (double)(i < n ? expected[i] : 0),
        (unsigned long)(i < n ? bits(expected[i]) : 0), (double)(i < n ? computed[i] : 0),
        (unsigned long)(i < n ? bits(computed[i]) : 0));
}

static void check_count(const char *what, size_t expected, size_t computed)
{
  check(expected == computed, "%s: expected %lu, computed %lu", what, (unsigned long)expected,
        (unsigned long)computed);
}

static void check_digest(const char *what, uint64_t expected, uint64_t computed)
{
  check(expected == computed, "%s: expected digest %08lx%08lx, computed %08lx%08lx", what,
        (unsigned long)(expected >> 32), (unsigned long)(expected & 0xffffffffu),
        (unsigned long)(computed >> 32), (unsigned long)(computed & 0xffffffffu));
}

static void check_near(const char *what, double expected, double computed, double tolerance)
{
  check(at_most(fabs(computed - expected), tolerance),
        "%s: expected %.9g within %.2g, computed %.9g", what, expected, tolerance, computed);
}

static void check_true(const char *what, int truth)
{
  check(truth, "%s: expected true, computed false", what);
}

static uint64_t digest_add(uint64_t hash, uint32_t word)
{
  int k;
  for (k = 0; k < 32; k += 8) hash = (hash ^ (word >> k & 255)) * 0x100000001b3u;
  return hash;
}

static const uint64_t DIGEST_START = 0xcbf29ce484222325u;

/* ---- dice: random numbers of the tests themselves, from the oracle's Philox ---- */

static struct {
  Stream stream;
  uint64_t at;
} dice;

/* their purpose; a = group, so that no group depends on how many draws another takes */
enum { DICE = 1000 };

static void dice_for(uint64_t seed, uint32_t group)
{
  dice.stream.seed = seed;
  dice.stream.purpose = DICE;
  dice.stream.a = group;
  dice.stream.b = 0;
  dice.at = 0;
}

static uint32_t roll(uint32_t bound) { return naive_below(dice.stream, &dice.at, bound); }
static size_t roll_between(size_t low, size_t high)
{
  return low + roll((uint32_t)(high - low + 1));
}
static float roll_float(float low, float high)
{
  float t = naive_uniform(dice.stream, dice.at++), range = high - low;
  t = t * range;
  return low + t;
}

static void *room(size_t count, size_t size) { return allocate(count, size, "a test"); }

/* ==== random numbers ======================================================================== */

/* Known answers of philox4x32-10: Random123 1.14, tests/kat_vectors. */
static void test_philox(void)
{
  static const uint32_t vector[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
       0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
       0x94fdcceb, 0x5001e420, 0x24126ea1},
  };
  uint32_t out[4], i, k;
  begin("Philox4x32-10 known answers");
  for (i = 0; i < 3; i++) {
    memset(out, 0xca, sizeof out);
    philox(out, vector[i], vector[i] + 4);
    for (k = 0; k < 4; k++)
      check(out[k] == vector[i][6 + k], "vector %lu word %lu: expected %08lx, computed %08lx",
            (unsigned long)i, (unsigned long)k, (unsigned long)vector[i][6 + k],
            (unsigned long)out[k]);
  }
  end();
}

static void test_draws(uint64_t seed)
{
  static const uint32_t frozen_bits[6] = {0xc590479e, 0xef4e16c7, 0x249a7dfd,
                                          0x70ee2c53, 0xe152b0ea, 0xd8960651};
  static const uint32_t frozen_uniform[4] = {0x3f459047, 0x3f6f4e16, 0x3e1269f4, 0x3ee1dc58};
  static const uint32_t frozen_normal[4] = {0x3f2908d5, 0xbfeb62b3, 0x3f15fdef, 0x3ed151c0};
  const Stream fixed = {0x0123456789abcdefu, 2, 3, 4};
  uint64_t hash = DIGEST_START;
  Stream s;
  uint32_t i, low = 0, high = 0;
  begin("draws");
  dice_for(seed, 2);
  for (i = 0; i < 6; i++) {
    uint64_t index = i < 4 ? i : i == 4 ? 4000000001u : 0x3ffffffffu; /* up to the last block */
    check(random_bits(fixed, index) == frozen_bits[i],
          "frozen bits %lu: expected %08lx, computed %08lx", (unsigned long)i,
          (unsigned long)frozen_bits[i], (unsigned long)random_bits(fixed, index));
  }
  for (i = 0; i < 4; i++) {
    in_case("frozen draw %lu", (unsigned long)i);
    check_float("uniform", from_bits(frozen_uniform[i]), random_uniform(fixed, i));
    check_float("normal", from_bits(frozen_normal[i]), random_normal(fixed, i));
  }
  for (i = 0; i < 100000; i++) hash = digest_add(hash, bits(random_normal(fixed, i)));
  check_digest("100,000 normals, frozen", 0xbf96efdbf05c9d63u, hash);
  for (i = 0; i < 20000; i++) {
    float u;
    s.seed = naive_bits(dice.stream, dice.at) * (uint64_t)0x100000001u;
    s.purpose = roll(8);
    s.a = roll(100);
    s.b = naive_bits(dice.stream, dice.at++);
    in_case("seed %08lx%08lx purpose %lu a %lu b %lu index %lu", (unsigned long)(s.seed >> 32),
            (unsigned long)(s.seed & 0xffffffffu), (unsigned long)s.purpose, (unsigned long)s.a,
            (unsigned long)s.b, (unsigned long)i);
    check(random_bits(s, i) == naive_bits(s, i), "bits differ from the oracle's");
    u = random_uniform(s, i);
    check_float("uniform", naive_uniform(s, i), u);
    check(u >= 0 && u < 1, "uniform: expected [0, 1), computed %.9g", (double)u);
    low += u < 0.25f;
    high += u >= 0.75f;
    check_float("normal", naive_normal(s, i), random_normal(s, i));
  }
  in_case("20,000 uniforms"); /* a quarter of them, within 5 standard deviations of the binomial */
  check_near("below 1/4", 5000, low, 5 * sqrt(20000 * 0.25 * 0.75));
  check_near("above 3/4", 5000, high, 5 * sqrt(20000 * 0.25 * 0.75));
  end();
}

/* Moments of n standard normals, each within 5 standard deviations of its estimate: mean 1/n,
 * variance 2/n, skewness 6/n, kurtosis 24/n, correlation of neighbours 1/n. */
static void test_normal_moments(uint64_t seed)
{
  enum { N = 200000 };
  double m[5] = {0, 0, 0, 0, 0}, neighbours = 0, before = 0, most = 0;
  Stream s = {0, DICE, 3, 0};
  uint32_t i;
  int k;
  s.seed = seed;
  begin("normal moments");
  for (i = 0; i < N; i++) {
    double x = random_normal(s, i), power = 1;
    for (k = 1; k <= 4; k++) m[k] += power *= x;
    neighbours += x * before;
    before = x;
    if (fabs(x) > most) most = fabs(x);
  }
  check_near("mean", 0, m[1] / N, 5 / sqrt(N));
  check_near("variance", 1, m[2] / N, 5 * sqrt(2.0 / N));
  check_near("third moment", 0, m[3] / N, 5 * sqrt(15.0 / N));
  check_near("fourth moment", 3, m[4] / N, 5 * sqrt(96.0 / N));
  check_near("neighbours' product", 0, neighbours / N, 5 / sqrt(N));
  check(at_most(3.5, most) && at_most(most, 5.8),
        "largest: expected 3.5 to 5.8 (the least u is 2^-24), computed %.9g", most);
  end();
}

/* random_below against the oracle, which writes the rule out; bounds with and without rejected
 * draws. */
static void test_below(uint64_t seed)
{
  static const uint32_t bounds[] = {
      1, 2, 3, 6, 10, 1000, 60000, 0x7fffffff, 0x80000000, 0x80000001, 0xc0000000, 0xffffffff};
  enum { FACES = 6, DRAWS = 60000 };
  double chi = 0;
  uint32_t count[FACES] = {0}, k, i;
  Stream s = {0, DICE, 4, 0};
  s.seed = seed;
  begin("bounded draws");
  for (k = 0; k < sizeof bounds / sizeof *bounds; k++) {
    uint64_t at = 0, expected_at = 0, rejected;
    in_case("bound %lu", (unsigned long)bounds[k]);
    for (i = 0; i < 2000; i++) {
      uint32_t expected = naive_below(s, &expected_at, bounds[k]),
               computed = random_below(s, &at, bounds[k]);
      check(expected == computed && computed < bounds[k], "draw %lu: expected %lu, computed %lu",
            (unsigned long)i, (unsigned long)expected, (unsigned long)computed);
      check(at == expected_at, "draw %lu: expected the index %lu after it, computed %lu",
            (unsigned long)i, (unsigned long)expected_at, (unsigned long)at);
    }
    /* a share of (2^32 mod bound) / 2^32: a quarter for c0000000, none for powers of two */
    rejected = at - 2000;
    if (bounds[k] == 0xc0000000)
      check(rejected > 500 && rejected < 850, "expected about 667 rejected, computed %lu",
            (unsigned long)rejected);
    if ((bounds[k] & (bounds[k] - 1)) == 0) check_count("rejected", 0, (size_t)rejected);
  }
  in_case("%d throws of a die", (int)DRAWS);
  for (i = 0; i < DRAWS; i++) {
    uint64_t at = 100000 + i;
    count[random_below(s, &at, FACES)]++;
  }
  for (k = 0; k < FACES; k++)
    chi +=
        ((double)count[k] - DRAWS / FACES) * ((double)count[k] - DRAWS / FACES) / (DRAWS / FACES);
  check(at_most(chi, 37),
        "chi squared, 5 degrees of freedom: expected at most 37 (1 in 2 million), computed %.9g",
        chi);
  end();
}

static void test_order(uint64_t seed)
{
  enum { ORDERS = 24000 };
  static const size_t sizes[] = {0, 1, 2, 3, 10, 100, 1000, 6000};
  uint32_t count[256] = {0}, order[4], i, k;
  uint64_t hash = DIGEST_START;
  double chi = 0;
  Stream s = {0, RANDOM_ORDER, 5, 0};
  begin("data order");
  for (k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    size_t n = sizes[k], j, strange = 0, moved = 0;
    uint32_t *computed = room(n, sizeof *computed), *expected = room(n, sizeof *expected);
    unsigned char *seen = room(n, 1);
    s.seed = seed;
    s.b = k;
    in_case("%lu numbers", (unsigned long)n);
    random_order(computed, n, s);
    naive_order(expected, n, s);
    for (j = 0; j < n; j++) {
      moved += computed[j] != j;
      strange += computed[j] >= n || seen[computed[j]]++;
    }
    check_count("numbers that are no permutation", 0, strange);
    check_true("the oracle's order", memcmp(computed, expected, n * sizeof *computed) == 0);
    memset(computed, 0xca, n * sizeof *computed);
    data_order(computed, n, seed, 5, k);
    check_true("data_order gives the same", memcmp(computed, expected, n * sizeof *computed) == 0);
    if (n >= 100) check_true("nearly all moved", moved > n - 20);
    free(computed);
    free(expected);
    free(seen);
  }
  for (i = 0; i < ORDERS; i++) { /* the 24 orders of 4 are equally frequent */
    s.b = 100 + i;
    random_order(order, 4, s);
    count[order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3]]++;
  }
  for (k = 0; k < 256; k++)
    if (count[k] > 0)
      chi += ((double)count[k] - ORDERS / 24) * ((double)count[k] - ORDERS / 24) / (ORDERS / 24);
  in_case("%d orders of 4", (int)ORDERS);
  check(at_most(chi, 73),
        "chi squared, 23 degrees of freedom: expected at most 73 (1 in 2 million), computed %.9g",
        chi);
  for (s.seed = 1, s.b = 0, k = 0; k < 6; k++, s.b++) {
    random_order(count, 100, s);
    for (i = 0; i < 100; i++) hash = digest_add(hash, count[i]);
  }
  in_case("frozen");
  check_digest("6 orders of 100", 0xcb9cdaffc4681215u, hash);
  end();
}

/* ==== functions ============================================================================= */

/* Distance from the exact value in units in the last place of that value. */
static double ulps(float computed, double exact)
{
  int exponent;
  /* exact = f 2^exponent, 1/2 <= f < 1: its last place is 2^(exponent - 24), 2^-149 at least */
  frexp(exact, &exponent);
  return fabs((double)computed - exact) / ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
}

static double root_of(double x) { return sqrt(x); }
static double exponential_of(double x) { return exp(x); }
static double logarithm_of(double x) { return log(x); }

/* cos(2 pi x), 0 <= x <= 1, by its series, to 1e-13: glibc's cos uses instructions that qemu's
 * PowerPC lacks. */
static double cosine_of_turns(double x)
{
  double z = 2 * 3.14159265358979323846 * x, sum = 0, term = 1;
  int n;
  for (n = 0; n < 40; n++) {
    sum += term;
    term *= -z * z / ((2 * n + 1) * (2 * n + 2));
  }
  return sum;
}

static double arc_cosine_of(double x) { return acos(x); }

/* A function and what ticket.h promises of it. */
typedef struct {
  const char *name;
  float (*computed)(float), (*oracle)(float);
  double (*exact)(double);
  double ulps, absolute; /* bounds of the error, whichever is not 0 */
  float low, high;       /* where it holds */
  float edge;            /* the pieces it is made of meet at multiples of this */
  uint64_t frozen;       /* digest of the results for the arguments of `argument` */
} Function;

enum { BINADES = 255, PER_BINADE = 160, BY_BINADE = 2 * BINADES * PER_BINADE };
enum { EVEN = 20000, EDGES = 7 * 500, ARGUMENTS = BY_BINADE + EVEN + EDGES };

/* Argument i: of every binade and sign 160, among them its ends and the neighbours of sqrt 2;
 * then 20,000 evenly spread between low and high; then multiples of `edge` and three neighbours
 * on either side. */
static float argument(const Function *f, uint32_t i)
{
  static const uint32_t ends[] = {0, 1, 0x7fffff, 0x3504f2, 0x3504f3, 0x3504f4};
  static const float last = EVEN - 1;
  float t, range = f->high - f->low;
  uint32_t place = i / 2 % PER_BINADE;
  if (i < BY_BINADE)
    return from_bits((i % 2 ? 0x80000000u : 0) | (i / 2 / PER_BINADE) << 23 |
                     (place < sizeof ends / sizeof *ends ? ends[place] : i * 2654435761u >> 9));
  i -= BY_BINADE;
  if (i < EVEN) {
    t = (float)i / last;
    t = t * range;
    return f->low + t;
  }
  i -= EVEN;
  t = (float)((int)(i / 7) - 250) * f->edge;
  return from_bits(bits(t) + i % 7 - 3);
}

static void test_function(const Function *f)
{
  const double bound = f->ulps > 0 ? f->ulps : f->absolute;
  uint64_t hash = DIGEST_START;
  uint32_t i, other = 0, beyond = 0;
  begin(f->name);
  for (i = 0; i < ARGUMENTS; i++) {
    float x = argument(f, i), y;
    double exact, error;
    if (not_a_number(x) || x < f->low || x > f->high) continue;
    y = f->computed(x);
    hash = digest_add(hash, bits(y));
    exact = f->exact(x);
    error = f->ulps > 0 ? ulps(y, exact) : fabs((double)y - exact);
    /* overflow: either is near */
    if (exact > FLT_MAX && (bits(y) == 0x7f800000u || bits(y) == 0x7f7fffffu)) error = 0;
    in_case("x = %.9g (%08lx)", (double)x, (unsigned long)bits(x));
    if (!at_most(error, bound) && beyond++ == 0)
      check(0, "error %.3g: expected %.17g, computed %.9g", error, exact, (double)y);
    if (!same_bits(y, f->oracle(x)) && other++ == 0)
      check_float("the oracle's bits", f->oracle(x), y);
  }
  in_case("%lu arguments", (unsigned long)ARGUMENTS);
  check(beyond == 0, "results with an error above %.2g%s: expected 0, computed %lu", bound,
        f->ulps > 0 ? " ulp" : "", (unsigned long)beyond);
  check_count("results that differ from the oracle's", 0, other);
  check_digest("frozen results", f->frozen, hash);
  end();
}

static void test_functions(void)
{
  static const Function functions[] = {
      {"square_root", square_root, naive_square_root, root_of, 0.5, 0, 0, FLT_MAX, 1,
       0x097365988c0ab214u},
      {"exponential", exponential, naive_exponential, exponential_of, 2, 0, -200, 89, 0.34657359f,
       0x543412353f5511e3u},
      {"logarithm", logarithm, naive_logarithm, logarithm_of, 2, 0, 1e-45f, FLT_MAX, 0.70710678f,
       0x7451d12bbf67b914u},
      {"cosine_turns", cosine_turns, naive_cosine_turns, cosine_of_turns, 0, 2e-7, 0, 1, 0.125f,
       0xca222499ea807d99u},
      {"arc_cosine", arc_cosine, naive_arc_cosine, arc_cosine_of, 0, 5e-7, -1, 1, 0.5f,
       0xdc48676812ac714fu},
  };
  size_t k;
  for (k = 0; k < sizeof functions / sizeof *functions; k++) test_function(&functions[k]);
}

static void test_special_values(void)
{
  static const struct {
    const char *what;
    float (*function)(float);
    uint32_t x, y;
  } table[] = {
      {"square_root(+0)", square_root, 0, 0},
      {"square_root(-0)", square_root, 0x80000000, 0x80000000},
      {"square_root(4)", square_root, 0x40800000, 0x40000000},
      {"square_root(infinity)", square_root, 0x7f800000, 0x7f800000},
      {"square_root(-1)", square_root, 0xbf800000, 0x7fc00000},
      {"square_root(NaN)", square_root, 0x7fc00000, 0x7fc00000},
      {"square_root(2^-149)", square_root, 1, 0x1a3504f3},
      {"square_root(largest)", square_root, 0x7f7fffff, 0x5f7fffff},
      {"exponential(+0)", exponential, 0, 0x3f800000},
      {"exponential(-0)", exponential, 0x80000000, 0x3f800000},
      {"exponential(2^-149)", exponential, 1, 0x3f800000},
      {"exponential(infinity)", exponential, 0x7f800000, 0x7f800000},
      {"exponential(-infinity)", exponential, 0xff800000, 0},
      {"exponential(NaN)", exponential, 0x7fc00000, 0x7fc00000},
      {"exponential(largest)", exponential, 0x7f7fffff, 0x7f800000},
      {"exponential(-largest)", exponential, 0xff7fffff, 0},
      {"exponential(89)", exponential, 0x42b20000, 0x7f800000},
      {"exponential(-105)", exponential, 0xc2d20000, 0},
      {"logarithm(1)", logarithm, 0x3f800000, 0},
      {"logarithm(+0)", logarithm, 0, 0xff800000},
      {"logarithm(-0)", logarithm, 0x80000000, 0xff800000},
      {"logarithm(infinity)", logarithm, 0x7f800000, 0x7f800000},
      {"logarithm(NaN)", logarithm, 0x7fc00000, 0x7fc00000},
      {"logarithm(2^-149)", logarithm, 1, 0xc2ce8ed0},
      {"cosine_turns(0)", cosine_turns, 0, 0x3f800000},
      {"cosine_turns(1/2)", cosine_turns, 0x3f000000, 0xbf800000},
      {"cosine_turns(1)", cosine_turns, 0x3f800000, 0x3f800000},
      {"arc_cosine(1)", arc_cosine, 0x3f800000, 0},
      {"arc_cosine(0)", arc_cosine, 0, 0x3fc90fdb},
      {"arc_cosine(-1)", arc_cosine, 0xbf800000, 0x40490fdb},
      {"arc_cosine(just above 1)", arc_cosine, 0x3f800001, 0},
      {"arc_cosine(just below -1)", arc_cosine, 0xbf800001, 0x40490fdb},
      {"arc_cosine(NaN)", arc_cosine, 0x7fc00000, 0x7fc00000},
  };
  static const struct {
    uint32_t x;
    int finite;
  } finite[] = {{0, 1},          {0x80000000, 1}, {1, 1},          {0x7f7fffff, 1}, {0xff7fffff, 1},
                {0x7f800000, 0}, {0xff800000, 0}, {0x7fc00000, 0}, {0xffffffff, 0}};
  const float nan = from_bits(0x7fc00000);
  size_t k;
  begin("special values");
  for (k = 0; k < sizeof table / sizeof *table; k++)
    check_float(table[k].what, from_bits(table[k].y), table[k].function(from_bits(table[k].x)));
  for (k = 0; k < sizeof finite / sizeof *finite; k++) {
    in_case("bits %08lx", (unsigned long)finite[k].x);
    check_count("is_finite", (size_t)finite[k].finite, is_finite(from_bits(finite[k].x)) != 0);
  }
  in_case("self-check");
  check(self_check() == NULL, "expected nothing to complain of, computed \"%s\"",
        self_check() ? self_check() : "");
  check_true("NaN passes no check",
             !same_bits(nan, 0) && !at_most((double)nan, 1) && !at_most(1, (double)nan));
  end();
}

/* ==== networks against the oracle =========================================================== */

/* A random data set, the same network twice, and room for what the oracle computes of a batch. */
typedef struct {
  Dataset data;
  char model[NAME_SIZE];
  Net net;
  Naive naive;
  unsigned char *mask, *label;
  uint32_t *index;
  float *x, *logits, *loss;
  size_t most; /* images that fit: L T */
  /* the net's activation that holds what the oracle's does after the forward pass, or -1 */
  int net_of[NAIVE_LAYERS + 1];
} Case;

/* Random pixels and labels for images of that shape. */
static void random_data(Dataset *d, size_t channels, size_t height, size_t width, size_t classes,
                        size_t train, size_t test)
{
  size_t i, size = channels * height * width;
  int s;
  memset(d, 0, sizeof *d);
  d->name = "random";
  d->channels = (int)channels;
  d->height = (int)height;
  d->width = (int)width;
  d->classes = (int)classes;
  for (i = 0; i < 3; i++) {
    /* 0: black pixels are zeros, the signs of zeros matter */
    d->mean[i] = roll(3) ? roll_float(0, 0.9f) : 0;
    d->deviation[i] = roll_float(0.1f, 0.6f);
  }
  for (s = 0; s < 2; s++) {
    Split *split = s ? &d->test : &d->train;
    split->n = s ? test : train;
    split->pixel = room(split->n * size, 1);
    split->label = room(split->n, 1);
    for (i = 0; i < split->n * size; i++) split->pixel[i] = roll(3) ? (unsigned char)roll(256) : 0;
    for (i = 0; i < split->n; i++) split->label[i] = (unsigned char)roll((uint32_t)classes);
  }
}

/* The shape random too. Every roll has a statement of its own: C leaves the order of a call's
 * arguments open. */
static void random_shape(Dataset *d, size_t largest, size_t most_classes, size_t train)
{
  size_t channels = roll(2) ? 3 : 1, height = roll_between(1, largest),
         width = roll_between(1, largest);
  size_t classes = roll_between(2, most_classes);
  random_data(d, channels, height, width, classes, train, 0);
}

static void free_data(Dataset *d)
{
  free(d->train.pixel);
  free(d->train.label);
  free(d->test.pixel);
  free(d->test.label);
}

/* The buffers of a case whose networks are made; of their activations only the first and the
 * last are known to be the same. */
static void make_room(Case *c)
{
  int k;
  for (k = 0; k < c->naive.activations; k++) c->net_of[k] = -1;
  c->net_of[0] = 0;
  c->net_of[k - 1] = c->net.activations - 1;
  c->most = c->net.slots;
  c->mask = room(c->net.size, 1);
  memset(c->mask, 1, c->net.size);
  c->label = room(c->most, 1);
  c->index = room(c->most, sizeof *c->index);
  c->x = room(c->most * c->naive.inputs, sizeof(float));
  c->logits = room(c->most * c->net.classes, sizeof(float));
  c->loss = room(c->most, sizeof(float));
  check_count("parameters", c->naive.trained, c->net.parameters);
  check_count("parameters and statistics", c->naive.size, c->net.size);
}

/* The network of these hidden widths for c->data. */
static void make_networks(Case *c, const size_t *hidden, size_t count, size_t batch)
{
  size_t k;
  int at = sprintf(c->model, "lenet");
  Model m = {NULL, 0, 1, NULL};
  for (k = 0; k < count; k++) at += sprintf(c->model + at, "-%lu", (unsigned long)hidden[k]);
  m.name = c->model;
  net_create(&c->net, &m, &c->data, batch, 1);
  naive_create(&c->naive, &c->data, hidden, count);
  make_room(c);
}

static void free_case(Case *c)
{
  net_free(&c->net);
  naive_free(&c->naive);
  free_data(&c->data);
  free(c->mask);
  free(c->label);
  free(c->index);
  free(c->x);
  free(c->logits);
  free(c->loss);
}

/* Each prunable tensor gets a density of its own; with `nested`, what was masked stays so. */
static void random_mask(Case *c, int nested)
{
  static const float densities[] = {0, 0.02f, 0.05f, 0.1f, 0.3f, 0.45f, 0.6f, 0.9f, 1};
  int k;
  size_t j;
  for (k = 0; k < c->net.tensors; k++) {
    const Tensor *t = &c->net.tensor[k];
    float density = densities[roll(sizeof densities / sizeof *densities)];
    for (j = t->offset; j < t->offset + t->size && t->prunable; j++) {
      unsigned char keep = roll_float(0, 1) < density;
      c->mask[j] = nested ? (unsigned char)(keep & c->mask[j]) : keep;
    }
  }
}

static void set_masks(Case *c)
{
  net_set_mask(&c->net, c->mask);
  naive_mask(&c->naive, c->mask);
}

/* The output layer's tensors are the last parameters. */
static size_t first_of_output(const Net *net)
{
  int k = 0;
  while (!net->tensor[k].output) k++;
  return net->tensor[k].offset;
}

/* Some surviving parameters become zeros of both signs, subnormals, and numbers that are small
 * or equal. */
static void strange_weights(Case *c)
{
  static const uint32_t strange[] = {0,          0x80000000, 1,          0x80000123, 0x007fffff,
                                     0x00800000, 0x3f800000, 0xbf800000, 0x3f800001, 0x33800000};
  size_t j;
  for (j = 0; j < c->net.parameters; j++)
    if (c->mask[j] && roll(12) == 0)
      c->net.weight[j] = c->naive.weight[j] =
          from_bits(strange[roll(sizeof strange / sizeof *strange)]);
  if (roll(4) == 0) /* all logits are equal: the first of them counts as the largest */
    for (j = 0; j < c->net.size; j++)
      if (j >= first_of_output(&c->net) && j < c->net.parameters)
        c->net.weight[j] = c->naive.weight[j] = 0;
}

/* Where number i of image b of an activation is. */
static size_t place_of(const Activation *a, size_t b, size_t i)
{
  const size_t area = a->height * a->width;
  return (b / a->tile * a->channels + i / area) * a->plane + i % area / a->width * a->row +
         i % a->width * a->tile + b % a->tile;
}

/* What the network says of image b and a class. */
static float logit(const Net *net, size_t b, size_t class)
{
  const Activation *a = &net->activation[net->activations - 1];
  return a->value[place_of(a, b, class)];
}

/* What is not 0 beside the planes of images, which no pass may write. */
static size_t borders_written(const Net *net)
{
  size_t written = 0, t, c, j, gradient;
  int k;
  for (k = 0; k < net->activations; k++) {
    const Activation *a = &net->activation[k];
    const size_t width = a->width * a->tile, lead = a->flat ? 0 : net->border * (a->row + a->tile);
    for (gradient = 0; gradient <= (a->gradient != NULL); gradient++) {
      const float *x = gradient ? a->gradient : a->value;
      for (j = 1; j <= lead; j++) written += bits(*(x - j)) != 0;
      for (t = 0; t < net->slots / a->tile; t++)
        for (c = 0; c < a->channels; c++, x += a->plane)
          for (j = 0; j < a->plane; j++)
            written += (j >= a->height * a->row || j % a->row >= width) && bits(x[j]) != 0;
    }
  }
  return written;
}

/* NaN in everything that a pass is to compute, so that what it leaves out shows. */
static void poison(Net *net)
{
  const float nan = from_bits(0x7fc0cacau);
  size_t b, j;
  int k;
  for (k = 0; k < net->activations; k++) {
    Activation *a = &net->activation[k];
    for (b = 0; b < net->slots; b++)
      for (j = 0; j < a->channels * a->height * a->width; j++) {
        a->value[place_of(a, b, j)] = nan;
        if (a->gradient) a->gradient[place_of(a, b, j)] = nan;
      }
  }
  for (j = 0; j < net->slots; j++) net->loss[j] = nan;
  for (j = 0; j < net->survivors; j++) net->gradient[j] = nan;
}

/* Gradients and moments are kept of survivors only; their expected values are the oracle's at
 * those places. */
static void check_survivors(const char *what, const float *expected, const float *computed,
                            const Net *net)
{
  float *chosen = room(net->survivors, sizeof *chosen);
  size_t j;
  for (j = 0; j < net->survivors; j++) chosen[j] = expected[net->survivor[j]];
  check_floats(what, chosen, computed, net->survivors);
  free(chosen);
}

/* Of every activation that both hold, the numbers of the images. What is in unused slots is
 * nobody's business. */
static void compare_activations(const Case *c, size_t images)
{
  char what[NAME_SIZE];
  size_t b, i, n;
  int k;
  for (k = 1; k < c->naive.activations; k++) {
    const NaiveActivation *expected = &c->naive.activation[k];
    const Activation *a = c->net_of[k] >= 0 ? &c->net.activation[c->net_of[k]] : NULL;
    float *computed;
    if (!a) continue;
    sprintf(what, "activation %d", k);
    n = expected->channels * expected->height * expected->width;
    check(a->channels == expected->channels && a->height == expected->height &&
              a->width == expected->width,
          "%s: expected %lu x %lu x %lu, computed %lu x %lu x %lu", what,
          (unsigned long)expected->channels, (unsigned long)expected->height,
          (unsigned long)expected->width, (unsigned long)a->channels, (unsigned long)a->height,
          (unsigned long)a->width);
    if (a->channels * a->height * a->width != n) continue;
    computed = room(images * n, sizeof *computed);
    for (b = 0; b < images; b++)
      for (i = 0; i < n; i++) computed[b * n + i] = a->value[place_of(a, b, i)];
    check_floats(what, expected->value, computed, images * n);
    free(computed);
  }
}

/* One batch through both networks; activations, losses, lanes, wrong images and gradients
 * compared. index may be NULL. Returns 0 if the losses are not finite, by both. */
static int compare_batch(Case *c, const uint32_t *index, size_t first, size_t images)
{
  const size_t C = c->net.classes, I = c->naive.inputs;
  const Activation *input = &c->net.activation[0];
  char what[NAME_SIZE + 16];
  float lane[LANES], expected_lane[LANES];
  size_t wrong = 5, expected_wrong = 5, other = 0, b, k; /* wrong is added to */
  for (k = 0; k < LANES; k++) lane[k] = expected_lane[k] = (float)k / 3.0f;
  for (b = 0; b < images; b++) c->label[b] = c->data.train.label[index ? index[b] : first + b];
  poison(&c->net);
  net_load(&c->net, &c->data.train, index, first, images, NULL);
  naive_pixels(c->x, &c->data, &c->data.train, index, first, images);
  for (b = 0; b < images; b++)
    for (k = 0; k < I; k++)
      other += bits(input->value[place_of(input, b, k)]) != bits(c->x[b * I + k]);
  check_count("pixels loaded otherwise", 0, other);
  net_forward(&c->net, 1);
  naive_forward(&c->naive, c->x, images, 1);
  memcpy(c->logits, c->naive.activation[c->naive.activations - 1].value,
         images * C * sizeof(float));
  naive_loss(&c->naive, c->label, images, c->loss, expected_lane, &expected_wrong);
  if (is_finite(naive_lanes(expected_lane))) compare_activations(c, images);
  net_loss(&c->net, lane, &wrong);
  net_backward(&c->net);
  naive_backward(&c->naive, images);
  if (!is_finite(naive_lanes(expected_lane))) {
    check_true("a loss that is not finite is so for both", !is_finite(naive_lanes(lane)));
    return 0;
  }
  check_count("numbers written into borders", 0, borders_written(&c->net));
  check_floats("loss of each image", c->loss, c->net.loss, images);
  check_floats("lanes of the loss", expected_lane, lane, LANES);
  check_count("wrong images", expected_wrong, wrong);
  for (k = 0; k < (size_t)c->net.tensors; k++) {
    const Tensor *t = &c->net.tensor[k];
    size_t n = 0, j;
    float *chosen;
    if (t->offset >= c->net.parameters) continue;
    chosen = room(t->size, sizeof *chosen);
    for (j = 0; j < t->size; j++)
      if (c->net.mask[t->offset + j]) chosen[n++] = c->naive.gradient[t->offset + j];
    sprintf(what, "gradient of %s", t->name);
    check_floats(what, chosen, c->net.gradient + t->rank, n);
    free(chosen);
  }
  check_floats("running statistics", c->naive.weight + c->net.parameters,
               c->net.weight + c->net.parameters, c->net.size - c->net.parameters);
  return 1;
}

static void random_training(Training *how)
{
  static const float momenta[] = {0, 0.5f, 0.9f}, decays[] = {0, 5e-4f, 0.1f};
  memset(how, 0, sizeof *how);
  how->optimizer = roll(3) == 0 ? ADAM : SGD;
  how->lr = how->optimizer == ADAM ? roll_float(1e-4f, 0.02f) : roll_float(1e-3f, 0.1f);
  how->momentum = momenta[roll(3)];
  how->nesterov = how->momentum > 0 && roll(2) == 0;
  how->weight_decay = decays[roll(3)];
  how->steps = 100;
}

/* The masked weights are +0, all their bits, whatever momentum, weight decay or Adam do; the
 * list of survivors is the mask's, and each tensor's gradients begin where its first survivor
 * is. */
static void check_masked(const Net *net, const unsigned char *mask)
{
  size_t j, revived = 0, strange = 0, n = 0;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    if (t->offset >= net->parameters) continue; /* statistics */
    strange += t->rank != n;
    for (j = t->offset; j < t->offset + t->size; j++) {
      strange += net->mask[j] != mask[j];
      if (!mask[j]) revived += bits(net->weight[j]) != 0;
      else if (n < net->survivors) strange += net->survivor[n++] != j;
    }
  }
  check_count("masked weights that are not +0", 0, revived);
  check_count("survivors", n, net->survivors);
  check_count("places of the mask or of the survivors' list that differ", 0, strange);
}

/* Do its kernels walk a list of taps per row of outputs? */
static size_t is_sparse(const Layer *layer) { return layer->forward.step == 0; }

/* Which kernels and shapes the cases have used: a test of one kernel that never ran is no test. */
typedef struct {
  size_t sparse, dense, dense_masked, several_tiles, partial_tile, empty_tensor, wide, last_slot,
      steps;
} Coverage;

static void compare_case(uint32_t number, Coverage *seen)
{
  size_t hidden[3], depth = roll_between(1, 3), k, n, batch, images, step;
  int early = roll(2) == 0, wide = number % 5 == 2, scheme = (int)roll(4);
  uint32_t variant = roll(3);
  Training how;
  Optimizer o;
  Case c;
  memset(&c, 0, sizeof c);
  for (k = 0; k < depth; k++) hidden[k] = roll_between(1, 70);
  if (wide && roll(2)) hidden[roll((uint32_t)depth)] = roll_between(300, 500);
  n = roll_between(20, 400);
  random_shape(&c.data, wide ? 9 : 6, 12, n);
  batch = roll(3) ? roll_between(1, 300) : roll_between(1, 40);
  make_networks(&c, hidden, depth, batch);
  random_training(&how);
  images = roll(3) == 0 ? c.most : roll_between(1, batch);
  if (images > n) images = n;
  in_case("%lu (%s of %dx%dx%d, %d classes, batch %lu, %lu of %lu images, scheme %d, %s lr %g "
          "momentum %g%s decay %g)",
          (unsigned long)number, c.model, c.data.channels, c.data.height, c.data.width,
          c.data.classes, (unsigned long)batch, (unsigned long)images, (unsigned long)n, scheme,
          how.optimizer == ADAM ? "Adam" : "SGD", (double)how.lr, (double)how.momentum,
          how.nesterov ? " Nesterov" : "", (double)how.weight_decay);

  if (number % 5) random_mask(&c, 0); /* every fifth network is whole */
  if (early) set_masks(&c);
  net_init(&c.net, scheme, 1000 + number, variant);
  naive_init(&c.naive, scheme, 1000 + number, variant);
  set_masks(&c);
  check_floats("initial weights", c.naive.weight, c.net.weight, c.net.size);
  if (roll(3) == 0) strange_weights(&c);
  for (k = 0; k < (size_t)c.net.layers; k++) {
    const Layer *layer = &c.net.layer[k];
    if (layer->weight < 0) continue;
    seen->sparse += is_sparse(layer);
    seen->dense += !is_sparse(layer) && layer->survivors == c.net.tensor[layer->weight].size;
    seen->dense_masked += !is_sparse(layer) && layer->survivors < c.net.tensor[layer->weight].size;
    seen->empty_tensor += layer->survivors == 0;
    seen->wide += c.net.tensor[layer->weight].fan_in > TILE;
  }
  seen->several_tiles += images > TILE;
  seen->partial_tile += images % LANES != 0;
  seen->last_slot += images == c.most;

  for (k = 0; k < images; k++) c.index[k] = roll((uint32_t)n);
  if (roll(2)) compare_batch(&c, c.index, 0, images);
  else compare_batch(&c, NULL, roll_between(0, n - images), images);

  optimizer_create(&o, &c.net);
  for (step = 0; step < 20; step++) {
    images = roll_between(1, batch < 40 ? batch : 40);
    if (images > n) images = n;
    if (step == 10 && roll(2)) { /* pruned further on the way, the optimiser as new */
      random_mask(&c, 1);
      set_masks(&c);
      optimizer_clear(&o, &c.net);
    }
    for (k = 0; k < images; k++) c.index[k] = roll((uint32_t)n);
    if (!compare_batch(&c, c.index, 0, images)) break; /* diverged */
    seen->steps++;
    optimizer_step(&o, &c.net, &how, how.lr);
    naive_step(&c.naive, &how, how.lr);
    check_floats("weights after a step", c.naive.weight, c.net.weight, c.net.size);
    check_survivors("momentum after a step", c.naive.moment, o.velocity, &c.net);
    check_survivors("second moment after a step", c.naive.square, o.square, &c.net);
    check_masked(&c.net, c.mask);
  }
  check_digest("digest", naive_digest(&c.naive), net_digest(&c.net));
  optimizer_free(&o);
  free_case(&c);
}

static void test_networks(uint64_t seed, uint32_t cases)
{
  Coverage seen = {0, 0, 0, 0, 0, 0, 0, 0, 0};
  uint32_t i;
  begin("networks and 20 training steps equal the oracle's, bit for bit");
  for (i = 0; i < cases; i++) {
    dice_for(seed, 10000 + i);
    compare_case(i, &seen);
  }
  in_case("%lu cases", (unsigned long)cases);
  check(seen.steps >= 19 * cases, "training steps: expected %lu or more, computed %lu",
        19UL * cases, (unsigned long)seen.steps);
  if (cases >= 100) { /* each kernel and each kind of batch has had its turn */
    check(seen.sparse >= 20, "sparse layers: expected 20 or more, computed %lu",
          (unsigned long)seen.sparse);
    check(seen.dense >= 20, "dense layers: expected 20 or more, computed %lu",
          (unsigned long)seen.dense);
    check(seen.dense_masked >= 20, "masked dense layers: expected 20 or more, computed %lu",
          (unsigned long)seen.dense_masked);
    check(seen.several_tiles >= 5, "batches of several tiles: expected 5 or more, computed %lu",
          (unsigned long)seen.several_tiles);
    check(seen.partial_tile >= 20, "partial tiles: expected 20 or more, computed %lu",
          (unsigned long)seen.partial_tile);
    check(seen.last_slot >= 5, "full tiles: expected 5 or more, computed %lu",
          (unsigned long)seen.last_slot);
    check(seen.empty_tensor >= 5, "empty tensors: expected 5 or more, computed %lu",
          (unsigned long)seen.empty_tensor);
    check(seen.wide >= 3, "layers of more than %d inputs: expected 3 or more, computed %lu",
          (int)TILE, (unsigned long)seen.wide);
  }
  end();
}

/* What is masked, and the same weights as zeros of a whole network: sums with and without +-0
 * terms, by other kernels. They are equal numbers (a zero's sign may differ). */
static void test_sparse_is_dense(uint64_t seed)
{
  static const size_t hidden[] = {37, 300, 5}, batch = 130;
  size_t i, j, b, images, sparse = 0, other;
  int k;
  begin("sparse kernels equal dense kernels");
  dice_for(seed, 12);
  for (i = 0; i < 8; i++) {
    Case c, d;
    float lane[2][LANES] = {{0}, {0}};
    size_t wrong[2] = {0, 0};
    memset(&c, 0, sizeof c);
    memset(&d, 0, sizeof d);
    images = i < 2 ? batch : roll_between(1, batch);
    in_case("%lu (%lu images)", (unsigned long)i, (unsigned long)images);
    random_data(&c.data, 1, 12, 11, 10, images, 0);
    d.data = c.data;
    make_networks(&c, hidden, 3, batch);
    make_networks(&d, hidden, 3, batch);
    random_mask(&c, 0);
    set_masks(&c);
    net_init(&c.net, (int)roll(4), i, 0);
    memcpy(d.net.weight, c.net.weight, c.net.size * sizeof(float));
    for (k = 0; k < c.net.layers; k++) {
      sparse += is_sparse(&c.net.layer[k]);
      check_true("the whole network is not sparse", !is_sparse(&d.net.layer[k]));
    }
    for (k = 0; k < 2; k++) {
      Net *net = k ? &d.net : &c.net;
      poison(net);
      net_load(net, &c.data.train, NULL, 0, images, NULL);
      net_forward(net, 1);
      net_loss(net, lane[k], &wrong[k]);
      net_backward(net);
    }
    for (other = 0, b = 0; b < images; b++)
      for (j = 0; j < c.net.classes; j++) other += !(logit(&c.net, b, j) == logit(&d.net, b, j));
    check_count("logits that differ", 0, other);
    for (other = 0, j = 0; j < c.net.survivors; j++)
      other += !(c.net.gradient[j] == d.net.gradient[c.net.survivor[j]]);
    check_count("gradients that differ", 0, other);
    check_floats("loss", lane[0], lane[1], LANES);
    check_count("wrong images", wrong[0], wrong[1]);
    memset(&d.data, 0, sizeof d.data); /* is c's */
    free_case(&c);
    free_case(&d);
  }
  in_case("8 networks");
  check(sparse >= 8, "sparse layers: expected 8 or more, computed %lu", (unsigned long)sparse);
  end();
}

/* ==== convolutional networks against the oracle ============================================== */

/* An activation of both networks. */
typedef struct {
  int net, naive;
} Pair;

/* A network that is built in both, and what it costs. */
typedef struct {
  Case *c;
  char shape[200]; /* what it is made of */
  double cost;     /* multiplications of the forward pass, per image */
  double affordable;
  int named;
} Stack;

static const NaiveActivation *shape_of(const Stack *s, Pair p)
{
  return &s->c->naive.activation[p.naive];
}

/* Adds to the description, while there is room. */
static void describe(Stack *s, const char *format, ...)
{
  size_t at = strlen(s->shape);
  va_list args;
  va_start(args, format);
  vsnprintf(s->shape + at, sizeof s->shape - at, format, args);
  va_end(args);
}

/* The net's activation now holds what the oracle's new one does. */
static Pair paired(Stack *s, int net, int naive)
{
  Pair p;
  int k;
  for (k = 0; k < naive; k++)
    if (s->c->net_of[k] == net) s->c->net_of[k] = -1;
  s->c->net_of[naive] = net;
  p.net = net;
  p.naive = naive;
  return p;
}

static const char *new_name(Stack *s, const char *what)
{
  static char name[NAME_SIZE];
  sprintf(name, "%s%d", what, s->named++);
  return name;
}

static Pair stack_conv(Stack *s, Pair in, size_t outputs, size_t kernel, size_t stride,
                       size_t padding, int bias)
{
  const char *name = new_name(s, "conv");
  Pair p = paired(s, add_conv(&s->c->net, in.net, name, outputs, kernel, stride, padding, bias),
                  naive_conv(&s->c->naive, in.naive, name, outputs, kernel, stride, padding, bias));
  const NaiveActivation *y = shape_of(s, p);
  s->cost += (double)(shape_of(s, in)->channels * kernel * kernel * outputs * y->height * y->width);
  describe(s, " %lu:%lux%lu", (unsigned long)outputs, (unsigned long)kernel, (unsigned long)kernel);
  if (stride > 1) describe(s, "/%lu", (unsigned long)stride);
  if (padding > 0) describe(s, "p%lu", (unsigned long)padding);
  if (bias) describe(s, "b");
  return p;
}
static Pair stack_dense(Stack *s, Pair in, size_t outputs)
{
  const char *name = new_name(s, "fc");
  const NaiveActivation *x = shape_of(s, in);
  s->cost += (double)(x->channels * x->height * x->width * outputs);
  describe(s, " %lu", (unsigned long)outputs);
  return paired(s, add_dense(&s->c->net, in.net, name, outputs),
                naive_dense(&s->c->naive, in.naive, name, outputs));
}
static Pair stack_norm(Stack *s, Pair in, int affine)
{
  const char *name = new_name(s, "bn");
  describe(s, affine ? " N" : " n");
  return paired(s, add_norm(&s->c->net, in.net, name, affine),
                naive_norm(&s->c->naive, in.naive, name, affine));
}
static Pair stack_relu(Stack *s, Pair in)
{
  describe(s, "r");
  return paired(s, add_relu(&s->c->net, in.net), naive_relu(&s->c->naive, in.naive));
}
static Pair stack_pool(Stack *s, Pair in, size_t window, int average)
{
  describe(s, " %s%lu", average ? "avg" : "max", (unsigned long)window);
  if (average)
    return paired(s, add_average_pool(&s->c->net, in.net, window),
                  naive_average_pool(&s->c->naive, in.naive, window));
  return paired(s, add_max_pool(&s->c->net, in.net, window),
                naive_max_pool(&s->c->naive, in.naive, window));
}
static Pair stack_sum(Stack *s, Pair in, Pair shortcut)
{
  describe(s, " +");
  return paired(s, add_sum(&s->c->net, in.net, shortcut.net),
                naive_sum(&s->c->naive, in.naive, shortcut.naive));
}

/* A convolution that can be afforded: fewer and fewer outputs are tried. */
static Pair random_conv(Stack *s, Pair in)
{
  const NaiveActivation *x = shape_of(s, in);
  const int bias = (int)roll(2);
  const size_t stride = roll(4) ? 1 : 2;
  size_t outputs = roll_between(1, 40), kernel = 1 + 2 * roll(3), padding;
  double pixels, cost;
  padding = roll(3) ? kernel / 2 : roll_between(0, kernel / 2);
  while (x->height + 2 * padding < kernel || x->width + 2 * padding < kernel) {
    kernel -= 2;
    padding = kernel / 2;
  }
  pixels = (double)((x->height + 2 * padding - kernel) / stride + 1) *
           (double)((x->width + 2 * padding - kernel) / stride + 1);
  cost = pixels * (double)(x->channels * kernel * kernel);
  while (outputs > 1 && s->cost + cost * (double)outputs > s->affordable)
    outputs = (outputs + 1) / 2;
  return stack_conv(s, in, outputs, kernel, stride, padding, bias);
}

/* conv norm relu conv norm, and the shortcut added: as it is, through a 1x1 convolution, or
 * subsampled and padded. */
static Pair random_block(Stack *s, Pair in, int affine)
{
  const NaiveActivation x = *shape_of(s, in);
  const int kind = (int)roll(3); /* 0 same shape, 1 projection, 2 pad */
  size_t stride = kind == 0 || x.height == 1 || x.width == 1 ? 1 : roll_between(1, 2),
         outputs = x.channels, most;
  Pair at, shortcut = in;
  most = (size_t)((s->affordable - s->cost) /
                  ((double)(x.height * x.width) * 9 * (double)(x.channels + 20)));
  if (most < 1) most = 1;
  if (kind == 1) outputs = roll_between(1, most < 40 ? most : 40);
  if (kind == 2) outputs = roll_between(x.channels, x.channels + (most < 40 ? most : 40));
  describe(s, " [%s", kind == 0 ? "same" : kind == 1 ? "proj" : "pad");
  at = stack_conv(s, in, outputs, 3, stride, 1, 0);
  if (roll(4)) at = stack_norm(s, at, affine);
  at = stack_relu(s, at);
  at = stack_conv(s, at, outputs, 3, 1, 1, (int)roll(2));
  if (roll(4)) at = stack_norm(s, at, affine);
  if (kind == 1) {
    shortcut = stack_conv(s, in, outputs, 1, stride, 0, 0);
    if (roll(4)) shortcut = stack_norm(s, shortcut, affine);
  }
  at = stack_sum(s, at, shortcut);
  if (roll(4)) at = stack_relu(s, at);
  describe(s, "]");
  return at;
}

/* Begins both networks; the images must be there. */
static void open_stack(Stack *s, Case *c, size_t batch, int threads)
{
  memset(s, 0, sizeof *s);
  s->c = c;
  net_open(&c->net, &c->data, batch, threads);
  naive_open(&c->naive, &c->data);
  c->net_of[0] = 0;
}

/* Closes both networks and makes room for what is compared. */
static void close_stack(Case *c)
{
  int net_of[NAIVE_LAYERS + 1];
  net_close(&c->net);
  naive_close(&c->naive);
  memcpy(net_of, c->net_of, sizeof net_of);
  make_room(c);
  memcpy(c->net_of, net_of, sizeof net_of);
}

/* 1 to 5 parts, then none to 2 hidden dense layers, maybe with a shortcut. The images must be
 * there; batch places. */
static void random_stack(Stack *s, Case *c, size_t batch, int threads, double affordable)
{
  const size_t parts = roll_between(1, 5);
  int affine = (int)roll(2);
  size_t k;
  Pair at = {0, 0};
  open_stack(s, c, batch, threads);
  s->affordable = affordable;
  for (k = 0; k < parts; k++) {
    const NaiveActivation *x = shape_of(s, at);
    const size_t least = x->height < x->width ? x->height : x->width, what = roll(10);
    const double block =
        (double)(x->height * x->width) * 9 * (double)(x->channels * x->channels) * 2;
    if (what < 5) {
      at = random_conv(s, at);
      if (roll(3) == 0) affine = !affine;
      if (roll(2)) at = stack_norm(s, at, affine);
      if (roll(4)) at = stack_relu(s, at);
    } else if (what < 7 && least > 1) {
      const int average = (int)roll(2);
      at = stack_pool(s, at, roll_between(1, least < 4 ? least : 4), average);
    } else if (what == 7 && k > 0) at = stack_norm(s, at, affine);
    else if (what > 7 && s->cost + block < s->affordable && (k > 0 || roll(3) == 0))
      at = random_block(s, at, affine);
  }
  if (roll(3) == 0 && shape_of(s, at)->height == shape_of(s, at)->width)
    at = stack_pool(s, at, shape_of(s, at)->height, 1);
  describe(s, " |");
  for (k = roll(3); k > 0; k--) {
    const NaiveActivation *x = shape_of(s, at);
    size_t outputs = roll_between(1, 70), inputs = x->channels * x->height * x->width;
    while (outputs > 1 && (double)(inputs * outputs) > s->affordable) outputs = outputs / 2;
    at = stack_dense(s, at, outputs);
    if (roll(4)) at = stack_relu(s, at);
    if (roll(3) == 0 && (double)(outputs * outputs) <= s->affordable)
      at = stack_sum(s, stack_dense(s, at, outputs), at);
  }
  stack_dense(s, at, c->net.classes);
  close_stack(c);
}

/* Tensors of the same names at the same places. */
static void compare_tensors(const Case *c)
{
  int k;
  check_count("tensors", (size_t)c->naive.tensors, (size_t)c->net.tensors);
  for (k = 0; k < c->net.tensors && k < c->naive.tensors; k++) {
    const Tensor *t = &c->net.tensor[k];
    const NaiveTensor *e = &c->naive.tensor[k];
    size_t size = 1;
    int d;
    for (d = 0; d < t->dims; d++) size *= t->shape[d];
    check(strcmp(e->name, t->name) == 0 && e->size == t->size && e->offset == t->offset &&
              size == t->size,
          "tensor %d: expected %s, %lu values from %lu on, computed %s, %lu values (%lu by its "
          "shape) from %lu on",
          k, e->name, (unsigned long)e->size, (unsigned long)e->offset, t->name,
          (unsigned long)t->size, (unsigned long)size, (unsigned long)t->offset);
    check(t->prunable == (e->kind == NAIVE_WEIGHT) && t->output == e->output,
          "%s: expected prunable %d and output %d, computed %d and %d", t->name,
          e->kind == NAIVE_WEIGHT, e->output, t->prunable, t->output);
    if (e->kind == NAIVE_WEIGHT || e->kind == NAIVE_BIAS) {
      check_count("fan in", e->fan_in, t->fan_in);
      check_count("fan out", e->fan_out, t->fan_out);
    }
  }
}

static void make_model(Case *c, const Model *m, size_t batch)
{
  net_create(&c->net, m, &c->data, batch, 1);
  naive_model(&c->naive, m, &c->data);
  make_room(c);
}

/* The test set by the running statistics: loss, wrong images; and the activations of its first
 * images. */
static void compare_evaluation(Case *c)
{
  const Split *test = &c->data.test;
  float loss, expected_loss, lane[LANES] = {0};
  size_t wrong = 99, expected_wrong, other = 0,
         images = test->n < c->net.batch ? test->n : c->net.batch;
  poison(&c->net);
  net_evaluate(&c->net, test, &loss, &wrong);
  naive_evaluate(&c->naive, &c->data, test, &expected_loss, &expected_wrong);
  check(same_bits(expected_loss, loss), "loss of the test set: expected %.9g, computed %.9g",
        (double)expected_loss, (double)loss);
  if (!is_finite(expected_loss)) return;
  check_count("wrong images of the test set", expected_wrong, wrong);
  naive_pixels(c->x, &c->data, test, NULL, 0, images);
  naive_forward(&c->naive, c->x, images, 0);
  naive_loss(&c->naive, test->label, images, c->loss, lane, &other);
  poison(&c->net);
  net_load(&c->net, test, NULL, 0, images, NULL);
  net_forward(&c->net, 0);
  compare_activations(c, images);
  check_floats("running statistics after evaluation", c->naive.weight + c->net.parameters,
               c->net.weight + c->net.parameters, c->net.size - c->net.parameters);
}

/* Two or three steps on batches of other sizes; initial values, every number of the passes,
 * evaluation. */
static void compare_stack(Case *c, uint32_t number, const char *what, int steps)
{
  const size_t batch = c->net.batch, n = c->data.train.n;
  int scheme = (int)roll(4), early = (int)roll(2), step;
  uint32_t variant = roll(3);
  size_t k, images;
  Training how;
  Optimizer o;
  random_training(&how);
  if (number % 4) random_mask(c, 0); /* every fourth network is whole */
  compare_tensors(c);
  if (early) set_masks(c);
  net_init(&c->net, scheme, 2000 + number, variant);
  naive_init(&c->naive, scheme, 2000 + number, variant);
  set_masks(c);
  check_floats("initial values", c->naive.weight, c->net.weight, c->net.size);
  if (roll(3) == 0) strange_weights(c);
  optimizer_create(&o, &c->net);
  for (step = 0; step < steps; step++) {
    images = step == 0 ? batch : roll_between(1, batch);
    in_case("%lu (%s; %dx%dx%d, batch %lu of %lu, threads %d, scheme %d, %s, step %d)",
            (unsigned long)number, what, c->data.channels, c->data.height, c->data.width,
            (unsigned long)images, (unsigned long)batch, c->net.threads, scheme,
            how.optimizer == ADAM ? "Adam" : "SGD", step);
    for (k = 0; k < images; k++) c->index[k] = roll((uint32_t)n);
    if (!compare_batch(c, c->index, 0, images)) break; /* diverged */
    optimizer_step(&o, &c->net, &how, how.lr);
    naive_step(&c->naive, &how, how.lr);
    check_floats("weights after a step", c->naive.weight, c->net.weight, c->net.size);
    check_survivors("momentum after a step", c->naive.moment, o.velocity, &c->net);
    check_survivors("second moment after a step", c->naive.square, o.square, &c->net);
    check_masked(&c->net, c->mask);
    if (step == 0) compare_evaluation(c);
    if (step == 1 && roll(2)) { /* pruned further on the way, the optimiser as new */
      random_mask(c, 1);
      set_masks(c);
      optimizer_clear(&o, &c->net);
    }
  }
  check_digest("digest", naive_digest(&c->naive), net_digest(&c->net));
  optimizer_free(&o);
}

/* Masks that keep few input channels whole and none of the others: many sums of a weight
 * gradient come together. */
static void test_crowded_masks(uint64_t seed)
{
  size_t k, j, batch = 20;
  begin("crowded masks");
  /* a third of a million partial sums: 128 x 128 3x3, 784 inputs, very many outputs */
  for (k = 0; k < 3; k++) {
    Case c;
    Stack s;
    Pair at = {0, 0};
    const Tensor *t;
    dice_for(seed, 70000 + (uint32_t)k);
    memset(&c, 0, sizeof c);
    random_data(&c.data, k == 1 ? 1 : 3, k == 1 ? 28 : 4, k == 1 ? 28 : 4, 5, 30, 5);
    open_stack(&s, &c, batch, 1);
    if (k == 0)
      at = stack_conv(&s, stack_relu(&s, stack_conv(&s, at, 128, 1, 1, 0, 1)), 128, 3, 1, 1, 0);
    if (k == 1) at = stack_dense(&s, at, 300);
    if (k == 2) at = stack_conv(&s, stack_conv(&s, at, 9, 1, 1, 0, 0), 1500, 3, 2, 1, 0);
    stack_dense(&s, stack_relu(&s, at), c.net.classes);
    close_stack(&c);
    t = &c.net.tensor[k == 0 ? 2 : k == 1 ? 0 : 1];
    memset(c.mask, 1, c.net.size);
    for (j = 0; j < t->size; j++) { /* whole input channels: 32 of 128, 340 of 784, 3 of 9 */
      const size_t channel = j % t->fan_in / (t->fan_in / t->shape[1]);
      c.mask[t->offset + j] = k == 0   ? channel < 32
                              : k == 1 ? channel >= 220 && channel < 560
                                       : channel < 3;
    }
    set_masks(&c);
    net_init(&c.net, KAIMING_NORMAL, 1, 0);
    naive_init(&c.naive, KAIMING_NORMAL, 1, 0);
    set_masks(&c);
    in_case("%lu", (unsigned long)k);
    check_true("the layer is sparse", c.net.layer[k == 1 ? 0 : 1].forward.step == 0);
    for (j = 0; j < batch; j++) c.index[j] = roll((uint32_t)c.data.train.n);
    compare_batch(&c, c.index, 0, batch);
    free_case(&c);
  }
  end();
}

/* Networks of one's own whose activations several layers read, among them two sums that take one
 * shortcut; and images, of 1 x 2 pixels, whose planes have the size of a dense layer's. */
static void test_shared_activations(uint64_t seed)
{
  uint32_t i;
  begin("activations that several layers read, and planes of one size");
  for (i = 0; i < 12; i++) {
    const int kind = (int)i % 4;
    Case c;
    Stack s;
    Pair a, b, at = {0, 0};
    dice_for(seed, 75000 + i);
    memset(&c, 0, sizeof c);
    random_data(&c.data, 2, kind == 3 ? 1 : 7, kind == 3 ? 2 : 6, 5, 40, 5);
    open_stack(&s, &c, 20, 1);
    a = stack_relu(&s, stack_conv(&s, at, kind == 3 ? 60 : 4, 1, 1, 0, 1));
    if (kind == 0) { /* two sums after one another */
      b = stack_sum(&s, stack_conv(&s, a, 4, 3, 1, 1, 0), a);
      at = stack_sum(&s, stack_conv(&s, b, 6, 3, 1, 1, 1), a);
    } else if (kind == 1) { /* of every second row and column */
      b = stack_relu(&s, stack_sum(&s, stack_conv(&s, a, 6, 3, 2, 1, 1), a));
      at = stack_relu(&s, stack_sum(&s, stack_conv(&s, b, 4, 3, 1, 1, 0), a));
    } else if (kind == 2) { /* a is read by a sum first, by a convolution and a pool later */
      b = stack_sum(&s, stack_conv(&s, at, 5, 3, 1, 1, 1), a);
      at = stack_sum(&s, stack_pool(&s, a, 1, (int)(i / 4) % 2), a);
      at = stack_sum(&s, stack_conv(&s, a, 5, 3, 1, 1, 1), at);
      at = stack_sum(&s, stack_norm(&s, at, 1), b);
    } else {
      at = stack_conv(&s, stack_conv(&s, a, 60, 1, 1, 0, 0), 20, 1, 1, 0, 1);
      at = stack_dense(&s, at, 100);
    }
    stack_dense(&s, at, c.net.classes);
    close_stack(&c);
    compare_stack(&c, i, s.shape, 3);
    free_case(&c);
  }
  end();
}

static void test_stacks(uint64_t seed, uint32_t cases)
{
  /* multiplications of a forward pass */
  static const double affordable[] = {2e5, 1e6, 3e6, 1e7, 3e7};
  size_t kinds[8] = {0}, sparse = 0, dense = 0, masked = 0, strided = 0, partial = 0, several = 0,
         norms = 0, affine = 0, pads = 0;
  uint32_t i;
  int k;
  begin("convolutional networks equal the oracle's, bit for bit");
  for (i = 0; i < cases; i++) {
    Case c;
    Stack s;
    size_t channels, height, width, classes, batch, largest;
    double money;
    dice_for(seed, 60000 + i);
    memset(&c, 0, sizeof c);
    money = affordable[roll(i % 8 == 7 ? 5 : 4)];
    largest = roll(3) ? 12 : 33;
    channels = roll_between(1, 3);
    height = roll_between(1, largest);
    width = roll(2) ? height : roll_between(1, largest);
    classes = roll_between(2, 12);
    batch = roll(3) == 0 ? roll_between(1, 16) : roll_between(1, 70);
    random_data(&c.data, channels, height, width, classes, 70, roll_between(1, 50));
    random_stack(&s, &c, batch, (int)roll_between(1, 3), money / (double)batch);
    in_case("%lu (%s; %lux%lux%lu, batch %lu)", (unsigned long)i, s.shape, (unsigned long)channels,
            (unsigned long)height, (unsigned long)width, (unsigned long)batch);
    compare_stack(&c, i, s.shape, 3);
    partial += batch % LANES != 0;
    several += batch > LANES;
    for (k = 0; k < c.naive.layers; k++) {
      const NaiveLayer *l = &c.naive.layer[k];
      kinds[l->kind]++;
      strided += l->kind == NAIVE_CONV && l->stride > 1;
      norms += l->kind == NAIVE_NORM && l->weight < 0;
      affine += l->kind == NAIVE_NORM && l->weight >= 0;
      if (l->kind == NAIVE_SUM)
        pads += c.naive.activation[l->shortcut].channels < c.naive.activation[l->in].channels ||
                l->stride > 1;
    }
    for (k = 0; k < c.net.layers; k++) {
      const Layer *l = &c.net.layer[k];
      if (l->weight < 0 || !c.net.tensor[l->weight].prunable) continue;
      sparse += is_sparse(l);
      masked += !is_sparse(l) && l->survivors < c.net.tensor[l->weight].size;
      dense += !is_sparse(l) && l->survivors == c.net.tensor[l->weight].size;
    }
    free_case(&c);
  }
  in_case("%lu cases", (unsigned long)cases);
  if (cases >= 100) {
    for (k = 0; k < 7; k++)
      check(kinds[k] >= 20, "layers of kind %d: expected 20 or more, computed %lu", k,
            (unsigned long)kinds[k]);
    check(sparse >= 20 && dense >= 20 && masked >= 20,
          "sparse, dense and masked dense layers: expected 20 or more each, computed %lu, %lu, %lu",
          (unsigned long)sparse, (unsigned long)dense, (unsigned long)masked);
    check(strided >= 20 && partial >= 20 && several >= 20 && norms >= 20 && affine >= 20 &&
              pads >= 5,
          "strided, partial tile, several tiles, norms, affine norms, pad shortcuts: expected 20 "
          "or more (pads 5), computed %lu %lu %lu "
          "%lu %lu %lu",
          (unsigned long)strided, (unsigned long)partial, (unsigned long)several,
          (unsigned long)norms, (unsigned long)affine, (unsigned long)pads);
  }
  end();
}

/* The models: every tensor; of those that an oracle can afford initial values, two steps and
 * evaluation. */
static void test_models(uint64_t seed)
{
  static const struct {
    const char *name;
    int pad, affine, compared; /* compared: images of a batch, 0: only the tensors */
    size_t size;
  } models[] = {
      {"conv2", 0, 1, 3, 8},       {"conv4", 0, 1, 3, 8},      {"conv6", 0, 1, 2, 8},
      {"conv2", 0, 1, 0, 32},      {"vgg11", 0, 1, 0, 32},     {"vgg13", 0, 1, 0, 32},
      {"vgg16", 0, 1, 0, 32},      {"vgg19", 0, 0, 0, 32},     {"resnet20", 0, 1, 0, 32},
      {"resnet20", 1, 0, 0, 32},   {"resnet20-4", 0, 1, 5, 8}, {"resnet20-5", 1, 0, 18, 8},
      {"resnet32-3", 1, 1, 3, 8},  {"resnet44", 0, 0, 0, 32},  {"resnet56", 1, 1, 0, 32},
      {"resnet110-2", 0, 1, 2, 8}, {"resnet8-3", 0, 1, 18, 2}, {"resnet8-3", 1, 0, 18, 3},
  };
  size_t i;
  begin("models have OpenLTH's tensors and equal the oracle's");
  for (i = 0; i < sizeof models / sizeof *models; i++) {
    Model m = {0};
    Case c;
    dice_for(seed, 70000 + (uint32_t)i);
    memset(&c, 0, sizeof c);
    m.name = models[i].name;
    m.pad_shortcut = models[i].pad;
    m.affine = models[i].affine;
    random_data(&c.data, 3, models[i].size, models[i].size, 10, models[i].compared ? 20 : 1,
                models[i].compared ? 5 : 0);
    in_case("%s%s%s", m.name, m.pad_shortcut ? ", pad shortcut" : "",
            m.affine ? "" : ", no affine");
    make_model(&c, &m, models[i].compared ? (size_t)models[i].compared : 1);
    check(strcmp(m.name, c.net.model) == 0, "expected the name %s, computed %s", m.name,
          c.net.model);
    if (models[i].compared) compare_stack(&c, (uint32_t)i, m.name, 2);
    else compare_tensors(&c);
    free_case(&c);
  }
  end();
}

/* The same training with 1, 2 and 3 threads. (One thread each time if built without OpenMP.) */
static void test_threads(uint64_t seed)
{
  int threads, density;
  begin("1, 2 and 3 threads give the same bits");
  for (density = 1; density <= 8; density += 7) {
    uint64_t digest[4] = {0};
    float loss[4];
    size_t wrong;
    for (threads = 1; threads <= 3; threads++) {
      Training how;
      Optimizer o;
      Case c;
      size_t j;
      static const Model m = {"resnet20-7", 0, 1, NULL};
      dice_for(seed, 80000);
      memset(&c, 0, sizeof c);
      random_training(&how);
      how.optimizer = SGD;
      how.lr = 0.01f;
      in_case("%d eighths of the weights, %d threads", density, threads);
      random_data(&c.data, 3, 16, 16, 10, 150, 70);
      net_create(&c.net, &m, &c.data, 50, threads);
      naive_model(&c.naive, &m, &c.data);
      make_room(&c);
      check_count("threads", (size_t)threads, (size_t)c.net.threads);
      for (j = 0; j < c.net.size; j++)
        c.mask[j] = !c.net.tensor[0].prunable || j >= first_of_output(&c.net) ||
                    roll(8) < (uint32_t)density;
      for (j = 0; j < (size_t)c.net.tensors; j++)
        if (!c.net.tensor[j].prunable)
          memset(c.mask + c.net.tensor[j].offset, 1, c.net.tensor[j].size);
      set_masks(&c);
      net_init(&c.net, KAIMING_NORMAL, seed, 0);
      optimizer_create(&o, &c.net);
      train(&c.net, &o, &c.data, &how, 0, 0, 6, 0, NULL, NULL);
      digest[threads] = net_digest(&c.net);
      net_evaluate(&c.net, &c.data.test, &loss[threads], &wrong);
      check_digest("digest", digest[1], digest[threads]);
      check_float("loss of the test set", loss[1], loss[threads]);
      optimizer_free(&o);
      free_case(&c);
    }
  }
  end();
}

/* Gradients against central differences (loss(w + h) - loss(w - h)) / 2h of the loss in double.
 *
 * h = 1e-5: the differences err by h^2 loss'''/6 (about 1e-10) and by rounding, 1e-16 / h =
 * 1e-11. No ReLU has an input nearer to 0 than 1e-3 (other draws are thrown away), and h moves
 * none that far, so no kink lies between. The gradients themselves are sums in float of at most
 * 48 terms at each of at most 4 layers, forward and back: an error of a few hundred 2^-24 = 2e-5
 * of the terms' sizes at the very worst, and a tenth of that where the signs of roundings vary.
 * Tolerance: 5e-6 of the size of the terms, for which we take the sum of |gradient| over the
 * images one by one, the largest in the tensor. (The gradient itself is no measure: its terms
 * may cancel. So may p - 1 for an image's label, hence the same again with the next label.) One
 * of 20 images left out exceeds it a thousandfold. */
static void test_differences(uint64_t seed)
{
  static const double h = 1e-5;
  size_t made = 0, tries;
  begin("gradients equal finite differences");
  dice_for(seed, 13);
  for (tries = 0; made < 12 && tries < 1000; tries++) {
    size_t hidden[3], depth = roll_between(1, 3), images = roll_between(1, 20), i, j, wrong = 0;
    double nearest = 1, *terms;
    float lane[LANES] = {0}, *gradient;
    int k;
    Case c;
    memset(&c, 0, sizeof c);
    for (j = 0; j < depth; j++) hidden[j] = roll_between(2, 9);
    random_shape(&c.data, 4, 6, images);
    make_networks(&c, hidden, depth, images);
    if (roll(2)) random_mask(&c, 0);
    set_masks(&c);
    net_init(&c.net, KAIMING_NORMAL, tries, 0);
    memcpy(c.naive.weight, c.net.weight, c.net.size * sizeof(float));
    naive_pixels(c.x, &c.data, &c.data.train, NULL, 0, images);
    naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, c.net.size, 0, &nearest);
    if (nearest > 1e-3) {
      made++;
      in_case("try %lu (%s, %lu images)", (unsigned long)tries, c.model, (unsigned long)images);
      net_load(&c.net, &c.data.train, NULL, 0, images, NULL);
      net_forward(&c.net, 1);
      net_loss(&c.net, lane, &wrong);
      net_backward(&c.net);
      check_near(
          "loss",
          naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, c.net.size, 0, &nearest),
          (double)naive_lanes(lane) / (double)images, 1e-5);
      terms = room(c.net.size, sizeof *terms);
      for (i = 0; i < 2 * images; i++) {
        unsigned char label = (unsigned char)((c.data.train.label[i / 2] + i % 2) % c.net.classes);
        naive_batch(&c.naive, c.x + i / 2 * c.naive.inputs, &label, 1, c.logits, c.loss, lane,
                    &wrong);
        for (j = 0; j < c.net.size; j++)
          terms[j] += fabs((double)c.naive.gradient[j]) / (double)images;
      }
      gradient = room(c.net.size, sizeof *gradient); /* 0 where masked */
      for (j = 0; j < c.net.survivors; j++) gradient[c.net.survivor[j]] = c.net.gradient[j];
      for (k = 0; k < c.net.tensors; k++) {
        const Tensor *t = &c.net.tensor[k];
        double most = 0;
        for (j = t->offset; j < t->offset + t->size; j++)
          if (terms[j] > most) most = terms[j];
        for (j = t->offset; j < t->offset + t->size; j++) {
          double up =
              naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, j, h, &nearest);
          double down =
              naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, j, -h, &nearest);
          check_near(t->name, (up - down) / (2 * h), (double)gradient[j], 5e-6 * most + 1e-9);
        }
      }
      free(terms);
      free(gradient);
      check(nearest > 0, "nearest kink: expected > 0, computed %.9g", nearest);
    }
    free_case(&c);
  }
  in_case("%lu tries", (unsigned long)tries);
  check_count("networks far from kinks", 12, made);
  end();
}

/* The gradients of convolutional networks against central differences of the oracle's loss in
 * double; that nn.c's are the oracle's is compared on the way. h, kinks and errors of the
 * differences as in test_differences; but batch norm makes every image depend on the others and
 * multiplies by 1/deviation, so the size of the terms is not simply measured:: of the larger of
 * the largest gradient in the tensor and 1/10 of the largest of all, the error of 12 x 28
 * networks was below 2e-4 but for one bias before a norm over nearly equal numbers, whose
 * gradient is 0 and came to 5e-3. One of 20 images left out would be 5e-2. */
static void test_conv_differences(uint64_t seed)
{
  enum { NETWORKS = 28, PLACES = 12 };
  static const double h = 1e-5;
  size_t made = 0, tries;
  begin("gradients of convolutional networks equal finite differences");
  dice_for(seed, 90000);
  for (tries = 0; made < NETWORKS && tries < 3000; tries++) {
    size_t images = roll_between(6, 20), i, j, height = roll_between(2, 7),
           width = roll_between(2, 7);
    double nearest = 1, largest = 0;
    int k;
    Case c;
    Stack s;
    memset(&c, 0, sizeof c);
    random_data(&c.data, roll_between(1, 3), height, width, 3, images, 0);
    random_stack(&s, &c, images, 1, 1500);
    if (roll(2)) random_mask(&c, 0);
    set_masks(&c);
    net_init(&c.net, KAIMING_NORMAL, tries, 0);
    memcpy(c.naive.weight, c.net.weight, c.net.size * sizeof(float));
    naive_pixels(c.x, &c.data, &c.data.train, NULL, 0, images);
    naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, c.net.size, 0, &nearest);
    /* each kind has its turns */
    for (j = 0, k = 0; k < c.naive.layers; k++) j += c.naive.layer[k].kind == (int)(made % 7);
    if (nearest > 5e-4 && j > 0) {
      made++;
      in_case("try %lu (%s; %lux%lu, %lu images)", (unsigned long)tries, s.shape,
              (unsigned long)height, (unsigned long)width, (unsigned long)images);
      compare_batch(&c, NULL, 0, images);
      for (j = 0; j < c.naive.trained; j++)
        if (fabs((double)c.naive.gradient[j]) > largest)
          largest = fabs((double)c.naive.gradient[j]);
      for (k = 0; k < c.naive.tensors; k++) {
        const NaiveTensor *t = &c.naive.tensor[k];
        double most = largest / 10;
        if (t->offset >= c.naive.trained) continue;
        for (j = t->offset; j < t->offset + t->size; j++)
          if (fabs((double)c.naive.gradient[j]) > most) most = fabs((double)c.naive.gradient[j]);
        for (i = 0; i < PLACES && i < t->size; i++) {
          double up, down;
          j = t->offset + (t->size <= PLACES ? i : roll((uint32_t)t->size));
          up = naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, j, h, &nearest);
          down = naive_loss_in_double(&c.naive, c.x, c.data.train.label, images, j, -h, &nearest);
          check_near(t->name, (up - down) / (2 * h), (double)c.naive.gradient[j],
                     1e-2 * most + 1e-9);
        }
      }
    }
    free_case(&c);
  }
  in_case("%lu tries", (unsigned long)tries);
  check_count("networks far from kinks", NETWORKS, made);
  end();
}

/* A weight that is NaN reaches the loss of every image, by either kernel: a training that
 * diverges must be seen. */
static void test_divergence(uint64_t seed)
{
  static const size_t hidden[] = {12, 5};
  size_t k, i, j, wrong = 0;
  begin("a weight that is NaN shows in the loss");
  dice_for(seed, 20);
  for (i = 0; i < 18; i++) {
    float lane[LANES] = {0};
    Case c;
    memset(&c, 0, sizeof c);
    random_data(&c.data, 1, 4, 4, 3, 40, 0);
    make_networks(&c, hidden, 2, 40);
    for (k = 0; k < c.net.tensor[0].size; k++) c.mask[k] = i % 2 || roll(4) == 0;
    set_masks(&c);
    net_init(&c.net, KAIMING_UNIFORM, i, 0);
    j = i < 9 ? c.net.survivor[roll((uint32_t)c.net.layer[0].survivors)]
              : c.net.tensor[i < 15 ? 1 : 3].offset + roll(5);
    c.net.weight[j] = from_bits(0x7fc00000);
    in_case("parameter %lu of %lu is NaN", (unsigned long)j, (unsigned long)c.net.size);
    net_load(&c.net, &c.data.train, NULL, 0, 40, NULL);
    net_forward(&c.net, 1);
    net_loss(&c.net, lane, &wrong);
    for (k = 0; k < 40 && !is_finite(c.net.loss[k]);) k++;
    check_count("images whose loss is not finite", 40, k);
    check_true("their sum is not finite", !is_finite(naive_lanes(lane)));
    free_case(&c);
  }
  end();
}

/* The loss of a whole set is one sum, whatever the batch. */
static void test_evaluate(uint64_t seed)
{
  static const size_t batches[] = {1, 7, 16, 17, 60, 128, 129, 200, 203, 300}, hidden[] = {19, 11};
  size_t k, s;
  begin("evaluation does not depend on the batch");
  dice_for(seed, 14);
  for (s = 0; s < 6; s++) {
    size_t n = s == 0   ? 203
               : s == 1 ? 1
               : s == 2 ? 16
                        : roll_between(2, 500),
           wrong, expected_wrong;
    float loss, expected_loss;
    Dataset d;
    random_data(&d, 1, 5, 5, 7, 3, n);
    for (k = 0; k < sizeof batches / sizeof *batches; k++) {
      Case c;
      memset(&c, 0, sizeof c);
      c.data = d;
      make_networks(&c, hidden, 2, batches[k]);
      net_init(&c.net, KAIMING_UNIFORM, s, 0);
      memcpy(c.naive.weight, c.net.weight, c.net.size * sizeof(float));
      in_case("%lu images, batch %lu", (unsigned long)n, (unsigned long)batches[k]);
      wrong = 99; /* is set, not added to */
      net_evaluate(&c.net, &d.test, &loss, &wrong);
      naive_evaluate(&c.naive, &d, &d.test, &expected_loss, &expected_wrong);
      check_floats("loss", &expected_loss, &loss, 1);
      check_count("wrong images", expected_wrong, wrong);
      memset(&c.data, 0, sizeof c.data); /* d is used again */
      free_case(&c);
    }
    free_data(&d);
  }
  end();
}

/* Names, shapes and places of the tensors are those of OpenLTH's state_dict. */
static void test_layout(void)
{
  static const struct {
    const char *name;
    size_t rows, columns;
    int prunable, output;
  } expected[] = {{"fc_layers.0.weight", 300, 784, 1, 0}, {"fc_layers.0.bias", 300, 0, 0, 0},
                  {"fc_layers.1.weight", 100, 300, 1, 0}, {"fc_layers.1.bias", 100, 0, 0, 0},
                  {"fc.weight", 10, 100, 1, 1},           {"fc.bias", 10, 0, 0, 1}};
  size_t offset = 0;
  Model lenet = {"lenet-300-100", 0, 1, NULL};
  Dataset d;
  Net net;
  int k;
  memset(&d, 0, sizeof d);
  begin("layout of lenet-300-100");
  d.channels = 1;
  d.height = d.width = 28;
  d.classes = 10;
  d.deviation[0] = 1;
  net_create(&net, &lenet, &d, 60, 1);
  check_count("tensors", 6, (size_t)net.tensors);
  for (k = 0; k < net.tensors && k < 6; k++) {
    const Tensor *t = &net.tensor[k];
    size_t size = expected[k].rows * (expected[k].columns ? expected[k].columns : 1);
    in_case("tensor %d", k);
    check(strcmp(t->name, expected[k].name) == 0, "expected %s, computed %s", expected[k].name,
          t->name);
    check_count("dimensions", expected[k].columns ? 2 : 1, (size_t)t->dims);
    check_count("rows", expected[k].rows, t->shape[0]);
    if (expected[k].columns) check_count("columns", expected[k].columns, t->shape[1]);
    check_count("size", size, t->size);
    check_count("offset", offset, t->offset);
    check_count("prunable", (size_t)expected[k].prunable, t->prunable != 0);
    check_count("output", (size_t)expected[k].output, t->output != 0);
    offset += size;
  }
  check_count("parameters", 266610, net.size);
  check_count("prunable", 266200, net_prunable(&net, 0));
  check_count("surviving", 266200, net_prunable(&net, 1));
  net_free(&net);
  end();
}

/* ==== initial values ======================================================================== */

/* Bounds, mean and variance of every scheme, within 5 standard deviations of their estimates (of
 * n squares of normals 2/n, of uniforms 0.8/n); the exact bits are compared with the oracle's in
 * compare_case, and frozen here. */
static void test_init(uint64_t seed)
{
  static const char *const names[] = {"kaiming-normal", "kaiming-uniform", "glorot-normal",
                                      "sparse-aware"};
  static const uint64_t frozen[4] = {0x6f61a48b0d19b149u, 0x67554c0583d10f7cu, 0x9d78c613c6a1d06fu,
                                     0x6f61a48b0d19b149u};
  static const size_t hidden[] = {120, 90};
  size_t j, k;
  int scheme;
  begin("initial values");
  dice_for(seed, 15);
  for (scheme = 0; scheme < 4; scheme++) {
    Case c;
    uint64_t digest;
    memset(&c, 0, sizeof c);
    random_data(&c.data, 1, 12, 12, 10, 1, 0);
    make_networks(&c, hidden, 2, 16);
    in_case("%s", names[scheme]);
    net_init(&c.net, scheme, 1, 0);
    digest = net_digest(&c.net);
    check_digest("frozen, seed 1 variant 0", frozen[scheme], digest);
    net_init(&c.net, scheme, 1, 1);
    check_true("variant 1 differs", net_digest(&c.net) != digest);
    net_init(&c.net, scheme, 2, 0);
    check_true("seed 2 differs", net_digest(&c.net) != digest);
    net_init(&c.net, scheme, 1, 0);
    check_digest("the same again", digest, net_digest(&c.net));
    for (j = 0; j < c.net.size; j++)
      c.mask[j] = !c.net.tensor[0].prunable || j >= c.net.tensor[0].size || roll(10) == 0;
    set_masks(&c);
    net_init(&c.net, scheme, seed, 3);
    naive_init(&c.naive, scheme, seed, 3);
    check_floats("masked, the oracle's", c.naive.weight, c.net.weight, c.net.size);
    for (k = 0; k < (size_t)c.net.tensors; k++) {
      const Tensor *t = &c.net.tensor[k];
      const float *w = c.net.weight + t->offset;
      double sum = 0, squares = 0, most = 0, n = 0, bound, variance, spread;
      for (j = 0; j < t->size; j++) {
        double inputs = (double)t->fan_in, scaled; /* scaled: w so that its variance is to be 1 */
        if (!c.mask[t->offset + j]) continue;
        if (scheme == SPARSE_AWARE && t->prunable) {
          size_t row = j / t->fan_in * t->fan_in, i;
          for (inputs = 0, i = 0; i < t->fan_in; i++) inputs += c.mask[t->offset + row + i];
        }
        if (scheme == GLOROT_NORMAL && t->prunable) inputs += (double)t->fan_out;
        variance = t->prunable ? 2 / inputs : 1 / (3 * inputs);
        scaled = (double)w[j] / sqrt(variance);
        sum += scaled;
        squares += scaled * scaled;
        if (fabs(scaled) > most) most = fabs(scaled);
        n++;
      }
      in_case("%s, %s", names[scheme], t->name);
      spread = !t->prunable || scheme == KAIMING_UNIFORM ? 0.8 : 2;
      bound = spread < 1 ? sqrt(3.0) * (1 + 1e-6) : 5.8;
      check_near("mean of w / deviation", 0, sum / n, 5 / sqrt(n));
      check_near("variance of w / deviation", 1, squares / n, 5 * sqrt(spread / n));
      check(at_most(most, bound), "largest of w / deviation: expected at most %.9g, computed %.9g",
            bound, most);
      check(at_most(0.5 * sqrt(3.0), most),
            "largest of w / deviation: expected at least %.9g, computed %.9g", 0.5 * sqrt(3.0),
            most);
    }
    free_case(&c);
  }
  end();
}

/* ==== optimisers, schedules, training ======================================================= */

static void test_learning_rate(void)
{
  static const struct {
    int schedule;
    long warmup, step;
    uint32_t frozen;
  } frozen[] = {{CONSTANT, 0, 7, 0x3dcccccd},  {STEP, 0, 400, 0x3b83126f},
                {STEP, 30, 11, 0x3d162fca},    {COSINE, 0, 333, 0x3d99b15f},
                {COSINE, 100, 99, 0x3dc5e364}, {COSINE, 0, 1000, 0}};
  Training how;
  size_t k;
  long step;
  int schedule, w;
  memset(&how, 0, sizeof how);
  how.lr = 0.1f;
  how.gamma = 0.2f;
  how.milestones = 3;
  how.milestone[0] = 300;
  how.milestone[1] = 400;
  how.milestone[2] = 900;
  how.steps = 1000;
  begin("learning rates");
  for (schedule = CONSTANT; schedule <= COSINE; schedule++)
    for (w = 0; w < 3; w++)
      for (step = 0; step <= 1000; step++) {
        double expected = 0.1;
        how.schedule = schedule;
        how.warmup = w == 0 ? 0 : w == 1 ? 100 : 333;
        if (schedule == STEP)
          expected *= step >= 900 ? 0.008 : step >= 400 ? 0.04 : step >= 300 ? 0.2 : 1;
        if (schedule == COSINE) expected *= (1 + cosine_of_turns((double)step / 2000)) / 2;
        if (step < how.warmup) expected *= (double)step / (double)how.warmup;
        in_case("schedule %d, warm-up %ld, step %ld", schedule, how.warmup, step);
        /* each of at most 6 roundings errs by 2^-24 of 0.1, the cosine by 2e-7 of half of it */
        check_near("rate", expected, (double)learning_rate(&how, step),
                   0.1 * (6 * ldexp(1, -24) + 1e-7));
        check_float("the oracle's rate", naive_learning_rate(&how, step),
                    learning_rate(&how, step));
      }
  for (k = 0; k < sizeof frozen / sizeof *frozen; k++) {
    how.schedule = frozen[k].schedule;
    how.warmup = frozen[k].warmup;
    in_case("schedule %d, warm-up %ld, step %ld", how.schedule, how.warmup, frozen[k].step);
    check_float("frozen rate", from_bits(frozen[k].frozen), learning_rate(&how, frozen[k].step));
  }
  how.schedule = COSINE; /* numbers that do not fit into a float's 24 bits */
  how.warmup = 33554435;
  how.steps = 123456789;
  for (step = 1; step < how.steps; step = 2 * step + 1) {
    in_case("of %ld steps, step %ld", how.steps, step);
    check_float("the oracle's rate", naive_learning_rate(&how, step), learning_rate(&how, step));
  }
  end();
}

/* Adam's bias corrections 1 - beta^t, and its first step, which is lr in the direction of the
 * gradient's sign. */
static void test_adam(uint64_t seed)
{
  static const size_t hidden[] = {5};
  Training how;
  Optimizer o;
  Case c;
  size_t j, wrong = 0;
  int t;
  float lane[LANES] = {0}, *before;
  memset(&c, 0, sizeof c);
  memset(&how, 0, sizeof how);
  begin("Adam");
  dice_for(seed, 17);
  random_data(&c.data, 1, 4, 4, 3, 20, 0);
  make_networks(&c, hidden, 1, 20);
  net_init(&c.net, KAIMING_UNIFORM, seed, 0);
  net_load(&c.net, &c.data.train, NULL, 0, 20, NULL);
  net_forward(&c.net, 1);
  net_loss(&c.net, lane, &wrong);
  net_backward(&c.net);
  optimizer_create(&o, &c.net);
  how.optimizer = ADAM;
  before = room(c.net.size, sizeof *before);
  memcpy(before, c.net.weight, c.net.size * sizeof *before);
  optimizer_step(&o, &c.net, &how, 0.01f);
  for (j = 0; j < c.net.size; j++) {
    /* m = 0.1 g, s = 0.001 g^2; corrected g and |g|: a step of lr g / (|g| + eps) */
    double g = c.net.gradient[j];
    in_case("step 1, parameter %lu, gradient %g", (unsigned long)j, g);
    /* g^2 may underflow */
    if (fabs(g) < 1e-12) check_near("change", 0, (double)c.net.weight[j] - (double)before[j], 1e-6);
    else
      check_near("change", -0.01 * g / (fabs(g) + 1e-8),
                 (double)c.net.weight[j] - (double)before[j], 1e-6);
  }
  for (t = 1; t <= 5000; t++) {
    in_case("step %d", t);
    /* c + 0.1 (1 - c) keeps the relative error below 3 roundings per 1/(1 - 0.9) steps: each
     * step forgets a tenth of it; the constants 0.1f and 0.001f are themselves off by 1.5e-8 and
     * 4.7e-8 of their size */
    check_near("1 - 0.9^t", 1 - pow(0.9, t), (double)o.correction[0],
               (1 - pow(0.9, t)) * 5e-7 + 1e-9);
    check_near("1 - 0.999^t", 1 - pow(0.999, t), (double)o.correction[1],
               (1 - pow(0.999, t)) * 3e-5);
    if (t < 5000) optimizer_step(&o, &c.net, &how, 0);
  }
  optimizer_clear(&o, &c.net);
  check_float("correction 1 cleared", 0, o.correction[0]);
  check_float("correction 2 cleared", 0, o.correction[1]);
  for (wrong = 0, j = 0; j < c.net.size; j++)
    wrong += bits(o.velocity[j]) != 0 || bits(o.square[j]) != 0;
  check_count("moments left after clearing", 0, wrong);
  free(before);
  optimizer_free(&o);
  free_case(&c);
  end();
}

/* What train() reports is collected here and checked on the way. */
typedef struct {
  size_t n, batch, epochs, calls;
  long next; /* step expected */
} Watched;

static void watch(void *context, const Progress *p)
{
  Watched *w = context;
  size_t per_epoch = (w->n + w->batch - 1) / w->batch, batch = (size_t)w->next % per_epoch, seen;
  w->calls++;
  w->next++;
  seen = batch + 1 == per_epoch ? w->n : (batch + 1) * w->batch;
  check_count("step reported", (size_t)w->next, (size_t)p->step);
  check_count("epoch reported", (size_t)(w->next - 1) / per_epoch, (size_t)p->epoch);
  check_count("epochs reported", w->epochs, (size_t)p->epochs);
  check_count("end of epoch reported", batch + 1 == per_epoch, p->epoch_done != 0);
  check_count("images seen", seen, p->seen);
  check_true("loss and wrong images are possible",
             p->loss > 0 && is_finite(p->loss) && p->wrong <= p->seen);
}

/* Trains from step `from` to `to` after initialisation; the digest. */
static uint64_t train_some(Case *c, const Training *how, uint32_t level, long from, long to,
                           float lr, Watched *w)
{
  Optimizer o;
  optimizer_create(&o, &c->net);
  net_init(&c->net, KAIMING_NORMAL, 5, 0);
  train(&c->net, &o, &c->data, how, level, from, to, lr, w ? watch : NULL, w);
  check_masked(&c->net, c->mask);
  optimizer_free(&o);
  return net_digest(&c->net);
}

static void test_train(uint64_t seed)
{
  static const size_t hidden[] = {23, 9};
  static const uint64_t frozen[2] = {0x3d76816880955ceau, 0x99f9e1146572e99cu};
  static const long STEPS = 40, middles[] = {1, 8, 21};
  size_t k;
  int run;
  begin("training");
  for (run = 0; run < 4; run++) { /* SGD and Adam; dense and masked */
    Training how;
    Optimizer o;
    Case c;
    Watched w = {117, 16, 5, 0, 0}; /* 40 steps, 8 an epoch */
    uint64_t digest;
    dice_for(run < 2 ? 1 : seed, 18);
    memset(&c, 0, sizeof c);
    memset(&how, 0, sizeof how);
    how.optimizer = run % 2 ? ADAM : SGD;
    how.lr = run % 2 ? 0.005f : 0.05f;
    how.momentum = 0.9f;
    how.nesterov = 1;
    how.weight_decay = 1e-3f;
    how.schedule = run % 2 ? COSINE : STEP;
    how.gamma = 0.1f;
    how.milestones = 1;
    how.milestone[0] = 28;
    how.warmup = 10;
    how.steps = STEPS;
    how.order_seed = run < 2 ? 77 : seed;
    random_data(&c.data, 1, 5, 7, 10, 117, 0); /* 8 batches of 16, the last one of 5 */
    make_networks(&c, hidden, 2, 16);
    if (run >= 2) random_mask(&c, 0);
    set_masks(&c);
    in_case("%s%s", run % 2 ? "Adam" : "SGD", run >= 2 ? ", masked" : "");
    digest = train_some(&c, &how, 3, 0, STEPS, 0, &w);
    check_count("calls of watch", (size_t)STEPS, w.calls);
    if (run < 2) check_digest("frozen", frozen[run], digest);
    naive_init(&c.naive, KAIMING_NORMAL, 5, 0);
    naive_train(&c.naive, &c.data, &how, 3, 0, STEPS, 0, 16);
    check_digest("the oracle's training", naive_digest(&c.naive), digest);
    check_digest("the same again", digest, train_some(&c, &how, 3, 0, STEPS, 0, NULL));
    if (net_prunable(&c.net, 1) > 0) {
      check_true("level 2 differs", train_some(&c, &how, 2, 0, STEPS, 0, NULL) != digest);
      check_true("steps 1 to 40 differ from 0 to 40",
                 train_some(&c, &how, 3, 1, STEPS, 0, NULL) != digest);
      how.order_seed++;
      check_true("another order seed differs",
                 train_some(&c, &how, 3, 0, STEPS, 0, NULL) != digest);
      how.order_seed--;
    }
    /* an interruption in the middle changes nothing */
    for (k = 0; k < sizeof middles / sizeof *middles; k++) {
      in_case("%s%s, steps 0 to %ld to %ld", run % 2 ? "Adam" : "SGD", run >= 2 ? ", masked" : "",
              middles[k], STEPS);
      optimizer_create(&o, &c.net);
      net_init(&c.net, KAIMING_NORMAL, 5, 0);
      train(&c.net, &o, &c.data, &how, 3, 0, middles[k], 0, NULL, NULL);
      train(&c.net, &o, &c.data, &how, 3, middles[k], STEPS, 0, NULL, NULL);
      check_digest("in two parts", digest, net_digest(&c.net));
      optimizer_free(&o);
    }
    in_case("%s%s, fine-tuning", run % 2 ? "Adam" : "SGD", run >= 2 ? ", masked" : "");
    digest = train_some(&c, &how, 3, 20, 32, 0.01f, NULL);
    how.schedule = CONSTANT;
    how.warmup = 0;
    how.lr = 0.01f;
    check_digest("a given rate replaces the schedule", train_some(&c, &how, 3, 20, 32, 0, NULL),
                 digest);
    free_case(&c);
  }
  end();
}

/* ==== safetensors =========================================================================== */

static void check_text(const char *what, const char *expected, const char *computed)
{
  check(computed && strcmp(expected, computed) == 0, "%s: expected %s, computed %s", what, expected,
        computed ? computed : "none");
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
  Output out;
  output_open(&out, path);
  output_bytes(&out, bytes, size);
  output_close(&out);
}

/* What is written is read back, and its bytes are those of the format: 8 bytes length, JSON,
 * little-endian data. */
static void test_safetensors_written(const char *path, uint64_t seed)
{
  static const char *const names[] = {"fc.weight", "a \"quoted\" \\ name\twith\ntabs",
                                      "Gr\xc3\xb6\xc3\x9f\145 \xe2\x82\xac \xf0\x9f\x8e\xab",
                                      "scalar", "empty"};
  static const char *const keys[] = {"digest", "path \"C:\\new\"", "", "\x01\x1f\x7f"};
  static const char *const values[] = {"0123456789abcdef", "a\\b/c\"d\"\r\n\b\f", "",
                                       "\xc3\xa9\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"};
  static const size_t shapes[][4] = {{3, 5}, {2, 3, 4, 5}, {1000, 2}, {0}, {4, 0, 3}};
  static const int dims[] = {2, 4, 2, 0, 3};
  static const uint32_t numbers[] = {0,          0x80000000, 1,          0x7fc00001, 0xffa00001,
                                     0x7f800000, 0xff800000, 0x3f800000, 0x12345678};
  Entry entries[5];
  char *key[4], *value[4];
  Safetensors s, back;
  unsigned char *file;
  size_t size, header = 0, j;
  int i, d;
  dice_for(seed, 19);
  memset(&s, 0, sizeof s);
  memset(entries, 0, sizeof entries);
  for (i = 0; i < 5; i++) {
    Entry *e = &entries[i];
    strcpy(e->name, names[i]);
    e->type = i == 2 ? 'U' : 'F';
    e->dims = dims[i];
    e->size = 1;
    for (d = 0; d < dims[i]; d++) e->size *= e->shape[d] = shapes[i][d];
    e->data = room(e->size, i == 2 ? 1 : sizeof(float));
    for (j = 0; j < e->size; j++) {
      uint32_t u = roll(2) ? numbers[roll(sizeof numbers / sizeof *numbers)]
                           : naive_bits(dice.stream, dice.at++);
      if (i == 2) ((unsigned char *)e->data)[j] = (unsigned char)(u & 255);
      else memcpy((float *)e->data + j, &u, sizeof u); /* signalling NaNs too */
    }
  }
  ((float *)entries[0].data)[0] = 1;
  for (i = 0; i < 4; i++) {
    key[i] = room(strlen(keys[i]) + 1, 1);
    strcpy(key[i], keys[i]);
    value[i] = room(strlen(values[i]) + 1, 1);
    strcpy(value[i], values[i]);
  }
  s.entries = 5;
  s.entry = entries;
  s.pairs = 4;
  s.key = key;
  s.value = value;
  safetensors_write(&s, path);
  memset(&back, 0xca, sizeof back);
  safetensors_read(&back, path);
  check_count("tensors", 5, (size_t)back.entries);
  check_count("pairs and the checksum", 5, (size_t)back.pairs);
  check_true("the checksum fits", back.checked && safetensors_value(&back, "checksum") &&
                                      strlen(safetensors_value(&back, "checksum")) == 16);
  for (i = 0; i < 5; i++) {
    const Entry *e = safetensors_find(&back, names[i]);
    in_case("tensor %s", names[i]);
    check(e != NULL, "expected to be found, computed nothing");
    if (!e) continue;
    check_count("type", (size_t)entries[i].type, (size_t)e->type);
    check_count("dimensions", (size_t)dims[i], (size_t)e->dims);
    for (d = 0; d < dims[i]; d++) check_count("shape", shapes[i][d], e->shape[d]);
    check_count("size", entries[i].size, e->size);
    check_true("data",
               memcmp(entries[i].data, e->data, e->size * (i == 2 ? 1 : sizeof(float))) == 0);
  }
  for (i = 0; i < 4; i++) {
    in_case("metadata %d", i);
    check_text("value", values[i], safetensors_value(&back, keys[i]));
  }
  in_case("what is not there");
  check_true("no tensor of that name",
             safetensors_find(&back, "fc") == NULL && safetensors_find(&back, "") == NULL);
  check_true("no value of that name", safetensors_value(&back, "digest ") == NULL);
  safetensors_free(&back);

  in_case("bytes of the file");
  file = read_file(path, &size);
  for (i = 3; i >= 0; i--) header = header << 8 | file[i];
  check_true("the upper half of the length is 0", !file[4] && !file[5] && !file[6] && !file[7]);
  check_count("size", 8 + header + 4 * (15 + 120 + 1) + 2000, size);
  check_count("data begin at a multiple of 8", 0, header % 8);
  check_true("1.0 little endian at the beginning of the data",
             size > 12 + header && memcmp(file + 8 + header, "\0\0\x80\x3f", 4) == 0);
  check_true("the header is an object", file[8] == '{');
  free(file);
  remove(path);
  for (i = 0; i < 5; i++) free(entries[i].data);
  for (i = 0; i < 4; i++) {
    free(key[i]);
    free(value[i]);
  }
}

/* Files as others write them: spaces, escapes, properties in another order, metadata last or
 * none, spaces at the end. */
static void test_safetensors_read(const char *path)
{
  static const char header[] = " { \"b\\u00e9\\ud83c\\udfab\\/\\n\" : { \"data_offsets\" : [ 8 , "
                               "11 ] , \"shape\" : [ 3 ] , \"dtype\" : \"U8\" } ,\r\n\t"
                               "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2,1],\"data_offsets\":[0,8]},"
                               " \"__metadata__\" : { \"format\" : \"pt\" , \"\\\"\" : \"\" } }   ";
  static const char data[] = "\0\0\x80\x3f\0\0\0\xc0\x07\x08\xff";
  char file[8 + sizeof header - 1 + 11];
  const size_t size = sizeof header - 1;
  const Entry *e;
  Safetensors s;
  memset(file, 0, 8);
  file[0] = (char)(unsigned char)(size & 255);
  file[1] = (char)(size >> 8);
  memcpy(file + 8, header, size);
  memcpy(file + 8 + size, data, 11);
  write_bytes(path, file, sizeof file);
  safetensors_read(&s, path);
  remove(path);
  in_case("a file written by hand");
  check_count("tensors", 2, (size_t)s.entries);
  e = safetensors_find(&s, "b\xc3\xa9\xf0\x9f\x8e\xab/\n");
  check(e && e->type == 'U' && e->dims == 1 && e->shape[0] == 3 &&
            memcmp(e->data, "\x07\x08\xff", 3) == 0,
        "tensor of escapes: expected 7 8 255, computed otherwise");
  e = safetensors_find(&s, "w");
  check(e && e->type == 'F' && e->dims == 3 && e->shape[1] == 2 && e->size == 2 &&
            bits(((float *)e->data)[0]) == 0x3f800000 && bits(((float *)e->data)[1]) == 0xc0000000,
        "tensor w: expected 1 -2, computed otherwise");
  check_text("metadata format", "pt", safetensors_value(&s, "format"));
  check_text("metadata \"", "", safetensors_value(&s, "\""));
  safetensors_free(&s);
}

static void test_safetensors(const char *path, uint64_t seed)
{
  begin("safetensors");
  test_safetensors_written(path, seed);
  test_safetensors_read(path);
  end();
}

/* ==== pruning =============================================================================== */

/* Ten weights by hand: |w| 0 0 .1 .25 .5 .5 .5 1 2 3, ties by index. */
static void test_prune_by_hand(void)
{
  static const float weights[14] = {0.5f, -0.5f,         0,  -0.0f, 1,
                                    -2,   /* 2 x 3 */ 9, -9, /* biases */
                                    0.5f, -0.25f,        3,  0.1f,  /* 2 x 2 */ 9,
                                    9};
  static const struct {
    const char *what;
    Pruning how;
    unsigned char mask[14];
    float threshold;
  } table[] = {
      {"global, 4 of 10",
       {GLOBAL, 400000, -1, -1, -1},
       {1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1},
       0.25f},
      {"global, 5 of 10",
       {GLOBAL, 500000, -1, -1, -1},
       {0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1},
       0.5f},
      {"global, 6.5 of 10, halves up",
       {GLOBAL, 650000, -1, -1, -1},
       {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1},
       0.5f},
      {"global, 1.499999 of 10",
       {GLOBAL, 149999, -1, -1, -1},
       {1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
       0},
      {"layer-wise, 3 of 6 and 2 of 4",
       {LAYER, 500000, -1, -1, -1},
       {0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1},
       0.5f},
      {"global, 3 of 6, output 1 of 4",
       {GLOBAL, 500000, 250000, -1, -1},
       {0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1},
       0.5f},
      {"layer-wise, 4 of 6, output whole",
       {LAYER, 666667, 0, -1, -1},
       {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
       0.5f},
      {"one-shot to 1 of 10",
       {GLOBAL, 500000, -1, -1, 100000},
       {0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1},
       2},
      {"one-shot to 1 of 6, output whole",
       {GLOBAL, 500000, 0, -1, 100000},
       {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1},
       1},
      {"layer-wise one-shot to 2 of 6 and 1 of 4",
       {LAYER, 1, -1, -1, 300000},
       {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1},
       0.5f},
      {"nothing", {GLOBAL, 0, -1, -1, -1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0},
      {"all", {GLOBAL, MILLION, -1, -1, -1}, {0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1}, 3},
  };
  static const size_t hidden[] = {2};
  size_t k, j, other;
  Case c;
  memset(&c, 0, sizeof c);
  random_data(&c.data, 3, 1, 1, 2, 1, 0);
  make_networks(&c, hidden, 1, 1);
  memcpy(c.net.weight, weights, sizeof weights);
  for (k = 0; k < sizeof table / sizeof *table; k++) {
    in_case("by hand: %s", table[k].what);
    memset(c.mask, 1, 14);
    check_float("threshold", table[k].threshold, prune_magnitude(&c.net, c.mask, &table[k].how));
    for (other = 0, j = 0; j < 14; j++) other += c.mask[j] != table[k].mask[j];
    check_count("places of the mask that differ", 0, other);
  }
  free_case(&c);
}

static size_t kept_in(const unsigned char *mask, const Tensor *t)
{
  size_t j, n = 0;
  for (j = 0; j < t->size; j++) n += mask[t->offset + j];
  return n;
}

/* Against the oracle, which counts for each weight the survivors before it; weights with many
 * ties, masks on masks. */
static void test_prune_cases(uint64_t seed)
{
  static const long rates[] = {0, 1, 1000, 100000, 200000, 333333, 500000, 999999, MILLION};
  uint32_t i;
  size_t hidden[3], j, depth, changed, level;
  unsigned char *expected;
  for (i = 0; i < 60; i++) {
    Pruning how = {0};
    Case c;
    Stack s;
    float threshold;
    dice_for(seed, 20000 + i);
    memset(&c, 0, sizeof c);
    depth = roll_between(1, 3);
    for (j = 0; j < depth; j++) hidden[j] = roll_between(1, 20);
    random_shape(&c.data, 5, 12, 1);
    if (i % 3 == 2) random_stack(&s, &c, 1, 1, 1000);
    else make_networks(&c, hidden, depth, 1);
    net_init(&c.net, (int)roll(3), i, 0);
    if (roll(2)) /* few different sizes, both signs, both zeros */
      for (j = 0; j < c.net.parameters; j++) {
        const float size = (float)roll(4) * 0.125f;
        c.net.weight[j] = roll(2) ? size : -size;
      }
    if (roll(2)) random_mask(&c, 0);
    net_set_mask(&c.net, c.mask);
    memcpy(c.naive.weight, c.net.weight, c.net.size * sizeof(float));
    how.scope = roll(2) ? LAYER : GLOBAL;
    how.rate = rates[roll(sizeof rates / sizeof *rates)];
    how.output_rate = roll(2) ? rates[roll(sizeof rates / sizeof *rates)] : -1;
    how.conv_rate = roll(2) ? rates[roll(sizeof rates / sizeof *rates)] : -1;
    how.density = roll(3) == 0 ? rates[roll(sizeof rates / sizeof *rates)] : -1;
    expected = room(c.net.size, 1);
    for (level = 0; level < 3; level++) { /* the same rates again and again */
      in_case("%lu (%s, %lu weights) scope %d rate %ld output rate %ld conv rate %ld density %ld, "
              "time %lu",
              (unsigned long)i, i % 3 == 2 ? s.shape : c.model,
              (unsigned long)net_prunable(&c.net, 0), how.scope, how.rate, how.output_rate,
              how.conv_rate, how.density, (unsigned long)level);
      memcpy(expected, c.mask, c.net.size);
      threshold = naive_prune(&c.naive, expected, &how);
      check_float("threshold", threshold, prune_magnitude(&c.net, c.mask, &how));
      check_true("the oracle's mask", memcmp(expected, c.mask, c.net.size) == 0);
      for (changed = 0, j = 0; j < c.net.size; j++) changed += c.mask[j] > c.net.mask[j];
      check_count("masked weights that came back", 0, changed);
      net_set_mask(&c.net, c.mask);
    }
    free(expected);
    free_case(&c);
  }
}

/* Twenty levels at 20% of lenet-300-100's 266,200 weights: the numbers that survive, in whole
 * numbers. */
static void test_prune_levels(void)
{
  static const size_t hidden[] = {300, 100};
  const Pruning how = {.rate = 200000, .output_rate = -1, .conv_rate = -1, .density = -1};
  size_t left = 266200, level, j, between;
  float threshold, last = 0;
  Case c;
  memset(&c, 0, sizeof c);
  random_data(&c.data, 1, 28, 28, 10, 1, 0);
  make_networks(&c, hidden, 2, 1);
  net_init(&c.net, KAIMING_UNIFORM, 1, 0);
  for (level = 1; level <= 20; level++) {
    in_case("level %lu of lenet-300-100", (unsigned long)level);
    threshold = prune_magnitude(&c.net, c.mask, &how);
    left -= (left + 2) / 5; /* round(left / 5) */
    net_set_mask(&c.net, c.mask);
    check_count("surviving", left, net_prunable(&c.net, 1));
    check_true("the threshold rises", threshold >= last);
    /* the biases survive whatever their size */
    for (between = 0, j = 0; j < c.net.survivors; j++) {
      size_t at = c.net.survivor[j];
      between += (at < c.net.tensor[0].size) && fabs((double)c.net.weight[at]) < (double)threshold;
    }
    check_count("survivors below the threshold", 0, between);
    last = threshold;
  }
  check_count("after 20 levels (266200 0.8^20 = 3069.1)", 3069, left);
  free_case(&c);
}

/* Counts kept per tensor, or in all; the same as the oracle's; another for another seed or
 * level. */
static int is_in_weights(const Net *net, size_t j)
{
  int k;
  for (k = 0; k < net->tensors; k++)
    if (j >= net->tensor[k].offset && j < net->tensor[k].offset + net->tensor[k].size)
      return net->tensor[k].prunable;
  return 0;
}

static void test_shuffle(uint64_t seed)
{
  uint32_t i, others = 0;
  for (i = 0; i < 30; i++) {
    size_t hidden[2], before[6], all = 0, j;
    unsigned char *shuffled, *expected;
    int k, together = (int)(i % 2), other_counts = 0;
    Case c;
    dice_for(i < 2 ? 1 : seed, 30000 + i);
    memset(&c, 0, sizeof c);
    hidden[0] = roll_between(4, 30);
    hidden[1] = roll_between(4, 30);
    random_shape(&c.data, 6, 12, 1);
    make_networks(&c, hidden, 2, 1);
    for (k = 0; k < 6; k++) /* tensors of different density */
      for (j = 0; j < c.net.tensor[k].size; j++)
        c.mask[c.net.tensor[k].offset + j] = !c.net.tensor[k].prunable || roll(8) < 1 + (uint32_t)k;
    shuffled = room(c.net.size, 1);
    expected = room(c.net.size, 1);
    memcpy(shuffled, c.mask, c.net.size);
    memcpy(expected, c.mask, c.net.size);
    in_case("shuffle %lu %s", (unsigned long)i, together ? "of all" : "by layers");
    prune_shuffle(&c.net, shuffled, seed, 3, together);
    naive_shuffle(&c.naive, expected, seed, 3, together);
    check_true("the oracle's mask", memcmp(shuffled, expected, c.net.size) == 0);
    for (k = 0; k < 6; k++) {
      before[k] = kept_in(c.mask, &c.net.tensor[k]);
      all += before[k] - kept_in(shuffled, &c.net.tensor[k]);
      other_counts += before[k] != kept_in(shuffled, &c.net.tensor[k]);
      if (!together || k % 2)
        check_count("survivors of a tensor", before[k], kept_in(shuffled, &c.net.tensor[k]));
    }
    check_count("survivors more or less", 0, all);
    others += together && other_counts > 0;
    check_true("the mask has changed", memcmp(shuffled, c.mask, c.net.size) != 0);
    memcpy(expected, c.mask, c.net.size);
    prune_shuffle(&c.net, expected, seed, 4, together);
    check_true("level 4 differs", memcmp(shuffled, expected, c.net.size) != 0);
    memcpy(expected, c.mask, c.net.size);
    prune_shuffle(&c.net, expected, seed + 1, 3, together);
    check_true("the next seed differs", memcmp(shuffled, expected, c.net.size) != 0);
    net_set_mask(&c.net, c.mask); /* what an --init has left: connections move among these only */
    for (j = 0; j < c.net.size; j++)
      expected[j] = c.mask[j] && (j % 3 > 0 || !is_in_weights(&c.net, j));
    memcpy(shuffled, expected, c.net.size);
    prune_shuffle(&c.net, shuffled, seed, 3, together);
    for (k = 0, all = 0; k < 6; k++) {
      all += kept_in(expected, &c.net.tensor[k]) - kept_in(shuffled, &c.net.tensor[k]);
      if (!together || k % 2)
        check_count("survivors among those left", kept_in(expected, &c.net.tensor[k]),
                    kept_in(shuffled, &c.net.tensor[k]));
    }
    check_count("survivors more or less among those left", 0, all);
    for (j = 0; j < c.net.size && shuffled[j] <= c.mask[j];) j++;
    check_count("the first place that was not left", c.net.size, j);
    check_true("the mask has changed among those left",
               memcmp(shuffled, expected, c.net.size) != 0);
    free(shuffled);
    free(expected);
    free_case(&c);
  }
  in_case("15 shuffles of all");
  check(others >= 10, "with other counts per tensor: expected 10 or more, computed %lu",
        (unsigned long)others);
}

static void test_pruning(uint64_t seed)
{
  begin("pruning");
  test_prune_by_hand();
  test_prune_cases(seed);
  test_prune_levels();
  test_shuffle(seed);
  end();
}

/* ---- checkpoints and the loop ---------------------------------------------------------------- */

static char *text_of(const char *format, ...)
{
  char *s = room(1024, 1);
  va_list args;
  va_start(args, format);
  vsnprintf(s, 1024, format, args);
  va_end(args);
  return s;
}

/* A checkpoint as another program may write it: tensors in another order, some masks left out. */
static void test_checkpoint(const char *path, uint64_t seed)
{
  static const size_t hidden[] = {11, 6};
  Entry entries[10];
  Safetensors s, back;
  char digest[17], *key[1], *value[1];
  size_t j;
  int k, i;
  begin("checkpoints");
  dice_for(seed, 40000);
  for (i = 0; i < 6; i++) {
    Case c, d;
    memset(&c, 0, sizeof c);
    memset(&d, 0, sizeof d);
    memset(&s, 0, sizeof s);
    memset(entries, 0, sizeof entries);
    random_data(&c.data, 1, 3, 4, 5, 1, 0);
    random_data(&d.data, 1, 3, 4, 5, 1, 0);
    make_networks(&c, hidden, 2, 1);
    make_networks(&d, hidden, 2, 1);
    if (i > 0) random_mask(&c, 0);
    set_masks(&c);
    net_init(&c.net, KAIMING_NORMAL, seed, (uint32_t)i);
    net_init(&d.net, KAIMING_NORMAL, seed, 9);
    s.entry = entries;
    for (k = 6; k-- > 0;) {
      const Tensor *t = &c.net.tensor[k];
      int with_mask;
      for (with_mask = 0; with_mask < 2; with_mask++) {
        Entry *e = &entries[s.entries];
        if (with_mask && (!t->prunable || kept_in(c.mask, t) == t->size)) continue;
        sprintf(e->name, "%s%s", with_mask ? "mask." : "", t->name);
        e->type = with_mask ? 'U' : 'F';
        e->dims = t->dims;
        memcpy(e->shape, t->shape, sizeof e->shape);
        e->size = t->size;
        e->data = with_mask ? (void *)(c.mask + t->offset) : (void *)(c.net.weight + t->offset);
        s.entries++;
      }
    }
    sprintf(digest, "%08lx%08lx", (unsigned long)(net_digest(&c.net) >> 32),
            (unsigned long)(net_digest(&c.net) & 0xffffffffu));
    key[0] = text_of("digest");
    value[0] = digest;
    s.key = key;
    s.value = value;
    s.pairs = i % 2;
    in_case("%d", i);
    safetensors_write(&s, path);
    safetensors_read(&back, path);
    remove(path);
    checkpoint_apply(&d.net, &back, path);
    safetensors_free(&back);
    check_floats("weights", c.net.weight, d.net.weight, c.net.size);
    for (j = 0; j < c.net.size && c.net.mask[j] == d.net.mask[j];) j++;
    check_count("mask, the first place that differs", c.net.size, j);
    free(key[0]);
    free_case(&c);
    free_case(&d);
  }
  end();
}

/* The next field of a table of tab-separated values; its end becomes 0. */
static const char *next_field(char **at)
{
  char *field = *at;
  *at += strcspn(*at, "\t\n");
  if (**at) *(*at)++ = 0;
  return field;
}

/* A row of PREFIX.tsv and the weights of its checkpoint are those of the oracle's network. */
static void check_row(char **at, Naive *n, const Experiment *e, int level, int branch)
{
  char *expected[9], *path = branch == TICKET ? text_of("%s.L%02d.safetensors", e->out, level)
                                              : text_of("%s.L%02d.%s.safetensors", e->out, level,
                                                        branch_names[branch]);
  const Dataset *d = e->data;
  unsigned char *keep = room(n->size, 1);
  float loss[2], *saved = room(n->size, sizeof *saved);
  size_t wrong[2], all = 0, left = 0, j;
  uint64_t share;
  Safetensors s;
  int f, k;
  naive_evaluate(n, d, &d->train, &loss[0], &wrong[0]);
  naive_evaluate(n, d, &d->test, &loss[1], &wrong[1]);
  memcpy(keep, n->keep, n->size);
  for (k = 0; k < n->tensors; k++)
    for (j = 0; j < n->tensor[k].size && n->tensor[k].kind == NAIVE_WEIGHT; j++) {
      all++;
      left += n->keep[n->tensor[k].offset + j];
    }
  share = (2 * (uint64_t)left * MILLION + all) / (2 * all);
  expected[0] = text_of("%d", level);
  expected[1] = text_of("%s", branch_names[branch]);
  expected[2] = text_of("%lu", (unsigned long)left);
  expected[3] =
      text_of("%lu.%04lu", (unsigned long)(share / 10000), (unsigned long)(share % 10000));
  expected[4] = text_of("%.6f", (double)naive_prune(n, keep, &e->pruning));
  for (f = 0; f < 2; f++) {
    const size_t images = f ? d->test.n : d->train.n;
    share = (2 * (uint64_t)wrong[f] * MILLION + images) / (2 * images);
    expected[5 + 2 * f] = text_of("%.6f", (double)loss[f]);
    expected[6 + 2 * f] =
        text_of("%lu.%04lu", (unsigned long)(share / 10000), (unsigned long)(share % 10000));
  }
  for (f = 0; f < 9; f++) {
    const char *computed = next_field(at);
    check(strcmp(expected[f], computed) == 0, "field %d: expected %s, computed %s", f + 1,
          expected[f], computed);
    free(expected[f]);
  }
  for (; f < 16; f++) next_field(at);
  expected[0] = text_of("%08lx%08lx", (unsigned long)(naive_digest(n) >> 32),
                        (unsigned long)(naive_digest(n) & 0xffffffffu));
  check(strcmp(expected[0], next_field(at)) == 0, "expected digest %s, computed another",
        expected[0]);
  safetensors_read(&s, path);
  for (k = 0; k < n->tensors; k++) {
    const NaiveTensor *t = &n->tensor[k];
    const Entry *values = safetensors_find(&s, t->name);
    check(values && values->size == t->size, "tensor %s: expected %lu values", t->name,
          (unsigned long)t->size);
    if (values && values->size == t->size)
      memcpy(saved + t->offset, values->data, t->size * sizeof *saved);
  }
  check_floats("weights of the checkpoint", n->weight, saved, n->size);
  safetensors_free(&s);
  remove(path);
  free(path);
  free(expected[0]);
  free(keep);
  free(saved);
}

/* The whole loop against the oracle: every network of every level and branch, for all ways to
 * retrain and prune. */
static void test_imp(const char *prefix, uint64_t seed)
{
  static const size_t hidden[] = {14, 9};
  static const Model resnet = {"resnet20-2", 1, 1, NULL};
  static const int branches[] = {TICKET, REINIT, REINIT_FRESH, SHUFFLE, RANDOM};
  static const char *const keys[] = {"test"}, *const values[] = {"unit"};
  int run;
  begin("iterative magnitude pruning");
  for (run = 0; run < 6; run++) {
    char *tsv = text_of("%s.tsv", prefix), *rewind_path = text_of("%s.rewind.safetensors", prefix),
         *table, *again, *at;
    char *epochs = text_of("%s.epochs.tsv", prefix);
    float *trained, *rewind;
    unsigned char *ticket_mask;
    size_t size, again_size;
    int level, b;
    Experiment e;
    Case c;
    dice_for(seed, 50000 + (uint32_t)run);
    memset(&c, 0, sizeof c);
    memset(&e, 0, sizeof e);
    random_data(&c.data, 1, run == 5 ? 8 : 4, run == 5 ? 8 : 5, 4, 50, 30);
    if (run == 5) make_model(&c, &resnet, 16);
    else make_networks(&c, hidden, 2, 16);
    trained = room(c.naive.size, sizeof *trained);
    rewind = room(c.naive.size, sizeof *rewind);
    ticket_mask = room(c.naive.size, 1);
    e.data = &c.data;
    e.model = resnet;
    if (run < 5) e.model.name = c.model;
    e.threads = 1;
    e.batch = 16;
    e.scheme = run == 3 ? SPARSE_AWARE : KAIMING_UNIFORM;
    e.seed = seed + 1;
    e.how.optimizer = run % 2 ? ADAM : SGD;
    e.how.lr = run % 2 ? 0.01f : 0.1f;
    e.how.momentum = 0.9f;
    e.how.weight_decay = 1e-3f;
    e.how.schedule = COSINE;
    e.how.warmup = 3;
    e.how.steps = 14;
    e.how.order_seed = seed + 2;
    e.levels = run == 4 ? 2 : 3; /* one-shot */
    e.pruning.scope = run == 1 ? LAYER : GLOBAL;
    e.pruning.rate = 400000;
    e.pruning.output_rate = run == 2 ? 100000 : -1;
    e.pruning.conv_rate = run == 5 ? 300000 : -1;
    e.pruning.density = run == 4 ? 150000 : -1;
    e.rewind = run == 0 ? 0 : 5;
    e.retrain = run == 1 ? LR : run == 2 ? FINETUNE : WEIGHTS;
    memcpy(e.branch, branches, sizeof branches);
    e.branches = BRANCHES;
    e.out = prefix;
    e.quiet = 1;
    e.pairs = 1;
    e.key = (const char **)keys;
    e.value = (const char **)values;
    remove(tsv);
    remove(epochs);
    imp(&e);
    table = (char *)read_file(tsv, &size);

    if (run == 0) { /* what is missing is made again, to the same bits */
      char *network = text_of("%s.L01.safetensors", prefix);
      for (b = 0; b < 4; b++) {
        in_case("run again without %s", b == 0   ? "its table"
                                        : b == 1 ? "a network"
                                        : b == 2 ? "its epochs"
                                                 : "what it rewinds to");
        remove(b == 0 ? tsv : b == 1 ? network : b == 2 ? epochs : rewind_path);
        imp(&e);
        again = (char *)read_file(tsv, &again_size);
        check_true("the same table", again_size == size && memcmp(again, table, size) == 0);
        check_true("all are there",
                   file_exists(network) && file_exists(epochs) && file_exists(rewind_path));
        free(again);
      }
      free(network);
    }
    at = strstr(table, "\n0\t") + 1;
    for (level = 0; level < e.levels; level++)
      for (b = 0; b < BRANCHES; b++) {
        if (level == 0 && b >= SHUFFLE) continue;
        in_case("run %d, level %d, %s", run, level, branch_names[b]);
        if (b == TICKET && level > 0) {
          memcpy(c.naive.weight, trained, c.naive.size * sizeof *trained);
          naive_prune(&c.naive, ticket_mask, &e.pruning);
        } else if (level == 0) memset(ticket_mask, 1, c.naive.size);
        memcpy(c.mask, ticket_mask, c.naive.size);
        if (b == SHUFFLE || b == RANDOM)
          naive_shuffle(&c.naive, c.mask, e.seed, (uint32_t)level, b == RANDOM);
        naive_mask(&c.naive, c.mask);
        naive_level(&c.naive, &e, level, b, b == TICKET && e.retrain != WEIGHTS ? trained : rewind,
                    rewind);
        if (b == TICKET) memcpy(trained, c.naive.weight, c.naive.size * sizeof *trained);
        check_row(&at, &c.naive, &e, level, b);
      }
    check_count("characters left in the table", 0, strlen(at));
    remove(tsv);
    remove(epochs);
    remove(rewind_path);
    free(tsv);
    free(epochs);
    free(rewind_path);
    free(table);
    free(trained);
    free(rewind);
    free(ticket_mask);
    free_case(&c);
  }
  end();
}

/* ==== all =================================================================================== */

int main(int count, char **argument_of)
{
  uint64_t seed = count > 1 ? strtoul(argument_of[1], NULL, 10) : 1;
  uint32_t cases = count > 2 ? (uint32_t)strtoul(argument_of[2], NULL, 10) : 120;
  /* beside the program: two builds may run at once */
  char *file = room(strlen(argument_of[0]) + sizeof ".safetensors", 1);
  strcat(strcpy(file, argument_of[0]), ".safetensors");
  printf("seed %lu\n", (unsigned long)seed);
  test_philox();
  test_draws(seed);
  test_normal_moments(seed);
  test_below(seed);
  test_order(seed);
  test_functions();
  test_special_values();
  test_layout();
  test_networks(seed, cases);
  test_sparse_is_dense(seed);
  test_crowded_masks(seed);
  test_shared_activations(seed);
  test_stacks(seed, cases);
  if (cases >= 100) test_models(seed);
  test_threads(seed);
  test_differences(seed);
  test_conv_differences(seed);
  test_divergence(seed);
  test_evaluate(seed);
  test_init(seed);
  test_learning_rate();
  test_adam(seed);
  test_train(seed);
  test_safetensors(file, seed);
  test_pruning(seed);
  test_checkpoint(file, seed);
  test_imp(argument_of[0], seed);
  free(file);
  printf("%lu passed, %lu failed\n", tally.passed, tally.failed);
  return tally.failed > 0 || tally.passed == 0;
}
