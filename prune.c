/* prune.c - finds lottery tickets: magnitude pruning, rewinding, controls, and the loop of training, pruning and
 * rewinding (iterative magnitude pruning: Frankle and Carbin 2019; with rewinding Frankle et al. 2020,
 * algorithm 2), which a killed run takes up again.
 *
 * Not here: arithmetic (nn.c), file formats (data.c). Every training of the loop is a function of its options and
 * of files already written, so resuming needs no state but those files. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const branch_names[BRANCHES] = {"ticket", "reinit", "reinit-fresh", "shuffle", "random"};

/* ==== masks ================================================================================= */

static int by_value(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* round(n share / 10^6) without overflow for any n below 2^43 */
static size_t share_of(size_t n, long share) { return (size_t)(((uint64_t)n * (uint64_t)share + MILLION / 2) / MILLION); }

/* Number of the ranking that tensor k takes part in, -1: none. Over all layers the output layer and the convolutions have
 * one of their own if they have a rate of their own. */
static int ranking_of(const Net *net, int k, const Pruning *how, long *rate)
{
  const Tensor *t = &net->tensor[k];
  const int own = t->output && how->output_rate >= 0 ? 1 : t->dims == 4 && how->conv_rate >= 0 ? 2 : 0;
  *rate = own == 1 ? how->output_rate : own == 2 ? how->conv_rate : how->rate;
  return !t->prunable ? -1 : how->scope == LAYER ? k : own;
}

/* The bits of |w| read as an integer have the order of |w|, so (|w|, index) is one 64-bit key. */
float prune_magnitude(const Net *net, unsigned char *mask, const Pruning *how)
{
  uint64_t *rank = allocate(net_prunable(net, 0), sizeof *rank, "the ranking of weights"), highest = 0;
  float threshold;
  uint32_t bits;
  int ranking, k;
  for (ranking = 0; ranking < net->tensors + 3; ranking++) {
    size_t total = 0, n = 0, keep, j;
    long rate = 0, its;
    for (k = 0; k < net->tensors; k++) {
      const Tensor *t = &net->tensor[k];
      if (ranking_of(net, k, how, &its) != ranking) continue;
      rate = its;
      total += t->size;
      for (j = t->offset; j < t->offset + t->size; j++) {
        if (!mask[j]) continue;
        memcpy(&bits, &net->weight[j], sizeof bits);
        rank[n++] = (uint64_t)(bits & 0x7fffffffu) << 32 | (uint64_t)j;
      }
    }
    qsort(rank, n, sizeof *rank, by_value);
    keep = how->density >= 0 ? share_of(total, how->density) : n - share_of(n, rate);
    for (j = 0; j + keep < n; j++) mask[rank[j] & 0xffffffffu] = 0;
    if (j > 0 && rank[j - 1] > highest) highest = rank[j - 1];
  }
  bits = (uint32_t)(highest >> 32);
  memcpy(&threshold, &bits, sizeof threshold);
  free(rank);
  return threshold;
}

void prune_shuffle(const Net *net, unsigned char *mask, uint64_t seed, uint32_t level, int together)
{
  size_t *place = allocate(net->size, sizeof *place, "the shuffled mask"), n = 0, i, j;
  uint32_t *order = allocate(net->size, sizeof *order, "the shuffled mask");
  unsigned char *old = copy_of(mask, net->size, net->size, 1, "the shuffled mask");
  Stream s = {seed, RANDOM_MASK, level, 0};
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    for (j = 0; j < t->size && t->prunable; j++) place[n++] = t->offset + j;
    if (together && k + 1 < net->tensors) continue;
    s.b = together ? 0xffffffffu : (uint32_t)k;
    random_order(order, n, s);
    for (i = 0; i < n; i++) mask[place[i]] = old[place[order[i]]];
    n = 0;
  }
  free(place);
  free(order);
  free(old);
}

/* ==== checkpoints =========================================================================== */

const char *digest_text(char digits[17], uint64_t digest)
{
  sprintf(digits, "%08lx%08lx", (unsigned long)(digest >> 32), (unsigned long)(digest & 0xffffffffu));
  return digits;
}

