/* ticket.h - every type and public function of ticket, in reading order.
 *
 * ticket finds lottery tickets by iterative magnitude pruning with rewinding and tests why they
 * win, after Maene, Li and Moens, "Towards Understanding Iterative Magnitude Pruning" (2021).
 * Build: cc -std=c99 -O2 *.c -lm        SPDX-License-Identifier: MIT
 *
 * Contract (CONTRACT.md): binary32, each + - * / sqrt rounds once, no fused multiply-add, one order
 * for every sum. In the code a product used in a sum is written a + (float)(w * x) and constants
 * are static const float, so that compilers that compute in a wider type (FLT_EVAL_METHOD 1 or 2)
 * round where the others do.
 *
 * Sizes, the same letters everywhere: B images in a batch, C channels in, H rows, W columns, I
 * inputs of a dense layer (C H W), O outputs, L images in a tile, T tiles. */
#ifndef TICKET_H
#define TICKET_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* gcc -std=c99 never contracts, and does not know the pragma */
#if !defined __GNUC__ || defined __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define TICKET_VERSION "0.2.0"
enum { LANES = 16 };     /* partial sums of every sum over a batch: lane = image index mod 16 */
enum { TILE = 128 };     /* at most this many images side by side in memory; a multiple of LANES */
enum { NAME_SIZE = 64 }; /* a tensor's name with its final zero */

/* ==== arithmetic.c: the same bits everywhere ================================================ */

uint32_t bits_of(float x); /* its binary32 bits */
float float_of(uint32_t bits);
/* Functions built from contract operations only; the error bounds are measured by test/unit.c. */
/* Correctly rounded. Here, so that loops over it become vectors. */
static inline float square_root(float x)
{
#if FLT_EVAL_METHOD == 0
  return sqrtf(x);
#else
  volatile float rounded = sqrtf(x); /* through memory: a cast alone leaves x87's extra digits */
  return rounded;
#endif
}
float exponential(float x);  /* e^x within 2 ulp; 0 below -104, infinite above 88.8 */
float logarithm(float x);    /* ln x within 2 ulp, x > 0 and normal or subnormal; -infinity at 0 */
float cosine_turns(float u); /* cos(2 pi u), 0 <= u <= 1, absolute error below 2e-7 */
float arc_cosine(float x);   /* acos x in radians, -1 <= x <= 1, absolute error below 5e-7 */
int is_finite(float x);      /* by its bits, so that no compiler option can assume the answer */
float lanes_sum(float lane[LANES]); /* adds lanes l and l+8, l+4, l+2, l+1 */
/* out[j] = lanes_sum of sum[16 j ...], j < n ascending; out may be sum */
void lanes_sums(float *out, float *sum, size_t n);
/* 64-bit FNV-1a of n bytes, going on from `hash`, which begins as FNV_START. */
#define FNV_START 0xcbf29ce484222325u
uint64_t fnv1a(uint64_t hash, const void *bytes, size_t n);
const char *digest_text(char digits[17], uint64_t digest); /* in 16 hexadecimal digits */
uint64_t digest_floats(const float *x, size_t n);          /* of their little-endian bytes */

/* ---- random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11) -----------------------
 * A draw is a pure function of (seed, stream, index): word index % 4 of the block with
 * key = (seed low, seed high) and counter = (index / 4, purpose, a, b). */
typedef struct {
  uint64_t seed;
  uint32_t purpose, a, b;
} Stream;
/* purpose         a       b        what is drawn
 * RANDOM_INIT     tensor  variant  initial values: the tensor's number among all, index: the
 *                                  element; variant: 0 the ticket's, 1 reinit's, 2 + level
 *                                  reinit-fresh's
 * RANDOM_ORDER    level   epoch    data order: Fisher-Yates over 0..n-1, seed is --order-seed; for
 *                                  child c of a level (--children, stability) a is level + CHILD c
 * RANDOM_AUGMENT  level   epoch    crops and flips; for children likewise
 * RANDOM_MASK     level   tensor   mask shuffled within a tensor (branch shuffle), or over all:
 *                                  tensor = 2^32-1
 * RANDOM_DATA     image   set      built-in images: set = 0 train, 1 test, + 2 for synth-rgb
 * RANDOM_CURVE    -       -        index = step: where on the curve a batch is evaluated */
enum {
  RANDOM_INIT = 1,
  RANDOM_ORDER = 2,
  RANDOM_AUGMENT = 3,
  RANDOM_MASK = 4,
  RANDOM_DATA = 5,
  RANDOM_CURVE = 7
};
enum { CHILD = 65536 };
void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
uint32_t random_bits(Stream s, uint64_t index);
float random_uniform(Stream s, uint64_t index); /* bits >> 8 times 2^-24: in [0, 1) */
/* sqrt(-2 ln u) cos(2 pi v), u = ((bits(2 index) >> 8) + 1) 2^-24, v = uniform(2 index + 1) */
float random_normal(Stream s, uint64_t index);
/* Unbiased in [0, bound): the high word of bits * bound, redrawn while the low word is below
 * 2^32 mod bound (Lemire 2019). Takes its draws from *index upwards. */
