/* naive.h - the oracle that nn.c is compared with, bit for bit. See naive.c.
 * SPDX-License-Identifier: MIT */
#ifndef NAIVE_H
#define NAIVE_H

#include "../ticket.h"

/* Functions, as ticket.h specifies them. */
float naive_square_root(float x);
float naive_exponential(float x);
float naive_logarithm(float x);
float naive_cosine_turns(float u);
float naive_arc_cosine(float x);

/* Random numbers, as ticket.h specifies them. */
void naive_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
uint32_t naive_bits(Stream s, uint64_t index);
float naive_uniform(Stream s, uint64_t index);
float naive_normal(Stream s, uint64_t index);
uint32_t naive_below(Stream s, uint64_t *index, uint32_t bound);
void naive_order(uint32_t *order, size_t n, Stream s);

/* What a layer reads or writes: value[image][channel][row][column]. Every layer writes an
 * activation of its own. */
typedef struct {
  size_t channels, height, width;
  float *value, *gradient; /* of the batch that went forward last */
  int given;               /* contributions to the gradient so far */
} NaiveActivation;

typedef struct {
  char name[NAME_SIZE];
  size_t size, offset;
  /* of a layer with weights: its units, and the inputs of each: channels times the kernel's
   * places */
  size_t outputs, inputs;
  size_t fan_in, fan_out;
  int kind;   /* NAIVE_WEIGHT, ... */
  int conv;   /* belongs to a convolution */
  int output; /* belongs to the last layer */
} NaiveTensor;
enum { NAIVE_WEIGHT, NAIVE_BIAS, NAIVE_GAMMA, NAIVE_BETA, NAIVE_MEAN, NAIVE_VARIANCE };

enum {
  NAIVE_CONV,
  NAIVE_DENSE,
  NAIVE_NORM,
  NAIVE_RELU,
  NAIVE_MAX_POOL,
  NAIVE_AVERAGE_POOL,
  NAIVE_SUM
};
typedef struct {
  int kind, in, out, shortcut; /* activations */
  char name[NAME_SIZE];
  size_t kernel, stride, padding; /* kernel: the window of a pool too */
  /* tensors, or -1; gamma and beta are a norm's weight and bias */
  int weight, bias, mean, variance;
} NaiveLayer;

/* resnet110 has 111 convolutions, 111 norms, 110 ReLUs, 54 sums */
enum { NAIVE_LAYERS = 400, NAIVE_TENSORS = 800 };
typedef struct {
  int layers, tensors, activations;
  NaiveLayer layer[NAIVE_LAYERS];
  NaiveTensor tensor[NAIVE_TENSORS];
  NaiveActivation activation[NAIVE_LAYERS + 1]; /* [0] the images, the last one the logits */
  size_t classes, inputs;                       /* inputs: C H W of the images */
  /* of the flat vectors: parameters, then statistics; all of them */
  size_t trained, size;
  float *weight, *gradient;       /* [size] */
  unsigned char *keep;            /* [size]: 1 keeps, 0 masks */
  float *moment, *square;         /* [size]: of the optimiser */
  float correction1, correction2; /* Adam: 1 - beta^t */
} Naive;

/* Layers in forward order, as ticket.h's add_...; each returns the activation that it writes. */
void naive_open(Naive *n, const Dataset *data);
int naive_conv(Naive *n, int in, const char *name, size_t outputs, size_t kernel, size_t stride,
               size_t padding, int bias);
int naive_dense(Naive *n, int in, const char *name, size_t outputs);
int naive_norm(Naive *n, int in, const char *name, int affine);
int naive_relu(Naive *n, int in);
int naive_max_pool(Naive *n, int in, size_t window);
int naive_average_pool(Naive *n, int in, size_t window);
int naive_sum(Naive *n, int in, int shortcut);
void naive_close(Naive *n); /* everything +0, nothing masked */
/* A network of dense layers with ReLU between them; hidden[0..count) are the widths of the
 * hidden ones. */
void naive_create(Naive *n, const Dataset *data, const size_t *hidden, size_t count);
/* convN, vggN, resnetN, resnetN-W */
void naive_model(Naive *n, const Model *model, const Dataset *data);
void naive_free(Naive *n);
void naive_mask(Naive *n, const unsigned char *keep); /* and the optimiser as new */
void naive_init(Naive *n, int scheme, uint64_t seed, uint32_t variant);
uint64_t naive_digest(const Naive *n);

/* x[image][c][h][w], normalised: images index[0..images) of the split, first, first + 1 ...
 * where index is NULL. */
void naive_pixels(float *x, const Dataset *data, const Split *split, const uint32_t *index,
                  size_t first, size_t images);

/* Fills all activations; training: norms by the batch's statistics, and the running ones follow. */
void naive_forward(Naive *n, const float *x, size_t images, int training);
/* loss: [images], of each image; adds the losses to the lanes and to *wrong the images
 * classified wrongly. */
void naive_loss(Naive *n, const unsigned char *label, size_t images, float *loss, float lane[LANES],
                size_t *wrong);
void naive_backward(Naive *n, size_t images); /* fills n->gradient, +0 where masked */
/* The three, in training. logits: [images][classes] */
void naive_batch(Naive *n, const float *x, const unsigned char *label, size_t images, float *logits,
                 float *loss, float lane[LANES], size_t *wrong);
float naive_lanes(const float lane[LANES]); /* their sum */
void naive_evaluate(Naive *n, const Dataset *data, const Split *split, float *loss, size_t *wrong);

float naive_learning_rate(const Training *how, long step);
void naive_step(Naive *n, const Training *how, float lr);
/* lr > 0 replaces the schedule. */
void naive_train(Naive *n, const Dataset *data, const Training *how, uint32_t level, long from,
                 long to, float lr, size_t batch);

/* Masks in keep[n->size] what prune_magnitude is to mask; returns the largest |w| masked. */
float naive_prune(const Naive *n, unsigned char *keep, const Pruning *how);
void naive_shuffle(const Naive *n, unsigned char *keep, uint64_t seed, uint32_t level,
                   int together);
/* Trains one network of iterative magnitude pruning; n has the mask of the level already. start:
 * the weights of step k (WEIGHTS, shuffle, random) or of the trained network of the level above
 * (LR, FINETUNE), unused by the others and level 0. */
void naive_level(Naive *n, const Experiment *e, int level, int branch, const float *start,
                 float *rewind);

/* The mean loss in double (training), for finite differences: parameter `moved` is changed by
 * `by`. *nearest becomes how far the next kink is: the smallest |number| that a ReLU gets or
 * difference of two largest of a max pool. */
double naive_loss_in_double(const Naive *n, const float *x, const unsigned char *label,
                            size_t images, size_t moved, double by, double *nearest);

#endif
