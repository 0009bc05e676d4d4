# sweep.mk - every seed with every batch size side by side, then one report that averages the seeds:
#
#     make -f test/sweep.mk -j 4
#     make -f test/sweep.mk -j 4 SEEDS='1 2 3 4 5' BATCHES='30 60' OPTIONS='--preset lenet-mnist --data mnist:DIR'
#
# A run is one process with files of its own, sweep-BATCH-SEED.*. After a crash give the same command again: runs that
# were killed go on where they were, finished ones end at once. SPDX-License-Identifier: MIT
SEEDS ?= 1 2 3
BATCHES ?= 60 240
OPTIONS ?= --data synth --init-scheme kaiming-uniform --levels 8 --rate 0.5 --branches reinit
TICKET ?= ./ticket
RUNS = $(foreach batch,$(BATCHES),$(SEEDS:%=sweep-$(batch)-%))

sweep.html: $(RUNS)
	$(TICKET) report $(RUNS) --out sweep

$(RUNS):
	$(TICKET) imp $(OPTIONS) --batch $(word 2,$(subst -, ,$@)) --seed $(word 3,$(subst -, ,$@)) --quiet --out $@

.PHONY: $(RUNS)