void checkpoint_apply(Net *net, const Safetensors *s, const char *path)
{
  unsigned char *mask = allocate(net->size, 1, "the mask");
  const char *claimed = safetensors_value(s, "digest");
  char name[2 * NAME_SIZE], digest[17];
  int k, known = 0;
  size_t j;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    const Entry *values = safetensors_find(s, t->name), *kept;
    const unsigned char *keeps;
    int d;
    sprintf(name, "mask.%s", t->name);
    kept = t->prunable ? safetensors_find(s, name) : NULL;
    keeps = kept ? kept->data : NULL;
    if (!values) fail("%s: has no tensor %s; it is not a checkpoint of %s", path, t->name, net->model);
    if (values->type != 'F' || values->dims != t->dims || values->size != t->size)
      fail("%s: tensor %s has another type or shape than in %s (%zu values expected)", path, t->name, net->model, t->size);
    for (d = 0; d < t->dims; d++)
      if (values->shape[d] != t->shape[d])
        fail("%s: dimension %d of tensor %s is %zu, but %zu in %s", path, d, t->name, values->shape[d], t->shape[d], net->model);
    if (kept && (kept->type != 'U' || kept->size != t->size)) fail("%s: tensor %s does not have the shape of %s", path, name, t->name);
    known += kept ? 2 : 1;
    memcpy(net->weight + t->offset, values->data, t->size * sizeof(float));
    for (j = 0; j < t->size; j++) {
      const float w = net->weight[t->offset + j];
      if (!is_finite(w)) fail("%s: value %zu of tensor %s is not finite", path, j, t->name);
      if (keeps && keeps[j] > 1) fail("%s: tensor %s holds other values than 0 and 1", path, name);
      mask[t->offset + j] = keeps ? keeps[j] : 1;
      if (!mask[t->offset + j] && w != 0) fail("%s: value %zu of tensor %s is masked but not 0", path, j, t->name);
    }
  }
  for (k = 0; k < s->entries; k++)
    if (strncmp(s->entry[k].name, "optimizer.", 10) != 0) known--;
  if (known < 0) fail("%s: holds tensors that %s does not have", path, net->model);
  net_set_mask(net, mask);
  digest_text(digest, net_digest(net));
  if (claimed && strcmp(claimed, digest) != 0)
    fail("%s: its values have digest %s, but it says %s; the file was changed or damaged", path, digest, claimed);
  free(mask);
}

/* ==== the loop ============================================================================== */

/* PREFIX.tsv or PREFIX.epochs.tsv: the configuration, a header, rows. */
typedef struct {
  char *path;
  const char *header;
  char **row;
  size_t rows, room; /* lines, and how many there is room for */
} Table;

/* One training of the loop and what its end and its pauses need. */
typedef struct {
  const Experiment *e;
  Net net;
  Optimizer optimizer;
  int level, branch;
  int child;             /* 0: the network itself; 1 ...: copies of it under other data orders */
  Repel repel;           /* from the branch's previous optima */
  long from;             /* first step */
  float lr;              /* what replaces the schedule's learning rate, or 0 */
  Clock clock;
  time_t saved;
  double done, all;      /* work of this process: before this training, and of all its trainings (for the time left) */
  Table results, epochs;
  char *rewind, *resume; /* names of PREFIX.rewind.safetensors and PREFIX.resume.safetensors */
} Loop;

/* A line of a table, or of its configuration. Caller frees. */
static char *text(const char *format, ...)
{
  char line[1000];
  va_list args;
  va_start(args, format);
  if (vsnprintf(line, sizeof line, format, args) >= (int)sizeof line) fail("a file name is too long: %.60s...", line);
  va_end(args);
  return join(line, "", "");
}

static char *checkpoint_path(const Experiment *e, int level, int branch, int child)
{
  char copy[24] = "";
  if (child > 0) sprintf(copy, ".child%d", child);
  return text("%s.L%02d%s%s%s.safetensors", e->out, level, branch == TICKET ? "" : ".", branch == TICKET ? "" : branch_names[branch], copy);
}

