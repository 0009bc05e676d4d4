/* ticket.c - the command line: one table of options that parses, prints the help and records the
 * configuration, the published presets, and one thin function per command.
 * SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef _WIN32
int _setmode(int file, int mode); /* of the C library there: else stdout ends its lines in \r\n */
#endif

/* ==== options =============================================================================== */

enum {
  TRAIN = 1,
  IMP = 2,
  BATCHES = 4,
  DATA = 8,
  BENCH = 16,
  VERIFY = 32,
  HELP = 64,
  /* commands that take an option */
  LMC = 128,
  STABILITY = 256,
  DISTANCE = 512,
  PROBE = 1024,
  CURVE = 2048,
  REPORT = 4096,
  TRACE = 8192
};
enum { TEXT, INTEGER, REAL, CHOICE, LIST, STEPS, STEP_LIST, RATES, FLAG };

enum {
  O_DATA,
  O_TRAIN_SIZE,
  O_AUGMENT,
  O_MODEL,
  O_SHORTCUT,
  O_AFFINE,
  O_SCHEME,
  O_INIT,
  O_TICKET,
  O_EPOCHS,
  O_STEPS,
  O_BATCH,
  O_OPTIMIZER,
  O_LR,
  O_MOMENTUM,
  O_NESTEROV,
  O_DECAY,
  O_WARMUP,
  O_SCHEDULE,
  O_MILESTONES,
  O_GAMMA,
  O_SEED,
  O_ORDER_SEED,
  O_LEVELS,
  O_RATE,
  O_SCOPE,
  O_OUTPUT_RATE,
  O_CONV_RATE,
  O_RATE_OF,
  O_KEEP,
  O_REWIND,
  O_RETRAIN,
  O_ONE_SHOT,
  O_BRANCHES,
  O_CHILDREN,
  O_POINTS,
  O_REPEL,
  O_REPEL_SET,
  O_AT,
  O_FROM,
  O_TO,
  O_BN,
  O_MASK,
  O_WHAT,
  O_DUMP,
  O_PRESET,
  O_OUT,
  O_VALUES,
  O_THREADS,
  O_QUIET,
  OPTIONS
};

typedef struct {
  const char *name, *argument, *standard; /* "" stands for: not given */
  int kind, commands, recorded;           /* recorded: the results depend on it; 2: if given */
  double least, most;
  const char *help; /* of CHOICE and LIST after the choices in argument */
} Option;

#define RUNS (TRAIN | IMP | STABILITY | TRACE)
#define PAIRS (LMC | CURVE)
#define MEASURES (PAIRS | DISTANCE | PROBE) /* of checkpoints, which know their model */
static const Option options[OPTIONS] = {
    [O_DATA] =
        {"data", "SET", "synth", TEXT, RUNS | MEASURES | BATCHES | DATA | BENCH | REPORT, 0, 0, 0,
         "synth, synth-rgb (built in), mnist:DIR, fashion:DIR, kmnist:DIR (folder with the "
         "four IDX files), idx:DIR (the same of any other images of bytes, 1 or 3 channels), "
         "cifar10:DIR, cifar100:DIR, cifar100-coarse:DIR (folder with the binary version's "
         ".bin files)"},
    [O_TRAIN_SIZE] = {"train-size", "N", "", INTEGER, RUNS | BATCHES | DATA, 1, 1, 1e9,
                      "only the first N training images"},
    [O_AUGMENT] =
        {"augment", "none|crop-flip", "none", CHOICE, RUNS | CURVE | BATCHES, 1, 0, 0,
         "training images: cropped from a border of 4 black pixels and mirrored at random"},
    [O_MODEL] =
        {"model", "NAME", "lenet-300-100", TEXT, RUNS | MEASURES | BENCH, 1, 0, 0,
         "lenet-N1-N2-...: dense layers of N1, N2, ... units; conv2, conv4, conv6; vgg11, 13, "
         "16, 19; resnet20, 32, 44, 56, 110 (any 6 B + 2 from 8); with other widths conv4-WIDTH, "
         "vgg16-WIDTH, resnet20-WIDTH (channels of the first layer)"},
    [O_SHORTCUT] = {"shortcut", "conv|pad", "conv", CHOICE, RUNS | MEASURES | BENCH, 1, 0, 0,
                    "of a ResNet where shapes change: a 1x1 convolution, or subsample and pad with "
                    "zeros (no weights)"},
    [O_AFFINE] = {"bn-affine", "on|off", "on", CHOICE, RUNS | MEASURES | BENCH, 1, 0, 0,
                  "whether batch norm has weights gamma and beta"},
    [O_SCHEME] = {"init-scheme", "kaiming-normal|kaiming-uniform|glorot-normal|sparse-aware",
                  "kaiming-normal", CHOICE, RUNS, 1, 0, 0, "how initial weights are drawn"},
    [O_INIT] = {"init", "FILE", "", TEXT, RUNS, 0, 0, 0,
                "start from this safetensors file, and under its mask if it has one"},
    [O_TICKET] =
        {"ticket", "FILE", "", TEXT, RUNS, 0, 0, 0,
         "begin under this checkpoint's mask, with other values: those of --seed or --init"},
    [O_EPOCHS] = {"epochs", "N", "", INTEGER, RUNS | CURVE | BATCHES, 0, 0, 1e6,
                  "the same as --steps Nep"},
    [O_STEPS] = {"steps", "STEP", "10ep", STEPS, RUNS | CURVE | BATCHES, 1, 0, 1e9,
                 "length of a training: 500it (iterations) or 10ep (epochs)"},
    [O_BATCH] = {"batch", "N", "60", INTEGER, RUNS | MEASURES | BATCHES | BENCH, 1, 1, 65536,
                 "images in a batch"},
    [O_OPTIMIZER] = {"optimizer", "sgd|adam", "adam", CHOICE, RUNS | CURVE, 1, 0, 0,
                     "as PyTorch defines them"},
    [O_LR] = {"lr", "X", "0.0012", REAL, RUNS | CURVE, 1, 0, 1e6, "learning rate"},
    [O_MOMENTUM] = {"momentum", "X", "0.9", REAL, RUNS | CURVE, 1, 0, 1, "of sgd"},
    [O_NESTEROV] = {"nesterov", "", "off", FLAG, RUNS | CURVE, 1, 0, 0,
                    "Nesterov momentum for sgd"},
    [O_DECAY] = {"weight-decay", "X", "0", REAL, RUNS | CURVE, 1, 0, 1e6,
                 "added to the gradient times the weight"},
    [O_WARMUP] = {"warmup", "STEP", "0", STEPS, RUNS | CURVE, 1, 0, 1e9,
                  "the learning rate rises linearly from 0 until then"},
    [O_SCHEDULE] = {"schedule", "constant|step|cosine", "constant", CHOICE, RUNS | CURVE, 1, 0, 0,
                    "of the learning rate"},
    [O_MILESTONES] = {"milestones", "STEP,...", "", STEP_LIST, RUNS | CURVE, 1, 0, 1e9,
                      "where schedule step multiplies it by gamma"},
    [O_GAMMA] = {"gamma", "X", "0.1", REAL, RUNS | CURVE, 1, 0, 1e6, "see --milestones"},
    [O_SEED] = {"seed", "N", "1", INTEGER, RUNS | CURVE | PROBE | BATCHES | BENCH, 1, 0,
                9007199254740992.0, "initial weights and all that is not named: 0 to 2^53"},
    [O_ORDER_SEED] = {"order-seed", "N", "", INTEGER, RUNS | CURVE | PROBE | BATCHES, 1, 0,
                      9007199254740992.0, "data order, 0 to 2^53; as --seed if not given"},
    [O_LEVELS] = {"levels", "N", "10", INTEGER, IMP | BATCHES, 1, 1, 99,
                  "trained networks, the dense one included"},
    [O_RATE] = {"rate", "X", "0.2", REAL, IMP, 1, 0, 1,
                "share of the surviving weights pruned at a level"},
    [O_SCOPE] = {"scope", "global|layer", "global", CHOICE, IMP, 1, 0, 0,
                 "rank weights over all layers or within each"},
    [O_OUTPUT_RATE] = {"output-rate", "X", "", REAL, IMP, 1, 0, 1,
                       "the output layer's own rate; as the others if not given"},
    [O_CONV_RATE] = {"conv-rate", "X", "", REAL, IMP, 1, 0, 1,
                     "the convolutions' own rate; as the others if not given"},
    [O_RATE_OF] = {"rate-of", "PART=X,...", "", RATES, IMP, 2, 0, 1,
                   "own rate of the layers whose weights have PART in their names, as in "
                   "conv=0.15,fc.weight=0; the first that fits counts, before the two above"},
    [O_KEEP] = {"keep", "N", "", INTEGER, IMP, 2, 0, 1e9,
                "so many weights survive in every layer; other layers lose more instead"},
    [O_REWIND] = {"rewind", "STEP", "0", STEPS, IMP, 1, 0, 1e9,
                  "step whose weights a pruned network goes back to; 0: initialisation"},
    [O_RETRAIN] = {"retrain", "weights|lr|finetune", "weights", CHOICE, IMP, 1, 0, 0,
                   "rewind weights and schedule, the schedule only, or neither"},
    [O_ONE_SHOT] = {"one-shot", "X", "", REAL, IMP, 1, 0, 1,
                    "prune once, to this density (2 levels)"},
    [O_BRANCHES] = {"branches", "reinit,reinit-fresh,shuffle,random", "", LIST, IMP, 1, 0, 0,
                    "controls trained at every level beside the ticket"},
    [O_CHILDREN] = {"children", "N", "", INTEGER, IMP | STABILITY, 1, 0, 9,
                    "copies of every network trained under other data orders, for the instability; "
                    "imp 0, stability 1"},
    [O_POINTS] = {"points", "N", "", INTEGER, IMP | STABILITY | PAIRS, 1, 2, 10000,
                  "places on a line, its ends included; 31, imp and stability 20 (imp measures "
                  "barriers if it is given or there are children)"},
    [O_REPEL] = {"repel", "LAMBDA", "0", REAL, IMP, 1, -1e6, 1e6,
                 "repellent loss: LAMBDA times the mean squared cosine to the same branch's "
                 "networks of previous levels; negative attracts"},
    [O_REPEL_SET] = {"repel-set", "all|last", "all", CHOICE, IMP, 1, 0, 0, "which of them"},
    [O_AT] = {"at", "STEP,...", "0", STEP_LIST, STABILITY, 1, 0, 1e9,
              "steps at which copies are taken, ascending"},
    [O_FROM] = {"from", "X", "0", REAL, LMC, 1, -1e6, 1e6,
                "first place on the line; 0 is A, 1 is B; of a plane, -0.2: 0 is where the three "
                "networks begin, 1 where they end"},
    [O_TO] = {"to", "X", "1", REAL, LMC, 1, -1e6, 1e6, "last place; of a plane 1.2"},
    [O_BN] = {"bn", "average|recompute", "average", CHOICE, LMC, 1, 0, 0,
              "batch-norm statistics: on the line as the weights, or of the training set (in "
              "batches of --batch)"},
    [O_MASK] = {"mask", "union|first|second|intersection", "union", CHOICE, LMC, 1, 0, 0,
                "weights that are not 0 on the line; union: those of either end, so that both are "
                "as stored"},
    [O_WHAT] =
        {"what", "angle|cosine|l2|l1|overlap|hamming|sign|disagreement|kl|js", "angle", CHOICE,
         DISTANCE, 1, 0, 0,
         "2 angle / pi, cosine, Euclidean or mean absolute distance of the weights that "
         "survive in both; percent of them whose sign is equal; of masks percent that both have of "
         "what either has (Jaccard), percent that differ; or of predictions on the "
         "test set: percent that differ, divergence of Kullback and Leibler (row to column) "
         "or Jensen and Shannon in nats"},
    [O_DUMP] = {"dump", "STEP", "", STEPS, TRACE, 0, 0, 1e9,
                "writes PREFIX.dump.safetensors: all that takes part in the step after STEP steps, "
                "in PyTorch's shapes"},
    [O_PRESET] =
        {"preset", "NAME", "", TEXT, RUNS | CURVE | BATCHES, 0, 0, 0,
         "published hyperparameters, see ticket help presets; options after it override it"},
    [O_OUT] = {"out", "PREFIX", "", TEXT, TRAIN | IMP | DATA | REPORT | TRACE, 0, 0, 0,
               "all result files begin with PREFIX (data: folder to write the set to; report: the "
               "page is PREFIX.html)"},
    [O_VALUES] = {"values", "", "off", FLAG, REPORT, 0, 0, 0,
                  "also PREFIX.values.tsv: every point of the charts, and the published value "
                  "there"},
    [O_THREADS] = {"threads", "N", "1", INTEGER, RUNS | MEASURES | BENCH, 0, 1, 256,
                   "threads, in a build with OpenMP; the results are the same"},
    [O_QUIET] = {"quiet", "", "off", FLAG, RUNS | CURVE, 0, 0, 0, "no progress on stderr"},
};

