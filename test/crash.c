/* test/crash.c - small runs of every kind that are killed, whose file calls fail, that run twice at
 * once, and whose files are damaged: the same command again must end with the very bytes of a run
 * that nothing happened to, or refuse in one line that says which file to remove.
 *
 *   crash TICKET FAULT_LIBRARY     in an empty folder; test/crash.sh builds and starts it
 *
 * SEED, KILLS, FAILURES, ROUNDS, PLACES in the environment: how much of it; KILLS=0: before,
 * halfway through and after every call once. ONLY=N makes trial N of each group only. POSIX;
 * test/fault.c, which it preloads, needs Linux. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 60, TEXT = 4000, SHOWN = 12 };

/* ==== the kinds of runs ===================================================================== */

#define GRAY " --model lenet-6 --data mnist:../gray --batch 8 --quiet --out r"
#define COLOUR " --data cifar10:../colour --train-size 12 --batch 8 --quiet --out r"

static const struct {
  const char *name, *command;
} kind[] = {
    {"train", "train --steps 4ep --optimizer sgd --lr 0.1" GRAY},
    {"branches",
     "imp --steps 2ep --levels 3 --rate 0.5 --rewind 2it --branches reinit,shuffle" GRAY},
    {"children", "imp --steps 3ep --levels 3 --rate 0.5 --rewind 4it --children 1 --points 3"
                 " --branches reinit" GRAY},
    {"repel", "imp --steps 2ep --levels 4 --rate 0.5 --repel 0.1 --branches reinit-fresh" GRAY},
    {"finetune", "imp --steps 2ep --levels 4 --rate 0.5 --retrain finetune" GRAY},
    {"lr", "imp --steps 2ep --levels 4 --rate 0.5 --rewind 2it --retrain lr --children 2 --points "
           "2" GRAY},
    {"conv", "imp --steps 2ep --levels 2 --rate 0.5 --branches random --model conv2-2" COLOUR},
    {"resnet", "imp --steps 2ep --levels 2 --rate 0.5 --rewind 2it --children 1 --points 2"
               " --model resnet8-2 --optimizer sgd --lr 0.01" COLOUR}};
enum { KINDS = sizeof kind / sizeof kind[0] };

/* Commands that only read a finished run of kind `children`; report writes its page. */
static const char *const readers[] = {
    "lmc r.L00.safetensors r.L01.safetensors --points 3 --data mnist:../gray",
    "distance r.L00.safetensors r.L01.reinit.safetensors r.rewind.safetensors --data mnist:../gray",
    "probe r.L01.safetensors --data mnist:../gray --batch 8",
    "report r",
    "data --data mnist:../gray",
    "batches --data mnist:../gray --steps 2it"};
enum { READERS = sizeof readers / sizeof readers[0] };

/* ==== folders held in memory ================================================================ */

typedef struct {
  int files;
  struct {
    char name[80];
    unsigned char *bytes;
    long size;
  } file[MOST_FILES];
} Folder;

static void give_up(const char *what)
{
  perror(what);
  exit(1);
}

static int is_temporary(const char *name)
{
  const size_t n = strlen(name);
  return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static unsigned char *read_whole(const char *path, long *size)
{
  FILE *file = fopen(path, "rb");
  unsigned char *bytes;
  if (!file) give_up(path);
  fseek(file, 0, SEEK_END);
  *size = ftell(file);
  rewind(file);
  bytes = malloc((size_t)*size + 1);
  if (fread(bytes, 1, (size_t)*size, file) != (size_t)*size) give_up(path);
  bytes[*size] = 0;
  fclose(file);
  return bytes;
}

static void write_whole(const char *path, const void *bytes, long size)
{
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, (size_t)size, file) != (size_t)size || fclose(file)) give_up(path);
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* The folder `work`, in which all runs are made. */
static void take(Folder *f)
{
  DIR *folder = opendir("work");
  struct dirent *entry;
  char path[300];
  int k;
  for (f->files = 0; (entry = readdir(folder)) != NULL;)
    if (entry->d_name[0] != '.') {
      if (f->files == MOST_FILES || strlen(entry->d_name) >= sizeof f->file[0].name)
        give_up(entry->d_name);
      strcpy(f->file[f->files++].name, entry->d_name);
    }
  closedir(folder);
  qsort(f->file, (size_t)f->files, sizeof f->file[0], by_name);
  for (k = 0; k < f->files; k++) {
    snprintf(path, sizeof path, "work/%s", f->file[k].name);
    f->file[k].bytes = read_whole(path, &f->file[k].size);
  }
}

static void release(Folder *f)
{
  while (f->files > 0) free(f->file[--f->files].bytes);
}

