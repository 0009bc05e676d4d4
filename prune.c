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

/* Ranks the surviving weights of the tensors chosen[] together and masks the lowest. The bits of |w| read as an
 * integer have the order of |w|, so (|w|, index) is one 64-bit key. */
static float prune_group(const Net *net, unsigned char *mask, const char *chosen, long rate, long density)
{
  size_t total = 0, n = 0, keep, j;
  uint64_t *rank;
  float threshold = 0;
  int k;
  for (k = 0; k < net->tensors; k++) total += chosen[k] ? net->tensor[k].size : 0;
  rank = allocate(total, sizeof *rank, "the ranking of weights");
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    for (j = t->offset; chosen[k] && j < t->offset + t->size; j++)
      if (mask[j]) {
        uint32_t bits;
        memcpy(&bits, &net->weight[j], sizeof bits);
        rank[n++] = (uint64_t)(bits & 0x7fffffffu) << 32 | (uint64_t)j;
      }
  }
  qsort(rank, n, sizeof *rank, by_value);
  keep = density >= 0 ? share_of(total, density) : n - share_of(n, rate);
  for (j = 0; j + keep < n; j++) mask[rank[j] & 0xffffffffu] = 0;
  if (j > 0) {
    uint32_t bits = (uint32_t)(rank[j - 1] >> 32);
    memcpy(&threshold, &bits, sizeof threshold);
  }
  free(rank);
  return threshold;
}

/* The rate of tensor t; *own tells which tensors are ranked together: 1 the output layer, 2 convolutions, 0 all others. */
static long rate_of(const Tensor *t, const Pruning *how, int *own)
{
  *own = t->output && how->output_rate >= 0 ? 1 : t->dims == 4 && how->conv_rate >= 0 ? 2 : 0;
  return *own == 1 ? how->output_rate : *own == 2 ? how->conv_rate : how->rate;
}

float prune_magnitude(const Net *net, unsigned char *mask, const Pruning *how)
{
  char *chosen = allocate((size_t)net->tensors, 1, "the layers to prune"), *done = allocate((size_t)net->tensors, 1, "layers");
  float threshold = 0, t;
  int k, m;
  for (k = 0; k < net->tensors; k++) { /* the group that tensor k opens */
    int group, other;
    const long rate = rate_of(&net->tensor[k], how, &group);
    if (!net->tensor[k].prunable || done[k]) continue;
    for (m = 0; m < net->tensors; m++) {
      rate_of(&net->tensor[m], how, &other);
      chosen[m] = (char)(net->tensor[m].prunable && (how->scope == LAYER ? m == k : other == group));
      if (chosen[m]) done[m] = 1;
    }
    t = prune_group(net, mask, chosen, rate, how->density);
    if (t > threshold) threshold = t;
  }
  free(chosen);
  free(done);
  return threshold;
}

