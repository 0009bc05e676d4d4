/* test/own_network.c - a network of one's own in a program of one's own: four levels of iterative
 * magnitude pruning, a ticket read back, a failure caught. test/own.sh compiles and runs it.
 * SPDX-License-Identifier: MIT */
#include "ticket.h"

#include <stdlib.h>
#include <string.h>

/* 28 x 28 images, a convolution, two more with a shortcut around them, the mean of every channel */
static void build(Net *net)
{
  int x = add_relu(net, add_norm(net, add_conv(net, 0, "first", 4, 3, 2, 1, 0), "norm", 1));
  int y = add_relu(net, add_conv(net, x, "second", 4, 3, 1, 1, 1));
  y = add_relu(net, add_sum(net, add_conv(net, y, "third", 4, 3, 1, 1, 1), x));
  add_dense(net, add_average_pool(net, y, 14), "last", 10);
}

static void failed(const char *message)
{
  printf("caught: %s\n", message);
  exit(3);
}

int main(int count, char **argument)
{
  static const char *key[] = {"program", "model", "seed"}, *value[] = {"own", "shortcut", "1"};
  Experiment e = {.model = {.name = "shortcut", .build = build}, .batch = 50, .seed = 1};
  char path[200], digest[17];
  Dataset data;
  Safetensors s;
  Net net;
  on_failure(failed);
  if (self_check()) fail("this build would not give the same bits as others: %s", self_check());
  if (count != 2 || strlen(argument[1]) > 100) fail_usage("own_network PREFIX");
  dataset_load(&data, "synth", 500);
  e.data = &data;
  e.threads = e.branches = 1; /* of the branches only the ticket */
  e.how = (Training){.optimizer = SGD, .lr = 0.3f, .momentum = 0.9f, .steps = 30, .order_seed = 1};
  e.levels = 4;
  e.pruning = (Pruning){.rate = MILLION / 2, .output_rate = 0, .conv_rate = -1, .density = -1};
  e.out = argument[1];
  e.quiet = 1;
  e.pairs = 3; /* what tells this run from others; written to every file */
  e.key = key;
  e.value = value;
  imp(&e);
  sprintf(path, "%s.L03.safetensors", argument[1]);
  safetensors_read(&s, path);
  net_create(&net, &e.model, &data, 1, 1);
  checkpoint_apply(&net, &s, path);
  printf("%s %s\n", path, digest_text(digest, net_digest(&net)));
  net_free(&net);
  safetensors_free(&s);
  dataset_free(&data);
  return 0;
}
