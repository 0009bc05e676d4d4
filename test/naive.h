/* naive.h - the oracle that nn.c is compared with, bit for bit. See naive.c. SPDX-License-Identifier: MIT */
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

/* A network of dense layers with ReLU between them. */
enum { NAIVE_LAYERS = 8 };
typedef struct {
  size_t layers;
  size_t width[NAIVE_LAYERS + 1]; /* numbers per image: width[0] is C H W, width[layers] the classes */
  size_t size;                    /* of the flat vectors: of each layer the weights [out][in], then the biases [out] */
  float *weight, *gradient;       /* [size] */
  unsigned char *keep;            /* [size]: 1 keeps, 0 masks */
  float *moment, *square;         /* [size]: of the optimiser */
  float correction1, correction2; /* Adam: 1 - beta^t */
} Naive;

/* hidden[0..count) are the widths of the hidden layers. Everything +0, nothing masked. */
void naive_create(Naive *n, const Dataset *data, const size_t *hidden, size_t count);
void naive_free(Naive *n);
void naive_mask(Naive *n, const unsigned char *keep); /* and the optimiser as new */
void naive_init(Naive *n, int scheme, uint64_t seed, uint32_t variant);
uint64_t naive_digest(const Naive *n);

/* x[image][c][h][w], normalised: images index[0..images) of the split, first, first + 1 ... where index is NULL. */
void naive_pixels(float *x, const Dataset *data, const Split *split, const uint32_t *index, size_t first, size_t images);

/* Forward, loss and backward of one batch. logits: [images][classes]; loss: [images], of each image.
 * Fills n->gradient, adds the losses to the lanes and to *wrong the images classified wrongly. */
void naive_batch(Naive *n, const float *x, const unsigned char *label, size_t images, float *logits, float *loss,
                 float lane[LANES], size_t *wrong);
float naive_lanes(const float lane[LANES]); /* their sum */
void naive_evaluate(Naive *n, const Dataset *data, const Split *split, float *loss, size_t *wrong);

float naive_learning_rate(const Training *how, long step);
void naive_step(Naive *n, const Training *how, float lr);
/* lr > 0 replaces the schedule. */
void naive_train(Naive *n, const Dataset *data, const Training *how, uint32_t level, long from, long to, float lr, size_t batch);

/* Masks in keep[n->size] what prune_magnitude is to mask; returns the largest |w| masked. */
float naive_prune(const Naive *n, unsigned char *keep, const Pruning *how);
void naive_shuffle(const Naive *n, unsigned char *keep, uint64_t seed, uint32_t level, int together);
/* Trains one network of iterative magnitude pruning; n has the mask of the level already. start: the weights of step k
 * (WEIGHTS, shuffle, random) or of the trained network of the level above (LR, FINETUNE), unused by the others and level 0. */
void naive_level(Naive *n, const Experiment *e, int level, int branch, const float *start, float *rewind);

/* The mean loss in double, for finite differences: parameter `moved` is changed by `by`.
 * *nearest becomes the smallest |number| that a ReLU gets: how far the next kink is. */
double naive_loss_in_double(const Naive *n, const float *x, const unsigned char *label, size_t images, size_t moved, double by,
                            double *nearest);

#endif