uint32_t random_below(Stream s, uint64_t *index, uint32_t bound);
/* order[0..n) = a permutation of 0..n-1: for i = n-1 down to 1, swap i and random_below(i + 1). */
void random_order(uint32_t *order, size_t n, Stream s);

/* ==== data.c: errors, files, data sets ====================================================== */

/* Prints "ticket: " and the message as one line on stderr, removes the unfinished output file and
 * exits: with 1, or 2 if the command line is wrong. */
void fail_with(int status, const char *format, ...);
#define fail(...) fail_with(1, __VA_ARGS__)
#define fail_usage(...) fail_with(2, __VA_ARGS__)
/* From now on the hook gets the message, without a newline, instead of stderr (NULL: as before).
 * If it returns, the program exits; it may longjmp: then what the call had allocated is lost. */
void on_failure(void (*hook)(const char *message));
/* What every message of a failure ends in from now on: what to do where several files are read. */
void advise(const char *text);
/* Such a line on stderr for what a run does that its user may not expect. */
void notice(const char *format, ...);
/* Replaces the current line on stderr; a format that ends in a newline ends it. */
void show_progress(const char *format, ...);
/* count * size zeroed bytes, at least 1; fails naming `what` and the bytes asked for.
 * Caller frees. */
void *allocate(size_t count, size_t size, const char *what);
/* Allocated so, but with n values copied to its beginning. Caller frees. */
void *copy_of(const void *values, size_t n, size_t count, size_t size, const char *what);
char *join(const char *a, const char *between, const char *b); /* one string. Caller frees. */
/* A number in decimals: 6 after the point, or short; "-" if it is not finite, which platforms write
 * differently. n / d in percent with 4 digits after the point, exact and rounded half up. */
const char *decimals(char text[64], float x);
const char *short_decimals(char text[64], float x);
const char *percent(char text[32], size_t n, size_t d);

/* Whether a result is there; fails if it is but cannot be opened. Puts back an old file whose
 * replacement was stopped halfway (Output). */
int file_exists(const char *path);
void remove_file(const char *path); /* if it is there; fails if it stays */
/* The bytes of a file with a zero appended, its length in *size; fails if it cannot be read. Of a
 * result: NULL if it is not there (file_exists). Caller frees. */
unsigned char *read_file(const char *path, size_t *size);
unsigned char *read_result(const char *path, size_t *size);

/* A file being written under a temporary name (path.XXXXXXXX.tmp, of this process alone) and
 * renamed when complete, so that a result is either the old one or the whole new one, whoever is
 * killed when. A process that is killed may leave its temporary file. One at a time. All fail,
 * naming the file, if it cannot be made or the disk is full. */
typedef struct {
  FILE *file;
  char *path, *temporary;
} Output;
void output_open(Output *out, const char *path);
void output_bytes(Output *out, const void *bytes, size_t size);
void output_print(Output *out, const char *format, ...); /* printf */
void output_close(Output *out);                          /* flushes, checks, renames */

/* One tensor of a safetensors file. */
typedef struct {
  char name[2 * NAME_SIZE];
  int type; /* 'F': float, F32 in the file; 'U': unsigned char, U8; 'I': integers, not read */
  int dims; /* 0 to 4 */
  size_t shape[4]; /* outermost first */
  size_t size;     /* product of shape */
  void *data;      /* size values in the machine's own byte order */
} Entry;

/* A safetensors file in memory: 8 bytes header length (little endian), a JSON header, the data.
 * Format: https://huggingface.co/docs/safetensors */
typedef struct {
  int entries, pairs;
  Entry *entry;
  char **key, **value; /* pairs of __metadata__, unescaped UTF-8 */
  int checked;         /* the file had a checksum of all its bytes, which fits */
} Safetensors;
/* Fails, naming the file, on a length, JSON syntax, type, shape, offset or checksum that does not
 * fit. F16, BF16 and F64 become floats if that is exact, else it fails; BOOL becomes bytes. Of a
 * result: 0 if it is not there (file_exists). */
void safetensors_read(Safetensors *s, const char *path);
int safetensors_read_result(Safetensors *s, const char *path);
/* Makes what PyTorch writes a checkpoint as ticket writes them: takes off the prefixes module.,
 * _orig_mod. and model., leaves out num_batches_tracked, makes X_orig and X_mask X and mask.X, and
 * masks of floats bytes. Fails if that cannot be. */
void safetensors_adopt(Safetensors *s, const char *path);
/* Adds the checksum as the first pair, "checksum". */
void safetensors_write(const Safetensors *s, const char *path);
/* One more tensor, PREFIX and NAME its name, in s->entry, which has room for it; its values stay
 * the caller's. */
void safetensors_add(Safetensors *s, const char *prefix, const char *name, int type, int dims,
                     const size_t *shape, void *data);
void safetensors_free(Safetensors *s); /* frees what safetensors_read allocated */
const Entry *safetensors_find(const Safetensors *s, const char *name); /* or NULL */
/* Fails, naming `path`, the tensor and the dimension, unless it is of this type and shape. */
void safetensors_expect(const Entry *e, int type, int dims, const size_t *shape, const char *path);
const char *safetensors_value(const Safetensors *s, const char *key); /* or NULL */