/* One more tensor of a file to be written: its name is the prefix and the name, its values stay the caller's. */
static void add_entry(Safetensors *s, const char *prefix, const char *name, int type, int dims, const size_t *shape, void *data)
{
  Entry *entry = &s->entry[s->entries++];
  int d;
  sprintf(entry->name, "%s%s", prefix, name);
  entry->type = type;
  entry->dims = dims;
  for (entry->size = 1, d = 0; d < dims; d++) entry->size *= entry->shape[d] = shape[d];
  entry->data = data;
}

static void add_pair(Safetensors *s, const char *key, const char *value)
{
  s->key[s->pairs] = (char *)key;
  s->value[s->pairs++] = (char *)value;
}

/* Writes parameters, masks and the configuration; with an optimiser its memory too. */
static void save(const Loop *loop, const char *path, long step, const Optimizer *o)
{
  const Experiment *e = loop->e;
  const Net *net = &loop->net;
  const size_t two = 2;
  char level[24], child[24], steps[24], digest[17], *key[80], *value[80];
  float correction[2];
  Safetensors s = {0, 0, NULL, key, value};
  int k;
  s.entry = allocate((size_t)(2 * net->tensors + 3), sizeof *s.entry, "the checkpoint");
  for (k = 0; k < 2 * net->tensors; k++) {
    const Tensor *t = &net->tensor[k % net->tensors];
    if (k < net->tensors) add_entry(&s, "", t->name, 'F', t->dims, t->shape, net->weight + t->offset);
    else if (t->prunable) add_entry(&s, "mask.", t->name, 'U', t->dims, t->shape, net->mask + t->offset);
  }
  if (o) {
    correction[0] = o->correction1;
    correction[1] = o->correction2;
    add_entry(&s, "", "optimizer.velocity", 'F', 1, &net->survivors, o->velocity);
    add_entry(&s, "", "optimizer.square", 'F', 1, &net->survivors, o->square);
    add_entry(&s, "", "optimizer.correction", 'F', 1, &two, correction);
  }
  sprintf(level, "%d", loop->level);
  sprintf(child, "%d", loop->child);
  sprintf(steps, "%ld", step);
  for (k = 0; k < e->pairs; k++) add_pair(&s, e->key[k], e->value[k]);
  add_pair(&s, "level", level);
  add_pair(&s, "branch", branch_names[loop->branch]);
  add_pair(&s, "child", child);
  add_pair(&s, "step", steps);
  add_pair(&s, "digest", digest_text(digest, net_digest(net)));
  safetensors_write(&s, path);
  free(s.entry);
}

/* Whether a file's configuration has this value. */
static int says(const Safetensors *s, const char *key, const char *value)
{
  const char *found = safetensors_value(s, key);
  return found && strcmp(found, value) == 0;
}

/* Reads the resume file if there is one; says which child of this level and branch it is of, -1 if it is of none. */
static int read_resume(const Loop *loop, Safetensors *s)
{
  const Experiment *e = loop->e;
  char number[24];
  int k, same;
  memset(s, 0, sizeof *s);
  if (!file_exists(loop->resume)) return -1;
  safetensors_read(s, loop->resume);
  sprintf(number, "%d", loop->level);
  same = says(s, "level", number) && says(s, "branch", branch_names[loop->branch]);
  for (k = 0; k < e->pairs; k++) same = same && says(s, e->key[k], e->value[k]);
  for (k = 0; same && k <= e->children; k++) {
    sprintf(number, "%d", k);
    if (says(s, "child", number)) return k;
  }
  return -1;
}

