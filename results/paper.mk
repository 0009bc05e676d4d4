# paper.mk - the figures of Maene, Li, Moens 2021, a target each, from the commands of ticket alone:
#
#     make -f results/paper.mk fig2 DATA=DIR -j 2              # DIR/mnist and DIR/cifar10 hold the data; SCALE=small
#     make -f results/paper.mk fig1 DATA=DIR SCALE=full        # the paper's settings; paper.sbatch: as a Slurm array
#     make -n -f results/paper.mk fig1 DATA=DIR SCALE=full | sh results/plan.sh     # runs and core-hours, nothing is run
#
# NETWORK=conv4: figures 3 to 8, 10, 11 for Conv-4 (the paper's are ResNet-20's), batches of 16 with weight decay 0.01 as the unstable runs.
# Makes OUT/fig2.html, a page that says what was changed, and OUT/fig2.values.tsv, all its points with the paper's values.
# Every run is a target (`make -f results/paper.mk b512.s1`) with files of its own, OUT/b512.s1.*. After a crash give the
# same command again: a run goes on where it was, a finished one ends at once; a table of OUT that is there stays, and the
# two trainings of a table .stability begin again. SPDX-License-Identifier: MIT
SCALE ?= small
OUT ?= paper-$(SCALE)
TICKET ?= ./ticket
DATA ?= data
NETWORK ?= resnet
here := $(dir $(lastword $(MAKEFILE_LIST)))

# ---- what a run is: the parts of its name. b512.nowd.s1: ResNet-20, batch 512, no weight decay, seed 1 ----------------
part = $(subst ., ,$1)
network = $(or $(filter lenet conv4,$(call part,$1)),resnet)
training = $($(call network,$1).$(SCALE)) $(foreach p,$(call part,$1),$(train.$p)) \
  $(patsubst b%,--batch %,$(filter b%,$(call part,$1))) $(patsubst s%,--seed %,$(filter s%,$(call part,$1)))
pruning = --branches $(call control,$1) $(rates.$(call network,$1).$(SCALE)) $(foreach p,$(call part,$1),$(prune.$p))
control = $(if $(filter fresh,$(call part,$1)),reinit-fresh,reinit)
data = --data $(filter mnist:% cifar10:%,$($(call network,$1).$(SCALE)))

train.warm = --warmup $(warm.$(SCALE))
train.nowd = --weight-decay 0
train.decay = --weight-decay 0.01 --schedule step --gamma 0.1 --milestones $(decay.$(SCALE))
prune.repel = --repel 2
prune.attract = --repel -1
prune.last = --repel 2 --repel-set last

# ---- full: the paper's --------------------------------------------------------------------------------------------------
resnet.full = --preset resnet20-large-batch --data cifar10:$(DATA)/cifar10
conv4.full = --preset conv4-cifar10 --data cifar10:$(DATA)/cifar10
bend.full = --steps 10ep --schedule cosine
lenet.full = --preset lenet-mnist --data mnist:$(DATA)/mnist
warm.full = 10ep
decay.full = 55ep,65ep
batches.full = 64 128 256 512 1024 2048
special.resnet.full = b128 b512 b2048
rounds.full = 05 10 15
lines.full = 01 11 21
thin.full = L10
seeds.full = 1 2 3
changed.resnet.full = nothing, as far as the settings of the paper are known
changed.conv4.full = $(changed.resnet.full)
changed.lenet.full = the learning rate decays by a cosine (the paper says constant) and the output layer is not pruned (the paper excepts nothing); 25 networks where figures 18 to 20 have 33

# ---- small: hours of two cores ------------------------------------------------------------------------------------------
resnet.small = $(resnet.full) --train-size 20000 --model resnet20-8 --augment none --steps 40ep --milestones 26ep,33ep
conv4.small = $(conv4.full) --train-size 20000 --model conv4-16 --steps 12ep
bend.small = $(bend.full)
lenet.small = $(lenet.full)
rates.resnet.small = --levels 9 --rate 0.33
rates.conv4.small = --levels 7 --rate 0.33
level.resnet.small = 0.5572
level.conv4.small = 0.5572
warm.small = 5ep
decay.small = 9ep,10ep
batches.small = 32 512
special.resnet.small = b32 b512 b512
rounds.small = 02 04 06 07 08
lines.small = 01 04 06
thin.small = L06
seeds.small = 1
changed.resnet.small = width 8 instead of 16, the first 20,000 images without crops and flips, 40 epochs instead of 85 (learning rate times 0.1 after 26 and 33), \
  a third of the weights pruned 8 times instead of a fifth 24 times, batches of $(subst $() , and ,$(BATCHES)) instead of 64 to 2,048, seed $(SEEDS), without the runs with warm-up
changed.conv4.small = width 16 instead of 64, the first 20,000 images, 12 epochs instead of 75 (with a weight decay of 0.01: learning rate times 0.1 after 9 and 10), \
  a third of the weights pruned 6 times instead of a fifth 24 times, seed $(SEEDS)
changed.lenet.small = $(changed.lenet.full); seed $(SEEDS)

