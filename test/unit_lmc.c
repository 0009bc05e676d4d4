/* unit_lmc.c - the unit tests of lmc.c: paths, barriers, repellent loss, distances, probe and
 * curve against independent answers in double, and exactly where exactness is promised.
 *
 * What lmc.c prints on stdout is read back from a file, so the report goes to stderr: a line per
 * group of checks and `N passed, N failed`; exit status 1 if any failed. A check passes by a
 * comparison that is true, so NaN passes none. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *group;
static unsigned long passed, failed, group_passed, group_failed;

static void begin(const char *name)
{
  group = name;
  group_passed = group_failed = 0;
}

static void end(void)
{
  if (group_failed == 0) fprintf(stderr, "ok   %s (%lu checks)\n", group, group_passed);
  else
    fprintf(stderr, "FAIL %s: %lu of %lu checks\n", group, group_failed,
            group_failed + group_passed);
  passed += group_passed;
  failed += group_failed;
}

static void check(int passes, const char *format, ...)
{
  va_list args;
  if (passes) {
    group_passed++;
    return;
  }
  if (group_failed++ >= 3) return;
  fprintf(stderr, "FAIL %s: ", group);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\n");
}

static int near(double expected, double found, double tolerance)
{
  return fabs(expected - found) <= tolerance * (1 + fabs(expected));
}

/* ==== small networks ======================================================================== */

static Dataset data;
static const Model model = {"lenet-9-7", 0, 1, NULL};

static void create(Net *net, size_t batch) { net_create(net, &model, &data, batch, 1); }

/* A network of its own weights, a part of them masked, trained for some steps. */
static Solution solution(uint32_t variant, unsigned percent_masked, long steps)
{
  unsigned char *mask;
  Stream s = {7, RANDOM_MASK, 0, 0};
  Training how = {0};
  Optimizer o;
  Solution made;
  Net net;
  int k;
  size_t j;
  create(&net, 60);
  mask = allocate(net.size, 1, "a mask");
  memset(mask, 1, net.size);
  s.a = variant;
  for (k = 0; k < net.tensors; k++)
    for (j = net.tensor[k].offset;
         net.tensor[k].prunable && j < net.tensor[k].offset + net.tensor[k].size; j++) {
      uint64_t index = j;
      mask[j] = random_below(s, &index, 100) >= percent_masked;
    }
  net_set_mask(&net, mask);
  net_init(&net, KAIMING_UNIFORM, 3, variant);
  optimizer_create(&o, &net);
  how.optimizer = ADAM;
  how.lr = 0.002f;
  how.steps = steps;
  train(&net, &o, &data, &how, variant, 0, steps, 0, NULL, NULL);
  solution_take(&made, &net);
  optimizer_free(&o);
  net_free(&net);
  free(mask);
  return made;
}

/* The flat vector's prunable weights: which they are. */
static int is_prunable(const Net *net, size_t j)
{
  int k;
  for (k = 0; k < net->tensors; k++)
    if (net->tensor[k].prunable && j >= net->tensor[k].offset &&
        j - net->tensor[k].offset < net->tensor[k].size)
      return 1;
  return 0;
}

/* ==== checks ================================================================================ */

static void test_percent(void)
{
  char text[32];
  begin("percent");
  percent(text, 1, 3);
  check(!strcmp(text, "33.3333"), "1/3 is %s", text);
  percent(text, 2, 3);
  check(!strcmp(text, "66.6667"), "2/3 is %s", text);
  percent(text, 7, 7);
  check(!strcmp(text, "100.0000"), "7/7 is %s", text);
  percent(text, 1, 120000);
  check(!strcmp(text, "0.0008"), "1/120000 is %s", text);
  end();
}

