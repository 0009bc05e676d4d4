/* lmc.c - why tickets win: what is measured between and around networks. Straight lines and
 * curves between solutions, error barriers and instability (Frankle et al. 2020), repellent loss
 * and distances (Maene, Li, Moens 2021), divergence of predictions (Evci et al. 2020), gradient
 * noise, curved paths (Garipov et al. 2018).
 *
 * Not here: which networks are measured (prune.c, ticket.c), training (nn.c). All of it is sums
 * in a fixed order (ticket.h), so that a measurement is the same bits everywhere too.
 * SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <stdlib.h>
#include <string.h>

/* sum of a[j] b[j] */
static float dot(const float *restrict a, const float *restrict b, size_t n)
{
  float lane[LANES] = {0};
  size_t j, l;
  for (j = 0; j + LANES <= n; j += LANES)
    for (l = 0; l < LANES; l++) lane[l] = lane[l] + (float)(a[j + l] * b[j + l]);
  for (l = 0; j + l < n; l++) lane[l] = lane[l] + (float)(a[j + l] * b[j + l]);
  return lanes_sum(lane);
}

/* cos = <a, b> / sqrt(<a, a> <b, b>), so that it is exactly 1 where a = b; NaN, which is printed as
 * "-", if a norm is 0 or too large for a number */
static float cosine_of(float ab, float aa, float bb)
{
  const float norms = square_root(aa * bb);
  return is_finite(norms) && norms > 0 ? ab / norms : float_of(0x7fc00000u);
}

/* ==== solutions and the paths between them ================================================== */

void solution_take(Solution *s, const Net *net)
{
  s->weight = copy_of(net->weight, net->size, net->size, sizeof(float), "a solution");
  s->mask = copy_of(net->mask, net->size, net->size, 1, "a solution");
}

void solution_put(const Solution *s, Net *net)
{
  net_set_mask(net, s->mask);
  memcpy(net->weight, s->weight, net->size * sizeof(float));
}

void solution_free(Solution *s)
{
  free(s->weight);
  free(s->mask);
}

/* The net as it is, on both sets, in the place's losses and wrong images. */
static void evaluate_place(Net *net, const Dataset *data, int recompute, Place *p)
{
  if (recompute && net->size > net->parameters) net_recompute(net, &data->train);
  net_evaluate(net, &data->train, &p->loss[0], &p->wrong[0]);
  net_evaluate(net, &data->test, &p->loss[1], &p->wrong[1]);
}

static void set_common_mask(Net *net, const Solution *a, const Solution *b, int masking)
{
  unsigned char *mask = allocate(net->size, 1, "a mask");
  size_t j;
  for (j = 0; j < net->size; j++) {
    const unsigned char p = a->mask[j], q = b->mask[j];
    mask[j] = masking == FIRST ? p : masking == SECOND ? q : masking == UNION ? p | q : p & q;
  }
  net_set_mask(net, mask);
  free(mask);
}

/* The net's weights := the place at t, +0 where masked. On a line the nearer end is where the way
 * starts. */
static void go_to(Net *net, const float *a, const float *bend, const float *b, float t)
{
  const float rest = 1.0f - t, near_a = rest * rest, middle = 2.0f * (float)(t * rest),
              near_b = t * t;
  float *w = net->weight;
  size_t j;
  for (j = 0; j < net->size; j++)
    if (!net->mask[j]) w[j] = 0;
    else if (bend) {
      float sum = (float)(near_a * a[j]) + (float)(middle * bend[j]);
      w[j] = sum + (float)(near_b * b[j]);
    } else if (t < 0.5f) w[j] = a[j] + (float)(t * (float)(b[j] - a[j]));
    else w[j] = b[j] + (float)(rest * (float)(a[j] - b[j]));
}

/* Where the k-th of so many points from one place to another is: the last at `to`, not nearly. */
static float spaced(float from, float to, int k, int points)
{
  if (k == points - 1) return to;
  return from + (float)((float)(to - from) * (float)((float)k / (float)(points - 1)));
}

void path(Net *net, const Dataset *data, const Solution *a, const float *bend, const Solution *b,
          int masking, int recompute, float from, float to, Place *place, int points)
{
  int k;
  set_common_mask(net, a, b, masking);
  for (k = 0; k < points; k++) {
    Place *p = &place[k];
    p->at = spaced(from, to, k, points);
    go_to(net, a->weight, bend, b->weight, p->at);
    evaluate_place(net, data, recompute, p);
  }
}