static int find(const Folder *f, const char *name)
{
  int k;
  for (k = 0; k < f->files; k++)
    if (strcmp(f->file[k].name, name) == 0) return k;
  return -1;
}

static void write_file(const char *name, const void *bytes, long size)
{
  char path[300];
  snprintf(path, sizeof path, "work/%s", name);
  write_whole(path, bytes, size);
}

static void remove_file(const char *name)
{
  char path[300];
  snprintf(path, sizeof path, "work/%s", name);
  remove(path);
}

/* Removes the files whose names end so ("": all). */
static void clear(const char *ending)
{
  DIR *folder = opendir("work");
  struct dirent *entry;
  while ((entry = readdir(folder)) != NULL) {
    const size_t n = strlen(entry->d_name), m = strlen(ending);
    if (entry->d_name[0] != '.' && n >= m && strcmp(entry->d_name + n - m, ending) == 0)
      remove_file(entry->d_name);
  }
  closedir(folder);
}

static void put_back(const Folder *f)
{
  int k;
  clear("");
  for (k = 0; k < f->files; k++) write_file(f->file[k].name, f->file[k].bytes, f->file[k].size);
}

/* ==== checks ================================================================================ */

static const char *group;
static long group_good, group_bad, all_good, all_bad;
static char trail[TEXT]; /* what was done in this trial: enough to repeat it */

static void step(const char *format, ...)
{
  const size_t n = strlen(trail);
  va_list args;
  va_start(args, format);
  vsnprintf(trail + n, sizeof trail - n, format, args);
  va_end(args);
}

static void good(void) { group_good++; }

static void bad(const char *format, ...)
{
  va_list args;
  if (group_bad++ >= SHOWN) return;
  printf("FAIL %s: ", group);
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  printf("\n     after %s\n", trail);
  fflush(stdout);
}

static void open_group(const char *name)
{
  group = name;
  group_good = group_bad = 0;
}

