/* prune.c - finds lottery tickets: magnitude pruning, rewinding, controls, the loop of training,
 * pruning and rewinding (iterative magnitude pruning: Frankle and Carbin 2019; with rewinding
 * Frankle et al. 2020, algorithm 2), which a killed run takes up again.
 *
 * Not here: arithmetic (nn.c), file formats (data.c). First the algorithm, whole; then how a
 * network, a row and the rewind file are made, and how the files of a run are looked at. Every
 * training is a function of its options and of files already written, so resuming needs no state
 * but those files. SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const branch_names[BRANCHES] = {"ticket", "reinit", "reinit-fresh", "shuffle",
                                            "random"};

/* The run, the training that it is at, and what that needs. */
typedef struct {
  const Experiment *e;
  Net net;
  Optimizer optimizer;
  int level, branch;
  int child; /* 0: the network itself; 1 ...: copies of it under other data orders */
  long from; /* first step */
  int ended; /* before the last level: that was said */
  float lr;  /* what replaces the schedule's learning rate, or 0 */
  Clock clock;
  time_t saved;
  double done, all;      /* work of this process: before this training, and of all its trainings */
  Table results, epochs; /* PREFIX.tsv and PREFIX.epochs.tsv */
  char *rewind, *resume; /* names of PREFIX.rewind.safetensors and PREFIX.resume.safetensors */
} Loop;

static void load_rewind(Loop *loop);
static void load_network(Loop *loop, int level, int branch, int child);
static void repel_prepared(Loop *loop, Repel *r);
static void train_part(Loop *loop, const Training *how, long from, long to);
static int is_last(Loop *loop, size_t before);
static int make_rewind(Loop *loop);
static int make_network(Loop *loop);
static int make_row(Loop *loop);
static int write_rows(const Experiment *e, Table *t);
static void open_run(Loop *loop, const Experiment *e);
static void close_run(Loop *loop);

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

/* Number of the ranking that tensor k takes part in, -1: none. LAYER: one per tensor. GLOBAL: one
 * for all, but the output layer, the convolutions and the tensors of each own rate have theirs if
 * they have a rate of theirs. */
enum { OF_ALL, OF_OUTPUT, OF_CONVOLUTIONS, RANKINGS };
static int ranking_of(const Net *net, int k, const Pruning *how, long *rate)
{
  const Tensor *t = &net->tensor[k];
  int ranking = OF_ALL, i = 0;
  *rate = how->rate;
  while (i < how->owns && !strstr(t->name, how->own[i].part)) i++;
  if (i < how->owns) {
    ranking = RANKINGS + i;
    *rate = how->own[i].rate;
  } else if (t->output && how->output_rate >= 0) {
    ranking = OF_OUTPUT;
    *rate = how->output_rate;
  } else if (t->dims == 4 && how->conv_rate >= 0) {
    ranking = OF_CONVOLUTIONS;
    *rate = how->conv_rate;
  }
  if (!t->prunable) return -1;
  return how->scope == LAYER ? k : ranking;
}