/* How one set does between the ends of a path, measured against them; in images. */
typedef struct {
  int finite;   /* every loss there, and so at each end, is a number */
  float loss;   /* the highest */
  size_t twice; /* the barrier: twice the highest number of wrong images minus those of the ends */
  float height; /* the most wrong images above the straight line between the ends (Paul 2022) */
} Barrier;

static Barrier barrier_of(const Place *place, int points, const Place *first, const Place *last,
                          int set)
{
  const size_t a = first->wrong[set], b = last->wrong[set];
  Barrier found = {1, 0, 0, 0};
  size_t most = a > b ? a : b;
  int k;
  for (k = 0; k < points; k++) {
    const Place *p = &place[k];
    float above = (float)a + (float)(p->at * (float)((float)b - (float)a));
    if (p->at < 0 || p->at > 1) continue;
    found.finite = found.finite && is_finite(p->loss[set]);
    most = p->wrong[set] > most ? p->wrong[set] : most;
    above = (float)p->wrong[set] - above;
    found.height = above > found.height ? above : found.height;
    found.loss = p->loss[set] > found.loss ? p->loss[set] : found.loss;
  }
  found.loss = first->loss[set] > found.loss ? first->loss[set] : found.loss;
  found.loss = last->loss[set] > found.loss ? last->loss[set] : found.loss;
  found.twice = 2 * most - a - b;
  return found;
}

/* Barrier (of twice so many ends' pairs) and height in percent of n images, or "-". */
static void barrier_text(const Barrier *found, size_t pairs, size_t n, char barrier[32],
                         char height[32])
{
  const float mean = (float)(100.0f * (float)(found->height / (float)pairs)) / (float)n;
  strcpy(barrier, "-");
  strcpy(height, "-");
  if (!found->finite) return;
  percent(barrier, found->twice, 2 * pairs * n);
  sprintf(height, "%.4f", (double)mean);
}

/* Loss and error on both sets as the rest of a row; error "-" where the loss is not finite. */
static void print_place(const Place *p, const Dataset *data)
{
  const size_t images[2] = {data->train.n, data->test.n};
  char error[32], text[64];
  int set;
  for (set = 0; set < 2; set++) {
    const int finite = is_finite(p->loss[set]);
    printf("\t%s", decimals(text, p->loss[set]));
    printf("\t%s", finite ? percent(error, p->wrong[set], images[set]) : "-");
  }
  printf("\n");
}

/* An end of what is measured must be a network that can be used. */
static void expect_finite(const Place *end, const char *name)
{
  if (!is_finite(end->loss[0]) || !is_finite(end->loss[1]))
    fail("%s: its loss is not finite: its training diverged", name);
}

void print_path(Net *net, const Dataset *data, const Solution *s, char *const *name,
                const float *bend, int masking, int recompute, float from, float to, int points)
{
  static const char *const sets[2] = {"train", "test"};
  Place end[2], *place = allocate((size_t)points, sizeof *place, "places on a path");
  const size_t images[2] = {data->train.n, data->test.n};
  char barrier[32], height[32], text[64];
  Barrier found[2];
  int k, set;
  path(net, data, &s[0], bend, &s[1], masking, recompute, 0, 1, end, 2);
  for (k = 0; k < 2; k++) expect_finite(&end[k], name[k]);
  path(net, data, &s[0], bend, &s[1], masking, recompute, from, to, place, points);
  for (set = 0; set < 2; set++) found[set] = barrier_of(place, points, &end[0], &end[1], set);
  if (bend && !(found[0].finite && found[1].finite))
    fail("training diverged: the loss is not finite on the curve; try a lower --lr or a --warmup");
  printf("at\ttrain_loss\ttrain_error\ttest_loss\ttest_error\n");
  for (k = 0; k < points; k++) {
    printf("%s", decimals(text, place[k].at));
    print_place(&place[k], data);
  }
  for (set = 0; set < 2; set++) {
    barrier_text(&found[set], 1, images[set], barrier, height);
    printf("# %s_barrier = %s\n# %s_height = %s\n", sets[set], barrier, sets[set], height);
    printf("# %s_highest_loss = %s\n", sets[set],
           found[set].finite ? decimals(text, found[set].loss) : "-");
  }
  free(place);
}