/* Restores net and optimiser from the resume file of this very training, which begins at `from`; returns its step. */
static long resume(Loop *loop, const Safetensors *s, long from)
{
  static const char *const names[3] = {"optimizer.velocity", "optimizer.square", "optimizer.correction"};
  const Entry *memory[3];
  const size_t n = loop->net.survivors;
  const char *value = safetensors_value(s, "step");
  int k, whole = value != NULL;
  long step;
  checkpoint_apply(&loop->net, s, loop->resume);
  for (k = 0; k < 3; k++) {
    memory[k] = safetensors_find(s, names[k]);
    whole = whole && memory[k] && memory[k]->type == 'F' && memory[k]->size == (k < 2 ? n : 2);
  }
  if (!whole || loop->net.survivors != n) fail("%s: is damaged; remove it to train this level from its start", loop->resume);
  memcpy(loop->optimizer.velocity, memory[0]->data, n * sizeof(float));
  memcpy(loop->optimizer.square, memory[1]->data, n * sizeof(float));
  loop->optimizer.correction1 = ((const float *)memory[2]->data)[0];
  loop->optimizer.correction2 = ((const float *)memory[2]->data)[1];
  step = *value && strspn(value, "0123456789") == strlen(value) && strlen(value) < 10 ? strtol(value, NULL, 10) : -1;
  if (step < from || step >= loop->e->how.steps)
    fail("%s: its step '%s' is damaged; remove it to train this level from its start", loop->resume, value);
  return step;
}

/* Work of training a level, in steps of the dense network: a step costs a fixed part and one that falls with density. */
static double work(const Experiment *e, int level, int branch)
{
  double density = 1, steps = (double)e->how.steps;
  int k;
  for (k = 0; k < level; k++) density *= e->pruning.density >= 0 ? (double)e->pruning.density / MILLION : 1 - (double)e->pruning.rate / MILLION;
  if (level > 0 && branch != REINIT && branch != REINIT_FRESH) steps -= (double)e->rewind;
  return steps * (0.06 + 0.94 * density);
}

static int trained_at(int level, int branch) { return level > 0 || (branch != SHUFFLE && branch != RANDOM); }

/* ==== PREFIX.tsv and PREFIX.epochs.tsv ======================================================= */

static const char results_header[] = "level\tbranch\tweights\tdensity\tthreshold\ttrain_loss\ttrain_error\ttest_loss\ttest_error\t"
                                     "train_barrier\ttest_barrier\ttrain_instability\ttest_instability\tdigest";
static const char epochs_header[] = "level\tbranch\tcopy\tdensity\tepoch\tstep\tlr\ttrain_loss\ttrain_error\ttest_loss\ttest_error";

static void write_table(const Experiment *e, const Table *t)
{
  Output out;
  size_t k;
  output_open(&out, t->path);
  for (k = 0; k < (size_t)e->pairs; k++) output_print(&out, "# %s = %s\n", e->key[k], e->value[k]);
  output_print(&out, "%s\n", t->header);
  for (k = 0; k < t->rows; k++) output_print(&out, "%s\n", t->row[k]);
  output_close(&out);
}

/* Takes over `row`. */
static void add_row(Table *t, char *row)
{
  if (t->rows == t->room) {
    char **more = copy_of(t->row, t->rows, 2 * t->room + 256, sizeof *more, "the rows of a table");
    t->room = 2 * t->room + 256;
    free(t->row);
    t->row = more;
  }
  t->row[t->rows++] = row;
}

static void free_table(Table *t)
{
  while (t->rows > 0) free(t->row[--t->rows]);
  free(t->row);
  free(t->path);
}

/* Cuts the next line off *at; fails if there is none. */
static char *next_line(char **at, const char *path)
{
  char *line = *at, *end = strchr(line, '\n');
  if (!end) fail("%s: is not a result file of ticket, or was cut short; choose another --out or remove it", path);
  *end = 0;
  *at = end + 1;
  return line;
}

/* Reads the file of an earlier, unfinished run, whose configuration must be this one's: where its rows begin, or NULL if
 * there is no file. The caller frees *content. */
static char *read_table(const Experiment *e, const Table *t, char **content)
{
  char *at, *line, *expected;
  size_t size;
  int k;
  *content = NULL;
  if (!file_exists(t->path)) return NULL;
  at = *content = (char *)read_file(t->path, &size);
  if (strlen(at) != size) fail("%s: is not a result file of ticket; choose another --out or remove it", t->path);
  for (k = 0; k < e->pairs; k++) {
    expected = text("# %.100s = %.800s", e->key[k], e->value[k]);
    line = next_line(&at, t->path);
    if (strcmp(line, expected) != 0)
      fail("%s: holds another run ('%.80s', now '%.80s'); choose another --out or remove it", t->path, line, expected);
    free(expected);
  }
  if (strcmp(next_line(&at, t->path), t->header) != 0)
    fail("%s: is not a result file of this run; choose another --out or remove it", t->path);
  return at;
}