/* The bits of |w| read as an integer have the order of |w|, so (|w|, index) is one 64-bit key. */
float prune_magnitude(const Net *net, unsigned char *mask, const Pruning *how)
{
  uint64_t *rank = allocate(net_prunable(net, 0), sizeof *rank, "the ranking of weights");
  size_t *left = allocate((size_t)net->tensors, sizeof *left, "survivors"); /* of each tensor */
  uint64_t highest = 0;
  const int rankings = how->scope == LAYER ? net->tensors : RANKINGS + how->owns;
  int ranking, k;
  for (ranking = 0; ranking < rankings; ranking++) {
    size_t total = 0, n = 0, keep, excess, j;
    long rate = 0, tensor_rate;
    for (k = 0; k < net->tensors; k++) {
      const Tensor *t = &net->tensor[k];
      if (ranking_of(net, k, how, &tensor_rate) != ranking) continue;
      rate = tensor_rate;
      total += t->size;
      for (j = t->offset; j < t->offset + t->size; j++) {
        if (!mask[j]) continue;
        rank[n++] = (uint64_t)(bits_of(net->weight[j]) & 0x7fffffffu) << 32 | j;
        left[k]++;
      }
    }
    qsort(rank, n, sizeof *rank, by_value);
    if (how->density < 0) keep = n - share_of(n, rate);
    else keep = rate == 0 ? n : share_of(total, how->density);
    excess = n > keep ? n - keep : 0;
    for (j = 0; j < n; j++) {
      const size_t weight = rank[j] & 0xffffffffu;
      if (excess == 0) break;
      k = 0; /* the tensor that it belongs to */
      while (weight >= net->tensor[k].offset + net->tensor[k].size) k++;
      if (left[k] <= how->keep) continue;
      mask[weight] = 0;
      left[k]--;
      excess--;
      if (rank[j] > highest) highest = rank[j];
    }
  }
  free(rank);
  free(left);
  return float_of((uint32_t)(highest >> 32));
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
    if (t->prunable)
      for (j = t->offset; j < t->offset + t->size; j++)
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

/* ==== the loop ============================================================================== */

static int trained_at(int level, int branch)
{
  return level > 0 || (branch != SHUFFLE && branch != RANDOM);
}

static int begins_anew(int branch) { return branch == REINIT || branch == REINIT_FRESH; }

/* Level 0 from its start to step k, which tickets are rewound to. */
static void train_rewind(Loop *loop)
{
  const Experiment *e = loop->e;
  Net *net = &loop->net;
  net_set_mask(net, NULL);
  if (e->init) checkpoint_apply(net, e->init, e->init_path);
  if (e->ticket) net_set_mask(net, e->ticket);
  if (!e->init) net_init(net, e->scheme, e->seed, 0);
  if (net_prunable(net, 1) == 0) fail("the mask to begin with keeps no weight");
  optimizer_clear(&loop->optimizer, net);
  loop->lr = 0;
  train_part(loop, &e->how, 0, e->rewind);
}

/* Sets weights, mask and optimiser for a training; 0 if the run ends above this level. */
static int prepare(Loop *loop)
{
  const Experiment *e = loop->e;
  const int level = loop->level, branch = loop->branch;
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
  if (!begins_anew(branch) && (branch != TICKET || e->retrain == WEIGHTS)) load_rewind(loop);
  if (branch == SHUFFLE || branch == RANDOM)
    prune_shuffle(net, mask, e->seed, (uint32_t)level, branch == RANDOM);
  net_set_mask(net, mask);
  if (branch == REINIT) net_init(net, e->scheme, e->seed, 1);
  if (branch == REINIT_FRESH) net_init(net, e->scheme, e->seed, 2 + (uint32_t)level);
  optimizer_clear(&loop->optimizer, net);
  free(mask);
  return branch != TICKET || !is_last(loop, before);
}

/* Trains the network of this level, branch and child; 0 if the run ends above this level. */
static int train_network(Loop *loop)
{
  const Experiment *e = loop->e;
  Training how = e->how;
  Repel repel;
  if (!prepare(loop)) return 0;
  repel_prepared(loop, &repel);
  if (repel.optima > 0) {
    how.hook = repel_hook;
    how.context = &repel;
  }
  loop->lr = 0;
  if (e->retrain == FINETUNE && loop->level > 0 && loop->branch == TICKET)
    loop->lr = learning_rate(&how, how.steps - 1);
  train_part(loop, &how, begins_anew(loop->branch) ? 0 : e->rewind, how.steps);
  repel_free(&repel);
  return 1;
}

/* What became of a network. */
enum { PRESENT, MADE, ENDED };

/* Looks at all files of the run in the order in which they are made, and makes those that are not
 * there from those that are, as make does. Returns whether it made any. */
static int make_all(Loop *loop)
{
  const Experiment *e = loop->e;
  int made = make_rewind(loop), k, what;
  for (loop->level = 0; loop->level < e->levels; loop->level++)
    for (k = 0; k < e->branches; k++) {
      loop->branch = e->branch[k];
      if (!trained_at(loop->level, loop->branch)) continue;
      for (loop->child = 0; loop->child <= e->children; loop->child++) {
        what = make_network(loop);
        if (what == ENDED) return made;
        made = made || what == MADE;
      }
      loop->child = 0;
      made = make_row(loop) || made;
    }
  return made;
}

void imp(const Experiment *e)
{
  Loop loop = {0};
  int made;
  open_run(&loop, e);
  do { /* the last time it only looks: all is there, whatever else went on in this folder */
    made = make_all(&loop);
    made = write_rows(e, &loop.results) || made;
    made = write_rows(e, &loop.epochs) || made;
  } while (made);
  close_run(&loop);
}

/* ==== rows of PREFIX.tsv and PREFIX.epochs.tsv =============================================== */

static const char results_header[] =
    "level\tbranch\tweights\tdensity\tthreshold\ttrain_loss\ttrain_error\ttest_loss\ttest_error\t"
    "train_barrier\ttest_barrier\ttrain_instability\ttest_instability\ttrain_height\ttest_height\t"
    "collapsed\tdigest";
static const char epochs_header[] =
    "level\tbranch\tcopy\tdensity\tepoch\tstep\tlr\ttrain_loss\ttrain_error\ttest_loss\ttest_error";

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

/* The whole number that the text is, -1 if it is none below `limit`. */
static long whole_number(const char *digits, long limit)
{
  const size_t n = strlen(digits);
  const int is_number = n > 0 && n < 10 && strspn(digits, "0123456789") == n;
  const long x = is_number ? strtol(digits, NULL, 10) : -1;
  return x < limit ? x : -1;
}

/* Number of a training, in the order in which the run makes them. */
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

/* Number of the training that a row is of, -1 if the run has none such; *step: where its epoch
 * ends, 0 in PREFIX.tsv. Rows ascend in both. */
static long training_of_row(const Experiment *e, const Table *t, int row, long *step)
{
  const int copy = table_column(t, "copy"), at = table_column(t, "step");
  const long level = whole_number(table_cell(t, row, 0), e->levels);
  const long child = copy < 0 ? 0 : whole_number(table_cell(t, row, copy), e->children + 1);
  const char *branch = table_cell(t, row, 1);
  int k = 0;
  *step = at < 0 ? 0 : whole_number(table_cell(t, row, at), e->how.steps + 1);
  while (k < e->branches && strcmp(branch, branch_names[e->branch[k]]) != 0) k++;
  if (k == e->branches || level < 0 || child < 0 || *step < 0) return -1;
  return training_of(e, (int)level, e->branch[k], (int)child);
}

/* The first row that is not before that of a training and step; maybe the one after the last. */
static int place_of_row(const Experiment *e, const Table *t, long training, long step)
{
  int low = 1, high = t->rows + 1;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    long at;
    const long other = training_of_row(e, t, middle, &at);
    if (other < training || (other == training && at < step)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Number of the row of a training and step, 0 if there is none. */
static int find_row(const Experiment *e, const Table *t, long training, long step)
{
  const int row = place_of_row(e, t, training, step);
  long at;
  if (row > t->rows || training_of_row(e, t, row, &at) != training || at != step) return 0;
  return row;
}

/* Whether a column of PREFIX.tsv is of the lines between networks: barrier, instability, height. */
static int is_of_lines(const Table *t, int column)
{
  return strstr(t->cell[column], "_barrier") || strstr(t->cell[column], "_instability") ||
         strstr(t->cell[column], "_height");
}

/* Takes over `line` as a row. One that is there already must say the same, but lines that only one
 * of them has measured. Returns whether that changed the table. */
static int add_row(const Experiment *e, Table *t, long training, long step, char *line)
{
  const int row = find_row(e, t, training, step);
  Table made = {0};
  char *merged = NULL;
  const int columns = row > 0 ? t->columns : 0;
  int c, changed = row == 0;
  table_insert(&made, 0, line);
  for (c = 0; c < columns; c++) {
    const char *old = table_cell(t, row, c), *now = made.cell[c];
    if (strcmp(old, now) == 0) continue;
    if (is_of_lines(t, c) && !strcmp(now, "-")) made.cell[c] = (char *)old;
    else if (is_of_lines(t, c) && !strcmp(old, "-")) changed = 1;
    else
      fail("%s: says '%.200s', but now it is '%.200s'; one of two builds is wrong: try ticket "
           "verify",
           t->path, table_row(t, row), line);
  }
  if (changed) merged = table_row(&made, 0);
  if (changed && row > 0) table_remove(t, row);
  if (changed) table_insert(t, place_of_row(e, t, training, step), merged);
  table_free(&made);
  free(merged);
  free(line);
  return changed;
}

/* Options that a run may take more of later, and what it has stays as it is. */
static int may_grow(const char *key)
{
  return !strcmp(key, "levels") || !strcmp(key, "children") || !strcmp(key, "points") ||
         !strcmp(key, "branches");
}

/* Whether `to` is `from`, or more of an option that may grow: a larger number, or further words
 * between those that there are. */
static int goes_on(const char *key, const char *from, const char *to)
{
  if (!strcmp(from, to)) return 1;
  if (!may_grow(key)) return 0;
  if (strcmp(key, "branches") != 0) return whole_number(from, 100000) < whole_number(to, 100000);
  while (*to && strcmp(from, "-") != 0) {
    const size_t n = strcspn(from, ","), m = strcspn(to, ",");
    if (n == m && strncmp(from, to, n) == 0) from = from[n] ? from + n + 1 : "-";
    to += m + (to[m] == ',');
  }
  return strcmp(from, "-") == 0;
}

/* The first pair of the run that a table's file has otherwise, neither equal nor less of what may
 * grow; e->pairs: none. The first pair of a file is its checksum. */
static int other_pair(const Experiment *e, const Table *file)
{
  int k = 0;
  while (k < e->pairs && k + 1 < file->pairs && !strcmp(file->key[k + 1], e->key[k]) &&
         goes_on(e->key[k], file->value[k + 1], e->value[k]))
    k++;
  return k;
}

/* Fails unless a file's configuration and header are those of this run, or of one that this goes on
 * with. */
static void check_table(const Experiment *e, const Table *t, const Table *file)
{
  const int k = other_pair(e, file), there = k + 1 < file->pairs;
  const int columns = file->columns == t->columns ? t->columns : 0;
  int c, same = file->pairs == e->pairs + 1 && columns > 0;
  if (k < e->pairs)
    fail("%s: holds another run ('# %.40s = %.80s', now '# %.40s = %.80s'); choose another --out "
         "or remove its files",
         t->path, there ? file->key[k + 1] : "-", there ? file->value[k + 1] : "-", e->key[k],
         e->value[k]);
  for (c = 0; c < columns; c++)
    if (strcmp(t->cell[c], file->cell[c]) != 0) same = 0;
  if (!same) fail("%s: is not a table of this run; choose another --out or remove it", t->path);
}

/* Adds to the table the rows of its file, if there is one; it must be whole and of this run, or of
 * one that this goes on with: then lines are measured again if there are more copies or points.
 * Returns whether the file has all that the table has. */
static int take_rows(const Experiment *e, Table *t)
{
  int k, c, row, all = 1, again = 0;
  Table file;
  if (!table_open(&file, t->path, 1)) return 0;
  check_table(e, t, &file);
  for (k = 0; k < e->pairs; k++) {
    if (strcmp(file.value[k + 1], e->value[k]) == 0) continue;
    all = 0;
    again = again || !strcmp(e->key[k], "children") || !strcmp(e->key[k], "points");
  }
  table_rows(&file);
  for (row = 1; row <= file.rows; row++) {
    long step;
    const long training = training_of_row(e, &file, row, &step);
    char *line;
    if (again)
      for (c = 0; c < file.columns; c++)
        if (is_of_lines(t, c)) file.cell[row * file.columns + c] = (char *)"-";
    line = table_row(&file, row);
    if (training < 0)
      fail("%s: '%.40s...' is no row of this run; choose another --out or remove the file", t->path,
           line);
    add_row(e, t, training, step, line);
  }
  all = all && file.rows == t->rows;
  for (row = all ? 1 : file.rows + 1; row <= file.rows; row++)
    for (c = 0; c < file.columns; c++)
      if (strcmp(table_cell(&file, row, c), table_cell(t, row, c)) != 0) all = 0;
  table_free(&file);
  return all;
}

/* Writes the table unless its file has all its rows: another process with this PREFIX may have
 * written rows that are not here, or not all that are. Returns whether it was written. */
static int write_rows(const Experiment *e, Table *t)
{
  if (take_rows(e, t)) return 0;
  table_write(t);
  return 1;
}

/* Whether the rows of this training's epochs from step `from` to step `to` are there. */
static int has_epochs(const Loop *loop, long from, long to)
{
  const Experiment *e = loop->e;
  const long per_epoch = (long)((e->data->train.n + e->batch - 1) / e->batch);
  const long training = this_training(loop);
  long step = (from / per_epoch + 1) * per_epoch;
  for (; step <= to; step += per_epoch)
    if (!find_row(e, &loop->epochs, training, step)) return 0;
  return to == from || to < e->how.steps || find_row(e, &loop->epochs, training, to);
}

/* ==== checkpoints of the run ================================================================ */

static char *checkpoint_path(const Experiment *e, int level, int branch, int child)
{
  char copy[24] = "";
  if (child > 0) sprintf(copy, ".child%d", child);
  return text("%s.L%02d%s%s%s.safetensors", e->out, level, branch == TICKET ? "" : ".",
              branch == TICKET ? "" : branch_names[branch], copy);
}

/* Writes the net of this training at `step`; with an optimiser its memory too. */
static void save(const Loop *loop, const char *path, long step, const Optimizer *o)
{
  const Experiment *e = loop->e;
  const char *const keys[4] = {"level", "branch", "child", "step"};
  const char *key[80], *value[80];
  char level[24], child[24], steps[24];
  const char *const values[4] = {level, branch_names[loop->branch], child, steps};
  int k, n = 0;
  sprintf(level, "%d", loop->level);
  sprintf(child, "%d", loop->child);
  sprintf(steps, "%ld", step);
  for (k = 0; k < e->pairs; k++) {
    if (may_grow(e->key[k])) continue; /* the same network however the run goes on */
    key[n] = e->key[k];
    value[n++] = e->value[k];
  }
  memcpy(key + n, keys, sizeof keys);
  memcpy(value + n, values, sizeof values);
  checkpoint_write(&loop->net, o, n + 4, key, value, path);
}

/* Whether a file's metadata has this value, a word or (word NULL) a number. */
static int says(const Safetensors *s, const char *key, const char *word, long number)
{
  const char *found = safetensors_value(s, key);
  char digits[24];
  sprintf(digits, "%ld", number);
  return found && strcmp(found, word ? word : digits) == 0;
}

/* Whether a checkpoint of this run is of that training. */
static int is_of(const Safetensors *s, int level, int branch, int child)
{
  return says(s, "level", NULL, level) && says(s, "child", NULL, child) &&
         says(s, "branch", branch_names[branch], 0);
}

/* The first pair of the run that a checkpoint has otherwise, e->pairs: none. */
static int other_value(const Experiment *e, const Safetensors *s)
{
  int k = 0;
  while (k < e->pairs && (may_grow(e->key[k]) || says(s, e->key[k], e->value[k], 0))) k++;
  return k;
}

/* Reads a checkpoint of this run; 0 if it is not there. Refuses one that is damaged or of another
 * run. */
static int read_checkpoint(const Loop *loop, const char *path, Safetensors *s)
{
  const Experiment *e = loop->e;
  const char *found;
  int there, k;
  advise(ANEW);
  there = safetensors_read_result(s, path);
  if (there && !s->checked)
    fail("%s: is not a checkpoint that ticket " TICKET_VERSION " wrote", path);
  k = there ? other_value(e, s) : e->pairs;
  if (k < e->pairs) {
    found = safetensors_value(s, e->key[k]);
    fail("%s: is of another run (%s = %.80s, now %.80s)", path, e->key[k], found ? found : "-",
         e->value[k]);
  }
  advise("");
  return there;
}

/* Sets weights and mask of the net, and the optimiser's memory. */
static void apply(Loop *loop, const Safetensors *s, const char *path)
{
  advise(ANEW);
  checkpoint_apply(&loop->net, s, path);
  checkpoint_memory(&loop->net, &loop->optimizer, s, path);
  advise("");
}

enum { LOOK, LOAD };

/* Looks at the network of a training, or (step: the one of --rewind) what it goes back to; 0 if it
 * is not there. Refuses what is none of it. load: it must be there, and is loaded. */
static int take_network(Loop *loop, const char *path, int level, int branch, int child, long step,
                        int load)
{
  const Table *t = &loop->results;
  Safetensors s;
  int row = 0;
  if (child == 0 && strcmp(path, loop->rewind) != 0)
    row = find_row(loop->e, t, training_of(loop->e, level, branch, 0), 0);
  if (!read_checkpoint(loop, path, &s)) {
    if (load) fail("%s: has vanished; the same command makes it anew", path);
    return 0;
  }
  if (!is_of(&s, level, branch, child) || !says(&s, "step", NULL, step))
    fail("%s: is not of level %d, %s, copy %d at step %ld" ANEW, path, level, branch_names[branch],
         child, step);
  if (row > 0 && !says(&s, "digest", table_cell(t, row, table_column(t, "digest")), 0))
    fail("%s: its digest is not the one that %s gives; remove both, and the same command makes "
         "them anew",
         path, t->path);
  if (load) apply(loop, &s, path);
  safetensors_free(&s);
  return 1;
}

static void load_rewind(Loop *loop)
{
  take_network(loop, loop->rewind, 0, TICKET, 0, loop->e->rewind, LOAD);
}

/* Loads a finished network of this run. */
static void load_network(Loop *loop, int level, int branch, int child)
{
  char *path = checkpoint_path(loop->e, level, branch, child);
  take_network(loop, path, level, branch, child, loop->e->how.steps, LOAD);
  free(path);
}

/* ==== making a network ====================================================================== */

/* Work of training a network, in steps of the dense one: a step costs a fixed part and one that
 * falls with density. */
static double work(const Experiment *e, int level, int branch)
{
  const long share = e->pruning.density >= 0 ? e->pruning.density : MILLION - e->pruning.rate;
  double density = 1, steps = (double)e->how.steps;
  int k;
  for (k = 0; k < level; k++) density *= (double)share / MILLION;
  if (level > 0 && !begins_anew(branch)) steps -= (double)e->rewind;
  return steps * (0.06 + 0.94 * density);
}

/* How the epoch went that has just ended, or what was trained of it (columns: see imp in ticket.h).
 * The test set is evaluated only when 5 times its images have passed, so that it costs a few
 * percent; that changes nothing that training reads. */
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
    decimals(loss, of_test);
    if (is_finite(of_test)) percent(test_error, wrong, test->n);
  }
  percent(density, net_prunable(&loop->net, 1), net_prunable(&loop->net, 0));
  percent(error, p->wrong, p->seen);
  add_row(e, &loop->epochs, this_training(loop), p->step,
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
  const double part = (double)(p->step - loop->from) / (double)(e->how.steps - loop->from + 1);
  const double done = loop->done + part * work(e, loop->level, loop->branch);
  char what[64];
  sprintf(what, "level %d %s%s", loop->level, branch_names[loop->branch],
          loop->child > 0 ? " child" : "");
  if (p->epoch_done || p->step == e->how.steps) record_epoch(loop, p);
  show_training(&loop->clock, p, done < loop->all ? done / loop->all : 1, what);
  if (p->epoch_done && p->step < e->how.steps && difftime(now, loop->saved) >= 2) {
    write_rows(e, &loop->epochs); /* before the file that makes these rows needed */
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
  if (is_of(&s, loop->level, loop->branch, loop->child) && step > from && step < to &&
      has_epochs(loop, from, step)) {
    apply(loop, &s, loop->resume);
    from = step;
  }
  safetensors_free(&s);
  return from;
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
  write_rows(loop->e, &loop->epochs);
}

/* Makes the rewind file unless it is there: step k of the ticket of level 0, with the optimiser's
 * memory if k > 0. Returns whether it was made. */
static int make_rewind(Loop *loop)
{
  const Experiment *e = loop->e;
  loop->level = loop->branch = loop->child = 0;
  if (take_network(loop, loop->rewind, 0, TICKET, 0, e->rewind, LOOK) &&
      has_epochs(loop, 0, e->rewind))
    return 0;
  train_rewind(loop);
  save(loop, loop->rewind, e->rewind, e->rewind > 0 ? &loop->optimizer : NULL);
  return 1;
}

/* Whether the run ends above this level: its ticket, to which the net's mask belongs, would have no
 * weight, or all of the `before` of the last. */
static int is_last(Loop *loop, size_t before)
{
  const Pruning *p = &loop->e->pruning;
  int by_rate = p->rate > 0 || p->output_rate > 0 || p->conv_rate > 0, wanted, k;
  const size_t after = net_prunable(&loop->net, 1);
  for (k = 0; k < p->owns; k++) by_rate = by_rate || p->own[k].rate > 0;
  /* --rate 0 asks for the same again */
  wanted = p->density >= 0 ? p->density < MILLION : by_rate;
  if (after > 0 && (after < before || !wanted)) return 0;
  if (!loop->ended)
    notice("level %d: %s; the run ends with level %d", loop->level,
           after == 0 ? "no weight survives pruning" : "nothing is left to prune", loop->level - 1);
  loop->ended = 1;
  return 1;
}

/* Creates `r`, with the previous optima of the branch, for the net as it is prepared. */
static void repel_prepared(Loop *loop, Repel *r)
{
  const Experiment *e = loop->e;
  Solution start;
  int level = e->repel_last ? loop->level - 1 : 0;
  repel_create(r, &loop->net, e->repel, loop->level);
  if (loop->level == 0 || e->repel == 0) return; /* the optimiser keeps its memory */
  solution_take(&start, &loop->net);
  for (; level < loop->level; level++) {
    if (!trained_at(level, loop->branch)) continue;
    load_network(loop, level, loop->branch, 0);
    repel_from(r, loop->net.weight);
  }
  solution_put(&start, &loop->net);
  solution_free(&start);
  optimizer_clear(&loop->optimizer, &loop->net);
}

/* How the net does, which is that of this training at its end. */
static void evaluate_this(Loop *loop, float loss[2], char error[2][32])
{
  char what[64];
  sprintf(what, "level %d, %s, copy %d", loop->level, branch_names[loop->branch], loop->child);
  evaluate(&loop->net, loop->e->data, what, loss, error);
}

/* Trains the network of this level, branch and child unless it is there with the rows of its
 * epochs. */
static int make_network(Loop *loop)
{
  const Experiment *e = loop->e;
  const long from = begins_anew(loop->branch) ? 0 : e->rewind, to = e->how.steps;
  char *path = checkpoint_path(e, loop->level, loop->branch, loop->child);
  int what = MADE;
  if (take_network(loop, path, loop->level, loop->branch, loop->child, to, LOOK)) {
    if (!has_epochs(loop, from, to)) take_rows(e, &loop->epochs); /* another process's */
    if (has_epochs(loop, from, to)) what = PRESENT;
    else if (!e->quiet)
      show_progress("%s lacks rows of %s, which is trained again\n", loop->epochs.path, path);
  }
  if (what == MADE && !train_network(loop)) what = ENDED;
  if (what == MADE) {
    if (loop->child > 0) {
      float loss[2];
      char error[2][32];
      evaluate_this(loop, loss, error);
    }
    save(loop, path, to, NULL);
    loop->done += work(e, loop->level, loop->branch);
  }
  free(path);
  return what;
}

/* ==== making a row of PREFIX.tsv ============================================================= */

/* The columns of a row between test_error and collapsed. */
typedef struct {
  char barrier[2][32], instability[2][32], height[2][32];
} Lines;

/* Barrier and height to the branch's network one level up, instability between the copies of the
 * level: of training and test set. */
static void measure_lines(Loop *loop, Lines *m)
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
    if (!t->prunable) continue;
    j = 0;
    while (j < t->size && !net->mask[t->offset + j]) j++;
    if (j < t->size) continue;
    longer = join(names ? names : "", names ? "," : "", t->name);
    free(names);
    names = longer;
  }
  return names ? names : join("-", "", "");
}

/* Says once per branch which layers have lost their last weight; reinit has the ticket's mask. */
static void say_collapsed(const Loop *loop, const char *names)
{
  const Table *t = &loop->results;
  int above = 0;
  if (begins_anew(loop->branch) || strcmp(names, "-") == 0) return;
  if (loop->level > 0)
    above = find_row(loop->e, t, training_of(loop->e, loop->level - 1, loop->branch, 0), 0);
  if (above > 0 && strcmp(names, table_cell(t, above, table_column(t, "collapsed"))) == 0) return;
  notice("level %d, %s: no weight is left in %s; nothing gets through there", loop->level,
         branch_names[loop->branch], names);
}

/* Whether a row has all lines that the run measures. */
static int has_lines(const Loop *loop, int row)
{
  const Experiment *e = loop->e;
  const Table *t = &loop->results;
  const int up = e->points > 0 && loop->level > 0 && trained_at(loop->level - 1, loop->branch);
  int c, all = 1;
  for (c = 0; c < t->columns; c++) {
    const int copies = strstr(t->cell[c], "_instability") != NULL;
    const int wanted = is_of_lines(t, c) && (copies ? e->points > 0 && e->children > 0 : up);
    all = all && (!wanted || strcmp(table_cell(t, row, c), "-") != 0);
  }
  return all;
}

/* The row of a level and branch, whose networks are there, unless it is there already. Returns
 * whether it was made. */
static int make_row(Loop *loop)
{
  const Experiment *e = loop->e;
  const char *branch = branch_names[loop->branch];
  Net *net = &loop->net;
  Lines m = {{"-", "-"}, {"-", "-"}, {"-", "-"}};
  char density[32], error[2][32], digest[17], *empty;
  float loss[2], threshold;
  size_t survivors;
  const int row = find_row(e, &loop->results, this_training(loop), 0);
  int changed;
  if (row > 0 && has_lines(loop, row)) return 0;
  load_network(loop, loop->level, loop->branch, 0);
  evaluate_this(loop, loss, error);
  survivors = net_prunable(net, 1);
  percent(density, survivors, net_prunable(net, 0));
  digest_text(digest, net_digest(net));
  empty = collapsed(net);
  say_collapsed(loop, empty);
  /* whoever needs the net from here on loads it */
  threshold = prune_magnitude(net, net->mask, &e->pruning);
  if (e->points > 0) measure_lines(loop, &m);
  changed =
      add_row(e, &loop->results, this_training(loop), 0,
              text("%d\t%s\t%lu\t%s\t%.6f\t%.6f\t%s\t%.6f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s",
                   loop->level, branch, (unsigned long)survivors, density, (double)threshold,
                   (double)loss[0], error[0], (double)loss[1], error[1], m.barrier[0], m.barrier[1],
                   m.instability[0], m.instability[1], m.height[0], m.height[1], empty, digest));
  free(empty);
  if (!changed) return 0; /* a line of which there is no value */
  write_rows(e, &loop->results);
  if (!e->quiet)
    show_progress(
        "level %d %s  density %s%%  train error %s%%  test error %s%%  digest %s          \n",
        loop->level, branch, density, error[0], error[1], digest);
  return 1;
}

/* ==== beginning and end of a run ============================================================= */

static void create_table(Table *t, const Experiment *e, const char *ending, const char *header)
{
  t->path = join(e->out, "", ending);
  t->pairs = e->pairs;
  t->key = copy_of(e->key, (size_t)e->pairs, (size_t)e->pairs, sizeof *t->key, "a table");
  t->value = copy_of(e->value, (size_t)e->pairs, (size_t)e->pairs, sizeof *t->value, "a table");
  table_insert(t, 0, header);
}

/* Removes a checkpoint if it is of this run. */
static void remove_own(const Experiment *e, const char *path)
{
  Safetensors s;
  if (!safetensors_read_result(&s, path)) return;
  if (s.checked && other_value(e, &s) == e->pairs) remove_file(path);
  safetensors_free(&s);
}

/* If another run has begun here that has no row yet: removes its files, which say that they are of
 * it, its table last, so that it blocks no run with other options. */
static void remove_begun(Loop *loop)
{
  const Table *t = &loop->results;
  Experiment begun = *loop->e;
  Table file, epochs;
  int same, child;
  if (!table_open(&file, t->path, 1)) return;
  table_rows(&file);
  same = other_pair(&begun, &file) == begun.pairs && file.pairs == begun.pairs + 1;
  if (!same && file.rows == 0 && file.columns == t->columns) {
    notice("%s: another run has begun here and has no row yet; its files are replaced", t->path);
    begun.pairs = file.pairs - 1;
    begun.key = (const char **)file.key + 1;
    begun.value = (const char **)file.value + 1;
    remove_own(&begun, loop->resume);
    remove_own(&begun, loop->rewind);
    for (child = 0; child <= 9; child++) { /* --children is at most 9 */
      char *path = checkpoint_path(&begun, 0, TICKET, child);
      remove_own(&begun, path);
      free(path);
    }
    if (table_open(&epochs, loop->epochs.path, 1)) {
      if (other_pair(&begun, &epochs) == begun.pairs) remove_file(loop->epochs.path);
      table_free(&epochs);
    }
    remove_file(t->path);
  }
  table_free(&file);
}

/* Fails unless each own rate is of some tensor that is pruned. */
static void check_own_rates(const Net *net, const Pruning *how)
{
  int i, k, fits;
  for (i = 0; i < how->owns; i++) {
    const char *last = "";
    for (k = fits = 0; k < net->tensors; k++) {
      if (!net->tensor[k].prunable) continue;
      last = net->tensor[k].name;
      fits = fits || strstr(last, how->own[i].part) != NULL;
    }
    if (!fits)
      fail_usage("--rate-of %s=...: no weights of %s have a name with that part; the last are %s",
                 how->own[i].part, net->model, last);
  }
}

/* Everything that the loop needs; refuses files of another run. */
static void open_run(Loop *loop, const Experiment *e)
{
  int level, k, child, there = 0, networks = 0;
  loop->e = e;
  create_table(&loop->results, e, ".tsv", results_header);
  create_table(&loop->epochs, e, ".epochs.tsv", epochs_header);
  loop->rewind = join(e->out, "", ".rewind.safetensors");
  loop->resume = join(e->out, "", ".resume.safetensors");
  net_create(&loop->net, &e->model, e->data, e->batch, e->threads);
  optimizer_create(&loop->optimizer, &loop->net);
  loop->clock.begun = loop->saved = time(NULL);
  loop->clock.quiet = e->quiet;
  check_own_rates(&loop->net, &e->pruning);
  remove_begun(loop);
  write_rows(e, &loop->results); /* shows at once whether results can be written */
  take_rows(e, &loop->epochs);
  for (level = 0; level < e->levels; level++)
    for (k = 0; k < e->branches; k++)
      for (child = 0; child <= e->children; child++) {
        char *path = checkpoint_path(e, level, e->branch[k], child);
        if (trained_at(level, e->branch[k])) {
          networks++;
          if (file_exists(path)) there++;
          else loop->all += work(e, level, e->branch[k]);
        }
        free(path);
      }
  if (there > 0 && there < networks && !e->quiet)
    show_progress("%s goes on: %d of %d networks are there\n", e->out, there, networks);
}

/* Prints the test error in percent, a line per level, a column per branch; 7 characters each, so
 * that tabs align. */
static void print_errors(const Loop *loop)
{
  const Experiment *e = loop->e;
  const Table *t = &loop->results;
  const int density = table_column(t, "density"), error = table_column(t, "test_error");
  int level, k;
  printf("level\tdensity");
  for (k = 0; k < e->branches; k++) printf("\t%s", branch_names[e->branch[k]]);
  printf("\n");
  for (level = 0; level < e->levels; level++) {
    int row = find_row(e, t, training_of(e, level, TICKET, 0), 0);
    if (row == 0) break; /* the run ended above */
    printf("%d\t%.7s", level, table_cell(t, row, density));
    for (k = 0; k < e->branches; k++) {
      row = find_row(e, t, training_of(e, level, e->branch[k], 0), 0);
      printf("\t%.7s", row > 0 ? table_cell(t, row, error) : "-");
    }
    printf("\n");
  }
}

static void close_run(Loop *loop)
{
  remove_file(loop->resume);
  print_errors(loop);
  free((char *)loop->results.path);
  free((char *)loop->epochs.path);
  table_free(&loop->results);
  table_free(&loop->epochs);
  free(loop->rewind);
  free(loop->resume);
  optimizer_free(&loop->optimizer);
  net_free(&loop->net);
}