/* The axes of the plane through a, b and c (Garipov 2018, section 4): with u = b - a and
 * v = c - a - (<c - a, u> / <u, u>) u, whose inner products are over parameters, x counts along u
 * and y along v in units of the weights: a is at (0, 0), b at (width, 0), c at (side, height). */
typedef struct {
  float *u, *v; /* [net->size] */
  float width, side, height;
} Axes;

static Axes axes_of(const Net *net, const Solution *s, char *const *name)
{
  const size_t n = net->parameters;
  Axes x;
  float uu, share;
  size_t j;
  x.u = copy_of(s[1].weight, net->size, net->size, sizeof(float), "the plane");
  x.v = copy_of(s[2].weight, net->size, net->size, sizeof(float), "the plane");
  for (j = 0; j < net->size; j++) {
    x.u[j] = x.u[j] - s[0].weight[j];
    x.v[j] = x.v[j] - s[0].weight[j];
  }
  uu = dot(x.u, x.u, n);
  share = uu > 0 ? dot(x.u, x.v, n) / uu : 0;
  for (j = 0; j < net->size; j++) x.v[j] = x.v[j] - (float)(share * x.u[j]);
  x.width = square_root(uu);
  x.side = share * x.width;
  x.height = square_root(dot(x.v, x.v, n));
  if (!(uu > 0) || !(x.height > 0.0001f * x.width) || !is_finite(x.width + x.height))
    fail("%s, %s and %s lie on one line, or too far apart for numbers, and so on no plane; give "
         "two of them",
         name[0], name[1], name[2]);
  return x;
}

/* a + (x / width) u + (y / height) v, +0 where masked */
static void go_to_plane(Net *net, const float *a, const Axes *axes, float x, float y)
{
  const float p = x / axes->width, q = y / axes->height;
  size_t j;
  for (j = 0; j < net->size; j++) {
    const float step = (float)(p * axes->u[j]) + (float)(q * axes->v[j]);
    net->weight[j] = net->mask[j] ? a[j] + step : 0;
  }
}

void print_plane(Net *net, const Dataset *data, const Solution *s, char *const *name, int recompute,
                 float from, float to, int points)
{
  Axes axes = axes_of(net, s, name);
  const float left = axes.side < 0 ? axes.side : 0;
  const float right = axes.side > axes.width ? axes.side : axes.width;
  const float corner[3][2] = {{0, 0}, {axes.width, 0}, {axes.side, axes.height}};
  Clock clock = {time(NULL), 0, 0};
  const Solution first_two = {net->weight, net->mask};
  char text[2][64];
  int i, k;
  set_common_mask(net, &s[0], &s[1], UNION);
  set_common_mask(net, &first_two, &s[2], UNION);
  printf("network\tx\ty\ttrain_loss\ttrain_error\ttest_loss\ttest_error\n");
  for (k = 0; k < 3; k++) {
    Place place;
    memcpy(net->weight, s[k].weight, net->size * sizeof(float));
    evaluate_place(net, data, recompute, &place);
    expect_finite(&place, name[k]);
    printf("%c\t%s", 'A' + k, decimals(text[0], corner[k][0]));
    printf("\t%s", decimals(text[1], corner[k][1]));
    print_place(&place, data);
  }
  for (i = 0; i < points; i++)
    for (k = 0; k < points; k++) {
      const float x = left + (float)((float)(right - left) * spaced(from, to, k, points));
      const float y = axes.height * spaced(from, to, i, points);
      Place place;
      go_to_plane(net, s[0].weight, &axes, x, y);
      evaluate_place(net, data, recompute, &place);
      printf("-\t%s\t%s", decimals(text[0], x), decimals(text[1], y));
      print_place(&place, data);
      show_share(&clock, (double)(i * points + k + 1) / (points * points), "plane");
    }
  if (clock.shown) show_progress("\n");
  free(axes.u);
  free(axes.v);
}