/* Field number `field` (from 0) of a line of tab-separated values, up to size - 1 characters of it. */
static void field_of(char *to, size_t size, const char *line, int field)
{
  size_t n;
  for (; field > 0 && line; field--) line = (line = strchr(line, '\t')) ? line + 1 : NULL;
  n = line ? strcspn(line, "\t") : 0;
  if (n >= size) n = size - 1;
  memcpy(to, line ? line : "", n);
  to[n] = 0;
}

/* Which training of the loop a row of PREFIX.epochs.tsv is of, counted from 0, and after which step; -1: of none. */
static long training_of_row(const Experiment *e, const char *row, long *step)
{
  char field[4][24];
  int k;
  for (k = 0; k < 4; k++) field_of(field[k], sizeof field[k], row, k < 3 ? k : 5);
  *step = strtol(field[3], NULL, 10);
  for (k = 0; k < e->branches && strlen(field[0]) < 5 && strlen(field[2]) < 5; k++)
    if (!strcmp(field[1], branch_names[e->branch[k]]))
      return (strtol(field[0], NULL, 10) * e->branches + k) * (e->children + 1) + strtol(field[2], NULL, 10);
  return -1;
}

/* Forgets the rows of what will be trained again, as this training goes on after `step`. Rows are written before the resume
 * file or checkpoint that makes them final: a killed run leaves all that are needed, and maybe some more. */
static void forget_epochs(Loop *loop, long step)
{
  const Experiment *e = loop->e;
  Table *t = &loop->epochs;
  char *now = text("%d\t%s\t%d\t\t\t%ld", loop->level, branch_names[loop->branch], loop->child, step);
  long at, last;
  const long training = training_of_row(e, now, &step);
  for (; t->rows > 0; free(t->row[--t->rows])) {
    last = training_of_row(e, t->row[t->rows - 1], &at);
    if (last < training || (last == training && at <= step)) break;
  }
  free(now);
}

/* How the epoch went that has just ended, or what was trained of it (columns: see imp in ticket.h). The test set is evaluated
 * only when 5 times its images have passed, so that it costs a few percent; that changes nothing that training reads. */
static void record_epoch(Loop *loop, const Progress *p)
{
  const Experiment *e = loop->e;
  const Split *test = &e->data->test;
  const long every = (long)((5 * test->n + e->data->train.n - 1) / e->data->train.n);
  char density[32], error[32], loss[64] = "-", test_error[32] = "-";
  float of_test;
  size_t wrong;
  if (p->step == e->how.steps || (p->epoch + 1) % every == 0) {
    net_evaluate(&loop->net, test, &of_test, &wrong);
    percent(test_error, wrong, test->n);
    if (is_finite(of_test)) sprintf(loss, "%.6f", (double)of_test);
  }
  add_row(&loop->epochs, text("%d\t%s\t%d\t%s\t%ld\t%ld\t%.6g\t%.6f\t%s\t%s\t%s", loop->level, branch_names[loop->branch], loop->child,
                              percent(density, net_prunable(&loop->net, 1), net_prunable(&loop->net, 0)), p->epoch + 1, p->step,
                              (double)(loop->lr > 0 ? loop->lr : learning_rate(&e->how, p->step - 1)),
                              (double)(float)(p->loss / (float)p->seen), percent(error, p->wrong, p->seen), loss, test_error));
}

/* Progress on stderr, the resume file, the curves. */
static void watch(void *context, const Progress *p)
{
  Loop *loop = context;
  const Experiment *e = loop->e;
  const time_t now = time(NULL);
  const double this_one = work(e, loop->level, loop->branch), part = (double)(p->step - loop->from) / (double)(e->how.steps - loop->from + 1);
  char what[64];
  sprintf(what, "level %d %s%s", loop->level, branch_names[loop->branch], loop->child > 0 ? " child" : "");
  if (p->epoch_done || p->step == e->how.steps) record_epoch(loop, p);
  show_training(&loop->clock, p, (loop->done + part * this_one) / loop->all, what);
  if (p->epoch_done && p->step < e->how.steps && difftime(now, loop->saved) >= 2) {
    write_table(e, &loop->epochs);
    save(loop, loop->resume, p->step, &loop->optimizer);
    loop->saved = now;
  }
}