/* A table of tab-separated values in memory, as result files hold it: lines `# key = value`, a
 * header, rows with as many fields as it has. */
typedef struct {
  const char *path;    /* of its file */
  int pairs;           /* lines `# key = value`; of a file the first may be its checksum */
  int columns, rows;   /* rows: without the header; columns: 0 while there is no header */
  char **key, **value; /* [pairs] */
  char **cell;         /* [1 + rows][columns]: row 0 is the header; a row is one allocation */
  size_t capacity;     /* rows that cell has room for */
  char *text, *rest;   /* of a file: its bytes, which hold the pairs; what is not read yet */
  const char *advice;  /* of a file: what to do if it is damaged */
} Table;
/* What to do about a damaged result of imp: the end of messages. */
#define ANEW "; remove it, and the same command makes it anew"
/* Reads a table's pairs and header, table_rows the rest. Fails, naming the file, on one that is
 * cut short or damaged. result: 0 if it is not there (file_exists), and it must have a checksum. */
int table_open(Table *t, const char *path, int result);
void table_rows(Table *t);
/* Makes the line row number `row`; that and those after it move down. The first is the header. */
void table_insert(Table *t, int row, const char *line);
void table_remove(Table *t, int row);     /* those after it move up */
char *table_row(const Table *t, int row); /* a row as a line, without its end. Caller frees. */
void table_write(const Table *t);         /* with a checksum before the pairs */
/* The value of a key, the number of a column, a cell; "-" or -1 where there is none. */
const char *table_value(const Table *t, const char *key);
int table_column(const Table *t, const char *name);
const char *table_cell(const Table *t, int row, int column);
void table_free(Table *t);

/* Images and labels: pixel n x C x H x W bytes, label n bytes below `classes`. */
typedef struct {
  size_t n;
  unsigned char *pixel, *label;
} Split;

typedef struct {
  const char *name; /* "synth", "mnist", ... */
  int channels, height, width, classes;
  float mean[3], deviation[3]; /* per channel, of pixel / 255 */
  int own;                     /* idx: these are of the training images kept, and are recorded */
  Split train, test;
} Dataset;

/* Loads synth | synth-rgb | mnist:DIR | fashion:DIR | kmnist:DIR | idx:DIR | cifar10:DIR |
 * cifar100:DIR (fine labels) | cifar100-coarse:DIR, the CIFARs from their binary versions. idx: any
 * images of bytes n x H x W or n x C x H x W, C 1 or 3, with labels; classes = largest label + 1.
 * The files may be one or two folders further down where others put them (MNIST/raw). Only the
 * first train_size training images are kept, all if it is 0. Fails, naming the file, on anything
 * malformed. dataset_free releases it. */
void dataset_load(Dataset *data, const char *spec, size_t train_size);
void dataset_free(Dataset *data);
/* Of training pixels and labels, then those of the test set. */
uint64_t data_digest(const Dataset *data);
/* Writes the set into an existing folder as IDX files with MNIST's names (1 channel, or idx) or as
 * CIFAR-10 binary files data_batch_1.bin ... test_batch.bin (3 channels). */
void dataset_write(const Dataset *data, const char *folder);

/* ==== nn.c: networks ======================================================================== */

/* NULL if this build keeps the contract, else what is broken and the flag that mends it.
 * Microseconds. */
const char *self_check(void);

/* A named part of the flat vector: parameters first, layer by layer as in OpenLTH's state_dict;
 * then all batch-norm statistics, which that has beside their layer. */
typedef struct {
  char name[NAME_SIZE]; /* "fc_layers.0.weight" */
  int dims;
  size_t shape[4];
  size_t size, offset;    /* values, and where the first one is in the flat vectors */
  size_t rank;            /* how many survivors come before it: where its gradients begin */
  size_t fan_in, fan_out; /* of the layer; biases carry their layer's */
  int prunable;           /* the weights of dense layers and convolutions; not biases, not norms */
  int norm;               /* gamma or beta of a batch norm */
  int output;             /* belongs to the output layer */
} Tensor;

/* What a layer reads or writes, for a whole batch: [T][C][H + border][W + border][L], image b at
 * tile b / L, place b % L. The innermost loop of every kernel runs over L contiguous independent
 * numbers. The border, zeros that nothing writes, is to the right of a row and below a plane, so
 * it is to the left of the next row and above the next plane too. */
typedef struct {
  size_t channels, height, width;
  int flat;          /* what dense layers read and write: 1 x 1, without a border */
  size_t tile;       /* L: LANES; up to TILE if flat */
  size_t row, plane; /* numbers from one row, one channel, to the next */
  float *value;      /* of pixel 0 of channel 0 of tile 0 */
  /* d loss / d value while the backward pass needs it; the room is shared. NULL for the images */
  float *gradient;
} Activation;

/* What a layer multiplies, as lists. A tap is one weight and where its input is: a row of
 * outputs is the sum over its taps of weight[index] times the numbers that begin at x + offset.
 * List t has taps start[t] ... start[t + 1] - 1. Where few weights survive, every row of outputs
 * (per output channel, or per input channel for the gradient of the input) has its own list of
 * survivors; otherwise one list serves all rows, and row r's weights are `step` r further on. */