void barriers(Net *net, const Dataset *data, const Solution *s, int n, int points,
              char barrier[2][32], char height[2][32])
{
  Place *place = allocate((size_t)points, sizeof *place, "places on a line");
  const size_t pairs = (size_t)(n * (n - 1) / 2), images[2] = {data->train.n, data->test.n};
  Barrier sum[2] = {{1, 0, 0, 0}, {1, 0, 0, 0}}; /* of all pairs */
  char unused[32];
  int i, j, set;
  for (i = 0; i < n; i++)
    for (j = i + 1; j < n; j++) {
      path(net, data, &s[i], NULL, &s[j], UNION, 0, 0, 1, place, points);
      for (set = 0; set < 2; set++) {
        const Barrier one = barrier_of(place, points, place, &place[points - 1], set);
        sum[set].finite = sum[set].finite && one.finite;
        sum[set].twice += one.twice;
        sum[set].height = sum[set].height + one.height;
      }
    }
  for (set = 0; set < 2; set++)
    barrier_text(&sum[set], pairs, images[set], barrier[set], height ? height[set] : unused);
  free(place);
}

/* ==== repellent loss ======================================================================== */

void repel_create(Repel *r, const Net *net, float lambda, int most)
{
  size_t j;
  int k = 0; /* tensor of survivor j */
  memset(r, 0, sizeof *r);
  r->lambda = lambda;
  r->place = allocate(net->survivors, sizeof *r->place, "repelled weights");
  r->index = allocate(net->survivors, sizeof *r->index, "repelled weights");
  r->theta = allocate(net->survivors, sizeof(float), "repelled weights");
  r->optimum = allocate((size_t)most, sizeof *r->optimum, "previous optima");
  r->square = allocate((size_t)most, sizeof(float), "previous optima");
  for (j = 0; j < net->survivors; j++) {
    while (net->survivor[j] >= net->tensor[k].offset + net->tensor[k].size) k++;
    if (!net->tensor[k].prunable) continue;
    r->place[r->weights] = (uint32_t)j;
    r->index[r->weights++] = net->survivor[j];
  }
}

void repel_from(Repel *r, const float *weight)
{
  float *b = r->optimum[r->optima] = allocate(r->weights, sizeof(float), "a previous optimum");
  size_t i;
  for (i = 0; i < r->weights; i++) b[i] = weight[r->index[i]];
  r->square[r->optima++] = dot(b, b, r->weights);
}

void repel_free(Repel *r)
{
  while (r->optima > 0) free(r->optimum[--r->optima]);
  free(r->optimum);
  free(r->square);
  free(r->place);
  free(r->index);
  free(r->theta);
}

/* With a = theta, b = an optimum, c = <a,b> / (|a| |b|):
 *     dJ/da = 2 lambda / n sum over r of c_r (b_r / (|a| |b_r|) - c_r a / |a|^2) */
void repel_hook(void *repel, Net *net, long step, int after)
{
  Repel *r = repel;
  const float scale = (float)(2.0f * r->lambda) / (float)r->optima;
  float aa, own = 0;
  size_t i;
  int k;
  (void)step;
  if (!after) return;
  for (i = 0; i < r->weights; i++) r->theta[i] = net->weight[r->index[i]];
  aa = dot(r->theta, r->theta, r->weights);
  for (k = 0; k < r->optima; k++) {
    const float *b = r->optimum[k], norms = square_root(aa * r->square[k]);
    const float c = norms > 0 ? dot(r->theta, b, r->weights) / norms : 0, scaled = scale * c;
    const float toward = norms > 0 ? scaled / norms : 0;
    if (aa > 0) own = own + (float)((float)(scaled * c) / aa);
    for (i = 0; i < r->weights; i++)
      net->gradient[r->place[i]] = net->gradient[r->place[i]] + (float)(toward * b[i]);
  }
  for (i = 0; i < r->weights; i++)
    net->gradient[r->place[i]] = net->gradient[r->place[i]] - (float)(own * r->theta[i]);
}

/* ==== distances ============================================================================= */

/* ANGLE, COSINE_SIMILARITY, L2 or L1 of u[n] and v[n], which are overwritten. */
static float vector_distance(float *u, float *v, size_t n, int what)
{
  static const float two_over_pi = 0.636619772f;
  size_t j;
  float c;
  if (what == L2 || what == L1) {
    for (j = 0; j < n; j++) {
      u[j] = u[j] - v[j];
      v[j] = what == L2 ? u[j] : u[j] < 0 ? -1.0f : 1.0f;
    }
    return what == L2 ? square_root(dot(u, v, n)) : dot(u, v, n) / (float)n;
  }
  c = cosine_of(dot(u, v, n), dot(u, u, n), dot(v, v, n));
  return what == ANGLE && is_finite(c) ? two_over_pi * arc_cosine(c) : c;
}

