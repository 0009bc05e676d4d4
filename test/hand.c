/* test/hand.c - builds a network from words, trains a batch on it and says what each call returned;
 * test/hand.sh gives it networks that are right and wrong. SPDX-License-Identifier: MIT
 *
 *     hand BATCH IMAGES CALL...    a batch of IMAGES images; CALL is one of these, in one argument:
 *     conv IN OUTPUTS KERNEL STRIDE PADDING    dense IN OUTPUTS    norm IN    relu IN
 *     max IN WINDOW    average IN WINDOW    sum IN SHORTCUT
 * Images of 2 x 7 x 6 pixels, 10 classes. */
#include "ticket.h"

#include <stdlib.h>
#include <string.h>

static int call(Net *net, const char *word, const int *n)
{
  const size_t a = (size_t)n[1], b = (size_t)n[2], c = (size_t)n[3], d = (size_t)n[4];
  char name[80];
  sprintf(name, "layer%d", net->layers);
  if (!strcmp(word, "conv")) return add_conv(net, n[0], name, a, b, c, d, 1);
  if (!strcmp(word, "dense")) return add_dense(net, n[0], name, a);
  if (!strcmp(word, "norm")) return add_norm(net, n[0], name, 1);
  if (!strcmp(word, "relu")) return add_relu(net, n[0]);
  if (!strcmp(word, "max")) return add_max_pool(net, n[0], a);
  if (!strcmp(word, "average")) return add_average_pool(net, n[0], a);
  if (!strcmp(word, "sum")) return add_sum(net, n[0], n[1]);
  if (!strcmp(word, "long")) return add_conv(net, 0, memset(name, 'x', 60), 1, 1, 1, 0, 1);
  fail("%s: no such call", word);
  return 0;
}

int main(int count, char **argument)
{
  enum { IMAGES = 50, SIZE = 2 * 7 * 6 };
  static unsigned char pixel[IMAGES * SIZE], label[IMAGES];
  const Training how = {.lr = 0.1f, .momentum = 0.9f};
  float lane[LANES] = {0};
  Dataset data = {.channels = 2, .height = 7, .width = 6, .classes = 10};
  char digest[17];
  size_t wrong = 0;
  Optimizer o;
  Net net;
  int k;
  for (k = 0; k < IMAGES * SIZE; k++) pixel[k] = (unsigned char)(k * 37 % 251);
  for (k = 0; k < IMAGES; k++) label[k] = (unsigned char)(k % 10);
  for (k = 0; k < 3; k++) data.deviation[k] = 1;
  data.train.n = IMAGES;
  data.train.pixel = pixel;
  data.train.label = label;
  net_open(&net, &data, (size_t)strtol(argument[1], NULL, 10), 1);
  for (k = 3; k < count; k++) {
    char word[16] = "";
    int n[5] = {0};
    sscanf(argument[k], "%15s %d %d %d %d %d", word, &n[0], &n[1], &n[2], &n[3], &n[4]);
    printf("%d ", call(&net, word, n));
  }
  net_close(&net);
  net_init(&net, KAIMING_NORMAL, 1, 0);
  optimizer_create(&o, &net);
  net_load(&net, &data.train, NULL, 0, (size_t)strtol(argument[2], NULL, 10), NULL);
  net_forward(&net, 1);
  net_loss(&net, lane, &wrong);
  net_backward(&net);
  optimizer_step(&o, &net, &how, how.lr);
  printf("%s\n", digest_text(digest, net_digest(&net)));
  optimizer_free(&o);
  net_free(&net);
  return 0;
}