typedef struct {
  uint32_t *start, *offset, *index;
  size_t step; /* 0: a list per row */
} Taps;

/* Where in the list of an output a chunk of input channels begins, and where the gradient of the
 * first survivor from there on belongs. */
typedef struct {
  uint32_t tap, place;
} Cut;

/* A layer reads activation `in` and writes `out`. */
typedef struct {
  char name[NAME_SIZE];           /* as its tensors begin; "" without tensors */
  int kind;                       /* index of the table `layer_kinds` in nn.c */
  int in, out, shortcut;          /* activations; shortcut: what SUM adds */
  int weight, bias;               /* tensors, or -1; of NORM gamma and beta */
  int mean, variance;             /* NORM: the running statistics, tensors */
  int relu;                       /* y = max(y, 0) at the end */
  int adds, adds_shortcut;        /* to the gradient of `in`, `shortcut`, that another began */
  size_t inputs, height, width;   /* channels in, rows and columns of their planes, in pixels; */
  size_t outputs, rows, columns;  /* of the output. A dense layer is 1x1 with L / LANES pixels */
  size_t kernel, stride, padding; /* CONV; pools: kernel = window; SUM: stride of the shortcut */
  size_t survivors;               /* weights not masked */
  /* CONV: backward has lists for each phase (row mod stride, column mod stride) of the input */
  Taps forward, backward;
  Cut *cut;       /* CONV: [chunks + 1][O] of the forward lists */
  size_t chunks;  /* of input channels whose weight gradients are made together */
  float *moments; /* NORM: [2][C] mean and 1/deviation of the last batch */
} Layer;

typedef struct Net Net;
/* Which network: a name and the choices that models leave open. */
typedef struct {
  /* lenet-300-100, conv4, vgg16, resnet20, resnet20-32 ...: N = 6 B + 2 from 8 to 326 */
  const char *name;
  /* ResNet: where the shape changes, the shortcut subsamples and pads with zeros; else it is a
   * 1x1 convolution */
  int pad_shortcut;
  int affine; /* batch norm has gamma and beta */
  /* NULL, or adds the layers of another network; name is then what files and messages call it */
  void (*build)(Net *net);
} Model;

/* What a place of the batch shows: an image of a split; from place `images` on there is none. */
typedef struct {
  const unsigned char *pixel;
  uint32_t crop[3]; /* crop_flip */
} View;

/* Called for each layer of a batch after its forward pass (backward 0), and before its backward
 * pass, when the gradient of what it writes is complete (1). */
typedef void Observe(void *context, const Net *net, int layer, int backward);

/* A network, its mask and the room for one batch. Everything is owned by the net and freed by
 * net_free. */
struct Net {
  char model[NAME_SIZE];
  size_t classes, batch;
  size_t tile;          /* L of flat activations */
  size_t slots;         /* places for images: the batch in whole tiles, a multiple of LANES */
  size_t images;        /* in the batch now loaded */
  size_t height, width; /* of an image */
  size_t border;        /* rows of zeros below, columns to the right of every plane of images */
  int threads;
  Tensor *tensor;
  int tensors;
  size_t parameters;   /* trained values: the first ones of the flat vectors */
  size_t size;         /* of the flat vectors: parameters, then batch-norm statistics */
  float *weight;       /* [size]; +0 where masked */
  unsigned char *mask; /* [size]: 1 keeps, 0 masks; 1 for all that is not prunable */
  size_t survivors;    /* parameters not masked; others have no gradient and no momentum */
  uint32_t *survivor;  /* [survivors]: their flat indices, ascending */
  float *gradient;     /* [survivors]: d loss / d weight[survivor[j]] */
  Layer *layer;
  int layers;
  Activation *activation; /* [0] is the input, the last one the logits */
  int activations;
  unsigned char *label; /* [L T] */
  View *view;           /* [L T] */
  float *loss;          /* [L T] of each image */
  int training;         /* what net_forward was told */
  float momentum;       /* of batch norm's running statistics: 0.1 as PyTorch's */
  float *packed;        /* a layer's weights in the order of its lists, if rows have their own */
  float *room;          /* [threads][room_size] each thread's workspace */
  size_t room_size;
  void *owned;         /* all that net_free frees, as a chain */
  size_t bytes;        /* of activations and their gradients */
  float value[3][256]; /* normalised pixel: (p / 255 - mean) / deviation per channel */
  Observe *observe;    /* or NULL */
  void *observer;      /* its context */
};

/* Builds the model for images and classes like the data set's and batches of up to `batch`
 * images; all weights +0, nothing masked. fail_usage on a name that is no model, or too long. */
void net_create(Net *net, const Model *model, const Dataset *data, size_t batch, int threads);
void net_free(Net *net);

/* Building a network by hand: net_open, layers in forward order, net_close. `in` is the activation
 * that a layer reads (0 is the images); each returns the one it writes, which the next layers may
 * name. Tensors are called NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var; a name has
 * at most 40 characters. All fail, naming the call and the value, on what would read or write out
 * of bounds or compute something else: an activation that is not there, or a dense layer's where
 * images are needed; outputs, kernel, stride, window not 1 to 65536; batch not 1 to 65536, threads
 * 1 to 256, channels of the images 1 to 3, classes 1 to 256; more than 1023 layers or 2^32 values.
 * net_close: the last layer must be add_dense with `classes` units and no ReLU, and some layer must
 * read every activation but the last. */