static void test_path(void)
{
  enum { POINTS = 5 };
  Solution a = solution(0, 30, 40), b = solution(1, 50, 40), own;
  Place place[POINTS];
  char text[2][32], high[2][32];
  float loss[2];
  size_t wrong[2], j, most[2];
  Net net;
  int k, set, masking;
  create(&net, 33);
  begin("straight lines");
  path(&net, &data, &a, NULL, &b, UNION, 0, 0, 1, place, POINTS);
  for (k = 0; k < 2; k++) { /* the ends, by themselves, under their own masks */
    const Place *p = &place[k * (POINTS - 1)];
    solution_put(k ? &b : &a, &net);
    net_evaluate(&net, &data.train, &loss[0], &wrong[0]);
    net_evaluate(&net, &data.test, &loss[1], &wrong[1]);
    for (set = 0; set < 2; set++) {
      check(wrong[set] == p->wrong[set], "end %d has %lu wrong, on the line %lu", k,
            (unsigned long)wrong[set], (unsigned long)p->wrong[set]);
      check(!memcmp(&loss[set], &p->loss[set], sizeof(float)),
            "end %d has loss %.9g, on the line %.9g", k, loss[set], p->loss[set]);
    }
    check(p->at == (float)k, "end %d is at %g", k, p->at);
  }
  for (masking = UNION; masking <= INTERSECTION; masking++) {
    Place one[2];
    path(&net, &data, &a, NULL, &b, masking, 0, -0.5f, 0.75f, one, 2); /* ends at 0.75 */
    for (j = 0; j < net.size; j++) {
      const int p = a.mask[j], q = b.mask[j],
                keep = masking == UNION    ? p || q
                       : masking == FIRST  ? p
                       : masking == SECOND ? q
                                           : p && q;
      const double wanted = keep ? 0.25 * (double)a.weight[j] + 0.75 * (double)b.weight[j] : 0;
      check(net.mask[j] == keep && near(wanted, (double)net.weight[j], 3e-7),
            "masking %d, weight %lu: expected %.9g, found %.9g", masking, (unsigned long)j, wanted,
            (double)net.weight[j]);
    }
  }
  solution_put(&b, &net);
  for (k = 0; k < 9; k++) {
    path(&net, &data, &b, NULL, &b, UNION, 0, (float)k / 7.0f - 0.3f, 3, place, 2);
    path(&net, &data, &b, NULL, &b, UNION, 0, -1, (float)k / 7.0f - 0.3f, place, 2);
    check(!memcmp(net.weight, b.weight, net.size * sizeof(float)),
          "between b and b at %g there is something else", place[1].at);
  }
  end();
  begin("barriers");
  path(&net, &data, &a, NULL, &b, UNION, 0, 0, 1, place, POINTS);
  for (set = 0; set < 2; set++)
    for (most[set] = 0, k = 0; k < POINTS; k++)
      if (place[k].wrong[set] > most[set]) most[set] = place[k].wrong[set];
  {
    Solution both[2];
    both[0] = a, both[1] = b;
    barriers(&net, &data, both, 2, POINTS, text, high);
    for (set = 0; set < 2; set++) {
      double highest = 0;
      const double n = set ? (double)data.test.n : (double)data.train.n;
      const double wanted =
          100 *
          ((double)most[set] -
           ((double)place[0].wrong[set] + (double)place[POINTS - 1].wrong[set]) / 2) /
          n;
      check(wanted > 0 && fabs(wanted - strtod(text[set], NULL)) <= 0.00006,
            "expected %.6f, found %s", wanted, text[set]);
      for (k = 0; k < POINTS; k++) {
        const double first = (double)place[0].wrong[set],
                     last = (double)place[POINTS - 1].wrong[set];
        const double above =
            (double)place[k].wrong[set] - first - (last - first) * k / (POINTS - 1);
        highest = above > highest ? above : highest;
      }
      highest *= 100 / n;
      check(highest > 0 && fabs(highest - strtod(high[set], NULL)) <= 0.0001,
            "height: expected %.6f, found %s", highest, high[set]);
      check(strtod(high[set], NULL) <= strtod(text[set], NULL), "height %s above the barrier %s",
            high[set], text[set]);
    }
    both[0] = b;
    barriers(&net, &data, both, 2, POINTS, text, high);
    check(!strcmp(text[0], "0.0000") && !strcmp(text[1], "0.0000"),
          "of a network with itself: %s %s", text[0], text[1]);
    check(!strcmp(high[0], "0.0000") && !strcmp(high[1], "0.0000"),
          "height of a network with itself: %s %s", high[0], high[1]);
    both[0] = a;
    both[0].weight = allocate(net.size, sizeof(float), "weights");
    /* finite, but its loss is not */
    for (j = 0; j < net.size; j++) both[0].weight[j] = a.mask[j] ? 3e37f : 0;
    barriers(&net, &data, both, 2, POINTS, text, high);
    check(!strcmp(text[0], "-") && !strcmp(high[1], "-"), "of a network without a loss: %s %s",
          text[0], high[1]);
    path(&net, &data, &a, NULL, &b, UNION, 0, -0.7f, 1, place, 3);
    check(place[2].at >= 1 && place[2].at <= 1, "a line from -0.7 to 1 ends at %.9g",
          (double)place[2].at);
    path(&net, &data, &a, NULL, &b, UNION, 0, 0, 1, place, POINTS);
    free(both[0].weight);
  }
  {
    Solution three[3];
    double sum = 0;
    own = solution(2, 50, 40);
    three[0] = a, three[1] = b, three[2] = own;
    for (k = 0; k < 3; k++) {
      Solution pair[2];
      pair[0] = three[k], pair[1] = three[(k + 1) % 3];
      barriers(&net, &data, pair, 2, 4, text, NULL);
      sum += strtod(text[0], NULL);
    }
    barriers(&net, &data, three, 3, 4, text, NULL);
    /* one of the pairs is walked the other way round, where places may differ by a rounding: an
     * image or two */
    check(near(sum / 3, strtod(text[0], NULL), 0.01), "mean of three is %.4f, found %s", sum / 3,
          text[0]);
    solution_free(&own);
  }
  end();
  begin("curved paths");
  {
    Place ends[2];
    float *bend = allocate(net.size, sizeof *bend, "a bend");
    for (j = 0; j < net.size; j++) bend[j] = a.mask[j] || b.mask[j] ? 0.01f * (float)(j % 13) : 0;
    path(&net, &data, &a, bend, &b, UNION, 1, 0, 1, ends, 2);
    check(!memcmp(net.weight, b.weight, net.size * sizeof(float)), "the curve does not end in b");
    path(&net, &data, &a, bend, &b, UNION, 0, 1, 0, ends, 2);
    check(!memcmp(net.weight, a.weight, net.size * sizeof(float)), "the curve does not begin in a");
    path(&net, &data, &a, bend, &b, UNION, 0, 0, 0.3f, ends, 2);
    for (j = 0; j < net.size; j++) {
      const double wanted =
          0.49 * (double)a.weight[j] + 0.42 * (double)bend[j] + 0.09 * (double)b.weight[j];
      check(near(wanted, (double)net.weight[j], 5e-7),
            "at 0.3, weight %lu: expected %.9g, found %.9g", (unsigned long)j, wanted,
            (double)net.weight[j]);
    }
    { /* training */
      Training how = {0};
      double straight = 0, bent = 0;
      how.order_seed = 1;
      how.steps = 60;
      curve(&net, &data, &a, &b, how, 5, 1, bend);
      for (j = 0; j < net.size; j++) {
        const float middle = b.weight[j] + (float)(0.5f * (float)(a.weight[j] - b.weight[j]));
        check(!memcmp(&middle, &bend[j], sizeof middle),
              "learning rate 0: bend %lu is not in the middle", (unsigned long)j);
      }
      how.optimizer = ADAM;
      how.lr = 0.003f;
      curve(&net, &data, &a, &b, how, 5, 1, bend);
      path(&net, &data, &a, NULL, &b, UNION, 0, 0, 1, place, POINTS);
      for (k = 0; k < POINTS; k++) straight += (double)place[k].loss[0];
      path(&net, &data, &a, bend, &b, UNION, 0, 0, 1, place, POINTS);
      for (k = 0; k < POINTS; k++) bent += (double)place[k].loss[0];
      check(bent < 0.9 * straight, "mean loss of the straight line %.4f, of the curve %.4f",
            straight / POINTS, bent / POINTS);
      for (j = 0; j < net.size; j++)
        check(a.mask[j] || b.mask[j] || bend[j] == 0, "bend %lu is masked but not 0",
              (unsigned long)j);
    }
    free(bend);
  }
  end();
  solution_free(&a);
  solution_free(&b);
  net_free(&net);
}