static double seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void close_group(const char *format, ...)
{
  static double before;
  const double now = seconds();
  char what[TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  if (group_bad > SHOWN) printf("     and %ld more\n", group_bad - SHOWN);
  if (group_bad == 0) printf("ok   %s (%ld checks): ", group, group_good);
  else printf("     %s: %ld of %ld checks failed; ", group, group_bad, group_good + group_bad);
  printf("%s, %.0f s\n", what, before > 0 ? now - before : 0);
  fflush(stdout);
  before = now;
  all_good += group_good;
  all_bad += group_bad;
}

/* ==== random numbers ======================================================================== */

static uint64_t luck;
static long seed = 1, only = -1;

static long below(long n) /* 0 ... n - 1 (splitmix64) */
{
  uint64_t x = luck += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return (long)((x ^ x >> 31) % (uint64_t)n);
}

/* Trial n of a group has random numbers of its own, so that it can be made alone; 0: not now. */
static int begin_trial(long n)
{
  const char *c;
  luck = (uint64_t)seed * 1000003u + (uint64_t)n * 7919u;
  for (c = group; *c; c++) luck = luck * 31 + (unsigned char)*c;
  below(1);
  trail[0] = 0;
  step("trial %ld, SEED=%ld: ", n, seed);
  return only < 0 || n == only;
}

/* ==== runs ================================================================================== */

/* What happens to a run; {0}: nothing. */
typedef struct {
  const char *what; /* before, half, after, fail, no room from; NULL: nothing */
  long at;          /* the call's number */
  int windows;      /* rename refuses to replace */
  int slow;         /* waits at random before file calls */
  long delay;       /* microseconds before it starts */
} Fault;

typedef struct {
  pid_t process;
  int number, status; /* exit status, or the negative number of the signal that ended it */
  char out[TEXT], err[TEXT];
} Run;

static const char *ticket, *library, refuses[] = " (rename refuses to replace)";

static void start(Run *run, int number, const char *command, const Fault *f, int logs)
{
  char line[TEXT], *word[80], at[24], path[24];
  int n = 0;
  run->number = number;
  fflush(NULL); /* or the child writes it too */
  run->process = fork();
  if (run->process < 0) give_up("fork");
  if (run->process > 0) return;
  if (f->delay > 0) usleep((unsigned int)f->delay);
  snprintf(line, sizeof line, "ticket %s", command);
  for (word[n] = strtok(line, " "); word[n];) word[++n] = strtok(NULL, " ");
  sprintf(at, "%ld", f->at);
  sprintf(path, "out%d", number);
  if (!freopen(path, "wb", stdout)) _exit(126);
  sprintf(path, "err%d", number);
  if (!freopen(path, "wb", stderr) || !freopen("/dev/null", "rb", stdin)) _exit(126);
  if (chdir("work")) _exit(126);
  setenv("LD_PRELOAD", library, 1);
  setenv("FAULT_CLOCK", "3", 1); /* a resume file after every epoch */
  if (f->what) setenv("FAULT_DO", f->what, 1), setenv("FAULT_AT", at, 1);
  if (f->windows) setenv("FAULT_REPLACE", "no", 1);
  if (f->slow) setenv("FAULT_SLEEP", "2000", 1);
  if (logs) setenv("FAULT_LOG", "../calls", 1);
  alarm(60);
  execv(ticket, word);
  _exit(127);
}

static void read_text(char *to, const char *name, int number)
{
  char path[24];
  FILE *file;
  sprintf(path, "%s%d", name, number);
  file = fopen(path, "rb");
  to[file ? fread(to, 1, TEXT - 1, file) : 0] = 0;
  if (file) fclose(file);
}

static void wait_for(Run *run)
{
  int status;
  if (waitpid(run->process, &status, 0) < 0) give_up("waitpid");
  run->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  read_text(run->out, "out", run->number);
  read_text(run->err, "err", run->number);
}

static void execute(Run *run, const char *command, const Fault *f)
{
  if (f->what) step("%s call %ld%s; ", f->what, f->at, f->windows ? refuses : "");
  start(run, 0, command, f, 0);
  wait_for(run);
}

/* The calls of a run that nothing happens to, a letter each. Caller frees. */
static char *calls_of(Run *run, const char *command, int windows)
{
  Fault f = {0};
  char *letters;
  long size;
  f.windows = windows;
  remove("calls");
  start(run, 0, command, &f, 1);
  wait_for(run);
  letters = access("calls", R_OK) ? calloc(1, 1) : (char *)read_whole("calls", &size);
  return letters;
}

/* A call's number; every sort of call is as likely, however many there are. */
static long choose_call(const char *letters)
{
  static const char sort[] = "ocrwfxmd";
  long n = (long)strlen(letters), k, found = 0;
  char letter;
  if (n == 0) return 1;
  do letter = sort[below(8)];
  while (!strchr(letters, letter));
  for (k = 0; k < n; k++) found += letters[k] == letter;
  found = below(found);
  for (k = 0; k < n; k++)
    if (letters[k] == letter && found-- == 0) return k + 1;
  return 1;
}

static void choose_failure(Fault *f, const char *letters)
{
  f->at = choose_call(letters);
  f->what = below(4) ? "fail" : "no room from";
}

static void choose_kill(Fault *f, const char *letters)
{
  f->at = choose_call(letters);
  f->what = below(3) == 0 ? "before" : letters[f->at - 1] == 'w' && below(2) ? "half" : "after";
}

/* ==== what is right ========================================================================= */

typedef struct {
  const char *command;
  Folder files;
  char out[TEXT];
  char *calls[2]; /* of a run from nothing; [1] where rename refuses to replace */
  double took;
} Right;

static Right right[KINDS];

/* What the folder lacks or has wrong, NULL if nothing. exactly: no more but temporary files. */
static const char *differs(const Folder *wanted, int exactly)
{
  static char what[300];
  Folder f;
  int k, j;
  take(&f);
  what[0] = 0;
  for (k = 0; k < wanted->files && !what[0]; k++) {
    const char *name = wanted->file[k].name;
    const long size = wanted->file[k].size;
    j = find(&f, name);
    if (j < 0) snprintf(what, sizeof what, "%s is lost", name);
    else if (f.file[j].size != size || memcmp(f.file[j].bytes, wanted->file[k].bytes, (size_t)size))
      snprintf(what, sizeof what, "%s is wrong", name);
  }
  for (k = 0; k < f.files && exactly && !what[0]; k++)
    if (!is_temporary(f.file[k].name) && find(wanted, f.file[k].name) < 0)
      snprintf(what, sizeof what, "%s is left behind", f.file[k].name);
  release(&f);
  return what[0] ? what : NULL;
}

/* The run ended with status 0 and all is right? */
static const char *not_right(const Right *r, const Run *run)
{
  static char what[TEXT + 100];
  const char *found;
  if (run->status != 0) {
    snprintf(what, sizeof what, "status %d: %.300s", run->status, run->err);
    return what;
  }
  if ((found = differs(&r->files, 1)) != NULL) {
    snprintf(what, sizeof what, "status 0, but %s", found);
    return what;
  }
  return strcmp(run->out, r->out) ? "status 0, but another table on standard output" : NULL;
}

/* The same command again, without faults, must end right. */
static int ends_right(const Right *r, int windows, const char *what)
{
  Fault f = {0};
  Run run;
  const char *found;
  f.windows = windows;
  execute(&run, r->command, &f);
  found = not_right(r, &run);
  if (found) bad("%s: %s", what, found);
  else good();
  return !found;
}

/* Status 1 and one line on stderr that begins with `ticket: `? */
static int is_refusal(const Run *run)
{
  const char *end = strchr(run->err, '\n');
  return run->status == 1 && strncmp(run->err, "ticket: ", 8) == 0 && end && !end[1];
}

static int has_temporary(void)
{
  Folder f;
  int k, found = 0;
  take(&f);
  for (k = 0; k < f.files; k++) found |= is_temporary(f.file[k].name);
  release(&f);
  return found;
}

/* ==== killed ================================================================================ */

/* What a killed process may leave: promised files, the resume file, temporary ones. */
static void check_left(const Right *r)
{
  const char *name;
  Folder f;
  int k;
  take(&f);
  for (k = 0; k < f.files; k++) {
    name = f.file[k].name;
    if (find(&r->files, name) >= 0 || is_temporary(name)) continue;
    if (strcmp(name, "r.resume.safetensors")) bad("the killed process left %s", name);
  }
  release(&f);
}

static void remove_some(void)
{
  Folder f;
  int k;
  take(&f);
  for (k = 0; k < f.files; k++)
    if (below(3) == 0) {
      remove_file(f.file[k].name);
      step("without %s; ", f.file[k].name);
    }
  release(&f);
}

/* What a run finds: nothing, or a finished run some of whose files are gone. */
static void choose_beginning(const Right *r)
{
  clear("");
  if (below(4)) return;
  step("finished; ");
  put_back(&r->files);
  remove_some();
}

static void kills(long wanted)
{
  long n, killed = 0, trials = 0;
  open_group("killed");
  for (n = 0; killed < wanted && n < 3 * wanted; n++) {
    const Right *r = &right[n % KINDS];
    Fault f = {0};
    Run run;
    int k, chain;
    if (!begin_trial(n)) continue;
    step("%s: ", kind[n % KINDS].name);
    choose_beginning(r);
    f.windows = below(4) == 0;
    chain = 1 + (int)below(3); /* killed so many times, if it does not end before */
    for (k = 0; k < chain && killed < wanted; k++) {
      choose_kill(&f, r->calls[f.windows]);
      execute(&run, r->command, &f);
      if (run.status != -SIGKILL) break;
      killed++;
      check_left(r);
      if (below(8) == 0) remove_some();
    }
    if (k < chain && killed < wanted && not_right(r, &run))
      bad("not killed, %s", not_right(r, &run));
    ends_right(r, f.windows, "the same command again");
    trials++;
  }
  close_group("%ld kills in %ld runs", killed, trials);
}

/* Before, halfway through and after every call of every kind of run, once. */
static void kills_everywhere(void)
{
  static const char *const moment[3] = {"before", "half", "after"};
  long n = 0, killed = 0;
  int k, m, windows;
  open_group("killed everywhere");
  for (k = 0; k < KINDS; k++)
    for (windows = 0; windows < 2; windows++) {
      const char *letters = right[k].calls[windows];
      Fault f = {0};
      Run run;
      f.windows = windows;
      for (f.at = 1; letters[f.at - 1]; f.at++)
        for (m = 0; m < 3; m++) {
          if (m == 1 && letters[f.at - 1] != 'w') continue;
          if (!begin_trial(n++)) continue;
          step("%s: ", kind[k].name);
          clear("");
          f.what = moment[m];
          execute(&run, right[k].command, &f);
          killed += run.status == -SIGKILL;
          check_left(&right[k]);
          ends_right(&right[k], windows, "the same command again");
        }
    }
  close_group("%ld kills", killed);
}

/* ==== failing calls ========================================================================= */

/* A run in which a call failed: it says so in one line and leaves no temporary file, or all is
 * right. Then the same command without faults ends right. */
static void failing(const Right *r, const Fault *f, char letter)
{
  Run run;
  const char *found;
  execute(&run, r->command, f);
  found = run.status == 0 ? not_right(r, &run) : NULL;
  if (found) bad("call %ld (%c) failed: %s", f->at, letter, found);
  else if (run.status != 0 && !is_refusal(&run))
    bad("call %ld (%c) failed: status %d, not one line: %.300s", f->at, letter, run.status,
        run.err);
  else if (run.status != 0 && letter != 'd' && has_temporary())
    bad("call %ld (%c) failed: leaves a temporary file", f->at, letter);
  else good();
  ends_right(r, f->windows, "then the same command again");
}

static void failures_resumed(long wanted)
{
  long n, failed = 0;
  open_group("a call fails while a killed run goes on");
  for (n = 0; failed < wanted && n < wanted; n++) {
    const Right *r = &right[n % KINDS];
    Fault f = {0};
    Folder stopped;
    Run run;
    char *letters;
    int k;
    if (!begin_trial(n)) continue;
    step("%s: ", kind[n % KINDS].name);
    choose_beginning(r);
    f.windows = below(4) == 0;
    choose_kill(&f, r->calls[f.windows]);
    execute(&run, r->command, &f);
    clear(".tmp"); /* else the calls that are counted are not those that fail */
    take(&stopped);
    letters = calls_of(&run, r->command, f.windows);
    for (k = 0; k < 8 && failed < wanted; k++, failed++) {
      const size_t kept = strlen(trail);
      put_back(&stopped);
      choose_failure(&f, letters);
      failing(r, &f, letters[f.at - 1]);
      trail[kept] = 0;
    }
    free(letters);
    release(&stopped);
  }
  close_group("%ld failures", failed);
}

static void failures_fresh(long wanted)
{
  long n;
  open_group("a call fails in a new or finished run");
  for (n = 0; n < wanted; n++) {
    const Right *r = &right[n / 2 % KINDS];
    Fault f = {0};
    Run run;
    char *letters;
    if (!begin_trial(n)) continue;
    f.windows = below(4) == 0;
    step("%s, %s: ", kind[n / 2 % KINDS].name, n % 2 ? "finished" : "new");
    if (n % 2) put_back(&r->files);
    else clear("");
    letters = calls_of(&run, r->command, f.windows);
    if (n % 2) put_back(&r->files);
    else clear("");
    choose_failure(&f, letters);
    failing(r, &f, letters[f.at - 1]);
    free(letters);
  }
  close_group("%ld failures", n);
}

/* The commands that only read: every call fails once. Nothing of the run changes. */
static void failures_reading(void)
{
  const Right *r = &right[2];
  long failed = 0, n = 0, at;
  int k;
  open_group("a call fails in a command that only reads");
  for (k = 0; k < READERS; k++) {
    Fault f = {0};
    Folder all;
    Run run, was;
    char *letters;
    put_back(&r->files);
    letters = calls_of(&was, readers[k], 0);
    take(&all);
    for (at = 1; letters[at - 1]; at++) {
      const char letter = letters[at - 1], *found;
      if (at > 40 && letter == 'w' && at % 97) continue; /* a page has hundreds */
      if (!begin_trial(n++)) continue;
      step("%s: ", readers[k]);
      put_back(&r->files);
      f.what = "fail";
      f.at = at;
      execute(&run, readers[k], &f);
      failed++;
      found = differs(&r->files, run.status != 0);
      if (found) bad("call %ld (%c) failed: %s", at, letter, found);
      else if (run.status == 0 && (strcmp(run.out, was.out) || differs(&all, 1)))
        bad("call %ld (%c) failed: status 0 with another output", at, letter);
      else if (run.status != 0 && !is_refusal(&run))
        bad("call %ld (%c) failed: status %d, not one line: %.300s", at, letter, run.status,
            run.err);
      else good();
    }
    if (was.status != 0) bad("%s without faults: status %d: %s", readers[k], was.status, was.err);
    release(&all);
    free(letters);
  }
  close_group("%ld failures", failed);
}

/* A run of another seed on a finished one is refused and changes nothing, whatever call fails. */
static void failures_other(void)
{
  long failed = 0, n = 0, at;
  int k;
  open_group("a call fails in a run of another seed on a finished one");
  for (k = 0; k < KINDS; k++) {
    char command[TEXT], *letters;
    Fault f = {0};
    Run run;
    snprintf(command, sizeof command, "%s --seed 2", right[k].command);
    put_back(&right[k].files);
    letters = calls_of(&run, command, 0);
    for (at = 0; at == 0 || letters[at - 1]; at++) {
      const char *found;
      if (at > 100 && at % 97) continue;
      if (!begin_trial(n++)) continue;
      step("%s --seed 2: ", kind[k].name);
      put_back(&right[k].files);
      f.what = "fail";
      f.at = at;
      execute(&run, command, &f);
      failed += at > 0;
      found = differs(&right[k].files, 1);
      if (found) bad("status %d, %s: %.200s", run.status, found, run.err);
      else if (!is_refusal(&run)) bad("status %d, not one line: %.300s", run.status, run.err);
      else good();
    }
    free(letters);
  }
  close_group("%ld failures", failed);
}

/* ==== two at once =========================================================================== */

static void rounds(long wanted)
{
  long n, killed = 0, refused = 0, both = 0;
  open_group("two processes on one PREFIX");
  for (n = 0; n < wanted; n++) {
    const Right *r = &right[n % KINDS];
    Fault f[2] = {{0}, {0}};
    Run run[2];
    int k, one, windows, dies;
    if (!begin_trial(n)) continue;
    windows = below(4) == 0;
    dies = below(3) == 0;
    one = (int)below(2);
    step("%s: ", kind[n % KINDS].name);
    choose_beginning(r);
    if (below(4) == 0) { /* what a killed run left */
      choose_kill(&f[0], r->calls[0]);
      execute(&run[0], r->command, &f[0]);
      f[0].what = NULL;
    }
    for (k = 0; k < 2; k++) {
      f[k].windows = windows && (k == one || below(2));
      f[k].slow = below(2) == 0;
      if (k == one && dies) choose_kill(&f[k], r->calls[f[k].windows]);
    }
    f[one].delay = below(1 + (long)(1e6 * r->took));
    for (k = 0; k < 2; k++) {
      step("process %d after %ld us", k, f[k].delay);
      if (f[k].what) step(", killed %s call %ld", f[k].what, f[k].at);
      step("%s%s; ", f[k].slow ? ", slow" : "", f[k].windows ? refuses : "");
      start(&run[k], k, r->command, &f[k], 0);
    }
    for (k = 0; k < 2; k++) wait_for(&run[k]);
    step("status %d and %d; ", run[0].status, run[1].status);
    for (k = 0; k < 2; k++) {
      const char *found;
      if (run[k].status == 0) {
        found = differs(&r->files, run[1 - k].status == 0);
        if (found) bad("status 0, but %s", found);
        else if (strcmp(run[k].out, r->out)) bad("status 0, but another table on standard output");
        else good();
      } else if (run[k].status == -SIGKILL && f[k].what) killed++;
      else if (windows && is_refusal(&run[k])) refused++;
      else bad("process %d: status %d: %.300s", k, run[k].status, run[k].err);
    }
    both += run[0].status == 0 && run[1].status == 0;
    ends_right(r, windows, "a third start");
  }
  close_group("%ld rounds; both ended with status 0 in %ld, one killed in %ld, %ld refusals%s", n,
              both, killed, refused, refuses);
}

/* ==== damaged files ========================================================================= */

enum { NETWORK, CHILD, REWIND, RESUME, RESULTS, EPOCHS, TYPES, STATES = 4 };
static const char *const type_name[TYPES] = {"network", "child",   "rewind",
                                             "resume",  "results", "epochs"};

static int type_of(const char *name)
{
  if (strcmp(name, "r.tsv") == 0) return RESULTS;
  if (strcmp(name, "r.epochs.tsv") == 0) return EPOCHS;
  if (strstr(name, ".rewind.")) return REWIND;
  if (strstr(name, ".resume.")) return RESUME;
  return strstr(name, ".child") ? CHILD : NETWORK;
}

/* Runs that have files of all types, stopped in several places or finished; and of another seed. */
static struct State {
  const Right *r;
  char name[80];
  Folder files, other;
} state[2 * STATES];
static int states;

static void kill_at(const char *command, long at, Folder *files)
{
  Fault f = {0};
  Run run;
  f.what = "after";
  f.at = at;
  clear("");
  execute(&run, command, &f);
  clear(".tmp");
  take(files);
}

static void make_states(void)
{
  static const int has_all[2] = {2, 7};
  int k, n;
  for (k = 0; k < 2; k++) {
    const Right *r = &right[has_all[k]];
    const long calls = (long)strlen(r->calls[0]);
    char other[TEXT];
    Folder f;
    long at, suits[1000], found = 0;
    snprintf(other, sizeof other, "%s --seed 2", r->command);
    for (at = 1; at <= calls && found < 1000; at++) { /* after which renamings are all there? */
      int type, there = 0;
      if (r->calls[0][at - 1] != 'm') continue;
      kill_at(r->command, at, &f);
      for (n = 0; n < f.files; n++) {
        type = type_of(f.file[n].name);
        if (type != RESULTS || strstr((char *)f.file[n].bytes, "\n0\tticket\t")) there |= 1 << type;
      }
      if (there == (1 << TYPES) - 1) suits[found++] = at;
      release(&f);
    }
    for (n = 0; n < STATES; n++) {
      struct State *s = &state[states];
      if (n < STATES - 1 && found == 0) continue;
      s->r = r;
      if (n < STATES - 1) {
        at = suits[n * (found - 1) / (STATES - 2)];
        sprintf(s->name, "%s, killed after call %ld", kind[has_all[k]].name, at);
        kill_at(other, at, &s->other);
        kill_at(r->command, at, &s->files);
      } else {
        sprintf(s->name, "%s, finished", kind[has_all[k]].name);
        kill_at(other, 0, &s->other);
        kill_at(r->command, 0, &s->files);
      }
      states++;
    }
    if (found == 0) {
      trail[0] = 0;
      bad("%s: no place where a kill leaves files of all types", kind[has_all[k]].name);
    }
  }
}

/* The file that a refusal tells to remove: after the word remove, else where the line begins. */
static const char *file_to_remove(const Run *run)
{
  static char name[80];
  const char *at = run->err + 8, *word;
  for (word = at; (word = strstr(word, "remove r.")) != NULL;) at = word += 7;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ": ,;\n"), at);
  if (strncmp(name, "r.", 2)) return NULL;
  return name;
}