/* Loads a checkpoint into the net. */
static void load(Loop *loop, const char *path)
{
  Safetensors s;
  safetensors_read(&s, path);
  checkpoint_apply(&loop->net, &s, path);
  safetensors_free(&s);
}

/* Loads a finished network of this run; its digest must be the one in PREFIX.tsv, where its row is already there. */
static void load_copy(Loop *loop, int level, int branch, int child)
{
  char *path = checkpoint_path(loop->e, level, branch, child), *row = text("%d\t%s\t", level, branch_names[branch]), found[17];
  size_t k;
  load(loop, path);
  digest_text(found, net_digest(&loop->net));
  for (k = 0; child == 0 && k < loop->results.rows; k++) {
    const char *line = loop->results.row[k], *digest = strrchr(line, '\t') + 1;
    if (strncmp(line, row, strlen(row)) == 0 && strcmp(digest, found) != 0)
      fail("%s: has digest %s, but %s says %s; remove %s to start over", path, found, loop->results.path, digest, loop->results.path);
  }
  free(row);
  free(path);
}

/* Sets weights and mask for a training and returns its first step. */
static long prepare(Loop *loop)
{
  const Experiment *e = loop->e;
  const int level = loop->level, branch = loop->branch, anew = branch == REINIT || branch == REINIT_FRESH;
  Net *net = &loop->net;
  unsigned char *mask;
  net_set_mask(net, NULL);
  if (level == 0 && branch == TICKET) {
    if (loop->child > 0) load(loop, loop->rewind);
    else if (e->init) checkpoint_apply(net, e->init, e->init_path);
    else net_init(net, e->scheme, e->seed, 0);
    return loop->child > 0 ? e->rewind : 0;
  }
  load_copy(loop, branch == TICKET ? level - 1 : level, TICKET, 0);
  mask = copy_of(net->mask, net->size, net->size, 1, "the mask");
  if (branch == TICKET) prune_magnitude(net, mask, &e->pruning);
  if (branch == SHUFFLE || branch == RANDOM) prune_shuffle(net, mask, e->seed, (uint32_t)level, branch == RANDOM);
  if (!anew && (branch != TICKET || e->retrain == WEIGHTS)) load(loop, loop->rewind);
  net_set_mask(net, mask);
  if (anew) net_init(net, e->scheme, e->seed, branch == REINIT ? 1 : 2 + (uint32_t)level);
  free(mask);
  return anew ? 0 : e->rewind;
}

/* Makes network k of the run the loop's, in the order of the rows of PREFIX.tsv; 0 if it is one that is not trained. */
static int choose(Loop *loop, int k)
{
  loop->level = k / loop->e->branches;
  loop->branch = loop->e->branch[k % loop->e->branches];
  return trained_at(loop->level, loop->branch);
}

/* Reads the rows of an earlier, unfinished run; returns the number of the first network that is to be trained. Without
 * PREFIX.tsv the epochs do not count: who removes that file starts over. */
static int read_rows(Loop *loop)
{
  const Experiment *e = loop->e;
  const char *path = loop->results.path;
  char *content, *at = read_table(e, &loop->results, &content), *line, *expected;
  long step, training, before = 0;
  int k;
  if (!at) return 0;
  for (k = 0; k < e->levels * e->branches && *at; k++) {
    if (!choose(loop, k)) continue;
    expected = text("%d\t%s\t", loop->level, branch_names[loop->branch]);
    line = next_line(&at, path);
    if (strncmp(line, expected, strlen(expected)) != 0 || strlen(strrchr(line, '\t')) != 17)
      fail("%s: '%.40s...' is not the row of level %d, %s; remove the file to start over", path, line, loop->level, branch_names[loop->branch]);
    add_row(&loop->results, text("%s", line));
    free(expected);
  }
  if (*at) fail("%s: holds more rows than this run has; choose another --out or remove it", path);
  free(content);
  path = loop->epochs.path;
  for (at = read_table(e, &loop->epochs, &content); at && *at; before = training) {
    line = next_line(&at, path);
    training = training_of_row(e, line, &step);
    if (training < before) fail("%s: '%.40s...' is not the row of an epoch that comes here; remove the file", path, line);
    add_row(&loop->epochs, join(line, "", ""));
  }
  free(content);
  return k;
}