/* lambda / n sum of cos^2 over the prunable survivors, in double */
static double repel_loss(const Net *net, const double *w, const Solution *optimum, int n,
                         double lambda)
{
  double sum = 0;
  size_t j;
  int r;
  for (r = 0; r < n; r++) {
    double ab = 0, aa = 0, bb = 0;
    for (j = 0; j < net->size; j++)
      if (net->mask[j] && is_prunable(net, j)) {
        ab += w[j] * (double)optimum[r].weight[j];
        aa += w[j] * w[j];
        bb += (double)optimum[r].weight[j] * (double)optimum[r].weight[j];
      }
    sum += ab * ab / (aa * bb);
  }
  return lambda / n * sum;
}

static void test_repel(void)
{
  static const float lambdas[] = {2, -1};
  Solution optimum[3], start = solution(3, 60, 5);
  double *w;
  Repel r;
  Net net;
  size_t j;
  int n, k, which;
  begin("repellent loss: its gradient and finite differences");
  create(&net, 16);
  solution_put(&start, &net);
  w = allocate(net.size, sizeof *w, "weights");
  for (k = 0; k < 3; k++) optimum[k] = solution((uint32_t)k, 20, 10);
  for (j = 0; j < net.size; j++) /* near enough to the first one for a large cosine */
    if (net.mask[j]) net.weight[j] = start.weight[j] + 0.5f * optimum[0].weight[j];
  for (j = 0; j < net.size; j++) w[j] = (double)net.weight[j];
  for (which = 0; which < 2; which++)
    for (n = 1; n <= 3; n++) {
      repel_create(&r, &net, lambdas[which], 3);
      for (k = 0; k < n; k++) repel_from(&r, optimum[k].weight);
      check(r.weights == net_prunable(&net, 1), "%lu weights take part", (unsigned long)r.weights);
      for (j = 0; j < net.survivors; j++) net.gradient[j] = 0.25f;
      repel_hook(&r, &net, 0, 0);
      check(net.gradient[0] == 0.25f, "the hook acts before the batch");
      repel_hook(&r, &net, 0, 1);
      for (j = 0; j < net.survivors; j++) {
        const size_t at = net.survivor[j];
        const double h = 1e-4, found = (double)net.gradient[j] - 0.25;
        double up, down;
        w[at] += h;
        up = repel_loss(&net, w, optimum, n, (double)lambdas[which]);
        w[at] -= 2 * h;
        down = repel_loss(&net, w, optimum, n, (double)lambdas[which]);
        w[at] = (double)net.weight[at];
        if (is_prunable(&net, at))
          check(fabs((up - down) / (2 * h) - found) <= 2e-6,
                "n = %d, weight %lu: expected %.8f, found %.8f", n, (unsigned long)at,
                (up - down) / (2 * h), found);
        else check(found == 0, "n = %d: bias %lu has a gradient", n, (unsigned long)at);
      }
      repel_free(&r);
    }
  for (j = 0; j < net.size; j++) net.weight[j] = 0; /* no direction, no gradient */
  repel_create(&r, &net, 2, 1);
  repel_from(&r, optimum[0].weight);
  for (j = 0; j < net.survivors; j++) net.gradient[j] = 0;
  repel_hook(&r, &net, 0, 1);
  for (j = 0; j < net.survivors; j++)
    check(net.gradient[j] == 0, "at 0: gradient %lu is %g", (unsigned long)j,
          (double)net.gradient[j]);
  repel_free(&r);
  end();
  for (k = 0; k < 3; k++) solution_free(&optimum[k]);
  solution_free(&start);
  free(w);
  net_free(&net);
}