/* A file of the state was changed: the run must end right, or refuse, naming what to remove, and
 * then end right. must_name: what the refusal must have in it, or NULL. Returns 1 if refused. */
static int refused_or_right(const struct State *s, const char *must_name)
{
  const char *found, *name;
  Fault f = {0};
  Run run;
  execute(&run, s->r->command, &f);
  if (run.status == 0) {
    found = not_right(s->r, &run);
    if (found) bad("%s", found);
    else good();
    return 0;
  }
  name = file_to_remove(&run);
  if (!is_refusal(&run)) bad("status %d, not one line: %.300s", run.status, run.err);
  else if (!name) bad("no file to remove in '%.300s'", run.err);
  else if (must_name && !strstr(run.err, must_name)) bad("no %s in '%.300s'", must_name, run.err);
  else {
    char path[100], what[TEXT + 200];
    snprintf(path, sizeof path, "work/%s", name);
    run.err[strcspn(run.err, "\n")] = 0;
    if (access(path, F_OK)) bad("'%.300s', but %s is not there", run.err, name);
    else {
      remove_file(name);
      snprintf(what, sizeof what, "refused (%s), %s removed", run.err, name);
      ends_right(s->r, 0, what);
    }
  }
  return 1;
}

static void places(long wanted)
{
  long n, refused[TYPES] = {0}, made[TYPES] = {0};
  open_group("one byte changed");
  for (n = 0; n < wanted * TYPES; n++) {
    const int type = (int)(n % TYPES);
    const struct State *s;
    int k;
    long at, tries = 0;
    unsigned char *byte, was;
    if (!begin_trial(n)) continue;
    do { /* a state and a file in it of this type */
      s = &state[below(states)];
      k = (int)below(s->files.files);
    } while (type_of(s->files.file[k].name) != type && tries++ < 10000);
    if (tries > 10000) continue;
    put_back(&s->files);
    at = below(s->files.file[k].size);
    byte = s->files.file[k].bytes + at;
    was = *byte;
    *byte = (unsigned char)(below(2) ? was ^ 1 << below(8) : was + 1 + below(255));
    write_file(s->files.file[k].name, s->files.file[k].bytes, s->files.file[k].size);
    step("%s: byte %ld of %s from %d to %d: ", s->name, at, s->files.file[k].name, was, *byte);
    *byte = was;
    made[type]++;
    refused[type] += refused_or_right(s, s->files.file[k].name);
  }
  for (n = 0; n < TYPES; n++)
    printf("     %-7s %ld of %ld refused\n", type_name[n], refused[n], made[n]);
  close_group("%ld places", wanted * TYPES);
}