void net_open(Net *net, const Dataset *data, size_t batch, int threads);
/* y[o][r][c] = sum over (i, kr, kc) ascending of
 * w[o][i][kr][kc] x[i][r stride + kr - padding][c stride + kc - padding] inside the image, then
 * + b[o] if there is a bias. Weight [O][I][kernel][kernel]; rows out = (H + 2 padding - kernel) /
 * stride + 1. padding < kernel <= H + 2 padding, W + 2 padding. */
int add_conv(Net *net, int in, const char *name, size_t outputs, size_t kernel, size_t stride,
             size_t padding, int bias);
int add_dense(Net *net, int in, const char *name, size_t outputs); /* weight [O][C H W], bias */
/* Batch norm over images and pixels (Ioffe and Szegedy 2015), eps 1e-5, momentum 0.1, as PyTorch's
 * BatchNorm2d. Of images, not of a dense layer's outputs. */
int add_norm(Net *net, int in, const char *name, int affine);
/* y = max(y, 0) at the end of the newest layer, which made `in` and is no pool; returns in. */
int add_relu(Net *net, int in);
/* Windows of window x window without overlap; rows and columns that fill no window are left out.
 * The largest, whose first (rows then columns) gets the gradient; the sum, rows and columns
 * ascending, divided by window^2. window <= H, W. */
int add_max_pool(Net *net, int in, size_t window);
int add_average_pool(Net *net, int in, size_t window);
/* in + shortcut, written to `in` if the newest layer made it, has no ReLU and is no max pool, else
 * to an activation of its own. Where shapes differ, the shortcut is subsampled to every s-th row
 * and column, s = H of the shortcut / H of in rounded up, the same for W, and channel c is added to
 * channel c + (C of in - C of the shortcut) / 2; it has no fewer rows and no more channels. */
int add_sum(Net *net, int in, int shortcut);
void net_close(Net *net);

/* Initial values of all parameters, and +0 where masked. Weights: SCHEME below; biases uniform in
 * +-1/sqrt(fan_in), as PyTorch's Linear. variant: see RANDOM_INIT. */
enum { KAIMING_NORMAL, KAIMING_UNIFORM, GLOROT_NORMAL, SPARSE_AWARE };
/* N(0, 2/fan_in) and U(+-sqrt(6/fan_in)) (He 2015); N(0, 2/(fan_in+fan_out)) (Glorot 2010);
 * N(0, 2/n), n = unmasked inputs of that output (Evci 2020, 2010.03533) */
void net_init(Net *net, int scheme, uint64_t seed, uint32_t variant);
/* Takes over mask[size] (NULL: keep all): masked weights become +0, tap lists are rebuilt;
 * gradients and an optimiser's memory are void (optimizer_clear). */
void net_set_mask(Net *net, const unsigned char *mask);
size_t net_prunable(const Net *net, int surviving); /* prunable weights: all, or the survivors */
uint64_t net_digest(const Net *net);   /* digest_floats of weight[size]: parameters, statistics */
double net_operations(const Net *net); /* + and * of one step on the batch loaded */

/* OpenLTH's augmentation: crop[0], crop[1] in 0 ... 2 CROP are the row and column from which the
 * image with a border of CROP black pixels is taken (CROP: not moved), crop[2] whether it is then
 * mirrored; drawn from a stream of purpose RANDOM_AUGMENT, from index 64 image upwards. */
enum { CROP = 4 };
void crop_flip(Stream s, uint32_t image, uint32_t crop[3]);

/* One batch: images index[0..n) of the split, n <= L T (first, first + 1 ... where index is NULL),
 * moved and flipped as `augment` says, if not NULL. forward fills the activations; net_loss fills
 * loss and d (mean loss) / d logits, adds the losses to the lanes and to *wrong the images whose
 * largest logit (the first of equals) is not the label's; backward fills gradient. */
void net_load(Net *net, const Split *split, const uint32_t *index, size_t first, size_t n,
              const Stream *augment);
/* training: batch norm by the batch's statistics, and the running ones follow */
void net_forward(Net *net, int training);
void net_loss(Net *net, float lane[LANES], size_t *wrong);
void net_backward(Net *net);
/* The values (gradient 0) or the gradient of an activation as [images][channels][height][width],
 * to room of the caller's. The gradient is there while `observe` looks at a layer that writes
 * it. */
void net_read(const Net *net, int activation, int gradient, float *to);
/* Batch norm's running statistics := the averages over the batches of one pass over the split
 * (Garipov 2018). */
void net_recompute(Net *net, const Split *split);
/* The images of a split from `first` on that the net has room for go through it, batch norm by
 * its running statistics: 1, or 0 if there are none left. */
int net_forward_from(Net *net, const Split *split, size_t first);
/* Mean loss and number of wrong images over a split, in the file's order; one sum over the whole
 * set. Batch norm by its running statistics. */
void net_evaluate(Net *net, const Split *split, float *loss, size_t *wrong);

/* ---- optimiser, schedule, training ---------------------------------------------------------- */