static const char *const kept_output = "test/unit_lmc.tmp";

/* The bytes that stdout has got since it was last opened; it begins anew. Caller frees. */
static char *printed(void)
{
  size_t size;
  char *text;
  fflush(stdout);
  text = (char *)read_file(kept_output, &size);
  if (!freopen(kept_output, "w", stdout)) fail("%s: cannot be opened", kept_output);
  return text;
}

/* ln of the predicted distributions of the test set, image by image */
static double *predictions(Net *net, const Solution *s)
{
  const size_t C = net->classes;
  double *p = allocate(data.test.n * C, sizeof *p, "predictions");
  size_t first, c;
  solution_put(s, net);
  for (first = 0; first < data.test.n; first++) {
    const Activation *z = &net->activation[net->activations - 1];
    double sum = 0;
    net_load(net, &data.test, NULL, first, 1, NULL);
    net_forward(net, 0);
    for (c = 0; c < C; c++) sum += exp((double)z->value[c * z->tile]);
    for (c = 0; c < C; c++) p[first * C + c] = (double)z->value[c * z->tile] - log(sum);
  }
  return p;
}

static void test_distances(void)
{
  static const char *const what_name[] = {"angle",   "cosine", "l2",           "l1", "overlap",
                                          "hamming", "sign",   "disagreement", "kl", "js"};
  static char *names[] = {(char *)"a", (char *)"b", (char *)"c"};
  Solution s[3];
  double *p[3], wanted, found;
  char *text, *at;
  Net net;
  int what, i, k;
  size_t j, c;
  begin("distances");
  create(&net, 50);
  for (i = 0; i < 3; i++) {
    s[i] = solution((uint32_t)(i == 2 ? 0 : i), i == 1 ? 70 : 30, i == 2 ? 60 : 40);
    p[i] = predictions(&net, &s[i]);
  }
  free(printed());
  for (what = ANGLE; what <= JS; what++) {
    distances(&net, &data, s, 3, names, what);
    text = printed();
    check(!strncmp(text, "network\ta\tb\tc\na\t", 16), "%s begins with %.20s", what_name[what],
          text);
    at = strchr(text, '\n') + 1;
    for (i = 0; i < 3; i++) {
      at = strchr(at, '\t') + 1;
      for (k = 0; k < 3; k++) {
        double ab = 0, aa = 0, bb = 0, l1 = 0, l2 = 0, different = 0, kl = 0, js = 0, n = 0,
               signs = 0, either = 0;
        const double images = (double)data.test.n;
        found = strtod(at, &at);
        at++;
        for (j = 0; j < net.size; j++)
          either += is_prunable(&net, j) && (s[i].mask[j] || s[k].mask[j]);
        for (j = 0; j < net.size; j++)
          if (s[i].mask[j] && s[k].mask[j] && is_prunable(&net, j)) {
            const double u = (double)s[i].weight[j], v = (double)s[k].weight[j];
            ab += u * v, aa += u * u, bb += v * v, l1 += fabs(u - v), l2 += (u - v) * (u - v), n++;
            signs += u * v > 0;
          }
        for (j = 0; j < data.test.n; j++) {
          const double *u = p[i] + j * net.classes, *v = p[k] + j * net.classes;
          size_t best_u = 0, best_v = 0;
          for (c = 0; c < net.classes; c++) {
            const double m = (exp(u[c]) + exp(v[c])) / 2;
            best_u = u[c] > u[best_u] ? c : best_u;
            best_v = v[c] > v[best_v] ? c : best_v;
            kl += exp(u[c]) * (u[c] - v[c]);
            js += exp(u[c]) * (u[c] - log(m)) / 2 + exp(v[c]) * (v[c] - log(m)) / 2;
          }
          different += best_u != best_v;
        }
        wanted = what == ANGLE ? acos(fmin(1, ab / sqrt(aa * bb))) * 2 / 3.14159265358979
                 : what == COSINE_SIMILARITY ? ab / sqrt(aa * bb)
                 : what == L2                ? sqrt(l2)
                 : what == L1                ? l1 / n
                 : what == OVERLAP           ? 100 * n / either
                 : what == HAMMING           ? 100 * (either - n) / (double)net_prunable(&net, 0)
                 : what == SIGN              ? 100 * signs / n
                 : what == DISAGREEMENT      ? 100 * different / images
                 : what == KL                ? kl / images
                                             : js / images;
        check(near(wanted, found, 1e-5), "%s of %d and %d: expected %.6f, found %.6f",
              what_name[what], i, k, wanted, found);
        if (i == k && what != KL && what != JS)
          check(found == (what == COSINE_SIMILARITY         ? 1
                          : what == OVERLAP || what == SIGN ? 100
                                                            : 0),
                "%s of %d and itself is %.6f", what_name[what], i, found);
      }
    }
    free(text);
  }
  end();
  for (i = 0; i < 3; i++) {
    solution_free(&s[i]);
    free(p[i]);
  }
  net_free(&net);
}