enum { ABSENT, EMPTY, CUT_1, CUT_HALF, CUT_LAST, CUT_LINE, LONGER, ZEROED, OTHER, OLDER, WAYS };
static const char *const way_name[WAYS] = {"absent",
                                           "empty",
                                           "cut after a byte",
                                           "cut in the middle",
                                           "cut before the last byte",
                                           "cut before the last line",
                                           "longer by a byte",
                                           "zeroed",
                                           "of another seed",
                                           "of an earlier moment"};

/* Changes a file so; 0 if that way does not fit it. */
static int spoil(const struct State *s, int k, int way)
{
  const char *name = s->files.file[k].name;
  const unsigned char *bytes = s->files.file[k].bytes;
  const long size = s->files.file[k].size;
  const Folder *from = &s->other;
  unsigned char *changed;
  long n;
  int j;
  switch (way) {
  case ABSENT: remove_file(name); return 1;
  case EMPTY: write_file(name, bytes, 0); return 1;
  case CUT_1: write_file(name, bytes, 1); return 1;
  case CUT_HALF: write_file(name, bytes, size / 2); return 1;
  case CUT_LAST: write_file(name, bytes, size - 1); return 1;
  case CUT_LINE:
    for (n = size - 1; n > 0 && bytes[n - 1] != '\n';) n--;
    if (n == 0 || !strstr(name, ".tsv")) return 0;
    write_file(name, bytes, n);
    return 1;
  case LONGER: /* the byte that read_whole puts after */
    write_file(name, bytes, size + 1);
    return 1;
  case ZEROED:
    changed = calloc((size_t)size, 1);
    write_file(name, changed, size);
    free(changed);
    return 1;
  case OLDER:
    if (s == state || s[-1].r != s->r) return 0;
    from = &s[-1].files; /* fall through */
  case OTHER:
    j = find(from, name);
    if (j < 0) return 0;
    write_file(name, from->file[j].bytes, from->file[j].size);
    return 1;
  }
  return 0;
}