/* Distance of prunable weights or their masks. u, v: [net->size], overwritten */
static void weight_distance(const Net *net, const Solution *a, const Solution *b, int what,
                            float *u, float *v, char text[64])
{
  size_t either = 0, both = 0, same = 0, j;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    if (!t->prunable) continue;
    for (j = t->offset; j < t->offset + t->size; j++) {
      const float p = a->weight[j], q = b->weight[j];
      either += a->mask[j] || b->mask[j];
      if (!a->mask[j] || !b->mask[j]) continue;
      same += (p > 0) == (q > 0) && (p < 0) == (q < 0);
      u[both] = p;
      v[both++] = q;
    }
  }
  if (what == HAMMING) percent(text, either - both, net_prunable(net, 0));
  else if (what == OVERLAP && either > 0) percent(text, both, either);
  else if (both == 0) strcpy(text, "-");
  else if (what == SIGN) percent(text, same, both);
  else decimals(text, vector_distance(u, v, both, what));
}

/* What a network says of the images of a split: the largest logit's class (the first of equals),
 * and p[image][class] = ln of the predicted probability. is_finite: all logits are. */
typedef struct {
  unsigned char *largest;
  float *p;
  int is_finite;
} Predictions;

static void predict(Net *net, const Split *split, Predictions *said)
{
  const Activation *logits = &net->activation[net->activations - 1];
  const size_t C = net->classes, L = logits->tile;
  size_t first, b, c;
  said->largest = allocate(split->n, 1, "predictions");
  said->p = allocate(split->n * C, sizeof(float), "predictions");
  said->is_finite = 1;
  for (first = 0; net_forward_from(net, split, first); first += net->slots)
    for (b = 0; b < net->images; b++) {
      const float *z = logits->value + b / L * C * L + b % L;
      float *p = said->p + (first + b) * C, m = z[0], s = 0, log_sum;
      for (c = 0; c < C; c++) {
        said->is_finite = said->is_finite && is_finite(z[c * L]);
        if (!(z[c * L] > m)) continue;
        m = z[c * L];
        said->largest[first + b] = (unsigned char)c;
      }
      for (c = 0; c < C; c++) s = s + exponential(z[c * L] - m);
      log_sum = logarithm(s);
      for (c = 0; c < C; c++) p[c] = (float)(z[c * L] - m) - log_sum;
    }
}

/* sum over classes of p (ln p - ln q) */
static float divergence(const float *p, const float *q, size_t classes)
{
  float sum = 0;
  size_t c;
  for (c = 0; c < classes; c++) sum = sum + (float)(exponential(p[c]) * (float)(p[c] - q[c]));
  return sum;
}

/* JS = (KL(p, m) + KL(q, m)) / 2, m = (p + q) / 2 */
static float symmetric_divergence(const float *p, const float *q, size_t classes)
{
  float middle[256];
  size_t c;
  for (c = 0; c < classes; c++) {
    const float m = 0.5f * (float)(exponential(p[c]) + exponential(q[c]));
    middle[c] = m > 0 ? logarithm(m) : p[c]; /* below the smallest number: adds nothing */
  }
  return 0.5f * (float)(divergence(p, middle, classes) + divergence(q, middle, classes));
}

/* DISAGREEMENT, KL or JS: the mean over images, or "-" if a prediction is not finite. */
static void prediction_distance(const Predictions *a, const Predictions *b, size_t images,
                                size_t classes, int what, char text[64])
{
  float lane[LANES] = {0};
  size_t i;
  strcpy(text, "-");
  if (!a->is_finite || !b->is_finite) return;
  for (i = 0; i < images; i++) {
    const float *p = a->p + i * classes, *q = b->p + i * classes;
    float x;
    if (what == DISAGREEMENT) x = a->largest[i] != b->largest[i] ? 1.0f : 0.0f;
    else x = what == KL ? divergence(p, q, classes) : symmetric_divergence(p, q, classes);
    lane[i % LANES] = lane[i % LANES] + (x < 0 ? 0 : x); /* below 0 by rounding only */
  }
  if (what == DISAGREEMENT) percent(text, (size_t)lanes_sum(lane), images);
  else decimals(text, lanes_sum(lane) / (float)images);
}

