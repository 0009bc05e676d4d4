# make, make run, make test, make check (a minute), make verify, make bench, make web, make install, make uninstall, make clean; CC= and CFLAGS= may be given.
# Any flags give the same bits: ticket checks itself at every start and refuses to run if they do not.
PREFIX = /usr/local
MAN = share/man/man1
COMPLETIONS = share/bash-completion/completions
CC = cc
# What this compiler takes of: use the machine fully, do not count between taps, do not fuse multiply-add, sqrtf without errno; gcc else
# reads a pixel twice for two outputs.
FLAGS = -O3 -funroll-loops -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math \
  -fno-web -mprefer-vector-width=512
CFLAGS := $(shell for f in $(FLAGS); do $(CC) -std=c99 -Werror $$f -o .probe.o -c -x c /dev/null >/dev/null 2>&1 && printf '%s ' $$f; done; rm -f .probe.o)
# make OPENMP=1: threads (--threads N); the same bits
ifdef OPENMP
CFLAGS += -fopenmp
endif
SOURCES = ticket.c arithmetic.c nn.c prune.c lmc.c report.c data.c

ticket: $(SOURCES) ticket.h
	$(CC) -std=c99 $(CFLAGS) -o $@ $(SOURCES) -lm

run: ticket
	./ticket imp --data synth --init-scheme kaiming-uniform --levels 8 --rate 0.5 --branches reinit --out run
	@./ticket distance run.L0?.safetensors run.rewind.safetensors >run.angles.tsv
	@./ticket distance run.L0?.reinit.safetensors >run.angles-reinit.tsv
	@./ticket probe run.L05.safetensors >run.weights.tsv
	@./ticket probe run.L05.reinit.safetensors >run.weights-reinit.tsv
	@./ticket lmc run.L04.safetensors run.L05.safetensors >run.tickets.tsv
	@./ticket lmc run.L04.reinit.safetensors run.L05.reinit.safetensors >run.reinits.tsv
	@./ticket lmc run.L05.safetensors run.L05.reinit.safetensors >run.line.tsv
	@./ticket curve --steps 10ep --lr 0.003 --quiet run.L05.safetensors run.L05.reinit.safetensors >run.curve.tsv
	@./ticket report run run.tickets.tsv run.reinits.tsv run.line.tsv run.curve.tsv run.weights.tsv run.weights-reinit.tsv \
	  run.angles.tsv run.angles-reinit.tsv --out run

test: ticket
	sh test/all.sh "$(CC) -std=c99 $(CFLAGS)"

check: ticket
	sh test/all.sh "$(CC) -std=c99 $(CFLAGS)" check

verify: ticket
	./ticket verify

bench: ticket
	./ticket bench --batch 128

web:
	sh web/make.sh

install: ticket
	mkdir -p "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/$(MAN)" "$(DESTDIR)$(PREFIX)/$(COMPLETIONS)"
	cp ticket "$(DESTDIR)$(PREFIX)/bin/ticket"
	./ticket help --man >"$(DESTDIR)$(PREFIX)/$(MAN)/ticket.1"
	./ticket help --completion >"$(DESTDIR)$(PREFIX)/$(COMPLETIONS)/ticket"

uninstall:
	cd "$(DESTDIR)$(PREFIX)" && rm -f bin/ticket $(MAN)/ticket.1 $(COMPLETIONS)/ticket

clean:
	rm -f ticket test/unit test/unit_lmc run.tsv run.*.tsv run.html run.*.safetensors
	rm -rf web/build web/*.tgz

.PHONY: run test check verify bench web install uninstall clean