/* Loads the previous optima of the branch into loop->repel, which is made for the net as it is prepared. */
static void repel_prepared(Loop *loop)
{
  const Experiment *e = loop->e;
  Solution start;
  int level = e->repel_last && loop->level > 0 ? loop->level - 1 : 0;
  repel_create(&loop->repel, &loop->net, e->repel, loop->level);
  if (e->repel < 0 || e->repel > 0) {
    solution_take(&start, &loop->net);
    for (; level < loop->level; level++) {
      if (!trained_at(level, loop->branch)) continue;
      load_copy(loop, level, loop->branch, 0);
      repel_from(&loop->repel, loop->net.weight);
    }
    solution_put(&start, &loop->net);
    solution_free(&start);
  }
}

/* Trains a copy of a level and branch, the network itself or a child, and writes its checkpoint. resumed: NULL, or the resume
 * file, which is of this copy. */
static void run_copy(Loop *loop, const Safetensors *resumed)
{
  const Experiment *e = loop->e;
  Net *net = &loop->net;
  Training how = e->how;
  char *checkpoint = checkpoint_path(e, loop->level, loop->branch, loop->child);
  const long from = prepare(loop);
  long step = from;
  loop->lr = 0;
  if (e->retrain == FINETUNE && loop->level > 0 && loop->branch == TICKET) loop->lr = learning_rate(&how, how.steps - 1);
  repel_prepared(loop);
  if (loop->repel.optima > 0) {
    how.hook = repel_hook;
    how.context = &loop->repel;
  }
  optimizer_clear(&loop->optimizer, net);
  if (resumed) step = resume(loop, resumed, from);
  loop->from = step;
  forget_epochs(loop, step);
  if (loop->level == 0 && loop->branch == TICKET && loop->child == 0 && step <= e->rewind) {
    train(net, &loop->optimizer, e->data, &how, 0, step, e->rewind, 0, watch, loop);
    save(loop, loop->rewind, e->rewind, NULL);
    step = e->rewind;
  }
  if (loop->child > 0 && step == from && step < how.steps) save(loop, loop->resume, step, &loop->optimizer); /* those before are finished */
  train(net, &loop->optimizer, e->data, &how, (uint32_t)(loop->level + CHILD * loop->child), step, how.steps, loop->lr, watch, loop);
  write_table(e, &loop->epochs);
  save(loop, checkpoint, how.steps, NULL);
  repel_free(&loop->repel);
  free(checkpoint);
}

/* Barrier to the branch's network one level up, instability between the copies of the level: training and test set of each. */
static void measure(Loop *loop, char measured[4][32])
{
  const Experiment *e = loop->e;
  const int copies = e->children + 1;
  Solution *s = allocate((size_t)copies + 1, sizeof *s, "solutions");
  int c;
  for (c = 0; c < copies; c++) {
    load_copy(loop, loop->level, loop->branch, c);
    solution_take(&s[c], &loop->net);
  }
  if (copies > 1) barriers(&loop->net, e->data, s, copies, e->points, measured + 2);
  while (c > 1) solution_free(&s[--c]);
  if (loop->level > 0 && trained_at(loop->level - 1, loop->branch)) {
    load_copy(loop, loop->level - 1, loop->branch, 0);
    solution_take(&s[c++], &loop->net);
    barriers(&loop->net, e->data, s, 2, e->points, measured);
  }
  while (c > 0) solution_free(&s[--c]);
  free(s);
}