enum { SGD, ADAM };
enum { CONSTANT, STEP, COSINE };
enum { MILESTONES = 8 };

/* What takes part in a training: called before a batch (after = 0: may move the weights) and
 * after its net_backward (after = 1: may change gradients, must put the weights back). */
typedef void Hook(void *context, Net *net, long step, int after);

/* How to train: the published hyperparameters of an experiment. */
typedef struct {
  int optimizer, nesterov;
  float lr, momentum, weight_decay;
  /* STEP: lr times gamma, once per milestone with step >= it;
   * COSINE: lr (0.5 (1 + cosine_turns(step / (2 steps)))) */
  int schedule;
  float gamma;
  int milestones;
  long milestone[MILESTONES]; /* steps */
  long warmup; /* steps: lr rises by the factor step / warmup before that step (OpenLTH) */
  long steps;  /* in all, from initialisation: T */
  int augment; /* crops and flips */
  uint64_t order_seed;
  Hook *hook; /* or NULL */
  void *context;
} Training;
float learning_rate(const Training *how, long step);

/* The optimiser's memory, beside the flat vector. Adam's beta = (0.9, 0.999), eps = 1e-8 (Kingma
 * and Ba 2015). */
typedef struct {
  float *velocity, *square; /* [survivors]: momentum or first moment, second moment */
  float *weight;            /* [survivors]: the weights side by side during an update */
  float correction[2];      /* Adam: 1 - beta^t by c = c + (1 - beta)(1 - c) */
} Optimizer;
void optimizer_create(Optimizer *o, const Net *net);
void optimizer_clear(Optimizer *o, const Net *net); /* as new */
void optimizer_free(Optimizer *o);
/* One update of all unmasked parameters (CONTRACT.md). */
void optimizer_step(Optimizer *o, Net *net, const Training *how, float lr);

/* What a training loop tells after each step; loss and wrong are sums over the `seen` images of
 * the epoch so far. */
typedef struct {
  long step, epoch, epochs; /* steps done in all; epoch of the last one, from 0; epochs in all */
  size_t seen, wrong;
  float loss;
  int epoch_done;
} Progress;
typedef void Watch(void *context, const Progress *progress);
/* Replaces the current line on stderr by how a training is doing and the time left when `share` of
 * the command's work is done: once a second at first and then ever more rarely, up to every half
 * minute, because a log file keeps it all. Defined in data.c. */
typedef struct {
  time_t begun, shown;
  int quiet;
} Clock;
void show_training(Clock *clock, const Progress *p, double share, const char *what);
void show_share(Clock *clock, double share, const char *what); /* of what is no training */
/* order[0..n) = the images of an epoch: batch i of it is order[i B] to order[i B + B - 1], the
 * last one what is left. */
void data_order(uint32_t *order, size_t n, uint64_t order_seed, uint32_t level, uint32_t epoch);
/* Trains from step `from` to `to`, data in the order of (order_seed, level, epoch). lr > 0 replaces
 * the schedule (fine-tuning). Fails, naming level, epoch and step, if a loss is not finite. */
void train(Net *net, Optimizer *o, const Dataset *data, const Training *how, uint32_t level,
           long from, long to, float lr, Watch *watch, void *context);

/* ---- checkpoints of a net -------------------------------------------------------------------- */

/* Writes all tensors, the masks of those that are prunable, and these pairs and the digest as
 * metadata; with an optimiser (or NULL) its memory too. */
void checkpoint_write(const Net *net, const Optimizer *o, int pairs, const char *const *key,
                      const char *const *value, const char *path);
/* Sets weights and mask of the net from a checkpoint. Fails, naming `path`, on a missing or
 * unknown tensor, a wrong shape, a mask that is not 0 or 1, a weight that is not finite, a
 * masked weight that is not 0, a variance below 0 or a digest that does not fit. */
void checkpoint_apply(Net *net, const Safetensors *s, const char *path);
/* Sets the optimiser's memory, after checkpoint_apply; it is empty if the file has none. */
void checkpoint_memory(const Net *net, Optimizer *o, const Safetensors *s, const char *path);

/* ==== lmc.c: between and around networks =====================================================
 *
 * A sum over weights goes over those concerned, side by side in the order of the flat vector, in
 * LANES lanes (lane = place mod LANES), each ascending, added by lanes_sum. */

/* A network's values and mask without the Net: two vectors as net->weight and net->mask are. */
typedef struct {
  float *weight;
  unsigned char *mask;
} Solution;
void solution_take(Solution *s, const Net *net); /* a copy; the caller frees it by solution_free */
void solution_put(const Solution *s, Net *net);
void solution_free(Solution *s);

/* How a network does at a place on a path: [0] on the training set, [1] on the test set. */
typedef struct {
  float at, loss[2];
  size_t wrong[2]; /* images */
} Place;
/* Mean loss and error in percent on training and test set. Fails, naming `what` was trained, if
 * a loss is not finite. */