static void whole_files(void)
{
  long n = 0, done = 0, refused = 0;
  int s, k, way;
  open_group("a file absent, empty, cut, zeroed, of another seed or older");
  for (s = 0; s < states; s++)
    for (k = 0; k < state[s].files.files; k++)
      for (way = 0; way < WAYS; way++) {
        if (!begin_trial(n++)) continue;
        put_back(&state[s].files);
        if (!spoil(&state[s], k, way)) continue;
        step("%s: %s %s: ", state[s].name, state[s].files.file[k].name, way_name[way]);
        done++;
        refused += refused_or_right(&state[s], NULL);
      }
  close_group("%ld files, %ld refused", done, refused);
}

/* ==== main ================================================================================== */

/* 24 + 8 images of 4 x 4 as IDX, 15 + 3 of 32 x 32 as CIFAR-10. */
static void make_sets(void)
{
  unsigned char bytes[3 * 3073];
  char path[60];
  int k, i;
  mkdir("gray", 0777);
  mkdir("colour", 0777);
  for (k = 0; k < 2; k++) {
    const int n = k ? 8 : 24;
    const char *which = k ? "t10k" : "train";
    memset(bytes, 0, sizeof bytes);
    bytes[2] = 8, bytes[3] = 3, bytes[7] = (unsigned char)n, bytes[11] = bytes[15] = 4;
    for (i = 0; i < 16 * n; i++) bytes[16 + i] = (unsigned char)below(256);
    sprintf(path, "gray/%s-images-idx3-ubyte", which);
    write_whole(path, bytes, 16 + 16 * n);
    bytes[3] = 1;
    for (i = 0; i < n; i++) bytes[8 + i] = (unsigned char)(i % 10);
    sprintf(path, "gray/%s-labels-idx1-ubyte", which);
    write_whole(path, bytes, 8 + n);
  }
  for (k = 1; k <= 6; k++) {
    for (i = 0; i < 3 * 3073; i++) bytes[i] = (unsigned char)(i % 3073 ? below(256) : below(10));
    sprintf(path, k < 6 ? "colour/data_batch_%d.bin" : "colour/test_batch.bin", k);
    write_whole(path, bytes, sizeof bytes);
  }
}

