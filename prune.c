/* prune.c - finds lottery tickets: magnitude pruning, rewinding, controls, and the loop of
 * training, pruning and rewinding (iterative magnitude pruning: Frankle and Carbin 2019; with
 * rewinding Frankle et al. 2020, algorithm 2), which a killed run takes up again.
 *
 * Not here: arithmetic (nn.c), file formats (data.c). Every training of the loop is a function
 * of its options and of files already written, so resuming needs no state but those files.
 * SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const branch_names[BRANCHES] = {"ticket", "reinit", "reinit-fresh", "shuffle",
                                            "random"};

/* ==== masks ================================================================================= */

static int by_value(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* round(n share / 10^6) without overflow for any n below 2^43 */
static size_t share_of(size_t n, long share)
{
  return (size_t)(((uint64_t)n * (uint64_t)share + MILLION / 2) / MILLION);
}

/* Number of the ranking that tensor k takes part in, -1: none. Over all layers the output layer
 * and the convolutions have one of their own if they have a rate of their own. */
static int ranking_of(const Net *net, int k, const Pruning *how, long *rate)
{
  const Tensor *t = &net->tensor[k];
  const int own = t->output && how->output_rate >= 0    ? 1
                  : t->dims == 4 && how->conv_rate >= 0 ? 2
                                                        : 0;
  *rate = own == 1 ? how->output_rate : own == 2 ? how->conv_rate : how->rate;
  return !t->prunable ? -1 : how->scope == LAYER ? k : own;
}

/* The bits of |w| read as an integer have the order of |w|, so (|w|, index) is one 64-bit key. */
float prune_magnitude(const Net *net, unsigned char *mask, const Pruning *how)
{
  uint64_t *rank = allocate(net_prunable(net, 0), sizeof *rank, "the ranking of weights"),
           highest = 0;
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
    if (how->density < 0) keep = n - share_of(n, rate);
    else keep = rate == 0 ? n : share_of(total, how->density);
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
    for (j = t->offset; t->prunable && j < t->offset + t->size; j++)
      if (net->mask[j]) place[n++] = j;
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
    const int variance = strstr(t->name, ".running_var") != NULL;
    int d;
    sprintf(name, "mask.%s", t->name);
    kept = t->prunable ? safetensors_find(s, name) : NULL;
    keeps = kept ? kept->data : NULL;
    if (!values)
      fail("%s: has no tensor %s; it is not a checkpoint of %s", path, t->name, net->model);
    if (values->type != 'F' || values->dims != t->dims || values->size != t->size)
      fail("%s: tensor %s has another type or shape than in %s (%zu values expected)", path,
           t->name, net->model, t->size);
    for (d = 0; d < t->dims; d++)
      if (values->shape[d] != t->shape[d])
        fail("%s: dimension %d of tensor %s is %zu, but %zu in %s", path, d, t->name,
             values->shape[d], t->shape[d], net->model);
    if (kept && (kept->type != 'U' || kept->size != t->size))
      fail("%s: tensor %s does not have the shape of %s", path, name, t->name);
    known += kept ? 2 : 1;
    memcpy(net->weight + t->offset, values->data, t->size * sizeof(float));
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
  for (k = 0; k < s->entries; k++)
    if (strncmp(s->entry[k].name, "optimizer.", 10) != 0) known--;
  if (known < 0) fail("%s: holds tensors that %s does not have", path, net->model);
  net_set_mask(net, mask);
  digest_text(digest, net_digest(net));
  if (claimed && strcmp(claimed, digest) != 0)
    fail("%s: its values have digest %s, but it says %s; the file was changed or damaged", path,
         digest, claimed);
  free(mask);
}

/* ==== the loop ============================================================================== */

/* A row of a table belongs to a training, counted in the order in which the run makes them, and
 * to a step of it (PREFIX.tsv: 0). Rows ascend in both. */
typedef struct {
  long training, step;
  char *text;
} Row;

/* PREFIX.tsv or PREFIX.epochs.tsv: a checksum of what follows, the configuration, a header,
 * rows. */
typedef struct {
  char *path;
  const char *header;
  Row *row;
  size_t rows, room; /* rows, and how many there is room for */
} Table;

/* The run, the training that it is at, and what that needs. */
typedef struct {
  const Experiment *e;
  Net net;
  Optimizer optimizer;
  int level, branch;
  int child;   /* 0: the network itself; 1 ...: copies of it under other data orders */
  Repel repel; /* from the branch's previous optima */
  long from;   /* first step */
  int ended;   /* before the last level: that was said */
  float lr;    /* what replaces the schedule's learning rate, or 0 */
  Clock clock;
  time_t saved;
  double done, all; /* work of this process: before this training, and of all its trainings */
  Table results, epochs;
  char *rewind, *resume; /* names of PREFIX.rewind.safetensors and PREFIX.resume.safetensors */
} Loop;

static int trained_at(int level, int branch)
{
  return level > 0 || (branch != SHUFFLE && branch != RANDOM);
}

/* Work of training a network, in steps of the dense one: a step costs a fixed part and one that
 * falls with density. */
static double work(const Experiment *e, int level, int branch)
{
  const long share = e->pruning.density >= 0 ? e->pruning.density : MILLION - e->pruning.rate;
  double density = 1, steps = (double)e->how.steps;
  int k;
  for (k = 0; k < level; k++) density *= (double)share / MILLION;
  if (level > 0 && branch != REINIT && branch != REINIT_FRESH) steps -= (double)e->rewind;
  return steps * (0.06 + 0.94 * density);
}

/* Number of a training, in the order of the rows. */
static long training_of(const Experiment *e, int level, int branch, int child)
{
  int k = 0;
  while (e->branch[k] != branch) k++;
  return ((long)level * e->branches + k) * (e->children + 1) + child;
}

static long this_training(const Loop *loop)
{
  return training_of(loop->e, loop->level, loop->branch, loop->child);
}

/* ==== tables ================================================================================ */

static const char results_header[] =
    "level\tbranch\tweights\tdensity\tthreshold\ttrain_loss\ttrain_error\ttest_loss\ttest_error\t"
    "train_barrier\ttest_barrier\ttrain_instability\ttest_instability\ttrain_height\ttest_height\t"
    "collapsed\tdigest";
static const char epochs_header[] =
    "level\tbranch\tcopy\tdensity\tepoch\tstep\tlr\ttrain_loss\ttrain_error\ttest_loss\ttest_error";
static const char CHECKSUM[] = "# checksum = ";
#define ANEW "; remove it, and the same command makes it anew"

/* A line of a table, or a name. Caller frees. */
static char *text(const char *format, ...)
{
  va_list args;
  char *made;
  int n;
  va_start(args, format);
  n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (n < 0) fail("a line or a file name cannot be written: %.60s", format);
  made = allocate((size_t)n + 1, 1, "a line");
  va_start(args, format);
  vsnprintf(made, (size_t)n + 1, format, args);
  va_end(args);
  return made;
}

/* Field number `field` (from 0) of a line of tab-separated values; "" if it has none. Caller
 * frees. */
static char *field_of(const char *line, int field)
{
  for (; field > 0 && line; field--) {
    line = strchr(line, '\t');
    if (line) line++;
  }
  return text("%.*s", line ? (int)strcspn(line, "\t") : 0, line ? line : "");
}

/* Where in the table the row is, or would be: the number of rows before it. */
static size_t place_of(const Table *t, long training, long step)
{
  size_t low = 0, high = t->rows;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const Row *r = &t->row[middle];
    if (r->training < training || (r->training == training && r->step < step)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* The row, or NULL. */
static const char *find_row(const Table *t, long training, long step)
{
  const size_t k = place_of(t, training, step);
  const int found = k < t->rows && t->row[k].training == training && t->row[k].step == step;
  return found ? t->row[k].text : NULL;
}

/* Takes over `row`. One that is there already must say the same. */
static void add_row(Table *t, long training, long step, char *row)
{
  const size_t k = place_of(t, training, step);
  const char *old = find_row(t, training, step);
  if (old) {
    if (strcmp(old, row) != 0)
      fail("%s: says '%.200s', but now it is '%.200s'; one of two builds is wrong: try ticket "
           "verify",
           t->path, old, row);
    free(row);
    return;
  }
  if (t->rows == t->room) {
    Row *more = copy_of(t->row, t->rows, 2 * t->room + 256, sizeof *more, "the rows of a table");
    t->room = 2 * t->room + 256;
    free(t->row);
    t->row = more;
  }
  memmove(&t->row[k + 1], &t->row[k], (t->rows - k) * sizeof *t->row);
  t->row[k].training = training;
  t->row[k].step = step;
  t->row[k].text = row;
  t->rows++;
}

static void free_table(Table *t)
{
  while (t->rows > 0) free(t->row[--t->rows].text);
  free(t->row);
  free(t->path);
}

/* Cuts the next line off *at; fails if there is none. */
static char *next_line(char **at, const char *path)
{
  char *line = *at, *end = strchr(line, '\n');
  if (!end) fail("%s: was cut short" ANEW, path);
  *end = 0;
  *at = end + 1;
  return line;
}

/* The whole number that the text is, -1 if it is none below `limit`. */
static long whole_number(const char *digits, long limit)
{
  const size_t n = strlen(digits);
  const long x =
      n > 0 && n < 10 && strspn(digits, "0123456789") == n ? strtol(digits, NULL, 10) : -1;
  return x < limit ? x : -1;
}

static long number_in(const char *line, int field, long limit)
{
  char *digits = field_of(line, field);
  const long x = whole_number(digits, limit);
  free(digits);
  return x;
}

/* Adds a line of a table's file to the table; fails if it is none of this run's. */
static void read_row(const Experiment *e, Table *t, const char *line)
{
  const int epochs = t->header == epochs_header;
  const long level = number_in(line, 0, e->levels),
             child = epochs ? number_in(line, 2, e->children + 1) : 0;
  const long step = epochs ? number_in(line, 5, e->how.steps + 1) : 0;
  char *branch = field_of(line, 1);
  int k = 0;
  while (k < e->branches && strcmp(branch, branch_names[e->branch[k]]) != 0) k++;
  if (k == e->branches || level < 0 || child < 0 || step < 0)
    fail("%s: '%.40s...' is no row of this run; choose another --out or remove the file", t->path,
         line);
  add_row(t, training_of(e, (int)level, e->branch[k], (int)child), step, text("%s", line));
  free(branch);
}

/* Adds to the table the rows of its file, if there is one; it must be whole and of this run.
 * Returns whether the file has all rows that the table has. */
static int read_table(const Experiment *e, Table *t)
{
  char *content, *at, *line, digits[17];
  size_t size, rows;
  int k;
  content = (char *)read_result(t->path, &size);
  if (!content) return 0;
  at = content;
  if (strlen(content) != size || size == 0)
    fail("%s: %s" ANEW, t->path,
         size == 0 ? "is empty" : "was changed or damaged: it holds a zero byte");
  line = next_line(&at, t->path);
  if (strncmp(line, CHECKSUM, sizeof CHECKSUM - 1) != 0)
    fail("%s: is not a table that ticket " TICKET_VERSION
         " wrote; choose another --out or remove it",
         t->path);
  if (strcmp(line + sizeof CHECKSUM - 1, digest_text(digits, fnv1a(FNV_START, at, strlen(at)))) !=
      0)
    fail("%s: was changed or damaged: its checksum does not fit" ANEW, t->path);
  for (k = 0; k < e->pairs; k++) {
    char *expected = text("# %.100s = %.800s", e->key[k], e->value[k]);
    line = next_line(&at, t->path);
    if (strcmp(line, expected) != 0)
      fail("%s: holds another run ('%.80s', now '%.80s'); choose another --out or remove its files",
           t->path, line, expected);
    free(expected);
  }
  if (strcmp(next_line(&at, t->path), t->header) != 0)
    fail("%s: is not a table of this run; choose another --out or remove it", t->path);
  for (rows = 0; *at; rows++) read_row(e, t, next_line(&at, t->path));
  free(content);
  return rows == t->rows;
}

/* Writes the table unless its file has all its rows: another process with this PREFIX may have
 * written rows that are not here, or not all that are. Returns whether it was written. */
static int write_table(const Experiment *e, Table *t)
{
  Output out;
  char *content, *to, digits[17];
  size_t size = strlen(t->header) + 2, r;
  int k;
  if (read_table(e, t)) return 0;
  for (k = 0; k < e->pairs; k++) size += strlen(e->key[k]) + strlen(e->value[k]) + 8;
  for (r = 0; r < t->rows; r++) size += strlen(t->row[r].text) + 1;
  content = allocate(size, 1, "a table");
  to = content;
  for (k = 0; k < e->pairs; k++) to += sprintf(to, "# %s = %s\n", e->key[k], e->value[k]);
  to += sprintf(to, "%s\n", t->header);
  for (r = 0; r < t->rows; r++) to += sprintf(to, "%s\n", t->row[r].text);
  output_open(&out, t->path);
  output_print(&out, "%s%s\n", CHECKSUM,
               digest_text(digits, fnv1a(FNV_START, content, strlen(content))));
  output_bytes(&out, content, strlen(content));
  output_close(&out);
  free(content);
  return 1;
}

/* ==== checkpoints of the run ================================================================ */

static char *checkpoint_path(const Experiment *e, int level, int branch, int child)
{
  char copy[24] = "";
  if (child > 0) sprintf(copy, ".child%d", child);
  return text("%s.L%02d%s%s%s.safetensors", e->out, level, branch == TICKET ? "" : ".",
              branch == TICKET ? "" : branch_names[branch], copy);
}

static void add_pair(Safetensors *s, const char *key, const char *value)
{
  s->key[s->pairs] = (char *)key;
  s->value[s->pairs++] = (char *)value;
}

static const char *const memory_names[3] = {"optimizer.velocity", "optimizer.square",
                                            "optimizer.correction"};

/* Writes parameters, masks and the configuration; with an optimiser its memory too. */
static void save(const Loop *loop, const char *path, long step, const Optimizer *o)
{
  const Experiment *e = loop->e;
  const Net *net = &loop->net;
  const size_t two = 2;
  char level[24], child[24], steps[24], digest[17], *key[80], *value[80];
  float correction[2];
  Safetensors s = {0, 0, NULL, key, value, 0};
  int k;
  s.entry = allocate((size_t)(2 * net->tensors + 3), sizeof *s.entry, "the checkpoint");
  for (k = 0; k < 2 * net->tensors; k++) {
    const Tensor *t = &net->tensor[k % net->tensors];
    if (k < net->tensors)
      safetensors_add(&s, "", t->name, 'F', t->dims, t->shape, net->weight + t->offset);
    else if (t->prunable)
      safetensors_add(&s, "mask.", t->name, 'U', t->dims, t->shape, net->mask + t->offset);
  }
  if (o) {
    correction[0] = o->correction1;
    correction[1] = o->correction2;
    safetensors_add(&s, "", memory_names[0], 'F', 1, &net->survivors, o->velocity);
    safetensors_add(&s, "", memory_names[1], 'F', 1, &net->survivors, o->square);
    safetensors_add(&s, "", memory_names[2], 'F', 1, &two, correction);
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

/* Whether a file's metadata has this value. */
static int says(const Safetensors *s, const char *key, const char *value)
{
  const char *found = safetensors_value(s, key);
  return found && strcmp(found, value) == 0;
}

static int says_number(const Safetensors *s, const char *key, long value)
{
  char number[24];
  sprintf(number, "%ld", value);
  return says(s, key, number);
}

/* Whether a checkpoint of this run is of that training. */
static int is_of(const Safetensors *s, int level, int branch, int child)
{
  return says_number(s, "level", level) && says_number(s, "child", child) &&
         says(s, "branch", branch_names[branch]);
}

/* Reads a checkpoint of this run; 0 if it is not there. Refuses one that is damaged or of
 * another run. */
static int read_checkpoint(const Loop *loop, const char *path, Safetensors *s)
{
  const Experiment *e = loop->e;
  int k;
  advise(ANEW);
  if (!safetensors_read_result(s, path)) {
    advise("");
    return 0;
  }
  if (!s->checked) fail("%s: is not a checkpoint that ticket " TICKET_VERSION " wrote", path);
  for (k = 0; k < e->pairs; k++)
    if (!says(s, e->key[k], e->value[k])) {
      const char *found = safetensors_value(s, e->key[k]);
      fail("%s: is of another run (%s = %.80s, now %.80s)", path, e->key[k], found ? found : "-",
           e->value[k]);
    }
  advise("");
  return 1;
}

/* Reads the network of a training, or (step: the one of --rewind) what it goes back to; 0 if it
 * is not there. Refuses what is none of it. */
static int read_network(const Loop *loop, const char *path, int level, int branch, int child,
                        long step, Safetensors *s)
{
  const char *row =
      child == 0 ? find_row(&loop->results, training_of(loop->e, level, branch, 0), 0) : NULL;
  if (!read_checkpoint(loop, path, s)) return 0;
  if (!is_of(s, level, branch, child) || !says_number(s, "step", step))
    fail("%s: is not of level %d, %s, copy %d at step %ld" ANEW, path, level, branch_names[branch],
         child, step);
  if (row && strcmp(path, loop->rewind) != 0 && !says(s, "digest", strrchr(row, '\t') + 1))
    fail("%s: its digest is not the one that %s gives; remove both, and the same command makes "
         "them anew",
         path, loop->results.path);
  return 1;
}

/* Sets weights and mask of the net, and the optimiser's memory, which is empty if the file has
 * none. */
static void apply(Loop *loop, Safetensors *s, const char *path)
{
  const Entry *memory[3];
  const size_t n = sizeof(float);
  Optimizer *o = &loop->optimizer;
  int k, found = 0, fits = 1;
  advise(ANEW);
  checkpoint_apply(&loop->net, s, path);
  optimizer_clear(o, &loop->net);
  for (k = 0; k < 3; k++) {
    memory[k] = safetensors_find(s, memory_names[k]);
    if (!memory[k]) continue;
    found++;
    fits = fits && memory[k]->type == 'F' && memory[k]->size == (k < 2 ? loop->net.survivors : 2);
  }
  if (!fits || (found != 0 && found != 3))
    fail("%s: is damaged: the optimiser's memory does not fit", path);
  if (found == 3) {
    memcpy(o->velocity, memory[0]->data, memory[0]->size * n);
    memcpy(o->square, memory[1]->data, memory[1]->size * n);
    o->correction1 = ((const float *)memory[2]->data)[0];
    o->correction2 = ((const float *)memory[2]->data)[1];
  }
  advise("");
  safetensors_free(s);
}

/* Loads the rewind file. */
static void load_rewind(Loop *loop)
{
  Safetensors s;
  if (!read_network(loop, loop->rewind, 0, TICKET, 0, loop->e->rewind, &s))
    fail("%s: has vanished; the same command makes it anew", loop->rewind);
  apply(loop, &s, loop->rewind);
}

/* Loads a finished network of this run. */
static void load_network(Loop *loop, int level, int branch, int child)
{
  char *path = checkpoint_path(loop->e, level, branch, child);
  Safetensors s;
  if (!read_network(loop, path, level, branch, child, loop->e->how.steps, &s))
    fail("%s: has vanished; the same command makes it anew", path);
  apply(loop, &s, path);
  free(path);
}

/* ==== one training ========================================================================== */

/* Whether the rows of this training's epochs from step `from` to `to` are there. */
static int has_epochs(const Loop *loop, long from, long to)
{
  const Experiment *e = loop->e;
  const long per_epoch = (long)((e->data->train.n + e->batch - 1) / e->batch),
             training = this_training(loop);
  long step = (from / per_epoch + 1) * per_epoch;
  for (; step <= to; step += per_epoch)
    if (!find_row(&loop->epochs, training, step)) return 0;
  return to == from || to < e->how.steps || find_row(&loop->epochs, training, to) != NULL;
}

/* How the epoch went that has just ended, or what was trained of it (columns: see imp in
 * ticket.h). The test set is evaluated only when 5 times its images have passed, so that it
 * costs a few percent; that changes nothing that training reads. */
static void record_epoch(Loop *loop, const Progress *p)
{
  const Experiment *e = loop->e;
  const Split *test = &e->data->test;
  const long every = (long)((5 * test->n + e->data->train.n - 1) / e->data->train.n);
  const float lr = loop->lr > 0 ? loop->lr : learning_rate(&e->how, p->step - 1);
  char density[32], error[32], loss[64] = "-", test_error[32] = "-";
  float of_test;
  size_t wrong;
  if (p->step == e->how.steps || (p->epoch + 1) % every == 0) {
    net_evaluate(&loop->net, test, &of_test, &wrong);
    if (is_finite(of_test)) {
      percent(test_error, wrong, test->n);
      sprintf(loss, "%.6f", (double)of_test);
    }
  }
  percent(density, net_prunable(&loop->net, 1), net_prunable(&loop->net, 0));
  percent(error, p->wrong, p->seen);
  add_row(&loop->epochs, this_training(loop), p->step,
          text("%d\t%s\t%d\t%s\t%ld\t%ld\t%.6g\t%.6f\t%s\t%s\t%s", loop->level,
               branch_names[loop->branch], loop->child, density, p->epoch + 1, p->step, (double)lr,
               (double)(float)(p->loss / (float)p->seen), error, loss, test_error));
}

/* Progress on stderr, the resume file, the curves. */
static void watch(void *context, const Progress *p)
{
  Loop *loop = context;
  const Experiment *e = loop->e;
  const time_t now = time(NULL);
  const double this_one = work(e, loop->level, loop->branch);
  const double part = (double)(p->step - loop->from) / (double)(e->how.steps - loop->from + 1);
  const double done = loop->done + part * this_one;
  char what[64];
  sprintf(what, "level %d %s%s", loop->level, branch_names[loop->branch],
          loop->child > 0 ? " child" : "");
  if (p->epoch_done || p->step == e->how.steps) record_epoch(loop, p);
  show_training(&loop->clock, p, done < loop->all ? done / loop->all : 1, what);
  if (p->epoch_done && p->step < e->how.steps && difftime(now, loop->saved) >= 2) {
    write_table(e, &loop->epochs); /* before the file that makes these rows needed */
    save(loop, loop->resume, p->step, &loop->optimizer);
    loop->saved = now;
  }
}

/* Goes on where this training stopped between `from` and `to`, if the resume file is of it: sets
 * net and optimiser and returns that step; else `from`. */
static long resume(Loop *loop, long from, long to)
{
  const char *value;
  Safetensors s;
  long step;
  if (!read_checkpoint(loop, loop->resume, &s)) return from;
  value = safetensors_value(&s, "step");
  step = whole_number(value ? value : "", loop->e->how.steps);
  if (step < 0)
    fail("%s: its step '%s' is damaged; remove it to train this level from its start", loop->resume,
         value ? value : "");
  if (!is_of(&s, loop->level, loop->branch, loop->child) || step <= from || step >= to ||
      !has_epochs(loop, from, step)) {
    safetensors_free(&s);
    return from;
  }
  apply(loop, &s, loop->resume);
  return step;
}

/* Trains the net, which is as it must be at step `from`, to step `to`. */
static void train_part(Loop *loop, const Training *how, long from, long to)
{
  const uint32_t order = (uint32_t)(loop->level + CHILD * loop->child);
  loop->from = resume(loop, from, to);
  if (loop->from > from && !loop->e->quiet)
    show_progress("level %d %s goes on at step %ld of %ld\n", loop->level,
                  branch_names[loop->branch], loop->from, to);
  train(&loop->net, &loop->optimizer, loop->e->data, how, order, loop->from, to, loop->lr, watch,
        loop);
  write_table(loop->e, &loop->epochs);
}

/* Makes the rewind file unless it is there: step k of the ticket of level 0, with the optimiser's
 * memory if k > 0. Returns whether it was made. */
static int make_rewind(Loop *loop)
{
  const Experiment *e = loop->e;
  Net *net = &loop->net;
  Safetensors s;
  loop->level = loop->branch = loop->child = 0;
  if (read_network(loop, loop->rewind, 0, TICKET, 0, e->rewind, &s)) {
    safetensors_free(&s);
    if (has_epochs(loop, 0, e->rewind)) return 0;
  }
  net_set_mask(net, NULL);
  if (e->init) checkpoint_apply(net, e->init, e->init_path);
  else net_init(net, e->scheme, e->seed, 0);
  if (net_prunable(net, 1) == 0) fail("%s: its mask keeps no weight", e->init_path);
  optimizer_clear(&loop->optimizer, net);
  loop->lr = 0;
  train_part(loop, &e->how, 0, e->rewind);
  save(loop, loop->rewind, e->rewind, e->rewind > 0 ? &loop->optimizer : NULL);
  return 1;
}

/* Whether the run ends above this level: its ticket, to which the net's mask belongs, would have
 * no weight, or all of the `before` of the last. */
static int is_last(Loop *loop, size_t before)
{
  const Pruning *p = &loop->e->pruning;
  const int by_rate = p->rate > 0 || p->output_rate > 0 || p->conv_rate > 0;
  /* --rate 0 asks for the same again */
  const int wanted = p->density >= 0 ? p->density < MILLION : by_rate;
  const size_t after = net_prunable(&loop->net, 1);
  if (after > 0 && (after < before || !wanted)) return 0;
  if (!loop->ended)
    notice("level %d: %s; the run ends with level %d", loop->level,
           after == 0 ? "no weight survives pruning" : "nothing is left to prune", loop->level - 1);
  loop->ended = 1;
  return 1;
}

/* Sets weights, mask and optimiser for a training; 0 if the run ends above this level. */
static int prepare(Loop *loop)
{
  const Experiment *e = loop->e;
  const int level = loop->level, branch = loop->branch,
            anew = branch == REINIT || branch == REINIT_FRESH;
  Net *net = &loop->net;
  unsigned char *mask;
  size_t before;
  if (level == 0 && branch == TICKET) {
    load_rewind(loop);
    return 1;
  }
  load_network(loop, branch == TICKET ? level - 1 : level, TICKET, 0);
  before = net_prunable(net, 1);
  mask = copy_of(net->mask, net->size, net->size, 1, "the mask");
  if (branch == TICKET) prune_magnitude(net, mask, &e->pruning);
  if (!anew && (branch != TICKET || e->retrain == WEIGHTS)) load_rewind(loop);
  if (branch == SHUFFLE || branch == RANDOM)
    prune_shuffle(net, mask, e->seed, (uint32_t)level, branch == RANDOM);
  net_set_mask(net, mask);
  if (anew) net_init(net, e->scheme, e->seed, branch == REINIT ? 1 : 2 + (uint32_t)level);
  optimizer_clear(&loop->optimizer, net);
  free(mask);
  return branch != TICKET || !is_last(loop, before);
}

/* Loads the previous optima of the branch into loop->repel, which is made for the net as it is
 * prepared. */
static void repel_prepared(Loop *loop)
{
  const Experiment *e = loop->e;
  Solution start;
  int level = e->repel_last && loop->level > 0 ? loop->level - 1 : 0;
  repel_create(&loop->repel, &loop->net, e->repel, loop->level);
  /* level 0 has none, and keeps its memory */
  if ((e->repel < 0 || e->repel > 0) && loop->level > 0) {
    solution_take(&start, &loop->net);
    for (; level < loop->level; level++) {
      if (!trained_at(level, loop->branch)) continue;
      load_network(loop, level, loop->branch, 0);
      repel_from(&loop->repel, loop->net.weight);
    }
    solution_put(&start, &loop->net);
    solution_free(&start);
    optimizer_clear(&loop->optimizer, &loop->net);
  }
}

/* How the net does, which is that of this training at its end. */
static void evaluate_this(Loop *loop, float loss[2], char error[2][32])
{
  char what[64];
  sprintf(what, "level %d, %s, copy %d", loop->level, branch_names[loop->branch], loop->child);
  evaluate(&loop->net, loop->e->data, what, loss, error);
}

/* What became of a network or a row. */
enum { PRESENT, MADE, ENDED };

/* Trains the network of this level, branch and child unless it is there with the rows of its
 * epochs. */
static int make_network(Loop *loop)
{
  const Experiment *e = loop->e;
  const int anew = loop->branch == REINIT || loop->branch == REINIT_FRESH;
  const long from = anew ? 0 : e->rewind;
  char *path = checkpoint_path(e, loop->level, loop->branch, loop->child);
  Training how = e->how;
  Safetensors s;
  if (read_network(loop, path, loop->level, loop->branch, loop->child, how.steps, &s)) {
    safetensors_free(&s);
    /* if another process has made them */
    if (!has_epochs(loop, from, how.steps)) read_table(e, &loop->epochs);
    if (has_epochs(loop, from, how.steps)) {
      free(path);
      return PRESENT;
    }
    if (!e->quiet)
      show_progress("%s lacks rows of %s, which is trained again\n", loop->epochs.path, path);
  }
  if (!prepare(loop)) {
    free(path);
    return ENDED;
  }
  repel_prepared(loop);
  if (loop->repel.optima > 0) {
    how.hook = repel_hook;
    how.context = &loop->repel;
  }
  loop->lr = 0;
  if (e->retrain == FINETUNE && loop->level > 0 && loop->branch == TICKET)
    loop->lr = learning_rate(&how, how.steps - 1);
  train_part(loop, &how, from, how.steps);
  if (loop->child > 0) {
    float loss[2];
    char error[2][32];
    evaluate_this(loop, loss, error);
  }
  save(loop, path, how.steps, NULL);
  loop->done += work(e, loop->level, loop->branch);
  repel_free(&loop->repel);
  free(path);
  return MADE;
}

/* ==== the rows of PREFIX.tsv ================================================================ */

/* The columns of a row between test_error and collapsed. */
typedef struct {
  char barrier[2][32], instability[2][32], height[2][32];
} Measured;

/* Barrier and height to the branch's network one level up, instability between the copies of the
 * level: of training and test set. */
static void measure(Loop *loop, Measured *m)
{
  const Experiment *e = loop->e;
  const int copies = e->children + 1;
  Solution *s = allocate((size_t)copies + 1, sizeof *s, "solutions");
  int c;
  for (c = 0; c < copies; c++) {
    load_network(loop, loop->level, loop->branch, c);
    solution_take(&s[c], &loop->net);
  }
  if (copies > 1) barriers(&loop->net, e->data, s, copies, e->points, m->instability, NULL);
  while (c > 1) solution_free(&s[--c]);
  if (loop->level > 0 && trained_at(loop->level - 1, loop->branch)) {
    load_network(loop, loop->level - 1, loop->branch, 0);
    solution_take(&s[c++], &loop->net);
    barriers(&loop->net, e->data, s, 2, e->points, m->barrier, m->height);
  }
  while (c > 0) solution_free(&s[--c]);
  free(s);
}

/* Names of the tensors that have lost their last weight, or "-". Caller frees. */
static char *collapsed(const Net *net)
{
  char *names = NULL, *longer;
  size_t j;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    for (j = 0; t->prunable && j < t->size; j++)
      if (net->mask[t->offset + j]) break;
    if (!t->prunable || j < t->size) continue;
    longer = join(names ? names : "", names ? "," : "", t->name);
    free(names);
    names = longer;
  }
  return names ? names : join("-", "", "");
}

/* Says once per branch which layers have lost their last weight; reinit has the ticket's mask. */
static void say_collapsed(const Loop *loop, const char *names)
{
  const int anew = loop->branch == REINIT || loop->branch == REINIT_FRESH;
  const char *above = NULL;
  char *before;
  if (loop->level > 0)
    above = find_row(&loop->results, training_of(loop->e, loop->level - 1, loop->branch, 0), 0);
  before = field_of(above ? above : "", 15);
  if (strcmp(names, "-") != 0 && strcmp(names, before) != 0 && !anew)
    notice("level %d, %s: no weight is left in %s; nothing gets through there", loop->level,
           branch_names[loop->branch], names);
  free(before);
}

/* The row of a level and branch, whose networks are there, unless it is there already. */
static int make_row(Loop *loop, int loaded)
{
  const Experiment *e = loop->e;
  const char *branch = branch_names[loop->branch];
  Net *net = &loop->net;
  Measured m = {{"-", "-"}, {"-", "-"}, {"-", "-"}};
  char density[32], error[2][32], digest[17], *empty;
  float loss[2], threshold;
  size_t survivors;
  if (find_row(&loop->results, this_training(loop), 0)) return PRESENT;
  if (!loaded) load_network(loop, loop->level, loop->branch, 0);
  evaluate_this(loop, loss, error);
  survivors = net_prunable(net, 1);
  percent(density, survivors, net_prunable(net, 0));
  digest_text(digest, net_digest(net));
  empty = collapsed(net);
  say_collapsed(loop, empty);
  /* whoever needs the net from here on loads it */
  threshold = prune_magnitude(net, net->mask, &e->pruning);
  if (e->points > 0) measure(loop, &m);
  add_row(&loop->results, this_training(loop), 0,
          text("%d\t%s\t%lu\t%s\t%.6f\t%.6f\t%s\t%.6f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s",
               loop->level, branch, (unsigned long)survivors, density, (double)threshold,
               (double)loss[0], error[0], (double)loss[1], error[1], m.barrier[0], m.barrier[1],
               m.instability[0], m.instability[1], m.height[0], m.height[1], empty, digest));
  free(empty);
  write_table(e, &loop->results);
  if (!e->quiet)
    show_progress(
        "level %d %s  density %s%%  train error %s%%  test error %s%%  digest %s          \n",
        loop->level, branch, density, error[0], error[1], digest);
  return MADE;
}

/* Test error in percent, a line per level, a column per branch; 7 characters each, so that tabs
 * align. */
static void print_table(const Loop *loop)
{
  const Experiment *e = loop->e;
  int level, k;
  printf("level\tdensity");
  for (k = 0; k < e->branches; k++) printf("\t%s", branch_names[e->branch[k]]);
  printf("\n");
  for (level = 0; level < e->levels; level++) {
    const char *row = find_row(&loop->results, training_of(e, level, TICKET, 0), 0);
    char *field;
    if (!row) break; /* the run ended above */
    field = field_of(row, 3);
    printf("%d\t%.7s", level, field);
    free(field);
    for (k = 0; k < e->branches; k++) {
      row = find_row(&loop->results, training_of(e, level, e->branch[k], 0), 0);
      field = row ? field_of(row, 8) : text("-");
      printf("\t%.7s", field);
      free(field);
    }
    printf("\n");
  }
}

/* ==== the run =============================================================================== */

/* Looks at all files of the run in the order in which they are made, and makes those that are
 * not there from those that are, as make does. So a run that was stopped needs no state but its
 * files. Returns whether it made any. */
static int make_all(Loop *loop)
{
  const Experiment *e = loop->e;
  int made = make_rewind(loop), k, what = PRESENT;
  for (loop->level = 0; loop->level < e->levels; loop->level++)
    for (k = 0; k < e->branches; k++) {
      int trained = 0;
      loop->branch = e->branch[k];
      if (!trained_at(loop->level, loop->branch)) continue;
      for (loop->child = 0; loop->child <= e->children; loop->child++) {
        what = make_network(loop);
        if (what == ENDED) return made;
        trained = what == MADE;
        made = made || trained;
      }
      loop->child = 0;
      what = make_row(loop, trained && e->children == 0);
      made = made || what == MADE;
    }
  return made;
}

void imp(const Experiment *e)
{
  Loop loop = {0};
  int level, k, child, there = 0, networks = 0;
  loop.e = e;
  loop.results.path = join(e->out, "", ".tsv");
  loop.results.header = results_header;
  loop.epochs.path = join(e->out, "", ".epochs.tsv");
  loop.epochs.header = epochs_header;
  loop.rewind = join(e->out, "", ".rewind.safetensors");
  loop.resume = join(e->out, "", ".resume.safetensors");
  net_create(&loop.net, &e->model, e->data, e->batch, e->threads);
  optimizer_create(&loop.optimizer, &loop.net);
  loop.clock.begun = loop.saved = time(NULL);
  loop.clock.quiet = e->quiet;
  write_table(e, &loop.results); /* shows at once whether results can be written */
  read_table(e, &loop.epochs);
  for (level = 0; level < e->levels; level++)
    for (k = 0; k < e->branches; k++)
      for (child = 0; child <= e->children && trained_at(level, e->branch[k]); child++) {
        char *path = checkpoint_path(e, level, e->branch[k], child);
        networks++;
        if (file_exists(path)) there++;
        else loop.all += work(e, level, e->branch[k]);
        free(path);
      }
  if (there > 0 && there < networks && !e->quiet)
    show_progress("%s goes on: %d of %d networks are there\n", e->out, there, networks);
  /* The last time it only looks: all is there, whatever else went on in this folder. */
  do {
    k = make_all(&loop);
    k = write_table(e, &loop.results) || k;
    k = write_table(e, &loop.epochs) || k;
  } while (k);
  remove_file(loop.resume);
  print_table(&loop);
  free_table(&loop.results);
  free_table(&loop.epochs);
  free(loop.rewind);
  free(loop.resume);
  optimizer_free(&loop.optimizer);
  net_free(&loop.net);
}