void evaluate(Net *net, const Dataset *data, const char *what, float loss[2], char error[2][32]);
/* What is not masked on the way between two solutions; UNION keeps both as they are. */
enum { UNION, FIRST, SECOND, INTERSECTION };
/* The net goes along a + t (b - a) below t = 0.5 and b + (1 - t)(a - b) from there (a and b
 * exactly at 0 and 1, and everywhere if they are equal) or, with a bend, along (1-t)^2 a + 2 t
 * (1-t) bend + t^2 b (Garipov 2018), and is evaluated at place[k].at = from + (to - from) (k /
 * (points - 1)), the last one at `to`. Batch-norm statistics: likewise, or `recompute`d from the
 * training set (in batches of net->batch). Leaves the net there. */
void path(Net *net, const Dataset *data, const Solution *a, const float *bend, const Solution *b,
          int masking, int recompute, float from, float to, Place *place, int points);
/* Prints such a path from s[0] to s[1], called name[0] and name[1]; its places within [0,1]
 * measured against the ends: highest error minus the mean of the ends (barrier), above the
 * straight line between them (height; Paul 2022), highest loss. "-" where a loss on the way is
 * not finite; fails if one at an end, or on a curve, is. */
void print_path(Net *net, const Dataset *data, const Solution *s, char *const *name,
                const float *bend, int masking, int recompute, float from, float to, int points);
/* Prints loss and error on the plane through s[0], s[1] and s[2] (Garipov 2018): a row for each of
 * them, A, B and C, as they are, then points x points places, y outside, ascending, over the
 * rectangle that holds the three; along its sides 0 is where they begin, 1 where they end. x and y
 * are distances of weights. No mask but the union of the three. Fails if they lie on one line. */
void print_plane(Net *net, const Dataset *data, const Solution *s, char *const *name, int recompute,
                 float from, float to, int points);
/* Training and test error barrier, in percent, mean over all pairs of s[0..n): the highest error
 * on the straight line of `points` minus the mean of its two ends (Frankle et al. 2020). Between
 * copies trained under different data orders it is the linear interpolation instability. height
 * (or NULL): the highest error above the straight line between the errors of the ends, likewise:
 * two ends of unequal error give a barrier without any hill, but no height. "-" as above. */
void barriers(Net *net, const Dataset *data, const Solution *s, int n, int points,
              char barrier[2][32], char height[2][32]);

/* Repellent loss (Maene 2021, section 3): J = lambda / n sum over the n optima of cos^2(theta,
 * theta_r), theta the surviving prunable weights; a hook adds its gradient to the loss's.
 * Created for the net's mask. */
typedef struct {
  float lambda;
  int optima;
  size_t weights;           /* surviving prunable weights */
  uint32_t *index, *place;  /* [weights]: in the flat vectors, and among the survivors */
  float **optimum, *square; /* [optima][weights], [optima]: their squared norms */
  float *theta;             /* [weights] */
} Repel;
void repel_create(Repel *r, const Net *net, float lambda, int most); /* most: optima */
void repel_from(Repel *r, const float *weight); /* one more optimum, a flat vector */
void repel_free(Repel *r);
void repel_hook(void *repel, Net *net, long step, int after);

/* The commands; they print tab-separated values on stdout. */
enum { ANGLE, COSINE_SIMILARITY, L2, L1, OVERLAP, HAMMING, SIGN, DISAGREEMENT, KL, JS };
/* A row of n distances per solution. Over the prunable weights that survive in both: ANGLE 2
 * angle / pi (0 the same, 1 orthogonal), COSINE_SIMILARITY, L2, L1 (mean), SIGN (percent of equal
 * sign). Of the masks, in percent: OVERLAP, in both of those in either (Jaccard), HAMMING, in one
 * only of all prunable weights. Over the test set: DISAGREEMENT (percent of images with another
 * prediction), KL (row to column), JS: mean divergence in nats of the predicted distributions. "-"
 * where there is none: no common weight, a norm that is 0 or too large, a prediction that is not
 * finite. */
void distances(Net *net, const Dataset *data, const Solution *s, int n, char **name, int what);
/* What the loaded net is like: angle between the gradient of each batch of epoch 0 and that of
 * the whole set (radians, mean) and their norms, weights and units per layer, units that are 0
 * for every training image, histogram of surviving weights. */
void probe(Net *net, const Dataset *data, const char *name, uint64_t order_seed);
/* Trains `bend` (from the middle of a and b) so that the mean training loss on the quadratic
 * Bezier curve falls: per batch one uniform t from RANDOM_CURVE, gradient 2 t (1-t) dW (Garipov
 * 2018). bend: net->size values of the caller's. */
void curve(Net *net, const Dataset *data, const Solution *a, const Solution *b, Training how,
           uint64_t seed, int quiet, float *bend);

/* ==== prune.c: masks, rewinding, the loop ==================================================== */

enum { GLOBAL, LAYER };
enum { MILLION = 1000000, OWN_RATES = 32 };
/* A rate of the tensors whose names have this part. */
typedef struct {
  char part[NAME_SIZE];
  long rate;
} OwnRate;
/* What is pruned at a level. Rates and densities are whole millionths, so that counts are exact: of
 * n surviving weights, round(n rate) are pruned. */