# ---- test: seconds (test/paper.sh) -------------------------------------------------------------------------------------
resnet.test = --preset resnet20-large-batch --data cifar10:$(DATA)/cifar10 --train-size 64 --model resnet8-2 --augment none --steps 2ep --milestones 1ep
conv4.test = --preset conv4-cifar10 --data cifar10:$(DATA)/cifar10 --train-size 64 --model conv4-2 --augment none --steps 2ep
bend.test = --steps 2it
lenet.test = --preset lenet-mnist --data mnist:$(DATA)/mnist --train-size 120 --model lenet-12-9 --steps 2ep
rates.resnet.test = --levels 3 --rate 0.4
rates.conv4.test = --levels 3 --rate 0.4
level.resnet.test = 0.4368
level.conv4.test = 0.4368
rates.lenet.test = --levels 12
warm.test = 1ep
decay.test = 1ep
batches.test = 16 64
special.resnet.test = b16 b64 b64
rounds.test = 01 02
lines.test = 01 02
thin.test = L02
seeds.test = 1
changed.resnet.test = everything; this is a test of the programs
changed.conv4.test = $(changed.resnet.test)
changed.lenet.test = $(changed.resnet.test)

# ---- the figures: their runs and the tables of measurements -------------------------------------------------------------
BATCHES ?= $(batches.$(SCALE))
SEEDS ?= $(seeds.$(SCALE))
ROUNDS ?= $(rounds.$(SCALE))
special.conv4.$(SCALE) = conv4.b16.decay conv4 conv4
unstable = $(word 1,$(special.$(NETWORK).$(SCALE)))
middle = $(word 2,$(special.$(NETWORK).$(SCALE)))
stable = $(word 3,$(special.$(NETWORK).$(SCALE)))
other = $(if $(filter conv4,$(NETWORK)),$(if $(filter fig3 fig4 fig5 fig6 fig7 fig8 fig10 fig11,$1),Conv-4 instead of ResNet-20 (the marks are of that); ))
thin = $(thin.$(SCALE))
each = $(foreach r,$1,$(SEEDS:%=$r.s%))
angles = $(foreach r,$1,$r.s1.angle $r.s1.reinit.angle)
probes = $(foreach r,$1,$r.s1.$2.probe $r.s1.$2.reinit.probe)
barriers = $(addsuffix .barrier,$(call each,$1))
ways = $(foreach l,$(lines.$(SCALE)),$1.s1.L$l.way $1.s1.L$l.reinit.way)

sizes = $(BATCHES:%=b%)
fig1.runs = $(call each,$(sizes) $(if $(filter small,$(SCALE)),,$(sizes:%=%.warm)))
fig2.tables = $(foreach r,$(ROUNDS),$(addsuffix .L$r.stability,$(call each,$(sizes))))
fig3.runs = $(call each,$(stable) $(stable).repel $(unstable) $(unstable).attract)
fig4.tables = $(call angles,$(stable) $(unstable))
fig5.tables = $(call probes,$(stable) $(unstable),$(thin))
fig6.runs = $(call each,$(sort $(unstable) $(middle) $(stable)))
fig7.runs = $(call each,$(middle) $(middle).nowd)
fig8.tables = $(call barriers,$(stable)) $(call ways,$(stable))
fig9.tables = $(call angles,$(sizes) $(word 3,$(special.resnet.$(SCALE))).repel $(word 1,$(special.resnet.$(SCALE))).attract)
fig10.tables = $(stable).s1.cosine
fig11.tables = $(stable).s1.l2
fig12.runs = $(call each,conv4.b16.decay conv4.b128.decay)
fig12.tables = $(call angles,conv4.b16.decay conv4.b128.decay)
fig13.runs = $(call each,conv4 conv4.repel)
fig14.runs = $(call each,lenet lenet.repel)
fig15.tables = $(call angles,conv4.repel)
fig16.tables = $(call angles,lenet.repel)
fig17.tables = lenet.last.s1.angle
fig18.tables = $(call angles,lenet)
fig19.tables = $(call probes,lenet,L10)
fig20.tables = $(call barriers,lenet.fresh) $(foreach l,01 05 10,lenet.fresh.s1.L$l.way lenet.fresh.s1.L$l.reinit-fresh.way)
fig21.tables = $(call angles,conv4)
fig22.tables = $(call probes,conv4,$(thin))
fig23.tables = $(call barriers,conv4) $(call ways,conv4)
# no figures of the paper: reinit's barriers with one initialisation for all levels; straight line and curve from ticket to reinit
further.tables = $(call barriers,lenet) lenet.s1.L10.straight lenet.s1.L10.curve