static void make_right(void)
{
  int k, windows;
  Run run;
  open_group("nothing happens");
  for (k = 0; k < KINDS; k++) {
    Right *r = &right[k];
    double begun;
    r->command = kind[k].command;
    trail[0] = 0;
    step("%s", kind[k].name);
    clear("");
    begun = seconds();
    r->calls[0] = calls_of(&run, r->command, 0);
    r->took = seconds() - begun;
    if (run.status != 0 || !r->calls[0][0]) {
      bad("status %d: %s", run.status, run.err);
      exit(1);
    }
    take(&r->files);
    strcpy(r->out, run.out);
    for (windows = 0; windows < 2; windows++) {
      clear("");
      free(r->calls[windows]);
      r->calls[windows] = calls_of(&run, r->command, windows);
      if (not_right(r, &run)) bad("again%s: %s", windows ? refuses : "", not_right(r, &run));
      else if (has_temporary()) bad("leaves a temporary file");
      else good();
    }
    printf("     %-9s %5.1f ms, %5zu file calls, %d files\n", kind[k].name, 1000 * r->took,
           strlen(r->calls[0]), r->files.files);
  }
  close_group("%d kinds of runs", (int)KINDS);
}

static long number(const char *name, long otherwise)
{
  const char *value = getenv(name);
  return value && *value ? atol(value) : otherwise;
}

int main(int words, char **word)
{
  if (words != 3) return 2;
  ticket = word[1];
  library = word[2];
  seed = number("SEED", 1);
  only = number("ONLY", -1);
  mkdir("work", 0777);
  make_sets();
  make_right();
  if (number("KILLS", 400) == 0) kills_everywhere();
  else kills(number("KILLS", 400));
  failures_resumed(number("FAILURES", 200));
  failures_fresh(number("FAILURES", 200) / 2);
  failures_reading();
  failures_other();
  rounds(number("ROUNDS", 40));
  open_group("stopped runs");
  make_states();
  close_group("%d", states);
  places(number("PLACES", 40));
  whole_files();
  printf("%ld passed, %ld failed\n", all_good, all_bad);
  return all_bad > 0;
}