void distances(Net *net, const Dataset *data, const Solution *s, int n, char **name, int what)
{
  const size_t images = data->test.n;
  const int of_predictions = what >= DISAGREEMENT;
  float *u = allocate(net->size, sizeof(float), "distances");
  float *v = allocate(net->size, sizeof(float), "distances");
  Predictions *said = allocate((size_t)n, sizeof *said, "predictions");
  char text[64];
  int i, j;
  if (of_predictions)
    for (i = 0; i < n; i++) {
      solution_put(&s[i], net);
      predict(net, &data->test, &said[i]);
    }
  printf("network");
  for (j = 0; j < n; j++) printf("\t%s", name[j]);
  for (i = 0; i < n; i++) {
    printf("\n%s", name[i]);
    for (j = 0; j < n; j++) {
      if (of_predictions) prediction_distance(&said[i], &said[j], images, net->classes, what, text);
      else weight_distance(net, &s[i], &s[j], what, u, v, text);
      printf("\t%s", text);
    }
  }
  printf("\n");
  for (i = 0; i < n; i++) {
    free(said[i].largest);
    free(said[i].p);
  }
  free(said);
  free(u);
  free(v);
}

/* ==== probe ================================================================================= */

/* Angle between the gradients of the batches and of the whole set, g = sum over batches of
 * (images in it / n) g_batch. */
static void probe_gradient(Net *net, const Dataset *data, const char *name, uint64_t order_seed)
{
  const size_t n = data->train.n, size = net->survivors;
  uint32_t *order = allocate(n, sizeof *order, "the data order");
  float *whole = allocate(size, sizeof(float), "a gradient"), aa = 0, angles = 0, norms = 0,
        lane[LANES];
  size_t first, j, batches = 0, wrong = 0;
  Solution start;
  char text[64];
  int pass;
  solution_take(&start, net);
  data_order(order, n, order_seed, 0, 0);
  for (pass = 0; pass < 2; pass++) {
    for (first = 0; first < n; first += net->batch) {
      const size_t images = n - first < net->batch ? n - first : net->batch;
      const float share = (float)images / (float)n;
      net_load(net, &data->train, order + first, 0, images, NULL);
      net_forward(net, 1);
      net_loss(net, memset(lane, 0, sizeof lane), &wrong);
      if (!is_finite(lanes_sum(lane)))
        fail("%s: its loss is not finite: its training diverged", name);
      net_backward(net);
      if (pass == 0)
        for (j = 0; j < size; j++) whole[j] = whole[j] + (float)(share * net->gradient[j]);
      else {
        const float bb = dot(net->gradient, net->gradient, size);
        const float c = cosine_of(dot(whole, net->gradient, size), aa, bb);
        angles = angles + (is_finite(c) ? arc_cosine(c) : c);
        norms = norms + square_root(bb);
        batches++;
      }
    }
    aa = dot(whole, whole, size);
  }
  printf("gradient\tangle\t%s\n", decimals(text, angles / (float)batches));
  printf("gradient\tnorm\t%s\n", short_decimals(text, square_root(aa)));
  printf("gradient\tbatch-norm\t%s\n", short_decimals(text, norms / (float)batches));
  solution_put(&start, net);
  solution_free(&start);
  free(whole);
  free(order);
}

/* Marks in alive[channels] the units (of a plane: channels) that are not 0 for every image of the
 * batch. */
static void mark_alive(const Net *net, const Activation *a, unsigned char *alive)
{
  const size_t L = a->tile;
  size_t b, c, i;
  for (b = 0; b < net->images; b++)
    for (c = 0; c < a->channels; c++) {
      const float *x = a->value + (b / L * a->channels + c) * a->plane;
      if (alive[c]) continue;
      for (i = b % L; i < a->plane; i += L)
        if (x[i] != 0) alive[c] = 1;
    }
}

