/* parity.c - what test/conv_parity.py compares with PyTorch: one batch through a model, then ten
 * steps of SGD on it.
 *
 *     parity MODEL conv|pad on|off INIT.safetensors BATCH.bin OUT.safetensors
 *
 * Shortcut and affine batch norm as ticket's options have them. INIT: all tensors of the model
 * and maybe masks. BATCH: records of a label byte and 3x32x32 bytes, as CIFAR-10's; normalised
 * as synth-rgb. OUT: `logits` [images][10] and `loss` [images] of the first forward pass
 * (training), `grad.NAME` of every parameter, 0 where masked, `stat.NAME` the running statistics
 * after it, `NAME` everything after ten steps (lr 0.001, momentum 0.9), `evaluated` the mean
 * loss then, by the running statistics. SPDX-License-Identifier: MIT */
#include "../ticket.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGE = 3 * 32 * 32, STEPS = 10 };

static Safetensors out;

/* A tensor of the output, of zeros. */
static float *add(const char *prefix, const char *name, int dims, const size_t *shape)
{
  Entry *e = &out.entry[out.entries++];
  int d;
  sprintf(e->name, "%s%s", prefix, name);
  e->type = 'F';
  e->dims = dims;
  for (e->size = 1, d = 0; d < dims; d++) e->size *= e->shape[d] = shape[d];
  e->data = allocate(e->size, sizeof(float), e->name);
  return e->data;
}

static void load_batch(Split *batch, const char *path)
{
  size_t size, i;
  unsigned char *bytes = read_file(path, &size);
  batch->n = size / (IMAGE + 1);
  if (batch->n == 0 || size % (IMAGE + 1) != 0)
    fail("%s: %lu bytes are no records of %d", path, (unsigned long)size, IMAGE + 1);
  batch->pixel = allocate(batch->n, IMAGE, "the pixels");
  batch->label = allocate(batch->n, 1, "the labels");
  for (i = 0; i < batch->n; i++) {
    batch->label[i] = bytes[i * (IMAGE + 1)];
    if (batch->label[i] > 9)
      fail("%s: image %lu has label %d", path, (unsigned long)i, batch->label[i]);
    memcpy(batch->pixel + i * IMAGE, bytes + i * (IMAGE + 1) + 1, IMAGE);
  }
  free(bytes);
}

int main(int count, char **argument)
{
  float lane[LANES] = {0}, *to;
  size_t wrong = 0, shape[2], b, i;
  int k, step;
  Model model = {0};
  Dataset data;
  Split batch;
  Safetensors init;
  Training how;
  Optimizer optimizer;
  Net net;
  if (count != 7)
    fail_usage("parity MODEL conv|pad on|off INIT.safetensors BATCH.bin OUT.safetensors");
  model.name = argument[1];
  model.pad_shortcut = strcmp(argument[2], "pad") == 0;
  model.affine = strcmp(argument[3], "on") == 0;
  dataset_load(&data, "synth-rgb", 1);
  load_batch(&batch, argument[5]);
  net_create(&net, &model, &data, batch.n, 1);
  safetensors_read(&init, argument[4]);
  checkpoint_apply(&net, &init, argument[4]);
  safetensors_free(&init);
  optimizer_create(&optimizer, &net);
  out.entry = allocate(3 * (size_t)net.tensors + 3, sizeof *out.entry, "the output");
  memset(&how, 0, sizeof how);
  how.optimizer = SGD;
  how.momentum = 0.9f;
  for (step = 0; step < STEPS; step++) {
    net_load(&net, &batch, NULL, 0, batch.n, NULL);
    net_forward(&net, 1);
    net_loss(&net, lane, &wrong);
    if (step == 0) {
      const Activation *z = &net.activation[net.activations - 1];
      shape[0] = batch.n;
      shape[1] = net.classes;
      to = add("", "logits", 2, shape);
      for (b = 0; b < batch.n; b++)
        for (i = 0; i < net.classes; i++)
          to[b * net.classes + i] =
              z->value[(b / z->tile * net.classes + i) * z->tile + b % z->tile];
      memcpy(add("", "loss", 1, shape), net.loss, batch.n * sizeof *to);
    }
    net_backward(&net);
    for (k = 0; k < net.tensors && step == 0; k++) {
      const Tensor *t = &net.tensor[k];
      const size_t from = t->rank;
      size_t n = 0;
      if (t->offset >= net.parameters) {
        memcpy(add("stat.", t->name, t->dims, t->shape), net.weight + t->offset,
               t->size * sizeof *to);
        continue;
      }
      to = add("grad.", t->name, t->dims, t->shape);
      for (i = 0; i < t->size; i++)
        if (net.mask[t->offset + i]) to[i] = net.gradient[from + n++];
    }
    optimizer_step(&optimizer, &net, &how, 0.001f);
  }
  for (k = 0; k < net.tensors; k++) {
    const Tensor *t = &net.tensor[k];
    memcpy(add("", t->name, t->dims, t->shape), net.weight + t->offset, t->size * sizeof *to);
  }
  shape[0] = 1;
  net_evaluate(&net, &batch, add("", "evaluated", 1, shape), &wrong);
  safetensors_write(&out, argument[6]);
  for (k = 0; k < out.entries; k++) free(out.entry[k].data);
  free(out.entry);
  free(batch.pixel);
  free(batch.label);
  optimizer_free(&optimizer);
  net_free(&net);
  dataset_free(&data);
  return 0;
}