/* The value on the line of the probe that begins so, or -1. */
static double value_of(const char *text, const char *line)
{
  const char *at = strstr(text, line);
  return at ? strtod(at + strlen(line), NULL) : -1;
}

static void test_probe(void)
{
  Solution s = solution(4, 50, 20);
  char *text, *at;
  double sum = 0, angle;
  Net net;
  size_t j;
  begin("probe");
  create(&net, data.train.n);
  solution_put(&s, &net);
  /* the biases of two hidden units and of one behind them */
  net.weight[net.tensor[1].offset + 2] = -1000;
  net.weight[net.tensor[1].offset + 5] = -1000;
  net.weight[net.tensor[3].offset + 6] = -1000;
  free(printed());
  probe(&net, &data, "net", 1);
  text = printed();
  check(value_of(text, "gradient\tangle\t") == 0, "one batch and the whole set are at an angle");
  check(value_of(text, "gradient\tnorm\t") > 0 &&
            value_of(text, "gradient\tnorm\t") == value_of(text, "gradient\tbatch-norm\t"),
        "one batch and the whole set differ in norm");
  check(value_of(text, "dead\tfc_layers.0\t") >= 2 && value_of(text, "dead\tfc_layers.0\t") < 9,
        "%g dead units in layer 0", value_of(text, "dead\tfc_layers.0\t"));
  check(value_of(text, "dead\tfc_layers.1\t") >= 1 && value_of(text, "dead\tfc_layers.1\t") < 7,
        "%g dead units in layer 1", value_of(text, "dead\tfc_layers.1\t"));
  check(value_of(text, "units\tfc_layers.1.weight\t") == 7, "layer 1 has %g units",
        value_of(text, "units\tfc_layers.1.weight\t"));
  for (at = text; (at = strstr(at, "histogram\t")) != NULL;) {
    at = strchr(at + 10, '\t') + 1;
    sum += strtod(at, NULL);
  }
  check(sum == (double)net_prunable(&net, 1), "the histogram has %g weights of %lu", sum,
        (unsigned long)net_prunable(&net, 1));
  free(text);
  net_free(&net);
  create(&net, 20);
  solution_put(&s, &net);
  for (j = 0; j < 2; j++) { /* the same again: it leaves the net as it was */
    probe(&net, &data, "net", 1);
    text = printed();
    angle = value_of(text, "gradient\tangle\t");
    check(angle > 0.05 && angle < 1.6, "the angle of small batches is %g", angle);
    check(!memcmp(s.weight, net.weight, net.size * sizeof(float)), "the weights have changed");
    free(text);
  }
  end();
  solution_free(&s);
  net_free(&net);
}

static void test_children(void)
{
  uint32_t order[2][50];
  begin("children's data orders");
  data_order(order[0], 50, 9, 3, 2);
  data_order(order[1], 50, 9, 3 + CHILD, 2);
  check(memcmp(order[0], order[1], sizeof order[0]) != 0,
        "the first child has the network's own order");
  data_order(order[0], 50, 9, 3 + 2 * CHILD, 2);
  check(memcmp(order[0], order[1], sizeof order[0]) != 0, "two children have one order");
  end();
}

int main(void)
{
  if (!freopen(kept_output, "w", stdout))
    fail("%s: cannot be opened; run from the root of the repository", kept_output);
  dataset_load(&data, "synth", 200);
  data.test.n = 300; /* enough */
  test_percent();
  test_path();
  test_repel();
  test_distances();
  test_probe();
  test_children();
  dataset_free(&data);
  fclose(stdout);
  remove(kept_output);
  fprintf(stderr, "%lu passed, %lu failed\n", passed, failed);
  return failed > 0;
}