# ---- how all of it is made ----------------------------------------------------------------------------------------------
FIGURES = $(foreach n,1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23,fig$n) further
tables := $(sort $(foreach f,$(FIGURES),$($f.tables)))
run = $(firstword $(subst .L, ,$(patsubst %.reinit,%,$(patsubst %.reinit-fresh,%,$1))))
runs_of = $(sort $($1.runs) $(foreach t,$($1.tables),$(call run,$(basename $t))))
RUNS := $(sort $(foreach f,$(FIGURES),$(call runs_of,$f)))
# the levels below the dense one, the network one level above that of the name, and the ways between all
numbers = 00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24
levels = $(wordlist 2,$(or $(word 2,$(rates.$(call network,$1).$(SCALE))),25),$(numbers))
above = $(subst $() ,.,$(foreach p,$(call part,$1),$(if $(filter L%,$p),L$(word $(p:L%=%),$(numbers)),$p)))
pairs = $(foreach l,$(call levels,$1),$1.L$l $1.L$l.$(call control,$1))
of_figure = $(call network,$(firstword $($@.runs) $($@.tables)))
of = $(filter %.$1.tsv,$(tables:%=$(OUT)/%.tsv))
put = >$@.$$$$.part && mv $@.$$$$.part $@
kept = | $$(call run,$$*)

.SECONDEXPANSION:
.PHONY: all $(FIGURES) $(RUNS)
all: $(FIGURES)

# a level of the paper, which prunes a fifth, stands where ours has as many weights: at level.NETWORK.SCALE = ln 0.8 / ln(1 - rate) of it
$(FIGURES): $$($$@.runs) $$(patsubst %,$(OUT)/%.tsv,$$($$@.tables))
	{ echo '# scale = $(SCALE); changed: $(call other,$@)$(changed.$(of_figure).$(SCALE))$(if $(level.$(of_figure).$(SCALE)),$(if $(filter %.angle,$($@.tables)),; levels of the paper stand where ours have as many weights))' && \
	  awk -v level=$(or $(level.$(of_figure).$(SCALE)),1) 'BEGIN {FS = OFS = "\t"} /^Angle to / {$$3 *= level} 1' \
	  $(here)paper/$@.tsv; } >$(OUT)/$@.tsv
	$(TICKET) report $(patsubst %,$(OUT)/%,$@ $($@.runs) $($@.tables)) --values --out $(OUT)/$@

# their names, a line each: `fig2.runs` and `fig2.tables`
$(FIGURES:%=%.runs): ; @printf '%s\n' $(call runs_of,$(basename $@))
$(FIGURES:%=%.tables): ; @printf '%s\n' $($@:%=$(OUT)/%.tsv)

$(RUNS): | $(OUT)
	$(TICKET) imp $(call training,$@) $(call pruning,$@) --quiet --out $(OUT)/$@

$(OUT):
	mkdir -p $@

# instability: two trainings of a ticket from its initialisation that see the data in other orders
$(call of,stability): $(OUT)/%.stability.tsv: $(kept)
	{ awk '$$1 == $(patsubst L%,%,$(filter L%,$(call part,$*))) + 0 && $$2 == "ticket" {printf "# density = %.1f\n", $$4}' \
	  $(OUT)/$(call run,$*).tsv && $(TICKET) stability $(call training,$*) --ticket $(OUT)/$*.safetensors --quiet; } $(put)

# distances: all levels, then the initialisation, which for a control is what a training of no steps leaves
$(call of,reinit.angle): $(OUT)/%.reinit.angle.tsv: $(kept)
	$(TICKET) imp $(call training,$*) --branches reinit --levels 1 --steps 0it --quiet --out $(OUT)/$*.start >/dev/null
	$(TICKET) distance $(call data,$*) $(OUT)/$*.L??.reinit.safetensors $(OUT)/$*.start.L00.reinit.safetensors $(put)
	rm $(OUT)/$*.start.*
$(filter-out %.reinit.angle.tsv,$(call of,angle)) $(call of,cosine) $(call of,l2): $(OUT)/%.tsv: | $$(call run,$$(basename $$*))
	$(TICKET) distance $(call data,$*) --what $(lastword $(call part,$*)) \
	  $(patsubst %,$(OUT)/$(basename $*).%.safetensors,L?? rewind) $(put)

$(call of,probe): $(OUT)/%.probe.tsv: $(kept)
	$(TICKET) probe $(call data,$*) $(OUT)/$*.safetensors $(put)

# from a network to that of the next level; the barriers of all of them put into the table of the run
every_way := $(foreach r,$(call of,barrier),$(call pairs,$(r:$(OUT)/%.barrier.tsv=%)))
$(sort $(every_way:%=$(OUT)/%.way.tsv) $(call of,way)): $(OUT)/%.way.tsv: $(kept)
	$(TICKET) lmc $(call data,$*) --points 20 $(OUT)/$(call above,$*).safetensors $(OUT)/$*.safetensors $(put)
$(call of,barrier): $(OUT)/%.barrier.tsv: $$(addprefix $(OUT)/,$$(addsuffix .way.tsv,$$(call pairs,$$*))) | $$*
	awk -f $(here)barrier.awk $(OUT)/$*.tsv $(put)

$(call of,straight): $(OUT)/%.straight.tsv: $(kept)
	$(TICKET) lmc $(call data,$*) --points 31 $(OUT)/$*.safetensors $(OUT)/$*.reinit.safetensors $(put)
$(call of,curve): $(OUT)/%.curve.tsv: $(kept)
	$(TICKET) curve $(call data,$*) $(bend.$(SCALE)) --points 31 $(OUT)/$*.safetensors $(OUT)/$*.reinit.safetensors --quiet $(put)