void prune_shuffle(const Net *net, unsigned char *mask, uint64_t seed, uint32_t level, int together)
{
  size_t *place = allocate(net->size, sizeof *place, "the shuffled mask"), n = 0, i, j;
  uint32_t *order = allocate(net->size, sizeof *order, "the shuffled mask");
  unsigned char *old = allocate(net->size, 1, "the shuffled mask");
  Stream s = {0, RANDOM_MASK, 0, 0};
  int k;
  s.seed = seed;
  s.a = level;
  memcpy(old, mask, net->size);
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
  memset(mask, 1, net->size);
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    const Entry *values = safetensors_find(s, t->name), *kept;
    int d;
    sprintf(name, "mask.%s", t->name);
    kept = t->prunable ? safetensors_find(s, name) : NULL;
    if (!values) fail("%s: has no tensor %s; it is not a checkpoint of %s", path, t->name, net->model);
    if (values->type != 'F' || values->dims != t->dims || values->size != t->size)
      fail("%s: tensor %s has another type or shape than in %s (%lu values expected)", path, t->name, net->model, (unsigned long)t->size);
    for (d = 0; d < t->dims; d++)
      if (values->shape[d] != t->shape[d])
        fail("%s: dimension %d of tensor %s is %lu, but %lu in %s", path, d, t->name, (unsigned long)values->shape[d],
             (unsigned long)t->shape[d], net->model);
    if (kept && (kept->type != 'U' || kept->size != t->size)) fail("%s: tensor %s does not have the shape of %s", path, name, t->name);
    known += kept ? 2 : 1;
    for (j = 0; j < t->size; j++) {
      float w = ((const float *)values->data)[j];
      if (!is_finite(w)) fail("%s: value %lu of tensor %s is not finite", path, (unsigned long)j, t->name);
      net->weight[t->offset + j] = w;
      if (kept && ((const unsigned char *)kept->data)[j] > 1) fail("%s: tensor %s holds other values than 0 and 1", path, name);
      if (kept) mask[t->offset + j] = ((const unsigned char *)kept->data)[j];
      if (!mask[t->offset + j] && w != 0) fail("%s: value %lu of tensor %s is masked but not 0", path, (unsigned long)j, t->name);
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

/* One training of the loop and what its end and its pauses need. */
typedef struct {
  const Experiment *e;
  Net net;
  Optimizer optimizer;
  int level, branch;
  int child;          /* 0: the network itself; 1 ...: copies of it under other data orders */
  Repel repel;        /* from the branch's previous optima */
  long from;          /* first step */
  Clock clock;
  time_t saved;
  double done, left;  /* work units before this training in this process, and after it (for the time left) */
  char **row;         /* finished lines of PREFIX.tsv */
  int rows;
  char **epoch;       /* lines of PREFIX.epochs.tsv; room for so many */
  size_t epochs, room;
  float lr;           /* what replaces the schedule's learning rate, or 0 */
} Loop;

static char *text(const char *format, ...)
{
  va_list args;
  char *s = allocate(1024, 1, "text");
  va_start(args, format);
  if (vsnprintf(s, 1024, format, args) >= 1000) /* room for ".tmp" */ fail("a file name is too long: %.60s...", s);
  va_end(args);
  return s;
}

static char *checkpoint_path(const Experiment *e, int level, int branch, int child)
{
  char copy[24] = "";
  if (child > 0) sprintf(copy, ".child%d", child);
  return text("%s.L%02d%s%s%s.safetensors", e->out, level, branch == TICKET ? "" : ".", branch == TICKET ? "" : branch_names[branch], copy);
}

/* Writes parameters, masks and the configuration; with an optimiser its memory too. */
static void save(const Loop *loop, const char *path, long step, const Optimizer *o)
{
  const Experiment *e = loop->e;
  const Net *net = &loop->net;
  Safetensors s;
  char number[3][24], digest[17], *key[80], *value[80];
  float correction[2];
  int k;
  s.entry = allocate((size_t)(2 * net->tensors + 3), sizeof *s.entry, "the checkpoint");
  s.entries = s.pairs = 0;
  s.key = key;
  s.value = value;
  for (k = 0; k < 2 * net->tensors; k++) {
    const Tensor *t = &net->tensor[k % net->tensors];
    const int is_mask = k >= net->tensors;
    Entry *entry = &s.entry[s.entries];
    if (is_mask && !t->prunable) continue;
    sprintf(entry->name, "%s%s", is_mask ? "mask." : "", t->name);
    entry->type = is_mask ? 'U' : 'F';
    entry->dims = t->dims;
    memcpy(entry->shape, t->shape, sizeof t->shape);
    entry->size = t->size;
    entry->data = is_mask ? (void *)(net->mask + t->offset) : (void *)(net->weight + t->offset);
    s.entries++;
  }
  for (k = 0; o && k < 3; k++) {
    static const char *const names[3] = {"optimizer.velocity", "optimizer.square", "optimizer.correction"};
    Entry *entry = &s.entry[s.entries++];
    correction[0] = o->correction1;
    correction[1] = o->correction2;
    strcpy(entry->name, names[k]);
    entry->type = 'F';
    entry->dims = 1;
    entry->shape[0] = entry->size = k < 2 ? net->survivors : 2;
    entry->data = k == 0 ? o->velocity : k == 1 ? o->square : correction;
  }
  for (k = 0; k < e->pairs; k++) {
    key[s.pairs] = (char *)e->key[k];
    value[s.pairs++] = (char *)e->value[k];
  }
  sprintf(number[0], "%d", loop->level);
  sprintf(number[1], "%ld", step);
  sprintf(number[2], "%d", loop->child);
  digest_text(digest, net_digest(net));
  key[s.pairs] = (char *)"level", value[s.pairs++] = number[0];
  key[s.pairs] = (char *)"branch", value[s.pairs++] = (char *)branch_names[loop->branch];
  key[s.pairs] = (char *)"child", value[s.pairs++] = number[2];
  key[s.pairs] = (char *)"step", value[s.pairs++] = number[1];
  key[s.pairs] = (char *)"digest", value[s.pairs++] = digest;
  safetensors_write(&s, path);
  free(s.entry);
}

/* Reads the resume file if there is one; says which child of this level and branch it is of, -1 if it is of none. */
static int read_resume(const Loop *loop, Safetensors *s, const char *path)
{
  const Experiment *e = loop->e;
  FILE *file = fopen(path, "rb");
  const char *value;
  char level[24];
  int k, same;
  memset(s, 0, sizeof *s);
  if (!file) return -1;
  fclose(file);
  safetensors_read(s, path);
  sprintf(level, "%d", loop->level);
  same = (value = safetensors_value(s, "level")) && !strcmp(value, level);
  same = same && (value = safetensors_value(s, "branch")) && !strcmp(value, branch_names[loop->branch]);
  for (k = 0; k < e->pairs; k++) same = same && (value = safetensors_value(s, e->key[k])) && !strcmp(value, e->value[k]);
  for (k = 0; same && k <= e->children; k++) {
    sprintf(level, "%d", k);
    if ((value = safetensors_value(s, "child")) && !strcmp(value, level)) return k;
  }
  return -1;
}

/* The first of the level's copies that is not finished; when a child begins, it becomes the resume file's. */
static int first_child(const Loop *loop, const char *path)
{
  Safetensors s;
  const int child = read_resume(loop, &s, path);
  safetensors_free(&s);
  return child > 0 ? child : 0;
}

/* The resume file, if it is of this very training: restores net and optimiser and returns its step, else `from`. */
static long resume(Loop *loop, const char *path, long from)
{
  const Experiment *e = loop->e;
  const Entry *velocity, *square, *correction;
  const char *value;
  Safetensors s;
  long step;
  const int same = read_resume(loop, &s, path) == loop->child;
  value = safetensors_value(&s, "step");
  velocity = safetensors_find(&s, "optimizer.velocity");
  square = safetensors_find(&s, "optimizer.square");
  correction = safetensors_find(&s, "optimizer.correction");
  if (same) {
    const size_t n = loop->net.survivors;
    checkpoint_apply(&loop->net, &s, path);
    if (!value || !velocity || !square || !correction || velocity->type != 'F' || square->type != 'F' || correction->type != 'F' ||
        loop->net.survivors != n || velocity->size != n || square->size != n || correction->size != 2)
      fail("%s: is damaged; remove it to train this level from its start", path);
    memcpy(loop->optimizer.velocity, velocity->data, n * sizeof(float));
    memcpy(loop->optimizer.square, square->data, n * sizeof(float));
    loop->optimizer.correction1 = ((const float *)correction->data)[0];
    loop->optimizer.correction2 = ((const float *)correction->data)[1];
    step = *value && strspn(value, "0123456789") == strlen(value) && strlen(value) < 10 ? strtol(value, NULL, 10) : -1;
    if (step < from || step >= e->how.steps) fail("%s: its step '%s' is damaged; remove it to train this level from its start", path, value);
    from = step;
  }
  safetensors_free(&s);
  return from;
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

/* ==== PREFIX.tsv and PREFIX.epochs.tsv: the configuration, a header, rows ==================== */

static const char rows_header[] = "level\tbranch\tweights\tdensity\tthreshold\ttrain_loss\ttrain_error\ttest_loss\ttest_error\t"
                                  "train_barrier\ttest_barrier\ttrain_instability\ttest_instability\tdigest";
static const char epochs_header[] = "level\tbranch\tcopy\tdensity\tepoch\tstep\tlr\ttrain_loss\ttrain_error\ttest_loss\ttest_error";

static void write_table(const Experiment *e, const char *end, const char *header, char **row, size_t rows)
{
  char *path = text("%s%s", e->out, end);
  Output out;
  size_t k;
  output_open(&out, path);
  for (k = 0; k < (size_t)e->pairs; k++) output_print(&out, "# %s = %s\n", e->key[k], e->value[k]);
  output_print(&out, "%s\n", header);
  for (k = 0; k < rows; k++) output_print(&out, "%s\n", row[k]);
  output_close(&out);
  free(path);
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

/* Reads such a file of an earlier, unfinished run, whose configuration must be this one's: where its rows begin, or NULL if
 * there is no file. The caller frees *content. */
static char *read_table(const Experiment *e, const char *path, const char *header, char **content)
{
  FILE *file = fopen(path, "rb");
  char *at, *line, *expected;
  size_t size;
  int k;
  *content = NULL;
  if (!file) return NULL;
  fclose(file);
  at = *content = (char *)read_file(path, &size);
  if (strlen(at) != size) fail("%s: is not a result file of ticket; choose another --out or remove it", path);
  for (k = 0; k < e->pairs; k++) {
    expected = text("# %.100s = %.800s", e->key[k], e->value[k]);
    line = next_line(&at, path);
    if (strcmp(line, expected) != 0)
      fail("%s: holds another run ('%.80s', now '%.80s'); choose another --out or remove it", path, line, expected);
    free(expected);
  }
  if (strcmp(next_line(&at, path), header) != 0) fail("%s: is not a result file of this run; choose another --out or remove it", path);
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

/* Keeps a copy of a row of PREFIX.epochs.tsv. */
static void add_epoch(Loop *loop, const char *row)
{
  if (loop->epochs == loop->room) {
    char **more = allocate(2 * loop->room + 256, sizeof *more, "the epochs");
    if (loop->room > 0) memcpy(more, loop->epoch, loop->room * sizeof *more);
    loop->room = 2 * loop->room + 256;
    free(loop->epoch);
    loop->epoch = more;
  }
  loop->epoch[loop->epochs] = allocate(strlen(row) + 1, 1, "an epoch");
  strcpy(loop->epoch[loop->epochs++], row);
}

/* Forgets the rows of what will be trained again, as this training goes on after `step`. Rows are written before the resume
 * file or checkpoint that makes them final: a killed run leaves all that are needed, and maybe some more. */
static void forget_epochs(Loop *loop, long step)
{
  const Experiment *e = loop->e;
  char *now = text("%d\t%s\t%d\t\t\t%ld", loop->level, branch_names[loop->branch], loop->child, step);
  long at, last;
  const long training = training_of_row(e, now, &step);
  for (; loop->epochs > 0; free(loop->epoch[--loop->epochs])) {
    last = training_of_row(e, loop->epoch[loop->epochs - 1], &at);
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
  char density[32], error[2][32], loss[64] = "-", *row;
  float of_test;
  size_t wrong;
  percent(density, net_prunable(&loop->net, 1), net_prunable(&loop->net, 0));
  percent(error[0], p->wrong, p->seen);
  strcpy(error[1], "-");
  if (p->step == e->how.steps || (p->epoch + 1) % every == 0) {
    net_evaluate(&loop->net, test, &of_test, &wrong);
    percent(error[1], wrong, test->n);
    if (is_finite(of_test)) sprintf(loss, "%.6f", (double)of_test);
  }
  row = text("%d\t%s\t%d\t%s\t%ld\t%ld\t%.6g\t%.6f\t%s\t%s\t%s", loop->level, branch_names[loop->branch], loop->child, density,
             p->epoch + 1, p->step, (double)(loop->lr > 0 ? loop->lr : learning_rate(&e->how, p->step - 1)),
             (double)(float)(p->loss / (float)p->seen), error[0], loss, error[1]);
  add_epoch(loop, row);
  free(row);
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
  show_training(&loop->clock, p, (loop->done + part * this_one) / (loop->done + this_one + loop->left), what);
  if (p->epoch_done && p->step < e->how.steps && difftime(now, loop->saved) >= 2) {
    char *path = text("%s.resume.safetensors", e->out);
    write_table(e, ".epochs.tsv", epochs_header, loop->epoch, loop->epochs);
    save(loop, path, p->step, &loop->optimizer);
    free(path);
    loop->saved = now;
  }
}

/* Loads a finished network of this run into the net; its digest must be the one in PREFIX.tsv. */
static void load(Loop *loop, char *path, const char *digest)
{
  Safetensors s;
  char found[17];
  safetensors_read(&s, path);
  checkpoint_apply(&loop->net, &s, path);
  digest_text(found, net_digest(&loop->net));
  if (digest && strcmp(digest, found) != 0)
    fail("%s: has digest %s, but %s.tsv says %s; remove %s.tsv to start over", path, found, loop->e->out, digest, loop->e->out);
  safetensors_free(&s);
  free(path);
}

/* Digest of the network of a level and branch that is finished. */
static const char *digest_of(const Loop *loop, int level, int branch)
{
  char number[24], name[24], wanted[24];
  int r;
  sprintf(wanted, "%d", level);
  for (r = 0; r < loop->rows; r++) {
    field_of(number, sizeof number, loop->row[r], 0);
    field_of(name, sizeof name, loop->row[r], 1);
    if (!strcmp(number, wanted) && !strcmp(name, branch_names[branch])) return strrchr(loop->row[r], '\t') + 1;
  }
  return NULL;
}

/* Sets weights and mask for a training and returns its first step. */
static long prepare(Loop *loop)
{
  const Experiment *e = loop->e;
  const int level = loop->level, branch = loop->branch;
  Net *net = &loop->net;
  unsigned char *mask = allocate(net->size, 1, "the mask");
  long from = 0;
  net_set_mask(net, NULL);
  if (level == 0 && branch == TICKET && loop->child > 0) {
    load(loop, text("%s.rewind.safetensors", e->out), NULL);
    free(mask);
    return e->rewind;
  }
  if (level == 0 && branch == TICKET) {
    if (e->init) checkpoint_apply(net, e->init, e->init_path);
    else net_init(net, e->scheme, e->seed, 0);
    free(mask);
    return 0;
  }
  if (branch == TICKET) { /* prune the network one level up */
    load(loop, checkpoint_path(e, level - 1, TICKET, 0), digest_of(loop, level - 1, TICKET));
    memcpy(mask, net->mask, net->size);
    prune_magnitude(net, mask, &e->pruning);
  } else { /* take the ticket's mask */
    load(loop, checkpoint_path(e, level, TICKET, 0), digest_of(loop, level, TICKET));
    memcpy(mask, net->mask, net->size);
  }
  if (branch == SHUFFLE || branch == RANDOM) prune_shuffle(net, mask, e->seed, (uint32_t)level, branch == RANDOM);
  if (branch == REINIT || branch == REINIT_FRESH) {
    net_set_mask(net, mask);
    net_init(net, e->scheme, e->seed, branch == REINIT ? 1 : 2 + (uint32_t)level);
  } else {
    if (branch != TICKET || e->retrain == WEIGHTS) load(loop, text("%s.rewind.safetensors", e->out), NULL);
    net_set_mask(net, mask);
    from = e->rewind;
  }
  free(mask);
  return from;
}

/* Rows of an earlier, unfinished run in PREFIX.tsv and PREFIX.epochs.tsv. Without the first the second does not count: who
 * removes that one starts over. */
static void read_rows(Loop *loop)
{
  const Experiment *e = loop->e;
  char *path = text("%s.tsv", e->out), *content, *at = read_table(e, path, rows_header, &content), *line, *expected;
  int k, level;
  long step, training, before = 0;
  if (!at) {
    free(path);
    return;
  }
  for (level = 0; level < e->levels; level++)
    for (k = 0; k < e->branches && *at; k++) {
      if (!trained_at(level, e->branch[k])) continue;
      expected = text("%d\t%s\t", level, branch_names[e->branch[k]]);
      line = next_line(&at, path);
      if (strncmp(line, expected, strlen(expected)) != 0 || strlen(strrchr(line, '\t')) != 17)
        fail("%s: '%.40s...' is not the row of level %d, %s; remove the file to start over", path, line, level, branch_names[e->branch[k]]);
      loop->row[loop->rows++] = text("%s", line);
      free(expected);
    }
  if (*at) fail("%s: holds more rows than this run has; choose another --out or remove it", path);
  free(content);
  free(path);
  path = text("%s.epochs.tsv", e->out);
  for (at = read_table(e, path, epochs_header, &content); at && *at; before = training) {
    line = next_line(&at, path);
    training = training_of_row(e, line, &step);
    if (training < before) fail("%s: '%.40s...' is not the row of an epoch that comes here; remove the file", path, line);
    add_epoch(loop, line);
  }
  free(content);
  free(path);
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
      load(loop, checkpoint_path(e, level, loop->branch, 0), digest_of(loop, level, loop->branch));
      repel_from(&loop->repel, loop->net.weight);
    }
    solution_put(&start, &loop->net);
    solution_free(&start);
  }
}

/* Trains a copy of a level and branch, the network itself or a child, and writes its checkpoint. */
static void run_copy(Loop *loop, const char *path)
{
  const Experiment *e = loop->e;
  Net *net = &loop->net;
  Training how = e->how;
  char *rewind = text("%s.rewind.safetensors", e->out), *checkpoint = checkpoint_path(e, loop->level, loop->branch, loop->child);
  const long from = prepare(loop);
  long step;
  loop->lr = 0;
  if (e->retrain == FINETUNE && loop->level > 0 && loop->branch == TICKET) loop->lr = learning_rate(&how, how.steps - 1);
  repel_prepared(loop);
  if (loop->repel.optima > 0) {
    how.hook = repel_hook;
    how.context = &loop->repel;
  }
  optimizer_clear(&loop->optimizer, net);
  loop->from = step = resume(loop, path, from);
  forget_epochs(loop, step);
  if (loop->level == 0 && loop->branch == TICKET && loop->child == 0 && step <= e->rewind) {
    train(net, &loop->optimizer, e->data, &how, 0, step, e->rewind, 0, watch, loop);
    save(loop, rewind, e->rewind, NULL);
    step = e->rewind;
  }
  if (loop->child > 0 && step == from && step < how.steps) save(loop, path, step, &loop->optimizer); /* those before are finished */
  train(net, &loop->optimizer, e->data, &how, (uint32_t)(loop->level + CHILD * loop->child), step, how.steps, loop->lr, watch, loop);
  write_table(e, ".epochs.tsv", epochs_header, loop->epoch, loop->epochs);
  save(loop, checkpoint, how.steps, NULL);
  repel_free(&loop->repel);
  free(rewind);
  free(checkpoint);
}

/* Barrier to the branch's network one level up, instability between the copies of the level: training and test set of each. */
static void measure(Loop *loop, char measured[4][32])
{
  const Experiment *e = loop->e;
  Solution *s = allocate((size_t)e->children + 2, sizeof *s, "solutions");
  int c;
  for (c = 0; c < 4; c++) strcpy(measured[c], "-");
  if (e->points > 0) {
    for (c = 0; c <= e->children; c++) {
      load(loop, checkpoint_path(e, loop->level, loop->branch, c), NULL);
      solution_take(&s[c], &loop->net);
    }
    if (e->children > 0) barriers(&loop->net, e->data, s, c, e->points, measured + 2);
    for (; c > 1; c--) solution_free(&s[c - 1]);
    if (loop->level > 0 && trained_at(loop->level - 1, loop->branch)) {
      load(loop, checkpoint_path(e, loop->level - 1, loop->branch, 0), digest_of(loop, loop->level - 1, loop->branch));
      solution_take(&s[1], &loop->net);
      barriers(&loop->net, e->data, s, 2, e->points, measured);
      solution_free(&s[1]);
    }
    solution_free(&s[0]);
  }
  free(s);
}

/* Trains the networks of a level and branch, measures, writes the row. */
static void run_one(Loop *loop)
{
  const Experiment *e = loop->e;
  Net *net = &loop->net;
  const Split *train_set = &e->data->train, *test_set = &e->data->test;
  char *path = text("%s.resume.safetensors", e->out);
  char density[32], train_error[32], test_error[32], digest[17], measured[4][32];
  unsigned char *mask;
  float train_loss, test_loss, threshold;
  size_t train_wrong, test_wrong, survivors, weights = net_prunable(net, 0);
  const int first = first_child(loop, path);
  for (loop->child = 0; loop->child <= e->children; loop->child++) {
    loop->left -= work(e, loop->level, loop->branch);
    if (loop->child >= first) run_copy(loop, path);
    loop->done += work(e, loop->level, loop->branch);
  }
  loop->child = 0;
  if (e->children > 0) load(loop, checkpoint_path(e, loop->level, loop->branch, 0), NULL);
  net_evaluate(net, train_set, &train_loss, &train_wrong);
  net_evaluate(net, test_set, &test_loss, &test_wrong);
  if (!is_finite(train_loss) || !is_finite(test_loss))
    fail("training diverged: the loss is not finite after the last step of level %d; try a lower --lr or a --warmup", loop->level);
  survivors = net_prunable(net, 1);
  mask = allocate(net->size, 1, "the mask");
  memcpy(mask, net->mask, net->size);
  threshold = prune_magnitude(net, mask, &e->pruning);
  free(mask);
  percent(density, survivors, weights);
  percent(train_error, train_wrong, train_set->n);
  percent(test_error, test_wrong, test_set->n);
  digest_text(digest, net_digest(net));
  measure(loop, measured);
  loop->row[loop->rows++] = text("%d\t%s\t%lu\t%s\t%.6f\t%.6f\t%s\t%.6f\t%s\t%s\t%s\t%s\t%s\t%s", loop->level,
                                 branch_names[loop->branch], (unsigned long)survivors, density, (double)threshold,
                                 (double)train_loss, train_error, (double)test_loss, test_error, measured[0], measured[1], measured[2],
                                 measured[3], digest);
  write_table(e, ".tsv", rows_header, loop->row, (size_t)loop->rows);
  remove(path);
  if (!e->quiet)
    show_progress("level %d %s  density %s%%  train error %s%%  test error %s%%  digest %s          \n", loop->level,
            branch_names[loop->branch], density, train_error, test_error, digest);
  free(path);
}

/* Test error in percent, a line per level, a column per branch; 7 characters each, so that tabs align. */
static void print_table(const Loop *loop)
{
  const Experiment *e = loop->e;
  char field[8];
  int level, k, r = 0;
  printf("level\tdensity");
  for (k = 0; k < e->branches; k++) printf("\t%s", branch_names[e->branch[k]]);
  printf("\n");
  for (level = 0; level < e->levels; level++) {
    field_of(field, sizeof field, loop->row[r], 3);
    printf("%d\t%s", level, field);
    for (k = 0; k < e->branches; k++) {
      strcpy(field, "-");
      if (trained_at(level, e->branch[k])) field_of(field, sizeof field, loop->row[r++], 8);
      printf("\t%s", field);
    }
    printf("\n");
  }
}

void imp(const Experiment *e)
{
  Loop loop = {0};
  char *path;
  int k, done = 0;
  loop.e = e;
  loop.row = allocate((size_t)e->levels * BRANCHES, sizeof *loop.row, "results");
  net_create(&loop.net, &e->model, e->data, e->batch, e->threads);
  optimizer_create(&loop.optimizer, &loop.net);
  read_rows(&loop);
  write_table(e, ".tsv", rows_header, loop.row, (size_t)loop.rows); /* shows at once whether results can be written */
  loop.clock.begun = loop.saved = time(NULL);
  loop.clock.quiet = e->quiet;
  for (k = 0; k < e->levels * e->branches; k++) /* rows come in this order, so the first loop.rows are done */
    if (trained_at(k / e->branches, e->branch[k % e->branches]) && ++done > loop.rows)
      loop.left += (1 + e->children) * work(e, k / e->branches, e->branch[k % e->branches]);
  for (done = k = 0; k < e->levels * e->branches; k++) {
    loop.level = k / e->branches;
    loop.branch = e->branch[k % e->branches];
    if (!trained_at(loop.level, loop.branch) || ++done <= loop.rows) continue;
    run_one(&loop);
  }
  path = text("%s.resume.safetensors", e->out); /* what a run killed at its very end left */
  remove(path);
  strcat(path, ".tmp");
  remove(path);
  free(path);
  print_table(&loop);
  for (k = 0; k < loop.rows; k++) free(loop.row[k]);
  while (loop.epochs > 0) free(loop.epoch[--loop.epochs]);
  free(loop.row);
  free(loop.epoch);
  optimizer_free(&loop.optimizer);
  net_free(&loop.net);
}