static const struct {
  const char *name, *settings, *source;
} presets[] = {
#define LENET                                                                                      \
  "model=lenet-300-100 optimizer=adam lr=0.0012 batch=60 warmup=0 weight-decay=0 rate=0.2 "        \
  "rewind=0 "
#define CIFAR                                                                                      \
  "optimizer=sgd momentum=0.9 augment=crop-flip init-scheme=kaiming-normal scope=global rate=0.2 " \
  "rewind=0 levels=25 "
#define MAENE                                                                                      \
  CIFAR "lr=0.1 steps=85ep schedule=step milestones=56ep,71ep gamma=0.1 weight-decay=0.00001 "     \
        "shortcut=pad bn-affine=off "
#define FRANKLE                                                                                    \
  CIFAR "batch=128 steps=63000it schedule=step milestones=32000it,48000it gamma=0.1 "              \
        "weight-decay=0.0001 "
#define LTH                                                                                        \
  "augment=none init-scheme=glorot-normal optimizer=adam batch=60 schedule=constant warmup=0 "     \
  "weight-decay=0 scope=layer rate=0.2 "                                                           \
  "output-rate=0.1 rewind=0 levels=25 train-size=45000 "
#define OPENLTH                                                                                    \
  CIFAR "batch=128 lr=0.1 steps=160ep schedule=step milestones=80ep,120ep gamma=0.1 warmup=0 "     \
        "weight-decay=0.0001 "
    {"lenet-mnist",
     LENET
     "init-scheme=kaiming-uniform steps=25ep schedule=cosine scope=global output-rate=0 levels=25",
     "Maene, Li, Moens 2021: table 1, but for the schedule and the output layer, which is not "
     "pruned; so it gives their figures (results)"},
    {"lenet-mnist-all",
     LENET "init-scheme=kaiming-uniform steps=25ep schedule=cosine scope=global levels=25",
     "the same with the output layer pruned like the others"},
    {"lenet-mnist-constant",
     LENET "init-scheme=kaiming-uniform steps=25ep schedule=constant scope=global levels=25",
     "Maene, Li, Moens 2021: table 1 to the letter"},
    {"lenet-mnist-lmc",
     LENET "init-scheme=glorot-normal steps=24000it schedule=constant scope=layer output-rate=0.1 "
           "levels=16",
     "Frankle, Dziugaite, Roy, Carbin 2020, table 1 (initialisation and scope as Frankle and "
     "Carbin 2019)"},
    {"lenet-mnist-lth",
     LENET "init-scheme=glorot-normal steps=50000it schedule=constant scope=layer output-rate=0.1 "
           "levels=25 train-size=55000",
     "Frankle, Carbin 2019, figure 2 (the first 55,000 training images)"},
    {"lenet-mnist-openlth",
     "model=lenet-300-100 init-scheme=kaiming-normal optimizer=sgd lr=0.1 momentum=0 batch=128 "
     "steps=40ep schedule=constant warmup=0 "
     "weight-decay=0 scope=global rate=0.2 output-rate=0 rewind=0 levels=25",
     "OpenLTH's default, where the output layer is not pruned"},
    {"conv2-cifar10", LTH "model=conv2 lr=0.0002 steps=20000it conv-rate=0.1",
     "Frankle, Carbin 2019, figure 2 (the first 45,000 training images)"},
    {"conv4-cifar10",
     CIFAR "model=conv4 batch=128 lr=0.01 steps=75ep schedule=cosine warmup=0 weight-decay=0.00001",
     "Maene, Li, Moens 2021: table 1"},
    {"conv4-unstable",
     CIFAR "model=conv4 batch=16 lr=0.01 steps=75ep schedule=step milestones=55ep,65ep gamma=0.1 "
           "warmup=0 weight-decay=0.01",
     "Maene, Li, Moens 2021: figure 12"},
    {"conv4-lth", LTH "model=conv4 lr=0.0003 steps=25000it conv-rate=0.1",
     "Frankle, Carbin 2019, figure 2"},
    {"conv6-cifar10", LTH "model=conv6 lr=0.0003 steps=30000it conv-rate=0.15",
     "Frankle, Carbin 2019, figure 2"},
    {"resnet20-cifar10", FRANKLE "model=resnet20 lr=0.1 warmup=0",
     "Frankle, Dziugaite, Roy, Carbin 2020, table 1: ResNet-20 standard"},
    {"resnet20-low", FRANKLE "model=resnet20 lr=0.01 warmup=0", "the same: low"},
    {"resnet20-warmup", FRANKLE "model=resnet20 lr=0.03 warmup=30000it", "the same: warmup"},
    {"resnet20-small-batch", MAENE "model=resnet20 batch=128 warmup=0",
     "Maene, Li, Moens 2021: table 1 (unstable)"},
    {"resnet20-large-batch", MAENE "model=resnet20 batch=2048 warmup=0",
     "Maene, Li, Moens 2021: figure 1 (stable; sizes 64 to 2048, with and without warmup=10ep)"},
    {"resnet20-lth",
     CIFAR "model=resnet20 batch=128 lr=0.03 steps=30000it schedule=step "
           "milestones=20000it,25000it gamma=0.1 warmup=20000it "
           "weight-decay=0.0001 init-scheme=glorot-normal output-rate=0 train-size=45000",
     "Frankle, Carbin 2019, figure 8 (Resnet-18 there; here the shortcuts' convolutions are pruned "
     "too)"},
    {"resnet20-rewinding",
     CIFAR "model=resnet20 batch=128 lr=0.1 steps=182ep schedule=step milestones=91ep,136ep "
           "gamma=0.1 warmup=0 weight-decay=0.0002",
     "Renda, Frankle, Carbin 2020 (with --rewind and --retrain)"},
    {"resnet20-openlth", OPENLTH "model=resnet20", "OpenLTH's default"},
    {"vgg16-cifar10", FRANKLE "model=vgg16 lr=0.1 warmup=0",
     "Frankle, Dziugaite, Roy, Carbin 2020, table 1: VGG-16 standard"},
    {"vgg16-low", FRANKLE "model=vgg16 lr=0.01 warmup=0", "the same: low"},
    {"vgg16-warmup", FRANKLE "model=vgg16 lr=0.1 warmup=30000it", "the same: warmup"},
    {"vgg16-openlth", OPENLTH "model=vgg16 output-rate=0", "OpenLTH's default"},
    {"vgg19-lth",
     CIFAR "model=vgg19 batch=64 lr=0.1 steps=112480it schedule=step milestones=56240it,84360it "
           "gamma=0.1 warmup=10000it "
           "weight-decay=0.0001 init-scheme=glorot-normal output-rate=0 train-size=45000",
     "Frankle, Carbin 2019, figure 7"},
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

static const char *value[OPTIONS]; /* text of every option: given, preset or standard */
enum { STANDARD, PRESET, GIVEN };
static int origin[OPTIONS];      /* which of these */
static const char *preset_steps; /* what the preset says of --steps, or NULL */
static char **file;              /* what the command line names without --option */
static int files, command;       /* of which command: its bit */
static const char *command_name;

/* Smallest number of insertions, deletions and replacements that turn a into b (both under 64
 * characters). */
static int edits(const char *a, const char *b)
{
  int row[65], i, j, n = (int)strlen(b);
  if (strlen(a) > 63 || n > 63) return 99;
  for (j = 0; j <= n; j++) row[j] = j;
  for (i = 1; a[i - 1]; i++) {
    int corner = row[0];
    row[0] = i;
    for (j = 1; j <= n; j++) {
      int best = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[n];
}

/* How unlike what was meant and a name are: a beginning of the name is like it. */
static int unlike(const char *meant, const char *name)
{
  const size_t n = strlen(meant);
  return n > 0 && !strncmp(meant, name, n) ? 0 : edits(meant, name);
}

/* Number of the choice in "a|b|c" (any of the separators) that equals the n characters at
 * `text`, or -1. */
static int choice_of(const char *choices, const char *text, size_t n)
{
  int k = 0;
  for (;; k++) {
    size_t length = strcspn(choices, "|,");
    if (length == n && !strncmp(choices, text, n)) return k;
    if (!choices[length]) return -1;
    choices += length + 1;
  }
}

/* The number at the start of `text`, within the option's limits; of a STEP such as 500it or 10ep
 * the steps. *end, unless NULL, is where it stops. */
static double amount(const Option *o, const char *text, long per_epoch, const char **end)
{
  const int step = o->kind == STEPS || o->kind == STEP_LIST;
  const int real = o->kind == REAL || o->kind == RATES;
  const size_t n = strspn(text, real ? "0123456789.eE+-" : "0123456789");
  char *stop;
  double x;
  if (step && (n == 0 || n > 23))
    fail_usage("--%s %s: must be a number of iterations or epochs such as 500it or 10ep", o->name,
               text);
  x = step ? (double)strtoull(text, &stop, 10) : strtod(text, &stop);
  if (stop == text || stop > text + n || !(x >= o->least && x <= o->most))
    fail_usage("--%s %.*s: must be %s from %.9g to %.16g", o->name, (int)(step ? n : strlen(text)),
               text, real ? "a number" : "a whole number", o->least, o->most);
  if (step) {
    const int epochs = !strncmp(stop, "ep", 2);
    if (epochs || !strncmp(stop, "it", 2)) stop += 2;
    else if (x > 0)
      fail_usage("--%s %s: say whether these are iterations or epochs: 500it or 10ep", o->name,
                 text);
    if (epochs) x *= (double)per_epoch;
    if (x > o->most) fail_usage("--%s %s: is more than %.0f steps", o->name, text, o->most);
  }
  if (end) *end = stop;
  return x;
}

/* Characters of PART= at `at`, a place in the text of RATES. */
static size_t after_part(const Option *o, const char *text, const char *at)
{
  const size_t n = strcspn(at, "=,");
  if (at[n] != '=' || n == 0 || n >= NAME_SIZE)
    fail_usage("--%s %s: '%s' is no PART=X such as conv=0.15", o->name, text, at);
  return n + 1;
}

/* Fails unless the text is a value that the option takes. */
static void check(const Option *o, const char *text)
{
  const char *end = text;
  if (strlen(text) > 512 || strchr(text, '\n') || strchr(text, '\t'))
    fail_usage("--%s: the value is too long or has tabs or newlines", o->name);
  if (o->kind == TEXT || o->kind == FLAG) {
    if (!*text) fail_usage("--%s: the value is empty", o->name);
    return;
  }
  if (o->kind == CHOICE && choice_of(o->argument, text, strlen(text)) >= 0) return;
  if (o->kind == CHOICE) fail_usage("--%s %s: must be one of %s", o->name, text, o->argument);
  for (;;) {
    const size_t n = strcspn(end, ",");
    if (o->kind == LIST && choice_of(o->argument, end, n) < 0)
      fail_usage("--%s %s: must be a list of %s", o->name, text, o->argument);
    if (o->kind == RATES) end += after_part(o, text, end);
    if (o->kind == LIST) end += n;
    else amount(o, end, 1, &end);
    if (*end == ',' && (o->kind == LIST || o->kind == STEP_LIST || o->kind == RATES)) end++;
    else if (*end) fail_usage("--%s %s: '%s' is not understood", o->name, text, end);
    else return;
  }
}

/* Number of the option whose name is the n characters at `name`, or -1. */
static int find_option(const char *name, size_t n)
{
  int k;
  for (k = 0; k < OPTIONS; k++)
    if (strlen(options[k].name) == n && !strncmp(options[k].name, name, n)) return k;
  return -1;
}

/* Gives an option the value, which must be one that it takes. */
static void set(int option, const char *text, int from)
{
  check(&options[option], text);
  if (option == O_EPOCHS) {
    option = O_STEPS;
    text = join(text, "", "ep");
  }
  if (from == PRESET && origin[option] == GIVEN)
    fail_usage("--%s %s stands before --preset %s, which sets it to %s; put it after the preset",
               options[option].name, value[option], value[O_PRESET], text);
  value[option] = text;
  origin[option] = from;
}

static void apply_preset(const char *name)
{
  char *s, *equals, *end;
  int k = 0, j, nearest = 0;
  while (k < PRESETS && strcmp(presets[k].name, name) != 0) k++;
  for (j = 1; j < PRESETS; j++)
    if (unlike(name, presets[j].name) < unlike(name, presets[nearest].name)) nearest = j;
  if (k == PRESETS)
    fail_usage("--preset %s: there is none of that name; did you mean %s? See ticket help presets",
               name, presets[nearest].name);
  for (s = join(presets[k].settings, "", " "); *s; s = end + 1) { /* kept: the values are in it */
    equals = strchr(s, '=');
    end = strchr(s, ' ');
    *equals = *end = 0;
    set(find_option(s, strlen(s)), equals + 1, PRESET);
  }
  preset_steps = value[O_STEPS];
}

/* Fails unless the command line names as many files as the command takes. */
static void check_files(void)
{
  const char *takes = "checkpoints";
  int fits = files > 0;
  if (command & REPORT && files == 0)
    fail_usage("report takes result files or the PREFIX of runs, but none is given; see ticket "
               "help report");
  if (!(command & MEASURES)) return;
  if (command == LMC) {
    takes = "two checkpoints, or three for a plane";
    fits = files == 2 || files == 3;
  } else if (command == CURVE) {
    takes = "two checkpoints";
    fits = files == 2;
  } else if (command == PROBE) {
    takes = "one checkpoint";
    fits = files == 1;
  }
  if (!fits)
    fail_usage("%s takes %s, but %d %s given; see ticket help %s", command_name, takes, files,
               files == 1 ? "is" : "are", command_name);
}

/* Reads --option value and --option=value into value[], other words into file[]. */
static void parse(int count, char **argument)
{
  int i, k;
  for (k = 0; k < OPTIONS; k++) value[k] = options[k].standard;
  file = allocate((size_t)count, sizeof *file, "file names");
  for (i = 0; i < count; i++) {
    const char *name = argument[i], *equals;
    int nearest = 0;
    if (strncmp(name, "-", 1) != 0 && command & (MEASURES | REPORT)) {
      if (strlen(name) > 512 || strpbrk(name, "\t\n"))
        fail_usage("the name of file %d is too long or has tabs or newlines", files + 1);
      file[files++] = argument[i];
      continue;
    }
    if (strncmp(name, "--", 2) != 0 || !name[2])
      fail_usage("'%s' is not an option of %s; see ticket help %s", name, command_name,
                 command_name);
    name += 2;
    equals = strchr(name, '=');
    k = find_option(name, equals ? (size_t)(equals - name) : strlen(name));
    if (k < 0) {
      for (k = 0; k < OPTIONS; k++)
        if (unlike(name, options[k].name) < unlike(name, options[nearest].name)) nearest = k;
      fail_usage("there is no option --%s; did you mean --%s? See ticket help %s", name,
                 options[nearest].name, command_name);
    }
    if (!(options[k].commands & command))
      fail_usage("%s takes no option --%s; see ticket help %s", command_name, options[k].name,
                 command_name);
    if (options[k].kind == FLAG) {
      if (equals) fail_usage("--%s takes no value", options[k].name);
      set(k, "on", GIVEN);
      continue;
    }
    if (!equals && i + 1 == count)
      fail_usage("--%s needs a value: %s", options[k].name, options[k].argument);
    set(k, equals ? equals + 1 : argument[++i], GIVEN);
    if (k == O_PRESET) apply_preset(value[O_PRESET]);
  }
  check_files();
}

static double number(int option) { return amount(&options[option], value[option], 1, NULL); }
static long steps_of(int option, long per_epoch)
{
  return (long)amount(&options[option], value[option], per_epoch, NULL);
}
static int choice(int option)
{
  return choice_of(options[option].argument, value[option], strlen(value[option]));
}
static int is_on(int option) { return !strcmp(value[option], "on"); }

/* The rate or density at `text`, part of an option's value, in millionths. */
static long millionths_at(int option, const char *text, const char **end)
{
  const double x = amount(&options[option], text, 1, end) * 1e6;
  const long whole = (long)(x + 0.5);
  if (fabs(x - (double)whole) > 1e-4)
    fail_usage("--%s %s: has more than 6 decimals; write %ld.%06ld", options[option].name, text,
               whole / MILLION, whole % MILLION);
  return whole;
}

/* The option's, -1 if not given. */
static long millionths(int option)
{
  return *value[option] ? millionths_at(option, value[option], NULL) : -1;
}

/* The rates of --rate-of. */
static void own_rates(Pruning *how)
{
  const Option *o = &options[O_RATE_OF];
  const char *at = value[O_RATE_OF];
  while (*at) {
    OwnRate *own = &how->own[how->owns++];
    const size_t n = after_part(o, value[O_RATE_OF], at);
    if (how->owns == OWN_RATES) fail_usage("--%s: has %d rates or more", o->name, OWN_RATES);
    memcpy(own->part, at, n - 1);
    own->rate = millionths_at(O_RATE_OF, at + n, &at);
    if (how->density >= 0 && own->rate > 0)
      fail_usage("--one-shot %s and --rate-of %s contradict each other; %s=0 keeps those whole",
                 value[O_ONE_SHOT], value[O_RATE_OF], own->part);
    at += *at == ',';
  }
}

/* The steps of a list; returns how many they are. */
static int step_list(int option, long per_epoch, long step[MILESTONES])
{
  const char *at = value[option];
  int n = 0;
  for (; *at; at += *at == ',') {
    if (n == MILESTONES)
      fail_usage("--%s %s: more than %d", options[option].name, value[option], MILESTONES);
    step[n++] = (long)amount(&options[option], at, per_epoch, &at);
  }
  return n;
}

/* A seed, --seed if it is not given. */
static uint64_t seed_of(int option)
{
  return strtoull(value[*value[option] ? option : O_SEED], NULL, 10);
}

/* ==== options that fit together ============================================================= */

/* Refuses an option of the command line that has no effect because of what another one is; one of a
 * preset does not count. */
static void idle(int option, int has_no_effect, int other, const char *instead)
{
  if (!has_no_effect) return;
  if (origin[option] != GIVEN) {
    value[option] = options[option].standard;
    return;
  }
  fail_usage("--%s%s%s has no effect with%s --%s%s%s; %s", options[option].name,
             options[option].kind == FLAG ? "" : " ",
             options[option].kind == FLAG ? "" : value[option], *value[other] ? "" : "out",
             options[other].name, *value[other] ? " " : "", value[other], instead);
}

/* A layer is pruned by a rate or to a density. */
static void contradict(int option)
{
  if (!*value[O_ONE_SHOT] || !*value[option] || millionths(option) == 0) return;
  fail_usage("--one-shot %s and --%s %s%s contradict each other; --%s 0 keeps that layer whole",
             value[O_ONE_SHOT], options[option].name, value[option],
             origin[option] == PRESET ? " of the preset" : "", options[option].name);
}

static int begins(const char *text, const char *start)
{
  return strncmp(text, start, strlen(start)) == 0;
}

static void check_effects(void)
{
  const char *const model = value[O_MODEL], *const leave = "leave it out";
  const int one_shot = *value[O_ONE_SHOT] != 0, adam = choice(O_OPTIMIZER) == ADAM;
  const int levels = one_shot ? 2 : (int)number(O_LEVELS), no_steps = choice(O_SCHEDULE) != STEP;
  const int anew = strstr(value[O_BRANCHES], "reinit") != NULL, resnet = begins(model, "resnet");
  idle(O_MILESTONES, no_steps, O_SCHEDULE, "give --schedule step too");
  idle(O_GAMMA, no_steps, O_SCHEDULE, "give --schedule step too");
  idle(O_MOMENTUM, adam, O_OPTIMIZER, "give --optimizer sgd too");
  idle(O_NESTEROV, adam, O_OPTIMIZER, "give --optimizer sgd too");
  idle(O_NESTEROV, !(number(O_MOMENTUM) > 0), O_MOMENTUM, leave);
  idle(O_SHORTCUT, !resnet, O_MODEL, leave);
  idle(O_AFFINE, !resnet && !begins(model, "vgg"), O_MODEL, leave);
  idle(O_CONV_RATE, begins(model, "lenet"), O_MODEL, leave);
  idle(O_SCHEME, *value[O_INIT] && !anew, O_INIT, leave);
  idle(O_LEVELS, one_shot, O_ONE_SHOT, "that has 2 levels");
  idle(O_RATE, one_shot, O_ONE_SHOT, leave);
  idle(O_RETRAIN, levels == 1, O_LEVELS, leave);
  idle(O_REPEL, levels == 1, O_LEVELS, leave);
  idle(O_POINTS, command == IMP && levels == 1 && !*value[O_CHILDREN], O_LEVELS,
       "give --children too");
  idle(O_REPEL_SET, !(number(O_REPEL) < 0 || number(O_REPEL) > 0), O_REPEL, leave);
  idle(O_OUT, command == TRACE && !*value[O_DUMP], O_DUMP, "give --dump too");
  if (command == LMC && files == 3 && choice(O_MASK) != UNION)
    fail_usage("--mask %s: is of lines; a plane has the weights of all three networks",
               value[O_MASK]);
  idle(O_SEED, command & (PROBE | BATCHES) && *value[O_ORDER_SEED], O_ORDER_SEED, leave);
  contradict(O_OUTPUT_RATE);
  contradict(O_CONV_RATE);
#ifndef _OPENMP
  if (number(O_THREADS) > 1)
    fail_usage(
        "--threads %s has no effect: this build has no threads; build with make OPENMP=1, or %s",
        value[O_THREADS], leave);
#endif
}

/* Says what of a schedule will not happen, and what to write instead. */
static void say_schedule(const Training *how, long per_epoch)
{
  char list[MILESTONES * 24] = "";
  long span;
  int k, n = 0;
  if (how->steps == 0) return;
  if (how->warmup >= how->steps)
    notice("--warmup %s: the training, --steps %s (%ld steps), ends inside it and never reaches "
           "--lr %s; for example "
           "--warmup %ldit",
           value[O_WARMUP], value[O_STEPS], how->steps, value[O_LR], how->steps / 10);
  if (how->schedule != STEP || how->milestone[how->milestones - 1] < how->steps) return;
  span = (4 * how->milestone[how->milestones - 1] + 2) / 3;
  if (origin[O_MILESTONES] == PRESET)
    span = (long)amount(&options[O_STEPS], preset_steps, per_epoch, NULL);
  for (k = 0; k < how->milestones; k++)
    n += sprintf(list + n, "%s%.0fit", k ? "," : "",
                 floor((double)how->milestone[k] * (double)how->steps / (double)span));
  notice("--milestones %s: the training, --steps %s (%ld steps), does not reach the last of them, "
         "where the learning rate "
         "would fall; for example --milestones %s",
         value[O_MILESTONES], value[O_STEPS], how->steps, list);
}

/* ==== commands ============================================================================== */

/* The model as the options have it. */
static Model model_of(void)
{
  Model m;
  m.name = value[O_MODEL];
  m.pad_shortcut = choice(O_SHORTCUT) == 1;
  m.affine = choice(O_AFFINE) != 1;
  m.build = NULL;
  return m;
}

static void load_data(Dataset *data)
{
  dataset_load(data, value[O_DATA], *value[O_TRAIN_SIZE] ? (size_t)number(O_TRAIN_SIZE) : 0);
}

static long steps_per_epoch(const Dataset *data)
{
  const size_t batch = (size_t)number(O_BATCH);
  return (long)((data->train.n + batch - 1) / batch);
}

/* How to train, as the options have it. */
static void training_options(Training *how, const Dataset *data)
{
  const long per_epoch = steps_per_epoch(data);
  memset(how, 0, sizeof *how);
  how->optimizer = choice(O_OPTIMIZER);
  how->nesterov = is_on(O_NESTEROV);
  how->lr = (float)number(O_LR);
  how->momentum = (float)number(O_MOMENTUM);
  how->weight_decay = (float)number(O_DECAY);
  how->schedule = choice(O_SCHEDULE);
  how->gamma = (float)number(O_GAMMA);
  how->warmup = steps_of(O_WARMUP, per_epoch);
  how->steps = steps_of(O_STEPS, per_epoch);
  how->augment = choice(O_AUGMENT);
  how->order_seed = seed_of(O_ORDER_SEED);
  how->milestones = step_list(O_MILESTONES, per_epoch, how->milestone);
  if (how->schedule == STEP && !how->milestones) fail_usage("--schedule step needs --milestones");
  if (command != BATCHES) say_schedule(how, per_epoch);
}

enum { PAIRS_MOST = OPTIONS + 8 };

/* Whether the checkpoints that a command measures say it. */
static int of_checkpoints(int option)
{
  return command & MEASURES && (option == O_MODEL || option == O_SHORTCUT || option == O_AFFINE);
}

/* What results depend on, as files record it; returns the number of pairs. */
static int configuration(const Dataset *data, const char **key, const char **text)
{
  static const char *const first[4] = {"ticket", "command", "data", "data-digest"};
  static char digest[17], normalised[2][40];
  int k, c, n = 4;
  memcpy(key, first, sizeof first);
  text[0] = TICKET_VERSION;
  text[1] = command_name;
  text[2] = data->name;
  text[3] = digest_text(digest, data_digest(data));
  for (k = 0; k < 2 * data->own; k++) {
    const float *x = k ? data->deviation : data->mean;
    char *to = normalised[k];
    for (c = 0; c < data->channels; c++) to += sprintf(to, c ? ",%.6f" : "%.6f", (double)x[c]);
    key[n] = k ? "deviation" : "mean";
    text[n++] = normalised[k];
  }
  for (k = 0; k < OPTIONS; k++)
    if (options[k].recorded && options[k].commands & command && !of_checkpoints(k) &&
        (options[k].recorded == 1 || *value[k])) {
      key[n] = options[k].name;
      text[n++] = *value[k] ? value[k] : "-";
    }
  return n;
}

/* What trace gathers. */
typedef struct {
  Net *net;
  const Training *how;
  long dump;                 /* the step whose batch is written, -1: none */
  size_t wrong;              /* of the epoch before this batch */
  uint64_t images, gradient; /* digests */
  float loss, *room;
  Safetensors file;
  Progress last;
} Trace;

enum { DUMPED = 4096 };

/* One more tensor of the dump: a copy of the values. */
static void dump_tensor(Trace *t, const char *prefix, const char *name, int dims,
                        const size_t *shape, const float *values)
{
  Entry *e = &t->file.entry[t->file.entries];
  if (t->file.entries == DUMPED) fail("--dump: the network has too many layers");
  safetensors_add(&t->file, prefix, name, 'F', dims, shape, NULL);
  e->data = copy_of(values, e->size, e->size, sizeof(float), "the dump");
}

/* An activation's values or gradient as a tensor [images][channels](height][width]). */
static void dump_activation(Trace *t, const char *prefix, const char *name, int activation,
                            int gradient)
{
  const Activation *a = &t->net->activation[activation];
  const size_t shape[4] = {t->net->images, a->channels, a->height, a->width};
  net_read(t->net, activation, gradient, t->room);
  dump_tensor(t, prefix, name, a->flat ? 2 : 4, shape, t->room);
}

/* Output and gradient of each layer, with its ReLU; those without tensors are called by their
 * number. */
static void trace_layer(void *context, const Net *net, int layer, int backward)
{
  Trace *t = context;
  const Layer *l = &net->layer[layer];
  char name[NAME_SIZE];
  sprintf(name, *l->name ? "%.40s" : "layer%.0s%d", l->name, layer);
  dump_activation(t, backward ? "gradient." : "output.", name, l->out, backward);
}

/* The parameters, or (values) what stands for them, +0 where masked. */
static void dump_parameters(Trace *t, const char *prefix, const float *values)
{
  const Net *net = t->net;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *tensor = &net->tensor[k];
    if (tensor->offset + tensor->size <= net->parameters || values == net->weight)
      dump_tensor(t, prefix, tensor->name, tensor->dims, tensor->shape, values + tensor->offset);
  }
}

/* Before the batch and after its backward pass. */
static void trace_hook(void *context, Net *net, long step, int after)
{
  Trace *t = context;
  const int dumps = step == t->dump;
  float lane[LANES] = {0}, *gradient;
  size_t b, j,
      n = net->images * net->activation[0].channels * net->activation[0].height *
          net->activation[0].width;
  net->observe = dumps && !after ? trace_layer : NULL;
  net->observer = t;
  if (dumps && !after) dump_parameters(t, "before.", net->weight);
  if (!after) return;
  net_read(net, 0, 0, t->room);
  t->images = digest_floats(t->room, n);
  for (b = 0; b < net->images; b++) lane[b % LANES] = lane[b % LANES] + net->loss[b];
  t->loss = lanes_sum(lane) / (float)net->images;
  gradient = allocate(net->size, sizeof *gradient, "the gradient");
  for (j = 0; j < net->survivors; j++) gradient[net->survivor[j]] = net->gradient[j];
  t->gradient = digest_floats(gradient, net->parameters);
  if (dumps) {
    const size_t images = net->images, pixels = net->height * net->width;
    const size_t shape[4] = {images, n / images / pixels, net->height, net->width};
    float *label = allocate(images, sizeof *label, "labels");
    for (b = 0; b < images; b++) label[b] = (float)net->label[b];
    dump_tensor(t, "batch.", "images", 4, shape, t->room);
    dump_tensor(t, "batch.", "labels", 1, &images, label);
    dump_tensor(t, "batch.", "losses", 1, &images, net->loss);
    dump_tensor(t, "batch.", "loss", 0, NULL, &t->loss);
    dump_parameters(t, "dW.", gradient);
    free(label);
  }
  free(gradient);
}

/* A number exactly, as C99's %a may: 0x1.8p+1 is 3. Systems print %a differently. */
static const char *hexadecimal(char text[32], float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  sprintf(text, "%s0x%d.%06lxp%+d", bits >> 31 ? "-" : "", (bits & 0x7f800000u) != 0,
          (unsigned long)(bits & 0x7fffffu) * 2,
          (bits & 0x7fffffffu) == 0   ? 0
          : (bits & 0x7f800000u) == 0 ? -126
                                      : (int)(bits >> 23 & 255) - 127);
  return text;
}

/* A row per step. */
static void trace_step(void *context, const Progress *p)
{
  Trace *t = context;
  const Net *net = t->net;
  const long step = p->step - 1;
  char hex[32], digest[3][17];
  if (p->seen == net->images) t->wrong = 0;
  printf("%ld\t%.9g\t%.9g\t%s\t%lu\t%s\t%s\t%s\n", step, (double)learning_rate(t->how, step),
         (double)t->loss, hexadecimal(hex, t->loss), (unsigned long)(p->wrong - t->wrong),
         digest_text(digest[0], t->images), digest_text(digest[1], t->gradient),
         digest_text(digest[2], net_digest(net)));
  t->wrong = p->wrong;
  if (step == t->dump) dump_parameters(t, "after.", net->weight);
}

/* train, step by step, for an implementation that differs and wants to know where. */
static void trace(const Experiment *e)
{
  Training how = e->how;
  const char *out = value[O_OUT];
  Trace t = {0};
  Optimizer o;
  Net net;
  size_t most = 1;
  int k;
  net_create(&net, &e->model, e->data, e->batch, e->threads);
  optimizer_create(&o, &net);
  if (e->init) checkpoint_apply(&net, e->init, e->init_path);
  if (e->ticket) net_set_mask(&net, e->ticket);
  if (!e->init) net_init(&net, e->scheme, e->seed, 0);
  t.net = &net;
  t.how = &how;
  t.dump = *value[O_DUMP] ? steps_of(O_DUMP, steps_per_epoch(e->data)) : -1;
  if (t.dump >= how.steps)
    fail_usage("--dump %s: is not before the end of training, --steps %s", value[O_DUMP],
               value[O_STEPS]);
  for (k = 0; k < net.activations; k++) {
    const Activation *a = &net.activation[k];
    if (a->channels * a->height * a->width > most) most = a->channels * a->height * a->width;
  }
  t.room = allocate(most * e->batch, sizeof(float), "an activation");
  t.file.entry = allocate(DUMPED + 1, sizeof *t.file.entry, "the dump");
  how.hook = trace_hook;
  how.context = &t;
  for (k = 0; k < e->pairs; k++) printf("# %s = %s\n", e->key[k], e->value[k]);
  printf("step\tlr\tloss\tloss_hexadecimal\twrong\timages\tgradient\tweights\n");
  train(&net, &o, e->data, &how, 0, 0, how.steps, 0, trace_step, &t);
  if (t.dump >= 0) {
    char *path = join(out, "", ".dump.safetensors");
    safetensors_write(&t.file, path);
    free(path);
  }
  for (k = 0; k < t.file.entries; k++) free(t.file.entry[k].data);
  free(t.file.entry);
  free(t.room);
  optimizer_free(&o);
  net_free(&net);
}

/* Says if an --init looks pruned but has no mask. */
static void say_zeros(const Net *net, const char *path)
{
  size_t zeros = 0, j;
  int k;
  for (k = 0; k < net->tensors; k++) {
    const Tensor *t = &net->tensor[k];
    if (!t->prunable) continue;
    for (j = t->offset; j < t->offset + t->size; j++) zeros += net->mask[j] && net->weight[j] == 0;
  }
  if (zeros > 0)
    notice("%s: %lu weights are 0 but not masked, so they are trained like the others", path,
           (unsigned long)zeros);
}

/* The controls that --branches names, after the ticket. */
static void branches_of(Experiment *e)
{
  const char *at = value[O_BRANCHES];
  int k;
  e->branches = 1;
  while (*at) {
    const int branch = 1 + choice_of(options[O_BRANCHES].argument, at, strcspn(at, ","));
    for (k = 0; k < e->branches; k++)
      if (e->branch[k] == branch) fail_usage("--branches %s: names one twice", value[O_BRANCHES]);
    if (e->levels == 1 && (branch == SHUFFLE || branch == RANDOM))
      fail_usage("--branches %s: %s is trained from level 1 on, but --levels is 1",
                 value[O_BRANCHES], branch_names[branch]);
    e->branch[e->branches++] = branch;
    at += strcspn(at, ",");
    at += *at == ',';
  }
}

/* The experiment as the options have it, but for where it starts. */
static void experiment_of(Experiment *e, const Dataset *data)
{
  e->data = data;
  e->model = model_of();
  e->threads = (int)number(O_THREADS);
  e->batch = (size_t)number(O_BATCH);
  e->scheme = choice(O_SCHEME);
  e->seed = seed_of(O_SEED);
  training_options(&e->how, data);
  e->levels = command != IMP ? 1 : *value[O_ONE_SHOT] ? 2 : (int)number(O_LEVELS);
  e->pruning.scope = choice(O_SCOPE);
  e->pruning.rate = millionths(O_RATE);
  e->pruning.output_rate = millionths(O_OUTPUT_RATE);
  e->pruning.conv_rate = millionths(O_CONV_RATE);
  e->pruning.density = millionths(O_ONE_SHOT);
  own_rates(&e->pruning);
  e->pruning.keep = *value[O_KEEP] ? (size_t)number(O_KEEP) : 0;
  e->rewind = steps_of(O_REWIND, steps_per_epoch(data));
  e->retrain = choice(O_RETRAIN);
  if (e->retrain == FINETUNE && !(learning_rate(&e->how, e->how.steps - 1) > 0))
    fail_usage("--retrain finetune trains with the schedule's last learning rate, which is 0 here");
  if (e->rewind > e->how.steps)
    fail_usage("--rewind %s: is after the end of training, --steps %s", value[O_REWIND],
               value[O_STEPS]);
  e->children = *value[O_CHILDREN] ? (int)number(O_CHILDREN) : command == STABILITY;
  e->points = *value[O_POINTS] ? (int)number(O_POINTS) : e->children > 0 ? 20 : 0;
  e->repel = (float)number(O_REPEL);
  e->repel_last = choice(O_REPEL_SET) == 1;
  branches_of(e);
  e->out = value[O_OUT];
  e->quiet = is_on(O_QUIET);
}

/* Reads a checkpoint that an option names, if it does, and records its digest; refuses a wrong file
 * before any result is written. Returns whether there is one; net is then that network. */
static int read_start(const Experiment *e, int option, Safetensors *s, Net *net, char digest[17])
{
  const char *path = value[option];
  if (!*path) return 0;
  safetensors_read(s, path);
  safetensors_adopt(s, path);
  net_create(net, &e->model, e->data, 1, 1);
  checkpoint_apply(net, s, path);
  if (option == O_INIT) say_zeros(net, path);
  else if (net_prunable(net, 1) == net_prunable(net, 0))
    fail("%s: masks no weight, so it is no ticket; it needs masks: mask.NAME, or NAME_orig and "
         "NAME_mask of torch.nn.utils.prune",
         path);
  digest_text(digest, fnv1a(net_digest(net), net->mask, net->size));
  return 1;
}

static void run_stability(const Experiment *e)
{
  long fork[MILESTONES];
  int n, k;
  if (e->children == 0) fail_usage("--children 0: stability compares copies; give 1 or more");
  n = step_list(O_AT, steps_per_epoch(e->data), fork);
  for (k = 0; k < n; k++)
    if (fork[k] > e->how.steps || (k > 0 && fork[k] < fork[k - 1]))
      fail_usage("--at %s: must ascend, up to --steps %s", value[O_AT], value[O_STEPS]);
  stability(e, fork, n);
}

/* train, imp and stability: the first is the second with one level. */
static void run(void)
{
  static const char *key[PAIRS_MOST], *text[PAIRS_MOST];
  static char digest[2][17];
  const int writes = command & (TRAIN | IMP) || *value[O_DUMP];
  Experiment e = {0};
  Safetensors init, pruned;
  Solution ticket = {0};
  Dataset data;
  Net net;
  if (writes && !*value[O_OUT])
    fail_usage("--out PREFIX is needed: all result files begin with it");
  if (writes && value[O_OUT][strlen(value[O_OUT]) - 1] == '/')
    fail_usage("--out %s: names a folder, not how files begin; for example --out %srun",
               value[O_OUT], value[O_OUT]);
  load_data(&data);
  experiment_of(&e, &data);
  e.pairs = configuration(&data, key, text);
  e.key = key;
  e.value = text;
  if (read_start(&e, O_INIT, &init, &net, digest[0])) {
    e.init = &init;
    e.init_path = value[O_INIT];
    key[e.pairs] = "init-digest";
    text[e.pairs++] = digest[0];
    net_free(&net);
  }
  if (read_start(&e, O_TICKET, &pruned, &net, digest[1])) {
    key[e.pairs] = "ticket-digest";
    text[e.pairs++] = digest[1];
    solution_take(&ticket, &net);
    e.ticket = ticket.mask;
    safetensors_free(&pruned);
    net_free(&net);
  }
  if (command == STABILITY) run_stability(&e);
  else if (command == TRACE) trace(&e);
  else imp(&e);
  solution_free(&ticket);
  if (e.init) safetensors_free(&init);
  dataset_free(&data);
}

/* What checkpoints that are measured together have in common; of the model, the first three. */
static const char *const common_keys[] = {"model", "shortcut",    "bn-affine",
                                          "data",  "data-digest", "train-size"};
enum { COMMON = sizeof common_keys / sizeof common_keys[0], OF_MODEL = 3 };

/* Whether another program wrote a checkpoint, which then says nothing of its origin: then the
 * command line says its model. */
static int is_foreign(const Safetensors *s, const char *path)
{
  const int foreign = !safetensors_value(s, "model");
  if (foreign && (origin[O_MODEL] != GIVEN || origin[O_DATA] != GIVEN))
    fail("%s: does not say its model; if another program wrote it, give --model NAME, and the "
         "--data to measure it on",
         path);
  return foreign;
}

/* Takes these from the first file that says them (*from), the model from the command line if it is
 * given there; fails if another one says otherwise. */
static void check_common(const Safetensors *s, const char *path, const char *first[COMMON],
                         const char **from)
{
  int k;
  if (is_foreign(s, path)) return;
  for (k = 0; k < COMMON; k++) {
    const int given = k < OF_MODEL && origin[O_MODEL + k] == GIVEN;
    const char *found = safetensors_value(s, common_keys[k]);
    if (!found)
      fail("%s: does not say its %s; it is not a checkpoint of ticket", path, common_keys[k]);
    if (!first[k]) first[k] = given ? value[O_MODEL + k] : join(found, "", "");
    if (strcmp(first[k], found) != 0)
      fail("%s: its %s is %.80s, but %.80s in %s", path, common_keys[k], found, first[k],
           given ? "the command line" : *from);
  }
  if (!*from) *from = path;
}

/* What measures print before their table. */
typedef struct {
  const char *key[PAIRS_MOST], *text[PAIRS_MOST]; /* [pairs]: the configuration */
  int pairs;
} Heading;

/* The data set and the network of the checkpoints, as the file `from` says, if one does. */
static void open_common(Heading *h, Dataset *data, Net *net, const char *first[COMMON],
                        const char *from)
{
  Model model;
  int k;
  for (k = 0; k < OF_MODEL; k++) {
    if (!first[k]) first[k] = value[O_MODEL + k];
    value[O_MODEL + k] = first[k];
  }
  if (command == LMC && files == 3) {
    if (origin[O_FROM] != GIVEN) value[O_FROM] = "-0.2";
    if (origin[O_TO] != GIVEN) value[O_TO] = "1.2";
  }
  if (from && strcmp(first[5], "-") != 0) set(O_TRAIN_SIZE, first[5], STANDARD);
  load_data(data);
  h->pairs = configuration(data, h->key, h->text);
  if (from && strcmp(first[3], data->name) != 0)
    fail("%s: was trained on %.80s, but this is %s; give its --data", from, first[3], data->name);
  if (from && strcmp(first[4], h->text[3]) != 0)
    fail("%s: was trained on data with digest %.80s, but that of --data %s is %s", from, first[4],
         value[O_DATA], h->text[3]);
  model = model_of();
  net_create(net, &model, data, (size_t)number(O_BATCH), (int)number(O_THREADS));
  idle(O_BN, net->size == net->parameters, O_MODEL, "it has no batch norm; leave it out");
}

/* Prints it, and the networks. */
static void print_heading(const Heading *h, const Net *net, const char *const first[COMMON],
                          const Solution *solution)
{
  char digest[17];
  int k;
  for (k = 0; k < h->pairs; k++) printf("# %s = %s\n", h->key[k], h->text[k]);
  if (command == CURVE && net->size > net->parameters) printf("# bn = recompute\n");
  for (k = 1; k < OF_MODEL; k++)
    if (origin[O_MODEL + k] == GIVEN) printf("# %s = %s\n", common_keys[k], first[k]);
  printf("# model = %s\n", first[0]);
  for (k = 0; k < files; k++)
    printf("# network = %s %s\n", file[k],
           digest_text(digest, digest_floats(solution[k].weight, net->size)));
}

/* The plane through three checkpoints. */
static void between_three(Net *net, const Dataset *data, const Solution *solution)
{
  const int points = *value[O_POINTS] ? (int)number(O_POINTS) : 21;
  print_plane(net, data, solution, file, choice(O_BN) == 1, (float)number(O_FROM),
              (float)number(O_TO), points);
}

/* The path between two checkpoints: a straight line or a curve. */
static void between_two(Net *net, const Dataset *data, const Solution *solution)
{
  const int points = *value[O_POINTS] ? (int)number(O_POINTS) : 31;
  const int recompute = command == CURVE || choice(O_BN) == 1;
  float *bend = NULL;
  if (command == CURVE) {
    Training how;
    training_options(&how, data);
    bend = allocate(net->size, sizeof *bend, "the bend");
    curve(net, data, &solution[0], &solution[1], how, seed_of(O_SEED), is_on(O_QUIET), bend);
  }
  print_path(net, data, solution, file, bend, choice(O_MASK), recompute, (float)number(O_FROM),
             (float)number(O_TO), points);
  free(bend);
}

/* lmc, curve, distance and probe: the checkpoints named, which must be of one model and of this
 * data set. */
static void measure(void)
{
  Solution *solution = allocate((size_t)files, sizeof *solution, "solutions");
  static Heading heading;
  const char *first[COMMON] = {NULL}, *from = NULL;
  Safetensors s;
  Dataset data;
  Net net;
  int f;
  for (f = 0; f < files; f++) {
    safetensors_read(&s, file[f]);
    check_common(&s, file[f], first, &from);
    safetensors_free(&s);
  }
  open_common(&heading, &data, &net, first, from);
  for (f = 0; f < files; f++) {
    safetensors_read(&s, file[f]);
    safetensors_adopt(&s, file[f]);
    checkpoint_apply(&net, &s, file[f]);
    if (!safetensors_value(&s, "model")) say_zeros(&net, file[f]);
    solution_take(&solution[f], &net);
    safetensors_free(&s);
  }
  print_heading(&heading, &net, first, solution);
  if (command == PROBE) probe(&net, &data, file[0], seed_of(O_ORDER_SEED));
  else if (command == DISTANCE) distances(&net, &data, solution, files, file, choice(O_WHAT));
  else if (files == 3) between_three(&net, &data, solution);
  else between_two(&net, &data, solution);
  for (f = 0; f < files; f++) solution_free(&solution[f]);
  free(solution);
  net_free(&net);
  dataset_free(&data);
}

/* One line per image in the order in which train and imp visit them: with augmentation the row
 * and column of the crop in the image bordered by CROP pixels. */
static void batches(void)
{
  Dataset data;
  Training how;
  uint32_t *order;
  long step, per_epoch;
  const long batch = (long)number(O_BATCH);
  Stream crops = {0, RANDOM_AUGMENT, 0, 0};
  uint32_t crop[3];
  int level;
  load_data(&data);
  training_options(&how, &data);
  crops.seed = how.order_seed;
  per_epoch = steps_per_epoch(&data);
  order = allocate(data.train.n, sizeof *order, "the data order");
  printf("level\tepoch\tstep\tplace\timage%s\n", how.augment ? "\trow\tcolumn\tmirrored" : "");
  for (level = 0; level < (int)number(O_LEVELS); level++)
    for (step = 0; step < how.steps; step++) {
      const long epoch = step / per_epoch, first = step % per_epoch * batch;
      long place;
      if (first == 0)
        data_order(order, data.train.n, how.order_seed, (uint32_t)level, (uint32_t)epoch);
      crops.a = (uint32_t)level;
      crops.b = (uint32_t)epoch;
      for (place = 0; place < batch; place++) {
        if ((size_t)(first + place) == data.train.n) break; /* the last batch of an epoch */
        printf("%d\t%ld\t%ld\t%ld\t%lu", level, epoch, step, place,
               (unsigned long)order[first + place]);
        crop_flip(crops, order[first + place], crop);
        if (how.augment)
          printf("\t%lu\t%lu\t%lu", (unsigned long)crop[0], (unsigned long)crop[1],
                 (unsigned long)crop[2]);
        printf("\n");
      }
    }
  free(order);
  dataset_free(&data);
}

/* What the data set holds; writes it into the folder --out. */
static void describe(void)
{
  Dataset data;
  size_t j, plane;
  char digest[17];
  int s, c;
  load_data(&data);
  plane = (size_t)(data.height * data.width);
  printf("data\t%s\nshape\t%dx%dx%d\nclasses\t%d\n", data.name, data.channels, data.height,
         data.width, data.classes);
  for (s = 0; s < 2; s++) {
    const Split *split = s ? &data.test : &data.train;
    printf("%s\t%lu images, of each class", s ? "test" : "train", (unsigned long)split->n);
    for (c = 0; c < data.classes; c++) {
      unsigned long n = 0;
      for (j = 0; j < split->n; j++) n += split->label[j] == c;
      printf(" %lu", n);
    }
    printf("\n");
  }
  for (c = 0; c < data.channels; c++) { /* of pixel / 255 over the training set */
    double sum = 0, squares = 0, n = (double)data.train.n * (double)plane, mean;
    for (j = 0; j < data.train.n * plane; j++) {
      double p =
          data.train.pixel[(j / plane * (size_t)data.channels + (size_t)c) * plane + j % plane];
      sum += p;
      squares += p * p;
    }
    mean = sum / n;
    printf("channel %d\tmean %.4f deviation %.4f, normalised with %.*f and %.*f\n", c, mean / 255,
           sqrt(squares / n - mean * mean) / 255, data.own ? 6 : 4, (double)data.mean[c],
           data.own ? 6 : 4, (double)data.deviation[c]);
  }
  printf("digest\t%s\n", digest_text(digest, data_digest(&data)));
  if (*value[O_OUT]) dataset_write(&data, value[O_OUT]);
  dataset_free(&data);
}

static int by_time(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A training step on the images of the batch. */
static void bench_step(Net *net, Optimizer *o, const Split *split, const uint32_t *index,
                       size_t batch)
{
  static const Training how = {.lr = 0.01f, .momentum = 0.9f};
  float lane[LANES] = {0};
  size_t wrong = 0;
  net_load(net, split, index, 0, batch, NULL);
  net_forward(net, 1);
  net_loss(net, lane, &wrong);
  net_backward(net);
  optimizer_step(o, net, &how, how.lr);
}

/* Milliseconds of a step of one thread: the median over a second of them. */
static double one_thread(Net *net, Optimizer *o, const Split *split, const uint32_t *index,
                         size_t batch)
{
  enum { MOST = 1000 };
  double took[MOST], all = 0;
  int n = 0;
  while (n < 3 || (n < MOST && all < 1000)) {
    const clock_t begun = clock();
    bench_step(net, o, split, index, batch);
    took[n] = 1000.0 * (double)(clock() - begun) / CLOCKS_PER_SEC;
    all += took[n++];
  }
  qsort(took, (size_t)n, sizeof *took, by_time);
  return took[n / 2];
}

/* Of several threads, whose times clock() adds: so many steps between two seconds of the clock
 * on the wall that one step more or less is at most a twentieth. */
static double many_threads(Net *net, Optimizer *o, const Split *split, const uint32_t *index,
                           size_t batch)
{
  time_t start = time(NULL), now, before;
  long n = 0;
  do {
    bench_step(net, o, split, index, batch);
    now = time(NULL);
  } while (now == start);
  start = now;
  do {
    bench_step(net, o, split, index, batch);
    n++;
    before = now;
    now = time(NULL);
  } while (now == before || n < 20);
  return 1000 * difftime(now, start) / (double)n;
}

/* Times a training step at each density. */
static void bench(void)
{
  static const int density[] = {100, 50, 20, 10, 5, 2};
  Pruning pruning = {
      .scope = LAYER, .rate = MILLION, .output_rate = -1, .conv_rate = -1, .density = -1};
  const size_t batch = (size_t)number(O_BATCH);
  const Model model = model_of();
  const int threads = (int)number(O_THREADS);
  Dataset data;
  uint32_t *index = allocate(batch, sizeof *index, "a batch");
  size_t j;
  int k;
  load_data(&data);
  for (j = 0; j < batch; j++) index[j] = (uint32_t)(j % data.train.n);
  for (k = 0; k < 6; k++) {
    double ms;
    Optimizer o;
    Net net;
    net_create(&net, &model, &data, batch, threads);
    optimizer_create(&o, &net);
    pruning.density = 10000 * density[k];
    net_init(&net, KAIMING_NORMAL, seed_of(O_SEED), 0);
    prune_magnitude(&net, net.mask, &pruning); /* of random weights: a random mask */
    net_set_mask(&net, net.mask);
    if (k == 0)
      printf("# activations, their gradients and workspace: %lu bytes an "
             "image\ndensity\tms\timages_per_s\tgflops\tbytes\n",
             (unsigned long)(net.bytes / batch));
    ms = (threads > 1 ? many_threads : one_thread)(&net, &o, &data.train, index, batch);
    printf("%d\t%.3f\t%.0f\t%.1f\t%lu\n", density[k], ms, (double)batch / ms * 1000,
           net_operations(&net) / ms / 1e6, (unsigned long)net.bytes);
    fflush(stdout);
    optimizer_free(&o);
    net_free(&net);
  }
  free(index);
  dataset_free(&data);
}

static int wrong_digests; /* lines of verify that failed */

static void compare(const char *what, uint64_t digest, uint64_t expected)
{
  char text[17];
  printf("%s\t%s\t%s\n", digest == expected ? "PASS" : "FAIL", what, digest_text(text, digest));
  wrong_digests += digest != expected;
}

static const Training by_adam = {.optimizer = ADAM, .lr = 0.0012f, .order_seed = 1};
static const Training by_cosine = {.optimizer = SGD,
                                   .lr = 0.05f,
                                   .momentum = 0.9f,
                                   .nesterov = 1,
                                   .weight_decay = 0.0001f,
                                   .schedule = COSINE,
                                   .warmup = 5,
                                   .order_seed = 1};
static const Training by_step = {.optimizer = SGD,
                                 .lr = 0.05f,
                                 .momentum = 0.9f,
                                 .weight_decay = 0.0001f,
                                 .schedule = STEP,
                                 .gamma = 0.1f,
                                 .milestones = 1,
                                 .milestone = {10},
                                 .warmup = 5,
                                 .order_seed = 1};
static const Training shrinking = {.optimizer = SGD,
                                   .lr = 0.001f,
                                   .weight_decay = 999,
                                   .order_seed = 1}; /* weights soon subnormal */
static const struct {
  const char *what;
  Model model;
  int colour, scheme;
  size_t batch;
  const Training *how;
  long steps, pruned; /* millionths */
  int augment;
  uint64_t digest;
} cases[] = {
    {"lenet-300-100 adam dense",
     {"lenet-300-100", 0, 1, NULL},
     0,
     KAIMING_UNIFORM,
     60,
     &by_adam,
     20,
     0,
     0,
     0xbfed5749a587bc15u},
    {"lenet-300-100 adam 5%",
     {"lenet-300-100", 0, 1, NULL},
     0,
     SPARSE_AWARE,
     60,
     &by_adam,
     20,
     950000,
     0,
     0x29abd29125b93d4eu},
    {"lenet-50-20-10 sgd 60%",
     {"lenet-50-20-10", 0, 1, NULL},
     0,
     GLOROT_NORMAL,
     130,
     &by_cosine,
     20,
     400000,
     0,
     0x33e37fce9cdc48ceu},
    {"lenet-40 sgd 20%, colour",
     {"lenet-40", 0, 1, NULL},
     1,
     KAIMING_NORMAL,
     128,
     &by_step,
     20,
     800000,
     0,
     0xc2917b7cec0a89dcu},
    {"resnet8-4 sgd dense",
     {"resnet8-4", 0, 1, NULL},
     1,
     KAIMING_NORMAL,
     40,
     &by_step,
     4,
     0,
     1,
     0x6dc25c88d6a778bbu},
    {"resnet8-8 sgd 10%, shortcut pad, no affine",
     {"resnet8-8", 1, 0, NULL},
     1,
     KAIMING_NORMAL,
     21,
     &by_step,
     4,
     900000,
     1,
     0xe1c579dde1db9f82u},
    {"conv2-8 sgd 70%",
     {"conv2-8", 0, 1, NULL},
     1,
     GLOROT_NORMAL,
     18,
     &by_step,
     2,
     300000,
     1,
     0x3cabbe599ecf3d1cu},
    {"vgg11-8 sgd 15%",
     {"vgg11-8", 0, 1, NULL},
     1,
     KAIMING_NORMAL,
     18,
     &by_step,
     2,
     850000,
     1,
     0xd661c00b1ae0736cu},
    {"lenet-9 sgd dense, subnormal",
     {"lenet-9", 0, 1, NULL},
     0,
     KAIMING_NORMAL,
     60,
     &shrinking,
     14,
     0,
     0,
     0xe3352efbccbf836cu},
};

/* Data sets, then a small network of each family after some steps of training, dense or with its
 * weights pruned by magnitude. */
static void verify(void)
{
  Dataset data[2];
  size_t k;
  printf("PASS\tself-check\t-\n"); /* main has made it */
  dataset_load(&data[0], "synth", 0);
  compare("synth", data_digest(&data[0]), 0x596139df06e82862u);
  dataset_load(&data[1], "synth-rgb", 0);
  compare("synth-rgb", data_digest(&data[1]), 0xa8a1122f5a267999u);
  for (k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    const Pruning pruning = {
        .rate = cases[k].pruned, .output_rate = -1, .conv_rate = -1, .density = -1};
    Training how = *cases[k].how;
    Optimizer o;
    Net net;
    how.steps = cases[k].steps;
    how.augment = cases[k].augment;
    net_create(&net, &cases[k].model, &data[cases[k].colour], cases[k].batch, 1);
    optimizer_create(&o, &net);
    net_init(&net, cases[k].scheme, 1, 0);
    prune_magnitude(&net, net.mask, &pruning);
    net_set_mask(&net, net.mask);
    net_init(&net, cases[k].scheme, 1, 0);
    train(&net, &o, &data[cases[k].colour], &how, 0, 0, how.steps, 0, NULL, NULL);
    compare(cases[k].what, net_digest(&net), cases[k].digest);
    optimizer_free(&o);
    net_free(&net);
  }
  dataset_free(&data[0]);
  dataset_free(&data[1]);
}

static int is_standard(const char *name, const char *text)
{
  const int k = find_option(name, strlen(name));
  return k >= 0 && strcmp(options[k].standard, text) == 0;
}

static void report(void)
{
  write_report(file, files, value[O_OUT], origin[O_DATA] == GIVEN ? value[O_DATA] : NULL,
               is_on(O_VALUES), is_standard);
}

/* ==== help and main ========================================================================= */

static const struct {
  const char *name;
  int command;
  void (*run)(void);
  const char *files, *help, *about, *examples;
} commands[] = {
    {"train", TRAIN, run, "", "trains one network, dense or under the mask of --init",
     "Writes the files that imp writes, for one level.",
     "ticket train --data synth --epochs 5 --out dense"},
    {"trace", TRACE, run, "",
     "trains like train and prints a row per step, for other implementations",
     "Prints step, learning rate, mean loss of the batch (in decimals and exactly), wrong images, "
     "and digests: of the batch's images, of the gradient "
     "(+0 where masked) and of parameters and statistics after the step. The last one is that of "
     "train. --dump writes a step's batch (images, labels, losses, "
     "loss), every layer's output with its ReLU and the gradient of that, weight gradients (dW) "
     "and all weights before and after.",
     "ticket trace --data synth --steps 3it --dump 2it --out step"},
    {"imp", IMP, run, "", "finds tickets: train, prune, rewind, repeat; with controls",
     "Level 0 trains the whole network. From each level to the next, those --rate of the surviving "
     "weights that are smallest in magnitude are pruned "
     "(0 for good; weights of dense layers and convolutions only), the others are rewound to their "
     "values at step --rewind of level 0, and the "
     "network is trained again as before: a lottery ticket. Controls, --branches, are trained "
     "beside it: reinit has the ticket's connections but new "
     "initial values, the same at all levels (reinit-fresh: others at each); shuffle has as many "
     "connections in each layer, elsewhere (random: over "
     "all layers), and the ticket's initial values. A ticket that ends with less error than its "
     "controls owes it to these values on these connections.",
     "ticket imp --data synth --levels 4 --rate 0.6 --epochs 3 --branches reinit --out try\n"
     "ticket imp --preset lenet-mnist --data mnist:DIR --branches reinit --out lenet"},
    {"lmc", LMC, measure, " A B [C]",
     "loss and error along the straight line between two checkpoints, and the barrier; or on the "
     "plane through three",
     "Prints for training and test set the barrier (highest error on the line minus the mean of "
     "its ends, in percent), the height (highest error above "
     "the straight line between the errors of the ends) and the highest loss, then loss and error "
     "at each place. Of a plane: the three networks, then --points times --points places; report "
     "draws it.",
     "ticket lmc try.L00.safetensors try.L01.safetensors\n"
     "ticket lmc try.L02.safetensors try.L03.safetensors try.L03.reinit.safetensors >plane.tsv"},
    {"stability", STABILITY, run, "",
     "instability of copies trained from several steps under different data orders",
     "Trains a network to each step of --at, there makes copies, and trains all to the end. Prints "
     "a row per step: instability, the mean barrier "
     "over all pairs, errors in percent, digest of the last copy.",
     "ticket stability --data synth --epochs 3 --at 0,1ep,2ep"},
    {"distance", DISTANCE, measure, " FILE...", "distances between checkpoints, as a matrix", "",
     "ticket distance try.L00.safetensors try.L01.safetensors try.rewind.safetensors"},
    {"probe", PROBE, measure, " FILE",
     "gradient noise, dead units, density by layer, histogram of weights",
     "Prints the angle in radians between the gradients of batches and of the whole training set, "
     "their norms, each layer's weights, units and dead "
     "units, and how many surviving weights lie around each value.",
     "ticket probe try.L03.safetensors"},
    {"curve", CURVE, measure, " A B", "trains a bent path of low loss between two checkpoints",
     "Prints what lmc prints, along a quadratic Bezier curve whose bend "
     "is trained (Garipov and others 2018).",
     "ticket curve --epochs 3 try.L00.safetensors try.L00.reinit.safetensors"},
    {"report", REPORT, report, " PREFIX...",
     "one HTML page of figures from runs and from tables of the commands above",
     "Runs that differ in their seeds "
     "only are averaged. A table is what lmc, stability, distance, probe or curve printed, in a "
     "file.",
     "ticket report try"},
    {"batches", BATCHES, batches, "", "prints which images make up each batch of a training",
     "For other implementations. With --augment also the crop in the "
     "image bordered by 4 black pixels, and whether it is mirrored.",
     "ticket batches --data synth --levels 1 --steps 5it"},
    {"data", DATA, describe, "", "describes a data set; writes it as IDX or CIFAR files", "",
     "ticket data --data synth-rgb"},
    {"bench", BENCH, bench, "", "times a training step at several densities",
     "Prints a row per density, in percent: milliseconds a step, images a second, GFLOP/s on "
     "the surviving weights, bytes of memory.",
     "ticket bench --model conv4 --batch 128"},
    {"verify", VERIFY, verify, "", "checks that this build gives the same bits as all others", "",
     ""},
    {"help", HELP, NULL, " [COMMAND]",
     "explains a command or the presets; --man: a man page; --completion: for bash", "", ""},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct {
  const char *name, *help;
} results[] = {
    /* the files of train and imp, and the columns of the first */
    {"PREFIX.tsv",
     "the configuration as # option = value, then a row per network; - is not measured:"},
    {"level, branch", "times pruned; ticket or control"},
    {"weights, density", "surviving prunable weights, and their share in percent"},
    {"threshold", "largest magnitude that pruning this network would remove"},
    {"*_loss, *_error",
     "mean cross-entropy in nats, and wrong images in percent, of the training and test set"},
    {"*_barrier", "to the same branch one level up: highest error on the straight line minus the "
                  "mean of its ends; needs --points or --children"},
    {"*_instability", "mean barrier over all pairs of the network and its --children"},
    {"*_height", "as the barrier, but above the straight line between the errors of the ends"},
    {"collapsed", "layers without a weight that is left"},
    {"digest", "of parameters and batch-norm statistics: equal on every machine"},
    {"PREFIX.epochs.tsv",
     "a row per epoch of every training: loss and error of its batches and of the test set"},
    {"PREFIX.L00.safetensors", "the trained network of level 0, L01 of level 1 ...; "
                               "PREFIX.L01.reinit.safetensors a control, .child1 a copy"},
    {"PREFIX.rewind.safetensors", "what the tickets are rewound to"},
    {"PREFIX.resume.safetensors",
     "only while it runs: if it is stopped, the same command goes on where it was"},
};

static const struct {
  int first; /* option */
  const char *name;
} groups[] = {{O_DATA, "data"},
              {O_MODEL, "model"},
              {O_EPOCHS, "training"},
              {O_LEVELS, "pruning"},
              {O_CHILDREN, "measuring and repelling"},
              {O_PRESET, "the run"}};
enum { GROUPS = sizeof groups / sizeof groups[0], WIDTH = 92 };

static int roff; /* help is written as a man page */

static int new_line(void)
{
  printf("\n");
  return 0;
}

/* Prints words in lines of at most WIDTH columns that begin with `indent` blanks; the first line
 * already has `at` columns. */
static void wrap(int at, int indent, const char *s)
{
  while (*s) {
    int n = (int)strcspn(s, " \n");
    if (at > indent && at + n >= WIDTH - 20 * roff) at = new_line();
    at += n + printf("%*s", at > indent ? 1 : indent - at, "");
    if (roff && *s == '.') printf("\\&");
    for (; n > 0; n--) {
      printf("%s%c", roff && *s == '-' ? "\\" : "", *s);
      s++;
    }
    if (*s == '\n') at = new_line();
    s += *s != 0;
  }
  printf("\n");
}

/* Begins a section of the help. */
static void heading(const char *name)
{
  printf(roff ? ".SH " : "\n");
  for (; *name; name++) printf("%c", roff ? toupper((unsigned char)*name) : *name);
  printf(roff ? "\n" : ":\n");
}

/* A name and what it is. */
static void entry(const char *tag, const char *text)
{
  int at = 0;
  if (roff) {
    printf(".TP\n.B ");
    wrap(0, 0, tag);
  } else at = printf("  %s", tag);
  if (at > 22) at = new_line();
  wrap(at, roff ? 0 : 24, text);
}

/* Files, options and presets of these commands. */
static void details(int which)
{
  char tag[96], text[1024];
  int c, g, k, n;
  if (which & (TRAIN | IMP)) {
    heading("files");
    for (k = 0; k < (int)(sizeof results / sizeof results[0]); k++)
      entry(results[k].name, results[k].help);
  }
  for (g = 0; g < GROUPS; g++) {
    const char *name = groups[g].name;
    const int after = g + 1 < GROUPS ? groups[g + 1].first : OPTIONS;
    for (k = groups[g].first; k < after; k++) {
      const Option *o = &options[k];
      if (!(o->commands & which)) continue;
      if (name) heading(name);
      name = NULL;
      sprintf(tag, "--%s %s", o->name, o->argument);
      n = sprintf(text, "%s%s%s", o->help, *o->standard && o->kind != FLAG ? "; default " : "",
                  o->kind != FLAG ? o->standard : "");
      for (c = 0; c < COMMANDS; c++)
        if (roff && o->commands & commands[c].command)
          n += sprintf(text + n, " [%s]", commands[c].name);
      entry(tag, text);
    }
  }
}

/* The published experiments and what they set. */
static void list_presets(void)
{
  char text[1024];
  int k;
  for (k = 0; k < PRESETS; k++) {
    sprintf(text, "%s: %s", presets[k].source, presets[k].settings);
    entry(presets[k].name, text);
  }
}

/* All commands; what they do at length only in the manual. */
static void list(void)
{
  char tag[64], text[1024];
  int k;
  for (k = 0; k < COMMANDS; k++) {
    sprintf(tag, "%s%s", commands[k].name, commands[k].files);
    sprintf(text, "%s%s%s", commands[k].help, roff && *commands[k].about ? ". " : "",
            roff ? commands[k].about : "");
    entry(tag, text);
  }
}

/* One command at length, or all. */
static void help(int c)
{
  if (c < COMMANDS) {
    printf("ticket %s - %s\n\nusage: ticket %s%s%s%s\n", commands[c].name, commands[c].help,
           commands[c].name, commands[c].files,
           commands[c].command & (TRAIN | IMP) ? " --out PREFIX" : "",
           commands[c].command & (VERIFY | HELP) ? "" : " [--option value]...");
    if (*commands[c].about) {
      new_line();
      wrap(0, 0, commands[c].about);
    }
    if (*commands[c].examples) {
      heading("for example");
      wrap(0, 2, commands[c].examples);
    }
    details(commands[c].command);
    return;
  }
  printf("ticket %s - finds lottery tickets and tests why they win\n\nusage: ticket COMMAND "
         "[--option value]...\n\n",
         TICKET_VERSION);
  list();
  printf("\nFirst try:  ticket imp --data synth --branches reinit --levels 4 --rate 0.6 --epochs 3 "
         "--out try\n");
}

/* The manual: `man -l`, or share/man/man1/ticket.1. */
static void manual(void)
{
  int k;
  roff = 1;
  printf(".TH TICKET 1 2026-11-23 \"ticket %s\"\n.SH NAME\nticket \\- finds lottery tickets and "
         "tests why they win\n.SH SYNOPSIS\n"
         ".B ticket\n.I COMMAND\n[\\-\\-option value]...\n.SH COMMANDS\n",
         TICKET_VERSION);
  list();
  details(~0);
  heading("presets");
  list_presets();
  heading("examples");
  printf(".nf\n");
  for (k = 0; k < COMMANDS; k++)
    if (*commands[k].examples) wrap(0, 0, commands[k].examples);
  printf(".fi\n");
  heading("exit status");
  wrap(0, 0, "0; 1 if a file, the data or the machine is not right; 2 if the command line is not.");
}

/* The case of an option whose values are the words of a list "a|b,c". */
static void complete_values(const char *option, const char *list)
{
  printf("' ;;\n  --%s) words='", option);
  for (; *list; list++) printf("%c", *list == '|' || *list == ',' ? ' ' : *list);
}

/* For bash; zsh reads it after `autoload -U bashcompinit; bashcompinit`. */
static void completion(void)
{
  int c, k;
  printf("_ticket()\n{\n  local words= files= word=${COMP_WORDS[COMP_CWORD]}\n"
         "  case ${COMP_WORDS[COMP_CWORD-1]} in\n  ticket | */ticket | help) words='");
  for (c = 0; c < COMMANDS; c++) printf("%s ", commands[c].name);
  for (k = 0; k < OPTIONS; k++)
    if (options[k].kind == CHOICE || options[k].kind == LIST)
      complete_values(options[k].name, options[k].argument);
  complete_values("data", "synth|synth-rgb|mnist:|fashion:|kmnist:|cifar10:|cifar100:|"
                          "cifar100-coarse:");
  complete_values("model", "lenet-300-100|conv2|conv4|conv6|vgg11|vgg13|vgg16|vgg19|resnet20|"
                           "resnet32|resnet44|resnet56|resnet110");
  printf("' ;;\n  --preset) words='");
  for (k = 0; k < PRESETS; k++) printf("%s ", presets[k].name);
  printf("' ;;\n  --nesterov | --quiet | --values | [!-]*)\n    case ${COMP_WORDS[1]} in\n");
  for (c = 0; c < COMMANDS; c++) {
    printf("    %s) words='", commands[c].name);
    for (k = 0; k < OPTIONS; k++)
      if (options[k].commands & commands[c].command) printf("--%s ", options[k].name);
    printf("'%s ;;\n", commands[c].command & MEASURES ? " files='*.safetensors'"
                       : commands[c].command & REPORT ? " files='*.tsv'"
                                                      : "");
  }
  printf("    esac ;;\n  --init | --ticket) files='*.safetensors' ;;\n  esac\n"
         "  [ \"${COMP_WORDS[COMP_CWORD-1]}\" != help ] || words+=presets\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  [ -z \"$files\" ] || COMPREPLY+=($(compgen -f -X \"!$files\" -- \"$word\"))\n"
         "}\ncomplete -o default -F _ticket ticket\n");
}

/* Number of the command of that name, or COMMANDS; *nearest is the one most alike. */
static int find_command(const char *name, int *nearest)
{
  int c;
  *nearest = 0;
  for (c = 0; c < COMMANDS; c++) {
    if (strcmp(name, commands[c].name) == 0) break;
    if (unlike(name, commands[c].name) < unlike(name, commands[*nearest].name)) *nearest = c;
  }
  return c;
}

static int asks_help(const char *argument)
{
  return !strcmp(argument, "--help") || !strcmp(argument, "-h");
}

/* ticket help [COMMAND | presets | --man | --completion] */
static void run_help(const char *topic)
{
  int nearest;
  const int c = topic ? find_command(topic, &nearest) : COMMANDS;
  if (!topic || c < COMMANDS) help(c);
  else if (!strcmp(topic, "--man")) manual();
  else if (!strcmp(topic, "--completion")) completion();
  else if (!strcmp(topic, "presets")) list_presets();
  else
    fail_usage("there is no help on '%s'; did you mean ticket help %s? See ticket help", topic,
               unlike(topic, "presets") < unlike(topic, commands[nearest].name)
                   ? "presets"
                   : commands[nearest].name);
}

static void run_command(int c, int count, char **argument)
{
  const char *broken;
  command = commands[c].command;
  parse(count, argument);
  check_effects();
  broken = self_check();
  if (broken) fail("this build would not give the same bits as others: %s", broken);
  commands[c].run();
}

int main(int count, char **argument)
{
  int c, k, nearest, helped = 0;
#ifdef _WIN32
  _setmode(_fileno(stdout), 0x8000); /* _O_BINARY: results end lines in \n everywhere */
#endif
  command_name = count > 1 ? argument[1] : "";
  if (asks_help(command_name)) command_name = "help";
  c = find_command(command_name, &nearest);
  for (k = 2; k < count; k++) helped |= asks_help(argument[k]);
  if (!strcmp(command_name, "--version") || !strcmp(command_name, "-V"))
    printf("ticket %s\n", TICKET_VERSION);
  else if (!*command_name)
    fail_usage("say what to do: ticket COMMAND [--option value]...; see ticket help");
  else if (c == COMMANDS)
    fail_usage("there is no command '%s'; did you mean %s? See ticket help", command_name,
               commands[nearest].name);
  else if (helped) help(c);
  else if (commands[c].run) run_command(c, count - 2, argument + 2);
  else run_help(count > 2 ? argument[2] : NULL);
  /* it may turn out only now */
  if (fflush(stdout) || ferror(stdout))
    fail("standard output: cannot be written; is the disk full?");
  return wrong_digests > 0;
}