/* Units after a ReLU that are 0 for every training image. */
static void probe_dead(Net *net, const Dataset *data)
{
  unsigned char **alive = allocate((size_t)net->layers, sizeof *alive, "dead units");
  size_t first, c;
  int k;
  for (k = 0; k < net->layers; k++)
    alive[k] = allocate(net->activation[net->layer[k].out].channels, 1, "dead units");
  for (first = 0; net_forward_from(net, &data->train, first); first += net->slots)
    for (k = 0; k < net->layers; k++)
      if (net->layer[k].relu) mark_alive(net, &net->activation[net->layer[k].out], alive[k]);
  for (k = 0; k < net->layers; k++) {
    const Layer *layer = &net->layer[k];
    unsigned long dead = 0;
    char name[NAME_SIZE];
    sprintf(name, "sum %d", k);
    if (*layer->name) strcpy(name, layer->name);
    for (c = 0; c < net->activation[layer->out].channels; c++) dead += !alive[k][c];
    if (layer->relu) printf("dead\t%s\t%lu\n", name, dead);
    free(alive[k]);
  }
  free(alive);
}

/* What survives of a tensor; returns the larger of `most` and its largest |w|. */
static float probe_tensor(const Net *net, const Tensor *t, float most)
{
  const size_t units = t->shape[0], inputs = t->size / units;
  size_t connected = 0, survivors = 0, unit, i;
  char density[32];
  for (unit = 0; unit < units; unit++) {
    size_t taps = 0;
    for (i = 0; i < inputs; i++) {
      const size_t at = t->offset + unit * inputs + i;
      const float w = net->weight[at] < 0 ? -net->weight[at] : net->weight[at];
      taps += net->mask[at];
      most = w > most ? w : most;
    }
    survivors += taps;
    connected += taps > 0;
  }
  printf("weights\t%s\t%lu\n", t->name, (unsigned long)survivors);
  printf("density\t%s\t%s\n", t->name, percent(density, survivors, t->size));
  printf("units\t%s\t%lu\n", t->name, (unsigned long)units);
  printf("units with inputs\t%s\t%lu\n", t->name, (unsigned long)connected);
  return most;
}

/* Surviving weights in bins from -most to most. */
static void probe_histogram(const Net *net, float most)
{
  enum { BINS = 100 };
  const float width = (float)(2.0f * most) / BINS;
  unsigned long bin[BINS] = {0};
  size_t j;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    if (!t->prunable) continue;
    for (j = t->offset; j < t->offset + t->size; j++) {
      const float at = width > 0 ? (float)(net->weight[j] + most) / width : 0;
      if (net->mask[j]) bin[at < BINS ? (int)at : BINS - 1]++;
    }
  }
  for (k = 0; k < BINS; k++) {
    const float middle = (float)(width * (float)((float)k + 0.5f)) - most;
    printf("histogram\t%.6f\t%lu\n", (double)middle, bin[k]);
  }
}

void probe(Net *net, const Dataset *data, const char *name, uint64_t order_seed)
{
  float most = 0;
  int k;
  printf("quantity\twhere\tvalue\n");
  probe_gradient(net, data, name, order_seed);
  for (k = 0; k < net->tensors; k++)
    if (net->tensor[k].prunable) most = probe_tensor(net, &net->tensor[k], most);
  probe_dead(net, data);
  probe_histogram(net, most);
}

/* ==== progress of what trains here =========================================================== */

typedef struct {
  const char *what;
  Clock clock;
  long done, all; /* steps of the command */
} Work;

static void work_watch(void *context, const Progress *p)
{
  Work *work = context;
  show_training(&work->clock, p, (double)++work->done / (double)work->all, work->what);
}

/* ==== curves ================================================================================ */

typedef struct {
  const float *a, *b;
  float *bend;
  Stream draws;
} Curve;

/* Before a batch the weights, which are the bend's, give way to the point at t; after it
 * dJ/dbend = 2 t (1-t) dW. */
static void curve_hook(void *context, Net *net, long step, int after)
{
  Curve *c = context;
  const float t = random_uniform(c->draws, (uint64_t)step),
              slope = 2.0f * (float)(t * (float)(1.0f - t));
  size_t j;
  if (!after) {
    memcpy(c->bend, net->weight, net->size * sizeof(float));
    go_to(net, c->a, c->bend, c->b, t);
    return;
  }
  for (j = 0; j < net->survivors; j++) net->gradient[j] = slope * net->gradient[j];
  memcpy(net->weight, c->bend, net->size * sizeof(float));
}