/* Trains the networks of a level and branch, measures, writes the row. */
static void run_one(Loop *loop)
{
  const Experiment *e = loop->e;
  const Split *const set[2] = {&e->data->train, &e->data->test};
  const char *branch = branch_names[loop->branch];
  Net *net = &loop->net;
  Safetensors s;
  char density[32], error[2][32], digest[17], measured[4][32] = {"-", "-", "-", "-"};
  float loss[2], threshold;
  size_t wrong, survivors;
  const int resumed = read_resume(loop, &s);
  int k;
  for (loop->child = 0; loop->child <= e->children; loop->child++) {
    if (loop->child >= resumed) { /* those before are finished */
      run_copy(loop, loop->child == resumed ? &s : NULL);
      safetensors_free(&s);
    }
    loop->done += work(e, loop->level, loop->branch);
  }
  loop->child = 0;
  if (e->children > 0) load_copy(loop, loop->level, loop->branch, 0);
  for (k = 0; k < 2; k++) {
    net_evaluate(net, set[k], &loss[k], &wrong);
    percent(error[k], wrong, set[k]->n);
  }
  if (!is_finite(loss[0]) || !is_finite(loss[1]))
    fail("training diverged: the loss is not finite after the last step of level %d; try a lower --lr or a --warmup", loop->level);
  survivors = net_prunable(net, 1);
  percent(density, survivors, net_prunable(net, 0));
  digest_text(digest, net_digest(net));
  threshold = prune_magnitude(net, net->mask, &e->pruning); /* whoever needs the net from here on loads it */
  if (e->points > 0) measure(loop, measured);
  add_row(&loop->results, text("%d\t%s\t%lu\t%s\t%.6f\t%.6f\t%s\t%.6f\t%s\t%s\t%s\t%s\t%s\t%s", loop->level, branch,
                               (unsigned long)survivors, density, (double)threshold, (double)loss[0], error[0], (double)loss[1],
                               error[1], measured[0], measured[1], measured[2], measured[3], digest));
  write_table(e, &loop->results);
  remove(loop->resume);
  if (!e->quiet)
    show_progress("level %d %s  density %s%%  train error %s%%  test error %s%%  digest %s          \n", loop->level, branch, density,
                  error[0], error[1], digest);
}

/* Test error in percent, a line per level, a column per branch; 7 characters each, so that tabs align. */
static void print_table(const Loop *loop)
{
  const Experiment *e = loop->e;
  char field[8];
  int level, k;
  size_t r = 0;
  printf("level\tdensity");
  for (k = 0; k < e->branches; k++) printf("\t%s", branch_names[e->branch[k]]);
  printf("\n");
  for (level = 0; level < e->levels; level++) {
    field_of(field, sizeof field, loop->results.row[r], 3);
    printf("%d\t%s", level, field);
    for (k = 0; k < e->branches; k++) {
      strcpy(field, "-");
      if (trained_at(level, e->branch[k])) field_of(field, sizeof field, loop->results.row[r++], 8);
      printf("\t%s", field);
    }
    printf("\n");
  }
}

void imp(const Experiment *e)
{
  const int networks = e->levels * e->branches;
  Loop loop = {0};
  char *half;
  int k, first;
  loop.e = e;
  loop.results.path = join(e->out, "", ".tsv");
  loop.results.header = results_header;
  loop.epochs.path = join(e->out, "", ".epochs.tsv");
  loop.epochs.header = epochs_header;
  loop.rewind = join(e->out, "", ".rewind.safetensors");
  loop.resume = join(e->out, "", ".resume.safetensors");
  net_create(&loop.net, &e->model, e->data, e->batch, e->threads);
  optimizer_create(&loop.optimizer, &loop.net);
  first = read_rows(&loop);
  write_table(e, &loop.results); /* shows at once whether results can be written */
  loop.clock.begun = loop.saved = time(NULL);
  loop.clock.quiet = e->quiet;
  for (k = first; k < networks; k++)
    if (choose(&loop, k)) loop.all += (1 + e->children) * work(e, loop.level, loop.branch);
  for (k = first; k < networks; k++)
    if (choose(&loop, k)) run_one(&loop);
  half = join(loop.resume, "", ".tmp");
  remove(loop.resume); /* what a run killed at its very end left */
  remove(half);
  print_table(&loop);
  free_table(&loop.results);
  free_table(&loop.epochs);
  free(loop.rewind);
  free(loop.resume);
  free(half);
  optimizer_free(&loop.optimizer);
  net_free(&loop.net);
}