typedef struct {
  int scope;        /* GLOBAL: one ranking over all layers; LAYER: one per layer */
  long rate;        /* share of the surviving weights */
  long output_rate; /* the output layer's own rate, ranked alone; negative: as the others */
  long conv_rate;   /* the convolutions', ranked apart from dense layers; negative: as the others */
  long density;     /* one-shot: to this share of the weights of every ranking whose rate is not 0;
                     * negative: by the rates */
  OwnRate own[OWN_RATES]; /* [owns]: the first that fits a tensor has its rate, before the above; */
  int owns;               /* tensors of one of them are ranked together */
  size_t keep; /* so many survivors stay in every tensor; the next in the ranking go instead */
} Pruning;
/* Masks in mask[net->size] the surviving prunable weights lowest by (|w|, index). Returns the
 * largest |w| masked: the pruning threshold (0 if none is). */
float prune_magnitude(const Net *net, unsigned char *mask, const Pruning *how);
/* Permutes the mask within each prunable tensor, or over all of them together, among the places
 * that net->mask keeps. */
void prune_shuffle(const Net *net, unsigned char *mask, uint64_t seed, uint32_t level,
                   int together);

/* What is trained at a level; TICKET first, the others are controls with its mask or its size:
 * REINIT        ticket's mask, one new initialisation shared by all levels (Maene 2021), full
 *               schedule
 * REINIT_FRESH  the same, a new initialisation per level (Frankle and Carbin 2019)
 * SHUFFLE       ticket's weights, mask permuted within each layer; from level 1
 * RANDOM        ticket's weights, mask permuted over all layers; from level 1 */
enum { TICKET, REINIT, REINIT_FRESH, SHUFFLE, RANDOM, BRANCHES };
extern const char *const branch_names[BRANCHES];
/* How a ticket is retrained (Renda, Frankle, Carbin 2020), k the rewind step, T all steps; controls
 * begin with the weights of step k or anew:
 * WEIGHTS   weights of step k, schedule and data order from k to T
 * LR        weights as trained, schedule from k to T
 * FINETUNE  weights as trained, T - k steps with the schedule's last learning rate */
enum { WEIGHTS, LR, FINETUNE };

/* A whole experiment, as its options name it. Strings and data belong to the caller. */
typedef struct {
  const Dataset *data;
  Model model;
  int threads;
  size_t batch;
  int scheme;
  uint64_t seed;
  Training how;
  int levels; /* trained networks, the dense one included */
  Pruning pruning;
  long rewind; /* k */
  int retrain;
  int children; /* copies of every network under other data orders, for the instability */
  int points;   /* on the lines of barriers and instability; 0: none is measured */
  float repel;  /* lambda of the repellent loss from the branch's own previous networks; 0: none */
  int repel_last;                 /* only from the last of them */
  int branch[BRANCHES], branches; /* in the order asked for; branch[0] is TICKET */
  const Safetensors *init;        /* NULL, or where to start: values of step 0 and its mask */
  const char *init_path;
  const unsigned char *ticket; /* NULL, or the mask to begin with, which replaces that of init */
  const char *out;             /* PREFIX of all files */
  int quiet;
  int pairs; /* the configuration as the files record it */
  const char **key, **value;
} Experiment;
/* Runs it, or goes on where a killed run with the same configuration stopped, or one that had fewer
 * levels, branches (these in the same order), children or points: to the same files as if it had
 * had them at once. Of the pairs these four are in the tables only. Writes PREFIX.tsv,
 * PREFIX.epochs.tsv (a row per epoch of every training: loss and error of its batches before
 * their updates, of the test set when 5 times its images have passed and at the end; an epoch
 * that a rewound training, or level 0 after step k, begins in its middle counts from there),
 * PREFIX.rewind.safetensors, PREFIX.Lnn[.BRANCH][.childN].safetensors and prints the table of
 * test errors on stdout. */
void imp(const Experiment *e);

/* Instability analysis (Frankle et al. 2020, algorithm 1): trains to the end, and from each step
 * at[0..n) (ascending) again e->children copies, with the optimiser's memory of that step, under
 * other data orders (level 0 + CHILD c). Prints a row per step: mean barrier and height between
 * all pairs of the copies and the first training, errors and digest of the last copy. Fails if
 * one of them diverged. */
void stability(const Experiment *e, const long *at, int n);

/* ==== report.c: one page to look at ========================================================= */

/* Writes OUT.html ("": beside the first table) with a figure for all that the tables name[0..n)
 * hold: a run's PREFIX or PREFIX.tsv (with PREFIX.epochs.tsv and PREFIX.Lnn.safetensors where
 * they are), or a .tsv file that lmc, curve, distance, probe or stability printed; each is known
 * by its header. Runs that differ in seeds, number of levels or branches only are averaged,
 * others drawn side by side. data: the set that ten images are read from, or NULL: those of
 * built-in sets only. A table of published values (chart, line, x, y, low, high; `-`: none) adds
 * hollow marks to the charts whose titles it names, in the style of the line of that name, and its
 * `# key = value` lines to the top of the page. values: whether to write OUT.values.tsv, a row per
 * point of all charts. The page is the same bytes everywhere. Prints its name. Fails, naming the
 * file, on one that is cut short, damaged or no table of ticket. */
typedef int Standard(const char *option, const char *value); /* has it this value if not given? */
void write_report(char *const *name, int n, const char *out, const char *data, int values,
                  Standard *is_standard);

#endif