void curve(Net *net, const Dataset *data, const Solution *a, const Solution *b, Training how,
           uint64_t seed, int quiet, float *bend)
{
  Curve c = {a->weight, b->weight, bend, {seed, RANDOM_CURVE, 0, 0}};
  Work work = {"curve", {time(NULL), 0, quiet}, 0, how.steps};
  Optimizer o;
  how.hook = curve_hook;
  how.context = &c;
  set_common_mask(net, a, b, UNION);
  go_to(net, a->weight, NULL, b->weight, 0.5f);
  optimizer_create(&o, net);
  train(net, &o, data, &how, 0, 0, how.steps, 0, work_watch, &work);
  if (work.clock.shown) show_progress("\n");
  memcpy(bend, net->weight, net->size * sizeof(float));
  optimizer_free(&o);
}

/* ==== stability ============================================================================= */

/* The optimiser's memory := that of another one. */
static void optimizer_copy(Optimizer *to, const Optimizer *from, const Net *net)
{
  memcpy(to->velocity, from->velocity, net->size * sizeof(float));
  memcpy(to->square, from->square, net->size * sizeof(float));
  memcpy(to->correction, from->correction, sizeof to->correction);
}

void evaluate(Net *net, const Dataset *data, const char *what, float loss[2], char error[2][32])
{
  const Split *const set[2] = {&data->train, &data->test};
  size_t wrong;
  int k;
  for (k = 0; k < 2; k++) {
    net_evaluate(net, set[k], &loss[k], &wrong);
    if (!is_finite(loss[k]))
      fail("training diverged: the loss is not finite after the last step (%s); try a lower --lr "
           "or a --warmup",
           what);
    percent(error[k], wrong, set[k]->n);
  }
}

void stability(const Experiment *e, const long *at, int n)
{
  const Dataset *data = e->data;
  const int copies = e->children + 1;
  Solution *start = allocate((size_t)n, sizeof *start, "snapshots");
  Solution *end = allocate((size_t)copies, sizeof *end, "solutions");
  Optimizer *memory = allocate((size_t)n + 1, sizeof *memory, "snapshots");
  Work work = {"original", {time(NULL), 0, e->quiet}, 0, e->how.steps};
  char measured[2][32], height[2][32], error[2][32], digest[17];
  float loss[2];
  Net net;
  int k, c;
  for (k = 0; k < n; k++) work.all += e->children * (e->how.steps - at[k]);
  net_create(&net, &e->model, data, e->batch, e->threads);
  if (e->init) checkpoint_apply(&net, e->init, e->init_path);
  if (e->ticket) net_set_mask(&net, e->ticket);
  if (!e->init) net_init(&net, e->scheme, e->seed, 0);
  for (k = 0; k <= n; k++) { /* from fork to fork, and to the end */
    optimizer_create(&memory[k], &net);
    if (k > 0) optimizer_copy(&memory[k], &memory[k - 1], &net);
    train(&net, &memory[k], data, &e->how, 0, k > 0 ? at[k - 1] : 0, k < n ? at[k] : e->how.steps,
          0, work_watch, &work);
    solution_take(k < n ? &start[k] : &end[0], &net);
  }
  evaluate(&net, data, "the first training", loss, error);
  for (k = 0; k < e->pairs; k++) printf("# %s = %s\n", e->key[k], e->value[k]);
  printf("step\ttrain_instability\ttest_instability\ttrain_error\ttest_error\ttrain_height\ttest_"
         "height\tdigest\n");
  work.what = "copy";
  for (k = 0; k < n; k++) {
    for (c = 1; c < copies; c++) {
      solution_put(&start[k], &net);
      optimizer_copy(&memory[n], &memory[k], &net); /* that of the end is needed no more */
      train(&net, &memory[n], data, &e->how, (uint32_t)(CHILD * c), at[k], e->how.steps, 0,
            work_watch, &work);
      evaluate(&net, data, "a copy", loss, error);
      solution_take(&end[c], &net);
    }
    digest_text(digest, net_digest(&net));
    barriers(&net, data, end, copies, e->points, measured, height);
    if (work.clock.shown) show_progress("\n");
    printf("%ld\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", at[k], measured[0], measured[1], error[0], error[1],
           height[0], height[1], digest);
    fflush(stdout);
    for (c = 1; c < copies; c++) solution_free(&end[c]);
    solution_free(&start[k]);
    optimizer_free(&memory[k]);
  }
  solution_free(&end[0]);
  optimizer_free(&memory[n]);
  net_free(&net);
  free(start);
  free(end);
  free(memory);
}
